//! Reads a JSON report back, so that it can be rendered again later.

use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};
use thiserror::Error;

use super::{
    Environment, Merged, Report, Retained, Shard, Snapshots, Timing,
    json::{ReadTest, SCHEMA},
    text,
};
use crate::{
    exit_code::ExitCode, explain::fingerprint, finding::Finding, run::shard::MOST,
    worker::protocol::Trouble,
};

/// Why a text is no report that can be rendered.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It is not JSON, or the end is missing.
    #[error("is not whole JSON ({0}); was it cut off while it was written?")]
    Broken(serde_json::Error),
    /// It is JSON and something else.
    #[error("is no leakcheck report; `leakcheck run --report json=FILE` writes one")]
    Foreign,
    /// It has a schema that this version does not know.
    #[error(
        "has the schema {0:?}, and this leakcheck reads {SCHEMA:?}; render it with the version that wrote it"
    )]
    OtherVersion(String),
    /// It says it is a report and lacks what one has.
    #[error("is damaged, or from a newer leakcheck: {0}")]
    Damaged(serde_json::Error),
    /// Its exit code is none of ours.
    #[error("is damaged: there is no exit code {0}")]
    ExitCode(u8),
    /// A value in it is none that leakcheck writes.
    #[error("is damaged: {0}")]
    Value(String),
}

#[derive(Deserialize)]
struct Named {
    schema: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Document {
    tool: Tool,
    environment: Environment,
    summary: Summary,
    errors: Vec<Trouble>,
    notes: Vec<String>,
    #[serde(default)]
    retained: Retained,
    findings: Vec<Finding>,
    #[serde(default)]
    snapshots: Snapshots,
    tests: Vec<ReadTest>,
    shard: Option<Shard>,
    merged: Option<Merged>,
    kept: Option<Kept>,
}

#[derive(Deserialize)]
struct Kept {
    asked: BTreeMap<String, usize>,
}

#[derive(Deserialize)]
struct Tool {
    version: String,
}

#[derive(Deserialize)]
struct Summary {
    exit_code: u8,
    #[serde(default = "all")]
    judged: f64,
    #[serde(default)]
    min_judged: f64,
    timing: Timing,
}

/// Reports from before the share was written down: nothing is claimed to be missing.
fn all() -> f64 {
    1.0
}

/// The report in `json`, which is what [`super::json::write`] wrote.
pub fn report(json: &str) -> Result<Report, ReadError> {
    let text = json.trim_start_matches('\u{feff}');
    // Whether it is JSON at all comes first: a list, too, would pass for fields without their names.
    serde_json::from_str::<IgnoredAny>(text).map_err(ReadError::Broken)?;
    let named: Option<Named> = text
        .trim_start()
        .starts_with('{')
        .then(|| serde_json::from_str(text).ok())
        .flatten();
    match named.and_then(|named| named.schema) {
        Some(serde_json::Value::String(schema)) if schema == SCHEMA => {}
        Some(serde_json::Value::String(schema)) if schema.starts_with("leakcheck.report/") => {
            return Err(ReadError::OtherVersion(schema));
        }
        _ => return Err(ReadError::Foreign),
    }
    let document: Document = serde_json::from_str(text).map_err(ReadError::Damaged)?;
    let number = document.summary.exit_code;
    let report = Report {
        version: document.tool.version,
        environment: document.environment,
        exit_code: ExitCode::of_number(number).ok_or(ReadError::ExitCode(number))?,
        tests: document.tests.into_iter().map(Into::into).collect(),
        findings: document.findings,
        errors: document.errors,
        notes: document.notes,
        judged: document.summary.judged,
        min_judged: document.summary.min_judged,
        timing: document.summary.timing,
        snapshots: document.snapshots,
        shard: document.shard,
        merged: document.merged,
        asked: document.kept.map(|kept| kept.asked),
        retained: document.retained,
    };
    check(&report).map_err(ReadError::Value)?;
    Ok(report)
}

/// What is made of a report's values (names of files, commands, sums) takes them for what leakcheck writes.
fn check(report: &Report) -> Result<(), String> {
    let shard = report.shard.as_ref();
    let fingerprints = report
        .findings
        .iter()
        .map(|finding| &finding.fingerprint)
        .chain(shard.iter().flat_map(|shard| shard.packages.keys()));
    for text in fingerprints {
        if !fingerprint::is_one(text) {
            let text = text::shortened(text, 40);
            return Err(format!("{text:?} is no fingerprint"));
        }
    }
    for finding in &report.findings {
        // A later version may know more kinds.
        let digits = finding.code.strip_prefix("LK").unwrap_or_default();
        if digits.len() != 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            let code = text::shortened(&finding.code, 40);
            return Err(format!("{code:?} is no kind of leak"));
        }
    }
    let shares = [report.judged, report.min_judged];
    if let Some(share) = shares.iter().find(|share| !(0.0..=1.0).contains(*share)) {
        return Err(format!("{share} is no share of tests"));
    }
    let of_tests = report.tests.iter().map(|test| test.seconds);
    let of_files = shard
        .iter()
        .flat_map(|shard| shard.files.iter().filter_map(|file| file.seconds));
    if let Some(seconds) = of_tests.chain(of_files).find(|seconds| *seconds < 0.0) {
        return Err(format!("{seconds} s is no time"));
    }
    if let Some(shard) = shard
        && !(1..=MOST).contains(&shard.total)
    {
        return Err(format!("there cannot be {} shards", shard.total));
    }
    Ok(())
}
