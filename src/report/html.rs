//! The report as one page for a browser, with everything in it: no network, light and dark, readable in print.
//!
//! The template escapes every value; only the drawings come in as markup, and those hold names through
//! [`svg::escaped`] alone. A content security policy lets the page run its own script and load nothing.

pub(super) mod chain;
pub(super) mod chart;
pub(super) mod svg;

use std::io;

use base64::{Engine, engine::general_purpose::STANDARD};
use minijinja::{Environment as Templates, Value, value::Serde};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{
    Environment, Report, Standing, address,
    diff::{self, Sign},
    growth, label, plain, source, spark,
    text::{brief, bytes, counted, number, shortened},
};
use crate::{
    finding::{Accepted, Finding, Holder, Role, Site, Status},
    verdict::{TestResult, Verdict},
};

const PAGE: &str = include_str!("html/page.html");
const HEAD: &str = include_str!("html/head.html");
pub(super) const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

/// Places of a finding whose source is shown, and tests that it lists.
const SOURCES: usize = 4;
const TESTS: usize = 200;
/// Characters of a name.
const NAME: usize = 300;

#[derive(Serialize)]
struct Page {
    headline: String,
    exit_code: u8,
    good: bool,
    findings: Vec<Shown>,
    discounted: Vec<Shown>,
    gone: Vec<Shown>,
    count: String,
    all_tests: String,
    verdicts: Vec<(&'static str, String)>,
    statuses: Vec<(&'static str, &'static str, usize)>,
    tests: Vec<Test>,
    facts: Vec<[String; 2]>,
    counters: Vec<[String; 3]>,
    errors: Vec<[String; 2]>,
    notes: Vec<String>,
    snapshots: Option<String>,
    next: Vec<String>,
    definitions: Value,
    style: Value,
    script: Value,
    hash: String,
}

#[derive(Serialize)]
struct Shown {
    anchor: String,
    noun: &'static str,
    code: String,
    address: Option<String>,
    title: String,
    status: &'static str,
    sign: &'static str,
    fails: bool,
    verdict: &'static str,
    kind: &'static str,
    owner: &'static str,
    summary: String,
    rate: String,
    curve: String,
    cost: Option<String>,
    held_by: &'static str,
    holder: Option<String>,
    path: Vec<String>,
    also: Vec<String>,
    resources: String,
    c_stack: String,
    chain: Option<Value>,
    charts: Vec<Value>,
    rates: Vec<[String; 2]>,
    shape: String,
    sources: Vec<Source>,
    types: Vec<[String; 5]>,
    tests: Vec<String>,
    more_tests: usize,
    evidence: String,
    advice: String,
    fingerprint: String,
    snapshot: Option<Snapshot>,
}

/// What the accepted snapshot says of a finding.
#[derive(Serialize)]
struct Snapshot {
    file: String,
    terms: Option<String>,
    expired: bool,
    /// Sign, the word for it, and the line.
    change: Vec<(char, &'static str, String)>,
}

#[derive(Serialize)]
struct Source {
    place: String,
    function: String,
    amount: String,
    lines: Vec<Line>,
    callers: Vec<String>,
}

#[derive(Serialize)]
struct Line {
    number: u32,
    text: String,
    growth: Option<String>,
}

#[derive(Serialize)]
struct Test {
    id: String,
    verdict: &'static str,
    iterations: u32,
    seconds: String,
    reason: String,
}

/// Writes the page.
pub fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let part = |part: Standing, letter: char| -> Vec<Shown> {
        report
            .standing(part)
            .enumerate()
            .map(|(at, finding)| shown(report, finding, format!("{letter}{}", at + 1)))
            .collect()
    };
    let environment = &report.environment;
    let facts = facts(
        &report.version,
        environment,
        vec![
            ("workers", environment.jobs.to_string()),
            ("date", environment.date.clone()),
            (
                "screening",
                format!("{:.1} s", report.timing.screen_seconds),
            ),
            (
                "judging suspects",
                format!("{:.1} s", report.timing.judge_seconds),
            ),
            (
                "one plain run",
                format!("{:.1} s of CPU", report.timing.plain_cpu_seconds),
            ),
            (
                "judged",
                format!(
                    "{:.1} % of the tests that ran (at least {:.0} % asked for)",
                    report.judged * 100.0,
                    report.min_judged * 100.0
                ),
            ),
            ("retained", report.retained.text().unwrap_or_default()),
        ],
    );
    let counters: Vec<[String; 3]> = environment
        .counters
        .iter()
        .map(|(counter, exactness)| {
            [
                counter.name().to_owned(),
                brief(exactness),
                counter.meaning().to_owned(),
            ]
        })
        .collect();
    let verdicts = Verdict::ALL
        .into_iter()
        .map(|verdict| (verdict, report.count(verdict)))
        .filter(|(_, count)| *count > 0)
        .map(|(verdict, count)| (verdict.word(), number(count as f64)))
        .collect();
    let statuses = Status::ALL
        .into_iter()
        .map(|status| {
            let count = report
                .findings
                .iter()
                .filter(|finding| finding.status == status)
                .filter(|finding| super::standing(finding) != Standing::Discounted)
                .count();
            (sign(status), status.word(), count)
        })
        .filter(|(_, _, count)| *count > 0)
        .collect();
    let tests: Vec<Test> = report.tests.iter().map(test).collect();
    let errors: Vec<[String; 2]> = report
        .errors
        .iter()
        .take(TESTS)
        .map(|error| [brief(&error.place), plain::ends(&error.message)])
        .collect();
    let hash = STANDARD.encode(Sha256::digest(SCRIPT.as_bytes()));
    let page = Page {
        headline: report.headline(),
        exit_code: report.exit_code.number(),
        good: report.exit_code.number() == 0,
        findings: part(Standing::Present, 'f'),
        discounted: part(Standing::Discounted, 'd'),
        gone: part(Standing::Gone, 'g'),
        count: counted(report.standing(Standing::Present).count(), "finding"),
        all_tests: counted(report.tests.len(), "test"),
        verdicts,
        statuses,
        tests,
        facts,
        counters,
        errors,
        notes: report.notes.iter().map(|note| brief(note)).collect(),
        snapshots: snapshots(report),
        next: report
            .snapshots
            .advice
            .iter()
            .map(|line| brief(line))
            .collect(),
        definitions: Value::from_safe_string(svg::DEFINITIONS.to_owned()),
        style: Value::from_safe_string(STYLE.to_owned()),
        script: Value::from_safe_string(SCRIPT.to_owned()),
        hash,
    };
    rendered(PAGE, &page, out)
}

/// How the run stands to the snapshots, where there are any.
fn snapshots(report: &Report) -> Option<String> {
    let snapshots = &report.snapshots;
    (snapshots.accepted > 0).then(|| match snapshots.untested {
        0 => format!("Compared with {}.", counted(snapshots.accepted, "snapshot")),
        untested => format!(
            "Compared with {}; this run says nothing of {untested} of them.",
            counted(snapshots.accepted, "snapshot")
        ),
    })
}

/// A sign beside each word, for those who do not see its colour.
fn sign(status: Status) -> &'static str {
    match status {
        Status::New => "●",
        Status::Worse => "▲",
        Status::Known => "■",
        Status::Better => "▼",
        Status::Fixed => "✓",
    }
}

fn shown(report: &Report, finding: &Finding, anchor: String) -> Shown {
    let charts = finding
        .curves
        .iter()
        .filter(|curve| !curve.readings.is_empty())
        .enumerate()
        .map(|(at, curve)| {
            Value::from_safe_string(chart::draw(curve, &format!("{anchor}-{}", at + 1)))
        })
        .collect();
    let chain = finding
        .holder
        .as_ref()
        .filter(|holder| !holder.path.is_empty())
        .map(|holder| Value::from_safe_string(chain::draw(holder, &anchor)));
    Shown {
        noun: label::noun(finding),
        title: super::sarif::title(&finding.code),
        code: shortened(&finding.code, 20),
        address: address::of_code(report.environment.docs, &finding.code),
        status: finding.status.word(),
        sign: sign(finding.status),
        fails: finding.fails,
        verdict: finding.verdict.word(),
        kind: plain::kind_name(finding.kind),
        owner: finding.owner.word(),
        summary: brief(&finding.summary),
        rate: growth::main_rate(finding).map_or_else(String::new, |(name, rate)| {
            format!("+{}", growth::amount(&shortened(name, 40), rate.value))
        }),
        curve: growth::main_curve(finding)
            .map_or_else(String::new, |curve| spark::line(&curve.readings, 16)),
        cost: growth::comes_to(finding, &report.environment),
        held_by: source::held_by(finding),
        holder: finding
            .holder
            .as_ref()
            .map(|holder| shortened(&holder.text, 1000)),
        path: finding.holder.as_ref().map_or_else(Vec::new, path),
        resources: source::resources(finding),
        c_stack: source::c_stack(finding),
        also: finding
            .holder
            .iter()
            .flat_map(|holder| &holder.also)
            .take(chain::MOST)
            .map(|place| brief(place))
            .collect(),
        chain,
        charts,
        rates: finding
            .rate
            .iter()
            .map(|(name, rate)| {
                [
                    growth::with_interval(&shortened(name, 40), rate),
                    if rate.exact {
                        "the same in every iteration".to_owned()
                    } else {
                        String::new()
                    },
                ]
            })
            .collect(),
        shape: brief(&finding.shape),
        sources: sources(finding),
        types: finding
            .types
            .iter()
            .map(|of| {
                [
                    shortened(&of.name, NAME),
                    number(of.count),
                    if of.bytes > 0.0 {
                        bytes(of.bytes)
                    } else {
                        String::new()
                    },
                    of.retained.map_or_else(String::new, bytes),
                    of.example
                        .as_deref()
                        .map_or_else(String::new, |example| shortened(example, 80)),
                ]
            })
            .collect(),
        tests: finding
            .tests
            .iter()
            .take(TESTS)
            .map(|id| shortened(id, NAME))
            .collect(),
        more_tests: finding.tests.len().saturating_sub(TESTS),
        evidence: brief(&finding.evidence),
        advice: shortened(&finding.advice, 1000),
        fingerprint: shortened(&finding.fingerprint, 80),
        snapshot: finding.accepted.as_ref().map(snapshot),
        anchor,
    }
}

/// The path in words: each object, and what it does where that is known.
fn path(holder: &Holder) -> Vec<String> {
    if holder.steps.is_empty() {
        return holder
            .path
            .iter()
            .take(chain::MOST)
            .map(|edge| brief(edge))
            .collect();
    }
    holder
        .steps
        .iter()
        .take(chain::MOST)
        .map(|step| {
            let does = match step.role {
                Role::Holds => "holds",
                Role::Held => "is held",
                Role::Unknown => "was there before",
            };
            let reason = match step.reason.as_str() {
                "" => String::new(),
                reason => format!(", {}", brief(reason)),
            };
            format!("{} ({does}{reason})", brief(&step.text))
        })
        .collect()
}

fn snapshot(accepted: &Accepted) -> Snapshot {
    let change = accepted.change.as_ref().map_or_else(Vec::new, |change| {
        diff::lines(&change.before, &change.after)
            .into_iter()
            .map(|(sign, line)| {
                let word = match sign {
                    Sign::Removed => "accepted",
                    Sign::Added => "now",
                    Sign::Same | Sign::Skipped => "",
                };
                (sign.mark(), word, line)
            })
            .collect()
    });
    Snapshot {
        file: shortened(&accepted.file, NAME),
        terms: super::snapshots::terms(accepted),
        expired: accepted.expired,
        change,
    }
}

fn sources(finding: &Finding) -> Vec<Source> {
    // A place that lies in the lines around an earlier one is marked there.
    let around = |earlier: &Site, site: &Site| {
        earlier.file == site.file
            && source::lines(finding, earlier)
                .iter()
                .any(|line| line.number == site.line)
    };
    finding
        .sites
        .iter()
        .enumerate()
        .filter(|(at, site)| {
            !finding.sites[..*at]
                .iter()
                .any(|earlier| around(earlier, site))
        })
        .map(|(_, site)| site)
        .take(SOURCES)
        .map(|site| Source {
            place: format!("{}:{}", shortened(&site.file, NAME), site.line),
            function: shortened(&site.function, NAME),
            amount: source::staying(finding.kind, site.count, site.bytes),
            lines: source::lines(finding, site)
                .into_iter()
                .map(|line| Line {
                    number: line.number,
                    text: line.text,
                    growth: line
                        .growth
                        .map(|(count, bytes)| source::amount(count, bytes)),
                })
                .collect(),
            callers: site
                .callers
                .iter()
                .take(12)
                .map(|frame| {
                    format!(
                        "{} ({}:{})",
                        shortened(&frame.function, NAME),
                        shortened(&frame.file, NAME),
                        frame.line
                    )
                })
                .collect(),
        })
        .collect()
}

fn test(test: &TestResult) -> Test {
    Test {
        id: shortened(&test.id, NAME),
        verdict: test.verdict.word(),
        iterations: test.iterations,
        seconds: format!("{:.3}", test.seconds),
        reason: test
            .reason
            .as_deref()
            .and_then(|reason| reason.lines().next())
            .map_or_else(String::new, brief),
    }
}

/// Writes a page of `data` after `template`, which begins with the head that all pages have: it lets nothing in from outside.
pub(super) fn rendered(
    template: &str,
    data: &impl Serialize,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let mut templates = Templates::new();
    [("head.html", HEAD), ("page.html", template)]
        .into_iter()
        .try_for_each(|(name, text)| templates.add_template(name, text))
        .and_then(|()| templates.get_template("page.html"))
        .and_then(|page| page.render_captured_to(Serde(data), &mut *out))
        .map_err(io::Error::other)?;
    writeln!(out)
}

/// What a page says of its run: the program and where it ran, then `more`; what is empty is left out.
pub(super) fn facts(
    version: &str,
    environment: &Environment,
    more: Vec<(&str, String)>,
) -> Vec<[String; 2]> {
    let mut found = vec![
        ("leakcheck", version.to_owned()),
        (
            "Python",
            format!("{} {}", environment.implementation, environment.python),
        ),
        ("platform", environment.platform.clone()),
        ("libc", environment.libc.clone()),
        (
            "runner",
            format!("{} {}", environment.runner, environment.runner_version),
        ),
    ];
    found.extend(more);
    found
        .into_iter()
        .filter(|(_, value)| !value.trim().is_empty())
        .map(|(name, value)| [name.to_owned(), brief(&value)])
        .collect()
}
