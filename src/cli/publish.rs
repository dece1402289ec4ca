//! Where a report goes: the standard output, files, and the summary of a CI job.

use std::{
    env,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use thiserror::Error;

use crate::{
    exit_code::ExitCode,
    files::write,
    report::{self, Detail, Format, Report, Style, markdown},
};

/// Width of a report in a file.
const FILE_WIDTH: usize = 120;

/// Options of every verb that writes a report.
#[derive(Debug, Clone, Args)]
pub struct OutputArgs {
    /// Format of the report on the standard output [default: plain; github under GitHub Actions].
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Also write the report to a file; can be given several times.
    #[arg(long = "report", value_name = "FORMAT=FILE", value_parser = report_file)]
    pub reports: Vec<(Format, PathBuf)>,
    /// Show no progress, and one line for each finding that fails.
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Show what was discounted, what is accepted, and why tests could not be judged.
    #[arg(short, long)]
    pub verbose: bool,
}

impl OutputArgs {
    fn detail(&self) -> Detail {
        match (self.quiet, self.verbose) {
            (true, _) => Detail::Quiet,
            (_, true) => Detail::Verbose,
            _ => Detail::Normal,
        }
    }
}

/// A report that could not be written.
#[derive(Debug, Error)]
enum PublishError {
    /// The standard output is gone.
    #[error("cannot write the report: {0}")]
    Output(io::Error),
    /// A file that the user named.
    #[error("cannot write {path}: {error}")]
    File {
        /// As given.
        path: String,
        /// Why.
        error: io::Error,
    },
}

impl PublishError {
    /// What the process exits with.
    fn exit_code(&self, report: &Report) -> ExitCode {
        match self {
            // The terminal was closed, and that ended the run.
            PublishError::Output(_) if report.exit_code == ExitCode::Interrupted => {
                ExitCode::Interrupted
            }
            PublishError::Output(_) => ExitCode::Internal,
            PublishError::File { .. } => ExitCode::Usage,
        }
    }
}

/// Writes `report` wherever `output` says, and says what could not be written. That keeps nothing else from being
/// written; the exit code is about the writing alone.
pub fn publish(report: &Report, output: &OutputArgs) -> ExitCode {
    let format = output.format.unwrap_or_else(|| {
        if env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true") {
            Format::Github
        } else {
            Format::Plain
        }
    });
    let mut failures = Vec::new();
    failures.extend(to_output(report, format, output.detail()).err());
    for (format, path) in &output.reports {
        let written = write::replace(path, |file| {
            let mut out = anstream::StripStream::new(file);
            let style = Style {
                width: FILE_WIDTH,
                detail: Detail::Verbose,
            };
            report::write(report, *format, style, &mut out)?;
            out.flush()
        });
        failures.extend(written.err().map(|error| failed(path, error)));
    }
    if format == Format::Github
        && let Some(path) = env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty())
    {
        let path = PathBuf::from(path);
        let written = write::append(&path).and_then(|file| {
            let mut out = BufWriter::new(file);
            markdown::summary(report, artefacts().as_deref(), &mut out)?;
            out.flush()
        });
        failures.extend(written.err().map(|error| failed(&path, error)));
    }
    for failure in &failures {
        super::complain(format_args!("leakcheck: {failure}"));
    }
    let codes = failures.iter().map(|failure| failure.exit_code(report));
    ExitCode::first(&codes.collect::<Vec<_>>())
}

/// Writes `report` to the standard output.
fn to_output(report: &Report, format: Format, detail: Detail) -> Result<(), PublishError> {
    let mut out = anstream::AutoStream::auto(io::stdout().lock());
    let style = Style {
        width: terminal_width(),
        detail,
    };
    match report::write(report, format, style, &mut out).and_then(|()| out.flush()) {
        // A reader such as `head` that has seen enough is no failure.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(PublishError::Output(error)),
        _ => Ok(()),
    }
}

fn failed(path: &Path, error: io::Error) -> PublishError {
    PublishError::File {
        path: report::text::brief(&path.to_string_lossy()),
        error,
    }
}

/// The page of this run on which its artefacts are listed. Only what GitHub itself sets is made a link.
fn artefacts() -> Option<String> {
    let variable = |name: &str, extra: &str| {
        env::var(name).ok().filter(|value| {
            !value.is_empty()
                && value
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "-._/".contains(c) || extra.contains(c))
        })
    };
    let server = variable("GITHUB_SERVER_URL", ":").filter(|url| url.starts_with("https://"))?;
    let repository = variable("GITHUB_REPOSITORY", "")?;
    let run = variable("GITHUB_RUN_ID", "")?;
    Some(format!(
        "{server}/{repository}/actions/runs/{run}#artifacts"
    ))
}

/// Columns of the terminal that the standard output goes to.
pub fn terminal_width() -> usize {
    const NARROW: usize = 80;
    env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.parse().ok())
        .or_else(|| {
            console::Term::stdout()
                .size_checked()
                .map(|(_, columns)| usize::from(columns))
        })
        .unwrap_or(FILE_WIDTH)
        .max(NARROW)
}

fn report_file(argument: &str) -> Result<(Format, PathBuf), String> {
    let (format, file) = argument
        .split_once('=')
        .ok_or_else(|| "must be FORMAT=FILE, such as json=leaks.json".to_owned())?;
    let format = Format::from_str(format, false).map_err(|_| {
        let names: Vec<String> = Format::value_variants()
            .iter()
            .filter_map(|format| Some(format.to_possible_value()?.get_name().to_owned()))
            .collect();
        format!("unknown format `{format}`; there are {}", names.join(", "))
    })?;
    if file.is_empty() {
        return Err("has no file after the `=`".to_owned());
    }
    Ok((format, file.into()))
}

/// A number of times an hour.
pub fn times(argument: &str) -> Result<f64, String> {
    argument
        .parse()
        .ok()
        .filter(|times: &f64| times.is_finite() && *times > 0.0)
        .ok_or_else(|| "must be a number above 0, such as 3600".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_name_a_format_and_a_file() {
        assert_eq!(
            report_file("json=a=b.json"),
            Ok((Format::Json, "a=b.json".into()))
        );
        assert!(report_file("json").is_err());
        let error = report_file("pdf=a").unwrap_err();
        assert!(
            error.contains("unknown format") && error.contains("sarif, junit"),
            "{error}"
        );
        assert!(report_file("json=").is_err());
    }

    #[test]
    fn times_are_above_nothing() {
        assert_eq!(times("3600"), Ok(3600.0));
        for wrong in ["0", "-1", "nan", "inf", "often"] {
            assert!(times(wrong).is_err(), "{wrong}");
        }
    }
}
