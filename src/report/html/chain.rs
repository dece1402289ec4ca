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
/// Between boxes beside the path, and from the path to them.
const NARROW: f64 = 6.0;
const AISLE: f64 = 40.0;
/// Characters of a box beside the path.
const WIDE_LABEL: usize = 70;

/// What an object of the path refers to besides the next one, drawn beside it.
#[derive(Debug, Clone, Default)]
pub struct Beside {
    /// Which object of the path.
    pub at: usize,
    /// What it refers to: a text, and whether any of it is new.
    pub entries: Vec<(String, bool)>,
}

/// One box of the path.
struct Link<'a> {
    label: String,
    class: &'static str,
    holds: bool,
    top: f64,
    beside: Option<&'a Beside>,
}

/// The drawing of a path alone; `id` is unique in the page.
pub fn draw(holder: &Holder, id: &str) -> String {
    draw_with(holder, &[], id)
}

/// The drawing of a path, and beside it what its objects refer to.
pub fn draw_with(holder: &Holder, beside: &[Beside], id: &str) -> String {
    let links = links(holder, beside);
    let wide = |labels: &mut dyn Iterator<Item = &str>| {
        let longest = labels.map(|label| label.chars().count()).max().unwrap_or(0);
        (longest as f64 * CHARACTER + 24.0).max(160.0)
    };
    let left = wide(&mut links.iter().map(|link| link.label.as_str()));
    let shown: Vec<&Beside> = links.iter().filter_map(|link| link.beside).collect();
    let entries = shown.iter().flat_map(|beside| &beside.entries);
    let right = wide(&mut entries.map(|(label, _)| label.as_str()));
    let width = if shown.is_empty() {
        left
    } else {
        left + AISLE + right
    };
    let height = links.iter().map(bottom).fold(0.0, f64::max) + 4.0;
    let middle = left / 2.0;
    let path: Vec<String> = links
        .iter()
        .map(|link| escaped(&link.label, LABEL))
        .collect();
    let mut svg = format!(
        "<svg class=\"chain\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" role=\"img\" aria-labelledby=\"c{id} d{id}\">\
         <title id=\"c{id}\">What keeps it alive, from the root to what stays: {2}</title><desc id=\"d{id}\">{3}</desc>",
        at(width),
        at(height),
        path.join(" → "),
        described(&links),
    );
    for (index, link) in links.iter().enumerate() {
        let class = if link.holds {
            format!("{} holds", link.class)
        } else {
            link.class.to_owned()
        };
        // Round for the root, dashed for what was born in the window, plain between: forms, not colours.
        let corner = if index == 0 { HEIGHT / 2.0 } else { 3.0 };
        svg.push_str(&format!(
            "<rect class=\"{class}\" x=\"2\" y=\"{}\" width=\"{}\" height=\"{HEIGHT}\" rx=\"{corner}\"/>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            at(link.top),
            at(left - 4.0),
            at(middle),
            at(link.top + 18.5),
            path[index],
        ));
        if let Some(next) = links.get(index + 1) {
            svg.push_str(&format!(
                "<path class=\"arrow\" d=\"M{0} {1}V{2}\"/>",
                at(middle),
                at(link.top + HEIGHT),
                at(next.top - 1.0),
            ));
        }
        for (row, (label, new)) in link.beside.iter().flat_map(|b| &b.entries).enumerate() {
            let top = link.top + row as f64 * (HEIGHT + NARROW);
            svg.push_str(&format!(
                "<path class=\"arrow\" d=\"M{0} {1}H{2}V{3}H{4}\"/>\
                 <rect class=\"box{5}\" x=\"{6}\" y=\"{7}\" width=\"{8}\" height=\"{HEIGHT}\" rx=\"3\"/>\
                 <text x=\"{9}\" y=\"{10}\">{11}</text>",
                at(left - 2.0),
                at(link.top + HEIGHT / 2.0),
                at(left + AISLE / 2.0 - 4.0),
                at(top + HEIGHT / 2.0),
                at(left + AISLE - 1.0),
                if *new { " end" } else { "" },
                at(left + AISLE),
                at(top),
                at(right - 2.0),
                at(left + AISLE + 10.0),
                at(top + 18.5),
                escaped(label, WIDE_LABEL),
            ));
        }
    }
    svg.push_str("</svg>");
    svg
}

/// The boxes of a path from top to bottom. Of a long one the ends say most.
fn links<'a>(holder: &Holder, beside: &'a [Beside]) -> Vec<Link<'a>> {
    let path = &holder.path;
    // Where each object has its role, the one that should have let go stands out: the last that holds, since the root
    // does as well.
    let holds = holder
        .steps
        .iter()
        .rposition(|step| step.role == Role::Holds)
        .filter(|_| holder.steps.len() == path.len() && path.len() <= MOST);
    let held = |place: usize| {
        let step = holder.steps.get(place);
        holder.steps.len() == path.len() && step.is_some_and(|step| step.role == Role::Held)
    };
    let mut labels: Vec<(Option<usize>, String)> = path
        .iter()
        .enumerate()
        .map(|(place, edge)| (Some(place), shortened(edge, LABEL)))
        .collect();
    if labels.len() > MOST {
        let hidden = labels.len() - (MOST - 1);
        let gap = (None, format!("… {hidden} more …"));
        labels.splice(MOST / 2..MOST / 2 + hidden, [gap]);
    }
    let last = labels.len().saturating_sub(1);
    let mut top = 2.0;
    let mut free = 0.0;
    let mut links = Vec::new();
    for (index, (place, label)) in labels.into_iter().enumerate() {
        let beside = beside
            .iter()
            .find(|beside| Some(beside.at) == place && !beside.entries.is_empty());
        if beside.is_some() {
            // What stands beside one must not stand beside the next as well.
            top = f64::max(top, free);
        }
        let link = Link {
            label,
            class: match index {
                0 => "box root",
                index if index == last || place.is_some_and(&held) => "box end",
                _ => "box",
            },
            holds: place.is_some() && place == holds,
            top,
            beside,
        };
        top += HEIGHT + GAP;
        if beside.is_some() {
            free = bottom(&link) + GAP;
        }
        links.push(link);
    }
    links
}

/// Where a box, and what stands beside it, ends.
fn bottom(link: &Link<'_>) -> f64 {
    let rows = link.beside.map_or(1, |beside| beside.entries.len().max(1));
    link.top + rows as f64 * (HEIGHT + NARROW) - NARROW
}

/// What stands beside the path in a sentence, for those who hear it.
fn described(links: &[Link<'_>]) -> String {
    let parts: Vec<String> = links
        .iter()
        .filter_map(|link| {
            let entries: Vec<String> = link
                .beside?
                .entries
                .iter()
                .map(|(label, _)| escaped(label, WIDE_LABEL))
                .collect();
            Some(format!(
                "{} refers to {}",
                escaped(&link.label, LABEL),
                entries.join("; ")
            ))
        })
        .collect();
    parts.join(". ")
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
    fn what_an_object_refers_to_stands_beside_it_and_not_beside_the_next() {
        let names: Vec<String> = (0..3).map(|at| format!("edge{at}")).collect();
        let beside = |at, count: usize| Beside {
            at,
            entries: (0..count)
                .map(|row| (format!("<{at}.{row}>"), row == 0))
                .collect(),
        };
        let holder = holder(&names);
        let sides = [beside(1, 3), beside(2, 2)];
        let links = links(&holder, &sides);
        assert!(links[2].top >= bottom(&links[1]), "they overlap");
        let svg = draw_with(&holder, &sides, "a");
        assert_eq!(svg.matches("<rect").count(), 3 + 3 + 2);
        assert_eq!(svg.matches("class=\"arrow\"").count(), 2 + 3 + 2);
        assert!(svg.contains("edge1 refers to &lt;1.0&gt;; &lt;1.1&gt;"));
        assert!(!svg.contains("<1."), "{svg}");
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
