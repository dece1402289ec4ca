//! The terminal's report of one run with every verdict and status in it: narrow and wide, with colours and without.

mod common;

use common::everything::{document, finding, report, styled};
use leakcheck::report::{Detail, Format};

/// Columns of the longest line, as a terminal counts them.
fn widest(text: &str) -> (usize, &str) {
    // Lines with names and commands to copy are left whole; a terminal breaks them without a line's end in them.
    let copied = ["known:", "better:", "fixed:", "next:"];
    text.lines()
        .filter(|line| !copied.iter().any(|start| line.starts_with(start)))
        .map(|line| (console::measure_text_width(line), line))
        .max()
        .unwrap()
}

/// The report, and the same without its colours.
fn both(width: usize, detail: Detail) -> (String, String) {
    let coloured = styled(&report(&document()), Format::Plain, width, detail);
    let plain = console::strip_ansi_codes(&coloured).into_owned();
    assert_ne!(coloured, plain);
    assert!(!plain.contains('\x1b'));
    let (columns, line) = widest(&plain);
    assert!(columns <= width, "{columns} columns: {line}");
    (coloured, plain)
}

#[test]
fn at_80_columns() {
    let (coloured, plain) = both(80, Detail::Normal);
    insta::assert_snapshot!("terminal_80", plain);
    insta::assert_snapshot!("terminal_80_colour", coloured);
}

#[test]
fn at_160_columns() {
    let (coloured, plain) = both(160, Detail::Normal);
    insta::assert_snapshot!("terminal_160", plain);
    insta::assert_snapshot!("terminal_160_colour", coloured);
}

#[test]
fn quiet_and_verbose() {
    insta::assert_snapshot!("terminal_quiet", both(80, Detail::Quiet).1);
    insta::assert_snapshot!("terminal_verbose", both(80, Detail::Verbose).1);
}

#[test]
fn of_many_findings_the_first_are_shown_in_full_and_the_others_have_a_line_each() {
    let mut document = document();
    let findings: Vec<_> = (0..2000)
        .map(|number| {
            let mut finding = finding("python", number);
            // Ten in each of the first files, the others in one.
            let file = format!(
                "shop/part{}.py",
                if number < 100 { number / 10 } else { 99 }
            );
            finding["sites"][0]["file"] = file.into();
            finding["sites"][0]["line"] = (number + 1).into();
            finding
        })
        .collect();
    document["findings"] = findings.into();
    let report = report(&document);
    let text = styled(&report, Format::Plain, 80, Detail::Normal);
    let text = console::strip_ansi_codes(&text).into_owned();
    let (columns, line) = widest(&text);
    assert!(columns <= 80, "{columns} columns: {line}");
    let lines = |what: &str| text.lines().filter(|line| line.contains(what)).count();
    assert_eq!(lines("= id:"), 20);
    assert_eq!(lines("    leak[LK100] :"), 1980);
    let files: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("  shop/"))
        .collect();
    assert_eq!(files.len(), 9, "{files:?}");
    assert_eq!(
        files[..2],
        ["  shop/part99.py (1,900):", "  shop/part2.py (10):"]
    );
    assert_eq!(
        lines("    leak[LK100] :2000 shop.registry.events: 4 blocks stay"),
        1
    );
    let text = styled(&report, Format::Plain, 80, Detail::Verbose);
    assert_eq!(text.matches("= id:").count(), 2000);
}
