//! A curve in one line of text.

use super::text::number;

/// From low to high.
const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The readings as at most `cells` bars, the lowest reading the smallest bar. Each bar is the last reading of its part,
/// so that what grows ends high.
pub fn line(readings: &[i64], cells: usize) -> String {
    let (Some(&low), Some(&high)) = (readings.iter().min(), readings.iter().max()) else {
        return String::new();
    };
    // Readings are counts of a process, but a report may come from anywhere.
    let span = (i128::from(high) - i128::from(low)) as f64;
    sampled(readings, cells)
        .into_iter()
        .map(|reading| {
            let height = (i128::from(reading) - i128::from(low)) as f64;
            let step = if span > 0.0 {
                (height / span * 7.0).round()
            } else {
                0.0
            };
            // Between 0 and 7 by construction.
            STEPS[(step as usize).min(7)]
        })
        .collect()
}

/// At most `most` of the readings at even distances, the last one always among them.
pub fn sampled(readings: &[i64], most: usize) -> Vec<i64> {
    let count = readings.len().min(most);
    (1..=count)
        .map(|cell| readings[cell * readings.len() / count - 1])
        .collect()
}

/// The curve with what it comes to: `▁▃▅█ +96 in 32 iterations`. Where a counter stands at first says nothing of a test.
pub fn captioned(readings: &[i64], cells: usize) -> String {
    let (Some(first), Some(last)) = (readings.first(), readings.last()) else {
        return String::new();
    };
    let change = last.saturating_sub(*first);
    format!(
        "{} {}{} in {} iterations",
        line(readings, cells),
        if change > 0 { "+" } else { "" },
        number(change as f64),
        readings.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_ends_high_and_what_rests_is_flat() {
        assert_eq!(line(&[0, 1, 2, 3, 4, 5, 6, 7], 8), "▁▂▃▄▅▆▇█");
        assert_eq!(line(&[5, 5, 5], 8), "▁▁▁");
        assert_eq!(line(&[], 8), "");
        let long: Vec<i64> = (0..1000).collect();
        let text = line(&long, 20);
        assert_eq!(text.chars().count(), 20);
        assert!(text.ends_with('█') && text.starts_with('▁'));
    }

    #[test]
    fn extremes_do_not_overflow() {
        assert_eq!(line(&[i64::MIN, i64::MAX], 2), "▁█");
        assert_eq!(captioned(&[5, 9], 8), "▁█ +4 in 2 iterations");
        assert_eq!(
            captioned(&[i64::MAX, i64::MIN], 1).chars().next(),
            Some('▁')
        );
    }
}
