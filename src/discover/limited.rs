//! Runs a program for so long at most, and ends what it started with it.

use std::{io, os::unix::process::CommandExt, process::Output, time::Duration};

use duct::Expression;
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

/// What a program said and how it ended; `None` where it took longer than `limit`.
pub(super) fn run(program: &Expression, limit: Duration) -> io::Result<Option<Output>> {
    let process = program
        .stdin_null()
        .stdout_capture()
        .stderr_capture()
        .unchecked()
        // Its own group, so that what a wrapper script started can be ended with it.
        .before_spawn(|command| {
            command.process_group(0);
            Ok(())
        })
        .start()?;
    if let Some(output) = process.wait_timeout(limit)? {
        return Ok(Some(output.clone()));
    }
    for id in process.pids() {
        let group = Pid::from_raw(i32::try_from(id).expect("process ids fit"));
        // It may have ended by itself meanwhile.
        let _ = killpg(group, Signal::SIGKILL);
    }
    // Reaps it. Not without limit: what left the group can still hold the pipes open.
    let _ = process.wait_timeout(Duration::from_secs(2));
    Ok(None)
}
