//! A watched process as a page for a browser, with everything in it: no network, no script.
//!
//! The template escapes every value; only the drawings come in as markup, and those hold names through
//! [`svg::escaped`](crate::report::html::svg::escaped) alone.

use std::io;

use minijinja::Value;
use serde::Serialize;

use super::figures;
use crate::{
    finding::Rate,
    report::{
        html::{self, STYLE, chart, svg},
        text::{brief, bytes, number},
    },
    watch::{
        summary::{Row, Summary},
        words::Word,
    },
};

const PAGE: &str = include_str!("page.html");
/// Readings of a curve that the page holds; a drawing is no wider.
const READINGS: usize = 360;

#[derive(Serialize)]
struct Page {
    title: String,
    outcome: String,
    /// `good`, `bad`, or `open` where too little was seen.
    sign: &'static str,
    ending: String,
    advice: String,
    groups: Vec<Group>,
    notes: Vec<[String; 2]>,
    facts: Vec<[String; 2]>,
    definitions: Value,
    style: Value,
}

#[derive(Serialize)]
struct Group {
    name: String,
    /// Name, now, change, rate, word, whether it is a part, and whether it rises.
    rows: Vec<(String, String, String, String, String, bool, bool)>,
    charts: Vec<Value>,
    flat: Vec<String>,
}

/// Writes the page.
pub fn write(summary: &Summary, out: &mut dyn io::Write) -> io::Result<()> {
    let groups = { summary.groups.iter().enumerate() }
        .map(|(at, name)| group(summary, at, name))
        .filter(|group| !group.rows.is_empty())
        .collect();
    let page = Page {
        title: figures::title(summary),
        outcome: figures::outcome(summary),
        sign: match summary.growing().next() {
            Some(_) => "bad",
            None if summary.is_evidence() => "good",
            None => "open",
        },
        ending: figures::ending(summary),
        advice: figures::advice(summary).to_owned(),
        groups,
        notes: { summary.notes.iter() }
            .map(|note| [figures::clock(note.at), brief(&note.text)])
            .collect(),
        facts: vec![
            ["leakcheck".to_owned(), env!("CARGO_PKG_VERSION").to_owned()],
            ["process".to_owned(), summary.pid.to_string()],
            ["watched for".to_owned(), figures::clock(summary.seconds)],
            ["looks".to_owned(), number(summary.looks as f64)],
            [
                "from one to the next".to_owned(),
                format!("{} s", number(summary.every)),
            ],
            [
                "objects by type".to_owned(),
                summary
                    .python
                    .map_or("no".to_owned(), |version| format!("CPython {version}")),
            ],
        ],
        definitions: Value::from_safe_string(svg::DEFINITIONS.to_owned()),
        style: Value::from_safe_string(STYLE.to_owned()),
    };
    html::rendered(PAGE, &page, out)
}

fn group(summary: &Summary, at: usize, name: &str) -> Group {
    let rows: Vec<&Row> = { summary.rows.iter() }
        .filter(|row| row.group == at)
        .collect();
    let (flat, moving): (Vec<&Row>, Vec<&Row>) =
        { rows.iter() }.partition(|row| row.readings.iter().min() == row.readings.iter().max());
    Group {
        name: brief(name),
        charts: { moving.iter().enumerate() }
            .map(|(nth, row)| Value::from_safe_string(drawn(summary, row, &format!("w{at}-{nth}"))))
            .collect(),
        flat: flat.iter().map(|row| figures::whole_name(row)).collect(),
        rows: { rows.iter() }
            .map(|row| {
                (
                    figures::name(row),
                    figures::value(row, row.now() as f64),
                    figures::change(row),
                    figures::rate(row),
                    figures::word(row),
                    figures::is_part(row),
                    row.trend.word == Word::Rises,
                )
            })
            .collect(),
    }
}

fn drawn(summary: &Summary, row: &Row, id: &str) -> String {
    let readings = crate::report::spark::sampled(&row.readings, READINGS);
    // From one of the readings that are drawn to the next.
    let step = row.period * row.readings.len() as f64 / readings.len().max(1) as f64;
    let growing = matches!(row.trend.word, Word::Rises | Word::Fills | Word::Moves);
    let size: fn(i64) -> String = |value| bytes(value as f64);
    let count: fn(i64) -> String = |value| number(value as f64);
    let name = figures::whole_name(row);
    let end = figures::clock(summary.seconds);
    chart::draw_any(
        &chart::Drawing {
            name: &name,
            meaning: row.measure.sum().word(),
            described: format!(
                "{} now, {} since the beginning: {} {}",
                figures::value(row, row.now() as f64),
                figures::change(row),
                figures::word(row),
                figures::rate(row),
            ),
            readings: &readings,
            rate: growing.then(|| Rate {
                value: row.trend.rate * step,
                interval: row.trend.interval.map(|rate| rate * step),
                exact: false,
            }),
            axis: ["time", "0", &end],
            figure: if row.measure.is_bytes() { size } else { count },
        },
        id,
    )
}
