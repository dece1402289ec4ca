//! One test under the microscope for a person at a terminal.

use std::io;

use anstyle::{AnsiColor, Style as Paint};

use super::{
    Inspection,
    figures::{self, Table},
};
use crate::{
    report::{
        address,
        paragraph::paragraph,
        text::{brief, shortened},
    },
    verdict::Verdict,
};

const TITLE: Paint = AnsiColor::Cyan.on_default().bold();
const DIM: Paint = Paint::new().dimmed();
const BAD: Paint = AnsiColor::Red.on_default().bold();
const GOOD: Paint = AnsiColor::Green.on_default().bold();
const DOUBT: Paint = AnsiColor::Yellow.on_default().bold();
/// Longer lines are hard to read.
const WIDEST: usize = 160;
/// A column of text never gets narrower than this.
const LEAST: usize = 16;
/// Errors that are told.
const ERRORS: usize = 5;

/// Writes the page.
pub fn write(inspection: &Inspection, width: usize, out: &mut dyn io::Write) -> io::Result<()> {
    let width = width.min(WIDEST);
    lede(inspection, width, out)?;
    if !inspection.curves.is_empty() {
        section("Counters", out)?;
        table(&figures::curves(inspection), width, out)?;
        said(&figures::flat(inspection), width, out)?;
    }
    if !inspection.types.is_empty() {
        section("Types that grow, per iteration", out)?;
        table(&figures::types(inspection), width, out)?;
    }
    if let Some(survivors) = &inspection.survivors {
        section("Survivors", out)?;
        said(&figures::total(inspection, survivors), width, out)?;
        for of in figures::survivors(survivors) {
            table(&of, width, out)?;
        }
        if !survivors.references.is_empty() {
            writeln!(out)?;
            said(figures::REFERENCES, width, out)?;
        }
    }
    holding(inspection, width, out)?;
    if let Some(garbage) = &inspection.garbage {
        section("Cycles, in one iteration", out)?;
        said(&figures::garbage(garbage), width, out)?;
        table(&figures::cycles(garbage), width, out)?;
    }
    if !inspection.native.is_empty() {
        section("Native memory that stays, per iteration", out)?;
        table(&figures::native(inspection), width, out)?;
        said(figures::STACKS, width, out)?;
    }
    if !inspection.routines.is_empty() {
        section("Lines", out)?;
        for routine in &inspection.routines {
            table(&figures::routine(routine), width, out)?;
        }
        writeln!(out)?;
        said(&figures::lines(inspection), width, out)?;
    }
    if inspection.peak.is_some() {
        section("Memory at its highest", out)?;
        for sentence in figures::peak(inspection) {
            said(&sentence, width, out)?;
        }
        for of in figures::standing(inspection) {
            table(&of, width, out)?;
        }
    }
    if !inspection.errors.is_empty() || !inspection.notes.is_empty() {
        writeln!(out)?;
    }
    for error in inspection.errors.iter().take(ERRORS) {
        let line = format!("{}: {}", brief(&error.place), brief(&error.message));
        paragraph("error:", BAD, &line, 4, width, out)?;
    }
    for note in &inspection.notes {
        paragraph("note:", DIM, &brief(note), 4, width, out)?;
    }
    Ok(())
}

/// The test, what is said of it, and what to do.
fn lede(inspection: &Inspection, width: usize, out: &mut dyn io::Write) -> io::Result<()> {
    let Some(test) = &inspection.test else {
        return Ok(());
    };
    let paint = match test.verdict {
        Verdict::Clean | Verdict::Bounded | Verdict::Harness => GOOD,
        Verdict::Leak | Verdict::Crashed | Verdict::TimedOut | Verdict::Failed => BAD,
        Verdict::Unstable | Verdict::Undecided | Verdict::Unrepeatable | Verdict::Skipped => DOUBT,
    };
    writeln!(out, "{}", shortened(&test.id, 300))?;
    let first = format!("{}:", test.verdict.word());
    paragraph(&first, paint, &figures::outcome(inspection), 4, width, out)?;
    for (at, finding) in inspection.findings.iter().enumerate() {
        if at > 0 {
            paragraph("and:", paint, &brief(&finding.summary), 4, width, out)?;
        }
        let advice = shortened(&finding.advice, 1000);
        paragraph("fix:", DIM, &advice, 4, width, out)?;
        let code = shortened(&finding.code, 20);
        let more = address::more(inspection.environment.docs, &code);
        paragraph("more:", DIM, &more, 4, width, out)?;
        paragraph("confidence:", DIM, &brief(&finding.evidence), 4, width, out)?;
    }
    Ok(())
}

fn section(title: &str, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out, "\n{TITLE}{title}{TITLE:#}")
}

/// A sentence on the figures beside it.
fn said(text: &str, width: usize, out: &mut dyn io::Write) -> io::Result<()> {
    for line in textwrap::wrap(text, width.saturating_sub(2)) {
        writeln!(out, "  {DIM}{line}{DIM:#}")?;
    }
    Ok(())
}

/// The way to what stays, with what the holder and the object at the end hold besides.
fn holding(inspection: &Inspection, width: usize, out: &mut dyn io::Write) -> io::Result<()> {
    let Some(holding) = &inspection.holding else {
        return Ok(());
    };
    section("Retained by", out)?;
    let text = shortened(&holding.holder.text, 1000);
    for line in textwrap::wrap(&text, width.saturating_sub(2)) {
        writeln!(out, "  {line}")?;
    }
    writeln!(out)?;
    let steps = &holding.holder.steps;
    for (at, step) in steps.iter().enumerate() {
        let arrow = if at == 0 { "  " } else { "  ↓ " };
        let first = format!("{arrow}{}", shortened(&step.text, width / 2));
        let reason = shortened(&step.reason, 200);
        let (paint, reason) = if at == holding.at {
            (BAD, format!(" ◀ should let go: {reason}"))
        } else {
            (Paint::new(), format!(" {reason}"))
        };
        paragraph(&first, paint, &reason, 8, width, out)?;
        let beside: &[_] = if at == holding.at {
            &holding.holds
        } else if at + 1 == steps.len() {
            &holding.inside
        } else {
            &[]
        };
        for held in beside {
            let text = shortened(&figures::held(held), width.saturating_sub(8));
            writeln!(out, "      · {text}")?;
        }
    }
    for other in holding.holder.also.iter().take(ERRORS) {
        writeln!(out, "  also: {}", brief(other))?;
    }
    Ok(())
}

fn measure(text: &str) -> usize {
    textwrap::core::display_width(text)
}

/// Columns as wide as what is in them; the widest text gives way where the terminal is narrow.
fn table(table: &Table, width: usize, out: &mut dyn io::Write) -> io::Result<()> {
    if table.rows.is_empty() {
        return Ok(());
    }
    let mut widths: Vec<usize> = table.head.iter().map(|name| measure(name)).collect();
    for row in &table.rows {
        for (at, cell) in row.iter().enumerate() {
            widths[at] = widths[at].max(measure(cell));
        }
    }
    let room = width.saturating_sub(2 * widths.len());
    while widths.iter().sum::<usize>() > room {
        let widest = (0..widths.len())
            .filter(|at| !table.figures[*at] && widths[*at] > LEAST)
            .max_by_key(|at| widths[*at]);
        let Some(widest) = widest else { break };
        widths[widest] -= 1;
    }
    if !table.title.is_empty() {
        writeln!(out, "\n  {}", table.title)?;
    }
    let head: Vec<String> = table.head.iter().map(|name| (*name).to_owned()).collect();
    let head = row(&head, table, &widths);
    writeln!(out, "{DIM}{head}{DIM:#}")?;
    for cells in &table.rows {
        writeln!(out, "{}", row(cells, table, &widths))?;
    }
    Ok(())
}

fn row(cells: &[String], table: &Table, widths: &[usize]) -> String {
    let mut text = String::new();
    for (at, cell) in cells.iter().enumerate() {
        let last = at + 1 == cells.len();
        let cell = if measure(cell) <= widths[at] {
            cell.clone()
        } else if last {
            // A line of source loses its end, a name its middle.
            let kept: String = cell.chars().take(widths[at].saturating_sub(1)).collect();
            format!("{kept}…")
        } else {
            shortened(cell, widths[at])
        };
        let blank = " ".repeat(widths[at].saturating_sub(measure(&cell)));
        text.push_str("  ");
        if table.figures[at] {
            text.push_str(&blank);
        }
        text.push_str(&cell);
        if !table.figures[at] {
            text.push_str(&blank);
        }
    }
    text.truncate(text.trim_end().len());
    text
}
