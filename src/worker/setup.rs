//! What workers are started with, and what holds for all of them.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize},
    },
};

use nix::sys::signal::Signal;

use super::{
    budget::Whole, build::Build, deadly::Deadly, limits::Limits, preload::Preload, tape::Tape,
};
use crate::{
    config::{rule::Rule, terms::Terms},
    investigate::rules::USUAL,
};

/// Set when the user wants everything to end.
pub static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Most readings of one answer; a longer window takes several orders.
pub const CAPACITY: u32 = USUAL.answer;

/// Asks for a stack dump. Linux never sends this one and test suites do not use it.
#[cfg(target_os = "linux")]
pub(crate) const STACK_SIGNAL: Signal = Signal::SIGSTKFLT;
#[cfg(not(target_os = "linux"))]
pub(crate) const STACK_SIGNAL: Signal = Signal::SIGXCPU;

/// What every worker of a run is started with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The interpreter.
    pub python: PathBuf,
    /// The script that starts a worker.
    pub start_script: PathBuf,
    /// Where the worker runs.
    pub project: PathBuf,
    /// `pytest`, `unittest` or `command`.
    pub runner: &'static str,
    /// Arguments for the runner.
    pub args: Vec<String>,
    /// What to collect.
    pub paths: Vec<String>,
    /// The run's temporary directory.
    pub directory: PathBuf,
    /// Time-outs.
    pub limits: Limits,
    /// Most resident bytes of a worker.
    pub memory: u64,
    /// Terms for all of the tests.
    pub terms: Terms,
    /// Terms for some of them.
    pub rules: Vec<Rule>,
    /// Whether no other worker runs tests at the same time.
    pub alone: bool,
    /// What the project counts itself: name, and `module:function`.
    pub counters: BTreeMap<String, String>,
    /// What it gets otherwise than a plain run.
    pub build: Build,
    /// What is preloaded into it, where its native memory is to be traced.
    pub preload: Option<Arc<Preload>>,
    /// Whether its child processes are to be asked for their heaps.
    pub inside: bool,
    /// Why a worker could not be trusted, once there was one.
    pub blind: Arc<OnceLock<String>>,
    /// Test files whose import ended a worker.
    pub deadly: Deadly,
    /// Where what each process printed is kept.
    pub keep: Option<PathBuf>,
    /// Beginnings of the paths that are not the project's, where it is noted what tests depend on.
    pub outside: Option<Vec<String>>,
    /// How many processes were started.
    pub processes: Arc<AtomicUsize>,
    /// What all of them take together.
    pub whole: Arc<Whole>,
    /// Whether what is said goes to a recording, or comes from one.
    pub tape: Tape,
}
