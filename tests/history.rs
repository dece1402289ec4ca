//! `--history FILE` and `leakcheck history`: a line of figures for each run, and what they tell.

mod common;

use std::{fs, path::Path, process::Stdio};

use common::{Project, git, leakcheck};
use serde_json::{Value, json};

const KEEPS: &str = "import os\n\nshelf = []\n\n\ndef store():\n    shelf.append(os.dup(0))\n";
const CLOSES: &str = "import os\n\n\ndef store():\n    os.close(os.dup(0))\n";
const TESTS: &str = "from depot import store\n\n\ndef test_store():\n    store()\n\n\ndef test_other():\n    pass\n";

fn lines(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn drawn(args: &[&str]) -> (i32, String, String) {
    let output = leakcheck().arg("history").args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn each_run_adds_a_line_and_the_story_tells_what_came_and_went() {
    let project = Project::of(&[("depot.py", CLOSES), ("test_depot.py", TESTS)]);
    git(&project.root(), &["init", "--quiet"]);
    git(&project.root(), &["add", "-A"]);
    git(&project.root(), &["commit", "--quiet", "-m", "x"]);
    let file = project.beside("history.jsonl");
    let name = file.to_str().unwrap();
    let history = ["--history", name];
    project.check(&history).exits(0);
    project.write("depot.py", KEEPS);
    let leak = project.check(&history);
    let id = leak.exits(1).only_leak().fingerprint.clone();
    // A part of the suite does not show that a leak is gone.
    project
        .check(&[&history[..], &["test_depot.py::test_other"]].concat())
        .exits(0);
    let read = lines(&file);
    let of = |key: &str| -> Vec<Value> { read.iter().map(|line| line[key].clone()).collect() };
    assert_eq!(of("schema"), vec![json!("leakcheck.history/1"); 3]);
    assert_eq!(of("complete"), [json!(true), json!(true), json!(false)]);
    assert_eq!(of("exit_code"), [json!(0), json!(1), json!(0)]);
    assert_eq!(of("tests"), [json!(2), json!(2), json!(1)]);
    let head = git(&project.root(), &["rev-parse", "HEAD"]);
    assert_eq!(read[0]["commit"], head.trim());
    let seen = &read[1]["findings"][0];
    assert_eq!(
        (&seen["id"], &seen["rates"]["fds"]),
        (&json!(id), &json!(1.0))
    );
    assert_eq!(
        (&seen["about"], &seen["place"]),
        (&json!("depot.shelf"), &json!("depot.py:7"))
    );

    let (code, out, err) = drawn(&[name]);
    assert_eq!(code, 0, "{err}");
    for part in [
        "leakcheck: 3 runs from ",
        "leaks open",
        "1 now, 0 to 1",
        "open (1)",
        "LK301 depot.shelf, since ",
        "+1 descriptor per iteration",
        "+ ",
        "1 run of a part of the suite",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    project.write("depot.py", CLOSES);
    project.check(&history).exits(0);
    let page = project.beside("history.html");
    let (code, out, err) = drawn(&[name, "--html", page.to_str().unwrap(), "--last", "3"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("3 runs") && out.contains("gone (1)"), "{out}");
    let page = fs::read_to_string(page).unwrap();
    assert!(
        page.contains("no leak is open") && page.contains("depot.shelf"),
        "{page}"
    );
}

#[test]
fn the_line_of_joined_shards_is_that_of_the_whole_suite() {
    let project = Project::of(&[
        ("depot.py", KEEPS),
        ("test_depot.py", TESTS),
        ("test_more.py", "def test_more():\n    pass\n"),
    ]);
    let file = project.beside("history.jsonl");
    let mut reports = Vec::new();
    for shard in ["1/2", "2/2"] {
        project.check(&["--shard", shard]);
        let part = project.beside(&format!("{}.json", &shard[..1]));
        fs::rename(project.beside("report.json"), &part).unwrap();
        reports.push(part);
    }
    project
        .bare()
        .arg("merge")
        .args(&reports)
        .arg("--history")
        .arg(&file)
        .assert()
        .code(1);
    let missing = project
        .bare()
        .arg("merge")
        .arg(&reports[0])
        .arg("--history")
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(missing.status.code(), Some(1));
    let read = lines(&file);
    assert_eq!(
        (&read[0]["complete"], &read[0]["tests"]),
        (&json!(true), &json!(3))
    );
    assert_eq!(read[1]["complete"], false, "a shard is missing");
    let (code, _, err) = drawn(&[file.to_str().unwrap()]);
    assert_eq!(code, 0, "{err}");
    let output = project
        .command()
        .args(["--shard", "1/2", "--history", "x"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn runs_at_the_same_time_each_add_a_whole_line_also_after_half_of_one() {
    let project = Project::of(&[("test_a.py", "def test_a():\n    pass\n")]);
    let file = project.beside("history.jsonl");
    fs::write(&file, "{\"schema\":\"leakcheck.history/1\",\"versi").unwrap();
    let runs: Vec<_> = (0..4)
        .map(|_| {
            let mut command = project.plain_command();
            let command = command.arg("--history").arg(&file).stdout(Stdio::null());
            command.stderr(Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut run in runs {
        assert!(run.wait().unwrap().success());
    }
    let text = fs::read_to_string(&file).unwrap();
    let whole = text
        .lines()
        .filter(|line| serde_json::from_str::<Value>(line).is_ok());
    assert_eq!((text.lines().count(), whole.count()), (5, 4), "{text}");
    let (code, out, _) = drawn(&[file.to_str().unwrap()]);
    assert_eq!(code, 0);
    assert!(
        out.contains("4 runs") && out.contains("1 line cut off or damaged"),
        "{out}"
    );
}

#[test]
fn what_is_no_history_is_not_added_to_and_told_before_anything_runs() {
    let project = Project::of(&[("test_a.py", "def test_a():\n    open('ran', 'w').close()\n")]);
    project.write("other.json", "{\"schema\": \"leakcheck.report/1\"}\n");
    project.write("notes.txt", "mine\n");
    for (file, part) in [
        ("other.json", "is no history of leakcheck's"),
        ("notes.txt", "is no history of leakcheck's"),
        (".", "it is no file"),
        ("gone/history", "cannot write gone/history"),
        ("/dev/null", "it is no file"),
    ] {
        let output = project
            .command()
            .args(["--history", file])
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{file}: {err}");
        assert!(
            err.contains(part) && err.lines().count() == 1,
            "{file}: {err}"
        );
    }
    assert!(!project.root().join("ran").exists());
    assert_eq!(
        fs::read_to_string(project.root().join("notes.txt")).unwrap(),
        "mine\n"
    );
    for (file, part) in [
        ("notes.txt", "is no history"),
        ("gone", "no such file"),
        (".", "no file"),
    ] {
        let output = project.bare().args(["history", file]).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{file}: {err}");
        assert!(err.contains(part), "{file}: {err}");
    }
    project.write("empty", "");
    let output = project.bare().args(["history", "empty"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("has no run yet"));
}

#[test]
fn two_hundred_runs_are_drawn_whatever_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("history.jsonl");
    fs::write(&file, common::history::made(200)).unwrap();
    let page = folder.path().join("page.html");
    let (code, out, err) = drawn(&[file.to_str().unwrap(), "--html", page.to_str().unwrap()]);
    assert_eq!(code, 0, "{err}");
    let page = fs::read_to_string(page).unwrap();
    for text in [&out, &page] {
        assert!(
            !text.contains('\u{202e}') && !text.contains('\u{1b}'),
            "{text}"
        );
        assert!(text.contains("\\u{202e}"));
    }
    assert!(
        out.contains("200 runs from ") && out.contains("open ("),
        "{out}"
    );
    assert!(
        !page.contains("<img") && !page.contains("<script"),
        "{page}"
    );
    assert_eq!(
        page.matches("class=\"life\"").count(),
        common::history::LEAKS
    );
    assert_eq!(page.matches("class=\"chart\"").count(), 5);
    assert!(page.matches("class=\"came\"").count() > 5);
}
