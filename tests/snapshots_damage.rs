//! Snapshot files that were damaged, by hand, by a merge, by a newer version or by somebody who means harm: what is said
//! of each, and that nothing is lost.

mod common;

use std::{fs, path::PathBuf};

use common::Project;

const SNAPSHOT: &str = "\
---
format: leakcheck.snapshot/1
fingerprint: 4fb1d19d050d3ef2
code: LK101
kind: python
owner: project
site:
  file: app.py
  function: record
  source: events.append(event)
tests:
- test_app.py::test_record
measured: test_app.py::test_record
rates:
- python:
  - '3.12'
  blocks: 40
---
leak[LK101] record in app.py
";

/// A project whose tests say when they run.
fn project() -> Project {
    Project::of(&[(
        "test_app.py",
        "def test_record():\n    open('ran', 'w').close()\n",
    )])
}

fn folder(project: &Project) -> PathBuf {
    let folder = project.root().join(".leakcheck/snapshots");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Runs the check and returns its only line on the standard error stream; no test may have run.
#[track_caller]
fn refused(project: &Project) -> String {
    let output = project.command().arg("--quiet").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(!said.contains('\u{1b}'), "{said:?}");
    assert!(said.len() < 400, "{said}");
    assert!(
        !project.root().join("ran").exists(),
        "tests ran for nothing"
    );
    said
}

#[test]
fn the_undamaged_file_is_no_trouble() {
    let project = project();
    fs::write(folder(&project).join("a.snap"), SNAPSHOT).unwrap();
    let checked = project.check(&[]);
    checked.exits(0);
    assert_eq!(checked.report.findings[0].status, "fixed");
}

#[test]
fn every_damage_has_a_message_of_its_own() {
    let with = |from: &str, to: &str| {
        assert!(SNAPSHOT.contains(from), "{from}");
        SNAPSHOT.replacen(from, to, 1)
    };
    let table: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", Vec::new(), "does not begin with a `---` line"),
        ("cut off", SNAPSHOT[..120].into(), "does not begin with a `---` line"),
        (
            "a merge that was not finished",
            format!("<<<<<<< HEAD\n{SNAPSHOT}=======\n>>>>>>> other\n").into(),
            "conflict markers of a merge; keep one side",
        ),
        ("a newer version", with("snapshot/1", "snapshot/7").into(), "version 7 of the format"),
        ("a foreign file", with("leakcheck.snapshot/1", "insta").into(), "`format` is `insta`"),
        ("a slip in a key", with("owner:", "ownr:").into(), "line 6: unknown field `ownr`"),
        ("a key that is missing", with("code: LK101\n", "").into(), "missing field `code`"),
        ("a wrong value", with("kind: python", "kind: ruby").into(), "unknown variant `ruby`"),
        ("a rate that is none", with("blocks: 40", "blocks: .inf").into(), "the rate of `blocks`"),
        ("a key twice", with("code:", "code: LK1\ncode:").into(), "duplicate"),
        ("broken YAML", with("owner: project", "owner: [project").into(), "line "),
        ("no text", vec![b'-', b'-', b'-', b'\n', 0xff, 0xfe], "not UTF-8"),
        ("huge", vec![b'x'; 3 << 20], "larger than 256 kB"),
        (
            "an endless front matter",
            with("owner: project", &format!("owner: {}", "x".repeat(100_000))).into(),
            "longer than 64 kB",
        ),
        (
            "a path for a fingerprint",
            with("4fb1d19d050d3ef2", "../../../etc/passwd").into(),
            "`fingerprint` is not",
        ),
        (
            "text that steers a terminal",
            with("project", "\"\\e[2Jproject\\n::error::x\"").into(),
            "unknown variant `\\u{1b}[2Jproject",
        ),
        (
            "aliases that multiply",
            with(
                "owner: project",
                "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]",
            )
            .into(),
            "unknown field `a`",
        ),
        ("an alias of itself", with("owner: project", "owner: &a [*a]").into(), "line "),
        (
            "nesting without end",
            with("owner: project", &format!("owner: {}", "[".repeat(20_000))).into(),
            "line ",
        ),
    ];
    let project = project();
    let path = folder(&project).join("a.snap");
    for (name, bytes, expected) in table {
        fs::write(&path, &bytes).unwrap();
        let said = refused(&project);
        assert!(said.contains(expected), "{name}: {said}");
        assert!(
            said.starts_with("leakcheck: .leakcheck/snapshots/a.snap: "),
            "{name}: {said}"
        );
        assert_eq!(
            fs::read(&path).unwrap(),
            bytes,
            "{name}: the file was touched"
        );
    }
}

#[test]
fn what_is_no_file_of_its_own() {
    let project = project();
    let folder = folder(&project);
    fs::create_dir(folder.join("a.snap")).unwrap();
    assert!(refused(&project).contains("it is no file"));
    fs::remove_dir(folder.join("a.snap")).unwrap();

    // Opening it would wait for ever.
    nix::unistd::mkfifo(&folder.join("a.snap"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(refused(&project).contains("it is no file"));
    fs::remove_file(folder.join("a.snap")).unwrap();

    let outside = project.beside("outside");
    fs::write(&outside, "secret: 1").unwrap();
    std::os::unix::fs::symlink(&outside, folder.join("a.snap")).unwrap();
    let said = refused(&project);
    assert!(
        said.contains("it is a link") && !said.contains("secret"),
        "{said}"
    );
    fs::remove_file(folder.join("a.snap")).unwrap();

    fs::write(folder.join("a\u{1b}[2J.snap"), "x").unwrap();
    assert!(refused(&project).contains("a\\u{1b}[2J.snap"));
    fs::remove_file(folder.join("a\u{1b}[2J.snap")).unwrap();

    fs::remove_dir(&folder).unwrap();
    fs::write(&folder, "").unwrap();
    assert!(refused(&project).contains("is no folder"));
}

#[test]
fn the_same_finding_twice_names_both_files() {
    let project = project();
    let folder = folder(&project);
    fs::write(folder.join("a.snap"), SNAPSHOT).unwrap();
    fs::write(folder.join("b.snap"), SNAPSHOT).unwrap();
    let said = refused(&project);
    assert!(
        said.contains("b.snap") && said.contains("a.snap") && said.contains("keep one"),
        "{said}"
    );
}

#[test]
fn every_bad_file_is_named_at_once() {
    let project = project();
    let folder = folder(&project);
    for name in ["a.snap", "b.snap", "c.snap"] {
        fs::write(folder.join(name), "x").unwrap();
    }
    fs::write(folder.join("d.snap"), SNAPSHOT).unwrap();
    let output = project.command().output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    let named: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("leakcheck: .leakcheck"))
        .collect();
    assert_eq!(named.len(), 3, "{said}");
}

#[test]
fn a_damaged_file_that_waits_is_not_decided_about() {
    let project = project();
    let folder = folder(&project);
    let waiting = SNAPSHOT.replacen("fingerprint:", "pending: new\nfingerprint:", 1);
    fs::write(folder.join("a.snap.new"), &waiting).unwrap();
    fs::write(folder.join("b.snap.new"), "x").unwrap();
    for verb in ["accept", "reject", "review"] {
        let output = project.bare().arg(verb).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{verb}: {said}");
        assert!(
            said.contains("b.snap.new") && said.lines().count() == 1,
            "{said}"
        );
        assert!(folder.join("a.snap.new").exists(), "{verb}");
    }
    fs::remove_file(folder.join("b.snap.new")).unwrap();
    // Nor is an accepted file that cannot be read overwritten.
    fs::write(folder.join("a.snap"), "mine").unwrap();
    let output = project.bare().arg("accept").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(fs::read(folder.join("a.snap")).unwrap(), b"mine");
    assert!(folder.join("a.snap.new").exists());
}

#[test]
fn what_cannot_be_written_is_said_and_the_verdict_stands() {
    let project = Project::of(&[(
        "test_app.py",
        "kept = []\ndef test_record():\n    kept.append({'a': object()})\n",
    )]);
    // Where the folder should be is a file.
    project.write(".leakcheck", "");
    let output = project.command().output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(".leakcheck is no folder"), "{said}");
    fs::remove_file(project.root().join(".leakcheck")).unwrap();
    fs::create_dir(project.root().join(".leakcheck")).unwrap();
    std::os::unix::fs::symlink(
        "/nonexistent/folder",
        project.root().join(".leakcheck/snapshots"),
    )
    .unwrap();
    let output = project.command().output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(".leakcheck/snapshots is a link"), "{said}");
}
