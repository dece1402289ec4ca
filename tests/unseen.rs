//! What was not looked at is not called clean, and no test loses the run for the others.

mod common;

use std::{fs, os::unix::fs::MetadataExt};

use common::{Checked, Packages, Project};

/// A test that adds an entry to a list, which no counter but that of the containers shows.
const ADDS: &str = "def test_adds():\n    KEPT.append(None)\n";
/// A test that leaks, and one that does not.
const BOTH: &str =
    "KEPT = []\n\ndef test_leaks():\n    KEPT.append([1])\n\ndef test_rests():\n    pass\n";

/// Runs the check on one file of tests.
fn check(runner: &str, text: &str, args: &[&str]) -> Checked {
    let project = Project::of(&[("test_it.py", text)]);
    let mut all = vec!["--runner", runner];
    all.extend(args);
    project.check(&all)
}

/// The verdict on the test whose id ends so.
#[track_caller]
fn verdict<'a>(checked: &'a Checked, end: &str) -> &'a str {
    let found = checked
        .report
        .tests
        .iter()
        .find(|test| test.id.ends_with(end));
    let found = found.unwrap_or_else(|| panic!("no {end} in {:?}", checked.verdicts()));
    &found.verdict
}

// -- containers are looked for in each file and process ---------------------------------------------------

#[test]
fn containers_are_looked_for_where_the_first_test_of_a_file_is_not_run() {
    let marked = format!(
        "import pytest\n\nKEPT = []\n\n@pytest.mark.leakcheck(skip='it costs money')\ndef test_first():\n    pass\n\n{ADDS}"
    );
    let checked = check("pytest", &marked, &[]);
    assert_eq!(verdict(&checked, "test_first"), "skipped");
    assert_eq!(verdict(checked.exits(1), "test_adds"), "leak");

    let project = Project::of(&[
        (
            "test_it.py",
            "import unittest\n\nKEPT = []\n\nclass TestIt(unittest.TestCase):\n    def test_a(self):\n        pass\n\n    def test_b(self):\n        KEPT.append(None)\n",
        ),
        (
            "leakcheck.toml",
            "[[override]]\ntests = [\"*.test_a\"]\nskip = \"it costs money\"\nreason = \"so\"\n",
        ),
    ]);
    let checked = project.check(&["--runner", "unittest"]);
    assert_eq!(verdict(&checked, "test_a"), "skipped");
    assert_eq!(verdict(checked.exits(1), "test_b"), "leak");
}

#[test]
fn containers_are_looked_for_again_by_a_worker_that_takes_the_place_of_another() {
    let table = [
        ("os._exit(3)", "crashed"),
        ("os.kill(os.getpid(), 9)", "crashed"),
        ("time.sleep(100)", "timed-out"),
        // On a repeat.
        ("RUNS.append(1) or len(RUNS) < 3 or os._exit(3)", "crashed"),
        // Not by its end, but by our own: it takes pytest's streams away.
        ("os.closerange(3, 100)", "crashed"),
    ];
    for (line, ends) in table {
        let text = format!(
            "import os\nimport time\n\nKEPT = []\nRUNS = []\n\ndef test_ends():\n    {line}\n\ndef test_between():\n    pass\n\n{ADDS}"
        );
        let checked = check("pytest", &text, &["--timeout=3s"]);
        assert_eq!(verdict(&checked, "test_ends"), ends, "{line}");
        assert_eq!(verdict(checked.exits(1), "test_adds"), "leak", "{line}");
        assert_eq!(verdict(&checked, "test_between"), "clean", "{line}");
    }
}

#[test]
fn containers_are_found_whatever_became_of_the_table_of_modules() {
    let project = Project::of(&[
        ("shop.py", "ROWS = []\n"),
        (
            "test_a.py",
            "import sys\n\nimport shop\n\ndef test_forgets():\n    for name in ('shop', 'test_b'):\n        sys.modules.pop(name, None)\n",
        ),
        (
            "test_b.py",
            "import shop\n\nKEPT = []\n\ndef test_rows():\n    shop.ROWS.append(None)\n\ndef test_adds():\n    KEPT.append(None)\n",
        ),
    ]);
    for runner in ["pytest", "unittest"] {
        if runner == "unittest" {
            project.write(
                "test_b.py",
                "import unittest\n\nimport shop\n\nKEPT = []\n\nclass TestB(unittest.TestCase):\n    def test_rows(self):\n        shop.ROWS.append(None)\n\n    def test_adds(self):\n        KEPT.append(None)\n",
            );
            project.write(
                "test_a.py",
                "import sys\nimport unittest\n\nimport shop\n\nclass TestA(unittest.TestCase):\n    def test_forgets(self):\n        for name in ('shop', 'test_b'):\n            sys.modules.pop(name, None)\n",
            );
        }
        let checked = project.check(&["--runner", runner]);
        assert_eq!(verdict(checked.exits(1), "test_rows"), "leak", "{runner}");
        assert_eq!(verdict(&checked, "test_adds"), "leak", "{runner}");
    }
}

#[test]
fn a_registry_made_by_a_test_that_failed_is_watched_however_much_else_that_left() {
    let text = "KEPT = []\nROWS = []\n\ndef test_fails():\n    ROWS.append([])\n    KEPT.extend([number] for number in range(3000))\n    assert 0\n\ndef test_adds():\n    if not ROWS:\n        ROWS.append([])\n    ROWS[0].append(None)\n";
    let checked = check("pytest", text, &[]);
    assert_eq!(verdict(&checked, "test_fails"), "failed");
    assert_eq!(verdict(checked.exits(1), "test_adds"), "leak");
}

// -- what the bridge keeps of errors ---------------------------------------------------------------------

#[test]
fn a_wider_teardown_that_fails_is_an_error_and_no_leak() {
    let fixture = "\
import pytest

@pytest.fixture(scope='module')
def base():
    yield 1
    raise OSError('cannot close')

def test_a(base):
    pass

def test_b(base):
    pass
";
    let module = "\
def teardown_module():
    raise OSError('cannot close')

def test_a():
    pass

def test_b():
    pass
";
    let case = "\
import unittest

class TestIt(unittest.TestCase):
    @classmethod
    def tearDownClass(cls):
        raise OSError('cannot close')

    def test_a(self):
        pass

    def test_b(self):
        pass
";
    for (runner, text) in [
        ("pytest", fixture),
        ("pytest", module),
        ("pytest", case),
        ("unittest", case),
    ] {
        let checked = check(runner, text, &[]);
        checked.exits(4).all("clean", 2);
        let told: Vec<_> = checked.report.errors.iter().collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(format!("{told:?}").contains("cannot close"), "{told:?}");
    }
}

#[test]
fn a_fixture_that_only_cannot_be_ended_twice_is_no_error() {
    let text = "\
import pytest

ENDS = bytearray(1)

@pytest.fixture(scope='module')
def base():
    yield 1
    ENDS[0] = min(ENDS[0] + 1, 9)
    assert ENDS[0] < 2

def test_a(base):
    pass
";
    let checked = check("pytest", text, &[]);
    assert!(
        checked.report.errors.is_empty(),
        "{:?}",
        checked.report.errors
    );
    checked.exits(0).all("clean", 1);
}

#[test]
fn what_is_set_up_once_more_for_a_longer_look_is_no_error_where_it_ends() {
    let ends = "ENDS = bytearray(1)\n\ndef end():\n    ENDS[0] = min(ENDS[0] + 1, 9)\n    assert ENDS[0] < 2\n\n";
    let pytest = format!(
        "import pytest\n\n{ends}@pytest.fixture(scope='module')\ndef base():\n    yield 1\n    end()\n\ndef test_a(base):\n    pass\n"
    );
    let unittest = format!(
        "import unittest\n\n{ends}class TestIt(unittest.TestCase):\n    @classmethod\n    def tearDownClass(cls):\n        end()\n\n    def test_a(self):\n        pass\n"
    );
    let other = "import unittest\n\nclass TestOther(unittest.TestCase):\n    def test_b(self):\n        pass\n";
    for (runner, text) in [
        ("pytest", &pytest),
        ("pytest", &unittest),
        ("unittest", &unittest),
    ] {
        let project = Project::of(&[("test_a.py", text), ("test_b.py", other)]);
        let checked = project.check(&["--runner", runner, "--no-cache"]);
        assert!(
            checked.report.errors.is_empty(),
            "{:?}",
            checked.report.errors
        );
        checked.exits(0).all("clean", 2);
    }
}

// -- errors in the midst of our own code -------------------------------------------------------------------

/// Tests after which the process cannot be read as before: name, and what it does. None of them fails in a plain run.
const DISTURBING: [(&str, &str); 8] = [
    (
        "a hook that refuses",
        "def hook(event, args):\n    if event == 'gc.get_objects':\n        raise RuntimeError('no')\n\ndef test_it():\n    sys.addaudithook(hook)\n",
    ),
    (
        "a name that cannot be compared",
        "class Odd:\n    def __eq__(self, other):\n        raise RuntimeError('no')\n    __hash__ = object.__hash__\n\nMODULES = []\n\ndef test_it():\n    module = types.ModuleType('x')\n    module.__dict__['__name__'] = Odd()\n    MODULES.append(module)\n",
    ),
    (
        "a module that was never made",
        "MODULES = []\n\ndef test_it():\n    MODULES.append(types.ModuleType.__new__(types.ModuleType))\n",
    ),
    (
        "names that are no text",
        "def test_it():\n    globals()[5] = []\n    sys.modules[7] = sys.modules[__name__]\n    type('X', (), {8: []})\n",
    ),
    (
        "another root",
        "def test_it():\n    if not os.path.exists('/proc'):\n        return\n    os.chroot(tempfile.mkdtemp())\n",
    ),
    (
        "a heartbeat of its own",
        "def test_it():\n    for line in open('/proc/self/maps'):\n        if line.rstrip().endswith('/heartbeat'):\n            ctypes.memset(int(line.split('-')[0], 16), 0xff, 8)\n",
    ),
    (
        "a profiler that raises",
        "def profile(frame, event, arg):\n    if 'leakcheck_bridge' in frame.f_code.co_filename and frame.f_code.co_name == 'read':\n        raise RuntimeError('no')\n\ndef test_it():\n    sys.setprofile(profile)\n",
    ),
    (
        "a signal that raises",
        "def handler(number, frame):\n    signal.setitimer(signal.ITIMER_REAL, 0)\n    raise RuntimeError('no')\n\ndef profile(frame, event, arg):\n    if 'leakcheck_bridge' in frame.f_code.co_filename and frame.f_code.co_name == 'read':\n        sys.setprofile(None)\n        signal.raise_signal(signal.SIGALRM)\n\ndef test_it():\n    signal.signal(signal.SIGALRM, handler)\n    sys.setprofile(profile)\n",
    ),
];

#[test]
fn what_one_test_does_to_its_process_is_never_told_of_the_others() {
    for (name, text) in DISTURBING {
        if name == "another root" && fs::metadata("/proc/self").unwrap().uid() != 0 {
            continue;
        }
        let text = format!(
            "import ctypes\nimport logging\nimport os\nimport signal\nimport sys\nimport tempfile\nimport types\n\n{text}\n{BOTH}"
        );
        let checked = check("pytest", &text, &[]);
        let told = format!("{name}: {:?}\n{}", checked.verdicts(), checked.stdout);
        assert_eq!(verdict(checked.exits(1), "test_leaks"), "leak", "{told}");
        assert_eq!(verdict(&checked, "test_rests"), "clean", "{told}");
        let one = checked
            .report
            .tests
            .iter()
            .find(|test| test.id.ends_with("test_it"));
        let one = one.unwrap();
        // Nothing is said of it that was not seen.
        if one.verdict == "undecided" {
            let reason = one.reason.as_deref().unwrap_or_default();
            assert!(
                reason.contains("RuntimeError: no, raised by"),
                "{told}{reason}"
            );
            assert!(reason.contains("test_it.py:"), "{told}{reason}");
        }
        assert!(checked.report.errors.is_empty(), "{told}");
    }
}

#[test]
fn a_fault_of_our_own_is_one_tests_and_the_exit_code_of_the_run() {
    // A function of the bridge is replaced by one that fails as if it were the bridge's.
    let text = "\
import sys
import unittest

KEPT = []

class TestIt(unittest.TestCase):
    def test_it(self):
        counters = sys.modules['leakcheck_bridge.counters']
        counters.Counters.entries = eval('lambda self: 1 // 0', {'__name__': 'leakcheck_bridge.x'})

    def test_leaks(self):
        KEPT.append([1])

    def test_rests(self):
        pass
";
    for runner in ["pytest", "unittest"] {
        let project = Project::of(&[("test_it.py", text)]);
        let checked = project.check(&["--runner", runner]);
        checked.exits(70);
        assert_eq!(verdict(&checked, "test_it"), "undecided");
        assert_eq!(verdict(&checked, "test_leaks"), "leak");
        assert_eq!(verdict(&checked, "test_rests"), "clean");
        let one = checked
            .report
            .tests
            .iter()
            .find(|test| test.id.ends_with("test_it"));
        let reason = one.unwrap().reason.clone().unwrap_or_default();
        assert!(
            reason.starts_with("leakcheck's own fault in it: ZeroDivisionError"),
            "{reason}"
        );
        assert!(
            checked
                .stdout
                .contains("please report it: ZeroDivisionError"),
            "{}",
            checked.stdout
        );
        assert!(
            checked.stdout.contains("--record DIR"),
            "{}",
            checked.stdout
        );
        assert_eq!(
            project.snapshots(".snap.new").len(),
            1,
            "what was found is kept"
        );
    }
}

// -- as many iterations as are asked for ---------------------------------------------------------------------

#[test]
fn more_iterations_than_one_answer_holds_are_run() {
    let text = "import pytest\n\nRUNS = []\n\ndef test_it():\n    pass\n\n@pytest.mark.leakcheck(iterations=9000)\ndef test_marked():\n    pass\n";
    for (asked, each) in [("8199", 8199), ("17000", 17000)] {
        let checked = check("pytest", text, &["--iterations", asked]);
        checked.exits(0).all("clean", 2);
        let runs = |end: &str| {
            let test = checked
                .report
                .tests
                .iter()
                .find(|test| test.id.ends_with(end));
            test.unwrap().iterations
        };
        // And the warm-up.
        assert_eq!(runs("test_it"), each + 1);
        assert_eq!(runs("test_marked"), 9001);
    }
}

#[test]
fn every_supported_pytest_is_seen_through() {
    // The newest one keeps other things of errors than the oldest.
    for packages in [Packages::Plain, Packages::Plugins] {
        let text = "import pytest\n\n@pytest.fixture(scope='class')\ndef base():\n    yield 1\n    raise OSError('cannot close')\n\nclass TestIt:\n    def test_a(self, base):\n        pass\n";
        let checked = Project::of(&[("test_it.py", text)])
            .with(packages)
            .check(&[]);
        checked.exits(4).all("clean", 1);
    }
}

// -- what one loses does not hide what another gains ---------------------------------------------------------

#[test]
fn what_every_collection_raises_hides_no_leak() {
    let text = "import gc\n\nKEPT = []\n\ndef raises(phase, info):\n    raise ValueError(phase)\n\n\
                def test_first():\n    gc.callbacks.append(raises)\n\n\
                def test_leaks():\n    KEPT.append([1] * 50)\n";
    let project = Project::of(&[("test_it.py", text)]).with(Packages::Newest);
    for checked in [
        project.check(&["--runner", "pytest"]),
        check("pytest", text, &[]),
    ] {
        assert_eq!(verdict(checked.exits(1), "test_leaks"), "leak");
    }
}

#[test]
fn a_leak_that_an_equal_loss_hides_is_found() {
    let text = "\
import collections

STOCK = [object() for _ in range(100000)]
SOLD = []
WAITING = {number: None for number in range(100000)}
DONE = collections.deque()
BACK = [[], [None]]

def test_sells():
    STOCK.pop()
    SOLD.append(object())

def test_does():
    DONE.append(WAITING.popitem()[0])

def test_swaps():
    BACK[0].append(BACK[1].pop())
    BACK.reverse()
";
    let checked = check("pytest", text, &[]);
    assert_eq!(verdict(checked.exits(1), "test_sells"), "leak");
    assert_eq!(verdict(&checked, "test_does"), "leak");
    assert_eq!(verdict(&checked, "test_swaps"), "clean");
    for name in ["test_it.SOLD", "test_it.DONE"] {
        let held = checked
            .report
            .findings
            .iter()
            .any(|finding| finding.summary.contains(name));
        assert!(held, "{name}: {}", checked.stdout);
    }
}

// -- threads that go on between tests -----------------------------------------------------------------------

/// A thread that makes and frees objects all the time, beside a test that leaks and one that does not.
const NOISE: &str = "\
import threading
import time

KEPT = []
SEEN = []

def noise():
    while True:
        SEEN.append(object())
        time.sleep(0.0003)
        if len(SEEN) > 5000:
            SEEN.clear()

def start():
    threading.Thread(target=noise, daemon=True).start()

def test_leaks():
    KEPT.append([0] * 30)

def test_rests():
    pass
";

#[test]
fn what_a_test_leaves_running_does_not_hide_the_leak_of_another() {
    let text = NOISE.replace(
        "def test_leaks",
        "def test_a_starts():\n    start()\n\ndef test_leaks",
    );
    let checked = check("pytest", &text, &[]);
    assert_eq!(verdict(checked.exits(1), "test_a_starts"), "leak");
    assert_eq!(
        verdict(&checked, "test_leaks"),
        "leak",
        "{}",
        checked.stdout
    );
    assert_eq!(
        verdict(&checked, "test_rests"),
        "clean",
        "{}",
        checked.stdout
    );
}

#[test]
fn beside_a_thread_that_nobody_can_do_without_nothing_is_clean_that_was_not_seen() {
    let checked = check("pytest", &format!("{NOISE}\nstart()\n"), &[]);
    let found = verdict(&checked, "test_leaks");
    assert!(["leak", "undecided"].contains(&found), "{found}");
    let test = checked
        .report
        .tests
        .iter()
        .find(|test| test.id.ends_with("test_rests"));
    let test = test.unwrap();
    if test.verdict != "clean" {
        let reason = test.reason.as_deref().unwrap_or_default();
        assert_eq!(test.verdict, "undecided");
        assert!(reason.contains("changes while no test runs"), "{reason}");
        assert!(reason.contains("(noise)"), "{reason}");
    }
    // No finding without anything that could be found.
    for finding in &checked.report.findings {
        assert!(
            finding.summary.contains("retained by test_it.KEPT"),
            "{}",
            finding.summary
        );
    }
}

#[test]
fn a_thread_that_only_waits_is_no_noise() {
    let text = "import threading\n\nNAMES = {}\n\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n\ndef test_fills_once():\n    NAMES.setdefault('a', [object()])\n\ndef test_rests():\n    pass\n";
    check("pytest", text, &[]).exits(0).all("clean", 2);
}

// -- more causes than there is time for --------------------------------------------------------------------

/// Two thousand tests in forty files, each with a registry of its own. Some minutes; `tests/full.sh` runs it.
#[test]
#[ignore = "takes minutes"]
fn two_thousand_registries_are_all_named() {
    let mut files = vec![("app/__init__.py".to_owned(), String::new())];
    for module in 0..40 {
        let mut code = "class Order:\n    pass\n\n".to_owned();
        let mut tests = format!("from app import part{module}\n\n");
        for number in 0..50 {
            code += &format!(
                "KEPT_{number} = []\n\ndef record_{number}():\n    KEPT_{number}.append(Order())\n\n"
            );
            tests += &format!("def test_{number}():\n    part{module}.record_{number}()\n\n");
        }
        files.push((format!("app/part{module}.py"), code));
        files.push((format!("tests/test_part{module}.py"), tests));
    }
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (&**name, &**text))
        .collect();
    let checked = Project::of(&files).check(&[]);
    let verdicts = checked.verdicts();
    let leaks = verdicts.values().filter(|verdict| **verdict == "leak");
    assert_eq!(leaks.count(), 2000, "{}", checked.stdout);
    let findings = &checked.report.findings;
    assert_eq!(findings.len(), 2000);
    let holders = { findings.iter() }
        .filter_map(|finding| finding.holder.as_ref())
        .filter(|holder| holder.name.starts_with("app.part"));
    // So many containers are watched; what is in others has its line.
    assert!(holders.count() > 1400);
    for finding in findings {
        let place = finding.summary.contains("allocated at app/part");
        assert!(place, "{}", finding.summary);
    }
    assert_eq!(checked.stdout.matches("= id:").count(), 20);
}
