//! Rank statistics that a few wild readings cannot sway: Theil-Sen slope, Kendall's trend test.

use super::Rate;
use super::numbers::NUMBERS;
use std::cmp::Ordering;

/// 97.5 % quantile of the standard normal distribution: two-sided 95 %.
pub(super) const Z_95: f64 = 1.959_963_984_540_054;

/// A slope in units per iteration with its two-sided 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Slope {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

/// Kendall's trend of a series against time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Trend {
    /// Rank correlation tau-b: 1 rises always, -1 falls always, 0 no trend or all equal.
    pub tau: f64,
    /// How many standard deviations tau is away from "no trend", ties accounted for.
    pub z: f64,
}

/// Theil-Sen slope: the median of the slopes of all pairs of readings (Theil 1950, Sen 1968).
///
/// The interval is Sen's: the slopes at the ranks `(N ± z·σ)/2` of the N sorted slopes, with σ²
/// the variance of Kendall's S under "no trend", corrected for ties (Sen 1968, section 3).
/// `None` with fewer than two readings.
pub(super) fn theil_sen(readings: &[i64]) -> Option<Slope> {
    let points = thinned(readings);
    let mut slopes = Vec::with_capacity(points.len() * points.len() / 2);
    for (nth, &(i, a)) in points.iter().enumerate() {
        for &(j, b) in &points[nth + 1..] {
            let rise = (i128::from(b) - i128::from(a)) as f64;
            slopes.push(rise / (j - i) as f64);
        }
    }
    let last = slopes.len().checked_sub(1)?;
    slopes.sort_unstable_by(f64::total_cmp);

    let values: Vec<i64> = points.iter().map(|&(_, reading)| reading).collect();
    let reach = Z_95 * variance_of_s(&values).sqrt();
    let count = slopes.len() as f64;
    // Casts saturate at 0, which is the outermost slope: too few readings for 95 %.
    let low = (((count - reach) / 2.0).round_ties_even() - 1.0) as usize;
    let high = (((count + reach) / 2.0).round_ties_even() as usize).min(last);
    Some(Slope {
        value: f64::midpoint(slopes[last / 2], slopes[last.div_ceil(2)]),
        low: slopes[low],
        high: slopes[high],
    })
}

/// The Theil-Sen slope with its interval as a rate; zero if there is no pair of readings.
pub(super) fn slope_rate(readings: &[i64]) -> Rate {
    theil_sen(readings).map_or(Rate::zero(false), |slope| {
        Rate::within(slope.value, slope.low, slope.high)
    })
}

/// Kendall's tau-b of a series against time, and the Mann-Kendall z without continuity
/// correction (Kendall 1970, chapters 3 and 4: S divided by its tie-corrected deviation).
pub(super) fn kendall<T: Ord + Copy>(series: &[T]) -> Trend {
    let values: Vec<T> = thinned(series).into_iter().map(|(_, v)| v).collect();
    let mut s = 0_i64;
    let mut untied = 0_i64;
    for (i, a) in values.iter().enumerate() {
        for b in &values[i + 1..] {
            match b.cmp(a) {
                Ordering::Greater => (s, untied) = (s + 1, untied + 1),
                Ordering::Less => (s, untied) = (s - 1, untied + 1),
                Ordering::Equal => {}
            }
        }
    }
    if untied == 0 {
        return Trend { tau: 0.0, z: 0.0 };
    }
    let pairs = (values.len() * (values.len() - 1) / 2) as f64;
    Trend {
        tau: s as f64 / (pairs * untied as f64).sqrt(),
        z: s as f64 / variance_of_s(&values).sqrt(),
    }
}

/// Variance of Kendall's S when there is no trend: `(n(n-1)(2n+5) - Σ t(t-1)(2t+5)) / 18`, the
/// sum over groups of `t` equal values (Kendall 1970, chapter 4).
fn variance_of_s<T: Ord + Copy>(values: &[T]) -> f64 {
    let term = |n: usize| {
        let n = n as f64;
        n * (n - 1.0) * (2.0 * n + 5.0)
    };
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let ties: f64 = sorted.chunk_by(T::eq).map(|group| term(group.len())).sum();
    (term(values.len()) - ties) / 18.0
}

/// The values with their places in time, at most `points` of them, first and last included.
fn thinned<T: Copy>(series: &[T]) -> Vec<(usize, T)> {
    let count = series.len().min(NUMBERS.points);
    (0..count)
        .map(|nth| nth * (series.len() - 1) / (count - 1).max(1))
        .map(|i| (i, series[i]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Reference {
        series: &'static [i64],
        slope: Slope,
        trend: Trend,
    }

    // Computed with scipy 1.17.1 (numpy 2.4.6): stats.theilslopes(y, alpha=0.95), and
    // stats.kendalltau(t, y, method="asymptotic") with z = sign(tau) * norm.isf(p / 2).
    const REFERENCES: &[Reference] = &[
        Reference {
            series: &[0, 1, 2, 3, 4, 5, 6, 7],
            slope: Slope {
                value: 1.0,
                low: 1.0,
                high: 1.0,
            },
            trend: Trend {
                tau: 0.9999999999999998,
                z: 3.464101615137755,
            },
        },
        Reference {
            series: &[5, 3, 8, 6, 11, 9, 14, 12, 17, 15],
            slope: Slope {
                value: 1.5,
                low: 0.8,
                high: 1.5,
            },
            trend: Trend {
                tau: 0.7777777777777777,
                z: 3.1304951684997055,
            },
        },
        Reference {
            series: &[0, 0, 0, 0, 2048, 2048, 2048, 2048, 2048],
            slope: Slope {
                value: 292.57142857142856,
                low: 0.0,
                high: 512.0,
            },
            trend: Trend {
                tau: 0.7453559924999299,
                z: 2.449489742783178,
            },
        },
        Reference {
            series: &[100, 196, 292, 388, 487, 583, 679, 775, 871, 967, 3063, 3159],
            slope: Slope {
                value: 96.6,
                low: 96.0,
                high: 296.3,
            },
            trend: Trend {
                tau: 0.9999999999999998,
                z: 4.525788176736696,
            },
        },
        Reference {
            series: &[9, 7, 8, 3, 4, 1, 0, 2, -5, -4, -9],
            slope: Slope {
                value: -1.7142857142857142,
                low: -2.0,
                high: -1.1666666666666667,
            },
            trend: Trend {
                tau: -0.8181818181818182,
                z: -3.503245248726854,
            },
        },
        Reference {
            series: &[
                0, 9, 1, -9, 3, -5, 19, 48, 14, 15, 40, 40, 38, 20, 41, 59, 21, 42, 16, 31, 23, 58,
                41, 74,
            ],
            slope: Slope {
                value: 2.03125,
                low: 1.0,
                high: 3.272727272727273,
            },
            trend: Trend {
                tau: 0.5527309271587066,
                z: 3.772591089931099,
            },
        },
        Reference {
            series: &[1, 4, 2],
            slope: Slope {
                value: 0.5,
                low: -2.0,
                high: 3.0,
            },
            trend: Trend {
                tau: 0.33333333333333337,
                z: 0.5222329678670934,
            },
        },
    ];

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-9 * (1.0 + b.abs())
    }

    #[test]
    fn agrees_with_scipy() {
        for r in REFERENCES {
            let slope = theil_sen(r.series).unwrap();
            assert!(near(slope.value, r.slope.value), "{:?} {slope:?}", r.series);
            assert!(near(slope.low, r.slope.low), "{:?} {slope:?}", r.series);
            assert!(near(slope.high, r.slope.high), "{:?} {slope:?}", r.series);
            let trend = kendall(r.series);
            assert!(near(trend.tau, r.trend.tau), "{:?} {trend:?}", r.series);
            assert!(near(trend.z, r.trend.z), "{:?} {trend:?}", r.series);
        }
    }

    #[test]
    fn too_short_series() {
        assert_eq!(theil_sen(&[]), None);
        assert_eq!(theil_sen(&[7]), None);
        assert_eq!(kendall::<i64>(&[]), Trend { tau: 0.0, z: 0.0 });
        assert_eq!(kendall(&[7]), Trend { tau: 0.0, z: 0.0 });
        let two = theil_sen(&[7, 10]).unwrap();
        assert_eq!((two.low, two.value, two.high), (3.0, 3.0, 3.0));
    }

    #[test]
    fn long_series_are_thinned_end_to_end() {
        let series: Vec<i64> = (0..10_000).map(|i| 3 * i).collect();
        let points = thinned(&series);
        assert_eq!(points.len(), NUMBERS.points);
        assert_eq!(points[0], (0, 0));
        assert_eq!(points[NUMBERS.points - 1], (9_999, 29_997));
        let slope = theil_sen(&series).unwrap();
        assert_eq!((slope.low, slope.value, slope.high), (3.0, 3.0, 3.0));
    }

    #[test]
    fn extremes_do_not_overflow() {
        let slope = theil_sen(&[i64::MIN, i64::MAX, i64::MIN]).unwrap();
        assert!(slope.low < -1.8e19 && slope.value == 0.0 && slope.high > 1.8e19);
    }
}
