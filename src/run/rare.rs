//! Looks for longer at tests in which something rose once. What is lost in every 10th iteration shows in the screen's few
//! only by chance, and then once; what is set up once looks just so. More iterations of these few tests tell.

use std::sync::{Mutex, atomic::Ordering};

use super::{
    INTERRUPTED, Run, Settings, Shared, absorb, finish,
    loss::Loss,
    orders::{self, Wider},
    protocol::Status,
    screen::{self, Look, Screened},
    slot::Slot,
    suspects::files_without,
    worker::Worker,
};
use crate::{
    investigate::{readings::extend, rules::RULES, screening::rises_evenly},
    verdict::Series,
};

/// Makes suspects of those that rise again and again, as far as the time for it lasts.
pub(super) fn follow(settings: &Settings, run: &mut Run) {
    let hints: Vec<Look> = { run.looks.iter().flatten() }
        .filter(|look| look.rose_once && look.wider == Wider::Stay)
        .cloned()
        .collect();
    if hints.is_empty() {
        return;
    }
    let numbers = &RULES.rare;
    let mut left = numbers.least + numbers.share * run.plain_cpu;
    let skip = files_without(run, hints.iter().map(|look| &look.test));
    let mut slot = Slot::new(&settings.setup, "h", settings.hash_seeds.1, skip);
    for look in &hints {
        let takes = f64::from(numbers.windows * numbers.iterations) * look.seconds;
        if INTERRUPTED.load(Ordering::SeqCst) {
            break;
        }
        if takes > left {
            continue;
        }
        let Ok(Some((worker, index))) = slot.worker_for(&run.tests, look.test) else {
            continue;
        };
        match look_at(worker, index, numbers.iterations) {
            Ok(longer) => {
                left -= longer.cpu;
                if let (Some(series), Some(look)) = (longer.rises, &mut run.looks[look.test]) {
                    (look.series, look.screened) = (series, Screened::Suspect);
                }
            }
            Err(Loss::Interrupted) => break,
            // It passed as often as it had to; what the screen said of it stands.
            Err(_) => slot.discard(),
        }
    }
    let shared = Mutex::new(Shared::default());
    finish(slot, &shared);
    absorb(run, shared);
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
}

/// Looks at a test for some windows of `iterations` each: for one, where nothing rises in that.
pub(super) fn look_at(worker: &mut Worker, index: usize, iterations: u32) -> Result<Longer, Loss> {
    let (mut series, mut each, mut longer) = (Series::new(), Vec::new(), Longer::default());
    for nth in 0..RULES.rare.windows {
        let order = if nth == 0 {
            orders::Run {
                thaw: true,
                survey: true,
                iterations,
                ..orders::Run::open(index)
            }
        } else {
            orders::Run::on(iterations)
        };
        // Most rise no more, and what is not read in between takes no time.
        let window = screen::run(
            worker,
            orders::Run {
                between: nth > 0,
                ..order
            },
        )?;
        longer.cpu += window.cpu;
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
