//! Suspects for the tests of the rules: each a function that says where its blocks stand after so many iterations.

use std::collections::BTreeMap;

use super::{
    at::At,
    decide::next,
    evidence::{Answer, Capacity, Evidence, Gained, Readings, Told, Trace, Window},
    experiment::{Experiment, Next, Purse, Stretch, Tracing},
    rules::RULES,
};
use crate::{
    explain::sites::Growth,
    finding::Owner,
    fit::{self, Exactness},
    verdict::{Counter, Series, conclusion::Conclusion},
};

/// As much as there is at the beginning of a run.
pub(super) const PURSE: Purse = Purse {
    total: 60.0,
    spent: false,
    scarce: false,
    long_run: 2.0,
    whole_long_run: 2.0,
    memory: 2_000_000_000,
};

/// Blocks, exactly.
pub(super) fn blocks(readings: impl IntoIterator<Item = i64>) -> Series {
    Series::from([(Counter::Blocks, readings.into_iter().collect())])
}

/// A suspect after windows with these readings, all counters exact.
pub(super) fn suspect(series: Series) -> Evidence {
    let mut evidence = Evidence {
        exactness: { Counter::ALL.iter() }
            .map(|counter| (*counter, Exactness::Exact))
            .collect::<BTreeMap<_, _>>(),
        ..Evidence::default()
    };
    let fits = evidence.growing(&series);
    evidence.iterations = 9;
    evidence.windows = Readings {
        count: 1,
        series,
        fits,
    };
    evidence
}

/// The first stretch of a long run.
pub(super) const FIRST_STRETCH: Stretch = Stretch {
    warmup: 1,
    iterations: 16,
    late: false,
    allowance: 2.0,
};

/// A suspect that grew so in the screen.
pub(super) fn screened(series: Series) -> Evidence {
    Evidence {
        screened: series,
        exactness: suspect(Series::new()).exactness,
        ..Evidence::default()
    }
}

/// The same with nothing that has an end to read.
pub(super) fn endless(series: Series) -> Evidence {
    let mut evidence = suspect(series);
    evidence.add(Answer::Capacity(Capacity::default()));
    evidence
}

/// A place at which so many blocks and bytes stay.
pub(super) fn growth(file: &str, line: u32, count: i64, bytes: i64) -> Growth {
    let fit = |each: i64| fit::fit(&[0, each, 2 * each, 3 * each], Exactness::Exact);
    Growth {
        frames: vec![(file.to_owned(), line)],
        chosen: 0,
        owner: Owner::Project,
        too_shallow: false,
        count: fit(count),
        bytes: fit(bytes),
    }
}

/// A first trace that tells these places.
pub(super) fn traces(growths: Vec<Growth>) -> Vec<Trace> {
    vec![Trace {
        iterations: 6,
        settling: 0,
        cpu: 0.01,
        ended: false,
        told: Told::Sites {
            growths,
            types: Vec::new(),
            malloced: Vec::new(),
        },
    }]
}

/// A container that gained so many entries in eight iterations.
pub(super) fn gained(name: &str, entries: i64) -> Option<Gained> {
    Some(Gained {
        iterations: 8,
        containers: vec![(name.to_owned(), entries)],
    })
}

/// A step alone.
pub(super) fn step(
    evidence: &Evidence,
    purse: &Purse,
    step: fn(At<'_>) -> Option<Next>,
) -> Option<Next> {
    step(At {
        evidence,
        rules: &RULES,
        purse,
    })
}

/// What is concluded.
#[track_caller]
pub(super) fn concluded(next: Option<Next>) -> Conclusion {
    match next {
        Some(Next::Conclude(conclusion)) => conclusion,
        other => panic!("{other:?}"),
    }
}

/// A suspect that a driver without a worker asks: where its blocks stand, and what an iteration costs.
pub(super) struct Subject<F: Fn(u32) -> i64> {
    pub stands: F,
    /// CPU seconds of an iteration.
    pub cpu: f64,
    /// It ran so often.
    pub ran: u32,
    /// What tracing tells.
    pub places: Vec<Growth>,
}

impl<F: Fn(u32) -> i64> Subject<F> {
    pub(super) fn new(stands: F) -> Subject<F> {
        Subject {
            stands,
            cpu: 0.001,
            ran: 0,
            places: Vec::new(),
        }
    }

    fn window(&mut self, warmup: u32, iterations: u32) -> Window {
        let first = self.ran + warmup;
        self.ran = first + iterations;
        Window {
            iterations: warmup + iterations,
            series: blocks((first..=self.ran).map(&self.stands)),
            cpu: self.cpu * f64::from(warmup + iterations),
            ..Window::default()
        }
    }

    /// After the windows with which it begins.
    pub(super) fn begun(&mut self) -> Evidence {
        suspect(self.window(1, RULES.first_window).series)
    }

    /// Asks until there is a conclusion. Returns what was asked as well.
    pub(super) fn asked(
        &mut self,
        evidence: &mut Evidence,
        purse: &Purse,
    ) -> (Conclusion, Vec<Experiment>) {
        let mut asked = Vec::new();
        loop {
            assert!(asked.len() < 40, "without end: {asked:?}");
            let experiment = match next(evidence, &RULES, purse) {
                Next::Conclude(conclusion) => return (conclusion, asked),
                Next::Do(experiment) => experiment,
            };
            evidence.add(self.answer(&experiment));
            asked.push(experiment);
        }
    }

    fn answer(&mut self, experiment: &Experiment) -> Answer {
        match experiment {
            Experiment::Recall(what, _) => Answer::Recalled(*what, None),
            Experiment::Window { opens, iterations } => {
                Answer::Window(self.window(u32::from(*opens), *iterations))
            }
            Experiment::Noise { .. } => Answer::Noise(None),
            Experiment::Containers { iterations } => {
                self.ran += iterations;
                Answer::Containers(Gained {
                    iterations: *iterations,
                    containers: Vec::new(),
                })
            }
            Experiment::Trace(Tracing {
                iterations,
                settling,
                ..
            }) => {
                self.ran += iterations + settling;
                Answer::Traced(Trace {
                    iterations: *iterations,
                    settling: *settling,
                    cpu: self.cpu,
                    ended: false,
                    told: Told::Sites {
                        growths: self.places.clone(),
                        types: Vec::new(),
                        malloced: Vec::new(),
                    },
                })
            }
            Experiment::Announce(_) => Answer::Announced,
            Experiment::Teach(_) => Answer::Taught,
            Experiment::Capacity { .. } => Answer::Capacity(Capacity::default()),
            Experiment::Stretch(stretch) => {
                Answer::Stretch(*stretch, self.window(stretch.warmup, stretch.iterations))
            }
        }
    }
}

/// The stretches among what was asked.
pub(super) fn stretches(asked: &[Experiment]) -> Vec<Stretch> {
    let stretches = asked.iter().filter_map(|experiment| match experiment {
        Experiment::Stretch(stretch) => Some(*stretch),
        _ => None,
    });
    stretches.collect()
}
