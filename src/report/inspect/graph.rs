//! The holder's surroundings as a drawing: within the page, and as a file of its own.

use std::io;

use super::{Holding, Inspection, figures};
use crate::report::html::{
    STYLE,
    chain::{self, Beside},
    svg::{DEFINITIONS, escaped},
};

/// The drawing; `id` is unique in the page.
pub(super) fn draw(holding: &Holding, id: &str) -> String {
    let beside = |at, held: &[_]| Beside {
        at,
        entries: held
            .iter()
            .map(|held: &crate::heap::surroundings::Held| (figures::held(held), held.born > 0))
            .collect(),
    };
    let end = holding.holder.path.len().saturating_sub(1);
    let sides = [
        beside(holding.at, &holding.holds),
        beside(end, &holding.inside),
    ];
    chain::draw_with(&holding.holder, &sides, id)
}

/// Writes a file of its own, which says so where nothing is held.
pub fn write(inspection: &Inspection, out: &mut dyn io::Write) -> io::Result<()> {
    let drawing = match &inspection.holding {
        Some(holding) => draw(holding, "graph"),
        None => format!(
            "<svg class=\"chain\" viewBox=\"0 0 480 40\" width=\"480\" height=\"40\" role=\"img\"><title>{0}</title>\
             <text x=\"10\" y=\"25\">{0}</text></svg>",
            escaped(
                "No holder was found: nothing stays, or nothing in Python holds it.",
                200
            )
        ),
    };
    // The page's own style and marks, which the drawing refers to.
    let inside = format!("<style>{}</style>{DEFINITIONS}", style());
    let begin = drawing.find('>').map_or(0, |at| at + 1);
    let (open, rest) = drawing.split_at(begin);
    let open = open.replacen("<svg ", "<svg xmlns=\"http://www.w3.org/2000/svg\" ", 1);
    writeln!(out, "{open}{inside}{rest}")
}

/// What of the page's style is about drawings.
fn style() -> String {
    let about = [
        ":root",
        "@media (prefers",
        "svg",
        ".box",
        ".arrow",
        ".head",
        ".chain",
    ];
    let lines = STYLE
        .lines()
        .filter(|line| about.iter().any(|start| line.starts_with(start)));
    let mut style: Vec<&str> = lines.collect();
    style.push("svg{background:var(--back)}");
    style.push(".chain{font-family:ui-monospace,\"DejaVu Sans Mono\",Menlo,Consolas,monospace;font-size:12px}");
    style.join("\n")
}
