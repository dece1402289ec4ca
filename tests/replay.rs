//! Recorded runs: what is in a recording and what is not, that it decides once more as it did, and that it says where it does not.

mod common;

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use common::Project;

/// One of each: clean, a leak, a cache that states its end, a failure and a crash of a repeat.
const SUITE: &str = "\
import functools
import itertools
import os

swordfish = []
NUMBERS = itertools.count()
RUNS = itertools.count()


@functools.lru_cache(maxsize=1000)
def parsed(number):
    return [number]


def test_clean():
    assert sorted('trombone') == sorted('trombone')


def test_leaks():
    swordfish.append(['trombone'] * 3)


def test_fills():
    parsed(next(NUMBERS))


def test_fails():
    raise ValueError('the trombone is out of tune')


def test_crashes():
    if next(RUNS) == 1:
        os._exit(3)
";
/// What an order to write the heap down has in it.
const DUMP: &str = r#""do":"dump""#;
/// Words of the suite, and the name of its file.
const WORDS: [&str; 4] = ["swordfish", "trombone", "parsed", "orchestra"];

fn project() -> Project {
    Project::of(&[("test_orchestra.py", SUITE)])
}

/// Records a run of the suite.
fn recorded(project: &Project, args: &[&str]) -> PathBuf {
    let folder = project.beside("recording");
    let output = project
        .command()
        .args(["-j", "2", "--record"])
        .arg(&folder)
        .args(args)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    folder
}

/// Replays a recording where there is no Python, and gives back exit code and output.
fn replayed(folder: &Path) -> (i32, String) {
    replayed_with(folder, &[])
}

fn replayed_with(folder: &Path, options: &[&str]) -> (i32, String) {
    let nowhere = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_leakcheck"))
        .arg("replay")
        .arg(folder)
        .args(options)
        .env("PATH", nowhere.path())
        .env("TMPDIR", nowhere.path())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let left = fs::read_dir(nowhere.path()).unwrap().count();
    assert_eq!(left, 0, "something was left behind");
    (
        output.status.code().unwrap(),
        String::from_utf8(text).unwrap(),
    )
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// What a process said before it ran anything.
fn before_the_first_test(text: &str) -> String {
    let checks = text
        .lines()
        .take_while(|line| !line.contains(r#""do":"run""#));
    checks.map(|line| format!("{line}\n")).collect()
}

/// Rewrites a file of a recording.
fn change(path: &Path, how: impl Fn(&str) -> String) {
    let text = fs::read_to_string(path).unwrap();
    let changed = how(&text);
    assert_ne!(text, changed);
    fs::write(path, changed).unwrap();
}

#[test]
fn a_recording_says_nothing_of_the_project_and_decides_once_more_without_python() {
    let project = project();
    let folder = recorded(&project, &[]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let home = project.root().to_string_lossy().into_owned();
    let place = home.rsplit('/').nth(1).unwrap().to_owned();
    let files = files(&folder);
    assert!(files.len() > 4, "{files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
        let bytes = fs::read(&file).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        for word in WORDS.into_iter().chain([&*place]) {
            assert!(!text.contains(word), "{word} is in {}", file.display());
        }
    }
    let (code, text) = replayed(&folder);
    assert!(text.ends_with(": 5 as recorded\n"), "{text}");
    assert_eq!(code, 0, "{text}");
}

#[test]
fn the_limit_of_a_cache_is_found_once_more() {
    let shelf = "\
goods = []
MOST_GOODS = 5000


def test_fills():
    if len(goods) >= MOST_GOODS:
        del goods[0]
    goods.append([1])


def test_leaks():
    swordfish.append([1])


swordfish = []
";
    let project = Project::of(&[("test_orchestra.py", shelf)]);
    let folder = recorded(&project, &[]);
    let said = fs::read_to_string(folder.join("verdicts.json")).unwrap();
    assert!(said.contains(r#""rule":"limit-found""#), "{said}");
    let lowered = { files(&folder).into_iter() }.any(|file| {
        let bytes = fs::read(file).unwrap();
        String::from_utf8_lossy(&bytes).contains(r#""do":"lower""#)
    });
    assert!(lowered);
    let (code, text) = replayed(&folder);
    assert!(text.ends_with(": 2 as recorded\n"), "{text}");
    assert_eq!(code, 0, "{text}");
}

#[test]
fn names_are_in_a_recording_that_was_asked_for_them() {
    let project = project();
    let folder = recorded(&project, &["--record-names"]);
    let first = fs::read_to_string(folder.join("a0.1.jsonl")).unwrap();
    assert!(first.contains("test_orchestra.py::test_leaks"), "{first}");
    let (code, text) = replayed_with(&folder, &["--findings"]);
    let held = ", retained by test_orchestra.swordfish, allocated at test_orchestra.py:20";
    assert!(text.contains(held), "{text}");
    let counted = "leakcheck: 2 leaks, 0 without a holder\n";
    assert!(text.ends_with(counted), "{text}");
    assert_eq!(code, 0, "{text}");
    change(&folder.join("verdicts.json"), |text| {
        text.replace(r#""verdict":"leak""#, r#""verdict":"bounded""#)
    });
    let (code, text) = replayed(&folder);
    let line = "differs: test_orchestra.py::test_leaks: bounded by grew-to-";
    assert!(text.starts_with(line), "{text}");
    assert!(text.contains(", now leak by grew-to-"), "{text}");
    assert!(
        text.ends_with(": 4 as recorded, 1 with another verdict\n"),
        "{text}"
    );
    assert_eq!(code, 1, "{text}");
}

#[test]
fn what_is_not_recorded_is_counted_apart_and_never_as_unchanged() {
    let project = project();
    let folder = recorded(&project, &[]);
    // Nobody looked at the heap: nothing but the holder's name depends on that here, and it was asked all the same.
    let with_dump = |path: &PathBuf| fs::read_to_string(path).is_ok_and(|it| it.contains(DUMP));
    let dumps: Vec<PathBuf> = files(&folder).into_iter().filter(with_dump).collect();
    let whole: Vec<String> = { dumps.iter() }
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    for path in &dumps {
        change(path, |text| {
            let others = text.lines().filter(|line| !line.contains(DUMP));
            others.map(|line| format!("{line}\n")).collect()
        });
    }
    let (code, text) = replayed(&folder);
    assert!(
        text.ends_with(": 4 as recorded, 1 off the record\n"),
        "{text}"
    );
    assert_eq!(code, 0, "{text}");
    for (path, text) in dumps.iter().zip(whole) {
        fs::write(path, text).unwrap();
    }
    // The judges began and asked nothing.
    change(&folder.join("b0.1.jsonl"), before_the_first_test);
    let (code, text) = replayed(&folder);
    assert!(text.starts_with("off the record: "), "{text}");
    assert!(
        text.ends_with(": 4 as recorded, 1 off the record\n"),
        "{text}"
    );
    assert_eq!(code, 0, "{text}");
    // There were none.
    for file in files(&folder) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with('b') {
            fs::remove_file(file).unwrap();
        }
    }
    let (code, text) = replayed(&folder);
    assert!(
        text.ends_with(": 4 as recorded, 1 off the record\n"),
        "{text}"
    );
    assert_eq!(code, 0, "{text}");
    // Nor was anything screened.
    for place in ["a0.1.jsonl", "a0.2.jsonl", "a0.3.jsonl"] {
        if let Ok(text) = fs::read_to_string(folder.join(place)) {
            fs::write(folder.join(place), before_the_first_test(&text)).unwrap();
        }
    }
    let (code, text) = replayed(&folder);
    assert!(
        text.ends_with(": 0 as recorded, 5 off the record\n"),
        "{text}"
    );
    assert_eq!(code, 3, "{text}");
}

#[test]
fn another_rule_is_told_and_fails_nothing() {
    let project = project();
    let folder = recorded(&project, &[]);
    change(&folder.join("verdicts.json"), |text| {
        text.replace("declared-limit", "limit-found")
    });
    let (code, text) = replayed(&folder);
    assert!(
        text.contains(": by limit-found, now by declared-limit\n"),
        "{text}"
    );
    assert!(
        text.ends_with(": 4 as recorded, 1 by another rule\n"),
        "{text}"
    );
    assert_eq!(code, 0, "{text}");
}

#[test]
fn another_number_decides_once_more() {
    let project = project();
    let folder = recorded(&project, &[]);
    let with = |numbers: &[&str]| {
        let options = numbers.iter().flat_map(|it| ["--number", it]);
        replayed_with(&folder, &options.collect::<Vec<_>>())
    };
    // With no time for suspects none is judged.
    let (code, text) = with(&["budget.whole=0", "budget.least=0", "budget.least_last=0"]);
    assert!(text.contains("leak by grew-to-"), "{text}");
    assert!(text.contains("now undecided by "), "{text}");
    assert_eq!(code, 1, "{text}");
    // Where more is asked than then, there is no answer.
    let (_, text) = with(&["first_window=9"]);
    assert!(text.contains("off the record"), "{text}");
    // What nothing hangs on changes nothing.
    let (_, text) = with(&["fit.points=400"]);
    assert!(text.ends_with(": 5 as recorded\n"), "{text}");
    let (code, text) = replayed_with(&folder, &["--numbers"]);
    assert!(text.contains("\nlong_run.bytes=64000000.0\n"), "{text}");
    assert!(text.contains("\nscreen.looks.3=34\n"), "{text}");
    assert_eq!(code, 0, "{text}");
    // The page about them has these, and no others.
    let page = include_str!("../docs/numbers.md");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let told: BTreeSet<String> = rows
        .map(|row| row.split(" | ").take(2).collect::<Vec<_>>().join("="))
        .map(|row| row.replace(['|', '`', ' '], ""))
        .collect();
    let numbers: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    assert_eq!(told, numbers, "benches/numbers.py makes the page");
    for (number, words) in [
        ("long_run", "write NAME=VALUE"),
        ("long_run=1", "there is no number long_run"),
        ("no.such=1", "there is no number no.such"),
        ("longest=some", "some is no number"),
        ("longest=1.5", "invalid type"),
        ("long_run.uneven=0", "with this long_run.uneven"),
        ("fit.window=12", "with this fit.window"),
    ] {
        let (code, text) = with(&[number]);
        assert!(text.contains(words), "{text}");
        assert_eq!((code, text.lines().count()), (2, 1), "{text}");
    }
}

/// What Python said in runs of the corpus, packed: each verdict comes from it again, by the same rule. Where a rule has
/// changed on purpose, `tests/recordings/make.sh` records them anew.
#[test]
fn the_corpus_as_it_was_recorded_is_decided_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings/corpus.tar.xz");
    let mut unpacked = Vec::new();
    lzma_rs::xz_decompress(
        &mut io::BufReader::new(fs::File::open(packed).unwrap()),
        &mut unpacked,
    )
    .unwrap();
    tar::Archive::new(&*unpacked).unpack(folder.path()).unwrap();
    let mut others = Vec::new();
    let mut tests = 0;
    let parts = files(folder.path());
    for part in &parts {
        let (_, text) = replayed(part);
        let last = text.lines().last().unwrap();
        let count = last
            .strip_prefix("leakcheck: replayed ")
            .and_then(|it| it.split(' ').next()?.parse::<usize>().ok());
        tests += count.unwrap_or_else(|| panic!("{}: {text}", part.display()));
        if !last.ends_with(&format!(": {} as recorded", count.unwrap())) {
            others.push(format!("{}:\n{text}", part.display()));
        }
    }
    assert!(parts.len() >= 10 && tests >= 300, "{tests} in {parts:?}");
    assert!(others.is_empty(), "{}", others.concat());
}

#[test]
fn what_is_no_recording_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |words: &str| {
        let (code, text) = replayed(folder.path());
        assert!(
            text.starts_with("leakcheck: ") && text.contains(words),
            "{text}"
        );
        assert_eq!((code, text.lines().count()), (2, 1), "{text}");
    };
    refused("there is no such file");
    let run = folder.path().join("run.json");
    fs::write(&run, "{}").unwrap();
    refused("missing field");
    let told = r#"{"recording":1,"protocol":0,"version":"9.9","names":false,"memory":1,"warmup":1,"iterations":null,"thorough":false,
        "budget":null,"pace":1,"cycles":"warn","project":"","packages":[],"stdlib":[],"bridge":""}"#;
    fs::write(&run, told).unwrap();
    refused("recorded by leakcheck 9.9; replay it with that version");
    let project = project();
    let output = project
        .command()
        .arg("--record")
        .arg(folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("name a new folder"), "{text}");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_journal_says_what_was_asked_and_decided() {
    let project = project();
    project.write(
        "test_prints.py",
        "def test_prints(capfd):\n    with capfd.disabled():\n        print('oboe')\n",
    );
    let (kept, journal) = (project.beside("kept"), project.beside("journal"));
    let output = project
        .plain_command()
        .arg(format!("--keep={}", kept.display()))
        .env("LEAKCHECK_LOG", &journal)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&kept), 0o700);
    for file in files(&kept) {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    let told = fs::read_to_string(&journal).unwrap();
    assert_eq!(told, fs::read_to_string(kept.join("journal.log")).unwrap());
    for part in [
        r#"asked process="a0.1" order={"do":"run","test":1,"#,
        "Judged { ids: [\"test_orchestra.py::test_leaks\"], verdict: Leak, rule: GrewTo",
        "Screened { id: \"test_orchestra.py::test_clean\", concluded: Some((Clean, NothingGrew)) }",
        "exited with status 3",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
    let all = files(&kept);
    let printed = { all.iter() }
        .filter(|path| path.extension().is_some_and(|kind| kind == "log"))
        .any(|path| fs::read_to_string(path).unwrap().contains("oboe"));
    assert!(printed, "{all:?}");

    let refused = |name: &str, value: &Path| {
        let mut command = project.plain_command();
        match name {
            "--keep" => command.arg("--keep").arg(value),
            name => command.env(name, value),
        };
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let line = refused("--keep", &kept);
    assert!(
        line.contains("it is not empty; name a new folder"),
        "{line}"
    );
    let line = refused("LEAKCHECK_LOG", &kept.join("no/such"));
    assert!(
        line.starts_with("leakcheck: cannot write ") && line.contains("which LEAKCHECK_LOG names"),
        "{line}"
    );
}
