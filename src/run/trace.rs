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
    protocol::{self, Ran, Status, Traced},
    screen::{self, Look},
    worker::{MOST_READ, Worker},
};
use crate::{
    attribute::{
        native::Passage,
        owner::Places,
        sites::{self, Growth},
    },
    finding::Owner,
    fit::{Exactness, Fit, Shape},
    investigate::{
        evidence::Failure,
        growth::{self, affordable, bytes_per_iteration, growing, grows_memory},
        long_run::did_not_pass,
        readings::{extend, has_room, rises_late},
        rest::rose_and_rests,
        rules::RULES,
        signature::{describe, is_chance, signature},
    },
    verdict::{Counter, Series, Verdict, rule::Rule},
};

/// Windows that may follow it before growth is said to be in the first process only.
const MORE_WINDOWS: u32 = 4;
/// Traced iterations, and the fewest from which a rate can be read.
const TRACED: u32 = 6;
pub(super) const FEWEST: u32 = 2;
const DEEPER: u32 = 3;
/// Frames kept at first, and each time those did not reach the reader's code. Each of them costs time on every
/// allocation: an iteration takes about 4 times as long with one, 15 times with ten, 30 times with twenty-five.
const DEPTHS: [u32; 3] = [1, 5, 25];
/// Where a first look cost less than this many CPU seconds, the callers are worth a second.
const CHEAP: f64 = 0.1;
/// A window may keep this many bytes, or traced blocks: beyond, growth is plain from three boundaries, and the
/// machine is better left alone.
pub(super) const WINDOW_BYTES: f64 = 256e6;
const TRACED_BLOCKS: f64 = 200e3;
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

/// CPython itself loses memory with each interpreter, more in some versions than in others.
const INTERPRETERS: &str = "runs beside other interpreters, which it makes or which another test left: memory must not be traced then, since CPython ends the process, \
     and what Python itself loses with each of them cannot be told from a leak";

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
        if case.fits.contains_key(&Counter::Items) {
            self.containers(worker, &mut case)?;
        }
        let traced = grows_memory(&case.fits);
        if traced {
            let told = self.trace(worker, &mut case)?;
            // Those that this one left would be in the way of the next.
            case.spoiled = !told;
            if !told && !case.fits.contains_key(&Counter::Interpreters) {
                let conclusion = Conclusion::because(Rule::Subinterpreters, INTERPRETERS);
                return Ok(case.concluded(conclusion));
            }
        }
        let own: Vec<Growth> = case
            .growths
            .iter()
            .filter(|growth| growth.owner != Owner::Runner)
            .cloned()
            .collect();
        let resources = [
            Counter::Fds,
            Counter::Threads,
            Counter::Tasks,
            Counter::Children,
            Counter::Interpreters,
        ]
        .iter()
        .any(|counter| case.fits.contains_key(counter));
        let kept_by_runner = case.containers.is_empty() && explains(&case.growths, &case.fits);
        if own.is_empty() && !case.growths.is_empty() && !resources && kept_by_runner {
            return Ok(case.concluded(Conclusion::because(
                Rule::HeldByRunner,
                "the test runner keeps what grows",
            )));
        }
        case.growths = own;
        // What is not watched for long is named at least: by its container, or by its place where there are too many of these.
        case.brief &= !(case.containers.is_empty() && case.growths.is_empty());
        self.investigate(worker, &mut case)?;
        if case.is_leak() && !traced && grows_memory(&case.fits) {
            // What comes rarely showed in the long look only.
            self.trace(worker, &mut case)?;
            case.growths.retain(|growth| growth.owner != Owner::Runner);
        }
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

    /// Finds which watched containers gain entries, in as many iterations as showed the growth.
    fn containers(&self, worker: &mut Worker, case: &mut Case) -> Result<(), Loss> {
        let readings = case.series.get(&Counter::Items).map_or(0, Vec::len);
        let order = orders::Grown {
            iterations: u32::try_from(readings)
                .unwrap_or(0)
                .saturating_sub(1)
                .max(1),
        };
        let protocol::Grown {
            iterations,
            containers,
            cpu,
        } = worker.ask(order)?;
        self.budget.spend(cpu);
        case.iterations += iterations;
        case.containers = containers
            .into_iter()
            .map(|(name, gained)| (name, gained as f64 / f64::from(iterations.max(1))))
            // One entry that came once is no growth.
            .filter(|(_, each)| each * f64::from(iterations) > 1.5 || *each >= 0.2)
            .collect();
        Ok(())
    }

    /// Finds the growing sites, if it can. False for a test that makes interpreters, which is not traced.
    fn trace(&self, worker: &mut Worker, case: &mut Case) -> Result<bool, Loss> {
        let period = case
            .fits
            .values()
            .filter_map(|fit| match fit.shape {
                Shape::Periodic { period } => u32::try_from(period).ok(),
                Shape::Noisy => Some(4),
                _ => None,
            })
            .max()
            .unwrap_or(1);
        let blocks = case
            .fits
            .get(&Counter::Blocks)
            .map_or(0.0, |fit| fit.rate.value);
        let wanted = if period > 1 { 4 * period + 1 } else { TRACED };
        let last_only = affordable(blocks, TRACED_BLOCKS, &RULES) < wanted;
        let wanted = if last_only { 1 } else { wanted };
        for frames in DEPTHS {
            // Deeper looks only say where; the rates are known by then.
            let iterations = if frames == DEPTHS[0] || period > 1 {
                wanted
            } else {
                wanted.min(DEEPER)
            };
            let traced = worker.ask(orders::Trace {
                iterations,
                frames,
                last_only,
            })?;
            self.budget.spend(traced.cpu);
            if traced.interpreters {
                return Ok(false);
            }
            case.iterations += iterations;
            if traced.outcome.status != Status::Passed {
                // Some tests refuse to run, or take another way, under tracemalloc: then there is no place to name.
                break;
            }
            let depth = usize::try_from(frames).unwrap_or(usize::MAX);
            let mut growths = self.sites(&traced, depth);
            if !case.fits.contains_key(&Counter::Blocks) {
                growths.retain(|growth| has_room(growth, &case.series));
            }
            // One cause grows in several places; one that is the reader's is enough to go by.
            let deeper = growths.iter().all(|growth| growth.too_shallow) && !growths.is_empty();
            // A deeper look that the test itself spoiled takes nothing back.
            if !growths.is_empty() || case.growths.is_empty() {
                case.growths = growths;
                case.types = traced.types;
            }
            let callers = frames == DEPTHS[0]
                && traced.cpu < CHEAP
                && !case.brief
                && !case.growths.is_empty()
                && self.known.judge(&case.growing_things()).is_none();
            if !(deeper || callers) || self.budget.is_spent() {
                break;
            }
        }
        Ok(true)
    }

    fn sites(&self, traced: &Traced, depth: usize) -> Vec<Growth> {
        sites::growing(&traced.boundaries, &traced.tracebacks, depth, self.places)
    }
}

/// Whether the places that grow account for most of what grows. Objects that took their memory from a free list stand at
/// the place of those that had it before, or at none.
fn explains(growths: &[Growth], fits: &BTreeMap<Counter, Fit>) -> bool {
    let grows = fits.get(&Counter::Blocks);
    grows.is_none_or(|fit| growth::blocks(growths) >= fit.rate.value / 2.0)
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
            affordable(1_000_000.0, TRACED_BLOCKS, &RULES).max(FEWEST),
            FEWEST
        );
        assert_eq!(affordable(0.0, WINDOW_BYTES, &RULES), RULES.longest);
    }
}
