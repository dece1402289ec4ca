//! Sustained levels: what a series never falls below again, and what it never exceeded before.

use super::numbers::NUMBERS;
use std::borrow::Cow;

/// The two monotone envelopes of a series. Growth has to lift both of them: a sawtooth lifts the
/// floor only in its last tooth and the peak only in its first, a filled cache neither at the end.
pub(super) struct Levels {
    /// `floor[i]` is the lowest of the readings from `i` on.
    floor: Vec<i64>,
    /// `peak[i]` is the highest of the readings up to `i`.
    peak: Vec<i64>,
}

impl Levels {
    pub(super) fn of(readings: &[i64]) -> Levels {
        let peak = readings
            .iter()
            .scan(i64::MIN, |top, &r| {
                *top = r.max(*top);
                Some(*top)
            })
            .collect();
        Levels {
            floor: floor(readings),
            peak,
        }
    }

    /// Units by which the series rose for good between two readings; never negative.
    pub(super) fn growth(&self, from: usize, to: usize) -> i128 {
        let lifted = |level: &[i64]| i128::from(level[to]) - i128::from(level[from]);
        lifted(&self.floor).min(lifted(&self.peak))
    }

    /// Units per iteration in each third of the series. Needs four readings.
    pub(super) fn thirds(&self) -> [f64; 3] {
        thirds(self.floor.len() - 1).map(|(a, b)| self.growth(a, b) as f64 / (b - a) as f64)
    }

    /// Whether every third rose for good, and in at least two iterations of it: three single steps
    /// may well fall into three thirds. Needs four readings.
    pub(super) fn rise_throughout(&self) -> bool {
        let peaks = self.new_peaks();
        thirds(self.floor.len() - 1).into_iter().all(|(a, b)| {
            let rises = peaks.iter().filter(|&&i| a < i && i <= b).count();
            rises >= 2 && self.growth(a, b) > 0
        })
    }

    /// The readings at which the series rose cleanly: all from there on lie above all before.
    pub(super) fn clean_rises(&self) -> Vec<usize> {
        (1..self.floor.len())
            .filter(|&i| self.floor[i] > self.peak[i - 1])
            .collect()
    }

    /// Whether new peaks failed to come for more than twice the longest pause between them.
    pub(super) fn stopped(&self) -> bool {
        let peaks = self.new_peaks();
        let quiet = self.peak.len() - 1 - peaks.last().copied().unwrap_or(0);
        quiet > 2 * longest_gap(&peaks)
    }

    /// The readings that were higher than all before them.
    pub(super) fn new_peaks(&self) -> Vec<usize> {
        (1..self.peak.len())
            .filter(|&i| self.peak[i] > self.peak[i - 1])
            .collect()
    }
}

/// Longest number of iterations from one rise to the next, the first counted from the start.
pub(super) fn longest_gap(rises: &[usize]) -> usize {
    let before = [0].into_iter().chain(rises.iter().copied());
    rises
        .iter()
        .zip(before)
        .map(|(rise, previous)| rise - previous)
        .max()
        .unwrap_or(0)
}

/// The readings to which a series fell from one iteration to the next, and by far more than it rises in one: where a
/// cache was trimmed.
pub(super) fn troughs(readings: &[i64]) -> Vec<usize> {
    let change = |i: usize| i128::from(readings[i]) - i128::from(readings[i - 1]);
    let mut rises: Vec<i128> = (1..readings.len()).map(change).filter(|&d| d > 0).collect();
    rises.sort_unstable();
    let Some(typical) = rises.get(rises.len() / 2) else {
        return Vec::new();
    };
    (1..readings.len())
        .filter(|&i| change(i) <= -NUMBERS.fall * typical)
        .collect()
}

/// Whether a series falls now and then by what many iterations had added.
pub fn falls_back(readings: &[i64]) -> bool {
    !troughs(readings).is_empty()
}

/// Most iterations in which a series climbed before it fell back, and the same from its last fall to its end; 0 of one that
/// does not fall back.
pub fn longest_climb(readings: &[i64]) -> usize {
    let mut ends = troughs(readings);
    if ends.is_empty() {
        return 0;
    }
    ends.push(readings.len() - 1);
    longest_gap(&ends).max(ends[0])
}

/// The series as it would be without its falls, where these are single releases: something is let go of in the 8th call,
/// and what is lost in every call goes on being lost. A fall begins a new base line, and takes nothing back. Left as it is
/// where it does not rise most of the time, where it falls often, and where two falls that follow each other end at about
/// the same height: that comes back.
pub fn rebased(readings: &[i64]) -> Cow<'_, [i64]> {
    let change = |i: usize| i128::from(readings[i]) - i128::from(readings[i - 1]);
    let steps = 1..readings.len();
    // What falls before anything rose, in the first iteration most often, is nothing that was gathered. What falls in
    // several steps, with no rise between them, falls once: five connections that are trimmed one after the other.
    let mut falls: Vec<(usize, i128)> = Vec::new();
    let (mut falling, mut lower) = (false, 0);
    for i in steps.clone().skip_while(|&i| change(i) <= 0) {
        let by = change(i);
        match falls.last_mut() {
            Some((end, fell)) if falling && by < 0 => (*end, *fell) = (i, *fell + by),
            _ if by < 0 => falls.push((i, by)),
            _ => {}
        }
        falling = by < 0 || falling && by == 0;
        lower += usize::from(by < 0);
    }
    let rises = steps.clone().filter(|&i| change(i) > 0).count();
    let single = falls.windows(2).all(|pair| {
        let [(one, fell), (other, fell_then)] = [pair[0], pair[1]];
        let apart = i128::from(readings[other]) - i128::from(readings[one]);
        2 * apart.abs() > fell.max(fell_then).abs()
    });
    let seldom = lower
        <= NUMBERS
            .falls_seldom
            .max(steps.len() / NUMBERS.readings_per_fall);
    if falls.is_empty() || 2 * rises <= steps.len() || !single || !seldom {
        return Cow::Borrowed(readings);
    }
    let mut lifted = readings.to_vec();
    for i in steps {
        let by = change(i).max(0);
        lifted[i] = i64::try_from(i128::from(lifted[i - 1]) + by).unwrap_or(i64::MAX);
    }
    Cow::Owned(lifted)
}

/// The series from where it first rises, where it fell before that and enough is left: what a first iteration lets go of was
/// there before, and what rises after it is growth, however far below. A leak of 112 B an iteration after a fall of 2 kB
/// takes 18 iterations to come back to where it began.
pub fn from_first_rise(readings: &[i64]) -> &[i64] {
    let rise = readings.windows(2).position(|pair| pair[1] > pair[0]);
    match rise.map(|at| (at, &readings[at..])) {
        Some((at, rest)) if readings[at] < readings[0] && rest.len() > NUMBERS.window => rest,
        _ => readings,
    }
}

/// Most iterations that passed from one new high of `readings` to the next.
pub fn longest_pause(readings: &[i64]) -> usize {
    let readings = from_first_rise(readings);
    let peaks = Levels::of(readings).new_peaks();
    longest_gap(&peaks)
}

/// `floor[i]` is the lowest of the readings from `i` on.
pub(super) fn floor(readings: &[i64]) -> Vec<i64> {
    let mut floor = readings.to_vec();
    for i in (1..floor.len()).rev() {
        floor[i - 1] = floor[i - 1].min(floor[i]);
    }
    floor
}

/// First and last reading of each third of a series of `steps` increments.
pub(super) fn thirds(steps: usize) -> [(usize, usize); 3] {
    let (a, b) = (steps / 3, steps * 2 / 3);
    [(0, a), (a, b), (b, steps)]
}

/// The last reading that was higher than all before it.
pub(super) fn last_new_peak(readings: &[i64]) -> Option<usize> {
    Levels::of(readings).new_peaks().last().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_series_rises_everywhere() {
        let levels = Levels::of(&[0, 2, 4, 6, 8, 10, 12]);
        assert_eq!(levels.thirds(), [2.0; 3]);
        assert_eq!(levels.clean_rises(), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn a_sawtooth_has_a_third_without_growth() {
        for period in 2..=20 {
            let teeth: Vec<i64> = (0..30).map(|i| i % period).collect();
            let levels = Levels::of(&teeth);
            assert!(levels.thirds().contains(&0.0), "period {period}");
            assert!(levels.clean_rises().is_empty(), "period {period}");
        }
    }

    #[test]
    fn the_longest_climb_is_from_one_fall_to_the_next() {
        let teeth =
            |period: i64, count: i64| -> Vec<i64> { (0..count).map(|i| i % period).collect() };
        assert_eq!(longest_climb(&teeth(20, 90)), 20);
        // The first may be longer than those after it, and the last may not be over.
        assert_eq!(longest_climb(&[teeth(50, 50), teeth(20, 60)].concat()), 50);
        assert_eq!(longest_climb(&[teeth(20, 40), teeth(50, 45)].concat()), 44);
        assert_eq!(longest_climb(&teeth(90, 90)), 0);
        assert_eq!(longest_climb(&[]), 0);
    }

    #[test]
    fn growth_has_to_lift_floor_and_peak() {
        assert_eq!(Levels::of(&[0, 3, 0, 1, 2, 3]).growth(2, 5), 0);
        assert_eq!(Levels::of(&[0, 1, 2, 3, 0, 3]).growth(0, 3), 0);
        assert_eq!(Levels::of(&[0, 3, 2, 5, 4, 7]).growth(0, 5), 7);
    }

    #[test]
    fn a_trough_is_far_below_what_came_before() {
        let teeth: Vec<i64> = (0..60).map(|i| i % 20 * 3).collect();
        assert_eq!(troughs(&teeth), [20, 40]);
        assert!(falls_back(&teeth));
        for smooth in [&[0, 3, 0, 3, 0][..], &[9, 5, 0], &[0, 1, 2, 3], &[5], &[]] {
            assert!(!falls_back(smooth), "{smooth:?}");
        }
    }

    #[test]
    fn a_single_release_takes_nothing_back() {
        for at in 2..20 {
            let leak: Vec<i64> = (0..40)
                .map(|i| i * 96 - i64::from(i >= at) * 1024)
                .collect();
            let lifted = rebased(&leak);
            assert!(lifted.windows(2).all(|pair| pair[1] >= pair[0]), "{at}");
            assert_eq!(lifted[39] - lifted[0], 38 * 96, "{at}");
        }
        // Two releases of different sizes.
        let twice = |i: i64| i * 96 - i64::from(i >= 8) * 1024 - i64::from(i >= 20) * 8192;
        let twice: Vec<i64> = (0..40).map(twice).collect();
        assert_eq!(rebased(&twice)[39] - twice[0], 37 * 96);
        // What the first iteration let go of counts for nothing.
        let first = rebased(&[630, 0, 1, 2, 3, 4, 5, 6, 7, -34]);
        assert_eq!(first[9] - first[0], 7);
        let same = |readings: &[i64]| assert_eq!(&*rebased(readings), readings);
        for period in 3..12 {
            same(&(0..40).map(|i| i % period * 96).collect::<Vec<i64>>());
        }
        // A pool of five connections, each of which lets go of its 200 cursors, one after the other.
        let trimmed = |i: i64| i % 1000 - (i % 1000 - 994).max(0) * 199;
        same(&(0..6000).map(trimmed).collect::<Vec<i64>>());
        same(&[0, 5, 5, 3, 3]);
        same(&[0, 96, 0, 96, 0]);
        same(&[9, 5, 0]);
        same(&[0, 1, 2, 3]);
        same(&[]);
    }

    #[test]
    fn last_peak_is_the_first_to_reach_the_top() {
        assert_eq!(last_new_peak(&[1, 5, 3, 5, 4]), Some(1));
        assert_eq!(last_new_peak(&[5, 4, 3]), None);
        assert_eq!(last_new_peak(&[]), None);
    }

    #[test]
    fn limits_of_the_integer_range_do_not_overflow() {
        assert_eq!(
            *rebased(&[0, i64::MAX, i64::MIN, 0, i64::MAX]),
            [0, i64::MAX, i64::MAX, i64::MAX, i64::MAX]
        );
        let levels = Levels::of(&[i64::MIN, i64::MAX]);
        assert_eq!(levels.growth(0, 1), i128::from(u64::MAX));
    }
}
