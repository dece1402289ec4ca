//! `leakcheck bisect`: the commit that brought a leak, out of made histories.

mod common;

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use common::{Project, git, processes::wait_for};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

/// A descriptor is scarce, so that it is soon a leak.
const KEEPS: &str = "import os

shelf = []


def store(item):
    shelf.append(os.dup(0))
";
const RETURNS: &str = "import os

shelf = []


def store(item):
    os.close(os.dup(0))
";
const BROKEN: &str = "def store(:\n";
const TESTS: &str = "from depot import store\n\n\ndef test_store():\n    store(1)\n\n\ndef test_other():\n    pass\n";

/// A repository with a commit for each text of `depot.py`, tagged `c1`, `c2` and so on.
fn history(file: &str, texts: &[&str]) -> Project {
    let project = Project::of(&[
        ("test_depot.py", TESTS),
        (".gitignore", "__pycache__/\n.pytest_cache/\n"),
    ]);
    git(&project.root(), &["init", "--quiet"]);
    for (at, text) in texts.iter().enumerate() {
        project.write(file, &format!("{text}# {at}\n"));
        commit(&project, &format!("Change {}", at + 1));
    }
    project
}

fn commit(project: &Project, message: &str) {
    let root = project.root();
    git(&root, &["add", "-A"]);
    git(&root, &["commit", "--quiet", "-m", message]);
    let count = git(&root, &["rev-list", "--count", "HEAD"]);
    git(&root, &["tag", &format!("c{}", count.trim())]);
}

fn id(project: &Project, name: &str) -> String {
    git(&project.root(), &["rev-parse", name]).trim().to_owned()
}

struct Found {
    code: i32,
    out: String,
    err: String,
    json: Value,
}

impl Found {
    #[track_caller]
    fn exits(&self, code: i32) -> &Found {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        self
    }

    fn commits(&self) -> Vec<&str> {
        let commits = self.json["commits"].as_array().unwrap();
        commits
            .iter()
            .map(|commit| commit["id"].as_str().unwrap())
            .collect()
    }
}

fn bisect_with(project: &Project, args: &[&str], variables: &[(&str, &Path)]) -> Found {
    let file = project.beside("bisect.json");
    let _ = fs::remove_file(&file);
    let mut command = project.bare();
    for (name, value) in variables {
        command.env(name, value);
    }
    let output = command
        .arg("bisect")
        .args(args)
        .arg("--json")
        .arg(&file)
        .arg("--python")
        .arg(project.python())
        .output()
        .unwrap();
    let json = fs::read(&file).unwrap_or_else(|_| b"null".to_vec());
    Found {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
        json: serde_json::from_slice(&json).unwrap(),
    }
}

fn bisect(project: &Project, args: &[&str]) -> Found {
    bisect_with(project, args, &[])
}

/// A leak at the 8th, a fix at the 30th, the leak again at the 46th, and what does not even parse at the 44th, and in
/// the middle, whichever of the two git takes for that.
#[test]
fn a_leak_that_was_fixed_once_and_came_again_has_its_commit_among_64() {
    let texts: Vec<&str> = (1..=64)
        .map(|at| match at {
            44 | 48 | 49 => BROKEN,
            8..30 | 46.. => KEEPS,
            _ => RETURNS,
        })
        .collect();
    let project = history("depot.py", &texts);
    let found = bisect(&project, &["c1..c64"]);
    found.exits(0);
    assert_eq!(found.commits(), [id(&project, "c46")]);
    // Both ends, the test alone, the three that cannot be judged, and no more than halving takes on each side of these: what
    // lies between them comes last. Which commit git takes for the middle of an even number is chance.
    let steps = found.json["steps"].as_array().unwrap();
    assert!(steps.len() <= 3 + 3 + 2 * 6, "{}", found.err);
    let skipped = steps.iter().filter(|step| step["answer"] == "unjudged");
    assert!((1..=3).contains(&skipped.count()), "{}", found.err);
    assert!(found.err.contains("6 steps left: "), "{}", found.err);
    for part in [
        "brought this leak (63 commits, ",
        "Author: T <t@example.org>",
        " depot.py | ",
        "leak[LK301]: 1 file descriptor",
        "The commit changes depot.py, where the finding is.",
    ] {
        assert!(found.out.contains(part), "{part}: {}", found.out);
    }
    assert_eq!(
        found.json["finding"]["tests"],
        serde_json::json!(["test_depot.py::test_store"])
    );
}

#[test]
fn nothing_of_the_users_checkout_is_touched_and_none_of_its_hooks_run() {
    let project = history("depot.py", &[RETURNS, RETURNS, KEEPS, KEEPS]);
    let root = project.root();
    let hook = root.join(".git/hooks/post-checkout");
    let hooked = project.beside("hooked");
    let script = format!(
        "#!/bin/sh
touch {}
exit 1
",
        hooked.display()
    );
    fs::write(&hook, script).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    project.write("depot.py", "in the middle of something\n");
    project.write("staged.py", "");
    git(&root, &["add", "staged.py"]);
    let state = || {
        (
            git(&root, &["status", "--porcelain"]),
            git(&root, &["stash", "list"]),
            id(&project, "HEAD"),
        )
    };
    let (before, index) = (state(), fs::read(root.join(".git/index")).unwrap());
    // As where a hook of git calls it.
    let variables = [
        ("GIT_INDEX_FILE", root.join(".git/index")),
        ("GIT_DIR", root.join(".git")),
    ];
    let variables = variables.each_ref().map(|(name, path)| (*name, &**path));
    let found = bisect_with(&project, &["c1..c4"], &variables);
    found.exits(0);
    assert_eq!(found.commits(), [id(&project, "c3")]);
    assert_eq!(fs::read(root.join(".git/index")).unwrap(), index);
    assert_eq!(state(), before);
    assert_eq!(git(&root, &["worktree", "list"]).lines().count(), 1);
    assert!(!hooked.exists());
    let left: BTreeSet<_> = fs::read_dir(project.temporary())
        .unwrap()
        .map(|it| it.unwrap().file_name())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn where_the_commit_cannot_be_told_all_it_may_be_are_named() {
    let project = history("depot.py", &[RETURNS, BROKEN, BROKEN, KEEPS]);
    let found = bisect(&project, &["c1..c4"]);
    found.exits(3);
    let mut commits = found.commits();
    commits.sort_unstable();
    let mut expected = ["c2", "c3", "c4"].map(|name| id(&project, name));
    expected.sort();
    assert_eq!(commits, expected);
    assert!(
        found
            .out
            .contains("one of 3 commits brought this leak; which one cannot be told"),
        "{}",
        found.out
    );
    assert!(
        found.out.contains("Change 2: pytest: SyntaxError"),
        "{}",
        found.out
    );
}

#[test]
fn what_was_there_before_is_asked_for_the_commit_that_made_it_worse() {
    let many = |count| KEEPS.replace("    shelf", &format!("    for _ in range({count}): shelf"));
    let (little, worse) = (many(1), many(4));
    let project = history("depot.py", &[&little]);
    // What a commit has accepted, by whatever version, is not asked.
    project.write(".leakcheck/snapshots/old.snap", "of another time");
    for text in [&little, &worse, &worse] {
        project.write("depot.py", text);
        project.write("notes.txt", &git(&project.root(), &["rev-parse", "HEAD"]));
        commit(&project, "Change");
    }
    let found = bisect(&project, &["c1..c4", "test_depot.py::test_store"]);
    found.exits(0);
    assert_eq!(found.commits(), [id(&project, "c3")]);
    assert!(found.out.contains("made this leak worse"), "{}", found.out);
    assert!(found.err.contains(": no worse ("), "{}", found.err);
    // Nothing came in the last two.
    let found = bisect(&project, &["c3..c4", "test_depot.py::test_store"]);
    found.exits(3);
    assert!(found.err.contains("leaks in"), "{}", found.err);
    assert!(found.err.contains("name an older GOOD"), "{}", found.err);
}

/// Where the environment imports the project from the user's checkout, every commit would look like that.
#[test]
fn a_commit_is_judged_by_its_own_code_whatever_is_installed() {
    let project = history("src/depot.py", &[RETURNS, RETURNS, KEEPS, RETURNS, KEEPS]);
    let installed = project.beside("installed");
    fs::create_dir(&installed).unwrap();
    fs::write(installed.join("depot.py"), RETURNS).unwrap();
    // As an editable install has it, and as a plain one.
    for path in [project.root().join("src"), installed] {
        let found = bisect_with(&project, &["c1..c3"], &[("PYTHONPATH", &path)]);
        found.exits(0);
        assert_eq!(found.commits(), [id(&project, "c3")]);
    }
}

#[test]
fn a_commit_is_built_and_what_does_not_build_is_skipped() {
    let project = history(
        "depot.in",
        &[
            RETURNS, RETURNS, RETURNS, RETURNS, RETURNS, RETURNS, KEEPS, KEEPS,
        ],
    );
    let found = bisect(
        &project,
        &[
            "c1..c8",
            "--build",
            "grep -q '# [34]' depot.in && { echo no compiler; exit 1; }; cp depot.in depot.py",
        ],
    );
    found.exits(0);
    assert_eq!(found.commits(), [id(&project, "c7")]);
    assert!(
        found.err.contains(": skipped, does not build: no compiler"),
        "{}",
        found.err
    );
    assert!(!project.root().join("depot.py").exists());
}

#[test]
fn a_test_that_came_later_is_brought_along() {
    let project = history("depot.py", &[RETURNS, KEEPS, KEEPS]);
    project.write(
        "test_late.py",
        "import depot\n\n\ndef test_late():\n    depot.store(2)\n",
    );
    let without = bisect(&project, &["c1..c3", "test_late.py"]);
    without.exits(3);
    let found = bisect(
        &project,
        &["c1..c3", "test_late.py", "--bring", "test_late.py"],
    );
    found.exits(0);
    assert_eq!(found.commits(), [id(&project, "c2")]);
}

#[test]
fn a_report_of_the_later_end_spares_its_run_and_one_of_several_findings_is_chosen() {
    let two = format!("{KEEPS}\n\nfiles = []\n\n\ndef other():\n    files.append(os.dup(0))\n");
    let project = history("depot.py", &[RETURNS, KEEPS, &two, &two]);
    project.write(
        "test_depot.py",
        &TESTS.replace(
            "test_other():\n    pass",
            "test_other():\n    import depot\n    getattr(depot, 'other', int)()",
        ),
    );
    commit(&project, "Test it");
    let json = project.beside("run.json");
    project.check(&[]);
    let report = project.beside("report.json");
    fs::rename(report, &json).unwrap();
    let read: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    let findings = read["findings"].as_array().unwrap();
    let other = findings
        .iter()
        .find(|one| one["summary"].as_str().unwrap().contains("files"))
        .unwrap();
    let digits = &other["fingerprint"].as_str().unwrap()[..8];
    let from = json.to_str().unwrap();
    let found = bisect(
        &project,
        &[
            "c1..c5",
            "--from",
            from,
            "--finding",
            digits,
            "--bring",
            "test_depot.py",
        ],
    );
    found.exits(0);
    assert_eq!(found.commits(), [id(&project, "c3")]);
    assert!(!found.err.contains("BAD: "), "{}", found.err);
    let found = bisect(
        &project,
        &["c1..c5", "--from", from, "--finding", "ffffffff"],
    );
    found.exits(3);
    assert!(
        found.err.contains("BAD does not show ffffffff: it has "),
        "{}",
        found.err
    );
}

#[test]
fn unittest_is_given_the_file_of_the_test_that_shows_it() {
    let project = history("depot.py", &[RETURNS, KEEPS]);
    let suite = "import unittest\nfrom depot import store\n\n\nclass TestDepot(unittest.TestCase):\n    \
                 def test_store(self):\n        store(1)\n\n    def test_other(self):\n        pass\n";
    project.write("test_depot.py", suite);
    commit(&project, "For unittest");
    let args = ["c1..c3", "--runner", "unittest", "--bring", "test_depot.py"];
    let found = bisect(&project, &args);
    found.exits(0);
    assert_eq!(found.commits(), [id(&project, "c2")]);
    assert!(found.err.contains("BAD, its file: "), "{}", found.err);
    assert!(!found.err.contains("no such file"), "{}", found.err);
}

/// The build stands for whatever takes long.
#[test]
fn an_interrupted_search_leaves_nothing() {
    let project = history("depot.py", &[RETURNS, KEEPS]);
    let begun = project.beside("begun");
    let mut command = common::plain_leakcheck();
    let build = format!("echo $$ > {}; sleep 600", begun.display());
    let mut child = command
        .current_dir(project.root())
        .env("TMPDIR", project.temporary())
        .args(["bisect", "c1..c2", "--quiet", "--build", &build])
        .spawn()
        .unwrap();
    let said = || fs::read_to_string(&begun).unwrap_or_default();
    wait_for("the build begins", Duration::from_secs(60), || {
        said().ends_with('\n')
    });
    let build = Pid::from_raw(said().trim().parse().unwrap());
    kill(
        Pid::from_raw(i32::try_from(child.id()).unwrap()),
        Signal::SIGTERM,
    )
    .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    wait_for("the build ends", Duration::from_secs(10), || {
        kill(build, None).is_err()
    });
    assert_eq!(
        git(&project.root(), &["worktree", "list"]).lines().count(),
        1
    );
    assert_eq!(fs::read_dir(project.temporary()).unwrap().count(), 0);
}

#[test]
fn names_in_a_repository_cannot_steer_a_terminal() {
    let project = history("depot.py", &[RETURNS]);
    project.write("depot.py", KEEPS);
    let root = project.root();
    git(&root, &["add", "-A"]);
    git(
        &root,
        &[
            "commit",
            "--quiet",
            "--author",
            "E\u{1b}[2Jve \u{202e} <e@example.org>",
            "-m",
            "\u{1b}]0;x\u{7}Keep<img>",
        ],
    );
    let comment = project.beside("comment.md");
    let found = bisect(
        &project,
        &["c1..HEAD", "--markdown", comment.to_str().unwrap()],
    );
    found.exits(0);
    let comment = fs::read_to_string(comment).unwrap();
    assert!(
        comment.contains("Keep<img>` brought this leak: `1 file descriptor"),
        "{comment}"
    );
    for text in [&found.out, &found.err, &comment] {
        assert!(
            !text.contains('\u{1b}') && !text.contains('\u{202e}') && !text.contains('\u{7}'),
            "{text:?}"
        );
    }
    assert!(found.out.contains("Author: E\\u{1b}[2Jve"), "{}", found.out);
}

#[test]
fn what_is_no_range_of_this_repository_is_said_in_a_line() {
    let project = history("depot.py", &[RETURNS, KEEPS]);
    git(
        &project.root(),
        &["checkout", "--quiet", "-b", "side", "c1"],
    );
    project.write("other.py", "");
    git(&project.root(), &["add", "-A"]);
    git(&project.root(), &["commit", "--quiet", "-m", "side"]);
    for (range, part) in [
        ("c1", "c1 is no range of commits; write GOOD..BAD"),
        ("c1..gone", "there is no commit gone here"),
        ("--output=x..c2", "unexpected argument"),
        ("-x..c2", "unexpected argument"),
        ("c1..c1", "are the same commit"),
        ("side..c2", "c2 does not come after side; `git merge-base"),
        ("c2..c1", "c1 does not come after c2"),
    ] {
        let found = bisect(&project, &[range]);
        found.exits(2);
        assert!(found.err.contains(part), "{range}: {}", found.err);
        assert!(
            found.err.lines().count() == 1 || part == "unexpected argument",
            "{}",
            found.err
        );
    }
    let found = bisect(&project, &["c1..c2", "--finding", "xyz"]);
    found.exits(2);
    assert!(found.err.contains("xyz is no fingerprint"), "{}", found.err);
    let nowhere = Project::of(&[("test_a.py", "")]);
    let found = bisect(&nowhere, &["a..b"]);
    found.exits(2);
    assert!(found.err.contains("git repository"), "{}", found.err);
}
