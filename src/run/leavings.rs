//! Which tests that leave garbage are looked at: a few of those that leave as much, as many in each file as its tests give it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::Ordering,
};

use super::{
    INTERRUPTED,
    garbage::{self, Garbage, Told},
    loss::Loss,
    note,
    protocol::Collectable,
    screen::Look,
    slot::Slot,
    stage::Stage,
};
use crate::{
    attribute::maker::{Makers, files_of_tests},
    config::Stance,
    verdict::Counter,
};

/// Looks at the tests of a whole suite: these, and one for so many tests. Each file has its share, so that it makes no
/// difference which worker screens what.
const LOOKS: usize = 16;
const TESTS: usize = 200;
/// Looks of usual length stay far below this share of the screen's CPU time, and this many seconds besides.
const SHARE: f64 = 0.25;
const LEAST: f64 = 2.0;
/// So many tests of a file that leave as much and agree on it speak for the rest.
const AGREEING: usize = 2;

/// What a look at one test found.
#[derive(Debug, Clone, PartialEq)]
pub struct Leavings {
    /// Index of the test.
    pub test: usize,
    /// Tests of the same file that leave as much.
    pub alike: Vec<usize>,
    /// Objects that the collector had freed at each reading in the screen.
    pub readings: Vec<i64>,
    /// What was found.
    pub garbage: Garbage,
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
        let makers = Makers::new(&stage.settings.places, &files);
        let mut left = LEAST + SHARE * self.cpu;
        let mut shares = shares(stage.tests);
        if stage.settings.cycles == Stance::Deny {
            // What fails a build must depend neither on the time there was nor on who is looked at.
            left = f64::INFINITY;
            shares.values_mut().for_each(|share| *share = usize::MAX);
        }
        let mut groups: Vec<Vec<Look>> = self.by_amount.into_values().collect();
        groups.sort_by_key(|group| group[0].test);
        let mut found: Vec<Vec<Leavings>> = groups.iter().map(|_| Vec::new()).collect();
        let longest = groups.iter().map(Vec::len).max().unwrap_or(0);
        'all: for round in 0..longest {
            for (group, found) in groups.iter().zip(&mut found) {
                let Some(look) = group.get(round).filter(|_| !agree(found)) else {
                    continue;
                };
                let Some(share) = shares
                    .get_mut(&*stage.tests[look.test].file)
                    .filter(|share| **share > 0)
                else {
                    continue;
                };
                *share -= 1;
                if left <= 0.0 {
                    break 'all;
                }
                if INTERRUPTED.load(Ordering::SeqCst) {
                    return false;
                }
                match look_at(stage, slot, look, &makers) {
                    Ok(Some(garbage)) => {
                        left -= garbage.cpu;
                        found.push(Leavings {
                            test: look.test,
                            alike: Vec::new(),
                            readings: look.apart[&Counter::Garbage].clone(),
                            garbage,
                        });
                    }
                    Ok(None) => {}
                    Err(Loss::Interrupted) => return false,
                    Err(loss) => {
                        // It was us who asked for one more iteration; the test has its verdict.
                        let id = &stage.tests[look.test].id;
                        note(
                            stage.shared,
                            format!("cycles were not looked for after {id}: {}", loss.line()),
                        );
                        slot.discard();
                        break 'all;
                    }
                }
            }
        }
        for (group, found) in groups.iter().zip(&mut found) {
            if agree(found) {
                let looked: BTreeSet<usize> = found.iter().map(|one| one.test).collect();
                let rest = group.iter().map(|look| look.test);
                found[0].alike = rest.filter(|test| !looked.contains(test)).collect();
            }
        }
        let found: Vec<Leavings> = found.into_iter().flatten().collect();
        describe(stage, slot, &found);
        if let Ok(mut shared) = stage.shared.lock() {
            shared.leavings.extend(found);
        }
        true
    }
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

/// Whether enough were looked at, and show the same cycles.
fn agree(found: &[Leavings]) -> bool {
    let sorts = |one: &Leavings| -> BTreeSet<String> {
        let cycles = one.garbage.cycles.iter();
        cycles.map(|cycle| cycle.ring.identity.clone()).collect()
    };
    found.len() >= AGREEING && found.iter().all(|one| sorts(one) == sorts(&found[0]))
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
    let cycles = found.iter().flat_map(|one| &one.garbage.cycles);
    let mut places: Vec<(String, u32)> = cycles
        .filter_map(|cycle| cycle.place.clone())
        .filter(|(file, _)| !file.starts_with('<'))
        .collect();
    places.sort();
    places.dedup();
    if !places.is_empty()
        && let Some(answers) = slot.describe(&places)
        && let Ok(mut shared) = stage.shared.lock()
    {
        shared.sources.extend(places.into_iter().zip(answers));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
