//! What is said of a suite does not depend on how many workers there are, nor on which of them is faster.

mod common;

use std::collections::BTreeMap;

use common::{Checked, Project};

/// Files whose tests have an autouse fixture that leaks.
const SPOILED: usize = 7;

/// A folder with a fixture that leaks in every test, one place that leaks in several files and amounts, a cache that says
/// nothing of its end, a fixture of a package that leaks each time it is set up, and what is healthy.
fn suite() -> Project {
    let project = Project::of(&[
        (
            "app.py",
            "EVENTS = []\nROWS = []\nCONNECTIONS = []\nLABELS = {}\n\n\n\
             def note(count):\n    for at in range(count):\n        EVENTS.append({\"at\": at})\n\n\n\
             def keep():\n    ROWS.append(object())\n\n\n\
             def connect():\n    CONNECTIONS.append({\"open\": True})\n\n\n\
             def label():\n    if len(LABELS) < 150:\n        LABELS[len(LABELS)] = {\"made\": True}\n",
        ),
        ("conftest.py", ""),
        (
            "test_labels.py",
            "import app\n\n\ndef test_label():\n    app.label()\n",
        ),
        (
            "spoiled/conftest.py",
            "import app\nimport pytest\n\n\n@pytest.fixture(autouse=True)\ndef row():\n    app.keep()\n",
        ),
        (
            "wide/conftest.py",
            "import app\nimport pytest\n\n\n@pytest.fixture(scope=\"module\")\ndef connection():\n    app.connect()\n",
        ),
    ]);
    for file in 0..SPOILED {
        let tests: String = (0..8)
            .map(|at| format!("def test_{at}():\n    assert {at} < 8\n\n\n"))
            .collect();
        project.write(&format!("spoiled/test_{file}.py"), &tests);
    }
    for file in 0..4 {
        project.write(
            &format!("test_notes_{file}.py"),
            &format!(
                "import app\n\n\ndef test_note():\n    app.note({})\n\n\n\
                 def test_fine():\n    assert app\n",
                file + 1
            ),
        );
        project.write(
            &format!("wide/test_wide_{file}.py"),
            "def test_connected(connection):\n    assert True\n",
        );
    }
    project
}

/// Verdict and rule of each test.
fn said(checked: &Checked) -> BTreeMap<&str, (&str, Option<&str>)> {
    let tests = checked.report.tests.iter();
    tests
        .map(|test| (&*test.id, (&*test.verdict, test.rule.as_deref())))
        .collect()
}

/// Fingerprint, holder, place and tests of each finding.
fn found(checked: &Checked) -> BTreeMap<&str, (String, Option<String>, &[String])> {
    let findings = checked.report.findings.iter();
    findings
        .map(|finding| {
            let site = finding.sites.first();
            let place = site.map(|site| format!("{}:{}", site.file, site.line));
            let holder = finding.holder.as_ref().map(|holder| holder.name.clone());
            (
                &*finding.fingerprint,
                (holder.unwrap_or_default(), place, &*finding.tests),
            )
        })
        .collect()
}

#[test]
fn many_workers_say_what_one_says() {
    let project = suite();
    // So much that time decides nothing.
    let run = |jobs: &str| project.check(&["--runner", "pytest", "-j", jobs, "--budget", "10m"]);
    let one = run("1");
    assert_eq!(one.code, 1, "{}{}", one.stdout, one.stderr);
    assert!(found(&one).len() >= 3, "{}", one.stdout);
    for jobs in ["2", "8"] {
        let many = run(jobs);
        assert_eq!(said(&one), said(&many), "-j {jobs}:\n{}", many.stdout);
        assert_eq!(found(&one), found(&many), "-j {jobs}:\n{}", many.stdout);
        assert_eq!(one.code, many.code);
    }
}

#[test]
fn where_the_time_went_is_said_by_part_file_and_test() {
    let project = Project::of(&[
        (
            "test_slow.py",
            "import time\n\n\ndef test_sleeps():\n    time.sleep(0.2)\n",
        ),
        ("test_fast.py", "def test_fast():\n    pass\n"),
    ]);
    let run = |args: &[&str]| {
        let output = project.command().args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let said = run(&["--profile", "--jobs=2"]);
    let line = |end: &str| {
        let line = said.lines().find(|line| line.ends_with(end));
        line.unwrap_or_else(|| panic!("{end}: {said}")).to_owned()
    };
    assert!(line("  first look at each test").contains(" s "));
    // Four iterations of a fifth of a second.
    for name in ["   test_slow.py", "   test_slow.py::test_sleeps"] {
        let line = line(name);
        let seconds: f64 = line.split_whitespace().next().unwrap().parse().unwrap();
        assert!((0.8..20.0).contains(&seconds), "{line}");
        let iterations: u32 = line.split_whitespace().nth(3).unwrap().parse().unwrap();
        assert!((4..=6).contains(&iterations), "{line}");
    }
    assert!(!run(&[]).contains("first look"));
}
