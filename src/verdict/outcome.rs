//! How an iteration of a test ended, as its runner says it.

use serde::Deserialize;

/// How an iteration ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It passed.
    Passed,
    /// It failed, in any phase.
    Failed,
    /// It was skipped.
    Skipped,
    /// It damaged the runner; the worker must be replaced.
    Broken,
}

/// How the last iteration of an answer ended.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Outcome {
    /// How.
    pub status: Status,
    /// In which phase (`setup`, `call`, `teardown`).
    pub phase: String,
    /// Why, in one line.
    pub message: String,
}
