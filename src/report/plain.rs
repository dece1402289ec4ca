//! The report for a person at a terminal: the summary first and last, and between them each finding with its source.

use std::io;

use annotate_snippets::{AnnotationKind, Group, Level as Severity, Renderer, Snippet};
use anstyle::{AnsiColor, Style as Paint};

use super::{
    Detail, Report, Standing, Style, address, crowd, evidence, growth, is_accepted,
    label::{is_apart, label},
    paragraph::paragraph,
    snapshots, source, spark,
    text::{self, brief, number},
};
use crate::{
    finding::{Finding, Kind, Level, Status, TypeGrowth},
    verdict::{TestResult, Verdict},
};

/// Tests named under a finding, and tests of one verdict that are listed.
const TESTS_SHOWN: usize = 5;
const LISTED: usize = 20;
/// Tests that are named though nobody asked for all: enough to see what an exit code is about.
const FEW: usize = 5;
/// Findings that are shown with their source, unless all is asked for.
const IN_FULL: usize = 20;
/// Further places and types of a finding that are shown.
const PLACES_SHOWN: usize = 4;
/// Bars of a curve.
const BARS: usize = 24;
/// Longer paragraphs than this are hard to read however wide the terminal is.
const WIDEST: usize = 160;

const RED: Paint = AnsiColor::Red.on_default().bold();
const GREEN: Paint = AnsiColor::Green.on_default().bold();
const YELLOW: Paint = AnsiColor::Yellow.on_default().bold();
const DIM: Paint = Paint::new().dimmed();

/// Writes the report.
pub fn write(report: &Report, style: Style, out: &mut dyn io::Write) -> io::Result<()> {
    let width = style.width.min(WIDEST);
    headline(report, width, out)?;
    if style.detail == Detail::Quiet {
        for finding in report.failing() {
            title(finding, width, out)?;
        }
        return Ok(());
    }
    // What is as accepted has a line in the list of snapshots.
    let verbose = style.detail == Detail::Verbose;
    let shown: Vec<&Finding> = report
        .standing(Standing::Present)
        .filter(|finding| !is_accepted(finding) || finding.fails || verbose)
        .collect();
    let most = if verbose { shown.len() } else { IN_FULL };
    let (first, rest) = shown.split_at(most.min(shown.len()));
    for (at, finding) in first.iter().enumerate() {
        writeln!(out)?;
        write_finding(report, finding, &first[..at], style.detail, width, out)?;
        snapshots::beside(finding, width, out)?;
    }
    crowd::write(rest, width, out)?;
    if style.detail == Detail::Verbose {
        discounted(report, width, out)?;
    }
    unjudged(report, style, width, out)?;
    troubles(report, width, out)?;
    snapshots::write(report, width, out)?;
    if !shown.is_empty() {
        writeln!(out)?;
        headline(report, width, out)?;
    }
    Ok(())
}

/// One line that says it all, or two where the terminal is narrow.
fn headline(report: &Report, width: usize, out: &mut dyn io::Write) -> io::Result<()> {
    let failing = report.failing().count();
    let paint = match (failing, report.exit_code.number()) {
        (0, 0) => GREEN,
        (0, _) => YELLOW,
        _ => RED,
    };
    let mut parts = vec![report.headline()];
    parts.extend(
        report
            .other_verdicts()
            .map(|(verdict, count)| format!("{} {}", number(count as f64), verdict.word())),
    );
    parts.extend(warnings(report));
    if !report.errors.is_empty() {
        parts.push(text::counted(report.errors.len(), "error"));
    }
    let text = format!(
        "{} ({:.1} s, exit {})",
        parts.join(" · "),
        report.seconds(),
        report.exit_code.number()
    );
    paragraph("leakcheck:", paint, &text, 4, width, out)
}

/// What was found and fails nothing: cycles, those of packages too, and leaks that are not the project's.
fn warnings(report: &Report) -> Vec<String> {
    let all = |one: &&Finding| !one.fails && one.status != Status::Fixed && !is_accepted(one);
    let (apart, others): (Vec<&Finding>, Vec<&Finding>) = { report.findings.iter() }
        .filter(all)
        .partition(|one| is_apart(one));
    let mut parts = Vec::new();
    for kind in Kind::ALL {
        let found: Vec<&&Finding> = apart.iter().filter(|one| one.kind == kind).collect();
        let packages = { found.iter() }
            .filter(|one| one.level == Level::Note)
            .count();
        if found.is_empty() {
            continue;
        }
        let of_packages = match packages {
            0 => String::new(),
            all if all == found.len() => " in packages".to_owned(),
            some => format!(", {some} in packages"),
        };
        let counted = text::counted(found.len(), kind.facts().label);
        parts.push(format!("{counted}{of_packages}"));
    }
    let warned = { others.iter() }
        .filter(|one| one.level == Level::Warning)
        .count();
    if warned > 0 {
        parts.push(format!("{} not yours", text::counted(warned, "leak")));
    }
    parts
}

fn title(finding: &Finding, width: usize, out: &mut dyn io::Write) -> io::Result<()> {
    let paint = match finding.level {
        Level::Error if finding.fails => RED,
        Level::Error | Level::Warning => YELLOW,
        Level::Note => DIM,
    };
    let first = format!("{}:", label(finding));
    paragraph(&first, paint, &brief(&finding.summary), 4, width, out)
}

/// Writes one finding of a report by itself.
pub fn one(
    report: &Report,
    finding: &Finding,
    width: usize,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let width = width.min(WIDEST);
    write_finding(report, finding, &[], Detail::Normal, width, out)
}

fn write_finding(
    report: &Report,
    finding: &Finding,
    said: &[&Finding],
    detail: Detail,
    width: usize,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    title(finding, width, out)?;
    excerpt(finding, width, out)?;
    let rule = finding.rule.filter(|_| detail == Detail::Verbose);
    let rule = rule.map(|rule| ("rule", format!("{}: {}", rule.name(), rule.says())));
    for (name, line) in footer(report, finding, said).into_iter().chain(rule) {
        let first = format!("   = {name}:");
        let lead = format!("{first:<17}");
        paragraph(&lead, Paint::new(), &line, 18, width, out)?;
    }
    Ok(())
}

/// The source around the first place, with every line marked that leaves something behind.
fn excerpt(finding: &Finding, width: usize, out: &mut dyn io::Write) -> io::Result<()> {
    let Some(site) = finding.sites.first() else {
        return Ok(());
    };
    let lines = source::lines(finding, site);
    if !lines.iter().any(|line| !line.text.trim().is_empty()) {
        return Ok(());
    }
    let mut text = String::new();
    let mut marks = Vec::new();
    // What the line numbers take, so that neither a line nor the label behind its mark is wider than the terminal.
    let gutter = lines.last().map_or(1, |line| line.number.to_string().len()) + 3;
    let room = width.saturating_sub(gutter);
    for line in &lines {
        let shown = within(&line.text, room);
        let start = text.len();
        let indent = shown.len() - shown.trim_start().len();
        text.push_str(&shown);
        if let Some((count, bytes)) = line.growth
            && indent < shown.len()
        {
            let label = source::staying(finding.kind, count, bytes);
            let marked = room.saturating_sub(indent + label.len() + 1).max(1);
            let end = shown[indent..]
                .char_indices()
                .nth(marked)
                .map_or(shown.len(), |(at, _)| indent + at);
            marks.push((start + indent..start + end, label, line.number == site.line));
        }
        text.push('\n');
    }
    let first = lines.first().map_or(1, |line| line.number);
    let snippet = Snippet::source(&*text)
        .line_start(usize::try_from(first).unwrap_or(1))
        .path(text::shortened(&site.file, 120))
        .fold(false)
        .annotations(marks.iter().map(|(span, label, main)| {
            let kind = if *main {
                AnnotationKind::Primary
            } else {
                AnnotationKind::Context
            };
            kind.span(span.clone()).label(label)
        }));
    let severity = match finding.level {
        Level::Error => Severity::ERROR,
        Level::Warning => Severity::WARNING,
        Level::Note => Severity::NOTE,
    };
    let group = [Group::with_level(severity).element(snippet)];
    let renderer = Renderer::styled().term_width(width.max(80));
    writeln!(out, "{}", renderer.render(&group))
}

/// As much of the line as `columns` show.
fn within(line: &str, columns: usize) -> String {
    let mut width = 0;
    let end = line.char_indices().find(|(_, character)| {
        width += textwrap::core::display_width(character.encode_utf8(&mut [0; 4]));
        width > columns
    });
    match end {
        Some((at, _)) => {
            let mut kept = line[..at].to_owned();
            kept.pop();
            kept.push('…');
            kept
        }
        None => line.to_owned(),
    }
}

/// The lines under a finding: name and text of each. What one of `said` told already is not told again.
fn footer(report: &Report, finding: &Finding, said: &[&Finding]) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if let Some(holder) = &finding.holder {
        let mut held = text::shortened(&holder.text, 1000);
        if !holder.reason.is_empty() {
            held.push_str(&format!(" ({})", text::shortened(&holder.reason, 200)));
        }
        lines.push((source::held(finding), held));
        for place in holder.also.iter().take(PLACES_SHOWN) {
            lines.push(("and by", brief(place)));
        }
    }
    if !finding.resources.is_empty() {
        lines.push(("which", source::resources(finding)));
    }
    if !finding.c_stack.is_empty() {
        lines.push(("c stack", source::c_stack(finding)));
    }
    if let Some(rates) = growth::rates(finding) {
        lines.push(("growth", format!("{}, {rates}", brief(&finding.shape))));
    }
    if let Some(text) = growth::comes_to(finding, &report.environment) {
        lines.push(("cost", text));
    }
    if let Some(curve) = growth::main_curve(finding) {
        let text = format!(
            "{} {}",
            curve.counter.name(),
            spark::captioned(&curve.readings, BARS)
        );
        lines.push(("curve", text));
    }
    if !finding.types.is_empty() {
        let types: Vec<String> = finding
            .types
            .iter()
            .take(PLACES_SHOWN)
            .map(of_type)
            .collect();
        lines.push(("types", types.join(", ")));
    }
    if let Some(site) = finding.sites.first() {
        let callers: Vec<String> = site
            .callers
            .iter()
            .take(PLACES_SHOWN)
            .map(|frame| place(&frame.function, &frame.file, frame.line))
            .collect();
        // Of a function that Python enters the stack has its call alone.
        let is_entered = { finding.native.iter() }.any(|native| native.enters.is_some());
        let is_told = !finding.c_stack.is_empty() && !is_entered;
        if !callers.is_empty() && !is_told {
            lines.push(("called by", callers.join(" < ")));
        }
    }
    for site in finding.sites.iter().skip(1).take(PLACES_SHOWN) {
        lines.push((
            "also",
            format!(
                "{}: {}",
                place(&site.function, &site.file, site.line),
                source::amount(site.count, site.bytes)
            ),
        ));
    }
    lines.push(("tests", tests(&finding.tests)));
    lines.push(("confidence", brief(&finding.evidence)));
    lines.push((
        "fix",
        match said.iter().find(|other| other.advice == finding.advice) {
            Some(other) => format!("as for {} above", short_place(other)),
            None => text::shortened(&finding.advice, 1000),
        },
    ));
    if said.iter().all(|other| other.code != finding.code) {
        let code = text::shortened(&finding.code, 20);
        lines.push(("more", address::more(report.environment.docs, &code)));
    }
    lines.push(("id", text::shortened(&finding.fingerprint, 80)));
    lines
}

/// `app.Session x2 (96 B, keeps 4.1 kB, such as …)`: a type, how many of it stay, and what would be free without them.
fn of_type(of: &TypeGrowth) -> String {
    /// Where it is hardly more than the objects themselves it says nothing.
    const MORE: f64 = 1.1;
    let mut size = Vec::from_iter((of.bytes > 0.0).then(|| text::bytes(of.bytes)));
    if let Some(retained) = of.retained.filter(|kept| *kept > of.bytes * MORE) {
        size.push(format!("keeps {}", text::bytes(retained)));
    }
    if let Some(example) = &of.example {
        size.push(format!("such as {}", text::shortened(example, 40)));
    }
    let name = text::shortened(&of.name, 120);
    // Halves are exact; of thirds and such only the size matters.
    let count = if (of.count * 2.0).fract().abs() < 1e-9 || of.count < 1.0 {
        number(of.count)
    } else {
        format!("{} or so", number(of.count.round()))
    };
    match size.is_empty() {
        // In another process only their number was seen.
        true => format!("{name} x{count}"),
        false => format!("{name} x{count} ({})", size.join(", ")),
    }
}

/// What a reader finds another finding by.
fn short_place(finding: &Finding) -> String {
    match finding.sites.first() {
        Some(site) => format!("{}:{}", text::shortened(&site.file, 120), site.line),
        None => text::shortened(&finding.fingerprint, 80),
    }
}

fn place(function: &str, file: &str, line: u32) -> String {
    format!(
        "{} ({}:{line})",
        text::shortened(function, 120),
        text::shortened(file, 120)
    )
}

fn tests(ids: &[String]) -> String {
    let mut shown: Vec<String> = ids
        .iter()
        .take(TESTS_SHOWN)
        .map(|id| text::shortened(id, 120))
        .collect();
    if ids.len() > TESTS_SHOWN {
        shown.push(format!(
            "and {} more",
            number((ids.len() - TESTS_SHOWN) as f64)
        ));
    }
    shown.join(", ")
}

/// What grew and was not called a leak: the tests and what grew, so that nobody has to wonder.
fn discounted(report: &Report, width: usize, out: &mut dyn io::Write) -> io::Result<()> {
    let mut any = false;
    for finding in report.standing(Standing::Discounted) {
        if !any {
            writeln!(out)?;
            any = true;
        }
        let mut line = format!("{}: {}", tests(&finding.tests), brief(&finding.summary));
        if let Some(rule) = finding.rule {
            line.push_str(&format!(" [{}]", rule.name()));
        }
        paragraph(
            &format!("{}:", finding.verdict.word()),
            DIM,
            &line,
            4,
            width,
            out,
        )?;
    }
    Ok(())
}

/// Verdicts that are no judgement on growth, those that set an exit code first.
const UNJUDGED: [Verdict; 6] = [
    Verdict::Failed,
    Verdict::Crashed,
    Verdict::TimedOut,
    Verdict::Unrepeatable,
    Verdict::Unstable,
    Verdict::Undecided,
];

/// Tests without a judgement: never silently dropped, never counted as clean.
fn unjudged(
    report: &Report,
    style: Style,
    width: usize,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let counts: Vec<String> = UNJUDGED
        .into_iter()
        .map(|verdict| (verdict, report.count(verdict)))
        .filter(|(_, count)| *count > 0)
        .map(|(verdict, count)| format!("{} {}", number(count as f64), verdict.word()))
        .collect();
    let lack = evidence::lack(report);
    if counts.is_empty() && lack.is_none() {
        return Ok(());
    }
    writeln!(out)?;
    if !counts.is_empty() {
        let hint = match style.detail {
            Detail::Verbose => {
                "--report json=FILE has every one; leakcheck explain RULE explains the rule in brackets"
            }
            Detail::Quiet | Detail::Normal => "-v gives the reason for each",
        };
        let line = format!("{} ({hint})", counts.join(", "));
        paragraph("not judged:", YELLOW, &line, 4, width, out)?;
    }
    for verdict in UNJUDGED {
        let most = match (style.detail, verdict) {
            (Detail::Verbose, _) => LISTED,
            // These are why the run fails, and a run that fails says why.
            (_, Verdict::Failed | Verdict::Crashed | Verdict::TimedOut) => FEW,
            _ if lack.is_some() => FEW,
            _ => 0,
        };
        let tests: Vec<&TestResult> = report.with(verdict).collect();
        for test in tests.iter().take(most) {
            let reason = test.reason.as_deref().unwrap_or("no reason given");
            let first = reason.lines().next().unwrap_or_default();
            let mut line = format!("{}: {}", text::shortened(&test.id, 120), brief(first));
            if let Some(rule) = test.rule.filter(|_| style.detail == Detail::Verbose) {
                line.push_str(&format!(" [{}]", rule.name()));
            }
            paragraph(
                &format!("  {}:", verdict.word()),
                YELLOW,
                &line,
                6,
                width,
                out,
            )?;
        }
        if most > 0 && tests.len() > most {
            writeln!(
                out,
                "  {YELLOW}{}:{YELLOW:#} and {} more",
                verdict.word(),
                number((tests.len() - most) as f64)
            )?;
        }
    }
    if let Some(lack) = lack {
        paragraph("no evidence:", YELLOW, &lack, 4, width, out)?;
        if let Some(action) = evidence::way_out(report) {
            paragraph("what to do:", YELLOW, action, 4, width, out)?;
        }
    }
    Ok(())
}

fn troubles(report: &Report, width: usize, out: &mut dyn io::Write) -> io::Result<()> {
    let retained = report.retained.text();
    if !report.errors.is_empty() || !report.notes.is_empty() || retained.is_some() {
        writeln!(out)?;
    }
    for error in report.errors.iter().take(LISTED) {
        let line = format!("{}: {}", brief(&error.place), ends(&error.message));
        paragraph("error:", RED, &line, 4, width, out)?;
    }
    if report.errors.len() > LISTED {
        writeln!(
            out,
            "{RED}error:{RED:#} and {} more (--report json=FILE has every one)",
            report.errors.len() - LISTED
        )?;
    }
    for note in &report.notes {
        paragraph("note:", DIM, &brief(note), 4, width, out)?;
    }
    if let Some(retained) = retained {
        let line = format!("the whole suite, run once, holds {retained}");
        paragraph("retained:", DIM, &line, 4, width, out)?;
    }
    for (counter, exactness) in &report.environment.counters {
        let what = match exactness.as_str() {
            "exact" => continue,
            "absent" => format!("was not read: {}", counter.unread()),
            _ => "is an estimate here".to_owned(),
        };
        let line = format!("the counter `{}` {what}", counter.name());
        paragraph("note:", DIM, &line, 4, width, out)?;
    }
    Ok(())
}

/// The first and the last line of a message: import errors put the place first and the cause last.
pub(super) fn ends(message: &str) -> String {
    let mut lines = message.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next().unwrap_or_default();
    match lines.next_back() {
        Some(last) => format!("{} … {}", brief(first), brief(last)),
        None => brief(first),
    }
}

/// What kind of thing a finding leaves behind, for tables and filters.
pub(super) fn kind_name(kind: Kind) -> &'static str {
    kind.facts().label
}
