//! Why a worker is gone, or never came to be.

use serde::{Deserialize, Serialize};

use super::protocol::{Failure, Trouble};
pub use crate::verdict::loss::Loss;

/// Why a worker could not be started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "start", content = "what", rename_all = "lowercase")]
pub enum StartError {
    /// The runner refused its arguments or its configuration.
    #[error("{0}")]
    Usage(String),
    /// Nothing could be collected because loading failed.
    #[error("{}: {}", .0.place, .0.message)]
    Collection(Trouble),
    /// The process died, hung or misbehaved.
    #[error("the test process {0}")]
    Lost(String),
    /// It did so while it imported a test file.
    #[error("{}: {}", .1.place, .1.message)]
    Import(String, Trouble),
    /// The user interrupted.
    #[error("interrupted")]
    Interrupted,
    /// Its self-check failed: nothing that it measures would be evidence.
    #[error(
        "self-check failed: {0}; nothing this run measures would be evidence (`leakcheck doctor` shows what can be seen here)"
    )]
    Blind(String),
    /// A bug of ours or of the machine.
    #[error("{0}")]
    Internal(String),
}

/// What an error in the bridge means: it may be that of code which the project had run in the midst of it.
pub(crate) fn of(failure: Failure) -> Loss {
    if failure.foreign {
        return Loss::Disturbed {
            error: failure.message,
            place: failure.place,
        };
    }
    Loss::Bridge(format!("{}\n{}", failure.message, failure.traceback))
}
