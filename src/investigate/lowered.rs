//! The numbers that containers keep to once these are lowered to what the containers hold.

use super::{
    rules::{Limits, Reach},
    trial::{Ask, Beside, Facts, Gain, Gained, Levels, Lower, Lowered, Numbers},
};
use crate::verdict::conclusion::Filled;

/// What a container ends at.
pub(super) struct Limit {
    pub container: usize,
    pub filled: Filled,
    /// Which number, and what to set it to for nothing to grow any more.
    pub lowered: (usize, i64),
}

/// A number that a container keeps to, how, and how things were before that was tried.
struct Found<'a> {
    number: Candidate<'a>,
    kept: Kept,
    before: &'a Levels,
}

/// A number that may be a limit.
#[derive(Debug, Clone, Copy)]
struct Candidate<'a> {
    container: usize,
    number: usize,
    name: &'a str,
    nearness: u8,
    value: i64,
    /// Seconds that an iteration may take with it lowered.
    patience: f64,
}

/// How a container keeps to a number.
#[derive(Debug, Default)]
struct Kept {
    /// Whether it was seen to hold less than before.
    emptied: bool,
    /// Whether anything was put in at all.
    touched: bool,
    /// How far above its length the number has to be.
    ahead: i64,
    /// The number that it is compared with, where that is not the length.
    measure: Option<usize>,
}

/// The limits of the containers that grow. `ended` has those that are known to end, and gets the others.
pub(super) fn limits(
    facts: &mut Facts<'_>,
    ended: &mut Vec<u64>,
    rules: &Limits,
) -> Result<Vec<Limit>, Ask> {
    let gained = facts.gain(Gain {
        iterations: rules.gaining,
        most: rules.grown,
        crowd: rules.crowd,
        data: rules.data,
    })?;
    let mut hunt = Hunt::new(facts, gained, rules);
    let mut found = Vec::new();
    for (container, (id, kind, gain)) in gained.containers.iter().enumerate() {
        // One of several that a cache consists of has ended with another.
        if ended.contains(id) {
            continue;
        }
        let Some(limit) = hunt.limit_of(container)? else {
            continue;
        };
        // By itself each would have gained twice as much in these four iterations as in two before.
        let change = |at| hunt.now.length(at) - limit.before.length(at);
        let all = gained.containers.iter().enumerate();
        let still = all.filter(|(at, (.., gain))| *at == container || change(*at) < *gain);
        ended.extend(still.map(|(_, (id, ..))| id));
        found.push((limit, kind, gain));
    }
    let now = hunt.now;
    Ok({ found.into_iter() }
        .map(|(limit, kind, gain)| limit.with(kind, *gain, now, rules))
        .collect())
}

impl Found<'_> {
    /// What is said of it, and what it is set to as things are now.
    fn with(&self, kind: &str, gain: i64, now: &Levels, rules: &Limits) -> Limit {
        let (container, value) = (self.number.container, self.number.value);
        let size = self.before.length(container).unsigned_abs();
        let measured = self.kept.measure.and_then(|measure| now.value(measure));
        // One that is emptied when it is full, or put aside for another, is full again and again at a few entries only.
        let is_low = (self.kept.emptied || !self.kept.touched) && self.kept.ahead == 0;
        let low = is_low.then_some(rules.low * gain);
        // Some caches drop one only when they hold exactly so many.
        let full = now.length(container) + self.kept.ahead;
        Limit {
            container,
            filled: (
                kind.to_owned(),
                self.number.name.to_owned(),
                (value <= rules.entries).then_some(size),
                value.unsigned_abs(),
            ),
            lowered: (self.number.number, measured.or(low).unwrap_or(full)),
        }
    }
}

/// The search for a limit among numbers.
struct Hunt<'a, 'f> {
    facts: &'f mut Facts<'a>,
    rules: &'f Limits,
    /// How things are,
    now: &'a Levels,
    /// and were in the beginning: CPU seconds and bytes.
    begun: (f64, u64),
    tried: usize,
    walks: u32,
}

impl<'a, 'f> Hunt<'a, 'f> {
    fn new(facts: &'f mut Facts<'a>, gained: &'a Gained, rules: &'f Limits) -> Hunt<'a, 'f> {
        Hunt {
            begun: (facts.spent, gained.now.resident),
            now: &gained.now,
            facts,
            rules,
            tried: 0,
            walks: 0,
        }
    }

    /// Whether nothing more is tried.
    fn is_over(&self) -> bool {
        let (cpu, resident) = self.begun;
        let is_late = self.facts.spent - cpu > self.rules.cpu;
        self.tried >= self.rules.most_tried
            || self.tried >= self.rules.least_tried && is_late
            || self.now.resident > resident.saturating_add(self.rules.memory)
    }

    /// The number that a container keeps to.
    fn limit_of(&mut self, container: usize) -> Result<Option<Found<'a>>, Ask> {
        let known = self.now.values.len();
        let Some(beside) = self.beside(container)? else {
            return Ok(None);
        };
        // What counts beside it goes up with what is put in: entries, or their bytes.
        let numbers = beside.numbers.iter().zip(known..);
        let counts = |(_, _, value): &(String, u8, i64), number| {
            (beside.now.value(number)).is_some_and(|now| now > *value)
        };
        let counting: Vec<(u8, usize)> = { numbers.clone() }
            .filter(|(number, at)| counts(number, *at))
            .map(|((_, nearness, _), at)| (*nearness, at))
            .collect();
        let mut candidates: Vec<Candidate<'a>> = numbers
            .map(|((name, nearness, value), number)| Candidate {
                container,
                number,
                name,
                nearness: *nearness,
                value: *value,
                patience: { self.rules.patience }.max(self.rules.patience_factor * beside.seconds),
            })
            .collect();
        // Of those that are as near, the smallest is the one that it ends at.
        candidates.sort_by_key(|it| (it.nearness, it.value));
        for candidate in candidates {
            let Candidate { number, value, .. } = candidate;
            // A number that goes on counting is none.
            if self.now.value(number) != Some(value) || value <= self.now.length(container) {
                continue;
            }
            if self.is_over() {
                break;
            }
            self.tried += 1;
            let before = self.now;
            let mut kept = self.keeps_to(candidate)?;
            if kept.is_none() {
                // Too small for anything, if it is a number of bytes: a try that fails is no answer.
                kept = self.keeps_to_measured(candidate, &counting)?;
            }
            // No container of a test suite has so many entries; it may have as many bytes.
            let fits =
                |it: &Kept| it.emptied || it.measure.is_some() || value <= self.rules.entries;
            if let Some(kept) = kept.filter(fits) {
                return Ok(Some(Found {
                    number: candidate,
                    kept,
                    before,
                }));
            }
        }
        Ok(None)
    }

    /// The numbers beside a container, where there are any, and an iteration has passed since they were read.
    fn beside(&mut self, container: usize) -> Result<Option<&'a Numbers>, Ask> {
        let left = self.rules.reach.walks.saturating_sub(self.walks);
        if left == 0 || self.is_over() {
            return Ok(None);
        }
        let reach = Reach {
            walks: left,
            ..self.rules.reach.clone()
        };
        let beside = self.facts.beside(Beside { container, reach })?;
        self.walks = self.walks.saturating_add(beside.walks);
        self.now = &beside.now;
        Ok(Some(beside).filter(|it| it.passed))
    }

    fn lower(
        &mut self,
        at: Candidate<'_>,
        value: i64,
        iterations: u32,
    ) -> Result<(&'a Lowered, Option<[i64; 3]>), Ask> {
        let lowered = self.facts.lower(Lower {
            container: at.container,
            number: at.number,
            value,
            iterations,
            patience: at.patience,
        })?;
        self.now = &lowered.now;
        Ok((lowered, passed(lowered, iterations)))
    }

    /// Whether a container grows no more once a number says that it is full.
    fn keeps_to(&mut self, at: Candidate<'_>) -> Result<Option<Kept>, Ask> {
        let full = self.now.length(at.container);
        let (lowered, ends) = self.lower(at, full, self.rules.trial)?;
        let Some([first, second, last]) = ends else {
            return Ok(None);
        };
        // The first one may still take the place of what it is about to drop, and be the last that comes in.
        if last <= full.max(first) {
            return Ok(Some(Kept {
                emptied: lowered.each.iter().any(|length| *length < full),
                touched: !lowered.same,
                ..Kept::default()
            }));
        }
        if at.nearness > 0 {
            return Ok(None);
        }
        let emptied = |ahead| Kept {
            emptied: true,
            touched: true,
            ahead,
            ..Kept::default()
        };
        // One that is emptied once the newest is in, and only when it is exactly full: a number that was passed is never
        // met again.
        let gain = second - first;
        if gain > 0 {
            let (lowered, ends) = self.lower(at, last + gain, self.rules.shorter)?;
            if ends.is_some_and(|[.., now]| now < last) {
                return Ok(Some(emptied(gain)));
            }
            if is_cut(lowered) {
                return Ok(None);
            }
        }
        // Some let so many come in and as many again, or half as many, before they are trimmed.
        let less = (full / self.rules.overshoot).max(1);
        let (_, ends) = self.lower(at, less, self.rules.shorter)?;
        let falls = ends.is_some_and(|[.., now]| now < full);
        Ok(falls.then(|| emptied(0)))
    }

    /// Whether a container grows no more once a number is what another one says, which counts what is put in: below the
    /// number, and above the length, which was tried.
    fn keeps_to_measured(
        &mut self,
        at: Candidate<'_>,
        counting: &[(u8, usize)],
    ) -> Result<Option<Kept>, Ask> {
        let full = self.now.length(at.container);
        let is_one = |value: &i64| (full + 1..at.value).contains(value);
        let measures = counting.iter().filter_map(|(nearness, number)| {
            let value = self.now.value(*number).filter(is_one)?;
            Some((*nearness, *number, value))
        });
        let Some((_, measure, value)) = measures.min_by_key(|(nearness, ..)| *nearness) else {
            return Ok(None);
        };
        let (_, ends) = self.lower(at, value, self.rules.trial)?;
        let Some([first, _, last]) = ends else {
            return Ok(None);
        };
        Ok((last <= full.max(first)).then_some(Kept {
            emptied: last < full,
            touched: true,
            measure: Some(measure),
            ..Kept::default()
        }))
    }
}

/// Entries after the first two iterations with a lowered number and after the last, where all of them passed.
fn passed(lowered: &Lowered, iterations: u32) -> Option<[i64; 3]> {
    let is_whole = !is_cut(lowered) && lowered.each.len() as u64 == u64::from(iterations);
    let ends = [
        lowered.each.first(),
        lowered.each.get(1),
        lowered.each.last(),
    ];
    match ends {
        [Some(first), Some(second), Some(last)] if is_whole => Some([*first, *second, *last]),
        _ => None,
    }
}

/// Whether an iteration took too long, or the number could not be set.
fn is_cut(lowered: &Lowered) -> bool {
    lowered.late || lowered.refused
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        investigate::{
            limit::{Ends, search},
            rules::RULES,
            trial::{Filling, Held, Told},
        },
        verdict::Series,
    };

    /// What a cache does when its length is compared with its limit.
    #[derive(Clone, Copy, PartialEq)]
    enum Manner {
        /// Drops the oldest for the newest.
        Drops,
        /// Is emptied.
        Clears,
        /// Has one dropped only when it holds exactly so many.
        DropsWhenExact,
        /// Is emptied once it holds exactly so many.
        ClearsWhenExact,
        /// Is trimmed to its limit when it holds half as many more.
        Overshoots,
        /// Nobody looks.
        Never,
        /// The test fails.
        Fails,
        /// The test waits.
        Waits,
        /// Its limit is one of bytes, of which each entry has a hundred; nothing larger may come in.
        Weighs,
    }

    /// A process with one cache, a list that grows with it, and another one that grows by itself.
    struct World {
        manner: Manner,
        /// The cache's, and another number.
        values: [i64; 2],
        names: [(&'static str, u8); 2],
        cache: i64,
        others: [i64; 2],
        is_told: bool,
        asked: Vec<Ask>,
    }

    const LIMIT: i64 = 700;

    impl World {
        fn new(manner: Manner) -> World {
            World {
                manner,
                values: [LIMIT, 900],
                names: [("shop.C.limit", 0), ("shop.C.other_limit", 0)],
                cache: 20,
                others: [20, 0],
                is_told: false,
                asked: Vec::new(),
            }
        }

        /// Whether an iteration passes.
        fn iterate(&mut self) -> bool {
            let limit = self.values[0];
            match self.manner {
                Manner::Drops if self.cache >= limit => return true,
                Manner::Clears if self.cache >= limit => self.cache = 0,
                Manner::DropsWhenExact if self.cache == limit => return true,
                Manner::Fails | Manner::Waits if self.cache >= limit => return false,
                Manner::Weighs if limit < 100 => return false,
                Manner::Weighs if self.cache * 100 + 100 > limit => {
                    self.values[1] = self.cache * 100;
                    return true;
                }
                _ => {}
            }
            self.cache += 1;
            self.others = [self.cache, self.others[1] + 1];
            match self.manner {
                Manner::ClearsWhenExact if self.cache == limit => self.cache = 4,
                Manner::Overshoots if self.cache * 2 > limit * 3 => self.cache = limit,
                Manner::Weighs => self.values[1] = self.cache * 100,
                _ => {}
            }
            true
        }

        fn now(&self) -> Levels {
            Levels {
                lengths: vec![self.cache, self.others[0], self.others[1]],
                values: { self.values.iter().filter(|_| self.is_told) }
                    .map(|value| Some(*value))
                    .collect(),
                resident: 0,
            }
        }

        fn pass(&mut self, iterations: u32) -> Vec<i64> {
            let each = (0..iterations).map_while(|_| self.iterate().then_some(self.cache));
            each.collect()
        }

        fn answer(&mut self, ask: &Ask) -> Told {
            let cpu = 0.01;
            match ask {
                Ask::Fill(fill) => Told::Filled(Filling {
                    passed: self.pass(fill.warmup + fill.iterations).len() == 3,
                    filled: Vec::new(),
                    cpu,
                }),
                Ask::Gain(gain) => {
                    self.pass(gain.iterations);
                    let containers = [(1, "dict"), (2, "list"), (3, "set")];
                    Told::Gained(Gained {
                        containers: containers
                            .map(|(id, kind)| (id, kind.to_owned(), 2))
                            .to_vec(),
                        cpu,
                        now: self.now(),
                    })
                }
                Ask::Beside(beside) => {
                    let before = self.values;
                    self.is_told = true;
                    let names = self.names.iter().zip(before);
                    let numbers =
                        names.map(|((name, near), value)| ((*name).to_owned(), *near, value));
                    let numbers: Vec<_> = numbers.filter(|_| beside.container == 0).collect();
                    let passed = !numbers.is_empty() && self.pass(1).len() == 1;
                    Told::Beside(Numbers {
                        numbers,
                        walks: 3,
                        passed,
                        seconds: 0.001,
                        cpu,
                        now: self.now(),
                    })
                }
                Ask::Lower(lower) => {
                    let before = std::mem::replace(&mut self.values[lower.number], lower.value);
                    let each = self.pass(lower.iterations);
                    if lower.number == 0 || self.manner != Manner::Weighs {
                        self.values[lower.number] = before;
                    }
                    Told::Lowered(Lowered {
                        late: self.manner == Manner::Waits && each.len() < 4,
                        refused: false,
                        each,
                        same: false,
                        cpu,
                        now: self.now(),
                    })
                }
                Ask::Hold(_) => Told::Held(Held::passed(Series::new(), Vec::new())),
            }
        }

        /// What is found in the end.
        fn search(&mut self) -> Ends {
            let mut told = Vec::new();
            loop {
                match search(&told, 2, false, &RULES.limits) {
                    Ok(ends) => return ends,
                    Err(ask) => {
                        told.push(self.answer(&ask));
                        self.asked.push(ask);
                    }
                }
                assert!(told.len() < 100, "{:?}", self.asked);
            }
        }

        fn tried(&self) -> Vec<(usize, i64)> {
            let tries = self.asked.iter().filter_map(|ask| match ask {
                Ask::Lower(lower) => Some((lower.number, lower.value)),
                _ => None,
            });
            tries.collect()
        }

        fn held(&self) -> Option<&[(usize, i64)]> {
            self.asked.iter().find_map(|ask| match ask {
                Ask::Hold(hold) => Some(&hold.lowered[..]),
                _ => None,
            })
        }
    }

    #[test]
    fn a_container_that_grows_no_more_once_a_number_is_its_length_keeps_to_that() {
        let mut world = World::new(Manner::Drops);
        let ends = world.search();
        assert_eq!(world.tried(), [(0, 26)]);
        assert_eq!(
            ends.filled,
            [("dict".to_owned(), "shop.C.limit".to_owned(), Some(26), 700)]
        );
        // The list that only grows with it is ended as well.
        assert_eq!(ends.ended, [1, 2, 3]);
        assert_eq!(world.held(), Some(&[(0, 26)][..]));
        assert!(ends.window.is_some());
        assert!(
            (ends.cpu - (0.01 * 4.0 + 0.25)).abs() < 1e-9,
            "{}",
            ends.cpu
        );
    }

    #[test]
    fn what_is_emptied_when_it_is_full_is_held_to_a_few() {
        let mut world = World::new(Manner::Clears);
        // What goes on growing beside it has no end.
        assert_eq!(world.search().ended, [1, 2]);
        assert_eq!(world.held(), Some(&[(0, 4)][..]));
    }

    #[test]
    fn what_looks_only_when_it_is_exactly_full_is_full_soon() {
        let mut world = World::new(Manner::DropsWhenExact);
        assert_eq!(world.search().filled.len(), 1);
        assert_eq!(world.held(), Some(&[(0, 26)][..]));
        let mut world = World::new(Manner::ClearsWhenExact);
        assert_eq!(world.search().filled.len(), 1);
        assert_eq!(world.tried(), [(0, 26), (0, 31)]);
        // One more than it holds then.
        assert_eq!(world.held(), Some(&[(0, 6)][..]));
    }

    #[test]
    fn what_is_trimmed_late_falls_once_its_limit_is_far_below() {
        let mut world = World::new(Manner::Overshoots);
        assert_eq!(world.search().filled.len(), 1);
        assert_eq!(world.tried(), [(0, 26), (0, 31), (0, 6)]);
    }

    #[test]
    fn a_number_of_bytes_is_compared_with_what_counts_them() {
        let mut world = World::new(Manner::Weighs);
        world.values = [3_000_000, 2000];
        world.names[1].0 = "shop.C.currsize";
        let ends = world.search();
        assert_eq!(world.tried(), [(0, 26), (0, 2600)]);
        assert_eq!(ends.filled[0].2, None);
        assert_eq!(world.held(), Some(&[(0, 2600)][..]));
    }

    #[test]
    fn what_is_not_kept_to_is_no_limit() {
        for manner in [Manner::Never, Manner::Fails, Manner::Waits] {
            let mut world = World::new(manner);
            let ends = world.search();
            assert_eq!(
                (ends.filled, ends.ended, ends.window),
                (vec![], vec![], None)
            );
        }
        // Others that are as near are tried as well, the smallest first; literals and settings only with the length.
        let mut world = World::new(Manner::Never);
        (world.values, world.names[0].1) = ([700, 600], 1);
        world.search();
        assert_eq!(world.tried(), [(1, 26), (1, 31), (1, 6), (0, 34)]);
    }

    #[test]
    fn a_number_below_the_length_or_one_that_counts_is_not_tried() {
        let mut world = World::new(Manner::Drops);
        world.values[1] = 10;
        world.search();
        assert_eq!(world.tried(), [(0, 26)]);
        let mut world = World::new(Manner::Weighs);
        world.values = [3_000_000, 2000];
        world.search();
        assert!(world.tried().iter().all(|(number, _)| *number == 0));
    }
}
