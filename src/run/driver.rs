//! Does with a suspect what there is to find out, until enough is known to conclude from.

use super::{
    end::ask,
    loss::Loss,
    orders,
    protocol::{self, Outcome, Ran, Status, Traced},
    screen,
    trace::{Bench, Case},
    worker::Worker,
};
use crate::{
    attribute::sites,
    investigate::{
        decide::next,
        evidence::{Answer, Capacity, Evidence, Failure, Gained, Readings, Told, Trace, Window},
        experiment::{Experiment, Next, Purse, Recall},
        known::lesson,
        picture::Picture,
        rules::RULES,
    },
    verdict::conclusion::Conclusion,
};

impl Bench<'_> {
    /// Finds out about the suspect of a case what is needed, and says what is to be said of it. A worker that is lost ends
    /// it: what becomes of the suspect then is for the one who started the worker to say.
    pub(super) fn investigate(&self, worker: &mut Worker, case: &mut Case) -> Result<(), Loss> {
        let mut evidence = Evidence {
            exactness: self.exactness.clone(),
            brief: case.brief,
            iterations: case.iterations,
            windows: Readings {
                series: case.series.clone(),
                fits: case.fits.clone(),
            },
            ..Evidence::default()
        };
        let conclusion = loop {
            match next(&evidence, &RULES, &self.purse()) {
                Next::Do(experiment) => {
                    let (answer, cpu) = self.perform(worker, case, experiment)?;
                    self.budget.spend(cpu);
                    evidence.add(answer);
                }
                Next::Conclude(conclusion) => break conclusion,
            }
        };
        if let Some(lesson) = lesson(&evidence, &conclusion, &RULES) {
            self.known.learn(lesson.things, &conclusion, lesson.looked);
        }
        case.show(&evidence, conclusion);
        Ok(())
    }

    fn purse(&self) -> Purse {
        self.budget.purse(self.memory)
    }

    /// What comes of an experiment, and the CPU seconds that it took.
    fn perform(
        &self,
        worker: &mut Worker,
        case: &Case,
        experiment: Experiment,
    ) -> Result<(Answer, f64), Loss> {
        match experiment {
            Experiment::Recall(what, things) => {
                let known = match what {
                    Recall::Callers | Recall::Budget => self.known.judge(&things),
                    Recall::LongRun => self.known.looked_at(&things),
                };
                Ok((Answer::Recalled(what, known), 0.0))
            }
            Experiment::Containers { iterations } => {
                let grown = worker.ask(orders::Grown { iterations })?;
                let gained = Gained {
                    iterations: grown.iterations,
                    containers: grown.containers,
                };
                Ok((Answer::Containers(gained), grown.cpu))
            }
            Experiment::Trace {
                iterations,
                frames,
                last_only,
            } => {
                let traced = worker.ask(orders::Trace {
                    iterations,
                    frames,
                    last_only,
                })?;
                let cpu = traced.cpu;
                let trace = Trace {
                    iterations,
                    cpu,
                    told: self.told(traced, frames),
                };
                Ok((Answer::Traced(trace), cpu))
            }
            Experiment::Capacity { iterations } => {
                let bound = ask(worker, iterations, false)?;
                let cpu = bound.cpu + bound.window.as_ref().map_or(0.0, |window| window.cpu);
                let capacity = Capacity {
                    filled: bound.filled,
                    window: bound.window.map(emptied),
                };
                Ok((Answer::Capacity(capacity), cpu))
            }
            Experiment::Stretch(stretch) => {
                let order = orders::Run {
                    wider: case.wider,
                    warmup: stretch.warmup,
                    ..orders::Run::on(stretch.iterations)
                };
                let window = window(screen::run(worker, order)?);
                let cpu = window.cpu;
                Ok((Answer::Stretch(stretch, window), cpu))
            }
        }
    }
}

impl Bench<'_> {
    fn told(&self, traced: Traced, frames: u32) -> Told {
        let depth = usize::try_from(frames).unwrap_or(usize::MAX);
        if traced.interpreters {
            Told::Interpreters
        } else if traced.outcome.status != Status::Passed {
            Told::DidNotPass
        } else {
            let (boundaries, tracebacks) = (&traced.boundaries, &traced.tracebacks);
            Told::Sites {
                growths: sites::growing(boundaries, tracebacks, depth, self.places),
                types: traced.types,
            }
        }
    }
}

impl Case {
    /// Takes over what `evidence` shows of it.
    fn show(&mut self, evidence: &Evidence, conclusion: Conclusion) {
        let picture = Picture::of(evidence, &conclusion, &RULES);
        self.judged = conclusion;
        self.iterations = evidence.iterations;
        self.series = picture.series;
        self.fits = picture.fits;
        self.growths = picture.growths;
        self.types = picture.types;
        self.containers = picture.containers;
        self.ends = picture.ends;
        self.settled = picture.settled;
        self.spoiled = picture.spoiled;
        self.brief = picture.brief;
    }
}

fn window(ran: Ran) -> Window {
    Window {
        iterations: ran.iterations,
        failure: failure(ran.outcome),
        series: ran.series,
        cpu: ran.cpu,
        cpu_read: ran.cpu_read,
        resident: ran.resident,
    }
}

fn emptied(window: protocol::Window) -> Window {
    Window {
        iterations: window.iterations,
        failure: failure(window.outcome),
        series: window.series,
        cpu: window.cpu,
        ..Window::default()
    }
}

fn failure(outcome: Outcome) -> Option<Failure> {
    (outcome.status != Status::Passed).then_some(Failure {
        broken: outcome.status == Status::Broken,
        message: outcome.message,
    })
}
