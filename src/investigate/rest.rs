//! Whether what grew has come to rest, and how long it may pause without.

use super::{evidence::Readings, rules::Rules};
use crate::fit;

/// Whether a series has come to rest: nothing in its last third, nor in so many readings as `least` says, is above what was
/// there before.
pub fn rests(readings: Option<&Vec<i64>>, least: u32, rules: &Rules) -> bool {
    let Some(readings) = readings else {
        return true;
    };
    // What was let go of once is not got back: what rises after it is growth, however far below.
    let readings = fit::rebased(fit::from_first_rise(readings));
    let readings = &*readings;
    let quiet = (readings.len() / 3).max(least as usize).min(readings.len());
    let (before, last) = readings.split_at(readings.len() - quiet);
    let Some((top, bottom)) = before.iter().max().zip(before.iter().min()) else {
        return last.is_empty();
    };
    let uneven = if fit::falls_back(readings) {
        1 + (top - bottom) / rules.long_run.uneven
    } else {
        0
    };
    last.iter().all(|reading| *reading <= top + uneven)
}

/// Whether a series rose more than once, as something does that fills, and then came to rest.
pub fn rose_and_rests(readings: Option<&Vec<i64>>, rules: &Rules) -> bool {
    readings.is_some_and(|series| {
        series.windows(2).filter(|pair| pair[1] > pair[0]).count() > rules.long_run.rises
            && series.last() > series.first()
    }) && rests(readings, 1, rules)
}

/// How many iterations lie between two rises of each counter that grows, at most.
pub(super) fn pauses(readings: &Readings) -> impl Iterator<Item = u32> {
    readings.fits.keys().filter_map(|counter| {
        let readings = readings.series.get(counter)?;
        u32::try_from(fit::longest_pause(readings)).ok()
    })
}

/// The same of what rises most often: so long a standstill is no rest.
pub(super) fn pause(readings: &Readings) -> u32 {
    pauses(readings).min().unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::investigate::rules::RULES;

    #[test]
    fn what_rises_after_a_fall_at_the_beginning_does_not_rest() {
        let rises = |nth: i64| 3048 + 112 * nth;
        let readings: Vec<i64> = [5000, 3656].into_iter().chain((0..15).map(rises)).collect();
        assert!(!super::rests(Some(&readings), 2, &RULES));
        let fills: Vec<i64> = { [5000, 3656].into_iter() }
            .chain((0..30).map(|nth| rises(nth.min(6))))
            .collect();
        assert!(super::rests(Some(&fills), 2, &RULES));
    }

    #[test]
    fn only_a_flat_end_is_rest() {
        let rests = |readings: &[i64], least| rests(Some(&readings.to_vec()), least, &RULES);
        assert!(rests(&[0, 3, 6, 9, 9, 9, 9, 9, 9], 1));
        assert!(!rests(&[0, 20, 22, 23, 25, 26, 28, 29, 31], 1));
        // What rises in every 7th.
        let rare = [0, 0, 3, 3, 3, 3, 3, 3, 3];
        assert!(rests(&rare, 1) && !rests(&rare, 8));
        // Teeth that rise by one, or by what is no accident; and one more where nothing falls.
        let teeth = |more: i64| {
            let teeth = (0..900).map(|i| i % 300 + i / 300 * more);
            teeth.collect::<Vec<i64>>()
        };
        assert!(rests(&teeth(1), 1) && !rests(&teeth(9), 1));
        assert!(!rests(&[0, 3, 6, 9, 9, 9, 9, 9, 10], 1));
        assert!(super::rests(None, 1, &RULES));
    }

    #[test]
    fn one_step_did_not_fill_anything() {
        let filled = |readings: &[i64]| rose_and_rests(Some(&readings.to_vec()), &RULES);
        assert!(filled(&[0, 3, 6, 9, 9, 9, 9, 9, 9]));
        assert!(!filled(&[0, 9, 9, 9, 9, 9, 9, 9, 9]));
        assert!(!filled(&[0, 3, 6, 9, 9, 9, 9, 9, 12]));
        assert!(!rose_and_rests(None, &RULES));
    }
}
