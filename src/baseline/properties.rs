//! What holds of every comparison with the snapshots, whatever was accepted and whatever ran.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{
    compare::{
        Outcome,
        tests::{Case, finding},
    },
    files::File,
    format::{Entry, Waiting},
};
use crate::finding::{Finding, Status};

/// Functions with a leak, and how many blocks each leaks.
type Leaks = BTreeMap<String, f64>;

fn leaks() -> impl Strategy<Value = Leaks> {
    prop::collection::btree_map("[a-f]", 0.1..1e4_f64, 0..6)
}

fn findings(leaks: &Leaks) -> Vec<Finding> {
    leaks
        .iter()
        .map(|(name, rate)| {
            let mut one = finding(name, &[("blocks", *rate)]);
            one.sites[0].source = Some(name.clone());
            one
        })
        .collect()
}

fn told(findings: &[Finding]) -> BTreeMap<&str, (Status, bool)> {
    findings
        .iter()
        .map(|one| (&*one.fingerprint, (one.status, one.fails)))
        .collect()
}

fn waiting(outcome: &Outcome) -> BTreeSet<(&str, Option<Waiting>)> {
    outcome
        .pending
        .iter()
        .map(|(_, one)| (&*one.fingerprint, one.pending))
        .collect()
}

/// Does what a person does who accepts everything that waits.
fn accept(case: &mut Case, outcome: &Outcome) {
    for (replaces, one) in &outcome.pending {
        if let Some(name) = replaces {
            case.accepted.retain(|file| file.name != *name);
        }
        if one.pending != Some(Waiting::Fixed) {
            let mut one = one.clone();
            one.pending = None;
            case.accepted.push(File {
                name: format!("{}.snap", one.fingerprint),
                entry: Entry::One(Box::new(one)),
            });
        }
    }
}

proptest! {
    #[test]
    fn the_same_again_is_known_and_nothing_waits(leaks in leaks(), whole in any::<bool>()) {
        let now = findings(&leaks);
        let mut case = Case::of(&now);
        case.whole = whole;
        let (found, outcome) = case.run(&now);
        prop_assert_eq!(found.len(), now.len());
        prop_assert!(found.iter().all(|one| (one.status, one.fails) == (Status::Known, false)));
        prop_assert!(outcome.pending.is_empty());
    }

    #[test]
    fn the_order_changes_nothing(before in leaks(), now in leaks(), turn in 0..6_usize, whole in any::<bool>()) {
        let mut case = Case::of(&findings(&before));
        case.whole = whole;
        let mut now = findings(&now);
        let (first, outcome) = case.run(&now);
        if !now.is_empty() {
            let by = turn % now.len();
            now.rotate_left(by);
        }
        now.reverse();
        case.accepted.reverse();
        let (second, other) = case.run(&now);
        prop_assert_eq!(told(&first), told(&second));
        prop_assert_eq!(waiting(&outcome), waiting(&other));
        prop_assert_eq!(&outcome.settled, &other.settled);
        prop_assert_eq!(outcome.untested, other.untested);
    }

    #[test]
    fn what_was_accepted_does_not_fail_again(before in leaks(), now in leaks(), whole in any::<bool>()) {
        let mut case = Case::of(&findings(&before));
        case.whole = whole;
        let now = findings(&now);
        let (_, outcome) = case.run(&now);
        accept(&mut case, &outcome);
        let (found, outcome) = case.run(&now);
        prop_assert!(found.iter().all(|one| !one.fails), "{:?}", told(&found));
        prop_assert!(outcome.pending.is_empty(), "{:?}", waiting(&outcome));
    }

    #[test]
    fn who_fails_fails_the_more_it_grows(old in 0.1..1e4_f64, rate in 0.1..1e5_f64, more in 1.0..100_f64) {
        let of = |rate: f64| findings(&Leaks::from([("f".to_owned(), rate)]));
        let case = Case::of(&of(old));
        let fails = |rate: f64| case.run(&of(rate)).0[0].fails;
        prop_assert!(!fails(rate) || fails(rate * more));
    }

    #[test]
    fn another_leak_beside_it_changes_nothing_for_one(before in leaks(), now in leaks(), other in 0.1..1e4_f64) {
        let case = Case::of(&findings(&before));
        let alone = findings(&now);
        let mut both = alone.clone();
        // Alike with none of those that are gone: elsewhere, and in another function.
        let mut new = finding("zz", &[("blocks", other)]);
        new.sites[0].file = "elsewhere.py".to_owned();
        new.sites[0].source = Some("zz".to_owned());
        new.tests = vec!["t.py::other".to_owned()];
        both.push(new.clone());
        let ((alone, _), (both, _)) = (case.run(&alone), case.run(&both));
        let (alone, mut both) = (told(&alone), told(&both));
        prop_assert_eq!(both.remove(&*new.fingerprint), Some((Status::New, true)));
        prop_assert_eq!(alone, both);
    }
}
