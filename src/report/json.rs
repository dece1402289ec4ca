//! The JSON report, schema `leakcheck.report/1`: its own structs, so that the domain may change under it.

use std::{collections::BTreeMap, io};

use serde::Serialize;

use super::{Environment, Report, Snapshots, Timing};
use crate::{
    finding::{Finding, Level, Status},
    run::protocol::Trouble,
    verdict::{Series, TestResult, Verdict},
};

/// Name and version of the schema. Within a version it only grows.
pub const SCHEMA: &str = "leakcheck.report/1";

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    tool: Tool,
    environment: &'a Environment,
    summary: Summary<'a>,
    errors: &'a [Trouble],
    notes: &'a [String],
    findings: &'a [Finding],
    snapshots: &'a Snapshots,
    tests: Vec<Test<'a>>,
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Summary<'a> {
    tests: usize,
    verdicts: BTreeMap<&'static str, usize>,
    findings: BTreeMap<&'static str, usize>,
    exit_code: u8,
    timing: &'a Timing,
}

#[derive(Serialize)]
struct Test<'a> {
    id: &'a str,
    verdict: Verdict,
    reason: Option<&'a str>,
    iterations: u32,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    series: Option<&'a Series>,
}

impl<'a> From<&'a TestResult> for Test<'a> {
    fn from(test: &'a TestResult) -> Self {
        Test {
            id: &test.id,
            verdict: test.verdict,
            reason: test.reason.as_deref(),
            iterations: test.iterations,
            seconds: test.seconds,
            series: (!test.series.is_empty()).then_some(&test.series),
        }
    }
}

/// Writes the report as one indented document.
pub fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let mut findings = BTreeMap::new();
    for status in ["new", "worse", "known", "better", "fixed"] {
        findings.insert(status, 0);
    }
    // What was only noted, such as a cache that ends, stands in no relation to the snapshots.
    for finding in report
        .findings
        .iter()
        .filter(|finding| finding.level != Level::Note || finding.status == Status::Fixed)
    {
        let word = match finding.status {
            Status::New => "new",
            Status::Worse => "worse",
            Status::Known => "known",
            Status::Better => "better",
            Status::Fixed => "fixed",
        };
        *findings.entry(word).or_insert(0) += 1;
    }
    let document = Document {
        schema: SCHEMA,
        tool: Tool {
            name: "leakcheck",
            version: env!("CARGO_PKG_VERSION"),
        },
        environment: &report.environment,
        summary: Summary {
            tests: report.tests.len(),
            verdicts: Verdict::ALL
                .into_iter()
                .map(|verdict| (verdict.word(), report.count(verdict)))
                .collect(),
            findings,
            exit_code: report.exit_code.number(),
            timing: &report.timing,
        },
        errors: &report.errors,
        notes: &report.notes,
        findings: &report.findings,
        snapshots: &report.snapshots,
        tests: report.tests.iter().map(Test::from).collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}
