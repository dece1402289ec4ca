//! `leakcheck watch`: what grows in a live process, seen from outside.

use std::{
    ffi::OsString,
    io::{self, IsTerminal, Write},
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use clap::{Args, ValueEnum};
use nix::sys::signal::{Signal, kill};

use super::{
    publish::terminal_width,
    run::{self, Failure},
    unwritable,
};
use crate::{
    config::{Choice, value},
    exit_code::ExitCode,
    files::write as write_file,
    report::{text, watch as pages},
    supervise::{Ending, Folder, Supervised},
    watch::{
        process::Proc,
        session::{self, Asked, Session},
        summary::{End, Summary},
    },
    worker::INTERRUPTED,
};

/// From one look to the next, where nobody says otherwise.
const EVERY: Duration = Duration::from_secs(2);
/// How long a program may take to end by itself once it is asked to.
const GRACE: Duration = Duration::from_secs(5);

/// Options of `leakcheck watch`.
#[derive(Debug, Args)]
pub(super) struct WatchArgs {
    /// The process: its number.
    #[arg(required_unless_present = "command", value_parser = clap::value_parser!(i32).range(1..))]
    pid: Option<i32>,
    /// A program to start, watch and end: `-- python -m app`. What it prints goes to the error stream.
    #[arg(last = true, value_name = "COMMAND", conflicts_with = "pid")]
    command: Vec<OsString>,
    /// How long, such as 30m; without it until it ends or you press Ctrl-C.
    #[arg(long = "for", value_name = "TIME", value_parser = value::from_argument(value::duration))]
    length: Option<Choice<Duration>>,
    /// From one look to the next, such as 5s [default: 2s].
    #[arg(long, value_name = "TIME", value_parser = value::from_argument(value::duration))]
    every: Option<Choice<Duration>>,
    /// Exit with 1 where this is certain, and with 3 where too little was seen to tell.
    #[arg(long, value_name = "WHAT")]
    fail_on: Option<FailOn>,
    /// Also write everything for programs.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also write a page for a browser, with curves.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Show nothing before the end.
    #[arg(short, long)]
    quiet: bool,
}

/// What makes a watch fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Something certainly grows.
    Growth,
}

/// Watches, and prints what was seen.
pub(super) fn watch(args: &WatchArgs) -> ExitCode {
    run::interruptible(|| look(args))
}

fn look(args: &WatchArgs) -> Result<ExitCode, Failure> {
    // Asked before anything runs: a place that cannot be written to is told at once.
    for path in [&args.json, &args.html].into_iter().flatten() {
        write_file::check(path).map_err(|error| unwritable(path, &error))?;
    }
    let mut started = match &*args.command {
        [] => None,
        [program, rest @ ..] => Some(Started::new(program, rest)?),
    };
    let given = |choice: &Option<Choice<Duration>>| match choice {
        Some(Choice::Given(time)) => Some(*time),
        _ => None,
    };
    let length = given(&args.length);
    let pid = match (&started, args.pid) {
        (Some(started), _) => started.process.pid().as_raw(),
        (None, Some(pid)) => pid,
        (None, None) => return Err("name a process, or a program after --".to_owned().into()),
    };
    let shared = started.is_some() && io::stderr().is_terminal();
    let mut live = pages::Live::new(args.quiet, shared);
    let width = terminal_width();
    let watched = session::watch(
        Asked {
            proc: Proc::default(),
            pid,
            every: given(&args.every).unwrap_or(EVERY),
            length,
            stop: &|| INTERRUPTED.load(Ordering::SeqCst),
            ending: &mut || started.as_mut().and_then(Started::ending),
        },
        &mut |session: &Session| live.show(session, width),
    );
    live.finish();
    if let Some(started) = &mut started {
        started.end();
    }
    let summary = watched?.summary();
    let code = code(&summary, args.fail_on.is_some(), length.is_some());
    if let Some(path) = &args.json {
        write_file::replace(path, |out| pages::json(&summary, code, out))
            .map_err(|error| unwritable(path, &error))?;
    }
    if let Some(path) = &args.html {
        write_file::replace(path, |out| pages::html(&summary, out))
            .map_err(|error| unwritable(path, &error))?;
    }
    let mut out = anstream::AutoStream::auto(io::stdout().lock());
    match pages::plain(&summary, width, &mut out).and_then(|()| out.flush()) {
        // A reader such as `head` that has seen enough is no failure.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure(
            ExitCode::Internal,
            format!("cannot write to the standard output: {error}"),
        )),
        _ => Ok(code),
    }
}

/// What the process exits with. Without a time to watch for, Ctrl-C is the way to end it, and no interruption.
fn code(summary: &Summary, fails: bool, timed: bool) -> ExitCode {
    let grows = fails && summary.growing().next().is_some();
    let early = !summary.is_evidence() || (timed && summary.end != Some(End::Time));
    if timed && summary.end == Some(End::Asked) {
        ExitCode::Interrupted
    } else if grows {
        ExitCode::Leak
    } else if fails && early {
        ExitCode::NoEvidence
    } else {
        ExitCode::Success
    }
}

/// A program that we have started.
struct Started {
    process: Supervised,
    // It goes after what runs in it.
    _folder: Folder,
}

impl Started {
    fn new(program: &OsString, rest: &[OsString]) -> Result<Started, Failure> {
        let folder = Folder::make()?;
        let errors = io::stderr().as_fd().try_clone_to_owned();
        let errors: OwnedFd = errors.map_err(|error| error.to_string())?;
        let path = folder.path();
        let process = Supervised::start(
            path,
            Path::new(program),
            rest.iter().map(|word| &**word),
            path,
            |command| {
                command.stdout(Stdio::from(errors));
            },
        );
        let process = process.map_err(|error| {
            let program = text::brief(&program.to_string_lossy());
            format!("cannot start {program}: {error}")
        })?;
        Ok(Started {
            process,
            _folder: folder,
        })
    }

    fn ending(&mut self) -> Option<String> {
        self.process.ending().map(Ending::described)
    }

    /// Asks it to end, and sees to it that it does, with all that it has started.
    fn end(&mut self) {
        let begun = Instant::now();
        if self.ending().is_none() && kill(self.process.pid(), Signal::SIGTERM).is_ok() {
            while self.ending().is_none() && begun.elapsed() < GRACE {
                thread::sleep(Duration::from_millis(20));
            }
        }
        self.process.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_that_of_what_was_seen() {
        let summary = |end| Summary {
            pid: 7,
            command: String::new(),
            python: None,
            seconds: 60.0,
            every: 2.0,
            looks: 0,
            groups: Vec::new(),
            rows: Vec::new(),
            notes: Vec::new(),
            end,
        };
        let over = || Some(End::Process("has ended".into()));
        assert_eq!(code(&summary(over()), true, true), ExitCode::NoEvidence);
        assert_eq!(code(&summary(over()), false, true), ExitCode::Success);
        assert_eq!(
            code(&summary(Some(End::Asked)), false, false),
            ExitCode::Success
        );
        assert_eq!(
            code(&summary(Some(End::Asked)), true, true),
            ExitCode::Interrupted
        );
    }
}
