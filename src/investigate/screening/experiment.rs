//! What can be done next with a test in the screen, and what can be said of it there.

use crate::{
    investigate::signature::Signature,
    verdict::{Verdict, conclusion::Conclusion},
};

/// What comes next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// This is to be found out first.
    Do(Experiment),
    /// There is enough to say this.
    Conclude(Screened),
}

/// What the screen found out about one test.
#[derive(Debug, Clone, PartialEq)]
pub enum Screened {
    /// Something kept growing, and is to be judged.
    Suspect,
    /// There is nothing more to find out.
    Concluded(Conclusion),
}

/// What can be found out about a test in the screen.
#[derive(Debug, Clone, PartialEq)]
pub enum Experiment {
    /// How the test before it in its file grew.
    Last,
    /// How many grow so, and whether the test before it does.
    Alike(Signature),
    /// Keeps for others how it grows, or that it does not.
    Tell(Option<Signature>),
    /// A window with all counters.
    Window(Window),
    /// The test from its beginning, with nothing frozen.
    SecondTry,
    /// What it fills that has an end to read, emptied now.
    Empty,
    /// The same, and a window of so many iterations with that emptied at every boundary.
    Ends {
        /// How many.
        iterations: u32,
    },
    /// What moves by itself while no test runs.
    Noise {
        /// Seconds of an iteration.
        seconds: f64,
    },
}

/// A window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Whether it opens the test: there is a warm-up then, and a reading before it.
    pub opens: bool,
    /// Whether containers are looked for first, and what was read before counts no more.
    pub anew: bool,
    /// Whether it is read after each iteration, and not at its ends only.
    pub between: bool,
    /// Iterations, those of the warm-up not counted.
    pub iterations: u32,
    /// Readings with which it is looked at again. Where one answer does not hold so many, more windows follow.
    pub due: u32,
}

impl Screened {
    /// What was concluded.
    pub fn concluded(&self) -> Option<&Conclusion> {
        match self {
            Screened::Suspect => None,
            Screened::Concluded(conclusion) => Some(conclusion),
        }
    }

    /// Whether that is the verdict.
    pub fn is(&self, verdict: Verdict) -> bool {
        self.concluded()
            .is_some_and(|conclusion| conclusion.is(verdict))
    }

    /// Whether the test passed in every iteration.
    pub fn is_repeatable(&self) -> bool {
        self.concluded().is_none_or(|conclusion| {
            matches!(conclusion.verdict(), Verdict::Clean | Verdict::Bounded)
        })
    }

    /// Whether its process is no more, or there was none.
    pub fn is_lost(&self) -> bool {
        self.concluded()
            .is_some_and(|conclusion| conclusion.loss().is_some())
    }
}

impl From<Conclusion> for Next {
    fn from(conclusion: Conclusion) -> Next {
        Next::Conclude(Screened::Concluded(conclusion))
    }
}
