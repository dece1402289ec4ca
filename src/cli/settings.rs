//! What a run is told: how workers are started, what they may take, and whose code is where.

use std::{env, path::PathBuf, sync::Arc, thread, time::Duration};

use crate::{
    config::{Choice, Config, Runner, terms::Terms},
    discover::{
        Interpreter, Project,
        command::{self, PathForCommand},
        machine,
    },
    files::name,
    heap::owner::Places,
    run::{Settings, screen::Policy},
    worker::{
        Limits, Setup,
        build::{Build, Jit},
        deadly::Deadly,
        tape::Tape,
    },
};

/// A hung import is rare and long ones are not; this is only to end at all.
const LOADING_LIMIT: Duration = Duration::from_secs(900);
/// For the first iteration of a test, of which nothing is known yet.
const FIRST_LIMIT: Duration = Duration::from_secs(300);
/// Repeats get this many times the first iteration, and never less than the floor: machines stall.
const REPEAT_FACTOR: u32 = 10;
const REPEAT_FLOOR: Duration = Duration::from_secs(10);
/// Workers for each processor; tests that wait take more than one.
const MOST_JOBS: usize = 8;
/// What a worker may have in any case: a large suite takes this before its first test.
const LEAST_MEMORY: u64 = 256 << 20;
/// Where the system does not tell how much memory it has.
const MEMORY_UNKNOWN: u64 = 4 << 30;

/// The settings of a run of `project`.
pub(super) fn settings(
    config: &Config,
    project: &Project,
    interpreter: &Interpreter,
    runner: Runner,
) -> Result<Settings, PathForCommand> {
    let (args, paths) = if runner == Runner::Command {
        let words = command::words(config.runner, &config.args, project)?;
        (words, Vec::new())
    } else {
        (config.args.clone(), project.paths.clone())
    };
    let texts = paths.iter().map(|path| name::to_text(path)).collect();
    let (jobs, _) = jobs(config.jobs);
    let memory = match config.memory {
        Choice::Given(bytes) => bytes,
        Choice::Auto => share_of_memory(machine::memory().unwrap_or(MEMORY_UNKNOWN), jobs),
    };
    let limits = match config.timeout.given() {
        Some(&given) => Limits {
            loading: LOADING_LIMIT,
            first: given,
            floor: given,
            factor: REPEAT_FACTOR,
        },
        None => Limits {
            loading: LOADING_LIMIT,
            first: FIRST_LIMIT,
            floor: REPEAT_FLOOR,
            factor: REPEAT_FACTOR,
        },
    };
    let paths = &interpreter.paths;
    let mut packages = paths.site_packages.clone();
    packages.extend([paths.purelib.clone(), paths.platlib.clone()]);
    packages.extend(paths.user_site.clone());
    packages.sort();
    packages.dedup();
    let place = |path: &PathBuf| name::to_path(&path.to_string_lossy());
    Ok(Settings {
        setup: Setup {
            python: interpreter.path.clone(),
            start_script: PathBuf::new(),
            project: project.root.clone(),
            runner: runner.name(),
            args,
            paths: texts,
            directory: PathBuf::new(),
            limits,
            memory,
            terms: Terms {
                min_rate: config.min_rate.clone(),
                ..Terms::default()
            },
            rules: config.rules.clone(),
            alone: jobs == 1,
            counters: config.counters.clone(),
            blind: Arc::default(),
            deadly: Deadly::default(),
            keep: None,
            outside: None,
            processes: Arc::default(),
            whole: Arc::default(),
            tape: Tape::Off,
            build: Build {
                malloc: interpreter.counting_malloc(),
                jit: match (interpreter.jit, config.jit) {
                    (false, _) => Jit::Off,
                    (true, false) => Jit::TurnedOff,
                    (true, true) => Jit::On,
                },
                plain: !interpreter.free_threaded,
            },
            preload: None,
            inside: false,
        },
        jobs,
        policy: Policy {
            warmup: config.warmup,
            iterations: config.iterations.given().copied(),
            thorough: config.thorough,
        },
        budget: config.budget.given().copied(),
        thorough: config.thorough,
        // A collection goes through all objects there, also through those that are frozen.
        pace: if interpreter.free_threaded { 4 } else { 1 },
        stances: config.stances.clone(),
        places: Places {
            project: project.root.clone(),
            packages: packages.iter().map(place).collect(),
            stdlib: vec![place(&paths.stdlib), place(&paths.platstdlib)],
            bridge: PathBuf::new(),
        },
        hash_seeds: hash_seeds(env::var("PYTHONHASHSEED").ok().as_deref()),
        shard: None,
        kept: None,
        deepen: config.deepen,
    })
}

/// Workers at the same time, and a word where that is not what was asked for: each is a process that imports the suite.
pub(super) fn jobs(wanted: Choice<usize>) -> (usize, Option<String>) {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let most = MOST_JOBS * processors;
    match wanted {
        Choice::Auto => (processors, None),
        Choice::Given(jobs) if jobs <= most => (jobs, None),
        Choice::Given(jobs) => {
            let note = format!(
                "jobs = {jobs} is too many for {processors} processors: {most} are used (`-j auto` takes one a processor)"
            );
            (most, Some(note))
        }
    }
}

/// The memory cap of each worker. Not all need it at once, and none can live on next to nothing.
fn share_of_memory(machine: u64, jobs: usize) -> u64 {
    let half = machine / 2;
    let share = half / u64::try_from(jobs).unwrap_or(1).max(1);
    share.max(LEAST_MEMORY.min(half))
}

/// Two different ones, and the same two in every run: a verdict must not depend on luck. A seed that the user
/// set is the first.
fn hash_seeds(given: Option<&str>) -> (u32, u32) {
    let first: u32 = given.and_then(|seed| seed.parse().ok()).unwrap_or(1);
    (first, first.checked_add(1).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_never_left_without_memory() {
        const GB: u64 = 1 << 30;
        assert_eq!(share_of_memory(16 * GB, 2), 4 * GB);
        assert_eq!(share_of_memory(16 * GB, 100_000), LEAST_MEMORY);
        assert_eq!(share_of_memory(GB / 4, 4), GB / 8);
    }

    #[test]
    fn many_more_workers_than_processors_are_told() {
        assert_eq!(jobs(Choice::Given(2)), (2, None));
        let (used, note) = jobs(Choice::Given(100_000));
        assert!((MOST_JOBS..100_000).contains(&used));
        assert!(note.unwrap().contains(&format!(": {used} are used")));
        assert_eq!(jobs(Choice::Auto).1, None);
    }

    #[test]
    fn two_processes_never_share_a_hash_seed() {
        assert_eq!(hash_seeds(None), (1, 2));
        assert_eq!(hash_seeds(Some("random")), (1, 2));
        assert_eq!(hash_seeds(Some("7")), (7, 8));
        assert_eq!(hash_seeds(Some("4294967295")), (4_294_967_295, 1));
    }
}
