//! The holder's surroundings in DOT, for Graphviz.

use std::io;

use super::{Inspection, figures};
use crate::report::text::{shortened, shown};

/// Characters of a label.
const LABEL: usize = 120;

/// Writes the graph; one without a holder has no nodes.
pub fn write(inspection: &Inspection, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out, "digraph holder {{")?;
    writeln!(
        out,
        "  graph [label={}, labelloc=t];\n  node [shape=box, fontname=\"monospace\"];",
        quoted(&title(inspection))
    )?;
    if let Some(holding) = &inspection.holding {
        let steps = &holding.holder.steps;
        for (at, step) in steps.iter().enumerate() {
            let last = at + 1 == steps.len();
            let looks = if at == holding.at {
                "penwidth=3, peripheries=2"
            } else if at == 0 {
                "shape=ellipse"
            } else if last {
                "style=dashed"
            } else {
                "style=solid"
            };
            let label = quoted(&step.text);
            let tooltip = quoted(&step.reason);
            writeln!(out, "  s{at} [label={label}, tooltip={tooltip}, {looks}];")?;
            if at > 0 {
                writeln!(out, "  s{} -> s{at};", at - 1)?;
            }
            let beside: &[_] = if at == holding.at {
                &holding.holds
            } else if last {
                &holding.inside
            } else {
                &[]
            };
            for (row, held) in beside.iter().enumerate() {
                let looks = if held.born > 0 { "dashed" } else { "solid" };
                let label = quoted(&figures::held(held));
                writeln!(out, "  h{at}_{row} [label={label}, style={looks}];")?;
                writeln!(out, "  s{at} -> h{at}_{row} [style=dotted];")?;
            }
        }
    }
    writeln!(out, "}}")
}

fn title(inspection: &Inspection) -> String {
    let test = inspection.test.as_ref().map_or("", |test| &test.id);
    match &inspection.holding {
        Some(holding) => format!("{test}: retained by {}", holding.holder.name),
        None => format!("{test}: nothing is held"),
    }
}

/// A string of DOT, in which a backslash would begin one of Graphviz's own escapes.
fn quoted(text: &str) -> String {
    let safe = shown(&shortened(text, LABEL));
    format!("\"{}\"", safe.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_within_its_quotes() {
        assert_eq!(quoted("a\"]; b [x=\"\\N\n"), r#""a\"]; b [x=\"\\N\\n""#);
    }
}
