//! One test under the microscope as a page for a browser, with everything in it: no network, no script.
//!
//! The template escapes every value; only the drawings come in as markup, and those hold names through
//! [`svg::escaped`](crate::report::html::svg::escaped) alone.

use std::io;

use minijinja::Value;
use serde::Serialize;

use super::{
    Inspection,
    figures::{self, Table},
    graph,
};
use crate::{
    report::{
        html::{self, STYLE, chart, svg},
        text::{brief, shortened},
    },
    verdict::Verdict,
};

const PAGE: &str = include_str!("page.html");
/// What this page has besides the report's style.
const OWN_STYLE: &str = include_str!("page.css");

#[derive(Serialize)]
struct Page {
    id: String,
    verdict: &'static str,
    good: bool,
    outcome: String,
    findings: Vec<[String; 3]>,
    charts: Vec<Value>,
    flat: String,
    types: Table,
    total: String,
    survivors: Vec<Table>,
    references: &'static str,
    graph: Option<Value>,
    holder: String,
    steps: Vec<[String; 2]>,
    also: Vec<String>,
    garbage: String,
    cycles: Option<Table>,
    fixes: Vec<String>,
    native: Table,
    stacks: &'static str,
    routines: Vec<Table>,
    lines: String,
    peak: Vec<String>,
    standing: Vec<Table>,
    errors: Vec<[String; 2]>,
    notes: Vec<String>,
    facts: Vec<[String; 2]>,
    definitions: Value,
    style: Value,
}

/// Writes the page.
pub fn write(inspection: &Inspection, out: &mut dyn io::Write) -> io::Result<()> {
    let (id, verdict) = match &inspection.test {
        Some(test) => (shortened(&test.id, 300), test.verdict),
        None => (String::new(), Verdict::Undecided),
    };
    let survivors = inspection.survivors.as_ref();
    let holding = inspection.holding.as_ref();
    let garbage = inspection.garbage.as_ref();
    let page = Page {
        id,
        verdict: verdict.word(),
        good: matches!(
            verdict,
            Verdict::Clean | Verdict::Bounded | Verdict::Harness
        ),
        outcome: figures::outcome(inspection),
        findings: inspection
            .findings
            .iter()
            .map(|finding| {
                [
                    brief(&finding.summary),
                    shortened(&finding.advice, 1000),
                    shortened(&finding.code, 20),
                ]
            })
            .collect(),
        charts: inspection
            .curves
            .iter()
            .filter(|curve| figures::moved(curve))
            .enumerate()
            .map(|(at, curve)| Value::from_safe_string(chart::draw(curve, &format!("k{at}"))))
            .collect(),
        flat: figures::flat(inspection),
        types: figures::types(inspection),
        total: survivors.map_or_else(String::new, |survivors| {
            figures::total(inspection, survivors)
        }),
        survivors: survivors.map_or_else(Vec::new, figures::survivors),
        references: figures::REFERENCES,
        graph: holding.map(|holding| Value::from_safe_string(graph::draw(holding, "g"))),
        holder: holding.map_or_else(String::new, |holding| shortened(&holding.holder.text, 1000)),
        steps: holding.map_or_else(Vec::new, |holding| {
            let steps = holding.holder.steps.iter();
            steps
                .map(|step| [brief(&step.text), brief(&step.reason)])
                .collect()
        }),
        also: holding.map_or_else(Vec::new, |holding| {
            holding.holder.also.iter().map(|text| brief(text)).collect()
        }),
        garbage: garbage.map_or_else(String::new, figures::garbage),
        cycles: garbage.map(figures::cycles),
        fixes: garbage.map_or_else(Vec::new, |garbage| {
            let mut fixes: Vec<String> = Vec::new();
            for cycle in &garbage.cycles {
                let advice = shortened(&cycle.advice, 1000);
                if !fixes.contains(&advice) {
                    fixes.push(advice);
                }
            }
            fixes
        }),
        native: figures::native(inspection),
        stacks: figures::STACKS,
        routines: inspection.routines.iter().map(figures::routine).collect(),
        lines: figures::lines(inspection),
        peak: figures::peak(inspection),
        standing: figures::standing(inspection),
        errors: inspection
            .errors
            .iter()
            .map(|error| [brief(&error.place), brief(&error.message)])
            .collect(),
        notes: inspection.notes.iter().map(|note| brief(note)).collect(),
        facts: facts(inspection),
        definitions: Value::from_safe_string(svg::DEFINITIONS.to_owned()),
        style: Value::from_safe_string(format!("{STYLE}{OWN_STYLE}")),
    };
    html::rendered(PAGE, &page, out)
}

fn facts(inspection: &Inspection) -> Vec<[String; 2]> {
    let environment = &inspection.environment;
    let iterations = inspection
        .test
        .as_ref()
        .map_or_else(String::new, |test| test.iterations.to_string());
    html::facts(
        &inspection.version,
        environment,
        vec![
            ("iterations judged", iterations),
            ("date", environment.date.clone()),
            ("exit code", inspection.exit_code.number().to_string()),
        ],
    )
}
