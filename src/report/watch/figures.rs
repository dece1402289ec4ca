//! The figures of a watched process as people read them, the same on the terminal and in the page.

use crate::{
    report::text::{brief, bytes, counted, number},
    watch::{
        look::ROOT,
        measure::Measure,
        summary::{End, Row, Summary},
        words::Word,
    },
};

/// Rows that the first line names.
const NAMED: usize = 3;

/// `private memory`, or the part of a sum: `file /srv/orders.db`.
pub fn name(row: &Row) -> String {
    let part = row.measure.part();
    if part.is_empty() {
        row.measure.sum().word().to_owned()
    } else {
        brief(&part)
    }
}

/// The same with the sum that it is a part of, where nothing else tells.
pub fn whole_name(row: &Row) -> String {
    match &row.measure {
        Measure::Kind(kind) => format!("{} ({})", row.measure.sum().word(), brief(kind)),
        Measure::Named(name) => format!("threads {}", brief(name)),
        _ => name(row),
    }
}

/// Whether it is a part of another row.
pub fn is_part(row: &Row) -> bool {
    !row.measure.part().is_empty()
}

/// A value of the row.
pub fn value(row: &Row, value: f64) -> String {
    if row.measure.is_bytes() {
        bytes(value)
    } else {
        number(value)
    }
}

/// `+3.1 MB` since the first look.
pub fn change(row: &Row) -> String {
    let change = row.change();
    let sign = if change > 0 { "+" } else { "" };
    format!("{sign}{}", value(row, change as f64))
}

/// A second, a minute or an hour: the shortest in which something whole comes.
fn unit(row: &Row) -> (f64, &'static str) {
    let minute = row.trend.rate.abs().max(row.trend.interval[1].abs()) * 60.0;
    if minute >= 1.0 {
        (60.0, "min")
    } else {
        (3600.0, "h")
    }
}

/// A rate in units a second, for so many seconds.
fn rounded(row: &Row, rate: f64, seconds: f64) -> String {
    let rate = rate * seconds;
    // Tenths of a thing say something of few only.
    if rate.abs() >= 10.0 || row.measure.is_bytes() {
        value(row, rate.round())
    } else {
        value(row, (rate * 10.0).round() / 10.0)
    }
}

/// `+3.0 MB/min`; empty of what rests, and where it is too early.
pub fn short_rate(row: &Row) -> String {
    if matches!(row.trend.word, Word::Rests | Word::Early) {
        return String::new();
    }
    let (seconds, unit) = unit(row);
    let sign = if row.trend.rate > 0.0 { "+" } else { "" };
    format!("{sign}{}/{unit}", rounded(row, row.trend.rate, seconds))
}

/// The same with its interval: `+3.0 MB/min (2.9 MB to 3.1 MB)`.
pub fn rate(row: &Row) -> String {
    let text = short_rate(row);
    let (seconds, _) = unit(row);
    let [low, high] = row.trend.interval.map(|rate| rounded(row, rate, seconds));
    if text.is_empty() || low == high {
        text
    } else {
        format!("{text} ({low} to {high})")
    }
}

/// The word, and how long a better one takes.
pub fn word(row: &Row) -> String {
    let word = row.trend.word.word();
    if row.trend.needs > 0.0 {
        format!("{word}, more in {}", clock(row.trend.needs))
    } else {
        word.to_owned()
    }
}

/// `43 s`, `1 min 20 s`, `2 h 5 min`.
pub fn clock(seconds: f64) -> String {
    // Whole, never negative, and no watch takes longer than this can hold.
    let seconds = seconds.ceil().max(0.0) as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// `7: python -m app, watched for 1 min, 30 looks`.
pub fn title(summary: &Summary) -> String {
    format!(
        "{}: {}, watched for {}, {}",
        summary.pid,
        brief(&summary.command),
        clock(summary.seconds),
        counted(summary.looks, "look")
    )
}

/// What it comes to, in a sentence.
pub fn outcome(summary: &Summary) -> String {
    let growing = summary.named();
    if growing.is_empty() {
        if !summary.is_evidence() {
            return match summary.end {
                None => format!("too early to say; more in {}", clock(summary.needs())),
                Some(_) => "too little was seen to say whether anything grows".to_owned(),
            };
        }
        let filling: Vec<String> = { summary.rows.iter() }
            .filter(|row| row.trend.word == Word::Fills)
            .take(NAMED)
            .map(|row| placed(summary, row, &whole_name(row)))
            .collect();
        return if filling.is_empty() {
            "nothing grows for certain".to_owned()
        } else {
            format!(
                "nothing grows for certain; {} more and more slowly, as what fills does",
                rise(&filling)
            )
        };
    }
    // Where all of it is in one kind of children, that is said once.
    let together = { growing.iter() }.all(|row| row.group == growing[0].group);
    let place = match summary.groups.get(growing[0].group) {
        Some(group) if together && growing[0].group != ROOT => format!(" in {}", brief(group)),
        _ => String::new(),
    };
    let named: Vec<String> = { growing.iter().take(NAMED) }
        .map(|row| {
            let text = format!("{} {}", whole_name(row), rate(row));
            if together {
                text
            } else {
                placed(summary, row, &text)
            }
        })
        .collect();
    let more = growing.len().saturating_sub(NAMED);
    let more = if more > 0 {
        format!(", and {more} more")
    } else {
        String::new()
    };
    format!("grows{place}: {}{more}", named.join(", "))
}

fn rise(names: &[String]) -> String {
    let verb = if names.len() == 1 { "rises" } else { "rise" };
    format!("{} {verb}", names.join(", "))
}

fn placed(summary: &Summary, row: &Row, text: &str) -> String {
    match summary.groups.get(row.group) {
        Some(group) if row.group != ROOT => format!("{text} in {}", brief(group)),
        _ => text.to_owned(),
    }
}

/// Why it is over, in a sentence; empty where that needs none.
pub fn ending(summary: &Summary) -> String {
    match &summary.end {
        Some(End::Process(how)) => format!("The process {}.", brief(how)),
        _ => String::new(),
    }
}

/// What to do with it.
pub fn advice(summary: &Summary) -> &'static str {
    if summary.growing().next().is_some() {
        "Write a test that does once what the service does all the time, and `leakcheck run` names the line and who keeps it: docs/watch.md."
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::words::trend;

    fn row(measure: Measure, readings: Vec<i64>) -> Row {
        Row {
            group: ROOT,
            measure,
            trend: trend(&readings, 2.0),
            period: 2.0,
            readings,
        }
    }

    #[test]
    fn rates_are_told_in_the_time_in_which_something_whole_comes() {
        let rises = row(Measure::Memory, (0..30).map(|at| at * 8192).collect());
        assert_eq!(rate(&rises), "+245.8 kB/min");
        assert_eq!(change(&rises), "+237.6 kB");
        let few = row(Measure::Threads, (0..300).map(|at| at / 10).collect());
        assert!(rate(&few).starts_with("+3/min"), "{}", rate(&few));
        assert_eq!(rate(&row(Measure::Threads, vec![5; 30])), "");
        let rare = Row {
            trend: trend(&(0..30).collect::<Vec<_>>(), 600.0),
            ..rises.clone()
        };
        assert!(rate(&rare).contains("/h"), "{}", rate(&rare));
    }

    #[test]
    fn times_read_well() {
        assert_eq!(clock(0.2), "1 s");
        assert_eq!(clock(60.0), "1 min");
        assert_eq!(clock(80.0), "1 min 20 s");
        assert_eq!(clock(7500.0), "2 h 5 min");
    }
}
