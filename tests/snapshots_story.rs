//! What a team lives through with snapshots, from the first red run on: a copied project under git, changed step by step.

mod common;

use std::fs;

use common::{Checked, Project};

const TESTS: &str = "tests/test_depot.py";

fn git(project: &Project, args: &[&str]) -> String {
    common::git(&project.root(), args)
}

/// The fixture under git, with everything in it committed.
fn adopted() -> Project {
    let project = Project::fixture("adoption");
    project.write(".gitignore", "__pycache__/\n.pytest_cache/\n");
    git(&project, &["init", "--quiet"]);
    commit(&project);
    project
}

fn commit(project: &Project) {
    git(project, &["add", "-A"]);
    git(project, &["commit", "--quiet", "-m", "as it stands"]);
}

fn change(project: &Project, path: &str, from: &str, to: &str) {
    let text = fs::read_to_string(project.root().join(path)).unwrap();
    assert!(text.contains(from), "{path} has no {from}");
    project.write(path, &text.replace(from, to));
}

fn accept(project: &Project, args: &[&str]) -> String {
    let output = project.bare().arg("accept").args(args).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Function of the first site, status, and whether it fails, of every finding with a status of interest.
fn statuses(checked: &Checked) -> Vec<(String, String, bool)> {
    let mut all: Vec<_> = checked
        .report
        .findings
        .iter()
        .map(|finding| {
            let function = finding.sites.first().map(|site| site.function.clone());
            // What is gone has no site any more.
            let name = function.unwrap_or_else(|| "gone".to_owned());
            (name, finding.status.clone(), finding.fails)
        })
        .collect();
    all.sort();
    all
}

fn is(name: &str, status: &str, fails: bool) -> (String, String, bool) {
    (name.to_owned(), status.to_owned(), fails)
}

/// The fixture with a second leak.
fn add_a_second_leak(project: &Project) {
    let module = fs::read_to_string(project.root().join("depot.py")).unwrap();
    project.write(
        "depot.py",
        &format!(
            "{module}\n\nnotes = {{}}\n\n\ndef note(text):\n    notes[len(notes)] = [text] * 3\n"
        ),
    );
    change(
        project,
        TESTS,
        "    def test_count(self):",
        "    def test_note(self):\n        depot.note(\"broken\")\n        self.assertIn(0, depot.notes)\n\n    def test_count(self):",
    );
}

#[test]
fn the_whole_story() {
    let project = adopted();

    // The first run is red, and what it leaves is none of git's business but for what keeps it so.
    let checked = project.check(&[]);
    checked.exits(1);
    assert_eq!(statuses(&checked), [is("store", "new", true)]);
    assert_eq!(project.snapshots(".snap.new").len(), 1);
    assert_eq!(project.snapshots(".snap").len(), 0);
    assert_eq!(
        git(&project, &["status", "--porcelain", "-uall"]),
        "?? .leakcheck/.gitignore\n"
    );
    assert!(
        checked.stdout.contains("leakcheck accept "),
        "{}",
        checked.stdout
    );

    // Accepted, with a reason, it is green, and a run changes no file.
    accept(
        &project,
        &[
            "--reason",
            "emptied once a day",
            "--issue",
            "https://example.org/7",
        ],
    );
    assert_eq!(project.snapshots(".snap.new").len(), 0);
    assert_eq!(project.snapshots(".snap").len(), 1);
    commit(&project);
    let checked = project.check(&[]);
    checked.exits(0);
    assert_eq!(statuses(&checked), [is("store", "known", false)]);
    assert!(
        checked.stdout.contains("emptied once a day"),
        "{}",
        checked.stdout
    );
    assert_eq!(git(&project, &["status", "--porcelain", "-uall"]), "");

    // A second leak is red, and the only one that is shown whole.
    add_a_second_leak(&project);
    let checked = project.check(&[]);
    checked.exits(1);
    assert_eq!(
        statuses(&checked),
        [is("note", "new", true), is("store", "known", false)]
    );
    assert_eq!(checked.report.summary.findings["new"], 1);
    assert_eq!(checked.report.summary.findings["known"], 1);
    assert_eq!(
        checked.stdout.matches("leak[LK").count(),
        1,
        "{}",
        checked.stdout
    );
    assert!(checked.stdout.contains("in note"), "{}", checked.stdout);
    accept(&project, &[]);
    commit(&project);

    // The first made worse is red, with the difference.
    change(&project, "depot.py", "pieces=4", "pieces=12");
    change(&project, TESTS, "before + 4", "before + 12");
    let checked = project.check(&[]);
    checked.exits(1);
    assert_eq!(
        statuses(&checked),
        [is("note", "known", false), is("store", "worse", true)]
    );
    let changed = |sign: char| {
        checked
            .stdout
            .lines()
            .any(|line| line.trim_start().starts_with(sign) && line.contains("each iteration"))
    };
    assert!(changed('-') && changed('+'), "{}", checked.stdout);
    assert_eq!(git(&project, &["status", "--porcelain", ".leakcheck"]), "");
    git(&project, &["checkout", "--quiet", "."]);

    // The first fixed is green, and its snapshot is asked away.
    change(
        &project,
        "depot.py",
        "shelf.append({\"item\"",
        "shelf and shelf.append({\"item\"",
    );
    change(&project, TESTS, "before + 4", "before");
    let checked = project.check(&[]);
    checked.exits(0);
    let gone = "gone";
    assert_eq!(
        statuses(&checked),
        [is(gone, "fixed", false), is("note", "known", false)]
    );
    let fixed = checked
        .report
        .findings
        .iter()
        .find(|of| of.status == "fixed");
    let file = fixed.unwrap().accepted.as_ref().unwrap()["file"]
        .as_str()
        .unwrap();
    let text = fs::read_to_string(project.root().join(file)).unwrap();
    assert!(text.contains("function: store"), "{text}");
    assert!(
        checked
            .stdout
            .lines()
            .any(|line| line.contains("fixed") && line.contains(file)),
        "{}",
        checked.stdout
    );
    let checked = project.check(&["--deny-stale"]);
    checked.exits(1);
    assert!(statuses(&checked).contains(&is(gone, "fixed", true)));
    // A run of something else says nothing of it.
    let checked = project.check(&["--deny-stale", "--", "-k", "count"]);
    checked.exits(0);
    assert_eq!(statuses(&checked), []);
    assert_eq!(checked.report.snapshots["untested"], 2);
    assert!(accept(&project, &[]).contains("removed"));
    assert_eq!(project.snapshots(".snap").len(), 1);
    commit(&project);
    let checked = project.check(&["--deny-stale"]);
    checked.exits(0);
    assert_eq!(statuses(&checked), [is("note", "known", false)]);

    // The test renamed, the code moved: still green.
    let module = fs::read_to_string(project.root().join("depot.py")).unwrap();
    let (rest, moved) = module.split_at(module.find("notes = {}").unwrap());
    project.write("journal.py", &format!("import os\n\n\n\n{moved}"));
    project.write(
        "depot.py",
        &format!("from journal import note, notes  # noqa: F401\n\n{rest}"),
    );
    change(&project, TESTS, "test_note", "test_a_note_is_kept");
    let checked = project.check(&["--deny-stale"]);
    checked.exits(0);
    assert_eq!(statuses(&checked), [is("note", "known", false)]);
    assert!(
        checked.report.only_site().ends_with("journal.py"),
        "the code was not moved"
    );
}

impl common::Report {
    /// File of the only finding.
    fn only_site(&self) -> &str {
        assert_eq!(self.findings.len(), 1);
        &self.findings[0].sites[0].file
    }
}

#[test]
fn an_acceptance_ends_on_its_day() {
    let project = adopted();
    project.check(&[]).exits(1);
    accept(
        &project,
        &["--until", "2999-12-31", "--reason", "after the move"],
    );
    let checked = project.check(&[]);
    checked.exits(0);
    assert!(
        checked.stdout.contains("until 2999-12-31"),
        "{}",
        checked.stdout
    );
    let name = project.snapshots(".snap").into_keys().next().unwrap();
    change(
        &project,
        &format!(".leakcheck/snapshots/{name}"),
        "2999-12-31",
        "2020-12-31",
    );
    let checked = project.check(&[]);
    checked.exits(1);
    assert_eq!(statuses(&checked), [is("store", "new", true)]);
    assert_eq!(
        checked.report.findings[0].accepted.as_ref().unwrap()["expired"],
        true
    );
    assert!(
        checked.stdout.contains("expired") && checked.stdout.contains("after the move"),
        "{}",
        checked.stdout
    );
    accept(&project, &["--until", "2999-01-01"]);
    assert!(project.snapshots(".snap")[&name].contains("until: 2999-01-01"));
    project.check(&[]).exits(0);
}

#[test]
fn in_ci_nothing_is_decided_and_everything_can_be_fetched() {
    let project = adopted();
    let in_ci = |args: &[&str]| {
        let path = project.beside("report.json");
        let mut report = std::ffi::OsString::from("--report=json=");
        report.push(&path);
        let output = project
            .command()
            .arg(report)
            .args(args)
            .env("CI", "true")
            .output()
            .unwrap();
        Checked::read(output, &path)
    };
    let checked = in_ci(&[]);
    checked.exits(1);
    let pending = project.snapshots(".snap.new");
    let (name, text) = pending.first_key_value().unwrap();
    assert!(
        text.contains("shelf.append") && text.contains("pending: new"),
        "{text}"
    );
    // The very command, as a person would copy it.
    let line = checked
        .stdout
        .lines()
        .find(|line| line.starts_with("next: "))
        .unwrap();
    assert!(line.contains(".leakcheck/snapshots/*.snap.new"), "{line}");
    let command = line.split('`').nth(1).unwrap();
    let words: Vec<&str> = command
        .strip_prefix("leakcheck ")
        .unwrap()
        .split(' ')
        .collect();
    for verb in ["accept", "reject", "review"] {
        let output = project.bare().arg(verb).env("CI", "true").output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{verb}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("CI") && said.lines().count() == 1, "{said}");
    }
    let output = project.bare().args(&words).arg("--ci").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        project.snapshots(".snap.new"),
        pending,
        "nothing was touched"
    );
    let output = project.bare().args(&words).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let accepted = project.snapshots(".snap");
    assert_eq!(
        accepted.keys().collect::<Vec<_>>(),
        [name.trim_end_matches(".new")]
    );

    // Known is green, worse is red, and the accepted file stays as it is to the byte.
    in_ci(&[]).exits(0);
    change(&project, "depot.py", "pieces=4", "pieces=12");
    change(&project, TESTS, "before + 4", "before + 12");
    in_ci(&[]).exits(1);
    assert_eq!(project.snapshots(".snap"), accepted);
    assert!(project.snapshots(".snap.new")[name].contains("pending: worse"));
    // A person may say that this is no CI.
    let output = project
        .bare()
        .args(["accept", "--no-ci"])
        .env("CI", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_ne!(project.snapshots(".snap"), accepted);
}

#[test]
fn what_is_rejected_comes_back() {
    let project = adopted();
    project.check(&[]).exits(1);
    let output = project.bare().arg("reject").output().unwrap();
    assert!(output.status.success());
    assert_eq!(project.snapshots(".snap.new").len(), 0);
    project.check(&[]).exits(1);
    assert_eq!(project.snapshots(".snap.new").len(), 1);
    // Fixed before anybody decided, it waits no longer.
    change(
        &project,
        "depot.py",
        "shelf.append({\"item\"",
        "shelf and shelf.append({\"item\"",
    );
    change(&project, TESTS, "before + 4", "before");
    project.check(&[]).exits(0);
    assert_eq!(project.snapshots(".snap.new").len(), 0);
}

#[test]
fn two_runs_at_once_do_each_other_no_harm() {
    let project = adopted();
    let mut runs: Vec<_> = (0..2)
        .map(|_| {
            let mut command = project.plain_command();
            command
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null());
            command.spawn().unwrap()
        })
        .collect();
    for run in &mut runs {
        assert_eq!(run.wait().unwrap().code(), Some(1));
    }
    let together = project.snapshots(".snap.new");
    assert_eq!(together.len(), 1);
    assert_eq!(
        fs::read_dir(project.root().join(".leakcheck/snapshots"))
            .unwrap()
            .count(),
        1
    );
    // The bytes are those that a run by itself writes.
    fs::remove_dir_all(project.root().join(".leakcheck")).unwrap();
    project.check(&[]).exits(1);
    assert_eq!(project.snapshots(".snap.new"), together);
}
