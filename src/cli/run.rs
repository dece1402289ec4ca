//! `leakcheck run`: from a suite to a verdict.

use std::{
    env,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    thread,
    time::Duration,
};

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use signal_hook::iterator::Signals;

use super::{
    RunArgs,
    durations::Durations,
    expect::{Expected, Waiting},
    history, kept,
    publish::publish,
    shard, snapshots,
};
use crate::{
    attribute::owner::Places,
    baseline::{acceptance::Package, rates},
    config::{Choice, Config, Overrides, Runner, terms::Terms},
    discover::{
        self, Interpreter, Project,
        command::{self, PathForCommand},
        interpreter::{Env, NEWEST},
        machine, packages,
    },
    exit_code::ExitCode,
    files::name,
    judgement,
    report::{Environment, Report, address, events::Log, progress::Progress, text},
    run::{
        self, Settings,
        build::{Build, Jit},
        deadly::Deadly,
        loss::StartError,
        record::Recording,
        screen::Policy,
        shard::Wanted,
        tape::Tape,
        worker::{INTERRUPTED, Limits, Setup},
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

/// An end before there is a report: what to print, and the exit code.
pub(super) struct Failure(pub(super) ExitCode, pub(super) String);

impl<E: std::fmt::Display> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure(ExitCode::Usage, error.to_string())
    }
}

/// Runs the check and prints its report.
pub fn run(args: RunArgs) -> ExitCode {
    interruptible(|| {
        let output = args.output.clone();
        let (report, unwritten) = check(args)?;
        for line in &unwritten {
            super::complain(format_args!("leakcheck: {line}"));
        }
        // A report that could not be written must not turn a failure into something milder.
        let mut codes = vec![publish(&report, &output), report.exit_code];
        codes.extend(unwritten.iter().map(|_| ExitCode::Usage));
        Ok(ExitCode::first(&codes))
    })
}

/// Does what a verb does, with signals that ask for an end interrupting it, and says why it came to nothing.
pub(super) fn interruptible(verb: impl FnOnce() -> Result<ExitCode, Failure>) -> ExitCode {
    if let Err(error) = listen_for_interrupts() {
        super::complain(format_args!(
            "leakcheck: cannot listen for signals: {error}"
        ));
        return ExitCode::Internal;
    }
    verb().unwrap_or_else(|Failure(code, message)| {
        super::complain(format_args!("leakcheck: {}", text::shown_lines(&message)));
        code
    })
}

/// Has signals that ask for an end interrupt the run. Called before there is any other thread.
fn listen_for_interrupts() -> io::Result<()> {
    let mut wanted = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGQUIT] {
        wanted.add(signal);
    }
    // As `nohup` has it.
    if !machine::is_ignored(Signal::SIGHUP) {
        wanted.add(Signal::SIGHUP);
    }
    // One that came while its handler is installed would be lost: it waits.
    let before = wanted.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let mut signals = Signals::new(wanted.iter().map(|signal| signal as i32))?;
    before.thread_set_mask()?;
    thread::spawn(move || {
        for _ in signals.forever() {
            if INTERRUPTED.swap(true, Ordering::SeqCst) {
                // Asked twice: nothing more is waited for. What is left goes by itself, see `supervise`.
                std::process::exit(i32::from(ExitCode::Interrupted.number()));
            }
        }
    });
    Ok(())
}

/// The report, and a line for each thing beside it that could not be written.
fn check(args: RunArgs) -> Result<(Report, Vec<String>), Failure> {
    let current = env::current_dir()
        .map_err(|error| format!("cannot tell the current directory: {error}"))?;
    let mut project = Project::locate(&args.paths, &current)?;
    let (mut config, _) = Config::load(&project.root)?;
    // Before minutes of testing, which nobody could compare with anything.
    let snapshots = snapshots::Accepted::load(&project.root, &current, args.deny_stale, args.ci)?;
    let whole = snapshots::asks_for_all(&args, &project);
    let expected = match &args.expect_fixed {
        Some(id) => Some(Expected::of(&project, id)?),
        None => None,
    };
    // Only what shows it, unless the user says what is to run.
    if let Some(expected) = expected.as_ref().filter(|_| whole) {
        project.paths = expected.tests(&project);
    }
    let waiting = (args.last_failed && whole).then(|| Waiting::of(&project));
    if let Some(waiting) = &waiting {
        project.paths.clone_from(&waiting.tests);
    }
    let whole = whole && project.paths.is_empty();
    let part = args.shard.map(shard::resolve).transpose()?;
    let record = args.record_durations;
    let durations = if record || part.is_some() {
        Durations::of(&project.root)?
    } else {
        Durations::default()
    };
    let history = args.history.clone();
    if let Some(path) = &history {
        history::check(path)?;
    }
    let quiet = args.output.quiet;
    let per_hour = args.per_hour;
    let keep = args.keep.as_ref().map(|folder| current.join(folder));
    let recording = match &args.record {
        Some(folder) => Some(recording(&current.join(folder), args.record_names)?),
        None => None,
    };
    // Made before anything runs: a place that cannot be written to is told at once.
    let events = match &args.events {
        Some(path) => Some(Log::create(path).map_err(|error| super::unwritable(path, &error))?),
        None => None,
    };
    config.apply(overrides(args, &current)?);
    if recording.is_some() {
        // With several, what is asked of a test would depend on which of them was first.
        config.jobs = Choice::Given(1);
    }
    let project = project.or_configured(&config.paths)?;
    machine::require_files(jobs(config.jobs).0)?;
    let interpreter = Interpreter::find(
        config.python.given().map(PathBuf::as_path),
        &project.root,
        &Env::of_process(),
    )?;
    let runner = discover::choose_runner(config.runner, &config.args, &project, &interpreter)?;
    let mut settings = settings(&config, &project, &interpreter, runner)?;
    settings.shard = part.map(|(index, total)| Wanted {
        index,
        total,
        seconds: durations.files.clone(),
    });

    settings.kept = kept::open(&config, &settings, &interpreter, recording.is_some());
    settings.setup.keep = keep;
    if let Some(recording) = &recording {
        settings.setup.tape = Tape::Record(Arc::clone(recording));
    }

    let progress = Progress::new(quiet);
    let tell = |event| {
        tracing::info!("{event:?}");
        if let Some(progress) = &progress {
            progress.event(&event);
        }
        if let Some(events) = &events {
            events.event(&event);
        }
    };
    let cache = settings.kept.clone();
    let result = run::run(&settings, &tell);
    if let Some(progress) = &progress {
        progress.finish();
    }
    let mut run = result.map_err(|error| failure(&interpreter, &error))?;
    run.notes.extend(jobs(config.jobs).1);
    run.notes.extend(newer(&interpreter));
    run.notes.extend(waiting.map(|waiting| waiting.note));
    let elsewhere = run
        .shard
        .as_ref()
        .is_some_and(|shard| !shard.shares.is_empty());
    if run.tests.is_empty() && !elsewhere && run.errors.is_empty() && !run.interrupted {
        let end = if config.args.is_empty() {
            "; name the files or directories that hold them".to_owned()
        } else {
            format!(" with the arguments `{}`", config.args.join(" "))
        };
        let nothing = match runner {
            Runner::Command => format!("`{}` found no tests", settings.setup.args.join(" ")),
            _ => format!(
                "{} found no tests in {}{end}",
                runner.name(),
                searched(&project)
            ),
        };
        return Err(Failure(ExitCode::Usage, nothing));
    }
    let environment = Environment {
        source_root: source_root(&project.root),
        per_hour,
        ..environment(&interpreter, runner, &run, settings.jobs)
    };
    let abi = [(interpreter.free_threaded, "t"), (interpreter.debug, "d")]
        .map(|(is, letter)| if is { letter } else { "" })
        .concat();
    let build = rates::build(
        &environment.python,
        &abi,
        &environment.implementation,
        &environment.platform,
        &environment.libc,
    );
    let package_of = |file: &str| {
        packages::owner_of(&settings.places.packages, file)
            .map(|(name, version)| Package::of(&name, &version))
    };
    let (mut report, outcome) = judgement::report(
        &run,
        &settings.places,
        environment,
        config.min_judged,
        &package_of,
        &snapshots.baseline(&build, whole && expected.is_none()),
    );
    if let Some(shard) = &report.shard {
        report.snapshots.advice = vec![shard::advice(shard, report.tests.len())];
    } else if let Some(expected) = &expected {
        // A question changes nothing, so that it can be asked again.
        super::complain(format_args!("leakcheck: {}", expected.judge(&mut report)));
    } else {
        snapshots.record(&outcome, &mut report);
    }
    let mut unwritten = Vec::new();
    if let Some(path) = &history {
        let all = whole && expected.is_none();
        unwritten.extend(history::append(path, &report, &project.root, all).err());
    }
    if let Some(cache) = cache {
        unwritten.extend(kept::write(&cache, &run, &report).err());
    }
    if record {
        let seconds = judgement::seconds_by_file(&run, &report.tests);
        let all = whole && report.shard.is_none() && report.errors.is_empty();
        unwritten.extend(durations.write(&seconds, all && !run.interrupted).err());
    }
    if let Some(recording) = recording {
        unwritten.extend(recording.finish(&report.tests).err());
    }
    if let Some(events) = events {
        let failed = events.finish(&report).err();
        unwritten.extend(failed.map(|error| format!("cannot write the events: {error}")));
    }
    Ok((report, unwritten))
}

fn recording(folder: &Path, names: bool) -> Result<Arc<Recording>, String> {
    let recording = Recording::create(folder, names);
    recording.map(Arc::new).map_err(|error| {
        let folder = text::brief(&folder.to_string_lossy());
        format!("cannot record to {folder}: {error}")
    })
}

/// What the process exits with where no worker could be started.
pub(super) fn code_of(error: &StartError) -> ExitCode {
    match error {
        StartError::Usage(_) => ExitCode::Usage,
        StartError::Collection(_) | StartError::Lost(_) | StartError::Import(..) => {
            ExitCode::TestsFailed
        }
        StartError::Interrupted => ExitCode::Interrupted,
        StartError::Blind(_) => ExitCode::NoEvidence,
        StartError::Internal(_) => ExitCode::Internal,
    }
}

/// What keeps a run from being made. On a Python of the future a failure of the bridge, or a process that does not even
/// start, is no bug to report.
pub(super) fn failure(interpreter: &Interpreter, error: &StartError) -> Failure {
    match error {
        StartError::Internal(message) | StartError::Lost(message) if interpreter.is_newer() => {
            let first = message.lines().next().unwrap_or_default();
            Failure(
                ExitCode::Usage,
                format!(
                    "leakcheck does not work with {} {}, which is newer than it knows ({}.{}): {first}; use an older Python or a newer leakcheck",
                    interpreter.implementation, interpreter.version_text, NEWEST.0, NEWEST.1
                ),
            )
        }
        error => Failure(code_of(error), error.to_string()),
    }
}

/// The note that a Python is newer than this.
pub(super) fn newer(interpreter: &Interpreter) -> Option<String> {
    interpreter.is_newer().then(|| {
        format!(
            "{} {} is newer than this leakcheck knows ({}.{}); its self-check passed, so planted leaks are seen",
            interpreter.implementation, interpreter.version_text, NEWEST.0, NEWEST.1
        )
    })
}

fn overrides(args: RunArgs, current: &Path) -> Result<Overrides, Failure> {
    Ok(Overrides {
        python: args
            .python
            .map(|python| python_from(python, current))
            .map(Choice::Given),
        runner: args.runner,
        paths: None,
        args: Some(texts(args.runner_args)?),
        jobs: args.jobs,
        budget: args.budget,
        timeout: args.timeout,
        thorough: args.thorough.then_some(true),
        warmup: args.warmup,
        iterations: args.iterations,
        memory: args.memory,
        min_judged: args.min_judged,
        cache: (args.cache || args.no_cache).then_some(args.cache),
        ..Overrides::default()
    })
}

/// A path is meant from here; a bare name is looked up on PATH.
pub(super) fn python_from(python: PathBuf, current: &Path) -> PathBuf {
    if python.components().count() > 1 || current.join(&python).is_dir() {
        current.join(python)
    } else {
        python
    }
}

/// Arguments for the runner as text.
pub(super) fn texts(arguments: Vec<OsString>) -> Result<Vec<String>, String> {
    arguments
        .into_iter()
        .map(|argument| {
            argument.into_string().map_err(|argument| {
                format!(
                    "an argument for the runner is not valid text: {}",
                    argument.display()
                )
            })
        })
        .collect()
}

/// What was asked for, or where that is nothing the project.
fn searched(project: &Project) -> String {
    if project.paths.is_empty() {
        return project.root.display().to_string();
    }
    let paths = project.paths.iter().map(|path| path.display().to_string());
    paths.collect::<Vec<_>>().join(", ")
}

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
    })
}

/// Workers at the same time, and a word where that is not what was asked for: each is a process that imports the suite.
fn jobs(wanted: Choice<usize>) -> (usize, Option<String>) {
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

pub(super) fn environment(
    interpreter: &Interpreter,
    runner: Runner,
    run: &run::Run,
    jobs: usize,
) -> Environment {
    Environment {
        python: format!(
            "{}.{}.{}",
            interpreter.version.0, interpreter.version.1, interpreter.version.2
        ),
        implementation: interpreter.implementation.clone(),
        platform: format!("{}-{}", interpreter.platform, interpreter.machine),
        libc: interpreter.libc.to_string(),
        runner: runner.name().to_owned(),
        runner_version: run.runner_version.clone(),
        counters: run.counters.clone(),
        jobs,
        date: now(),
        docs: address::SITE,
        ..Environment::default()
    }
}

/// The time in RFC 3339 and UTC, to the second.
fn now() -> String {
    let second = jiff::Timestamp::now().as_second();
    jiff::Timestamp::from_second(second).map_or_else(|_| String::new(), |now| now.to_string())
}

/// Where the project lies in its repository, with slashes; empty at the root of one, or outside of any.
pub(super) fn source_root(project: &Path) -> String {
    let repository = project
        .ancestors()
        .find(|directory| directory.join(".git").exists());
    repository
        .and_then(|repository| project.strip_prefix(repository).ok())
        .map_or_else(String::new, |inside| inside.to_string_lossy().into_owned())
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
