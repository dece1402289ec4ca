//! Small suites of the kinds that people write for pytest: what the runner and its plugins do is never the project's leak.

mod common;

use common::{Packages, Project, python_version};

/// Runs a clean suite of one file and `count` tests.
#[track_caller]
fn assert_clean(packages: Packages, text: &str, count: usize) {
    let project = Project::of(&[("test_it.py", text)]).with(packages);
    let before = project.files();
    let checked = project.check(&["--runner", "pytest"]);
    checked.exits(0).all("clean", count);
    assert!(
        checked.report.errors.is_empty(),
        "{:?}",
        checked.report.errors
    );
    project.assert_nothing_left(&before);
}

/// Every environment that this Python can have.
fn all_pytests() -> Vec<Packages> {
    let mut all = vec![Packages::Plain, Packages::Plugins];
    if python_version() >= (3, 10) {
        all.push(Packages::Newest);
    }
    all
}

// -- what a test keeps for itself ---------------------------------------------------------------

#[test]
fn state_kept_on_self_is_gone_in_the_next_iteration() {
    let text = "\
import unittest

class TestPlain:
    kept = None

    def setup_method(self):
        assert self.kept is None
        self.kept = [object() for _ in range(100)]

    def test_keeps(self):
        assert not hasattr(self, 'more')
        self.more = {'a': [1] * 100}
        assert len(self.kept) == 100

class TestCase(unittest.TestCase):
    def test_keeps(self):
        self.assertFalse(hasattr(self, 'more'))
        self.more = [object() for _ in range(100)]
        self.addCleanup(list)
";
    for packages in all_pytests() {
        assert_clean(packages, text, 2);
    }
}

#[test]
fn output_of_every_run_is_not_kept() {
    let text = "\
import logging
import os
import sys

def test_prints():
    print('x' * 10_000)

def test_prints_to_stderr():
    sys.stderr.write('y' * 10_000)

def test_writes_to_the_descriptor():
    os.write(1, b'z' * 10_000)

def test_logs():
    for number in range(50):
        logging.getLogger('shop').warning('sold %d', number)
";
    for packages in all_pytests() {
        assert_clean(packages, text, 4);
    }
}

#[test]
fn output_of_tests_never_mixes_with_the_report() {
    let project = Project::of(&[
        (
            "test_it.py",
            "import os\n\ndef test_prints():\n    print('MARK')\n    os.system('echo MARK >&2')\n",
        ),
        ("pytest.ini", "[pytest]\naddopts = -s -v\n"),
    ]);
    let checked = project.check(&[]);
    checked.exits(0).all("clean", 1);
    assert!(!checked.stdout.contains("MARK") && !checked.stderr.contains("MARK"));
}

#[test]
fn temporary_folders_are_no_growth() {
    let text = "\
import pytest

@pytest.fixture
def shelf(tmp_path):
    (tmp_path / 'a').mkdir()
    return tmp_path / 'a'

def test_tmp_path(tmp_path):
    (tmp_path / 'file').write_text('x' * 1000)

def test_tmp_path_factory(tmp_path_factory):
    folder = tmp_path_factory.mktemp('data')
    (folder / 'file').write_text('x')

def test_named_alike(tmp_path_factory):
    a, b = tmp_path_factory.mktemp('data'), tmp_path_factory.mktemp('data')
    assert a != b

def test_tmpdir(tmpdir):
    tmpdir.join('file').write('x')

def test_through_a_fixture(shelf):
    (shelf / 'file').write_text('x')

@pytest.mark.parametrize('size', [1, 100_000])
def test_sizes(tmp_path, size):
    (tmp_path / 'file').write_bytes(b'x' * size)
";
    for packages in all_pytests() {
        assert_clean(packages, text, 7);
    }
}

#[test]
fn recorded_warnings_are_not_kept() {
    let text = "\
import warnings
import pytest

def test_nobody_catches():
    warnings.warn('the shop closes soon', UserWarning)

def test_many():
    for number in range(20):
        warnings.warn('no %d is sold out' % number, DeprecationWarning)

def test_caught():
    with pytest.warns(UserWarning):
        warnings.warn('again', UserWarning)

def test_recwarn(recwarn):
    warnings.warn('again', UserWarning)
    assert len(recwarn) == 1
";
    for packages in all_pytests() {
        assert_clean(packages, text, 4);
    }
}

#[test]
fn what_a_module_fixture_frees_is_not_the_last_tests_doing() {
    let text = "\
import pytest

@pytest.fixture(scope='module')
def stock():
    stock = [{'number': number} for number in range(50_000)]
    yield stock
    stock.clear()

def test_first(stock):
    assert stock

def test_last(stock):
    assert stock
";
    let project = Project::of(&[("test_a.py", text), ("test_b.py", text)]);
    project.check(&[]).exits(0).all("clean", 4);
}

#[test]
fn the_last_test_of_a_module_can_leak_all_the_same() {
    let text = "\
import pytest

kept = []

@pytest.fixture(scope='module')
def stock():
    stock = [{'number': number} for number in range(50_000)]
    yield stock
    stock.clear()

def test_first(stock):
    assert stock

def test_last(stock):
    kept.append(dict(stock[-1]))
";
    let project = Project::of(&[
        ("test_a.py", text),
        ("test_b.py", "def test_b():\n    pass\n"),
    ]);
    let checked = project.check(&[]);
    checked.exits(1);
    assert_eq!(checked.test("::test_first").verdict, "clean");
    assert_eq!(checked.test("::test_b").verdict, "clean");
    assert_eq!(checked.only_leak().tests, ["test_a.py::test_last"]);
}

#[test]
fn wider_fixtures_are_set_up_once() {
    let text = "\
import pytest

made = {'class': 0, 'module': 0, 'session': 0}

@pytest.fixture(scope='session')
def session():
    made['session'] += 1
    yield [0] * 100

@pytest.fixture(scope='module')
def module(session):
    made['module'] += 1
    yield [session]

@pytest.fixture(scope='class')
def shared(module):
    made['class'] += 1
    yield [module]

@pytest.fixture
def own(shared):
    yield [shared]

@pytest.fixture(params=['a', 'b'])
def kind(request, shared):
    return request.param

class TestOne:
    def test_a(self, own):
        assert made == {'class': 1, 'module': 1, 'session': 1}

    def test_b(self, own, kind):
        assert made == {'class': 1, 'module': 1, 'session': 1}

class TestTwo:
    def test_a(self, own):
        assert made == {'class': 2, 'module': 1, 'session': 1}
";
    for packages in all_pytests() {
        assert_clean(packages, text, 4);
    }
}

#[test]
fn only_the_parameter_that_leaks_is_blamed() {
    let project = Project::of(&[(
        "test_it.py",
        "\
import pytest

kept = []

@pytest.mark.parametrize('count', [0, 3], ids=['none', 'some :: more'])
def test_keeps(count):
    for _ in range(count):
        kept.append(['x', object()])
",
    )]);
    let checked = project.check(&[]);
    checked.exits(1);
    assert_eq!(checked.test("[none]").verdict, "clean");
    let leak = checked.only_leak();
    assert_eq!(leak.tests, ["test_it.py::test_keeps[some :: more]"]);
    assert_eq!(leak.kind, "python");
    let site = &leak.sites[0];
    assert_eq!(
        (&*site.file, site.line, &*site.function),
        ("test_it.py", 8, "test_keeps")
    );
    // A list and an object; the entry in `kept` is no block of its own.
    assert!(leak.rate["blocks"].value >= 6.0, "{:?}", leak.rate);
}

#[test]
fn doctests() {
    let project = Project::of(&[
        (
            "shop.py",
            "\
kept = []

def add(a, b):
    '''
    >>> sums = [add(1, 2)]
    >>> sums
    [3]
    '''
    return a + b

def keep(name):
    '''
    >>> keep('milk')
    '''
    kept.append({'name': name})
",
        ),
        ("pytest.ini", "[pytest]\naddopts = --doctest-modules\n"),
    ]);
    let checked = project.check(&["--runner", "pytest"]);
    checked.exits(1);
    assert_eq!(checked.test("shop.add").verdict, "clean");
    let leak = checked.only_leak();
    assert_eq!(leak.tests, ["shop.py::shop.keep"]);
    assert_eq!(
        leak.sites[0].source.as_deref(),
        Some("kept.append({'name': name})")
    );
}

// -- plugins ------------------------------------------------------------------------------------

#[test]
fn time_outs_of_pytest_timeout_hold_for_one_iteration() {
    assert_clean(
        Packages::Plugins,
        "\
import time
import pytest

@pytest.mark.timeout(2)
def test_many_iterations_fit():
    time.sleep(0.3)

@pytest.mark.timeout(20, method='thread')
def test_with_a_thread():
    assert True
",
        2,
    );
}

#[test]
fn a_test_that_runs_into_its_own_time_out_has_failed() {
    let project = Project::of(&[(
        "test_it.py",
        "\
import time
import pytest

@pytest.mark.timeout(1, method='signal')
def test_hangs():
    time.sleep(60)

def test_after():
    assert True
",
    )])
    .with(Packages::Plugins);
    let checked = project.check(&[]);
    checked.exits(4);
    let test = checked.test("::test_hangs");
    assert_eq!(test.verdict, "failed", "{test:?}");
    assert!(test.why().to_lowercase().contains("timeout"), "{test:?}");
    assert_eq!(checked.test("::test_after").verdict, "clean");
}

#[test]
fn asynchronous_tests() {
    let text = "\
import asyncio
import pytest
import pytest_asyncio

@pytest.fixture
def anyio_backend():
    return 'asyncio'

@pytest_asyncio.fixture
async def connection():
    await asyncio.sleep(0)
    yield {'open': True}
    await asyncio.sleep(0)

@pytest.mark.asyncio
async def test_asyncio(connection):
    assert connection['open']

@pytest.mark.asyncio
async def test_tasks():
    tasks = [asyncio.ensure_future(asyncio.sleep(0, number)) for number in range(10)]
    assert await asyncio.gather(*tasks) == list(range(10))

@pytest.mark.anyio
async def test_anyio():
    import anyio
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 0)
";
    assert_clean(Packages::Plugins, text, 3);
}

#[test]
fn an_asynchronous_test_that_leaks() {
    let project = Project::of(&[(
        "test_it.py",
        "\
import asyncio
import pytest

kept = []

@pytest.mark.asyncio
async def test_keeps():
    await asyncio.sleep(0)
    kept.append({'name': 'milk'})
",
    )])
    .with(Packages::Plugins);
    let checked = project.check(&[]);
    checked.exits(1);
    let site = &checked.only_leak().sites[0];
    assert_eq!((&*site.file, site.line), ("test_it.py", 9));
}

const THREE: &str = "\
order = []

def test_a():
    order.append('a') if 'a' not in order else None
    assert order == ['a']

def test_b():
    order.append('b') if 'b' not in order else None
    assert order == ['a', 'b']

def test_c():
    assert order == ['a', 'b']
";

/// Settings of plugins that make no sense here are turned off, and the report says so.
#[track_caller]
fn assert_neutralised(addopts: &str, words: &[&str]) {
    let ini = format!("[pytest]\naddopts = {addopts}\n");
    let project =
        Project::of(&[("test_it.py", THREE), ("pytest.ini", &ini)]).with(Packages::Plugins);
    let before = project.files();
    let checked = project.check(&[]);
    checked.exits(0).all("clean", 3).notes(words);
    let ids: Vec<&str> = checked.report.tests.iter().map(|test| &*test.id).collect();
    let names = ["a", "b", "c"].map(|name| format!("test_it.py::test_{name}"));
    assert_eq!(ids, names, "their order under {addopts}");
    for word in words {
        assert!(checked.stdout.contains(word), "{}", checked.stdout);
    }
    project.assert_nothing_left(&before);
}

#[test]
fn distribution_is_turned_off() {
    assert_neutralised("-n 2", &["xdist"]);
    assert_neutralised("-n auto --dist loadscope", &["xdist"]);
}

#[test]
fn coverage_is_turned_off() {
    assert_neutralised("--cov=. --cov-report=xml --cov-fail-under=90", &["cov"]);
}

#[test]
fn reruns_are_turned_off() {
    assert_neutralised("--reruns 2 --reruns-delay 1", &["rerunfailures"]);
}

#[test]
fn shuffling_is_turned_off() {
    assert_neutralised("-p randomly", &["randomly"]);
    assert_neutralised(
        "-p randomly -p no:cacheprovider --randomly-seed=7",
        &["randomly"],
    );
}

#[test]
fn reports_of_the_runner_are_not_written() {
    assert_neutralised("--junitxml=junit.xml", &["junitxml"]);
}

#[test]
fn a_first_failure_does_not_end_the_check() {
    for options in ["-x", "--maxfail=1", "--stepwise"] {
        let ini = format!("[pytest]\naddopts = {options}\n");
        let project = Project::of(&[
            (
                "test_it.py",
                "def test_a():\n    assert 1 == 2\n\ndef test_b():\n    pass\n\ndef test_c():\n    pass\n",
            ),
            ("pytest.ini", &ini),
        ]);
        let before = project.files();
        let checked = project.check(&[]);
        checked.exits(4);
        let test = checked.test("::test_a");
        assert_eq!(test.verdict, "failed", "{options}");
        assert!(test.why().contains("assert 1 == 2"), "{test:?}");
        assert_eq!(checked.test("::test_b").verdict, "clean", "{options}");
        assert_eq!(checked.test("::test_c").verdict, "clean", "{options}");
        project.assert_nothing_left(&before);
    }
}

// -- tests that do odd things -------------------------------------------------------------------

#[test]
fn a_test_that_ends_the_session() {
    let project = Project::of(&[(
        "test_it.py",
        "\
import pytest

def test_before():
    pass

def test_exits():
    pytest.exit('enough for today')

def test_interrupts():
    raise KeyboardInterrupt

def test_after():
    pass
",
    )]);
    let checked = project.check(&[]);
    checked.exits(4);
    for name in ["::test_before", "::test_after"] {
        assert_eq!(checked.test(name).verdict, "clean", "{}", checked.stdout);
    }
    for (name, word) in [
        ("::test_exits", "enough for today"),
        ("::test_interrupts", "KeyboardInterrupt"),
    ] {
        let test = checked.test(name);
        assert!(["crashed", "failed"].contains(&&*test.verdict), "{test:?}");
        assert!(test.why().contains(word), "{test:?}");
    }
}

#[test]
fn tests_that_start_processes() {
    let text = "\
import multiprocessing
import os
import subprocess
import sys

def work(number):
    assert number == 3

def test_forks():
    child = os.fork()
    if not child:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0

def test_multiprocessing():
    for method in ['fork', 'spawn']:
        process = multiprocessing.get_context(method).Process(target=work, args=(3,))
        process.start()
        process.join()
        assert process.exitcode == 0
        process.close()

def test_subprocess():
    subprocess.run([sys.executable, '-c', 'pass'], check=True)
";
    for packages in [Packages::Plain, Packages::Plugins] {
        assert_clean(packages, text, 3);
    }
}

#[test]
fn a_forked_child_that_comes_back_does_no_harm() {
    // The child returns from the test as well: whatever is done with it, it must not answer in its parent's place.
    let project = Project::of(&[(
        "test_it.py",
        "\
import os

def test_before():
    pass

def test_child_comes_back():
    child = os.fork()
    if child:
        os.waitpid(child, 0)

def test_after():
    pass
",
    )]);
    let checked = project.check(&["--timeout", "5"]);
    for name in ["::test_before", "::test_after"] {
        assert_eq!(checked.test(name).verdict, "clean", "{}", checked.stdout);
    }
}

#[test]
fn a_test_that_is_collected_twice() {
    let project = Project::of(&[(
        "test_it.py",
        "kept = []\n\ndef test_keeps():\n    kept.append({'name': 'milk'})\n\ndef test_clean():\n    pass\n",
    )]);
    let checked = project.check(&["--", "--keep-duplicates", "test_it.py", "test_it.py"]);
    checked.exits(1);
    let verdicts: Vec<(&str, &str)> = checked
        .report
        .tests
        .iter()
        .map(|test| (&*test.id, &*test.verdict))
        .collect();
    let once = [
        ("test_it.py::test_keeps", "leak"),
        ("test_it.py::test_clean", "clean"),
    ];
    assert_eq!(verdicts, [once, once].concat());
    let mut tests = checked.only_leak().tests.clone();
    tests.dedup();
    assert_eq!(tests, ["test_it.py::test_keeps"]);
}

#[test]
fn one_leaking_fixture_is_one_finding_however_many_tests_use_it() {
    let project = Project::of(&[
        (
            "conftest.py",
            "\
import pytest

_log = []

@pytest.fixture(autouse=True)
def logged(request):
    _log.append({'entry': [0]})
    yield
",
        ),
        (
            "test_many.py",
            "\
import pytest

@pytest.mark.parametrize('number', range(300))
def test_number(number):
    assert number >= 0
",
        ),
    ]);
    let checked = project.check(&[]);
    checked.exits(1).all("leak", 300);
    let leak = checked.only_leak();
    assert_eq!(leak.tests.len(), 300);
    let site = &leak.sites[0];
    assert_eq!((&*site.file, site.line), ("conftest.py", 7));
    // Named in full in the report for programs, and counted in the one for people.
    assert!(
        checked.stdout.contains("and 295 more"),
        "{}",
        checked.stdout
    );
    assert_eq!(
        checked.report.findings.len(),
        1,
        "{:#?}",
        checked.report.findings
    );
}

#[test]
fn what_leaks_besides_a_leaking_fixture_is_seen_among_hundreds() {
    let project = Project::of(&[
        (
            "conftest.py",
            "\
import pytest

_log = []

@pytest.fixture(autouse=True)
def logged(request):
    if 'spared' in request.node.name:
        return
    _log.append([0])
",
        ),
        (
            "test_many.py",
            "\
import os
import pytest

KEPT = []
_rounds = iter(range(10 ** 6))

@pytest.mark.parametrize('number', range(60))
def test_number(number):
    assert number >= 0

def test_keeps():
    KEPT.append([1])

def test_opens():
    os.open('/', os.O_RDONLY)

def test_spared():
    pass

def test_every_second():
    if next(_rounds) % 2:
        KEPT.append([2])

@pytest.mark.parametrize('number', range(60))
def test_other_number(number):
    assert number >= 0
",
        ),
    ]);
    let checked = project.check(&[]);
    checked.exits(1);
    let wrong: Vec<&str> = checked
        .report
        .tests
        .iter()
        .filter(|test| (test.verdict == "clean") != test.id.contains("spared"))
        .map(|test| &*test.id)
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    // Only those that grow like the tests before them are taken to be like these.
    let looked_at = |id: &str| {
        let test = checked.report.tests.iter().find(|test| test.id == id);
        test.is_some_and(|test| test.iterations >= 9)
    };
    for test in ["keeps", "opens", "every_second"] {
        assert!(looked_at(&format!("test_many.py::test_{test}")), "{test}");
    }
    let brief = checked
        .report
        .tests
        .iter()
        .filter(|test| test.iterations == 2);
    assert!(brief.count() > 80);
    let opened = checked
        .report
        .findings
        .iter()
        .any(|finding| finding.kind == "fd" && finding.tests == ["test_many.py::test_opens"]);
    assert!(opened, "{:#?}", checked.report.findings);
}

// -- options with which pytest runs no test, or not as it would ---------------------------------------------

const LEAKS: &str = "\
import pytest

KEPT = []

class Order:
    pass

@pytest.fixture
def base():
    return 1

def test_leaks(base):
    KEPT.append(Order())

def test_rests(base):
    pass
";

/// Options with which tests do not run, or some of them, and what the report says of each that is turned off.
const NOT_RUNNING: [(&[&str], &str); 12] = [
    (&["--collect-only"], "--collect-only is off"),
    (&["--setup-only"], "--setup-only is off"),
    (&["--setup-plan"], "--setup-plan is off"),
    (&["--setup-show"], ""),
    (&["--lf"], "--last-failed is off"),
    (&["--lf", "--lfnf=none"], "--last-failed is off"),
    (&["--ff", "--nf"], ""),
    (&["--sw"], "--stepwise is off"),
    (&["--sw", "--sw-skip"], "--stepwise is off"),
    (&["--cache-clear"], ""),
    (&["-x"], "--exitfirst and --maxfail are off"),
    (&["--pdb", "--trace"], "--pdb is off"),
];

#[test]
fn every_option_that_keeps_tests_from_running_is_off() {
    for packages in all_pytests() {
        // That it failed is known of a test only once it has run.
        let text = "def test_fails():\n    assert 0\n\ndef test_rests():\n    pass\n";
        let project = Project::of(&[("test_it.py", text)]).with(packages);
        let before = project.files();
        for (options, note) in NOT_RUNNING {
            // On the command line, and among the settings of the project.
            project.write("pytest.ini", "[pytest]\n");
            let mut args = vec!["--"];
            args.extend(options);
            let given = project.check(&args);
            project.write(
                "pytest.ini",
                &format!("[pytest]\naddopts = {}\n", options.join(" ")),
            );
            for checked in [given, project.check(&[])] {
                checked.exits(4);
                let found: Vec<_> = checked.verdicts().into_values().collect();
                assert_eq!(
                    found,
                    ["failed", "clean"],
                    "{options:?}\n{}",
                    checked.stdout
                );
                let told = checked.report.notes.join("\n");
                assert!(told.contains(note), "{options:?}: {told}");
            }
        }
        project.assert_nothing_left(&before);
    }
}

#[test]
fn a_test_that_is_set_up_and_not_called_is_not_clean() {
    // As an option that nobody knows of yet would have it.
    let conftest = "\
import _pytest.runner

real = _pytest.runner.call_and_report

def report(item, when, *args, **more):
    return real(item, 'setup' if when == 'call' else when, *args, **more)

_pytest.runner.call_and_report = report
";
    let project = Project::of(&[("conftest.py", conftest), ("test_it.py", LEAKS)]);
    let checked = project.check(&[]);
    checked.exits(3).all("skipped", 2);
    assert_eq!(
        checked.report.tests[0].reason.as_deref(),
        Some("pytest set it up and did not call it")
    );
}

#[test]
fn arguments_for_something_else_than_a_run_are_refused() {
    for argument in [
        "--help",
        "--version",
        "--fixtures",
        "--fixtures-per-test",
        "--markers",
        "--cache-show",
    ] {
        let project = Project::of(&[("test_it.py", LEAKS)]);
        let output = project.command().args(["--", argument]).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{argument}: {told}");
        assert!(
            told.contains("pytest ended without running tests"),
            "{told}"
        );
        assert_eq!(told.lines().count(), 1, "{told}");
    }
}

// -- strict projects ---------------------------------------------------------------------------------------

/// What a project may insist on, beside doing without some of pytest's plugins.
const STRICT: &str =
    "[pytest]\nfilterwarnings = error\naddopts = --strict-config --strict-markers -W error";

/// pytest's own plugins that can be switched off; without `python` there are no tests.
const SWITCHED_OFF: [&str; 25] = [
    "terminal",
    "debugging",
    "unittest",
    "capture",
    "skipping",
    "legacypath",
    "tmpdir",
    "monkeypatch",
    "recwarn",
    "pastebin",
    "assertion",
    "junitxml",
    "doctest",
    "cacheprovider",
    "freeze_support",
    "setuponly",
    "setupplan",
    "stepwise",
    "unraisableexception",
    "threadexception",
    "warnings",
    "logging",
    "reports",
    "faulthandler",
    "subtests",
];

/// Whether a plain pytest runs the project.
fn runs_plainly(project: &Project) -> bool {
    let mut command = common::scrubbed(std::process::Command::new(project.python()));
    command
        .args(["-m", "pytest", "-q"])
        .current_dir(project.root());
    command.output().unwrap().status.code() == Some(0)
}

#[test]
fn nothing_that_is_passed_to_pytest_is_an_error_in_a_strict_project() {
    let mut all = all_pytests();
    if python_version() < (3, 14) {
        all.push(Packages::Oldest);
    }
    for packages in all {
        let project =
            Project::of(&[("test_it.py", "def test_rests(tmp_path):\n    pass\n")]).with(packages);
        let mut without: Vec<Vec<&str>> = SWITCHED_OFF.iter().map(|name| vec![*name]).collect();
        without.extend([
            vec![],
            vec![
                "cacheprovider",
                "stepwise",
                "tmpdir",
                "legacypath",
                "logging",
            ],
            vec![
                "setuponly",
                "setupplan",
                "debugging",
                "pastebin",
                "junitxml",
            ],
        ]);
        for names in without {
            let off: String = names.iter().map(|name| format!(" -p no:{name}")).collect();
            project.write("pytest.ini", &format!("{STRICT}{off}\n"));
            let takes = if names.contains(&"tmpdir") {
                ""
            } else {
                "tmp_path"
            };
            project.write(
                "test_it.py",
                &format!("def test_rests({takes}):\n    pass\n"),
            );
            let before = project.files();
            let output = project.command().output().unwrap();
            let told = String::from_utf8_lossy(&output.stdout).into_owned();
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            if output.status.code() != Some(0) {
                // Some cannot do without each other, in any run.
                assert!(
                    !runs_plainly(&project),
                    "{packages:?} {names:?}: {told}{errors}"
                );
                continue;
            }
            assert!(
                told.starts_with("leakcheck: no leak in 1 test · 1 clean ("),
                "{packages:?} {names:?}: {told}"
            );
            project.assert_nothing_left(&before);
        }
    }
}

// -- tests of other kinds ------------------------------------------------------------------------

#[test]
fn what_plugins_make_tests_of_is_judged_like_any_other() {
    if python_version() < (3, 10) {
        return;
    }
    let project = Project::fixture("relatives").with(Packages::Relatives);
    let right = |id: &str| {
        let leaks = ["keep", "bought"].iter().any(|word| id.contains(word));
        if leaks { "leak" } else { "clean" }
    };
    for (args, count) in [(vec!["--budget=5m"], 17), (vec!["reactor"], 2)] {
        let checked = project.check(&args);
        for test in &checked.report.tests {
            // One reactor for all: what it has called it drops now and then.
            let settles = test.id.contains("twisted") && test.verdict == "bounded";
            assert!(test.verdict == right(&test.id) || settles, "{test:#?}");
        }
        assert_eq!(checked.report.tests.len(), count, "{}", checked.stdout);
        checked.only_leak();
    }
}
