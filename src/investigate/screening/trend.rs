//! What all counters of a test say together, after the few readings of the screen.

use std::collections::BTreeMap;

use crate::{
    fit::{self, Look},
    investigate::{rules::Rules, signature::rise},
    verdict::{Counter, Series},
};

/// What all counters together say.
pub fn glance(series: &Series, thorough: bool, rules: &Rules) -> Look {
    let looks: Vec<Look> = { series.iter() }
        .filter(|(counter, _)| counter.decides(series))
        .map(|(counter, readings)| {
            if readings.len() > 4 && is_remainder(*counter, readings, rules) {
                Look::Clean
            } else if thorough {
                fit::patient_look(readings)
            } else {
                fit::first_look(readings)
            }
        })
        .collect();
    if looks.contains(&Look::Suspect) {
        Look::Suspect
    } else if looks.contains(&Look::More) {
        Look::More
    } else {
        Look::Clean
    }
}

/// How many further readings would settle that a test is clean, if none of them rose.
pub(super) fn until_settled(series: &Series, rules: &Rules) -> u32 {
    telling(series, rules)
        .map(|(_, readings)| fit::until_settled(readings))
        .fold(1, u32::max)
}

/// The counters that say something by themselves, each with its readings.
fn telling<'a>(series: &'a Series, rules: &Rules) -> impl Iterator<Item = (Counter, &'a Vec<i64>)> {
    { series.iter() }
        .map(|(counter, readings)| (*counter, readings))
        .filter(|(counter, readings)| {
            counter.decides(series) && !is_remainder(*counter, readings, rules)
        })
}

/// Whether something ends lower than it was after the warm-up: what is lost in every iteration may lie beneath what was let
/// go of in one of them, and shows in readings in between.
pub(super) fn fell(series: &Series, rules: &Rules) -> bool {
    { series.iter() }
        .filter(|(counter, _)| counter.decides(series))
        .any(|(counter, readings)| {
            let least = match counter {
                Counter::Heap => rules.chunk,
                _ => 1,
            };
            let after = readings.get(1).zip(readings.last());
            after.is_some_and(|(warm, last)| warm - last >= least)
        })
}

/// Whether anything is higher at the end of the readings than at their first.
pub(super) fn rises(series: &Series, rules: &Rules) -> bool {
    telling(series, rules).any(|(_, readings)| readings.last() > readings.first())
}

/// Whether one counter rises in each of some windows, and by no more than twice as much in one as in another: what comes in
/// every 10th iteration does so once or twice in sixteen.
pub fn rises_evenly(windows: &[Series], rules: &Rules) -> bool {
    let mut rises: BTreeMap<Counter, Vec<i64>> = BTreeMap::new();
    for (counter, readings) in windows.iter().flat_map(|series| telling(series, rules)) {
        rises.entry(counter).or_default().push(rise(readings));
    }
    rises.values().any(|rises| {
        let (least, most) = (rises.iter().min(), rises.iter().max());
        let evenly = |(least, most): (&i64, &i64)| *least > 0 && *most <= 2 * *least;
        rises.len() == windows.len() && least.zip(most).is_some_and(evenly)
    })
}

/// Whether what rose is less than a chunk of malloc.
fn is_remainder(counter: Counter, readings: &[i64], rules: &Rules) -> bool {
    counter == Counter::Heap && rise(readings) < rules.chunk
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::investigate::rules::RULES;

    fn series(blocks: &[i64], heap: &[i64]) -> Series {
        Series::from([
            (Counter::Blocks, blocks.to_vec()),
            (Counter::Heap, heap.to_vec()),
        ])
    }

    #[test]
    fn any_growing_counter_makes_a_suspect() {
        let grows: Vec<i64> = (0..10).map(|at| at * 48).collect();
        let glance = |heap: &[i64]| glance(&series(&[1; 10], heap), false, &RULES);
        assert_eq!(glance(&grows), Look::Suspect);
        assert_eq!(glance(&[1; 10]), Look::Clean);
    }

    #[test]
    fn a_test_goes_on_until_every_counter_has_rested() {
        let until = |heap: &[i64]| until_settled(&series(&[0, 5, 5, 5, 5], heap), &RULES);
        assert_eq!(until(&[0; 5]), 1);
        assert_eq!(until(&[0, 0, 0, 64, 64]), 3);
        assert_eq!(until(&[0, 0, 0, 16, 16]), 1);
    }

    #[test]
    fn what_ends_below_the_warm_up_fell() {
        let fell = |blocks: &[i64], heap: &[i64]| fell(&series(blocks, heap), &RULES);
        assert!(fell(&[0, 9, 9, 9, 8], &[0; 5]));
        assert!(!fell(&[9, 8, 8, 8, 8], &[0; 5]));
        assert!(fell(&[1; 5], &[0, 64, 64, 64, 32]));
        assert!(!fell(&[1; 5], &[0, 64, 64, 64, 48]));
    }

    #[test]
    fn what_comes_in_every_tenth_rises_in_each_window_and_noise_does_not() {
        let evenly = |windows: &[(&[i64], &[i64])]| {
            let windows = windows.iter().map(|(blocks, heap)| series(blocks, heap));
            rises_evenly(&windows.collect::<Vec<_>>(), &RULES)
        };
        let rest: &[i64] = &[0, 0];
        assert!(evenly(&[(&[0, 2], rest), (&[2, 3], rest), (&[3, 5], rest)]));
        assert!(!evenly(&[(&[0, 2], rest), (&[2, 2], rest)]));
        assert!(!evenly(&[(&[0, 1], rest), (&[1, 4], rest)]));
        // One counter in the one, another in the other; and malloc's steps.
        assert!(!evenly(&[(&[0, 2], &[0, 304]), (&[2, 2], &[304, 2736])]));
        assert!(!evenly(&[(rest, &[0, 16]), (rest, &[16, 32])]));
        assert!(!evenly(&[]));
    }

    #[test]
    fn a_remainder_in_the_heap_is_nothing() {
        let glance = |blocks: &[i64], heap: &[i64]| glance(&series(blocks, heap), false, &RULES);
        assert_eq!(glance(&[1; 5], &[64, 80, 80, 80, 80]), Look::Clean);
        assert_eq!(glance(&[1; 5], &[64, 96, 96, 96, 96]), Look::More);
        assert_eq!(glance(&[1; 3], &[64; 3]), Look::More);
    }
}
