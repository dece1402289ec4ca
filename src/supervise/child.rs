//! A worker as its user sees it: started, asked how it ended, ended with all that it started.

use std::{
    ffi::OsStr,
    io::{self, Read},
    os::unix::{net::UnixStream, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};

use super::{Role, left, wait};

/// Starting takes milliseconds; a machine that stalls gets more.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Somewhat longer than its parent tries.
const END_LIMIT: Duration = Duration::from_secs(7);

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// By itself, or by a signal.
    Status(ExitStatus),
    /// Its parent is gone, so nobody knows.
    Unwatched,
}

impl Ending {
    /// In words, of what we did not end ourselves.
    pub fn described(self) -> String {
        let status = match self {
            Ending::Status(status) => status,
            Ending::Unwatched => {
                return "lost the parent process that watches over it".to_owned();
            }
        };
        match (status.signal(), status.code()) {
            (Some(number), _) => match Signal::try_from(number) {
                // Nobody else sends it unasked.
                Ok(Signal::SIGKILL) => {
                    "was killed by SIGKILL (perhaps the machine ran out of memory)".to_owned()
                }
                Ok(signal) => format!("was killed by {signal}"),
                Err(_) => format!("was killed by signal {number}"),
            },
            (None, Some(code)) => format!("exited with status {code}"),
            (None, None) => "ended".to_owned(),
        }
    }
}

/// A process, and all that it starts.
#[derive(Debug)]
pub struct Supervised {
    parent: Child,
    /// Closed to have everything ended.
    control: Option<UnixStream>,
    said: Vec<u8>,
    pid: Pid,
    ending: Option<Ending>,
    /// Where its temporary files are.
    folder: PathBuf,
}

impl Supervised {
    /// Starts `program` in the run whose folder is `run`. `prepare` sets directory, environment and output.
    pub fn start<'a>(
        run: &Path,
        program: &Path,
        args: impl IntoIterator<Item = &'a OsStr>,
        folder: &Path,
        prepare: impl FnOnce(&mut Command),
    ) -> io::Result<Supervised> {
        let (mut command, control) = Role::Parent.command()?;
        command.arg(run).arg(program).args(args);
        prepare(&mut command);
        let parent = command.spawn()?;
        // With it goes our copy of the other end.
        drop(command);
        let mut started = Supervised {
            parent,
            control: Some(control),
            said: Vec::new(),
            pid: Pid::from_raw(0),
            ending: None,
            folder: folder.to_owned(),
        };
        match started.first_word() {
            Ok(pid) => {
                started.pid = pid;
                Ok(started)
            }
            Err(error) => {
                started.end();
                Err(error)
            }
        }
    }

    /// Its number, or why it could not be started.
    fn first_word(&mut self) -> io::Result<Pid> {
        let Some(control) = &mut self.control else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        control.set_read_timeout(Some(START_LIMIT))?;
        let mut chunk = [0; 64];
        let line = loop {
            if let Some(line) = line_of(&mut self.said) {
                break line;
            }
            match control.read(&mut chunk) {
                Ok(0) => return Err(io::Error::other("its parent process ended")),
                Ok(count) => self.said.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        };
        control.set_nonblocking(true)?;
        match line.split_once(' ') {
            Some(("pid", number)) => number.parse().map(Pid::from_raw).map_err(io::Error::other),
            Some(("error", number)) => match number.parse() {
                Ok(number) if number > 0 => Err(io::Error::from_raw_os_error(number)),
                _ => Err(io::Error::other("its command line is not valid")),
            },
            _ => Err(io::Error::other(line)),
        }
    }

    /// Its number.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// How it ended; `None` while it runs.
    pub fn ending(&mut self) -> Option<Ending> {
        if self.ending.is_some() {
            return self.ending;
        }
        let mut chunk = [0; 64];
        let closed = match &mut self.control {
            None => true,
            Some(control) => match control.read(&mut chunk) {
                Ok(0) => true,
                Ok(count) => {
                    self.said.extend_from_slice(&chunk[..count]);
                    false
                }
                Err(error) => !matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ),
            },
        };
        let status = line_of(&mut self.said)
            .and_then(|line| line.strip_prefix("status ")?.parse().ok())
            .map(|raw| Ending::Status(ExitStatus::from_raw(raw)));
        self.ending = status.or(closed.then_some(Ending::Unwatched));
        self.ending
    }

    /// Ends it and everything that it started, at once.
    pub fn end(&mut self) {
        if self.control.take().is_none() {
            // The numbers of ended processes are given to others.
            return;
        }
        if wait(&mut self.parent, END_LIMIT) {
            return;
        }
        // Its parent was killed, or could not end all of it.
        let _ = self.parent.kill();
        wait(&mut self.parent, Duration::from_secs(1));
        if self.pid.as_raw() > 0 && !matches!(self.ending, Some(Ending::Status(_))) {
            let _ = killpg(self.pid, Signal::SIGKILL);
            let _ = kill(self.pid, Signal::SIGKILL);
        }
        left::end_strays(&self.folder, Duration::from_secs(1));
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.end();
    }
}

/// Takes the first whole line out of `said`.
fn line_of(said: &mut Vec<u8>) -> Option<String> {
    let end = said.iter().position(|byte| *byte == b'\n')?;
    let line: Vec<u8> = said.drain(..=end).collect();
    Some(String::from_utf8_lossy(&line[..end]).into_owned())
}
