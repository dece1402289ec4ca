//! The guard of a run's folder: removes it when the run has ended, however that was. A process of its own.

use std::{
    ffi::OsString,
    io,
    os::fd::AsFd,
    path::Path,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use super::{
    Role, begin,
    folder::{self, Mark},
    left, wait_for_end,
};

/// Parents of workers, who hold the folder, need less.
const LIMIT: Duration = Duration::from_secs(6);

/// Argument: the folder; its lock file is the standard output.
pub(super) fn serve(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let (Some(path), Ok(mut control)) = (args.next(), begin(Role::Guard)) else {
        return ExitCode::FAILURE;
    };
    let Ok(mark) = io::stdout().as_fd().try_clone_to_owned() else {
        return ExitCode::FAILURE;
    };
    wait_for_end(&mut control);
    if clear(Path::new(&path), &Mark(mark.into())) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Removes the folder once nobody holds it; says whether it is gone.
fn clear(path: &Path, mark: &Mark) -> bool {
    let begun = Instant::now();
    let lock = loop {
        // The next run removes it, too, and has its number then.
        if !mark.is_at(path) {
            return true;
        }
        let lock = mark.own(path);
        if lock.is_some() || begun.elapsed() > LIMIT {
            break lock;
        }
        thread::sleep(Duration::from_millis(1));
    };
    left::end_strays(path, Duration::from_secs(1));
    folder::remove(path);
    drop(lock);
    !mark.is_at(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_guard_leaves_the_next_run_with_the_same_number_alone() {
        let base = tempfile::tempdir().unwrap();
        let (path, lock) = folder::create(base.path()).unwrap();
        let mark = Mark::of(&path).unwrap();
        drop(lock);
        folder::sweep(base.path());
        let (next, _lock) = folder::create(base.path()).unwrap();
        assert_eq!(next, path);
        assert!(clear(&path, &mark));
        assert!(next.exists());
    }
}
