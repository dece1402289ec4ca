//! Series and comparisons which the tests of this module share.

use super::{Exactness, Fit, Rate, fit};

pub(super) fn exact(readings: &[i64]) -> Fit {
    fit(readings, Exactness::Exact)
}

/// Readings from 1000 on with these increments.
pub(super) fn series(deltas: impl IntoIterator<Item = i64>) -> Vec<i64> {
    let sums = deltas.into_iter().scan(1000, |level, delta| {
        *level += delta;
        Some(*level)
    });
    [1000].into_iter().chain(sums).collect()
}

pub(super) fn repeated(pattern: &[i64], times: usize) -> Vec<i64> {
    series(pattern.repeat(times))
}

/// Uniform numbers without a dependency: a linear congruential generator (Knuth's MMIX).
pub(super) fn random(below: i64, seed: u64) -> impl FnMut() -> i64 {
    let mut state = seed;
    move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as i64 % below
    }
}

pub(super) fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * (1.0 + a.abs().max(b.abs()))
}

pub(super) fn holds(rate: &Rate, value: f64) -> bool {
    let slack = 1e-9 * (1.0 + value.abs());
    rate.interval.0 <= value + slack && value <= rate.interval.1 + slack
}
