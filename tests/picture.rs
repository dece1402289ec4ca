//! The picture in the README: the headline and the first finding of a real run of the example project, as the terminal
//! shows them. `UPDATE=1 cargo test --test picture` draws it.

mod common;

use std::{fs, path::Path};

use common::Project;
use regex::Regex;

/// Columns of the terminal in the picture: as wide as a README is shown without being made smaller.
const COLUMNS: &str = "106";

/// The command, the headline and the first finding, with its colours.
fn terminal() -> String {
    let project = Project::fixture("seed");
    let output = project
        .command()
        .args(["--runner", "unittest", "--color", "always"])
        .arg("tests/test_registry.py")
        .env("COLUMNS", COLUMNS)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let parts: Vec<&str> = text.split("\n\n").take(2).collect();
    format!(
        "$ leakcheck run tests/test_registry.py\n{}\n",
        parts.join("\n\n")
    )
}

/// As a terminal of today has it: a plain terminal's dark red on black is hard to read.
fn drawn(text: &str) -> String {
    let mut svg = anstyle_svg::Term::new().render_svg(text);
    for (from, to) in [
        (
            "<svg ",
            "<svg role=\"img\" aria-label=\"A leak as leakcheck reports it in the terminal\" ",
        ),
        (".fg { fill: #AAAAAA }", ".fg { fill: #C9D1D9 }"),
        (".bg { fill: #000000 }", ".bg { fill: #0D1117 }"),
        (
            ".fg-bright-blue { fill: #5555FF }",
            ".fg-bright-blue { fill: #58A6FF }",
        ),
        (
            ".fg-bright-red { fill: #FF5555 }",
            ".fg-bright-red { fill: #FF7B72 }",
        ),
        (".fg-red { fill: #AA0000 }", ".fg-red { fill: #F85149 }"),
    ] {
        assert!(svg.contains(from), "{from}: {svg}");
        svg = svg.replacen(from, to, 1);
    }
    svg
}

/// The words of a picture, or of a terminal: what differs from run to run is gone, and so is where lines break for it.
fn words(text: &str) -> String {
    let mut text = text.to_owned();
    for (pattern, with) in [
        (r"(?s)<style>.*?</style>", ""),
        (r"<[^>]*>", ""),
        (r"\x1b\[[\d;]*m", ""),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;|&#x27;", "'"),
        ("&amp;", "&"),
        // The heap moves by whole pages, here and there.
        (r"\s*\+[\d,.]+ \w+ of\s+heap(\s+\([^()]+\))?,", ""),
        (r"[▁▂▃▄▅▆▇█]+", "▁"),
        (r"\d[\d,.]*", "0"),
        (r"0 (B|kB|MB)\b", "0 B"),
        (r"\s+", " "),
    ] {
        text = Regex::new(pattern)
            .unwrap()
            .replace_all(&text, with)
            .into_owned();
    }
    text.trim().to_owned()
}

#[test]
fn the_picture_shows_what_the_terminal_shows() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/finding.svg");
    let text = terminal();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, drawn(&text)).unwrap();
    }
    let picture = fs::read_to_string(&path).unwrap();
    assert_eq!(
        words(&picture),
        words(&text),
        "docs/finding.svg is out of date: UPDATE=1 cargo test --test picture"
    );
}
