//! Which of several machines runs which file: a pure function of what was collected and how long it took before.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::plan;
use crate::worker::protocol::Collectable;

/// More machines than anybody has.
pub const MOST: usize = 10_000;
/// Milliseconds that a file costs at least, however fast its tests are.
const LEAST: u64 = 10;

/// What of the suite is to run here.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Which shard, from 1.
    pub index: usize,
    /// Of how many.
    pub total: usize,
    /// How long each file took in an earlier run, by the file as shown.
    pub seconds: BTreeMap<String, f64>,
}

/// The whole suite, and which part of it runs here.
#[derive(Debug, Clone, PartialEq)]
pub struct Division {
    /// This shard, from 1.
    pub index: usize,
    /// Of how many.
    pub total: usize,
    /// All files in the runner's order.
    pub shares: Vec<Share>,
}

/// A file of the suite, and who runs it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// As shown.
    pub file: String,
    /// The shard that runs it, from 1.
    pub shard: usize,
    /// Ids of its tests, in the runner's order.
    pub tests: Vec<String>,
    /// Wall seconds that its tests took here; absent where another shard runs them.
    pub seconds: Option<f64>,
}

/// Hands out whole files, in the order in which these first appear: tests of one file share its fixtures. The files of
/// `tests` are as shown, since no path of one machine may have a say in it.
pub fn divide(tests: &[Collectable], total: usize, seconds: &BTreeMap<String, f64>) -> Vec<Share> {
    let mut shares: Vec<Share> = plan::units(tests)
        .into_iter()
        .map(|unit| Share {
            file: tests[unit.tests[0]].file.clone(),
            shard: 0,
            tests: unit.tests.iter().map(|at| tests[*at].id.clone()).collect(),
            seconds: None,
        })
        .collect();
    let weights = weights(&shares, seconds);
    let mut order: Vec<usize> = (0..shares.len()).collect();
    // The longest first, each to the machine with the least to do: no other simple rule is known to be much better.
    order.sort_by(|a, b| {
        let key = |at: &usize| (shares[*at].tests.iter().min(), &shares[*at].file);
        weights[*b]
            .cmp(&weights[*a])
            .then_with(|| key(a).cmp(&key(b)))
    });
    let mut loads = vec![(0_u128, 0_usize); total];
    for at in order {
        if let Some(least) = (0..total).min_by_key(|at| loads[*at]) {
            loads[least].0 += weights[at];
            loads[least].1 += 1;
            shares[at].shard = least + 1;
        }
    }
    shares
}

/// What each file costs: what it took, else as much a test as in the files that were measured, else its number of tests.
/// Whole milliseconds, since sums of fractions depend on the order in which they are made.
fn weights(shares: &[Share], seconds: &BTreeMap<String, f64>) -> Vec<u128> {
    let measured = |share: &Share| {
        let seconds = seconds.get(&share.file)?;
        // What is beyond the type is cut to its ends.
        let milliseconds = (seconds * 1000.0).round() as u64;
        Some(u128::from(milliseconds.max(LEAST)))
    };
    let count = |share: &Share| share.tests.len() as u128;
    let (time, tests) = shares
        .iter()
        .filter_map(|share| Some((measured(share)?, count(share))))
        .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let (time, tests) = if tests == 0 { (1, 1) } else { (time, tests) };
    shares
        .iter()
        .map(|share| measured(share).unwrap_or(count(share) * time / tests))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn suite(sizes: &[usize]) -> Vec<Collectable> {
        sizes
            .iter()
            .enumerate()
            .flat_map(|(file, size)| {
                (0..*size).map(move |test| Collectable {
                    id: format!("tests/test_{file}.py::test_{test}"),
                    file: format!("tests/test_{file}.py"),
                })
            })
            .collect()
    }

    fn shard_of(shares: &[Share]) -> BTreeMap<&str, usize> {
        shares
            .iter()
            .flat_map(|share| share.tests.iter().map(|id| (&**id, share.shard)))
            .collect()
    }

    #[test]
    fn long_files_come_first_and_new_ones_count_by_their_tests() {
        let tests = suite(&[2, 2, 2, 6]);
        let seconds = BTreeMap::from([
            ("tests/test_0.py".to_owned(), 9.0),
            ("tests/test_1.py".to_owned(), 1.0),
            ("tests/test_2.py".to_owned(), 2.0),
        ]);
        // 2 s a test are measured, so the new file counts for 12.
        let shards: Vec<usize> = divide(&tests, 2, &seconds)
            .iter()
            .map(|share| share.shard)
            .collect();
        assert_eq!(shards, [2, 2, 2, 1]);
        let shards: Vec<usize> = divide(&tests, 2, &BTreeMap::new())
            .iter()
            .map(|share| share.shard)
            .collect();
        assert_eq!(shards, [2, 2, 2, 1]);
    }

    #[test]
    fn more_shards_than_files_leave_some_without_any() {
        let shares = divide(&suite(&[3, 1]), 5, &BTreeMap::new());
        assert_eq!(shares.len(), 2);
        assert_ne!(shares[0].shard, shares[1].shard);
        assert!(divide(&[], 3, &BTreeMap::new()).is_empty());
    }

    proptest! {
        #[test]
        fn every_test_is_in_one_shard_with_its_file_and_the_load_is_even(
            sizes in prop::collection::vec(1_usize..12, 0..40),
            times in prop::collection::vec(prop::option::of(0.0_f64..100.0), 40),
            total in 1_usize..12,
            turn in 0_usize..400,
        ) {
            let tests = suite(&sizes);
            let seconds: BTreeMap<String, f64> = times
                .iter()
                .enumerate()
                .filter_map(|(file, time)| Some((format!("tests/test_{file}.py"), (*time)?)))
                .collect();
            let shares = divide(&tests, total, &seconds);

            let handed: Vec<&str> =
                shares.iter().flat_map(|share| share.tests.iter().map(|id| &**id)).collect();
            let all: Vec<&str> = tests.iter().map(|test| &*test.id).collect();
            prop_assert_eq!(handed, all);
            prop_assert!(shares.iter().all(|share| (1..=total).contains(&share.shard)));
            let files: BTreeSet<&str> = shares.iter().map(|share| &*share.file).collect();
            prop_assert_eq!(files.len(), shares.len());

            // The order in which another machine finds them makes no difference.
            let mut turned = tests.clone();
            turned.rotate_left(turn % tests.len().max(1));
            let again = divide(&turned, total, &seconds);
            prop_assert_eq!(shard_of(&again), shard_of(&shares));

            // No machine could give away its lightest file and still have more to do than another.
            let weights = weights(&shares, &seconds);
            let mut loads = vec![0; total];
            for (share, weight) in shares.iter().zip(&weights) {
                loads[share.shard - 1] += weight;
            }
            let least = loads.iter().min().unwrap();
            for (share, weight) in shares.iter().zip(&weights) {
                let lightest = shares
                    .iter()
                    .zip(&weights)
                    .filter(|(other, _)| other.shard == share.shard)
                    .all(|(_, other)| weight <= other);
                prop_assert!(!lightest || loads[share.shard - 1] - weight <= *least);
            }
        }
    }
}
