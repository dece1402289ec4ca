//! Tells a cache inside an extension from what is lost, by readings with the same random numbers and with others.

use super::{readings::costly, rules::Rules, signature};
use crate::verdict::{Counter, Series};

/// Whether memory stays when the random numbers change, every `each` readings, and none at all while they are the same. What is
/// lost by chance, with some numbers and not with others, is lost each time that those come.
pub fn is_kept_once(series: &Series, each: usize, rules: &Rules) -> bool {
    let mut is_new = false;
    for (counter, readings) in costly(series) {
        // Less than a chunk is the remainder of one.
        let least = match counter {
            Counter::Heap => rules.chunk,
            _ => 1,
        };
        for first in (0..readings.len().saturating_sub(each)).step_by(each) {
            let (new, again) = readings[first..=first + each].split_at(rules.randomness.new);
            is_new |= again[0] - new[0] >= least;
            if signature::rise(again) >= least {
                return false;
            }
        }
    }
    is_new
}

#[cfg(test)]
mod tests {
    use super::{super::rules::RULES, *};

    fn kept_once(counter: Counter, increments: &[i64]) -> bool {
        let mut readings = vec![1000];
        readings.extend(increments.iter().scan(1000, |level, increment| {
            *level += increment;
            Some(*level)
        }));
        is_kept_once(&Series::from([(counter, readings)]), 4, &RULES)
    }

    #[test]
    fn what_stays_with_new_numbers_only_is_kept_once() {
        let blocks = |increments: &[i64]| kept_once(Counter::Blocks, increments);
        assert!(blocks(&[2, 0, 0, 0, 2, 0, 0, 0]));
        // Most of it was there, and the second time settles it.
        assert!(blocks(&[0, 0, 0, 0, 1, 1, 0, 0]));
        assert!(blocks(&[2, 0, 1, -1, 2, 0, -1, 0]));
        // All of it was there, or whatever grows does so without chance.
        assert!(!blocks(&[0; 8]));
        assert!(!blocks(&[1; 8]));
        assert!(!blocks(&[3, 1, 1, 1, 3, 1, 1, 1]));
        // Lost with some numbers and not with others; and in every third iteration.
        assert!(!blocks(&[0, 0, 0, 0, 1, 1, 1, 1]));
        assert!(!blocks(&[1, 0, 0, 1, 0, 0, 1, 0]));
        // An end that is missing is none.
        assert!(!blocks(&[2, 0]) && !blocks(&[]));
    }

    #[test]
    fn less_than_a_chunk_of_the_heap_is_nothing() {
        let heap = |increments: &[i64]| kept_once(Counter::Heap, increments);
        assert!(heap(&[96, 0, 16, 0]));
        assert!(!heap(&[16, 0, 0, 0]));
        assert!(!heap(&[96, 0, 32, 0]));
        assert!(!kept_once(Counter::Items, &[1, 0, 0, 0]));
    }
}
