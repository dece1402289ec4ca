//! What a project says of its own tests: marks, overrides, thresholds; and what is no evidence.

mod common;

use common::{Packages, Project};

/// Keeps one object an iteration in each of two tests, at two places, and calls in a third what must not be called.
const SHOP: &str = "\
import pathlib

import pytest

KEPT = []
OTHERS = []


class Order:
    __slots__ = (\"price\",)


@pytest.mark.leakcheck(allow={\"blocks\": 2, \"objects\": 2}, reason=\"the registry is meant to grow\")
def test_registry():
    KEPT.append(Order())


def test_basket():
    OTHERS.append(Order())


@pytest.mark.leakcheck(skip=\"every call costs money\")
def test_payment():
    (pathlib.Path(__file__).parent / \"called\").write_text(\"x\")

";
const REGISTERED: &str = "[pytest]\nmarkers = leakcheck(**terms): how leakcheck judges a test\naddopts = --strict-markers\n";

#[test]
fn marks_skip_and_allow() {
    let project = Project::of(&[("test_shop.py", SHOP), ("pytest.ini", REGISTERED)]);
    let checked = project.check(&[]);
    checked.exits(1);
    let payment = checked.test("test_payment");
    assert_eq!(
        (&*payment.verdict, payment.why(), payment.iterations),
        ("skipped", "every call costs money", 0)
    );
    assert!(!project.root().join("called").exists());
    let registry = checked.test("test_registry");
    assert_eq!(registry.verdict, "leak");
    assert!(
        registry
            .why()
            .contains("allowed (blocks 2, objects 2): the registry is meant to grow"),
        "{}",
        registry.why()
    );
    let failing: Vec<_> = checked
        .report
        .findings
        .iter()
        .filter(|finding| finding.fails)
        .collect();
    assert_eq!(failing.len(), 1, "{}", checked.stdout);
    assert_eq!(failing[0].tests, ["test_shop.py::test_basket"]);
    let allowed: Vec<_> = checked
        .report
        .findings
        .iter()
        .filter(|finding| finding.tests == ["test_shop.py::test_registry"])
        .collect();
    assert_eq!(allowed.len(), 1, "{}", checked.stdout);
    assert_eq!((allowed[0].fails, &*allowed[0].level), (false, "note"));
    assert!(
        allowed[0].summary.contains("meant to grow"),
        "{}",
        allowed[0].summary
    );
    assert!(
        checked.report.notes.is_empty(),
        "{:?}",
        checked.report.notes
    );
}

#[test]
fn a_mark_sets_the_iterations() {
    let text = "import pytest\n\n@pytest.mark.leakcheck(warmup=4, iterations=6)\ndef test_price():\n    pass\n";
    let project = Project::of(&[("test_shop.py", text), ("pytest.ini", REGISTERED)]);
    // Four to warm up and six judged, not one and three.
    let checked = project.check(&[]);
    let price = checked.test("test_price");
    assert_eq!((&*price.verdict, price.iterations), ("clean", 10));
}

#[test]
fn growth_beyond_what_is_allowed_fails_and_says_so() {
    let more = SHOP
        .replace(
            "KEPT.append(Order())",
            "KEPT.extend([Order(), Order(), Order()])",
        )
        .replace("OTHERS.append(Order())", "pass");
    let project = Project::of(&[("test_shop.py", &more), ("pytest.ini", REGISTERED)]);
    let checked = project.check(&[]);
    checked.exits(1);
    let registry = checked.test("test_registry");
    assert!(
        registry.why().contains("more than is allowed"),
        "{}",
        registry.why()
    );
    assert!(checked.only_leak().fails);
    // As a control: with nothing but the allowed growth the run is green.
    let fine = SHOP.replace("OTHERS.append(Order())", "pass");
    Project::of(&[("test_shop.py", &fine), ("pytest.ini", REGISTERED)])
        .check(&[])
        .exits(0);
}

#[test]
fn a_mark_without_a_reason_is_refused_with_its_place() {
    let table = [
        ("skip=True", "`skip` needs a reason"),
        ("skip=''", "`skip`: expected the reason in words"),
        ("allow={'blocks': 2}", "`allow` needs a reason"),
        ("allow={'blok': 2}, reason='x'", "`blok` is no counter"),
        ("skipp='x'", "no argument `skipp`"),
        ("'why'", "takes its arguments by name"),
        (
            "skip=object()",
            "expected a plain value, found one of type object",
        ),
    ];
    let tests: String = table
        .iter()
        .enumerate()
        .map(|(at, (arguments, _))| {
            format!("@pytest.mark.leakcheck({arguments})\ndef test_{at}():\n    pass\n")
        })
        .collect();
    let text = format!("import pytest\n{tests}");
    let project = Project::of(&[("tests/test_a.py", &text), ("pytest.ini", REGISTERED)]);
    let output = project.command().output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines.len(), table.len(), "{stderr}");
    for (at, (_, expected)) in table.iter().enumerate() {
        // The decorator's line; from Python 3.8 on it is where a function begins.
        let place = format!("tests/test_a.py:{}: ", 2 + 3 * at);
        assert!(lines[at].contains(&place), "{place} in {}", lines[at]);
        assert!(lines[at].contains(expected), "{expected} in {}", lines[at]);
    }
}

#[test]
fn a_marker_that_pytest_does_not_know_is_noted_and_stays_an_error_where_the_project_wants_one() {
    let marked = "import pytest\n\n@pytest.mark.leakcheck(skip=\"why\")\ndef test_a():\n    pass\n\ndef test_b():\n    pass\n";
    let project = Project::of(&[("test_a.py", marked)]);
    let checked = project.check(&[]);
    checked
        .exits(0)
        .notes(&["marker leakcheck", "not registered"]);
    assert_eq!(checked.test("test_a").verdict, "skipped");

    let strict = Project::of(&[
        ("test_a.py", marked),
        ("pytest.ini", "[pytest]\naddopts = --strict-markers\n"),
    ]);
    let output = strict.command().output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(
        said.contains("'leakcheck' not found in `markers`"),
        "{said}"
    );
}

/// The same leaks for unittest.
const UNITTEST: &str = "\
import pathlib
import unittest

KEPT = []


class Order:
    __slots__ = (\"price\",)


class TestShop(unittest.TestCase):
    def test_registry(self):
        KEPT.append(Order())

    def test_payment(self):
        (pathlib.Path(__file__).parent / \"called\").write_text(\"x\")

    def test_price(self):
        pass
";

#[test]
fn overrides_do_for_unittest_what_marks_do() {
    let settings = "\
[tool.leakcheck]
runner = \"unittest\"

[[tool.leakcheck.override]]
tests = [\"*.test_registry\"]
allow = { blocks = 1 }
reason = \"the registry is meant to grow\"

[[tool.leakcheck.override]]
tests = [\"test_shop.TestShop.test_pay*\"]
skip = \"every call costs money\"

[[tool.leakcheck.override]]
tests = [\"*price\"]
iterations = 7

[[tool.leakcheck.override]]
tests = [\"*.test_gone\"]
warmup = 2
";
    let project = Project::of(&[("test_shop.py", UNITTEST), ("pyproject.toml", settings)])
        .with(Packages::None);
    let checked = project.check(&[]);
    checked
        .exits(0)
        .notes(&["pyproject.toml:17:1", "for no test", "*.test_gone"]);
    assert_eq!(checked.report.notes.len(), 1, "{:?}", checked.report.notes);
    assert_eq!(checked.test("test_payment").verdict, "skipped");
    assert!(!project.root().join("called").exists());
    assert_eq!(checked.test("test_price").iterations, 8);
    assert!(
        checked
            .test("test_registry")
            .why()
            .contains("meant to grow")
    );
    // Without the allowance it fails.
    project.write(
        "pyproject.toml",
        "[tool.leakcheck]\nrunner = \"unittest\"\n[[tool.leakcheck.override]]\ntests = [\"*payment\"]\nskip = \"it costs\"\n",
    );
    project.check(&[]).exits(1);
}

#[test]
fn a_run_of_a_part_says_nothing_of_overrides_for_the_rest() {
    let project = Project::of(&[
        (
            "test_a.py",
            "def test_a():\n    pass\n\ndef test_b():\n    pass\n",
        ),
        (
            "leakcheck.toml",
            "[[override]]\ntests = [\"*::test_c\"]\nskip = \"it costs\"\n",
        ),
    ]);
    let part = project.check(&["test_a.py::test_a"]);
    part.exits(0);
    assert!(part.report.notes.is_empty(), "{:?}", part.report.notes);
    project.check(&[]).exits(0).notes(&["for no test"]);
}

#[test]
fn an_override_gives_one_test_its_own_time() {
    let slow =
        "import time\n\ndef test_slow():\n    time.sleep(1.5)\n\ndef test_quick():\n    pass\n";
    let settings = "[[override]]\ntests = [\"*::test_slow\"]\ntimeout = 0.5\n";
    let project = Project::of(&[("test_a.py", slow), ("leakcheck.toml", settings)]);
    let checked = project.check(&[]);
    assert_eq!(checked.test("test_slow").verdict, "timed-out");
    assert_eq!(checked.test("test_quick").verdict, "clean");
    project.write("leakcheck.toml", "timeout = \"9s\"\n");
    assert_eq!(project.check(&[]).test("test_slow").verdict, "clean");
}

#[test]
fn what_is_slower_than_min_rate_does_not_fail() {
    let leaks = "KEPT = []\n\nclass Order:\n    __slots__ = ()\n\ndef test_a():\n    KEPT.append(Order())\n";
    let project = Project::of(&[
        ("test_a.py", leaks),
        ("leakcheck.toml", "min_rate = { blocks = 100 }\n"),
    ]);
    let checked = project.check(&[]);
    checked.exits(0);
    assert!(
        checked
            .test("test_a")
            .why()
            .contains("below min_rate (blocks 100)"),
        "{}",
        checked.test("test_a").why()
    );
    project.write("leakcheck.toml", "min_rate = { blocks = 0.5 }\n");
    project.check(&[]).exits(1);
}

#[test]
fn too_little_evidence_is_counted_in_one_line() {
    let tests = "\
STATE = {}

def once(name):
    assert name not in STATE
    STATE[name] = 1

def test_a():
    once(\"a\")

def test_b():
    once(\"b\")

def test_c():
    once(\"c\")

def test_fine():
    pass
";
    let project = Project::of(&[("test_a.py", tests)]);
    let checked = project.check(&[]);
    checked.exits(3).verdicts();
    // Broken by the report's width.
    let stdout = checked
        .stdout
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let at = stdout
        .find("no evidence:")
        .unwrap_or_else(|| panic!("{}", checked.stdout));
    let line = stdout[at..].split_inclusive(')').next();
    assert_eq!(
        line.unwrap_or_default(),
        "no evidence: 1 of 4 tests that ran were judged, 25 %, and min_judged asks for 90 %: 3 unrepeatable (failed in iteration 2)"
    );
    assert!(stdout.contains("what to do: "), "{stdout}");
    // What is marked to be skipped neither counts nor lacks.
    project.write(
        "leakcheck.toml",
        "[[override]]\ntests = [\"*::test_a\", \"*_b\", \"*_c\"]\nskip = \"each needs a state of its own\"\n",
    );
    let checked = project.check(&[]);
    checked.exits(0);
    assert!(!checked.stdout.contains("no evidence"));
    // But nothing judged at all is no evidence.
    project.write(
        "leakcheck.toml",
        "[[override]]\ntests = [\"*\"]\nskip = \"none of them\"\n",
    );
    let checked = project.check(&[]);
    checked.exits(3);
    assert!(
        checked
            .stdout
            .contains("no evidence: no test ran and passed (4 skipped, 0 failed)"),
        "{}",
        checked.stdout
    );
}

/// Fills a cache that says how far it goes in two tests, asks it for the same in a third, and leaks beside it in a fourth.
const CACHE: &str = "\
import functools
import itertools

NUMBERS = itertools.count(10**9)
KEPT = []


@functools.lru_cache(maxsize=64)
def parsed(number):
    return [number]


def test_fills():
    parsed(next(NUMBERS))


def test_fills_more():
    parsed(next(NUMBERS))
    parsed(next(NUMBERS))


def test_asks_for_the_same():
    parsed(7)


def test_fills_and_leaks():
    parsed(next(NUMBERS))
    KEPT.append([])
";

#[test]
fn a_cache_that_states_its_end_is_noted_by_name_and_hides_no_leak() {
    let project = Project::of(&[("test_cache.py", CACHE)]);
    let checked = project.check(&["-v"]);
    checked.exits(1);
    for (test, verdict) in [
        ("test_fills", "bounded"),
        ("test_fills_more", "bounded"),
        ("test_asks_for_the_same", "clean"),
        ("test_fills_and_leaks", "leak"),
    ] {
        assert_eq!(checked.test(test).verdict, verdict, "{test}");
    }
    let why = checked.test("test_fills").why().to_owned();
    let how = "fills what has an end: test_cache.parsed (lru_cache): ";
    assert!(
        why.starts_with(how) && why.ends_with(" of 64 filled"),
        "{why}"
    );
    let note = "bounded: test_cache.py::test_fills, test_cache.py::test_fills_more: fills test_cache.parsed (lru_cache) of 64 at most";
    assert!(checked.stdout.contains(note), "{}", checked.stdout);
    let told = |reason: &str| {
        let mut holders = checked
            .report
            .findings
            .iter()
            .filter_map(|finding| finding.holder.as_ref());
        holders.any(|holder| holder.reason == reason)
    };
    assert!(told("holds 64 entries at most"));
    let leaks = checked
        .report
        .findings
        .iter()
        .filter(|finding| finding.fails);
    let held: Vec<_> = leaks
        .map(|leak| leak.summary.contains("test_cache.KEPT"))
        .collect();
    assert_eq!(held, [true], "{}", checked.stdout);
}

/// Takes some milliseconds an iteration, so that a look for an end is long.
const SLOW: &str = "\
import itertools

NUMBERS = itertools.count(1000)
KEPT = []


def test_keeps():
    sum(range(100_000))
    KEPT.append(str(next(NUMBERS)))
";

#[test]
fn growth_that_the_budget_left_no_time_to_look_at_is_no_leak() {
    let project = Project::of(&[("test_slow.py", SLOW)]);
    let checked = project.check(&["--budget=100ms"]);
    checked.exits(3);
    let slow = checked.test("test_keeps");
    assert_eq!(slow.verdict, "undecided");
    let why = slow.why();
    assert!(
        why.starts_with("still grows after ") && why.ends_with("(--budget gives more)"),
        "{why}"
    );
    let checked = project.check(&["--budget=1m"]);
    checked.exits(1);
    assert_eq!(checked.test("test_keeps").verdict, "leak");
}
