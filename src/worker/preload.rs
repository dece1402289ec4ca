//! The library that is preloaded into a worker: a file in memory, so that no folder has to allow programs in it.

use std::{
    env,
    fs::File,
    io::{self, Write},
    os::fd::AsRawFd,
};

use crate::bridge;

/// The variable by which the loader is told.
const VARIABLE: &str = "LD_PRELOAD";

/// The library, as long as workers may start with it.
#[derive(Debug)]
pub struct Preload {
    /// Keeps the file in memory.
    _file: File,
    path: String,
}

impl Preload {
    /// Makes the file; where this program carries no library or the system has no such files, why not.
    pub fn make() -> Result<Preload, String> {
        if bridge::TRACER.is_empty() {
            return Err("this leakcheck was built without the library for it".to_owned());
        }
        let file = in_memory(bridge::TRACER).map_err(|error| error.to_string())?;
        // The loader of the worker opens it through this process, whatever it inherits.
        let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
        Ok(Preload { _file: file, path })
    }

    /// What the loader is told.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Variables of a worker's environment: what the user has preloaded stays.
    pub(crate) fn variables(&self) -> [(&'static str, String); 1] {
        let theirs = env::var(VARIABLE).ok().filter(|theirs| !theirs.is_empty());
        let all = theirs.map_or_else(
            || self.path.clone(),
            |theirs| format!("{}:{theirs}", self.path),
        );
        [(VARIABLE, all)]
    }
}

#[cfg(target_os = "linux")]
fn in_memory(bytes: &[u8]) -> io::Result<File> {
    use rustix::fs::{MemfdFlags, memfd_create};
    let mut file = File::from(memfd_create("leakcheck-tracer", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    Ok(file)
}

#[cfg(not(target_os = "linux"))]
fn in_memory(_: &[u8]) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::read;

    #[test]
    fn others_read_it_by_its_path() {
        let preload = Preload::make().unwrap();
        let path = std::path::Path::new(preload.path());
        assert_eq!(read::bytes(path, 1 << 20).unwrap(), bridge::TRACER);
        assert!(preload.variables()[0].1.starts_with(preload.path()));
    }
}
