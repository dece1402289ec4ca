//! What a run is able to say of a snapshot that none of its findings has: only the tests that ran are judged.

use std::collections::{BTreeMap, BTreeSet};

use super::{format::Snapshot, scrub};

/// What the tests of a run say of a snapshot that none of its findings has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// Its tests were judged, and do not show it.
    Gone,
    /// None of its tests exists any more.
    Orphaned,
    /// It cannot be told.
    Untested,
}

/// Which tests ran, and what that is enough to say.
pub struct Scope {
    judged: BTreeMap<String, bool>,
    whole: bool,
}

impl Scope {
    /// That of a run of `tests`, each with whether it was judged; `whole` where all there is was asked for.
    pub fn of(tests: &[(String, bool)], whole: bool) -> Scope {
        let mut judged: BTreeMap<String, bool> = BTreeMap::new();
        for (id, was) in tests {
            // Where two ids are one without their addresses, both must have been judged.
            let all = judged.entry(scrub::addresses(id)).or_insert(true);
            *all &= was;
        }
        Scope { judged, whole }
    }

    /// What is to be said of `snapshot` where no finding shows it.
    pub fn absent(&self, snapshot: &Snapshot) -> Absent {
        let here: Vec<bool> = snapshot
            .tests
            .iter()
            .filter_map(|id| self.judged.get(id).copied())
            .collect();
        let complete = here.len() == snapshot.tests.len() && !snapshot.more_tests;
        if here.is_empty() {
            if self.whole && !snapshot.tests.is_empty() {
                Absent::Orphaned
            } else {
                Absent::Untested
            }
        } else if here.iter().all(|judged| *judged) && (self.whole || complete) {
            Absent::Gone
        } else {
            Absent::Untested
        }
    }

    /// Ids of the tests that were judged.
    pub fn judged(&self) -> BTreeSet<String> {
        self.judged
            .iter()
            .filter(|(_, judged)| **judged)
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// Whether the test was collected, judged or not.
    pub fn has(&self, id: &str) -> bool {
        self.judged.contains_key(id)
    }

    /// Whether the test is gone from the suite: all was collected, and it is not there.
    pub fn lost(&self, id: &str) -> bool {
        self.whole && !self.has(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::format::tests::snapshot;

    #[test]
    fn only_what_ran_is_called_gone() {
        use Absent::*;
        let mut one = snapshot("f", &[("blocks", 10.0)]);
        one.tests = vec!["a".to_owned(), "b".to_owned()];
        // Tests with whether they were judged, whether all was asked for.
        type Row<'a> = (&'a [(&'a str, bool)], bool, Absent);
        let table: [Row<'_>; 9] = [
            (&[("a", true), ("b", true)], true, Gone),
            (&[("a", true), ("b", true)], false, Gone),
            (&[("a", true)], false, Untested),
            // The other one was deleted or renamed.
            (&[("a", true)], true, Gone),
            (&[("a", true), ("b", false)], true, Untested),
            (&[("a", false)], true, Untested),
            (&[("other", true)], false, Untested),
            // Its tests are gone altogether, which fixes nothing.
            (&[("other", true)], true, Orphaned),
            (&[], true, Orphaned),
        ];
        for (tests, whole, expected) in table {
            let all: Vec<(String, bool)> = tests
                .iter()
                .map(|(id, was)| ((*id).to_owned(), *was))
                .collect();
            let found = Scope::of(&all, whole).absent(&one);
            assert_eq!(found, expected, "{tests:?} {whole}");
        }
        one.more_tests = true;
        let all = [("a".to_owned(), true), ("b".to_owned(), true)];
        assert_eq!(
            Scope::of(&all, false).absent(&one),
            Untested,
            "it lists not all of them"
        );
        assert_eq!(Scope::of(&all, true).absent(&one), Gone);
    }

    #[test]
    fn ids_that_differ_by_an_address_are_one_test() {
        let mut one = snapshot("f", &[]);
        one.tests = vec!["t[<X at 0x…>]".to_owned()];
        let tests = [
            ("t[<X at 0x7f0000000001>]".to_owned(), true),
            ("t[<X at 0x7f0000000002>]".to_owned(), false),
        ];
        assert_eq!(Scope::of(&tests[..1], true).absent(&one), Absent::Gone);
        assert_eq!(Scope::of(&tests, true).absent(&one), Absent::Untested);
    }
}
