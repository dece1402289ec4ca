//! A watched process for a person at a terminal: a table for each kind of process.

use std::io;

use anstyle::{AnsiColor, Style as Paint};

use super::figures;
use crate::{
    report::{
        spark,
        text::{brief, shortened},
    },
    watch::{
        summary::{Row, Summary},
        words::Word,
    },
};

const TITLE: Paint = AnsiColor::Cyan.on_default().bold();
const DIM: Paint = Paint::new().dimmed();
const BAD: Paint = AnsiColor::Red.on_default().bold();
const GOOD: Paint = AnsiColor::Green.on_default().bold();
const DOUBT: Paint = AnsiColor::Yellow.on_default();
/// Characters of a curve, in a narrow table and in a wide one.
const CURVE: [usize; 2] = [12, 24];
/// A table that is no wider has no intervals.
const NARROW: usize = 120;
/// Of a name at least, and at most.
const NAME: [usize; 2] = [16, 60];
const WIDEST: usize = 160;

/// Writes the tables.
pub fn write(summary: &Summary, width: usize, out: &mut dyn io::Write) -> io::Result<()> {
    let width = width.min(WIDEST);
    let paint = if summary.growing().next().is_some() {
        BAD
    } else if summary.is_evidence() {
        GOOD
    } else {
        DOUBT
    };
    writeln!(
        out,
        "{TITLE}{}{TITLE:#}",
        shortened(&figures::title(summary), width)
    )?;
    said(&figures::outcome(summary), paint, width, out)?;
    for (group, name) in summary.groups.iter().enumerate() {
        let rows: Vec<&Row> = summary
            .rows
            .iter()
            .filter(|row| row.group == group)
            .collect();
        if rows.is_empty() {
            continue;
        }
        writeln!(out)?;
        if summary.groups.len() > 1 {
            writeln!(out, "{TITLE}{}{TITLE:#}", shortened(&brief(name), width))?;
        }
        table(&rows, width, out)?;
    }
    if !summary.notes.is_empty() {
        writeln!(out)?;
    }
    for note in &summary.notes {
        let text = format!("at {}: {}", figures::clock(note.at), brief(&note.text));
        said(&text, DIM, width, out)?;
    }
    let ending = figures::ending(summary);
    if !ending.is_empty() {
        said(&ending, DOUBT, width, out)?;
    }
    if summary.end.is_some() && !figures::advice(summary).is_empty() {
        writeln!(out)?;
        said(figures::advice(summary), Paint::new(), width, out)?;
    }
    Ok(())
}

fn said(text: &str, paint: Paint, width: usize, out: &mut dyn io::Write) -> io::Result<()> {
    let options = textwrap::Options::new(width).subsequent_indent("    ");
    for line in textwrap::wrap(text, options) {
        writeln!(out, "{paint}{line}{paint:#}")?;
    }
    Ok(())
}

fn table(rows: &[&Row], width: usize, out: &mut dyn io::Write) -> io::Result<()> {
    let is_narrow = width < NARROW;
    let mut lines = vec![["what", "curve", "now", "change", "rate", "word"].map(str::to_owned)];
    lines.extend(rows.iter().map(|row| {
        let indent = if figures::is_part(row) { "  " } else { "" };
        [
            format!("{indent}{}", figures::name(row)),
            spark::line(&row.readings, CURVE[usize::from(!is_narrow)]),
            figures::value(row, row.now() as f64),
            figures::change(row),
            if is_narrow {
                figures::short_rate(row)
            } else {
                figures::rate(row)
            },
            figures::word(row),
        ]
    }));
    let wide = |column: usize| {
        let lengths = lines.iter().map(|line| line[column].chars().count());
        lengths.max().unwrap_or(0)
    };
    let columns = [0, 1, 2, 3, 4, 5].map(wide);
    // What is left for the names; figures are never cut.
    let others: usize = columns[1..].iter().sum::<usize>() + 2 * columns.len();
    let name = columns[0].min(width.saturating_sub(others).clamp(NAME[0], NAME[1]));
    for (at, line) in lines.iter().enumerate() {
        let paint = match at.checked_sub(1).map(|at| rows[at].trend.word) {
            None => DIM,
            Some(Word::Rises) => BAD,
            Some(Word::Fills | Word::Moves) => DOUBT,
            Some(Word::Early) => DIM,
            Some(Word::Rests) => Paint::new(),
        };
        let [what, curve, now, change, rate, word] = line;
        let what = shortened(what, name);
        let [_, c, n, h, r, _] = columns;
        let line = format!(
            "  {what:<name$}  {curve:<c$}  {now:>n$}  {change:>h$}  {rate:<r$}  {paint}{word}{paint:#}"
        );
        let dim = if at == 0 { DIM } else { Paint::new() };
        writeln!(out, "{dim}{line}{dim:#}")?;
    }
    Ok(())
}
