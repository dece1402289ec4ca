//! What cannot work is refused with the right exit code, one clear line, and nothing left behind.

mod common;

use std::{
    process::Output,
    time::{Duration, Instant},
};

use common::{Packages, Project, leakcheck, python};

const PASSES: &str = "def test_passes():\n    assert True\n";
const UNITTEST: &str = "\
import unittest

class TestGood(unittest.TestCase):
    def test_passes(self):
        self.assertTrue(True)
";

/// What leakcheck said before it gave up.
struct Refused {
    output: Output,
    stderr: String,
}

/// Runs the command line `args` in `project`, which must end with `code` and leave nothing behind.
#[track_caller]
fn refused(project: &Project, args: &[&str], code: i32) -> Refused {
    let before = project.files();
    refused_after(project, project.command().args(args), &before, code)
}

#[track_caller]
fn refused_after(
    project: &Project,
    command: &mut assert_cmd::Command,
    before: &std::collections::BTreeSet<std::path::PathBuf>,
    code: i32,
) -> Refused {
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(
        output.status.code(),
        Some(code),
        "{}{stderr}",
        String::from_utf8_lossy(&output.stdout)
    );
    project.assert_nothing_left(before);
    Refused { output, stderr }
}

impl Refused {
    /// The message is one line that holds all of `words`, and nothing of ours shows through.
    #[track_caller]
    fn says(&self, words: &[&str]) -> &Refused {
        let stderr = &self.stderr;
        for word in words {
            assert!(stderr.contains(word), "no {word:?} in: {stderr}");
        }
        assert_eq!(stderr.trim_end().lines().count(), 1, "one line: {stderr}");
        assert!(stderr.starts_with("leakcheck: "), "who says it: {stderr}");
        for inner in [
            "Traceback",
            "leakcheck_bridge",
            "panicked",
            "RUST_BACKTRACE",
        ] {
            assert!(!stderr.contains(inner), "shows {inner}: {stderr}");
        }
        self
    }

    /// There is nothing to report on.
    #[track_caller]
    fn reports_nothing(&self) {
        let stdout = String::from_utf8_lossy(&self.output.stdout);
        assert!(stdout.is_empty(), "{stdout}");
    }
}

#[test]
fn a_path_that_does_not_exist() {
    let project = Project::of(&[("test_a.py", PASSES)]);
    for path in ["/nonexistent", "gone/test_a.py", "gone.py::test_passes"] {
        refused(&project, &[path], 2)
            .says(&["no such file or directory", path])
            .reports_nothing();
    }
}

#[test]
fn a_test_id_that_does_not_exist() {
    let project = Project::of(&[("test_a.py", PASSES)]);
    refused(&project, &["test_a.py::test_gone"], 2)
        .says(&["pytest", "not found", "test_a.py::test_gone"])
        .reports_nothing();
}

#[test]
fn a_directory_without_tests() {
    let project = Project::of(&[("shop.py", "price = 5\n"), ("later/todo.txt", "")]);
    for runner in ["unittest", "pytest"] {
        refused(&project, &["--runner", runner], 2)
            .says(&[runner, "no tests"])
            .reports_nothing();
        // It is told of what was asked for.
        refused(&project, &["--runner", runner, "later"], 2)
            .says(&[runner, "no tests in", "later;"])
            .reports_nothing();
    }
}

#[test]
fn a_selection_that_leaves_no_test() {
    let project = Project::of(&[("test_a.py", UNITTEST)]);
    for runner in ["unittest", "pytest"] {
        // The files are there: what leaves nothing is the argument.
        refused(
            &project,
            &["--runner", runner, "--", "-k", "no_such_name"],
            2,
        )
        .says(&[runner, "no tests", "-k no_such_name"])
        .reports_nothing();
    }
}

#[test]
fn what_is_no_python() {
    let project = Project::of(&[("test_a.py", PASSES)]);
    let before = project.files();
    let cases: [(&str, &[&str]); 5] = [
        ("/bin/false", &["/bin/false", "not a working Python"]),
        ("/bin/echo", &["/bin/echo", "not a Python"]),
        ("/nonexistent/python", &["/nonexistent/python", "no such"]),
        ("no-such-python", &["no-such-python", "no such"]),
        ("test_a.py", &["test_a.py", "cannot be"]),
    ];
    for (python, words) in cases {
        let mut command = project.bare();
        command.args(["run", "--python", python]);
        refused_after(&project, &mut command, &before, 2)
            .says(words)
            .reports_nothing();
    }
}

#[test]
fn pytest_where_there_is_none() {
    let project = Project::of(&[("test_a.py", PASSES)]).with(Packages::None);
    let python = python(Packages::None);
    refused(&project, &["--runner", "pytest"], 2)
        .says(&["pytest", "install", &python.to_string_lossy()])
        .reports_nothing();
}

#[test]
fn a_mistake_in_the_configuration_names_its_line() {
    let cases: [(&str, &[&str]); 3] = [
        (
            "[tool.leakcheck]\njobs = 1\nbudgett = \"10m\"\n",
            &["pyproject.toml:3:1", "`budgett`", "`budget`"],
        ),
        (
            "[tool.leakcheck]\njobs = \"many\"\n",
            &["pyproject.toml:2:", "`jobs`", "\"many\""],
        ),
        ("[tool.leakcheck\n", &["pyproject.toml:1:"]),
    ];
    for (text, words) in cases {
        let project = Project::of(&[("test_a.py", PASSES), ("pyproject.toml", text)]);
        refused(&project, &[], 2).says(words).reports_nothing();
    }
}

#[test]
fn arguments_of_our_own() {
    let project = Project::of(&[("test_a.py", PASSES)]);
    let cases: [(&[&str], &[&str]); 6] = [
        (&["--report", "json"], &["--report", "FORMAT=FILE"]),
        (&["--report", "pdf=x"], &["--report", "`pdf`", "json"]),
        (&["--report", "json="], &["--report", "no file"]),
        (&["--jobs", "0"], &["--jobs"]),
        (&["--timeout", "soon"], &["--timeout", "soon"]),
        (&["--no-such-option"], &["--no-such-option"]),
    ];
    for (args, words) in cases {
        let refused = refused(&project, args, 2);
        refused.reports_nothing();
        // The parser adds its own hint below the first line.
        let first = refused.stderr.lines().next().unwrap();
        assert!(first.starts_with("error: "), "{first}");
        for word in words {
            assert!(first.contains(word), "no {word:?} in: {first}");
        }
    }
}

#[test]
fn a_report_file_that_cannot_be_written() {
    let project = Project::of(&[(
        "test_a.py",
        "import time\n\ndef test_a():\n    time.sleep(2)\n",
    )]);
    let begun = Instant::now();
    let refused = refused(&project, &["-q", "--report", "json=/nonexistent/x.json"], 2);
    let at_once = begun.elapsed() < Duration::from_secs(2);
    refused.says(&["cannot write", "/nonexistent/x.json", "No such file"]);
    // Either it is refused before the tests run, or what they showed is at least printed.
    let stdout = String::from_utf8_lossy(&refused.output.stdout);
    assert!(
        at_once || stdout.contains("1 clean"),
        "ran for {:?} and lost its report: {stdout:?}",
        begun.elapsed()
    );
}

#[test]
fn an_argument_that_the_runner_refuses() {
    let project = Project::of(&[("test_a.py", UNITTEST)]);
    for runner in ["unittest", "pytest"] {
        refused(&project, &["--runner", runner, "--", "--no-such-option"], 2)
            .says(&[runner, "unrecognized arguments", "--no-such-option"])
            .reports_nothing();
    }
}

#[test]
fn a_conftest_that_raises() {
    let project = Project::of(&[
        ("test_a.py", PASSES),
        ("conftest.py", "raise RuntimeError('no database')\n"),
    ]);
    refused(&project, &[], 4)
        .says(&["conftest.py", "RuntimeError", "no database"])
        .reports_nothing();
}

#[test]
fn a_test_file_that_exits_while_it_is_imported() {
    // pytest ends at once; what is said must name what was done.
    let project = Project::of(&[
        ("test_a.py", UNITTEST),
        ("test_b.py", "import sys\nsys.exit('not on this machine')\n"),
    ]);
    let before = project.files();
    for runner in ["unittest", "pytest"] {
        let output = project
            .command()
            .args(["--runner", runner])
            .output()
            .unwrap();
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(output.status.code(), Some(4), "{runner}: {said}");
        for word in ["test_b", "not on this machine"] {
            assert!(said.contains(word), "{runner}: no {word:?} in: {said}");
        }
        project.assert_nothing_left(&before);
    }
}

#[test]
fn a_test_file_that_ends_the_process_while_it_is_imported_costs_only_itself() {
    let project = Project::of(&[
        ("test_a.py", UNITTEST),
        ("test_b.py", "import os\nos._exit(7)\n"),
        (
            "test_c.py",
            "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n",
        ),
    ]);
    let before = project.files();
    for runner in ["unittest", "pytest"] {
        for paths in [&[][..], &["test_a.py", "test_b.py", "test_c.py"]] {
            let checked = project.check(&[&["--runner", runner], paths].concat());
            checked.exits(4).all("clean", 1);
            let errors: Vec<(&str, &str)> = { checked.report.errors.iter() }
                .map(|error| (&*error.place, &*error.message))
                .collect();
            let [(b, exits), (c, killed)] = errors[..] else {
                panic!("{runner}: {errors:?}");
            };
            assert_eq!((b, c), ("test_b.py", "test_c.py"), "{runner}");
            assert!(exits.contains("exited with status 7"), "{exits}");
            assert!(killed.contains("SIGKILL"), "{killed}");
            project.assert_nothing_left(&before);
        }
        // Where there is nothing else, and where it is asked for by name.
        let refused = refused(&project, &["--runner", runner, "test_b.py"], 4);
        let said = String::from_utf8_lossy(&refused.output.stdout) + &*refused.stderr;
        for word in ["test_b.py", "exited with status 7"] {
            assert!(said.contains(word), "{runner}: no {word:?} in: {said}");
        }
    }
    refused(&project, &["test_b.py::test_x"], 4)
        .says(&["test_b.py", "exited with status 7"])
        .reports_nothing();
}

#[test]
fn a_conftest_that_ends_the_process() {
    let project = Project::of(&[
        ("test_a.py", PASSES),
        ("conftest.py", "import os\nos._exit(7)\n"),
        ("more/test_b.py", PASSES),
        ("more/conftest.py", ""),
    ]);
    refused(&project, &[], 4)
        .says(&["exited with status 7"])
        .reports_nothing();
    project.write("more/conftest.py", "import os\nos._exit(7)\n");
    project.write("conftest.py", "");
    let refused = refused(&project, &[], 4);
    refused.says(&["exited with status 7"]).reports_nothing();
    // It is none of the files before it.
    assert!(!refused.stderr.contains("test_"), "{}", refused.stderr);
}

#[test]
fn a_directory_for_temporary_files_that_is_none() {
    use std::os::unix::ffi::OsStringExt;
    let project = Project::of(&[("test_a.py", PASSES)]);
    let before = project.files();
    let strange = std::ffi::OsString::from_vec(b"/tmp/leak\xffcheck".to_vec());
    std::fs::create_dir_all(&strange).unwrap();
    for (directory, words) in [
        ("/nonexistent".into(), ["/nonexistent", "No such file"]),
        ("relative".into(), ["relative", "No such file"]),
        ("/proc".into(), ["/proc", "cannot use"]),
        ("/dev/null".into(), ["/dev/null", "Not a directory"]),
        (strange.clone(), ["/tmp/leak", "not valid text"]),
    ] {
        let mut command = project.command();
        command.env("TMPDIR", directory);
        refused_after(&project, &mut command, &before, 2)
            .says(&words)
            .says(&["set TMPDIR to a directory"])
            .reports_nothing();
    }
    std::fs::remove_dir(&strange).unwrap();
    // No name at all is none given.
    let output = project.command().env("TMPDIR", "").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn more_workers_than_any_machine_has_use_for() {
    let project = Project::of(&[("test_a.py", PASSES), ("test_b.py", PASSES)]);
    let checked = project.check(&["-j", "100000"]);
    checked.exits(0).all("clean", 2);
    let note = "jobs = 100000 is too many";
    assert!(checked.stdout.contains(note), "{}", checked.stdout);
}

#[test]
fn a_syntax_error_costs_only_its_own_file() {
    for runner in ["unittest", "pytest"] {
        let project = Project::of(&[("test_a.py", UNITTEST), ("test_b.py", "def broken(:\n")]);
        let before = project.files();
        let checked = project.check(&["--runner", runner]);
        checked.exits(4).all("clean", 1);
        let [error] = &checked.report.errors[..] else {
            panic!("{runner}: {:?}", checked.report.errors);
        };
        assert!(error.place.contains("test_b"), "{runner}: {error:?}");
        assert!(error.message.contains("SyntaxError"), "{runner}: {error:?}");
        assert!(checked.stdout.contains("SyntaxError"), "{}", checked.stdout);
        project.assert_nothing_left(&before);
    }
}

#[test]
fn help_and_version_are_no_mistakes() {
    for args in [&["--help"][..], &["--version"], &["run", "--help"]] {
        let output = leakcheck().args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(output.stderr.is_empty(), "{args:?}");
        assert!(!output.stdout.is_empty(), "{args:?}");
    }
}
