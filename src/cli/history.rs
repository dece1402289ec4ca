//! `leakcheck history`, and `--history FILE` of those verbs that make a run's verdict.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use clap::Args;

use crate::{
    exit_code::ExitCode,
    files::{git::Repository, read, write},
    report::{
        Report,
        history::{self, History, Line, Story},
        text,
    },
};

/// Bytes of the longest history that is read: some 50,000 runs with ten leaks each.
const LONGEST: u64 = 256 << 20;
/// Of a file that is added to, this much tells whether it is a history.
const BEGINNING: u64 = 64 << 10;

/// Options of `leakcheck history`.
#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    /// What `leakcheck run --history FILE` has added its lines to.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Also write a page for a browser.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Only the last so many runs.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    last: Option<u32>,
    /// Runs of this Python, such as 3.9 [default: the one of the last run].
    #[arg(long, value_name = "VERSION")]
    python: Option<String>,
}

/// Draws it.
pub(super) fn history(args: &HistoryArgs) -> ExitCode {
    match drawn(args) {
        Ok(code) => code,
        Err(message) => {
            super::complain(format_args!("leakcheck: {message}"));
            ExitCode::Usage
        }
    }
}

fn drawn(args: &HistoryArgs) -> Result<ExitCode, String> {
    let name = text::brief(&args.file.to_string_lossy());
    let history = load(&args.file)?;
    let most = args.last.map_or(usize::MAX, |last| last as usize);
    let wanted = args.python.as_ref().map(|version| format!(" {version}"));
    let Some(story) = Story::of(&history.lines, wanted.as_deref(), most) else {
        return Err(match &args.python {
            Some(version) => format!("{name} has no run of Python {}", text::brief(version)),
            None => format!("{name} has no run yet; `leakcheck run --history {name}` adds one"),
        });
    };
    if let Some(path) = &args.html {
        write::replace(path, |out| history::html(&history, &story, out))
            .map_err(|error| super::unwritable(path, &error))?;
    }
    let mut out = anstream::AutoStream::auto(io::stdout().lock());
    match history::plain(&history, &story, &mut out).and_then(|()| out.flush()) {
        // A reader such as `head` that has seen enough is no failure.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            super::complain(format_args!(
                "leakcheck: cannot write to the standard output: {error}"
            ));
            Ok(ExitCode::Internal)
        }
        _ => Ok(ExitCode::Success),
    }
}

fn load(file: &Path) -> Result<History, String> {
    let name = text::brief(&file.to_string_lossy());
    let bytes = read::bytes(file, LONGEST).map_err(|refusal| format!("{name}: {refusal}"))?;
    // Half of a character at a place where a run was killed damages one line only.
    history::read(&String::from_utf8_lossy(&bytes)).ok_or_else(|| foreign(&name))
}

fn foreign(name: &str) -> String {
    format!("{name} is no history of leakcheck's; name another file")
}

/// Whether a line could be added to `file`, asked before anything runs.
pub(super) fn check(file: &Path) -> Result<(), String> {
    let name = text::brief(&file.to_string_lossy());
    let begins = match read::beginning(file, BEGINNING) {
        Ok(bytes) => bytes,
        Err(read::Refusal::Missing) => Vec::new(),
        Err(refusal) => return Err(format!("{name}: {refusal}")),
    };
    // The first line may be longer than what was read, and then it is cut off here.
    if history::read(&String::from_utf8_lossy(&begins)).is_none() {
        return Err(foreign(&name));
    }
    write::line(file, b"").map_err(|error| super::unwritable(file, &error))
}

/// Adds the line of a run; `whole` where all of the suite was asked for.
pub(super) fn append(
    file: &Path,
    report: &Report,
    project: &Path,
    whole: bool,
) -> Result<(), String> {
    let commit = Repository::of(project)
        .ok()
        .and_then(|it| it.commit("HEAD"));
    let mut bytes = Vec::new();
    let written = Line::of(report, commit, whole)
        .write(&mut bytes)
        .and_then(|()| write::line(file, &bytes));
    written.map_err(|error| {
        let name = text::brief(&file.to_string_lossy());
        format!("cannot add to {name}: {error}")
    })
}
