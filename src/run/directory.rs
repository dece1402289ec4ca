//! The run's temporary directory: where it is, and what it is called.

use std::{io, path::PathBuf};

/// Short, because the socket's path has a limit of about 100 bytes.
pub(super) fn make() -> io::Result<tempfile::TempDir> {
    const LONGEST: usize = 60;
    const TRIES: u32 = 100;
    let base = std::env::temp_dir();
    let base = if base.as_os_str().len() > LONGEST {
        PathBuf::from("/tmp")
    } else {
        base
    };
    // Resolved, so that paths in tracebacks can be told to lie below it.
    let base = base.canonicalize()?;
    // The first free number and not a random name: paths are hashed and interned by what runs below them, and two
    // runs of one suite are to be alike. A directory that exists is never used.
    for number in 0..TRIES {
        let made = tempfile::Builder::new()
            .prefix(&format!("leakcheck-{number}"))
            .rand_bytes(0)
            .tempdir_in(&base);
        match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made,
        }
    }
    tempfile::Builder::new()
        .prefix("leakcheck-")
        .tempdir_in(base)
}
