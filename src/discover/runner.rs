//! Chooses what runs the tests: pytest, unittest or a program.

use std::path::{Path, PathBuf};

use super::command;
use super::interpreter::Interpreter;
use super::scan::{self, Sign};
use super::suite::{Project, TEST_FOLDERS, file_of};
use crate::{
    config::{Choice, Runner, text},
    files::read::{self, SETTINGS},
};

/// Why the tests cannot be run. Both end in the command that fixes it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunnerError {
    /// pytest was asked for.
    #[error(
        "the runner is to be pytest, but {0} has none; install it with `{0} -m pip install pytest`",
        text::show(.python)
    )]
    AskedFor {
        /// The interpreter that lacks it.
        python: PathBuf,
    },
    /// The tests cannot run without pytest.
    #[error(
        "{}:{line} needs pytest (`{}`), but {2} has none; install it with `{2} -m pip install pytest`, or name \
         another Python with --python",
        text::show(.file),
        text::excerpt(.statement, 60),
        text::show(.python)
    )]
    Needed {
        /// A test file.
        file: PathBuf,
        /// From 1.
        line: usize,
        /// What in it needs pytest.
        statement: String,
        /// The interpreter that lacks it.
        python: PathBuf,
    },
}

/// The runner for `project`'s tests: the one the user chose, or the program that `args` name, or pytest where it is
/// installed and the project is set up for it, or Django's `manage.py`, or pytest where the tests need it, else unittest.
pub fn choose_runner(
    choice: Choice<Runner>,
    args: &[String],
    project: &Project,
    interpreter: &Interpreter,
) -> Result<Runner, RunnerError> {
    let python = &interpreter.path;
    let installed = interpreter.pytest.is_some();
    match choice {
        Choice::Given(Runner::Pytest) if !installed => Err(RunnerError::AskedFor {
            python: python.clone(),
        }),
        Choice::Given(runner) => Ok(runner),
        Choice::Auto if command::names_program(args) => Ok(Runner::Command),
        Choice::Auto if installed && is_set_up(project) => Ok(Runner::Pytest),
        Choice::Auto if command::has_manage(&project.root) => Ok(Runner::Command),
        Choice::Auto => match scan::pytest_sign(&places(project)) {
            Some(_) if installed => Ok(Runner::Pytest),
            Some(Sign {
                file,
                line,
                statement,
                certain: true,
            }) => {
                let file = file
                    .strip_prefix(&project.root)
                    .map(Path::to_owned)
                    .unwrap_or(file);
                Err(RunnerError::Needed {
                    file,
                    line,
                    statement,
                    python: python.clone(),
                })
            }
            // Without pytest, a class that may be a TestCase is given the benefit of the doubt.
            _ => Ok(Runner::Unittest),
        },
    }
}

/// The files and folders that hold the tests.
fn places(project: &Project) -> Vec<PathBuf> {
    if project.paths.is_empty() {
        return vec![project.root.clone()];
    }
    project
        .paths
        .iter()
        .map(|path| file_of(path, &project.root))
        .collect()
}

/// Whether the project has configuration for pytest, or a `conftest.py` where its tests are.
pub fn is_set_up(project: &Project) -> bool {
    let root = &project.root;
    let read = |name: &str| read::text(&root.join(name), SETTINGS).unwrap_or_default();
    let has_section =
        |content: &str, section: &str| content.lines().any(|line| line.trim_end() == section);
    if ["pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml"]
        .iter()
        .any(|name| root.join(name).is_file())
        || has_section(&read("tox.ini"), "[pytest]")
        || has_section(&read("setup.cfg"), "[tool:pytest]")
    {
        return true;
    }
    // What is wrong in a file that is not ours is for its owner to say.
    let pyproject = toml::from_str::<toml::Table>(&read("pyproject.toml")).unwrap_or_default();
    if pyproject
        .get("tool")
        .and_then(|tool| tool.get("pytest"))
        .is_some()
    {
        return true;
    }
    let mut folders = vec![root.clone()];
    folders.extend(TEST_FOLDERS.iter().map(|name| root.join(name)));
    for place in places(project) {
        folders.extend(if place.is_dir() {
            Some(place)
        } else {
            place.parent().map(Path::to_owned)
        });
    }
    folders
        .iter()
        .any(|folder| folder.join("conftest.py").is_file())
}

#[cfg(test)]
mod tests {
    use super::super::interpreter::tests::interpreter_with;
    use super::super::suite::tests::tree;
    use super::*;

    const UNIT: &str =
        "import unittest\nclass TestA(unittest.TestCase):\n    def test_a(self): ...\n";

    /// What is chosen for a project with these files and paths, its directory left out.
    fn choose(
        choice: Choice<Runner>,
        pytest: Option<&str>,
        files: &[(&str, &str)],
        paths: &[&str],
    ) -> Result<Runner, String> {
        let directory = tree(files);
        let root = directory.path().to_owned();
        let project = Project {
            root,
            paths: paths.iter().map(PathBuf::from).collect(),
        };
        choose_runner(choice, &[], &project, &interpreter_with(pytest))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_choice_of_the_user_holds_and_must_be_possible() {
        let pytest_suite = [("test_a.py", "import pytest")];
        for (wanted, pytest) in [
            (Runner::Pytest, Some("9.0")),
            (Runner::Unittest, Some("9.0")),
            (Runner::Unittest, None),
        ] {
            assert_eq!(
                choose(Choice::Given(wanted), pytest, &pytest_suite, &[]),
                Ok(wanted)
            );
        }
        assert_eq!(
            choose(
                Choice::Given(Runner::Pytest),
                None,
                &[("test_a.py", UNIT)],
                &[]
            )
            .unwrap_err(),
            "the runner is to be pytest, but /env/bin/python has none; install it with \
             `/env/bin/python -m pip install pytest`"
        );
    }

    #[test]
    fn pytest_is_chosen_where_the_project_is_set_up_for_it() {
        // Files, paths, the runner where pytest is installed.
        type Row<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str], Runner);
        let table: [Row<'_>; 15] = [
            (&[("pytest.ini", "")], &[], Runner::Pytest),
            (&[("pytest.toml", "")], &[], Runner::Pytest),
            (&[("tox.ini", "[tox]\n[pytest]\r\n")], &[], Runner::Pytest),
            (
                &[("tox.ini", "[testenv]\ncommands = pytest\n")],
                &[],
                Runner::Unittest,
            ),
            (&[("setup.cfg", "[tool:pytest]\n")], &[], Runner::Pytest),
            (&[("setup.cfg", "[pytest]\n")], &[], Runner::Unittest),
            (
                &[("pyproject.toml", "[tool.pytest.ini_options]\n")],
                &[],
                Runner::Pytest,
            ),
            (
                &[("pyproject.toml", "[tool.pytest]\n")],
                &[],
                Runner::Pytest,
            ),
            (
                &[("pyproject.toml", "[tool.black]\n")],
                &[],
                Runner::Unittest,
            ),
            (&[("pyproject.toml", "[tool.pytest")], &[], Runner::Unittest),
            (&[("conftest.py", "")], &[], Runner::Pytest),
            (&[("tests/conftest.py", "")], &[], Runner::Pytest),
            (&[("checks/conftest.py", "")], &[], Runner::Unittest),
            (&[("checks/conftest.py", "")], &["checks"], Runner::Pytest),
            (
                &[("checks/conftest.py", ""), ("checks/c.py", "")],
                &["checks/c.py::x"],
                Runner::Pytest,
            ),
        ];
        for (files, paths, expected) in table {
            let mut all = vec![("unit/test_unit.py", UNIT)];
            all.extend(files);
            assert_eq!(
                choose(Choice::Auto, Some("9.0"), &all, paths),
                Ok(expected),
                "{files:?}"
            );
            // None of these tests needs pytest.
            assert_eq!(
                choose(Choice::Auto, None, &all, paths),
                Ok(Runner::Unittest),
                "{files:?}"
            );
        }
    }

    #[test]
    fn django_runs_its_tests_itself_and_so_does_a_program_that_is_typed() {
        let manage = ("manage.py", "from django.core.management import x");
        let unit = ("shop/tests.py", UNIT);
        let needs_pytest = ("shop/test_b.py", "import pytest\n");
        for (files, expected) in [
            (vec![manage, unit], Runner::Command),
            (vec![manage, needs_pytest], Runner::Command),
            (vec![manage, unit, ("pytest.ini", "")], Runner::Pytest),
            (vec![("manage.py", "import flask"), unit], Runner::Unittest),
        ] {
            let found = choose(Choice::Auto, Some("9.0"), &files, &[]);
            assert_eq!(found, Ok(expected), "{files:?}");
        }
        let typed = ["python".to_owned(), "x.py".to_owned()];
        let folder = tree(&[("pytest.ini", "")]);
        let project = Project {
            root: folder.path().to_owned(),
            paths: Vec::new(),
        };
        let interpreter = interpreter_with(Some("9.0"));
        let chosen = |choice| choose_runner(choice, &typed, &project, &interpreter);
        assert_eq!(chosen(Choice::Auto), Ok(Runner::Command));
        assert_eq!(
            chosen(Choice::Given(Runner::Pytest)),
            Ok(Runner::Pytest),
            "an argument is what the user says it is"
        );
    }

    #[test]
    fn pytest_is_chosen_where_the_tests_need_it_and_missed_where_it_is_not_there() {
        let files = [
            ("a/test_a.py", "\ndef test_a(): ...\n"),
            ("b/test_b.py", UNIT),
            (
                "c/test_c.py",
                "class TestC(Base):\n    def test_c(self): ...\n",
            ),
        ];
        let table: [(&[&str], Runner, Option<&str>); 5] = [
            (&[], Runner::Pytest, Some("a/test_a.py:2")),
            (&["a"], Runner::Pytest, Some("a/test_a.py:2")),
            (
                &["b", "a/test_a.py::test_a"],
                Runner::Pytest,
                Some("a/test_a.py:2"),
            ),
            (&["b"], Runner::Unittest, None),
            (&["c"], Runner::Pytest, None),
        ];
        for (paths, with_pytest, missed) in table {
            assert_eq!(
                choose(Choice::Auto, Some("9.0"), &files, paths),
                Ok(with_pytest),
                "{paths:?}"
            );
            let expected = missed.map_or(Ok(Runner::Unittest), |place| {
                Err(format!(
                    "{place} needs pytest (`def test_a(): ...`), but /env/bin/python has none; install it with \
                     `/env/bin/python -m pip install pytest`, or name another Python with --python"
                ))
            });
            assert_eq!(
                choose(Choice::Auto, None, &files, paths),
                expected,
                "{paths:?}"
            );
        }
    }
}
