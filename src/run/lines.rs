//! Which line adds the entry that stays, or opens the descriptor: neither allocates anything that could be traced.

use super::{
    case::Case,
    closer,
    diagnosis::{Diagnosis, Heap, Place},
    driver::Bench,
};
use crate::{
    heap::{holder::Gain, path::Phase, route::Route, types},
    verdict::Counter,
    worker::{Worker, loss::Loss},
};

/// Rates of two windows differ where growth is uneven.
const NEARLY: f64 = 0.9;

/// Adds the lines to what is known of a case whose heap the worker wrote down last.
pub(super) fn find(
    worker: &mut Worker,
    bench: &Bench<'_>,
    case: &Case,
    heap: &Heap,
    diagnosis: &mut Diagnosis,
) -> Result<(), Loss> {
    for counter in case
        .fits
        .keys()
        .copied()
        .filter(|counter| counter.is_followed())
    {
        let found = look(worker, bench, case, diagnosis, counter, None)?;
        if !found.is_empty() {
            diagnosis.made = found;
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
        let way = heap.graph.ids_of(&chosen.way);
        let added = look(worker, bench, case, diagnosis, Counter::Items, Some(way))?;
        if let Some(route) = diagnosis.routes.first_mut() {
            route.born = added;
        }
    }
    Ok(())
}

/// Whether a place was found that can be that of the entries: theirs by itself, or one with about as many bytes as they
/// have. What takes its memory from a free list has none, and what else grows may have as many bytes.
fn is_traced(case: &Case, diagnosis: &Diagnosis) -> bool {
    let route = diagnosis.routes.first();
    if route.is_some_and(|route| route.born.is_empty() && types::is_reused(&route.kept)) {
        return false;
    }
    let entries = route.and_then(Route::entries);
    let bytes = entries.map_or(0.0, |entries| entries.bytes);
    let mut found = case.growths.iter();
    found.any(|growth| growth.bytes.rate.value >= NEARLY * bytes)
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
    let (passages, cpu) = closer::follow(worker, case, counter, container)?;
    diagnosis.cost.0 += cpu;
    let mut shown = passages.iter().map(|passage| passage.shown(bench.places));
    let found = shown.find(|frames| !frames.is_empty());
    Ok(found.unwrap_or_default().to_vec())
}
