//! One suite on many machines: shards, joined, say what one run says, and never more than they can know.

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use common::{Checked, Project};
use serde_json::{Value, json};

const SHARDS: usize = 8;

/// A leak that two files show, one of a descriptor, a cache that ends, fixtures of a module, and tests that cannot be
/// judged: seven files, so that one of eight shards gets none.
fn suite() -> Project {
    Project::of(&[
        (
            "app.py",
            "import functools\n\nEVENTS = []\nFILES = []\n\n\n\
             def note(kind):\n    EVENTS.append({\"kind\": kind})\n\n\n\
             def keep(path):\n    FILES.append(open(path))\n\n\n\
             @functools.lru_cache(maxsize=64)\n\
             def label(number):\n    return {\"number\": number}\n",
        ),
        (
            "test_first.py",
            "import app\n\n\ndef test_notes():\n    app.note(\"a\")\n\n\ndef test_nothing():\n    pass\n",
        ),
        (
            "test_second.py",
            "import app\n\n\ndef test_notes_too():\n    app.note(\"b\")\n",
        ),
        (
            "test_files.py",
            "import app\n\n\ndef test_keeps_open():\n    app.keep(__file__)\n",
        ),
        (
            "test_cache.py",
            "import itertools\n\nimport app\n\nNUMBERS = itertools.count()\n\n\n\
             def test_fills():\n    app.label(next(NUMBERS))\n",
        ),
        (
            "test_module.py",
            "import pytest\n\nSTARTS = []\n\n\n\
             @pytest.fixture(scope=\"module\")\n\
             def server():\n    STARTS.append(1)\n    yield object()\n    STARTS.pop()\n\n\n\
             @pytest.mark.parametrize(\"number\", range(4))\n\
             def test_asks(server, number):\n    assert len(STARTS) == 1\n",
        ),
        (
            "test_skipped.py",
            "import pytest\n\n\n@pytest.mark.skip(reason=\"not here\")\n\
             def test_skipped():\n    pass\n\n\ndef test_runs():\n    pass\n",
        ),
        (
            "test_once.py",
            "SEEN = []\n\n\ndef test_only_once():\n    assert not SEEN\n    SEEN.append(1)\n",
        ),
    ])
}

fn report_of(project: &Project, name: &str) -> PathBuf {
    project.beside(&format!("{name}.json"))
}

/// Runs all shards, each as a process of its own and all at the same time, and gives back their exit codes.
fn run_shards(project: &Project, total: usize, args: &[&str]) -> Vec<i32> {
    let running: Vec<_> = (1..=total)
        .map(|index| {
            let report = report_of(project, &format!("shard-{index}"));
            let _ = fs::remove_file(&report);
            project
                .plain_command()
                .arg(format!("--shard={index}/{total}"))
                .arg(format!("--report=json={}", report.display()))
                .args(args)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    running
        .into_iter()
        .map(|child| {
            let output = child.wait_with_output().unwrap();
            let code = output.status.code().unwrap();
            if code > 1 {
                // Only shown where the test fails, which then says why a shard ended as it did.
                println!(
                    "exit code {code}: {}{}",
                    String::from_utf8_lossy(&output.stdout),
                    String::from_utf8_lossy(&output.stderr)
                );
            }
            code
        })
        .collect()
}

fn shard_files(project: &Project, total: usize) -> Vec<PathBuf> {
    (1..=total)
        .map(|index| report_of(project, &format!("shard-{index}")))
        .collect()
}

/// `leakcheck merge` of `files` in the project.
fn merge(project: &Project, files: &[PathBuf], args: &[&str]) -> Checked {
    let path = report_of(project, "merged");
    let _ = fs::remove_file(&path);
    let output = project
        .bare()
        .arg("merge")
        .args(files)
        .arg(format!("--report=json={}", path.display()))
        .args(args)
        .output()
        .unwrap();
    Checked::read(output, &path)
}

/// Why `files` cannot be joined: the one line on the standard error stream.
#[track_caller]
fn refusal(project: &Project, files: &[PathBuf]) -> String {
    let output = project.bare().arg("merge").args(files).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert_eq!(output.stdout, b"", "nothing but the line");
    assert!(text.starts_with("leakcheck: "), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(!text.trim_end().contains(char::is_control), "{text:?}");
    text
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// A copy of a report with something done to it.
fn changed(project: &Project, from: &Path, name: &str, change: impl Fn(&mut Value)) -> PathBuf {
    let mut value = read(from);
    change(&mut value);
    let path = report_of(project, name);
    fs::write(&path, value.to_string()).unwrap();
    path
}

type Named<'a> = BTreeMap<(&'a str, &'a str, &'a str), BTreeSet<&'a str>>;

/// Tests of each finding, by fingerprint, verdict and status.
fn findings(checked: &Checked) -> Named<'_> {
    checked
        .report
        .findings
        .iter()
        .map(|finding| {
            (
                (&*finding.fingerprint, &*finding.verdict, &*finding.status),
                finding.tests.iter().map(|id| &**id).collect(),
            )
        })
        .collect()
}

fn ids(checked: &Checked) -> Vec<&str> {
    checked.report.tests.iter().map(|test| &*test.id).collect()
}

#[test]
fn eight_shards_joined_say_what_one_run_says() {
    let project = suite();
    let one = project.check(&["--min-judged", "0.5"]);
    one.exits(1);
    assert_eq!(one.report.leaks().len(), 2);
    let pending = project.snapshots(".snap.new");
    fs::remove_dir_all(project.root().join(".leakcheck")).unwrap();

    let codes = run_shards(&project, SHARDS, &["--min-judged", "0.5"]);
    // Notes, notes too and files leak; what only runs once is no evidence by itself; one shard has no file.
    let mut sorted = codes.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [0, 0, 0, 0, 1, 1, 1, 3]);
    let files = shard_files(&project, SHARDS);
    let mut handed = Vec::new();
    for (file, code) in files.iter().zip(&codes) {
        let shard = read(file);
        assert_eq!(shard["summary"]["exit_code"], *code);
        assert_eq!(shard["shard"]["total"], SHARDS);
        let tests = shard["tests"].as_array().unwrap();
        let of: BTreeSet<_> = tests.iter().map(|test| test["file"].to_string()).collect();
        assert!(of.len() <= 1, "more files than there have to be: {of:?}");
        handed.extend(
            tests
                .iter()
                .map(|test| test["id"].as_str().unwrap().to_owned()),
        );
    }
    let mut all: Vec<_> = ids(&one).into_iter().map(str::to_owned).collect();
    all.sort();
    handed.sort();
    assert_eq!(handed, all, "every test in exactly one shard");
    assert!(
        !project.root().join(".leakcheck").exists(),
        "a shard writes nothing: the whole is not known to it"
    );

    let joined = merge(&project, &files, &[]);
    joined.exits(1);
    assert_eq!(ids(&joined), ids(&one));
    assert_eq!(joined.verdicts(), one.verdicts());
    assert_eq!(findings(&joined), findings(&one));
    assert_eq!(project.snapshots(".snap.new"), pending);
    let notes = joined
        .report
        .findings
        .iter()
        .find(|finding| finding.tests.len() == 2)
        .unwrap();
    assert!(notes.rate["blocks"].exact, "{notes:?}");

    // In whichever order they come.
    let turned: Vec<PathBuf> = files.iter().rev().cloned().collect();
    assert_eq!(findings(&merge(&project, &turned, &[])), findings(&one));
}

#[test]
fn a_missing_shard_is_no_evidence_and_never_green() {
    let project = suite();
    project.check(&["--min-judged", "0.5"]).exits(1);
    project
        .bare()
        .args(["accept", "--no-ci"])
        .assert()
        .success();
    run_shards(&project, 3, &["--min-judged", "0.5"]);
    let files = shard_files(&project, 3);
    let joined = merge(&project, &files, &[]);
    joined.exits(0);
    assert!(
        joined.stdout.contains("no new leak, 2 accepted"),
        "{}",
        joined.stdout
    );
    let all: Vec<String> = ids(&joined).into_iter().map(str::to_owned).collect();

    for gone in 0..3 {
        let mut left = files.clone();
        let missing = read(&left.remove(gone));
        let joined = merge(&project, &left, &["--min-judged", "0"]);
        joined.exits(3);
        let line = format!("shard {} of 3 is missing", gone + 1);
        assert!(joined.stderr.contains(&line), "{}", joined.stderr);
        assert!(joined.stdout.contains(&line), "{}", joined.stdout);
        assert_eq!(ids(&joined), all, "no test is silently dropped");
        for test in missing["tests"].as_array().unwrap() {
            let test = joined.test(test["id"].as_str().unwrap());
            assert_eq!((&*test.verdict, test.why()), ("undecided", &*line));
            assert_eq!(test.rule.as_deref(), Some("shard-missing"));
        }
        let statuses: BTreeSet<_> = joined
            .report
            .findings
            .iter()
            .map(|finding| &*finding.status)
            .collect();
        assert!(!statuses.contains("fixed"), "{statuses:?}");
    }
    let joined = merge(&project, &files[..1], &[]);
    joined.exits(3);
    assert!(
        joined.stderr.contains("shards 2 and 3 of 3 are missing"),
        "{}",
        joined.stderr
    );
}

#[test]
fn only_the_whole_knows_that_a_leak_is_gone_and_that_enough_was_judged() {
    let project = suite();
    project.check(&["--min-judged", "0.5"]).exits(1);
    project
        .bare()
        .args(["accept", "--no-ci"])
        .assert()
        .success();
    // Both tests of one file leak by the same cause now, the other file's no more.
    project.write("test_second.py", "def test_notes_too():\n    pass\n");
    project.write("test_files.py", "def test_keeps_open():\n    pass\n");
    let codes = run_shards(&project, SHARDS, &["--deny-stale"]);
    // One shard has a test that runs once and nothing else. Of the suite it is one in eleven.
    let mut sorted = codes.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [0, 0, 0, 0, 0, 0, 0, 3]);
    let files = shard_files(&project, SHARDS);
    for file in &files {
        let statuses = read(file)["summary"]["findings"].clone();
        assert_eq!(statuses["fixed"], 0, "{statuses}");
    }
    let joined = merge(&project, &files, &[]);
    joined.exits(0);
    let statuses: Vec<_> = joined
        .report
        .findings
        .iter()
        .filter(|finding| finding.verdict != "bounded")
        .map(|finding| (&*finding.kind, &*finding.status))
        .collect();
    assert_eq!(statuses, [("python", "known"), ("fd", "fixed")]);
    merge(&project, &files, &["--deny-stale"]).exits(1);
    merge(&project, &files, &["--min-judged", "1"]).exits(3);
}

#[test]
fn what_does_not_belong_together_is_refused_in_one_line() {
    let project = suite();
    run_shards(&project, 2, &["test_first.py", "test_second.py"]);
    let files = shard_files(&project, 2);
    let (first, second) = (files[0].clone(), files[1].clone());
    let with = |other: &PathBuf| refusal(&project, &[first.clone(), other.clone()]);
    let of = |name: &str, change: &dyn Fn(&mut Value)| changed(&project, &second, name, change);

    assert!(with(&first).contains("are both shard 1 of 2"));
    let total = of("total", &|report| report["shard"]["total"] = json!(8));
    assert!(with(&total).contains("is one of 8 shards"));
    let version = of("version", &|report| {
        report["tool"]["version"] = json!("9\u{1b}[2J")
    });
    assert!(with(&version).contains("was made by leakcheck 9"));
    let build = of("build", &|report| report["shard"]["build"] = json!("2.7"));
    assert!(with(&build).contains("on Python 2.7"));
    let suite = of("suite", &|report| {
        for file in report["shard"]["files"].as_array_mut().unwrap() {
            if file["shard"] == 1 {
                file["tests"][0] = json!("other\u{1b}[2J.py::test");
            }
        }
    });
    assert!(with(&suite).contains("are of different suites: other"));
    let divided = of("divided", &|report| {
        for file in report["shard"]["files"].as_array_mut().unwrap() {
            file["shard"] = json!(2);
        }
        let other = read(&first)["tests"].clone();
        let tests = report["tests"].as_array_mut().unwrap();
        tests.extend(other.as_array().unwrap().iter().cloned());
    });
    assert!(with(&divided).contains("had not the same durations"));

    let nowhere = of("nowhere", &|report| report["shard"]["index"] = json!(0));
    assert!(with(&nowhere).contains("is damaged: there is no shard 0 of 2"));
    let endless = of("endless", &|report| {
        report["shard"]["total"] = json!(1_u64 << 60)
    });
    assert!(with(&endless).contains("is damaged") || with(&endless).contains("shards"));
    assert!(
        refusal(
            &project,
            &[of("far", &|report| {
                report["shard"]["total"] = json!(1_u64 << 60);
                report["shard"]["index"] = json!(1_u64 << 59);
            })]
        )
        .contains("is damaged")
    );
    let fewer = of("fewer", &|report| report["tests"] = json!([]));
    assert!(with(&fewer).contains("the tests that ran are not those of its files"));
    let stranger = of("stranger", &|report| {
        report["findings"][0]["tests"] = json!(["nobody"]);
    });
    assert!(with(&stranger).contains("a finding names a test that did not run"));
    let outside = of("outside", &|report| {
        report["shard"]["files"][0]["shard"] = json!(3)
    });
    assert!(with(&outside).contains("is damaged"));

    let text = fs::read_to_string(&second).unwrap();
    let cut = report_of(&project, "cut");
    fs::write(&cut, &text[..text.len() / 2]).unwrap();
    assert!(with(&cut).contains("was it cut off"));
    assert!(with(&report_of(&project, "absent")).contains("cannot read"));
    let whole = of("whole", &|report| report["shard"] = Value::Null);
    assert!(with(&whole).contains("is the report of a whole run"));
    let joined = merge(&project, &files, &[]);
    joined.exits(1);
    let merged = report_of(&project, "merged");
    assert!(refusal(&project, &[merged]).contains("is a joined report already"));

    // An interrupted shard stays one: what it did not get to could hold anything.
    let interrupted = of("interrupted", &|report| {
        report["summary"]["exit_code"] = json!(130)
    });
    merge(&project, &[first.clone(), interrupted], &[]).exits(130);
}

#[test]
fn durations_are_recorded_by_file_and_divide_the_suite() {
    let project = suite();
    let path = project.root().join(".leakcheck/durations.json");
    project
        .check(&["--record-durations", "test_first.py", "test_cache.py"])
        .exits(1);
    let some = read(&path);
    assert_eq!(some["schema"], "leakcheck.durations/1");
    assert_eq!(some["files"].as_object().unwrap().len(), 2);
    assert!(some["files"]["test_cache.py"].as_f64().unwrap() > 0.0);

    // As long as all others together: it has a shard for itself.
    fs::write(
        &path,
        json!({"schema": "leakcheck.durations/1", "files": {
            "test_module.py": 90.0,
            "test_first.py": 1,
            "test_once.py": 1,
            "gone.py": 1000,
        }})
        .to_string(),
    )
    .unwrap();
    run_shards(&project, 2, &["--min-judged", "0"]);
    let files = shard_files(&project, 2);
    let shard = read(&files[0]);
    let tests = shard["tests"].as_array().unwrap();
    assert_eq!(tests.len(), 4);
    assert!(
        tests
            .iter()
            .all(|test| test["file"] == "test_module.py" && test["verdict"] == "clean")
    );

    merge(&project, &files, &["--record-durations"]).exits(1);
    let all = read(&path);
    let recorded: Vec<&String> = all["files"].as_object().unwrap().keys().collect();
    assert_eq!(
        recorded,
        [
            "test_cache.py",
            "test_files.py",
            "test_first.py",
            "test_module.py",
            "test_once.py",
            "test_second.py",
            "test_skipped.py"
        ]
    );

    fs::write(&path, "<<<<<<< ours\n").unwrap();
    let output = project.command().args(["--shard", "1/2"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains(".leakcheck/durations.json is damaged"),
        "{text}"
    );
}

#[test]
fn a_ci_systems_variables_name_the_shard_and_an_empty_one_is_green() {
    let project = Project::of(&[("test_a.py", "def test_a():\n    pass\n")]);
    let report = report_of(&project, "auto");
    let run = |number: &str| {
        let output = project
            .command()
            .args(["--shard", "auto", "--report"])
            .arg(format!("json={}", report.display()))
            .env("CI_NODE_INDEX", number)
            .env("CI_NODE_TOTAL", "2")
            .output()
            .unwrap();
        Checked::read(output, &report)
    };
    run("1").exits(0).all("clean", 1);
    let empty = run("2");
    empty.exits(0);
    assert!(empty.report.tests.is_empty());
    assert!(
        empty
            .stdout
            .contains("more shards than files with tests (1), and this one has none"),
        "{}",
        empty.stdout
    );
    let output = project.command().args(["--shard", "3/2"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
