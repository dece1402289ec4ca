//! Leaks that are Python's own are warnings; a project's object that comes to stay in Python's containers is the project's.

mod common;

use common::{Checked, Project};
use leakcheck::explain::pythons::KNOWN;

/// A test for each leak that is known, named after its source.
const PYTHONS: &str = "\
import ctypes
import html
import os
import sys
import threading
import time
import tracemalloc

COUNT = [0]


def test_gh_81969():
    thread = threading.Thread(target=lambda: None)
    thread.start()
    time.sleep(0.02)


def test_gh_100926():
    class Point(ctypes.Structure):
        _fields_ = [(\"x\", ctypes.c_int)]

    ctypes.POINTER(Point)


def test_gh_121390():
    tracemalloc.start()
    kept = [object() for _ in range(50)]
    tracemalloc.take_snapshot()
    tracemalloc.stop()
    del kept


def test_gh_121390_large():
    for _ in range(3):
        tracemalloc.start()
        html.escape(\"<\" * 6000)
        tracemalloc.stop()


def test_gh_121390_where_nobody_traces():
    is_traced = tracemalloc.is_tracing()
    tracemalloc.start()
    kept = [object() for _ in range(50)]
    tracemalloc.take_snapshot()
    if not is_traced:
        tracemalloc.stop()
    del kept


class Rude:
    def __del__(self):
        raise ValueError(\"in the way\")


def test_gh_157443():
    came = []
    before, sys.unraisablehook = sys.unraisablehook, came.append
    Rude()
    sys.unraisablehook = before
    assert len(came) == 1


def test_os_putenv():
    COUNT[0] += 1
    os.environ[\"SHOP_ORDER\"] = \"order %09d\" % COUNT[0]
";

/// What the project leaks into Python's own containers, and beside Python's leaks.
const PROJECTS: &str = "\
import atexit
import ctypes
import functools
import logging
import mmap
import os
import sys
import threading
import types

COUNT = [0]
TYPES = []
ORDERS = []
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p


class Order:
    def __init__(self, *args):
        pass


def test_atexit():
    atexit.register(Order)


def test_logging():
    logging.getLogger(\"shop\").addHandler(logging.NullHandler())


def test_modules():
    COUNT[0] += 1
    sys.modules[\"shop_%d\" % COUNT[0]] = types.ModuleType(\"shop\")


@functools.lru_cache(None)
def price(order):
    return order


def test_cache():
    price(Order())


def test_pointer_and_list():
    class Point(ctypes.Structure):
        _fields_ = [(\"x\", ctypes.c_int)]

    ctypes.POINTER(Point)
    ORDERS.append(Order())


def test_pointer_and_pipe():
    class Point(ctypes.Structure):
        _fields_ = [(\"x\", ctypes.c_int)]

    ctypes.POINTER(Point)
    os.pipe()


def test_thread_and_pipe():
    threading.Thread(target=int).start()
    os.pipe()


def test_thread_and_malloc():
    threading.Thread(target=int).start()
    libc.malloc(5000)


def test_thread_and_lost_map():
    threading.Thread(target=int).start()
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(mmap.mmap(-1, 1 << 16)))


def test_pointer_kept():
    class Point(ctypes.Structure):
        _fields_ = [(\"x\", ctypes.c_int)]

    TYPES.append(ctypes.POINTER(Point))


def test_environment_and_malloc():
    COUNT[0] += 1
    os.environ[\"SHOP_ORDER\"] = \"order %09d\" % COUNT[0]
    libc.malloc(100)
";

/// Python's version, and whether it has the leak that a test is named after.
fn has(checked: &Checked, test: &str) -> bool {
    let known =
        |source: &str| test.starts_with(&format!("test_{}", source.replace(['-', '.'], "_")));
    let known = KNOWN.iter().find(|one| known(one.source)).unwrap();
    known.is_in(checked.report.environment["python"].as_str().unwrap())
}

#[test]
fn a_known_leak_of_python_is_a_warning_with_its_issue() {
    let project = Project::of(&[("test_shop.py", PYTHONS)]);
    let checked = project.check(&["--budget=5m"]);
    checked.exits(0);
    for test in [
        "test_gh_81969",
        "test_gh_100926",
        "test_gh_121390",
        "test_gh_121390_large",
        "test_gh_121390_where_nobody_traces",
        "test_gh_157443",
        "test_os_putenv",
    ] {
        let id = format!("test_shop.py::{test}");
        let findings = checked.report.findings.iter();
        let found: Vec<_> = findings.filter(|one| one.tests.contains(&id)).collect();
        if !has(&checked, test) {
            assert!(found.is_empty(), "{test}: {}", checked.stdout);
            continue;
        }
        let [one] = found[..] else {
            panic!("{test}: {}", checked.stdout)
        };
        assert_eq!(
            (&*one.level, one.fails, &*one.owner),
            ("warning", false, "interpreter")
        );
        let source = KNOWN
            .iter()
            .find(|known| one.summary.contains(known.source));
        assert!(
            source.is_some_and(|known| one.advice.contains(known.url)),
            "{}",
            one.summary
        );
        if test.starts_with("test_gh_121390") {
            // Whoever allocates while it is traced would be told otherwise.
            assert!(one.sites.is_empty(), "{}", one.summary);
        }
    }
    assert_eq!(project.snapshots(".snap.new").len(), 0);
    project.write(
        "pyproject.toml",
        "[tool.leakcheck]\ninterpreter = \"deny\"\n",
    );
    let denied = project.check(&["--", "-k", "putenv"]);
    denied.exits(i32::from(has(&checked, "test_os_putenv")));
    project.write(
        "pyproject.toml",
        "[tool.leakcheck]\ninterpreter = \"allow\"\n",
    );
    let allowed = project.check(&["--", "-k", "putenv"]);
    allowed.exits(0);
    let levels: Vec<&str> = { allowed.report.findings.iter() }
        .map(|found| &*found.level)
        .collect();
    let expected = if has(&checked, "test_os_putenv") {
        &["note"][..]
    } else {
        &[]
    };
    assert_eq!(levels, expected);
}

#[test]
fn what_a_project_leaves_in_pythons_containers_is_its_own() {
    let project = Project::of(&[("test_shop.py", PROJECTS)]);
    let checked = project.check(&["--budget=5m"]);
    checked.exits(1);
    let tests = checked.report.tests.iter().map(|test| &test.id);
    for id in tests {
        let mut findings = checked.report.findings.iter();
        assert!(
            findings.any(|one| one.fails && one.tests.contains(id)),
            "{id}: {}",
            checked.stdout
        );
    }
    // Whoever holds what is Python's own does not hold a pipe that stays open in the same test.
    let pipes = { checked.report.findings.iter() }.filter(|one| one.code == "LK301");
    let said: Vec<&str> = pipes.map(|one| &*one.summary).collect();
    assert_eq!(said.len(), 2, "{}", checked.stdout);
    for summary in said {
        let opened = "2 file descriptors stay open after each iteration, opened at ";
        assert!(summary.starts_with(opened), "{summary}");
    }
}
