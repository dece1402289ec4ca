//! `leakcheck run --changed`: tests that a change can reach are run, and the others are left out by name.

mod common;

use std::{collections::BTreeSet, fs};

use common::{Checked, Project, git, leakcheck};

/// Two modules that do not know each other, one that reads a file, and a folder with fixtures of its own.
fn suite() -> Project {
    let project = Project::of(&[
        (".gitignore", "__pycache__/\n.pytest_cache/\n.leakcheck/\n"),
        ("README.md", "Words.\n"),
        ("pytest.ini", "[pytest]\naddopts = -p no:cacheprovider\n"),
        ("app/__init__.py", ""),
        ("app/base.py", "LIMIT = 3\n"),
        (
            "app/one.py",
            "from app.base import LIMIT\n\nKEPT = []\n\n\ndef one():\n    return LIMIT\n",
        ),
        ("app/two.py", "def two():\n    return 2\n"),
        (
            "app/rows.py",
            "import pathlib\n\n\ndef rows():\n    folder = pathlib.Path(__file__).parent.parent\n    return (folder / \"data\" / \"rows.csv\").read_text()\n",
        ),
        ("data/rows.csv", "1\n"),
        (
            "tests/test_one.py",
            "from app.one import one\n\n\ndef test_one():\n    assert one() == 3\n",
        ),
        (
            "tests/test_two.py",
            "from app.two import two\n\n\ndef test_two():\n    assert two() == 2\n",
        ),
        (
            "tests/test_rows.py",
            "from app.rows import rows\n\n\ndef test_rows():\n    assert rows()\n",
        ),
        (
            "tests/sub/conftest.py",
            "import pytest\n\n\n@pytest.fixture\ndef number():\n    return 7\n",
        ),
        (
            "tests/sub/test_number.py",
            "def test_number(number):\n    assert number == 7\n",
        ),
    ]);
    let root = project.root();
    git(&root, &["init", "--quiet", "--initial-branch", "main"]);
    git(&root, &["add", "-A"]);
    git(&root, &["commit", "--quiet", "-m", "All"]);
    git(&root, &["checkout", "--quiet", "-b", "topic"]);
    project
}

fn ran(checked: &Checked) -> BTreeSet<&str> {
    let left_out = |rule: &Option<String>| rule.as_deref() == Some("not-reached");
    { checked.report.tests.iter() }
        .filter(|test| !left_out(&test.rule))
        .map(|test| test.id.rsplit("::").next().unwrap())
        .collect()
}

const ALL: [&str; 4] = ["test_one", "test_two", "test_rows", "test_number"];

#[test]
fn what_a_change_can_reach_is_run_and_the_rest_is_counted_as_left_out() {
    let project = suite();
    let root = project.root();
    for (what, file, text, reached) in [
        ("nothing", "", "", &[][..]),
        (
            "a module",
            "app/two.py",
            "def two():\n    return 1 + 1\n",
            &["test_two"],
        ),
        (
            "what a module imports",
            "app/base.py",
            "LIMIT = 1 + 2\n",
            &["test_one"],
        ),
        (
            "a test",
            "tests/test_two.py",
            "def test_two():\n    pass\n",
            &["test_two"],
        ),
        ("data", "data/rows.csv", "2\n", &["test_rows"]),
        ("words that nobody reads", "README.md", "More words.\n", &[]),
        (
            "fixtures of a folder",
            "tests/sub/conftest.py",
            "import pytest\n\n\n@pytest.fixture\ndef number():\n    return 3 + 4\n",
            &["test_number"],
        ),
        ("a new file of fixtures", "tests/conftest.py", "", &ALL),
        ("a new module that nobody imports", "app/three.py", "", &[]),
        (
            "a new module in the place of another",
            "app/base/__init__.py",
            "LIMIT = 3\n",
            &["test_one"],
        ),
        ("settings", "pytest.ini", "[pytest]\n", &ALL),
        ("what is compiled", "app/fast.c", "", &ALL),
        ("what is installed", "requirements-test.txt", "", &ALL),
    ] {
        if !file.is_empty() {
            project.write(file, text);
        }
        let checked = project.check(&["--changed"]);
        let wanted: BTreeSet<&str> = reached.iter().copied().collect();
        assert_eq!(ran(checked.exits(0)), wanted, "{what}: {}", checked.stdout);
        let note = format!("{} of 4 tests are left out", 4 - wanted.len());
        assert!(checked.stdout.contains(&note), "{what}: {}", checked.stdout);
        git(&root, &["checkout", "--quiet", "."]);
        git(&root, &["clean", "--quiet", "-fd"]);
    }
    fs::remove_file(root.join("app/two.py")).unwrap();
    project.write("tests/test_two.py", "def test_two():\n    pass\n");
    let gone = project.check(&["--changed"]);
    assert_eq!(ran(gone.exits(0)), ALL.into());
}

#[test]
fn a_leak_of_a_commit_is_found_and_nothing_is_said_of_what_was_left_out() {
    let project = suite();
    let root = project.root();
    project.write(
        "app/two.py",
        "KEPT = []\n\n\ndef two():\n    KEPT.append(object())\n    return 2\n",
    );
    git(&root, &["commit", "--quiet", "-am", "A leak"]);
    let found = project.check(&["--changed"]);
    assert_eq!(ran(found.exits(1)), ["test_two"].into());
    git(&root, &["branch", "leaks"]);
    // An accepted leak of a test that is left out is neither fixed nor stale.
    let accepted = leakcheck().arg("accept").current_dir(&root).output();
    assert!(accepted.unwrap().status.success());
    git(&root, &["add", "-A", "-f", ".leakcheck/snapshots"]);
    git(&root, &["commit", "--quiet", "-m", "Accepted"]);
    project.write("app/base.py", "LIMIT = 2 + 1\n");
    let other = project.check(&["--changed=HEAD"]);
    assert_eq!(ran(other.exits(0)), ["test_one"].into());
    assert!(other.report.findings.is_empty(), "{}", other.stdout);
    // With what is known of earlier runs.
    let cold = project.check(&["--cache", "--deepen=0"]);
    cold.exits(0);
    let kept = project.check(&["--cache", "--changed=leaks"]);
    kept.exits(0);
    let asked = |name: &str| kept.test(name).kept.is_none();
    assert!(
        !asked("::test_number") && !asked("::test_one"),
        "{}",
        kept.report.kept
    );
    assert_eq!(kept.test("::test_two").rule.as_deref(), Some("not-reached"));
}

#[test]
fn a_base_that_cannot_be_had_is_one_line() {
    let project = suite();
    let root = project.root();
    let line = |project: &Project, args: &[&str]| {
        let output = project.command().args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = line(&project, &["--changed=nowhere"]);
    assert!(
        said.contains("--changed: git knows no commit nowhere"),
        "{said}"
    );
    git(&root, &["checkout", "--quiet", "--orphan", "other"]);
    git(&root, &["commit", "--quiet", "-m", "Of its own"]);
    let said = line(&project, &["--changed"]);
    assert!(said.contains("fetch more of the history"), "{said}");
    git(&root, &["branch", "--quiet", "-D", "main", "topic"]);
    let said = line(&project, &["--changed"]);
    assert!(said.contains("name a commit with --changed=BASE"), "{said}");
    let said = line(&project, &["--changed=HEAD", "--deny-stale"]);
    assert!(said.contains("--deny-stale"), "{said}");
    let none = Project::of(&[("test_it.py", "def test_it():\n    pass\n")]);
    let said = line(&none, &["--changed"]);
    assert!(said.contains("--changed: "), "{said}");
}
