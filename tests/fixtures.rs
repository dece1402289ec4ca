//! Every fixture, under each of its runners, must be judged as its `expected.yaml` says.

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use common::{Checked, Project, Test};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    runner: String,
    exit_code: i32,
    verdicts: BTreeMap<String, String>,
    findings: Vec<ExpectedFinding>,
    #[serde(default)]
    verdicts_pytest: BTreeMap<String, String>,
    #[serde(default)]
    load_errors: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedFinding {
    kind: String,
    /// Kinds that grow by the same cause: of these there is no finding, which holds of every kind that is not listed.
    #[serde(default, rename = "also")]
    _also: Vec<String>,
    tests: Vec<String>,
    site: String,
    line_contains: String,
}

impl Expected {
    fn of(project: &Project) -> Expected {
        let text = fs::read_to_string(project.root().join("expected.yaml")).unwrap();
        serde_yaml::from_str(&text).unwrap()
    }

    fn runners(&self) -> Vec<&str> {
        match &*self.runner {
            "both" => vec!["unittest", "pytest"],
            one => vec![one],
        }
    }

    fn verdicts(&self, runner: &str) -> BTreeMap<&str, &str> {
        let mut verdicts: BTreeMap<&str, &str> = self
            .verdicts
            .iter()
            .map(|(name, verdict)| (&**name, &**verdict))
            .collect();
        if runner == "pytest" {
            for (name, verdict) in &self.verdicts_pytest {
                verdicts.insert(name, verdict);
            }
        }
        verdicts
    }
}

/// Whether `name`, as `expected.yaml` writes it, is the end of the test id `id`.
fn names(name: &str, id: &str) -> bool {
    let (head, parameters) = match id.find('[') {
        Some(at) => id.split_at(at),
        None => (id, ""),
    };
    let joined = format!("{}{parameters}", head.replace("::", "."));
    joined == name || joined.ends_with(&format!(".{name}"))
}

#[test]
fn names_are_the_ends_of_ids() {
    assert!(names("T.test_a", "tests.test_x.T.test_a"));
    assert!(names("T.test_a", "tests/test_x.py::T::test_a"));
    assert!(names(
        "test_a[GET /a::b.txt]",
        "tests/test_x.py::test_a[GET /a::b.txt]"
    ));
    assert!(names(
        "test_notes.txt",
        "tests/test_notes.txt::test_notes.txt"
    ));
    assert!(!names("test_a", "tests/test_x.py::test_b[x.test_a]"));
    assert!(!names("test_a", "tests/test_x.py::other_test_a"));
}

/// Compares a run with what is expected of it. All differences at once, one a line.
fn differences(expected: &Expected, runner: &str, checked: &Checked) -> Vec<String> {
    let mut wrong = Vec::new();
    if checked.code != expected.exit_code {
        wrong.push(format!(
            "exit code {}, not {}",
            checked.code, expected.exit_code
        ));
    }
    if checked.report.summary.exit_code != checked.code {
        wrong.push(format!(
            "the report says exit code {}",
            checked.report.summary.exit_code
        ));
    }
    let verdicts = expected.verdicts(runner);
    compare_verdicts(&verdicts, &checked.report.tests, &mut wrong);
    compare_findings(expected, checked, &mut wrong);
    for file in &expected.load_errors {
        let module = file.trim_end_matches(".py").replace('/', ".");
        let of_it = |place: &str| place.ends_with(&**file) || place.ends_with(&module);
        let count = checked
            .report
            .errors
            .iter()
            .filter(|error| of_it(&error.place))
            .count();
        if count != 1 {
            wrong.push(format!(
                "{count} errors name {file}, not one: {:?}",
                checked.report.errors
            ));
        }
    }
    if expected.load_errors.is_empty() && !checked.report.errors.is_empty() {
        wrong.push(format!("unexpected errors: {:?}", checked.report.errors));
    }
    wrong
}

fn compare_verdicts(verdicts: &BTreeMap<&str, &str>, tests: &[Test], wrong: &mut Vec<String>) {
    for (name, verdict) in verdicts {
        let of_it: Vec<&Test> = tests.iter().filter(|test| names(name, &test.id)).collect();
        match of_it[..] {
            [test] if test.verdict == *verdict => {}
            [test] => wrong.push(format!(
                "{} is {}, not {verdict}: {:?} {:?}",
                test.id, test.verdict, test.reason, test.series
            )),
            _ => wrong.push(format!("{} tests are called {name}", of_it.len())),
        }
    }
    for test in tests {
        let listed = verdicts.keys().any(|name| names(name, &test.id));
        if !listed && test.verdict != "clean" {
            wrong.push(format!("{} is {} and not listed", test.id, test.verdict));
        }
    }
}

fn compare_findings(expected: &Expected, checked: &Checked, wrong: &mut Vec<String>) {
    let mut left = checked.report.leaks();
    for wanted in &expected.findings {
        let found = left.iter().position(|finding| {
            finding.kind == wanted.kind
                && finding.tests.len() == wanted.tests.len()
                && wanted
                    .tests
                    .iter()
                    .all(|name| finding.tests.iter().any(|id| names(name, id)))
                && finding.sites.first().is_some_and(|site| {
                    Path::new(&site.file).ends_with(&wanted.site)
                        && site
                            .source
                            .as_deref()
                            .is_some_and(|line| line.contains(&wanted.line_contains))
                })
        });
        match found {
            Some(at) => {
                let finding = left.remove(at);
                if !finding.fails {
                    wrong.push(format!("does not fail the build: {}", finding.summary));
                }
            }
            None => wrong.push(format!("not found: {wanted:?}")),
        }
    }
    for finding in left {
        wrong.push(format!(
            "not listed: {} leak in {:?}, {} ({:?})",
            finding.kind,
            finding.tests,
            finding.summary,
            finding.sites.first().and_then(|site| site.source.as_ref())
        ));
    }
    for finding in &checked.report.findings {
        if finding.verdict != "leak" && finding.fails && expected.exit_code != 1 {
            wrong.push(format!("fails the build: {}", finding.summary));
        }
    }
}

/// Runs a fixture under `runner` and fails with all differences. The result is for what else a test looks at.
#[track_caller]
fn check(name: &str, runner: &str, more: &[&str]) -> Checked {
    let project = Project::fixture(name);
    let expected = Expected::of(&project);
    assert!(expected.runners().contains(&runner));
    let before = project.files();
    let mut args = vec!["--runner", runner];
    args.extend(more);
    let checked = project.check(&args);
    let wrong = differences(&expected, runner, &checked);
    assert!(
        wrong.is_empty(),
        "{name} under {runner}:\n  {}\n\n{}{}",
        wrong.join("\n  "),
        checked.stdout,
        checked.stderr
    );
    project.assert_nothing_left(&before);
    checked
}

fn fingerprints(checked: &Checked) -> BTreeSet<(&str, &str)> {
    checked
        .report
        .leaks()
        .into_iter()
        .map(|finding| (&*finding.fingerprint, &*finding.kind))
        .collect()
}

/// The same suite under both runners: what leaks is the project's own, whoever runs it.
#[track_caller]
fn check_both(name: &str) {
    let unittest = check(name, "unittest", &[]);
    let pytest = check(name, "pytest", &[]);
    assert_eq!(
        fingerprints(&unittest),
        fingerprints(&pytest),
        "{name} has other findings under the other runner:\n{}{}",
        unittest.stdout,
        pytest.stdout
    );
}

#[test]
fn every_difference_is_noticed() {
    let checked = check("seed", "unittest", &[]);
    let noticed = |change: &dyn Fn(&mut Expected)| {
        let mut expected = Expected::of(&Project::fixture("seed"));
        change(&mut expected);
        differences(&expected, "unittest", &checked).len()
    };
    let churning = || "TestChurning.test_many_short_lists".to_owned();
    assert_eq!(noticed(&|_| ()), 0);
    assert_eq!(noticed(&|of| of.exit_code = 0), 1);
    assert_eq!(
        noticed(&|of| of.load_errors.push("tests/test_x.py".into())),
        1
    );
    // A test that is not there, one with another verdict, and one that nobody listed.
    assert_eq!(
        noticed(&|of| drop(of.verdicts.insert("TestX.test".into(), "clean".into()))),
        1
    );
    assert_eq!(
        noticed(&|of| drop(of.verdicts.insert(churning(), "bounded".into()))),
        1
    );
    assert_eq!(
        noticed(&|of| drop(of.verdicts.remove("TestArchived.test_grows"))),
        1
    );
    // A finding that nobody listed; then both that and one that was not found.
    assert_eq!(noticed(&|of| drop(of.findings.pop())), 1);
    assert_eq!(noticed(&|of| of.findings[0].kind = "fd".into()), 2);
    assert_eq!(noticed(&|of| of.findings[0].site = "list.py".into()), 2);
    assert_eq!(
        noticed(&|of| of.findings[0].line_contains = "Leaf(".into()),
        2
    );
    assert_eq!(noticed(&|of| of.findings[0].tests.push(churning())), 2);
}

#[test]
fn seed() {
    check_both("seed");
}

#[test]
fn adoption() {
    check_both("adoption");
}

#[test]
fn watch() {
    check_both("watch");
}

#[test]
fn clean() {
    check_both("clean");
}

#[test]
fn unrepeatable() {
    check_both("unrepeatable");
}

#[test]
fn pytest_clean() {
    check("pytest_clean", "pytest", &[]);
}

#[test]
fn pytest_leaks() {
    check("pytest_leaks", "pytest", &[]);
}

#[test]
fn broken_files() {
    for name in ["broken/syntax_error", "broken/import_error"] {
        for runner in ["unittest", "pytest"] {
            let checked = check(name, runner, &[]);
            let word = if name.ends_with("syntax_error") {
                "SyntaxError"
            } else {
                "ModuleNotFoundError"
            };
            let error = &checked.report.errors[0];
            assert!(error.message.contains(word), "{runner}: {error:?}");
        }
    }
}

#[test]
fn no_tests_at_all() {
    for runner in ["unittest", "pytest"] {
        let project = Project::fixture("broken/empty");
        let expected = Expected::of(&project);
        let before = project.files();
        let output = project
            .command()
            .args(["--runner", runner])
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(expected.exit_code), "{stderr}");
        assert!(stderr.contains("no tests"), "{runner}: {stderr}");
        project.assert_nothing_left(&before);
    }
}

/// The five tests of `hostile` that do their worst; what is said of each must name the cause.
#[track_caller]
fn check_hostile(runner: &str, jobs: &str) {
    let checked = check("hostile", runner, &["--timeout", "5", "-j", jobs]);
    let mut said: Vec<(&str, &[&str])> = vec![
        ("test_exits_at_once", &["exited with status 0"]),
        // The line of the test, also where the crash itself is in the standard library.
        ("test_segfault", &["SIGSEGV", "test_crashes.py:21"]),
        ("test_hangs_in_c", &["5 s", "test_hangs.py:15", "hang"]),
    ];
    if runner == "pytest" {
        said.push(("test_closes_all_descriptors", &["descriptors"]));
    }
    let lost = said.len();
    let mut wrong = Vec::new();
    for (name, words) in said {
        let mut of_it = checked
            .report
            .tests
            .iter()
            .filter(|test| names(name, &test.id));
        let test = of_it.next().unwrap();
        for word in words {
            if !test.why().contains(word) {
                wrong.push(format!("{} lacks {word:?}: {:?}", test.id, test.reason));
            }
        }
        // People read the same.
        let line = checked.stdout.lines().find(|line| line.contains(&test.id));
        if !line.is_some_and(|line| line.contains(&test.verdict)) {
            wrong.push(format!("{} is not printed as {}", test.id, test.verdict));
        }
    }
    assert!(
        wrong.is_empty(),
        "{runner} -j {jobs}:\n  {}",
        wrong.join("\n  ")
    );
    assert_eq!(checked.report.summary.verdicts["clean"], 30 - lost);
    assert!(checked.report.findings.is_empty());
}

#[test]
fn hostile_under_unittest() {
    check_hostile("unittest", "1");
}

#[test]
fn hostile_under_pytest() {
    check_hostile("pytest", "1");
}

#[test]
fn hostile_in_two_workers() {
    check_hostile("unittest", "2");
    check_hostile("pytest", "2");
}

#[test]
fn what_leaks_in_the_seed_names_the_rule_and_is_told_so() {
    let checked = check("seed", "unittest", &["-v"]);
    let rule_of = |id: &str| {
        let mut tests = checked.report.tests.iter();
        let test = tests.find(|test| test.id == id).unwrap();
        test.rule.as_deref().unwrap()
    };
    // That each test has one that makes its verdict is checked of every report.
    let used: BTreeSet<&str> = { checked.report.tests.iter() }
        .map(|test| rule_of(&test.id))
        .collect();
    for expected in ["nothing-grew", "declared-limit", "grew-to-time-end"] {
        assert!(used.contains(expected), "{expected} of {used:?}");
    }
    for finding in &checked.report.findings {
        // What is only warned of made no verdict.
        let Some(rule) = finding.rule.as_deref() else {
            assert!(
                ["cycle", "unclosed"].contains(&&*finding.kind),
                "{finding:#?}"
            );
            continue;
        };
        assert!(
            finding.tests.iter().any(|id| rule_of(id) == rule),
            "no test of {} is judged by {rule}",
            finding.summary
        );
        assert!(checked.stdout.contains(rule), "{rule} is not told");
    }
}
