//! Why there is no interpreter.

use std::{path::PathBuf, time::Duration};

use crate::config::text;

/// Why there is no interpreter to run the tests with.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum InterpreterError {
    #[error(
        "no Python found: there is no active virtual environment, no `.venv` or `venv` in {}, and no `python3` or \
         `python` on PATH; name one with --python",
        text::show(.project)
    )]
    NotFound { project: PathBuf },
    #[error("no such Python: {} is neither a file nor a program on PATH", text::show(.name))]
    NoSuch { name: PathBuf },
    #[error("{named_by} {}, which has no bin/python", text::show(.environment))]
    EmptyEnvironment {
        named_by: &'static str,
        environment: PathBuf,
    },
    #[error("{} cannot be executed: {cause}", text::show(.path))]
    NotExecutable { path: PathBuf, cause: String },
    #[error("{} is not a working Python: {how} and said {said}", text::show(.path))]
    Failed {
        path: PathBuf,
        how: String,
        said: String,
    },
    #[error("{} is not a Python: asked about itself, it said {said}", text::show(.path))]
    Garbage { path: PathBuf, said: String },
    #[error(
        "{} is not a working Python: it gave no answer within {} s",
        text::show(.path),
        .timeout.as_secs_f64()
    )]
    TimedOut { path: PathBuf, timeout: Duration },
    #[error("leakcheck needs Python 3.8 or newer; {} is {}", text::show(.path), text::escape(.version))]
    TooOld { path: PathBuf, version: String },
    #[error(
        "leakcheck supports only CPython for now; {} is {}, version {}",
        text::show(.path),
        text::escape(.implementation),
        text::escape(.version)
    )]
    NotCPython {
        path: PathBuf,
        implementation: String,
        version: String,
    },
    #[error("Windows is not supported yet")]
    Windows,
}
