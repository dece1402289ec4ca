//! The first, cheap look at an exact counter: most tests are clean after five readings.

use super::level::{floor, rebased};
use super::numbers::NUMBERS;
use std::borrow::Cow;

/// What the first few readings allow to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Stopped rising, or never rose.
    Clean,
    /// Keeps rising; worth a proper measurement. Not a verdict.
    Suspect,
    /// Too early to tell.
    More,
}

/// Screens the readings of one exact counter, from the first boundary on.
///
/// Meant to be asked after 5, 10, 18 and 34 readings, and answers in between as well. Fewer than 5
/// give [`Look::More`], 34 or more never do. A rise counts only if it is sustained, that is if no
/// later reading comes back down below it, single releases left out ([`rebased`]): whether what fell once falls again to
/// the same height is waited for until 18. What rises now and then is asked about once more after
/// 18: of series that are drawn at random one in ten looks so then, and one in ninety both times.
pub fn first_look(readings: &[i64]) -> Look {
    let rebased = rebased(readings);
    let fell = matches!(rebased, Cow::Owned(_));
    let readings = &*rebased;
    let floor = floor(readings);
    let last = readings.len().saturating_sub(1);
    let grew = |from: usize, to: usize| floor[to] > floor[from];
    let (window, [each_time, seldom, end]) = (NUMBERS.window, NUMBERS.looks);
    match readings.len() {
        few if few <= window => Look::More,
        first if first < each_time => {
            if grew(last - window, last) {
                Look::More
            } else {
                Look::Clean
            }
        }
        second if second < seldom => {
            let start = last - window;
            let every_time = (start..last).all(|i| grew(i, i + 1));
            // The rising edge of a sawtooth stays below the tooth before it; ask again later.
            let new_high = readings[..=start].iter().all(|&r| r < readings[last]);
            match (grew(start, last), every_time && new_high) {
                (false, _) => Look::Clean,
                (_, true) if !fell => Look::Suspect,
                _ => Look::More,
            }
        }
        // Only the last three windows: before them lies what a first iteration sets up.
        readings => {
            let windows = [3, 2, 1].map(|nth| last - nth * window);
            let every_time = (last - window..last).all(|i| grew(i, i + 1));
            if !windows.into_iter().all(|from| grew(from, from + window)) {
                Look::Clean
            } else if readings < end && !every_time {
                Look::More
            } else {
                Look::Suspect
            }
        }
    }
}

/// How many further readings make [`first_look`] call a series clean if none of them rises.
pub fn until_settled(readings: &[i64]) -> u32 {
    let floor = floor(&rebased(readings));
    let rest = floor
        .windows(2)
        .rev()
        .take(NUMBERS.window)
        .take_while(|pair| pair[1] <= pair[0])
        .count();
    u32::try_from(NUMBERS.window - rest).unwrap_or(0)
}

/// The same for growth as rare as every 11th iteration. Meant to be asked after 13 and 35 readings; 34 or more never
/// give [`Look::More`].
pub fn patient_look(readings: &[i64]) -> Look {
    let floor = floor(&rebased(readings));
    let last = readings.len().saturating_sub(1);
    let (patient, [.., end]) = (NUMBERS.patient, NUMBERS.looks);
    match readings.len() {
        few if few <= patient => Look::More,
        first if first < end => {
            if floor[last] > floor[last - patient] {
                Look::More
            } else {
                Look::Clean
            }
        }
        // A step of the first iterations lies before both.
        _ => {
            let risen = |from: usize| floor[from + patient] > floor[from];
            if risen(last - 2 * patient) && risen(last - patient) {
                Look::Suspect
            } else {
                Look::Clean
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The first answer other than "more", asked after every reading.
    fn outcome(readings: impl Fn(i64) -> i64) -> (usize, Look) {
        let series: Vec<i64> = (0..34).map(readings).collect();
        (1..=34)
            .map(|n| (n, first_look(&series[..n])))
            .find(|(_, look)| *look != Look::More)
            .expect("34 readings end the search")
    }

    #[test]
    fn flat_is_clean_after_five() {
        assert_eq!(outcome(|_| 42), (5, Look::Clean));
        assert_eq!(outcome(|i| -i), (5, Look::Clean));
    }

    #[test]
    fn a_step_takes_as_many_readings_more_as_it_came_late() {
        for at in 1..=4 {
            let step = |i: i64| i64::from(i >= at) * 5000;
            let late = usize::try_from(at).unwrap();
            assert_eq!(outcome(step), (5 + late, Look::Clean), "{at}");
            let first: Vec<i64> = (0..5).map(step).collect();
            assert_eq!(until_settled(&first), late as u32, "{at}");
        }
        assert_eq!(until_settled(&[7; 5]), 0);
        assert_eq!(until_settled(&[0, 1, 2, 3, 4]), 4);
    }

    #[test]
    fn a_leak_in_every_iteration_is_suspect_after_ten() {
        assert_eq!(outcome(|i| 7 * i), (10, Look::Suspect));
        assert_eq!(outcome(|i| i * i), (10, Look::Suspect));
    }

    #[test]
    fn rarer_leaks_are_suspect_in_all_phases() {
        for every in 2..=4 {
            for phase in 0..every {
                let found = outcome(|i| (i + phase) / every);
                assert_eq!(found, (34, Look::Suspect), "{every} {phase}");
            }
        }
        let five_up_two_down = outcome(|i| i / 2 * 3 + i % 2 * 5);
        assert_eq!(five_up_two_down, (34, Look::Suspect));
    }

    #[test]
    fn patience_finds_every_eleventh_in_all_phases() {
        for every in 1..=11 {
            for phase in 0..every {
                let series: Vec<i64> = (0..34).map(|i| (i + phase) / every).collect();
                assert_eq!(patient_look(&series[..12]), Look::More, "{every} {phase}");
                assert_eq!(patient_look(&series), Look::Suspect, "{every} {phase}");
            }
        }
        assert_eq!(patient_look(&[7; 12]), Look::Clean);
        let step: Vec<i64> = (0..34).map(|i| i64::from(i > 3)).collect();
        assert_eq!(patient_look(&step), Look::Clean);
    }

    #[test]
    fn early_steps_are_clean() {
        for at in 1..=4 {
            let (_, look) = outcome(|i| if i >= at { 5000 } else { 0 });
            assert_eq!(look, Look::Clean, "step at {at}");
        }
        assert_eq!(outcome(|i| i.min(3) * 10), (8, Look::Clean));
    }

    #[test]
    fn wobble_and_sawtooth_are_clean() {
        assert_eq!(outcome(|i| i % 2 * 96).1, Look::Clean);
        for period in 2..=8 {
            for phase in 0..period {
                let (_, look) = outcome(|i| (i + phase) % period);
                assert_eq!(look, Look::Clean, "{period} {phase}");
            }
        }
    }

    #[test]
    fn only_the_last_three_windows_count_and_all_of_them() {
        let late: Vec<i64> = (0..18).map(|i| (i - 5).max(0)).collect();
        assert_eq!(first_look(&late), Look::Suspect);
        for at in 1..18 {
            let step: Vec<i64> = (0..18).map(|i| i64::from(i >= at)).collect();
            assert_eq!(first_look(&step), Look::Clean, "{at}");
        }
    }

    #[test]
    fn three_late_steps_are_clean_in_the_end() {
        for steps in [[6, 10, 14], [7, 11, 15], [9, 13, 17]] {
            let level = |i: i64| steps.iter().filter(|at| i >= **at).count() as i64 * 272;
            let series: Vec<i64> = (0..34).map(level).collect();
            assert_eq!(first_look(&series[..18]), Look::More, "{steps:?}");
            assert_eq!(first_look(&series), Look::Clean, "{steps:?}");
        }
    }

    #[test]
    fn a_high_start_delays_but_does_not_hide_a_leak() {
        assert_eq!(
            outcome(|i| if i == 0 { 1000 } else { i }),
            (18, Look::Suspect)
        );
    }

    #[test]
    fn one_release_does_not_hide_a_leak() {
        for at in 1..40 {
            for fall in [100, 400, 5000] {
                let series = |i: i64| i * 96 - i64::from(i >= at) * fall;
                let (readings, look) = outcome(series);
                assert_eq!(look, Look::Suspect, "{at} {fall}");
                let late = if at < 10 { 18 } else { 10 };
                assert!(readings <= late, "{at} {fall}: {readings}");
                let series: Vec<i64> = (0..35).map(series).collect();
                assert_eq!(patient_look(&series), Look::Suspect, "{at} {fall}");
            }
        }
    }

    proptest! {
        #[test]
        fn never_an_answer_before_five(readings in prop::collection::vec(any::<i64>(), 0..5)) {
            prop_assert_eq!(first_look(&readings), Look::More);
        }

        #[test]
        fn always_an_answer_from_thirty_four_on(readings in prop::collection::vec(any::<i64>(), 34..50)) {
            prop_assert_ne!(first_look(&readings), Look::More);
        }

        #[test]
        fn coming_back_to_the_start_twice_is_clean(mut readings in prop::collection::vec(1..1000_i64, 10..40)) {
            let (middle, last) = (readings.len() / 2, readings.len() - 1);
            readings[middle] = 0;
            readings[last] = 0;
            prop_assert_eq!(first_look(&readings), Look::Clean);
        }
    }
}
