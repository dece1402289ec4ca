//! The Python that runs the tests: where it is found, and what it says about itself.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::probe::{self, Answer, Paths};
use super::refusal::InterpreterError;
pub use super::search::{Env, Origin};
use super::search::{named, unnamed};
use crate::config::text;

/// The oldest Python that the bridge runs on.
const OLDEST: (u8, u8) = (3, 8);

/// The newest Python that this was tried on.
pub const NEWEST: (u8, u8) = (3, 15);

/// How long an interpreter may take to say what it is. A cold start from a network drive takes seconds.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The C library an interpreter is linked with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Libc {
    /// GNU's, major and minor version.
    Glibc(u32, u32),
    /// musl, which tells no version.
    Musl,
    /// Any other, by name.
    Other(String),
}

impl Libc {
    fn new(name: &str, version: &str) -> Libc {
        let mut numbers = version.split('.').map(str::parse);
        match (name, numbers.next(), numbers.next()) {
            ("glibc", Some(Ok(major)), Some(Ok(minor))) => Libc::Glibc(major, minor),
            ("musl", ..) => Libc::Musl,
            ("", ..) => Libc::Other("unknown".to_owned()),
            _ => Libc::Other(format!("{name} {version}").trim_end().to_owned()),
        }
    }
}

impl fmt::Display for Libc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Libc::Glibc(major, minor) => write!(f, "glibc {major}.{minor}"),
            Libc::Musl => write!(f, "musl"),
            Libc::Other(name) => write!(f, "{}", text::escape(name)),
        }
    }
}

/// The best function there is for the bytes that malloc has given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mallinfo {
    /// `mallinfo2`, 64 bits.
    Two,
    /// `mallinfo`, 32 bits that wrap.
    One,
    /// Neither.
    Absent,
}

/// An interpreter that can run the tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Interpreter {
    /// What to start. Links are kept, for Python finds its virtual environment by the path it is started by; wrapper
    /// scripts too, for what they set up.
    #[serde(serialize_with = "lossy")]
    pub path: PathBuf,
    /// What led to it.
    pub origin: Origin,
    /// What it calls itself (`sys.executable`); other than `path` where that is a wrapper script.
    pub executable: PathBuf,
    /// Major, minor and micro.
    pub version: (u8, u8, u8),
    /// As Python prints it, such as `3.14.0rc1`.
    pub version_text: String,
    /// `CPython`.
    pub implementation: String,
    /// Such as `linux` or `darwin`.
    pub platform: String,
    /// Such as `x86_64`.
    pub machine: String,
    /// The C library.
    pub libc: Libc,
    /// A debug build.
    pub debug: bool,
    /// What `sys.gettotalrefcount` says of it, where it is one.
    pub references: Option<i64>,
    /// A build that can do without the global lock.
    pub free_threaded: bool,
    /// Whether it has the lock all the same.
    pub gil: bool,
    /// Whether its just-in-time compiler is on, as the tests would have it.
    pub jit: bool,
    /// Whether Python counts the blocks it has given out, which it does with its own allocator only.
    pub pymalloc: bool,
    /// `PYTHONMALLOC`, as the tests would see it.
    pub python_malloc: Option<String>,
    /// Whether it was built with an allocator of its own that counts, in use or not.
    pub own_malloc: bool,
    /// How to ask malloc.
    pub mallinfo: Mallinfo,
    /// The version of pytest, or `unknown` where it is there without one.
    pub pytest: Option<String>,
    /// The pytest plugins that would load by themselves, by entry point name.
    pub plugins: Vec<String>,
    /// Where it keeps its files.
    pub paths: Paths,
}

impl Interpreter {
    /// The interpreter for `project`: the one named, which may be a path, a program on PATH or the folder of a
    /// virtual environment; else the active virtual environment's, that of one in the project, or the first on PATH.
    pub fn find(
        explicit: Option<&Path>,
        project: &Path,
        env: &Env,
    ) -> Result<Interpreter, InterpreterError> {
        if cfg!(windows) {
            return Err(InterpreterError::Windows);
        }
        let (origin, path) = match explicit {
            Some(name) => (Origin::Given, named(name, env)?),
            None => unnamed(project, env)?,
        };
        let answer = probe::ask(&path, project, TIMEOUT)?;
        Interpreter::new(origin, path, answer)
    }

    /// Whether it came out after this was written: what the bridge asks of it may be gone.
    pub fn is_newer(&self) -> bool {
        (self.version.0, self.version.1) > NEWEST
    }

    /// The value of `PYTHONMALLOC` with which it counts, where the one that the user has takes that from it: the same
    /// checks, and Python's own allocator under them.
    pub fn counting_malloc(&self) -> Option<&'static str> {
        match self.python_malloc.as_deref() {
            Some("malloc") if self.own_malloc && !self.free_threaded => Some("pymalloc"),
            Some("malloc_debug") if self.own_malloc && !self.free_threaded => {
                Some("pymalloc_debug")
            }
            _ => None,
        }
    }

    fn new(origin: Origin, path: PathBuf, answer: Answer) -> Result<Interpreter, InterpreterError> {
        let Answer {
            version,
            version_text,
            implementation,
            facts,
        } = answer;
        if implementation != "CPython" {
            return Err(InterpreterError::NotCPython {
                path,
                implementation,
                version: version_text,
            });
        }
        let facts = match facts {
            Some(facts) if (version.0, version.1) >= OLDEST => facts,
            _ => {
                return Err(InterpreterError::TooOld {
                    path,
                    version: version_text,
                });
            }
        };
        Ok(Interpreter {
            path,
            origin,
            executable: facts.executable.into(),
            version,
            version_text,
            implementation,
            platform: facts.platform,
            machine: facts.machine,
            libc: Libc::new(&facts.libc.0, &facts.libc.1),
            debug: facts.debug,
            references: facts.references,
            free_threaded: facts.free_threaded,
            gil: facts.gil,
            jit: facts.jit,
            pymalloc: facts.pymalloc,
            python_malloc: facts.python_malloc,
            own_malloc: facts.own_malloc,
            mallinfo: match facts.mallinfo.as_deref() {
                Some("mallinfo2") => Mallinfo::Two,
                Some(_) => Mallinfo::One,
                None => Mallinfo::Absent,
            },
            pytest: facts.pytest,
            plugins: facts.plugins,
            paths: facts.paths,
        })
    }
}

impl fmt::Display for Interpreter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = text::escape(&self.version_text);
        write!(
            f,
            "{} {version} ({})",
            self.implementation,
            text::show(&self.path)
        )
    }
}

/// JSON has no bytes that are not Unicode; a report with a replaced character beats none.
fn lossy<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::probe::tests::executable;
    use super::super::search::tests::Place;
    use super::*;
    use std::fs;
    use std::os::unix::ffi::OsStringExt;

    /// An interpreter that is there only by name.
    pub(in crate::discover) fn interpreter_with(pytest: Option<&str>) -> Interpreter {
        let facts = serde_json::json!({
            "executable": "/env/bin/python", "platform": "linux", "machine": "x86_64", "libc": ["glibc", "2.36"],
            "debug": false, "references": null, "free_threaded": false, "gil": true, "jit": false, "pymalloc": true, "python_malloc": null, "own_malloc": true,
            "mallinfo": "mallinfo", "pytest": pytest, "plugins": [],
            "paths": {
                "prefix": "/env", "base_prefix": "/usr", "stdlib": "/usr/lib/python3", "user_site": null,
                "platstdlib": "/usr/lib/python3", "purelib": "/env/lib", "platlib": "/env/lib", "site_packages": [],
            },
        });
        let answer = Answer {
            version: (3, 12, 1),
            version_text: "3.12.1".into(),
            implementation: "CPython".into(),
            facts: Some(serde_json::from_value(facts).unwrap()),
        };
        Interpreter::new(Origin::Given, "/env/bin/python".into(), answer).unwrap()
    }

    #[test]
    fn the_python_on_path_says_what_it_is_and_the_link_to_it_is_kept() {
        let env = Env::of_process();
        let program = env
            .which(Path::new("python3"))
            .expect("the tests need python3");
        let place = Place::new(&[]);
        let bin = place.0.path().join(".venv/bin");
        fs::create_dir_all(&bin).unwrap();
        std::os::unix::fs::symlink(&program, bin.join("python")).unwrap();
        let env = Env {
            path: std::env::var_os("PATH").unwrap(),
            ..place.env()
        };
        let python = Interpreter::find(None, place.0.path(), &env).unwrap();
        assert_eq!(
            (python.path.as_path(), python.origin),
            (&*bin.join("python"), Origin::Project)
        );
        assert!(
            python.version >= (3, 8, 0) && python.implementation == "CPython",
            "{python}"
        );
        assert!(
            python
                .version_text
                .starts_with(&format!("{}.{}.", python.version.0, python.version.1))
        );
        assert!(
            python.paths.stdlib.join("os.py").is_file(),
            "{:?}",
            python.paths
        );
        assert_ne!(python.libc, Libc::Other("unknown".into()));
        serde_json::to_string(&python).unwrap();
    }

    #[test]
    fn a_path_that_is_not_unicode_can_still_be_reported() {
        let name = std::ffi::OsString::from_vec(b"py\xff".to_vec());
        let json = lossy(Path::new(&name), serde_json::value::Serializer).unwrap();
        assert_eq!(json, "py\u{fffd}");
    }

    #[test]
    fn a_broken_environment_is_an_error_and_not_passed_over() {
        let place = Place::new(&["usr/python3"]);
        let bin = place.0.path().join(".venv/bin");
        fs::create_dir_all(&bin).unwrap();
        std::os::unix::fs::symlink("/gone/python3.9", bin.join("python")).unwrap();
        let error = Interpreter::find(None, place.0.path(), &place.env()).unwrap_err();
        assert_eq!(
            place.relative(error),
            ".venv/bin/python cannot be executed: it is a link to /gone/python3.9, which does not exist"
        );
        let plain = place.0.path().join("plain");
        fs::write(&plain, "").unwrap();
        let error = Interpreter::find(Some(&plain), place.0.path(), &place.env()).unwrap_err();
        assert!(
            place
                .relative(error)
                .starts_with("plain cannot be executed: Permission denied")
        );
    }

    #[test]
    fn a_python_that_is_too_old_or_another_is_refused() {
        let place = Place::new(&[]);
        let table = [
            (
                "[2,7,18]",
                "2.7.18",
                "CPython",
                "leakcheck needs Python 3.8 or newer; py is 2.7.18",
            ),
            (
                "[3,7,16]",
                "3.7.16",
                "CPython",
                "leakcheck needs Python 3.8 or newer; py is 3.7.16",
            ),
            (
                "[3,10,14]",
                "3.10.14",
                "PyPy",
                "leakcheck supports only CPython for now; py is PyPy, version 3.10.14",
            ),
        ];
        for (version, text, implementation, expected) in table {
            let script = format!(
                "#!/bin/sh\necho 'leakcheck-probe: {{\"version\":{version},\"version_text\":\"{text}\",\
                 \"implementation\":\"{implementation}\"}}'"
            );
            executable(&place.0.path().join("py"), &script);
            let error = Interpreter::find(Some(Path::new("./py")), place.0.path(), &place.env())
                .unwrap_err();
            assert_eq!(place.relative(error).replace("./", ""), expected);
        }
    }

    #[test]
    fn what_the_probe_says_is_taken_over() {
        let json = serde_json::to_value(interpreter_with(Some("8.0"))).unwrap();
        let table = [
            ("path", "\"/env/bin/python\""),
            ("origin", "\"given\""),
            ("version", "[3,12,1]"),
            ("libc", "{\"glibc\":[2,36]}"),
            ("mallinfo", "\"one\""),
            ("pytest", "\"8.0\""),
        ];
        for (field, expected) in table {
            assert_eq!(json[field].to_string(), expected, "{field}");
        }
        assert_eq!(json["paths"]["prefix"], "/env");
    }

    #[test]
    fn c_libraries_are_told_apart() {
        let table = [
            (("glibc", "2.36"), Libc::Glibc(2, 36)),
            (("glibc", "2.41.9000"), Libc::Glibc(2, 41)),
            (("musl", ""), Libc::Musl),
            (("macOS", "14.1"), Libc::Other("macOS 14.1".into())),
            (("glibc", "new"), Libc::Other("glibc new".into())),
            (("", ""), Libc::Other("unknown".into())),
        ];
        for ((name, version), expected) in table {
            assert_eq!(Libc::new(name, version), expected);
        }
    }
}
