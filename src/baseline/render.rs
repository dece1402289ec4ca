//! The part of a snapshot that a reviewer reads. It is made of the front matter alone, so that it can be made again.

use super::{
    acceptance::Acceptance,
    rates::Figures,
    snapshot::{Snapshot, Whole},
};
use crate::{config::text, explain::pages};

/// The finding as text, safe to print.
pub fn snapshot(of: &Snapshot) -> String {
    let mut lines = vec![format!(
        "leak[{}] {}",
        text::escape(&of.code),
        text::escape(&of.subject())
    )];
    if let Some(what) = &of.what {
        lines.push(format!("  {}", text::escape(what)));
    }
    if let Some(site) = &of.site {
        lines.push(format!(
            "  allocated in {} ({})",
            text::escape(&site.function),
            text::escape(&site.file)
        ));
        if let Some(source) = &site.source {
            lines.push(format!("    {}", text::escape(source)));
        }
    }
    for site in &of.also {
        lines.push(format!(
            "  and in {} ({})",
            text::escape(&site.function),
            text::escape(&site.file)
        ));
    }
    if let Some(holder) = &of.holder {
        lines.push(format!("  retained by {}", text::escape(holder)));
    }
    if !of.types.is_empty() {
        let types: Vec<String> = of.types.iter().map(|name| text::escape(name)).collect();
        lines.push(format!("  of type {}", types.join(", ")));
    }
    for rates in &of.rates {
        let builds: Vec<String> = rates.python.iter().map(|name| text::escape(name)).collect();
        let on = if builds.is_empty() {
            String::new()
        } else {
            format!(" on Python {}", builds.join(", "))
        };
        lines.push(format!("  each iteration{on}: {}", figures(&rates.figures)));
    }
    if let Some(package) = &of.package {
        lines.push(format!(
            "  in the package {} {}",
            text::escape(&package.name),
            text::escape(&package.version)
        ));
    }
    for test in &of.tests {
        lines.push(format!("  seen in {}", text::escape(test)));
    }
    if of.more_tests {
        lines.push("  seen in more tests".to_owned());
    }
    acceptance(&of.accepted, &mut lines);
    if let Some(advice) = pages::fix(&of.code) {
        lines.push(format!("  fix: {advice}"));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// A whole package as text.
pub fn whole(of: &Whole) -> String {
    let mut lines = vec![format!(
        "every leak of {} {}, and of no other version",
        text::escape(&of.accepts.name),
        text::escape(&of.accepts.version)
    )];
    acceptance(&of.accepted, &mut lines);
    lines.push(String::new());
    lines.join("\n")
}

fn acceptance(of: &Acceptance, lines: &mut Vec<String>) {
    if let Some(reason) = &of.reason {
        lines.push(format!("  accepted: {}", text::escape(reason)));
    }
    if let Some(until) = of.until {
        lines.push(format!("  accepted until {until}"));
    }
    if let Some(issue) = &of.issue {
        lines.push(format!("  see {}", text::escape(issue)));
    }
}

fn figures(of: &Figures) -> String {
    let parts: Vec<String> = of
        .iter()
        .filter(|(_, figure)| figure.0 > 0.0)
        .map(|(counter, figure)| format!("+{figure} {}", text::escape(counter)))
        .collect();
    parts.join(", ")
}
