//! Whether a run is written down, or read from what was written down.

use std::sync::Arc;

use super::{player::Replay, record::Recording};

/// Where the conversations with workers go, or come from.
#[derive(Debug, Clone, Default)]
pub enum Tape {
    /// Processes answer.
    #[default]
    Off,
    /// Processes answer, and all is written down.
    Record(Arc<Recording>),
    /// A recording answers, and no process is started.
    Replay(Arc<Replay>),
}

impl Tape {
    /// Notes that no worker could be started for a test.
    pub(crate) fn without_worker(&self, id: &str) {
        if let Tape::Replay(replay) = self {
            replay.without_worker(id);
        }
    }
}
