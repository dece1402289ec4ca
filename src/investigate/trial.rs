//! What is asked about the limits of what a test fills, and what is answered: nothing is decided here.

use serde::{Deserialize, Serialize};

use super::rules::Reach;
use crate::verdict::{Series, conclusion::Filled, outcome::Outcome};

/// Asks what the open test fills that says itself where its end is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fill {
    /// Iterations before,
    pub warmup: u32,
    /// and in which it is to gain entries.
    pub iterations: u32,
    /// Only of what was there when the first test of the file was asked for it.
    pub quick: bool,
}

/// Answer to [`Fill`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Filling {
    /// Whether all iterations passed.
    pub passed: bool,
    /// Identity of each, and what is said of it.
    pub filled: Vec<(u64, Filled)>,
    /// CPU seconds.
    pub cpu: f64,
}

/// Asks which containers gain entries. Nothing is found in a heap of more than `crowd` objects and entries.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Gain {
    /// Iterations.
    pub iterations: u32,
    /// Containers that are told, the largest growth first.
    pub most: usize,
    /// See above.
    pub crowd: u32,
    /// Lists and the like that hold more than this are not gone through for dictionaries that the collector does not know.
    pub data: u32,
}

/// How things are after an answer.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Levels {
    /// Entries of the containers that grew.
    pub lengths: Vec<i64>,
    /// All numbers beside them that were told, in turn; none where it can no longer be read.
    pub values: Vec<Option<i64>>,
    /// Resident bytes of the process.
    pub resident: u64,
}

impl Levels {
    /// Entries of a container.
    pub(super) fn length(&self, container: usize) -> i64 {
        self.lengths.get(container).copied().unwrap_or_default()
    }

    /// One of the numbers.
    pub(super) fn value(&self, number: usize) -> Option<i64> {
        self.values.get(number).copied().flatten()
    }
}

/// Answer to [`Gain`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Gained {
    /// Identity, kind, and entries gained.
    pub containers: Vec<(u64, String, i64)>,
    /// CPU seconds.
    pub cpu: f64,
    /// How things are now.
    #[serde(flatten)]
    pub now: Levels,
}

/// Asks for the numbers beside a container that gained entries, and has an iteration run where there are any.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Beside {
    /// Which one.
    pub container: usize,
    /// How far it is looked.
    pub reach: Reach,
}

/// Answer to [`Beside`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Numbers {
    /// Name, nearness and value of each before the iteration: 0 beside the container, 1 in code, 2 in settings.
    pub numbers: Vec<(String, u8, i64)>,
    /// Walks over the heap that this took.
    pub walks: u32,
    /// Whether there was an iteration, and it passed,
    pub passed: bool,
    /// and how many seconds it took.
    pub seconds: f64,
    /// CPU seconds.
    pub cpu: f64,
    /// How things are now.
    #[serde(flatten)]
    pub now: Levels,
}

/// Has iterations run with a number set to another, until one does not pass. It is put back before the answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lower {
    /// The container that is looked at.
    pub container: usize,
    /// Which number.
    pub number: usize,
    /// What it is set to.
    pub value: i64,
    /// How many iterations,
    pub iterations: u32,
    /// and seconds after which each is let go, if its test waits.
    pub patience: f64,
}

/// Answer to [`Lower`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Lowered {
    /// Whether an iteration took too long.
    pub late: bool,
    /// Whether code of the project's own did not let it be set, or the container be looked at.
    pub refused: bool,
    /// Entries after each iteration that passed.
    pub each: Vec<i64>,
    /// Whether the newest entry stayed the same from the first of these to the last.
    pub same: bool,
    /// CPU seconds.
    pub cpu: f64,
    /// How things are now.
    #[serde(flatten)]
    pub now: Levels,
}

/// Asks for a window with what fills emptied at every boundary and numbers set to others, which are put back.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hold {
    /// Numbers, and what they are set to.
    pub lowered: Vec<(usize, i64)>,
    /// Iterations that run before it, as long as they pass,
    pub through: u32,
    /// and CPU seconds that they may take.
    pub seconds: f64,
    /// Whether nothing is frozen.
    pub thaw: bool,
    /// Iterations before the window opens; 0 keeps the open one.
    pub warmup: u32,
    /// Iterations in the window.
    pub iterations: u32,
}

/// Answer to [`Hold`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Held {
    /// The window.
    pub window: Window,
    /// Entries of the containers that grew.
    pub lengths: Vec<i64>,
    /// CPU seconds, those of the window included.
    pub cpu: f64,
}

#[cfg(test)]
impl Held {
    /// A window in which two iterations passed.
    pub(super) fn passed(series: Series, lengths: Vec<i64>) -> Held {
        let outcome = Outcome {
            status: crate::verdict::outcome::Status::Passed,
            phase: String::new(),
            message: String::new(),
        };
        Held {
            window: Window {
                iterations: 2,
                outcome,
                cpu: 0.5,
                series,
            },
            lengths,
            cpu: 0.75,
        }
    }
}

/// A window within another answer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Window {
    /// Iterations begun.
    pub iterations: u32,
    /// Of the last iteration.
    pub outcome: Outcome,
    /// CPU seconds.
    pub cpu: f64,
    /// The readings.
    pub series: Series,
}

/// What is asked next.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// See [`Fill`].
    Fill(Fill),
    /// See [`Gain`].
    Gain(Gain),
    /// See [`Beside`].
    Beside(Beside),
    /// See [`Lower`].
    Lower(Lower),
    /// See [`Hold`].
    Hold(Hold),
}

/// What was answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// To [`Fill`].
    Filled(Filling),
    /// To [`Gain`].
    Gained(Gained),
    /// To [`Beside`].
    Beside(Numbers),
    /// To [`Lower`].
    Lowered(Lowered),
    /// To [`Hold`].
    Held(Held),
}

/// What was answered so far.
pub(super) struct Facts<'a> {
    told: std::slice::Iter<'a, Told>,
    /// CPU seconds of what was looked at.
    pub spent: f64,
}

/// How each question finds its answer.
macro_rules! asked {
    ($($name:ident: $ask:ident -> $told:ident($answer:ty),)*) => {
        impl<'a> Facts<'a> {
            /// From the first one on.
            pub(super) fn of(told: &'a [Told]) -> Facts<'a> {
                Facts {
                    told: told.iter(),
                    spent: 0.0,
                }
            }

            $(pub(super) fn $name(&mut self, ask: $ask) -> Result<&'a $answer, Ask> {
                match self.told.next() {
                    Some(Told::$told(answer)) => {
                        self.spent += answer.cpu;
                        Ok(answer)
                    }
                    _ => Err(Ask::$ask(ask)),
                }
            })*
        }
    };
}

asked! {
    fill: Fill -> Filled(Filling),
    gain: Gain -> Gained(Gained),
    beside: Beside -> Beside(Numbers),
    lower: Lower -> Lowered(Lowered),
    hold: Hold -> Held(Held),
}
