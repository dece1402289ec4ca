//! The first, cheap look at an exact counter: most tests are clean after four readings.

use super::level::floor;

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

/// Increments looked at together. A leak in every 2nd, 3rd or 4th iteration rises at least once
/// in any four increments in a row, wherever these begin.
const WINDOW: usize = 4;

/// Screens the readings of one exact counter, from the first boundary on.
///
/// Meant to be asked after 4, 9 and 17 readings, and answers in between as well. Fewer than 4
/// give [`Look::More`], 17 or more never do. A rise counts only if it is sustained, that is if no
/// later reading comes back down below it.
///
/// The four readings of the first look always hold a rise of what leaks in every 2nd or 3rd iteration, and in three
/// of four cases one of what leaks in every 4th. One reading more would close that gap, at a quarter more of the
/// whole suite's time.
pub fn first_look(readings: &[i64]) -> Look {
    let floor = floor(readings);
    let last = readings.len().saturating_sub(1);
    let grew = |from: usize, to: usize| floor[to] > floor[from];
    match readings.len() {
        0..4 => Look::More,
        4..9 if grew(0, last) => Look::More,
        4..9 => Look::Clean,
        9..17 => {
            let start = last - WINDOW;
            let every_time = (start..last).all(|i| grew(i, i + 1));
            // The rising edge of a sawtooth stays below the tooth before it; ask again later.
            let new_high = readings[..=start].iter().all(|&r| r < readings[last]);
            match (grew(start, last), every_time && new_high) {
                (false, _) => Look::Clean,
                (_, true) => Look::Suspect,
                _ => Look::More,
            }
        }
        // Only the last three windows: before them lies what a first iteration sets up.
        _ => {
            let windows = [3, 2, 1].map(|nth| last - nth * WINDOW);
            if windows.into_iter().all(|from| grew(from, from + WINDOW)) {
                Look::Suspect
            } else {
                Look::Clean
            }
        }
    }
}

/// Increments that hold a leak in every 11th iteration.
const PATIENT: usize = 11;

/// The same for growth as rare as every 11th iteration. Meant to be asked after 12 and 34 readings; 34 or more never
/// give [`Look::More`].
pub fn patient_look(readings: &[i64]) -> Look {
    let floor = floor(readings);
    let last = readings.len().saturating_sub(1);
    match readings.len() {
        0..=PATIENT => Look::More,
        12..34 if floor[last] > floor[0] => Look::More,
        12..34 => Look::Clean,
        // A step of the first iterations lies before both.
        _ => {
            let risen = |from: usize| floor[from + PATIENT] > floor[from];
            if risen(last - 2 * PATIENT) && risen(last - PATIENT) {
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
        let series: Vec<i64> = (0..17).map(readings).collect();
        (1..=17)
            .map(|n| (n, first_look(&series[..n])))
            .find(|(_, look)| *look != Look::More)
            .expect("17 readings end the search")
    }

    #[test]
    fn flat_is_clean_after_four() {
        assert_eq!(outcome(|_| 42), (4, Look::Clean));
        assert_eq!(outcome(|i| -i), (4, Look::Clean));
    }

    #[test]
    fn a_leak_in_every_iteration_is_suspect_after_nine() {
        assert_eq!(outcome(|i| 7 * i), (9, Look::Suspect));
        assert_eq!(outcome(|i| i * i), (9, Look::Suspect));
    }

    #[test]
    fn rarer_leaks_are_suspect_in_all_phases_but_one() {
        for every in 2..=4 {
            for phase in 0..every {
                let found = outcome(|i| (i + phase) / every);
                // The one phase in which the first four readings hold no rise.
                let hidden = every == 4 && phase == 0;
                let expected = if hidden {
                    (4, Look::Clean)
                } else {
                    (17, Look::Suspect)
                };
                assert_eq!(found, expected, "{every} {phase}");
            }
        }
        let five_up_two_down = outcome(|i| i / 2 * 3 + i % 2 * 5);
        assert_eq!(five_up_two_down, (17, Look::Suspect));
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
        assert_eq!(outcome(|i| i.min(3) * 10), (9, Look::Clean));
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
        let late: Vec<i64> = (0..17).map(|i| (i - 4).max(0)).collect();
        assert_eq!(first_look(&late), Look::Suspect);
        for at in 1..17 {
            let step: Vec<i64> = (0..17).map(|i| i64::from(i >= at)).collect();
            assert_eq!(first_look(&step), Look::Clean, "{at}");
        }
    }

    #[test]
    fn a_high_start_delays_but_does_not_hide_a_leak() {
        assert_eq!(
            outcome(|i| if i == 0 { 1000 } else { i }),
            (17, Look::Suspect)
        );
    }

    proptest! {
        #[test]
        fn never_an_answer_before_four(readings in prop::collection::vec(any::<i64>(), 0..4)) {
            prop_assert_eq!(first_look(&readings), Look::More);
        }

        #[test]
        fn always_an_answer_from_seventeen_on(readings in prop::collection::vec(any::<i64>(), 17..40)) {
            prop_assert_ne!(first_look(&readings), Look::More);
        }

        #[test]
        fn coming_back_to_the_start_is_clean(mut readings in prop::collection::vec(0..1000_i64, 5..40)) {
            let last = readings.len() - 1;
            readings[last] = 0;
            prop_assert_eq!(first_look(&readings), Look::Clean);
        }
    }
}
