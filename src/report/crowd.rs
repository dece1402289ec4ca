//! Findings beyond the first at a terminal: a line each, by the file that they are in.

use std::{cmp::Reverse, collections::BTreeMap, io};

use super::{
    label::label,
    paragraph::paragraph,
    text::{self, number},
};
use crate::finding::Finding;

/// Columns that a line has for what is said, at least.
const LEAST: usize = 40;

/// Writes a line for each of `findings`, in the order of the files that have most of them.
pub(super) fn write(
    findings: &[&Finding],
    width: usize,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    if findings.is_empty() {
        return Ok(());
    }
    let count = number(findings.len() as f64);
    let text = "more, a line each (-v shows them in full, --report html=FILE is for a browser)";
    writeln!(out)?;
    paragraph(&count, anstyle::Style::new(), text, 4, width, out)?;
    for (file, members) in by_file(findings) {
        let name = match file {
            "" => "in no file".to_owned(),
            file => text::shortened(file, width.saturating_sub(20).max(LEAST)),
        };
        writeln!(out, "  {name} ({}):", number(members.len() as f64))?;
        for finding in members {
            writeln!(out, "    {}", line(finding, width.saturating_sub(4)))?;
        }
    }
    Ok(())
}

/// The file that a finding is in, or none.
fn file(finding: &Finding) -> &str {
    finding.sites.first().map_or("", |site| &site.file)
}

/// Findings by their file, those with most first.
fn by_file<'a>(findings: &[&'a Finding]) -> Vec<(&'a str, Vec<&'a Finding>)> {
    let mut files: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        files.entry(file(finding)).or_default().push(finding);
    }
    let mut files: Vec<_> = files.into_iter().collect();
    files.sort_by_key(|(_, members)| Reverse(members.len()));
    files
}

/// `leak[LK101] :52 app.mod02.REGISTRY_07: 1 Order (200 B) stays after each iteration`
fn line(finding: &Finding, width: usize) -> String {
    let site = finding.sites.first();
    let line = site.map_or_else(String::new, |site| format!(" :{}", site.line));
    let holder = finding.holder.as_ref().map(|holder| &holder.name);
    let name = holder.or(site.map(|site| &site.function));
    let name = name.map_or_else(String::new, |name| {
        format!("{}: ", text::shortened(name, LEAST))
    });
    // What comes after it says who holds it and where, and stands here already.
    let what = finding.summary.split(", ").next().unwrap_or_default();
    let first = format!("{}{line} {name}", label(finding));
    let room = width.saturating_sub(first.chars().count()).max(LEAST / 2);
    format!("{first}{}", text::shortened(what, room))
}
