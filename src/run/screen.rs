//! The screen: repeats every test, and does with each what there is to find out until enough is known to conclude from.

use super::{
    capacity::{ask, emptied},
    familiar::Class,
    still,
};
pub use crate::investigate::screening::experiment::Screened;
use crate::{
    config::terms::Terms,
    investigate::{
        evidence::Capacity,
        readings::{fill_in, mend_opening, retained},
        rules::RULES,
        screening::{
            self,
            evidence::{Answer, Evidence, Manner, Read},
            experiment::{Experiment, Next, Window},
            fixtures::takes_over,
            picture,
        },
        signature::{Kind, roughly, signature},
        unasked::{self, Why},
    },
    kept::{self, noted::Noted},
    verdict::{Counter, Series, conclusion::Conclusion, rule::Rule},
    worker::{
        Worker,
        loss::Loss,
        orders::{self, Ask, Order, Wider},
        protocol::{Ran, Status, Trouble},
    },
};

/// How the screen looks at each test.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Iterations before the window opens.
    pub warmup: u32,
    /// Judged iterations of every test; adaptive where not set.
    pub iterations: Option<u32>,
    /// Whether to look for growth as rare as every 11th iteration, and at fixtures of the session.
    pub thorough: bool,
}

impl Policy {
    /// What of it holds for a test with `terms` of its own.
    fn under(&self, terms: &Terms) -> Policy {
        Policy {
            warmup: terms.warmup.unwrap_or(self.warmup),
            iterations: match terms.iterations {
                Some(iterations) => iterations.given().copied(),
                None => self.iterations,
            },
            thorough: self.thorough,
        }
    }

    fn manner(&self, wider: Wider) -> Manner {
        Manner {
            skip: None,
            warmup: self.warmup,
            iterations: self.iterations,
            thorough: self.thorough,
            wider,
        }
    }
}

/// One test after the screen.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// Index of the test.
    pub test: usize,
    /// What was found.
    pub screened: Screened,
    /// How often it ran.
    pub iterations: u32,
    /// Wall seconds of its first iteration.
    pub seconds: f64,
    /// CPU seconds of its warm-up: what a plain run would spend on it, per warm-up iteration.
    pub cpu_plain: f64,
    /// The readings.
    pub series: Series,
    /// Which fixtures were set up anew in each iteration.
    pub wider: Wider,
    /// What is looked at apart from that, where it changes in every iteration.
    pub apart: Series,
    /// What moved in the process by itself.
    pub noise: Option<String>,
    /// Whether something rose in it and then no more.
    pub rose_once: bool,
    /// Bytes that its first iteration left, about.
    pub retained: f64,
}

impl Look {
    /// What kind of growth it showed.
    pub(super) fn kind(&self) -> Kind {
        roughly(&signature(&self.series))
    }

    /// What is known of a test from an earlier run.
    pub(super) fn kept(test: usize, evidence: &kept::Evidence) -> Look {
        let conclusion = unasked::say(Why::Unchanged);
        Look {
            iterations: evidence.iterations,
            seconds: evidence.seconds,
            cpu_plain: evidence.cpu,
            ..Look::new(test, Screened::Concluded(conclusion), Wider::Stay)
        }
    }

    /// A test that no change reaches.
    pub(super) fn left_out(test: usize) -> Look {
        let conclusion = unasked::say(Why::NotReached);
        Look::new(test, Screened::Concluded(conclusion), Wider::Stay)
    }

    /// One that has not begun yet.
    pub(super) fn new(test: usize, screened: Screened, wider: Wider) -> Look {
        Look {
            test,
            screened,
            iterations: 0,
            seconds: 0.0,
            cpu_plain: 0.0,
            series: Series::new(),
            wider,
            apart: Series::new(),
            noise: None,
            rose_once: false,
            retained: 0.0,
        }
    }
}

/// Sends a run order and takes its answer.
pub fn run<O: Ask<Answer = Ran> + Clone>(worker: &mut Worker, order: O) -> Result<Ran, Loss> {
    let mut ran = worker.ask(order.clone())?;
    if let (Some(objects), Some(opened)) = (ran.series.get_mut(&Counter::Objects), ran.opened)
        && let Some((before, after)) = objects.split_at_mut_checked(opened)
    {
        mend_opening(after);
        // Counted from the opening of another window.
        before.fill(after.first().copied().unwrap_or(0));
    }
    let mut before = false;
    if let Order::Run(order) = order.into() {
        before = order.before;
        if !order.between && ran.outcome.status == Status::Passed {
            let inner = ran.iterations.saturating_sub(order.warmup);
            ran.series
                .values_mut()
                .for_each(|readings| fill_in(readings, inner));
        }
    }
    (ran.apart, ran.series) = { std::mem::take(&mut ran.series).into_iter() }
        .partition(|(counter, _)| counter.is_apart());
    for readings in ran.apart.values_mut() {
        readings.drain(..usize::from(before).min(readings.len()));
    }
    Ok(ran)
}

/// What is done before the first iteration of a test.
#[derive(Debug, Clone, Copy)]
pub struct Opening {
    /// See [`orders::Run`].
    pub thaw: bool,
    /// See [`orders::Run`].
    pub survey: bool,
}

/// What a look found.
#[derive(Debug)]
pub struct Looked {
    /// The look.
    pub look: Look,
    /// The fixtures wider than a function that were set up.
    pub fixtures: Vec<String>,
    /// Teardown errors of such.
    pub troubles: Vec<Trouble>,
    /// What the test depends on, where that was noted.
    pub noted: Option<Noted>,
}

/// Looks at one test.
pub fn look_at(
    worker: &mut Worker,
    test: usize,
    opening: Opening,
    policy: &Policy,
    class: &Class<'_>,
) -> Result<Looked, Loss> {
    let terms = worker.terms.get(test).cloned().unwrap_or_default();
    let policy = policy.under(&terms);
    let manner = Manner {
        skip: terms.skip,
        ..policy.manner(Wider::Stay)
    };
    Screen::new(worker, test, opening, class).look(manner)
}

/// Another look, with wider fixtures set up anew in each iteration.
pub fn look_again(
    worker: &mut Worker,
    test: usize,
    first: &Look,
    wider: Wider,
    policy: &Policy,
    class: &Class<'_>,
) -> Result<Looked, Loss> {
    let terms = worker.terms.get(test).cloned().unwrap_or_default();
    let opening = Opening {
        thaw: false,
        survey: true,
    };
    let manner = policy.under(&terms).manner(wider);
    let mut looked = Screen::new(worker, test, opening, class).look(manner)?;
    let iterations = first.iterations + looked.look.iterations;
    looked.look = if takes_over(&looked.look.screened, &first.screened) {
        Look {
            seconds: first.seconds,
            cpu_plain: first.cpu_plain,
            retained: first.retained,
            ..looked.look
        }
    } else {
        first.clone()
    };
    looked.look.test = first.test;
    looked.look.iterations = iterations;
    Ok(looked)
}

/// One test in its worker.
struct Screen<'a> {
    worker: &'a mut Worker,
    test: usize,
    opening: Opening,
    class: &'a Class<'a>,
    /// Teardown errors of wider fixtures.
    troubles: Vec<Trouble>,
    noted: Option<Noted>,
    retained: f64,
}

impl<'a> Screen<'a> {
    fn new(
        worker: &'a mut Worker,
        test: usize,
        opening: Opening,
        class: &'a Class<'a>,
    ) -> Screen<'a> {
        Screen {
            worker,
            test,
            opening,
            class,
            troubles: Vec::new(),
            noted: None,
            retained: 0.0,
        }
    }

    /// Looks at it until enough is known.
    fn look(mut self, manner: Manner) -> Result<Looked, Loss> {
        let mut evidence = Evidence::open(manner);
        let screened = loop {
            evidence.is_late = !self.worker.affords(evidence.cpu_plain);
            match screening::next(&evidence, &RULES) {
                Next::Do(experiment) => {
                    let answer = self.perform(&evidence.manner, experiment)?;
                    evidence.add(answer);
                }
                Next::Conclude(screened) => break screened,
            }
        };
        let rule = screened.concluded().map(Conclusion::rule);
        if rule == Some(Rule::NoTimeToLookLonger) {
            self.worker.leave("longer look");
        }
        let look = Look {
            iterations: evidence.iterations,
            seconds: evidence.seconds,
            cpu_plain: evidence.cpu_plain,
            series: picture::growth(&evidence, &screened, &RULES),
            apart: picture::apart(&evidence, &RULES),
            noise: evidence.noise.clone().flatten(),
            rose_once: picture::rose_once(&evidence, &screened, &RULES),
            retained: self.retained,
            ..Look::new(self.test, screened, evidence.manner.wider)
        };
        Ok(Looked {
            look,
            fixtures: evidence.fixtures,
            troubles: self.troubles,
            noted: self.noted,
        })
    }

    /// What comes of an experiment.
    fn perform(&mut self, manner: &Manner, experiment: Experiment) -> Result<Answer, Loss> {
        Ok(match experiment {
            Experiment::Last => Answer::Last(self.class.last()),
            Experiment::Alike(signature) => {
                let (count, last) = self.class.alike(&signature);
                Answer::Alike(count, last)
            }
            Experiment::Tell(signature) => {
                self.class.add(signature);
                Answer::Told
            }
            Experiment::Window(window) => self.window(manner, window)?,
            Experiment::SecondTry => {
                let order = orders::Run {
                    thaw: true,
                    iterations: 0,
                    ..orders::Run::open(self.test)
                };
                let ran = run(self.worker, order)?;
                Answer::SecondTry(ran.iterations, ran.outcome)
            }
            Experiment::Empty => Answer::Emptied(ask(self.worker, 0, true)?.filled),
            Experiment::Ends { iterations } => {
                let ends = ask(self.worker, iterations, true)?;
                Answer::Ends(Capacity {
                    filled: ends.filled,
                    window: ends.window.map(emptied),
                })
            }
            Experiment::Noise { seconds } => Answer::Noise(still::listen(self.worker, seconds)?),
        })
    }

    fn window(&mut self, manner: &Manner, window: Window) -> Result<Answer, Loss> {
        let first = window.opens;
        let order = orders::Run {
            test: first.then_some(self.test),
            thaw: self.opening.thaw && first,
            survey: self.opening.survey && first || window.anew,
            wider: manner.wider,
            warmup: if first { manner.warmup } else { 0 },
            before: first,
            between: window.between,
            iterations: window.iterations,
            note: first && manner.wider == Wider::Stay && self.worker.notes,
        };
        let ran = run(self.worker, order)?;
        if !first {
            self.worker.has_looked(ran.cpu);
        }
        match (&mut self.noted, ran.noted) {
            (Some(noted), Some(later)) => noted.add(later),
            (noted @ None, first) => *noted = first,
            (Some(_), None) => {}
        }
        self.troubles.extend(ran.errors);
        if let Some(before) = ran.resident_before {
            let resident = ran.resident.cast_signed() - before.cast_signed();
            self.retained = retained(&ran.series, resident);
        }
        let read = Read {
            iterations: ran.iterations,
            outcome: ran.outcome,
            seconds: ran.seconds,
            cpu_warm: ran.cpu_warm,
            series: ran.series,
            apart: ran.apart,
            fixtures: ran.wider,
            filling: ran.filling,
            fills: ran.emptied,
        };
        Ok(Answer::Window(window, read))
    }
}
