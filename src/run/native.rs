//! One more look at tests whose heap grows by what no Python allocation explains, to name the call that it comes from.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::Ordering,
};

use super::{
    Run, diagnose,
    loss::Loss,
    protocol::{Called, Order, Record, Status},
    screen,
    slot::Slot,
    suspects::FRAMES_SHOWN,
    trace::{Bench, Case, Judged},
    worker::{INTERRUPTED, Worker},
};
use crate::{
    attribute::native::{self, Passage},
    verdict::Counter,
};

/// Tests that are looked at; a suite with more native leaks has its names for the first ones.
const MOST: usize = 40;
/// Readings of the heap in one iteration: each takes 4 µs, more where much is free in between.
const READINGS: u32 = 20_000;
/// Share of the suspects' budget that these looks may take on top of it.
const SHARE: f64 = 0.25;
/// Where one iteration takes more CPU seconds than this, counting its events alone takes too long.
const LONGEST: f64 = 1.0;

/// Looks at a test of each native leak, in a worker of `slot`, and leaves what was found with the case. What cannot be
/// found out leaves the finding without a place; nothing else depends on it.
pub(super) fn all(run: &mut Run, bench: &Bench<'_>, slot: &mut Slot<'_>) {
    if run
        .counters
        .get(&Counter::Heap)
        .is_none_or(|word| word != "exact")
    {
        return;
    }
    let allowance = bench.budget.total().as_secs_f64() * SHARE;
    let mut spent = 0.0;
    let mut known: BTreeMap<usize, Vec<Passage>> = BTreeMap::new();
    let leaks: Vec<usize> = (0..run.cases.len())
        .filter(|at| is_native(&run.cases[*at]))
        .collect();
    for at in leaks {
        let leader = run.cases[at].leader;
        if let Some(passages) = known.get(&leader) {
            run.cases[at].passages.clone_from(passages);
            continue;
        }
        if known.len() >= MOST || spent > allowance || INTERRUPTED.load(Ordering::SeqCst) {
            return;
        }
        let (passages, cpu) = look_at(run, bench, slot, at).unwrap_or_default();
        spent += cpu;
        describe(run, bench, slot, &passages);
        known.insert(leader, passages.clone());
        run.cases[at].passages = passages;
    }
}

/// A leak of which only the heap's size tells.
fn is_native(case: &Case) -> bool {
    case.judged == Judged::Leak
        && case.growths.is_empty()
        && case.fits.contains_key(&Counter::Heap)
        && !case.fits.contains_key(&Counter::Blocks)
}

fn look_at(
    run: &Run,
    bench: &Bench<'_>,
    slot: &mut Slot<'_>,
    at: usize,
) -> Option<(Vec<Passage>, f64)> {
    let case = &run.cases[at];
    let (worker, index) = slot.worker_for(&run.tests, case.test).ok()??;
    match one(worker, bench, case, index) {
        Ok(found) => Some(found),
        Err(_) => {
            slot.discard();
            None
        }
    }
}

fn one(
    worker: &mut Worker,
    bench: &Bench<'_>,
    case: &Case,
    index: usize,
) -> Result<(Vec<Passage>, f64), Loss> {
    let opened = screen::run(
        worker,
        &Order::Run {
            test: Some(index),
            thaw: true,
            survey: false,
            wider: case.wider,
            warmup: bench.warmup,
            iterations: 1,
        },
    )?;
    if opened.outcome.status != Status::Passed || opened.cpu - opened.cpu_warm > LONGEST {
        return Ok((Vec::new(), opened.cpu));
    }
    let order = Order::Calls {
        iterations: diagnose::iterations(case),
        readings: READINGS,
    };
    let called: Called = match worker.call(&order)? {
        Record::Called(called) => called,
        other => return Err(Loss::Bridge(format!("unexpected answer: {other:?}"))),
    };
    let passed = called.outcome.status == Status::Passed && !called.lost;
    let passages = if passed {
        native::passages(&called.nodes, &called.heap)
    } else {
        Vec::new()
    };
    Ok((passages, opened.cpu + called.cpu))
}

/// Asks for the function and the text of the lines that are told.
fn describe(run: &mut Run, bench: &Bench<'_>, slot: &mut Slot<'_>, passages: &[Passage]) {
    let places: BTreeSet<(String, u32)> = passages
        .iter()
        .flat_map(|passage| passage.shown(bench.places).iter().take(FRAMES_SHOWN))
        .filter(|place| !run.sources.contains_key(*place) && !place.0.starts_with('<'))
        .cloned()
        .collect();
    let places: Vec<(String, u32)> = places.into_iter().collect();
    if !places.is_empty()
        && let Some(answers) = slot.describe(&places)
    {
        run.sources.extend(places.into_iter().zip(answers));
    }
}
