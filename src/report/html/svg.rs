//! What the drawings share: escaping, figures, and the marks they refer to.

use crate::report::text::shortened;

/// Marks that every drawing of the page refers to: a hatch, a dot and an arrow's head.
pub const DEFINITIONS: &str = r##"<svg class="defs" width="0" height="0" aria-hidden="true" focusable="false"><defs>
<pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><line x1="0" y1="0" x2="0" y2="6" class="hatch"/></pattern>
<marker id="dot" markerWidth="5" markerHeight="5" refX="2.5" refY="2.5" markerUnits="userSpaceOnUse"><circle cx="2.5" cy="2.5" r="2" class="dot"/></marker>
<marker id="head" markerWidth="9" markerHeight="9" refX="7" refY="4" orient="auto" markerUnits="userSpaceOnUse"><path d="M0 0L8 4L0 8z" class="head"/></marker>
</defs></svg>"##;

/// Text for the inside of an element, made safe and at most `length` characters long.
pub fn escaped(text: &str, length: usize) -> String {
    shortened(text, length)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

/// A coordinate: a tenth of a pixel is finer than anybody sees.
pub fn at(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_text_holds_no_markup() {
        assert_eq!(
            escaped("<script>\"&'\u{202e}", 99),
            "&lt;script&gt;&quot;&amp;&#39;\\u{202e}"
        );
        assert_eq!((at(2.0), at(2.25)), ("2".to_owned(), "2.2".to_owned()));
    }
}
