//! Which growing places belong to one root cause, over all the tests that show them.

use std::collections::{BTreeMap, BTreeSet};

/// Keys that make up one cause, the ones that only some of its tests add, and the tests (by position).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group<K> {
    /// Grow in every test of the group.
    pub core: BTreeSet<K>,
    /// Grow in some of them, and never by themselves.
    pub extra: BTreeSet<K>,
    /// Positions in the input.
    pub tests: Vec<usize>,
}

impl<K: Ord + Clone> Group<K> {
    /// The same cause, once for each sort of tests in it.
    pub fn parted<S: Ord>(&self, sort: impl Fn(usize) -> S) -> Vec<Group<K>> {
        let mut parts: BTreeMap<S, Vec<usize>> = BTreeMap::new();
        for at in &self.tests {
            parts.entry(sort(*at)).or_default().push(*at);
        }
        let part = |tests| Group {
            tests,
            ..self.clone()
        };
        parts.into_values().map(part).collect()
    }
}

/// Groups what grows in each test. A set of keys that some test shows alone is a cause of its own; where other
/// tests show it with more, the rest is another cause. Keys that never come alone go with the one that most
/// of their tests share: the same cause, met on different ways.
pub fn causes<K: Ord + Clone>(tests: &[BTreeSet<K>]) -> Vec<Group<K>> {
    let mut left: Vec<BTreeSet<K>> = tests.to_vec();
    let mut found: Vec<Group<K>> = Vec::new();
    loop {
        // The smallest set first: it cannot be a sum of others.
        let alone = left
            .iter()
            .filter(|keys| !keys.is_empty())
            .filter(|keys| {
                // Wherever any of it grows, all of it does.
                left.iter()
                    .filter(|other| !other.is_disjoint(keys))
                    .all(|other| other.is_superset(keys))
            })
            .min_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)))
            .cloned();
        let (core, extra, members) = match alone {
            Some(core) => {
                let members = containing(&left, &core);
                (core, BTreeSet::new(), members)
            }
            None => match overlapping(&left) {
                Some(parts) => parts,
                None => break,
            },
        };
        for at in &members {
            left[*at] = left[*at]
                .iter()
                .filter(|key| !core.contains(key) && !extra.contains(key))
                .cloned()
                .collect();
        }
        found.push(Group {
            core,
            extra,
            tests: members,
        });
    }
    found
}

fn containing<K: Ord>(left: &[BTreeSet<K>], core: &BTreeSet<K>) -> Vec<usize> {
    left.iter()
        .enumerate()
        .filter(|(_, keys)| keys.is_superset(core))
        .map(|(at, _)| at)
        .collect()
}

type Parts<K> = (BTreeSet<K>, BTreeSet<K>, Vec<usize>);

/// Sets that overlap without one being the others' part: the key that most of them share leads.
fn overlapping<K: Ord + Clone>(left: &[BTreeSet<K>]) -> Option<Parts<K>> {
    let all: BTreeSet<&K> = left.iter().flatten().collect();
    let leader = all.into_iter().max_by_key(|key| {
        (
            left.iter().filter(|keys| keys.contains(*key)).count(),
            // Among equals the first in order, so that the result does not depend on anything else.
            std::cmp::Reverse(*key),
        )
    })?;
    let members: Vec<usize> = left
        .iter()
        .enumerate()
        .filter(|(_, keys)| keys.contains(leader))
        .map(|(at, _)| at)
        .collect();
    let mut core = left[members[0]].clone();
    let mut every = BTreeSet::new();
    for at in &members {
        core = core.intersection(&left[*at]).cloned().collect();
        every.extend(left[*at].iter().cloned());
    }
    let extra = every.difference(&core).cloned().collect();
    Some((core, extra, members))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sets(texts: &[&str]) -> Vec<BTreeSet<char>> {
        texts.iter().map(|text| text.chars().collect()).collect()
    }

    fn shown(texts: &[&str]) -> Vec<(String, String, Vec<usize>)> {
        causes(&sets(texts))
            .into_iter()
            .map(|group| {
                (
                    group.core.into_iter().collect(),
                    group.extra.into_iter().collect(),
                    group.tests,
                )
            })
            .collect()
    }

    fn group(core: &str, extra: &str, tests: &[usize]) -> (String, String, Vec<usize>) {
        (core.to_owned(), extra.to_owned(), tests.to_vec())
    }

    #[test]
    fn places_that_always_grow_together_are_one_cause() {
        assert_eq!(shown(&["ab", "ab", "ab"]), [group("ab", "", &[0, 1, 2])]);
    }

    #[test]
    fn a_shared_leak_does_not_hide_a_tests_own() {
        // An autouse fixture leaks `a` everywhere; the third test leaks `b` besides.
        assert_eq!(
            shown(&["a", "a", "ab"]),
            [group("a", "", &[0, 1, 2]), group("b", "", &[2])]
        );
    }

    #[test]
    fn one_registry_fed_from_many_places_is_one_cause() {
        // `r` is the registry's own line; each test makes what it registers in a line of its own.
        assert_eq!(shown(&["rx", "ry", "rz"]), [group("r", "xyz", &[0, 1, 2])]);
    }

    #[test]
    fn unrelated_leaks_stay_apart() {
        assert_eq!(
            shown(&["a", "b", ""]),
            [group("a", "", &[0]), group("b", "", &[1])]
        );
    }

    #[test]
    fn a_cause_is_parted_by_the_sort_of_its_tests() {
        let group = Group {
            core: BTreeSet::from(["holder"]),
            extra: BTreeSet::new(),
            tests: vec![0, 1, 2, 5],
        };
        let parts = group.parted(|at| at % 2 == 0);
        let tests: Vec<_> = parts.iter().map(|part| part.tests.clone()).collect();
        assert_eq!(tests, [vec![1, 5], vec![0, 2]]);
        assert_eq!(parts[0].core, group.core);
    }
}
