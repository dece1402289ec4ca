//! What is reported of a run, and the formats it is written in: one format a file.

mod diff;
pub mod json;
pub mod plain;
pub mod progress;
mod snapshots;
pub mod text;

pub use diff::write as difference;

use std::{collections::BTreeMap, io};

use serde::{Deserialize, Serialize};

use crate::{
    exit_code::ExitCode,
    finding::Finding,
    run::protocol::Trouble,
    verdict::{Counter, TestResult, Verdict},
};

/// Where and with what a run took place.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Environment {
    /// `3.12.1`.
    pub python: String,
    /// `CPython`.
    pub implementation: String,
    /// `linux-x86_64`.
    pub platform: String,
    /// `glibc 2.36`.
    pub libc: String,
    /// `pytest` or `unittest`.
    pub runner: String,
    /// Its version.
    pub runner_version: String,
    /// `exact`, `estimate` or `absent`, by counter.
    pub counters: BTreeMap<Counter, String>,
    /// Workers at the same time.
    pub jobs: usize,
}

/// How long things took.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Timing {
    /// Wall seconds of collecting and screening.
    pub screen_seconds: f64,
    /// Wall seconds of judging the suspects.
    pub judge_seconds: f64,
    /// CPU seconds that one plain run of the suite would take, estimated from the first iterations.
    pub plain_cpu_seconds: f64,
}

/// Everything there is to say of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Where and with what.
    pub environment: Environment,
    /// What the process exits with.
    pub exit_code: ExitCode,
    /// Every collected test, in the runner's order.
    pub tests: Vec<TestResult>,
    /// Every root cause, those that fail the build first.
    pub findings: Vec<Finding>,
    /// Collection and worker errors.
    pub errors: Vec<Trouble>,
    /// What was neutralised, one line each.
    pub notes: Vec<String>,
    /// The share of the tests that ran which got a judgement.
    pub judged: f64,
    /// The share that had to.
    pub min_judged: f64,
    /// How long things took.
    pub timing: Timing,
    /// The snapshots it was compared with.
    pub snapshots: Snapshots,
}

/// How a run stands to the accepted snapshots, beside the status of each finding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshots {
    /// How many there are.
    pub accepted: usize,
    /// How many of them this run says nothing of, because their tests were not judged.
    pub untested: usize,
    /// What to do now: commands, one line each.
    pub advice: Vec<String>,
}

impl Report {
    /// How many tests have `verdict`.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.tests
            .iter()
            .filter(|test| test.verdict == verdict)
            .count()
    }

    /// Findings that fail the build.
    pub fn failing(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.fails)
    }
}

/// A format a report can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For a person at a terminal.
    Plain,
    /// `leakcheck.report/1`, for programs.
    Json,
}

/// Writes `report` in `format`. Colours are written where the format has any; the caller strips what its
/// destination cannot show.
pub fn write(
    report: &Report,
    format: Format,
    width: usize,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    match format {
        Format::Plain => plain::write(report, width, out),
        Format::Json => json::write(report, out),
    }
}
