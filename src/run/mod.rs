//! The engine: screens every test, judges the suspects in fresh processes, and tells events as it goes.

mod again;
mod alone;
pub mod answers;
mod apart;
pub mod budget;
pub mod build;
pub mod case;
mod choose;
mod content;
mod conversation;
pub mod deadly;
pub mod diagnose;
pub mod driver;
mod end;
pub mod event;
mod familiar;
pub mod garbage;
mod hang;
pub mod inspect;
mod known;
mod layout;
pub mod leavings;
mod limits;
mod lines;
mod live;
mod log;
mod longer;
pub mod loss;
pub mod marks;
mod native;
mod noise;
mod once;
mod order;
pub mod orders;
pub mod plan;
pub mod player;
mod predecessors;
pub mod preload;
mod process;
pub mod protocol;
mod rare;
pub mod record;
pub mod references;
mod rounds;
pub mod screen;
mod scrub;
pub mod selfcheck;
pub mod setup;
pub mod shard;
mod slot;
mod stack;
mod stage;
mod suspects;
pub mod tape;
mod tracer;
pub mod unclosed;
pub mod wire;
pub mod worker;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, atomic::Ordering},
    time::{Duration, Instant},
};

use case::Case;
use event::Event;
use leavings::Leavings;
use loss::{Loss, StartError};
use protocol::{Collectable, Collected, Ended, Trouble};
use references::References;
use screen::Look;
use shard::Division;
use slot::Slot;
pub use suspects::FRAMES_SHOWN;
use tape::Tape;
use unclosed::Unclosed;
use worker::{INTERRUPTED, Setup};

use crate::{
    attribute::owner::Places,
    bridge,
    config::terms::Terms,
    finding::{Finding, stance::Stances},
    kept::{self, reason::Reason},
    supervise::Folder,
    verdict::{Counter, rule::Rule},
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
    /// How many times as long as on other builds a look takes, since the readings do.
    pub pace: u32,
    /// What fails and what does not.
    pub stances: Stances,
    /// Whose code is where.
    pub places: Places,
    /// Hash seeds of the two processes.
    pub hash_seeds: (u32, u32),
    /// Which part of the suite runs here, where it is one of several machines.
    pub shard: Option<shard::Wanted>,
    /// What earlier runs found out.
    pub kept: Option<Arc<kept::Cache>>,
    /// The share of a plain run's CPU time for looking longer at tests whose verdicts are kept.
    pub deepen: f64,
}

/// Raw results of a run.
#[derive(Debug)]
pub struct Run {
    /// Every collected test, those of other shards left out.
    pub tests: Vec<Collectable>,
    /// Under which terms each of them is judged.
    pub terms: Vec<Terms>,
    /// What the screen found, by test; absent where it did not get to.
    pub looks: Vec<Option<Look>>,
    /// Suspects that were judged themselves.
    pub cases: Vec<Case>,
    /// Suspects judged by others that grew alike.
    pub alike: Vec<Alike>,
    /// Of which types there are more objects at the end of the screen than at its beginning, over all its workers.
    pub grown: BTreeMap<String, u64>,
    /// What some tests leave to the cycle collector.
    pub leavings: Vec<Leavings>,
    /// References that some tests lose, or give back too often.
    pub references: Vec<References>,
    /// What some tests let go of without closing it.
    pub unclosed: Vec<Unclosed>,
    /// Function and text of source lines.
    pub sources: HashMap<(String, u32), (String, Option<String>)>,
    /// Collection and teardown errors, workers that could not be started, and faults of our own.
    pub errors: Vec<Trouble>,
    /// Whether any of these is one of our own.
    pub is_faulty: bool,
    /// What was neutralised, or could not be looked at, one line each.
    pub notes: Vec<String>,
    /// `exact`, `estimate` or `absent`, by counter.
    pub counters: BTreeMap<Counter, String>,
    /// Version of the runner.
    pub runner_version: String,
    /// CPU seconds that one plain run would take, as far as it can be told.
    pub plain_cpu: f64,
    /// Wall time of the screen and of the judging.
    pub wall: (Duration, Duration),
    /// Wall time of each part, in turn.
    pub phases: Phases,
    /// CPU time given to the suspects.
    pub budget: Duration,
    /// What fails and what does not.
    pub stances: Stances,
    /// Whether the user ended it early.
    pub interrupted: bool,
    /// Wall seconds that each test took, over all looks at it.
    pub spent: HashMap<usize, f64>,
    /// The whole suite and who runs what of it, where this is one of several machines.
    pub shard: Option<Division>,
    /// By test: what is kept of an earlier run, which was not asked again.
    pub kept: Vec<Option<kept::Evidence>>,
    /// Why the others were asked, where anything could have been kept.
    pub asked: Option<BTreeMap<Reason, usize>>,
    /// By test: the iterations of a look in which it grew that it is known to need, or needed in this run.
    pub deep: BTreeMap<usize, u32>,
    /// By test: how often those ran in earlier runs that are asked for the age of their verdicts alone.
    pub older: BTreeMap<usize, u32>,
    /// Tests that are not run, since no change reaches them.
    pub left_out: BTreeSet<usize>,
    /// What earlier runs found in tests that are kept, and does not fail.
    pub carried: Vec<Finding>,
    /// Evidence of an earlier run of those that grew in this one.
    pub overtaken: BTreeMap<usize, kept::Evidence>,
    /// Tests that fail unless others ran before them which did not in this run.
    pub after_others: BTreeSet<usize>,
    /// Files that other machines run.
    elsewhere: Vec<String>,
}

/// How long each part of a run took.
#[derive(Debug)]
pub struct Phases {
    begun: Instant,
    /// Name and wall time, in turn.
    pub ended: Vec<(&'static str, Duration)>,
}

impl Phases {
    fn begin(begun: Instant) -> Phases {
        Phases {
            begun,
            ended: Vec::new(),
        }
    }

    /// All since the part before was `name`.
    fn end(&mut self, name: &'static str) {
        let now = Instant::now();
        self.ended.push((name, now - self.begun));
        self.begun = now;
    }
}

/// A suspect that was judged by another one that grew alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alike {
    /// Index of the test.
    pub test: usize,
    /// Index of the other one in [`Run::cases`].
    pub case: usize,
    /// By which rule.
    pub rule: Rule,
}

/// What the workers of one stage collect while they go.
#[derive(Debug, Default)]
struct Shared {
    errors: Vec<Trouble>,
    sources: HashMap<(String, u32), (String, Option<String>)>,
    leavings: Vec<Leavings>,
    spent: HashMap<usize, f64>,
    /// What could not be done, where no verdict depends on it.
    notes: Vec<String>,
    /// What went wrong in leakcheck itself.
    faults: Vec<Trouble>,
}

impl Run {
    /// A run of what the worker of `slot`, which has just started, collected.
    fn of(setup: &Setup, collected: Collected, slot: &Slot<'_>) -> Run {
        let hello = slot
            .hello()
            .cloned()
            .unwrap_or_else(|| unreachable!("it has just started"));
        let mut notes = setup.build.notes(&hello);
        notes.extend(collected.notes);
        Run {
            terms: slot.terms().to_vec(),
            looks: vec![None; collected.tests.len()],
            cases: Vec::new(),
            alike: Vec::new(),
            grown: BTreeMap::new(),
            leavings: Vec::new(),
            references: Vec::new(),
            unclosed: Vec::new(),
            sources: HashMap::new(),
            errors: collected.errors,
            is_faulty: false,
            notes,
            counters: hello.counters,
            runner_version: hello.runner_version,
            plain_cpu: collected.cpu,
            wall: (Duration::ZERO, Duration::ZERO),
            phases: Phases::begin(Instant::now()),
            budget: Duration::ZERO,
            stances: Stances::default(),
            interrupted: false,
            spent: HashMap::new(),
            tests: collected.tests,
            shard: None,
            kept: Vec::new(),
            asked: None,
            deep: BTreeMap::new(),
            older: BTreeMap::new(),
            left_out: BTreeSet::new(),
            carried: Vec::new(),
            overtaken: BTreeMap::new(),
            after_others: BTreeSet::new(),
            elsewhere: Vec::new(),
        }
    }
}

impl Run {
    /// Takes over what is known of tests of which nothing has changed.
    fn choose(
        &mut self,
        settings: &Settings,
        noted: Option<kept::noted::Collecting>,
        tell: &(dyn Fn(Event) + Sync),
    ) {
        self.kept = vec![None; self.tests.len()];
        let Some(cache) = &settings.kept else {
            return;
        };
        let tests = self.tests.iter().map(|test| kept::Test {
            id: &test.id,
            file: &test.file,
        });
        let choice = cache.choose(&tests.collect::<Vec<_>>(), noted);
        self.kept = choice.kept;
        if cache.keeps() {
            let mut asked = BTreeMap::new();
            for reason in choice.asked.into_values() {
                *asked.entry(reason).or_default() += 1;
            }
            self.asked = Some(asked);
        }
        self.left_out = choice.left_out;
        self.deep = choice.deep;
        self.older = choice.older;
        self.carried = choice.findings;
        tell(Event::Kept {
            tests: self.kept.iter().flatten().count(),
        });
    }
}

/// Makes the directory of a run, which goes with it, and puts the bridge there.
fn prepare(settings: &Settings) -> Result<(Folder, Settings), StartError> {
    let directory = Folder::make().map_err(StartError::Usage)?;
    let mut settings = settings.clone();
    settings.setup.directory = directory.path().to_owned();
    if let Tape::Replay(_) = settings.setup.tape {
        // Nothing is started, and paths are those of the run that was recorded.
        return Ok((directory, settings));
    }
    settings.setup.start_script = bridge::lay_out(&directory.path().join("b"))
        .map_err(|error| StartError::Usage(directory.unusable(&error)))?;
    settings.places.bridge = directory.path().to_owned();
    let cache = settings.kept.as_ref();
    settings.setup.outside = cache.map(|cache| cache.outside(directory.path()));
    if let Tape::Record(recording) = &settings.setup.tape {
        recording.begin(&settings);
    }
    Ok((directory, settings))
}

/// Runs everything. `tell` gets events from several threads.
pub fn run(settings: &Settings, tell: &(dyn Fn(Event) + Sync)) -> Result<Run, StartError> {
    let (_directory, settings) = &prepare(settings)?;
    let begun = Instant::now();
    let mut first = Slot::new(&settings.setup, "a0", settings.hash_seeds.0, Vec::new());
    let mut collected = first.start()?;
    let noted = collected.depends.take();
    let mut run = Run::of(&settings.setup, collected, &first);
    run.phases = Phases::begin(begun);
    run.phases.end("start and collection");
    if settings.setup.paths.is_empty() {
        // Of a part of the suite, most overrides are for tests of the rest.
        run.notes
            .extend(marks::unmatched(&run.tests, &settings.setup.rules));
    }
    let terms = std::mem::take(&mut run.terms);
    let own = Own::of(settings, std::mem::take(&mut run.tests), &terms);
    first.restrict(&own.tests, &own.elsewhere);
    tell(Event::Collected {
        tests: own.tests.len(),
    });
    run.stances = settings.stances.clone();
    run.looks = vec![None; own.tests.len()];
    run.terms = own.terms;
    run.tests = own.tests;
    run.shard = own.shard;
    run.elsewhere = own.elsewhere;
    run.choose(settings, noted, tell);
    run.phases.end("what is kept");
    stage::screen_all(settings, &mut run, first, tell);
    run.plain_cpu += run
        .looks
        .iter()
        .flatten()
        .map(|look| look.cpu_plain)
        .sum::<f64>();
    run.wall.0 = begun.elapsed();

    let begun = Instant::now();
    // What a suspect runs is looked at in the screen.
    let mut settings = settings.clone();
    settings.setup.outside = None;
    let settings = &settings;
    if !INTERRUPTED.load(Ordering::SeqCst) {
        suspects::judge_all(settings, &mut run, tell);
        run.phases.end("suspects");
        references::look_at_all(settings, &mut run);
        run.phases.end("references");
        unclosed::look_at_all(settings, &mut run);
        run.phases.end("what nobody closes");
    }
    run.wall.1 = begun.elapsed();
    run.interrupted = INTERRUPTED.load(Ordering::SeqCst);
    run.errors.extend(settings.setup.deadly.troubles());
    match settings.setup.blind.get() {
        Some(why) if !run.interrupted => Err(StartError::Blind(why.clone())),
        _ => Ok(run),
    }
}

/// The tests that run here, and who runs the others.
struct Own {
    tests: Vec<Collectable>,
    terms: Vec<Terms>,
    shard: Option<Division>,
    elsewhere: Vec<String>,
}

impl Own {
    fn of(settings: &Settings, all: Vec<Collectable>, terms: &[Terms]) -> Own {
        let Some(wanted) = &settings.shard else {
            return Own {
                tests: all,
                terms: terms.to_vec(),
                shard: None,
                elsewhere: Vec::new(),
            };
        };
        let shown: Vec<Collectable> = all
            .iter()
            .map(|test| Collectable {
                id: test.id.clone(),
                file: settings.places.show(&test.file),
            })
            .collect();
        let shares = shard::divide(&shown, wanted.total, &wanted.seconds);
        let files: HashSet<&str> = shares
            .iter()
            .filter(|share| share.shard == wanted.index)
            .map(|share| &*share.file)
            .collect();
        let mut own = Own {
            tests: Vec::new(),
            terms: Vec::new(),
            shard: None,
            elsewhere: Vec::new(),
        };
        for (at, test) in all.into_iter().enumerate() {
            if files.contains(&*shown[at].file) {
                own.tests.push(test);
                own.terms.push(terms.get(at).cloned().unwrap_or_default());
            } else if !own.elsewhere.contains(&test.file) {
                own.elsewhere.push(test.file);
            }
        }
        own.shard = Some(Division {
            index: wanted.index,
            total: wanted.total,
            shares,
        });
        own
    }
}

fn next<T>(queue: &Mutex<VecDeque<T>>) -> Option<T> {
    if INTERRUPTED.load(Ordering::SeqCst) {
        return None;
    }
    queue.lock().ok()?.pop_front()
}

/// Notes how long a look at a test took.
fn spend(shared: &Mutex<Shared>, test: usize, begun: Instant) {
    if let Ok(mut shared) = shared.lock() {
        *shared.spent.entry(test).or_default() += begun.elapsed().as_secs_f64();
    }
}

/// Notes what went wrong in leakcheck itself while it looked at a test, if that is what the worker was lost by. The test
/// has no judgement then, and all others have theirs.
fn fault(shared: &Mutex<Shared>, test: &str, loss: &Loss) {
    if let Loss::Bridge(message) = loss
        && let Ok(mut shared) = shared.lock()
    {
        shared.faults.push(Trouble {
            place: test.to_owned(),
            message: format!("a fault of leakcheck's own, please report it: {message}"),
        });
    }
}

fn note(shared: &Mutex<Shared>, text: String) {
    if let Ok(mut shared) = shared.lock() {
        shared.notes.push(text);
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

/// What is to be said where tests made so many names that stay for good.
fn names(many: i64) -> Option<String> {
    const MANY: i64 = 100;
    (many >= MANY).then(|| {
        format!(
            "about {many} names that tests made out of data (by setattr, **kwargs or pickle) stay interned for good, as Python 3.12 and newer do with names; nothing can release them, and they are not counted as growth"
        )
    })
}

/// Ends a worker in order.
fn finish(slot: Slot<'_>, shared: &Mutex<Shared>) {
    end(slot, shared, false);
}

/// Ends a worker in order. Returns what it said then: what its fixtures depend on, and with a `census` what it leaves.
fn end(slot: Slot<'_>, shared: &Mutex<Shared>, census: bool) -> Ended {
    match slot.end(census) {
        Ok(mut ended) => {
            if let Ok(mut shared) = shared.lock() {
                shared.errors.append(&mut ended.errors);
                shared.notes.extend(names(ended.names));
                for note in ended.notes.drain(..) {
                    // Each worker says so.
                    if !shared.notes.contains(&note) {
                        shared.notes.push(note);
                    }
                }
            }
            return ended;
        }
        Err(Loss::Interrupted) => {}
        Err(loss) => trouble(shared, "ending a worker", &loss.to_string()),
    }
    Ended::default()
}

fn absorb(run: &mut Run, shared: Mutex<Shared>) {
    let shared = shared.into_inner().unwrap_or_default();
    run.is_faulty |= !shared.faults.is_empty();
    for error in shared.errors.into_iter().chain(shared.faults) {
        if !run.errors.contains(&error) {
            run.errors.push(error);
        }
    }
    run.notes.extend(shared.notes);
    run.sources.extend(shared.sources);
    run.leavings.extend(shared.leavings);
    run.leavings.sort_by_key(|one| one.test);
    for (test, seconds) in shared.spent {
        *run.spent.entry(test).or_default() += seconds;
    }
}
