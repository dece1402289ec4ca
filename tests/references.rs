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

static PyMethodDef methods[] = {
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
            "-shared", "-fPIC", "-O1", "-g", "-I", include, "loans.c", "-o",
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
    let start = "1 reference to the class test_loans.Account is lost in each iteration by `loans.lend` in `loans` (yours), called at test_loans.py:16";
    assert!(lent.starts_with(start), "{lent}");
    assert!(measured.contains("by `loans.measure`"), "{measured}");
    assert!(measured.contains("test_loans.NAMES[…] (str)"), "{measured}");
    assert!(measured.ends_with("will crash when none is left"));
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
