//! A paragraph for a terminal.

use std::io;

use anstyle::Style as Paint;

/// One paragraph, `first` before it and as many spaces as `indent` before its other lines.
pub(super) fn paragraph(
    first: &str,
    paint: Paint,
    rest: &str,
    indent: usize,
    width: usize,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let hang = " ".repeat(indent);
    let lead = textwrap::core::display_width(first);
    let options = textwrap::Options::new(width.max(indent + 20))
        .subsequent_indent(&hang)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .break_words(true);
    // A word of the same width stands for what comes first, so that styles are not counted.
    let blank = "\u{a0}".repeat(lead);
    let text = format!("{blank} {rest}");
    for (at, line) in textwrap::wrap(&text, options).iter().enumerate() {
        match line.strip_prefix(&*blank) {
            Some(line) if at == 0 => writeln!(out, "{paint}{first}{paint:#}{line}")?,
            _ => writeln!(out, "{line}")?,
        }
    }
    Ok(())
}
