//! The engine: screens every test, judges the suspects in fresh processes, and tells events as it goes.

pub mod diagnose;
pub mod event;
pub mod loss;
pub mod plan;
pub mod process;
pub mod protocol;
pub mod screen;
mod slot;
mod stack;
pub mod trace;
pub mod worker;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    io,
    path::PathBuf,
    sync::{Mutex, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use event::Event;
use loss::{Loss, StartError};
use protocol::{Collectable, Trouble};
use screen::{Familiar, Look, Screened};
use slot::Slot;
use trace::{Bench, Budget, Case, Judged, Known};
use worker::{INTERRUPTED, Setup};

use crate::{
    attribute::owner::Places,
    bridge,
    fit::Exactness,
    verdict::{Counter, Verdict},
};

/// Everything a run needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How workers are started; `directory` and `start_script` are filled in by the run.
    pub setup: Setup,
    /// Workers at the same time.
    pub jobs: usize,
    /// How the screen looks at each test.
    pub policy: screen::Policy,
    /// CPU time for all suspects together; derived from the plain run where not set.
    pub budget: Option<Duration>,
    /// Whether suspects get longer horizons.
    pub thorough: bool,
    /// Whose code is where.
    pub places: Places,
    /// Hash seeds of the two processes.
    pub hash_seeds: (u32, u32),
}

/// The least that all suspects get together.
const LEAST_BUDGET: Duration = Duration::from_secs(20);
/// How often, between two files, a worker of the screen unfreezes its heap and collects it whole: that takes tens of
/// milliseconds in a large process, and garbage that was frozen alive is rare.
const THAW_EVERY: Duration = Duration::from_secs(2);
const HORIZON: Duration = Duration::from_secs(2);
const THOROUGH_HORIZON: Duration = Duration::from_secs(20);

/// Raw results of a run.
#[derive(Debug)]
pub struct Run {
    /// Every collected test.
    pub tests: Vec<Collectable>,
    /// What the screen found, by test; absent where it did not get to.
    pub looks: Vec<Option<Look>>,
    /// Suspects that were judged themselves.
    pub cases: Vec<Case>,
    /// Suspects judged by others that grew alike: test, and the index in `cases`.
    pub alike: Vec<(usize, usize)>,
    /// Function and text of source lines.
    pub sources: HashMap<(String, u32), (String, Option<String>)>,
    /// Collection and teardown errors, and workers that could not be started.
    pub errors: Vec<Trouble>,
    /// What was neutralised, one line each.
    pub notes: Vec<String>,
    /// `exact`, `estimate` or `absent`, by counter.
    pub counters: BTreeMap<Counter, String>,
    /// Version of the runner.
    pub runner_version: String,
    /// CPU seconds that one plain run would take, as far as it can be told.
    pub plain_cpu: f64,
    /// Wall time of the screen and of the judging.
    pub wall: (Duration, Duration),
    /// CPU time given to the suspects.
    pub budget: Duration,
    /// Whether the user ended it early.
    pub interrupted: bool,
}

/// What the workers of one stage collect while they go.
#[derive(Debug, Default)]
struct Shared {
    errors: Vec<Trouble>,
    sources: HashMap<(String, u32), (String, Option<String>)>,
    /// A bug of ours, which ends the run.
    bug: Option<String>,
}

/// Runs everything. `tell` gets events from several threads.
pub fn run(settings: &Settings, tell: &(dyn Fn(Event) + Sync)) -> Result<Run, StartError> {
    let directory = temporary_directory().map_err(|error| {
        StartError::Internal(format!("cannot make a temporary directory: {error}"))
    })?;
    let start_script = bridge::lay_out(&directory.path().join("b"))
        .map_err(|error| StartError::Internal(format!("cannot write the bridge: {error}")))?;
    let mut settings = settings.clone();
    settings.setup.directory = directory.path().to_owned();
    settings.setup.start_script = start_script;
    settings.places.bridge = directory.path().to_owned();
    let settings = &settings;

    let begun = Instant::now();
    let mut first = Slot::new(&settings.setup, "a0", settings.hash_seeds.0, Vec::new());
    let collected = first.start()?;
    tell(Event::Collected {
        tests: collected.tests.len(),
    });
    let hello = first
        .hello()
        .cloned()
        .unwrap_or_else(|| unreachable!("it has just started"));
    let mut run = Run {
        looks: vec![None; collected.tests.len()],
        cases: Vec::new(),
        alike: Vec::new(),
        sources: HashMap::new(),
        errors: collected.errors,
        notes: collected.notes,
        counters: hello.counters,
        runner_version: hello.runner_version,
        plain_cpu: collected.cpu,
        wall: (Duration::ZERO, Duration::ZERO),
        budget: Duration::ZERO,
        interrupted: false,
        tests: collected.tests,
    };
    screen_all(settings, &mut run, first, tell)?;
    run.plain_cpu += run
        .looks
        .iter()
        .flatten()
        .map(|look| look.cpu_plain)
        .sum::<f64>();
    run.wall.0 = begun.elapsed();

    let begun = Instant::now();
    if !INTERRUPTED.load(Ordering::SeqCst) {
        judge_all(settings, &mut run, tell)?;
    }
    run.wall.1 = begun.elapsed();
    run.interrupted = INTERRUPTED.load(Ordering::SeqCst);
    Ok(run)
}

/// Short, because the socket's path has a limit of about 100 bytes.
fn temporary_directory() -> io::Result<tempfile::TempDir> {
    const LONGEST: usize = 60;
    const TRIES: u32 = 100;
    let base = std::env::temp_dir();
    let base = if base.as_os_str().len() > LONGEST {
        PathBuf::from("/tmp")
    } else {
        base
    };
    // Resolved, so that paths in tracebacks can be told to lie below it.
    let base = base.canonicalize()?;
    // The first free number and not a random name: paths are hashed and interned by what runs below them, and two
    // runs of one suite are to be alike. A directory that exists is never used.
    for number in 0..TRIES {
        let made = tempfile::Builder::new()
            .prefix(&format!("leakcheck-{number}"))
            .rand_bytes(0)
            .tempdir_in(&base);
        match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made,
        }
    }
    tempfile::Builder::new()
        .prefix("leakcheck-")
        .tempdir_in(base)
}

fn screen_all(
    settings: &Settings,
    run: &mut Run,
    first: Slot<'_>,
    tell: &(dyn Fn(Event) + Sync),
) -> Result<(), StartError> {
    let tests = &run.tests;
    let units = Mutex::new(plan::units(tests));
    let familiar = Familiar::default();
    let looks = Mutex::new(&mut run.looks);
    let shared = Mutex::new(Shared::default());
    let jobs = settings
        .jobs
        .min(units.lock().map_or(1, |units| units.len()))
        .max(1);
    let mut slots = vec![first];
    let names: Vec<String> = (1..jobs).map(|number| format!("a{number}")).collect();
    for name in &names {
        slots.push(Slot::new(
            &settings.setup,
            name,
            settings.hash_seeds.0,
            Vec::new(),
        ));
    }
    thread::scope(|scope| {
        for mut slot in slots {
            let (units, familiar, looks, shared) = (&units, &familiar, &looks, &shared);
            scope.spawn(move || {
                let mut thawed = Instant::now();
                while let Some(unit) = next(units) {
                    let mut thaw = thawed.elapsed() >= THAW_EVERY;
                    if thaw {
                        thawed = Instant::now();
                    }
                    for &test in &unit.tests {
                        if INTERRUPTED.load(Ordering::SeqCst) {
                            return;
                        }
                        tell(Event::Started {
                            id: tests[test].id.clone(),
                        });
                        let look =
                            screen_one(settings, &mut slot, tests, test, thaw, familiar, shared);
                        thaw = false;
                        let Some(look) = look else { return };
                        tell(Event::Screened {
                            suspect: look.screened == Screened::Suspect,
                        });
                        if let Ok(mut looks) = looks.lock() {
                            looks[test] = Some(look);
                        }
                    }
                }
                finish(slot, shared);
            });
        }
    });
    absorb(run, shared)
}

/// One test in the screen; `None` when the run is interrupted.
fn screen_one(
    settings: &Settings,
    slot: &mut Slot<'_>,
    tests: &[Collectable],
    test: usize,
    thaw: bool,
    familiar: &Familiar,
    shared: &Mutex<Shared>,
) -> Option<Look> {
    let lost = |loss: Loss, iteration: u64| Look {
        test,
        screened: Screened::Lost { loss, iteration },
        iterations: u32::try_from(iteration).unwrap_or(u32::MAX),
        seconds: 0.0,
        cpu_plain: 0.0,
        series: std::collections::BTreeMap::new(),
    };
    let (worker, index) = match slot.worker_for(tests, test) {
        Ok(Some(found)) => found,
        Ok(None) => {
            return Some(lost(
                Loss::Bridge("not collected by a second worker".to_owned()),
                0,
            ));
        }
        Err(StartError::Interrupted) => return None,
        Err(error) => {
            trouble(shared, "starting a worker", &error.to_string());
            return Some(lost(Loss::Bridge(error.to_string()), 0));
        }
    };
    match screen::look_at(worker, index, thaw, &settings.policy, familiar) {
        Ok((mut look, troubles)) => {
            look.test = test;
            if let Ok(mut shared) = shared.lock() {
                shared.errors.extend(troubles);
            }
            if matches!(look.screened, Screened::Lost { .. }) {
                slot.discard();
            }
            Some(look)
        }
        Err(Loss::Interrupted) => None,
        Err(Loss::Bridge(message)) => {
            bug(shared, message);
            None
        }
        Err(loss) => {
            let iteration = worker.begun();
            slot.discard();
            Some(lost(loss, iteration))
        }
    }
}

fn judge_all(
    settings: &Settings,
    run: &mut Run,
    tell: &(dyn Fn(Event) + Sync),
) -> Result<(), StartError> {
    let mut groups: BTreeMap<screen::Signature, Vec<usize>> = BTreeMap::new();
    for look in run.looks.iter().flatten() {
        if look.screened == Screened::Suspect {
            groups
                .entry(screen::signature(&look.series))
                .or_default()
                .push(look.test);
        }
    }
    if groups.is_empty() {
        return Ok(());
    }
    tell(Event::Tracing {
        suspects: groups.values().map(Vec::len).sum(),
    });
    let plain = Duration::try_from_secs_f64(run.plain_cpu).unwrap_or_default();
    let budget = settings.budget.unwrap_or(plain.max(LEAST_BUDGET));
    run.budget = budget;
    let budget = Budget::new(
        budget,
        if settings.thorough {
            THOROUGH_HORIZON
        } else {
            HORIZON
        },
    );
    let known = Known::default();
    let exactness = run
        .counters
        .iter()
        .map(|(counter, word)| {
            let exactness = if word == "exact" {
                Exactness::Exact
            } else {
                Exactness::Estimate
            };
            (*counter, exactness)
        })
        .collect();
    let bench = Bench {
        places: &settings.places,
        budget: &budget,
        memory: settings.setup.memory,
        warmup: settings.policy.warmup,
        exactness: &exactness,
        known: &known,
    };

    let mut chosen: Vec<usize> = groups
        .values()
        .flat_map(|members| plan::representatives(members))
        .collect();
    chosen.sort_unstable();
    let skip = files_without(run, groups.values().flatten());
    let names: Vec<String> = (0..settings.jobs.min(chosen.len()).max(1))
        .map(|number| format!("b{number}"))
        .collect();
    let mut slots: Vec<Slot<'_>> = names
        .iter()
        .map(|name| Slot::new(&settings.setup, name, settings.hash_seeds.1, skip.clone()))
        .collect();
    judge_some(run, &bench, &chosen, &mut slots, tell)?;

    // A group whose representatives agree is confirmed by the screen; one whose do not is judged member by member.
    let mut rest = Vec::new();
    for members in groups.values() {
        let traced: Vec<usize> = run
            .cases
            .iter()
            .enumerate()
            .filter(|(_, case)| members.contains(&case.test))
            .map(|(at, _)| at)
            .collect();
        let others: Vec<usize> = members
            .iter()
            .copied()
            .filter(|test| !traced.iter().any(|at| run.cases[*at].test == *test))
            .collect();
        if others.is_empty() {
            continue;
        }
        let agree = traced.len() >= 2 && {
            let cases: Vec<&Case> = traced.iter().map(|at| &run.cases[*at]).collect();
            let mut common = cases[0].causes();
            common.retain(|cause| cases.iter().all(|case| case.causes().contains(cause)));
            let verdict = verdict_of(&cases[0].judged);
            !common.is_empty() && cases.iter().all(|case| verdict_of(&case.judged) == verdict)
        };
        if agree {
            tell(Event::Judged {
                count: others.len(),
            });
            run.alike
                .extend(others.into_iter().map(|test| (test, traced[0])));
        } else {
            rest.extend(others);
        }
    }
    rest.sort_unstable();
    judge_some(run, &bench, &rest, &mut slots, tell)?;
    diagnose::all(run, &bench, &mut slots[0], &settings.setup.directory);
    let shared = Mutex::new(Shared::default());
    for slot in slots {
        finish(slot, &shared);
    }
    absorb(run, shared)
}

/// Files that hold none of the tests: importing them again would cost as much as judging a suspect or two.
fn files_without<'a>(run: &Run, tests: impl Iterator<Item = &'a usize>) -> Vec<String> {
    let mut files: BTreeSet<&str> = run.tests.iter().map(|test| test.file.as_str()).collect();
    for test in tests {
        files.remove(run.tests[*test].file.as_str());
    }
    files.into_iter().map(str::to_owned).collect()
}

/// Judges `suspects` one by one in the workers of `slots`, as long as the budget lasts.
fn judge_some(
    run: &mut Run,
    bench: &Bench<'_>,
    suspects: &[usize],
    slots: &mut [Slot<'_>],
    tell: &(dyn Fn(Event) + Sync),
) -> Result<(), StartError> {
    let queue = Mutex::new(suspects.iter().copied().collect::<VecDeque<_>>());
    let shared = Mutex::new(Shared::default());
    let cases = Mutex::new(Vec::new());
    let (tests, looks) = (&run.tests, &run.looks);
    thread::scope(|scope| {
        for slot in slots {
            let (queue, shared, cases) = (&queue, &shared, &cases);
            scope.spawn(move || {
                let mut file = String::new();
                while let Some(test) = next(queue) {
                    let Some(look) = &looks[test] else { continue };
                    tell(Event::Suspect {
                        id: tests[test].id.clone(),
                    });
                    let thaw = file != tests[test].file;
                    file.clone_from(&tests[test].file);
                    let Some(case) = judge_one(bench, slot, tests, look, thaw, shared) else {
                        return;
                    };
                    tell(Event::Judged { count: 1 });
                    if let Ok(mut cases) = cases.lock() {
                        cases.push(case);
                    }
                }
            });
        }
    });
    let mut cases = cases.into_inner().unwrap_or_default();
    cases.sort_by_key(|case: &Case| case.test);
    run.cases.extend(cases);
    absorb(run, shared)
}

fn judge_one(
    bench: &Bench<'_>,
    slot: &mut Slot<'_>,
    tests: &[Collectable],
    look: &Look,
    thaw: bool,
    shared: &Mutex<Shared>,
) -> Option<Case> {
    let test = look.test;
    let undecided = |reason: String| Some(Case::without_evidence(test, Judged::Undecided(reason)));
    if bench.budget.is_spent() {
        return undecided(format!(
            "grew in the first process; the budget of {:.0} s for suspects was spent before it was judged (--budget gives more)",
            bench.budget.total().as_secs_f64()
        ));
    }
    let (worker, index) = match slot.worker_for(tests, test) {
        Ok(Some(found)) => found,
        Ok(None) => return undecided("not collected again in a second process".to_owned()),
        Err(StartError::Interrupted) => return None,
        Err(error) => return undecided(format!("no second process could be started: {error}")),
    };
    match bench.judge(worker, look, index, thaw) {
        Ok(case) => {
            if !matches!(case.judged, Judged::Lost { .. }) {
                describe(slot, &case, shared);
            }
            if case.spoiled || matches!(case.judged, Judged::Lost { .. }) {
                slot.discard();
            }
            Some(case)
        }
        Err(Loss::Interrupted) => None,
        Err(Loss::Bridge(message)) => {
            bug(shared, message);
            None
        }
        Err(loss) => {
            let iteration = worker.begun();
            slot.discard();
            Some(Case::without_evidence(
                test,
                Judged::Lost { loss, iteration },
            ))
        }
    }
}

/// Frames of a growing site that are shown, and so have to be named.
pub const FRAMES_SHOWN: usize = 6;

/// Asks for the function and the text of every line that a finding may show.
fn describe(slot: &mut Slot<'_>, case: &Case, shared: &Mutex<Shared>) {
    let mut places: Vec<(String, u32)> = case
        .growths
        .iter()
        .flat_map(|growth| growth.frames.iter().skip(growth.chosen).take(FRAMES_SHOWN))
        .filter(|(file, _)| !file.starts_with('<'))
        .cloned()
        .collect();
    places.sort();
    places.dedup();
    if let Ok(shared) = shared.lock() {
        places.retain(|place| !shared.sources.contains_key(place));
    }
    if places.is_empty() {
        return;
    }
    // Names are a help, not evidence: without them the finding still has file and line.
    if let Some(answers) = slot.describe(&places)
        && let Ok(mut shared) = shared.lock()
    {
        shared.sources.extend(places.into_iter().zip(answers));
    }
}

fn next<T>(queue: &Mutex<VecDeque<T>>) -> Option<T> {
    if INTERRUPTED.load(Ordering::SeqCst) {
        return None;
    }
    queue.lock().ok()?.pop_front()
}

fn bug(shared: &Mutex<Shared>, message: String) {
    if let Ok(mut shared) = shared.lock() {
        shared.bug = Some(message);
    }
}

fn trouble(shared: &Mutex<Shared>, place: &str, message: &str) {
    if let Ok(mut shared) = shared.lock() {
        let trouble = Trouble {
            place: place.to_owned(),
            message: message.to_owned(),
        };
        // A worker that cannot be replaced fails for every test after it.
        if !shared.errors.contains(&trouble) {
            shared.errors.push(trouble);
        }
    }
}

fn finish(slot: Slot<'_>, shared: &Mutex<Shared>) {
    match slot.end() {
        Ok(troubles) => {
            if let Ok(mut shared) = shared.lock() {
                shared.errors.extend(troubles);
            }
        }
        Err(Loss::Interrupted) => {}
        Err(loss) => trouble(shared, "ending a worker", &loss.to_string()),
    }
}

fn absorb(run: &mut Run, shared: Mutex<Shared>) -> Result<(), StartError> {
    let shared = shared.into_inner().unwrap_or_default();
    for error in shared.errors {
        if !run.errors.contains(&error) {
            run.errors.push(error);
        }
    }
    run.sources.extend(shared.sources);
    shared
        .bug
        .map_or(Ok(()), |message| Err(StartError::Internal(message)))
}

/// The verdict a judgement stands for.
pub fn verdict_of(judged: &Judged) -> Verdict {
    match judged {
        Judged::Leak => Verdict::Leak,
        Judged::Bounded(_) => Verdict::Bounded,
        Judged::Harness => Verdict::Harness,
        Judged::Unstable(_) => Verdict::Unstable,
        Judged::Undecided(_) => Verdict::Undecided,
        Judged::Lost {
            loss: Loss::Hung { .. },
            ..
        } => Verdict::TimedOut,
        Judged::Lost { .. } => Verdict::Crashed,
    }
}
