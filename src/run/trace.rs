//! Judges one suspect in a fresh process: does it grow here too, where, and does it ever stop?

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    diagnose::Diagnosis,
    loss::Loss,
    protocol::{Order, Ran, Record, Status, Traced},
    screen::{self, Look},
    worker::{CAPACITY, Worker},
};
use crate::{
    attribute::{
        owner::Places,
        sites::{self, Growth},
    },
    finding::Owner,
    fit::{self, Exactness, Fit, Shape},
    verdict::{Counter, Series},
};

/// Iterations of the first window in the fresh process.
const FIRST_WINDOW: u32 = 8;
/// Traced iterations, and the fewest from which a rate can be read.
const TRACED: u32 = 6;
const FEWEST: u32 = 2;
const DEEPER: u32 = 3;
/// Frames kept at first, and each time those did not reach the reader's code. Each of them costs time on every
/// allocation: an iteration takes about 4 times as long with one, 15 times with ten, 30 times with twenty-five.
const DEPTHS: [u32; 3] = [1, 5, 25];
/// Where a first look cost less than this many CPU seconds, the callers are worth a second.
const CHEAP: f64 = 0.1;
/// A window may keep this many bytes, or traced blocks: beyond, growth is plain from three boundaries, and the
/// machine is better left alone.
const WINDOW_BYTES: f64 = 256e6;
const TRACED_BLOCKS: f64 = 200e3;
/// A longer look may keep this much: no cache that a test fills is meant to be larger.
const HORIZON_BYTES: f64 = 64e6;
/// Descriptors or threads that a longer look may leave: a process gets 1,024 descriptors by default, and 128
/// inotify instances.
const HORIZON_RESOURCES: f64 = 64.0;
/// The longest horizon; whatever fills up within it is recognised as bounded.
const HORIZON: u32 = 2048;
/// Bytes of an average pymalloc block, for estimates of size only.
const BLOCK: f64 = 48.0;

/// What is said of a suspect.
#[derive(Debug, Clone, PartialEq)]
pub enum Judged {
    /// It grows here as well and did not stop.
    Leak,
    /// It stopped.
    Bounded(String),
    /// The runner keeps what grows.
    Harness,
    /// It does not grow here.
    Unstable(String),
    /// It could not be judged; says why.
    Undecided(String),
    /// It took its worker with it.
    Lost {
        /// How.
        loss: Loss,
        /// In which iteration, from 1.
        iteration: u64,
    },
}

/// A suspect with its evidence.
#[derive(Debug, Clone)]
pub struct Case {
    /// Index of the test.
    pub test: usize,
    /// What is said.
    pub judged: Judged,
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
    /// Whether its process is unfit for other tests.
    pub spoiled: bool,
}

impl Case {
    /// A suspect about which nothing could be measured.
    pub fn without_evidence(test: usize, judged: Judged) -> Case {
        Case {
            test,
            judged,
            iterations: 0,
            series: Series::new(),
            fits: BTreeMap::new(),
            growths: Vec::new(),
            types: Vec::new(),
            diagnosis: None,
            spoiled: false,
        }
    }

    /// What makes suspects one cause: the places that grow, and descriptors or threads; the counters where no place
    /// is known.
    pub fn causes(&self) -> BTreeSet<String> {
        let mut parts: BTreeSet<String> = self
            .growths
            .iter()
            .map(|growth| format!("{}:{}", growth.place().0, growth.place().1))
            .collect();
        if parts.is_empty() {
            parts.extend(self.fits.keys().map(|counter| counter.name().to_owned()));
        }
        parts
    }
}

/// What was found out about causes so far, so that a horizon is spent once a cause.
#[derive(Debug, Default)]
pub struct Known(Mutex<HashMap<String, Judged>>);

impl Known {
    fn learn(&self, causes: &BTreeSet<String>, judged: &Judged) {
        if let Ok(mut known) = self.0.lock() {
            for cause in causes {
                known.insert(cause.clone(), judged.clone());
            }
        }
    }

    /// A leak where any of the causes is known to leak; another judgement only where it is known of all of them.
    fn judge(&self, causes: &BTreeSet<String>) -> Option<Judged> {
        let known = self.0.lock().ok()?;
        let mut found = causes.iter().map(|cause| known.get(cause));
        if found.clone().any(|judged| judged == Some(&Judged::Leak)) {
            return Some(Judged::Leak);
        }
        let first = found.next()??;
        found.all(|judged| judged.is_some()).then(|| first.clone())
    }
}

/// CPU time that all suspects share.
#[derive(Debug)]
pub struct Budget {
    total: Duration,
    spent_micros: AtomicU64,
    /// Most for one horizon.
    horizon: Duration,
}

impl Budget {
    /// A budget of `total`, of which one suspect's horizon gets at most `horizon`.
    pub fn new(total: Duration, horizon: Duration) -> Budget {
        Budget {
            total,
            spent_micros: AtomicU64::new(0),
            horizon,
        }
    }

    fn spend(&self, seconds: f64) {
        let micros = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default();
        self.spent_micros.fetch_add(
            u64::try_from(micros.as_micros()).unwrap_or(u64::MAX),
            Ordering::Relaxed,
        );
    }

    fn left(&self) -> Duration {
        self.total.saturating_sub(Duration::from_micros(
            self.spent_micros.load(Ordering::Relaxed),
        ))
    }

    /// Whether nothing is left.
    pub fn is_spent(&self) -> bool {
        self.left().is_zero()
    }

    /// What the next horizon may cost: a share, so that later suspects get theirs.
    fn for_horizon(&self) -> Duration {
        self.horizon.min(self.left() / 4)
    }

    /// All of it.
    pub fn total(&self) -> Duration {
        self.total
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

impl Bench<'_> {
    fn growing(&self, series: &Series) -> BTreeMap<Counter, Fit> {
        series
            .iter()
            .filter_map(|(counter, readings)| {
                let exactness = self
                    .exactness
                    .get(counter)
                    .copied()
                    .unwrap_or(Exactness::Estimate);
                let fit = fit::fit(readings, exactness);
                fit.grows().then_some((*counter, fit))
            })
            .collect()
    }

    /// Judges the suspect of `look`, which is test number `index` of `worker`.
    pub fn judge(
        &self,
        worker: &mut Worker,
        look: &Look,
        index: usize,
        thaw: bool,
    ) -> Result<Case, Loss> {
        let mut case = Case::without_evidence(look.test, Judged::Leak);
        let needed = look.series.values().map(Vec::len).max().unwrap_or(0);
        let needed = u32::try_from(needed)
            .unwrap_or(FIRST_WINDOW)
            .saturating_sub(1);
        let window = affordable(bytes_per_iteration(&look.series), WINDOW_BYTES)
            .min(needed.max(FIRST_WINDOW))
            .max(FEWEST);
        let Some(ran) = self.run(worker, &mut case, Some(index), thaw, self.warmup, window)? else {
            return Ok(case);
        };
        case.series = ran.series;
        case.fits = self.growing(&case.series);
        if case.fits.is_empty() && window >= FIRST_WINDOW {
            // Growth that comes rarely may have hidden between these boundaries.
            let Some(ran) = self.run(worker, &mut case, None, false, 0, window)? else {
                return Ok(case);
            };
            screen::extend(&mut case.series, &ran.series);
            case.fits = self.growing(&case.series);
        }
        if case.fits.is_empty() && rose_and_rests(case.series.get(&Counter::Blocks)) {
            case.judged =
                Judged::Bounded("grew in two processes, and stopped in the second".to_owned());
            return Ok(case);
        }
        if case.fits.is_empty() {
            case.judged = Judged::Unstable(format!(
                "grew in one process ({}) and not in a second one",
                describe(&screen::signature(&look.series))
            ));
            return Ok(case);
        }
        if grows_memory(&case.fits) {
            self.trace(worker, &mut case)?;
        }
        let own: Vec<Growth> = case
            .growths
            .iter()
            .filter(|growth| growth.owner != Owner::Runner)
            .cloned()
            .collect();
        let resources =
            case.fits.contains_key(&Counter::Fds) || case.fits.contains_key(&Counter::Threads);
        if own.is_empty() && !case.growths.is_empty() && !resources {
            case.judged = Judged::Harness;
            return Ok(case);
        }
        case.growths = own;
        let causes = case.causes();
        case.judged = match self.known.judge(&causes) {
            Some(judged) => judged,
            None => match self.horizon(worker, &mut case)? {
                Some(judged) => {
                    self.known.learn(&causes, &judged);
                    judged
                }
                None => return Ok(case),
            },
        };
        Ok(case)
    }

    /// Runs iterations of the open test; `None` if one did not pass, with the reason left in the case.
    fn run(
        &self,
        worker: &mut Worker,
        case: &mut Case,
        test: Option<usize>,
        thaw: bool,
        warmup: u32,
        iterations: u32,
    ) -> Result<Option<Ran>, Loss> {
        let ran = screen::run(
            worker,
            &Order::Run {
                test,
                thaw,
                warmup,
                iterations,
            },
        )?;
        self.budget.spend(ran.cpu);
        case.iterations += ran.iterations;
        if ran.outcome.status == Status::Passed {
            return Ok(Some(ran));
        }
        case.judged = if ran.outcome.status == Status::Broken {
            Judged::Lost {
                loss: Loss::Died {
                    cause: ran.outcome.message,
                    place: None,
                },
                iteration: u64::from(case.iterations),
            }
        } else if case.iterations <= 1 {
            Judged::Undecided(format!(
                "passes after the tests before it, not by itself: {}",
                ran.outcome.message
            ))
        } else {
            Judged::Undecided(format!(
                "did not pass in iteration {} of a longer look: {}",
                case.iterations, ran.outcome.message
            ))
        };
        Ok(None)
    }

    /// Finds the growing sites, if it can.
    fn trace(&self, worker: &mut Worker, case: &mut Case) -> Result<(), Loss> {
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
        let last_only = affordable(blocks, TRACED_BLOCKS) < wanted;
        let wanted = if last_only { 1 } else { wanted };
        for frames in DEPTHS {
            // Deeper looks only say where; the rates are known by then.
            let iterations = if frames == DEPTHS[0] || period > 1 {
                wanted
            } else {
                wanted.min(DEEPER)
            };
            let traced = match worker.call(&Order::Trace {
                iterations,
                frames,
                last_only,
            })? {
                Record::Traced(traced) => traced,
                other => return Err(Loss::Bridge(format!("unexpected answer: {other:?}"))),
            };
            self.budget.spend(traced.cpu);
            case.iterations += iterations;
            if traced.outcome.status != Status::Passed {
                // Some tests refuse to run, or take another way, under tracemalloc: then there is no place to name.
                break;
            }
            let depth = usize::try_from(frames).unwrap_or(usize::MAX);
            let growths = self.sites(&traced, depth);
            // One cause grows in several places; one that is the reader's is enough to go by.
            let deeper = growths.iter().all(|growth| growth.too_shallow) && !growths.is_empty();
            // A deeper look that the test itself spoiled takes nothing back.
            if !growths.is_empty() || case.growths.is_empty() {
                case.growths = growths;
                case.types = traced.types;
            }
            let callers = frames == DEPTHS[0]
                && traced.cpu < CHEAP
                && !case.growths.is_empty()
                && self.known.judge(&case.causes()).is_none();
            if !(deeper || callers) || self.budget.is_spent() {
                break;
            }
        }
        Ok(())
    }

    fn sites(&self, traced: &Traced, depth: usize) -> Vec<Growth> {
        sites::growing(&traced.boundaries, &traced.tracebacks, depth, self.places)
    }

    /// Goes on for longer and longer, until the growth stops or the time, the memory or the horizon ends.
    fn horizon(&self, worker: &mut Worker, case: &mut Case) -> Result<Option<Judged>, Loss> {
        let rate = |counter| case.fits.get(&counter).map_or(0.0, |fit| fit.rate.value);
        let room = affordable(bytes_per_iteration(&case.series), HORIZON_BYTES)
            .min(affordable(rate(Counter::Fds), HORIZON_RESOURCES))
            .min(affordable(rate(Counter::Threads), HORIZON_RESOURCES));
        let allowance = self.budget.for_horizon().as_secs_f64();
        let mut spent = 0.0;
        let mut total = 0;
        let mut step = 2 * FIRST_WINDOW;
        let mut series = Series::new();
        let mut fits = case.fits.clone();
        while total + step <= room.min(HORIZON).min(CAPACITY) {
            // The next stretch costs as much per iteration as the ones before it.
            if total > 0 && spent / f64::from(total) * f64::from(step) > allowance - spent {
                break;
            }
            let warmup = u32::from(total == 0);
            let Some(ran) = self.run(worker, case, None, false, warmup, step)? else {
                if case.fits.values().any(|fit| fit.shape == Shape::Linear) {
                    // What grew by the same amount all along has now used up a limit of the system's, most likely;
                    // what comes after it in this process would meet the same limit.
                    case.spoiled = true;
                    return Ok(Some(Judged::Leak));
                }
                return Ok(None);
            };
            spent += ran.cpu;
            screen::extend(&mut series, &ran.series);
            fits = self.growing(&series);
            if fits.is_empty() && case.fits.keys().all(|counter| rests(series.get(counter))) {
                let last = series
                    .iter()
                    .filter(|(counter, _)| case.fits.contains_key(counter))
                    .filter_map(|(counter, readings)| {
                        let exactness = self.exactness.get(counter).copied();
                        fit::fit(readings, exactness.unwrap_or(Exactness::Estimate)).last_growth
                    })
                    .max()
                    .unwrap_or(0);
                let before = case.iterations - ran.iterations - total;
                let after = u64::from(before) + u64::try_from(last).unwrap_or(0);
                case.series = series;
                return Ok(Some(Judged::Bounded(format!(
                    "stopped growing after {after} iterations"
                ))));
            }
            total += step;
            step = total;
            if ran.resident > self.memory / 2 {
                break;
            }
        }
        if total > 0 {
            case.series = series;
            if fits.is_empty() {
                return Ok(Some(Judged::Undecided(format!(
                    "grows more and more slowly, and still did after {} iterations (--thorough looks longer)",
                    case.iterations
                ))));
            }
            case.fits = fits;
        }
        Ok(Some(Judged::Leak))
    }
}

/// Whether a series has come to rest: nothing in its last third is above what was there before.
fn rests(readings: Option<&Vec<i64>>) -> bool {
    let Some(readings) = readings else {
        return true;
    };
    let (before, last) = readings.split_at(readings.len() - readings.len() / 3);
    last.iter().max() <= before.iter().max()
}

/// Whether a series rose more than once, as something does that fills, and then came to rest.
fn rose_and_rests(readings: Option<&Vec<i64>>) -> bool {
    readings.is_some_and(|series| {
        series.windows(2).filter(|pair| pair[1] > pair[0]).count() > 2
            && series.last() > series.first()
    }) && rests(readings)
}

/// How many iterations fit when each keeps `each` of `most`.
fn affordable(each: f64, most: f64) -> u32 {
    if each <= 0.0 {
        return HORIZON;
    }
    // Saturating, and never negative.
    let count = (most / each) as u32;
    count.min(HORIZON)
}

/// Rough size of what an iteration leaves behind.
fn bytes_per_iteration(series: &Series) -> f64 {
    let each = |counter: Counter| {
        series.get(&counter).map_or(0.0, |readings| {
            let increments = readings.len().saturating_sub(1).max(1) as f64;
            match (readings.first(), readings.last()) {
                (Some(first), Some(last)) => (*last as f64 - *first as f64).max(0.0) / increments,
                _ => 0.0,
            }
        })
    };
    each(Counter::Heap) + each(Counter::Blocks) * BLOCK
}

fn grows_memory(fits: &BTreeMap<Counter, Fit>) -> bool {
    [Counter::Blocks, Counter::Objects, Counter::Heap]
        .iter()
        .any(|counter| fits.contains_key(counter))
}

/// `blocks +2, objects +1` of a signature.
pub fn describe(signature: &screen::Signature) -> String {
    if signature.is_empty() {
        return "now and then".to_owned();
    }
    signature
        .iter()
        .map(|(counter, growth)| format!("{} +{growth}", counter.name()))
        .collect::<Vec<_>>()
        .join(", ")
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
        let window = affordable(bytes_per_iteration(&series), WINDOW_BYTES);
        assert!((3..=6).contains(&window), "{window}");
        assert_eq!(affordable(1_000_000.0, TRACED_BLOCKS).max(FEWEST), FEWEST);
        assert_eq!(affordable(0.0, WINDOW_BYTES), HORIZON);
    }

    #[test]
    fn only_a_flat_end_is_rest() {
        assert!(rests(Some(&vec![0, 3, 6, 9, 9, 9, 9, 9, 9])));
        assert!(!rests(Some(&vec![0, 20, 22, 23, 25, 26, 28, 29, 31])));
        assert!(rests(None));
    }

    #[test]
    fn what_is_known_of_a_cause_is_not_measured_again() {
        let set = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<BTreeSet<_>>()
        };
        let known = Known::default();
        let bounded = Judged::Bounded("full".to_owned());
        known.learn(&set(&["a:1"]), &Judged::Leak);
        known.learn(&set(&["b:2", "c:3"]), &bounded);
        assert_eq!(known.judge(&set(&["a:1", "x:9"])), Some(Judged::Leak));
        assert_eq!(known.judge(&set(&["b:2"])), Some(bounded));
        assert_eq!(known.judge(&set(&["b:2", "x:9"])), None);
        assert_eq!(known.judge(&set(&[])), None);
    }

    #[test]
    fn a_budget_gives_each_horizon_a_share_and_ends() {
        let budget = Budget::new(Duration::from_secs(8), Duration::from_secs(2));
        assert_eq!(budget.for_horizon(), Duration::from_secs(2));
        budget.spend(6.0);
        assert_eq!(budget.for_horizon(), Duration::from_millis(500));
        budget.spend(3.0);
        assert!(budget.is_spent());
    }
}
