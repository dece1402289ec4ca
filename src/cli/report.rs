//! `leakcheck report`: the JSON report of an earlier run, rendered again.

use std::{fs, io, path::PathBuf};

use clap::Args;

use super::publish::{self, OutputArgs};
use crate::{
    exit_code::ExitCode,
    report::{read, text},
};

/// Options of `leakcheck report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// What `leakcheck run --report json=FILE` wrote; `-` is the standard input.
    #[arg(value_name = "RUN.json")]
    file: PathBuf,
    /// How often an hour the code under test runs in real life: rates are then told for an hour too.
    #[arg(long, value_name = "N", value_parser = publish::times)]
    per_hour: Option<f64>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Renders the report. The exit code is about the rendering alone: the run has had its own.
pub fn run(args: &ReportArgs) -> ExitCode {
    let name = if args.file.as_os_str() == "-" {
        "the standard input".to_owned()
    } else {
        text::brief(&args.file.to_string_lossy())
    };
    let fail = |message: String| {
        anstream::eprintln!("leakcheck: {message}");
        ExitCode::Usage
    };
    let bytes = if args.file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut io::stdin().lock(), &mut bytes).map(|_| bytes)
    } else {
        fs::read(&args.file)
    };
    let bytes = match bytes {
        Ok(bytes) => bytes,
        Err(error) => return fail(format!("cannot read {name}: {error}")),
    };
    let Ok(json) = String::from_utf8(bytes) else {
        return fail(format!("{name} is no JSON report: it is not UTF-8 text"));
    };
    let mut report = match read::report(&json) {
        Ok(report) => report,
        Err(error) => return fail(format!("{name} {}", text::brief(&error.to_string()))),
    };
    if args.per_hour.is_some() {
        report.environment.per_hour = args.per_hour;
    }
    match publish::publish(&report, &args.output) {
        Ok(()) => ExitCode::Success,
        Err(error) => {
            anstream::eprintln!("leakcheck: {error}");
            error.exit_code()
        }
    }
}
