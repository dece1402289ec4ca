//! How a series moves, in one word, with its rate and the time that a claim still needs.

use crate::fit::{self, Exactness, Shape};

/// Readings that a trend is asked of; of longer series each so many-th. More hardly narrow its interval.
const ASKED: usize = 240;
/// As many as `fit` asks for before it calls anything growth.
const FEWEST: usize = 15;

/// How a series moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// Too few readings for any other word.
    Early,
    /// It stays where it is, comes back to it, sinks, or rose once.
    Rests,
    /// It goes up and down, or rises too unevenly for a word.
    Moves,
    /// It rises, and slower than it did: a cache that fills, a pool.
    Fills,
    /// It rises throughout, beyond chance: growth is certain.
    Rises,
}

impl Word {
    /// As reports have it.
    pub fn word(self) -> &'static str {
        match self {
            Word::Early => "too early",
            Word::Rests => "rests",
            Word::Moves => "moves",
            Word::Fills => "fills",
            Word::Rises => "rises",
        }
    }
}

/// What is said of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    /// How it moves.
    pub word: Word,
    /// How fast, in units a second, and the interval of 95 % around it.
    pub rate: f64,
    /// See `rate`.
    pub interval: [f64; 2],
    /// Seconds until more can be said; 0 where it is said.
    pub needs: f64,
}

/// What the readings, one each `period` seconds, allow to say.
pub fn trend(readings: &[i64], period: f64) -> Trend {
    let stride = readings.len().div_ceil(ASKED).max(1);
    // The last one is always among them.
    let skip = readings.len().saturating_sub(1) % stride;
    let asked: Vec<i64> = readings
        .iter()
        .copied()
        .skip(skip)
        .step_by(stride)
        .collect();
    let whole = fit::fit(&asked, Exactness::Estimate);
    let seconds = if period > 0.0 {
        period * stride as f64
    } else {
        1.0
    };
    let mut found = Trend {
        word: Word::Early,
        rate: whole.rate.value / seconds,
        interval: [
            whole.rate.interval.0 / seconds,
            whole.rate.interval.1 / seconds,
        ],
        needs: 0.0,
    };
    let length = period * readings.len() as f64;
    if readings.len() < FEWEST {
        found.needs = period * (FEWEST - readings.len()) as f64;
        return found;
    }
    found.word = match whole.shape {
        Shape::Flat | Shape::Step => Word::Rests,
        Shape::Saturating => Word::Fills,
        Shape::Noisy => Word::Moves,
        Shape::Linear | Shape::Accelerating | Shape::Periodic { .. } => Word::Rises,
    };
    match found.word {
        // What has begun to rise only in the second half of the watch rises all the same.
        Word::Moves | Word::Rests if asked.len() >= 2 * FEWEST => {
            let (before, after) = asked.split_at(asked.len() / 2);
            let late = fit::fit(after, Exactness::Estimate);
            if late.grows() && passes(before, after) {
                found.word = Word::Rises;
                found.rate = late.rate.value / seconds;
                found.interval = [
                    late.rate.interval.0 / seconds,
                    late.rate.interval.1 / seconds,
                ];
            }
        }
        _ => {}
    }
    if matches!(found.word, Word::Moves | Word::Fills) {
        // As when a test is judged: whether it ends shows in as long again.
        found.needs = length;
    }
    found
}

/// Whether a series has come far above where it was before: a saw's last tooth is no higher than the others.
fn passes(before: &[i64], after: &[i64]) -> bool {
    let (Some(highest), Some(first), Some(last)) =
        (before.iter().max(), after.first(), after.last())
    else {
        return false;
    };
    last.saturating_sub(*highest) > last.saturating_sub(*first) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(count: i64, level: impl Fn(i64) -> i64) -> Word {
        trend(&(0..count).map(level).collect::<Vec<i64>>(), 2.0).word
    }

    #[test]
    fn what_rises_fills_and_rests_has_its_word() {
        assert_eq!(word(14, |at| at), Word::Early);
        assert_eq!(word(30, |at| at * 4096), Word::Rises);
        assert_eq!(word(30, |_| 7), Word::Rests);
        assert_eq!(word(30, |at| 100 - at), Word::Rests);
        assert_eq!(word(30, |at| at.min(12) * 4096), Word::Fills);
        assert_eq!(word(60, |at| if at < 30 { 5 } else { 5000 }), Word::Rests);
        assert_eq!(word(60, |at| at % 10 * 64), Word::Rests);
        // Garbage that is collected now and then, once that was seen; whenever the watch begins.
        for begun in (0..50).step_by(5) {
            for looks in ((52 - begun)..130).step_by(4) {
                let found = word(looks, |at| (at + begun) % 50 * 64);
                assert_ne!(found, Word::Rises, "{begun} {looks}");
            }
        }
        // It began late.
        assert_eq!(word(80, |at| (at - 35).max(0) * 64), Word::Rises);
        // An import at the start hides no leak.
        assert_eq!(
            word(60, |at| at * 64 + i64::from(at > 0) * 100_000),
            Word::Rises
        );
    }

    #[test]
    fn rates_are_of_a_second_however_often_it_was_looked() {
        for (count, period) in [(30, 2.0), (300, 0.5), (2000, 60.0)] {
            let readings: Vec<i64> = (0..count).map(|at| at * 600).collect();
            let trend = trend(&readings, period);
            assert!((trend.rate - 600.0 / period).abs() < 1e-6, "{trend:?}");
            assert!(trend.interval[0] <= trend.rate && trend.rate <= trend.interval[1]);
        }
    }

    #[test]
    fn a_claim_says_how_long_it_still_needs() {
        assert_eq!(trend(&[1, 2, 3], 2.0).needs, 24.0);
        let rises: Vec<i64> = (0..30).collect();
        assert_eq!(trend(&rises, 2.0).needs, 0.0);
        let fills: Vec<i64> = (0..30).map(|at: i64| at.min(12)).collect();
        assert_eq!(trend(&fills, 2.0).needs, 60.0);
        assert_eq!(trend(&[], 0.0).needs, 0.0);
    }
}
