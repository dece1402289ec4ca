//! Ends that are read in the screen already: most of what grows in a healthy suite is a cache that says how far it goes,
//! and here it costs no second process.

use super::{
    loss::Loss,
    orders,
    protocol::{Bound, Status},
    screen::{Look, glance},
    worker::Worker,
};
use crate::{
    fit::{Exactness, Look as Glance},
    investigate::{growth::growing, readings::mend_opening},
    verdict::{Counter, Series, conclusion::Filled},
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
) -> Result<Option<Vec<Filled>>, Loss> {
    if look.seconds > LONGEST {
        return Ok(None);
    }
    let fewest = if thorough { FEWEST_PATIENT } else { FEWEST };
    let bound = ask(worker, readings.max(fewest), true)?;
    let Some(mut window) = bound.window else {
        return Ok(None);
    };
    look.iterations += window.iterations;
    if let Some(objects) = window.series.get_mut(&Counter::Objects) {
        mend_opening(objects);
    }
    let clean = window.outcome.status == Status::Passed && rests(&window.series, thorough);
    Ok(clean.then_some(bound.filled))
}

/// Whether nothing grows, in as many readings as [`end_of`] has. Event loops and the like come and go, which [`glance`] takes
/// for reason to read on.
fn rests(series: &Series, thorough: bool) -> bool {
    growing(series, |_| Exactness::Exact).is_empty()
        && (!thorough || glance(series, thorough) == Glance::Clean)
}

/// What a test fills in which nothing grew, as it was emptied.
pub(super) fn emptied(worker: &mut Worker, look: &Look) -> Result<Option<Vec<Filled>>, Loss> {
    if look.seconds > LONGEST {
        return Ok(None);
    }
    let bound = ask(worker, 0, true)?;
    Ok((!bound.filled.is_empty()).then_some(bound.filled))
}

/// Sends a bound order and takes its answer.
pub(super) fn ask(worker: &mut Worker, iterations: u32, quick: bool) -> Result<Bound, Loss> {
    worker.ask(orders::Bound { iterations, quick })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fds(rises: impl Fn(u32) -> bool, increments: u32) -> Series {
        let reading = |at| (1..=at).filter(|nth| rises(*nth)).count() as i64;
        Series::from([(Counter::Fds, (0..=increments).map(reading).collect())])
    }

    #[test]
    fn what_leaks_now_and_then_beside_a_cache_goes_on() {
        for every in 1..=4 {
            for phase in 0..every {
                let leak = fds(|nth| nth % every == phase, FEWEST);
                assert!(!rests(&leak, false), "{leak:?}");
            }
        }
        for every in 5..=11 {
            for phase in 0..every {
                let leak = fds(|nth| nth % every == phase, FEWEST_PATIENT);
                assert!(!rests(&leak, true), "{leak:?}");
            }
        }
    }

    #[test]
    fn what_comes_and_goes_rests() {
        let blocks = vec![5, 5, 11, 11, 11, 5, 11, 11, 11, 5, 11, 5, 5, 11, 11, 5, 11];
        assert!(rests(&Series::from([(Counter::Blocks, blocks)]), false));
        assert!(rests(&fds(|nth| nth < 3, FEWEST), false));
        assert!(rests(&fds(|nth| nth < 3, FEWEST_PATIENT), true));
    }
}
