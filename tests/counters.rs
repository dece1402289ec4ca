//! What a project counts itself, and what libraries do: leaks of their own code, and what is said where it cannot be read.

mod common;

use common::{Checked, Finding, Project};

const APP: &str = "\
import array

STATE = array.array('q', [0, 0])


def connections():
    return STATE[0]


def arena():
    return STATE[1]


def broken():
    raise RuntimeError('no arena here')


def connect():
    STATE[0] += 1


def reserve(many):
    STATE[1] += many
";

const TESTS: &str = "\
import app


def test_connect():
    app.connect()


def test_connect_again():
    app.connect()


def test_reserve():
    app.reserve(4096)


def test_nothing():
    pass
";

fn project(config: &str) -> Project {
    Project::configured(APP, TESTS, config)
}

const COUNTERS: &str =
    "counters = { connections = \"app:connections\", arena_bytes = \"app:arena\" }\n";

fn counted(checked: &Checked) -> Vec<&Finding> {
    { checked.report.findings.iter() }
        .filter(|finding| finding.kind == "library")
        .collect()
}

#[test]
fn what_a_project_counts_is_a_leak_with_the_line_that_adds_to_it() {
    let project = project(COUNTERS);
    let checked = project.check(&[]);
    checked.exits(1);
    assert_eq!(checked.test("test_nothing").verdict, "clean");
    let mut said: Vec<&str> = { counted(&checked).into_iter() }
        .map(|finding| &*finding.summary)
        .collect();
    said.sort_unstable();
    assert_eq!(
        said,
        [
            "1 connection stays after each iteration, added at app.py:19 in connect",
            "4.1 kB of arena stay after each iteration, added at app.py:23 in reserve",
        ]
    );
    assert!(
        counted(&checked)
            .iter()
            .all(|finding| finding.code == "LK205")
    );
    let connect =
        { counted(&checked).into_iter() }.find(|one| one.rate.contains_key("connections"));
    assert_eq!(connect.unwrap().tests.len(), 2, "one place is one cause");
    assert!(
        checked
            .stdout
            .contains("1,000 iterations keep 1,000 connections")
    );
    project
        .bare()
        .args(["accept", "--no-ci"])
        .assert()
        .success();
    project.check(&[]).exits(0);
    // Without it nothing of that is seen.
    let blind = self::project("").check(&[]);
    blind.exits(0).all("clean", 4);
}

#[test]
fn it_may_be_allowed_and_what_cannot_be_read_is_told() {
    let terms = "[[tool.leakcheck.override]]\ntests = [\"*_connect*\"]\nallow = { connections = 1 }\nreason = \"a pool\"\n";
    let project = project(&format!("{COUNTERS}{terms}"));
    let checked = project.check(&["test_app.py::test_connect"]);
    checked.exits(0);
    let broken = self::project("counters = { arena = \"app:broken\" }\n").check(&[]);
    broken.exits(0).notes(&["`arena`", "no arena here"]);
    let strange = self::project("counters = { arena = \"app.broken\" }\n");
    let output = strange.bare().arg("run").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("must be \"module:function\""), "{said}");
}

#[test]
fn doctor_lists_what_is_counted() {
    let project = project(COUNTERS);
    let output = project
        .bare()
        .args(["doctor", "--python"])
        .arg(project.python())
        .output()
        .unwrap();
    let page = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        page.contains("connections   exact, where its module is loaded"),
        "{page}"
    );
    assert!(page.contains("arrow_bytes"), "{page}");
    assert!(page.contains("connections: app:connections"), "{page}");
}
