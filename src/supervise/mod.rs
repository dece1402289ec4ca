//! What outlives us: each worker has a parent of our own that ends with it whatever is left, and the run's folder a
//! guard that removes it. Both learn of our end, however we end, by a socket that closes.

mod child;
mod folder;
mod guard;
mod left;
mod parent;

use std::{
    env,
    io::{self, Read},
    os::{
        fd::{AsFd, OwnedFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    process::{self, Child, Command, Stdio},
    sync::{Arc, atomic::AtomicBool},
    thread,
    time::{Duration, Instant},
};

use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

pub use child::{Ending, Supervised};
pub use folder::{Folder, unusable};
pub use left::parent_of;

/// As what we start ourselves: the first argument, which nobody else gives us.
#[derive(Clone, Copy)]
enum Role {
    Parent,
    Guard,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Role::Parent => "leakcheck-parent",
            Role::Guard => "leakcheck-guard",
        }
    }

    /// A command that starts our own executable in this role, out of reach of a terminal's keys, and our end of the
    /// socket by which it learns that we are gone.
    fn command(self) -> io::Result<(Command, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        let mut command = Command::new(executable()?);
        command
            .arg0(self.name())
            .process_group(0)
            .stdin(Stdio::from(OwnedFd::from(theirs)));
        Ok((command, ours))
    }
}

/// Where our own executable is; also when it was replaced meanwhile.
pub fn executable() -> io::Result<std::path::PathBuf> {
    if cfg!(target_os = "linux") {
        Ok("/proc/self/exe".into())
    } else {
        env::current_exe()
    }
}

/// Does what this process was started for, where it was started by us; `None` where a user did.
pub fn serve() -> Option<process::ExitCode> {
    let mut args = env::args_os();
    let name = args.next()?;
    let is = |role: Role| name == role.name();
    if is(Role::Parent) {
        Some(parent::serve(args))
    } else if is(Role::Guard) {
        Some(guard::serve(args))
    } else {
        None
    }
}

/// What both roles begin with: the socket to those who started us. Signals that end others do not end us, and what we
/// start gets them with their usual meaning.
fn begin(role: Role) -> io::Result<UnixStream> {
    for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    #[cfg(target_os = "linux")]
    if let Ok(name) = std::ffi::CString::new(role.name()) {
        // Or it would be listed as `exe`.
        let _ = nix::sys::prctl::set_name(&name);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = role;
    Ok(io::stdin().as_fd().try_clone_to_owned()?.into())
}

/// Waits until those who started us are gone, or want us to go.
fn wait_for_end(control: &mut UnixStream) {
    let mut byte = [0];
    while let Err(error) = control.read(&mut byte) {
        if error.kind() != io::ErrorKind::Interrupted {
            return;
        }
    }
}

/// Waits for a process of ours, but not for ever; says whether it ended as it should.
fn wait(child: &mut Child, limit: Duration) -> bool {
    let begun = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if begun.elapsed() < limit => thread::sleep(Duration::from_millis(1)),
            _ => return false,
        }
    }
}

/// The number of a process that was just started.
fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap_or_default())
}
