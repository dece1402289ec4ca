//! Looks at a leak until it stops growing, or for as long as it may take: whether what fills has an end.

use std::collections::BTreeMap;

use super::{
    conclusion::Conclusion,
    end::ask,
    loss::Loss,
    protocol::{Ran, Status},
    trace::{
        Attempt, Bench, Case, FIRST_WINDOW, HORIZON, affordable, bytes_per_iteration, grows_memory,
    },
    worker::{CAPACITY, Worker},
};
use crate::{
    attribute::sites::Growth,
    fit::{self, Exactness, Fit, Shape},
    investigate::readings::extend,
    verdict::{Counter, LARGEST_BLOCK, Series, rule::Rule},
};

/// A longer look may keep this much: no cache that a test fills is meant to be larger.
const HORIZON_BYTES: f64 = 64e6;
/// Descriptors or threads that a longer look may leave: a process gets 1,024 descriptors by default, and 128
/// inotify instances.
const HORIZON_RESOURCES: f64 = 64.0;
/// Beyond so many iterations a horizon gets this share of the allowance of one: few ends lie there, and each leak goes
/// as far.
const NEAR: u32 = 2048;
const FAR_SHARE: f64 = 4.0;
/// Fewer iterations than this are no reason to think that the end is near.
const HALF: u32 = 256;
/// The pause between two rises fits so often into the first stretch, and rest is this much longer than it.
const PAUSES: u32 = 4;
const REST: u32 = 2;

impl Bench<'_> {
    /// Reads the end of what fills, where it has one to read; else waits for it, unless that was done for the same places.
    pub(super) fn bound_or_horizon(
        &self,
        worker: &mut Worker,
        case: &mut Case,
    ) -> Result<Attempt<Conclusion>, Loss> {
        if case.brief {
            // Ends that it says itself were asked for in the screen.
            return Ok(Ok(Conclusion::by(Rule::GrewLikeLeaksBudget)));
        }
        // What comes most rarely has to show in it: a descriptor in every 3rd beside a cache that fills in each.
        let iterations = FIRST_WINDOW.max(PAUSES * pauses(case).max().unwrap_or(1));
        let bound = ask(worker, iterations, false)?;
        self.budget.spend(bound.cpu);
        if let Some(window) = bound.window {
            self.budget.spend(window.cpu);
            case.iterations += window.iterations;
            if window.outcome.status == Status::Passed {
                let growing = self.growing(&window.series);
                if growing.is_empty() {
                    let ends = bound.filled.iter().cloned();
                    case.ends = ends.map(|(kind, name, _, _)| (kind, name)).collect();
                    let judged = Conclusion::filling(Rule::LimitFound, bound.filled);
                    self.known.learn(case.growing_things(), &judged, false);
                    return Ok(Ok(judged));
                }
                // What has an end to read is no part of what goes on without it.
                let judged = self.known_or_horizon(worker, case)?;
                let mut fits = growing;
                fits.retain(|counter, _| case.fits.contains_key(counter));
                if !fits.is_empty() {
                    without_filling(&mut case.growths, &fits);
                    case.series = window.series;
                    narrow(case, fits);
                }
                return Ok(judged);
            }
        }
        self.known_or_horizon(worker, case)
    }

    fn known_or_horizon(
        &self,
        worker: &mut Worker,
        case: &mut Case,
    ) -> Result<Attempt<Conclusion>, Loss> {
        let things = case.growing_things();
        let known = self.known.looked_at(&things);
        if let Some(judged) = known.filter(|_| case.is_explained()) {
            return Ok(Ok(judged.taken_over(Rule::KnownCause)));
        }
        let judged = self.horizon(worker, case)?;
        if let Ok(judged) = &judged {
            // What was not seen to end says nothing of another test at the same place, as long as there is time to look.
            self.known.learn(things, judged, !judged.is_slowing());
        }
        Ok(judged)
    }

    /// Goes on for longer and longer, until the growth stops or the time, the memory or the horizon ends.
    fn horizon(&self, worker: &mut Worker, case: &mut Case) -> Result<Attempt<Conclusion>, Loss> {
        let rate = |counter| case.fits.get(&counter).map_or(0.0, |fit| fit.rate.value);
        let room = affordable(bytes_per_iteration(&case.series), HORIZON_BYTES)
            .min(affordable(rate(Counter::Fds), HORIZON_RESOURCES))
            .min(affordable(rate(Counter::Threads), HORIZON_RESOURCES))
            .min(affordable(rate(Counter::Children), HORIZON_RESOURCES))
            .min(affordable(rate(Counter::Interpreters), HORIZON_RESOURCES));
        let allowance = self.budget.for_horizon().as_secs_f64();
        let mut spent = 0.0;
        let mut total = 0;
        let pause = pause(case);
        let mut step = (2 * FIRST_WINDOW).max(PAUSES * pause);
        let mut series = Series::new();
        let mut fits = case.fits.clone();
        let mut late = false;
        let mut cut = false;
        // Why it goes on no longer.
        let mut end = if room < HORIZON {
            Rule::GrewToSizeEnd
        } else {
            Rule::GrewToLastIteration
        };
        while total + step <= room && step < CAPACITY {
            // The next stretch costs as much per iteration as the ones before it.
            let next = spent / f64::from(total.max(1)) * f64::from(step);
            let allowance = if total < NEAR {
                allowance
            } else {
                allowance.min(self.budget.for_horizon().as_secs_f64() / FAR_SHARE)
            };
            if total > 0 && next > allowance - spent {
                if !fits.is_empty() || total < HALF || late {
                    cut = total < NEAR && self.budget.is_short(allowance);
                    end = Rule::GrewToTimeEnd;
                    break;
                }
                // It seems to have come to its end just now: half as much again tells.
                late = true;
                step = total / 2;
            }
            let warmup = u32::from(total == 0);
            let ran = match self.run(worker, case, None, false, warmup, step)? {
                Ok(ran) => ran,
                Err(ended) => {
                    if case.fits.values().any(|fit| fit.shape == Shape::Linear) {
                        // What grew by the same amount all along has now used up a limit of the system's, most likely;
                        // what comes after it in this process would meet the same limit.
                        case.spoiled = true;
                        return Ok(Ok(Conclusion::by(Rule::GrewUntilFailure)));
                    }
                    return Ok(Err(ended));
                }
            };
            spent += charged(&ran);
            extend(&mut series, &ran.series);
            fits = self.growing(&series);
            let growing = case.fits.keys().filter(|counter| counter.decides(&series));
            let rests = |counter: &Counter| rests(series.get(counter), REST * pause);
            if fits.is_empty() && growing.clone().all(rests) {
                let last = series
                    .iter()
                    .filter(|(counter, _)| case.fits.contains_key(counter))
                    .filter_map(|(counter, readings)| {
                        let exactness = self.exactness.get(counter).copied();
                        fit::fit(readings, exactness.unwrap_or(Exactness::Estimate)).last_growth
                    })
                    .max()
                    .unwrap_or(0);
                let before = case.iterations - ran.iterations - total;
                let after = u64::from(before) + u64::try_from(last).unwrap_or(0);
                case.series = series;
                return Ok(Ok(Conclusion::because(
                    Rule::StoppedInLongRun,
                    format!("stopped growing after {after} iterations"),
                )));
            }
            total += step;
            step = total;
            if ran.resident > self.memory / 2 {
                end = Rule::GrewToSizeEnd;
                break;
            }
        }
        if total > 0 {
            case.series = series;
            if fits.is_empty() {
                let growing = case
                    .fits
                    .keys()
                    .filter_map(|counter| case.series.get(counter));
                let (rule, how) = if { growing }.any(|readings| fit::falls_back(readings)) {
                    (
                        Rule::FallsAndGrowsAgain,
                        "grows, falls back and grows again",
                    )
                } else {
                    // Other tests that fill the same would hardly be seen to.
                    case.spoiled = true;
                    (Rule::GrowsEverSlower, "grows more and more slowly")
                };
                let reason = format!(
                    "{how}, and still did after {} iterations (--thorough looks longer)",
                    case.iterations
                );
                return Ok(Ok(Conclusion::because(rule, reason)));
            }
            if cut {
                // Many a cache has its end there. A suspect that came earlier would have seen it.
                let reason = format!(
                    "still grows after {} iterations, and the budget of {:.0} s for suspects leaves no time to see whether \
                     it ends (--budget gives more)",
                    case.iterations,
                    self.budget.total().as_secs_f64()
                );
                return Ok(Ok(Conclusion::because(Rule::BudgetCutLongRun, reason)));
            }
            let rate = |counter| fits.get(&counter).map_or(0.0, |fit| fit.rate.value);
            if !grows_memory(&case.fits) && rate(Counter::Blocks) < rate(Counter::Items) {
                // What only so long a look shows beside entries is the memory that their container takes for them,
                // unless each has blocks of its own.
                fits.retain(|counter, _| case.fits.contains_key(counter));
            }
            narrow(case, fits);
            if !case.fits.contains_key(&Counter::Items) {
                case.containers.clear();
            }
        }
        Ok(Ok(Conclusion::by(end)))
    }
}

/// CPU seconds that count as those of a longer look. A free-threaded build goes through the whole heap in each collection, so
/// that readings take ten times as long as a test does, and what has its end within reach would be called a leak.
fn charged(ran: &Ran) -> f64 {
    const READING: f64 = 4.0;
    if ran.cpu_read > ran.cpu / 2.0 {
        ran.cpu - ran.cpu_read * (1.0 - 1.0 / READING)
    } else {
        ran.cpu
    }
}

/// Leaves of what grows what goes on. What small objects take is in `blocks` and nowhere else: where that has come to its
/// end, they only filled something up, and are no part of it.
fn narrow(case: &mut Case, fits: BTreeMap<Counter, Fit>) {
    let filled = case.fits.contains_key(&Counter::Blocks) && !fits.contains_key(&Counter::Blocks);
    case.fits = fits;
    if filled {
        case.growths.retain(is_large);
        case.settled = case.growths.is_empty();
    }
}

/// Leaves of the places that grow those that leave no more than all of them together do once what has an end is full.
fn without_filling(growths: &mut Vec<Growth>, fits: &BTreeMap<Counter, Fit>) {
    let most = fits.get(&Counter::Blocks).map_or(0.0, |fit| fit.rate.value);
    let may_be = |growth: &Growth| growth.count.rate.value <= most + 0.5;
    if growths.iter().any(may_be) {
        growths.retain(may_be);
    }
}

/// Whether what grows at a place is too large for pymalloc, which `blocks` counts.
fn is_large(growth: &Growth) -> bool {
    growth.bytes.rate.value > growth.count.rate.value * LARGEST_BLOCK
}

/// What is trimmed now and then does not come up to the same height each time: a few objects that lived at the time were
/// left. That is a hundredth of what comes and goes; what leaks in every 11th iteration is more, in a third of a look.
const UNEVEN: i64 = 100;

/// Whether a series has come to rest: nothing in its last third, nor in so many readings as `least` says, is above what was
/// there before.
fn rests(readings: Option<&Vec<i64>>, least: u32) -> bool {
    let Some(readings) = readings else {
        return true;
    };
    let quiet = (readings.len() / 3).max(least as usize).min(readings.len());
    let (before, last) = readings.split_at(readings.len() - quiet);
    let Some((top, bottom)) = before.iter().max().zip(before.iter().min()) else {
        return last.is_empty();
    };
    let uneven = if fit::falls_back(readings) {
        1 + (top - bottom) / UNEVEN
    } else {
        0
    };
    last.iter().all(|reading| *reading <= top + uneven)
}

/// How many iterations lie between two rises of each counter that grows, at most.
fn pauses(case: &Case) -> impl Iterator<Item = u32> {
    case.fits.keys().filter_map(|counter| {
        let readings = case.series.get(counter)?;
        u32::try_from(fit::longest_pause(readings)).ok()
    })
}

/// The same of what rises most often: so long a standstill is no rest.
fn pause(case: &Case) -> u32 {
    pauses(case).min().unwrap_or(1).max(1)
}

/// Whether a series rose more than once, as something does that fills, and then came to rest.
pub(super) fn rose_and_rests(readings: Option<&Vec<i64>>) -> bool {
    readings.is_some_and(|series| {
        series.windows(2).filter(|pair| pair[1] > pair[0]).count() > 2
            && series.last() > series.first()
    }) && rests(readings, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_flat_end_is_rest() {
        assert!(rests(Some(&vec![0, 3, 6, 9, 9, 9, 9, 9, 9]), 1));
        assert!(!rests(Some(&vec![0, 20, 22, 23, 25, 26, 28, 29, 31]), 1));
        // What rises in every 7th.
        let rare = vec![0, 0, 3, 3, 3, 3, 3, 3, 3];
        assert!(rests(Some(&rare), 1) && !rests(Some(&rare), 8));
        assert!(rests(None, 1));
        // Teeth that rise by one, or by what is no accident; and one more where nothing falls.
        let teeth = |more: i64| (0..900).map(|i| i % 300 + i / 300 * more).collect();
        assert!(rests(Some(&teeth(1)), 1) && !rests(Some(&teeth(9)), 1));
        assert!(!rests(Some(&vec![0, 3, 6, 9, 9, 9, 9, 9, 10]), 1));
    }
}
