//! Figures of a run for those who keep them on a Bencher server (Bencher Metric Format): of the suite, and the rates of
//! each finding.

use std::{collections::BTreeMap, io};

use serde::Serialize;

use super::{Report, Standing, is_accepted, json, text};
use crate::{finding::Finding, verdict::Verdict};

/// The benchmark that stands for all of the suite.
const SUITE: &str = "leakcheck";
/// Characters of a benchmark's name; there may be 1,024.
const LONGEST: usize = 200;

#[derive(Serialize)]
struct Metric {
    value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    lower_value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upper_value: Option<f64>,
}

impl From<f64> for Metric {
    fn from(value: f64) -> Self {
        Metric {
            value,
            lower_value: None,
            upper_value: None,
        }
    }
}

/// Writes them. What is gone has no line: a server that saw it knows.
pub fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let mut benchmarks: BTreeMap<String, BTreeMap<String, Metric>> = BTreeMap::new();
    benchmarks.insert(SUITE.to_owned(), suite(report));
    for finding in report.standing(Standing::Present) {
        let rates: BTreeMap<String, Metric> = finding
            .rate
            .iter()
            .map(|(counter, rate)| {
                let metric = Metric {
                    value: rate.value,
                    lower_value: Some(rate.interval[0]),
                    upper_value: Some(rate.interval[1]),
                };
                (slug(counter), metric)
            })
            .collect();
        if !rates.is_empty() {
            benchmarks.insert(name(finding), rates);
        }
    }
    json::pretty(&benchmarks, out)
}

fn suite(report: &Report) -> BTreeMap<String, Metric> {
    let present = || report.standing(Standing::Present);
    let accepted = present().filter(|finding| is_accepted(finding)).count();
    let figures = [
        ("findings", present().count() as f64),
        ("accepted", accepted as f64),
        ("failing", report.failing().count() as f64),
        ("leaking-tests", report.count(Verdict::Leak) as f64),
        ("tests", report.tests.len() as f64),
        ("judged", report.judged),
        ("seconds", report.seconds()),
        ("plain-cpu-seconds", report.timing.plain_cpu_seconds),
    ];
    let named = figures.map(|(name, value)| (name.to_owned(), value.into()));
    named.into()
}

/// The same for the same finding: the fingerprint is its identity, and the rest is for a reader.
fn name(finding: &Finding) -> String {
    let holder = finding.holder.as_ref().map(|holder| &*holder.name);
    let function = finding.sites.first().map(|site| &*site.function);
    let about = holder.filter(|name| !name.is_empty()).or(function);
    let name = [Some(&*finding.code), about, Some(&*finding.fingerprint)];
    let name: Vec<&str> = name.into_iter().flatten().collect();
    text::shortened(&name.join(" "), LONGEST)
}

/// As Bencher writes the names of measures.
fn slug(counter: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    counter.chars().take(60).map(plain).collect()
}
