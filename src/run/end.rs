//! Ends that are read in the screen already: most of what grows in a healthy suite is a cache that says how far it goes,
//! and here it costs no second process.

use super::{
    horizon::filled,
    loss::Loss,
    protocol::{Bound, Order, Record, Status},
    readings::mend_opening,
    screen::{Look, glance},
    trace::growing,
    worker::Worker,
};
use crate::{
    fit::{Exactness, Look as Glance},
    verdict::Counter,
};

/// Seconds of a test that is left to the suspects' budget, where an end is asked for as well.
const LONGEST: f64 = 0.25;
/// Fewest increments that are judged, without and with `--thorough`.
const FEWEST: u32 = 16;
const FEWEST_PATIENT: u32 = 34;

/// What the open test fills, if nothing grows once that is emptied at every boundary.
pub(super) fn end_of(
    worker: &mut Worker,
    look: &mut Look,
    readings: u32,
    thorough: bool,
) -> Result<Option<String>, Loss> {
    if look.seconds > LONGEST {
        return Ok(None);
    }
    let fewest = if thorough { FEWEST_PATIENT } else { FEWEST };
    let bound = ask(worker, readings.max(fewest))?;
    let Some(mut window) = bound.window else {
        return Ok(None);
    };
    look.iterations += window.iterations;
    window.series.remove(&Counter::Garbage);
    if let Some(objects) = window.series.get_mut(&Counter::Objects) {
        mend_opening(objects);
    }
    let rests = glance(&window.series, thorough) == Glance::Clean
        || !thorough && growing(&window.series, |_| Exactness::Exact).is_empty();
    let clean = window.outcome.status == Status::Passed && rests;
    Ok(clean.then(|| filled(&bound.filled)))
}

/// What a test fills in which nothing grew, as it was emptied.
pub(super) fn emptied(worker: &mut Worker, look: &Look) -> Result<Option<String>, Loss> {
    if look.seconds > LONGEST {
        return Ok(None);
    }
    let bound = ask(worker, 0)?;
    Ok((!bound.filled.is_empty()).then(|| filled(&bound.filled)))
}

fn ask(worker: &mut Worker, iterations: u32) -> Result<Bound, Loss> {
    let order = Order::Bound {
        iterations,
        quick: true,
    };
    match worker.call(&order)? {
        Record::Bound(bound) => Ok(bound),
        other => Err(Loss::Bridge(format!("unexpected answer: {other:?}"))),
    }
}
