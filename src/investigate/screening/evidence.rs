//! What was measured so far of one test in the screen: data only, nothing is decided here.

use super::experiment::Window;
use crate::{
    investigate::{
        evidence::Capacity,
        experiment::Wider,
        readings::{extend, mend_opening},
        signature::Signature,
    },
    verdict::{Counter, Series, conclusion::Filled, outcome::Outcome},
};

/// How a test is to be looked at.
#[derive(Debug, Clone, Default)]
pub struct Manner {
    /// Why it is not run at all, where the user says so.
    pub skip: Option<String>,
    /// Iterations before the window opens.
    pub warmup: u32,
    /// Judged iterations; adaptive where not set.
    pub iterations: Option<u32>,
    /// Whether to look for growth as rare as every 11th iteration.
    pub thorough: bool,
    /// Which fixtures are set up anew in each iteration.
    pub wider: Wider,
}

impl Manner {
    /// Whether nothing is asked for but the shortest look that tells.
    pub fn is_sparing(&self) -> bool {
        self.iterations.is_none() && !self.thorough
    }
}

/// What was measured so far.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// How it is to be looked at.
    pub manner: Manner,
    /// How the test before it grew and how many did so, once that was asked for; nothing where it did not.
    pub last: Option<Option<(Signature, usize)>>,
    /// How many grow as this one does and whether the one before it does, once that was asked for.
    pub alike: Option<(usize, bool)>,
    /// Whether others were told how it grows.
    pub told: bool,
    /// How often it ran.
    pub iterations: u32,
    /// Wall seconds of its first iteration.
    pub seconds: f64,
    /// CPU seconds of its warm-up: what a plain run would spend on it, per warm-up iteration.
    pub cpu_plain: f64,
    /// Windows.
    pub windows: u32,
    /// Readings taken, and those with which it is looked at next.
    pub readings: u32,
    /// See `readings`.
    pub due: u32,
    /// The readings.
    pub series: Series,
    /// What is looked at apart from that.
    pub apart: Series,
    /// The wider fixtures that it set up.
    pub fixtures: Vec<String>,
    /// How the last window ended.
    pub outcome: Option<Outcome>,
    /// How a second try ended with nothing frozen, where there was one.
    pub second_try: Option<Outcome>,
    /// Whether something seems to fill that is too new to be watched,
    pub filling: bool,
    /// and whether it is watched since.
    pub watched: bool,
    /// Whether it fills something that has an end to read,
    pub fills: bool,
    /// and what that is, once it was emptied.
    pub emptied: Option<Vec<Filled>>,
    /// What it fills, where something grows.
    pub ends: Option<Capacity>,
    /// Whether there is no time for a longer look.
    pub is_late: bool,
    /// What moves in the process by itself, once it was listened to: in words, or nothing.
    pub noise: Option<Option<String>>,
}

/// What came of a window.
#[derive(Debug, Clone)]
pub struct Read {
    /// Iterations begun, those of the warm-up and the last one included even if it did not pass.
    pub iterations: u32,
    /// How the last one ended.
    pub outcome: Outcome,
    /// Wall seconds of the first of them.
    pub seconds: f64,
    /// CPU seconds of the warm-up.
    pub cpu_warm: f64,
    /// The readings.
    pub series: Series,
    /// What is looked at apart from that.
    pub apart: Series,
    /// The wider fixtures that are set up.
    pub fixtures: Vec<String>,
    /// Whether something seems to fill that is too new to be watched.
    pub filling: bool,
    /// Whether something that is watched has an end to read, and is fuller than before.
    pub fills: bool,
}

/// The outcome of an experiment.
#[derive(Debug, Clone)]
pub enum Answer {
    /// How the test before it grew, and how many did.
    Last(Option<(Signature, usize)>),
    /// How many grow so, and whether the one before it does.
    Alike(usize, bool),
    /// Others were told.
    Told,
    /// A window.
    Window(Window, Read),
    /// A second try: iterations, and how it ended.
    SecondTry(u32, Outcome),
    /// What it filled.
    Emptied(Vec<Filled>),
    /// What it fills.
    Ends(Capacity),
    /// What moves by itself, in words.
    Noise(Option<String>),
}

impl Evidence {
    /// Of a test of which nothing is known yet.
    pub fn open(manner: Manner) -> Evidence {
        Evidence {
            manner,
            ..Evidence::default()
        }
    }

    /// Adds the outcome of an experiment.
    pub fn add(&mut self, answer: Answer) {
        match answer {
            Answer::Last(last) => self.last = Some(last),
            Answer::Alike(count, last) => self.alike = Some((count, last)),
            Answer::Told => self.told = true,
            Answer::Window(window, read) => self.read(window, read),
            Answer::SecondTry(iterations, outcome) => {
                self.iterations += iterations;
                self.second_try = Some(outcome);
            }
            Answer::Emptied(filled) => self.emptied = Some(filled),
            Answer::Ends(mut ends) => {
                if let Some(window) = &mut ends.window {
                    self.iterations += window.iterations;
                    if let Some(objects) = window.series.get_mut(&Counter::Objects) {
                        mend_opening(objects);
                    }
                }
                self.ends = Some(ends);
            }
            Answer::Noise(noise) => self.noise = Some(noise),
        }
    }

    fn read(&mut self, window: Window, read: Read) {
        if window.opens {
            self.seconds = read.seconds;
            self.cpu_plain = read.cpu_warm / f64::from(self.manner.warmup);
            // Before the warm-up, and after it: where that leaves nothing it is as good as any other iteration, and where
            // it does, one iteration more tells whether that was all.
            self.readings = 2;
        }
        if window.anew {
            self.watched = true;
            self.alike = None;
            self.series.clear();
            self.readings = 1;
        }
        self.windows += 1;
        self.readings += window.iterations;
        self.due = window.due;
        self.iterations += read.iterations;
        self.outcome = Some(read.outcome);
        self.fixtures = read.fixtures;
        self.filling = read.filling;
        self.fills = read.fills;
        extend(&mut self.series, &read.series);
        extend(&mut self.apart, &read.apart);
    }
}
