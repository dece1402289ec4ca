//! The settings of a run: what they are, and how files and the command line lay over the defaults.

mod error;
mod given;
pub mod rule;
mod schema;
mod source;
pub mod terms;
pub mod text;
pub mod value;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use error::{ConfigError, Place};

pub use crate::finding::stance::{Stance, Stances, Subject};

/// The defaults as a file that users can read and copy. They are parsed from here, so that what it says is true.
pub const DEFAULTS: &str = include_str!("config/defaults.toml");

/// A setting that leakcheck can work out by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Choice<T> {
    /// Worked out where it is needed.
    Auto,
    /// Given by the user.
    Given(T),
}

impl<T> Choice<T> {
    /// What the user gave, if anything.
    pub fn given(&self) -> Option<&T> {
        match self {
            Choice::Auto => None,
            Choice::Given(value) => Some(value),
        }
    }
}

/// What collects and runs the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Runner {
    /// pytest, which also runs unittest's test cases.
    Pytest,
    /// The standard library's unittest.
    Unittest,
    /// A program that has unittest run its tests: `manage.py test`, `-m twisted.trial`.
    Command,
}

impl Runner {
    /// The name users give it.
    pub fn name(self) -> &'static str {
        match self {
            Runner::Pytest => "pytest",
            Runner::Unittest => "unittest",
            Runner::Command => "command",
        }
    }
}

/// The settings of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The interpreter: a path, a name on PATH, or the folder of a virtual environment.
    pub python: Choice<PathBuf>,
    /// What collects and runs the tests.
    pub runner: Choice<Runner>,
    /// Files, folders or node ids to test; those from a file are absolute.
    pub paths: Vec<PathBuf>,
    /// Arguments for the runner.
    pub args: Vec<String>,
    /// Worker processes at a time.
    pub jobs: Choice<usize>,
    /// Processor time for all suspects together.
    pub budget: Choice<Duration>,
    /// How long one iteration of a test may take.
    pub timeout: Choice<Duration>,
    /// Whether to look longer at every test.
    pub thorough: bool,
    /// Whether a just-in-time compiler that is switched on stays so in the processes that run the tests.
    pub jit: bool,
    /// Iterations that are not judged.
    pub warmup: u32,
    /// Judged iterations of every test in the screen.
    pub iterations: Choice<u32>,
    /// Bytes a worker may use.
    pub memory: Choice<u64>,
    /// The share of tests that must be judged, 0 to 1.
    pub min_judged: f64,
    /// Growth per iteration below which nothing fails.
    pub min_rate: terms::Limits,
    /// What fails and what does not.
    pub stances: Stances,
    /// What the project counts itself: name, and `module:function`.
    pub counters: BTreeMap<String, String>,
    /// Whether verdicts of tests are kept of which nothing has changed.
    pub cache: Choice<bool>,
    /// Days after which a kept verdict is found out anew; 0 for never.
    pub cache_days: u32,
    /// The share of a plain run's CPU time for looking longer at tests whose verdicts are kept.
    pub deepen: f64,
    /// Terms for some of the tests; of several for one test, the last one that says something wins.
    pub rules: Vec<rule::Rule>,
}

/// One layer of settings: those that a file or the command line gives.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(missing_docs, reason = "each field is the one of Config by that name")]
pub struct Overrides {
    pub python: Option<Choice<PathBuf>>,
    pub runner: Option<Choice<Runner>>,
    pub paths: Option<Vec<PathBuf>>,
    pub args: Option<Vec<String>>,
    pub jobs: Option<Choice<usize>>,
    pub budget: Option<Choice<Duration>>,
    pub timeout: Option<Choice<Duration>>,
    pub thorough: Option<bool>,
    pub jit: Option<bool>,
    pub warmup: Option<u32>,
    pub iterations: Option<Choice<u32>>,
    pub memory: Option<Choice<u64>>,
    pub min_judged: Option<f64>,
    pub min_rate: Option<terms::Limits>,
    pub stances: Stances,
    pub counters: Option<BTreeMap<String, String>>,
    pub cache: Option<Choice<bool>>,
    pub cache_days: Option<u32>,
    pub deepen: Option<f64>,
    pub rules: Option<Vec<rule::Rule>>,
}

impl Config {
    /// The settings for `project`, and the file they come from if there is one: the nearest with settings of ours,
    /// from `project` upwards to the root of its repository.
    pub fn load(project: &Path) -> Result<(Config, Option<PathBuf>), ConfigError> {
        let mut config = Config::default();
        let Some((overrides, file)) = source::nearest(project)? else {
            return Ok((config, None));
        };
        config.apply(overrides);
        Ok((config, Some(file)))
    }

    /// Lays `overrides` over these settings. Runner arguments add up, as a runner's own do; all else is replaced.
    pub fn apply(&mut self, overrides: Overrides) {
        fn set<T>(setting: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *setting = value;
            }
        }
        set(&mut self.python, overrides.python);
        set(&mut self.runner, overrides.runner);
        set(&mut self.paths, overrides.paths);
        self.args.extend(overrides.args.into_iter().flatten());
        set(&mut self.jobs, overrides.jobs);
        set(&mut self.budget, overrides.budget);
        set(&mut self.timeout, overrides.timeout);
        set(&mut self.thorough, overrides.thorough);
        set(&mut self.jit, overrides.jit);
        set(&mut self.warmup, overrides.warmup);
        set(&mut self.iterations, overrides.iterations);
        set(&mut self.memory, overrides.memory);
        set(&mut self.min_judged, overrides.min_judged);
        set(&mut self.min_rate, overrides.min_rate);
        self.stances.extend(&overrides.stances);
        set(&mut self.counters, overrides.counters);
        set(&mut self.cache, overrides.cache);
        set(&mut self.cache_days, overrides.cache_days);
        set(&mut self.deepen, overrides.deepen);
        set(&mut self.rules, overrides.rules);
    }
}

impl Default for Config {
    fn default() -> Self {
        source::defaults().expect("the embedded defaults are complete")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_defaults_are_what_the_documentation_promises() {
        let expected = Config {
            python: Choice::Auto,
            runner: Choice::Auto,
            paths: vec![],
            args: vec![],
            jobs: Choice::Given(1),
            budget: Choice::Auto,
            timeout: Choice::Auto,
            thorough: false,
            jit: false,
            warmup: 1,
            iterations: Choice::Auto,
            memory: Choice::Auto,
            min_judged: 0.9,
            min_rate: terms::Limits::default(),
            stances: Stances::default(),
            counters: BTreeMap::new(),
            cache: Choice::Auto,
            cache_days: 14,
            deepen: 0.5,
            rules: vec![],
        };
        let mut config = Config::default();
        for subject in Subject::ALL {
            // Said in the file of defaults, as it is where nobody says anything.
            assert_eq!(config.stances.on(subject), Stances::default().on(subject));
        }
        config.stances = Stances::default();
        assert_eq!(config, expected);
    }

    fn denied() -> Stances {
        let mut stances = Config::default().stances;
        Subject::ALL
            .into_iter()
            .for_each(|subject| stances.take(subject, Stance::Deny));
        stances
    }

    #[test]
    fn the_command_line_replaces_what_it_gives_and_adds_runner_arguments() {
        let mut config = Config::default();
        config.apply(Overrides {
            python: Some(Choice::Given("python3.12".into())),
            runner: Some(Choice::Given(Runner::Unittest)),
            paths: Some(vec!["tests".into()]),
            args: Some(vec!["-v".into()]),
            jobs: Some(Choice::Auto),
            budget: Some(Choice::Given(Duration::from_secs(60))),
            timeout: Some(Choice::Given(Duration::from_secs(5))),
            thorough: Some(true),
            jit: Some(true),
            warmup: Some(2),
            iterations: Some(Choice::Given(9)),
            memory: Some(Choice::Given(1 << 30)),
            min_judged: Some(0.5),
            stances: denied(),
            cache: Some(Choice::Given(true)),
            cache_days: Some(3),
            deepen: Some(0.0),
            ..Overrides::default()
        });
        let first = config.clone();
        config.apply(Overrides::default());
        assert_eq!(config, first, "an empty layer changes nothing");
        config.apply(Overrides {
            paths: Some(vec!["other".into()]),
            args: Some(vec!["-x".into()]),
            ..Overrides::default()
        });
        let expected = Config {
            python: Choice::Given("python3.12".into()),
            runner: Choice::Given(Runner::Unittest),
            paths: vec!["other".into()],
            args: vec!["-v".into(), "-x".into()],
            jobs: Choice::Auto,
            budget: Choice::Given(Duration::from_secs(60)),
            timeout: Choice::Given(Duration::from_secs(5)),
            thorough: true,
            jit: true,
            warmup: 2,
            iterations: Choice::Given(9),
            memory: Choice::Given(1 << 30),
            min_judged: 0.5,
            min_rate: terms::Limits::default(),
            stances: denied(),
            counters: BTreeMap::new(),
            cache: Choice::Given(true),
            cache_days: 3,
            deepen: 0.0,
            rules: vec![],
        };
        assert_eq!(config, expected);
    }
}
