//! How fast a finding grows, in words: rates with their units, what they come to, and which curve shows it best.

use super::{
    Environment,
    text::{bytes, number},
};
use crate::{
    explain::code,
    finding::{Curve, Finding, Kind, Rate},
    verdict::counter::{Counter, Unit, is_size},
};

/// Iterations of which a report says what they come to: enough to compare with a day of real use.
const MANY: f64 = 1000.0;

/// `412 B` or `3 blocks`: an amount of the counter `name`, with its unit.
pub fn amount(name: &str, value: f64) -> String {
    if name == "bytes" {
        return bytes(value);
    }
    let counter = Counter::named(name).or_else(|| Counter::library(name));
    match counter.map(Counter::unit) {
        None => format!("{} {name}", number(value)),
        Some(Unit::Bytes(of)) => format!("{} of {of}", bytes(value)),
        Some(Unit::Things(one, _)) if (value - 1.0).abs() < 1e-9 => format!("1 {one}"),
        Some(Unit::Things(_, many)) => format!("{} {many}", number(value)),
    }
}

/// `3 blocks (2.5 to 3.5), 412 B per iteration`; `None` where no rate is known.
pub fn rates(finding: &Finding) -> Option<String> {
    if finding.rate.is_empty() {
        return None;
    }
    let rates: Vec<String> = finding
        .rate
        .iter()
        // Blocks, where one of them only gets larger.
        .filter(|(_, rate)| rate.value > 0.0 || rate.interval[1] > 0.0)
        .map(|(name, rate)| with_interval(name, rate))
        .collect();
    Some(format!("{} per iteration", rates.join(", ")))
}

/// One rate, and its interval where it has a width.
pub fn with_interval(name: &str, rate: &Rate) -> String {
    let text = format!("+{}", amount(name, rate.value));
    let figure = if is_size(name) { bytes } else { number };
    // An interval narrower than what is shown of it says nothing.
    let [low, high] = rate.interval.map(figure);
    if low == high {
        text
    } else {
        format!("{text} ({low} to {high})")
    }
}

/// The rate that says most about a finding: its counter and its value.
pub fn main_rate(finding: &Finding) -> Option<(&str, Rate)> {
    let its_own = |name: &&String| {
        { Counter::named(name).or_else(|| Counter::library(name)) }
            .is_some_and(|counter| finding.kind.is_of(counter))
    };
    let first = finding.kind.facts().rates;
    {
        first
            .iter()
            .find_map(|name| finding.rate.get_key_value(*name))
    }
    .or_else(|| {
        let own = finding.rate.keys().find(its_own)?;
        finding.rate.get_key_value(own)
    })
    .or_else(|| finding.rate.iter().next())
    .map(|(name, rate)| (name.as_str(), *rate))
}

/// `1,000 iterations keep 412.0 kB`, and the same for an hour where the user told how often an hour the code runs.
pub fn comes_to(finding: &Finding, environment: &Environment) -> Option<String> {
    if matches!(finding.kind, Kind::Cycle | Kind::Unclosed) {
        // Nothing of it stays.
        return None;
    }
    if finding.code == code::RELEASED {
        return finding.rate.get("refs").map(|rate| {
            let times = number((MANY / rate.value.max(0.001)).ceil());
            format!(
                "{} references are gone after {times} iterations",
                number(MANY)
            )
        });
    }
    let (name, rate) = main_rate(finding)?;
    // Objects may be a small part of the memory that is retained with them.
    let mapped = { finding.rate.get("maps") }.filter(|_| name != "maps");
    let keep = |times: f64| {
        let mapped = mapped.map(|mapped| amount("maps", mapped.value * times));
        let mapped = mapped.map_or_else(String::new, |mapped| format!(" and {mapped}"));
        format!("{}{mapped}", amount(name, rate.value * times))
    };
    let mut text = format!("{} iterations keep {}", number(MANY), keep(MANY));
    if let Some(times) = environment.per_hour {
        text.push_str(&format!(
            ", an hour with {} of them {}",
            number(times),
            keep(times)
        ));
    }
    Some(text)
}

/// The curve that shows the growth best.
pub fn main_curve(finding: &Finding) -> Option<&Curve> {
    let first = finding.kind.facts().curves;
    let of = |counter: &Counter| {
        finding
            .curves
            .iter()
            .find(|curve| curve.counter == *counter && curve.rate.is_some())
    };
    let its_own = |curve: &&Curve| finding.kind.is_of(curve.counter) && curve.rate.is_some();
    { finding.curves.iter().find(its_own) }
        .or_else(|| first.iter().find_map(of))
        .or_else(|| finding.curves.iter().find(|curve| curve.rate.is_some()))
        .or_else(|| {
            finding
                .curves
                .iter()
                .find(|curve| first.contains(&curve.counter))
        })
        .or_else(|| finding.curves.first())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_units() {
        assert_eq!(amount("fds", 1.0), "1 descriptor");
        assert_eq!(amount("fds", 1000.0), "1,000 descriptors");
        assert_eq!(amount("bytes", 412.0), "412 B");
        assert_eq!(amount("heap", 41_200.0), "41.2 kB of heap");
        assert_eq!(amount("children", 2.0), "2 child processes");
        assert_eq!(amount("marbles", 2.0), "2 marbles");
    }

    #[test]
    fn an_interval_is_shown_where_it_has_a_width() {
        let rate = |low, high| Rate {
            value: 3.0,
            interval: [low, high],
            exact: false,
        };
        assert_eq!(with_interval("blocks", &rate(3.0, 3.0)), "+3 blocks");
        assert_eq!(with_interval("blocks", &rate(2.9999, 3.0001)), "+3 blocks");
        assert_eq!(
            with_interval("blocks", &rate(2.5, 3.5)),
            "+3 blocks (2.5 to 3.5)"
        );
    }
}
