//! Looks for longer at tests in which something rose once. What is lost in every 10th iteration shows in the screen's few
//! only by chance, and then once; what is set up once looks just so. More iterations of these few tests tell.

use super::screen::{self, Look};
use crate::{
    investigate::{readings::extend, rules::RULES, screening::rises_evenly},
    verdict::Series,
    worker::{
        Worker,
        loss::Loss,
        orders,
        protocol::{Status, Trouble},
    },
};

/// Whether something rose in a test, and no more.
pub(super) fn is_hint(look: &Look) -> bool {
    look.rose_once && look.wider == orders::Wider::Stay
}

/// What came of looking longer at a test.
#[derive(Debug, Default)]
pub(super) struct Longer {
    /// The readings, where something rises in each window, by about as much.
    pub rises: Option<Series>,
    /// How often it ran.
    pub iterations: u32,
    /// CPU seconds.
    pub cpu: f64,
    /// What went wrong beside it: fixtures of the tests before it were ended.
    pub errors: Vec<Trouble>,
}

/// Looks at a test for some windows of `iterations` each: for one, where nothing rises in that. What its file has is looked at
/// `anew` where no test of that file was before it: in a suite of 20,000 tests that takes a fifth of a second.
pub(super) fn look_at(
    worker: &mut Worker,
    index: usize,
    iterations: u32,
    anew: bool,
) -> Result<Longer, Loss> {
    let (mut series, mut each, mut longer) = (Series::new(), Vec::new(), Longer::default());
    for nth in 0..RULES.rare.windows {
        let order = if nth == 0 {
            orders::Run {
                thaw: anew,
                survey: anew,
                iterations,
                ..orders::Run::open(index)
            }
        } else {
            orders::Run::on(iterations)
        };
        // Most rise no more, and what is not read in between takes no time.
        let mut window = screen::run(
            worker,
            orders::Run {
                between: nth > 0,
                ..order
            },
        )?;
        longer.cpu += window.cpu;
        longer.errors.append(&mut window.errors);
        longer.iterations += window.iterations;
        extend(&mut series, &window.series);
        each.push(window.series);
        if window.outcome.status != Status::Passed || !rises_evenly(&each, &RULES) {
            return Ok(longer);
        }
    }
    longer.rises = Some(series);
    Ok(longer)
}
