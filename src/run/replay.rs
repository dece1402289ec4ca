//! What of a run a recording has, and a run out of a recording.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use super::{
    screen::Policy,
    state::{Run, Settings},
};
use crate::{
    config::terms::Terms,
    files::name,
    heap::owner::Places,
    verdict::{TestResult, Verdict, rule::Rule},
    worker::{
        build::{Build, Jit},
        deadly::Deadly,
        limits::Limits,
        player::Replay,
        record::{Head, RUN, Recording, Told},
        setup::Setup,
        tape::Tape,
    },
};

/// What became of a test when it was decided once more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replayed {
    /// The same verdict by the same rule.
    Same,
    /// The same verdict by another rule: the one that was recorded.
    OtherRule(String),
    /// Another verdict: the one that was recorded, with its rule.
    Differs(Verdict, String),
    /// Something was asked that the recording does not have.
    OffTheRecord,
}

/// Notes what a run was told.
pub(super) fn begin(recording: &Recording, settings: &Settings) {
    let path = |path: &PathBuf| recording.text(&name::to_text(path));
    let paths = |paths: &[PathBuf]| paths.iter().map(path).collect();
    let Places {
        project,
        packages,
        stdlib,
        bridge,
    } = &settings.places;
    recording.put(
        RUN,
        &Told {
            head: Head::OURS,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            names: recording.scrub.is_none(),
            memory: settings.setup.memory,
            warmup: settings.policy.warmup,
            iterations: settings.policy.iterations,
            thorough: settings.thorough,
            budget: settings.budget,
            pace: settings.pace,
            stances: settings.stances.clone(),
            project: path(project),
            packages: paths(packages),
            stdlib: paths(stdlib),
            bridge: path(bridge),
        },
    );
}

/// What the run was told.
pub fn settings(replay: &Arc<Replay>) -> Settings {
    let told = &replay.told;
    let path = |text: &String| name::to_path(text);
    let paths = |texts: &[String]| texts.iter().map(path).collect();
    Settings {
        setup: Setup {
            python: PathBuf::new(),
            start_script: PathBuf::new(),
            project: path(&told.project),
            runner: "",
            args: Vec::new(),
            paths: Vec::new(),
            directory: PathBuf::new(),
            limits: Limits {
                loading: Duration::ZERO,
                first: Duration::ZERO,
                floor: Duration::ZERO,
                factor: 1,
            },
            memory: told.memory,
            terms: Terms::default(),
            rules: Vec::new(),
            build: Build {
                malloc: None,
                jit: Jit::Off,
                plain: true,
            },
            alone: true,
            counters: BTreeMap::new(),
            preload: None,
            inside: false,
            blind: Arc::default(),
            deadly: Deadly::default(),
            keep: None,
            outside: None,
            processes: Arc::default(),
            whole: Arc::default(),
            tape: Tape::Replay(Arc::clone(replay)),
        },
        jobs: 1,
        policy: Policy {
            warmup: told.warmup,
            iterations: told.iterations,
            thorough: told.thorough,
        },
        budget: told.budget,
        thorough: told.thorough,
        pace: told.pace,
        stances: told.stances.clone(),
        places: Places {
            project: path(&told.project),
            packages: paths(&told.packages),
            stdlib: paths(&told.stdlib),
            bridge: path(&told.bridge),
        },
        hash_seeds: (1, 2),
        shard: None,
        kept: None,
        deepen: 0.0,
    }
}

/// Compares what is said of each test with what was said then.
pub fn compare(replay: &Replay, run: &Run, tests: &[TestResult]) -> Vec<(TestResult, Replayed)> {
    let mut off = replay.off().clone();
    // What was taken over from such a test is as little known.
    let alike = run.alike.iter().filter(|alike| {
        let case = &run.cases[alike.case];
        off.contains(&run.tests[case.test].id)
    });
    let alike: Vec<String> = alike
        .map(|alike| run.tests[alike.test].id.clone())
        .collect();
    off.extend(alike);
    let compare = |(at, test): (usize, &TestResult)| {
        let rule = test.rule.map_or("", Rule::name);
        let replayed = match replay.said.get(at) {
            _ if off.contains(&test.id) => Replayed::OffTheRecord,
            _ if test.rule == Some(Rule::OffTheRecord) => Replayed::OffTheRecord,
            None => Replayed::OffTheRecord,
            Some(then) => {
                let by = then.rule.clone().unwrap_or_default();
                if then.verdict != test.verdict {
                    Replayed::Differs(then.verdict, by)
                } else if by != rule {
                    Replayed::OtherRule(by)
                } else {
                    Replayed::Same
                }
            }
        };
        (test.clone(), replayed)
    };
    tests.iter().enumerate().map(compare).collect()
}
