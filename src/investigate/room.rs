//! How many iterations there is room for in a long run.

use super::{
    evidence::Evidence,
    growth::{affordable, bytes_per_iteration, rate},
    rules::Rules,
};
use crate::{fit, verdict::Counter};

/// How many iterations there is room for, going by what each left in the windows. What was let go of makes room.
pub(super) fn room(evidence: &Evidence, rules: &Rules) -> u32 {
    let windows = &evidence.windows;
    let fallen = |counter| {
        let readings = evidence.long_run.series.get(&counter);
        readings.map_or(0.0, |readings| fallen(readings) as f64)
    };
    let bytes = bytes_per_iteration(&windows.series, rules);
    let freed = fallen(Counter::Heap) + fallen(Counter::Blocks) * rules.block;
    { windows.fits.keys().copied() }
        .filter(|counter| counter.is_scarce())
        .map(|counter| {
            let each = rate(&windows.fits, counter);
            affordable(each, rules.long_run.resources + fallen(counter), rules)
        })
        .fold(
            affordable(bytes, rules.long_run.bytes + freed, rules),
            u32::min,
        )
}

/// Whether nothing is seen to grow, and something was let go of once: more iterations tell.
pub(super) fn fell_once(evidence: &Evidence) -> bool {
    let long_run = &evidence.long_run;
    let mut series = long_run.series.values();
    long_run.fits.is_empty() && series.any(|readings| fallen(readings) > 0)
}

/// Units that were let go of in single releases.
fn fallen(readings: &[i64]) -> i64 {
    let rebased = fit::rebased(readings);
    let ends = rebased.last().zip(readings.last());
    ends.map_or(0, |(risen, last)| risen.saturating_sub(*last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fit::Exactness,
        investigate::{evidence::Readings, growth::growing, rules::RULES},
        verdict::Series,
    };

    /// Descriptors, one more in each iteration, and nineteen fewer after the 46th.
    fn after(iterations: i64) -> Evidence {
        let readings = |range: std::ops::RangeInclusive<i64>| {
            let stands = |at| at - if at >= 46 { 20 } else { 0 };
            Series::from([(Counter::Fds, range.map(stands).collect())])
        };
        let read = |series: Series| Readings {
            count: 1,
            fits: growing(&series, |_| Exactness::Exact),
            series,
        };
        Evidence {
            windows: read(readings(0..=8)),
            long_run: read(readings(0..=iterations)),
            ..Evidence::default()
        }
    }

    #[test]
    fn what_was_let_go_of_makes_room() {
        assert_eq!(room(&after(40), &RULES), 64);
        assert_eq!(room(&after(64), &RULES), 83);
    }

    #[test]
    fn what_fell_once_is_open_until_it_passes_its_peak() {
        assert!(!fell_once(&after(40)));
        assert!(fell_once(&after(64)));
        // Growth is plain.
        assert!(!fell_once(&after(83)));
    }
}
