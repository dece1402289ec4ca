//! A project's way over many runs: each run is a line of figures in a file (JSON Lines, `leakcheck.history/1`).

mod chart;
mod page;
mod plain;
mod story;

use std::{collections::BTreeMap, io};

use serde::{Deserialize, Serialize};

pub use page::write as html;
pub use plain::write as plain;
pub use story::{Place, Story};

use super::{Report, Standing, growth, is_accepted, json, text::shortened};
use crate::{exit_code::ExitCode, finding::Finding, verdict::Verdict};

/// Name and version of a line. Within a version it only grows.
pub const SCHEMA: &str = "leakcheck.history/1";
/// What every version's name begins with.
const NAME: &str = "leakcheck.history/";
/// Characters of a text from the project that are kept.
const LONGEST: usize = 200;

/// What is kept of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// [`SCHEMA`].
    pub schema: String,
    /// Version of leakcheck.
    pub version: String,
    /// When the run ended, in RFC 3339 and UTC.
    pub date: String,
    /// The commit that was checked out, where there is one.
    pub commit: Option<String>,
    /// Whether the run says of every leak whether it is there: all of the suite was asked for, and enough was judged.
    pub complete: bool,
    /// `CPython 3.12.1 linux-x86_64`: rates of one Python are not those of another.
    pub build: String,
    /// What the run exited with.
    pub exit_code: u8,
    /// Collected tests.
    pub tests: usize,
    /// Tests that leak.
    pub leaking: usize,
    /// The share of the tests that ran which got a judgement.
    pub judged: f64,
    /// Iterations of all tests together.
    pub iterations: u64,
    /// Wall seconds.
    pub seconds: f64,
    /// CPU seconds of a plain run, estimated.
    pub plain_cpu_seconds: f64,
    /// What leaks or is warned of.
    pub findings: Vec<Seen>,
}

/// What is kept of a finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// Its fingerprint.
    pub id: String,
    /// Such as LK101.
    pub code: String,
    /// What holds it, or where it is made.
    pub about: String,
    /// `depot.py:8`; empty where no line is known.
    pub place: String,
    /// Whether it is accepted.
    pub accepted: bool,
    /// Whether it fails the build.
    pub fails: bool,
    /// The counter whose rate says most.
    pub main: Option<String>,
    /// Growth per iteration.
    pub rates: BTreeMap<String, f64>,
}

impl Line {
    /// The line of a run of `commit`; `whole` where all of the suite was asked for.
    pub fn of(report: &Report, commit: Option<String>, whole: bool) -> Line {
        let environment = &report.environment;
        let missing = report
            .merged
            .as_ref()
            .is_some_and(|of| !of.missing.is_empty());
        let is_judged = matches!(report.exit_code, ExitCode::Success | ExitCode::Leak);
        Line {
            schema: SCHEMA.to_owned(),
            version: report.version.clone(),
            date: environment.date.clone(),
            commit,
            complete: whole && is_judged && report.shard.is_none() && !missing,
            build: format!(
                "{} {} {}",
                environment.implementation, environment.python, environment.platform
            ),
            exit_code: report.exit_code.number(),
            tests: report.tests.len(),
            leaking: report.count(Verdict::Leak),
            judged: report.judged,
            iterations: { report.tests.iter() }
                .map(|test| u64::from(test.iterations))
                .sum(),
            seconds: report.seconds(),
            plain_cpu_seconds: report.timing.plain_cpu_seconds,
            findings: report.standing(Standing::Present).map(Seen::of).collect(),
        }
    }

    /// Writes it, with its end.
    pub fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        json::line(self, out)
    }
}

impl Seen {
    fn of(finding: &Finding) -> Seen {
        let site = finding.sites.first();
        let holder = finding.holder.as_ref().map(|holder| &*holder.name);
        let holder = holder.filter(|name| !name.is_empty());
        let about = holder.or(site.map(|site| &*site.function));
        let cut = |text: &str| -> String {
            // Made safe when it is shown.
            if text.chars().count() > LONGEST {
                shortened(text, LONGEST)
            } else {
                text.to_owned()
            }
        };
        Seen {
            id: finding.fingerprint.clone(),
            code: finding.code.clone(),
            about: cut(about.unwrap_or(&finding.summary)),
            place: site.map_or_else(String::new, |site| {
                format!("{}:{}", cut(&site.file), site.line)
            }),
            accepted: is_accepted(finding),
            fails: finding.fails,
            main: growth::main_rate(finding).map(|(name, _)| name.to_owned()),
            rates: { finding.rate.iter() }
                .map(|(name, rate)| (name.clone(), rate.value))
                .collect(),
        }
    }
}

/// What a file holds.
#[derive(Debug, Default, PartialEq)]
pub struct History {
    /// The lines that could be read, in their order.
    pub lines: Vec<Line>,
    /// How many were cut off or are something else.
    pub damaged: usize,
    /// How many a newer leakcheck wrote.
    pub newer: usize,
}

/// Reads what [`Line::write`] wrote, many times over; `None` where that is no history at all.
pub fn read(text: &str) -> Option<History> {
    #[derive(Deserialize)]
    struct Named {
        schema: String,
    }
    let mut history = History::default();
    let mut foreign = 0;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let named: Option<Named> = serde_json::from_str(line).ok();
        match named {
            Some(named) if named.schema == SCHEMA => match serde_json::from_str(line) {
                Ok(read) => history.lines.push(read),
                Err(_) => history.damaged += 1,
            },
            Some(named) if named.schema.starts_with(NAME) => history.newer += 1,
            // A run that was killed leaves half of a line, and the next one begins after it.
            _ if line.contains(NAME) => history.damaged += 1,
            _ => foreign += 1,
        }
    }
    let known = history.lines.len() + history.newer + history.damaged;
    history.damaged += foreign;
    (known > 0 || foreign == 0).then_some(history)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run in which these leak, each with its rate.
    pub fn line(number: usize, complete: bool, findings: &[(&str, f64)]) -> Line {
        Line {
            schema: SCHEMA.to_owned(),
            version: "0.1.0".to_owned(),
            date: format!(
                "2026-{:02}-{:02}T10:00:00Z",
                1 + number / 28 % 12,
                1 + number % 28
            ),
            commit: Some(format!("{number:040x}")),
            complete,
            build: "CPython 3.12.1 linux-x86_64".to_owned(),
            exit_code: u8::from(!findings.is_empty()),
            tests: 40 + number / 10,
            leaking: findings.len(),
            judged: 1.0,
            iterations: 400,
            seconds: 12.5,
            plain_cpu_seconds: 3.0,
            findings: findings
                .iter()
                .map(|(id, rate)| Seen {
                    id: format!("{id:0>16}"),
                    code: "LK101".to_owned(),
                    about: format!("depot.{id}"),
                    place: "depot.py:8".to_owned(),
                    accepted: false,
                    fails: true,
                    main: Some("blocks".to_owned()),
                    rates: [("blocks".to_owned(), *rate)].into(),
                })
                .collect(),
        }
    }

    fn text(lines: &[Line]) -> String {
        let mut bytes = Vec::new();
        for line in lines {
            line.write(&mut bytes).unwrap();
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn what_is_written_is_read_again_and_the_rest_is_counted() {
        let lines = [line(1, true, &[("a", 2.0)]), line(2, true, &[])];
        let mut written = text(&lines);
        assert_eq!(read(&written).unwrap().lines, lines);
        written.push_str("{\"schema\":\"leakcheck.history/1\",\"versi\n{\"schema\":\"leakcheck.history/2\"}\nx\n");
        let found = read(&written).unwrap();
        assert_eq!((found.lines.len(), found.damaged, found.newer), (2, 2, 1));
        assert_eq!(read(""), Some(History::default()));
        assert_eq!(read("{\"schema\":\"leakcheck.report/1\"}\n"), None);
    }
}
