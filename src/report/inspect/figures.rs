//! The figures of an inspection as tables of text, made safe, the same for the terminal and the browser.

use serde::Serialize;

use super::{Garbage, Inspection, Place, Routine};
use crate::{
    finding::{Curve, Finding, Kind, Owner},
    heap::{
        partition::{Partition, Share},
        surroundings::Held,
    },
    report::{
        growth, spark,
        text::{brief, bytes, counted, number, shortened, shown},
    },
    verdict::Verdict,
};

/// Characters of a name.
const NAME: usize = 100;
/// Characters of a cycle.
const WAY: usize = 300;
/// Bars of a curve.
const BARS: usize = 24;

/// What a reader must know of the figures of lines.
const LINES: &str = "One iteration, followed line by line. Times: how often the line ran. After it: bytes more in use than before it, \
all its runs together; a call counts with what it called. At most: the highest level while it ran, above that of entering the first function. \
Stays: what a judged iteration leaves behind. What Python keeps for \
reuse counts as in use; following costs some bytes itself, and up to Python 3.12 variables live a line longer for it.";

/// What a reader must know of them where what leaks is in none of them.
const NATIVE: &str = " What leaks here is native memory, which C code takes from malloc, and these are the bytes of Python's own: no line shows it. \
The first lines of this page name the call, where it is known.";

/// The same where lines have a column of it.
const MALLOC: &str = " These are the bytes of Python's own. Malloc: native memory, which C code that the line calls takes, and which a judged iteration leaves behind.";

/// What a reader must know of the stacks.
pub(super) const STACKS: &str = "What stays of each iteration and is no object of Python's, by who asks for it: the C function first, then what called it.";

/// What a reader must know of the figures of lines.
pub(super) fn lines(inspection: &Inspection) -> String {
    let native =
        |finding: &Finding| finding.kind == Kind::Native && finding.verdict == Verdict::Leak;
    let beside = if inspection.routines.iter().any(has_malloc) {
        MALLOC
    } else if inspection.findings.iter().any(native) {
        NATIVE
    } else {
        ""
    };
    format!("{LINES}{beside}")
}

/// What a reader must know of the table of references.
pub(super) const REFERENCES: &str = "Counted: references that the objects count. Found: references from other objects. What is counted and not found is \
held from outside Python's objects: by C code, or by a reference that C code lost.";

/// A table.
#[derive(Debug, Serialize)]
pub(super) struct Table {
    /// What it shows; empty where the section says it.
    pub title: String,
    /// Names of the columns.
    pub head: Vec<&'static str>,
    /// Whether each column holds figures.
    pub figures: Vec<bool>,
    /// The rows.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    fn new(title: &str, columns: &[(&'static str, bool)]) -> Table {
        Table {
            title: title.to_owned(),
            head: columns.iter().map(|(name, _)| *name).collect(),
            figures: columns.iter().map(|(_, figure)| *figure).collect(),
            rows: Vec::new(),
        }
    }
}

/// Whether native memory stays at any line of a function.
fn has_malloc(routine: &Routine) -> bool {
    routine.lines.iter().any(|line| line.malloc.is_some())
}

/// Native memory by stack, the largest first.
pub(super) fn native(inspection: &Inspection) -> Table {
    let mut table = Table::new("", &[("bytes", true), ("chunks", true), ("stack", false)]);
    for one in &inspection.native {
        let calls: Vec<String> = { one.stack.iter() }
            .map(|call| shortened(call, NAME))
            .collect();
        table.rows.push(vec![
            signed(one.bytes, bytes),
            if one.chunks > 0.0 {
                number(one.chunks)
            } else {
                String::new()
            },
            calls.join(" < "),
        ]);
    }
    table
}

/// How much is left to the cycle collector.
pub(super) fn garbage(garbage: &Garbage) -> String {
    if garbage.objects == 0 {
        return "Nothing is left to the cycle collector.".to_owned();
    }
    let objects = counted(garbage.objects, "object");
    let mut text = format!(
        "{objects} that only the cycle collector frees, by the way round; those of one sort are one row."
    );
    if garbage.cycles.is_empty() {
        text.push_str(" No cycle of them could be named.");
    }
    text
}

/// The cycles, those that keep most first.
pub(super) fn cycles(garbage: &Garbage) -> Table {
    let mut table = Table::new(
        "",
        &[
            ("objects", true),
            ("size", true),
            ("keeps open", true),
            ("of", false),
            ("made at", false),
            ("cycle", false),
        ],
    );
    for cycle in &garbage.cycles {
        let open = cycle.descriptors.len();
        table.rows.push(vec![
            number(cycle.objects as f64),
            bytes(cycle.bytes as f64),
            if open > 0 {
                number(open as f64)
            } else {
                String::new()
            },
            // What is nobody's in particular is a plain object's, of whoever runs.
            match cycle.owner {
                Owner::Interpreter => String::new(),
                owner => owner.word().to_owned(),
            },
            cycle.place.as_ref().map_or_else(String::new, |place| {
                shortened(&format!("{}:{}", place.file, place.line), NAME)
            }),
            shortened(&cycle.text, WAY),
        ]);
    }
    table
}

/// What is said of the test in one line: its leak, or its verdict's reason.
pub(super) fn outcome(inspection: &Inspection) -> String {
    let Some(test) = &inspection.test else {
        return String::new();
    };
    if let Some(finding) = inspection.findings.first() {
        return brief(&finding.summary);
    }
    match (&test.reason, test.verdict) {
        (Some(reason), _) => brief(reason),
        (None, Verdict::Clean) => format!(
            "nothing stays: no counter grew in {}",
            counted(test.iterations as usize, "iteration")
        ),
        (None, _) => "nothing more is known".to_owned(),
    }
}

/// How each counter moved that did.
pub(super) fn curves(inspection: &Inspection) -> Table {
    let mut table = Table::new(
        "",
        &[
            ("counter", false),
            ("curve", false),
            ("change", true),
            ("per iteration", true),
            ("what it counts", false),
        ],
    );
    let curves = inspection.curves.iter().filter(|curve| moved(curve));
    table.rows = curves
        .map(|curve| {
            let name = curve.counter.name();
            let amount = |value: f64| match name {
                "heap" => signed(value, bytes),
                _ => signed(value, number),
            };
            let rate = curve.rate.map_or_else(
                || "no growth".to_owned(),
                |rate| {
                    let exact = if rate.exact { " each time" } else { "" };
                    format!("{}{exact}", amount(rate.value))
                },
            );
            vec![
                name.to_owned(),
                spark::line(&curve.readings, BARS),
                amount(change(curve) as f64),
                rate,
                curve.counter.meaning().to_owned(),
            ]
        })
        .collect();
    table
}

/// `Flat over 8 iterations: fds, threads.`
pub(super) fn flat(inspection: &Inspection) -> String {
    let readings = inspection.curves.iter().map(|curve| curve.readings.len());
    let window = counted(readings.max().unwrap_or(1).saturating_sub(1), "iteration");
    let flat: Vec<&str> = inspection
        .curves
        .iter()
        .filter(|curve| !moved(curve))
        .map(|curve| curve.counter.name())
        .collect();
    if flat.is_empty() {
        format!("Read over {window}.")
    } else {
        format!("Flat over {window}: {}.", flat.join(", "))
    }
}

/// Whether any reading of a curve differs from the one before.
pub(super) fn moved(curve: &Curve) -> bool {
    curve.readings.windows(2).any(|pair| pair[0] != pair[1])
}

fn change(curve: &Curve) -> i64 {
    match (curve.readings.first(), curve.readings.last()) {
        (Some(first), Some(last)) => last.saturating_sub(*first),
        _ => 0,
    }
}

fn signed(value: f64, amount: fn(f64) -> String) -> String {
    let sign = if value > 0.0 { "+" } else { "" };
    format!("{sign}{}", amount(value))
}

/// Growth by type.
pub(super) fn types(inspection: &Inspection) -> Table {
    let mut table = Table::new(
        "",
        &[
            ("type", false),
            ("objects", true),
            ("bytes", true),
            ("keeps", true),
            ("example", false),
        ],
    );
    let types = inspection.types.iter().map(|of| {
        vec![
            shortened(&of.name, NAME),
            signed(of.count, number),
            signed(of.bytes, bytes),
            of.retained.map_or_else(String::new, bytes),
            of.example
                .as_deref()
                .map_or_else(String::new, |example| shortened(example, 40)),
        ]
    });
    table.rows = types.collect();
    table
}

/// What stayed in one sentence.
pub(super) fn total(inspection: &Inspection, survivors: &Partition) -> String {
    let which = match survivors.iterations {
        (first, last) if first == last => format!("Iteration {first}"),
        (first, last) => format!("Each of the iterations {first} to {last}"),
    };
    if survivors.total.count > 0.0 {
        format!(
            "{which} left {}, {}.",
            growth::amount("objects", survivors.total.count),
            bytes(survivors.total.bytes)
        )
    } else if inspection.findings.is_empty() {
        format!("{which} left no object behind.")
    } else {
        format!(
            "{which} left no object that the collector tracks: what stays are plain values, or is no Python object."
        )
    }
}

/// What stayed, taken apart, and the references to it.
pub(super) fn survivors(survivors: &Partition) -> Vec<Table> {
    let part = |title: &str, what: &'static str, shares: &[Share]| {
        let columns = [(what, false), ("objects", true), ("bytes", true)];
        let mut table = Table::new(title, &columns);
        let rows = shares.iter().map(|share| {
            vec![
                shortened(&share.name, NAME),
                number(share.count),
                bytes(share.bytes),
            ]
        });
        table.rows = rows.collect();
        table
    };
    let mut references = Table::new(
        "References to the newest",
        &[
            ("type", false),
            ("objects", true),
            ("counted", true),
            ("found", true),
            ("unexplained", true),
        ],
    );
    let rows = survivors.references.iter().map(|one| {
        vec![
            shortened(&one.name, NAME),
            number(f64::from(one.objects)),
            number(one.counted as f64),
            number(one.found as f64),
            number(f64::from(one.unexplained)),
        ]
    });
    references.rows = rows.collect();
    let mut tables = vec![
        part("By type", "type", &survivors.by_type),
        part("By size", "size", &survivors.by_size),
        part(
            "By what refers to them",
            "types of these",
            &survivors.by_referrer,
        ),
        references,
    ];
    tables.retain(|table| !table.rows.is_empty());
    tables
}

/// `25 app.Session, 5 new: +104 B`.
pub(super) fn held(held: &Held) -> String {
    let all = number(f64::from(held.before + held.born));
    let mut text = format!("{all} {}", shortened(&held.name, 46));
    if held.born > 0 && held.before == 0 {
        text.push_str(", all new");
    } else if held.born > 0 {
        text.push_str(&format!(", {} new", number(f64::from(held.born))));
    }
    if held.keeps > 0.0 {
        text.push_str(&format!(": +{}", bytes(held.keeps)));
    }
    text
}

/// One function, line by line.
pub(super) fn routine(routine: &Routine) -> Table {
    let title = format!(
        "{} ({})",
        shortened(&routine.name, NAME),
        shortened(&routine.file, NAME)
    );
    let mut columns = vec![
        ("line", true),
        ("times", true),
        ("after it", true),
        ("at most", true),
        ("stays", true),
        ("malloc", true),
        ("source", false),
    ];
    let has_malloc = has_malloc(routine);
    columns.retain(|(name, _)| has_malloc || *name != "malloc");
    let mut table = Table::new(&title, &columns);
    let indent = routine
        .lines
        .iter()
        .filter(|line| !line.text.trim().is_empty())
        .map(|line| line.text.len() - line.text.trim_start_matches([' ', '\t']).len())
        .min()
        .unwrap_or(0);
    for (at, line) in routine.lines.iter().enumerate() {
        // Long stretches that did not run show nothing.
        if !near(routine, at) {
            if at > 0 && near(routine, at - 1) {
                let mut gap = vec![String::new(); table.head.len()];
                "⋮".clone_into(&mut gap[0]);
                table.rows.push(gap);
            }
            continue;
        }
        let text = line.text.get(indent..).unwrap_or_default();
        let mut row = vec![
            line.number.to_string(),
            line.times
                .map_or_else(String::new, |times| number(times as f64)),
            line.net
                .map_or_else(String::new, |net| signed(net as f64, bytes)),
            line.peak
                .map_or_else(String::new, |peak| bytes(peak as f64)),
            line.stays.map_or_else(String::new, |[blocks, size]| {
                if size > 0.0 {
                    signed(size, bytes)
                } else {
                    counted(blocks as usize, "block")
                }
            }),
        ];
        if has_malloc {
            let malloc = line.malloc.map(|[_, size]| signed(size, bytes));
            row.push(malloc.unwrap_or_default());
        }
        row.push(shown(text.trim_end()));
        table.rows.push(row);
    }
    table
}

/// Whether a line is worth a row: it is the first, ran or leaves something, or stands beside one that does.
fn near(routine: &Routine, at: usize) -> bool {
    const AROUND: usize = 2;
    if at == 0 {
        return true;
    }
    let from = at.saturating_sub(AROUND);
    let to = (at + AROUND + 1).min(routine.lines.len());
    routine.lines[from..to]
        .iter()
        .any(|line| line.times.is_some() || line.stays.is_some() || line.malloc.is_some())
}

/// How high memory stood, in sentences.
pub(super) fn peak(inspection: &Inspection) -> Vec<String> {
    let Some(peak) = &inspection.peak else {
        return Vec::new();
    };
    let mut said = vec![match &peak.line {
        Some(line) if peak.bytes > 0 => format!(
            "At most {} were in use at once{}, while {} ran.",
            bytes(peak.bytes as f64),
            if peak.sampled {
                " between two lines (before Python 3.9 no more can be told)"
            } else {
                ""
            },
            place(line)
        ),
        _ => "No function of the project needed any memory.".to_owned(),
    }];
    if let Some(at) = &peak.at
        && peak.stood > 0
    {
        said.push(format!(
            "Between two lines at most {} stood, at {}:",
            bytes(peak.stood as f64),
            place(at)
        ));
    }
    said
}

/// What was in use where most stood, by line and by type.
pub(super) fn standing(inspection: &Inspection) -> Vec<Table> {
    let Some(peak) = &inspection.peak else {
        return Vec::new();
    };
    let mut places = Table::new(
        "By line",
        &[
            ("line", false),
            ("blocks", true),
            ("bytes", true),
            ("source", false),
        ],
    );
    let rows = peak.places.iter().map(|standing| {
        let source = standing.place.source.as_deref();
        vec![
            place(&standing.place),
            number(standing.blocks as f64),
            bytes(standing.bytes as f64),
            source.map_or_else(String::new, |source| shortened(source, 80)),
        ]
    });
    places.rows = rows.collect();
    let mut types = Table::new(
        "By type",
        &[("type", false), ("objects", true), ("bytes", true)],
    );
    let rows = peak.types.iter().take(10).map(|(name, count, size)| {
        vec![
            shortened(name, NAME),
            number(*count as f64),
            bytes(*size as f64),
        ]
    });
    types.rows = rows.collect();
    let mut tables = vec![places, types];
    tables.retain(|table| !table.rows.is_empty());
    tables
}

/// `app.py:12 in open`.
fn place(place: &Place) -> String {
    let at = format!("{}:{}", shortened(&place.file, NAME), place.line);
    if place.function.is_empty() || place.function == "<unknown>" {
        at
    } else {
        format!("{at} in {}", shortened(&place.function, NAME))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::inspect::Line;

    #[test]
    fn long_stretches_that_did_not_run_are_left_out() {
        let line = |number, times: Option<u64>| Line {
            number,
            text: format!("    line {number}"),
            times,
            net: times.map(|_| 64),
            peak: times.map(|_| 128),
            stays: None,
            malloc: None,
        };
        let lines = (1..=20)
            .map(|number| line(number, (number < 3 || number == 20).then_some(1)))
            .collect();
        let table = routine(&Routine {
            file: "a.py".to_owned(),
            name: "f".to_owned(),
            lines,
        });
        let numbers: Vec<&str> = table.rows.iter().map(|row| row[0].as_str()).collect();
        assert_eq!(numbers, ["1", "2", "3", "4", "⋮", "18", "19", "20"]);
        assert_eq!(table.rows[0][1..], ["1", "+64 B", "128 B", "", "line 1"]);
    }

    #[test]
    fn what_is_held_is_told_with_what_is_new() {
        let of = |before, born, keeps| {
            held(&Held {
                name: "app.Session".to_owned(),
                before,
                born,
                keeps,
            })
        };
        assert_eq!(of(20, 5, 104.0), "25 app.Session, 5 new: +104 B");
        assert_eq!(of(0, 5, 0.0), "5 app.Session, all new");
        assert_eq!(of(3, 0, 0.0), "3 app.Session");
    }
}
