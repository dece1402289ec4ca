//! Shape rules for estimated counters, whose readings carry noise: growth must show in every part.

use super::level::{Levels, thirds};
use super::numbers::NUMBERS;
use super::robust::{Slope, Z_95, kendall, theil_sen};
use super::{Rate, Shape};

pub(super) fn judge(readings: &[i64]) -> (Shape, Rate) {
    let Some(overall) = theil_sen(readings) else {
        return (Shape::Flat, Rate::zero(false));
    };
    let unproven = Rate::within(overall.value, overall.low.min(0.0), overall.high);
    if kendall(readings).z < Z_95 {
        return (Shape::Flat, unproven);
    }
    if readings.len() < NUMBERS.fewest_estimated {
        return (Shape::Noisy, unproven);
    }
    // A significant trend alone proves nothing: a filled cache and a single step have one too.
    let parts = thirds(readings.len() - 1).map(|(a, b)| slope(&readings[a..=b]));
    let [first, _, last] = parts;
    let rate = Rate::within(overall.value, overall.low, overall.high);
    let everywhere = overall.low > 0.0 && parts.iter().all(|part| part.low > 0.0);
    if everywhere && Levels::of(readings).rise_throughout() {
        return if first.high < last.low {
            (Shape::Accelerating, rate)
        } else if last.value < first.value * NUMBERS.slowed {
            (Shape::Saturating, Rate::within(last.value, 0.0, last.high))
        } else {
            (Shape::Linear, rate)
        };
    }
    let at_end = Rate::within(last.value, last.low.min(0.0), last.high);
    let (before, after) = readings.split_at(largest_shift(readings));
    if slope(before).low <= 0.0 && slope(after).low <= 0.0 {
        return (Shape::Step, at_end);
    }
    if first.low > 0.0 {
        return (Shape::Saturating, at_end);
    }
    (Shape::Noisy, unproven)
}

/// Theil-Sen slope; one reading or none has slope zero.
fn slope(readings: &[i64]) -> Slope {
    theil_sen(readings).unwrap_or(Slope {
        value: 0.0,
        low: 0.0,
        high: 0.0,
    })
}

/// Where the level most likely shifted: the largest cumulative deviation from the mean (the CUSUM
/// estimate of a change point, Taylor 2000).
fn largest_shift(readings: &[i64]) -> usize {
    let origin = i128::from(readings[0]);
    let offsets = readings.iter().map(|&r| (i128::from(r) - origin) as f64);
    let mean = offsets.clone().sum::<f64>() / readings.len() as f64;
    let mut sum = 0.0;
    let mut largest = (0.0, 0);
    for (i, offset) in offsets.enumerate() {
        sum += offset - mean;
        if f64::abs(sum) > largest.0 {
            largest = (f64::abs(sum), i + 1);
        }
    }
    largest.1
}

#[cfg(test)]
mod tests {
    use super::super::samples::random;
    use super::super::{Exactness, Fit, fit};
    use super::*;
    use proptest::prelude::*;

    fn estimate(readings: &[i64]) -> Fit {
        fit(readings, Exactness::Estimate)
    }

    /// Adds noise of a standard deviation near 100: the sum of three uniform numbers.
    fn noisy(clean: impl Iterator<Item = i64>, seed: u64) -> Vec<i64> {
        let mut roll = random(201, seed);
        let mut uniform = move || roll() - 100;
        clean
            .map(|level| level + uniform() + uniform() + uniform())
            .collect()
    }

    #[test]
    fn shapes_of_noisy_series() {
        for seed in 1..=20 {
            let leak = estimate(&noisy((0..60).map(|i| 50 * i), seed));
            assert_eq!(leak.shape, Shape::Linear, "{seed}: {leak:?}");
            assert!((leak.rate.value - 50.0).abs() < 10.0, "{seed}: {leak:?}");
            let quadratic = estimate(&noisy((0..60).map(|i| 3 * i * (i + 5)), seed));
            assert_eq!(quadratic.shape, Shape::Accelerating, "{seed}");
            let filled = estimate(&noisy((0..60).map(|i| 50 * i.min(30)), seed));
            assert!(!filled.grows(), "{seed}: {filled:?}");
            let step = estimate(&noisy((0..60).map(|i| i / 25 % 2 * 3000), seed));
            assert!(!step.grows(), "{seed}: {step:?}");
            let sinking = estimate(&noisy((0..60).map(|i| -50 * i), seed));
            assert_eq!(sinking.shape, Shape::Flat, "{seed}");
            assert!(sinking.rate.interval.0 < -50.0 && sinking.rate.interval.1 < 0.0);
        }
    }

    #[test]
    fn a_clean_step_and_a_clean_cache_are_told_apart() {
        let step: Vec<i64> = (0..60).map(|i| i64::from(i >= 28) * 3000).collect();
        assert_eq!(estimate(&step).shape, Shape::Step);
        let cache: Vec<i64> = (0..60).map(|i| i.min(28) * 300).collect();
        assert_eq!(estimate(&cache).shape, Shape::Saturating);
    }

    #[test]
    fn slowing_growth_is_saturating() {
        let slowing: Vec<i64> = (0..60).map(|i| 200 * i - i * i).collect();
        assert_eq!(estimate(&slowing).shape, Shape::Saturating);
    }

    #[test]
    fn one_step_anywhere_is_no_growth() {
        for at in 0..60 {
            for seed in 1..=5 {
                let step = (0..60).map(|i| i64::from(i >= at) * 5000);
                assert!(!estimate(&noisy(step, seed)).grows(), "{at} {seed}");
            }
        }
    }

    #[test]
    fn steps_in_two_thirds_are_no_growth() {
        for seed in 1..=100 {
            let steps = (0..60).map(|i| (i64::from(i >= 10) + i64::from(i >= 50)) * 1000);
            assert!(!estimate(&noisy(steps, seed)).grows(), "{seed}");
        }
    }

    #[test]
    fn short_series_never_grow() {
        for n in 0..15 {
            assert!(!estimate(&(0..n).collect::<Vec<i64>>()).grows(), "{n}");
        }
    }

    #[test]
    fn the_largest_shift_is_the_step() {
        assert_eq!(largest_shift(&[5, 5, 5, 9, 9, 9, 9]), 3);
        assert_eq!(largest_shift(&[i64::MIN, i64::MAX, i64::MAX]), 1);
        let far = 1 << 60;
        assert_eq!(largest_shift(&[far, far, far + 4, far + 4, far + 4]), 2);
    }

    proptest! {
        #[test]
        fn a_constant_added_changes_nothing(
            readings in prop::collection::vec(0..500_i64, 0..60),
            constant in -1_000_000_000_i64..1_000_000_000,
        ) {
            let moved: Vec<i64> = readings.iter().map(|r| r + constant).collect();
            prop_assert_eq!(estimate(&readings), estimate(&moved));
        }

        #[test]
        fn sawteeth_never_grow(n in 15..80_i64, share in 2..6_i64, phase in 0..80_i64) {
            let period = n / share;
            let readings: Vec<i64> = (0..n).map(|i| (i + phase) % period * 64).collect();
            prop_assert!(!estimate(&readings).grows());
        }

        #[test]
        fn the_interval_holds_the_value(readings in prop::collection::vec(any::<i64>(), 0..60)) {
            let rate = estimate(&readings).rate;
            prop_assert!(rate.interval.0 <= rate.value && rate.value <= rate.interval.1);
        }
    }
}
