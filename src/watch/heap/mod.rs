//! The objects that the collector of another process tracks, by type: read from its memory, without stopping it.
//!
//! Whatever is read there is believed no further than it was checked. [`memory`] reads, [`place`] finds where Python says
//! where its things are, [`offsets`] reads what it says, [`lists`] walks the collector's lists, [`names`] are those of types.

pub mod lists;
pub mod memory;
pub mod names;
pub mod offsets;
pub mod place;

use std::{
    collections::BTreeMap,
    io, thread,
    time::{Duration, Instant},
};

use thiserror::Error;

use self::{
    lists::{Broken, Budget, Tally},
    memory::{Memory, Pages},
    offsets::Layout,
};

/// Subinterpreters that are looked at.
const MOST_INTERPRETERS: usize = 64;
/// Tries of whether the lists are where they should be.
const TRIES: u32 = 5;
/// Time for all tries of a look, where the process collects garbage or moves objects too quickly.
const PATIENCE: Duration = Duration::from_millis(300);
/// From one to the next.
const PAUSE: Duration = Duration::from_millis(20);
/// Time for one try.
const LONGEST: Duration = Duration::from_secs(10);
/// Types that are told apart; a program with more makes them without end.
const MOST_TYPES: usize = 20_000;

/// Why there are no types of a process.
#[derive(Debug, Error)]
pub enum Absent {
    /// It runs no Python.
    #[error("no Python runs in it")]
    NoPython,
    /// One before 3.13, or one without what debuggers need.
    #[error("this Python does not say where its objects are (CPython does from 3.13 on)")]
    Silent,
    /// A version that is not known here.
    #[error("the lists of CPython {0} are not known to this leakcheck")]
    Unknown(String),
    /// One without lists.
    #[error("a free-threaded build keeps no lists of its objects")]
    FreeThreaded,
    /// One whose lists are not where its version has them.
    #[error("its lists of objects are not where CPython {0} has them")]
    Elsewhere(&'static str),
    /// The system does not let us.
    #[error("{0}")]
    Denied(String),
    /// It is gone.
    #[error("it has ended")]
    Gone,
}

/// What was counted in one look.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Counts {
    /// Objects of each type.
    pub types: BTreeMap<String, i64>,
    /// How often all garbage was collected so far.
    pub collections: u64,
}

/// Where the objects of one process are.
#[derive(Debug)]
pub struct Heap<M> {
    memory: M,
    runtime: u64,
    layout: Layout,
}

impl<M: Memory> Heap<M> {
    /// Reads what Python says at `runtime`.
    pub fn read(memory: M, runtime: u64) -> Result<Heap<M>, Absent> {
        let mut start = [0; 8 * offsets::LONGEST];
        let read = { memory.read(runtime, &mut start) }.map_err(|error| denied(&error))?;
        let layout = Layout::read(&start[..read.min(start.len())])?;
        Ok(Heap {
            memory,
            runtime,
            layout,
        })
    }

    /// The same, and tries whether it is so.
    pub fn open(memory: M, runtime: u64) -> Result<Heap<M>, Absent> {
        let heap = Heap::read(memory, runtime)?;
        let mut last = Broken::Collecting;
        for _ in 0..TRIES {
            match heap.check() {
                Ok(()) => return Ok(heap),
                Err(broken) => last = broken,
            }
            thread::sleep(PAUSE);
        }
        match last {
            // It is at work, and nothing speaks against the lists.
            Broken::Collecting => Ok(heap),
            _ => Err(Absent::Elsewhere(heap.layout.version)),
        }
    }

    /// The version, `3.14`.
    pub fn version(&self) -> &'static str {
        self.layout.version
    }

    /// Counts the objects; `None` where they moved too quickly to be counted this time.
    pub fn count(&self) -> Option<Counts> {
        let begun = Instant::now();
        loop {
            match self.try_count() {
                Ok(counts) => return Some(counts),
                // What else is looked at does not wait for long.
                Err(_) if begun.elapsed() > PATIENCE => return None,
                Err(_) => thread::sleep(PAUSE),
            }
        }
    }

    /// The same once.
    pub fn try_count(&self) -> Result<Counts, Broken> {
        let mut pages = Pages::new(&self.memory);
        let mut budget = Budget::until(Instant::now() + LONGEST);
        let mut tally = Tally::default();
        let mut found = Counts::default();
        for collector in self.collectors(&mut pages)? {
            found.collections += self.layout.collections(&mut pages, collector).unwrap_or(0);
            // The oldest first: what grows old meanwhile is counted once, or twice, and never lost.
            let heads = self.layout.heads(collector);
            let [oldest @ .., youngest] = heads;
            let ob_type = self.layout.ob_type;
            for head in oldest {
                lists::walk(&mut pages, head, &heads, ob_type, &mut tally, &mut budget)?;
                // Where others lie as well, which have moved since.
                pages.forget_all();
            }
            match lists::walk(
                &mut pages,
                youngest,
                &heads,
                ob_type,
                &mut tally,
                &mut budget,
            ) {
                // Of the youngest, two thousand at most, all may be others before they are counted.
                Ok(()) | Err(Broken::Torn) => {}
                Err(broken) => return Err(broken),
            }
        }
        for (address, count) in tally {
            let name = names::of(&mut pages, &self.layout, address);
            let name = match found.types.len() < MOST_TYPES || found.types.contains_key(&name) {
                true => name,
                false => names::OTHERS.to_owned(),
            };
            *found.types.entry(name).or_default() += count;
        }
        Ok(found)
    }

    /// The collectors of all interpreters, of which none is at work.
    fn collectors(&self, pages: &mut Pages<'_>) -> Result<Vec<u64>, Broken> {
        let mut found = Vec::new();
        let mut at = pages.word(self.runtime.wrapping_add(self.layout.interpreters));
        while let Some(interpreter) = at.filter(|at| *at != 0) {
            if found.len() == MOST_INTERPRETERS {
                break;
            }
            let collector = interpreter.wrapping_add(self.layout.collector);
            let collecting = pages.half(collector.wrapping_add(self.layout.collecting));
            if collecting.ok_or(Broken::Torn)? != 0 {
                return Err(Broken::Collecting);
            }
            found.push(collector);
            at = pages.word(interpreter.wrapping_add(self.layout.next));
        }
        if found.is_empty() {
            // Not yet, or not any more.
            return Err(Broken::Torn);
        }
        Ok(found)
    }

    /// Whether what the lists begin with are objects, whose types are types.
    pub fn check(&self) -> Result<(), Broken> {
        let mut pages = Pages::new(&self.memory);
        let mut seen = 0;
        for collector in self.collectors(&mut pages)? {
            for head in self.layout.heads(collector) {
                seen += lists::check(&mut pages, head, self.layout.ob_type)?;
            }
        }
        if seen == 0 { Err(Broken::Torn) } else { Ok(()) }
    }
}

/// Why memory could not be read at all.
fn denied(error: &io::Error) -> Absent {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Absent::Denied(place::why_denied()),
        _ => Absent::Gone,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use proptest::prelude::*;

    /// Words at addresses; nothing elsewhere.
    #[derive(Default)]
    struct Fake(RefCell<BTreeMap<u64, u64>>);

    impl Fake {
        fn put(&self, at: u64, words: &[u64]) {
            for (word, at) in words.iter().zip((at..).step_by(8)) {
                self.0.borrow_mut().insert(at, *word);
            }
        }

        fn text(&self, at: u64, text: &[u8]) {
            for (chunk, at) in text.chunks(8).zip((at..).step_by(8)) {
                let mut word = [0; 8];
                word[..chunk.len()].copy_from_slice(chunk);
                self.put(at, &[u64::from_ne_bytes(word)]);
            }
        }
    }

    impl Memory for Fake {
        fn read(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
            into.fill(0);
            let end = at + into.len() as u64;
            for (address, word) in self.0.borrow().range(at..end - 7) {
                let start = usize::try_from(address - at).unwrap();
                into[start..start + 8].copy_from_slice(&word.to_ne_bytes());
            }
            Ok(into.len())
        }
    }

    const RUNTIME: u64 = 0x10_0000;
    const INTERPRETER: u64 = 0x20_0000;
    const TYPE: u64 = 0x30_0000;
    const ORDER: u64 = 0x30_1000;

    /// A Python 3.14 with `orders` objects of one type, and its names of types.
    fn python(orders: u64) -> Fake {
        let fake = Fake::default();
        fake.text(RUNTIME, b"xdebugpy");
        fake.put(RUNTIME + 8, &[0x030e_0af0, 0]);
        // Offsets as 3.14.10 has them, at their places.
        for (place, value) in [
            (5, 808),
            (8, 64),
            (11, 7408),
            (51, 8),
            (53, 24),
            (55, 168),
            (67, 32),
            (79, 16),
            (80, 40),
            (82, 192),
        ] {
            fake.put(RUNTIME + 8 * place, &[value]);
        }
        fake.put(RUNTIME + 808, &[INTERPRETER]);
        fake.put(INTERPRETER + 64, &[0]);
        let collector = INTERPRETER + 7408;
        fake.put(collector + 168, &[3]);
        for head in [24, 48, 72, 96].map(|head| collector + head) {
            fake.put(head, &[head, head]);
        }
        // `type` is its own type, and that of the others.
        fake.put(TYPE + 8, &[TYPE]);
        fake.put(ORDER + 8, &[TYPE]);
        fake.put(ORDER + 24, &[ORDER + 512]);
        fake.text(ORDER + 512, b"shop.Order\0");
        let head = collector + 72;
        let at = |nth: u64| match nth % (orders + 1) {
            0 => head,
            nth => 0x40_0000 + nth * 64,
        };
        for nth in 0..=orders {
            fake.put(at(nth), &[at(nth + 1), at(nth + orders)]);
            if nth > 0 {
                fake.put(at(nth) + 24, &[ORDER]);
            }
        }
        fake
    }

    #[test]
    fn objects_are_counted_by_type() {
        let heap = Heap::open(python(300), RUNTIME).unwrap();
        let counts = heap.count().unwrap();
        assert_eq!(
            counts.types,
            BTreeMap::from([("shop.Order".to_owned(), 300)])
        );
        assert_eq!((counts.collections, heap.version()), (3, "3.14"));
    }

    #[test]
    fn what_is_not_known_is_said() {
        let said = |at: u64, words: &[u64]| {
            let fake = python(9);
            fake.put(at, words);
            Heap::open(fake, RUNTIME)
                .map(|_| ())
                .unwrap_err()
                .to_string()
        };
        assert!(said(RUNTIME, &[0]).contains("3.13"));
        assert!(said(RUNTIME + 8, &[0x0311_00f0]).contains("3.17"));
        assert!(said(RUNTIME + 16, &[1]).contains("free-threaded"));
        // A build of its own, whose collector is laid out otherwise.
        assert!(said(RUNTIME + 8 * 82, &[208]).contains("not where CPython 3.14"));
        // Types that are none.
        assert!(said(TYPE + 8, &[0]).contains("not where"));
        assert!(said(INTERPRETER + 7408 + 72, &[0x66_6666]).contains("not where"));
    }

    #[test]
    fn while_garbage_is_collected_nothing_is_counted() {
        let heap = Heap::open(python(9), RUNTIME).unwrap();
        heap.memory.put(INTERPRETER + 7408 + 192, &[1]);
        assert_eq!(heap.count(), None);
        heap.memory.put(INTERPRETER + 7408 + 192, &[0]);
        assert!(heap.count().is_some());
    }

    /// A collection has put the middle generation behind the oldest one, while its head is read as it was.
    #[test]
    fn what_has_joined_an_older_list_ends_where_that_ends() {
        let fake = python(300);
        let collector = INTERPRETER + 7408;
        let (oldest, middle) = (collector + 72, collector + 48);
        let (first, last) = (0x40_0000 + 64 * 200, 0x40_0000 + 64 * 300);
        // As if the last hundred had been the middle one's until now.
        fake.put(middle, &[first, last]);
        fake.put(first + 8, &[middle]);
        let mut pages = Pages::new(&fake);
        let mut tally = Tally::default();
        let mut budget = Budget::until(Instant::now() + LONGEST);
        let walked = lists::walk(
            &mut pages,
            middle,
            &[middle, oldest],
            8,
            &mut tally,
            &mut budget,
        );
        assert_eq!(walked, Ok(()));
        assert_eq!(tally[&ORDER], 101);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Any words anywhere: there is an end, and no panic.
        #[test]
        fn whatever_is_read_there_is_an_end(
            changes in prop::collection::vec((0..800_u64, prop_oneof![
                any::<u64>(), 0..64_u64, Just(TYPE), Just(ORDER), Just(INTERPRETER), 0x40_0000..0x40_8000_u64,
            ]), 1..12),
            place in prop_oneof![Just(RUNTIME), Just(INTERPRETER + 7400), Just(TYPE), Just(ORDER), Just(0x40_0000)],
        ) {
            let fake = python(40);
            for (word, value) in changes {
                fake.put(place + word / if place == RUNTIME { 8 } else { 1 } * 8, &[value]);
            }
            // Once: what does not move is the same the next time.
            if let Ok(heap) = Heap::read(fake, RUNTIME) {
                let _ = (heap.check(), heap.try_count());
            }
        }
    }
}
