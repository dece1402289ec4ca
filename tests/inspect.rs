//! `leakcheck inspect`: one test from all sides, the test found by its id, and pages that no name breaks out of.

mod common;

use std::{collections::BTreeMap, fs, path::PathBuf, process::Output};

use common::Project;
use leakcheck::{
    exit_code::ExitCode,
    finding::{Curve, Holder, HolderStep, Owner, Role, TypeGrowth},
    heap::{
        partition::{Partition, References, Share},
        surroundings::Held,
    },
    report::{
        Environment,
        inspect::{
            self, Cycle, Garbage, Holding, Inspection, Line, Native, Peak, Place, Routine, Standing,
        },
    },
    verdict::{Counter, Series, TestResult, Verdict},
};
use serde_json::Value;

/// A finished `leakcheck inspect` with the files that it wrote.
struct Inspected {
    output: Output,
    page: String,
    files: BTreeMap<&'static str, String>,
}

fn inspect(project: &Project, args: &[&str]) -> Inspected {
    let forms = ["html", "json", "svg", "dot"];
    let path = |form: &str| -> PathBuf { project.beside(&format!("page.{form}")) };
    let mut command = project.bare();
    command
        .arg("inspect")
        .args(args)
        .args(["--quiet", "--python"])
        .arg(project.python())
        .env("COLUMNS", "120");
    for form in forms {
        command.arg(format!("--{form}")).arg(path(form));
    }
    let output = command.output().unwrap();
    Inspected {
        page: String::from_utf8(output.stdout.clone()).unwrap(),
        files: forms
            .into_iter()
            .map(|form| (form, fs::read_to_string(path(form)).unwrap_or_default()))
            .collect(),
        output,
    }
}

impl Inspected {
    #[track_caller]
    fn exits(&self, code: i32) -> &Inspected {
        let said = String::from_utf8_lossy(&self.output.stderr);
        assert_eq!(self.output.status.code(), Some(code), "{said}{}", self.page);
        self
    }

    #[track_caller]
    fn says(&self, parts: &[&str]) -> &Inspected {
        for part in parts {
            assert!(self.page.contains(part), "{part}\n{}", self.page);
        }
        self
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.files["json"]).unwrap()
    }
}

#[test]
fn a_leaking_test_is_shown_from_all_sides() {
    let project = Project::fixture("corpus/holders");
    let seen = inspect(&project, &["TestEvents::test_bound_method"]);
    seen.exits(1).says(&[
        "tests/test_events.py::TestEvents::test_bound_method\nleak: 1 Screen",
        "retained by events.bus.observers",
        "leakcheck explain LK106",
        "+1 each time  entries of long-lived containers",
        "events.Screen",
        "By size",
        "By what refers to them",
        "References to the newest",
        "events.bus.observers[…] -> bound method Screen.draw -> Screen",
        "list[…]  ◀ should let go: went from",
        "open_screen (events.py)",
        "screen = Screen(name)  # LEAK",
        "TestEvents.test_bound_method (tests/test_events.py)",
        "Memory at its highest",
    ]);
    let json = seen.json();
    assert_eq!(json["schema"], "leakcheck.inspection/1");
    assert_eq!(json["test"]["verdict"], "leak");
    // A method, its screen and the screen's list, each referred to once.
    let survivors = &json["survivors"];
    assert_eq!(survivors["total"]["count"], 3.0, "{survivors}");
    let screen = |name: &str| {
        let rows = survivors[name].as_array().unwrap();
        let of = |row: &&Value| row["name"] == "events.Screen";
        rows.iter().find(of).unwrap().clone()
    };
    assert_eq!(screen("by_type")["count"], 1.0);
    assert_eq!(screen("references")["unexplained"], 0);
    let method = |row: &&Value| row["name"] == "method";
    let holds = json["holding"]["holds"].as_array().unwrap();
    let methods = holds.iter().find(method).unwrap();
    assert!(methods["born"].as_u64().unwrap() >= 5, "{methods}");
    assert!(methods["keeps"].as_f64().unwrap() > 100.0, "{methods}");
    // The line that leaks leaves bytes in the iteration that was followed, and in each judged one.
    let routines = json["routines"].as_array().unwrap();
    let lines = routines[0]["lines"].as_array().unwrap();
    let leak = |line: &&Value| line["text"].as_str().unwrap().contains("# LEAK");
    let line = lines.iter().find(leak).unwrap();
    assert_eq!(line["times"], 1);
    assert!(line["net"].as_i64().unwrap() > 50, "{line}");
    assert!(line["stays"][1].as_f64().unwrap() > 50.0, "{line}");
    let dot = &seen.files["dot"];
    assert!(dot.starts_with("digraph holder {") && dot.contains("label=\"list[…]\""));
    assert!(seen.files["svg"].contains("bound method Screen.draw"));
    let html = &seen.files["html"];
    for part in ["class=\"chart\"", "class=\"chain\"", "class=\"routine\""] {
        assert!(html.contains(part), "{part}");
    }
    // What it refers to is in it: marks of the drawings.
    let outside = html.replace("url(#", "");
    for part in ["<script", "http:", "https:", "url(", "@import"] {
        assert!(!outside.contains(part), "{part}");
    }
}

#[test]
fn the_cycles_of_a_clean_test_are_shown_with_their_places() {
    let project = Project::fixture("corpus/cycles");
    let source = include_str!("../fixtures/corpus/cycles/weave.py");
    let made = source
        .lines()
        .position(|line| line.contains("return Selfish()"));
    let seen = inspect(&project, &["TestCycles::test_self"]);
    seen.exits(0).says(&[
        "Cycles, in one iteration",
        "that only the cycle collector frees",
        &format!("weave.py:{}", made.unwrap() + 1),
        "Selfish.me -> Selfish",
    ]);
    let garbage = &seen.json()["garbage"];
    let cycles = garbage["cycles"].as_array().unwrap();
    assert!(
        cycles.iter().any(|cycle| cycle["owner"] == "project"),
        "{garbage}"
    );
    let html = &seen.files["html"];
    for part in ["id=\"cycles\"", "Selfish.me -&gt; Selfish", "What to do:"] {
        assert!(html.contains(part), "{part}");
    }
    let project = Project::fixture("corpus/cycles");
    let seen = inspect(&project, &["TestWithout::test_nothing"]);
    seen.exits(0)
        .says(&["Nothing is left to the cycle collector."]);
}

#[test]
fn a_clean_test_shows_what_it_needs_and_that_nothing_stays() {
    let text = "\
import json


def rows():
    return [{'n': n, 'text': str(n) * 9} for n in range(500)]


def test_rows():
    found = rows()
    assert json.loads(json.dumps(found)) == found
";
    let project = Project::of(&[("test_rows.py", text)]);
    let seen = inspect(&project, &["test_rows.py::test_rows"]);
    seen.exits(0).says(&[
        "clean: nothing stays: no counter grew in",
        "left no object behind",
        "rows (test_rows.py)",
        "return [{'n': n, 'text': str(n) * 9} for n in range(500)]",
        "were in use at once, while test_rows.py:10 in test_rows ran",
        "test_rows.py:5 in rows",
    ]);
    let json = seen.json();
    assert_eq!(json["holding"], Value::Null);
    let peak = &json["peak"];
    let types = peak["types"].as_array().unwrap();
    let dicts = types.iter().find(|row| row[0] == "dict").unwrap();
    assert!(dicts[1].as_u64().unwrap() >= 500, "{types:?}");
    assert!(peak["bytes"].as_i64() >= peak["stood"].as_i64());
    assert!(seen.files["svg"].contains("No holder was found"));
}

#[test]
fn a_test_of_unittest_is_found_by_the_end_of_its_id() {
    let text = "\
import unittest

KEPT = []


class TestKeeps(unittest.TestCase):
    def test_keeps(self):
        KEPT.append(bytearray(5000))
";
    let project = Project::of(&[("test_keeps.py", text)]);
    let seen = inspect(&project, &["TestKeeps.test_keeps", "--runner", "unittest"]);
    seen.exits(1).says(&[
        "retained by test_keeps.KEPT",
        "KEPT.append(bytearray(5000))",
    ]);
}

#[test]
fn a_test_that_fails_says_so_and_is_not_looked_at() {
    let project = Project::of(&[("test_a.py", "def test_a():\n    assert 1 == 2\n")]);
    let seen = inspect(&project, &["test_a"]);
    seen.exits(4)
        .says(&["failed: assert 1 == 2", "nothing more to look at"]);
}

#[test]
fn names_that_mean_no_single_test_are_one_line_with_what_is_close() {
    let text = "\
import pytest


@pytest.mark.parametrize('n', [1, 2])
def test_sizes(n):
    pass


def test_names():
    pass
";
    let project = Project::of(&[
        ("test_a.py", text),
        ("test_b.py", "def test_b():\n    pass\n"),
    ]);
    let line = |args: &[&str]| {
        let seen = inspect(&project, args);
        seen.exits(2);
        assert_eq!(seen.page, "");
        let said = String::from_utf8(seen.output.stderr).unwrap();
        assert_eq!(said.lines().count(), 1, "{said}");
        said
    };
    assert_eq!(
        line(&["test_sizes"]),
        "leakcheck: 2 tests end in `test_sizes`: test_a.py::test_sizes[1], test_a.py::test_sizes[2]\n"
    );
    assert_eq!(
        line(&["test_nams"]),
        "leakcheck: no test is called `test_nams`; the closest: test_a.py::test_names\n"
    );
    assert_eq!(
        line(&["test_\u{1b}[31mzzzzzzzzzzzzzz"]),
        "leakcheck: no test is called `test_\\u{1b}[31mzzzzzzzzzzzzzz`, and none of the 4 is like it\n"
    );
    project.write("test_b.py", "import nowhere\n");
    assert!(line(&["zzzzzzzz"]).contains("(test_b.py could not be loaded: "));
    // A place that cannot be written to is told before anything runs.
    let output = project
        .bare()
        .args(["inspect", "test_names", "--svg", "/nowhere/a.svg"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.starts_with("leakcheck: cannot write /nowhere/a.svg: "),
        "{said}"
    );
}

/// An inspection with something in every part, each name of the project's within `around`.
fn everything(around: (&str, &str)) -> Inspection {
    let name = |text: &str| format!("{}{text}{}", around.0, around.1);
    let place = |line| Place {
        file: name("app.py"),
        line,
        function: name("open"),
        source: Some(name("x = Session()")),
    };
    let shares = |of: &str| {
        vec![Share {
            name: name(of),
            count: 1.0,
            bytes: 64.0,
        }]
    };
    let held = |born| Held {
        name: name("Session"),
        before: 3,
        born,
        keeps: f64::from(born) * 8.0,
    };
    let step = |text: &str, role| HolderStep {
        text: name(text),
        role,
        reason: name("because"),
    };
    let steps = vec![
        step("app", Role::Holds),
        step("list", Role::Holds),
        step("Session", Role::Held),
    ];
    Inspection {
        version: "1.0".to_owned(),
        environment: Environment {
            runner: name("pytest"),
            ..Environment::default()
        },
        exit_code: ExitCode::Leak,
        test: Some(TestResult {
            id: name("test_a.py::test_a"),
            file: name("test_a.py"),
            verdict: Verdict::Leak,
            rule: None,
            reason: Some(name("grows")),
            iterations: 9,
            seconds: 0.1,
            series: Series::new(),
            kept: None,
        }),
        findings: Vec::new(),
        curves: vec![Curve {
            counter: Counter::Blocks,
            readings: vec![1, 2, 3],
            rate: None,
        }],
        types: vec![TypeGrowth {
            name: name("Session"),
            count: 1.0,
            bytes: 64.0,
            retained: Some(100.0),
            example: Some(name("'text'")),
        }],
        survivors: Some(Partition {
            iterations: (2, 4),
            total: Share {
                name: String::new(),
                count: 1.0,
                bytes: 64.0,
            },
            by_type: shares("Session"),
            by_size: shares("up to 64 B"),
            by_referrer: shares("list"),
            references: vec![References {
                name: name("Session"),
                objects: 1,
                counted: 2,
                found: 1,
                unexplained: 1,
            }],
        }),
        holding: Some(Holding {
            holder: Holder {
                process: None,
                path: steps.iter().map(|step| step.text.clone()).collect(),
                text: name("app.SESSIONS"),
                name: name("app.SESSIONS"),
                reason: name("it grew"),
                steps,
                also: vec![name("app.OTHERS")],
            },
            at: 1,
            holds: vec![held(5), held(0)],
            inside: vec![held(1)],
        }),
        garbage: Some(Garbage {
            objects: 2,
            cycles: vec![Cycle {
                text: name("Node.parent -> Node"),
                owner: Owner::Project,
                place: Some(Place {
                    file: name("app.py"),
                    line: 3,
                    function: name("open"),
                    source: Some(name("x = []")),
                }),
                objects: 2,
                bytes: 128,
                descriptors: vec![name("a socket")],
                advice: name("hold the parent weakly"),
            }],
        }),
        native: vec![Native {
            chunks: 1.0,
            bytes: 4000.0,
            stack: vec![name("read (a.c:3)"), name("open (app.py:3)")],
        }],
        routines: vec![Routine {
            file: name("app.py"),
            name: name("open"),
            lines: vec![Line {
                number: 3,
                text: name("    x = Session()"),
                times: Some(1),
                net: Some(64),
                peak: Some(128),
                stays: Some([1.0, 64.0]),
                malloc: Some([1.0, 4000.0]),
            }],
        }],
        peak: Some(Peak {
            bytes: 5000,
            sampled: false,
            line: Some(place(3)),
            stood: 4000,
            at: Some(place(4)),
            places: vec![Standing {
                place: place(5),
                blocks: 2,
                bytes: 3000,
            }],
            runner: 10,
            types: vec![(name("bytes"), 1, 3000)],
        }),
        errors: Vec::new(),
        notes: vec![name("a note")],
    }
}

fn written(
    inspection: &Inspection,
    write: fn(&Inspection, &mut dyn std::io::Write) -> std::io::Result<()>,
) -> String {
    let mut out = Vec::new();
    write(inspection, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Every tag of a document with the names of its attributes, without their values.
fn tags(text: &str) -> Vec<String> {
    let tag = regex::Regex::new("<[/!a-zA-Z][^>]*>").unwrap();
    let value = regex::Regex::new("\"[^\"]*\"").unwrap();
    tag.find_iter(text)
        .map(|found| value.replace_all(found.as_str(), "").into_owned())
        .collect()
}

#[test]
fn hostile_names_stay_in_their_place_in_every_form() {
    let attacks = [
        ("\u{1b}]0;owned\u{7}\u{1b}[2J", "\u{202e}gnp.exe"),
        (
            "</code></td><script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
        ),
        ("\"><svg onload=\"alert(1)\">", "' onmouseover='x' &amp;"),
        ("{{ 7 * 7 }}{% raw %}", "\"]; evil [label=\"\\N"),
        (
            "]]></text></svg><style>*{display:none}</style>",
            "\u{0}\u{9b}31m\u{ffff}\r\n",
        ),
    ];
    let calm = everything(("", ""));
    let styles = regex::Regex::new("\u{1b}\\[[0-9;]*m").unwrap();
    for attack in attacks {
        let hostile = everything(attack);
        for write in [inspect::html, inspect::svg] {
            let (before, after) = (written(&calm, write), written(&hostile, write));
            assert_eq!(tags(&before), tags(&after), "{attack:?}");
            assert!(!after.contains("alert(1)\""), "{after}");
        }
        let svg = written(&hostile, inspect::svg);
        let mut reader = quick_xml::Reader::from_str(&svg);
        loop {
            match reader.read_event() {
                Ok(quick_xml::events::Event::Eof) => break,
                Ok(_) => {}
                Err(error) => panic!("{error}: {svg}"),
            }
        }
        // One statement a line, whatever the names are.
        let lines = |inspection: &Inspection| written(inspection, inspect::dot).lines().count();
        assert_eq!(lines(&calm), lines(&hostile));
        let json: Value = serde_json::from_str(&written(&hostile, inspect::json)).unwrap();
        assert_eq!(json["test"]["id"], hostile.test.as_ref().unwrap().id);
        let mut plain = Vec::new();
        inspect::plain(&hostile, 100, &mut plain).unwrap();
        let plain = String::from_utf8(plain).unwrap();
        let forms = [
            styles.replace_all(&plain, "").into_owned(),
            written(&hostile, inspect::html),
            written(&hostile, inspect::dot),
            written(&hostile, inspect::json),
            svg,
        ];
        for text in forms {
            let steers = |c: &char| *c != '\n' && leakcheck::report::text::is_unsafe(*c);
            assert_eq!(text.chars().find(steers), None, "{attack:?}");
        }
    }
}

#[test]
fn the_page_of_a_terminal_fits_it() {
    for width in [80, 120] {
        let mut out = Vec::new();
        inspect::plain(
            &everything(("a_long_name_of_a_module.", "")),
            width,
            &mut out,
        )
        .unwrap();
        let plain = anstream::adapter::strip_str(std::str::from_utf8(&out).unwrap()).to_string();
        for line in plain.lines() {
            let columns = console::measure_text_width(line);
            assert!(columns <= width, "{columns} columns: {line}");
        }
    }
}
