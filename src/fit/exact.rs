//! Shape rules for exact counters, where every unit is a fact: patterns first, statistics last.

use super::level::{Levels, from_first_rise, longest_gap, thirds, troughs};
use super::numbers::NUMBERS;
use super::pattern::{Pattern, majority};
use super::robust::{kendall, slope_rate};
use super::{Rate, Shape};

pub(super) fn judge(readings: &[i64]) -> (Shape, Rate) {
    let readings = from_first_rise(readings);
    let deltas = increments(readings);
    if deltas.iter().all(|&d| d == 0) {
        return (Shape::Flat, Rate::zero(true));
    }
    let levels = Levels::of(readings);
    if deltas.len() < 2 {
        return standing(&levels, readings);
    }
    if let Some(pattern) = Pattern::find(readings, &deltas) {
        return (pattern.shape(), pattern.rate(readings, &deltas));
    }
    // A cache that fills beside a steady leak, or a leak that began late. A series that ever
    // dropped may as well drop again.
    let half = deltas.len() / 2;
    if deltas.len() - half >= NUMBERS.fewest_irregular
        && deltas[..half].iter().all(|&d| d >= 0)
        && let Some(pattern) = Pattern::find(&readings[half..], &deltas[half..])
    {
        let rate = pattern.rate(&readings[half..], &deltas[half..]);
        return (pattern.shape(), rate);
    }
    if let Some(rate) = even(&deltas) {
        return (Shape::Linear, rate);
    }
    match falling(readings, &deltas) {
        Falls::Unimportant => {}
        Falls::Past(last) => return judge(&readings[last..]),
        Falls::Back => return (Shape::Flat, Rate::zero(false)),
        Falls::Unclear => return (Shape::Noisy, noisy(readings, 0.0)),
    }
    if deltas.len() < NUMBERS.fewest_irregular || !levels.rise_throughout() {
        return standing(&levels, readings);
    }
    rising(&levels, readings, &deltas)
}

/// Differences of neighbours, wide enough for any two readings.
fn increments(readings: &[i64]) -> Vec<i128> {
    readings
        .windows(2)
        .map(|pair| i128::from(pair[1]) - i128::from(pair[0]))
        .collect()
}

/// Large increments that are all but equal: a million objects, give or take one. Few of them must agree to a
/// hundredth, more to a tenth. The interval is their range; there is no statistic in so few.
fn even(deltas: &[i128]) -> Option<Rate> {
    let mut sorted = deltas.to_vec();
    sorted.sort_unstable();
    let (&least, &most) = (sorted.first()?, sorted.last()?);
    let share = if sorted.len() < 4 {
        NUMBERS.few_agree
    } else {
        NUMBERS.agree
    };
    let agree = least > 0 && (most - least).checked_mul(share)? <= least;
    agree.then(|| Rate::within(sorted[sorted.len() / 2] as f64, least as f64, most as f64))
}

/// What falls that undo the growth of many iterations say of a series.
enum Falls {
    /// There are none, or it grows all the same.
    Unimportant,
    /// The last one, at this reading, is so long ago that no other is to be waited for.
    Past(usize),
    /// It falls back to what it was.
    Back,
    /// It may or may not.
    Unclear,
}

/// A cache that is trimmed when it is full makes teeth, and where in a tooth the series ends is chance. So troughs are
/// compared with troughs.
fn falling(readings: &[i64], deltas: &[i128]) -> Falls {
    let troughs = troughs(readings);
    let Some((&first, &last)) = troughs.first().zip(troughs.last()) else {
        return Falls::Unimportant;
    };
    if readings.len() - 1 - last > 2 * longest_gap(&troughs) {
        return Falls::Past(last);
    }
    if troughs.len() < 2 {
        return if passes_its_peak(readings, last) {
            Falls::Past(last)
        } else {
            Falls::Unclear
        };
    }
    let rise = (i128::from(readings[last]) - i128::from(readings[first])) as f64;
    let in_teeth = deltas.iter().filter(|d| **d > 0).sum::<i128>() as f64 / deltas.len() as f64;
    let rises = || {
        let each = troughs.windows(2);
        let each = each.map(|pair| i128::from(readings[pair[1]]) - i128::from(readings[pair[0]]));
        let (least, most) = (each.clone().min(), each.max());
        let nearly_same = least
            .zip(most)
            .is_some_and(|(a, b)| 0 < a && b <= NUMBERS.nearly * a);
        troughs.len() >= NUMBERS.rising_troughs && nearly_same
    };
    if rise <= 0.0 {
        Falls::Back
    } else if 2.0 * rise >= in_teeth * (last - first) as f64 || rises() {
        Falls::Unimportant
    } else {
        Falls::Unclear
    }
}

/// Whether a series rose, since it fell at `trough`, higher than it was before, by half as much as it fell. What is trimmed
/// when it is full does not; something beside it may settle once.
fn passes_its_peak(readings: &[i64], trough: usize) -> bool {
    let (before, after) = readings.split_at(trough);
    let Some(((&peak, &lowest), &last)) =
        { before.iter().max() }.zip(after.first()).zip(after.last())
    else {
        return false;
    };
    let (peak, fall) = (i128::from(peak), i128::from(peak) - i128::from(lowest));
    after.len() > NUMBERS.fewest_irregular && i128::from(last) > peak + fall / 2
}

/// Series with a stretch in which nothing grew: flat, a step, filled up, or unclear.
fn standing(levels: &Levels, readings: &[i64]) -> (Shape, Rate) {
    let rises = levels.clean_rises();
    let Some(&last) = rises.last() else {
        return (Shape::Flat, Rate::zero(false));
    };
    let quiet = readings.len() - 1 - last;
    if rises.len() == 1 || rises.len() <= NUMBERS.few_rises && quiet >= 2 {
        return (Shape::Step, Rate::zero(false));
    }
    let early = rises.iter().filter(|&&i| i <= readings.len() / 3).count();
    if rises.len() > NUMBERS.few_rises
        && (quiet > longest_gap(&rises).max(1) || 2 * early > rises.len())
    {
        return (Shape::Saturating, Rate::zero(false));
    }
    (Shape::Noisy, noisy(readings, 0.0))
}

/// Series which grew in each of their thirds, but in no fixed pattern.
fn rising(levels: &Levels, readings: &[i64], deltas: &[i128]) -> (Shape, Rate) {
    if levels.stopped() {
        return (Shape::Saturating, Rate::zero(false));
    }
    let rates = levels.thirds();
    let slowest = rates.into_iter().fold(f64::INFINITY, f64::min);
    if accelerates(deltas) {
        return (Shape::Accelerating, slope_rate(readings));
    }
    if dwindles(deltas, rates) && !goes_on(&deltas[deltas.len() / 2..]) {
        return (Shape::Saturating, Rate::within(rates[2], 0.0, rates[2]));
    }
    if steady(deltas) {
        let slope = slope_rate(readings);
        let (low, high) = slope.interval;
        let value = majority(deltas.iter().copied()).map_or(slope.value, |(d, _)| d as f64);
        return (Shape::Linear, Rate::within(value, low, high));
    }
    (Shape::Noisy, noisy(readings, slowest))
}

/// The Theil-Sen slope; its interval reaches down at least to `slowest`, the rate of the slowest
/// third. Neighbouring readings are not independent, so the plain interval promises too much.
fn noisy(readings: &[i64], slowest: f64) -> Rate {
    let rate = slope_rate(readings);
    Rate::within(rate.value, rate.interval.0.min(slowest), rate.interval.1)
}

/// The increments rise clearly over the whole series and within both of its halves, so that
/// neither a late jump nor a late start is taken for acceleration.
fn accelerates(deltas: &[i128]) -> bool {
    let (early, late) = deltas.split_at(deltas.len() / 2);
    let half = |deltas| kendall(deltas).tau >= NUMBERS.in_each_half;
    kendall(deltas).z >= NUMBERS.clear_trend && half(early) && half(late)
}

/// The rises get rarer or smaller, as with a cache that meets ever fewer new keys.
///
/// Not so if they get larger, too: that is how one growing container is resized, whose long-run
/// rate is constant. With few resizes in sight the two cannot be told apart; such a series stays
/// noisy, with an interval down to its slowest third.
fn dwindles(deltas: &[i128], rates: [f64; 3]) -> bool {
    let is_rise = |d: &&i128| **d > 0;
    let [early, _, late] =
        thirds(deltas.len()).map(|(a, b)| deltas[a..b].iter().filter(is_rise).count());
    let z = kendall(deltas).z;
    let slower = rates[2] <= NUMBERS.dwindled * rates[0] && z <= -NUMBERS.no_trend;
    let rarer = 2 * late <= early && z < 0.0;
    let rises: Vec<i128> = deltas.iter().filter(is_rise).copied().collect();
    (slower || rarer) && kendall(&rises).z < NUMBERS.no_trend
}

/// Whether the last half rises evenly to the end: then large single rises before it (a table that was resized) are all
/// that made the first half faster. What runs dry has ever more increments of nothing, or ever smaller ones.
fn goes_on(late: &[i128]) -> bool {
    late.len() >= NUMBERS.fewest_irregular && steady(late) && kendall(late).z > -NUMBERS.no_trend
}

/// Whether three in four increments, or more, are within half of the median one.
fn steady(deltas: &[i128]) -> bool {
    let mut sorted = deltas.to_vec();
    sorted.sort_unstable();
    let median = sorted[sorted.len() / 2];
    let close = |d: &&i128| 2 * (*d - median).abs() <= median;
    let near = deltas.iter().filter(close).count();
    median > 0 && 4 * near >= 3 * deltas.len()
}

#[cfg(test)]
mod tests {
    use super::super::samples::{exact, random, repeated, series};
    use super::super::{Exactness, fit};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_falls_first_takes_nothing_from_what_rises_after_it() {
        for length in 5..40 {
            let rises = (1..=length).map(|nth| 3048 + 112 * nth);
            let readings: Vec<i64> = [5000, 3656, 3048].into_iter().chain(rises).collect();
            let (shape, rate) = judge(&readings);
            assert_eq!((shape, rate.value), (Shape::Linear, 112.0), "{length}");
        }
        let settles = [900, 500, 600, 600, 600, 600, 600, 600, 600];
        assert_eq!(judge(&settles).0, Shape::Step);
    }

    #[test]
    fn a_few_large_increments_may_differ_by_a_trifle() {
        let (shape, rate) = judge(&[0, 1_000_001, 2_000_001, 3_000_001]);
        assert_eq!(shape, Shape::Linear);
        assert!(!rate.exact && rate.interval == (1_000_000.0, 1_000_001.0));
        assert_ne!(judge(&[0, 100, 300, 400]).0, Shape::Linear);
        assert_ne!(judge(&[0, 1, 3, 4, 6]).0, Shape::Linear);
    }

    #[test]
    fn single_rises_before_a_steady_one_are_no_running_dry() {
        // The heap of a text that grows by 240 bytes, while two tables beside it find their size; chunks are multiples of
        // 16 bytes with a remainder now and then.
        let text = [
            544, 240, 752, 240, 240, 240, 240, 240, 240, 240, 240, 240, 256, 224, 240, 240,
        ];
        let (shape, rate) = judge(&series(text));
        assert_eq!((shape, rate.value), (Shape::Linear, 240.0));
        let filling = [
            9, 9, 9, 9, 9, 9, 9, 0, 9, 0, 9, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0, 0, 9, 0,
        ];
        assert_eq!(judge(&series(filling)).0, Shape::Saturating);
        let slowing = (0..24).map(|at| 1000 * (24 - at) / (24 + 3 * at));
        assert_eq!(judge(&series(slowing)).0, Shape::Saturating);
    }

    #[test]
    fn what_rises_above_where_it_fell_grows() {
        for at in 1..60 {
            let leak: Vec<i64> = (0..200)
                .map(|i| i * 96 - i64::from(i >= at) * 1024)
                .collect();
            let until = |end: i64| exact(&leak[..usize::try_from(end).unwrap()]);
            assert_eq!(until(200).shape, Shape::Linear, "{at}");
            assert_eq!(until(200).rate.value, 96.0, "{at}");
            // Ten iterations make up for what was let go of, and five more tell that it goes on.
            assert!(!(8..40).contains(&at) || !until(at + 14).grows(), "{at}");
            assert!(until(at + 17).grows(), "{at}");
        }
    }

    /// A cache of which `kept` remain when it holds `full`, at the rate of one an iteration.
    fn trimmed(full: i64, kept: i64, start: i64) -> impl Iterator<Item = i64> {
        (0..).scan(start, move |size, _: u32| {
            *size = if *size >= full { kept } else { *size + 1 };
            Some(*size * 102)
        })
    }

    #[test]
    fn a_trimmed_cache_does_not_grow_wherever_its_series_ends() {
        for start in 0..100 {
            for length in [100, 128, 150, 256, 300, 384] {
                // What comes after the first fall is a little larger.
                let mut fell = false;
                let sizes = trimmed(150, 100, start).take(length);
                let readings: Vec<i64> = sizes
                    .scan(0, |before, size| {
                        fell |= size < *before;
                        *before = size;
                        Some(size + i64::from(fell) * 1092)
                    })
                    .collect();
                let (shape, rate) = judge(&readings);
                let grows = fit(&readings, Exactness::Exact).grows();
                assert_ne!(grows, fell, "{start} {length} {shape:?} {rate:?}");
            }
        }
    }

    #[test]
    fn a_leak_beneath_teeth_is_growth() {
        for each in [3, 40, 102, 500] {
            let teeth = trimmed(60, 30, 20).take(384).zip(0..);
            let readings: Vec<i64> = teeth.map(|(size, i)| size + each * i).collect();
            assert!(fit(&readings, Exactness::Exact).grows(), "{each}");
        }
        // Beneath them something settles: the heap of a cache of Django's that drops a third when it is full.
        let mut level = 0;
        let settling: Vec<i64> = (0..770)
            .map(|i| {
                level += match i {
                    200 => 18_240,
                    _ if i > 200 && i % 100 == 50 => 1_000 - i,
                    _ => 0,
                };
                level + 128 * (i % 100)
            })
            .collect();
        assert!(!fit(&settling, Exactness::Exact).grows());
        // One large thing that is let go once.
        let once: Vec<i64> = (0..256).map(|i| i + if i < 60 { 900 } else { 0 }).collect();
        assert_eq!(judge(&once).0, Shape::Linear);
    }

    #[test]
    fn shapes_of_realistic_series() {
        let mut roll = random(40, 1);
        let mut seen = [false; 40];
        let random_keys = series((0..60).map(|_| {
            let known = std::mem::replace(&mut seen[roll() as usize], true);
            i64::from(!known) * 300
        }));
        let mut wobble = random(100, 1);
        let cases: &[(&str, Vec<i64>, Shape)] = &[
            ("constant", vec![7; 20], Shape::Flat),
            ("sinking", (0..20).map(|i| 50 - i).collect(), Shape::Flat),
            ("wobble", repeated(&[96, -96], 15), Shape::Flat),
            (
                "sawtooth",
                (0..50).map(|i| i % 16 * 64).collect(),
                Shape::Flat,
            ),
            ("ring", (0..40).map(|_| wobble()).collect(), Shape::Flat),
            (
                "import",
                series([0, 0, 5000, 0, 0, 0, 0, 0, 0, 0]),
                Shape::Step,
            ),
            (
                "late high",
                series([0, 0, 0, 0, 0, 0, 0, 0, 0, 9]),
                Shape::Step,
            ),
            (
                "two steps",
                series([0, 8, 0, 0, 0, 8, 0, 0, 0, 0, 0]),
                Shape::Step,
            ),
            (
                "filled",
                (0..40).map(|i| i.min(15) * 88).collect(),
                Shape::Saturating,
            ),
            (
                "full at 80 %",
                (0..60).map(|i| i.min(48) * 88).collect(),
                Shape::Saturating,
            ),
            ("random keys", random_keys, Shape::Saturating),
            ("leak", (0..30).map(|i| 96 * i).collect(), Shape::Linear),
            ("two increments", vec![0, 1 << 20, 2 << 20], Shape::Linear),
            (
                "moved buffer",
                series([
                    96, 96, 96, 95, 96, 96, 99, 96, 96, 96, 96, 96, 96, 96, 96, 96,
                ]),
                Shape::Linear,
            ),
            (
                "leak and index",
                series((0..40).map(|i| if i == 20 { 96 + 2048 } else { 96 })),
                Shape::Linear,
            ),
            (
                "uneven leak",
                series((0..40).map(|i| 80 + i * 7 % 40)),
                Shape::Linear,
            ),
            (
                "filling and leak",
                series((0..40).map(|i| if i < 15 { 400 } else { 96 })),
                Shape::Linear,
            ),
            (
                "every third",
                repeated(&[0, 0, 3], 6),
                Shape::Periodic { period: 3 },
            ),
            (
                "every other",
                repeated(&[1, 0], 6),
                Shape::Periodic { period: 2 },
            ),
            (
                "falling pattern",
                repeated(&[2, 1, 0, 0], 5),
                Shape::Periodic { period: 4 },
            ),
            (
                "wobbling leak",
                repeated(&[100, -99], 8),
                Shape::Periodic { period: 2 },
            ),
            (
                "tenth is large",
                repeated(&[1, 1, 1, 1, 1, 1, 1, 1, 1, 6], 4),
                Shape::Periodic { period: 10 },
            ),
            (
                "longer and longer",
                (0..30).map(|i| 8 * i * (i + 9)).collect(),
                Shape::Accelerating,
            ),
            (
                "aligned copies",
                series((0..30).map(|i| (56 + 8 * i) / 16 * 16)),
                Shape::Accelerating,
            ),
        ];
        for (name, readings, shape) in cases {
            let found = exact(readings);
            assert_eq!(found.shape, *shape, "{name}: {found:?}");
        }
    }

    #[test]
    fn a_change_of_rate_is_not_acceleration() {
        let found = exact(&series((0..40).map(|i| if i < 24 { 10 } else { 96 })));
        assert_eq!(found.shape, Shape::Noisy);
    }

    #[test]
    fn growth_that_stopped_just_now_is_saturating() {
        let even = series((0..40).map(|i| i64::from(i < 37) * 96));
        assert_eq!(exact(&even).shape, Shape::Saturating);
        let uneven = series((0..100).map(|i| i64::from(i < 95) * (80 + i * 7 % 40)));
        assert_eq!(exact(&uneven).shape, Shape::Saturating);
    }

    #[test]
    fn a_ramp_after_a_drop_may_drop_again() {
        let teeth: Vec<i64> = (0..60).map(|i| if i < 13 { i } else { i - 13 }).collect();
        assert!(!exact(&teeth[..32]).grows());
        // Not where it rose well above what it fell from.
        assert!(exact(&teeth[..33]).grows());
    }

    #[test]
    fn a_wobbling_leak_without_pattern_grows() {
        let mut wobble = random(100, 1);
        let readings: Vec<i64> = (0..60).map(|i| 10 * i + wobble()).collect();
        let found = exact(&readings);
        assert_eq!(found.shape, Shape::Noisy);
        assert!(found.grows() && found.rate.interval.0 <= 10.0 && found.rate.interval.1 >= 10.0);
    }

    #[test]
    fn a_resized_list_is_not_running_dry() {
        let sizes = |appends: i64| -> Vec<i64> {
            let mut capacity = 0;
            (1..=appends)
                .map(|length| {
                    if length > capacity {
                        capacity = (length + length / 8 + 6) / 4 * 4;
                    }
                    8 * capacity
                })
                .collect()
        };
        assert!(exact(&sizes(100)).grows());
        // Three or four resizes could as well be anything else.
        assert!(!exact(&sizes(20)).grows());
    }

    proptest! {
        #[test]
        fn rings_never_grow(ring in prop::collection::vec(0..1000_i64, 1..20), laps in 3..8_usize) {
            let found = exact(&ring.repeat(laps));
            prop_assert!(!found.grows(), "{found:?}");
        }

        #[test]
        fn sawteeth_never_grow(n in 6..80_i64, share in 2..6_i64, phase in 0..80_i64, tooth in 1..500_i64) {
            let period = (n / share).max(2);
            let readings: Vec<i64> = (0..n).map(|i| (i + phase) % period * tooth).collect();
            let found = exact(&readings);
            prop_assert!(!found.grows(), "{found:?}");
        }

        #[test]
        fn caches_filled_in_the_first_half_never_grow(
            filling in prop::collection::vec(0..1000_i64, 2..40),
            rest in 0..40_usize,
        ) {
            let idle = vec![0; filling.len() + rest];
            let found = exact(&series(filling.into_iter().chain(idle)));
            prop_assert!(!found.grows(), "{found:?}");
        }

    }
}
