//! What a run is told, and what it knows so far.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    case::Case,
    diagnosis::Diagnosis,
    event::Event,
    finds::{Leavings, References, Unclosed},
    screen::{self, Look},
    shard::{self, Division},
    slot::Slot,
};
use crate::{
    config::terms::Terms,
    finding::{Finding, stance::Stances},
    heap::owner::Places,
    kept::{self, reason::Reason},
    verdict::{Counter, rule::Rule},
    worker::{
        protocol::{Collectable, Collected, Trouble},
        setup::Setup,
    },
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
    /// What was read inside of child processes in which memory grows, by what each is called and the test that shows it.
    pub inside: BTreeMap<(String, usize), Diagnosis>,
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
    pub(super) elsewhere: Vec<String>,
    /// Its folder, where the bridge was: what has its place there is nobody's code.
    pub directory: PathBuf,
}

/// How long each part of a run took.
#[derive(Debug)]
pub struct Phases {
    begun: Instant,
    /// Name and wall time, in turn.
    pub ended: Vec<(&'static str, Duration)>,
}

impl Phases {
    pub(super) fn begin(begun: Instant) -> Phases {
        Phases {
            begun,
            ended: Vec::new(),
        }
    }

    /// All since the part before was `name`.
    pub(super) fn end(&mut self, name: &'static str) {
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

impl Run {
    /// A run of what the worker of `slot`, which has just started, collected.
    pub(super) fn of(setup: &Setup, collected: Collected, slot: &Slot<'_>) -> Run {
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
            inside: BTreeMap::new(),
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
            directory: setup.directory.clone(),
        }
    }
}

impl Run {
    /// Takes over what is known of tests of which nothing has changed.
    pub(super) fn choose(
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

/// Files that hold none of the tests: importing them again would cost as much as judging a suspect or two.
pub(super) fn files_without<'a>(run: &Run, tests: impl Iterator<Item = &'a usize>) -> Vec<String> {
    let mut files: BTreeSet<&str> = run.tests.iter().map(|test| test.file.as_str()).collect();
    for test in tests {
        files.remove(run.tests[*test].file.as_str());
    }
    let here = files.into_iter().map(str::to_owned);
    here.chain(run.elsewhere.iter().cloned()).collect()
}
