//! The command line: its verbs and its options.

mod bisect;
mod changed;
mod completions;
mod decide;
mod doctor;
mod durations;
mod expect;
mod explain;
mod history;
mod init;
mod inspect;
mod journal;
mod kept;
mod man;
mod merge;
mod profile;
mod publish;
mod replay;
mod report;
mod review;
mod run;
mod settings;
mod shard;
mod snapshots;
mod watch;

use std::{
    ffi::OsString,
    fmt,
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, Parser, Subcommand};

use crate::{
    config::{Choice, Runner, value},
    exit_code::ExitCode,
    report::text,
};

/// Repeats every test of a Python suite and fails when memory, a descriptor or a thread leaks.
#[derive(Debug, Parser)]
#[command(name = "leakcheck", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    run: RunArgs,
    /// When to use colours.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: colorchoice::Color,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Check a test suite (the same as without a verb).
    Run(RunArgs),
    /// Look at one test from all sides: what grows, what holds it, and memory line by line.
    Inspect(inspect::InspectArgs),
    /// Find the commit that brought a leak, or made one worse.
    Bisect(bisect::BisectArgs),
    /// Watch a live process from outside: what it holds, what of it grows, and how fast.
    Watch(watch::WatchArgs),
    /// Render the JSON report of an earlier run again, in any format.
    Report(report::ReportArgs),
    /// Decide a recorded run once more, without Python, and say which verdicts differ.
    Replay(replay::ReplayArgs),
    /// Join the JSON reports of a suite's shards into one report and one verdict.
    Merge(merge::MergeArgs),
    /// Show what a file of figures tells of many runs: leaks that are open, came and went, their rates, depth and time.
    History(history::HistoryArgs),
    /// Decide one by one what to do about findings that wait.
    Review(snapshots::Where),
    /// Take findings that wait into the baseline; without arguments all of them.
    Accept(decide::AcceptArgs),
    /// Throw away findings that wait; the next run that sees them brings them back.
    Reject(decide::RejectArgs),
    /// Show what can be seen here: interpreter, runner, counters, self-check and settings.
    Doctor(doctor::DoctorArgs),
    /// Set a project up: configuration, Makefile, workflow and what version control leaves out.
    Init(init::InitArgs),
    /// Say what a kind of leak is and how to fix it, or by which rule a test has its verdict.
    Explain {
        /// A code such as LK104, or a rule such as declared-limit; without one, all are listed.
        #[arg(value_name = "CODE or RULE")]
        name: Option<String>,
    },
    /// Print a script that lets a shell complete this command.
    Completions(completions::CompletionsArgs),
    /// Print the manual page, or write the pages of all verbs to a folder.
    Man(man::ManArgs),
}

/// Options of `leakcheck run`.
#[derive(Debug, Args)]
struct RunArgs {
    /// Files, directories or test ids; a single directory that is a project of its own is checked where it stands.
    paths: Vec<PathBuf>,
    /// Arguments for the test runner, or a program with its own: `-- python manage.py test shop`.
    #[arg(last = true, value_name = "RUNNER ARGS")]
    runner_args: Vec<OsString>,
    /// What runs the tests: auto, pytest, unittest, or command: the program that is written after --.
    #[arg(long, value_name = "RUNNER", value_parser = value::from_argument(value::runner))]
    runner: Option<Choice<Runner>>,
    /// The Python to test with: a path, a name on PATH, or a virtual environment's directory.
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Worker processes at the same time: a number or auto.
    #[arg(short = 'j', long, value_name = "N", value_parser = value::from_argument(value::jobs))]
    jobs: Option<Choice<usize>>,
    /// CPU time for all suspects together, such as 90s or 10m.
    #[arg(long, value_name = "TIME", value_parser = value::from_argument(value::duration))]
    budget: Option<Choice<Duration>>,
    /// Longest time for one iteration of a test, such as 30s.
    #[arg(long, value_name = "TIME", value_parser = value::from_argument(value::duration))]
    timeout: Option<Choice<Duration>>,
    /// Most memory of a worker, such as 2GB.
    #[arg(long, value_name = "SIZE", value_parser = value::from_argument(value::size))]
    memory: Option<Choice<u64>>,
    /// Look for rarer leaks (down to every 11th iteration) and in session fixtures; watch suspects ten times as long.
    #[arg(long)]
    thorough: bool,
    /// Iterations of each test that are not judged.
    #[arg(long, value_name = "N", value_parser = value::from_argument(value::warmup))]
    warmup: Option<u32>,
    /// Judged iterations of every test, instead of as many as it takes.
    #[arg(long, value_name = "N", value_parser = value::from_argument(value::iterations))]
    iterations: Option<Choice<u32>>,
    /// Smallest share of the tests that must have been judged, 0 to 1.
    #[arg(long, value_name = "SHARE", value_parser = value::from_argument(value::share))]
    min_judged: Option<f64>,
    /// Keep verdicts in .leakcheck/cache, and ask only tests of which something has changed.
    #[arg(long, overrides_with_all = ["cache", "no_cache"])]
    cache: bool,
    /// With a cache: share of a plain run's time for looking longer at what was looked at least, 0 to 1.
    #[arg(long, value_name = "SHARE", value_parser = value::from_argument(value::share))]
    deepen: Option<f64>,
    /// Run only tests that a change since BASE can reach; without BASE since the branch left the default branch.
    #[arg(long, value_name = "BASE", num_args = 0..=1, require_equals = true, default_missing_value = "", conflicts_with_all = ["deny_stale", "record_durations", "expect_fixed", "last_failed", "record"])]
    changed: Option<String>,
    /// With a cache: ask all tests, and keep what comes of it.
    #[arg(long)]
    ask_all: bool,
    /// Ask all tests, and keep nothing.
    #[arg(long, overrides_with = "no_cache")]
    no_cache: bool,
    /// Say where the time went, by part of the run, file and test.
    #[arg(long)]
    profile: bool,
    /// Write what happens while it happens to a file, as JSON Lines.
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    /// Add a line of figures to a file, which `leakcheck history FILE` draws.
    #[arg(long, value_name = "FILE", conflicts_with = "shard")]
    history: Option<PathBuf>,
    /// How often an hour the code under test runs in real life: rates are then told for an hour too.
    #[arg(long, value_name = "N", value_parser = publish::times)]
    per_hour: Option<f64>,
    /// Fail for snapshots of what is gone, too.
    #[arg(long)]
    deny_stale: bool,
    /// Ask whether a finding is gone, by its fingerprint or the first digits: 0 if it is, 1 if it is still there, 3 if unknown; only its tests run, unless others are named.
    #[arg(long, value_name = "ID", conflicts_with_all = ["shard", "deny_stale", "record_durations"])]
    expect_fixed: Option<String>,
    /// Run only the tests of the findings that wait since the runs before; all tests if none waits. Useful while fixing.
    #[arg(long = "lf", visible_alias = "last-failed", conflicts_with_all = ["shard", "deny_stale", "record_durations", "expect_fixed"])]
    last_failed: bool,
    /// Run one of several parts of the suite, such as 2/8; auto takes it from the CI system's variables.
    #[arg(long, value_name = "I/N", value_parser = shard::parse)]
    shard: Option<Choice<(usize, usize)>>,
    /// Write how long each file took to .leakcheck/durations.json, by which --shard divides the suite.
    #[arg(long)]
    record_durations: bool,
    /// Write what was asked, answered and decided to a new folder, for `leakcheck replay` and bug reports; one worker runs.
    #[arg(long, value_name = "DIR", conflicts_with = "shard")]
    record: Option<PathBuf>,
    /// Keep what each process printed, and a journal of what was asked, answered and decided, in a new folder.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Keep the names and texts of the project in the recording: paths, test ids, messages.
    #[arg(long, requires = "record")]
    record_names: bool,
    #[command(flatten)]
    ci: snapshots::Ci,
    #[command(flatten)]
    output: publish::OutputArgs,
}

/// When to use colours, in the words that other tools use.
mod colorchoice {
    #[derive(Debug, Clone, Copy, clap::ValueEnum)]
    pub enum Color {
        Auto,
        Always,
        Never,
    }

    impl Color {
        pub fn apply(self) {
            match self {
                Color::Auto => anstream::ColorChoice::Auto,
                Color::Always => anstream::ColorChoice::Always,
                Color::Never => anstream::ColorChoice::Never,
            }
            .write_global();
        }
    }
}

/// Says what is wrong. That nobody is there to read it (a closed terminal) changes nothing.
fn complain(message: fmt::Arguments<'_>) {
    let _ = writeln!(anstream::stderr(), "{message}");
}

/// What is said of a file that could not be written.
fn unwritable(path: &Path, error: &io::Error) -> String {
    let path = text::brief(&path.to_string_lossy());
    format!("cannot write {path}: {error}")
}

/// Does what the command line says.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too and are no errors.
            let code = if error.use_stderr() {
                ExitCode::Usage
            } else {
                ExitCode::Success
            };
            let _ = error.print();
            return code;
        }
    };
    cli.color.apply();
    let kept = match &cli.verb {
        Some(Verb::Run(args)) => args.keep.as_deref(),
        None => cli.run.keep.as_deref(),
        Some(_) => None,
    };
    if let Err(message) = journal::begin(kept) {
        complain(format_args!("leakcheck: {message}"));
        return ExitCode::Usage;
    }
    match cli.verb {
        Some(Verb::Run(args)) => run::run(args),
        Some(Verb::Inspect(args)) => inspect::inspect(args),
        Some(Verb::Bisect(args)) => bisect::bisect(&args),
        Some(Verb::Watch(args)) => watch::watch(&args),
        Some(Verb::Report(args)) => report::run(&args),
        Some(Verb::Replay(args)) => replay::replay(&args),
        Some(Verb::Merge(args)) => merge::run(&args),
        Some(Verb::History(args)) => history::history(&args),
        Some(Verb::Review(args)) => review::review(&args),
        Some(Verb::Accept(args)) => decide::accept(&args),
        Some(Verb::Reject(args)) => decide::reject(&args),
        Some(Verb::Doctor(args)) => doctor::doctor(&args),
        Some(Verb::Init(args)) => init::init(&args),
        Some(Verb::Explain { name }) => explain::explain(name.as_deref()),
        Some(Verb::Completions(args)) => completions::completions(&args),
        Some(Verb::Man(args)) => man::man(&args),
        None => run::run(cli.run),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_bare_call_runs_and_takes_the_same_options() {
        let cli = Cli::try_parse_from(["leakcheck", "tests", "-j", "2", "--", "-k", "x"]).unwrap();
        assert!(cli.verb.is_none());
        assert_eq!(cli.run.paths, [PathBuf::from("tests")]);
        assert_eq!(cli.run.runner_args, ["-k", "x"]);
        let cli = Cli::try_parse_from(["leakcheck", "run", "tests"]).unwrap();
        assert!(matches!(cli.verb, Some(Verb::Run(_))));
    }
}
