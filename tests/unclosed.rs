//! What is let go of without being closed: a warning, a failure or nothing, as the project wants it.

mod common;

use common::{Checked, Finding, Project};

const APP: &str = "\
import socket


def load(path):
    return open(path).read()


def load_closed(path):
    with open(path) as file:
        return file.read()


def ask():
    return socket.socket().fileno()
";

const TESTS: &str = "\
import warnings

import app


def test_load():
    app.load(__file__)


def test_load_again():
    app.load(__file__)


def test_ask():
    app.ask()


def test_ask_quietly():
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter('ignore')
        app.ask()
    assert not seen


def test_closed():
    app.load_closed(__file__)
";

fn project(config: &str) -> Project {
    Project::configured(APP, TESTS, config)
}

/// The same tests as methods.
fn of_a_class() -> String {
    let (_, tests) = TESTS.split_once("import app\n").unwrap();
    let methods: Vec<String> = { tests.trim().lines() }
        .map(|line| format!("    {line}").replace("():", "(self):"))
        .collect();
    format!(
        "import unittest\nimport warnings\n\nimport app\n\n\nclass Tests(unittest.TestCase):\n{}\n",
        methods.join("\n")
    )
}

fn unclosed(checked: &Checked) -> Vec<&Finding> {
    let findings = checked.report.findings.iter();
    findings
        .filter(|finding| finding.kind == "unclosed")
        .collect()
}

fn leaks(checked: &Checked) -> usize {
    let verdicts = checked.verdicts();
    verdicts.values().filter(|word| **word == "leak").count()
}

#[test]
fn what_nobody_closes_is_one_warning_for_each_place_under_both_runners() {
    for (runner, tests) in [("pytest", TESTS.to_owned()), ("unittest", of_a_class())] {
        let project = project(&format!("runner = \"{runner}\"\n"));
        project.write("test_app.py", &tests);
        let checked = project.check(&[]);
        checked.exits(0).all("clean", 5);
        let found = unclosed(&checked);
        let [one, other] = found[..] else {
            panic!("{runner}: {}", checked.stdout);
        };
        for finding in [one, other] {
            assert_eq!((&*finding.code, &*finding.level), ("LK402", "warning"));
            assert_eq!(finding.tests.len(), 2, "{}", finding.summary);
        }
        let mut said = [&*one.summary, &*other.summary];
        said.sort_unstable();
        let start = "1 TextIOWrapper is let go of without being closed in each iteration, opened at app.py:5 in load";
        assert_eq!(said[0], start);
        assert!(
            said[1].ends_with("opened at app.py:14 in ask"),
            "{}",
            said[1]
        );
        assert!(checked.stdout.contains("2 unclosed resources"));
    }
}

#[test]
fn it_fails_where_it_is_denied_and_is_not_looked_for_where_it_is_allowed() {
    let denied = project("unclosed = \"deny\"\n");
    let checked = denied.check(&[]);
    checked.exits(1);
    assert_eq!(leaks(&checked), 4);
    assert_eq!(
        checked.test("test_load").rule.as_deref(),
        Some("unclosed-denied")
    );
    assert!(unclosed(&checked).iter().all(|finding| finding.fails));
    // Accepted once, it is known.
    denied
        .bare()
        .args(["accept", "--reason", "later"])
        .assert()
        .success();
    denied.check(&[]).exits(0);
    let allowed = project("unclosed = \"allow\"\n").check(&[]);
    allowed.exits(0).all("clean", 5);
    assert!(unclosed(&allowed).is_empty());
    let some = project(
        "unclosed = \"deny\"\n[[tool.leakcheck.override]]\ntests = [\"*_ask*\"]\nallow = { unclosed = 1 }\nreason = \"short\"\n",
    );
    let checked = some.check(&[]);
    checked.exits(1);
    assert_eq!(leaks(&checked), 2);
}

#[test]
fn what_a_doctest_leaves_open_has_its_place_in_the_text_and_not_in_leakcheck() {
    let project = Project::of(&[
        (
            "tests/doc.txt",
            ">>> import tempfile\n>>> file = tempfile.TemporaryFile()\n>>> del file\n",
        ),
        ("tests/__init__.py", ""),
        (
            "tests/test_doc.py",
            "import doctest\n\n\ndef load_tests(loader, tests, pattern):\n    return doctest.DocFileSuite('doc.txt')\n",
        ),
    ]);
    let checked = project.check(&["--runner", "unittest"]);
    checked.exits(0);
    let found = unclosed(&checked);
    let [one] = found[..] else {
        panic!("{}", checked.stdout);
    };
    assert!(
        one.summary.ends_with("opened at <doctest doc.txt[1]>:1"),
        "{}",
        one.summary
    );
}
