//! `pytest --leakcheck`: the plugin that starts the program, and does nothing else.

mod common;

use std::{env, ffi::OsString, path::Path, process::Command};

use common::{Project, scrubbed};

const LEAK: &str = "\
KEPT = []

def test_keeps():
    KEPT.append({'a': []})

def test_other():
    pass
";

/// pytest with the plugin where it would be installed, and the program on PATH where it is `there`.
fn pytest(project: &Project, args: &[&str], there: bool) -> (Option<i32>, String) {
    let plugin = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugin");
    let program = Path::new(env!("CARGO_BIN_EXE_leakcheck"));
    let mut path = OsString::from("/usr/bin:/bin");
    if there {
        path = program.parent().unwrap().as_os_str().to_owned();
        path.push(":/usr/bin:/bin");
    }
    let mut command = scrubbed(Command::new(project.python()));
    let output = command
        .current_dir(project.root())
        .env("TMPDIR", project.temporary())
        .env("PYTHONPATH", plugin)
        .env("PATH", path)
        .args([
            "-m",
            "pytest",
            "-p",
            "pytest_leakcheck",
            "-p",
            "no:cacheprovider",
        ])
        .args(args)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn the_option_has_leakcheck_run_the_same_tests() {
    let project = Project::of(&[("test_it.py", LEAK)]);
    let (code, said) = pytest(&project, &["--leakcheck"], true);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("leakcheck: 1 leak in 1 of 2 tests"), "{said}");
    assert!(said.contains("test_it.KEPT"), "{said}");
    let (code, said) = pytest(
        &project,
        &["--leakcheck", "-k", "other", "test_it.py"],
        true,
    );
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("no leak in 1 test"), "{said}");
}

#[test]
fn without_it_nothing_is_different_and_without_the_program_it_is_said() {
    let project = Project::of(&[("test_it.py", LEAK)]);
    let (code, said) = pytest(&project, &[], false);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("2 passed") && !said.contains("leakcheck:"),
        "{said}"
    );
    let (code, said) = pytest(&project, &["--leakcheck"], false);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("there is no program leakcheck"), "{said}");
}

#[test]
fn in_a_project_that_always_asks_for_it_the_workers_do_not() {
    let project = Project::of(&[
        ("test_it.py", LEAK),
        ("pytest.ini", "[pytest]\naddopts = --leakcheck\n"),
    ]);
    let (code, said) = pytest(&project, &["-k", "other"], true);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("no leak in 1 test"), "{said}");
}
