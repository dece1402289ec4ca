//! What was measured so far of one suspect in its second process: data only, nothing is decided here.

use std::collections::BTreeMap;

use super::{
    experiment::{Recall, Stretch},
    growth::{Fits, growing},
    readings::extend,
};
use crate::{
    explain::sites::Growth,
    fit::Exactness,
    verdict::{
        Counter, Series,
        conclusion::{Conclusion, Filled},
    },
};

/// What was measured so far.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// Its readings in the screen, which made it a suspect.
    pub screened: Series,
    /// How far each counter is to be trusted; one that is not here only as an estimate.
    pub exactness: BTreeMap<Counter, Exactness>,
    /// Whether it is named at most, and its end not waited for.
    pub brief: bool,
    /// Whether there may be another process for it, should this one be noisy.
    pub fussy: bool,
    /// Iterations begun.
    pub iterations: u32,
    /// Wall seconds of the first one.
    pub seconds: f64,
    /// How the last iteration ended, where it did not pass.
    pub failure: Option<Failure>,
    /// What moves in the process by itself, once it was listened to: in words, or nothing.
    pub noise: Option<Option<String>>,
    /// The windows with which it began.
    pub windows: Readings,
    /// Watched containers that gained entries.
    pub gained: Option<Gained>,
    /// Traced windows, each deeper than the one before.
    pub traces: Vec<Trace>,
    /// What is known of others that grow so, by what it was asked for.
    pub recalled: BTreeMap<Recall, Option<Conclusion>>,
    /// Whether others know what grows in it.
    pub announced: bool,
    /// Whether others were told what is said of it.
    pub taught: bool,
    /// What it fills that has an end to read.
    pub capacity: Option<Capacity>,
    /// The stretches of the long run,
    pub stretches: Vec<(Stretch, Window)>,
    /// and their readings.
    pub long_run: Readings,
}

/// How an iteration ended that did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Whether the runner was damaged, and its process is of no use any more.
    pub broken: bool,
    /// Why, in one line.
    pub message: String,
}

/// Iterations with readings between them.
#[derive(Debug, Clone, Default)]
pub struct Window {
    /// Iterations begun, the last one included even if it did not pass.
    pub iterations: u32,
    /// How the last one ended, where it did not pass.
    pub failure: Option<Failure>,
    /// Wall seconds of the first of them.
    pub seconds: f64,
    /// The readings.
    pub series: Series,
    /// CPU seconds,
    pub cpu: f64,
    /// and of these, for the readings.
    pub cpu_read: f64,
    /// Resident bytes of the process afterwards.
    pub resident: u64,
}

/// Readings of windows that follow each other, as one series.
#[derive(Debug, Clone, Default)]
pub struct Readings {
    /// How many windows.
    pub count: usize,
    /// The series.
    pub series: Series,
    /// What of it grows.
    pub fits: Fits,
}

/// Watched containers that gained entries.
#[derive(Debug, Clone, Default)]
pub struct Gained {
    /// Iterations that passed.
    pub iterations: u32,
    /// Name of each container, and entries gained in them.
    pub containers: Vec<(String, i64)>,
}

/// A traced window.
#[derive(Debug, Clone)]
pub struct Trace {
    /// Iterations that it was to have,
    pub iterations: u32,
    /// and before these, traced and not read.
    pub settling: u32,
    /// CPU seconds.
    pub cpu: f64,
    /// Whether the test ended it, or asked if it was on: then it may end one of its own where there is no other.
    pub ended: bool,
    /// What came of it.
    pub told: Told,
}

/// What came of tracing.
#[derive(Debug, Clone)]
pub enum Told {
    /// Nothing was run: the test makes interpreters, or there are some.
    Interpreters,
    /// The test did not pass while it was traced.
    DidNotPass,
    /// What grows.
    Sites {
        /// The places, those of the runner too.
        growths: Vec<Growth>,
        /// Survivors by type: name, objects and bytes per iteration.
        types: Vec<(String, f64, f64)>,
        /// Per boundary: bytes that malloc has given for what is too large for pymalloc, and blocks of the others.
        malloced: Vec<(i64, i64)>,
    },
}

/// What a test fills that has an end to read.
#[derive(Debug, Clone, Default)]
pub struct Capacity {
    /// What it fills.
    pub filled: Vec<Filled>,
    /// With all of that emptied at every boundary; none where there is no such thing.
    pub window: Option<Window>,
}

/// The outcome of an experiment.
#[derive(Debug, Clone)]
pub enum Answer {
    /// What is known of others, where anything is.
    Recalled(Recall, Option<Conclusion>),
    /// A window.
    Window(Window),
    /// What moves by itself, in words.
    Noise(Option<String>),
    /// Containers.
    Containers(Gained),
    /// A traced window.
    Traced(Trace),
    /// Others know what grows.
    Announced,
    /// Others were told.
    Taught,
    /// What it fills.
    Capacity(Capacity),
    /// A stretch of the long run.
    Stretch(Stretch, Window),
}

impl Evidence {
    /// Adds the outcome of an experiment.
    pub fn add(&mut self, answer: Answer) {
        match answer {
            Answer::Recalled(what, known) => {
                self.recalled.insert(what, known);
            }
            Answer::Window(window) => {
                let mut readings = std::mem::take(&mut self.windows);
                if readings.count == 0 {
                    self.seconds = window.seconds;
                }
                self.go_on(&mut readings, &window);
                self.windows = readings;
            }
            Answer::Noise(noise) => self.noise = Some(noise),
            Answer::Announced => self.announced = true,
            Answer::Taught => self.taught = true,
            Answer::Containers(gained) => {
                self.iterations += gained.iterations;
                self.gained = Some(gained);
            }
            Answer::Traced(trace) => {
                if !matches!(trace.told, Told::Interpreters) {
                    self.iterations += trace.iterations;
                }
                self.traces.push(trace);
            }
            Answer::Capacity(capacity) => {
                let window = capacity.window.as_ref();
                self.iterations += window.map_or(0, |window| window.iterations);
                self.capacity = Some(capacity);
            }
            Answer::Stretch(stretch, window) => {
                let mut readings = std::mem::take(&mut self.long_run);
                self.go_on(&mut readings, &window);
                self.long_run = readings;
                self.stretches.push((stretch, window));
            }
        }
    }

    fn go_on(&mut self, readings: &mut Readings, window: &Window) {
        self.iterations += window.iterations;
        self.failure.clone_from(&window.failure);
        if self.failure.is_none() {
            readings.count += 1;
            extend(&mut readings.series, &window.series);
            readings.fits = self.growing(&readings.series);
        }
    }

    /// Shape and rate of every counter that grows; none where only such grow as say nothing by themselves.
    pub fn growing(&self, series: &Series) -> Fits {
        growing(series, |counter| self.exactness(counter))
    }

    /// How far a counter is to be trusted.
    pub fn exactness(&self, counter: Counter) -> Exactness {
        let exactness = self.exactness.get(&counter).copied();
        exactness.unwrap_or(match counter {
            // A number that a library says is that number.
            Counter::Library(_) => Exactness::Exact,
            _ => Exactness::Estimate,
        })
    }
}
