//! Longer looks, in the processes of the screen once that is done: at tests in which something rose once, at all the others
//! where that takes no longer than these may, and at those whose verdicts are kept, in the time that keeping them saves. What is lost in every 50th call shows in no four iterations; those
//! of many runs add up, so each run looks at the tests that ran least until now.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use super::{
    errand::{Found, Stage},
    plan,
    rare::{self, Longer},
    screen::{Look, Screened},
    shared::{next, spend},
    slot::Slot,
    state::{Run, Settings},
};
use crate::{
    investigate::rules::{Deeper, RULES},
    kept::reason::Reason,
    verdict::{conclusion::Conclusion, rule::Rule},
    worker::{loss::Loss, orders::Wider},
};

/// Why a test is looked at longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// Something rose once, or there is time for all of them.
    Hint,
    /// It ran least of those that are kept.
    Kept,
    /// It grew in such a look in an earlier run.
    Known,
}

/// A test that is looked at longer.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Errand {
    test: usize,
    why: Why,
    /// Iterations of a window.
    window: u32,
    /// CPU seconds that it may take.
    takes: f64,
}

/// CPU time that may be spent, in microseconds.
#[derive(Debug)]
struct Purse(AtomicU64);

impl Purse {
    fn of(seconds: f64) -> Purse {
        // What is beyond the type is cut to its ends.
        Purse(AtomicU64::new((seconds * 1e6) as u64))
    }

    fn has(&self, seconds: f64) -> bool {
        self.0.load(Ordering::Relaxed) as f64 >= seconds * 1e6
    }

    fn spend(&self, seconds: f64) {
        let spent = (seconds * 1e6) as u64;
        let less = |left: u64| Some(left.saturating_sub(spent));
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}

/// The tests that are looked at longer in this run.
pub(super) struct Plan {
    /// Those of each file.
    queue: Mutex<VecDeque<Vec<Errand>>>,
    found: Mutex<Vec<(Errand, Longer)>>,
    for_hints: Purse,
    for_kept: Purse,
}

impl Plan {
    /// Those in which something rose once; and those that grew in a longer look before, and then those that ran least, as
    /// far as the time for it lasts.
    pub(super) fn of(settings: &Settings, run: &Run, found: &Found) -> Plan {
        let looks = || found.iter().flatten().map(|(look, _)| look);
        let plain = run.plain_cpu + looks().map(|look| look.cpu_plain).sum::<f64>();
        let rare = &RULES.rare;
        let for_kept = settings.deepen * (plain + RULES.deeper.besides);
        let mut candidates: Vec<Candidate> = looks()
            .filter(|look| is_clean(look))
            .filter_map(|look| {
                let known = run.deep.get(&look.test).copied();
                let is_kept = run.kept[look.test].is_some();
                let older = run.older.get(&look.test).copied();
                (is_kept || known.or(older).is_some()).then_some(Candidate {
                    test: look.test,
                    ran: look.iterations.saturating_add(older.unwrap_or(0)),
                    each: look.cpu_plain,
                    known,
                })
            })
            .collect();
        let mut chosen = choose(&mut candidates, for_kept, &RULES.deeper);
        let for_hints = rare.least + rare.share * plain;
        let hint = |look: &Look, takes| Errand {
            test: look.test,
            why: Why::Hint,
            window: rare.iterations,
            takes,
        };
        let mut hints: Vec<Errand> = looks()
            .filter(|look| rare::is_hint(look))
            .map(|look| {
                hint(
                    look,
                    f64::from(rare.windows * rare.iterations) * look.seconds,
                )
            })
            .collect();
        let others = looks()
            .filter(|look| is_clean(look) && !rare::is_hint(look))
            .filter(|look| run.kept[look.test].is_none() && !chosen.contains_key(&look.test));
        let each = |look: &Look| look.cpu_plain + RULES.deeper.around;
        let others: Vec<Errand> = others
            .map(|look| hint(look, f64::from(rare.iterations) * each(look)))
            .collect();
        let takes = |errands: &[Errand]| errands.iter().map(|one| one.takes).sum::<f64>();
        if takes(&hints) + takes(&others) <= for_hints {
            hints.extend(others);
        }
        chosen.extend(hints.into_iter().map(|errand| (errand.test, errand)));
        let files = plan::units(&run.tests).into_iter().map(|unit| {
            let errands = unit.tests.iter();
            errands
                .filter_map(|test| chosen.get(test).copied())
                .collect::<Vec<_>>()
        });
        Plan {
            queue: Mutex::new(files.filter(|errands| !errands.is_empty()).collect()),
            found: Mutex::default(),
            for_hints: Purse::of(for_hints),
            for_kept: Purse::of(for_kept),
        }
    }

    /// A worker's part of it. `None` where the run is interrupted.
    pub(super) fn work(&self, stage: &Stage<'_>, slot: &mut Slot<'_>) -> Option<()> {
        while let Some(errands) = next(&self.queue) {
            for errand in errands {
                let is_affordable = match errand.why {
                    Why::Hint => {
                        self.for_hints.has(errand.takes) && !stage.settings.setup.whole.is_late()
                    }
                    Why::Kept => self.for_kept.has(0.001),
                    // What is known to grow is looked at in any case.
                    Why::Known => true,
                };
                if !is_affordable {
                    continue;
                }
                let file = &stage.tests[errand.test].file;
                let anew = slot.must_survey(file);
                // Each keeps the verdict that it has where no worker can be had.
                let Ok(Some((worker, index))) = slot.worker_for(stage.tests, errand.test) else {
                    continue;
                };
                let begun = Instant::now();
                let mut longer = match rare::look_at(worker, index, errand.window, anew) {
                    Ok(longer) => {
                        slot.has_surveyed(file);
                        longer
                    }
                    Err(Loss::Interrupted) => return None,
                    Err(_) => {
                        // It passed as often as it had to; and it is not asked for the same in the next run.
                        let ran = u32::try_from(worker.begun()).unwrap_or(u32::MAX);
                        slot.discard();
                        Longer {
                            iterations: ran.min(errand.window),
                            ..Longer::default()
                        }
                    }
                };
                spend(stage.shared, errand.test, begun);
                if let Ok(mut shared) = stage.shared.lock() {
                    shared.errors.append(&mut longer.errors);
                }
                match errand.why {
                    Why::Hint => self.for_hints.spend(longer.cpu),
                    Why::Kept | Why::Known => self.for_kept.spend(longer.cpu),
                }
                if let Ok(mut found) = self.found.lock() {
                    found.push((errand, longer));
                }
            }
        }
        Some(())
    }

    /// Adds what was found to what is known of the tests: those that rise are suspects, and their verdicts no longer kept.
    pub(super) fn take_over(self, run: &mut Run) {
        for (errand, longer) in self.found.into_inner().unwrap_or_default() {
            let test = errand.test;
            let Some(look) = &mut run.looks[test] else {
                continue;
            };
            if let Some(series) = &longer.rises {
                look.series.clone_from(series);
                look.screened = Screened::Suspect;
            }
            if errand.why == Why::Hint {
                continue;
            }
            look.iterations = look.iterations.saturating_add(longer.iterations);
            let mut evidence = run.kept[test].take();
            if let Some(evidence) = &mut evidence {
                evidence.iterations = look.iterations;
            }
            if longer.rises.is_none() {
                run.kept[test] = evidence;
                run.deep.remove(&test);
                continue;
            }
            run.deep.insert(test, errand.window);
            if let Some(evidence) = evidence {
                run.overtaken.insert(test, evidence);
                if let Some(asked) = &mut run.asked {
                    *asked.entry(Reason::Deeper).or_default() += 1;
                }
            }
        }
    }
}

fn is_clean(look: &Look) -> bool {
    let rule = look.screened.concluded().map(Conclusion::rule);
    rule.is_some_and(Rule::shows_nothing) && look.wider == Wider::Stay
}

/// A test that may be looked at longer.
#[derive(Debug, Clone)]
struct Candidate {
    test: usize,
    /// How often it ran in all runs until now.
    ran: u32,
    /// CPU seconds of one iteration in a plain run.
    each: f64,
    /// Iterations of a window in which it grew in an earlier run.
    known: Option<u32>,
}

/// Which of them are looked at in `budget` CPU seconds.
fn choose(candidates: &mut [Candidate], budget: f64, numbers: &Deeper) -> BTreeMap<usize, Errand> {
    candidates.sort_by_key(|one| (one.known.is_none(), one.ran, one.test));
    let mut left = budget;
    let mut chosen = BTreeMap::new();
    for one in candidates {
        let each = one.each + numbers.around;
        let affordable = (budget * numbers.part / each) as u32;
        let wanted = one.ran.clamp(numbers.least, numbers.most).min(affordable);
        // It comes from a file.
        let window = one.known.map_or(wanted, |known| known.min(numbers.most));
        let takes = f64::from(window) * each;
        if one.known.is_none() && (window < numbers.few || takes > left) {
            continue;
        }
        left -= takes;
        let why = match one.known {
            Some(_) => Why::Known,
            None => Why::Kept,
        };
        let errand = Errand {
            test: one.test,
            why,
            window,
            takes,
        };
        chosen.insert(one.test, errand);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(test: usize, ran: u32, each: f64) -> Candidate {
        Candidate {
            test,
            ran,
            each,
            known: None,
        }
    }

    fn chosen(candidates: &[Candidate], budget: f64) -> Vec<(usize, u32)> {
        let numbers = Deeper {
            around: 0.0,
            ..RULES.deeper.clone()
        };
        let found = choose(&mut candidates.to_vec(), budget, &numbers).into_values();
        found.map(|errand| (errand.test, errand.window)).collect()
    }

    #[test]
    fn those_that_ran_least_come_first_and_run_as_often_as_until_now() {
        let all = [
            candidate(0, 300, 0.001),
            candidate(1, 4, 0.001),
            candidate(2, 4, 0.001),
            candidate(3, 100_000, 0.001),
        ];
        assert_eq!(chosen(&all, 0.09), []);
        // Each may have an eighth of it.
        assert_eq!(chosen(&all, 0.55), [(0, 68), (1, 64), (2, 64), (3, 68)]);
        assert_eq!(chosen(&all, 8.0), [(0, 300), (1, 64), (2, 64), (3, 1000)]);
    }

    #[test]
    fn time_ends_it_and_what_takes_long_runs_less_often_or_not_at_all() {
        let all: Vec<Candidate> = (0..100).map(|test| candidate(test, 4, 0.01)).collect();
        assert_eq!(chosen(&all, 6.5).len(), 10);
        let slow = [candidate(0, 4, 0.05), candidate(1, 4, 1.0)];
        assert_eq!(chosen(&slow, 8.0), [(0, 20)]);
        assert_eq!(chosen(&slow, 0.0), []);
    }

    #[test]
    fn what_grew_before_is_looked_at_again_whatever_it_takes() {
        let mut all = [candidate(0, 4, 0.01), candidate(1, 4, 1.0)];
        all[1].known = Some(64);
        assert_eq!(chosen(&all, 0.0), [(1, 64)]);
        assert_eq!(chosen(&all, 6.4), [(1, 64)]);
    }

    #[test]
    fn what_is_spent_is_gone() {
        let purse = Purse::of(2.0);
        assert!(purse.has(2.0) && !purse.has(2.1));
        purse.spend(1.5);
        assert!(purse.has(0.4) && !purse.has(0.6));
        purse.spend(9.0);
        assert!(!purse.has(0.001));
    }
}
