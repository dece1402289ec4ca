//! What leakcheck says of one test: exactly one verdict, with its reason and its measurements.

pub mod conclusion;
pub mod counter;
pub mod loss;
pub mod outcome;
mod pieces;
pub mod rule;

use std::collections::BTreeMap;

pub use counter::Counter;
use rule::Rule;
use serde::{Deserialize, Serialize};

/// What is said of a test. Every collected test gets exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Repeated, and nothing grew.
    Clean,
    /// Something grows with the iterations, in two processes.
    Leak,
    /// It grew, and stopped: it fills something that has an end.
    Bounded,
    /// What grows is kept by the test runner, not by the code under test.
    Harness,
    /// Grew in one process and not in the other.
    Unstable,
    /// Passes once, fails when repeated in the same process.
    Unrepeatable,
    /// Failed on its first run.
    Failed,
    /// Skipped on its first run.
    Skipped,
    /// Killed its worker.
    Crashed,
    /// Ran longer than its time-out.
    TimedOut,
    /// Could not be decided; the reason says what it would need.
    Undecided,
}

impl Verdict {
    /// Every verdict, in the order in which summaries list them.
    pub const ALL: [Verdict; 11] = [
        Verdict::Clean,
        Verdict::Leak,
        Verdict::Bounded,
        Verdict::Harness,
        Verdict::Unstable,
        Verdict::Undecided,
        Verdict::Unrepeatable,
        Verdict::Failed,
        Verdict::Crashed,
        Verdict::TimedOut,
        Verdict::Skipped,
    ];

    /// The word used in output and in the JSON report.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Clean => "clean",
            Verdict::Leak => "leak",
            Verdict::Bounded => "bounded",
            Verdict::Harness => "harness",
            Verdict::Unstable => "unstable",
            Verdict::Unrepeatable => "unrepeatable",
            Verdict::Failed => "failed",
            Verdict::Skipped => "skipped",
            Verdict::Crashed => "crashed",
            Verdict::TimedOut => "timed-out",
            Verdict::Undecided => "undecided",
        }
    }

    /// Whether the test got a judgement on its growth. The share of these among
    /// the tests that ran decides whether a run is evidence at all.
    pub fn is_judged(self) -> bool {
        matches!(
            self,
            Verdict::Clean | Verdict::Leak | Verdict::Bounded | Verdict::Harness
        )
    }
}

/// One counter read at the boundaries of a window, one value per boundary.
pub type Series = BTreeMap<Counter, Vec<i64>>;

/// Bytes of the largest request that pymalloc serves, and `blocks` counts; a larger one is in `heap`.
pub const LARGEST_BLOCK: f64 = 512.0;

/// One test with its verdict.
#[derive(Debug, Clone, PartialEq)]
pub struct TestResult {
    /// The runner's own id of the test.
    pub id: String,
    /// Its file, relative to the project.
    pub file: String,
    /// What is said of it.
    pub verdict: Verdict,
    /// By which rule; absent in what a version wrote that named none.
    pub rule: Option<Rule>,
    /// Why, where the verdict alone does not say it.
    pub reason: Option<String>,
    /// How often it ran, over all processes.
    pub iterations: u32,
    /// Wall time of its first iteration, in seconds.
    pub seconds: f64,
    /// What was read; empty where nothing grew.
    pub series: Series,
    /// When that was found out, in RFC 3339, where it is kept from an earlier run.
    pub kept: Option<String>,
}
