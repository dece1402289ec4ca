//! The parent of one worker: says how the worker ended, and ends what it leaves. A process of its own.

use std::{
    ffi::OsString,
    io::{self, Read, Write},
    os::{
        fd::AsFd,
        unix::{
            net::UnixStream,
            process::{CommandExt, ExitStatusExt},
        },
    },
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
    time::Duration,
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{Signal, killpg},
        wait::{WaitPidFlag, waitpid},
    },
};
use signal_hook::consts::SIGCHLD;

use super::{Role, begin, folder, left, pid_of};

/// What cannot be ended in this time (it waits for a disk, or belongs to another user) stays.
const LIMIT: Duration = Duration::from_secs(5);

/// Arguments: the run's folder, and the command.
pub(super) fn serve(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let (Some(folder), Some(program)) = (args.next(), args.next()) else {
        return ExitCode::FAILURE;
    };
    let mut command = Command::new(program);
    // Its own process group, so that what the tests start can be ended with it.
    command.args(args).stdin(Stdio::null()).process_group(0);
    match watch(Path::new(&folder), &mut command) {
        Ok(true) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn watch(folder: &Path, command: &mut Command) -> io::Result<bool> {
    let mut control = begin(Role::Parent)?;
    // As long as it is held nobody removes the folder.
    let _lock = folder::share(folder);
    // Whoever loses the parent becomes a child of ours, whatever session or group it is in.
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_child_subreaper(true)?;
    let (mut ended, wakes) = UnixStream::pair()?;
    ended.set_nonblocking(true)?;
    signal_hook::low_level::pipe::register(SIGCHLD, wakes)?;
    let mut worker = match command.spawn() {
        Ok(worker) => worker,
        Err(error) => {
            let number = error.raw_os_error().unwrap_or_default();
            writeln!(control, "error {number}")?;
            return Ok(true);
        }
    };
    let group = pid_of(&worker);
    // Where nobody reads it any more, the socket is closed and says so below.
    let _ = writeln!(control, "pid {group}");
    loop {
        let mut both = [&control, &ended].map(|one| PollFd::new(one.as_fd(), PollFlags::POLLIN));
        match poll(&mut both, PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(_) => break,
        }
        let asked = both[0].any().unwrap_or(true);
        let _ = ended.read(&mut [0; 64]);
        if let Some(status) = reap(&mut worker)? {
            let _ = writeln!(control, "status {}", status.into_raw());
            break;
        }
        if asked {
            break;
        }
    }
    let _ = killpg(group, Signal::SIGKILL);
    Ok(left::end_children(LIMIT))
}

/// Waits for what has ended, so that nothing stays a zombie. How the worker ended is told apart.
fn reap(worker: &mut Child) -> io::Result<Option<std::process::ExitStatus>> {
    let own = pid_of(worker);
    for pid in left::children() {
        if pid != own {
            let _ = waitpid(pid, Some(WaitPidFlag::WNOHANG));
        }
    }
    worker.try_wait()
}
