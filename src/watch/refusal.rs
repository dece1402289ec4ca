//! Why a process cannot be looked at, and what to do about it.

use std::{fs, io, os::unix::fs::MetadataExt};

use nix::unistd::{Uid, User};
use thiserror::Error;

use super::process::Proc;

/// Why not; each in one line that says what to do.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing has that number.
    #[error(
        "there is no process {0}; see `ps`, and in a container name one of the container's own"
    )]
    Missing(i32),
    /// It is dead.
    #[error("process {0} has ended: it is a zombie that its parent has not waited for")]
    Ended(i32),
    /// The system's own.
    #[error("process {0} is a thread of the kernel; name a program")]
    Kernel(i32),
    /// Another user's.
    #[error(
        "process {pid} belongs to {user}: run leakcheck as that user or as root (sudo leakcheck watch {pid})"
    )]
    Foreign {
        /// Which.
        pid: i32,
        /// Whose.
        user: String,
    },
    /// It hides itself.
    #[error(
        "process {0} does not let itself be looked at (not dumpable: it has changed its user, or asked for it): run leakcheck as root (sudo leakcheck watch {0})"
    )]
    Hidden(i32),
    /// The system says no without a reason that could be seen.
    #[error(
        "the system does not let process {0} be looked at: in a container start that with --cap-add=SYS_PTRACE, or run leakcheck as root outside of it"
    )]
    Forbidden(i32),
}

/// Why the process could not be read.
pub fn why(proc: &Proc, pid: i32, error: &io::Error) -> Refusal {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return Refusal::Missing(pid);
    }
    let Some(user) = user_of(proc, pid) else {
        return Refusal::Missing(pid);
    };
    let own = Uid::effective();
    if own.is_root() {
        return Refusal::Forbidden(pid);
    }
    if user != own {
        let name = User::from_uid(user).ok().flatten();
        let user = name.map_or_else(|| format!("user {user}"), |user| user.name);
        return Refusal::Foreign { pid, user };
    }
    // The files of what is not dumpable are root's, whoever runs it.
    let owner = fs::metadata(proc.path(pid, "status")).map(|found| found.uid());
    if owner.is_ok_and(|owner| owner == 0) {
        return Refusal::Hidden(pid);
    }
    Refusal::Forbidden(pid)
}

/// Who runs it.
fn user_of(proc: &Proc, pid: i32) -> Option<Uid> {
    let status = crate::files::read::text(&proc.path(pid, "status"), 1 << 20).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    // The second is the effective one.
    line.split_whitespace()
        .nth(1)?
        .parse()
        .ok()
        .map(Uid::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_is_one_line_with_what_to_do() {
        for refusal in [
            Refusal::Missing(7),
            Refusal::Ended(7),
            Refusal::Kernel(7),
            Refusal::Foreign {
                pid: 7,
                user: "www".into(),
            },
            Refusal::Hidden(7),
            Refusal::Forbidden(7),
        ] {
            let line = refusal.to_string();
            assert!(
                line.contains('7') && !line.contains('\n') && line.len() < 200,
                "{line}"
            );
        }
    }

    #[test]
    fn what_is_gone_is_missing_whatever_the_error_was() {
        let folder = tempfile::tempdir().unwrap();
        let proc = Proc::at(folder.path());
        let denied: io::Error = io::ErrorKind::PermissionDenied.into();
        assert_eq!(why(&proc, 7, &denied), Refusal::Missing(7));
        assert_eq!(
            why(&proc, 7, &io::ErrorKind::NotFound.into()),
            Refusal::Missing(7)
        );
    }
}
