//! What is kept of each test, and of all that any of them depends on.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{dependency::Dependency, reason::Reason, source::Source};
use crate::finding::Finding;

/// How far two machines' clocks may be apart.
const AHEAD: SignedDuration = SignedDuration::from_hours(1);

/// What is kept of a test: that nothing grew in it, and by how much looking.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// How often it ran.
    pub iterations: u32,
    /// Wall seconds of its first iteration.
    pub seconds: f64,
    /// CPU seconds that a plain run would spend on it.
    pub cpu: f64,
    /// When that was, in RFC 3339 and UTC.
    pub date: String,
}

impl Evidence {
    /// Whether it is from `oldest` or later. A date that nobody can read, or that is still to come, is older than all: a clock
    /// that was wrong once would have it believed for years.
    pub(super) fn is_since(&self, oldest: Option<Timestamp>) -> bool {
        let date = self.date.parse::<Timestamp>();
        let is_past = |date: &Timestamp| *date <= Timestamp::now() + AHEAD;
        oldest.is_none_or(|oldest| date.is_ok_and(|date| date >= oldest && is_past(&date)))
    }
}

/// What is in a file.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Book {
    /// What everything holds for.
    pub terms: String,
    /// Everything that any test depends on, with the state that it was in.
    pub dependencies: Vec<(Dependency, String)>,
    /// Indices into these, of what several tests have in common.
    pub sets: Vec<Vec<u32>>,
    /// By id.
    pub tests: BTreeMap<String, Entry>,
    /// What does not fail. It holds as long as all of its tests are kept.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// Files of which it was not known whether they were read before or after they changed. So their content is taken
    /// note of before the next run begins.
    pub watched: BTreeSet<String>,
    /// Sources, by the hash of all of each.
    pub sources: BTreeMap<String, Source>,
}

impl Book {
    /// Everything that a test depends on.
    pub(super) fn dependencies(&self) -> impl Iterator<Item = &Dependency> {
        self.dependencies.iter().map(|(dependency, _)| dependency)
    }
}

/// A test.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Its file, as kept.
    pub file: String,
    /// What is known, or why nothing is kept.
    pub found: Found,
    /// Iterations of a look in which it grew, where the few of the screen are not enough for that; else 0.
    #[serde(default)]
    pub depth: u32,
    /// Indices of sets.
    pub sets: Vec<u32>,
    /// Indices of dependencies.
    pub own: Vec<u32>,
}

/// What is known of a test, or why nothing is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Found {
    Kept(Evidence),
    Asked(Reason),
}
