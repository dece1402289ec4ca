//! What findings say of who holds: the holder's name, the type and the line, one finding for one holder, and a fingerprint
//! that stays.

mod common;

use common::{Checked, Project};
use leakcheck::verdict::rule::Rule;

const APP: &str = "\
import functools


class Bus:
    def __init__(self):
        self.observers = []


class Screen:
    def draw(self):
        pass


class Session:
    live = []

    def __init__(self):
        Session.live.append(self)


BUS = Bus()


def open_screen():
    screen = Screen()
    BUS.observers.append(screen.draw)
    return screen


@functools.lru_cache(maxsize=None)
def render(page):
    return [page]
";

/// What stays without anything being allocated for it, or comes rarely, or is made elsewhere than where it is kept.
const DEPOT: &str = "\
import itertools
import os
import tempfile
import threading

gaps, rare, failures, folders, timers = [], [], [], [], []
calls = itertools.count(1)


def skip():
    before = len(gaps)
    gaps.append(None)
    return before


def duplicate():
    number = 2
    os.dup(number)


def every_third():
    if next(calls) % 3 == 0:
        rare.append({'every': 3})


def parse(text):
    return int(text)


def try_parse(text):
    try:
        parse(text)
    except ValueError as error:
        failures.append(error)


def make_folder():
    folders.append(tempfile.TemporaryDirectory())


def start_timer():
    timer = threading.Timer(3600, print)
    timer.daemon = True
    timer.start()
    timers.append(timer)
";

fn suite(name: &str, lines_before: usize) -> String {
    format!(
        "import unittest\n\nimport app\n{}\n\nclass TestScreens(unittest.TestCase):\n    def {name}(self):\n        app.open_screen()\n",
        "# a line\n".repeat(lines_before)
    )
}

fn line_of(text: &str, part: &str) -> usize {
    let at = text.lines().position(|line| line.contains(part)).unwrap();
    at + 1
}

fn check(project: &Project) -> Checked {
    let checked = project.check(&["--runner", "unittest"]);
    checked.exits(1);
    checked
}

#[test]
fn the_first_line_names_holder_type_and_line() {
    let text = "\
import unittest

import app


class TestAll(unittest.TestCase):
    def test_screen(self):
        app.open_screen()

    def test_session(self):
        app.Session()

    def test_cache(self):
        app.render(object())
";
    let project = Project::of(&[("app.py", APP), ("test_all.py", text)]);
    let checked = check(&project);
    let said: Vec<(&str, &str, &str, &str)> = ["test_screen", "test_session", "test_cache"]
        .iter()
        .map(|test| {
            let finding = checked
                .report
                .findings
                .iter()
                .find(|finding| finding.tests.iter().any(|id| id.ends_with(test)))
                .unwrap_or_else(|| panic!("no finding of {test}\n{}", checked.stdout));
            let holder = finding
                .holder
                .as_ref()
                .unwrap_or_else(|| panic!("no holder of {test}"));
            (
                finding.code.as_str(),
                holder.name.as_str(),
                holder.text.as_str(),
                finding.summary.as_str(),
            )
        })
        .collect();
    assert_eq!(
        (said[0].0, said[0].1, said[0].2),
        (
            "LK106",
            "app.BUS.observers",
            "app.BUS.observers[…] -> bound method Screen.draw -> Screen"
        )
    );
    assert!(said[0].3.starts_with("1 Screen ("), "{}", said[0].3);
    assert!(
        said[0]
            .3
            .contains("retained by app.BUS.observers, allocated at app.py:"),
        "{}",
        said[0].3
    );
    assert_eq!(
        (said[1].0, said[1].1),
        ("LK103", "app.Session.live"),
        "{}",
        said[1].2
    );
    assert_eq!(
        (said[2].0, said[2].1),
        ("LK104", "app.render"),
        "{}",
        said[2].2
    );
}

#[test]
fn a_fingerprint_survives_a_renamed_test_and_moved_lines() {
    let project = Project::of(&[("app.py", APP), ("test_screens.py", &suite("test_open", 0))]);
    let before = check(&project).only_leak().fingerprint.clone();
    project.write("test_screens.py", &suite("test_another_name", 30));
    project.write("app.py", &format!("{}{APP}", "# a line\n".repeat(30)));
    let after = check(&project).only_leak().fingerprint.clone();
    assert_eq!(before, after);
    // Another holder is another finding.
    project.write("app.py", &APP.replace("observers", "watchers"));
    let other = check(&project).only_leak().fingerprint.clone();
    assert_ne!(before, other);
}

#[test]
fn one_holder_fed_from_many_files_is_one_finding() {
    let mut files = vec![("app.py".to_owned(), APP.to_owned())];
    for file in 0..3 {
        let mut text =
            "import unittest\n\nimport app\n\n\nclass TestScreens(unittest.TestCase):\n".to_owned();
        for test in 0..4 {
            // Each in its own line, by itself: what they share is the holder.
            text.push_str(&format!(
                "    def test_{test}(self):\n        app.BUS.observers.append(app.Screen().draw)\n"
            ));
        }
        files.push((format!("test_{file}.py"), text));
    }
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let project = Project::of(&files);
    let checked = check(&project);
    assert_eq!(checked.only_leak().tests.len(), 12);
}

/// Something with a thread, something like it without one, and something small, all in one list.
const LOOPS: &str = "\
import threading

kept = []


class Clock:
    def __init__(self):
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.ended.wait, daemon=True)
        self.thread.start()


class Stub:
    def __init__(self):
        self.calls = [1, 2, 3]


def keep(made):
    kept.append(made)
    return made
";

#[test]
fn one_holder_is_one_finding_whatever_it_holds() {
    let text = "\
import unittest

import loops


class TestLoops(unittest.TestCase):
    def test_clock(self):
        loops.keep(loops.Clock())

    def test_stub(self):
        loops.keep(loops.Stub())

    def test_text(self):
        loops.keep('x' * (40 + len(loops.kept)))
";
    let project = Project::of(&[("loops.py", LOOPS), ("test_loops.py", text)]);
    let checked = check(&project);
    let finding = checked.only_leak();
    assert_eq!(finding.kind, "thread", "{}", finding.summary);
    assert_eq!(finding.tests.len(), 3);
    assert_eq!(
        finding.holder.as_ref().map(|holder| &*holder.name),
        Some("loops.kept")
    );
    let named = |name: &str| finding.types.iter().any(|growth| growth.name == name);
    assert!(
        named("threading.Thread") && named("loops.Stub"),
        "{:?}",
        finding.types
    );
    assert_eq!(finding.owner, "project");
}

#[test]
fn a_code_and_a_rule_are_explained_and_an_unknown_one_is_a_usage_error() {
    let explained = common::leakcheck()
        .args(["explain", "lk105"])
        .output()
        .unwrap();
    let text = String::from_utf8(explained.stdout).unwrap();
    assert!(explained.status.success());
    assert!(text.starts_with("LK105: a cache on a method"), "{text}");
    let rule = common::leakcheck()
        .args(["explain", "Budget-Ended"])
        .output()
        .unwrap();
    let text = String::from_utf8(rule.stdout).unwrap();
    assert!(rule.status.success());
    assert!(text.starts_with("budget-ended: It grew"), "{text}");
    assert!(text.contains("**What to do.** Give"), "{text}");
    let all = common::leakcheck().arg("explain").output().unwrap();
    let text = String::from_utf8(all.stdout).unwrap();
    assert!(text.contains("LK105  a cache"), "{text}");
    for rule in Rule::ALL {
        assert!(text.contains(rule.says()), "{}", rule.name());
    }
    let unknown = common::leakcheck()
        .args(["explain", "LK\u{1b}[31m"])
        .output()
        .unwrap();
    assert_eq!(unknown.status.code(), Some(2));
    let text = String::from_utf8(unknown.stderr).unwrap();
    assert!(
        !text.contains('\u{1b}') && text.contains("leakcheck explain"),
        "{text}"
    );
}

#[test]
fn a_line_is_named_where_nothing_is_allocated_and_a_type_where_little_comes() {
    let text = "\
import unittest

import depot


class TestAll(unittest.TestCase):
    def test_skip(self):
        depot.skip()

    def test_duplicate(self):
        depot.duplicate()

    def test_every_third(self):
        depot.every_third()

    def test_parse(self):
        depot.try_parse('x')

    def test_folder(self):
        depot.make_folder()

    def test_timer(self):
        depot.start_timer()
";
    let project = Project::of(&[("depot.py", DEPOT), ("test_all.py", text)]);
    let checked = check(&project);
    let expected: [(&str, &[&str], &str); 6] = [
        (
            "test_skip",
            &["1 entry", "retained by depot.gaps"],
            "gaps.append(None)",
        ),
        (
            "test_duplicate",
            &["1 file descriptor stays"],
            "os.dup(number)",
        ),
        (
            "test_every_third",
            &[" dicts (", "retained by depot.rare"],
            "rare.append",
        ),
        (
            "test_parse",
            &["1 ValueError", "retained by depot.failures"],
            "return int(text)",
        ),
        (
            "test_folder",
            &[
                "1 file stays on disk",
                "of type TemporaryDirectory, retained by depot.folders",
            ],
            "folders.append",
        ),
        (
            "test_timer",
            &["1 thread", "of type Timer, retained by depot.timers"],
            "threading.Timer",
        ),
    ];
    for (test, parts, line) in expected {
        let id = format!("test_all.TestAll.{test}");
        let finding = checked
            .report
            .findings
            .iter()
            .find(|finding| finding.tests.contains(&id))
            .unwrap_or_else(|| panic!("nothing of {test}"));
        let place = format!("depot.py:{} in ", line_of(DEPOT, line));
        for part in parts.iter().chain([&&*place]) {
            assert!(
                finding.summary.contains(part),
                "{test}: {part} is not in {}",
                finding.summary
            );
        }
    }
}
