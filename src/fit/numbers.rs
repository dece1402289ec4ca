//! The numbers by which a series is judged, each with its unit and its reason.

use serde::{Deserialize, Serialize};
use std::sync::{LazyLock, OnceLock};

/// The numbers of the shapes and of the first look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Numbers {
    /// Longest pattern of increments looked for, in iterations.
    pub longest_period: usize,
    /// A pattern may fail in one of this many increments: a buffer moved, an index doubled.
    pub one_exception_in: usize,
    /// Both rank statistics look at every pair of readings; longer series are thinned to this many evenly spaced ones, which
    /// keeps the cost bounded and hardly widens the interval.
    pub points: usize,
    /// Fewest increments from which irregular growth is called growth.
    pub fewest_irregular: usize,
    /// Up to this many clean rises are single events rather than filling.
    pub few_rises: usize,
    /// Standard deviations from no trend below which one is not to be spoken of: one-sided 10 % of the normal distribution.
    pub no_trend: f64,
    /// Standard deviations at which acceleration is claimed, on clear evidence only: one-sided 0.1 %.
    pub clear_trend: f64,
    /// Kendall's tau of either half of what accelerates, at least.
    pub in_each_half: f64,
    /// Three large increments must agree to one such part, a hundredth,
    pub few_agree: i128,
    /// and more of them to a tenth.
    pub agree: i128,
    /// The last third of what runs dry has at most this part of the rate of the first.
    pub dwindled: f64,
    /// This many troughs, each above the one before by nearly the same, are growth beneath the teeth. What else settles in
    /// the meantime rises by ever less.
    pub rising_troughs: usize,
    /// The largest rise of a trough is at most this many times the smallest.
    pub nearly: i128,
    /// A fall undoes this many typical rises.
    pub fall: i128,
    /// One fall of a short series may be a single release,
    pub falls_seldom: usize,
    /// and in a longer one as many as one in so many readings.
    pub readings_per_fall: usize,
    /// Fewest readings of an estimate that can be called growth. Each third then has its own 95 % interval.
    pub fewest_estimated: usize,
    /// A last third of an estimate slower than the first by this factor is filling up. Noise hides the difference from the
    /// intervals long before it hides it from the slopes.
    pub slowed: f64,
    /// Increments of a first look that are looked at together. A leak in every 2nd, 3rd or 4th iteration rises at least once
    /// in any four increments in a row, wherever these begin.
    pub window: usize,
    /// Readings of the later looks: at the first, what rises in every iteration is a suspect; at the second, what rises now
    /// and then; the third ends the search.
    pub looks: [usize; 3],
    /// Increments that hold a leak in every 11th iteration.
    pub patient: usize,
}

/// The numbers that are used unless others are tried.
pub const USUAL: Numbers = Numbers {
    longest_period: 11,
    one_exception_in: 8,
    points: 500,
    fewest_irregular: 8,
    few_rises: 3,
    no_trend: 1.282,
    clear_trend: 3.09,
    in_each_half: 0.4,
    few_agree: 100,
    agree: 10,
    dwindled: 0.75,
    rising_troughs: 4,
    nearly: 2,
    fall: 8,
    falls_seldom: 1,
    readings_per_fall: 8,
    fewest_estimated: 15,
    slowed: 2.0 / 3.0,
    window: 4,
    looks: [10, 18, 34],
    patient: 11,
};

static OTHERS: OnceLock<Numbers> = OnceLock::new();

/// The numbers in use.
pub(super) static NUMBERS: LazyLock<Numbers> =
    LazyLock::new(|| OTHERS.get().cloned().unwrap_or(USUAL));

/// Has this process judge by others, to see what hangs on them. Comes too late once a series was judged.
pub fn try_others(numbers: Numbers) {
    let _ = OTHERS.set(numbers);
}
