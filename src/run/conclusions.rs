//! What was found out about places that grow, so that a long look is spent once a cause. Each suspect has a turn, and knows
//! what those of earlier turns told and nothing else, however many are judged at the same time and whoever is ready first:
//! where an earlier one may still tell of the same things, the later one waits for it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Condvar, Mutex, atomic::Ordering},
    time::Duration,
};

use crate::{
    investigate::{rules::RULES, signature::Kind},
    verdict::{Verdict, conclusion::Conclusion},
    worker::INTERRUPTED,
};

/// One who waits looks so often whether the run was interrupted.
const PATIENCE: Duration = Duration::from_millis(200);

/// Judgements by what grows together in a suspect: places and containers.
#[derive(Debug, Default)]
pub struct Known {
    state: Mutex<State>,
    /// Somebody told something, or never will.
    told: Condvar,
    /// Of suspects that were looked at for long: how many of those that grow alike were leaks, and how many were not.
    kinds: Mutex<BTreeMap<Kind, (usize, usize)>>,
}

#[derive(Debug, Default)]
struct State {
    /// By turn.
    entries: Vec<Entry>,
    /// Turns that are not over, and what grows in each once that is known.
    open: BTreeMap<usize, Option<BTreeSet<String>>>,
    /// How many turns were given.
    turns: usize,
}

#[derive(Debug)]
struct Entry {
    turn: usize,
    things: BTreeSet<String>,
    judged: Conclusion,
    /// Whether that took a long look. An end that was read is that of one cache, and whatever else grows at the same
    /// place has not got it.
    looked: bool,
}

/// The turn of a suspect, which is over when it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    known: &'a Known,
    number: usize,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Ok(mut state) = self.known.state.lock() {
            state.open.remove(&self.number);
        }
        self.known.told.notify_all();
    }
}

impl Turn<'_> {
    /// Tells the later ones what grows, so that only those in which some of it does wait for what is said of it.
    pub(super) fn announce(&self, things: BTreeSet<String>) {
        if let Ok(mut state) = self.known.state.lock()
            && let Some(open) = state.open.get_mut(&self.number)
        {
            *open = Some(things);
        }
        self.known.told.notify_all();
    }

    /// Notes what is said of it, in which `things` grow.
    pub(super) fn learn(&self, things: BTreeSet<String>, judged: &Conclusion, looked: bool) {
        if let Ok(mut state) = self.known.state.lock()
            && !things.is_empty()
        {
            let entry = Entry {
                turn: self.number,
                things,
                judged: judged.clone(),
                looked,
            };
            let earlier = |other: &Entry| other.turn <= self.number;
            let at = state.entries.partition_point(earlier);
            state.entries.insert(at, entry);
        }
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
        let mut state = self.known.state.lock().ok()?;
        while state.may_tell(self.number, things) && !INTERRUPTED.load(Ordering::SeqCst) {
            state = self.known.told.wait_timeout(state, PATIENCE).ok()?.0;
        }
        state.of(self.number, things, looked)
    }
}

impl State {
    /// Whether one of the turns before it is still to tell of some of the things, as far as anybody knows.
    fn may_tell(&self, turn: usize, things: &BTreeSet<String>) -> bool {
        self.open.range(..turn).any(|(_, announced)| {
            announced
                .as_ref()
                .is_none_or(|theirs| !theirs.is_disjoint(things))
        })
    }

    fn of(&self, turn: usize, things: &BTreeSet<String>, looked: bool) -> Option<Conclusion> {
        let telling = |entry: &&Entry| {
            entry.turn <= turn
                && (entry.looked || !looked)
                && (!entry.judged.is(Verdict::Leak) || entry.things.is_subset(things))
        };
        let mut found: Option<&Conclusion> = None;
        for thing in things {
            let mut of_it = { self.entries.iter() }
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

impl Known {
    /// The turns of the next suspects, in theirs.
    pub(super) fn turns(&self, count: usize) -> Vec<Turn<'_>> {
        let Ok(mut state) = self.state.lock() else {
            return Vec::new();
        };
        let first = state.turns;
        state.turns += count;
        let numbers = first..state.turns;
        state.open.extend(numbers.clone().map(|turn| (turn, None)));
        let turn = |number| Turn {
            known: self,
            number,
        };
        numbers.map(turn).collect()
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
        known.is_some_and(|(leaks, others)| leaks >= RULES.solid && others == 0)
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
        let known = known.turns(1).remove(0);
        let bounded = Conclusion::because(Rule::StoppedInLongRun, "full");
        known.learn(set(&["a:1"]), &leak(), true);
        known.learn(set(&["b:2", "c:3"]), &bounded, true);
        for judge in [Turn::judge, Turn::looked_at] {
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
        let known = known.turns(1).remove(0);
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
        for _ in 0..RULES.solid {
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
        let known = known.turns(1).remove(0);
        let bounded = Conclusion::because(Rule::LimitFound, "57 of 128");
        known.learn(set(&["a:1"]), &bounded, false);
        assert_eq!(known.judge(&set(&["a:1"])), Some(bounded));
        assert_eq!(known.looked_at(&set(&["a:1"])), None);
    }

    #[test]
    fn what_a_later_turn_told_first_is_not_known_to_an_earlier_one() {
        let known = Known::default();
        let turns = known.turns(3);
        let things = set(&["a:1"]);
        turns[1].learn(things.clone(), &leak(), true);
        assert_eq!(turns[0].judge(&things), None);
        let bounded = Conclusion::because(Rule::StoppedInLongRun, "full");
        turns[0].learn(things.clone(), &bounded, true);
        assert_eq!(turns[0].judge(&things), Some(bounded));
        turns[0].announce(set(&["b:2"]));
        turns[1].announce(set(&["b:2"]));
        assert_eq!(turns[2].judge(&things), Some(leak()));
    }

    #[test]
    fn one_in_which_the_same_grows_waits_for_those_before_it() {
        let known = Known::default();
        let [first, second, third] = <[Turn<'_>; 3]>::try_from(known.turns(3)).unwrap();
        let same = set(&["a:1"]);
        let asks = |turn: usize| known.state.lock().unwrap().may_tell(turn, &same);
        assert!(!asks(0) && asks(1));
        // Nothing else is waited for.
        first.announce(set(&["b:2"]));
        assert!(!asks(1) && asks(2));
        second.announce(same.clone());
        assert!(asks(2));
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| third.judge(&same));
            second.learn(same.clone(), &leak(), true);
            drop(second);
            assert_eq!(waits.join().unwrap(), Some(leak()));
        });
        // One that never announced anything and is over.
        let later = known.turns(2);
        assert_eq!(later[1].number, 4);
        drop(third);
        drop(later);
        assert_eq!(known.turns(1)[0].judge(&same), Some(leak()));
    }
}
