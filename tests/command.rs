//! Programs that run tests their own way: Django's, trial, layers, suites one after another, and what has none.

mod common;

use std::collections::BTreeMap;

use common::{Checked, Packages, Project, leakcheck, postgres::Postgres};

/// A leak, and a test that only works between its layer's beginning and end.
const PARTS: &str = r#"
import unittest

KEPT = []


class Ground(object):
    @classmethod
    def setUp(cls):
        cls.ready = True

    @classmethod
    def tearDown(cls):
        del cls.ready

    @classmethod
    def testSetUp(cls):
        cls.table = []

    @classmethod
    def testTearDown(cls):
        del cls.table


class Roof(Ground):
    @classmethod
    def setUp(cls):
        cls.tiles = {}

    @classmethod
    def tearDown(cls):
        del cls.tiles

    @classmethod
    def testSetUp(cls):
        pass

    @classmethod
    def testTearDown(cls):
        pass


class A(unittest.TestCase):
    layer = Ground

    def test_keeps(self):
        KEPT.append({"table": [Ground.ready]})

    def test_table(self):
        self.assertEqual(Ground.table, [])
        Ground.table.append(1)


class B(unittest.TestCase):
    layer = Roof

    def test_tiles(self):
        self.assertEqual((Ground.table, Roof.tiles), ([], {}))
        Ground.table.append(1)
"#;

/// Sets the layers up by itself, one suite each.
const MANY: &str = r#"
import unittest
from tests import test_parts as parts

for layer, case in ((parts.Ground, parts.A), (parts.Roof, parts.B)):
    layer.setUp()
    parts.Ground.ready = True
    parts.Ground.table = []
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(case)
    case.tearDown = lambda self: parts.Ground.table.clear()
    result = unittest.TextTestRunner().run(suite)
    assert result.testsRun == suite.countTestCases(), result
    layer.tearDown()
"#;

/// A module with a leak of its own.
const ONE: &str = r#"
import unittest

KEPT = []


class T(unittest.TestCase):
    def test_keeps(self):
        KEPT.append({"here": [__name__]})

    def test_rests(self):
        pass
"#;

fn project() -> Project {
    let project = Project::of(&[
        ("tests/__init__.py", ""),
        ("tests/test_parts.py", PARTS),
        ("many.py", MANY),
    ]);
    project.with(Packages::Runners)
}

fn verdicts(checked: &Checked) -> BTreeMap<&str, &str> {
    checked
        .report
        .tests
        .iter()
        .map(|test| {
            let at = test.id.rfind("parts.").map_or(0, |at| at + 6);
            (&test.id[at..], &*test.verdict)
        })
        .collect()
}

const JUDGED: [(&str, &str); 3] = [
    ("A.test_keeps", "leak"),
    ("A.test_table", "clean"),
    ("B.test_tiles", "clean"),
];

#[test]
fn a_program_is_run_as_it_is_and_each_of_its_suites_is_judged() {
    let project = project();
    let before = project.files();
    let checked = project.check(&["--", "python", "many.py"]);
    checked.exits(1);
    assert_eq!(verdicts(&checked), BTreeMap::from(JUDGED));
    assert_eq!(checked.report.environment["runner"], "command");
    let leak = checked.only_leak();
    assert!(leak.summary.contains("test_parts.KEPT"), "{}", leak.summary);
    project.assert_nothing_left(&before);
    // The same by two workers, which both have it from the beginning.
    let two = project.check(&["-j", "2", "--runner", "command", "--", "many.py"]);
    assert_eq!(verdicts(&two), verdicts(&checked));
}

#[test]
fn layers_are_set_up_around_the_tests_and_for_each_repeat() {
    let project = project();
    let runners: [&[&str]; 2] = [
        &["-m", "zope.testrunner", "--path", ".", "--test-path", "."],
        &["zope-testrunner", "--path", ".", "--test-path", ".", "-vv"],
    ];
    for words in runners {
        let mut args = vec!["--runner", "command", "--"];
        args.extend(words);
        let checked = project.check(&args);
        assert_eq!(
            verdicts(&checked),
            BTreeMap::from(JUDGED),
            "{words:?}\n{}",
            checked.stdout
        );
    }
}

#[test]
fn tests_of_a_reactor_run_in_it() {
    let project = Project::of(&[(
        "late.py",
        r#"
from twisted.internet import defer, reactor, task
from twisted.trial import unittest

KEPT = []


class Late(unittest.TestCase):
    def test_later(self):
        return task.deferLater(reactor, 0, lambda: self.assertTrue(reactor.running))

    @defer.inlineCallbacks
    def test_keeps(self):
        yield task.deferLater(reactor, 0, KEPT.append, {"a": []})

    def test_delayed(self):
        call = reactor.callLater(600, KEPT.append, {})
        self.addCleanup(call.cancel)

    def test_todo(self):
        self.fail("not yet")

    test_todo.todo = "later"
"#,
    )])
    .with(Packages::Runners);
    let checked = project.check(&["--runner", "command", "--", "-m", "twisted.trial", "late"]);
    checked.exits(1);
    assert_eq!(checked.test("Late.test_keeps").verdict, "leak");
    assert_eq!(checked.test("Late.test_todo").verdict, "clean");
    // The reactor drops what was called or cancelled only when there is much of it.
    for name in ["Late.test_later", "Late.test_delayed"] {
        assert!(["clean", "bounded"].contains(&&*checked.test(name).verdict));
    }
}

/// Judges the Django project its own way and under pytest-django, with these settings: the leaks' fingerprints, which are
/// the same.
fn judged(project: &Project, settings: &str) -> Vec<String> {
    let leaks = [
        "test_receiver",
        "test_registry",
        "test_queryset",
        "test_papers",
        "test_fee",
        "test_log_book",
    ];
    let judged = |checked: &Checked| {
        checked.exits(1);
        for test in &checked.report.tests {
            let name = test.id.rsplit(['.', ':']).next().unwrap();
            let leaks = test.id.contains("LeakTests") && leaks.contains(&name);
            let right: &[&str] = match name {
                _ if leaks => &["leak"],
                // Its memory settles, sooner or later.
                "test_toll" | "test_page" => &["bounded", "clean"],
                _ => &["clean"],
            };
            assert!(right.contains(&&*test.verdict), "{test:#?}");
        }
        assert_eq!(checked.report.tests.len(), 29);
        let found: BTreeMap<String, String> = checked
            .report
            .leaks()
            .into_iter()
            .map(|leak| (leak.fingerprint.clone(), leak.summary.clone()))
            .collect();
        assert_eq!(found.len(), leaks.len(), "{found:#?}");
        for holder in [
            "post_save.receivers",
            "desk.REPORTERS",
            "desk.LISTS",
            "desk.PAPERS",
            "desk._fee",
            "LogBook.pages",
        ] {
            let holds = found.values().any(|summary| summary.contains(holder));
            assert!(holds, "{holder}: {found:#?}");
        }
        found.into_keys().collect::<Vec<_>>()
    };
    let settings = [format!("--settings={settings}"), format!("--ds={settings}")];
    let own = project.check(&["--budget=5m", "--", &settings[0]]);
    assert_eq!(own.report.environment["runner"], "command");
    let under_pytest = [
        "--budget=5m",
        "--runner=pytest",
        "--",
        &settings[1],
        "-opython_files=tests.py",
    ];
    let found = judged(&own);
    assert_eq!(found, judged(&project.check(&under_pytest)));
    found
}

#[test]
fn django_is_judged_alike_whatever_runs_it_and_keeps_its_data() {
    let project = Project::fixture("django").with(Packages::Runners);
    let found = judged(&project, "harbour.settings");
    let Some(server) = Postgres::start("harbour") else {
        eprintln!("skipped in part: no PostgreSQL here (Debian: apt-get install postgresql)");
        return;
    };
    let settings = format!(
        "import os\nos.environ['HARBOUR_POSTGRES'] = {:?}\nfrom harbour.settings import *\n",
        server.socket().to_str().unwrap()
    );
    project.write("served.py", &settings);
    assert_eq!(judged(&project, "served"), found);
}

#[test]
fn djangos_own_options_choose_tests_and_databases() {
    let project = Project::fixture("django").with(Packages::Runners);
    for (args, count) in [
        (vec!["--", "--tag", "slow"], 1),
        (vec!["--", "--exclude-tag=slow", "-k", "PlainTests"], 3),
        (
            vec![
                "--",
                "python",
                "manage.py",
                "test",
                "berths.tests.CommittedTests",
            ],
            2,
        ),
        (vec!["berths/tests.py", "--", "-k", "test_user", "-v2"], 1),
        (
            vec!["--", "-k", "test_weather", "--settings=harbour.settings"],
            1,
        ),
    ] {
        project.check(&args).exits(0).all("clean", count);
    }
    let parallel = project.check(&[
        "--",
        "--parallel=2",
        "-k",
        "CommittedTests",
        "-k",
        "PlainTests",
    ]);
    parallel.exits(0).all("clean", 5);
    parallel.notes(&["parallel", "in this process"]);
}

#[test]
fn databases_in_files_are_the_workers_own_and_go_with_them() {
    let project = Project::fixture("django").with(Packages::Runners);
    project.write(
        "files.py",
        "from harbour.settings import *\n\
         for name in DATABASES:\n    DATABASES[name]['TEST'] = {'NAME': BASE / (name + '.test')}\n",
    );
    // What a run before this one was killed in the midst of has left.
    project.write("default.test", "no database");
    let before = project.files();
    // Leaks, so that there are workers that are let go of.
    let tests = [
        "-k",
        "test_receiver",
        "-k",
        "test_registry",
        "-k",
        "test_weather",
    ];
    let args = [&["-j2", "--", "--settings=files"], &tests[..]].concat();
    let checked = project.check(&args);
    checked.exits(1);
    assert_eq!(checked.report.leaks().len(), 2, "{}", checked.stdout);
    assert_eq!(project.files(), before);
    // One that is kept keeps its name.
    let mut command = project.command();
    let args = [
        "-q",
        "--",
        "--settings=files",
        "--keepdb",
        "-k",
        "test_weather",
    ];
    let output = command.args(args).assert().code(4).get_output().clone();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("file is not a database"), "{said}");
}

#[test]
fn what_has_no_test_run_here_is_told_in_one_line() {
    let table: [(&str, i32, &str); 6] = [
        (
            "print('hello')",
            2,
            "x.py ended without having unittest run a suite",
        ),
        (
            "import sys; sys.exit('settings are missing')",
            4,
            "x.py ended with status 1 before it had unittest run a test: settings are missing",
        ),
        ("import os; os._exit(3)", 4, "with status 3"),
        (
            "import os, unittest\nif os.fork() == 0: unittest.main()\nos.wait()",
            2,
            "x.py runs its tests in processes or threads of its own",
        ),
        (
            "import unittest; unittest.main()",
            2,
            "`python x.py` found no tests",
        ),
        (
            "import time; 1 / 0",
            4,
            "ZeroDivisionError: division by zero",
        ),
    ];
    for (text, code, words) in table {
        let project = Project::of(&[("x.py", text)]);
        let output = project
            .command()
            .args(["-q", "--", "python", "x.py"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{text}: {said}");
        assert!(said.contains(words), "{text}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn a_path_beside_a_program_is_refused() {
    let project = project();
    let mut command = project.command();
    let assert = command.args(["tests", "--", "python", "many.py"]).assert();
    let output = assert.code(2).get_output().clone();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("tests is not for a command"), "{said}");
}

#[test]
fn an_import_that_ends_the_program_is_named_and_left_out() {
    let project = Project::of(&[
        ("tests/__init__.py", ""),
        ("tests/test_bad.py", "import os\nos._exit(3)\n"),
        (
            "tests/test_good.py",
            "import unittest\nclass T(unittest.TestCase):\n    def test_a(self): pass\n",
        ),
        (
            "all.py",
            "import unittest\n\
             suite = unittest.defaultTestLoader.discover('tests', top_level_dir='.')\n\
             unittest.TextTestRunner().run(suite)\n",
        ),
    ]);
    let checked = project.check(&["--", "python", "all.py"]);
    checked.exits(4).all("clean", 1);
    assert!(
        checked
            .report
            .errors
            .iter()
            .any(|error| error.place == "tests/test_bad.py")
    );
}

#[test]
fn the_doctor_says_which_program_it_would_run() {
    let project = Project::fixture("django").with(Packages::Runners);
    let output = leakcheck()
        .current_dir(project.root())
        .args(["doctor", "--python"])
        .arg(project.python())
        .output()
        .unwrap();
    let page = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{page}");
    assert!(
        page.contains("command: manage.py test (found here"),
        "{page}"
    );
}

#[test]
fn nose2_has_plugins_of_its_own() {
    let project = Project::of(&[(
        "test_wide.py",
        r#"
import unittest
from nose2.tools import params

KEPT = []


class T(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.wide = 1

    @params(1, 2)
    def test_each(self, number):
        self.assertEqual(self.wide, 1)
        if number == 2:
            KEPT.append({"number": number})


def test_function():
    assert 1
"#,
    )])
    .with(Packages::Runners);
    let checked = project.check(&["--runner=command", "--", "nose2", "-v"]);
    checked.exits(1);
    let found: Vec<(&str, &str)> = checked.verdicts().into_iter().collect();
    let expected = [
        ("test_wide.T.test_each:1\n1", "clean"),
        ("test_wide.T.test_each:2\n2", "leak"),
        ("test_wide.test_function", "clean"),
    ];
    assert_eq!(found, expected);
}

#[test]
fn layers_of_nose2_are_set_up_for_each_repeat() {
    let project = project();
    project.write(
        "unittest.cfg",
        "[unittest]\nplugins = nose2.plugins.layers\n",
    );
    let checked = project.check(&["--runner=command", "--", "nose2"]);
    checked.exits(1);
    let found: Vec<(&str, &str)> = checked.verdicts().into_iter().collect();
    let expected = [
        ("tests.test_parts.A.test_keeps", "leak"),
        ("tests.test_parts.A.test_table", "clean"),
        ("tests.test_parts.B.test_tiles", "clean"),
    ];
    assert_eq!(found, expected);
}

#[test]
fn shards_of_a_program_join_and_its_recording_is_decided_again() {
    let project = Project::of(&[
        ("tests/__init__.py", ""),
        ("tests/one.py", ONE),
        ("tests/two.py", ONE),
        (
            "all.py",
            "import unittest\nfrom tests import one, two\n\
             for module in (one, two):\n    \
             unittest.TextTestRunner().run(unittest.defaultTestLoader.loadTestsFromModule(module))\n",
        ),
    ]);
    let program = ["--", "python", "all.py"];
    let whole = project.check(&[&["--record", "tape"], &program[..]].concat());
    assert_eq!(whole.report.tests.len(), 4);
    assert_eq!(whole.report.leaks().len(), 2, "{}", whole.stdout);
    let replayed = project.bare().args(["replay", "tape"]).assert().code(0);
    let said = String::from_utf8_lossy(&replayed.get_output().stdout).into_owned();
    assert!(said.contains("4 tests"), "{said}");
    let mut parts = Vec::new();
    for shard in ["1/2", "2/2"] {
        let path = project.beside(&format!("{}.json", &shard[..1]));
        let report = format!("--report=json={}", path.display());
        let args = [&["--shard", shard, &report], &program[..]].concat();
        project.command().args(args).assert().code(1);
        parts.push(path);
    }
    let path = project.beside("merged.json");
    let mut merge = project.bare();
    merge.arg("merge").args(&parts);
    let output = merge
        .arg(format!("--report=json={}", path.display()))
        .output()
        .unwrap();
    let merged = Checked::read(output, &path);
    assert_eq!(merged.verdicts(), whole.verdicts());
}
