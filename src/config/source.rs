//! Finds the file that holds a project's settings, and reads it.

use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::given::Fault;
use super::schema;
use super::{Config, ConfigError, Overrides, Place};
use crate::files::read::{self, SETTINGS};

/// Our own file, and those that we share.
const OWN: &str = "leakcheck.toml";
const FILES: [&str; 3] = [OWN, "pyproject.toml", CARGO];
const CARGO: &str = "Cargo.toml";

/// Where settings of ours stand in a shared file; a project of extension modules may have no other.
fn tables(file: &Path) -> &'static [&'static str] {
    if file.ends_with(CARGO) {
        &["workspace.metadata.leakcheck", "package.metadata.leakcheck"]
    } else {
        &["tool.leakcheck"]
    }
}

/// A file with settings of ours: its path, and what it says.
type Found = (Overrides, PathBuf);

/// The settings nearest to `project`: in it, or in a parent up to the one that holds `.git`.
pub(super) fn nearest(project: &Path) -> Result<Option<Found>, ConfigError> {
    let project = std::path::absolute(project).unwrap_or_else(|_| project.to_owned());
    for directory in project.ancestors() {
        if let Some(found) = in_directory(directory)? {
            return Ok(Some(found));
        }
        if directory.join(".git").exists() {
            break;
        }
    }
    Ok(None)
}

/// The defaults, out of the embedded file; nothing if it leaves a key out.
pub(super) fn defaults() -> Option<Config> {
    let table = DeTable::parse(super::DEFAULTS).ok()?;
    let all = schema::read(table.get_ref(), "", super::DEFAULTS, Path::new("")).ok()?;
    Some(Config {
        python: all.python?,
        runner: all.runner?,
        paths: all.paths?,
        args: all.args?,
        jobs: all.jobs?,
        budget: all.budget?,
        timeout: all.timeout?,
        thorough: all.thorough?,
        jit: all.jit?,
        warmup: all.warmup?,
        iterations: all.iterations?,
        memory: all.memory?,
        min_judged: all.min_judged?,
        min_rate: all.min_rate?,
        stances: all.stances,
        counters: all.counters?,
        cache: all.cache?,
        cache_days: all.cache_days?,
        deepen: all.deepen?,
        rules: all.rules?,
    })
}

/// The settings in one directory. Where several files have a place for them, all but one must be without any key.
fn in_directory(directory: &Path) -> Result<Option<Found>, ConfigError> {
    let nothing = Overrides::default();
    let mut found: Option<Found> = None;
    for name in FILES {
        let next = read_file(&directory.join(name), directory)?;
        found = match (found, next) {
            (Some(first), Some(second)) if first.0 != nothing && second.0 != nothing => {
                return Err(ConfigError::Twice {
                    first: shown(&first.1),
                    second: shown(&second.1),
                });
            }
            (Some(first), Some(second)) if first.0 == nothing && second.0 != nothing => {
                Some(second)
            }
            (first, second) => first.or(second),
        };
    }
    Ok(found)
}

/// What `file` says, if it is there and has anything to do with us.
fn read_file(file: &Path, directory: &Path) -> Result<Option<Found>, ConfigError> {
    let bytes = match read::bytes(file, SETTINGS) {
        Ok(bytes) => bytes,
        Err(cause) if cause.is_missing() => return Ok(None),
        Err(cause) => {
            return Err(ConfigError::Unreadable {
                file: shown(file),
                cause,
            });
        }
    };
    let own = file.ends_with(OWN);
    // A shared file that does not speak of us is not ours to find fault with.
    if !own && !bytes.windows(9).any(|window| window == b"leakcheck") {
        return Ok(None);
    }
    let content = match std::str::from_utf8(&bytes) {
        // Some editors put a byte order mark at the start.
        Ok(content) => content.strip_prefix('\u{feff}').unwrap_or(content),
        Err(error) => {
            let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let place = Place::at(shown(file), &good, good.len());
            let message = "this file must be UTF-8, and a byte here is not".to_owned();
            return Err(ConfigError::Invalid { place, message });
        }
    };
    let tables = if own { &[] } else { tables(file) };
    let mut overrides =
        parse(content, tables, directory).map_err(|fault| ConfigError::Invalid {
            place: Place::at(shown(file), content, fault.span.start),
            message: fault.message,
        })?;
    for rule in overrides
        .iter_mut()
        .flat_map(|all| &mut all.rules)
        .flatten()
    {
        rule.place.file = shown(file);
    }
    Ok(overrides.map(|overrides| (overrides, file.to_owned())))
}

/// The settings in one of `tables`; in the whole file where there are none.
fn parse(content: &str, tables: &[&str], directory: &Path) -> Result<Option<Overrides>, Fault> {
    let document = DeTable::parse(content).map_err(|error| Fault {
        span: error.span().unwrap_or(0..0),
        // The parser breaks a line before what it expected.
        message: super::text::escape(&error.message().trim().replace('\n', "; ")),
    })?;
    if tables.is_empty() {
        return schema::read(document.get_ref(), "", content, directory).map(Some);
    }
    let mut found = None;
    for name in tables {
        let mut keys = name.split('.');
        let first = keys.next().and_then(|key| document.get_ref().get(key));
        let Some(table) = keys
            .try_fold(first, |table, key| Some(table?.get_ref().get(key)))
            .flatten()
        else {
            continue;
        };
        let DeValue::Table(settings) = table.get_ref() else {
            return Err(Fault {
                span: table.span(),
                message: format!("`{name}` must be a table of settings"),
            });
        };
        if found.is_some() {
            return Err(Fault {
                span: table.span(),
                message: format!(
                    "`{}` has settings too; keep them in one of the two",
                    tables[0]
                ),
            });
        }
        found = Some(schema::read(
            settings,
            &format!("[{name}]"),
            content,
            directory,
        )?);
    }
    Ok(found)
}

/// A path for a message: relative to the current directory where it is below, as other tools print it.
fn shown(file: &Path) -> PathBuf {
    std::env::current_dir()
        .ok()
        .and_then(|current| file.strip_prefix(current).ok().map(Path::to_owned))
        .unwrap_or_else(|| file.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::Choice;

    /// A project directory with the given files, its repository root, and what loading says: the settings or
    /// the message, with the directory's own path left out.
    fn load(files: &[(&str, &[u8])], below: &str) -> Result<(Config, Option<String>), String> {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join(below)).unwrap();
        for (name, content) in files {
            let file = directory.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, content).unwrap();
        }
        let prefix = format!("{}/", directory.path().display());
        let (config, file) = Config::load(&directory.path().join(below))
            .map_err(|error| error.to_string().replace(&prefix, ""))?;
        Ok((
            config,
            file.map(|file| file.display().to_string().replace(&prefix, "")),
        ))
    }

    #[test]
    fn the_nearest_file_with_settings_wins_and_the_repository_is_the_limit() {
        // Files, the one that is to win, its jobs.
        type Row<'a> = (Vec<(&'a str, Vec<u8>)>, Option<&'a str>, usize);
        let jobs = |number: u8| format!("jobs = {number}").into_bytes();
        let shared = |number: u8| format!("[tool.leakcheck]\njobs = {number}").into_bytes();
        let other = b"[tool.other]\njobs = 9".to_vec();
        let cargo = |table: &str, number: u8| {
            format!("[{table}.metadata.leakcheck]\njobs = {number}").into_bytes()
        };
        let table: [Row<'_>; 12] = [
            (vec![], None, 1),
            (
                vec![("a/b/Cargo.toml", cargo("package", 2))],
                Some("a/b/Cargo.toml"),
                2,
            ),
            (
                vec![
                    ("a/Cargo.toml", cargo("workspace", 3)),
                    ("a/b/Cargo.toml", b"[package]\nname = \"x\"".to_vec()),
                    ("a/b/pyproject.toml", other.clone()),
                ],
                Some("a/Cargo.toml"),
                3,
            ),
            (
                vec![
                    ("a/b/Cargo.toml", cargo("workspace", 3)),
                    ("a/b/pyproject.toml", b"[tool.leakcheck]".to_vec()),
                ],
                Some("a/b/Cargo.toml"),
                3,
            ),
            (
                vec![("a/b/leakcheck.toml", jobs(2))],
                Some("a/b/leakcheck.toml"),
                2,
            ),
            (
                vec![("a/b/pyproject.toml", shared(3))],
                Some("a/b/pyproject.toml"),
                3,
            ),
            (
                vec![("a/leakcheck.toml", jobs(4))],
                Some("a/leakcheck.toml"),
                4,
            ),
            (
                vec![
                    ("a/leakcheck.toml", jobs(4)),
                    ("a/b/pyproject.toml", other.clone()),
                ],
                Some("a/leakcheck.toml"),
                4,
            ),
            (
                vec![
                    ("a/leakcheck.toml", jobs(4)),
                    ("a/b/pyproject.toml", shared(5)),
                ],
                Some("a/b/pyproject.toml"),
                5,
            ),
            (
                vec![("leakcheck.toml", jobs(6)), ("a/.git", vec![])],
                None,
                1,
            ),
            (
                vec![("a/leakcheck.toml", jobs(7)), ("a/.git", vec![])],
                Some("a/leakcheck.toml"),
                7,
            ),
            (
                vec![
                    ("a/leakcheck.toml", jobs(7)),
                    ("a/b/leakcheck.toml", vec![]),
                ],
                Some("a/b/leakcheck.toml"),
                1,
            ),
        ];
        for (files, from, jobs) in table {
            let files: Vec<(&str, &[u8])> = files
                .iter()
                .map(|(name, text)| (*name, &text[..]))
                .collect();
            let (config, file) = load(&files, "a/b").unwrap();
            assert_eq!(file.as_deref(), from, "{files:?}");
            assert_eq!(config.jobs, Choice::Given(jobs), "{files:?}");
        }
    }

    #[test]
    fn two_files_with_settings_in_one_directory_are_refused_by_name() {
        let shared: &[u8] = b"[tool.leakcheck]\njobs = 2";
        let error = load(
            &[("leakcheck.toml", b"jobs = 3"), ("pyproject.toml", shared)],
            "",
        )
        .unwrap_err();
        assert_eq!(
            error,
            "both leakcheck.toml and pyproject.toml have leakcheck settings; keep them in one"
        );
        let cargo: &[u8] = b"[workspace.metadata.leakcheck]\njobs = 3";
        let error = load(&[("pyproject.toml", shared), ("Cargo.toml", cargo)], "").unwrap_err();
        assert_eq!(
            error,
            "both pyproject.toml and Cargo.toml have leakcheck settings; keep them in one"
        );
        let table: [(&[u8], &[u8], &str); 3] = [
            (b"# nothing yet", shared, "pyproject.toml"),
            (b"jobs = 2", b"[tool.leakcheck]", "leakcheck.toml"),
            (
                b"jobs = 2",
                b"[project]\nname = \"leakcheck-user\"",
                "leakcheck.toml",
            ),
        ];
        for (own, shared, from) in table {
            let (config, file) =
                load(&[("leakcheck.toml", own), ("pyproject.toml", shared)], "").unwrap();
            assert_eq!(file.as_deref(), Some(from));
            assert_eq!(config.jobs, Choice::Given(2));
        }
    }

    #[test]
    fn a_fault_is_pointed_at_by_line_and_column() {
        let table: [(&str, &[u8], &str); 18] = [
            (
                "Cargo.toml",
                b"[workspace]\nmembers = []\n[workspace.metadata.leakcheck]\nbuget = \"1m\"\n",
                "Cargo.toml:4:1: unknown key `buget` in [workspace.metadata.leakcheck]; did you mean `budget`?",
            ),
            (
                "Cargo.toml",
                b"[package.metadata]\nleakcheck = 1\n",
                "Cargo.toml:2:13: `package.metadata.leakcheck` must be a table of settings",
            ),
            (
                "Cargo.toml",
                b"[workspace.metadata.leakcheck]\njobs = 1\n[package.metadata.leakcheck]\njobs = 2\n",
                "Cargo.toml:3:1: `workspace.metadata.leakcheck` has settings too; keep them in one of the two",
            ),
            (
                "pyproject.toml",
                b"[project]\nname = \"x\"\n\n[tool.leakcheck]\njobs = 2\nbuget = \"1m\"\n",
                "pyproject.toml:6:1: unknown key `buget` in [tool.leakcheck]; did you mean `budget`?",
            ),
            (
                "pyproject.toml",
                b"\xef\xbb\xbf[tool.leakcheck]\r\n# note\r\n  warmup = 0\r\n",
                "pyproject.toml:3:12: `warmup`: expected a whole number from 1 to 100, found 0",
            ),
            (
                "leakcheck.toml",
                b"\xef\xbb\xbfjobs = 0",
                "leakcheck.toml:1:8: `jobs`: expected",
            ),
            (
                "pyproject.toml",
                b"tool.leakcheck.jobs = -1",
                "pyproject.toml:1:23: `jobs`: expected a whole number of at least 1, or \"auto\", found -1",
            ),
            (
                "pyproject.toml",
                b"[tool.leakcheck]\njobs = 1\n[tool.leakcheck.override]\nx = 1\n",
                "pyproject.toml:3:1: `override`: expected tables that begin with [[override]]",
            ),
            (
                "pyproject.toml",
                b"[tool.leakcheck]\njobs = 1\n\n[[tool.leakcheck.override]]\ntests = [\"*\"]\nskip = true\n",
                "pyproject.toml:4:1: this override: `skip` needs a reason",
            ),
            (
                "pyproject.toml",
                b"[tool]\nleakcheck = 3\n",
                "pyproject.toml:2:13: `tool.leakcheck` must be a table of settings",
            ),
            (
                "pyproject.toml",
                b"[[tool.leakcheck]]\njobs = 1\n",
                "pyproject.toml:1:1: `tool.leakcheck` must be a table of settings",
            ),
            (
                "leakcheck.toml",
                b"jobs = 1\nbuget = 2",
                "leakcheck.toml:2:1: unknown key `buget`; did you mean `budget`?",
            ),
            (
                "leakcheck.toml",
                b"jobs = 1\nargs = [\"\xff\"]",
                "leakcheck.toml:2:10: this file must be UTF-8, and a byte here is not",
            ),
            (
                "pyproject.toml",
                b"# leakcheck\n\xff",
                "pyproject.toml:2:1: this file must be UTF-8, and a byte here is not",
            ),
            (
                "leakcheck.toml",
                b"jobs = 1\njobs = 2",
                "leakcheck.toml:2:1: duplicate key",
            ),
            (
                "leakcheck.toml",
                b"jobs = 1\nbudget = \"1m",
                "leakcheck.toml:2:13: invalid basic string, expected `\"`",
            ),
            ("leakcheck.toml", b"jobs =", "leakcheck.toml:1:7: "),
            (
                "pyproject.toml",
                b"[tool.leakcheck\njobs = 1",
                "pyproject.toml:1:16: unclosed table, expected `]`",
            ),
        ];
        for (name, content, expected) in table {
            let error = load(&[(name, content)], "").expect_err(expected);
            assert!(error.starts_with(expected), "{error}\nexpected {expected}");
            assert_eq!(error.lines().count(), 1, "{error:?}");
        }
    }

    #[test]
    fn a_shared_file_that_has_nothing_for_us_is_not_judged() {
        for content in [
            &b"this is = not TOML = at all"[..],
            b"\xff\xfe",
            b"[tool.black]\nline-length = 3",
        ] {
            for file in ["pyproject.toml", "Cargo.toml"] {
                assert_eq!(load(&[(file, content)], "").unwrap().1, None);
            }
        }
    }

    #[test]
    fn paths_of_a_file_in_a_parent_are_relative_to_that_parent() {
        let directory = tempfile::tempdir().unwrap();
        let project = directory.path().join("a/b");
        fs::create_dir_all(&project).unwrap();
        fs::write(directory.path().join(OWN), "paths = [\"tests\"]").unwrap();
        let (config, _) = Config::load(&project).unwrap();
        assert_eq!(config.paths, [directory.path().join("tests")]);
    }

    #[test]
    fn files_below_the_current_directory_are_shown_relative_to_it() {
        let current = std::env::current_dir().unwrap();
        assert_eq!(shown(&current.join("a/x.toml")), Path::new("a/x.toml"));
        assert_eq!(shown(Path::new("/x.toml")), Path::new("/x.toml"));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_an_error_with_its_cause() {
        let error = load(&[("leakcheck.toml/inside", b"")], "").unwrap_err();
        assert!(
            error.starts_with("leakcheck.toml: it is no file"),
            "{error}"
        );
    }
}
