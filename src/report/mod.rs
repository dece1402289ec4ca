//! What is reported of a run, and the formats it is written in: one format a file.

pub mod address;
mod badge;
mod bencher;
mod crowd;
mod diff;
pub mod events;
pub mod evidence;
mod github;
mod gitlab;
pub mod growth;
pub mod history;
mod html;
pub mod inspect;
pub mod json;
mod junit;
mod label;
pub mod markdown;
mod paragraph;
pub mod place;
pub mod plain;
pub mod progress;
pub mod read;
mod sarif;
mod short;
mod snapshots;
mod source;
mod spark;
pub mod text;
pub mod watch;

pub use diff::write as difference;

use std::{collections::BTreeMap, io};

use serde::{Deserialize, Serialize};

use crate::{
    baseline::acceptance::Package,
    exit_code::ExitCode,
    finding::{Finding, Level, Status},
    run::shard::Share,
    verdict::{Counter, TestResult, Verdict},
    worker::protocol::Trouble,
};

/// Where and with what a run took place.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// `3.12.1`.
    pub python: String,
    /// `CPython`.
    pub implementation: String,
    /// `linux-x86_64`.
    pub platform: String,
    /// `glibc 2.36`.
    pub libc: String,
    /// `pytest`, `unittest` or `command`.
    pub runner: String,
    /// Its version.
    pub runner_version: String,
    /// `exact`, `estimate` or `absent`, by counter.
    pub counters: BTreeMap<Counter, String>,
    /// Workers at the same time.
    pub jobs: usize,
    /// The project's folder inside its repository, `services/api`; empty at the root. Services that show files want
    /// them as the repository has them.
    #[serde(default)]
    pub source_root: String,
    /// When the run ended, in RFC 3339 and UTC; empty where a report does not tell.
    #[serde(default)]
    pub date: String,
    /// How often an hour the code under test runs in real life, where the user told.
    #[serde(default)]
    pub per_hour: Option<f64>,
    /// Where the documentation is on the web, where this build was told.
    #[serde(skip, default = "address::site")]
    pub docs: Option<&'static str>,
}

/// How long things took.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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
    /// Version of the leakcheck that made the run.
    pub version: String,
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
    /// Which part of the suite it is of, where several machines share one.
    pub shard: Option<Shard>,
    /// Out of which shards it was joined.
    pub merged: Option<Merged>,
    /// Where verdicts of earlier runs may be kept: why tests were asked all the same, and how many.
    pub asked: Option<BTreeMap<String, usize>>,
    /// What the suite holds once each of its tests has run, leak or not.
    pub retained: Retained,
}

/// What a suite holds at its end, leak or not: what a small machine runs out of memory with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Retained {
    /// Bytes, about: what the first iterations of all tests left.
    pub bytes: f64,
    /// The tests whose first iteration left most, largest first: their ids, and bytes.
    pub tests: Vec<(String, f64)>,
    /// Types of which there are more objects at the end than at the beginning, most first, and how many more.
    pub objects: Vec<(String, u64)>,
}

impl Retained {
    /// How many of each are told.
    const SHOWN: usize = 3;
    /// Less than this is not worth a line: bytes.
    const LEAST: f64 = 1e6;

    /// `14.9 MB, 9.9 MB by tests.T.test_a, 5.0 MB by tests.T.test_b; 55,000 app.Row`. None where it is next to nothing.
    pub fn text(&self) -> Option<String> {
        if self.bytes < Self::LEAST {
            return None;
        }
        let share = |bytes: &f64| bytes / self.bytes >= 0.05;
        let tests: Vec<String> = { self.tests.iter() }
            .filter(|(_, bytes)| share(bytes))
            .take(Self::SHOWN)
            .map(|(id, bytes)| format!("{} by {}", text::bytes(*bytes), text::shortened(id, 100)))
            .collect();
        let objects: Vec<String> = { self.objects.iter() }
            .take(Self::SHOWN)
            .map(|(name, count)| {
                format!(
                    "{} {}",
                    text::number(*count as f64),
                    text::shortened(name, 60)
                )
            })
            .collect();
        let mut said = text::bytes(self.bytes);
        if !tests.is_empty() {
            said = format!("{said}, {}", tests.join(", "));
        }
        if !objects.is_empty() {
            said = format!("{said}; {}", objects.join(", "));
        }
        Some(said)
    }
}

/// What the report of a shard has beside its own results, so that it can be joined with those of the other shards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shard {
    /// Which one, from 1.
    pub index: usize,
    /// Of how many.
    pub total: usize,
    /// Whether all shards together were asked for all of the suite.
    pub whole: bool,
    /// The build of Python, as snapshots name it.
    pub build: String,
    /// Tests that were taken to leak like another one, without being judged themselves.
    pub alike: Vec<String>,
    /// Installed packages that findings are in, by fingerprint.
    pub packages: BTreeMap<String, Package>,
    /// All files of the suite in the runner's order, with who runs them.
    pub files: Vec<Share>,
}

/// Out of which shards a report was joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merged {
    /// How many there should be.
    pub shards: usize,
    /// Those that are missing, from 1.
    pub missing: Vec<usize>,
}

impl Merged {
    /// `shard 3 of 8 is missing`; nothing where all are there.
    pub fn lack(&self) -> Option<String> {
        let numbers: Vec<String> = self.missing.iter().map(usize::to_string).collect();
        match &numbers[..] {
            [] => None,
            [one] => Some(format!("shard {one} of {} is missing", self.shards)),
            [most @ .., last] => Some(format!(
                "shards {} and {last} of {} are missing",
                most.join(", "),
                self.shards
            )),
        }
    }
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

/// What a reader should do about a finding. Every format makes the same three parts of the findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It is there and is shown in full.
    Present,
    /// It grew and is no leak; shown so that nobody has to wonder.
    Discounted,
    /// It was accepted once and is gone.
    Gone,
}

/// Which part of a report `finding` belongs to.
pub fn standing(finding: &Finding) -> Standing {
    match (finding.status, finding.level) {
        (Status::Fixed, _) => Standing::Gone,
        (_, Level::Note) => Standing::Discounted,
        (
            Status::New | Status::Worse | Status::Known | Status::Better,
            Level::Error | Level::Warning,
        ) => Standing::Present,
    }
}

/// Whether `finding` is among the accepted snapshots, and no worse than there.
pub fn is_accepted(finding: &Finding) -> bool {
    match finding.status {
        Status::Known | Status::Better => true,
        Status::New | Status::Worse | Status::Fixed => false,
    }
}

impl Report {
    /// How many tests have `verdict`.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.with(verdict).count()
    }

    /// The tests that have `verdict`.
    pub fn with(&self, verdict: Verdict) -> impl Iterator<Item = &TestResult> {
        self.tests
            .iter()
            .filter(move |test| test.verdict == verdict)
    }

    /// When the verdicts were found out that are kept from earlier runs.
    pub fn kept(&self) -> impl Iterator<Item = &str> {
        self.tests.iter().filter_map(|test| test.kept.as_deref())
    }

    /// How often clean tests ran in this run and in those whose evidence is kept: half of them as often as the first
    /// number or more, each at least as often as the second. Nothing without a cache.
    pub fn depth(&self) -> Option<(u32, u32)> {
        self.asked.as_ref()?;
        let mut ran: Vec<u32> = self
            .with(Verdict::Clean)
            .map(|test| test.iterations)
            .collect();
        ran.sort_unstable();
        Some((*ran.get(ran.len() / 2)?, *ran.first()?))
    }

    /// `880 of them kept from 26 November 2026 and run at least 68 times, half of them 132`; nothing where none is.
    fn told_kept(&self) -> Option<String> {
        let since = self.kept().min()?;
        let day = since.parse::<jiff::Timestamp>().ok();
        let day = day.map(|it| {
            it.to_zoned(jiff::tz::TimeZone::UTC)
                .strftime("%-d %B %Y")
                .to_string()
        });
        let day = day.map_or_else(String::new, |day| format!(" from {day}"));
        let many = text::number(self.kept().count() as f64);
        let ran = match self.depth() {
            Some((median, least)) => {
                format!(" and run at least {least} times, half of them {median}")
            }
            None => String::new(),
        };
        Some(format!("{many} of them kept{day}{ran}"))
    }

    /// Findings that fail the build.
    pub fn failing(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.fails)
    }

    /// The findings of one part, in the report's order.
    pub fn standing(&self, part: Standing) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(move |finding| standing(finding) == part)
    }

    /// Wall seconds of the whole run.
    pub fn seconds(&self) -> f64 {
        self.timing.screen_seconds + self.timing.judge_seconds
    }

    /// `2 leaks in 3 of 40 tests`, `no leak in 40 tests`: what every format begins with.
    pub fn headline(&self) -> String {
        let present = || self.standing(Standing::Present);
        let accepted = present()
            .filter(|finding| !finding.fails && is_accepted(finding))
            .count();
        // Among the other verdicts these are counted by name.
        let ended = [Verdict::Crashed, Verdict::TimedOut];
        let failing = present()
            .filter(|finding| finding.fails && !ended.contains(&finding.verdict))
            .count();
        let stale = self.standing(Standing::Gone).any(|finding| finding.fails);
        let word = match (failing, accepted, self.exit_code) {
            (0, 0, ExitCode::Success) => "no leak".to_owned(),
            (0, 0, _) if !stale => "no leak found".to_owned(),
            (0, 0, _) => "no leak".to_owned(),
            (0, count, _) => format!("no new leak, {count} accepted"),
            (count, 0, _) => text::counted(count, "leak"),
            (count, accepted, _) => {
                format!("{}, {accepted} accepted", text::counted(count, "leak"))
            }
        };
        let word = if stale {
            format!("{word}, a stale snapshot")
        } else {
            word
        };
        let tests = self.tests.len();
        let missing = self.merged.as_ref().and_then(Merged::lack);
        let part = match (&self.shard, missing) {
            (Some(shard), _) => format!(", shard {} of {}", shard.index, shard.total),
            (None, Some(missing)) => format!(", {missing}"),
            (None, None) => String::new(),
        };
        let part = match self.told_kept() {
            Some(kept) => format!("{part}, {kept}"),
            None => part,
        };
        match self.count(Verdict::Leak) {
            // Leaks that are not the project's are counted in another place.
            leaking if leaking == 0 || failing + accepted == 0 => {
                format!("{word} in {}{part}", text::counted(tests, "test"))
            }
            leaking => format!(
                "{word} in {} of {}{part}",
                text::number(leaking as f64),
                text::counted(tests, "test")
            ),
        }
    }

    /// Verdicts other than `leak` with their counts, those that occur.
    pub fn other_verdicts(&self) -> impl Iterator<Item = (Verdict, usize)> {
        Verdict::ALL
            .into_iter()
            .filter(|verdict| *verdict != Verdict::Leak)
            .map(|verdict| (verdict, self.count(verdict)))
            .filter(|(_, count)| *count > 0)
    }
}

/// A format a report can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For a person at a terminal.
    Plain,
    /// `leakcheck.report/1`, for programs.
    Json,
    /// The log of a GitHub Actions step: the plain report, folded, and annotations.
    Github,
    /// GitLab's code quality.
    Gitlab,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// JUnit XML, for CI servers.
    Junit,
    /// A comment on a pull request.
    Markdown,
    /// One page with everything, for a browser.
    Html,
    /// A line for each finding, `path:line:column: LK101 …`, for editors and problem matchers.
    Short,
    /// What a badge shows, as shields.io asks an endpoint for it.
    Badge,
    /// Figures for a Bencher server (Bencher Metric Format).
    Bencher,
}

/// How much a person wants to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Detail {
    /// The summary, and one line for each finding that fails.
    Quiet,
    /// Each finding with its evidence.
    #[default]
    Normal,
    /// What was discounted and what could not be judged as well.
    Verbose,
}

/// How a report is written, where its format leaves a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Columns of the terminal.
    pub width: usize,
    /// How much.
    pub detail: Detail,
}

/// Writes `report` in `format`. Colours are written where the format has any; the caller strips what its
/// destination cannot show.
pub fn write(
    report: &Report,
    format: Format,
    style: Style,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    match format {
        Format::Plain => plain::write(report, style, out),
        Format::Json => json::write(report, out),
        Format::Github => github::write(report, style, out),
        Format::Gitlab => gitlab::write(report, out),
        Format::Sarif => sarif::write(report, out),
        Format::Junit => junit::write(report, out),
        Format::Markdown => markdown::comment(report, out),
        Format::Html => html::write(report, out),
        Format::Short => short::write(report, out),
        Format::Badge => badge::write(report, out),
        Format::Bencher => bencher::write(report, out),
    }
}
