//! Judges one suspect in a fresh process: does it grow here too, where, and does it ever stop?

use std::collections::{BTreeMap, BTreeSet};

use super::{
    budget::Budget,
    conclusion::Conclusion,
    diagnose::Diagnosis,
    known::Known,
    loss::Loss,
    noise,
    orders::{self, Wider},
    protocol::{Ran, Status},
    screen::{self, Look},
    worker::{MOST_READ, Worker},
};
use crate::{
    attribute::{native::Passage, owner::Places, sites::Growth},
    fit::{Exactness, Fit},
    investigate::{
        evidence::Failure,
        growth::{self, affordable, bytes_per_iteration, growing},
        long_run::did_not_pass,
        readings::{extend, rises_late},
        rest::rose_and_rests,
        rules::RULES,
        signature::{describe, is_chance, signature},
    },
    verdict::{Counter, Series, Verdict, rule::Rule},
};

/// Windows that may follow it before growth is said to be in the first process only.
const MORE_WINDOWS: u32 = 4;
/// The fewest iterations from which a rate can be read.
pub(super) const FEWEST: u32 = 2;
/// A window may keep this many bytes: beyond, growth is plain from three boundaries, and the
/// machine is better left alone.
pub(super) const WINDOW_BYTES: f64 = 256e6;

/// A suspect with its evidence.
#[derive(Debug, Clone)]
pub struct Case {
    /// Index of the test.
    pub test: usize,
    /// Index of the test that stands for all that grow like this one; itself where there are none.
    pub leader: usize,
    /// Which fixtures were set up anew in each iteration.
    pub wider: Wider,
    /// Watched containers that gained entries: name, and how many per iteration.
    pub containers: Vec<(String, f64)>,
    /// What is said.
    pub judged: Conclusion,
    /// What it fills that has an end to read: kind and name of each.
    pub ends: BTreeSet<(String, String)>,
    /// How often it ran here.
    pub iterations: u32,
    /// The longest window's readings.
    pub series: Series,
    /// Shape and rate of each counter that grew.
    pub fits: BTreeMap<Counter, Fit>,
    /// Growing sites, the runner's own left out unless there are no others.
    pub growths: Vec<Growth>,
    /// Survivors by type: name, objects and bytes per iteration.
    pub types: Vec<(String, f64, f64)>,
    /// Who holds what grew, where that was looked at.
    pub diagnosis: Option<Diagnosis>,
    /// Where native memory that stays is allocated, where that was looked at.
    pub passages: Vec<Passage>,
    /// Whether its process is unfit for other tests.
    pub spoiled: bool,
    /// Whether objects came at first, and no more in the longest window, where something else went on growing.
    pub settled: bool,
    /// What moved in its process by itself.
    pub noise: Option<String>,
    /// Whether nobody waited for its end: all that grow like it, and were looked at for long, went on.
    pub brief: bool,
}

impl Case {
    /// A suspect of which nothing is said yet.
    pub fn open(test: usize) -> Case {
        Case::without_evidence(test, Conclusion::by(Rule::RunInterrupted))
    }

    /// A suspect about which nothing could be measured.
    pub fn without_evidence(test: usize, judged: Conclusion) -> Case {
        Case {
            test,
            leader: test,
            wider: Wider::Stay,
            containers: Vec::new(),
            judged,
            ends: BTreeSet::new(),
            iterations: 0,
            series: Series::new(),
            fits: BTreeMap::new(),
            growths: Vec::new(),
            types: Vec::new(),
            diagnosis: None,
            passages: Vec::new(),
            spoiled: false,
            settled: false,
            noise: None,
            brief: false,
        }
    }

    /// Names of the watched containers that gained entries.
    pub fn filled(&self) -> BTreeSet<&str> {
        self.containers
            .iter()
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// The places and the watched containers that grow.
    pub fn growing_things(&self) -> BTreeSet<String> {
        growth::things(&self.growths, &self.containers)
    }

    /// Whether the places account for all that grows: a container that takes its memory from a free list stands at none,
    /// and two with the same entries cannot be told apart.
    pub fn is_explained(&self) -> bool {
        growth::is_explained(&self.growths, &self.fits, &RULES)
    }

    /// Whether it is called a leak.
    pub fn is_leak(&self) -> bool {
        self.judged.is(Verdict::Leak)
    }

    /// The same case with what is said of it.
    #[must_use]
    pub fn concluded(mut self, judged: Conclusion) -> Case {
        self.judged = judged;
        self
    }

    /// What makes suspects one cause: the places that grow. Empty where none is known.
    pub fn causes(&self) -> BTreeSet<String> {
        growth::causes(&self.growths)
    }
}

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

/// What a test was asked for, or what is to be concluded since an iteration did not pass.
pub type Attempt<T> = Result<T, Conclusion>;

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

    /// Judges the suspect of `look`, test `index` of `worker`: where `fussy`, not in a process that is noisy by itself.
    pub fn judge(
        &self,
        worker: &mut Worker,
        look: &Look,
        index: usize,
        thaw: bool,
        fussy: bool,
    ) -> Result<Case, Loss> {
        let mut case = Case::open(look.test);
        case.wider = look.wider;
        case.brief = self.is_brief(look);
        let needed = look.series.values().map(Vec::len).max().unwrap_or(0);
        let needed = u32::try_from(needed)
            .unwrap_or(RULES.first_window)
            .saturating_sub(1);
        let window = affordable(
            bytes_per_iteration(&look.series, &RULES),
            WINDOW_BYTES,
            &RULES,
        )
        .min(needed.clamp(RULES.first_window, MOST_READ))
        .max(FEWEST);
        let terms = worker.terms.get(index);
        let warmup = terms.and_then(|terms| terms.warmup).unwrap_or(self.warmup);
        let ran = match self.run(worker, &mut case, Some(index), thaw, warmup, window)? {
            Ok(ran) => ran,
            Err(ended) => return Ok(case.concluded(ended)),
        };
        case.series = ran.series;
        case.noise = noise::heard(worker, &case.series, ran.seconds)?;
        if fussy && let Some(noise) = &case.noise {
            let conclusion = Conclusion::because(Rule::OtherThreads, noise);
            return Ok(case.concluded(conclusion));
        }
        case.fits = self.growing(&case.series);
        // Growth that comes rarely may have hidden between these boundaries; what comes by chance may have paused.
        for more in 0..MORE_WINDOWS {
            let rests = || rose_and_rests(case.series.get(&Counter::Blocks), &RULES);
            let is_over = more > 0 && (rests() || !rises_late(&case.series));
            if window < RULES.first_window || !case.fits.is_empty() || is_over {
                break;
            }
            let ran = match self.run(worker, &mut case, None, false, 0, window)? {
                Ok(ran) => ran,
                Err(ended) => return Ok(case.concluded(ended)),
            };
            extend(&mut case.series, &ran.series);
            case.fits = self.growing(&case.series);
        }
        if case.fits.is_empty() && rose_and_rests(case.series.get(&Counter::Blocks), &RULES) {
            return Ok(case.concluded(Conclusion::because(
                Rule::StoppedInSecondProcess,
                "grew in two processes, and stopped in the second",
            )));
        }
        if case.fits.is_empty() && is_chance(&look.series, &case.series) {
            return Ok(case.concluded(Conclusion::because(
                Rule::RisesAndFalls,
                "rises and falls by chance, and does not grow",
            )));
        }
        if case.fits.is_empty() {
            let reason = format!(
                "grew in one process ({}) and not in a second one",
                describe(&signature(&look.series))
            );
            return Ok(case.concluded(Conclusion::because(Rule::OneProcessOnly, reason)));
        }
        self.investigate(worker, &mut case)?;
        Ok(case)
    }

    /// Runs iterations of a test, or of the open one; what to conclude if one did not pass.
    pub fn run(
        &self,
        worker: &mut Worker,
        case: &mut Case,
        test: Option<usize>,
        thaw: bool,
        warmup: u32,
        iterations: u32,
    ) -> Result<Attempt<Ran>, Loss> {
        let ran = screen::run(
            worker,
            orders::Run {
                test,
                thaw,
                // Once a file is often enough where hundreds like it were found.
                survey: test.is_some() && (thaw || !case.brief),
                wider: case.wider,
                warmup,
                ..orders::Run::on(iterations)
            },
        )?;
        self.budget.spend(ran.cpu);
        case.iterations += ran.iterations;
        if ran.outcome.status == Status::Passed {
            return Ok(Ok(ran));
        }
        let failure = Failure {
            broken: ran.outcome.status == Status::Broken,
            message: ran.outcome.message,
        };
        Ok(Err(did_not_pass(&failure, case.iterations)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_integers_an_iteration_leave_room_for_a_few_only() {
        let series = Series::from([
            (Counter::Blocks, vec![0, 1_000_000, 2_000_000]),
            (Counter::Heap, vec![0, 8_000_000, 16_000_000]),
        ]);
        let window = affordable(bytes_per_iteration(&series, &RULES), WINDOW_BYTES, &RULES);
        assert!((3..=6).contains(&window), "{window}");
        assert_eq!(
            affordable(1_000_000.0, RULES.tracing.blocks, &RULES).max(FEWEST),
            FEWEST
        );
        assert_eq!(affordable(0.0, WINDOW_BYTES, &RULES), RULES.longest);
    }
}
