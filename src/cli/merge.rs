//! `leakcheck merge`: the JSON reports of a suite's shards as one report, with one verdict against the snapshots.

use std::{env, path::PathBuf};

use clap::Args;

use super::{
    durations::Durations,
    history,
    publish::{self, OutputArgs},
    report, snapshots,
};
use crate::{
    config::{text, value},
    exit_code::ExitCode,
    judgement::Joined,
    report::{Merged, Report, text::shown_lines},
};

/// Options of `leakcheck merge`.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// What `leakcheck run --shard I/N --report json=FILE` wrote, one file of each shard.
    #[arg(value_name = "RUN.json", required = true)]
    files: Vec<PathBuf>,
    /// Smallest share of the tests that must have been judged, 0 to 1 [default: what the shards asked for].
    #[arg(long, value_name = "SHARE", value_parser = value::from_argument(value::share))]
    min_judged: Option<f64>,
    /// Fail for snapshots of what is gone, too.
    #[arg(long)]
    deny_stale: bool,
    /// Write how long each file took to .leakcheck/durations.json, by which --shard divides the suite.
    #[arg(long)]
    record_durations: bool,
    /// Add a line of figures to a file, which `leakcheck history FILE` draws.
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    /// How often an hour the code under test runs in real life: rates are then shown per hour too.
    #[arg(long, value_name = "N", value_parser = publish::times)]
    per_hour: Option<f64>,
    #[command(flatten)]
    place: snapshots::Where,
    #[command(flatten)]
    output: OutputArgs,
}

/// Joins them, and exits as one run of the whole suite would.
pub fn run(args: &MergeArgs) -> ExitCode {
    let (report, unwritten) = match merge(args) {
        Ok(done) => done,
        Err(messages) => {
            for message in messages {
                super::complain(format_args!("leakcheck: {}", shown_lines(&message)));
            }
            return ExitCode::Usage;
        }
    };
    if let Some(lack) = report.merged.as_ref().and_then(Merged::lack) {
        super::complain(format_args!("leakcheck: {lack}, so this is no evidence"));
    }
    // A report that could not be written must not turn a failure into something milder.
    let mut codes = vec![publish::publish(&report, &args.output), report.exit_code];
    for line in unwritten {
        super::complain(format_args!("leakcheck: {line}"));
        codes.push(ExitCode::Usage);
    }
    ExitCode::first(&codes)
}

/// The joined report and what could not be written beside it, or what is wrong, one line each.
fn merge(args: &MergeArgs) -> Result<(Report, Vec<String>), Vec<String>> {
    let one = |message: String| vec![message];
    if !args.place.project.is_dir() {
        return Err(one(format!(
            "no such directory: {}",
            text::show(&args.place.project)
        )));
    }
    let mut reports = Vec::new();
    let mut messages = Vec::new();
    for file in &args.files {
        match report::load(file) {
            Ok(report) => reports.push((report::shown(file), report)),
            Err(message) => messages.push(message),
        }
    }
    if !messages.is_empty() {
        return Err(messages);
    }
    if let Some(path) = &args.history {
        history::check(path).map_err(one)?;
    }
    let joined = Joined::of(reports).map_err(one)?;
    let current = env::current_dir()
        .map_err(|error| one(format!("cannot tell the current directory: {error}")))?;
    let project: PathBuf = current.join(&args.place.project).components().collect();
    let accepted = snapshots::Accepted::load(&project, &current, args.deny_stale, args.place.ci)
        .map_err(one)?;
    let build = joined.build.clone();
    let (whole, seconds) = (joined.whole, joined.seconds.clone());
    let baseline = accepted.baseline(&build, whole);
    let (mut report, outcome) = joined.against(args.min_judged, &baseline);
    if args.per_hour.is_some() {
        report.environment.per_hour = args.per_hour;
    }
    accepted.record(&outcome, &mut report);
    let mut unwritten = Vec::new();
    if let Some(path) = &args.history {
        unwritten.extend(history::append(path, &report, &project, whole).err());
    }
    if args.record_durations {
        let missing = report.merged.as_ref().and_then(Merged::lack).is_some();
        let all = whole
            && !missing
            && report.errors.is_empty()
            && report.exit_code != ExitCode::Interrupted;
        let written = Durations::of(&project).and_then(|durations| durations.write(&seconds, all));
        unwritten.extend(written.err());
    }
    Ok((report, unwritten))
}
