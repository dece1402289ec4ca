//! A history as a page for a browser, with everything in it: no network, no script.
//!
//! The template escapes every value; only the drawings come in as markup, and those hold names through
//! [`svg::escaped`](crate::report::html::svg::escaped) alone.

use std::io;

use minijinja::Value;
use serde::Serialize;

use super::{
    History, chart, plain,
    story::{Life, Place, Story},
};
use crate::report::{
    html::{self, STYLE},
    text::{brief, counted, shortened},
};

const PAGE: &str = include_str!("page.html");
/// What this page has besides the report's style.
const OWN_STYLE: &str = include_str!("page.css");
/// Rows of the table of runs, and leaks that are drawn.
const RUNS: usize = 500;
const LIVES: usize = 200;

#[derive(Serialize)]
struct Page {
    headline: String,
    build: String,
    good: bool,
    outcome: String,
    charts: Vec<Drawn>,
    open: Vec<Shown>,
    gone: Vec<Shown>,
    runs: Vec<Run>,
    notes: Vec<String>,
    style: Value,
}

#[derive(Serialize)]
struct Drawn {
    name: &'static str,
    told: String,
    drawing: Value,
}

#[derive(Serialize)]
struct Shown {
    id: String,
    code: String,
    about: String,
    place: String,
    accepted: bool,
    when: String,
    rate: String,
    drawing: Value,
}

#[derive(Serialize)]
struct Run {
    place: String,
    exit_code: u8,
    complete: bool,
    tests: usize,
    open: usize,
    came: Vec<String>,
    gone: Vec<String>,
    seconds: String,
}

/// Writes the page.
pub fn write(history: &History, story: &Story<'_>, out: &mut dyn io::Write) -> io::Result<()> {
    let place = |at: usize| brief(&Place::of(story.runs[at], at).to_string());
    let last = story.runs.len() - 1;
    let open = story.open.last().copied().unwrap_or_default();
    let marks: Vec<(usize, usize, usize)> = (0..story.runs.len())
        .map(|at| {
            let (came, gone) = story.changed(at);
            (at, came.len(), gone.len())
        })
        .filter(|(_, came, gone)| came + gone > 0)
        .collect();
    let ends = [place(0), place(last)];
    let charts = plain::figures(story)
        .into_iter()
        .map(|figure| {
            let marks: &[_] = if figure.name == "leaks open" {
                &marks
            } else {
                &[]
            };
            let drawing = chart::figure(&figure, marks, [&ends[0], &ends[1]]);
            Drawn {
                name: figure.name,
                told: format!("{}{}", figure.shown(figure.last()), figure.unit),
                drawing: Value::from_safe_string(drawing),
            }
        })
        .collect();
    let lives = |is_open: bool| -> Vec<Shown> {
        let of = story.lives.iter().filter(|life| life.is_open() == is_open);
        of.take(LIVES).map(|life| shown(life, &place)).collect()
    };
    let page = Page {
        headline: counted(story.runs.len(), "run"),
        build: format!("{}, {} to {}", brief(story.build), ends[0], ends[1]),
        good: open == 0,
        outcome: match open {
            0 => "no leak is open".to_owned(),
            open => format!("{} open", counted(open, "leak")),
        },
        charts,
        open: lives(true),
        gone: lives(false),
        runs: (0..story.runs.len())
            .rev()
            .take(RUNS)
            .map(|at| run(story, at, place(at)))
            .collect(),
        notes: plain::notes(history, story),
        style: Value::from_safe_string(format!("{STYLE}{OWN_STYLE}")),
    };
    html::rendered(PAGE, &page, out)
}

fn shown(life: &Life<'_>, place: &dyn Fn(usize) -> String) -> Shown {
    let when = match life.gone() {
        Some(gone) => format!("{} to {}", place(life.came()), place(gone)),
        None => format!("since {}", place(life.came())),
    };
    let rate = plain::rate(life);
    let drawing = chart::life(life, &format!("{when}; {rate}"));
    Shown {
        id: plain::digits(life.id),
        code: shortened(life.code, 20),
        about: brief(life.about),
        place: brief(life.place),
        accepted: life.accepted,
        when,
        rate,
        drawing: Value::from_safe_string(drawing),
    }
}

fn run(story: &Story<'_>, at: usize, place: String) -> Run {
    let (came, gone) = story.changed(at);
    let names = |lives: Vec<&Life<'_>>| -> Vec<String> {
        let name =
            |life: &&Life<'_>| format!("{} {}", plain::digits(life.id), shortened(life.about, 60));
        lives.iter().map(name).collect()
    };
    let of = story.runs[at];
    Run {
        place,
        exit_code: of.exit_code,
        complete: of.complete,
        tests: of.tests,
        open: story.open[at],
        came: names(came),
        gone: names(gone),
        seconds: format!("{:.1}", of.seconds),
    }
}
