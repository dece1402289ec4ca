//! Which line adds the entry that stays, or opens the descriptor: neither allocates anything that could be traced.

use super::{
    diagnose::{self, Diagnosis, Heap, Place},
    loss::Loss,
    protocol::{Order, Record, Status},
    trace::{Bench, Case},
    worker::Worker,
};
use crate::{
    attribute::{holder::Gain, native, path::Phase},
    verdict::Counter,
};

/// Readings in one iteration. Each takes 1 µs for a length and 10 µs for the descriptors.
const READINGS: u32 = 20_000;

/// Adds the lines to what is known of a case whose heap the worker wrote down last.
pub(super) fn find(
    worker: &mut Worker,
    bench: &Bench<'_>,
    case: &Case,
    heap: &Heap,
    diagnosis: &mut Diagnosis,
) -> Result<(), Loss> {
    for counter in [Counter::Fds, Counter::Children] {
        if case.fits.contains_key(&counter) {
            let found = look(worker, bench, case, diagnosis, counter, None)?;
            if !found.is_empty() {
                diagnosis.made = found;
            }
        }
    }
    // A container that became longer by something that was not seen to be allocated.
    let lengthened = heap
        .decision
        .holders
        .iter()
        .find(|chosen| chosen.gain == Gain::Length && chosen.phase != Phase::Runner);
    if let Some(chosen) = lengthened
        && !is_traced(case, diagnosis)
        && diagnosis
            .routes
            .first()
            .is_some_and(|route| route.gain == Gain::Length)
    {
        let way = diagnose::ids(&heap.graph, &chosen.way);
        let added = look(worker, bench, case, diagnosis, Counter::Items, Some(way))?;
        if let Some(route) = diagnosis.routes.first_mut() {
            route.born = added;
        }
    }
    Ok(())
}

/// Whether a place was found that can be that of the entries: with a block as large as one of them. What takes its memory
/// from a free list is in none.
fn is_traced(case: &Case, diagnosis: &Diagnosis) -> bool {
    let size = diagnosis
        .routes
        .first()
        .and_then(|route| route.steps.last())
        .map_or(0, |last| last.size);
    case.growths.iter().any(|growth| {
        let (count, bytes) = (growth.count.rate.value, growth.bytes.rate.value);
        bytes >= count.max(1e-9) * size as f64
    })
}

/// Frames of the only line, or of the one that adds most, from the reader's code on outwards.
fn look(
    worker: &mut Worker,
    bench: &Bench<'_>,
    case: &Case,
    diagnosis: &mut Diagnosis,
    counter: Counter,
    container: Option<Vec<u64>>,
) -> Result<Vec<Place>, Loss> {
    let order = Order::Calls {
        iterations: diagnose::iterations(case),
        readings: READINGS,
        counter,
        container,
    };
    let called = match worker.call(&order)? {
        Record::Called(called) => called,
        other => return Err(Loss::Bridge(format!("unexpected answer: {other:?}"))),
    };
    diagnosis.cost.0 += called.cpu;
    if called.outcome.status != Status::Passed || called.lost {
        return Ok(Vec::new());
    }
    let passages = native::passages(&called.nodes, &called.totals, 0);
    let mut shown = passages.iter().map(|passage| passage.shown(bench.places));
    let found = shown.find(|frames| !frames.is_empty());
    Ok(found.unwrap_or_default().to_vec())
}
