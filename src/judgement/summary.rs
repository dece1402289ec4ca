//! The first line of a finding: what stays, of which type, what holds it, and where it comes from.

use std::collections::{BTreeMap, BTreeSet};

use super::held::{self, Lost};
use crate::{
    finding::{Holder, Kind, NativeFunction, Rate, Site, TypeGrowth},
    heap::types,
    report::{
        growth::amount,
        text::{bytes, number},
    },
    run::{Run, case::Case, diagnosis::Diagnosis},
    verdict::Counter,
};

/// Windows differ where growth is uneven; an object that is so many times as large as what stays is another one.
const TOO_LARGE: f64 = 2.0;

/// Whether `each` objects of a type may be all that stays, which is `size` bytes.
fn fits(growth: &TypeGrowth, each: f64, size: f64) -> bool {
    let untold = size <= 0.0 || growth.count <= 0.0 || types::is_reused(&growth.name);
    untold || growth.bytes / growth.count * each <= TOO_LARGE * size
}

/// In how many processes and iterations it was seen, and how alike.
pub(super) fn how_sure(run: &Run, case: &Case, tests: &BTreeSet<usize>) -> String {
    let screened = run.looks[case.test]
        .as_ref()
        .map_or(0, |look| look.iterations);
    let exact = case.fits.values().any(|fit| fit.rate.exact);
    let mut text = format!(
        "seen in 2 processes, {} iterations",
        number(f64::from(screened) + f64::from(case.iterations))
    );
    if exact {
        text.push_str(", the same amount each time");
    }
    let alike = run
        .alike
        .iter()
        .filter(|alike| tests.contains(&alike.test))
        .count();
    if alike > 0 {
        text.push_str(&format!("; {alike} tests confirmed by growing alike"));
    }
    if case.brief {
        text.push_str(
            "; not run for long, since all that grow like it went on (--budget gives more)",
        );
    }
    text
}

/// `1 Session (412 B) stays after each iteration, retained by app.SESSIONS, allocated at app/log.py:12 in open`.
pub(super) fn summary(
    kind: Kind,
    rate: &BTreeMap<String, Rate>,
    site: Option<&Site>,
    diagnosis: Option<&Diagnosis>,
    watched: Option<&Holder>,
    native: Option<(&NativeFunction, Option<&Site>)>,
    lost: Option<&Lost>,
) -> String {
    let value = |name: &str| rate.get(name).map_or(0.0, |rate| rate.value);
    // Blocks are in pymalloc's own memory: what malloc's heap grows by beside them is not their size.
    let size = match rate.get("bytes") {
        Some(bytes) => bytes.value,
        None if value("blocks") > 0.0 => 0.0,
        None => value("heap"),
    };
    let sized = |what: String| {
        if size > 0.0 {
            what.replacen(" stay", &format!(" ({}) stay", bytes(size)), 1)
        } else {
            what
        }
    };
    let (what, verb) = match kind {
        kind if let (Some(words), Some(counter)) = (&kind.facts().words, kind.facts().counter) => {
            let each = value(counter.name());
            let what = if counter.is_size() {
                format!("{} {}", bytes(each), words.many)
            } else if (each - 1.0).abs() < 1e-9 {
                words.one.to_owned()
            } else {
                format!("{} {}", number(each), words.many)
            };
            (what, words.made)
        }
        Kind::Library | Kind::Map => {
            let stays: Vec<String> = { rate.iter() }
                .filter(|(name, _)| Counter::named(name).is_some_and(|counter| kind.is_of(counter)))
                .map(|(name, rate)| amount(name, rate.value))
                .collect();
            let verb = if stays.len() == 1 && stays[0].starts_with("1 ") {
                "stays"
            } else {
                "stay"
            };
            (
                format!("{} {verb}", stays.join(" and ")),
                if kind == Kind::Map { "mapped" } else { "added" },
            )
        }
        Kind::Items => {
            let each = value("items");
            let what = if (each - 1.0).abs() < 1e-9 {
                "1 entry stays".to_owned()
            } else {
                format!("{} entries stay", number(each))
            };
            (what, "added")
        }
        Kind::Native => {
            // What comes from Python's own allocator is not in malloc's heap.
            let heap = Some(value("heap")).filter(|heap| *heap > 0.0);
            let chunks = native.and_then(|(native, _)| native.chunks);
            let size = heap
                .or(chunks.map(|chunks| chunks.bytes))
                .unwrap_or_default();
            (
                format!("{} of native memory stay", bytes(size)),
                "allocated",
            )
        }
        _ => {
            let lost = || {
                let growth = lost.and_then(|lost| lost.growth.as_ref())?;
                Some((types::short(&growth.name), growth.count))
            };
            let is_it = |(name, each): &(String, f64)| {
                let types = diagnosis.map_or(&[][..], |diagnosis| &diagnosis.types);
                let of_it = types
                    .iter()
                    .find(|growth| types::short(&growth.name) == *name);
                of_it.is_none_or(|growth| fits(growth, *each, size))
            };
            let leading = diagnosis.and_then(held::leading).filter(is_it);
            let what = match leading.or_else(lost) {
                Some((name, each)) => sized(count(each, &name, "stays", "stay")),
                // One object that gets larger: a text that is added to.
                None if value("blocks") < 1e-9 && size > 0.0 => {
                    format!("{} more stay", bytes(size))
                }
                None => sized(count(value("blocks"), "block", "stays", "stay")),
            };
            (with_what_is_mapped(what, value("maps"), size), "allocated")
        }
    };
    let resource = match kind {
        // Of these an object is the one that stands for it.
        Kind::Fd | Kind::Thread | Kind::Child => {
            { kind.facts().counter }.map_or(0.0, |counter| value(counter.name()))
        }
        _ => 0.0,
    };
    // And of what takes up no place in Python, what is kept with it.
    let leading = || {
        let is_beside = matches!(kind, Kind::Map | Kind::Library | Kind::File);
        let (name, _) = diagnosis.filter(|_| is_beside).and_then(held::leading)?;
        Some(name)
    };
    let of_type = diagnosis
        .filter(|_| resource > 0.0)
        .and_then(|diagnosis| held::instance(diagnosis, resource))
        .or_else(leading)
        .map_or_else(String::new, |name| format!(", of type {name}"));
    // Blocks that C code loses beside a file are no reason for that to stay on disk.
    let of_it = diagnosis.filter(|diagnosis| kind != Kind::File || !diagnosis.is_lost());
    let holder = of_it
        .and_then(held::phrase)
        .or_else(|| {
            watched.map(|holder| match &holder.process {
                Some(process) => format!("in {process}, retained by {}", holder.name),
                None if kind.is_in_child() => format!("in {}", holder.name),
                None => format!("retained by {}", holder.name),
            })
        })
        .map_or_else(String::new, |phrase| {
            format!("{of_type}, {phrase}{}", lost.map_or("", |lost| &lost.by))
        });
    match site {
        _ if let Some((native, called)) =
            native.filter(|_| matches!(kind, Kind::Native | Kind::Map)) =>
        {
            let surely = if native.certain { "" } else { "probably " };
            let called = called.or(site.filter(|_| native.stack.is_empty()));
            let called = called.map_or_else(
                || ", in a thread that is not Python's".to_owned(),
                |site| format!(", called at {}", site.place()),
            );
            let by = native.text();
            format!("{what} after each iteration{holder}, {verb} {surely}by {by}{called}")
        }
        Some(site) => format!(
            "{what} after each iteration{holder}, {verb} at {}",
            site.place()
        ),
        None => format!("{what} after each iteration{holder}"),
    }
}

/// `1 Store (672 B) and 6.4 GB of mapped memory stay`, where more is mapped with the objects than they have.
fn with_what_is_mapped(what: String, mapped: f64, size: f64) -> String {
    let Some((objects, _)) = what.split_once(" stay").filter(|_| mapped > size) else {
        return what;
    };
    format!("{objects} and {} stay", amount("maps", mapped))
}

fn count(value: f64, noun: &str, one: &str, many: &str) -> String {
    // A type whose name ends like a plural (`bytes`, `Settings`) has none of its own.
    let plural = noun.ends_with('s');
    let noun = format!("{noun}{}", if plural { " object" } else { "" });
    if (value - 1.0).abs() < 1e-9 {
        format!("1 {noun} {one}")
    } else {
        format!("{} {noun}s {many}", number(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_larger_than_all_that_stays_is_not_it() {
        let of = |name: &str, count: f64, bytes: f64| {
            TypeGrowth::traced(&(name.to_owned(), count, bytes))
        };
        assert!(!fits(&of("_io.StringIO", 1.0, 136.0), 1.0, 39.0));
        assert!(fits(&of("_io.StringIO", 1.0, 136.0), 1.0, 136.0));
        // Some of what is kept may have come from a freed one, and is traced nowhere.
        assert!(fits(&of("dict", 1.0, 184.0), 1.0, 28.0));
        // Nothing tells how much it is.
        assert!(fits(&of("app.Row", 1.0, 56.0), 1.0, 0.0));
    }

    #[test]
    fn one_is_no_plural() {
        assert_eq!(count(1.0, "thread", "stays", "stay"), "1 thread stays");
        assert_eq!(count(0.5, "thread", "stays", "stay"), "0.5 threads stay");
        assert_eq!(count(1.0, "bytes", "stays", "stay"), "1 bytes object stays");
        assert_eq!(count(2.0, "Keys", "stays", "stay"), "2 Keys objects stay");
    }
}
