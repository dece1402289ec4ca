//! `leakcheck report`: the JSON report of an earlier run, rendered again.

use std::{
    io,
    path::{Path, PathBuf},
};

use clap::Args;

use super::publish::{self, OutputArgs};
use crate::{
    exit_code::ExitCode,
    files::read::{self, Refusal},
    report::{self, Report, text},
};

/// Bytes of the longest report that is read: twenty times what a suite of 20,000 tests makes.
const LONGEST: u64 = 512 << 20;

/// Options of `leakcheck report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// What `leakcheck run --report json=FILE` wrote; `-` is the standard input.
    #[arg(value_name = "RUN.json")]
    file: PathBuf,
    /// How often an hour the code under test runs in real life: rates are then shown per hour too.
    #[arg(long, value_name = "N", value_parser = publish::times)]
    per_hour: Option<f64>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Renders the report. The exit code is about the rendering alone: the run has had its own.
pub fn run(args: &ReportArgs) -> ExitCode {
    let mut report = match load(&args.file) {
        Ok(report) => report,
        Err(message) => {
            super::complain(format_args!("leakcheck: {message}"));
            return ExitCode::Usage;
        }
    };
    if args.per_hour.is_some() {
        report.environment.per_hour = args.per_hour;
    }
    publish::publish(&report, &args.output)
}

/// Reads the report in `file`, `-` being the standard input. An error is one line.
pub(super) fn load(file: &Path) -> Result<Report, String> {
    let is_input = file.as_os_str() == "-";
    let name = shown(file);
    let bytes = if is_input {
        read::whole(io::stdin().lock(), LONGEST)
    } else {
        read::given(file, LONGEST)
    };
    let bytes = bytes.map_err(|refusal| match refusal {
        Refusal::Failed(error) => format!("cannot read {name}: {error}"),
        refusal => format!("{name} is no JSON report: {refusal}"),
    })?;
    let json = String::from_utf8(bytes)
        .map_err(|_| format!("{name} is no JSON report: it is not UTF-8 text"))?;
    report::read::report(&json)
        .map_err(|error| format!("{name} {}", text::brief(&error.to_string())))
}

/// The file as messages name it.
pub(super) fn shown(file: &Path) -> String {
    if file.as_os_str() == "-" {
        "the standard input".to_owned()
    } else {
        text::brief(&file.to_string_lossy())
    }
}
