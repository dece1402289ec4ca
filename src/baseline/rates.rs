//! Rates as snapshots keep them: which counters, how they are rounded, and when a rate is another one.

use std::{cmp::Ordering, collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::{
    finding::{Finding, Kind, Rate},
    verdict::counter::{Counter, is_size},
};

/// A rate may differ from the accepted one by this share and this much more before it is another one. Counts hold to the
/// object; the half takes the fractions of containers that are resized now and then.
const COUNT_TOLERANCE: (f64, f64) = (0.10, 0.5);
/// Bytes wander: a table that is allocated once is charged to a window or is not (29 % were seen on one finding).
const SIZE_TOLERANCE: (f64, f64) = (0.25, 1024.0);
/// What malloc has given grows by the same in every iteration, or wanders with the containers that are moved.
const EXACT_TOLERANCE: (f64, f64) = (0.25, 64.0);
/// What comes beside a descriptor or a thread: one object more is nothing, a leak of another one is.
const BESIDE_TOLERANCE: (f64, f64) = (0.25, 2.0);
/// Digits that are kept.
const COUNT_DIGITS: i32 = 3;
const SIZE_DIGITS: i32 = 2;

/// Growth per iteration by counter.
pub type Figures = BTreeMap<String, Figure>;

/// One rounded rate. Written as a whole number where it is one.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Figure(pub f64);

impl Serialize for Figure {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Beyond it a number with a fraction cannot be told from a whole one.
        const WHOLE: f64 = 9e15;
        if self.0.fract() == 0.0 && (0.0..WHOLE).contains(&self.0) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "whole and in range"
            )]
            serializer.serialize_u64(self.0 as u64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The rates of some builds of Python.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Builds they were measured on, as [`build`] names them; none where they hold for every one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub python: Vec<String>,
    /// The rates.
    #[serde(flatten)]
    pub figures: Figures,
}

/// The name under which the rates of a build of Python are kept: `3.12`, and more where memory is counted differently.
/// `abi` holds the letters of the build, `t` for free threads and `d` for debugging.
pub fn build(python: &str, abi: &str, implementation: &str, platform: &str, libc: &str) -> String {
    let mut parts = python.split('.');
    let mut name = format!(
        "{}.{}{abi}",
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default()
    );
    if implementation != "CPython" {
        name.push_str(&format!("-{}", implementation.to_lowercase()));
    }
    let (system, machine) = platform.split_once('-').unwrap_or((platform, ""));
    if system != "linux" {
        name.push_str(&format!("-{system}"));
    } else if !libc.starts_with("glibc") {
        let name_of_libc = libc.split_whitespace().next().unwrap_or("unknown");
        name.push_str(&format!("-{name_of_libc}"));
    }
    // Objects are about half the size there.
    if matches!(machine, "i386" | "i586" | "i686" | "armv6l" | "armv7l") {
        name.push_str("-32");
    }
    name
}

/// Whether `counter` counts things that are the same on every Python: a descriptor is one everywhere.
fn is_universal(counter: &str) -> bool {
    counter != "bytes" && Counter::named(counter).is_none_or(Counter::is_universal)
}

/// The rates of `finding` that are worth comparing. Of a descriptor or a thread the number is; what comes beside it is
/// compared, too, more coarsely, since the bytes of its buffers wander. Of memory it is what the test's counters show where
/// nothing else grows in it, else what its sites show. A counter that was read and does not grow is worth a zero, or one
/// that begins to grow beside what was accepted would pass.
pub fn comparable(finding: &Finding) -> BTreeMap<&str, Rate> {
    let alone = finding.measured.as_ref().is_some_and(|by| by.alone);
    let facts = finding.kind.facts();
    let (own, beside): (&[&str], &[&str]) = match finding.kind {
        Kind::Python if alone => (&["blocks", "objects", "bytes"], &["heap"]),
        Kind::Cycle if alone => (&["blocks", "objects", "garbage", "bytes"], &[]),
        _ => (facts.own, facts.beside),
    };
    // What a library counts has a name of its own.
    let its_own = { finding.rate.keys() }
        .map(String::as_str)
        .filter(|name| finding.kind == Kind::Library && is_library(name));
    let rate = |counter: &str| finding.rate.get(counter).copied();
    let read =
        |counter: &str| { finding.curves.iter() }.any(|curve| curve.counter.name() == counter);
    let own = { own.iter().copied().chain(its_own) }
        .filter_map(|counter| Some((counter, rate(counter)?)));
    let beside = beside.iter().filter(|_| alone).filter_map(|counter| {
        let none = || read(counter).then_some(NONE);
        Some((*counter, rate(counter).or_else(none)?))
    });
    own.chain(beside).collect()
}

/// Whether a counter of `kind` only tells of what comes beside what leaks.
fn is_beside(kind: Kind, counter: &str) -> bool {
    counter == "blocks" && kind.facts().counter.is_some()
}

fn is_library(counter: &str) -> bool {
    counter != "bytes" && Counter::library(counter).is_some()
}

const NONE: Rate = Rate {
    value: 0.0,
    interval: [0.0, 0.0],
    exact: true,
};

/// The rates of `finding` as a snapshot keeps them when they were measured on `build`.
pub fn of(finding: &Finding, build: &str) -> Vec<Rates> {
    let mut all = Vec::new();
    for (counter, rate) in comparable(finding) {
        let builds = if is_universal(counter) {
            Vec::new()
        } else {
            vec![build.to_owned()]
        };
        let digits = if is_size(counter) {
            SIZE_DIGITS
        } else {
            COUNT_DIGITS
        };
        add(
            &mut all,
            &builds,
            counter,
            Figure(rounded(rate.value, digits)),
        );
    }
    all
}

fn add(all: &mut Vec<Rates>, builds: &[String], counter: &str, figure: Figure) {
    let at = match all.iter().position(|rates| rates.python == builds) {
        Some(at) => at,
        None => {
            all.push(Rates {
                python: builds.to_vec(),
                figures: Figures::new(),
            });
            all.len() - 1
        }
    };
    all[at].figures.insert(counter.to_owned(), figure);
}

/// The rates of both, each counter's of `newer` where both have it: a test in which something else grows as well tells
/// fewer. Builds with the same rates share an entry.
pub fn merged(older: &[Rates], newer: &[Rates]) -> Vec<Rates> {
    let mut universal = Figures::new();
    let mut by_build: BTreeMap<&str, Figures> = BTreeMap::new();
    for rates in older.iter().chain(newer) {
        if rates.python.is_empty() {
            universal.extend(rates.figures.clone());
        }
        for build in &rates.python {
            let figures = by_build.entry(build).or_default();
            figures.extend(rates.figures.clone());
        }
    }
    let mut all = Vec::new();
    if !universal.is_empty() {
        all.push(Rates {
            python: Vec::new(),
            figures: universal,
        });
    }
    let mut builds: Vec<(&str, Figures)> = by_build.into_iter().collect();
    builds.sort_by_key(|(build, _)| order(build));
    for (build, figures) in builds {
        let same = all
            .iter_mut()
            .find(|rates| !rates.python.is_empty() && rates.figures == figures);
        match same {
            Some(rates) => rates.python.push(build.to_owned()),
            None => all.push(Rates {
                python: vec![build.to_owned()],
                figures,
            }),
        }
    }
    all
}

/// 3.9 comes before 3.10.
fn order(build: &str) -> (u32, u32, &str) {
    let end = build
        .find(|character: char| !character.is_ascii_digit() && character != '.')
        .unwrap_or(build.len());
    let mut numbers = build[..end]
        .split('.')
        .map(|part| part.parse().unwrap_or(0));
    (
        numbers.next().unwrap_or(0),
        numbers.next().unwrap_or(0),
        build,
    )
}

/// How `finding`, measured on `build`, stands to the accepted rates: `Greater` where it grows faster; `None` where no
/// rate of both can be compared.
pub fn compare(accepted: &[Rates], finding: &Finding, build: &str) -> Option<Ordering> {
    let mut result = None;
    for (counter, rate) in comparable(finding) {
        let figure = accepted
            .iter()
            .filter(|rates| {
                if is_universal(counter) {
                    rates.python.is_empty()
                } else {
                    rates.python.iter().any(|known| known == build)
                }
            })
            .find_map(|rates| rates.figures.get(counter));
        let Some(Figure(figure)) = figure else {
            continue;
        };
        let tolerance = match counter {
            _ if is_beside(finding.kind, counter) => BESIDE_TOLERANCE,
            "heap" if rate.exact => EXACT_TOLERANCE,
            _ if is_size(counter) => SIZE_TOLERANCE,
            _ => COUNT_TOLERANCE,
        };
        let one = compare_one(tolerance, *figure, rate.interval);
        // One counter that is worse makes it worse, whatever the others do.
        result = match (result, one) {
            (Some(Ordering::Greater), _) | (_, Ordering::Greater) => Some(Ordering::Greater),
            (Some(Ordering::Less), _) | (_, Ordering::Less) => Some(Ordering::Less),
            _ => Some(Ordering::Equal),
        };
    }
    result
}

/// Only a whole interval beyond the tolerance counts.
fn compare_one((share, more): (f64, f64), accepted: f64, [low, high]: [f64; 2]) -> Ordering {
    if low > accepted * (1.0 + share) + more {
        Ordering::Greater
    } else if high < accepted * (1.0 - share) - more {
        Ordering::Less
    } else {
        Ordering::Equal
    }
}

/// To `digits` significant ones.
fn rounded(value: f64, digits: i32) -> f64 {
    if !value.is_finite() || value <= 0.0 {
        return 0.0;
    }
    let magnitude = value.abs().log10().floor();
    #[expect(clippy::cast_possible_truncation, reason = "between -324 and 308")]
    let places = digits - 1 - magnitude as i32;
    // Dividing by a power of ten that is exact gives the nearest number; multiplying by a negative one does not.
    if places >= 0 {
        let unit = 10_f64.powi(places.min(300));
        (value * unit).round() / unit
    } else {
        let unit = 10_f64.powi(-places);
        (value / unit).round() * unit
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::baseline::compare::tests::finding;

    fn rates(python: &[&str], figures: &[(&str, f64)]) -> Rates {
        Rates {
            python: python.iter().map(|one| (*one).to_owned()).collect(),
            figures: figures
                .iter()
                .map(|(counter, value)| ((*counter).to_owned(), Figure(*value)))
                .collect(),
        }
    }

    #[test]
    fn figures_are_rounded_to_what_is_stable() {
        for (value, digits, expected) in [
            (102.0, 3, 102.0),
            (50_002.0, 3, 50_000.0),
            (7_364.0, 2, 7_400.0),
            (0.2504, 3, 0.25),
            (1e-12, 3, 1e-12),
            (0.0, 3, 0.0),
            (f64::NAN, 3, 0.0),
            (-3.0, 3, 0.0),
            (995.0, 2, 1000.0),
        ] {
            assert_eq!(rounded(value, digits), expected, "{value}");
        }
    }

    #[test]
    fn the_tolerance_is_as_stated() {
        use Ordering::*;
        for (tolerance, accepted, interval, expected) in [
            (COUNT_TOLERANCE, 1.0, [2.0, 2.0], Greater),
            (COUNT_TOLERANCE, 1.0, [1.0, 1.0], Equal),
            (COUNT_TOLERANCE, 2.0, [1.0, 1.0], Less),
            (COUNT_TOLERANCE, 100.0, [110.0, 110.0], Equal),
            (COUNT_TOLERANCE, 100.0, [111.0, 111.0], Greater),
            (COUNT_TOLERANCE, 100.0, [105.0, 300.0], Equal),
            (COUNT_TOLERANCE, 100.0, [10.0, 105.0], Equal),
            (COUNT_TOLERANCE, 100.0, [10.0, 89.0], Less),
            (SIZE_TOLERANCE, 1200.0, [1528.0, 1528.0], Equal),
            (SIZE_TOLERANCE, 1200.0, [2600.0, 2600.0], Greater),
            (BESIDE_TOLERANCE, 12.0, [14.0, 14.0], Equal),
            (BESIDE_TOLERANCE, 12.0, [18.0, 18.0], Greater),
        ] {
            let found = compare_one(tolerance, accepted, interval);
            assert_eq!(found, expected, "{tolerance:?} {accepted} {interval:?}");
        }
    }

    #[test]
    fn what_begins_to_grow_beside_what_was_accepted_is_worse() {
        use crate::finding::Curve;
        let of = |kind, rates: &[(&str, f64)]| {
            let mut one = finding("a", rates);
            one.kind = kind;
            one.curves = [
                Counter::Heap,
                Counter::Blocks,
                Counter::Fds,
                Counter::Threads,
            ]
            .map(|counter| Curve {
                counter,
                readings: Vec::new(),
                rate: None,
            })
            .to_vec();
            one
        };
        for (kind, before, beside) in [
            (Kind::Python, ("blocks", 2.0), ("heap", 208.0)),
            (Kind::Items, ("items", 1.0), ("heap", 208.0)),
            (Kind::Thread, ("threads", 1.0), ("fds", 1.0)),
            (Kind::Fd, ("fds", 1.0), ("blocks", 5.0)),
        ] {
            let accepted = super::of(&of(kind, &[before]), "3.12");
            let compare = |rates: &[(&str, f64)]| compare(&accepted, &of(kind, rates), "3.12");
            assert_eq!(compare(&[before]), Some(Ordering::Equal), "{kind:?}");
            assert_eq!(
                compare(&[before, beside]),
                Some(Ordering::Greater),
                "{kind:?}"
            );
            // One that was written before such a thing was kept has no word on it.
            let older = [rates(&[], &[before]), rates(&["3.12"], &[before])];
            let now = of(kind, &[before, beside]);
            assert_eq!(super::compare(&older, &now, "3.12"), Some(Ordering::Equal));
        }
    }

    #[test]
    fn memory_in_malloc_that_wanders_is_no_worse() {
        let mut one = finding("a", &[("blocks", 2.0), ("heap", 9.0)]);
        let accepted = of(&one, "3.12");
        let heap = |value: f64, exact| Rate {
            value,
            interval: [value - 3.0, value + 3.0],
            exact,
        };
        one.rate.insert("heap".to_owned(), heap(200.0, false));
        assert_eq!(compare(&accepted, &one, "3.12"), Some(Ordering::Equal));
        one.rate.insert("heap".to_owned(), heap(200.0, true));
        assert_eq!(compare(&accepted, &one, "3.12"), Some(Ordering::Greater));
    }

    #[test]
    fn an_unknown_build_has_no_rates_to_compare_but_a_descriptor_is_one_everywhere() {
        let mut memory = finding("a", &[("blocks", 500.0), ("bytes", 9e6)]);
        let accepted = [rates(&["3.12"], &[("blocks", 2.0), ("bytes", 100.0)])];
        assert_eq!(compare(&accepted, &memory, "3.9"), None);
        assert_eq!(compare(&accepted, &memory, "3.12"), Some(Ordering::Greater));
        memory.kind = Kind::Fd;
        memory.rate = finding("a", &[("fds", 2.0)]).rate;
        let accepted = [rates(&[], &[("fds", 1.0)])];
        assert_eq!(compare(&accepted, &memory, "3.9"), Some(Ordering::Greater));
    }

    #[test]
    fn counters_of_a_test_with_two_leaks_are_not_this_ones() {
        let mut one = finding("a", &[("blocks", 5.0), ("bytes", 100.0)]);
        assert_eq!(comparable(&one).len(), 2);
        one.measured.as_mut().unwrap().alone = false;
        assert_eq!(comparable(&one).keys().collect::<Vec<_>>(), [&"bytes"]);
    }

    #[test]
    fn builds_with_the_same_rates_share_an_entry() {
        let older = [
            rates(&["3.9"], &[("blocks", 2.0)]),
            rates(&[], &[("fds", 1.0)]),
        ];
        let newer = [rates(&["3.13"], &[("blocks", 2.0)])];
        assert_eq!(
            merged(&older, &newer),
            [
                rates(&[], &[("fds", 1.0)]),
                rates(&["3.9", "3.13"], &[("blocks", 2.0)])
            ]
        );
        let newer = [rates(&["3.10"], &[("blocks", 3.0)])];
        let both = merged(&older, &newer);
        assert_eq!(both[1].python, ["3.9"]);
        assert_eq!(both[2].python, ["3.10"]);
        // What was not measured again stays.
        let more = merged(&both, &[rates(&["3.9"], &[("bytes", 64.0)])]);
        assert_eq!(
            more[1],
            rates(&["3.9"], &[("blocks", 2.0), ("bytes", 64.0)])
        );
        // Measured again, the newer one holds.
        let again = merged(&both, &[rates(&["3.9"], &[("blocks", 3.0)])]);
        assert_eq!(again[1], rates(&["3.9", "3.10"], &[("blocks", 3.0)]));
    }

    #[test]
    fn builds_that_count_memory_differently_have_names_of_their_own() {
        for (of, expected) in [
            (
                ["3.12.1", "", "CPython", "linux-x86_64", "glibc 2.36"],
                "3.12",
            ),
            (
                ["3.12.1", "", "CPython", "linux-x86_64", "musl 1.2"],
                "3.12-musl",
            ),
            (
                ["3.12.1", "", "CPython", "darwin-arm64", "unknown"],
                "3.12-darwin",
            ),
            (
                ["3.10.1", "", "PyPy", "linux-x86_64", "glibc 2.36"],
                "3.10-pypy",
            ),
            (
                ["3.12.1", "", "CPython", "linux-armv7l", "glibc 2.36"],
                "3.12-32",
            ),
            (
                ["3.13.0", "td", "CPython", "linux-x86_64", "glibc 2.36"],
                "3.13td",
            ),
        ] {
            assert_eq!(build(of[0], of[1], of[2], of[3], of[4]), expected);
        }
    }

    proptest! {
        #[test]
        fn what_was_just_accepted_is_known(blocks in 0.001..1e9_f64, bytes in 1.0..1e12_f64) {
            let one = finding("a", &[("blocks", blocks), ("bytes", bytes)]);
            prop_assert_eq!(compare(&of(&one, "3.12"), &one, "3.12"), Some(Ordering::Equal));
        }

        #[test]
        fn twice_as_many_are_worse_and_half_as_many_better(blocks in 2.0..1e9_f64) {
            let accepted = of(&finding("a", &[("blocks", blocks)]), "3.12");
            let twice = finding("a", &[("blocks", blocks * 2.0)]);
            prop_assert_eq!(compare(&accepted, &twice, "3.12"), Some(Ordering::Greater));
            let half = finding("a", &[("blocks", blocks / 2.0)]);
            prop_assert_eq!(compare(&accepted, &half, "3.12"), Some(Ordering::Less));
        }

        #[test]
        fn merging_with_itself_changes_nothing(blocks in 0.1..1e6_f64) {
            let one = of(&finding("a", &[("blocks", blocks), ("bytes", 10.0)]), "3.12");
            prop_assert_eq!(merged(&one, &one), one);
        }
    }
}
