//! A closer look at the test of a case: opens it, and follows what it adds to a counter.

use super::{case::Case, diagnosis::Diagnosis, driver::Bench, screen, slot::Slot, state::Run};
use crate::{
    explain::native::{self, Passage},
    fit::Shape,
    verdict::Counter,
    worker::{
        Worker,
        loss::Loss,
        orders,
        protocol::{Called, Status},
    },
};

/// Iterations of a look; three of them vote.
const ITERATIONS: u32 = 5;
const FEWEST: u32 = 3;
const MOST: u32 = 24;
/// Where an iteration leaves more than this many blocks, the fewest iterations are enough.
const MANY_BLOCKS: f64 = 50e3;
/// Readings in one iteration. Each takes 1 µs for a length, 4 µs for the heap, more where much is free in between, and
/// 10 µs for the descriptors.
const READINGS: u32 = 20_000;
/// Where one iteration takes more CPU seconds than this, counting its events alone takes too long.
const LONGEST: f64 = 1.0;

/// How many iterations show the growth: several periods of it, and few where each leaves much.
pub(super) fn iterations(case: &Case) -> u32 {
    let period = case
        .fits
        .values()
        .filter_map(|fit| match fit.shape {
            Shape::Periodic { period } => u32::try_from(period).ok(),
            Shape::Noisy => Some(4),
            _ => None,
        })
        .max()
        .unwrap_or(1);
    if case.blocks() > MANY_BLOCKS {
        FEWEST
    } else if period > 1 {
        (2 * period + 2).clamp(ITERATIONS, MOST)
    } else {
        ITERATIONS
    }
}

/// What is found out about an open test, and the CPU seconds that it took.
type Look<T> = fn(&mut Worker, &Case) -> Result<(T, f64), Loss>;

/// Opens the test of a case and looks at it; nothing is found of one that does not pass in good time.
pub(super) fn look_at<T: Default>(
    run: &Run,
    bench: &Bench<'_>,
    slot: &mut Slot<'_>,
    case: &Case,
    look: Look<T>,
) -> Option<(T, f64)> {
    slot.with(&run.tests, case.test, |worker, index| {
        let (fit, cpu) = open(worker, bench, case, index)?;
        if !fit {
            return Ok((T::default(), cpu));
        }
        let (found, more) = look(worker, case)?;
        Ok((found, cpu + more))
    })
}

/// Opens the test, and tells whether it passes in good time.
pub(super) fn open(
    worker: &mut Worker,
    bench: &Bench<'_>,
    case: &Case,
    index: usize,
) -> Result<(bool, f64), Loss> {
    let opened = screen::run(
        worker,
        orders::Run {
            thaw: true,
            wider: case.wider,
            warmup: bench.warmup,
            ..orders::Run::open(index)
        },
    )?;
    let quick = opened.cpu - opened.cpu_warm <= LONGEST;
    Ok((opened.outcome.status == Status::Passed && quick, opened.cpu))
}

pub(super) fn calls(case: &Case, counter: Counter, container: Option<Vec<u64>>) -> orders::Calls {
    orders::Calls {
        iterations: iterations(case),
        readings: READINGS,
        counter,
        container,
    }
}

pub(super) fn passages_of(called: &Called, wanted: &[i64], slack: i64) -> Vec<Passage> {
    if called.outcome.status == Status::Passed && !called.lost {
        native::passages(&called.nodes, wanted, slack)
    } else {
        Vec::new()
    }
}

/// Where the open test adds to a counter, or to the length of the last object of the way to a `container`; and the CPU
/// seconds that it took.
pub(super) fn follow(
    worker: &mut Worker,
    case: &Case,
    counter: Counter,
    container: Option<Vec<u64>>,
) -> Result<(Vec<Passage>, f64), Loss> {
    let slack = match counter {
        Counter::Heap => native::WOBBLE,
        _ => 0,
    };
    let called = worker.ask(calls(case, counter, container))?;
    Ok((passages_of(&called, &called.totals, slack), called.cpu))
}

/// Objects that nothing refers to, or memory that is in none.
pub(super) fn is_lost(case: &Case) -> bool {
    case.is_leak() && case.diagnosis.as_ref().is_some_and(Diagnosis::is_lost)
}
