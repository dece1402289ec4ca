//! The long run: goes on for longer and longer, until the growth stops or the time, the memory or the iterations end.

use super::{
    at::At,
    evidence::{Evidence, Failure, Window},
    experiment::{Experiment, Next, Stretch},
    rest::{pause, rests},
    room::{fell_once, room},
    rules::LongRun,
};
use crate::{
    fit::{self, Shape},
    verdict::{Counter, conclusion::Conclusion, loss::Loss, rule::Rule},
};

/// It did not pass any more. What grew by the same amount all along has now used up a limit of the system's, most likely.
pub(super) fn failed(at: At<'_>) -> Option<Next> {
    let failure = at.evidence.failure.as_ref()?;
    let mut fits = at.evidence.windows.fits.values();
    let linear = fits.any(|fit| fit.shape == Shape::Linear);
    Some(Next::Conclude(if linear {
        Conclusion::by(Rule::GrewUntilFailure)
    } else {
        did_not_pass(failure, at.evidence.iterations)
    }))
}

/// What is said of a test that passed in the screen and did not in an iteration here.
pub fn did_not_pass(failure: &Failure, iteration: u32) -> Conclusion {
    let message = &failure.message;
    if failure.broken {
        let loss = Loss::broken(message);
        Conclusion::lost_by(Rule::RunnerDamaged, loss, u64::from(iteration))
    } else if iteration <= 1 {
        Conclusion::because(
            Rule::PassesOnlyAfterOthers,
            format!("passes after the tests before it, not by itself: {message}"),
        )
    } else {
        Conclusion::because(
            Rule::FailedInLongerLook,
            format!("did not pass in iteration {iteration} of a longer look: {message}"),
        )
    }
}

/// Nothing grows any more, and all that grew stands still for longer than it paused before.
pub(super) fn stopped(at: At<'_>) -> Option<Next> {
    let At {
        evidence, rules, ..
    } = at;
    let (_, last) = evidence.stretches.last()?;
    let series = &evidence.long_run.series;
    let least = rules.long_run.rest * pause(&evidence.windows);
    let grew = |counter: &&Counter| evidence.windows.fits.contains_key(*counter);
    let rests = |counter: &Counter| rests(series.get(counter), least, rules);
    let mut deciding = { evidence.windows.fits.keys() }.filter(|counter| counter.decides(series));
    if !evidence.long_run.fits.is_empty() || !deciding.all(rests) {
        return None;
    }
    let last_rise = series
        .iter()
        .filter(|(counter, _)| grew(counter))
        .filter_map(|(counter, readings)| {
            fit::fit(readings, evidence.exactness(*counter)).last_growth
        })
        .max()
        .unwrap_or(0);
    let before = evidence.iterations - last.iterations - total_before_last(evidence);
    let after = u64::from(before) + u64::try_from(last_rise).unwrap_or(0);
    let reason = format!("stopped growing after {after} iterations");
    let conclusion = Conclusion::because(Rule::StoppedInLongRun, reason);
    Some(Next::Conclude(conclusion))
}

/// The next stretch is as long as all before it, as far as there is room and time.
pub(super) fn go_on(at: At<'_>) -> Option<Next> {
    let total = total(at.evidence);
    let stretch = Stretch {
        warmup: u32::from(total == 0),
        iterations: step(at),
        late: false,
        allowance: allowance(at),
    };
    let stretch = match barrier(at) {
        None => stretch,
        // It let go of something once: what there is room for tells whether it rises above what it was before.
        Some(Barrier::Size) if fell_once(at.evidence) && room(at.evidence, at.rules) > total => {
            Stretch {
                iterations: room(at.evidence, at.rules) - total,
                ..stretch
            }
        }
        // It seems to have come to its end just now: half as much again tells.
        Some(Barrier::Time) if seems_to_end(at) => Stretch {
            iterations: total / 2,
            late: true,
            ..stretch
        },
        Some(_) => return None,
    };
    Some(Next::Do(Experiment::Stretch(stretch)))
}

/// Nothing grows as it did, and it did not come to rest either.
pub(super) fn did_not_come_to_rest(at: At<'_>) -> Option<Next> {
    let Evidence {
        stretches,
        long_run,
        windows,
        iterations,
        ..
    } = at.evidence;
    if stretches.is_empty() || !long_run.fits.is_empty() {
        return None;
    }
    let mut grew = { windows.fits.keys() }.filter_map(|counter| long_run.series.get(counter));
    let (rule, how) = if grew.any(|readings| fit::falls_back(readings)) {
        (
            Rule::FallsAndGrowsAgain,
            "grows, falls back and grows again",
        )
    } else {
        (Rule::GrowsEverSlower, "grows more and more slowly")
    };
    let reason =
        format!("{how}, and still did after {iterations} iterations (--thorough looks longer)");
    Some(Next::Conclude(Conclusion::because(rule, reason)))
}

/// Many a cache has its end where there was no time left to go. A suspect that came earlier would have seen it.
pub(super) fn cut_by_the_budget(at: At<'_>) -> Option<Next> {
    let numbers = &at.rules.long_run;
    let short = allowance(at) < at.purse.whole_long_run / numbers.short;
    let cut = barrier(at) == Some(Barrier::Time) && total(at.evidence) < numbers.near && short;
    cut.then(|| {
        let reason = format!(
            "still grows after {} iterations, and the budget of {:.0} s for suspects leaves no time to see whether \
             it ends (--budget gives more)",
            at.evidence.iterations, at.purse.total
        );
        Next::Conclude(Conclusion::because(Rule::BudgetCutLongRun, reason))
    })
}

/// It still grows. Says why it goes on no longer.
pub(super) fn grew_to_its_end(at: At<'_>) -> Option<Next> {
    let rule = match barrier(at)? {
        Barrier::Size => Rule::GrewToSizeEnd,
        Barrier::Iterations => Rule::GrewToLastIteration,
        Barrier::Time => Rule::GrewToTimeEnd,
    };
    Some(Next::Conclude(Conclusion::by(rule)))
}

/// Why there is no stretch more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Barrier {
    Size,
    Iterations,
    Time,
}

/// What is in the way of the next stretch.
fn barrier(at: At<'_>) -> Option<Barrier> {
    let At {
        evidence,
        rules,
        purse,
    } = at;
    let numbers = &rules.long_run;
    let total = total(evidence);
    let resident = { evidence.stretches.last() }.map_or(0, |(_, window)| window.resident);
    if resident > purse.memory / numbers.resident && total > 0 {
        return Some(Barrier::Size);
    }
    let (room, step) = (room(evidence, rules), step(at));
    if total + step > room || step >= rules.answer {
        return Some(if room < rules.longest {
            Barrier::Size
        } else {
            Barrier::Iterations
        });
    }
    // The next stretch costs as much per iteration as the ones before it.
    let spent = { evidence.stretches.iter() }
        .map(|(_, window)| charged(window, numbers))
        .sum::<f64>();
    let next = spent / f64::from(total.max(1)) * f64::from(step);
    let allowance = if total < numbers.near {
        allowance(at)
    } else {
        allowance(at).min(purse.long_run / numbers.far_share)
    };
    (total > 0 && next > allowance - spent).then_some(Barrier::Time)
}

/// Whether it stopped just now, after enough iterations to believe it, and was not given more time for that yet.
fn seems_to_end(at: At<'_>) -> bool {
    let late = { at.evidence.stretches.iter() }.any(|(stretch, _)| stretch.late);
    at.evidence.long_run.fits.is_empty() && total(at.evidence) >= at.rules.long_run.half && !late
}

/// CPU seconds that the long run was given as it began.
fn allowance(at: At<'_>) -> f64 {
    let first = at.evidence.stretches.first();
    first.map_or(at.purse.long_run, |(stretch, _)| stretch.allowance)
}

/// Iterations of the stretches so far, the warm-up left out.
fn total(evidence: &Evidence) -> u32 {
    let stretches = evidence.stretches.iter();
    stretches.map(|(stretch, _)| stretch.iterations).sum()
}

fn total_before_last(evidence: &Evidence) -> u32 {
    let last = evidence.stretches.last();
    total(evidence) - last.map_or(0, |(stretch, _)| stretch.iterations)
}

fn step(at: At<'_>) -> u32 {
    match total(at.evidence) {
        0 => {
            let pause = pause(&at.evidence.windows);
            (2 * at.rules.first_window).max(at.rules.pauses * pause)
        }
        total => total,
    }
}

/// CPU seconds that count as those of a long run.
fn charged(window: &Window, numbers: &LongRun) -> f64 {
    if window.cpu_read > window.cpu / 2.0 {
        window.cpu - window.cpu_read * (1.0 - 1.0 / numbers.readings)
    } else {
        window.cpu
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        investigate::{
            evidence::Answer,
            experiment::Purse,
            rules::RULES,
            samples::{FIRST_STRETCH, PURSE, Subject, blocks, concluded, endless, step, stretches},
        },
        verdict::Series,
    };

    /// A suspect after stretches of so many iterations each, with these readings in all of them.
    fn after(lengths: &[u32], stands: impl Fn(u32) -> i64, cpu: f64) -> Evidence {
        let mut evidence = endless(blocks((0..=8).map(&stands)));
        let mut done = 9;
        for iterations in lengths {
            let stretch = Stretch {
                warmup: u32::from(done == 9),
                iterations: *iterations,
                late: false,
                allowance: PURSE.long_run,
            };
            let window = Window {
                iterations: stretch.warmup + iterations,
                series: blocks((done..=done + iterations).map(&stands)),
                cpu: cpu * f64::from(*iterations),
                ..Window::default()
            };
            done += iterations;
            evidence.add(Answer::Stretch(stretch, window));
        }
        evidence
    }

    fn fails(evidence: &mut Evidence, broken: bool) {
        let window = Window {
            iterations: 7,
            failure: Some(Failure {
                broken,
                message: "Too many open files".to_owned(),
            }),
            ..Window::default()
        };
        evidence.add(Answer::Stretch(FIRST_STRETCH, window));
    }

    fn next_length(evidence: &Evidence, purse: &Purse) -> Option<(u32, bool)> {
        match step(evidence, purse, go_on)? {
            Next::Do(Experiment::Stretch(stretch)) => Some((stretch.iterations, stretch.late)),
            other => panic!("{other:?}"),
        }
    }

    fn barrier_of(evidence: &Evidence) -> Option<Barrier> {
        barrier(At {
            evidence,
            rules: &RULES,
            purse: &PURSE,
        })
    }

    #[test]
    fn what_grew_evenly_until_it_failed_is_a_leak() {
        let mut even = endless(blocks((0..=8).map(|at| 2 * at)));
        assert_eq!(step(&even, &PURSE, failed), None);
        fails(&mut even, false);
        let conclusion = concluded(step(&even, &PURSE, failed));
        assert_eq!(conclusion.rule(), Rule::GrewUntilFailure);
        let mut uneven = endless(blocks([0, 0, 3, 3, 6, 6, 9, 9, 12, 12, 15, 15, 18]));
        assert!(!uneven.windows.fits.is_empty());
        fails(&mut uneven, false);
        let conclusion = concluded(step(&uneven, &PURSE, failed));
        assert_eq!(conclusion.rule(), Rule::FailedInLongerLook);
        let reason = conclusion.reason().unwrap();
        assert!(
            reason.contains("in iteration 16 of a longer look: Too many"),
            "{reason}"
        );
        fails(&mut uneven, true);
        let conclusion = concluded(step(&uneven, &PURSE, failed));
        assert_eq!(conclusion.rule(), Rule::RunnerDamaged);
    }

    #[test]
    fn what_stands_still_for_a_third_has_stopped() {
        let evidence = after(&[16, 16, 32], |at| i64::from(at.min(30)), 0.001);
        let conclusion = concluded(step(&evidence, &PURSE, stopped));
        assert_eq!(conclusion.rule(), Rule::StoppedInLongRun);
        assert_eq!(
            conclusion.reason().unwrap(),
            "stopped growing after 31 iterations"
        );
        for still_grows in [
            after(&[], |at| i64::from(at.min(30)), 0.001),
            after(&[16], |at| i64::from(at.min(30)), 0.001),
            after(&[16, 16, 32], |at| i64::from(at.min(60)), 0.001),
        ] {
            assert_eq!(step(&still_grows, &PURSE, stopped), None);
        }
    }

    #[test]
    fn a_standstill_no_longer_than_the_pauses_before_it_is_no_rest() {
        // Rises in every 5th: the windows show it, and the first stretch is long enough for four pauses.
        let rare = |at: u32| i64::from(at / 5);
        let mut evidence = endless(blocks((0..=40).map(rare)));
        assert!(!evidence.windows.fits.is_empty());
        assert_eq!(next_length(&evidence, &PURSE), Some((20, false)));
        let stretch = Stretch {
            warmup: 0,
            iterations: 20,
            late: false,
            allowance: 2.0,
        };
        let readings = (0..=20).map(|at| i64::from(at >= 10) + i64::from(at >= 5));
        evidence.iterations = 60;
        evidence.add(Answer::Stretch(
            stretch,
            Window {
                iterations: 20,
                series: blocks(readings),
                ..Window::default()
            },
        ));
        assert!(evidence.long_run.fits.is_empty());
        assert!(step(&evidence, &PURSE, stopped).is_some());
        let mut readings = vec![0, 0];
        readings.extend((0..=18).map(|at| i64::from(at >= 9)));
        evidence.long_run.series = blocks(readings);
        assert_eq!(step(&evidence, &PURSE, stopped), None);
    }

    #[test]
    fn each_stretch_is_as_long_as_all_before_it() {
        let line = |at| i64::from(at) * 2;
        assert_eq!(
            next_length(&after(&[], line, 0.001), &PURSE),
            Some((16, false))
        );
        assert_eq!(
            next_length(&after(&[16], line, 0.001), &PURSE),
            Some((16, false))
        );
        assert_eq!(
            next_length(&after(&[16, 16, 32], line, 0.001), &PURSE),
            Some((64, false))
        );
    }

    #[test]
    fn what_seems_to_have_stopped_just_as_time_ends_gets_half_as_much_again() {
        // 256 iterations of 5 ms: as many more would cost more than what is left of two seconds.
        let stops = |at: u32| i64::from(at.min(200));
        let lengths = [16, 16, 32, 64, 128];
        let evidence = after(&lengths, stops, 0.005);
        assert!(evidence.long_run.fits.is_empty());
        assert_eq!(next_length(&evidence, &PURSE), Some((128, true)));
        // Not what goes on, not after few iterations, and not twice.
        assert_eq!(
            next_length(&after(&lengths, i64::from, 0.005), &PURSE),
            None
        );
        assert_eq!(
            next_length(
                &after(&lengths[..4], |at| i64::from(at.min(100)), 0.01),
                &PURSE
            ),
            None
        );
        let mut late = evidence;
        late.stretches[4].0.late = true;
        assert_eq!(next_length(&late, &PURSE), None);
    }

    #[test]
    fn far_out_each_long_run_gets_a_quarter() {
        let line = |at| i64::from(at) * 2;
        let lengths = [16, 16, 32, 64, 128, 256, 512, 1024];
        // 2,048 iterations have cost 0.2 s, and as many more would too: more than half a second lets it go on.
        let evidence = after(&lengths, line, 0.0001);
        assert_eq!(next_length(&evidence, &PURSE), Some((2048, false)));
        let less = Purse {
            long_run: 1.5,
            ..PURSE
        };
        assert_eq!(next_length(&evidence, &less), None);
        let nearer = after(&lengths[..7], line, 0.0001);
        assert_eq!(next_length(&nearer, &less), Some((1024, false)));
    }

    #[test]
    fn readings_that_cost_more_than_the_test_count_as_a_quarter() {
        let window = |cpu, cpu_read| Window {
            cpu,
            cpu_read,
            ..Window::default()
        };
        let charged = |cpu, cpu_read| charged(&window(cpu, cpu_read), &RULES.long_run);
        assert_eq!(charged(1.0, 0.4), 1.0);
        assert!((charged(1.0, 0.8) - 0.4).abs() < 1e-9);
    }

    #[test]
    fn a_run_that_leaves_too_much_ends_for_its_size() {
        let mut large = endless(Series::from([
            (Counter::Blocks, (0..=8).collect()),
            (Counter::Heap, (0..=8).map(|at| at * 5_000_000).collect()),
        ]));
        let rule = |evidence: &Evidence| concluded(step(evidence, &PURSE, grew_to_its_end)).rule();
        assert_eq!(next_length(&large, &PURSE), None);
        assert_eq!(rule(&large), Rule::GrewToSizeEnd);
        large.windows.series.remove(&Counter::Heap);
        assert_eq!(next_length(&large, &PURSE), Some((16, false)));
        // 64 descriptors or so may be left.
        let fds = |each: i64| {
            endless(Series::from([(
                Counter::Fds,
                (0..=8).map(|at| each * at).collect(),
            )]))
        };
        assert_eq!(next_length(&fds(4), &PURSE), Some((16, false)));
        assert_eq!(rule(&fds(5)), Rule::GrewToSizeEnd);
        // Half of the memory that a worker may have.
        let mut resident = after(&[16], i64::from, 0.001);
        assert_eq!(next_length(&resident, &PURSE), Some((16, false)));
        resident.stretches[0].1.resident = PURSE.memory / 2 + 1;
        assert_eq!(rule(&resident), Rule::GrewToSizeEnd);
    }

    #[test]
    fn a_stretch_fits_into_one_answer() {
        let mut rare = endless(blocks(0..=8));
        let pauses = |pause: i64| blocks((0..=3 * pause).map(|at| at / pause));
        rare.windows.series = pauses(2000);
        assert_eq!(next_length(&rare, &PURSE), Some((8000, false)));
        rare.windows.series = pauses(2100);
        assert_eq!(next_length(&rare, &PURSE), None);
        assert_eq!(barrier_of(&rare), Some(Barrier::Iterations));
    }

    #[test]
    fn what_neither_grows_nor_rests_is_not_decided() {
        let slower = after(
            &[16, 16, 32, 64, 128],
            |at| f64::from(at).sqrt() as i64,
            0.01,
        );
        assert!(slower.long_run.fits.is_empty());
        let rule = |evidence: &Evidence| {
            step(evidence, &PURSE, did_not_come_to_rest).map(|next| concluded(Some(next)).rule())
        };
        assert_eq!(rule(&slower), Some(Rule::GrowsEverSlower));
        let teeth = after(&[16, 16, 32, 64], |at| i64::from(at % 60), 0.01);
        assert!(teeth.long_run.fits.is_empty());
        assert_eq!(rule(&teeth), Some(Rule::FallsAndGrowsAgain));
        assert_eq!(rule(&after(&[16, 16], i64::from, 0.01)), None);
        assert_eq!(rule(&after(&[], i64::from, 0.01)), None);
    }

    #[test]
    fn a_leak_is_not_called_one_where_the_budget_ended_early() {
        let evidence = |allowance| {
            let mut evidence = after(&[16, 16, 32], i64::from, 0.01);
            for (stretch, _) in &mut evidence.stretches {
                stretch.allowance = allowance;
            }
            evidence
        };
        let cut = |allowance| step(&evidence(allowance), &PURSE, cut_by_the_budget);
        let conclusion = concluded(cut(0.9));
        assert_eq!(conclusion.rule(), Rule::BudgetCutLongRun);
        assert!(conclusion.reason().unwrap().contains("budget of 60 s"));
        assert_eq!(cut(1.0), None);
        // Few ends lie so far out.
        let mut far = after(&[16, 16, 32, 64, 128, 256, 512, 1024], i64::from, 0.0005);
        far.stretches[0].0.allowance = 0.9;
        assert_eq!(barrier_of(&far), Some(Barrier::Time));
        assert_eq!(step(&far, &PURSE, cut_by_the_budget), None);
        // There was as much as it needs.
        assert_eq!(
            step(&after(&[16], i64::from, 0.01), &PURSE, cut_by_the_budget),
            None
        );
    }

    #[test]
    fn what_grows_for_ever_is_followed_to_the_last_iteration() {
        let mut subject = Subject::new(i64::from);
        subject.cpu = 0.0;
        let mut evidence = subject.begun();
        let (conclusion, asked) = subject.asked(&mut evidence, &PURSE);
        assert_eq!(conclusion.rule(), Rule::GrewToLastIteration);
        let total: u32 = stretches(&asked).iter().map(|one| one.iterations).sum();
        assert_eq!(total, RULES.longest);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Nobody is cleared who grows by the same amount each time, whatever an iteration costs.
        #[test]
        fn a_line_is_a_leak(each in 1..50_i64, micros in 0..40_000_u32) {
            let mut subject = Subject::new(|at| i64::from(at) * each);
            subject.cpu = f64::from(micros) / 1e6;
            let mut evidence = subject.begun();
            let (conclusion, asked) = subject.asked(&mut evidence, &PURSE);
            prop_assert!(conclusion.is(crate::verdict::Verdict::Leak), "{conclusion:?}");
            let stretches = stretches(&asked);
            prop_assert_eq!(stretches.iter().filter(|one| one.warmup == 1).count(), 1);
            prop_assert!(stretches.iter().all(|one| one.iterations < RULES.answer));
        }

        /// What fills is never a leak where there is time to see its end.
        #[test]
        fn what_fills_is_seen_to_stop(end in 20..1500_u32) {
            let mut subject = Subject::new(|at| i64::from(at.min(end)) * 3);
            subject.cpu = 0.0001;
            let mut evidence = subject.begun();
            let (conclusion, _) = subject.asked(&mut evidence, &PURSE);
            prop_assert_eq!(conclusion.rule(), Rule::StoppedInLongRun);
            let reason = conclusion.reason().unwrap();
            // The warm-up of the first stretch is not counted where that alone shows it.
            let said = [end - 1, end].map(|at| format!("stopped growing after {at} iterations"));
            prop_assert!(said.contains(&reason), "{reason}");
        }

        /// Less to spend never makes a long run longer.
        #[test]
        fn less_time_is_no_longer_run(each in 1..9_i64, one in 1..4000_u32, other in 1..4000_u32) {
            let (less, more) = (one.min(other), one.max(other));
            let total = |millis: u32| {
                let mut subject = Subject::new(|at| i64::from(at) * each);
                let mut evidence = subject.begun();
                let long_run = f64::from(millis) / 1000.0;
                let (_, asked) = subject.asked(&mut evidence, &Purse { long_run, ..PURSE });
                stretches(&asked).iter().map(|one| one.iterations).sum::<u32>()
            };
            prop_assert!(total(less) <= total(more));
        }
    }
}
