//! What was found out about places that grow, so that a long look is spent once a place.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Mutex,
};

use super::trace::Judged;

/// Judgements by what grows: places and containers.
#[derive(Debug, Default)]
pub struct Known(Mutex<HashMap<String, Entry>>);

#[derive(Debug)]
struct Entry {
    judged: Judged,
    /// Whether that took a long look. An end that was read is that of one cache, and whatever else grows at the same
    /// place has not got it.
    looked: bool,
}

impl Known {
    /// Notes what is said of a suspect in which `things` grow.
    pub(super) fn learn(&self, things: BTreeSet<String>, judged: &Judged, looked: bool) {
        if let Ok(mut known) = self.0.lock() {
            for thing in things {
                let judged = judged.clone();
                known.insert(thing, Entry { judged, looked });
            }
        }
    }

    /// A judgement where all of the things have one, a leak if any of them leaks. A place of its own besides may be
    /// what makes the difference: a helper that makes numbers serves leaks and caches alike.
    pub(super) fn judge(&self, things: &BTreeSet<String>) -> Option<Judged> {
        self.of(things, false)
    }

    /// The same of what long looks told.
    pub(super) fn looked_at(&self, things: &BTreeSet<String>) -> Option<Judged> {
        self.of(things, true)
    }

    fn of(&self, things: &BTreeSet<String>, looked: bool) -> Option<Judged> {
        let known = self.0.lock().ok()?;
        let of = |thing| known.get(thing).filter(|entry| entry.looked || !looked);
        let found: Option<Vec<&Judged>> = things
            .iter()
            .map(|thing| of(thing).map(|entry| &entry.judged))
            .collect();
        let found = found?;
        let leak = found.iter().find(|judged| ***judged == Judged::Leak);
        leak.or(found.first()).map(|judged| (*judged).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_is_known_of_a_cause_is_not_measured_again() {
        let known = Known::default();
        let bounded = Judged::Bounded("full".to_owned());
        known.learn(set(&["a:1"]), &Judged::Leak, true);
        known.learn(set(&["b:2", "c:3"]), &bounded, true);
        for judge in [Known::judge, Known::looked_at] {
            assert_eq!(judge(&known, &set(&["a:1", "b:2"])), Some(Judged::Leak));
            assert_eq!(judge(&known, &set(&["a:1", "x:9"])), None);
            assert_eq!(judge(&known, &set(&["b:2"])), Some(bounded.clone()));
            assert_eq!(judge(&known, &set(&["b:2", "x:9"])), None);
            assert_eq!(judge(&known, &set(&[])), None);
        }
    }

    #[test]
    fn an_end_that_was_read_says_nothing_of_others() {
        let known = Known::default();
        let bounded = Judged::Bounded("57 of 128".to_owned());
        known.learn(set(&["a:1"]), &bounded, false);
        assert_eq!(known.judge(&set(&["a:1"])), Some(bounded));
        assert_eq!(known.looked_at(&set(&["a:1"])), None);
    }
}
