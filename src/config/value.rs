//! Reads one value of a setting, with the same rules for a file and for the command line.

use std::fmt;
use std::time::Duration;

use super::{Choice, Runner, Stance};

/// A value as a file or the command line gives it, before it is known to make sense.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scalar<'a> {
    /// Text.
    Text(&'a str),
    /// A whole number.
    Whole(i64),
    /// A number with a fraction.
    Real(f64),
    /// True or false.
    Flag(bool),
    /// Anything else: a list, a table, a date, a number too large to hold.
    Other,
}

/// A value that a setting cannot take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// What the setting takes.
    pub expected: &'static str,
    /// What exactly is wrong, where `expected` does not say it.
    pub detail: Option<String>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", self.expected)?;
        match &self.detail {
            Some(detail) => write!(f, " ({detail})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Mismatch {}

/// What reads a setting.
pub type Reader<T> = fn(Scalar<'_>) -> Result<T, Mismatch>;

/// Makes a `value_parser` for the command line out of one of the readers below.
pub fn from_argument<T>(
    read: Reader<T>,
) -> impl Fn(&str) -> Result<T, Mismatch> + Clone + Send + Sync {
    move |argument| {
        let whole = argument.parse().map(Scalar::Whole);
        let number = whole.or_else(|_| argument.parse().map(Scalar::Real));
        read(number.unwrap_or(Scalar::Text(argument)))
    }
}

/// Which runner.
pub fn runner(value: Scalar<'_>) -> Result<Choice<Runner>, Mismatch> {
    match value {
        Scalar::Text("auto") => Ok(Choice::Auto),
        Scalar::Text("pytest") => Ok(Choice::Given(Runner::Pytest)),
        Scalar::Text("unittest") => Ok(Choice::Given(Runner::Unittest)),
        Scalar::Text("command") => Ok(Choice::Given(Runner::Command)),
        _ => Err(mismatch(
            "\"auto\", \"pytest\", \"unittest\" or \"command\"",
        )),
    }
}

/// What it means that there is something, such as garbage in cycles.
pub fn stance(value: Scalar<'_>) -> Result<Stance, Mismatch> {
    match value {
        Scalar::Text("warn") => Ok(Stance::Warn),
        Scalar::Text("deny") => Ok(Stance::Deny),
        Scalar::Text("allow") => Ok(Stance::Allow),
        _ => Err(mismatch("\"warn\", \"deny\" or \"allow\"")),
    }
}

/// How many processes at a time.
pub fn jobs(value: Scalar<'_>) -> Result<Choice<usize>, Mismatch> {
    let expected = "a whole number of at least 1, or \"auto\"";
    match value {
        Scalar::Text("auto") => Ok(Choice::Auto),
        _ => whole(value, 1, i64::from(u32::MAX), expected).map(Choice::Given),
    }
}

/// Iterations that are not judged.
pub fn warmup(value: Scalar<'_>) -> Result<u32, Mismatch> {
    whole(value, 1, 100, "a whole number from 1 to 100")
}

/// Whole days; 0 where there is no end.
pub fn days(value: Scalar<'_>) -> Result<u32, Mismatch> {
    whole(value, 0, 3650, "a whole number of days from 0 to 3650")
}

/// Judged iterations.
pub fn iterations(value: Scalar<'_>) -> Result<Choice<u32>, Mismatch> {
    let expected = "a whole number from 3 to 100000, or \"auto\"";
    match value {
        Scalar::Text("auto") => Ok(Choice::Auto),
        _ => whole(value, 3, 100_000, expected).map(Choice::Given),
    }
}

/// A share of all, from 0 to 1.
pub fn share(value: Scalar<'_>) -> Result<f64, Mismatch> {
    let share = match value {
        Scalar::Real(real) => real,
        Scalar::Whole(0) => 0.0,
        Scalar::Whole(1) => 1.0,
        _ => f64::NAN,
    };
    if (0.0..=1.0).contains(&share) {
        Ok(share)
    } else {
        Err(mismatch("a number from 0 to 1"))
    }
}

/// Yes or no.
pub fn flag(value: Scalar<'_>) -> Result<bool, Mismatch> {
    match value {
        Scalar::Flag(flag) => Ok(flag),
        _ => Err(mismatch("true or false")),
    }
}

/// Yes, no, or as it is best.
pub fn flag_or_auto(value: Scalar<'_>) -> Result<Choice<bool>, Mismatch> {
    match value {
        Scalar::Text("auto") => Ok(Choice::Auto),
        Scalar::Flag(flag) => Ok(Choice::Given(flag)),
        _ => Err(mismatch("true, false or \"auto\"")),
    }
}

/// A length of time.
pub fn duration(value: Scalar<'_>) -> Result<Choice<Duration>, Mismatch> {
    const EXPECTED: &str =
        "a duration such as \"90s\", \"10m\" or \"1h30m\", a number of seconds, or \"auto\"";
    let seconds = match value {
        Scalar::Text("auto") => return Ok(Choice::Auto),
        Scalar::Text(text) => seconds(text).map_err(|detail| detailed(EXPECTED, detail))?,
        Scalar::Whole(whole) => whole as f64,
        Scalar::Real(real) => real,
        _ => return Err(mismatch(EXPECTED)),
    };
    // A year is more than any run, and little enough to be added to a clock without overflow.
    if seconds > 365.0 * 86_400.0 {
        return Err(detailed(EXPECTED, "longer than a year".into()));
    }
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() => Ok(Choice::Given(duration)),
        _ => Err(detailed(EXPECTED, "it must be longer than nothing".into())),
    }
}

/// An amount of memory, in bytes.
pub fn size(value: Scalar<'_>) -> Result<Choice<u64>, Mismatch> {
    const EXPECTED: &str = "a size such as \"2GB\" or \"512MiB\", a number of bytes, or \"auto\"";
    const LEAST: f64 = 67_108_864.0;
    const MOST: f64 = 1e15;
    let bytes = match value {
        Scalar::Text("auto") => return Ok(Choice::Auto),
        Scalar::Text(text) => bytes(text).map_err(|detail| detailed(EXPECTED, detail))?,
        Scalar::Whole(whole) => whole as f64,
        _ => return Err(mismatch(EXPECTED)),
    };
    if !(LEAST..=MOST).contains(&bytes) {
        // A bare `memory = 2` is more likely meant as gigabytes than as a process of two bytes.
        return Err(detailed(
            EXPECTED,
            "it must be at least 64MiB and at most 1000TB".into(),
        ));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range was checked"
    )]
    Ok(Choice::Given(bytes as u64))
}

fn mismatch(expected: &'static str) -> Mismatch {
    Mismatch {
        expected,
        detail: None,
    }
}

fn detailed(expected: &'static str, detail: String) -> Mismatch {
    Mismatch {
        expected,
        detail: Some(detail),
    }
}

fn whole<T: TryFrom<i64>>(
    value: Scalar<'_>,
    least: i64,
    most: i64,
    expected: &'static str,
) -> Result<T, Mismatch> {
    match value {
        Scalar::Whole(whole) if (least..=most).contains(&whole) => {
            T::try_from(whole).map_err(|_| mismatch(expected))
        }
        _ => Err(mismatch(expected)),
    }
}

/// Seconds in text such as `1h30m`, `2.5 s` or `90`.
fn seconds(text: &str) -> Result<f64, String> {
    const UNITS: [(&str, f64); 4] = [("h", 3600.0), ("m", 60.0), ("s", 1.0), ("ms", 0.001)];
    let mut rest = text.trim();
    if let Some(seconds) = plain_number(rest) {
        return Ok(seconds);
    }
    let mut total = 0.0;
    // Units must get smaller from part to part, so that a slip such as `1m1m` is not added up.
    let mut allowed = 0;
    while !rest.is_empty() {
        let (amount, unit, after) = part(rest)?;
        let Some(index) = UNITS.iter().position(|(name, _)| *name == unit) else {
            return Err(bad_unit(unit, "h, m, s and ms"));
        };
        if index < allowed {
            return Err(format!("`{unit}` is out of place"));
        }
        allowed = index + 1;
        total += amount * UNITS[index].1;
        rest = after.trim_start();
    }
    Ok(total)
}

/// Bytes in text such as `2GB`, `1.5 GiB` or `1000000`.
fn bytes(text: &str) -> Result<f64, String> {
    const UNITS: [(&str, f64); 9] = [
        ("b", 1.0),
        ("kb", 1e3),
        ("mb", 1e6),
        ("gb", 1e9),
        ("tb", 1e12),
        ("kib", 1024.0),
        ("mib", 1_048_576.0),
        ("gib", 1_073_741_824.0),
        ("tib", 1_099_511_627_776.0),
    ];
    let text = text.trim();
    if let Some(bytes) = plain_number(text) {
        return Ok(bytes);
    }
    let (amount, unit, after) = part(text)?;
    if !after.is_empty() {
        return Err("one number with one unit".into());
    }
    let wanted = unit.to_ascii_lowercase();
    match UNITS.iter().find(|(name, _)| *name == wanted) {
        Some((_, factor)) => Ok(amount * factor),
        // `G` alone is 10⁹ to some programs and 2³⁰ to others.
        None => Err(bad_unit(unit, "B, kB, MB, GB, TB, KiB, MiB, GiB and TiB")),
    }
}

/// Digits and at most a fraction: no sign, exponent, `inf` or `nan`, which `f64` would also take.
fn plain_number(text: &str) -> Option<f64> {
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse().ok().filter(|_| plain)
}

/// A number, the unit behind it, and what follows.
fn part(text: &str) -> Result<(f64, &str, &str), String> {
    let (number, rest) = split_while(text, |c| c.is_ascii_digit() || c == '.');
    let (unit, rest) = split_while(rest.trim_start(), |c| {
        !(c.is_ascii_digit() || c.is_whitespace())
    });
    match plain_number(number) {
        Some(amount) => Ok((amount, unit, rest)),
        None if number.is_empty() => Err("it must begin with a number".into()),
        None => Err(format!("`{number}` is not a number")),
    }
}

fn split_while(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

fn bad_unit(unit: &str, known: &str) -> String {
    if unit.is_empty() {
        return format!("the unit is missing; there are {known}");
    }
    format!(
        "unknown unit `{}`; there are {known}",
        super::text::excerpt(unit, 20)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argument<T>(read: Reader<T>, text: &str) -> Result<T, String> {
        from_argument(read)(text).map_err(|mismatch| mismatch.to_string())
    }

    #[test]
    fn durations_take_units_that_get_smaller_or_plain_seconds() {
        let table = [
            ("90s", 90.0),
            ("10m", 600.0),
            ("1h30m", 5400.0),
            ("1h 30m 5s", 5405.0),
            ("2 m", 120.0),
            ("1.5h", 5400.0),
            ("250ms", 0.25),
            ("45", 45.0),
            ("0.5", 0.5),
            (" 7s ", 7.0),
        ];
        for (text, seconds) in table {
            let expected = Ok(Choice::Given(Duration::from_secs_f64(seconds)));
            assert_eq!(duration(Scalar::Text(text)), expected, "{text}");
            assert_eq!(
                argument(duration, text.trim()),
                expected.map_err(|_| String::new()),
                "{text}"
            );
        }
        assert_eq!(argument(duration, "auto"), Ok(Choice::Auto));
    }

    #[test]
    fn a_bad_duration_says_what_is_bad_about_it() {
        let table = [
            ("", "longer than nothing"),
            ("0", "longer than nothing"),
            ("0s", "longer than nothing"),
            ("-5", "longer than nothing"),
            ("nan", "longer than nothing"),
            ("inf", "longer than a year"),
            ("9000h", "longer than a year"),
            (
                "10parsecs",
                "unknown unit `parsecs`; there are h, m, s and ms",
            ),
            ("1m30", "the unit is missing"),
            ("30m1h", "`h` is out of place"),
            ("1m1m", "`m` is out of place"),
            ("soon", "begin with a number"),
            ("-5s", "begin with a number"),
            ("1.2.3s", "`1.2.3` is not a number"),
            ("5\u{1b}[31m", "unknown unit `\\u{1b}[`"),
        ];
        for (text, expected) in table {
            let message = argument(duration, text).expect_err(text);
            assert!(message.contains(expected), "{text}: {message}");
            assert!(
                message.starts_with("expected a duration such as "),
                "{message}"
            );
        }
    }

    #[test]
    fn sizes_take_decimal_and_binary_units_or_plain_bytes() {
        let table = [
            ("2GB", 2_000_000_000),
            ("512MiB", 536_870_912),
            ("1.5 gib", 1_610_612_736),
            ("100mb", 100_000_000),
            ("1TiB", 1_099_511_627_776),
            ("65536KiB", 67_108_864),
            ("80000kB", 80_000_000),
            ("70000000B", 70_000_000),
            ("70000000", 70_000_000),
            ("1TB", 1_000_000_000_000),
        ];
        for (text, bytes) in table {
            assert_eq!(size(Scalar::Text(text)), Ok(Choice::Given(bytes)), "{text}");
            assert_eq!(argument(size, text), Ok(Choice::Given(bytes)), "{text}");
        }
        assert_eq!(argument(size, "auto"), Ok(Choice::Auto));
    }

    #[test]
    fn a_bad_size_says_what_is_bad_about_it() {
        let table = [
            ("2", "at least 64MiB"),
            ("67108863", "at least 64MiB"),
            ("2000TB", "at most 1000TB"),
            ("-1", "at least 64MiB"),
            ("2G", "unknown unit `G`"),
            ("2GB 1MB", "one number with one unit"),
            ("lots", "begin with a number"),
            ("2.5", "expected a size"),
        ];
        for (text, expected) in table {
            let message = argument(size, text).expect_err(text);
            assert!(message.contains(expected), "{text}: {message}");
        }
    }

    #[test]
    fn numbers_are_held_to_their_ranges() {
        for (text, good) in [
            ("1", true),
            ("64", true),
            ("0", false),
            ("-1", false),
            ("1.5", false),
            ("x", false),
        ] {
            assert_eq!(argument(jobs, text).is_ok(), good, "jobs {text}");
        }
        for (text, good) in [
            ("1", true),
            ("100", true),
            ("0", false),
            ("101", false),
            ("auto", false),
        ] {
            assert_eq!(argument(warmup, text).is_ok(), good, "warmup {text}");
        }
        for (text, good) in [
            ("3", true),
            ("100000", true),
            ("auto", true),
            ("2", false),
            ("100001", false),
        ] {
            assert_eq!(
                argument(iterations, text).is_ok(),
                good,
                "iterations {text}"
            );
        }
        for (text, good) in [
            ("0", true),
            ("1", true),
            ("0.95", true),
            ("1.01", false),
            ("-0.1", false),
            ("nan", false),
            ("2", false),
        ] {
            assert_eq!(argument(share, text).is_ok(), good, "share {text}");
        }
    }

    #[test]
    fn runners_go_by_their_names_only() {
        assert_eq!(argument(runner, "auto"), Ok(Choice::Auto));
        for wanted in [Runner::Pytest, Runner::Unittest, Runner::Command] {
            assert_eq!(argument(runner, wanted.name()), Ok(Choice::Given(wanted)));
        }
        assert_eq!(
            argument(runner, "Nose"),
            Err("expected \"auto\", \"pytest\", \"unittest\" or \"command\"".into())
        );
    }
}
