//! Looks one after the other: a series for each measure, as long as a watch may take.

use std::collections::BTreeMap;

use super::{look::Values, measure::Measure};

/// Readings of a series; of a longer one each second is dropped, and from then on each second look.
const MOST_READINGS: usize = 2048;
/// Series that are kept: whoever opens a file of another name each time makes one for each.
const MOST_SERIES: usize = 5000;

/// What was measured at the same moments, one after the other.
#[derive(Debug, Default)]
pub struct Series {
    times: Vec<f64>,
    tracks: BTreeMap<(usize, Measure), Vec<i64>>,
    /// Each how many-th look is kept.
    stride: usize,
    passed: usize,
    /// What was measured without being kept.
    dropped: bool,
}

impl Series {
    /// Adds what was seen `at` so many seconds after the beginning. What is not among it was not there: 0.
    pub fn add(&mut self, at: f64, mut values: Values) {
        self.passed += 1;
        if self.passed < self.stride {
            return;
        }
        self.passed = 0;
        for (key, readings) in &mut self.tracks {
            readings.push(values.remove(key).unwrap_or(0));
        }
        for (key, value) in values {
            if self.tracks.len() < MOST_SERIES {
                let mut readings = vec![0; self.times.len()];
                readings.push(value);
                self.tracks.insert(key, readings);
            } else {
                self.dropped = true;
            }
        }
        self.times.push(at);
        if self.times.len() >= MOST_READINGS {
            self.halve();
        }
    }

    /// Drops each second reading; the last one stays.
    fn halve(&mut self) {
        self.stride = 2 * self.stride.max(1);
        let kept = |at: usize| at % 2 == 1;
        let mut at = 0..;
        self.times.retain(|_| at.next().is_some_and(kept));
        for readings in self.tracks.values_mut() {
            let mut at = 0..;
            readings.retain(|_| at.next().is_some_and(kept));
        }
    }

    /// How many looks were kept.
    pub fn looks(&self) -> usize {
        self.times.len()
    }

    /// Seconds from one kept look to the next.
    pub fn period(&self) -> f64 {
        match (self.times.first(), self.times.last()) {
            (Some(first), Some(last)) if self.times.len() > 1 => {
                (last - first) / (self.times.len() - 1) as f64
            }
            _ => 0.0,
        }
    }

    /// Whether there was more to measure than is kept.
    pub fn is_cut(&self) -> bool {
        self.dropped
    }

    /// Each series, by kind of process and measure.
    pub fn tracks(&self) -> impl Iterator<Item = (usize, &Measure, &[i64])> {
        { self.tracks.iter() }.map(|((group, measure), readings)| (*group, measure, &**readings))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(Measure, i64)]) -> Values {
        pairs
            .iter()
            .map(|(measure, value)| ((0, measure.clone()), *value))
            .collect()
    }

    #[test]
    fn what_comes_later_was_not_there_before_and_what_is_gone_is_nothing() {
        let mut series = Series::default();
        let file = || Measure::Kind("file".into());
        series.add(0.0, values(&[(Measure::Memory, 5)]));
        series.add(2.0, values(&[(Measure::Memory, 6), (file(), 1)]));
        series.add(4.0, values(&[(Measure::Memory, 7)]));
        let tracks: Vec<_> = series.tracks().collect();
        assert_eq!(tracks[0], (0, &Measure::Memory, &[5, 6, 7][..]));
        assert_eq!(tracks[1], (0, &file(), &[0, 1, 0][..]));
        assert_eq!((series.looks(), series.period()), (3, 2.0));
    }

    #[test]
    fn a_watch_of_a_week_has_no_more_than_so_many_readings() {
        let mut series = Series::default();
        for at in 0..100_000 {
            series.add(
                f64::from(at) * 2.0,
                values(&[(Measure::Memory, i64::from(at))]),
            );
            assert!(series.looks() < MOST_READINGS);
        }
        // At even distances still, of those that are kept.
        let (_, _, readings) = series.tracks().next().unwrap();
        let steps: Vec<i64> = readings.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(steps.iter().all(|step| *step == steps[0]), "{steps:?}");
        assert!((series.period() - 2.0 * steps[0] as f64).abs() < 1e-9);
    }

    #[test]
    fn names_without_end_are_cut_off() {
        let mut series = Series::default();
        for at in 0..20_000 {
            series.add(
                f64::from(at),
                values(&[(Measure::Named(format!("{at}")), 1)]),
            );
        }
        assert!(series.is_cut() && series.tracks().count() == MOST_SERIES);
    }
}
