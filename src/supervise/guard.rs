//! The guard of a run's folder: removes it when the run has ended, however that was. A process of its own.

use std::{
    ffi::OsString,
    path::Path,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use super::{Role, begin, folder, left, wait_for_end};

/// Parents of workers, who hold the folder, need less.
const LIMIT: Duration = Duration::from_secs(6);

/// Argument: the folder.
pub(super) fn serve(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let (Some(path), Ok(mut control)) = (args.next(), begin(Role::Guard)) else {
        return ExitCode::FAILURE;
    };
    wait_for_end(&mut control);
    let path = Path::new(&path);
    let begun = Instant::now();
    let lock = loop {
        let lock = folder::own(path);
        if lock.is_some() || !path.exists() || begun.elapsed() > LIMIT {
            break lock;
        }
        thread::sleep(Duration::from_millis(1));
    };
    left::end_strays(path, Duration::from_secs(1));
    folder::remove(path);
    drop(lock);
    if path.exists() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
