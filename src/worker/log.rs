//! What a worker prints: only its end is read, and it is kept from filling the disk.

use std::{
    fs::{File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use crate::files::read;

/// As much as is read: the last words, and the stacks of a crash.
const TAIL: u64 = 64 << 10;
/// It is cut when it grows beyond this many bytes between two orders,
const BETWEEN: u64 = 4 << 20;
/// or this many while a test runs.
const WITHIN: u64 = 64 << 20;

/// A worker's standard output and error.
#[derive(Debug)]
pub(crate) struct Log(PathBuf);

impl Log {
    /// Opens it for a worker. What is written goes to its end, so cutting it moves nobody's position.
    pub(crate) fn open(path: &Path) -> io::Result<(Log, File)> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok((Log(path.to_owned()), file))
    }

    /// The end of it.
    pub(crate) fn tail(&self) -> String {
        String::from_utf8_lossy(&read::end(&self.0, TAIL)).into_owned()
    }

    /// Its last line that is not empty.
    pub(crate) fn last_line(&self) -> Option<String> {
        self.tail()
            .lines()
            .rev()
            .map(str::trim)
            .find(|line| !line.is_empty())
            .map(|line| line.chars().take(300).collect())
    }

    /// Cuts it where it is long, before an order.
    pub(crate) fn trim(&self) {
        self.cut(BETWEEN);
    }

    /// Cuts it where it runs away, while a test runs: what a test prints is needed by nobody, its memory and our disk are.
    pub(crate) fn hold(&self) {
        self.cut(WITHIN);
    }

    fn cut(&self, limit: u64) {
        if self.0.metadata().is_ok_and(|found| found.len() > limit) {
            let _ = OpenOptions::new()
                .write(true)
                .open(&self.0)
                .and_then(|file| file.set_len(0));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn only_the_end_is_read_and_a_runaway_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let (log, mut file) = Log::open(&path).unwrap();
        file.set_len(WITHIN).unwrap();
        file.write_all(b"\nlast words\n\n").unwrap();
        assert!(log.tail().len() <= usize::try_from(TAIL).unwrap());
        assert_eq!(log.last_line().as_deref(), Some("last words"));
        log.hold();
        assert_eq!(path.metadata().unwrap().len(), 0);
        file.write_all(b"more").unwrap();
        log.hold();
        assert_eq!(log.tail(), "more");
    }
}
