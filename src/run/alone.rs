//! Judges leaks again alone, each in a process that nothing else ran in: a leak left by one test may make others grow.

use std::collections::BTreeSet;

use super::{driver::Bench, loss::Loss, orders, slot::Slot, state::Run, worker::Worker};
use crate::{
    fit,
    investigate::{
        afterwards::Found,
        evidence::Window,
        growth::{affordable, bytes_per_iteration},
        readings::rises_late,
        rules::RULES,
    },
};

/// Runs each leak that came after another one by itself, and takes back those that do not grow then.
pub(super) fn confirm(run: &mut Run, bench: &Bench<'_>, slot: &mut Slot<'_>) {
    let leaks: Vec<usize> = (0..run.cases.len())
        .filter(|at| run.cases[*at].is_leak())
        .collect();
    // Sets of places of which one test has shown that it leaks alone; the next would only say the same. The first leak
    // had none before it.
    let mut confirmed: BTreeSet<BTreeSet<String>> = leaks
        .first()
        .map(|at| run.cases[*at].causes())
        .into_iter()
        .collect();
    for (rank, at) in leaks
        .iter()
        .copied()
        .enumerate()
        .skip(1)
        .take(RULES.isolation.most)
    {
        let causes = run.cases[at].causes();
        if bench.budget.is_spent() {
            return;
        }
        if confirmed.contains(&causes) {
            continue;
        }
        slot.discard();
        let Some(grows) = look(run, bench, slot, at) else {
            continue;
        };
        if grows {
            confirmed.insert(causes);
            continue;
        }
        let others: Vec<usize> = leaks[..rank]
            .iter()
            .rev()
            .copied()
            .filter(|other| run.cases[*other].is_leak())
            .filter(|other| run.cases[*other].causes() != causes)
            .collect();
        let culprit = others
            .into_iter()
            .take(RULES.isolation.culprits)
            .find(|other| {
                dose(
                    run,
                    bench,
                    slot,
                    run.cases[*other].test,
                    RULES.isolation.dose,
                ) && look(run, bench, slot, at) == Some(true)
            });
        let after = culprit.map_or_else(
            || "other tests that leak".to_owned(),
            |other| run.tests[run.cases[other].test].id.clone(),
        );
        run.cases[at].learn(Found::OnlyAfterLeak(&after));
    }
    slot.discard();
}

/// Whether the test of a case grows in the worker as it is; `None` where it cannot be told.
pub(super) fn look(run: &Run, bench: &Bench<'_>, slot: &mut Slot<'_>, at: usize) -> Option<bool> {
    let case = &run.cases[at];
    let readings = case.series.values().map(Vec::len).max().unwrap_or(0);
    // One that falls back is looked at for as long as shows where it falls to, a cache that is emptied at fifty rises in each
    // of thirty iterations; and one that rises now and then for as long as it takes to do so again and again.
    let of_case = |each: fn(&[i64]) -> usize| {
        let grows = { case.series.iter() }.filter(|(counter, _)| case.fits.contains_key(*counter));
        grows.map(|(_, series)| each(series)).max().unwrap_or(0)
    };
    let [readings, climb, pause] = [
        readings,
        of_case(fit::longest_climb),
        of_case(fit::longest_pause),
    ]
    .map(|count| u32::try_from(count).unwrap_or(0));
    let window = readings
        .clamp(RULES.first_window, 4 * RULES.first_window)
        .max(RULES.isolation.climbs.saturating_mul(climb))
        .max(RULES.isolation.pauses.saturating_mul(pause))
        .min(RULES.answer)
        .min(affordable(
            bytes_per_iteration(&case.series, &RULES),
            RULES.windows.bytes,
            &RULES,
        ))
        .max(RULES.windows.fewest);
    with(run, slot, case.test, |worker, index| {
        let order = orders::Run {
            wider: case.wider,
            iterations: window,
            ..opening(index, bench.warmup)
        };
        let grows = |ran: &Window| {
            let grows = || !bench.growing(&ran.series).is_empty();
            ran.failure.is_none().then(grows)
        };
        let first = bench.run(worker, order)?;
        let grew = grows(&first);
        if grew != Some(false) || !rises_late(&first.series) {
            return Ok(grew);
        }
        // What is let go of once, in the 12th call for one, hides in a window what each call adds.
        let order = orders::Run {
            wider: case.wider,
            ..orders::Run::on(window)
        };
        Ok(grows(&bench.run(worker, order)?))
    })?
}

/// Lets a test do to the worker what it does to a run.
pub(super) fn dose(
    run: &Run,
    bench: &Bench<'_>,
    slot: &mut Slot<'_>,
    test: usize,
    times: u32,
) -> bool {
    with(run, slot, test, |worker, index| {
        let order = orders::Run {
            iterations: 0,
            ..opening(index, times)
        };
        bench.run(worker, order)
    })
    .is_some()
}

fn opening(index: usize, warmup: u32) -> orders::Run {
    orders::Run {
        thaw: true,
        survey: true,
        warmup,
        ..orders::Run::open(index)
    }
}

fn with<T>(
    run: &Run,
    slot: &mut Slot<'_>,
    test: usize,
    ask: impl FnOnce(&mut Worker, usize) -> Result<T, Loss>,
) -> Option<T> {
    let (worker, index) = slot.worker_for(&run.tests, test).ok()??;
    match ask(worker, index) {
        Ok(answer) => Some(answer),
        Err(_) => {
            slot.discard();
            None
        }
    }
}
