//! `leakcheck run --expect-fixed ID`: whether what leaked before is gone.

mod common;

use std::{fs, process::Output};

use common::Project;

const KEEPS: &str = "import os\n\nshelf = []\n\n\ndef store():\n    shelf.append(os.dup(0))\n";
const CLOSES: &str = "import os\n\n\ndef store():\n    os.close(os.dup(0))\n";
const TESTS: &str = "import unittest\n\nfrom depot import store\n\n\nclass TestDepot(unittest.TestCase):\n    \
                     def test_store(self):\n        store()\n\n    def test_other(self):\n        pass\n";

fn asked(project: &Project, runner: &str, args: &[&str]) -> (i32, String, String) {
    // Whatever else the run is worth as evidence.
    let args = [&["--runner", runner, "--min-judged", "0"], args].concat();
    let Output {
        status,
        stdout,
        stderr,
    } = project.command().args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn a_leak_is_still_there_or_fixed_or_nobody_knows() {
    for runner in ["pytest", "unittest"] {
        let project = Project::of(&[("depot.py", KEEPS), ("test_depot.py", TESTS)]);
        project.write("test_more.py", &TESTS.replace("store()", "pass"));
        let first = project.check(&["--runner", runner]);
        let id = first.only_leak().fingerprint[..8].to_owned();
        let expect = ["--expect-fixed", &id];
        let waiting = project.snapshots(".snap.new");
        assert_eq!(waiting.len(), 1);

        let (code, out, err) = asked(&project, runner, &expect);
        assert_eq!(code, 1, "{out}{err}");
        assert!(err.contains(&format!("{id} is still there")), "{err}");
        // unittest is given the file.
        let tests = if runner == "pytest" {
            "of 1 test "
        } else {
            "of 2 tests "
        };
        assert!(out.contains(tests), "{out}");

        project.write("depot.py", CLOSES);
        for _ in 0..2 {
            let (code, out, err) = asked(&project, runner, &expect);
            assert_eq!(code, 0, "{out}{err}");
            assert!(
                err.contains(&format!("{id} is fixed: its tests were judged")),
                "{err}"
            );
            assert_eq!(
                project.snapshots(".snap.new"),
                waiting,
                "a question changes nothing"
            );
        }

        project.write(
            "depot.py",
            "def store():\n    assert seen is None\n    globals()['seen'] = 1\n\n\nseen = None\n",
        );
        let (code, out, err) = asked(&project, runner, &expect);
        assert_eq!(code, 3, "{out}{err}");
        assert!(
            err.contains("cannot be told: ") && err.contains("test_store is unrepeatable"),
            "{err}"
        );
    }
}

#[test]
fn what_is_accepted_is_expected_to_be_gone_all_the_same() {
    let project = Project::of(&[("depot.py", KEEPS), ("test_depot.py", TESTS)]);
    let id = project.check(&[]).only_leak().fingerprint[..8].to_owned();
    project.bare().arg("accept").assert().code(0);
    let (code, out, err) = asked(
        &project,
        "pytest",
        &["--expect-fixed", &id, "test_depot.py"],
    );
    assert_eq!(code, 1, "{out}{err}");
    assert!(out.contains("of 2 tests"), "what is named runs: {out}");
    // Another leak in its place is no fix.
    let other = KEEPS
        .replace("shelf", "others")
        .replace("os.dup(0)", "os.open(os.devnull, os.O_RDONLY)");
    project.write(
        "depot.py",
        &other.replace("store():", "store():\n    again()\n\n\ndef again():"),
    );
    let (code, out, err) = asked(&project, "pytest", &["--expect-fixed", &id]);
    assert_eq!(code, 1, "{out}{err}");
    assert!(err.contains("is fixed"), "{out}{err}");
    project.write("depot.py", CLOSES);
    fs::remove_file(project.root().join("test_depot.py")).unwrap();
    project.write("test_more.py", TESTS);
    let (code, out, err) = asked(&project, "pytest", &["--expect-fixed", &id]);
    assert_eq!(code, 3, "{out}{err}");
    assert!(err.contains("test_store is not there"), "{err}");
}

#[test]
fn an_id_that_nothing_has_is_told_with_those_that_are_there() {
    let project = Project::of(&[("depot.py", CLOSES), ("test_depot.py", TESTS)]);
    for (id, part) in [
        ("12345678", "none is there"),
        ("12", "none is there"),
        ("\u{1b}[2J", "\\u{1b}[2J"),
    ] {
        let (code, _, err) = asked(&project, "pytest", &["--expect-fixed", id]);
        assert_eq!(code, 2);
        assert!(
            err.contains("no snapshot in .leakcheck/snapshots has the fingerprint"),
            "{err}"
        );
        assert!(err.contains(part), "{err:?}");
    }
    let (code, ..) = asked(
        &project,
        "pytest",
        &["--expect-fixed", "12345678", "--shard", "1/2"],
    );
    assert_eq!(code, 2);
}

#[test]
fn only_what_waits_since_the_runs_before_is_run_again() {
    let project = Project::of(&[("depot.py", KEEPS), ("test_depot.py", TESTS)]);
    project.write("test_more.py", &TESTS.replace("store()", "pass"));
    let (code, out, err) = asked(&project, "pytest", &["--lf"]);
    assert_eq!(code, 1, "{out}{err}");
    assert!(out.contains("of 4 tests"), "{out}");
    assert!(out.contains("--lf: nothing waits"), "{out}");

    let (code, out, err) = asked(&project, "pytest", &["--lf"]);
    assert_eq!(code, 1, "{out}{err}");
    assert!(out.contains("1 leak in 1 of 1 test "), "{out}");
    assert!(
        out.contains("only what showed the 1 finding that waits"),
        "{out}"
    );
    assert_eq!(project.snapshots(".snap.new").len(), 1);

    // Named tests are what is asked for.
    let (_, out, _) = asked(&project, "pytest", &["--lf", "test_more.py"]);
    assert!(out.contains("in 2 tests"), "{out}");

    project.write("depot.py", CLOSES);
    let (code, out, err) = asked(&project, "pytest", &["--last-failed"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("in 1 test "), "{out}");
    let (code, out, err) = asked(&project, "pytest", &["--lf"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(
        out.contains("in 4 tests") && out.contains("--lf: nothing waits"),
        "{out}"
    );
}
