//! What can be done next with a suspect.

use std::collections::BTreeSet;

use crate::verdict::conclusion::Conclusion;

/// What comes next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// This is to be found out first.
    Do(Experiment),
    /// There is enough to say this.
    Conclude(Conclusion),
}

/// What can be found out about a suspect in its process, or of others.
#[derive(Debug, Clone, PartialEq)]
pub enum Experiment {
    /// Tells others what grows, so that those in which some of it does wait for what is said of it.
    Announce(BTreeSet<String>),
    /// What is known of others in which these things grow.
    Recall(Recall, BTreeSet<String>),
    /// A window with all counters.
    Window {
        /// Whether it is the first one of the test in its process.
        opens: bool,
        /// Iterations.
        iterations: u32,
    },
    /// What moves by itself while no test runs.
    Noise {
        /// Seconds of an iteration.
        seconds: f64,
    },
    /// Which watched containers gain entries.
    Containers {
        /// Iterations.
        iterations: u32,
    },
    /// The places that grow.
    Trace(Tracing),
    /// Keeps for others what is said of it.
    Teach(Lesson),
    /// What it fills that has an end to read, and a window of so many iterations with that emptied at every boundary.
    Capacity {
        /// How many.
        iterations: u32,
    },
    /// More of the long run.
    Stretch(Stretch),
}

/// Fixtures that are set up and torn down in each iteration, besides those of the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Wider {
    /// None: they stand around all iterations.
    #[default]
    Stay,
    /// Those of class, module and package.
    Module,
    /// Those of the session as well.
    Session,
}

/// What it is to be known for. Each is asked once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Recall {
    /// To spare a trace of the callers.
    Callers,
    /// To save time where that is scarce.
    Budget,
    /// In place of a long run: only what long runs told.
    LongRun,
}

/// What a suspect tells of others.
#[derive(Debug, Clone, PartialEq)]
pub struct Lesson {
    /// What grew.
    pub things: BTreeSet<String>,
    /// What is said of it.
    pub conclusion: Conclusion,
    /// Whether a long run told it, so that the next one can do without.
    pub looked: bool,
}

/// A traced window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tracing {
    /// Iterations with a reading of sites after each.
    pub iterations: u32,
    /// Frames kept of each traceback.
    pub frames: u32,
    /// Reads sites at the end only: for growth so large that readings between would take seconds.
    pub last_only: bool,
    /// Iterations before these, traced and not read.
    pub settling: u32,
}

/// A stretch of the long run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretch {
    /// Iterations that are not read, before all others.
    pub warmup: u32,
    /// Iterations.
    pub iterations: u32,
    /// Whether it only goes on since the end seems to have come just now.
    pub late: bool,
    /// CPU seconds that the whole long run was given as it began.
    pub allowance: f64,
}

/// What may still be spent, as it is now. It only gets less.
#[derive(Debug, Clone, Copy, Default)]
pub struct Purse {
    /// CPU seconds of all suspects together.
    pub total: f64,
    /// Whether nothing of it is left.
    pub spent: bool,
    /// Whether what is likely is not looked at once more.
    pub scarce: bool,
    /// CPU seconds that the next long run may cost.
    pub long_run: f64,
    /// CPU seconds that a long run gets as long as there is enough.
    pub whole_long_run: f64,
    /// Most resident bytes of the process.
    pub memory: u64,
}
