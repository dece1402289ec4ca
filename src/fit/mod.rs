//! Judges a series of counter readings: which shape its growth has, and how much it grows per iteration.

mod estimate;
mod exact;
mod level;
mod look;
pub mod numbers;
mod pattern;
mod robust;

pub use level::{falls_back, from_first_rise, longest_climb, longest_pause, rebased};
pub use look::{Look, first_look, patient_look, until_settled};

/// Whether two readings of the counter can be trusted to the last unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exactness {
    /// Every unit counts: a healthy series is flat, a single unit more is a fact.
    Exact,
    /// The counter carries noise of its own; only a trend well above it counts.
    Estimate,
}

/// How a series moves. Only some of the shapes are growth, see [`Fit::grows`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Stays at its level, wobbles around it, returns to it, or sinks.
    Flat,
    /// Rose once or a few times and stayed there.
    Step,
    /// The same amount, or nearly, in every iteration.
    Linear,
    /// The same total in every `period` iterations (2 to 11).
    Periodic {
        /// In iterations.
        period: usize,
    },
    /// Grew, and then stopped or is clearly running dry.
    Saturating,
    /// Each iteration adds more than the one before.
    Accelerating,
    /// None of the others.
    Noisy,
}

/// Sustained growth in counter units per iteration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// The typical increment where one increment (or one pattern of increments) prevails, the
    /// Theil-Sen slope otherwise, and 0 for an exact series which stopped growing.
    pub value: f64,
    /// Lower and upper bound; always holds `value`. At its core the 95 % interval of the
    /// Theil-Sen slope, widened where the series gives reason to trust it less.
    pub interval: (f64, f64),
    /// Every increment of the judged part was the same, so the interval is a single point.
    pub exact: bool,
}

/// What [`fit`] found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// How it moves.
    pub shape: Shape,
    /// How fast.
    pub rate: Rate,
    /// Index of the last reading that was higher than all before it; `None` if there is none.
    pub last_growth: Option<usize>,
}

impl Fit {
    /// Whether the series is still growing at its end, in every part of it and not by accident.
    pub fn grows(&self) -> bool {
        match self.shape {
            Shape::Linear | Shape::Periodic { .. } | Shape::Accelerating => true,
            Shape::Noisy => self.rate.interval.0 > 0.0,
            Shape::Flat | Shape::Step | Shape::Saturating => false,
        }
    }
}

impl Rate {
    fn zero(exact: bool) -> Rate {
        Rate {
            value: 0.0,
            interval: (0.0, 0.0),
            exact,
        }
    }

    /// An inexact rate whose interval is stretched, if need be, to hold its value.
    fn within(value: f64, low: f64, high: f64) -> Rate {
        Rate {
            value,
            interval: (low.min(value), high.max(value)),
            exact: false,
        }
    }
}

/// Shape and rate of `readings`, one counter read after every iteration, warm-up removed.
///
/// Fewer than three readings never grow. Three grow only if both increments are the same.
pub fn fit(readings: &[i64], exactness: Exactness) -> Fit {
    let (shape, rate) = match exactness {
        Exactness::Exact => exact::judge(readings),
        Exactness::Estimate => estimate::judge(readings),
    };
    Fit {
        shape,
        rate,
        last_growth: level::last_new_peak(readings),
    }
}

#[cfg(test)]
mod samples;

#[cfg(test)]
mod tests {
    use super::samples::{close, exact, random, repeated, series};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn short_series_never_grow() {
        for short in [
            &[][..],
            &[5],
            &[5, 9],
            &[5, 9, 10],
            &[5, 9, 14, 18],
            &[0, 10, 21, 30, 42, 50, 61],
        ] {
            assert!(!exact(short).grows(), "{short:?}");
        }
    }

    #[test]
    fn an_interval_is_stretched_to_its_value() {
        assert_eq!(Rate::within(5.0, 1.0, 2.0).interval, (1.0, 5.0));
        assert_eq!(Rate::within(0.0, 1.0, 2.0).interval, (0.0, 2.0));
    }

    #[test]
    fn rates_and_intervals() {
        let leak = exact(&repeated(&[96], 10)).rate;
        assert_eq!((leak.value, leak.interval), (96.0, (96.0, 96.0)));
        assert!(leak.exact);

        let moved = exact(&series([96, 96, 95, 96, 96, 96, 96, 96, 96])).rate;
        assert_eq!(moved.value, 96.0);
        assert!(!moved.exact && moved.interval.0 < 96.0);

        let third = exact(&repeated(&[0, 0, 4], 6)).rate;
        assert_eq!(third.value, 4.0 / 3.0);
        assert!(!third.exact);

        let filled = exact(&series([9, 9, 9, 9, 9, 0, 0, 0, 0, 0, 0, 0])).rate;
        assert_eq!((filled.value, filled.interval), (0.0, (0.0, 0.0)));
    }

    #[test]
    fn extremes_do_not_overflow() {
        let far = [i64::MIN, i64::MAX, i64::MIN, i64::MAX, 0, i64::MAX];
        assert!(!exact(&far.repeat(5)).grows());
        let span: Vec<i64> = (-8..=8).map(|i| i * (i64::MAX / 8)).collect();
        assert_eq!(exact(&span).shape, Shape::Linear);
    }

    #[test]
    fn long_series_are_judged_quickly() {
        let mut wobble = random(100, 1);
        let readings: Vec<i64> = (0..10_000).map(|i| 3 * i + wobble()).collect();
        // Of the processor: on a busy machine a clock on the wall tells of others.
        let cpu = || {
            let clock = nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID;
            std::time::Duration::from(nix::time::clock_gettime(clock).unwrap())
        };
        let start = cpu();
        assert!(exact(&readings).grows());
        assert!((cpu() - start).as_secs() < 2);
    }

    proptest! {
        #[test]
        fn a_constant_added_changes_nothing(
            readings in prop::collection::vec(0..500_i64, 0..60),
            constant in -1_000_000_000_i64..1_000_000_000,
        ) {
            let moved: Vec<i64> = readings.iter().map(|r| r + constant).collect();
            prop_assert_eq!(exact(&readings), exact(&moved));
        }

        #[test]
        fn scaling_scales_the_rate(
            deltas in prop::collection::vec(-3..9_i64, 0..60),
            factor in 1..1000_i64,
        ) {
            let plain = exact(&series(deltas.iter().copied()));
            let scaled = exact(&series(deltas.iter().map(|d| d * factor)));
            prop_assert_eq!(plain.shape, scaled.shape);
            prop_assert!(close(plain.rate.value * factor as f64, scaled.rate.value));
            prop_assert!(close(plain.rate.interval.0 * factor as f64, scaled.rate.interval.0));
            prop_assert!(close(plain.rate.interval.1 * factor as f64, scaled.rate.interval.1));
        }

        #[test]
        fn the_interval_holds_the_value(deltas in prop::collection::vec(-1..9_i64, 0..60)) {
            let rate = exact(&series(deltas)).rate;
            prop_assert!(rate.interval.0 <= rate.value && rate.value <= rate.interval.1);
        }

        /// Judged exactly, as an estimate and in the cheap looks; by how much it rises plays no part.
        #[test]
        fn what_rises_in_every_step_is_never_flat_and_never_clean(
            deltas in prop::collection::vec(1..100_000_i64, 5..60),
        ) {
            let readings = series(deltas);
            for exactness in [Exactness::Exact, Exactness::Estimate] {
                let found = fit(&readings, exactness);
                prop_assert_ne!(found.shape, Shape::Flat, "{:?}", exactness);
                prop_assert_eq!(found.last_growth, Some(readings.len() - 1));
            }
            prop_assert_ne!(first_look(&readings), Look::Clean);
            prop_assert_ne!(patient_look(&readings), Look::Clean);
            prop_assert_eq!(until_settled(&readings), 4);
        }

        #[test]
        fn what_never_rises_never_grows(deltas in prop::collection::vec(-100_000..=0_i64, 0..60)) {
            let readings = series(deltas);
            for exactness in [Exactness::Exact, Exactness::Estimate] {
                prop_assert!(!fit(&readings, exactness).grows(), "{:?}", exactness);
            }
            prop_assert_ne!(first_look(&readings), Look::Suspect);
            prop_assert_ne!(patient_look(&readings), Look::Suspect);
        }

        #[test]
        fn what_has_stood_still_for_longer_than_it_rose_does_not_grow(
            mut deltas in prop::collection::vec(0..1000_i64, 1..30),
        ) {
            let still = 2 * deltas.len() + 12;
            deltas.extend(std::iter::repeat_n(0, still));
            prop_assert!(!exact(&series(deltas)).grows());
        }

        /// What comes of a counter does not depend on where it began.
        #[test]
        fn a_constant_added_changes_no_answer(
            readings in prop::collection::vec(0..500_i64, 0..60),
            constant in -1_000_000_000_i64..1_000_000_000,
        ) {
            let moved: Vec<i64> = readings.iter().map(|r| r + constant).collect();
            let estimate = |readings: &[i64]| fit(readings, Exactness::Estimate);
            let (found, other) = (estimate(&readings), estimate(&moved));
            prop_assert_eq!((found.shape, found.grows()), (other.shape, other.grows()));
            prop_assert!(close(found.rate.value, other.rate.value));
            prop_assert_eq!(first_look(&readings), first_look(&moved));
            prop_assert_eq!(patient_look(&readings), patient_look(&moved));
            prop_assert_eq!(until_settled(&readings), until_settled(&moved));
            prop_assert_eq!(falls_back(&readings), falls_back(&moved));
            prop_assert_eq!(longest_pause(&readings), longest_pause(&moved));
        }

        #[test]
        fn any_constant_is_flat(level in any::<i64>(), n in 0..200_usize) {
            let found = exact(&vec![level; n]);
            prop_assert_eq!(found.shape, Shape::Flat);
            prop_assert!(found.rate.exact);
            prop_assert_eq!(found.last_growth, None);
        }
    }
}
