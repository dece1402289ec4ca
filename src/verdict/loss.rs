//! Why a process that ran a test is gone.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why a worker is gone, or must go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "lost", content = "what", rename_all = "lowercase")]
pub enum Loss {
    /// It died by a signal or by an exit that nobody asked for.
    Died {
        /// What ended it, in words.
        cause: String,
        /// Innermost Python frame of the crash, where faulthandler could tell.
        place: Option<String>,
        /// The C functions of the crash, innermost first; from Python 3.14 on.
        c_stack: Vec<String>,
    },
    /// An iteration took too long.
    Hung {
        /// The limit that was exceeded.
        limit: Duration,
        /// The Python stack where it hung, innermost first.
        stack: Vec<String>,
        /// The C functions in which it hung, innermost first; none where it hung in Python.
        #[serde(default)]
        c_stack: Vec<String>,
    },
    /// It grew beyond its memory cap within one iteration.
    Memory {
        /// The cap in bytes.
        cap: u64,
    },
    /// What came from it is no answer to what was asked: a test wrote it.
    Strange(String),
    /// The user interrupted the run.
    Interrupted,
    /// Code of the project ran in the midst of ours and raised, or left the process in no state to be read.
    Disturbed {
        /// The Python error in one line.
        error: String,
        /// Whose code raised it, where that is known.
        place: Option<String>,
    },
    /// There was no worker to run it in: says why.
    Absent(String),
    /// A recording has no answer to what was asked.
    OffTheRecord,
    /// The bridge failed, or broke the protocol: a bug of ours.
    Bridge(String),
}

impl Loss {
    /// The C functions of a crash or a hang, innermost first; none of anything else.
    pub fn c_stack(&self) -> &[String] {
        match self {
            Loss::Died { c_stack, .. } | Loss::Hung { c_stack, .. } => c_stack,
            _ => &[],
        }
    }

    /// It cannot go on, though it lives: a test damaged it, or raised what ends a runner.
    pub fn broken(reason: &str) -> Loss {
        Loss::Died {
            cause: format!("had to be ended: {reason}"),
            place: None,
            c_stack: Vec::new(),
        }
    }

    /// Whether the test ended its worker, and nothing of ours did.
    pub fn is_the_tests(&self) -> bool {
        matches!(
            self,
            Loss::Died { .. } | Loss::Hung { .. } | Loss::Memory { .. }
        )
    }

    /// In one line, for where nothing but an explanation is lost by it.
    pub fn line(&self) -> String {
        let text = self.to_string();
        let first = text.lines().next().unwrap_or_default();
        match self {
            Loss::Bridge(_) => format!("{first} (a fault of leakcheck's own: please report it)"),
            _ => first.to_owned(),
        }
    }
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Loss::Died { cause, place, .. } => {
                write!(f, "{cause}")?;
                if let Some(place) = place {
                    write!(f, " at {place}")?;
                }
                Ok(())
            }
            Loss::Hung {
                limit,
                stack,
                c_stack,
            } => {
                write!(f, "did not end within {}", seconds(*limit))?;
                if !stack.is_empty() {
                    write!(f, "; it hung in {}", stack.join(" < "))?;
                }
                if !c_stack.is_empty() {
                    let innermost = &c_stack[..c_stack.len().min(3)];
                    write!(f, ", in C in {}", innermost.join(" < "))?;
                }
                Ok(())
            }
            Loss::Memory { cap } => {
                write!(f, "grew beyond the memory cap of {} MB", cap / 1_000_000)
            }
            Loss::Strange(what) => write!(
                f,
                "something in its process writes to leakcheck's own connection, or changes what leakcheck reads: {what}"
            ),
            Loss::Interrupted => write!(f, "interrupted"),
            Loss::Disturbed { error, place } => {
                write!(f, "the process could not be read after it: {error}")?;
                if let Some(place) = place {
                    write!(f, ", raised by {place}")?;
                }
                Ok(())
            }
            Loss::OffTheRecord => write!(f, "the recording has no answer to what was asked"),
            Loss::Absent(message) | Loss::Bridge(message) => write!(f, "{message}"),
        }
    }
}

fn seconds(duration: Duration) -> String {
    let value = duration.as_secs_f64();
    if value.fract() == 0.0 {
        format!("{value:.0} s")
    } else {
        format!("{value:.1} s")
    }
}
