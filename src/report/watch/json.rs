//! A watched process for programs, schema `leakcheck.watch/1`.

use std::io;

use serde::Serialize;

use super::figures;
use crate::{
    exit_code::ExitCode,
    report::{json::pretty, text::brief},
    watch::{
        look::ROOT,
        summary::{End, Row, Summary},
    },
};

/// Name and version of the schema. Within a version it only grows.
const SCHEMA: &str = "leakcheck.watch/1";

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    version: &'static str,
    exit_code: u8,
    process: Process,
    seconds: f64,
    every: f64,
    looks: usize,
    outcome: String,
    ended: &'static str,
    how: Option<String>,
    series: Vec<Series>,
    notes: Vec<Noted>,
}

#[derive(Serialize)]
struct Process {
    pid: i32,
    command: String,
    /// Where its objects could be counted.
    python: Option<&'static str>,
}

#[derive(Serialize)]
struct Series {
    /// Of which kind of process; none of the process itself.
    children: Option<String>,
    sum: &'static str,
    part: Option<String>,
    unit: &'static str,
    word: &'static str,
    needs_seconds: f64,
    /// In units a second.
    rate: f64,
    interval: [f64; 2],
    /// Seconds from one reading to the next.
    period: f64,
    readings: Vec<i64>,
}

#[derive(Serialize)]
struct Noted {
    at: f64,
    text: String,
}

/// Writes the document.
pub fn write(summary: &Summary, code: ExitCode, out: &mut dyn io::Write) -> io::Result<()> {
    let (ended, how) = match &summary.end {
        None | Some(End::Asked) => ("asked", None),
        Some(End::Time) => ("time", None),
        Some(End::Process(how)) => ("process", Some(brief(how))),
    };
    let document = Document {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION"),
        exit_code: code.number(),
        process: Process {
            pid: summary.pid,
            command: brief(&summary.command),
            python: summary.python,
        },
        seconds: summary.seconds,
        every: summary.every,
        looks: summary.looks,
        outcome: figures::outcome(summary),
        ended,
        how,
        series: { summary.rows.iter() }
            .map(|row| series(summary, row))
            .collect(),
        notes: { summary.notes.iter() }
            .map(|note| Noted {
                at: note.at,
                text: brief(&note.text),
            })
            .collect(),
    };
    pretty(&document, out)
}

fn series(summary: &Summary, row: &Row) -> Series {
    let part = row.measure.part();
    Series {
        children: (row.group != ROOT).then(|| brief(&summary.groups[row.group])),
        sum: row.measure.sum().word(),
        part: (!part.is_empty()).then(|| brief(&part)),
        unit: if row.measure.is_bytes() {
            "bytes"
        } else {
            "count"
        },
        word: row.trend.word.word(),
        needs_seconds: row.trend.needs,
        rate: row.trend.rate,
        interval: row.trend.interval,
        period: row.period,
        readings: row.readings.clone(),
    }
}
