//! The source lines around a site, made safe, each with what it leaves behind.

use crate::finding::{Finding, Kind, Site};

use super::text;

/// Columns of a source line that are shown.
const WIDEST: usize = 400;

/// One line of an excerpt.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// From 1.
    pub number: u32,
    /// Made safe.
    pub text: String,
    /// Allocations and bytes that this line leaves behind per iteration.
    pub growth: Option<(f64, f64)>,
}

/// The lines around `site`. A line on which other sites of the finding lie shows what those leave.
pub fn lines(finding: &Finding, site: &Site) -> Vec<Line> {
    let (first, source) = match (&site.excerpt, &site.source) {
        (Some(excerpt), _) => (excerpt.first, excerpt.text.as_str()),
        (None, Some(source)) => (site.line, source.as_str()),
        (None, None) => return Vec::new(),
    };
    let mut lines: Vec<Line> = source
        .split('\n')
        .zip(first..)
        .map(|(line, number)| {
            let here: Vec<&Site> = finding
                .sites
                .iter()
                .filter(|other| other.file == site.file && other.line == number)
                .collect();
            let total = |of: fn(&Site) -> f64| here.iter().map(|site| of(site)).sum::<f64>();
            let clipped: String = line.chars().take(WIDEST).collect();
            Line {
                number,
                text: text::shown(clipped.trim_end()),
                growth: (!here.is_empty())
                    .then(|| (total(|site| site.count), total(|site| site.bytes))),
            }
        })
        .collect();
    // Empty lines around the code show nothing.
    let is_empty = |line: &Line| line.text.trim().is_empty();
    while lines.last().is_some_and(is_empty) {
        lines.pop();
    }
    let begin = lines.iter().take_while(|line| is_empty(line)).count();
    lines.split_off(begin)
}

/// What is said beside a line: `2 blocks, 412 B stay per iteration`.
pub fn staying(kind: Kind, count: f64, bytes: f64) -> String {
    if kind == Kind::Cycle {
        format!("in a cycle that keeps {}", text::bytes(bytes))
    } else if is_place_only(count, bytes) {
        amount(count, bytes)
    } else {
        format!("{} stay per iteration", amount(count, bytes))
    }
}

/// What the way that a finding shows is called.
pub fn held(finding: &Finding) -> &'static str {
    if finding.kind == Kind::Cycle {
        "cycle"
    } else {
        "retained by"
    }
}

/// The same at the beginning of a sentence.
pub fn held_by(finding: &Finding) -> &'static str {
    if finding.kind == Kind::Cycle {
        "The cycle is"
    } else {
        "Retained by"
    }
}

/// A place known from the objects themselves: their memory came from a free list, and nothing was counted for it.
fn is_place_only(count: f64, bytes: f64) -> bool {
    count <= 0.0 && bytes <= 0.0
}

/// The descriptors, threads, tasks or child processes that stay: the first few, and how many more were seen.
pub fn resources(finding: &Finding) -> String {
    const SHOWN: usize = 3;
    const LONGEST: usize = 200;
    let mut found: Vec<String> = finding
        .resources
        .iter()
        .take(SHOWN)
        .map(|resource| text::shortened(resource, LONGEST))
        .collect();
    if finding.resources.len() > SHOWN {
        found.push(format!("{} more", finding.resources.len() - SHOWN));
    }
    found.join("; ")
}

/// The C functions of a crash or of an allocation, innermost first, and what stays of the latter.
pub fn c_stack(finding: &Finding) -> String {
    const LONGEST: usize = 120;
    let chunks = finding.native.as_ref().and_then(|native| native.chunks);
    let chunks = chunks.filter(|chunks| chunks.count > 0.0);
    let chunks = chunks.map_or_else(String::new, |chunks| {
        let each = text::bytes(chunks.bytes / chunks.count);
        if (chunks.count - 1.0).abs() < 1e-9 {
            format!(" (1 chunk of {each} per iteration)")
        } else {
            format!(
                " ({} chunks of {each} per iteration)",
                text::number(chunks.count)
            )
        }
    });
    let frames: Vec<String> = finding
        .c_stack
        .iter()
        .map(|frame| text::shortened(frame, LONGEST))
        .collect();
    frames.join(" < ") + &chunks
}

/// `2 blocks, 412 B`.
pub fn amount(count: f64, bytes: f64) -> String {
    if is_place_only(count, bytes) {
        return "made here".to_owned();
    }
    let size = text::bytes(bytes);
    if count <= 0.0 {
        size
    } else if (count - 1.0).abs() < 1e-9 {
        format!("1 block, {size}")
    } else {
        format!("{} blocks, {size}", text::number(count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_counted_is_a_place_only() {
        let stays = |count, bytes| staying(Kind::Python, count, bytes);
        assert_eq!(stays(2.0, 412.0), "2 blocks, 412 B stay per iteration");
        assert_eq!(stays(0.0, 64.0), "64 B stay per iteration");
        assert_eq!(stays(0.0, 0.0), "made here");
        assert_eq!(
            staying(Kind::Cycle, 4.0, 412.0),
            "in a cycle that keeps 412 B"
        );
    }
}
