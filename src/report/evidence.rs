//! The line that says why a run is no evidence: how many tests were judged, and what became of the others.

use std::collections::BTreeMap;

use super::{Merged, Report, text};
use crate::verdict::{TestResult, Verdict, rule::Rule};

/// Reasons of one verdict that are named, and characters of each.
const NAMED: usize = 2;
const LONGEST: usize = 80;

/// `12 of 40 tests that ran were judged, 30 %, and min_judged asks for 90 %: 20 unrepeatable (18: failed in iteration 2), …`;
/// nothing where enough were judged. Before it, which shards are missing.
pub fn lack(report: &Report) -> Option<String> {
    let missing = report.merged.as_ref().and_then(Merged::lack);
    match (missing, too_few(report)) {
        (Some(missing), Some(few)) => Some(format!("{missing}; {few}")),
        (missing, few) => missing.or(few),
    }
}

/// What would have most of those judged that were not: what the rule of the most frequent kind advises.
pub fn way_out(report: &Report) -> Option<&'static str> {
    let mut counted: BTreeMap<Rule, usize> = BTreeMap::new();
    let unjudged = ran(report).filter(|test| !test.verdict.is_judged());
    for rule in unjudged.filter_map(|test| test.rule) {
        *counted.entry(rule).or_default() += 1;
    }
    let (rule, _) = counted
        .into_iter()
        .max_by_key(|(rule, count)| (*count, std::cmp::Reverse(*rule)))?;
    Some(rule.action())
}

/// The tests that count: skipped ones did not run, and failed ones have an exit code of their own.
fn ran(report: &Report) -> impl Iterator<Item = &TestResult> {
    let counts = |test: &&TestResult| !matches!(test.verdict, Verdict::Skipped | Verdict::Failed);
    report.tests.iter().filter(counts)
}

fn too_few(report: &Report) -> Option<String> {
    if report.judged >= report.min_judged {
        return None;
    }
    let ran: Vec<_> = ran(report).collect();
    let judged = ran.iter().filter(|test| test.verdict.is_judged()).count();
    let asked = report.min_judged * 100.0;
    if ran.is_empty() {
        let of = |verdict| report.count(verdict);
        return Some(format!(
            "no test ran and passed ({} skipped, {} failed), and min_judged asks for {asked:.0} %",
            of(Verdict::Skipped),
            of(Verdict::Failed)
        ));
    }
    let mut parts = Vec::new();
    for verdict in Verdict::ALL {
        let reasons: Vec<String> = ran
            .iter()
            .filter(|test| test.verdict == verdict && !verdict.is_judged())
            .map(|test| gist(test.reason.as_deref().unwrap_or_default()))
            .collect();
        if !reasons.is_empty() {
            parts.push(part(verdict, &reasons));
        }
    }
    Some(format!(
        "{judged} of {} tests that ran were judged, {:.0} %, and min_judged asks for {asked:.0} %: {}",
        ran.len(),
        // Rounding up to what was asked for would contradict itself.
        (report.judged * 100.0).floor(),
        parts.join(", ")
    ))
}

fn part(verdict: Verdict, reasons: &[String]) -> String {
    let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in reasons {
        *counted.entry(reason).or_default() += 1;
    }
    let mut common: Vec<(&str, usize)> = counted
        .into_iter()
        .filter(|(reason, count)| !reason.is_empty() && (*count > 1 || reasons.len() == 1))
        .collect();
    common.sort_by_key(|(reason, count)| (std::cmp::Reverse(*count), *reason));
    let named: Vec<String> = common
        .iter()
        .take(NAMED)
        .map(|(reason, count)| {
            if *count == reasons.len() {
                (*reason).to_owned()
            } else {
                format!("{count}: {reason}")
            }
        })
        .collect();
    let named = if named.is_empty() {
        String::new()
    } else {
        format!(" ({})", named.join("; "))
    };
    format!("{} {}{named}", reasons.len(), verdict.word())
}

/// What a reason has in common with those of other tests: its beginning, up to the message of one test.
fn gist(reason: &str) -> String {
    let line = reason.lines().next().unwrap_or_default();
    let start = line.split([':', ';', '(']).next().unwrap_or_default();
    text::shortened(start.trim(), LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_counted_by_what_they_have_in_common() {
        let reasons = |all: &[&str]| all.iter().map(|one| gist(one)).collect::<Vec<_>>();
        let some = reasons(&[
            "failed in iteration 2: a",
            "failed in iteration 2: b",
            "failed in iteration 3: c",
            "skipped in iteration 2: d",
        ]);
        assert_eq!(
            part(Verdict::Unrepeatable, &some),
            "4 unrepeatable (2: failed in iteration 2)"
        );
        let all = reasons(&["the budget was spent (a)", "the budget was spent (b)"]);
        assert_eq!(
            part(Verdict::Undecided, &all),
            "2 undecided (the budget was spent)"
        );
        assert_eq!(
            part(Verdict::Crashed, &reasons(&["by \u{1b}[2J"])),
            "1 crashed (by \\u{1b}[2J)"
        );
        assert_eq!(part(Verdict::Crashed, &reasons(&["a", "b"])), "2 crashed");
    }
}
