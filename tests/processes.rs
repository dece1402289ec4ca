//! Child processes that live on: what grows in them, which of them it is, and what is meant to.

mod common;

use common::{Checked, Finding, Project, countable};

const APP: &str = "\
import os
import sys

kept = []
for line in sys.stdin:
    if line.strip() == 'keep':
        kept.append(os.open(os.devnull, os.O_RDONLY))
    print('done', flush=True)
";

/// Two tests of one server, one of a pool, and one that keeps as much here as there.
const TESTS: &str = "\
import os
import multiprocessing
import subprocess
import sys

import pytest

import helper

KEPT = []


@pytest.fixture(scope='session')
def server():
    words = [sys.executable, 'app.py', '--port', str(os.getpid())]
    pipes = {'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE, 'universal_newlines': True}
    with subprocess.Popen(words, **pipes) as process:
        yield process
        process.stdin.close()


@pytest.fixture(scope='session')
def pool():
    with multiprocessing.get_context('spawn').Pool(1) as pool:
        yield pool


def ask(server, what):
    server.stdin.write(what + '\\n')
    server.stdin.flush()
    assert server.stdout.readline() == 'done\\n'


def test_one(server):
    ask(server, 'keep')


def test_other(server):
    ask(server, 'keep')


def test_work(server):
    ask(server, 'work')


def test_pool(pool):
    pool.apply(helper.keep)


def test_both(server):
    ask(server, 'keep')
    KEPT.append({'number': len(KEPT)})
";

const HELPER: &str = "\
import os

KEPT = []


def keep():
    KEPT.append(os.open(os.devnull, os.O_RDONLY))
";

fn project(config: &str) -> Project {
    let project = Project::configured(APP, TESTS, config);
    project.write("helper.py", HELPER);
    project
}

fn of_children(checked: &Checked) -> Vec<&Finding> {
    let mut found: Vec<&Finding> = { checked.report.findings.iter() }
        .filter(|finding| finding.kind == "child_fd")
        .collect();
    found.sort_by_key(|finding| finding.summary.clone());
    found
}

#[test]
fn what_grows_in_a_child_is_told_once_for_each_process() {
    let checked = project("").check(&[]);
    checked.exits(1);
    let found = of_children(&checked);
    let [pool, server] = found[..] else {
        panic!("{}", checked.stdout);
    };
    let start = "1 file descriptor stays open in a child process after each iteration, in process ";
    assert!(
        server.summary.starts_with(&format!("{start}python")),
        "{}",
        server.summary
    );
    // No port, and no way to the project.
    assert!(
        server.summary.ends_with(" app.py --port #"),
        "{}",
        server.summary
    );
    assert_eq!(
        pool.summary,
        format!("{start}SpawnPoolWorker of multiprocessing")
    );
    for finding in [server, pool] {
        assert_eq!((&*finding.code, finding.fails), ("LK307", true));
    }
    assert_eq!(server.tests.len(), 3, "{:?}", server.tests);
    assert!(
        checked.stdout.contains("/dev/null (x"),
        "{}",
        checked.stdout
    );
    let here = { checked.report.findings.iter() }.find(|finding| finding.kind == "python");
    let here = here.unwrap_or_else(|| panic!("{}", checked.stdout));
    assert!(here.tests[0].ends_with("test_both"), "{:?}", here.tests);
    assert!(!here.summary.contains("child"), "{}", here.summary);
    assert_eq!(checked.test("test_work").verdict, "clean");
}

#[test]
fn what_a_child_is_meant_to_keep_is_allowed() {
    let terms = "[[tool.leakcheck.override]]\ntests = [\"*\"]\nallow = { child_fds = 1, blocks = 9, heap = 900 }\nreason = \"a cache of the server's\"\n";
    project(terms).check(&[]).exits(0);
}

const SHOP: &str = "\
import sys


class Order:
    def __init__(self, lines):
        self.lines = lines


kept = []
for line in sys.stdin:
    kept.append([Order([number]) for number in range(300)])
    print('done', flush=True)
";

const TEST_SHOP: &str = "\
import subprocess
import sys
import unittest


class TestShop(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        pipes = {'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE, 'universal_newlines': True}
        cls.shop = subprocess.Popen([sys.executable, 'app.py'], **pipes)

    @classmethod
    def tearDownClass(cls):
        cls.shop.communicate()

    def test_order(self):
        self.shop.stdin.write('order\\n')
        self.shop.stdin.flush()
        self.assertEqual(self.shop.stdout.readline(), 'done\\n')
";

#[test]
fn of_what_a_child_keeps_the_types_are_counted_from_outside() {
    let Some(python) = countable::or_skip() else {
        return;
    };
    // Alone with what is installed it finds nothing of ours on its path, and cannot be asked.
    let apart = TEST_SHOP.replace("'app.py'", "'-I', 'app.py'");
    let project = Project::configured(SHOP, &apart, "").under(python);
    let recording = project.beside("recording");
    let folder = recording.to_str().unwrap();
    let checked = project.check(&["--runner", "unittest", "--record", folder]);
    checked.exits(1);
    let [finding] = &checked.report.findings[..] else {
        panic!("{}", checked.stdout);
    };
    assert_eq!((&*finding.code, &*finding.kind), ("LK309", "child_memory"));
    // Of what is only counted no size is told.
    let line = "= types:       list x301, __main__.Order x300";
    assert!(checked.stdout.contains(line), "{}", checked.stdout);
    let replayed = common::leakcheck()
        .args(["replay", folder])
        .output()
        .unwrap();
    let said = String::from_utf8(replayed.stdout).unwrap();
    assert_eq!(replayed.status.code(), Some(0), "{said}");
    assert!(said.contains(": 1 as recorded"), "{said}");
}

#[test]
fn who_holds_what_a_child_keeps_and_where_it_was_made_is_read_inside() {
    let project = Project::configured(SHOP, TEST_SHOP, "");
    let recording = project.beside("recording");
    let folder = recording.to_str().unwrap();
    let checked = project.check(&["--runner", "unittest", "--record", folder]);
    checked.exits(1);
    let [finding] = &checked.report.findings[..] else {
        panic!("{}", checked.stdout);
    };
    assert_eq!((&*finding.code, &*finding.kind), ("LK309", "child_memory"));
    let line = { SHOP.lines() }
        .position(|line| line.contains("kept.append"))
        .unwrap()
        + 1;
    let end = format!(
        ", in process python app.py, retained by __main__.kept, kept at app.py:{line} in <module>"
    );
    let summary = finding.summary.replace("python3", "python");
    assert!(summary.ends_with(&end), "{summary}");
    let holder = finding.holder.as_ref().unwrap();
    assert_eq!(holder.name, "__main__.kept");
    let process = holder.process.as_ref().unwrap();
    assert!(process.ends_with("app.py"), "{process}");
    assert!(
        checked.stdout.contains("__main__.Order x300 ("),
        "{}",
        checked.stdout
    );
    let replayed = common::leakcheck()
        .args(["replay", folder])
        .output()
        .unwrap();
    let said = String::from_utf8(replayed.stdout).unwrap();
    assert!(said.contains(": 1 as recorded"), "{said}");
}

/// Two forks of the test process, each with a list of its own; and a test that fails where it is looked into.
const FORKS: &str = "\
import multiprocessing
import os
import unittest

ROWS = []
TEXTS = []


def keep(pipe, kept):
    while pipe.recv():
        kept.append(['x' * 20000 for _ in range(5)])
        pipe.send(True)


class Fork:
    @classmethod
    def setUpClass(cls):
        cls.pipe, there = multiprocessing.Pipe()
        context = multiprocessing.get_context('fork')
        cls.process = context.Process(target=keep, args=(there, cls.kept), name='worker')
        cls.process.start()

    @classmethod
    def tearDownClass(cls):
        cls.pipe.send(False)
        cls.process.join()

    def ask(self):
        self.pipe.send(True)
        self.assertTrue(self.pipe.recv())


class TestRows(Fork, unittest.TestCase):
    kept = ROWS

    def test_rows(self):
        self.ask()


class TestTexts(Fork, unittest.TestCase):
    kept = TEXTS

    def test_texts(self):
        self.ask()


class TestAlone(Fork, unittest.TestCase):
    kept = []

    def test_alone(self):
        self.ask()
        self.assertNotIn('PYTHONPATH', os.environ)
";

#[test]
fn processes_of_one_name_that_keep_different_things_are_different_leaks() {
    let checked = Project::configured("", FORKS, "").check(&["--runner", "unittest"]);
    checked.exits(1);
    let mut holders: Vec<(&str, usize)> = { checked.report.findings.iter() }
        .map(|finding| {
            assert_eq!(finding.code, "LK309");
            (
                finding.holder.as_ref().map_or("", |holder| &holder.name),
                finding.tests.len(),
            )
        })
        .collect();
    holders.sort_unstable();
    let unknown = "process worker of multiprocessing";
    assert_eq!(
        holders,
        [(unknown, 1), ("test_app.ROWS", 1), ("test_app.TEXTS", 1)],
        "{}",
        checked.stdout
    );
    let why =
        "leaves in process worker of multiprocessing was not found out: it does not pass while";
    let said = checked
        .stdout
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    assert!(said.contains(why), "{said}");
}
