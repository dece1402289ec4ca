//! The JSON report, schema `leakcheck.report/1`: its own structs, so that the domain may change under it.

use std::{collections::BTreeMap, io};

use serde::{Deserialize, Serialize};
use serde_json::ser::{CharEscape, Formatter, PrettyFormatter, Serializer};

use super::{
    Environment, Merged, Report, Retained, Shard, Snapshots, Standing, Timing, standing, text,
};
use crate::{
    finding::{Finding, Status},
    verdict::{
        Series, TestResult, Verdict,
        rule::{self, Rule},
    },
    worker::protocol::Trouble,
};

/// Name and version of the schema. Within a version it only grows.
pub const SCHEMA: &str = "leakcheck.report/1";

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    tool: Tool<'a>,
    environment: &'a Environment,
    summary: Summary<'a>,
    errors: &'a [Trouble],
    notes: &'a [String],
    retained: &'a Retained,
    findings: &'a [Finding],
    snapshots: &'a Snapshots,
    tests: Vec<Test<'a>>,
    shard: &'a Option<Shard>,
    merged: &'a Option<Merged>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<Kept<'a>>,
}

/// What was kept of earlier runs.
#[derive(Serialize)]
struct Kept<'a> {
    tests: usize,
    since: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    depth: Option<Depth>,
    asked: &'a BTreeMap<String, usize>,
}

/// How often clean tests ran, in this run and earlier ones.
#[derive(Serialize)]
struct Depth {
    median: u32,
    least: u32,
}

#[derive(Serialize)]
struct Tool<'a> {
    name: &'static str,
    version: &'a str,
}

#[derive(Serialize)]
struct Summary<'a> {
    tests: usize,
    verdicts: BTreeMap<&'static str, usize>,
    findings: BTreeMap<&'static str, usize>,
    exit_code: u8,
    judged: f64,
    min_judged: f64,
    timing: &'a Timing,
}

#[derive(Serialize)]
pub(super) struct Test<'a> {
    id: &'a str,
    file: &'a str,
    verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<Rule>,
    reason: Option<&'a str>,
    iterations: u32,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    series: Option<&'a Series>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<&'a str>,
}

impl<'a> From<&'a TestResult> for Test<'a> {
    fn from(test: &'a TestResult) -> Self {
        Test {
            id: &test.id,
            file: &test.file,
            verdict: test.verdict,
            rule: test.rule,
            reason: test.reason.as_deref(),
            iterations: test.iterations,
            seconds: test.seconds,
            series: (!test.series.is_empty()).then_some(&test.series),
            kept: test.kept.as_deref(),
        }
    }
}

/// Writes the report as one indented document.
pub fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let mut findings: BTreeMap<_, _> = Status::ALL
        .into_iter()
        .map(|status| (status.word(), 0))
        .collect();
    for finding in &report.findings {
        if standing(finding) != Standing::Discounted {
            *findings.entry(finding.status.word()).or_insert(0) += 1;
        }
    }
    let document = Document {
        schema: SCHEMA,
        tool: Tool {
            name: "leakcheck",
            version: &report.version,
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
            judged: report.judged,
            min_judged: report.min_judged,
            timing: &report.timing,
        },
        errors: &report.errors,
        notes: &report.notes,
        retained: &report.retained,
        findings: &report.findings,
        snapshots: &report.snapshots,
        tests: report.tests.iter().map(Test::from).collect(),
        shard: &report.shard,
        merged: &report.merged,
        kept: report.asked.as_ref().map(|asked| Kept {
            tests: report.kept().count(),
            since: report.kept().min().unwrap_or_default(),
            depth: { report.depth() }.map(|(median, least)| Depth { median, least }),
            asked,
        }),
    };
    pretty(&document, out)
}

/// A test as it is read back.
#[derive(Deserialize)]
pub(super) struct ReadTest {
    id: String,
    #[serde(default)]
    file: String,
    verdict: Verdict,
    #[serde(default, deserialize_with = "rule::known")]
    rule: Option<Rule>,
    reason: Option<String>,
    iterations: u32,
    seconds: f64,
    #[serde(default)]
    series: Series,
    kept: Option<String>,
}

impl From<ReadTest> for TestResult {
    fn from(test: ReadTest) -> Self {
        TestResult {
            id: test.id,
            file: test.file,
            verdict: test.verdict,
            rule: test.rule,
            reason: test.reason,
            iterations: test.iterations,
            seconds: test.seconds,
            series: test.series,
            kept: test.kept,
        }
    }
}

/// Writes `value` indented, with nothing in its strings that could steer a terminal it is printed on.
pub fn pretty(value: &impl Serialize, out: &mut dyn io::Write) -> io::Result<()> {
    let mut serializer = Serializer::with_formatter(&mut *out, Safe(PrettyFormatter::new()));
    value.serialize(&mut serializer)?;
    writeln!(out)
}

/// The same in one line.
pub(super) fn line(value: &impl Serialize, out: &mut dyn io::Write) -> io::Result<()> {
    let mut serializer =
        Serializer::with_formatter(&mut *out, Safe(serde_json::ser::CompactFormatter));
    value.serialize(&mut serializer)?;
    writeln!(out)
}

/// Writes the characters that [`text::shown`] would write out as JSON's escapes: the same string to a program.
struct Safe<F>(F);

macro_rules! passed_on {
    ($($name:ident($($argument:ident: $type:ty),*);)*) => {
        $(fn $name<W: ?Sized + io::Write>(&mut self, writer: &mut W $(, $argument: $type)*) -> io::Result<()> {
            self.0.$name(writer $(, $argument)*)
        })*
    };
}

impl<F: Formatter> Formatter for Safe<F> {
    passed_on! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        end_object_key();
        begin_object_value();
        end_object_value();
        write_char_escape(escape: CharEscape);
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut from = 0;
        for (at, character) in fragment.char_indices() {
            if text::is_unsafe(character) {
                writer.write_all(&fragment.as_bytes()[from..at])?;
                from = at + character.len_utf8();
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        writer.write_all(&fragment.as_bytes()[from..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_keep_their_value_and_cannot_steer_a_terminal() {
        let hostile = "a\u{9b}31m\u{202e}\u{7f}\x1b[2J ä \u{e0041} 😀";
        let mut bytes = Vec::new();
        line(&hostile, &mut bytes).unwrap();
        let written = String::from_utf8(bytes).unwrap();
        assert!(
            written.trim_end().chars().all(|c| !text::is_unsafe(c)),
            "{written}"
        );
        assert!(written.contains("ä") && written.contains("😀"));
        assert_eq!(serde_json::from_str::<String>(&written).unwrap(), hostile);
    }
}
