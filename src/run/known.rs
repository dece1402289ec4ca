//! What was found out about places that grow, so that a long look is spent once a cause.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use crate::{
    investigate::signature::Kind,
    verdict::{Verdict, conclusion::Conclusion},
};

/// So many suspects that grow alike were looked at for long, and all were leaks, before the next is taken for one.
pub(super) const SOLID: usize = 8;

/// Judgements by what grows together in a suspect: places and containers.
#[derive(Debug, Default)]
pub struct Known {
    entries: Mutex<Vec<Entry>>,
    /// Of suspects that were looked at for long: how many of those that grow alike were leaks, and how many were not.
    kinds: Mutex<BTreeMap<Kind, (usize, usize)>>,
}

#[derive(Debug)]
struct Entry {
    things: BTreeSet<String>,
    judged: Conclusion,
    /// Whether that took a long look. An end that was read is that of one cache, and whatever else grows at the same
    /// place has not got it.
    looked: bool,
}

impl Known {
    /// Notes what is said of a suspect in which `things` grow.
    pub(super) fn learn(&self, things: BTreeSet<String>, judged: &Conclusion, looked: bool) {
        if let Ok(mut known) = self.entries.lock()
            && !things.is_empty()
        {
            known.push(Entry {
                things,
                judged: judged.clone(),
                looked,
            });
        }
    }

    /// Notes what a long look said of a suspect that grew so in the screen.
    pub(super) fn learn_kind(&self, kind: Kind, judged: &Conclusion) {
        let is_leak = match judged.verdict() {
            Verdict::Leak => true,
            Verdict::Clean | Verdict::Bounded | Verdict::Harness | Verdict::Unstable => false,
            _ if judged.is_slowing() => false,
            // Nothing is known of it.
            _ => return,
        };
        if let Ok(mut kinds) = self.kinds.lock() {
            let (leaks, others) = kinds.entry(kind).or_default();
            *(if is_leak { leaks } else { others }) += 1;
        }
    }

    /// Whether all that grew so in the screen were leaks, and there were enough of them.
    pub(super) fn is_always_a_leak(&self, kind: &Kind) -> bool {
        let kinds = self.kinds.lock().ok();
        let known = kinds.and_then(|kinds| kinds.get(kind).copied());
        known.is_some_and(|(leaks, others)| leaks >= SOLID && others == 0)
    }

    /// A judgement where each of the things is known, and a leak if all that grew in one is among them. A part of that
    /// may have filled something beside the leak, and a place of its own may be what makes the difference: a helper
    /// that makes numbers serves leaks and caches alike. What stopped did so with all its parts.
    pub(super) fn judge(&self, things: &BTreeSet<String>) -> Option<Conclusion> {
        self.of(things, false)
    }

    /// The same of what long looks told.
    pub(super) fn looked_at(&self, things: &BTreeSet<String>) -> Option<Conclusion> {
        self.of(things, true)
    }

    fn of(&self, things: &BTreeSet<String>, looked: bool) -> Option<Conclusion> {
        let known = self.entries.lock().ok()?;
        let telling = |entry: &&Entry| {
            (entry.looked || !looked)
                && (!entry.judged.is(Verdict::Leak) || entry.things.is_subset(things))
        };
        let mut found: Option<&Conclusion> = None;
        for thing in things {
            let mut of_it = known
                .iter()
                .filter(telling)
                .filter(|entry| entry.things.contains(thing))
                .map(|entry| &entry.judged);
            let first = of_it.next()?;
            let leak = [first]
                .into_iter()
                .chain(of_it)
                .find(|judged| judged.is(Verdict::Leak));
            found = leak.or(found).or(Some(first));
        }
        found.cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Counter, conclusion::Conclusion, rule::Rule};

    fn leak() -> Conclusion {
        Conclusion::by(Rule::GrewToTimeEnd)
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_is_known_of_a_cause_is_not_measured_again() {
        let known = Known::default();
        let bounded = Conclusion::because(Rule::StoppedInLongRun, "full");
        known.learn(set(&["a:1"]), &leak(), true);
        known.learn(set(&["b:2", "c:3"]), &bounded, true);
        for judge in [Known::judge, Known::looked_at] {
            assert_eq!(judge(&known, &set(&["a:1"])), Some(leak()));
            for both in [["a:1", "b:2"], ["b:2", "a:1"]] {
                assert_eq!(judge(&known, &set(&both)), Some(leak()));
            }
            assert_eq!(judge(&known, &set(&["a:1", "x:9"])), None);
            assert_eq!(judge(&known, &set(&["b:2"])), Some(bounded.clone()));
            assert_eq!(judge(&known, &set(&["b:2", "x:9"])), None);
            assert_eq!(judge(&known, &set(&[])), None);
        }
    }

    #[test]
    fn a_part_of_what_grows_in_a_leak_may_only_fill_something() {
        let known = Known::default();
        known.learn(set(&["a:1", "b:2"]), &leak(), true);
        assert_eq!(known.judge(&set(&["b:2"])), None);
        let bounded = Conclusion::because(Rule::StoppedInLongRun, "full");
        known.learn(set(&["b:2"]), &bounded, true);
        assert_eq!(known.judge(&set(&["b:2"])), Some(bounded));
        assert_eq!(known.judge(&set(&["a:1", "b:2"])), Some(leak()));
    }

    #[test]
    fn a_kind_of_growth_is_solid_after_some_leaks_and_no_more_after_one_that_ended() {
        let known = Known::default();
        let kind = vec![(Counter::Items, Some(0))];
        for _ in 0..SOLID {
            assert!(!known.is_always_a_leak(&kind));
            known.learn_kind(kind.clone(), &leak());
        }
        known.learn_kind(kind.clone(), &Conclusion::by(Rule::FallsAndGrowsAgain));
        assert!(known.is_always_a_leak(&kind));
        assert!(!known.is_always_a_leak(&Kind::new()));
        known.learn_kind(kind.clone(), &Conclusion::by(Rule::StoppedInLongRun));
        assert!(!known.is_always_a_leak(&kind));
    }

    #[test]
    fn an_end_that_was_read_says_nothing_of_others() {
        let known = Known::default();
        let bounded = Conclusion::because(Rule::LimitFound, "57 of 128");
        known.learn(set(&["a:1"]), &bounded, false);
        assert_eq!(known.judge(&set(&["a:1"])), Some(bounded));
        assert_eq!(known.looked_at(&set(&["a:1"])), None);
    }
}
