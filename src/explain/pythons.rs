//! Leaks of CPython itself, and of the C library beneath it, that are known: each was seen on a version that has it, and not
//! on one in which it is fixed.

/// A version of Python: major, minor, micro.
type Version = (u32, u32, u32);

/// How such a leak is told from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// A container of the standard library retains the leak, and nothing else does.
    Holder(Holder),
    /// All of it is native memory, and this function of Python's own allocates it.
    Function(&'static str),
    /// All of it is native memory that no function is certain to allocate, and the test ends tracemalloc.
    Tracing,
    /// A cycle through an object of this type, which the collector does not track, retains it.
    Cycle(&'static str),
}

/// A container of the standard library, and what an entry of it has at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// Its name, which is another one in another version.
    pub names: &'static [&'static str],
    /// Blocks: one for a lock; any number for a class of a project's.
    pub blocks: Option<u32>,
    /// Bytes of native memory, those of a lock say.
    pub native: u32,
}

/// A leak that is known.
#[derive(Debug)]
pub struct Known {
    /// How it shows.
    pub sign: Sign,
    /// What happens, in one clause.
    pub what: &'static str,
    /// Number of the issue, or who says so.
    pub source: &'static str,
    /// Where to read about it.
    pub url: &'static str,
    /// The first version with it that leakcheck knows of.
    since: Version,
    /// The first version of each line of releases without it. Lines before the first of these keep it, and those after the
    /// last have not got it.
    fixed: &'static [Version],
}

/// All that are known. A test on each Python shows that it is there, or is not.
pub const KNOWN: [Known; 5] = [
    Known {
        sign: Sign::Holder(Holder {
            names: &["threading._shutdown_locks"],
            blocks: Some(1),
            native: 64,
        }),
        what: "the lock of a thread that is never joined stays",
        source: "gh-81969",
        url: "https://github.com/python/cpython/issues/81969",
        since: (3, 8, 0),
        fixed: &[(3, 9, 6), (3, 10, 0)],
    },
    Known {
        sign: Sign::Holder(Holder {
            names: &["_ctypes._pointer_type_cache", "ctypes._pointer_type_cache"],
            blocks: None,
            native: 256,
        }),
        what: "each type that `ctypes.POINTER` was called with stays",
        source: "gh-100926",
        url: "https://github.com/python/cpython/issues/100926",
        since: (3, 8, 0),
        fixed: &[(3, 14, 0)],
    },
    Known {
        sign: Sign::Tracing,
        what: "`tracemalloc.stop()` keeps the tracebacks that it has seen",
        source: "gh-121390",
        url: "https://github.com/python/cpython/issues/121390",
        since: (3, 9, 0),
        fixed: &[(3, 12, 5), (3, 13, 0)],
    },
    Known {
        sign: Sign::Cycle("UnraisableHookArgs"),
        what: "the collector does not track what `sys.unraisablehook` is called with",
        source: "gh-157443",
        url: "https://github.com/python/cpython/issues/157443",
        since: (3, 8, 0),
        fixed: &[],
    },
    Known {
        sign: Sign::Function("posix.putenv"),
        what: "the C library keeps each value that an environment variable ever had",
        source: "os.putenv",
        url: "https://docs.python.org/3/library/os.html#os.putenv",
        since: (3, 9, 0),
        fixed: &[],
    },
];

impl Known {
    /// Whether a Python of `version`, such as `3.12.1`, has it.
    pub fn is_in(&self, version: &str) -> bool {
        let mut numbers = version.split('.').map(|part| {
            let end = part
                .find(|one: char| !one.is_ascii_digit())
                .unwrap_or(part.len());
            part[..end].parse().unwrap_or(0)
        });
        let mut next = || numbers.next().unwrap_or(0);
        let version: Version = (next(), next(), next());
        let line = |(major, minor, _): &Version| (*major, *minor);
        let fixed = { self.fixed.iter() }.find(|fixed| line(fixed) == line(&version));
        let later = self
            .fixed
            .last()
            .is_some_and(|last| line(last) < line(&version));
        version >= self.since && !later && fixed.is_none_or(|fixed| version < *fixed)
    }

    /// What is known, with where it is fixed.
    pub fn text(&self) -> String {
        let fixed: Vec<String> = { self.fixed.iter() }
            .map(|(major, minor, micro)| match micro {
                0 => format!("{major}.{minor}"),
                _ => format!("{major}.{minor}.{micro}"),
            })
            .collect();
        let Known { what, source, .. } = self;
        match fixed.is_empty() {
            true => format!("{what} ({source})"),
            false => format!("{what} ({source}, fixed in Python {})", fixed.join(" and ")),
        }
    }

    /// What to do about it.
    pub fn advice(&self) -> String {
        let update = match self.fixed {
            [] => "",
            _ => "; a later Python does not have it",
        };
        if let Sign::Cycle(kind) = self.sign {
            return format!(
                "Nothing is wrong in your code ({}), but it can do without: keep what you need of the {kind} rather than itself, or empty what it is kept in when it is dealt with (list.clear(), del). It is a warning; `interpreter = \"deny\"` makes it fail.",
                self.url
            );
        }
        format!(
            "Nothing is wrong in your code: this memory cannot be released from there ({}){update}. It is a warning; `interpreter = \"deny\"` makes it fail.",
            self.url
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(source: &str) -> &'static Known {
        KNOWN.iter().find(|known| known.source == source).unwrap()
    }

    #[test]
    fn a_leak_is_in_some_versions() {
        for (source, with, without) in [
            (
                "gh-81969",
                &["3.8.0", "3.8.18", "3.9.5"][..],
                &["3.9.6", "3.9.18", "3.10.0", "3.15.2"][..],
            ),
            ("gh-100926", &["3.8.1", "3.13.0"], &["3.14.0rc1", "3.15.0"]),
            (
                "gh-121390",
                &["3.9.18", "3.11.7", "3.12.1", "3.12.4+"],
                &["3.8.18", "3.12.5", "3.13.0", "3.14.10"],
            ),
            ("os.putenv", &["3.9.0", "3.15.2"], &["3.8.18"]),
        ] {
            for version in with {
                assert!(of(source).is_in(version), "{source} {version}");
            }
            for version in without {
                assert!(!of(source).is_in(version), "{source} {version}");
            }
        }
        assert!(
            of("gh-121390")
                .text()
                .ends_with("(gh-121390, fixed in Python 3.12.5 and 3.13)")
        );
    }
}
