//! Tests to be screened: each a function that says where its blocks stand after so many iterations.

use super::{
    At, Step,
    evidence::{Answer, Evidence, Manner, Read},
    experiment::{Experiment, Next, Screened, Window},
    next,
};
use crate::{
    investigate::{
        evidence::{self, Capacity},
        readings::fill_in,
        rules::RULES,
        samples::blocks,
        signature::Signature,
    },
    verdict::{
        Counter, Series,
        conclusion::{Conclusion, Filled},
        outcome::{Outcome, Status},
    },
};

/// As most tests are looked at.
pub(super) fn manner() -> Manner {
    Manner {
        warmup: 1,
        ..Manner::default()
    }
}

pub(super) fn ended(status: Status, message: &str) -> Outcome {
    Outcome {
        status,
        phase: "call".to_owned(),
        message: message.to_owned(),
    }
}

/// Two blocks in each iteration.
pub(super) fn two() -> Signature {
    Signature::from([(Counter::Blocks, 2)])
}

/// One thing with an end, and how full it is.
pub(super) fn cache() -> Vec<Filled> {
    vec![("lru_cache".to_owned(), "app.parse".to_owned(), Some(9), 128)]
}

/// A step alone.
pub(super) fn step(evidence: &Evidence, step: Step) -> Option<Next> {
    step(At {
        evidence,
        rules: &RULES,
    })
}

/// What is concluded.
#[track_caller]
pub(super) fn concluded(next: Option<Next>) -> Conclusion {
    match next {
        Some(Next::Conclude(Screened::Concluded(conclusion))) => conclusion,
        other => panic!("{other:?}"),
    }
}

/// The window that is asked for.
#[track_caller]
pub(super) fn asked(next: Option<Next>) -> Window {
    match next {
        Some(Next::Do(Experiment::Window(window))) => window,
        other => panic!("{other:?}"),
    }
}

/// A test that passed in a window with these readings, all that were due.
pub(super) fn read(manner: Manner, series: Series) -> Evidence {
    let readings = series.values().map(Vec::len).max().unwrap_or(0);
    let due = u32::try_from(readings).unwrap();
    let mut evidence = Evidence::open(manner);
    let window = Window {
        opens: true,
        anew: false,
        between: true,
        iterations: due - 2,
        due,
    };
    evidence.add(Answer::Window(window, passed(due - 1, series)));
    evidence
}

pub(super) fn passed(iterations: u32, series: Series) -> Read {
    Read {
        iterations,
        outcome: ended(Status::Passed, ""),
        seconds: 0.001,
        cpu_warm: 0.001,
        series,
        apart: Series::new(),
        fixtures: Vec::new(),
        filling: false,
        fills: false,
    }
}

/// A test that a driver without a worker asks.
pub(super) struct Subject<F: Fn(u32) -> i64> {
    pub stands: F,
    pub manner: Manner,
    /// How the test before it grew, and how many did.
    pub last: Option<(Signature, usize)>,
    /// How many grow as it does, and whether the one before it does.
    pub alike: (usize, bool),
    /// Whether all that grows is in something with an end.
    pub is_cache: bool,
    /// It ran so often.
    pub ran: u32,
}

impl<F: Fn(u32) -> i64> Subject<F> {
    pub(super) fn new(stands: F) -> Subject<F> {
        Subject {
            stands,
            manner: manner(),
            last: None,
            alike: (0, false),
            is_cache: false,
            ran: 0,
        }
    }

    /// Asks until there is a conclusion. Returns what was asked as well.
    pub(super) fn screen(&mut self) -> (Screened, Vec<Experiment>) {
        let mut evidence = Evidence::open(self.manner.clone());
        let mut asked = Vec::new();
        loop {
            assert!(asked.len() < 40, "without end: {asked:?}");
            let experiment = match next(&evidence, &RULES) {
                Next::Conclude(screened) => return (screened, asked),
                Next::Do(experiment) => experiment,
            };
            let answer = self.answer(&experiment);
            evidence.add(answer);
            asked.push(experiment);
        }
    }

    fn answer(&mut self, experiment: &Experiment) -> Answer {
        match experiment {
            Experiment::Last => Answer::Last(self.last.clone()),
            Experiment::Alike(_) => Answer::Alike(self.alike.0, self.alike.1),
            Experiment::Tell(_) => Answer::Told,
            Experiment::Window(window) => Answer::Window(*window, self.window(*window)),
            Experiment::SecondTry => Answer::SecondTry(1, ended(Status::Passed, "")),
            Experiment::Empty => Answer::Emptied(Vec::new()),
            Experiment::Ends { iterations } if self.is_cache => Answer::Ends(Capacity {
                filled: cache(),
                window: Some(evidence::Window {
                    iterations: *iterations,
                    series: blocks((0..=*iterations).map(|_| 0)),
                    ..evidence::Window::default()
                }),
            }),
            Experiment::Ends { .. } => Answer::Ends(Capacity::default()),
            Experiment::Noise { .. } => Answer::Noise(None),
        }
    }

    fn window(&mut self, window: Window) -> Read {
        let warmup = if window.opens { self.manner.warmup } else { 0 };
        let first = self.ran;
        self.ran += warmup + window.iterations;
        let readings = (first..=self.ran).map(&self.stands);
        let mut series = blocks(readings);
        if !window.between {
            let blocks = series.get_mut(&Counter::Blocks).unwrap();
            blocks.drain(2..blocks.len() - 1);
            fill_in(blocks, window.iterations);
        }
        passed(warmup + window.iterations, series)
    }
}
