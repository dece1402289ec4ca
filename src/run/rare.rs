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
    investigate::{readings::extend, rules::RULES, screening::rises},
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
        let takes = f64::from(2 * numbers.iterations) * look.seconds;
        if INTERRUPTED.load(Ordering::SeqCst) {
            break;
        }
        if takes > left {
            continue;
        }
        let Ok(Some((worker, index))) = slot.worker_for(&run.tests, look.test) else {
            continue;
        };
        match look_at(worker, index) {
            Ok((series, cpu)) => {
                left -= cpu;
                if let (Some(series), Some(look)) = (series, &mut run.looks[look.test]) {
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

/// The readings of one that rises in both of two windows, and the CPU seconds that they took.
fn look_at(worker: &mut Worker, index: usize) -> Result<(Option<Series>, f64), Loss> {
    let iterations = RULES.rare.iterations;
    let first = screen::run(
        worker,
        orders::Run {
            thaw: true,
            survey: true,
            between: false,
            iterations,
            ..orders::Run::open(index)
        },
    )?;
    if first.outcome.status != Status::Passed || !rises(&first.series, &RULES) {
        return Ok((None, first.cpu));
    }
    let second = screen::run(worker, orders::Run::on(iterations))?;
    let cpu = first.cpu + second.cpu;
    if second.outcome.status != Status::Passed || !rises(&second.series, &RULES) {
        return Ok((None, cpu));
    }
    let mut series = first.series;
    extend(&mut series, &second.series);
    Ok((Some(series), cpu))
}
