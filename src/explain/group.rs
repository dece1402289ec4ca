//! Which growing places belong to one root cause, over all the tests that show them.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

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
    let mut parts: Vec<Part<K>> = connected(tests)
        .into_iter()
        .filter_map(|at| Part::of(tests, at))
        .collect();
    let mut found = Vec::new();
    // One after another as if all were one part, so that what comes first is the same however they hang together.
    while let Some(first) = (0..parts.len()).min_by(|a, b| parts[*a].next.cmp(&parts[*b].next)) {
        let part = parts.swap_remove(first);
        let (group, rest) = part.split();
        found.push(group);
        parts.extend(rest);
    }
    found
}

/// Positions of tests that hang together by what grows in them, those in which nothing grows left out.
fn connected<K: Ord>(tests: &[BTreeSet<K>]) -> Vec<Vec<usize>> {
    let mut of_key: BTreeMap<&K, usize> = BTreeMap::new();
    let mut parts: Vec<(Vec<usize>, Vec<&K>)> = Vec::new();
    for (at, keys) in tests
        .iter()
        .enumerate()
        .filter(|(_, keys)| !keys.is_empty())
    {
        let met: BTreeSet<usize> = keys
            .iter()
            .filter_map(|key| of_key.get(key).copied())
            .collect();
        let new = parts.len();
        let into = met.first().copied().unwrap_or(new);
        if into == new {
            parts.push((Vec::new(), Vec::new()));
        }
        for other in met.into_iter().skip(1) {
            let (tests, keys) = std::mem::take(&mut parts[other]);
            parts[into].0.extend(tests);
            of_key.extend(keys.iter().map(|key| (*key, into)));
            parts[into].1.extend(keys);
        }
        parts[into].0.push(at);
        for key in keys {
            if of_key.insert(key, into).is_none() {
                parts[into].1.push(key);
            }
        }
    }
    let mut parts: Vec<Vec<usize>> = parts.into_iter().map(|(tests, _)| tests).collect();
    parts.retain(|tests| !tests.is_empty());
    parts.iter_mut().for_each(|tests| tests.sort_unstable());
    parts
}

/// Tests that hang together, and the cause that is told next of them.
struct Part<K> {
    /// Positions in the input.
    at: Vec<usize>,
    /// What no cause has explained yet, by test.
    left: Vec<BTreeSet<K>>,
    next: Next<K>,
    members: Vec<usize>,
}

/// In the order in which causes are told.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Next<K> {
    /// All of it grows wherever any of it does. The smallest set first: it cannot be a sum of others.
    Alone(usize, BTreeSet<K>),
    /// Sets that overlap without one being the others' part: the key that most of them share leads, and among equals the
    /// first in order, so that the result does not depend on anything else.
    Shared(Reverse<usize>, K, BTreeSet<K>, BTreeSet<K>),
}

impl<K: Ord + Clone> Part<K> {
    fn of(tests: &[BTreeSet<K>], at: Vec<usize>) -> Option<Part<K>> {
        let left = at.iter().map(|at| tests[*at].clone()).collect();
        Part::open(at, left)
    }

    fn open(at: Vec<usize>, left: Vec<BTreeSet<K>>) -> Option<Part<K>> {
        let (next, members) = match alone(&left) {
            Some(core) => {
                let members = containing(&left, &core);
                (Next::Alone(core.len(), core), members)
            }
            None => overlapping(&left)?,
        };
        Some(Part {
            at,
            left,
            next,
            members,
        })
    }

    /// The next cause, and what is left without it.
    fn split(mut self) -> (Group<K>, Option<Part<K>>) {
        let (core, extra) = match self.next {
            Next::Alone(_, core) => (core, BTreeSet::new()),
            Next::Shared(_, _, core, extra) => (core, extra),
        };
        for at in &self.members {
            self.left[*at].retain(|key| !core.contains(key) && !extra.contains(key));
        }
        let tests = self.members.iter().map(|at| self.at[*at]).collect();
        (Group { core, extra, tests }, Part::open(self.at, self.left))
    }
}

fn alone<K: Ord + Clone>(left: &[BTreeSet<K>]) -> Option<BTreeSet<K>> {
    left.iter()
        .filter(|keys| !keys.is_empty())
        .filter(|keys| {
            // Wherever any of it grows, all of it does.
            left.iter()
                .filter(|other| !other.is_disjoint(keys))
                .all(|other| other.is_superset(keys))
        })
        .min_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)))
        .cloned()
}

fn containing<K: Ord>(left: &[BTreeSet<K>], core: &BTreeSet<K>) -> Vec<usize> {
    left.iter()
        .enumerate()
        .filter(|(_, keys)| keys.is_superset(core))
        .map(|(at, _)| at)
        .collect()
}

fn overlapping<K: Ord + Clone>(left: &[BTreeSet<K>]) -> Option<(Next<K>, Vec<usize>)> {
    let mut counts: BTreeMap<&K, usize> = BTreeMap::new();
    for key in left.iter().flatten() {
        *counts.entry(key).or_default() += 1;
    }
    let (count, Reverse(leader)) = { counts.into_iter() }
        .map(|(key, count)| (count, Reverse(key)))
        .max()?;
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
    let next = Next::Shared(Reverse(count), leader.clone(), core, extra);
    Some((next, members))
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
    fn causes_come_in_one_order_however_they_hang_together() {
        assert_eq!(
            shown(&["xy", "xz", "cd", "b", "pq", "pr", "p"]),
            [
                group("b", "", &[3]),
                group("p", "", &[4, 5, 6]),
                group("q", "", &[4]),
                group("r", "", &[5]),
                group("cd", "", &[2]),
                group("x", "yz", &[0, 1]),
            ]
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
