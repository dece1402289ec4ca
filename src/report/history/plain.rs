//! A history for a person at a terminal.

use std::io;

use super::{
    History,
    story::{Life, Place, Story},
};
use crate::{
    explain::fingerprint,
    report::{
        growth, spark,
        text::{brief, counted, number, shortened},
    },
};

/// Bars of a curve, leaks that are listed of each sort, and changes.
const BARS: usize = 40;
const LISTED: usize = 20;
const GONE: usize = 10;
const CHANGES: usize = 10;

/// Writes it.
pub fn write(history: &History, story: &Story<'_>, out: &mut dyn io::Write) -> io::Result<()> {
    let place = |at: usize| brief(&Place::of(story.runs[at], at).to_string());
    let last = story.runs.len() - 1;
    writeln!(
        out,
        "leakcheck: {} from {} to {}, {}",
        counted(story.runs.len(), "run"),
        place(0),
        place(last),
        brief(story.build)
    )?;
    writeln!(out)?;
    for figure in figures(story) {
        let curve = spark::line(&figure.scaled(), BARS);
        writeln!(
            out,
            "  {:<16} {curve:<BARS$}  {}",
            figure.name,
            figure.told()
        )?;
    }
    let (open, gone): (Vec<&Life<'_>>, Vec<&Life<'_>>) =
        story.lives.iter().partition(|life| life.is_open());
    section("open", &open, LISTED, story, out)?;
    section("gone", &gone, GONE, story, out)?;
    changes(story, out)?;
    for note in notes(history, story) {
        writeln!(out, "\n{note}")?;
    }
    Ok(())
}

fn section(
    name: &str,
    lives: &[&Life<'_>],
    most: usize,
    story: &Story<'_>,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    if lives.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{name} ({})", lives.len())?;
    for life in lives.iter().take(most) {
        let place = |at: usize| brief(&Place::of(story.runs[at], at).to_string());
        let when = match life.gone() {
            Some(gone) => format!("{} to {}", place(life.came()), place(gone)),
            None => format!("since {}", place(life.came())),
        };
        let accepted = if life.accepted { ", accepted" } else { "" };
        writeln!(
            out,
            "  {} {} {}, {when}{accepted}",
            digits(life.id),
            shortened(life.code, 20),
            shortened(life.about, 60),
        )?;
        let rates: Vec<i64> = { life.rates.iter().flatten() }
            .map(|rate| (rate * 100.0) as i64)
            .collect();
        writeln!(
            out,
            "           {} {}",
            spark::line(&rates, BARS),
            rate(life)
        )?;
    }
    if lives.len() > most {
        writeln!(out, "  and {} more", lives.len() - most)?;
    }
    Ok(())
}

/// The first digits of a fingerprint.
pub(super) fn digits(id: &str) -> String {
    brief(fingerprint::short(id))
}

/// `+8 blocks per iteration`; nothing where no rate is known.
pub(super) fn rate(life: &Life<'_>) -> String {
    life.rate().map_or_else(String::new, |rate| {
        let amount = growth::amount(&shortened(life.counter, 40), rate);
        format!("+{amount} per iteration")
    })
}

fn changes(story: &Story<'_>, out: &mut dyn io::Write) -> io::Result<()> {
    let names = |sign: &str, lives: Vec<&Life<'_>>| -> Vec<String> {
        lives
            .iter()
            .map(|life| format!("{sign} {} {}", digits(life.id), shortened(life.about, 50)))
            .collect()
    };
    let mut shown = 0;
    for at in (0..story.runs.len()).rev() {
        let (came, gone) = story.changed(at);
        let mut lines = names("+", came);
        lines.extend(names("-", gone));
        if lines.is_empty() {
            continue;
        }
        if shown == 0 {
            writeln!(out, "\nlast changes (+ came, - gone)")?;
        }
        if shown == CHANGES {
            return Ok(());
        }
        shown += 1;
        let place = brief(&Place::of(story.runs[at], at).to_string());
        writeln!(out, "  {place}  {}", lines.join(", "))?;
    }
    Ok(())
}

/// What of the file is not drawn, one line each.
pub(super) fn notes(history: &History, story: &Story<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    for (build, runs) in &story.others {
        let (build, runs) = (brief(build), counted(*runs, "run"));
        notes.push(format!("{runs} of {build} not shown; --python chooses."));
    }
    let parts = story.runs.iter().filter(|run| !run.complete).count();
    if parts > 0 {
        let runs = counted(parts, "run");
        notes.push(format!(
            "{runs} of a part of the suite, or with too little judged: what is missing there is not taken for gone."
        ));
    }
    if history.damaged > 0 {
        let lines = counted(history.damaged, "line");
        notes.push(format!("{lines} cut off or damaged, and left out."));
    }
    if history.newer > 0 {
        let lines = counted(history.newer, "line");
        notes.push(format!(
            "{lines} written by a newer leakcheck, and left out."
        ));
    }
    notes
}

/// A figure of each run.
pub(super) struct Figure {
    pub name: &'static str,
    pub unit: &'static str,
    pub values: Vec<f64>,
}

impl Figure {
    /// For a curve of whole numbers.
    fn scaled(&self) -> Vec<i64> {
        self.values
            .iter()
            .map(|value| (value * 1000.0) as i64)
            .collect()
    }

    pub fn low(&self) -> f64 {
        self.values.iter().copied().fold(f64::INFINITY, f64::min)
    }

    pub fn high(&self) -> f64 {
        self.values
            .iter()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max)
    }

    pub fn last(&self) -> f64 {
        self.values.last().copied().unwrap_or_default()
    }

    fn told(&self) -> String {
        let shown = |value: f64| format!("{}{}", self.shown(value), self.unit);
        if self.low() == self.high() {
            return shown(self.last());
        }
        format!(
            "{} now, {} to {}",
            shown(self.last()),
            self.shown(self.low()),
            shown(self.high())
        )
    }

    /// The value as people read it.
    pub fn shown(&self, value: f64) -> String {
        if value.abs() >= 100.0 || value.fract() == 0.0 {
            number(value.round())
        } else {
            format!("{value:.1}")
        }
    }
}

/// What is drawn over all runs.
pub(super) fn figures(story: &Story<'_>) -> Vec<Figure> {
    let of = |value: &dyn Fn(usize) -> f64| (0..story.runs.len()).map(value).collect();
    let runs = &story.runs;
    vec![
        Figure {
            name: "leaks open",
            unit: "",
            values: of(&|at| story.open[at] as f64),
        },
        Figure {
            name: "tests",
            unit: "",
            values: of(&|at| runs[at].tests as f64),
        },
        Figure {
            name: "judged",
            unit: " %",
            values: of(&|at| runs[at].judged * 100.0),
        },
        Figure {
            name: "iterations/test",
            unit: "",
            values: of(&|at| runs[at].iterations as f64 / (runs[at].tests as f64).max(1.0)),
        },
        Figure {
            name: "seconds",
            unit: " s",
            values: of(&|at| runs[at].seconds),
        },
    ]
}
