//! Does with a suspect what there is to find out, until enough is known to conclude from.

use std::collections::BTreeMap;

use super::{
    capacity::{ask, emptied, failure},
    case::Case,
    conclusions::{Known, Turn},
    screen::{self, Look},
    still,
};
use crate::{
    explain::sites,
    fit::{Exactness, Fit},
    heap::owner::Places,
    investigate::{
        decide::next,
        evidence::{Answer, Capacity, Evidence, Gained, Told, Trace, Window},
        experiment::{Experiment, Lesson, Next, Recall, Tracing},
        growth::growing,
        rules::RULES,
    },
    verdict::{Counter, Series},
    worker::{
        Worker,
        budget::Budget,
        loss::Loss,
        orders,
        protocol::{Ran, Status},
    },
};

/// What all judges of a run share.
pub struct Bench<'a> {
    /// Whose code is where.
    pub places: &'a Places,
    /// CPU time.
    pub budget: &'a Budget,
    /// Most resident bytes of a worker.
    pub memory: u64,
    /// Iterations before a window opens.
    pub warmup: u32,
    /// Exactness of each counter.
    pub exactness: &'a BTreeMap<Counter, Exactness>,
    /// Judgements by cause.
    pub known: &'a Known,
}

impl Bench<'_> {
    /// Shape and rate of every counter that grows; none where only such grow as say nothing by themselves.
    pub fn growing(&self, series: &Series) -> BTreeMap<Counter, Fit> {
        growing(series, |counter| {
            let exactness = self.exactness.get(&counter).copied();
            exactness.unwrap_or(Exactness::Estimate)
        })
    }

    /// Whether a suspect is not watched until it ends: of two thousand containers that each gain entries there is time to
    /// name them all, and to wait with a few.
    fn is_brief(&self, look: &Look) -> bool {
        self.budget.is_scarce() && self.known.is_always_a_leak(&look.kind())
    }

    /// Whether there is time for a suspect. One that is only to be named gets half as much again as there is for all.
    pub(super) fn has_time_for(&self, look: &Look) -> bool {
        !self.budget.is_spent() || !self.budget.is_overspent() && self.is_brief(look)
    }

    /// Judges the suspect of `look`, test `index` of `worker`: where `fussy`, not in a process that is noisy by itself. A
    /// worker that is lost ends it: what becomes of the suspect then is for the one who started the worker to say.
    pub(super) fn judge(
        &self,
        worker: &mut Worker,
        turn: &Turn<'_>,
        look: &Look,
        index: usize,
        thaw: bool,
        fussy: bool,
    ) -> Result<Case, Loss> {
        let mut evidence = Evidence {
            screened: look.series.clone(),
            exactness: self.exactness.clone(),
            brief: self.is_brief(look),
            fussy,
            ..Evidence::default()
        };
        let terms = worker.terms.get(index);
        let opening = orders::Run {
            thaw,
            // Once a file is often enough where hundreds like it were found.
            survey: thaw || !evidence.brief,
            wider: look.wider,
            warmup: terms.and_then(|terms| terms.warmup).unwrap_or(self.warmup),
            ..orders::Run::open(index)
        };
        let conclusion = loop {
            match next(&evidence, &RULES, &self.budget.purse(self.memory)) {
                Next::Do(experiment) => {
                    let (answer, cpu) = self.perform(worker, turn, &opening, experiment)?;
                    self.budget.spend(cpu);
                    evidence.add(answer);
                }
                Next::Conclude(conclusion) => break conclusion,
            }
        };
        let mut case = Case::open(look.test);
        case.wider = look.wider;
        case.show(&evidence, conclusion);
        Ok(case)
    }

    /// Runs iterations for another purpose.
    pub(super) fn run(&self, worker: &mut Worker, order: orders::Run) -> Result<Window, Loss> {
        let window = window(screen::run(worker, order)?);
        self.budget.spend(window.cpu);
        Ok(window)
    }

    /// What comes of an experiment, and the CPU seconds that it took.
    fn perform(
        &self,
        worker: &mut Worker,
        turn: &Turn<'_>,
        opening: &orders::Run,
        experiment: Experiment,
    ) -> Result<(Answer, f64), Loss> {
        let on = |warmup, iterations| orders::Run {
            wider: opening.wider,
            warmup,
            ..orders::Run::on(iterations)
        };
        match experiment {
            Experiment::Window { opens, iterations } => {
                let first = orders::Run {
                    iterations,
                    ..opening.clone()
                };
                let order = if opens { first } else { on(0, iterations) };
                let window = window(screen::run(worker, order)?);
                let cpu = window.cpu;
                Ok((Answer::Window(window), cpu))
            }
            Experiment::Stretch(stretch) => {
                let order = on(stretch.warmup, stretch.iterations);
                let window = window(screen::run(worker, order)?);
                let cpu = window.cpu;
                Ok((Answer::Stretch(stretch, window), cpu))
            }
            Experiment::Noise { seconds } => {
                Ok((Answer::Noise(still::listen(worker, seconds)?), 0.0))
            }
            Experiment::Containers { iterations } => containers(worker, iterations),
            Experiment::Trace(order) => self.trace(worker, order),
            Experiment::Capacity { iterations } => capacity(worker, iterations),
            Experiment::Announce(things) => {
                turn.announce(things);
                Ok((Answer::Announced, 0.0))
            }
            Experiment::Recall(what, things) => {
                let known = match what {
                    Recall::Callers | Recall::Budget => turn.judge(&things),
                    Recall::LongRun => turn.looked_at(&things),
                };
                Ok((Answer::Recalled(what, known), 0.0))
            }
            Experiment::Teach(lesson) => {
                let Lesson {
                    things,
                    conclusion,
                    looked,
                } = lesson;
                turn.learn(things, &conclusion, looked);
                Ok((Answer::Taught, 0.0))
            }
        }
    }

    fn trace(&self, worker: &mut Worker, tracing: Tracing) -> Result<(Answer, f64), Loss> {
        let traced = worker.ask(orders::Trace {
            iterations: tracing.iterations,
            frames: tracing.frames,
            last_only: tracing.last_only,
            settling: tracing.settling,
        })?;
        let depth = usize::try_from(tracing.frames).unwrap_or(usize::MAX);
        let told = if traced.interpreters {
            Told::Interpreters
        } else if traced.outcome.status != Status::Passed {
            Told::DidNotPass
        } else {
            let (boundaries, tracebacks) = (&traced.boundaries, &traced.tracebacks);
            Told::Sites {
                growths: sites::growing(boundaries, tracebacks, depth, self.places),
                types: traced.types,
                malloced: traced.malloced,
            }
        };
        let trace = Trace {
            iterations: tracing.iterations,
            settling: tracing.settling,
            cpu: traced.cpu,
            ended: traced.lost || traced.asked,
            told,
        };
        Ok((Answer::Traced(trace), traced.cpu))
    }
}

fn containers(worker: &mut Worker, iterations: u32) -> Result<(Answer, f64), Loss> {
    let grown = worker.ask(orders::Grown { iterations })?;
    let gained = Gained {
        iterations: grown.iterations,
        containers: grown.containers,
    };
    Ok((Answer::Containers(gained), grown.cpu))
}

fn capacity(worker: &mut Worker, iterations: u32) -> Result<(Answer, f64), Loss> {
    let ends = ask(worker, iterations, false)?;
    let window = ends.window.map(emptied);
    let cpu = ends.cpu + window.as_ref().map_or(0.0, |window| window.cpu);
    let filled = ends.filled;
    Ok((Answer::Capacity(Capacity { filled, window }), cpu))
}

fn window(ran: Ran) -> Window {
    Window {
        iterations: ran.iterations,
        failure: failure(ran.outcome),
        seconds: ran.seconds,
        series: ran.series,
        cpu: ran.cpu,
        cpu_read: ran.cpu_read,
        resident: ran.resident,
    }
}
