//! `leakcheck run`: from a suite to a verdict.

use std::{
    env,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    thread,
};

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use signal_hook::iterator::Signals;

use super::{
    RunArgs, changed,
    durations::Durations,
    expect::{Expected, Waiting},
    history, kept, profile,
    publish::publish,
    settings::{jobs, settings},
    shard, snapshots,
};
use crate::{
    baseline::{acceptance::Package, rates},
    config::{Choice, Config, Overrides, Runner},
    discover::{
        self, Interpreter, Project,
        interpreter::{Env, NEWEST},
        machine, packages,
    },
    exit_code::ExitCode,
    judgement,
    kept::Cache,
    report::{Environment, Report, address, events::Log, progress::Progress, text},
    run::{self, shard::Wanted},
    worker::{INTERRUPTED, loss::StartError, record::Recording, tape::Tape},
};

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
    let whole = whole && project.paths.is_empty() && args.changed.is_none();
    let part = args.shard.map(shard::resolve).transpose()?;
    let mut beside = Beside::of(&args, &project, &current, part.is_some())?;
    let quiet = args.output.quiet;
    let (per_hour, asks_all) = (args.per_hour, args.ask_all);
    let (changed, since) = match &args.changed {
        Some(base) => {
            let (changed, since) = changed::since(base, &project.root)?;
            (Some(changed), Some(since))
        }
        None => (None, None),
    };
    let keep = args.keep.as_ref().map(|folder| current.join(folder));
    let is_ci = args.ci.is_on();
    config.apply(overrides(args, &current)?);
    if beside.recording.is_some() {
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
    if changed.is_some() && runner == Runner::Command {
        let line =
            "--changed is for pytest and unittest: what a program hands over is known to it alone";
        return Err(Failure(ExitCode::Usage, line.to_owned()));
    }
    let mut settings = settings(&config, &project, &interpreter, runner)?;
    if changed.is_some() {
        settings.deepen = 0.0;
    }
    settings.shard = part.map(|(index, total)| Wanted {
        index,
        total,
        seconds: beside.durations.files.clone(),
    });

    let (keeps, refused) = match config.cache {
        // A question is about now.
        Choice::Auto if expected.is_some() => (false, None),
        cache => kept::is_wanted(cache, is_ci, &project.root),
    };
    // A recording is of all that was asked.
    if beside.recording.is_none() && (keeps || changed.is_some()) {
        settings.kept = kept::open(&config, &settings, &interpreter, keeps, asks_all, changed);
    }
    settings.setup.keep = keep;
    if let Some(recording) = &beside.recording {
        settings.setup.tape = Tape::Record(Arc::clone(recording));
    }

    let progress = Progress::new(quiet);
    let tell = |event| {
        tracing::info!("{event:?}");
        if let Some(progress) = &progress {
            progress.event(&event);
        }
        if let Some(events) = &beside.events {
            events.event(&event);
        }
    };
    // What a run of a part finds out of its tests is little, and it would end what is known of the others.
    beside.cache = settings.kept.clone().filter(|_| since.is_none());
    let result = run::run(&settings, &tell);
    if let Some(progress) = &progress {
        progress.finish();
    }
    let mut run = result.map_err(|error| failure(&interpreter, &error))?;
    settings.places.bridge.clone_from(&run.directory);
    run.notes.extend(jobs(config.jobs).1);
    run.notes.extend(newer(&interpreter));
    run.notes.extend(refused);
    run.notes.extend(waiting.map(|waiting| waiting.note));
    run.notes.extend(since.as_ref().map(|since| {
        let (left_out, all) = (run.left_out.len(), run.tests.len());
        format!(
            "--changed: {left_out} of {} are left out, since nothing that differs from {since} reaches them",
            text::counted(all, "test")
        )
    }));
    let elsewhere = run
        .shard
        .as_ref()
        .is_some_and(|shard| !shard.shares.is_empty());
    if run.tests.is_empty() && !elsewhere && run.errors.is_empty() && !run.interrupted {
        let nothing = nothing_found(runner, &config, &settings, &project);
        return Err(Failure(ExitCode::Usage, nothing));
    }
    let environment = Environment {
        source_root: source_root(&project.root),
        per_hour,
        ..environment(&interpreter, runner, &run, settings.jobs)
    };
    let build = build_of(&interpreter, &environment);
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
    let scope = Scope {
        whole,
        is_question: expected.is_some(),
    };
    let unwritten = beside.write(&run, &report, &project.root, scope);
    Ok((report, unwritten))
}

/// Of how much a run was.
#[derive(Clone, Copy)]
struct Scope {
    /// All of the suite was asked for.
    whole: bool,
    /// It was about one finding.
    is_question: bool,
}

/// What a run leaves beside its report.
struct Beside {
    profile: bool,
    history: Option<PathBuf>,
    records_durations: bool,
    durations: Durations,
    recording: Option<Arc<Recording>>,
    events: Option<Log>,
    cache: Option<Arc<Cache>>,
}

impl Beside {
    /// Made before anything runs: a place that cannot be written to is told at once.
    fn of(
        args: &RunArgs,
        project: &Project,
        current: &Path,
        is_part: bool,
    ) -> Result<Beside, Failure> {
        let durations = if args.record_durations || is_part {
            Durations::of(&project.root)?
        } else {
            Durations::default()
        };
        if let Some(path) = &args.history {
            history::check(path)?;
        }
        let recording = match &args.record {
            Some(folder) => Some(recording(&current.join(folder), args.record_names)?),
            None => None,
        };
        let events = match &args.events {
            Some(path) => Some(Log::create(path).map_err(|error| super::unwritable(path, &error))?),
            None => None,
        };
        Ok(Beside {
            profile: args.profile,
            history: args.history.clone(),
            records_durations: args.record_durations,
            durations,
            recording,
            events,
            cache: None,
        })
    }

    /// Writes it. A line for each thing that could not be written.
    fn write(self, run: &run::Run, report: &Report, root: &Path, scope: Scope) -> Vec<String> {
        if self.profile {
            profile::write(run, report);
        }
        let mut unwritten = Vec::new();
        if let Some(path) = &self.history {
            let all = scope.whole && !scope.is_question;
            unwritten.extend(history::append(path, report, root, all).err());
        }
        if let Some(cache) = &self.cache {
            // No verdict hangs on it: the next run takes longer.
            if let Err(line) = kept::write(cache, run, report) {
                super::complain(format_args!(
                    "leakcheck: {line}; the next run asks all tests"
                ));
            }
        }
        if self.records_durations {
            let seconds = judgement::seconds_by_file(run, &report.tests);
            let all = scope.whole && report.shard.is_none() && report.errors.is_empty();
            let written = self.durations.write(&seconds, all && !run.interrupted);
            unwritten.extend(written.err());
        }
        if let Some(recording) = self.recording {
            unwritten.extend(recording.finish(&report.tests).err());
        }
        if let Some(events) = self.events {
            let failed = events.finish(report).err();
            unwritten.extend(failed.map(|error| format!("cannot write the events: {error}")));
        }
        unwritten
    }
}

/// What is said where there is no test.
fn nothing_found(
    runner: Runner,
    config: &Config,
    settings: &run::Settings,
    project: &Project,
) -> String {
    if runner == Runner::Command {
        return format!("`{}` found no tests", settings.setup.args.join(" "));
    }
    let end = if config.args.is_empty() {
        "; name the files or directories that hold them".to_owned()
    } else {
        format!(" with the arguments `{}`", config.args.join(" "))
    };
    format!(
        "{} found no tests in {}{end}",
        runner.name(),
        searched(project)
    )
}

/// The build of an interpreter, as snapshots tell them apart.
fn build_of(interpreter: &Interpreter, environment: &Environment) -> String {
    let abi = [(interpreter.free_threaded, "t"), (interpreter.debug, "d")]
        .map(|(is, letter)| if is { letter } else { "" })
        .concat();
    rates::build(
        &environment.python,
        &abi,
        &environment.implementation,
        &environment.platform,
        &environment.libc,
    )
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
        cache: (args.cache || args.no_cache).then_some(Choice::Given(args.cache)),
        deepen: args.deepen,
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
