//! Reads the text of test files for signs that they were written for pytest.
//!
//! A cheap look, not a parse: statements that begin a line at the top of a module, outside of triple-quoted strings.
//! At most [`MAX_FILES`] files are read, the first [`MAX_BYTES`] of each. Links to folders are not followed, and
//! folders are passed over that are hidden, hold a virtual environment, or hold what was built or downloaded.

use std::path::{Path, PathBuf};

use crate::files::read;

/// Enough to meet the style of any suite; the first sign ends the search.
const MAX_FILES: usize = 2_000;
/// Entries of folders that are looked at, test files or not.
const MAX_ENTRIES: usize = 100_000;
const MAX_BYTES: u64 = 256 * 1024;

const SKIPPED_FOLDERS: [&str; 7] = [
    "node_modules",
    "build",
    "dist",
    "target",
    "site-packages",
    "__pycache__",
    "__pypackages__",
];

/// That a test file was written for pytest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sign {
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
    /// The statement, as it stands there.
    pub statement: String,
    /// False for a test class with a base that may or may not be a `TestCase`.
    pub certain: bool,
}

/// The first certain sign in the test files of `places`, else the first uncertain one.
pub(super) fn pytest_sign(places: &[PathBuf]) -> Option<Sign> {
    let mut uncertain = None;
    let mut files = TestFiles {
        pending: places.iter().rev().cloned().collect(),
        entries: 0,
    };
    for file in files.by_ref().take(MAX_FILES) {
        let Some(sign) = sign_in_file(&file) else {
            continue;
        };
        if sign.certain {
            return Some(sign);
        }
        uncertain.get_or_insert(sign);
    }
    uncertain
}

/// The test files of folders, in the order of their names; a file that was named counts whatever its name.
struct TestFiles {
    pending: Vec<PathBuf>,
    entries: usize,
}

impl Iterator for TestFiles {
    type Item = PathBuf;

    fn next(&mut self) -> Option<PathBuf> {
        while let Some(path) = self.pending.pop() {
            if !path.is_dir() {
                return Some(path);
            }
            let mut inside: Vec<PathBuf> = path
                .read_dir()
                .into_iter()
                .flatten()
                .flatten()
                .take(MAX_ENTRIES.saturating_sub(self.entries))
                .inspect(|_| self.entries += 1)
                .filter(|entry| match entry.file_type() {
                    Ok(kind) if kind.is_dir() => is_worth_entering(&entry.path()),
                    // A link to a file is as good as the file; one to a folder may lead in circles.
                    Ok(_) => is_test_file(&entry.path()) && entry.path().is_file(),
                    Err(_) => false,
                })
                .map(|entry| entry.path())
                .collect();
            inside.sort_unstable_by(|a, b| b.cmp(a));
            self.pending.append(&mut inside);
        }
        None
    }
}

fn is_worth_entering(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    !(name.starts_with('.')
        || name.ends_with(".egg-info")
        || SKIPPED_FOLDERS.contains(&&*name)
        || folder.join("pyvenv.cfg").exists())
}

fn is_test_file(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(".py");
    stem.is_some_and(|stem| {
        stem.starts_with("test") || stem.ends_with("_test") || stem == "conftest"
    })
}

fn sign_in_file(file: &Path) -> Option<Sign> {
    let bytes = read::beginning(file, MAX_BYTES).ok()?;
    let source = String::from_utf8_lossy(&bytes);
    let (line, certain) = sign_in(&source)?;
    let statement = source
        .lines()
        .nth(line - 1)
        .unwrap_or_default()
        .trim()
        .to_owned();
    Some(Sign {
        file: file.to_owned(),
        line,
        statement,
        certain,
    })
}

/// What kind of class the lines below belong to.
enum Class {
    /// None, or one without meaning for us.
    Other,
    /// A header that is not complete yet: its line, and its text so far.
    Open(usize, String),
    /// A test class, and whether it surely is no `TestCase`: pytest collects it if it has a test.
    Plain(usize, bool),
}

/// The line of the first certain sign in `source` and true, else that of the first uncertain one and false.
fn sign_in(source: &str) -> Option<(usize, bool)> {
    let mut uncertain = None;
    let mut quote = None;
    let mut class = Class::Other;
    for (index, line) in source.trim_start_matches('\u{feff}').lines().enumerate() {
        let in_string = quote.is_some();
        quote = quote_after(line, quote);
        if in_string || line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if let Class::Open(start, header) = class {
            class = class_of(start, header + line.trim());
            continue;
        }
        if line.starts_with([' ', '\t']) {
            if let Class::Plain(start, certain) = class
                && is_test(line.trim_start(), "def test")
            {
                if certain {
                    return Some((start, true));
                }
                uncertain.get_or_insert(start);
            }
            continue;
        }
        if imports_pytest(line) || is_test(line, "def test_") {
            return Some((index + 1, true));
        }
        class = if line.starts_with("class Test") {
            class_of(index + 1, line.trim().to_owned())
        } else {
            Class::Other
        };
    }
    uncertain.map(|line| (line, false))
}

/// The class that a header begins, once its bases are known.
fn class_of(start: usize, header: String) -> Class {
    let code = header.split('#').next().unwrap_or_default().trim_end();
    if !code.ends_with(':') && !code.contains("):") && header.len() < 2_000 {
        return Class::Open(start, header);
    }
    let bases = code
        .split_once('(')
        .and_then(|(_, rest)| rest.rsplit_once(')'));
    match bases.map_or("", |(bases, _)| bases.trim()) {
        "" | "object" => Class::Plain(start, true),
        bases if bases.contains("TestCase") => Class::Other,
        _ => Class::Plain(start, false),
    }
}

fn is_test(statement: &str, beginning: &str) -> bool {
    statement
        .strip_prefix("async ")
        .unwrap_or(statement)
        .trim_start()
        .starts_with(beginning)
}

/// Whether a line is an import of pytest or of a part of it.
fn imports_pytest(line: &str) -> bool {
    let is_pytest = |module: &str| {
        let root = module
            .split(['.', ' ', '#', ';'])
            .next()
            .unwrap_or_default();
        root == "pytest" || root == "_pytest"
    };
    if let Some(modules) = line.strip_prefix("import ") {
        return modules.split(',').any(|module| is_pytest(module.trim()));
    }
    line.strip_prefix("from ")
        .is_some_and(|module| is_pytest(module.trim()))
}

/// The triple quote that is open after `line`, given the one that was before it.
fn quote_after(line: &str, mut open: Option<&'static str>) -> Option<&'static str> {
    let mut rest = line;
    loop {
        if let Some(quote) = open {
            let Some(end) = rest.find(quote) else {
                return open;
            };
            rest = &rest[end + quote.len()..];
            open = None;
        } else {
            let first = ["\"\"\"", "'''"]
                .into_iter()
                .filter_map(|quote| Some((rest.find(quote)?, quote)))
                .min();
            // A comment's quotes open nothing.
            let (start, quote) = first.filter(|(start, _)| !rest[..*start].contains('#'))?;
            rest = &rest[start + quote.len()..];
            open = Some(quote);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::suite::tests::tree;
    use super::*;

    #[test]
    fn signs_are_statements_at_the_top_of_a_module() {
        let table = [
            ("import pytest\n", Some((1, true))),
            ("import os, pytest # x\r\n", Some((1, true))),
            ("\u{feff}import pytest as pt\n", Some((1, true))),
            ("x = 1\nfrom pytest import raises\n", Some((2, true))),
            (
                "from _pytest.monkeypatch import MonkeyPatch\n",
                Some((1, true)),
            ),
            ("import pytest_plugin_helper\n", None),
            (
                "try:\n    import pytest\nexcept ImportError:\n    pytest = None\n",
                None,
            ),
            ("def test_a():\n    pass\n", Some((1, true))),
            ("async def test_a():\n    pass\n", Some((1, true))),
            ("def testing():\n    pass\n", None),
            ("class TestA:\n    def test_a(self): ...\n", Some((1, true))),
            (
                "class TestA(object):\n\n    x = 1\n    async def test_a(self): ...\n",
                Some((1, true)),
            ),
            ("class TestServer:\n    def start(self): ...\n", None),
            (
                "class TestServer:\n    pass\n\nclass B:\n    def test_a(self): ...\n",
                None,
            ),
            (
                "class TestA(unittest.TestCase):\n    def test_a(self): ...\n",
                None,
            ),
            (
                "class TestA(Base):\n    def test_a(self): ...\n",
                Some((1, false)),
            ),
            (
                "class TestA(Base):\n    def test_a(self): ...\ndef test_b(): ...\n",
                Some((3, true)),
            ),
            (
                "class TestA(\n    Base,  # why\n    TestCase,\n):\n    def test_a(self): ...\n",
                None,
            ),
            (
                "class TestA(\n    Base,\n):\n    def test_a(self): ...\n",
                Some((1, false)),
            ),
            ("\"\"\"\nimport pytest\n\"\"\"\n", None),
            (
                "code = '''\ndef test_a(): ...\n'''\nimport pytest\n",
                Some((4, true)),
            ),
            ("s = \"\"\"one line\"\"\"\nimport pytest\n", Some((2, true))),
            ("# it's a ''' comment\nimport pytest\n", Some((2, true))),
            (
                "s = '''it's \"\"\" here\n'''\nimport pytest\n",
                Some((3, true)),
            ),
            ("# import pytest\n", None),
            ("", None),
        ];
        for (source, expected) in table {
            assert_eq!(sign_in(source), expected, "{source}");
        }
    }

    #[test]
    fn test_files_are_found_in_order_and_other_folders_are_passed_over() {
        let directory = tree(&[
            ("b/test_b.py", ""),
            ("a_test.py", ""),
            ("conftest.py", ""),
            ("tests.py", ""),
            ("helper.py", ""),
            ("test_data.txt", ""),
            ("test_folder.py/", ""),
            (".hidden/test_x.py", ""),
            ("node_modules/test_x.py", ""),
            ("demo.egg-info/test_x.py", ""),
            ("env/pyvenv.cfg", ""),
            ("env/test_x.py", ""),
        ]);
        std::os::unix::fs::symlink(directory.path(), directory.path().join("b/loop")).unwrap();
        let names = |places: Vec<PathBuf>| -> Vec<String> {
            let files = TestFiles {
                pending: places,
                entries: 0,
            };
            let relative = |file: PathBuf| {
                file.strip_prefix(directory.path())
                    .unwrap()
                    .display()
                    .to_string()
            };
            files.map(relative).collect()
        };
        assert_eq!(
            names(vec![directory.path().into()]),
            ["a_test.py", "b/test_b.py", "conftest.py", "tests.py"]
        );
        assert_eq!(
            names(vec![directory.path().join("helper.py")]),
            ["helper.py"]
        );
    }

    #[test]
    fn the_search_has_limits() {
        let late = format!("{}\nimport pytest\n", "#".repeat(256 * 1024));
        let directory = tree(&[("test_late.py", &late)]);
        assert_eq!(pytest_sign(&[directory.path().into()]), None);
        let mut files = TestFiles {
            pending: vec![directory.path().into()],
            entries: MAX_ENTRIES,
        };
        assert_eq!(files.next(), None);
        let directory = tree(&[("empty.py", ""), ("last.py", "import pytest")]);
        let mut places = vec![directory.path().join("empty.py"); MAX_FILES];
        places.push(directory.path().join("last.py"));
        assert_eq!(pytest_sign(&places), None);
        assert!(pytest_sign(&places[1..]).is_some());
    }

    #[test]
    fn a_certain_sign_is_preferred_and_quoted() {
        let directory = tree(&[
            (
                "test_a.py",
                "class TestA(Base):\n    def test_a(self): ...\n",
            ),
            ("test_b.py", "\nimport pytest\n"),
        ]);
        let sign = pytest_sign(&[directory.path().into()]).unwrap();
        assert_eq!(
            (sign.file, sign.line),
            (directory.path().join("test_b.py"), 2)
        );
        assert_eq!((&*sign.statement, sign.certain), ("import pytest", true));
        let sign = pytest_sign(&[directory.path().join("test_a.py")]).unwrap();
        assert_eq!(
            (&*sign.statement, sign.certain),
            ("class TestA(Base):", false)
        );
    }
}
