//! Finds and ends processes that somebody left behind.

use std::{
    fs,
    os::unix::ffi::OsStrExt,
    path::Path,
    process, thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

use crate::files::read::{self, SYSTEM};

/// Children of this process, dead ones that nobody waited for included. It must have one thread only.
pub(super) fn children() -> Vec<Pid> {
    let own = process::id();
    let number = |word: &str| word.parse().ok().map(Pid::from_raw);
    let list = format!("/proc/self/task/{own}/children");
    match read::text(Path::new(&list), SYSTEM) {
        Ok(text) => text.split_whitespace().filter_map(number).collect(),
        // A kernel that was built without this list.
        Err(_) => all().filter(|pid| parent_of(*pid) == Some(own)).collect(),
    }
}

/// The process that started another one, or that took it over.
pub fn parent_of(pid: Pid) -> Option<u32> {
    let stat = read::bytes(Path::new(&format!("/proc/{pid}/stat")), SYSTEM).ok()?;
    // The name stands in parentheses and may hold anything.
    let stat = String::from_utf8_lossy(&stat);
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

fn all() -> impl Iterator<Item = Pid> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .map(Pid::from_raw)
}

/// Ends all children of this process, and theirs, who become ours when they lose their parent. Says whether none is left.
pub(super) fn end_children(limit: Duration) -> bool {
    let begun = Instant::now();
    loop {
        for pid in children() {
            let _ = kill(pid, Signal::SIGKILL);
        }
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Err(Errno::ECHILD) => return true,
                Ok(WaitStatus::StillAlive) => break,
                // Also of one that ended by a signal without a name.
                _ => {}
            }
        }
        if begun.elapsed() > limit {
            return false;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// Ends the processes that were started with their temporary files in `folder`. This is for what lost its parent.
pub(super) fn end_strays(folder: &Path, limit: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < limit {
        let found: Vec<Pid> = all().filter(|pid| is_of(*pid, folder)).collect();
        if found.is_empty() {
            return;
        }
        for pid in found {
            let _ = kill(pid, Signal::SIGKILL);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Bytes of the longest environment; the system allows less.
const LONGEST: u64 = 64 << 20;

/// Whether a process was started with `TMPDIR` in `folder`. One that has ended has no environment any more.
fn is_of(pid: Pid, folder: &Path) -> bool {
    let path = format!("/proc/{pid}/environ");
    let Ok(environment) = read::bytes(Path::new(&path), LONGEST) else {
        return false;
    };
    environment.split(|byte| *byte == 0).any(|variable| {
        variable
            .strip_prefix(b"TMPDIR=")
            .is_some_and(|value| Path::new(std::ffi::OsStr::from_bytes(value)).starts_with(folder))
    })
}
