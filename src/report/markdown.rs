//! Markdown: the comment on a pull request, and the summary of a CI job.
//!
//! Text of the project stands in code spans and code blocks only: nothing in them is markup, a link, a mention or an
//! issue number, and no escaping of single characters keeps GitHub from making mentions.

use std::io;

use super::{
    Report, Standing, address, diff, growth, is_accepted, place, plain, snapshots, source, spark,
    text::{brief, counted, number, shortened},
};
use crate::{
    finding::{Finding, Status},
    verdict::Verdict,
};

/// The first line of a comment, by which the next run finds it and puts its own in its place.
pub const MARKER: &str = "<!-- leakcheck-report -->";

/// Bytes of a comment: GitHub takes 65,536 characters.
const COMMENT: usize = 60_000;
/// Bytes of a job summary: GitHub takes 1 MiB of a step and shows nothing of a longer one.
const SUMMARY: usize = 1_000_000;
/// Rows of a table, tests of a finding, lines of a list.
const ROWS: usize = 50;
const TESTS: usize = 20;
/// Bars of a curve in a table.
const BARS: usize = 12;

/// Writes the comment: the same for the same findings, in whatever order they were found.
pub fn comment(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    out.write_all(document(report, Some(MARKER), None, COMMENT).as_bytes())
}

/// Writes the summary of a job; `artefacts` is where its files can be had.
pub fn summary(
    report: &Report,
    artefacts: Option<&str>,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    out.write_all(document(report, None, artefacts, SUMMARY).as_bytes())
}

fn document(report: &Report, marker: Option<&str>, link: Option<&str>, most: usize) -> String {
    let mut text = String::new();
    if let Some(marker) = marker {
        text.push_str(&format!("{marker}\n"));
    }
    let mark = match (report.failing().count(), report.exit_code.number()) {
        (0, 0) => "✅",
        (0, _) => "⚠️",
        _ => "❌",
    };
    text.push_str(&format!("### {mark} leakcheck: {}\n\n", report.headline()));
    let rest: Vec<String> = report
        .other_verdicts()
        .map(|(verdict, count)| format!("{} {}", number(count as f64), verdict.word()))
        .collect();
    text.push_str(&format!(
        "{}{}exit code {}\n\n",
        rest.join(" · "),
        if rest.is_empty() { "" } else { " · " },
        report.exit_code.number()
    ));
    let mut findings: Vec<&Finding> = report.standing(Standing::Present).collect();
    findings.sort_by_key(|finding| {
        (
            !finding.fails,
            finding.status,
            &finding.code,
            &finding.fingerprint,
        )
    });
    text.push_str(&table(report, &findings));
    // The details may be cut, what comes after them may not.
    let end = ending(report, link);
    let mut left = findings.len();
    for finding in &findings {
        let part = details(report, finding);
        if text.len() + part.len() + end.len() + 200 > most {
            break;
        }
        text.push_str(&part);
        left -= 1;
    }
    if left > 0 {
        text.push_str(&format!(
            "_Details of {} are left out here; the JSON and HTML reports have them._\n\n",
            counted(left, "finding")
        ));
    }
    text.push_str(&end);
    text
}

fn table(report: &Report, findings: &[&Finding]) -> String {
    if findings.is_empty() {
        return String::new();
    }
    let mut text = "| status | code | what | where | growth per iteration | curve | tests |\n\
                    |---|---|---|---|---|---|---:|\n"
        .to_owned();
    for finding in findings.iter().take(ROWS) {
        let place = place::to_change(finding, report).map_or_else(String::new, |place| {
            cell(&format!("{}:{}", place::shown(&place.path), place.line))
        });
        let rate = growth::main_rate(finding).map_or_else(String::new, |(name, rate)| {
            cell(&growth::with_interval(&shortened(name, 40), &rate))
        });
        let curve = growth::main_curve(finding).map_or_else(String::new, |curve| {
            cell(&spark::line(&curve.readings, BARS))
        });
        text.push_str(&format!(
            "| {} | {} | {} | {place} | {rate} | {curve} | {} |\n",
            status(finding),
            cell(&shortened(&finding.code, 20)),
            plain::kind_name(finding.kind),
            finding.tests.len()
        ));
    }
    if findings.len() > ROWS {
        text.push_str(&format!(
            "\n_and {} more_\n",
            counted(findings.len() - ROWS, "finding")
        ));
    }
    text.push('\n');
    text
}

/// A word and a sign: neither needs colour.
fn status(finding: &Finding) -> &'static str {
    match finding.status {
        Status::New => "🆕 new",
        Status::Worse => "📈 worse",
        Status::Known => "✔️ known",
        Status::Better => "📉 better",
        Status::Fixed => "🎉 fixed",
    }
}

fn details(report: &Report, finding: &Finding) -> String {
    let open = if finding.fails { " open" } else { "" };
    let mut text = format!(
        "<details{open}><summary><code>{}</code> {}</summary>\n\n",
        html(&shortened(&finding.code, 20)),
        // A summary is HTML, in which Markdown is not looked for.
        format_args!("<code>{}</code>", html(&brief(&finding.summary)))
    );
    if let Some(holder) = &finding.holder {
        text.push_str(&format!(
            "**{}** {}\n\n",
            source::held_by(finding),
            code(&shortened(&holder.text, 600))
        ));
    }
    if !finding.resources.is_empty() {
        text.push_str(&format!(
            "**Which** {}\n\n",
            code(&source::resources(finding))
        ));
    }
    if !finding.c_stack.is_empty() {
        text.push_str(&format!(
            "**C stack** {}\n\n",
            code(&source::c_stack(finding))
        ));
    }
    if let Some(site) = finding.sites.first() {
        let lines: Vec<String> = source::lines(finding, site)
            .into_iter()
            .map(|line| {
                let mark = line.growth.map_or_else(String::new, |(count, bytes)| {
                    format!("   # {}", source::staying(finding.kind, count, bytes))
                });
                let arrow = if line.growth.is_some() { ">" } else { " " };
                format!("{arrow} {:>5} | {}{mark}", line.number, line.text)
            })
            .collect();
        if !lines.is_empty() {
            text.push_str(&block(&lines.join("\n")));
        }
    }
    if let Some(accepted) = &finding.accepted {
        let terms = snapshots::terms(accepted)
            .map_or_else(String::new, |terms| format!(": {}", code(&terms)));
        let expired = if accepted.expired {
            ", **which has run out**"
        } else {
            ""
        };
        text.push_str(&format!(
            "Accepted in {}{terms}{expired}\n\n",
            code(&shortened(&accepted.file, 200))
        ));
        if let Some(change) = &accepted.change {
            let lines: Vec<String> = diff::lines(&change.before, &change.after)
                .into_iter()
                .map(|(sign, line)| format!("{} {line}", sign.mark()))
                .collect();
            text.push_str(&block(&lines.join("\n")));
        }
    }
    let mut items = Vec::new();
    if let Some(rates) = growth::rates(finding) {
        items.push(format!("growth: {}", code(&rates)));
    }
    if let Some(so) = growth::comes_to(finding, &report.environment) {
        items.push(so);
    }
    for curve in finding.curves.iter().filter(|curve| curve.rate.is_some()) {
        items.push(format!(
            "{}: {}",
            curve.counter.name(),
            code(&spark::captioned(&curve.readings, 32))
        ));
    }
    if !finding.types.is_empty() {
        let types: Vec<String> = finding
            .types
            .iter()
            .take(6)
            .map(|of| format!("{} ×{}", code(&shortened(&of.name, 120)), number(of.count)))
            .collect();
        items.push(format!("types: {}", types.join(", ")));
    }
    items.push(format!("fix: {}", code(&shortened(&finding.advice, 600))));
    if let Some(address) = address::of_code(report.environment.docs, &finding.code) {
        // Made of this build's own address and a code that it knows: nothing of it is the project's.
        items.push(format!("more: <{address}>"));
    }
    items.push(format!(
        "id: {}",
        code(&shortened(&finding.fingerprint, 80))
    ));
    for item in items {
        text.push_str(&format!("- {item}\n"));
    }
    text.push('\n');
    let mut tests: Vec<&String> = finding.tests.iter().collect();
    tests.sort_unstable();
    let mut lines: Vec<String> = tests
        .iter()
        .take(TESTS)
        .map(|id| shortened(id, 300))
        .collect();
    if tests.len() > TESTS {
        lines.push(format!("and {} more", tests.len() - TESTS));
    }
    text.push_str(&block(&lines.join("\n")));
    text.push_str("</details>\n\n");
    text
}

fn ending(report: &Report, link: Option<&str>) -> String {
    let mut text = String::new();
    let accepted = report
        .standing(Standing::Present)
        .filter(|finding| is_accepted(finding))
        .count();
    let gone: Vec<&Finding> = report.standing(Standing::Gone).collect();
    if accepted > 0 || !gone.is_empty() {
        text.push_str(&format!(
            "**Snapshots:** {accepted} accepted and still there, {} fixed.\n\n",
            gone.len()
        ));
        for finding in gone.iter().take(TESTS) {
            text.push_str(&format!("- fixed: {}\n", code(&brief(&finding.summary))));
        }
        if !gone.is_empty() {
            text.push('\n');
        }
    }
    if let Some(retained) = report.retained.text() {
        let line = format!(
            "**Retained:** the whole suite, run once, holds {}.\n\n",
            code(&retained)
        );
        text.push_str(&line);
    }
    let discounted: Vec<&Finding> = report.standing(Standing::Discounted).collect();
    if !discounted.is_empty() {
        text.push_str(&format!(
            "<details><summary>{} grew and {} no leak</summary>\n\n",
            counted(discounted.len(), "thing"),
            if discounted.len() == 1 { "is" } else { "are" }
        ));
        for finding in discounted.iter().take(TESTS) {
            text.push_str(&format!(
                "- {}: {}\n",
                finding.verdict.word(),
                code(&brief(&finding.summary))
            ));
        }
        text.push_str("\n</details>\n\n");
    }
    let unjudged: Vec<_> = report
        .tests
        .iter()
        .filter(|test| !test.verdict.is_judged() && test.verdict != Verdict::Skipped)
        .collect();
    if !unjudged.is_empty() {
        text.push_str(&format!(
            "<details><summary>{} could not be judged</summary>\n\n",
            counted(unjudged.len(), "test")
        ));
        let mut lines: Vec<String> = unjudged
            .iter()
            .take(TESTS)
            .map(|test| {
                let reason = test.reason.as_deref().unwrap_or_default();
                let first = reason.lines().next().unwrap_or_default();
                format!(
                    "{}: {}: {}",
                    test.verdict.word(),
                    shortened(&test.id, 300),
                    brief(first)
                )
            })
            .collect();
        if unjudged.len() > TESTS {
            lines.push(format!("and {} more", unjudged.len() - TESTS));
        }
        text.push_str(&block(&lines.join("\n")));
        text.push_str("</details>\n\n");
    }
    for error in report.errors.iter().take(TESTS) {
        text.push_str(&format!(
            "- error: {}\n",
            code(&format!(
                "{}: {}",
                brief(&error.place),
                plain::ends(&error.message)
            ))
        ));
    }
    if let Some(link) = link {
        text.push_str(&format!("\n[All reports of this run]({link})\n"));
    }
    let environment = &report.environment;
    let made = format!(
        "leakcheck {}, {} {}, {} {}",
        report.version,
        environment.implementation,
        environment.python,
        environment.runner,
        environment.runner_version
    );
    text.push_str(&format!("\n{}\n", code(&brief(&made))));
    text
}

/// A code span: its fence is longer than any run of backticks in it.
pub fn code(text: &str) -> String {
    let fence = "`".repeat(longest_run(text) + 1);
    let pad = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) || text.is_empty() {
        " "
    } else {
        ""
    };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// A code span in a cell of a table, where a bar would end the cell.
fn cell(text: &str) -> String {
    code(text).replace('|', "\\|")
}

/// A fenced block of code.
fn block(text: &str) -> String {
    let fence = "`".repeat(longest_run(text).max(2) + 1);
    format!("{fence}text\n{text}\n{fence}\n\n")
}

fn longest_run(text: &str) -> usize {
    text.split(|character| character != '`')
        .map(str::len)
        .max()
        .unwrap_or(0)
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_span_cannot_be_left() {
        assert_eq!(code("a`b``c"), "```a`b``c```");
        assert_eq!(code("`a`"), "`` `a` ``");
        assert_eq!(cell("a|b"), "`a\\|b`");
        assert_eq!(block("```\nx"), "````text\n```\nx\n````\n\n");
    }
}
