//! `leakcheck inspect`: one test under the microscope.

use std::{
    env,
    ffi::OsString,
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};

use clap::Args;

use super::{
    publish::terminal_width,
    run::{self, Failure},
    settings::settings,
    snapshots::today,
    unwritable,
};
use crate::{
    config::{Choice, Config, Overrides, Runner, value},
    discover::{self, Interpreter, Project, interpreter::Env, machine},
    exit_code::ExitCode,
    files::write as write_file,
    judgement::{self, Baseline},
    report::{
        Environment,
        inspect::{self as pages, Inspection},
        progress::Progress,
        text,
    },
    run::inspect,
};

/// Options of `leakcheck inspect`.
#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// The test: its id as reports show it, or an end of it that no other test has.
    test: String,
    /// Arguments for the test runner.
    #[arg(last = true, value_name = "RUNNER ARGS")]
    runner_args: Vec<OsString>,
    /// The project's directory.
    #[arg(long, value_name = "DIR", default_value = ".")]
    project: PathBuf,
    /// Also write a page for a browser.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Also write everything for programs.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also write a drawing of what holds what stays.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Also write the same for Graphviz.
    #[arg(long, value_name = "FILE")]
    dot: Option<PathBuf>,
    /// What runs the tests: auto, pytest, unittest or command.
    #[arg(long, value_name = "RUNNER", value_parser = value::from_argument(value::runner))]
    runner: Option<Choice<Runner>>,
    /// The Python to test with: a path, a name on PATH, or a virtual environment's directory.
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Longest time for one iteration, such as 30s.
    #[arg(long, value_name = "TIME", value_parser = value::from_argument(value::duration))]
    timeout: Option<Choice<Duration>>,
    /// Most memory of a worker, such as 2GB.
    #[arg(long, value_name = "SIZE", value_parser = value::from_argument(value::size))]
    memory: Option<Choice<u64>>,
    /// Give it ten times as long to show whether it stops growing.
    #[arg(long)]
    thorough: bool,
    /// Show no progress.
    #[arg(short, long)]
    quiet: bool,
}

/// A way of writing an inspection.
type Writer = fn(&Inspection, &mut dyn io::Write) -> io::Result<()>;

/// A file that was asked for.
struct Wanted {
    path: PathBuf,
    write: Writer,
}

/// Looks at the test and prints its page.
pub(super) fn inspect(args: InspectArgs) -> ExitCode {
    run::interruptible(|| look(args))
}

fn look(args: InspectArgs) -> Result<ExitCode, Failure> {
    // Asked before anything runs: a place that cannot be written to is told at once.
    let wanted = wanted(&args)?;
    let inspection = inspection(args)?;
    for Wanted { path, write } in wanted {
        write_file::replace(&path, |out| write(&inspection, out))
            .map_err(|error| unwritable(&path, &error))?;
    }
    let mut out = anstream::AutoStream::auto(io::stdout().lock());
    match pages::plain(&inspection, terminal_width(), &mut out).and_then(|()| out.flush()) {
        // A reader such as `head` that has seen enough is no failure.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure(
            ExitCode::Internal,
            format!("cannot write to the standard output: {error}"),
        )),
        _ => Ok(inspection.exit_code),
    }
}

fn wanted(args: &InspectArgs) -> Result<Vec<Wanted>, Failure> {
    let forms: [(&Option<PathBuf>, Writer); 4] = [
        (&args.html, pages::html),
        (&args.json, pages::json),
        (&args.svg, pages::svg),
        (&args.dot, pages::dot),
    ];
    let mut wanted = Vec::new();
    for (path, write) in forms {
        if let Some(path) = path {
            write_file::check(path).map_err(|error| unwritable(path, &error))?;
            let path = path.clone();
            wanted.push(Wanted { path, write });
        }
    }
    Ok(wanted)
}

fn inspection(args: InspectArgs) -> Result<Inspection, Failure> {
    let current = env::current_dir()
        .map_err(|error| format!("cannot tell the current directory: {error}"))?;
    let root = current.join(&args.project);
    if !root.is_dir() {
        let path = text::brief(&args.project.to_string_lossy());
        return Err(format!("no such directory: {path}").into());
    }
    let root: PathBuf = root.components().collect();
    let mut project = Project::locate(&[], &root)?;
    let (mut config, _) = Config::load(&project.root)?;
    config.apply(Overrides {
        python: args
            .python
            .map(|python| run::python_from(python, &current))
            .map(Choice::Given),
        runner: args.runner,
        args: Some(run::texts(args.runner_args)?),
        jobs: Some(Choice::Given(1)),
        timeout: args.timeout,
        memory: args.memory,
        thorough: args.thorough.then_some(true),
        ..Overrides::default()
    });
    // An id that begins with a file needs no other.
    if let Some((file, _)) = args.test.split_once("::")
        && !file.is_empty()
        && project.root.join(file).is_file()
    {
        project.paths = vec![file.into()];
    }
    let project = project.or_configured(&config.paths)?;
    machine::require_files(1)?;
    let interpreter = Interpreter::find(
        config.python.given().map(PathBuf::as_path),
        &project.root,
        &Env::of_process(),
    )?;
    let runner = discover::choose_runner(config.runner, &config.args, &project, &interpreter)?;
    let mut settings = settings(&config, &project, &interpreter, runner)?;
    let progress = Progress::new(args.quiet);
    let tell = |event| {
        if let Some(progress) = &progress {
            progress.event(&event);
        }
    };
    let found = inspect::inspect(&settings, &args.test, &tell);
    if let Some(progress) = &progress {
        progress.finish();
    }
    let (found, scope) = found.map_err(|error| run::failure(&interpreter, &error))?;
    settings.places.bridge.clone_from(&found.directory);
    let environment = Environment {
        source_root: run::source_root(&project.root),
        ..run::environment(&interpreter, runner, &found, settings.jobs)
    };
    // What was accepted plays no part: it is the test that is looked at.
    let baseline = Baseline {
        accepted: &[],
        whole: false,
        build: "",
        today: today(),
        deny_stale: false,
    };
    Ok(judgement::inspection(
        &found,
        &scope,
        &settings.places,
        environment,
        config.min_judged,
        &baseline,
    ))
}
