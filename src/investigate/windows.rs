//! The windows with which a suspect begins in a fresh process: does it grow here too?

use super::{
    at::At,
    experiment::{Experiment, Next},
    growth::{affordable, allocated_per_iteration, mapped_per_iteration},
    long_run::did_not_pass,
    readings::rises_late,
    rest::rose_and_rests,
    signature::{describe, is_chance, signature},
};
use crate::verdict::{Counter, conclusion::Conclusion, rule::Rule};

/// The first one.
pub(super) fn open(at: At<'_>) -> Option<Next> {
    let none = at.evidence.windows.count == 0 && at.evidence.failure.is_none();
    none.then(|| window(at))
}

/// It passes only after others, or not so often.
pub(super) fn failed(at: At<'_>) -> Option<Next> {
    let evidence = at.evidence;
    let failure = evidence.failure.as_ref()?;
    let said = || did_not_pass(failure, evidence.iterations);
    evidence
        .stretches
        .is_empty()
        .then(|| Next::Conclude(said()))
}

/// Growth that comes rarely may have hidden between the boundaries of the first; what comes by chance may have paused.
pub(super) fn look_longer(at: At<'_>) -> Option<Next> {
    let windows = &at.evidence.windows;
    let blocks = windows.series.get(&Counter::Blocks);
    let is_over =
        windows.count > 1 && (rose_and_rests(blocks, at.rules) || !rises_late(&windows.series));
    let longer = windows.fits.is_empty()
        && windows.count <= at.rules.windows.more
        && length(at) >= at.rules.first_window
        && !is_over;
    longer.then(|| window(at))
}

/// It grew here too, and came to rest.
pub(super) fn stopped(at: At<'_>) -> Option<Next> {
    let windows = &at.evidence.windows;
    let blocks = windows.series.get(&Counter::Blocks);
    let stopped = windows.fits.is_empty() && rose_and_rests(blocks, at.rules);
    stopped.then(|| {
        let reason = "grew in two processes, and stopped in the second";
        Next::Conclude(Conclusion::because(Rule::StoppedInSecondProcess, reason))
    })
}

/// What it rose by in the screen is no more than what comes and goes here.
pub(super) fn came_by_chance(at: At<'_>) -> Option<Next> {
    let windows = &at.evidence.windows;
    let chance = windows.fits.is_empty() && is_chance(&at.evidence.screened, &windows.series);
    chance.then(|| {
        let reason = "rises and falls by chance, and does not grow";
        Next::Conclude(Conclusion::because(Rule::RisesAndFalls, reason))
    })
}

/// It does not grow here.
pub(super) fn one_process_only(at: At<'_>) -> Option<Next> {
    at.evidence.windows.fits.is_empty().then(|| {
        let grew = signature(&at.evidence.screened);
        let is_in_children = { grew.keys() }.all(|counter| *counter == Counter::ChildMemory);
        let touched = if is_in_children && !grew.is_empty() {
            ": pages that a child touches for the first time come once"
        } else {
            ""
        };
        let reason = format!(
            "grew in one process ({}) and not in a second one{touched}",
            describe(&grew)
        );
        Next::Conclude(Conclusion::because(Rule::OneProcessOnly, reason))
    })
}

fn window(at: At<'_>) -> Next {
    let opens = at.evidence.windows.count == 0;
    let iterations = length(at);
    Next::Do(Experiment::Window { opens, iterations })
}

/// As many iterations as showed the growth in the screen, as far as there is room for what they leave.
fn length(at: At<'_>) -> u32 {
    let (screened, rules) = (&at.evidence.screened, at.rules);
    let readings = screened.values().map(Vec::len).max().unwrap_or(0);
    let needed = u32::try_from(readings)
        .unwrap_or(rules.first_window)
        .saturating_sub(1);
    let mapped = mapped_per_iteration(screened) / rules.windows.untouched;
    let each = allocated_per_iteration(screened, rules).max(mapped);
    affordable(each, rules.windows.bytes, rules)
        .min(needed.clamp(rules.first_window, rules.most_read()))
        .max(rules.windows.fewest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        investigate::{
            evidence::{Answer, Evidence, Failure, Window},
            experiment::Stretch,
            rules::RULES,
            samples::{PURSE, Subject, blocks, concluded, screened, step},
        },
        verdict::{Series, Verdict},
    };

    /// A suspect whose windows had these blocks.
    fn after(windows: &[&[i64]]) -> Evidence {
        let mut evidence = screened(blocks((0..=8).map(|at| at * 2)));
        for readings in windows {
            evidence.add(Answer::Window(Window {
                iterations: 8,
                series: blocks(readings.iter().copied()),
                ..Window::default()
            }));
        }
        evidence
    }

    fn asked(evidence: &Evidence, which: fn(At<'_>) -> Option<Next>) -> Option<(bool, u32)> {
        match step(evidence, &PURSE, which)? {
            Next::Do(Experiment::Window { opens, iterations }) => Some((opens, iterations)),
            other => panic!("{other:?}"),
        }
    }

    const FLAT: [i64; 9] = [5; 9];
    const RISES: [i64; 9] = [0, 0, 0, 0, 0, 2, 2, 2, 3];

    #[test]
    fn the_first_window_is_as_long_as_what_showed_the_growth() {
        assert_eq!(asked(&after(&[]), open), Some((true, 8)));
        assert_eq!(asked(&after(&[&FLAT]), open), None);
        assert_eq!(asked(&screened(blocks(0..=33)), open), Some((true, 33)));
        assert_eq!(asked(&screened(blocks(0..=2)), open), Some((true, 8)));
        let many = screened(blocks(0..=20_000));
        assert_eq!(asked(&many, open), Some((true, RULES.most_read())));
    }

    #[test]
    fn what_leaves_very_much_gets_a_short_window_and_no_more() {
        let million = |each: i64| {
            let mut evidence = screened(Series::from([
                (Counter::Blocks, (0..3).map(|at| at * each).collect()),
                (Counter::Heap, (0..3).map(|at| at * 8 * each).collect()),
            ]));
            let (_, iterations) = asked(&evidence, open).unwrap();
            evidence.add(Answer::Window(Window {
                series: blocks(RISES),
                ..Window::default()
            }));
            (iterations, asked(&evidence, look_longer))
        };
        let (iterations, more) = million(1_000_000);
        assert!((3..=6).contains(&iterations), "{iterations}");
        assert_eq!(more, None);
        assert_eq!(million(50_000_000).0, RULES.windows.fewest);
        assert_eq!(million(10), (8, Some((false, 8))));
    }

    #[test]
    fn an_iteration_that_does_not_pass_ends_it() {
        let fails = |broken, iterations| {
            let mut evidence = after(&[]);
            assert_eq!(step(&evidence, &PURSE, failed), None);
            evidence.add(Answer::Window(Window {
                iterations,
                failure: Some(Failure {
                    broken,
                    message: "no".to_owned(),
                }),
                ..Window::default()
            }));
            assert_eq!(asked(&evidence, open), None);
            evidence
        };
        let rule = |evidence: &Evidence| concluded(step(evidence, &PURSE, failed)).rule();
        assert_eq!(rule(&fails(false, 1)), Rule::PassesOnlyAfterOthers);
        assert_eq!(rule(&fails(false, 2)), Rule::FailedInLongerLook);
        assert_eq!(rule(&fails(true, 1)), Rule::RunnerDamaged);
        // In a long run it may mean something else.
        let mut long = fails(false, 2);
        let stretch = Stretch {
            warmup: 1,
            iterations: 16,
            late: false,
            allowance: 2.0,
        };
        long.stretches.push((stretch, Window::default()));
        assert_eq!(step(&long, &PURSE, failed), None);
    }

    #[test]
    fn it_is_looked_at_longer_as_long_as_memory_rises_late() {
        assert_eq!(asked(&after(&[&FLAT]), look_longer), Some((false, 8)));
        assert_eq!(asked(&after(&[&FLAT, &FLAT]), look_longer), None);
        assert_eq!(
            asked(&after(&[&FLAT, &RISES]), look_longer),
            Some((false, 8))
        );
        let late = [&FLAT[..], &RISES, &FLAT, &RISES, &FLAT];
        assert_eq!(asked(&after(&late[..4]), look_longer), Some((false, 8)));
        assert_eq!(asked(&after(&late), look_longer), None);
        let grows: Vec<i64> = (0..=8).collect();
        assert_eq!(asked(&after(&[&grows]), look_longer), None);
        let filled = [0, 2, 4, 6, 8, 8, 8, 8, 8];
        assert_eq!(asked(&after(&[&filled, &[8; 9]]), look_longer), None);
    }

    #[test]
    fn what_does_not_grow_here_has_stopped_or_came_by_chance_or_is_unstable() {
        let rule = |evidence: &Evidence| {
            let steps = [stopped, came_by_chance, one_process_only];
            let said = steps
                .into_iter()
                .find_map(|which| step(evidence, &PURSE, which));
            said.map(|next| concluded(Some(next)))
        };
        let filled = rule(&after(&[&[0, 2, 4, 6, 8, 8, 8, 8, 8], &[8; 9]])).unwrap();
        assert_eq!(filled.rule(), Rule::StoppedInSecondProcess);
        let chance = rule(&after(&[&[12, 488, 30, 506, 208, 480, 20, 400, 5]])).unwrap();
        assert_eq!(chance.rule(), Rule::RisesAndFalls);
        let other = rule(&after(&[&FLAT, &FLAT])).unwrap();
        assert_eq!(other.rule(), Rule::OneProcessOnly);
        let said = |counter| {
            let mut evidence = after(&[&FLAT, &FLAT]);
            evidence.screened = Series::from([(counter, vec![0, 8192, 16_384, 24_576])]);
            rule(&evidence).unwrap().reason().unwrap().to_owned()
        };
        assert!(said(Counter::ChildMemory).ends_with("touches for the first time come once"));
        assert!(said(Counter::Blocks).ends_with("and not in a second one"));
        assert!(other.reason().unwrap().contains("(blocks +2)"));
        let grows: Vec<i64> = (0..=8).collect();
        assert_eq!(rule(&after(&[&grows])), None);
        // What fills beside a leak says nothing of the leak.
        let mut beside = screened(Series::new());
        beside.add(Answer::Window(Window {
            series: Series::from([
                (Counter::Blocks, vec![0, 2, 4, 6, 8, 8, 8, 8, 8]),
                (Counter::Fds, grows),
            ]),
            ..Window::default()
        }));
        assert_eq!(rule(&beside), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Nobody is a leak who does not grow in the second process.
        #[test]
        fn what_stands_still_here_is_no_leak(level in 0..1000_i64, step in 0..9_u32) {
            let mut subject = Subject::new(|at| level + i64::from(at >= step));
            let mut evidence = screened(blocks((0..=8).map(|at| at * 3)));
            let (conclusion, asked) = subject.asked(&mut evidence, &PURSE);
            prop_assert!(!conclusion.is(Verdict::Leak), "{conclusion:?}");
            prop_assert!(asked.len() <= 5, "{asked:?}");
        }

        /// Whatever was read, there is an end, and nothing is asked for twice in the same state.
        #[test]
        fn any_suspect_comes_to_a_conclusion(
            deltas in prop::collection::vec(-9..20_i64, 40..90),
            micros in 2000..20_000_u32,
        ) {
            let stands = |at: u32| {
                let (rounds, rest) = (at as usize / deltas.len(), at as usize % deltas.len());
                deltas.iter().sum::<i64>() * rounds as i64 + deltas[..rest].iter().sum::<i64>()
            };
            let mut subject = Subject::new(stands);
            subject.cpu = f64::from(micros) / 1e6;
            let mut evidence = screened(blocks((0..=8).map(stands)));
            let (first, _) = subject.asked(&mut evidence, &PURSE);
            let (again, asked) = subject.asked(&mut evidence, &PURSE);
            prop_assert_eq!(first, again);
            prop_assert!(asked.is_empty());
        }
    }
}
