//! What a whole suite holds at its end, leak or not, and by which tests.

mod common;

use common::Project;
use serde_json::Value;

const APP: &str = "
TABLES = {}


class Row:
    def __init__(self, number):
        self.cells = [number] * 4


def table(name, rows):
    if name not in TABLES:
        TABLES[name] = [Row(number) for number in range(rows)]
    return TABLES[name]


def picture():
    TABLES.setdefault('picture', b'x' * 4000000)
";

const TESTS: &str = "
import unittest

import app


class T(unittest.TestCase):
    def test_large_table(self):
        app.table('large', 40000)

    def test_nothing(self):
        pass

    def test_picture(self):
        app.picture()

    def test_table_again(self):
        app.table('large', 40000)
";

#[test]
fn a_suite_says_what_it_holds_and_which_tests_left_it() {
    let project = Project::of(&[("app.py", APP), ("test_app.py", TESTS)]);
    let path = project.temporary().join("report.json");
    let json = format!("json={}", path.display());
    let output = project
        .command()
        .args(["--report", &json])
        .assert()
        .code(0)
        .get_output()
        .clone();
    let report: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let retained = &report["retained"];
    let total = retained["bytes"].as_f64().unwrap();
    assert!((8e6..40e6).contains(&total), "{retained:#}");
    let names: Vec<&str> = { retained["tests"].as_array().unwrap().iter() }
        .map(|test| test[0].as_str().unwrap())
        .collect();
    assert!(names[0].ends_with("test_large_table"), "{retained:#}");
    assert!(names[1].ends_with("test_picture"), "{retained:#}");
    let picture = retained["tests"][1][1].as_f64().unwrap();
    assert!((3.9e6..5e6).contains(&picture), "{retained:#}");
    let of_nobody = |name: &&str| name.ends_with("nothing") || name.ends_with("again");
    assert!(!names.iter().take(2).any(of_nobody), "{retained:#}");
    assert_eq!(retained["objects"][0][0], "app.Row", "{retained:#}");
    assert_eq!(retained["objects"][0][1], 40000, "{retained:#}");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("the whole suite, run once, holds"), "{said}");
    assert!(said.contains("40,000 app.Row"), "{said}");
}
