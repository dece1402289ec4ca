//! The holder's path as a drawing: the root on top, an arrow for each reference, what stays alive at the end.

use super::svg::{at, escaped};
use crate::{
    finding::{Holder, Role},
    report::text::shortened,
};

/// Edges that are drawn.
pub const MOST: usize = 12;
/// Characters of a box.
const LABEL: usize = 46;
/// Of a character of the page's monospaced font at 12 px.
const CHARACTER: f64 = 7.3;
const HEIGHT: f64 = 28.0;
const GAP: f64 = 22.0;

/// The drawing; `id` is unique in the page.
pub fn draw(holder: &Holder, id: &str) -> String {
    let path = &holder.path;
    // Where each object has its role, the one that should have let go stands out.
    let holds = holder
        .steps
        .iter()
        .position(|step| step.role == Role::Holds)
        .filter(|_| holder.steps.len() == path.len() && path.len() <= MOST);
    // Of a long path the ends say most.
    let mut labels: Vec<String> = path.iter().map(|edge| shortened(edge, LABEL)).collect();
    if labels.len() > MOST {
        let hidden = labels.len() - (MOST - 1);
        labels.splice(MOST / 2..MOST / 2 + hidden, [format!("… {hidden} more …")]);
    }
    let longest = labels.iter().map(|label| label.chars().count()).max();
    let width = (longest.unwrap_or(0) as f64 * CHARACTER + 24.0).max(160.0);
    let labels: Vec<String> = labels.iter().map(|label| escaped(label, LABEL)).collect();
    let height = labels.len() as f64 * (HEIGHT + GAP) - GAP + 4.0;
    let middle = width / 2.0;
    let mut svg = format!(
        "<svg class=\"chain\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" role=\"img\" aria-labelledby=\"c{id}\">\
         <title id=\"c{id}\">What keeps it alive, from the root to what stays: {2}</title>",
        at(width),
        at(height),
        labels.join(" → "),
    );
    let last = labels.len() - 1;
    for (index, label) in labels.iter().enumerate() {
        let top = 2.0 + index as f64 * (HEIGHT + GAP);
        let class = match index {
            0 => "box root",
            index if index == last => "box end",
            _ => "box",
        };
        let class = if Some(index) == holds {
            format!("{class} holds")
        } else {
            class.to_owned()
        };
        // Round for the root, a double line for the end, plain between: forms, not colours.
        let corner = if index == 0 { HEIGHT / 2.0 } else { 3.0 };
        svg.push_str(&format!(
            "<rect class=\"{class}\" x=\"2\" y=\"{}\" width=\"{}\" height=\"{HEIGHT}\" rx=\"{corner}\"/>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
            at(top),
            at(width - 4.0),
            at(middle),
            at(top + 18.5),
        ));
        if index < last {
            svg.push_str(&format!(
                "<path class=\"arrow\" d=\"M{0} {1}V{2}\"/>",
                at(middle),
                at(top + HEIGHT),
                at(top + HEIGHT + GAP - 1.0),
            ));
        }
    }
    svg.push_str("</svg>");
    svg
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn holder(path: &[String]) -> Holder {
        let steps = json!([
            {"text": "a", "role": "unknown", "reason": ""},
            {"text": "b", "role": "holds", "reason": "it grew"},
            {"text": "c", "role": "held", "reason": ""},
        ]);
        serde_json::from_value(json!({"path": path, "text": "", "steps": steps})).unwrap()
    }

    #[test]
    fn the_one_that_holds_stands_out() {
        let names =
            |count: usize| -> Vec<String> { (0..count).map(|at| format!("edge{at}")).collect() };
        let svg = draw(&holder(&names(3)), "a");
        assert_eq!(svg.matches("box holds").count(), 1);
        assert!(
            !draw(&holder(&names(4)), "a").contains("holds"),
            "roles of another path"
        );
    }

    #[test]
    fn a_long_path_keeps_its_ends() {
        let path: Vec<String> = (0..40).map(|at| format!("edge{at}")).collect();
        let svg = draw(&holder(&path), "a");
        assert_eq!(svg.matches("<rect").count(), MOST);
        assert_eq!(svg.matches("class=\"arrow\"").count(), MOST - 1);
        assert!(svg.contains("edge0") && svg.contains("edge39") && svg.contains("29 more"));
    }

    #[test]
    fn names_are_no_markup() {
        let svg = draw(&holder(&["</text><script>x</script>".to_owned()]), "a");
        assert!(!svg.contains("<script"), "{svg}");
    }
}
