//! What /proc says of one process. Nothing is sent to it and nothing in it is stopped.

use std::{
    collections::BTreeMap,
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
};

use super::descriptors::{self, Descriptor, Sockets, squeezed};
use crate::files::read::{self, SYSTEM};

/// Bytes of the longest table of sockets that is read: a busy machine has long ones.
const TABLE: u64 = 64 << 20;
/// Characters of a command line that are looked at.
const COMMAND: u64 = 4096;

/// Where the system tells of processes: `/proc`, or a folder of a test.
#[derive(Debug, Clone)]
pub struct Proc(PathBuf);

impl Default for Proc {
    fn default() -> Proc {
        Proc("/proc".into())
    }
}

/// Which process a number means: numbers are given again, with another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// Its number.
    pub pid: i32,
    /// When it was started, in ticks since the machine was.
    pub started: u64,
}

/// The line `stat` of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Which process it is of.
    pub identity: Identity,
    /// The one that started it, or took it over.
    pub parent: i32,
    /// A letter: `R`, `S`, `T` …
    pub state: char,
    /// Bits of the kernel's own.
    flags: u64,
}

impl Stat {
    fn parse(pid: i32, text: &str) -> Option<Stat> {
        // The name stands in parentheses and may hold anything.
        let (_, rest) = text.rsplit_once(')')?;
        let mut words = rest.split_whitespace();
        let state = words.next()?.chars().next()?;
        let parent = words.next()?.parse().ok()?;
        let flags = words.nth(4)?.parse().ok()?;
        let started = words.nth(12)?.parse().ok()?;
        Some(Stat {
            identity: Identity { pid, started },
            parent,
            state,
            flags,
        })
    }

    /// Whether it is a thread of the kernel, which has no memory of its own.
    pub fn is_of_kernel(&self) -> bool {
        const PF_KTHREAD: u64 = 0x0020_0000;
        self.flags & PF_KTHREAD != 0
    }

    /// Whether it has ended, and only its number is left.
    pub fn is_over(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }

    /// Whether somebody has stopped it: a signal, or a debugger.
    pub fn is_stopped(&self) -> bool {
        matches!(self.state, 'T' | 't')
    }
}

impl Proc {
    #[cfg(test)]
    pub(super) fn at(folder: &Path) -> Proc {
        Proc(folder.to_owned())
    }

    /// A file or folder of the process.
    pub fn path(&self, pid: i32, name: &str) -> PathBuf {
        self.0.join(pid.to_string()).join(name)
    }

    fn text(&self, pid: i32, name: &str) -> io::Result<String> {
        let bytes = read::bytes(&self.path(pid, name), TABLE).map_err(|refusal| match refusal {
            read::Refusal::Failed(error) => error,
            read::Refusal::Missing => io::ErrorKind::NotFound.into(),
            other => io::Error::other(other),
        })?;
        // Names of processes and files are any bytes.
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Its state; `None` where there is no such process.
    pub fn stat(&self, pid: i32) -> Option<Stat> {
        Stat::parse(pid, &self.text(pid, "stat").ok()?)
    }

    /// The processes below `root`, theirs included, in the order of their numbers.
    pub fn below(&self, root: i32) -> Vec<Stat> {
        let all: Vec<Stat> = { fs::read_dir(&self.0).into_iter().flatten().flatten() }
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter_map(|pid| self.stat(pid))
            .collect();
        let mut found: BTreeMap<i32, Stat> = BTreeMap::new();
        let mut above = vec![root];
        while let Some(parent) = above.pop() {
            for stat in all.iter().filter(|stat| stat.parent == parent) {
                if stat.identity.pid != root && found.insert(stat.identity.pid, *stat).is_none() {
                    above.push(stat.identity.pid);
                }
            }
        }
        found.into_values().collect()
    }

    /// Bytes that are its own: in memory and shared with no other process, or swapped out.
    pub fn private(&self, pid: i32) -> io::Result<u64> {
        let text = self.text(pid, "smaps_rollup")?;
        if text.is_empty() {
            // As it is while it ends.
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(private_bytes(&text))
    }

    /// What its descriptors lead to.
    pub fn descriptors(&self, pid: i32) -> io::Result<Vec<Descriptor>> {
        let mut links = Vec::new();
        for entry in fs::read_dir(self.path(pid, "fd"))? {
            // One that was closed meanwhile is none.
            if let Ok(link) = entry.and_then(|entry| fs::read_link(entry.path())) {
                links.push(link.to_string_lossy().into_owned());
            }
        }
        let sockets = if links.iter().any(|link| link.starts_with("socket:")) {
            let table = |name: &str| self.text(pid, name).unwrap_or_default();
            Sockets::parse(&table)
        } else {
            Sockets::default()
        };
        Ok(links
            .iter()
            .map(|link| descriptors::described(link, &sockets))
            .collect())
    }

    /// How many threads it has of each name, numbers in names left out.
    pub fn threads(&self, pid: i32) -> io::Result<BTreeMap<String, i64>> {
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(self.path(pid, "task"))? {
            let path = entry?.path().join("comm");
            if let Ok(name) = read::bytes(&path, SYSTEM) {
                let name = String::from_utf8_lossy(&name);
                *found.entry(squeezed(name.trim_end())).or_default() += 1;
            }
        }
        Ok(found)
    }

    /// Its command line, shortened, words apart by spaces; the name of the process where it has none.
    pub fn command(&self, pid: i32) -> String {
        let line = self.arguments(pid);
        if line.trim().is_empty() {
            let name = self.text(pid, "comm").unwrap_or_default();
            return name.trim().to_owned();
        }
        line
    }

    /// Its command line alone: empty while it becomes another program, and when it is over.
    pub fn arguments(&self, pid: i32) -> String {
        let line = read::beginning(&self.path(pid, "cmdline"), COMMAND).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        line.trim_end_matches('\0').replace('\0', " ")
    }

    /// Whether it runs a Python, or has the library of one.
    pub fn is_python(&self, pid: i32) -> bool {
        is_python(&self.program(pid)) || {
            let maps = self.maps(pid);
            // Where a mapping has a name, a path begins.
            maps.lines()
                .filter_map(|line| line.find('/').map(|at| &line[at..]))
                .any(is_python)
        }
    }

    /// What is mapped into its memory, a line each.
    pub fn maps(&self, pid: i32) -> String {
        self.text(pid, "maps").unwrap_or_default()
    }

    /// The program that runs in it; empty where the system does not tell.
    pub fn program(&self, pid: i32) -> String {
        let link = fs::read_link(self.path(pid, "exe")).unwrap_or_default();
        link.to_string_lossy().into_owned()
    }
}

/// A part of a file that is mapped into a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping<'a> {
    /// Addresses.
    pub at: Range<u64>,
    /// The byte of the file that is at the first of them.
    pub offset: u64,
    /// Whether it may be run.
    pub is_code: bool,
    /// Absolute.
    pub path: &'a str,
}

impl<'a> Mapping<'a> {
    /// Out of a line of [`Proc::maps`] such as `7f00-7f80 r-xp 00001000 fe:00 17   /usr/lib/libz.so`; `None` where no file
    /// is mapped.
    pub fn read(line: &'a str) -> Option<Mapping<'a>> {
        let mut words = line.splitn(6, ' ');
        let (start, end) = words.next()?.split_once('-')?;
        let is_code = words.next()?.contains('x');
        let offset = words.next()?;
        let path = words.nth(2)?.trim_start();
        let number = |text: &str| u64::from_str_radix(text, 16).ok();
        path.starts_with('/').then_some(Mapping {
            at: number(start)?..number(end)?,
            offset: number(offset)?,
            is_code,
            path,
        })
    }
}

/// The sum of what belongs to the process alone.
fn private_bytes(rollup: &str) -> u64 {
    // Of pages that are swapped out the system does not say with how many they are shared but in `SwapPss`.
    [
        "Private_Clean:",
        "Private_Dirty:",
        "Private_Hugetlb:",
        "SwapPss:",
    ]
    .iter()
    .filter_map(|name| {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    })
    .sum::<u64>()
    .saturating_mul(1024)
}

/// Whether `path` is the executable of a Python, or its library.
pub(super) fn is_python(path: &str) -> bool {
    let name = Path::new(path).file_name().unwrap_or_default();
    let name = name.to_string_lossy();
    name.starts_with("python") || name.starts_with("libpython")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_has_its_file_and_where_in_it() {
        let line = "7f00-7f80 r-xp 00001000 fe:00 17     /usr/lib/a b.so";
        let found = Mapping::read(line).unwrap();
        assert_eq!((found.at, found.offset), (0x7f00..0x7f80, 0x1000));
        assert!(found.is_code && found.path == "/usr/lib/a b.so");
        for other in [
            "7f00-7f80 rw-p 00000000 00:00 0 ",
            "nonsense",
            "",
            "1-2 r-xp 0 0 0 [vdso]",
        ] {
            assert!(Mapping::read(other).is_none(), "{other}");
        }
    }

    #[test]
    fn a_name_with_parentheses_hides_nothing() {
        let line = "7 (a) S) R 3 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 8192 1 18446744073709551615";
        let stat = Stat::parse(7, line).unwrap();
        assert_eq!((stat.parent, stat.state), (3, 'R'));
        assert_eq!(stat.identity.started, 4711);
        assert!(!stat.is_of_kernel());
        let kernel = "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0";
        assert!(Stat::parse(2, kernel).unwrap().is_of_kernel());
        for cut in 0..line.len() {
            // What is cut off is nothing, or the same.
            let found = Stat::parse(7, &line[..cut]);
            assert!(found.is_none_or(|found| found.parent == 3), "{cut}");
        }
    }

    #[test]
    fn private_is_what_nobody_shares() {
        let rollup = "1-2 ---p 0 00:00 0 [rollup]\nRss: 900 kB\nPss: 300 kB\nShared_Clean: 500 kB\n\
            Private_Clean: 40 kB\nPrivate_Dirty: 116 kB\nPrivate_Hugetlb: 0 kB\nSwap: 9 kB\nSwapPss: 4 kB\n";
        assert_eq!(private_bytes(rollup), 160 * 1024);
        assert_eq!(private_bytes("Private_Dirty: x kB"), 0);
        assert_eq!(private_bytes(""), 0);
    }

    #[test]
    fn this_process_is_seen() {
        let own = i32::try_from(std::process::id()).unwrap();
        let proc = Proc::default();
        assert!(proc.private(own).unwrap() > 100_000);
        assert!(proc.descriptors(own).unwrap().len() >= 3);
        assert!(proc.threads(own).unwrap().values().sum::<i64>() >= 1);
        assert!(!proc.command(own).is_empty() && !proc.program(own).is_empty());
        let parent = proc.stat(own).unwrap().parent;
        let below = proc.below(parent);
        assert!(below.iter().any(|stat| stat.identity.pid == own));
    }

    #[test]
    fn what_is_gone_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let proc = Proc::at(folder.path());
        assert!(proc.stat(7).is_none() && proc.private(7).is_err() && proc.descriptors(7).is_err());
        assert!(proc.below(1).is_empty() && proc.command(7).is_empty());
        std::fs::create_dir(folder.path().join("7")).unwrap();
        std::fs::write(folder.path().join("7/smaps_rollup"), "").unwrap();
        assert!(proc.private(7).is_err());
    }
}
