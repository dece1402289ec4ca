//! The terminal's report of one run with every verdict and status in it: narrow and wide, with colours and without.

mod common;

use common::everything::{document, report, styled};
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
