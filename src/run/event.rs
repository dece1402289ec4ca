//! What a run tells while it goes on: the only tie between the engine and whoever watches it.

use std::time::Duration;

use crate::verdict::{Verdict, rule::Rule};

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A worker of the screen has collected the suite.
    Collected {
        /// Number of tests.
        tests: usize,
    },
    /// Verdicts of an earlier run still hold: so many tests are not asked.
    Kept {
        /// Number of tests.
        tests: usize,
    },
    /// A test is about to run in the screen.
    Started {
        /// Its id.
        id: String,
    },
    /// The screen is through with a test.
    Screened {
        /// Its id.
        id: String,
        /// What is said of it; absent for a suspect.
        concluded: Option<(Verdict, Rule)>,
    },
    /// The screen is over and suspects are judged.
    Tracing {
        /// Number of suspects.
        suspects: usize,
        /// CPU time that they get together.
        budget: Duration,
    },
    /// A suspect is about to run in a fresh process.
    Suspect {
        /// Its id.
        id: String,
    },
    /// Suspects are judged.
    Judged {
        /// Their ids: members of a group share a judgement.
        ids: Vec<String>,
        /// What is said of them.
        verdict: Verdict,
        /// By which rule.
        rule: Rule,
    },
}
