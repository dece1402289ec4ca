//! What tests leave to the cycle collector: a warning, a failure or nothing, as the project wants it.

mod common;

use common::{Checked, Finding, Project};

const APP: &str = "\
class Child:
    def __init__(self, parent):
        self.parent = parent


class Parent:
    def __init__(self):
        self.child = Child(self)


class Journal(Parent):
    def __init__(self, path):
        super().__init__()
        self.file = open(path)


def adopt():
    return Parent()
";

const TESTS: &str = "\
import app


def test_adopt():
    app.adopt()


def test_adopt_again():
    app.adopt()


def test_journal():
    app.Journal(__file__)


def test_own():
    own = []
    own.append(own)


def test_nothing():
    pass
";

fn project(config: &str) -> Project {
    Project::configured(APP, TESTS, config)
}

fn cycles(checked: &Checked) -> Vec<&Finding> {
    let findings = checked.report.findings.iter();
    findings.filter(|finding| finding.kind == "cycle").collect()
}

#[test]
fn a_cycle_is_a_warning_that_names_the_way_round_and_what_it_keeps_open() {
    let checked = project("").check(&[]);
    checked.exits(0).all("clean", 5);
    let found = cycles(&checked);
    let [one] = found[..] else {
        panic!("{}", checked.stdout);
    };
    assert_eq!(
        (one.fails, &*one.level, &*one.code),
        (false, "warning", "LK401")
    );
    assert_eq!(
        one.tests,
        [
            "test_app.py::test_adopt",
            "test_app.py::test_adopt_again",
            "test_app.py::test_journal"
        ]
    );
    assert_eq!(
        one.holder.as_ref().unwrap().text,
        "Parent.child -> Child.parent -> Parent"
    );
    assert!(
        checked.stdout.contains("Child.parent closes the cycle"),
        "{}",
        checked.stdout
    );
    assert_eq!(one.sites[0].file, "app.py");
    assert!(
        checked.stdout.contains("cycle[LK401]"),
        "{}",
        checked.stdout
    );

    let journal = project("").check(&["test_app.py::test_journal"]);
    let found = cycles(&journal);
    assert_eq!(found[0].fingerprint, one.fingerprint);
    let summary = &found[0].summary;
    assert!(
        summary.contains("with a file descriptor in it (") && summary.contains("test_app.py)"),
        "{summary}"
    );
}

#[test]
fn denied_it_fails_until_it_is_accepted() {
    let project = project("cycles = \"deny\"\n");
    let checked = project.check(&[]);
    checked.exits(1);
    let verdicts: Vec<&str> = checked.verdicts().into_values().collect();
    assert_eq!(verdicts.iter().filter(|word| **word == "leak").count(), 3);
    assert_eq!(verdicts.iter().filter(|word| **word == "clean").count(), 2);
    assert!(cycles(&checked)[0].fails);
    assert!(checked.test("test_adopt").why().contains("which is denied"));

    project
        .bare()
        .args(["accept", "--reason", "known"])
        .assert()
        .success();
    let accepted = project.check(&[]);
    accepted.exits(0);
    assert_eq!(cycles(&accepted)[0].status, "known");
    // Where not every cycle is looked for, one that is not seen is not called fixed.
    project.write(
        "pyproject.toml",
        "[tool.leakcheck]\ncycles = \"allow\"\nunclosed = \"allow\"\n",
    );
    let silent = project.check(&[]);
    silent.exits(0).all("clean", 5);
    assert!(silent.report.findings.is_empty(), "{}", silent.stdout);
}

#[test]
fn garbage_can_be_allowed_in_one_test() {
    let terms = "cycles = \"deny\"\n[[tool.leakcheck.override]]\ntests = [\"*\"]\nallow = { garbage = 20 }\nreason = \"they are few\"\n";
    let checked = project(terms).check(&[]);
    checked.exits(0).all("clean", 5);
    assert_eq!(cycles(&checked)[0].level, "note");
}

#[test]
fn what_the_collector_is_told_to_keep_is_a_leak_that_says_so() {
    let app = "import gc\n\n\nclass Node:\n    pass\n\n\ndef tangle():\n    gc.set_debug(gc.DEBUG_SAVEALL)\n    \
               node = Node()\n    node.self = node\n";
    let tests = "import app\n\n\ndef test_tangle():\n    app.tangle()\n";
    let project = Project::of(&[("app.py", app), ("test_app.py", tests)]);
    let checked = project.check(&[]);
    let text = &checked.exits(1).stdout;
    assert!(text.contains("retained by gc.garbage"), "{text}");
    assert!(text.contains("(gc.set_debug(0))"), "{text}");
}
