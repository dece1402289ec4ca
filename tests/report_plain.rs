//! The report that a person reads of real runs, as a whole and without colour. How it is laid out at the width of a
//! terminal is the matter of `report_terminal.rs`.

mod common;

use common::Project;

/// The plain report on some tests of a fixture (all where none are named) under unittest. Exit code 1 is part of what
/// is shown.
fn report_on(name: &str, tests: &[&str]) -> String {
    let project = Project::fixture(name);
    let output = project
        .command()
        .args(["--runner", "unittest"])
        .args(tests)
        .env("COLUMNS", "160")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains('\u{1b}'), "colour where nobody watches");
    // Where a paragraph breaks depends on figures that differ from run to run.
    let broken = regex::Regex::new(r"\n( {16}| {6}| {4})(\S)").unwrap();
    broken.replace_all(&text, " $2").into_owned()
}

/// What differs from run to run or between versions of Python: times, sizes, and how many readings it took.
fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    for (pattern, text) in [
        (r"\(\d+\.\d s, exit", "([time], exit"),
        (r"\b\d[\d,]* iterations\b", "[count] iterations"),
        // The heap moves by whole pages, here and there.
        (r",? \+[\d,.]+ \w+ of heap( \([^()]+\))?", ""),
        (r" \([\d,.]+( k?B)? to [\d,.]+( k?B)?\)", ""),
        (r"[▁▂▃▄▅▆▇█]+ \+[\d,]+ in", "[curve] +[count] in"),
        (r"\b\d[\d,]*(\.\d+)? (B|kB|MB|GB)\b", "[size]"),
        (r"\b\d[\d,]*(\.\d+)? blocks?\b", "[count] blocks"),
        (r" x[\d,.]+ ", " x[count] "),
        (
            r"went from \d+ to \d+ entries",
            "went from [count] to [count] entries",
        ),
    ] {
        settings.add_filter(pattern, text);
    }
    settings.set_prepend_module_to_snapshot(false);
    settings
}

#[test]
fn two_leaks_and_what_is_bounded() {
    settings().bind(|| insta::assert_snapshot!(report_on("seed", &["tests/test_registry.py"])));
}

#[test]
fn nothing_to_report() {
    settings().bind(|| insta::assert_snapshot!(report_on("clean", &[])));
}

#[test]
fn tests_without_a_judgement() {
    settings().bind(|| insta::assert_snapshot!(report_on("unrepeatable", &[])));
}

#[test]
fn colour_is_there_when_asked_for() {
    let project = Project::fixture("clean");
    let output = project
        .command()
        .args(["--runner", "unittest", "--color", "always"])
        .output()
        .unwrap();
    assert!(output.stdout.contains(&0x1b));
}
