//! Judges leaks again alone, each in a process that nothing else ran in: a leak left by one test may make others grow.

use std::collections::BTreeSet;

use super::{case::Case, conclusions::Known, driver::Bench, slot::Slot, state::Run};
use crate::{
    fit::{self, Fit},
    investigate::{
        afterwards::Found,
        evidence::Window,
        growth::{Fits, affordable, bytes_per_iteration},
        readings::{extend, rises_late},
        rules::RULES,
    },
    verdict::{Counter, Verdict, rule::Rule},
    worker::orders,
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
        let Some(grown) = grown(run, bench, slot, at) else {
            continue;
        };
        if !grown.whole.is_empty() {
            if !grown.is_as_much_as(&run.cases[at].fits) {
                again(run, bench, slot, at);
            }
            if run.cases[at].is_leak() {
                confirmed.insert(run.cases[at].causes());
            }
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
    grown(run, bench, slot, at).map(|grown| !grown.whole.is_empty())
}

/// What grows in a test by itself.
struct Alone {
    /// In as many iterations as it was looked at in after others.
    first: Fits,
    /// In all: as many more as cost little, which are not as many each time.
    whole: Fits,
}

impl Alone {
    /// Whether it grows as it did after others. Bytes of buffers are compared over as many iterations as there were then.
    fn is_as_much_as(&self, before: &Fits) -> bool {
        let parts =
            |fits: &Fits| -> (Fits, Fits) { fits.iter().partition(|(it, _)| it.is_of_buffers()) };
        let ((first, _), (_, whole)) = (parts(&self.first), parts(&self.whole));
        let (buffers, others) = parts(before);
        is_as_much(&whole, &others) && is_as_much(&first, &buffers)
    }
}

/// Whether the same counters grow, each by about as much.
fn is_as_much(alone: &Fits, before: &Fits) -> bool {
    let is_near = |(counter, fit): (&Counter, &Fit)| {
        let rate = before.get(counter).map_or(0.0, |fit| fit.rate.value);
        (fit.rate.value - rate).abs() <= RULES.isolation.apart * rate
    };
    alone.len() == before.len() && alone.iter().all(is_near)
}

/// Judges a leak once more in a process of its own, since by itself something else grows in it than after others: what each
/// call adds to a list that another test left behind hides that the test's own list is emptied at fifty.
fn again(run: &mut Run, bench: &Bench<'_>, slot: &mut Slot<'_>, at: usize) {
    let test = run.cases[at].test;
    let Some(look) = run.looks[test].clone() else {
        return;
    };
    slot.discard();
    // What is known of others is of what grew after others.
    let known = Known::default();
    let bench = Bench {
        known: &known,
        ..*bench
    };
    let Some(turn) = known.turns(1).pop() else {
        return;
    };
    let judged = slot.with(&run.tests, test, |worker, index| {
        bench.judge(worker, &turn, &look, index, true, false)
    });
    let Some(case) = judged else { return };
    let verdict = case.judged.verdict();
    let settles = matches!(verdict, Verdict::Leak | Verdict::Bounded);
    if settles || [Rule::FallsAndGrowsAgain, Rule::GrowsEverSlower].contains(&case.judged.rule()) {
        run.cases[at] = Case {
            leader: run.cases[at].leader,
            ..case
        };
    }
}

/// What grows in the test of a case in the worker as it is; `None` where it cannot be told.
fn grown(run: &Run, bench: &Bench<'_>, slot: &mut Slot<'_>, at: usize) -> Option<Alone> {
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
    slot.with(&run.tests, case.test, |worker, index| {
        let order = orders::Run {
            wider: case.wider,
            iterations: window,
            ..opening(index, bench.warmup)
        };
        let on = |iterations| orders::Run {
            wider: case.wider,
            ..orders::Run::on(iterations)
        };
        let of = |ran: &Window| ran.failure.is_none().then(|| bench.growing(&ran.series));
        let mut ran = bench.run(worker, order)?;
        let alike = |grown: Fits| Alone {
            first: grown.clone(),
            whole: grown,
        };
        let Some(first) = of(&ran) else {
            return Ok(None);
        };
        if first.is_empty() {
            // What is let go of once, in the 12th call for one, hides in a window what each call adds.
            return Ok(match rises_late(&ran.series) {
                true => of(&bench.run(worker, on(window))?).map(alike),
                false => Some(alike(first)),
            });
        }
        // What is emptied at fifty grows until then.
        let more = further(&ran, &first);
        if more == 0 {
            return Ok(Some(alike(first)));
        }
        let went_on = bench.run(worker, on(more))?;
        extend(&mut ran.series, &went_on.series);
        ran.failure = went_on.failure;
        Ok(of(&ran).map(|whole| Alone { first, whole }))
    })?
}

/// How many iterations more a test in which something grows is watched by itself: as many as cost little.
fn further(ran: &Window, grown: &Fits) -> u32 {
    let numbers = &RULES.isolation;
    let each = (ran.cpu / f64::from(ran.iterations.max(1))).max(f64::EPSILON);
    let bytes = affordable(
        bytes_per_iteration(&ran.series, &RULES),
        RULES.windows.bytes,
        &RULES,
    );
    // Saturating, and never negative.
    let cheap = (numbers.seconds / each) as u32;
    let most = numbers.longest.min(cheap).min(bytes);
    // There are only so many descriptors.
    match grown.keys().any(|counter| counter.is_scarce()) {
        true => 0,
        false => most.saturating_sub(ran.iterations),
    }
}

/// Lets a test do to the worker what it does to a run.
pub(super) fn dose(
    run: &Run,
    bench: &Bench<'_>,
    slot: &mut Slot<'_>,
    test: usize,
    times: u32,
) -> bool {
    slot.with(&run.tests, test, |worker, index| {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fit::Exactness, verdict::Series};

    fn fits(counters: &[(Counter, i64)]) -> Fits {
        let fit = |each: i64| {
            let readings: Vec<i64> = (0..9).map(|at| at * each).collect();
            fit::fit(&readings, Exactness::Exact)
        };
        { counters.iter() }
            .map(|(counter, each)| (*counter, fit(*each)))
            .collect()
    }

    #[test]
    fn what_grows_by_itself_is_the_same_where_all_of_it_grows_as_much() {
        use Counter::{Blocks, Items};
        let before = fits(&[(Blocks, 100), (Items, 1)]);
        assert!(is_as_much(&fits(&[(Blocks, 103), (Items, 1)]), &before));
        // Its own list, and not what the handlers of another test add to theirs.
        assert!(!is_as_much(&fits(&[(Blocks, 2), (Items, 1)]), &before));
        assert!(!is_as_much(&fits(&[(Blocks, 100)]), &before));
        assert!(!is_as_much(&before, &fits(&[(Blocks, 100)])));
    }

    #[test]
    fn how_long_it_is_watched_by_itself_makes_no_difference() {
        use Counter::{Blocks, Heap};
        let alone = |first: &[(Counter, i64)], whole: &[(Counter, i64)]| Alone {
            first: fits(first),
            whole: fits(whole),
        };
        // The list that holds the leak moves to malloc's heap at its 65th entry.
        let (short, long) = ([(Blocks, 2)], [(Blocks, 2), (Heap, 90)]);
        assert!(alone(&short, &long).is_as_much_as(&fits(&short)));
        assert!(!alone(&long, &long).is_as_much_as(&fits(&short)));
        assert!(!alone(&short, &long).is_as_much_as(&fits(&long)));
        // What falls at fifty is no less another thing.
        assert!(!alone(&long, &[(Heap, 90)]).is_as_much_as(&fits(&long)));
    }

    #[test]
    fn it_is_watched_for_as_long_as_costs_little() {
        let ran = |cpu: f64, each: i64| Window {
            iterations: 33,
            series: Series::from([(Counter::Heap, (0..=32).map(|at| at * each).collect())]),
            cpu,
            ..Window::default()
        };
        let blocks = fits(&[(Counter::Blocks, 1)]);
        assert_eq!(further(&ran(0.0, 1), &blocks), 256 - 33);
        // A test of 5 ms, and one of 20.
        assert_eq!(further(&ran(33.0 * 0.005, 1), &blocks), 50 - 33);
        assert_eq!(further(&ran(33.0 * 0.02, 1), &blocks), 0);
        assert_eq!(further(&ran(0.0, 10_000_000), &blocks), 0);
        assert_eq!(further(&ran(0.0, 1), &fits(&[(Counter::Fds, 1)])), 0);
    }
}
