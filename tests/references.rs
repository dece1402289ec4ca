//! References that C code loses, or gives back too often: an extension built here, and the terms of a project.

mod common;

use std::process::Command;

use common::{Checked, Finding, Project};

const LOANS: &str = "\
#define PY_SSIZE_T_CLEAN
#include <Python.h>

static PyObject *unit;

static PyObject *lend(PyObject *self, PyObject *arg) {
    Py_INCREF(arg);
    Py_RETURN_NONE;
}

static PyObject *measure(PyObject *self, PyObject *list) {
    PyObject *first = PyList_GetItem(list, 0);
    Py_ssize_t size = PyObject_Size(first);
    Py_DECREF(first);
    return PyLong_FromSsize_t(size);
}

static PyObject *get_unit(PyObject *self, PyObject *unused) {
    Py_INCREF(unit);
    return unit;
}

static __attribute__((noinline)) PyObject *make_pair(Py_ssize_t size) {
    PyObject *pair = PyList_New(size);
    for (Py_ssize_t at = 0; at < size; at++)
        PyList_SetItem(pair, at, PyFloat_FromDouble(1.5));
    return pair;
}

static PyObject *length(PyObject *self, PyObject *arg) {
    PyObject *pair = make_pair(2);
    if (PyList_CheckExact(arg) && PyList_GET_SIZE(arg) == 2)
        Py_INCREF(pair);
    PyObject *size = PyLong_FromSsize_t(PyList_GET_SIZE(pair));
    Py_DECREF(pair);
    return size;
}

static PyObject *keep(PyObject *self, PyObject *arg) {
    return lend(self, arg);
}

void hold(PyObject *object) {
    Py_INCREF(object);
}

static PyMethodDef methods[] = {
    {\"length\", length, METH_O, NULL},
    {\"keep\", keep, METH_O, NULL},
    {\"lend\", lend, METH_O, NULL},
    {\"measure\", measure, METH_O, NULL},
    {\"get_unit\", get_unit, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, \"loans\", NULL, -1, methods};

PyMODINIT_FUNC PyInit_loans(void) {
    unit = PyUnicode_FromString(\"a unit of something\");
    return PyModule_Create(&module);
}
";

const TESTS: &str = "\
import unittest

import loans


class Account:
    pass


NAMES = [''.join(['a ', 'name']), 'other']
SECOND = [NAMES[0]] * 50


class Tests(unittest.TestCase):
    def test_lend(self):
        loans.lend(Account)

    def test_measure(self):
        self.assertEqual(loans.measure(NAMES), 6)

    def test_unit(self):
        unit = loans.get_unit()
        self.assertEqual(unit, loans.get_unit())
";

/// A project with the extension in it; none where this Python has no headers to build one with.
fn project(config: &str) -> Option<Project> {
    built(config, "-g")
}

fn built(config: &str, option: &str) -> Option<Project> {
    let project = Project::of(&[
        ("loans.c", LOANS),
        ("test_loans.py", TESTS),
        ("pyproject.toml", &format!("[tool.leakcheck]\n{config}")),
    ]);
    let told = "import sysconfig; print(sysconfig.get_path('include')); print(sysconfig.get_config_var('EXT_SUFFIX'))";
    let said = Command::new(project.python())
        .args(["-c", told])
        .output()
        .ok()?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let mut lines = said.lines();
    let (include, suffix) = (lines.next()?, lines.next()?);
    let built = Command::new("cc")
        .args([
            "-shared", "-fPIC", "-O1", option, "-I", include, "loans.c", "-o",
        ])
        .arg(format!("loans{suffix}"))
        .current_dir(project.root())
        .status();
    built
        .is_ok_and(|status| status.success())
        .then_some(project)
}

fn counted(checked: &Checked) -> Vec<&Finding> {
    { checked.report.findings.iter() }
        .filter(|finding| finding.kind == "reference")
        .collect()
}

#[test]
fn an_extension_that_loses_or_gives_back_references_is_named_with_the_object() {
    let Some(project) = project("runner = \"unittest\"\n") else {
        return;
    };
    let checked = project.check(&[]);
    checked.exits(1);
    assert_eq!(
        checked.test("test_lend").rule.as_deref(),
        Some("references-lost")
    );
    assert_eq!(
        checked.test("test_measure").rule.as_deref(),
        Some("references-released")
    );
    assert_eq!(checked.test("test_unit").verdict, "clean");
    let mut found: Vec<(&str, &str)> = { counted(&checked).into_iter() }
        .map(|finding| (&*finding.code, &*finding.summary))
        .collect();
    found.sort_unstable();
    let [(lost, lent), (released, measured)] = found[..] else {
        panic!("{found:?}");
    };
    assert_eq!((lost, released), ("LK203", "LK204"));
    let start = "1 reference to the class test_loans.Account is lost in each iteration by `loans.lend` (`lend`, loans.c:6) in `loans` (yours), called at test_loans.py:16";
    assert!(lent.starts_with(start), "{lent}");
    assert!(
        measured.contains("by `loans.measure` (`measure`, loans.c:11) in"),
        "{measured}"
    );
    let counted = counted(&checked);
    let stack = |code: &str| {
        let finding = counted.iter().find(|finding| finding.code == code).unwrap();
        finding.c_stack.join(" < ")
    };
    let lent = "lend (loans.c:6) < Tests.test_lend (test_loans.py:16)";
    assert_eq!(stack("LK203"), lent);
    assert!(stack("LK204").starts_with("measure (loans.c:11) < "));
    assert!({ counted.iter() }.all(|finding| finding.advice.contains("is not known")));
    assert!(measured.contains("test_loans.NAMES[…] (str)"), "{measured}");
    assert!(measured.ends_with("will crash when none is left"));
}

const OBJECTS: &str = "\
import ctypes
import unittest

import loans

library = ctypes.PyDLL(loans.__file__)
library.hold.argtypes = [ctypes.py_object]


class TestObjects(unittest.TestCase):
    def test_made_in_c(self):
        self.assertEqual(loans.length([1, 2]), 2)

    def test_made_in_python(self):
        pair = [1.5, [2.5]]
        loans.keep(pair)

    def test_ctypes(self):
        pair = [1.5, [2.5]]
        library.hold(pair)

    def test_healthy(self):
        self.assertEqual(loans.length([1]), 2)
";

#[test]
fn of_what_nothing_refers_to_the_c_code_that_made_it_is_told() {
    let Some(project) = project("runner = \"unittest\"\n") else {
        return;
    };
    std::fs::write(project.root().join("test_loans.py"), OBJECTS).unwrap();
    let checked = project.check(&[]);
    checked.exits(1);
    assert_eq!(checked.test("test_healthy").verdict, "clean");
    let told = |test: &str| {
        let of_it = |finding: &&Finding| finding.tests.iter().any(|id| id.ends_with(test));
        let mut findings = checked.report.findings.iter().filter(of_it);
        let finding = findings.next().unwrap();
        assert!(
            findings.next().is_none() && finding.code == "LK202",
            "{finding:#?}"
        );
        finding
    };
    let made = told("test_made_in_c");
    let by = "a reference was lost by `loans.length` (`length`, loans.c:30) in `loans` (yours), called at test_loans.py:12";
    assert!(made.summary.contains(by), "{}", made.summary);
    let end = ", made by `make_pair` (loans.c:24)";
    assert!(made.summary.ends_with(end), "{}", made.summary);
    assert_eq!(
        made.c_stack,
        [
            "make_pair (loans.c:24)",
            "length (loans.c:31)",
            "TestObjects.test_made_in_c (test_loans.py:12)"
        ]
    );
    let kept = told("test_made_in_python");
    assert!(!kept.summary.contains("made by"), "{}", kept.summary);
    assert_eq!(
        kept.c_stack,
        [
            "keep (loans.c:39)",
            "TestObjects.test_made_in_python (test_loans.py:16)"
        ]
    );
    let held = "hold (loans.c:43) < TestObjects.test_ctypes (test_loans.py:20)";
    assert_eq!(told("test_ctypes").c_stack.join(" < "), held);

    // Nothing but what Python calls it is known of a function that left no name behind.
    let Some(project) = built("runner = \"unittest\"\n", "-s") else {
        return;
    };
    let checked = project.check(&[]);
    let lost = { counted(&checked).into_iter() }.find(|finding| finding.code == "LK203");
    let lost = lost.unwrap();
    assert!(
        lost.summary.contains(" by `loans.lend` in `loans` (yours)"),
        "{}",
        lost.summary
    );
    assert!(lost.c_stack.is_empty(), "{:?}", lost.c_stack);
}

#[test]
fn what_is_allowed_does_not_fail() {
    let terms = "runner = \"unittest\"\n[[tool.leakcheck.override]]\ntests = [\"*\"]\nallow = { refs = 1 }\nreason = \"known\"\n";
    let Some(project) = project(terms) else {
        return;
    };
    let checked = project.check(&[]);
    checked.exits(0);
    let levels: Vec<&str> = { counted(&checked).into_iter() }
        .map(|finding| &*finding.level)
        .collect();
    assert_eq!(levels, ["note", "note"]);
}

#[test]
fn what_it_means_is_for_the_project_to_say() {
    for (stance, levels) in [("warn", &["warning", "warning"][..]), ("allow", &[])] {
        let config = format!("runner = \"unittest\"\nreferences = \"{stance}\"\n");
        let Some(project) = project(&config) else {
            return;
        };
        let checked = project.check(&[]);
        checked.exits(0).all("clean", 3);
        let found: Vec<&str> = { counted(&checked).into_iter() }
            .map(|finding| &*finding.level)
            .collect();
        assert_eq!(found, levels, "{stance}");
    }
}

#[test]
fn shards_that_lose_references_are_joined_and_what_was_accepted_is_known() {
    let Some(project) = project("runner = \"unittest\"\n") else {
        return;
    };
    let more = "import unittest\n\nimport loans\nimport test_loans\n\n\nclass More(unittest.TestCase):\n    def test_lend_more(self):\n        loans.lend(test_loans.Account)\n";
    project.write("test_more.py", more);
    let joined = |code| {
        let reports = [1, 2].map(|shard| {
            let report = project.beside(&format!("{shard}.json"));
            project
                .plain_command()
                .arg(format!("--shard={shard}/2"))
                .arg(format!("--report=json={}", report.display()))
                .output()
                .unwrap();
            report
        });
        let path = project.beside("merged.json");
        let output = project
            .bare()
            .arg("merge")
            .args(&reports)
            .arg(format!("--report=json={}", path.display()))
            .output()
            .unwrap();
        let checked = Checked::read(output, &path);
        checked.exits(code);
        let mut found: Vec<(String, String, usize)> = { counted(&checked).into_iter() }
            .map(|one| (one.code.clone(), one.status.clone(), one.tests.len()))
            .collect();
        found.sort_unstable();
        found
    };
    let told = |code: &str, status: &str, tests| (code.to_owned(), status.to_owned(), tests);
    assert_eq!(
        joined(1),
        [told("LK203", "new", 2), told("LK204", "new", 1)]
    );
    project
        .bare()
        .args(["accept", "--no-ci", "--reason", "known"])
        .assert()
        .success();
    assert_eq!(
        joined(0),
        [told("LK203", "known", 2), told("LK204", "known", 1)]
    );
    // More of them in an iteration of the same test is worse.
    let often = TESTS.replace(
        "loans.lend(Account)",
        "[loans.lend(Account) for _ in range(9)]",
    );
    project.write("test_loans.py", &often);
    let checked = project.check(&["test_loans.py"]);
    checked.exits(1);
    let worse = { counted(&checked).into_iter() }.filter(|one| one.status == "worse");
    assert_eq!(worse.count(), 1);
    // Gone, it is told as fixed by a run of all.
    project.write("test_loans.py", "import unittest\n\n\nclass Tests(unittest.TestCase):\n    def test_lend(self):\n        pass\n\n    def test_measure(self):\n        pass\n");
    project.write("test_more.py", "import unittest\n\n\nclass More(unittest.TestCase):\n    def test_lend_more(self):\n        pass\n");
    let checked = project.check(&[]);
    checked.exits(0);
    let fixed = { counted(&checked).into_iter() }.filter(|one| one.status == "fixed");
    assert_eq!(fixed.count(), 2);
}
