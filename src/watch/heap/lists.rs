//! Walks a list of the collector's, each of whose members says who comes before it and who after.
//!
//! The process goes on meanwhile: an object may be freed, or join another list, between two reads. What is read is taken
//! only if both neighbours say the same of each other; where they do not, both are read anew, and then one goes back to
//! the last that still holds. Of memory that stands still no member can come twice, whatever it holds: each has one before it.

use std::{
    collections::{HashMap, VecDeque},
    time::Instant,
};

use super::memory::{Addresses, Pages};

/// Objects by the addresses of their types.
pub type Tally = HashMap<u64, i64, Addresses>;

/// Bytes of what stands before each object: the next and the one before.
const HEAD: u64 = 16;
/// Bits of these words that are no part of an address.
const FLAGS: u64 = 3;
/// Members that are remembered, to go back to.
const MEMORY: usize = 64;
/// Of a list this often the neighbours may differ, and once more for each so many members.
const TEARS: u64 = 100;
const TEARS_EACH: u64 = 100;
/// Members of all lists together; the largest process has fewer.
const MOST: u64 = 200_000_000;
/// Members of a list that are looked at before it is believed.
const TRIED: u64 = 64;
/// From an object over its type to the type of all types.
const TYPES: u32 = 8;

/// Why a list could not be walked.
#[derive(Debug, PartialEq, Eq)]
pub enum Broken {
    /// The collector is at work.
    Collecting,
    /// The list is torn, or changes too quickly.
    Torn,
    /// It is too long.
    Long,
}

/// How long and how far.
pub struct Budget {
    until: Instant,
    left: u64,
}

impl Budget {
    /// For all lists of a look.
    pub fn until(until: Instant) -> Budget {
        Budget { until, left: MOST }
    }

    fn spend(&mut self) -> Result<(), Broken> {
        self.left = self.left.checked_sub(1).ok_or(Broken::Long)?;
        if self.left.is_multiple_of(4096) && Instant::now() > self.until {
            return Err(Broken::Long);
        }
        Ok(())
    }
}

/// What a member says.
struct Member {
    next: u64,
    previous: u64,
    of: u64,
}

fn member(pages: &mut Pages<'_>, at: u64, ob_type: u64) -> Option<Member> {
    let [next, previous] = pages.pair(at)?;
    Some(Member {
        next: next & !FLAGS,
        previous: previous & !FLAGS,
        of: pages.word(at.wrapping_add(HEAD + ob_type)).unwrap_or(0),
    })
}

fn next(pages: &mut Pages<'_>, at: u64) -> Option<u64> {
    pages.word(at).map(|word| word & !FLAGS)
}

fn previous(pages: &mut Pages<'_>, at: u64) -> Option<u64> {
    pages.word(at.wrapping_add(8)).map(|word| word & !FLAGS)
}

/// Counts the members of a list by the addresses of their types. `heads` are those of all lists: where the members have
/// joined an older list meanwhile, its head is the end, and not this one's.
pub fn walk(
    pages: &mut Pages<'_>,
    head: u64,
    heads: &[u64],
    ob_type: u64,
    tally: &mut Tally,
    budget: &mut Budget,
) -> Result<(), Broken> {
    let mut passed: VecDeque<u64> = VecDeque::with_capacity(MEMORY + 1);
    let (mut seen, mut tears) = (0_u64, 0_u64);
    let mut at = head;
    let mut following = next(pages, at);
    loop {
        budget.spend()?;
        let agreed = following
            .and_then(|next| member(pages, next, ob_type))
            .filter(|member| member.previous == at);
        match (agreed, following) {
            (Some(_), Some(next)) if heads.contains(&next) => return Ok(()),
            (Some(member), Some(next)) => {
                *tally.entry(member.of).or_default() += 1;
                seen += 1;
                if passed.len() == MEMORY {
                    passed.pop_front();
                }
                passed.push_back(at);
                at = next;
                following = Some(member.next);
            }
            _ => {
                tears += 1;
                if tears > TEARS + seen / TEARS_EACH {
                    return Err(Broken::Torn);
                }
                at = last_linked(pages, at, following, head, &mut passed).ok_or(Broken::Torn)?;
                following = next(pages, at);
            }
        }
    }
}

/// The last member that still holds, read anew.
fn last_linked(
    pages: &mut Pages<'_>,
    at: u64,
    following: Option<u64>,
    head: u64,
    passed: &mut VecDeque<u64>,
) -> Option<u64> {
    pages.forget(
        [Some(at), following]
            .into_iter()
            .flatten()
            .chain(passed.iter().copied()),
    );
    let mut candidate = Some(at);
    while let Some(at) = candidate {
        let after = next(pages, at);
        let holds = after.is_some_and(|after| previous(pages, after) == Some(at));
        // What has gone into another list holds as well, and leads away.
        let before = previous(pages, at);
        let is_linked = at == head || before.is_some_and(|before| next(pages, before) == Some(at));
        if holds && is_linked {
            return Some(at);
        }
        candidate = passed.pop_back();
    }
    None
}

/// Walks the first members of a list, each of which must have a type whose type is, in the end, its own. Says how many.
pub fn check(pages: &mut Pages<'_>, head: u64, ob_type: u64) -> Result<u64, Broken> {
    let mut at = head;
    for seen in 0..TRIED {
        let after = next(pages, at).ok_or(Broken::Torn)?;
        if previous(pages, after) != Some(at) {
            return Err(Broken::Torn);
        }
        if after == head {
            return Ok(seen);
        }
        let mut object = after.wrapping_add(HEAD);
        let mut is_typed = false;
        for _ in 0..TYPES {
            let of = pages
                .word(object.wrapping_add(ob_type))
                .filter(|of| *of != 0)
                .ok_or(Broken::Torn)?;
            if of == object {
                is_typed = true;
                break;
            }
            object = of;
        }
        if !is_typed {
            return Err(Broken::Torn);
        }
        at = after;
    }
    Ok(TRIED)
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, io, time::Duration};

    use super::{super::memory::Memory, *};

    const HEAD_AT: u64 = 0x1000;

    /// A ring of `count` members, each in a chunk of its own. From the `frees`-th read on the `gone`-th is freed.
    struct Ring {
        count: u64,
        gone: u64,
        frees: u64,
        reads: Cell<u64>,
    }

    impl Ring {
        fn at(&self, nth: u64) -> u64 {
            let nth = nth % (self.count + 1);
            if nth == 0 { HEAD_AT } else { nth * 0x10_0000 }
        }

        fn word(&self, at: u64) -> u64 {
            let freed = self.reads.get() > self.frees;
            let nth = if at < 0x10_0000 { 0 } else { at / 0x10_0000 };
            let into = if nth == 0 {
                at.wrapping_sub(HEAD_AT)
            } else {
                at % 0x10_0000
            };
            let step = |nth: u64, by: u64| {
                let to = (nth + by) % (self.count + 1);
                if freed && to == self.gone {
                    (to + by) % (self.count + 1)
                } else {
                    to
                }
            };
            match into {
                _ if nth > self.count => 0,
                _ if freed && nth == self.gone => 0xdead_0000,
                0 => self.at(step(nth, 1)),
                8 => self.at(step(nth, self.count)) | 1,
                24 => 0x77_0000,
                _ => 0,
            }
        }
    }

    impl Memory for Ring {
        fn read(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
            self.reads.set(self.reads.get() + 1);
            for (bytes, at) in into.chunks_mut(8).zip((at..).step_by(8)) {
                bytes.copy_from_slice(&self.word(at).to_ne_bytes());
            }
            Ok(into.len())
        }
    }

    fn walked(ring: &Ring) -> Result<i64, Broken> {
        let mut tally = Tally::default();
        let mut budget = Budget::until(Instant::now() + Duration::from_secs(60));
        walk(
            &mut Pages::new(ring),
            HEAD_AT,
            &[HEAD_AT],
            8,
            &mut tally,
            &mut budget,
        )?;
        Ok(tally.get(&0x77_0000).copied().unwrap_or(0))
    }

    #[test]
    fn a_list_is_counted_and_what_is_freed_meanwhile_is_got_over() {
        for frees in 0..60 {
            for gone in 1..20 {
                let ring = Ring {
                    count: 20,
                    gone,
                    frees,
                    reads: Cell::new(0),
                };
                let count =
                    walked(&ring).unwrap_or_else(|broken| panic!("{broken:?}: {frees} {gone}"));
                assert!((19..=21).contains(&count), "{count}: {frees} {gone}");
            }
        }
    }

    #[test]
    fn a_list_without_an_end_has_one() {
        /// Each member is followed by another, for ever.
        struct Endless;
        impl Memory for Endless {
            fn read(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
                for (bytes, at) in into.chunks_mut(8).zip((at..).step_by(8)) {
                    let word = match at % 64 {
                        0 => at + 64,
                        8 => at.wrapping_sub(72),
                        _ => 0,
                    };
                    bytes.copy_from_slice(&word.to_ne_bytes());
                }
                Ok(into.len())
            }
        }
        let mut budget = Budget {
            until: Instant::now() + Duration::from_secs(60),
            left: 100_000,
        };
        let found = walk(
            &mut Pages::new(&Endless),
            0x1000,
            &[0x1000],
            8,
            &mut Tally::default(),
            &mut budget,
        );
        assert_eq!(found, Err(Broken::Long));
    }
}
