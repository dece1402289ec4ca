//! Increments that repeat, exactly or with few exceptions: the signature of most leaks.

use super::level::{Levels, thirds};
use super::numbers::NUMBERS;
use super::robust::slope_rate;
use super::{Rate, Shape};

/// Increments that repeat: `total` units in every `period` iterations.
#[derive(Clone, Copy)]
pub(super) struct Pattern {
    /// In iterations; 1 if all increments are the same.
    period: usize,
    /// Units per period, positive.
    total: i128,
}

impl Pattern {
    /// The smallest period that fits without exception, else the smallest that fits with few.
    ///
    /// In this order, because `[1, 1, 1, 1, 1, 1, 1, 1, 1, 6]` over and over is no series of ones
    /// with exceptions.
    pub(super) fn find(readings: &[i64], deltas: &[i128]) -> Option<Pattern> {
        let periods = 1..=NUMBERS.longest_period.min(deltas.len() / 2);
        periods
            .clone()
            .find_map(|period| Pattern::strict(deltas, period))
            .or_else(|| {
                let levels = Levels::of(readings);
                periods
                    .take_while(|period| deltas.len() >= 3 * period)
                    .find_map(|period| Pattern::tolerant(&levels, deltas, period))
            })
    }

    /// Two full periods suffice, if more than two rises were seen: two equal steps some way apart
    /// are a coincidence that happens. Two equal increments and nothing else are all that three
    /// readings can show.
    fn strict(deltas: &[i128], period: usize) -> Option<Pattern> {
        let total: i128 = deltas[..period].iter().sum();
        let rises = deltas.iter().filter(|&&d| d > 0).count();
        let repeats = deltas[period..].iter().zip(deltas).all(|(a, b)| a == b);
        let seen = rises > 2 || period == 1;
        (repeats && seen && total > 0).then_some(Pattern { period, total })
    }

    /// Every phase of the pattern has a majority increment, and few increments deviate from it.
    /// The exceptions must neither undo the growth nor be its end.
    fn tolerant(levels: &Levels, deltas: &[i128], period: usize) -> Option<Pattern> {
        let mut total = 0;
        let (mut fitting, mut fitting_rises) = (0, 0);
        for phase in 0..period {
            let column = deltas.iter().skip(phase).step_by(period);
            let (value, count) = majority(column.copied())?;
            total += value;
            fitting += count;
            fitting_rises += if value > 0 { count } else { 0 };
        }
        let steps = deltas.len();
        let exceptions = steps - fitting;
        let few = exceptions * NUMBERS.one_exception_in <= steps.max(NUMBERS.one_exception_in);
        let pattern = Pattern { period, total };
        // Where rises are rare, so are exceptions: they have to be few beside the rises, too.
        if total <= 0 || !few || fitting_rises < 2 * exceptions + 2 {
            return None;
        }
        let everywhere = thirds(steps)
            .into_iter()
            .all(|(a, b)| pattern.explains(levels.growth(a, b), b - a));
        (!levels.stopped() && everywhere).then_some(pattern)
    }

    /// Whether growth over `steps` iterations is at least half of what the pattern promises.
    fn explains(&self, growth: i128, steps: usize) -> bool {
        2 * growth * self.period as i128 >= self.total * steps as i128
    }

    pub(super) fn shape(&self) -> Shape {
        match self.period {
            1 => Shape::Linear,
            period => Shape::Periodic { period },
        }
    }

    pub(super) fn rate(&self, readings: &[i64], deltas: &[i128]) -> Rate {
        let value = self.total as f64 / self.period as f64;
        if deltas.iter().all(|&d| d == deltas[0]) {
            return Rate {
                value,
                interval: (value, value),
                exact: true,
            };
        }
        let (low, high) = slope_rate(readings).interval;
        Rate::within(value, low, high)
    }
}

/// The value that makes up more than half of the values, with its count.
pub(super) fn majority(values: impl Iterator<Item = i128>) -> Option<(i128, usize)> {
    let mut sorted: Vec<i128> = values.collect();
    sorted.sort_unstable();
    // More than half of a sorted list always covers its middle.
    let middle = *sorted.get(sorted.len() / 2)?;
    let count = sorted.iter().filter(|&&v| v == middle).count();
    (2 * count > sorted.len()).then_some((middle, count))
}

#[cfg(test)]
mod tests {
    use super::super::samples::{close, exact, holds, repeated, series};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_majority_is_more_than_half() {
        assert_eq!(majority([3, 1, 3, 3].into_iter()), Some((3, 3)));
        assert_eq!(majority([3, 1, 3, 1].into_iter()), None);
        assert_eq!(majority([].into_iter()), None);
    }

    #[test]
    fn a_periodic_leak_survives_an_exception_anywhere() {
        for at in 0..36 {
            let mut deltas = [0, 0, 300].repeat(12);
            deltas[at] += 40;
            let found = exact(&series(deltas));
            assert_eq!(found.shape, Shape::Periodic { period: 3 }, "{at}");
            assert_eq!(found.rate.value, 100.0, "{at}");
        }
    }

    #[test]
    fn single_steps_anywhere_are_no_growth_and_leave_a_leak_linear() {
        for n in 3..60 {
            for at in 0..n {
                for rate in [0, 7] {
                    let mut deltas = vec![rate; n];
                    deltas[at] += 50_000;
                    let found = exact(&series(deltas));
                    if rate == 0 {
                        assert!(!found.grows(), "{n} {at}: {found:?}");
                    } else if n >= 5 {
                        assert_eq!(found.shape, Shape::Linear, "{n} {at}: {found:?}");
                        assert_eq!(found.rate.value, 7.0, "{n} {at}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_periodic_leak_survives_several_exceptions() {
        let mut deltas = [0, 0, 300].repeat(12);
        deltas[5] -= 40;
        deltas[19] += 7;
        deltas[30] += 2048;
        let found = exact(&series(deltas));
        assert_eq!(found.shape, Shape::Periodic { period: 3 });
        assert_eq!(found.rate.value, 100.0);
    }

    #[test]
    fn equal_steps_are_not_periodic() {
        for gap in 1..=11 {
            let found = exact(&series((0..24).map(|i| i64::from(i == 3 || i == 3 + gap))));
            assert_eq!(found.shape, Shape::Step, "{gap}: {found:?}");
        }
        let thirds = series((0..60).map(|i| i64::from([8, 33, 48].contains(&i))));
        assert!(!exact(&thirds).grows());
    }

    proptest! {
        #[test]
        fn any_steady_leak_is_linear(start in -1000..1000_i64, rate in 1..1_000_000_i64, n in 4..200_i64) {
            let readings: Vec<i64> = (0..n).map(|i| start + rate * i).collect();
            let found = exact(&readings);
            prop_assert_eq!(found.shape, Shape::Linear);
            prop_assert_eq!(found.rate.value, rate as f64);
            prop_assert!(found.rate.exact);
            prop_assert_eq!(found.last_growth, Some(readings.len() - 1));
        }

        #[test]
        fn any_pattern_is_periodic(
            mut pattern in prop::collection::vec(-50..50_i64, 2..=11),
            times in 4..8_usize,
        ) {
            pattern[0] += (1 - pattern.iter().sum::<i64>()).max(0);
            let total: i64 = pattern.iter().sum();
            let found = exact(&repeated(&pattern, times));
            let rate = total as f64 / pattern.len() as f64;
            prop_assert!(found.grows(), "{found:?}");
            prop_assert!(close(found.rate.value, rate) && holds(&found.rate, rate), "{found:?}");
        }

        #[test]
        fn a_trend_on_a_flat_series_is_found(
            ring in prop::collection::vec(0..200_i64, 2..=11),
            rate in 1..500_i64,
        ) {
            let readings: Vec<i64> =
                ring.repeat(4).iter().zip(0..).map(|(r, i)| r + rate * i).collect();
            let found = exact(&readings);
            prop_assert!(found.grows(), "{found:?}");
            prop_assert!(holds(&found.rate, rate as f64), "{found:?}");
        }
    }
}
