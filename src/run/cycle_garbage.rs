//! Which tests that leave garbage are looked at: a few of those that leave as much, as many in each file as its tests give it.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    sync::atomic::Ordering,
};

use super::{
    diagnosis::Place,
    errand::Stage,
    finds::{Garbage, Leavings},
    garbage::{self, Told},
    rounds::{self, Found},
    screen::Look,
    shared::note,
    slot::Slot,
};
use crate::{
    finding::stance::{Stance, Subject},
    heap::responsibility::{Makers, files_of_tests},
    verdict::Counter,
    worker::{INTERRUPTED, loss::Loss, protocol::Collectable},
};

/// Looks at the tests of a whole suite: these, and one for so many tests. Each file has its share, so that it makes no
/// difference which worker screens what.
const LOOKS: usize = 16;
const TESTS: usize = 200;
/// Looks of usual length stay far below this share of the screen's CPU time, and this many seconds besides.
const SHARE: f64 = 0.25;
const LEAST: f64 = 2.0;
/// CPU seconds that a look takes for each object of the garbage: 16.5 for the 411,490 that a state machine of hypothesis leaves.
const EACH: f64 = 40e-6;
/// Iterations of a look.
const ITERATIONS: f64 = 3.0;

/// Why no further test is looked at.
enum End {
    /// There is no time left, or the worker was lost.
    Spent,
    /// Somebody has interrupted the run.
    Interrupted,
}

/// The tests that one worker has screened and that leave garbage in every iteration.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    by_amount: BTreeMap<(String, i64), Vec<Look>>,
    cpu: f64,
}

impl Candidates {
    /// Takes note of a test that was screened.
    pub fn add(&mut self, look: &Look, tests: &[Collectable]) {
        self.cpu += look.cpu_plain * f64::from(look.iterations);
        if let Some([.., before, last]) = look.apart.get(&Counter::Garbage).map(Vec::as_slice)
            && look.screened.is_repeatable()
        {
            let file = tests[look.test].file.clone();
            let key = (file, last - before);
            self.by_amount.entry(key).or_default().push(look.clone());
        }
    }

    /// Looks at one of each kind, then at another one of each, and so on. `false` when the run is interrupted.
    pub fn look_at_all(self, stage: &Stage<'_>, slot: &mut Slot<'_>) -> bool {
        let ids = stage.tests.iter().map(|test| (&*test.id, &*test.file));
        let files = files_of_tests(ids);
        let settings = stage.settings;
        let makers = Makers::new(&settings.places, &files);
        let mut left = LEAST + SHARE * self.cpu;
        let mut shares = shares(stage.tests);
        if settings.stances.on(Subject::Cycles) == Stance::Deny {
            // What fails a build must depend neither on the time there was nor on who is looked at.
            left = f64::INFINITY;
            shares.values_mut().for_each(|share| *share = usize::MAX);
        }
        let mut groups: Vec<Vec<Look>> = self.by_amount.into_values().collect();
        groups.sort_by_key(|group| group[0].test);
        let mut told = false;
        let (found, ended) = rounds::look_at(&groups, |_, look| {
            let share = shares.get_mut(&*stage.tests[look.test].file);
            let Some(share) = share.filter(|share| **share > 0) else {
                return ControlFlow::Continue(None);
            };
            let takes = takes(look);
            if left > 0.0 && takes > left {
                // Another one may take less.
                if !std::mem::replace(&mut told, true) {
                    note(
                        stage.shared,
                        too_long(&stage.tests[look.test].id, takes, left),
                    );
                }
                return ControlFlow::Continue(None);
            }
            *share -= 1;
            if left <= 0.0 || left.is_finite() && settings.setup.whole.is_late() {
                return ControlFlow::Break(End::Spent);
            }
            if INTERRUPTED.load(Ordering::SeqCst) {
                return ControlFlow::Break(End::Interrupted);
            }
            match look_at(stage, slot, look, &makers) {
                Ok(Some(garbage)) => {
                    left -= garbage.cpu;
                    ControlFlow::Continue(Some(Leavings {
                        test: look.test,
                        alike: Vec::new(),
                        readings: look.apart[&Counter::Garbage].clone(),
                        garbage,
                    }))
                }
                Ok(None) => ControlFlow::Continue(None),
                Err(Loss::Interrupted) => ControlFlow::Break(End::Interrupted),
                Err(loss) => {
                    // It was us who asked for one more iteration; the test has its verdict.
                    let id = &stage.tests[look.test].id;
                    note(
                        stage.shared,
                        format!("cycles were not looked for after {id}: {}", loss.line()),
                    );
                    slot.discard();
                    ControlFlow::Break(End::Spent)
                }
            }
        });
        if matches!(ended, Some(End::Interrupted)) {
            return false;
        }
        describe(stage, slot, &found);
        if let Ok(mut shared) = stage.shared.lock() {
            shared.leavings.extend(found);
        }
        true
    }
}

fn too_long(id: &str, takes: f64, left: f64) -> String {
    format!(
        "cycles were not looked for after {id} and others that leave as much: it would take {takes:.0} s, and there were {left:.0} (cycles = \"deny\" looks in any case)"
    )
}

/// CPU seconds that a look at a test is expected to take, from what it left in the last iteration.
fn takes(look: &Look) -> f64 {
    let garbage = look.apart[&Counter::Garbage].windows(2).last();
    let objects = garbage.map_or(0, |pair| pair[1].saturating_sub(pair[0]));
    objects as f64 * EACH + ITERATIONS * look.cpu_plain
}

/// How many looks the tests of each file get.
fn shares(tests: &[Collectable]) -> BTreeMap<&str, usize> {
    let mut shares: BTreeMap<&str, usize> = BTreeMap::new();
    for test in tests {
        *shares.entry(&test.file).or_default() += 1;
    }
    let looks = LOOKS + tests.len() / TESTS;
    for share in shares.values_mut() {
        *share = (*share * looks).div_ceil(tests.len());
    }
    shares
}

impl Found for Leavings {
    type Shows = BTreeSet<String>;

    fn test(&self) -> usize {
        self.test
    }

    fn shows(&self) -> Self::Shows {
        let cycles = self.garbage.cycles.iter();
        cycles.map(|cycle| cycle.ring.identity.clone()).collect()
    }

    fn speak_for(&mut self, rest: Vec<usize>) {
        self.alike = rest;
    }

    fn is_empty(&self) -> bool {
        self.garbage.cycles.is_empty()
    }

    fn places(&self) -> Vec<Place> {
        let cycles = self.garbage.cycles.iter();
        cycles.filter_map(|cycle| cycle.place.clone()).collect()
    }
}

fn look_at(
    stage: &Stage<'_>,
    slot: &mut Slot<'_>,
    look: &Look,
    makers: &Makers<'_>,
) -> Result<Option<Garbage>, Loss> {
    let Ok(Some((worker, index))) = slot.worker_for(stage.tests, look.test) else {
        return Ok(None);
    };
    let settings = stage.settings;
    let file = settings.setup.directory.join(format!("g{}", look.test));
    let found = garbage::look(
        worker,
        index,
        look.wider,
        makers,
        &settings.places,
        &file,
        Told::Theirs,
    );
    let _ = std::fs::remove_file(file);
    found
}

/// Asks for the function and the text of the lines that are told.
fn describe(stage: &Stage<'_>, slot: &mut Slot<'_>, found: &[Leavings]) {
    let mut places: Vec<Place> = found.iter().flat_map(Found::places).collect();
    places.sort();
    places.dedup();
    let described = slot.describe(places);
    if let Ok(mut shared) = stage.shared.lock() {
        shared.sources.extend(described);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::screen::Screened, *};
    use crate::{
        investigate::experiment::Wider,
        verdict::{conclusion::Conclusion, rule::Rule},
    };

    #[test]
    fn a_look_takes_longer_the_more_is_left_and_the_longer_the_test_runs() {
        let left = |garbage: &[i64], seconds| {
            let conclusion = Conclusion::because(Rule::NothingGrew, "");
            let screened = Screened::Concluded(conclusion);
            let mut look = Look::new(0, screened, Wider::Stay);
            look.apart.insert(Counter::Garbage, garbage.to_vec());
            look.cpu_plain = seconds;
            takes(&look)
        };
        assert_eq!(left(&[0, 9, 9], 2.0), 6.0);
        // A state machine of hypothesis: 16.5 s of dump, and three iterations.
        let state_machine = left(&[0, 1_648_351, 2_059_841], 1.5);
        assert!((20.0..22.0).contains(&state_machine), "{state_machine}");
        assert_eq!(left(&[5], 0.0), 0.0);
    }

    #[test]
    fn a_file_gets_looks_as_it_has_tests_and_one_at_least() {
        let test = |file: &str| Collectable {
            id: String::new(),
            file: file.to_owned(),
        };
        let mut suite = vec![test("few")];
        assert_eq!(shares(&suite), BTreeMap::from([("few", LOOKS)]));
        suite.extend((0..999).map(|_| test("many")));
        assert_eq!(shares(&suite), BTreeMap::from([("few", 1), ("many", 21)]));
    }
}
