//! The report for a person at a terminal: the summary first and last, and between them each finding with its source.

use std::io;

use annotate_snippets::{AnnotationKind, Group, Level as Severity, Renderer, Snippet};
use anstyle::{AnsiColor, Style};

use super::{
    Report, snapshots,
    text::{self, bytes, number},
};
use crate::{
    finding::{Finding, Kind, Level, Site},
    verdict::{TestResult, Verdict},
};

/// Tests named under a finding, and tests of one verdict that are listed.
const TESTS_SHOWN: usize = 5;
const LISTED: usize = 20;
/// Further places of a finding that are shown.
const PLACES_SHOWN: usize = 4;

const BOLD: Style = Style::new().bold();
const RED: Style = AnsiColor::Red.on_default().bold();
const GREEN: Style = AnsiColor::Green.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const DIM: Style = Style::new().dimmed();

/// Writes the report, `width` columns wide.
pub fn write(report: &Report, width: usize, out: &mut dyn io::Write) -> io::Result<()> {
    headline(report, out)?;
    for finding in &report.findings {
        if finding.level == Level::Note || snapshots::has(finding) {
            continue;
        }
        writeln!(out)?;
        write_finding(finding, width, out)?;
        snapshots::beside(finding, out)?;
    }
    discounted(report, out)?;
    unjudged(report, width, out)?;
    troubles(report, out)?;
    snapshots::write(report, out)?;
    if report
        .findings
        .iter()
        .any(|finding| finding.level != Level::Note && !snapshots::has(finding))
    {
        writeln!(out)?;
        headline(report, out)?;
    }
    Ok(())
}

/// One line that says it all.
fn headline(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let failing = report.failing().filter(|it| !snapshots::has(it)).count();
    let leaking = report.count(Verdict::Leak);
    let (style, word) = match (failing, report.exit_code.number()) {
        (0, 0) if leaking > 0 => (GREEN, "no new leak".to_owned()),
        (0, 1) => (RED, "no new leak, a stale snapshot".to_owned()),
        (0, 0) => (GREEN, "no leak".to_owned()),
        (0, _) => (YELLOW, "no leak found".to_owned()),
        (1, _) => (RED, "1 leak".to_owned()),
        (count, _) => (RED, format!("{count} leaks")),
    };
    write!(out, "{BOLD}leakcheck:{BOLD:#} {style}{word}{style:#}")?;
    if leaking > 0 {
        write!(out, " in {leaking} of {} tests", report.tests.len())?;
    } else {
        write!(out, " in {} tests", report.tests.len())?;
    }
    let rest: Vec<String> = Verdict::ALL
        .into_iter()
        .filter(|verdict| *verdict != Verdict::Leak)
        .filter_map(|verdict| {
            let count = report.count(verdict);
            (count > 0).then(|| format!("{count} {}", verdict.word()))
        })
        .collect();
    if !rest.is_empty() {
        write!(out, " · {}", rest.join(" · "))?;
    }
    if !report.errors.is_empty() {
        write!(out, " · {} errors", report.errors.len())?;
    }
    let seconds = report.timing.screen_seconds + report.timing.judge_seconds;
    writeln!(
        out,
        " {DIM}({seconds:.1} s, exit {}){DIM:#}",
        report.exit_code.number()
    )
}

fn write_finding(finding: &Finding, width: usize, out: &mut dyn io::Write) -> io::Result<()> {
    let severity = match finding.level {
        Level::Error => Severity::ERROR.with_name(Some("leak")),
        _ => Severity::WARNING,
    };
    let summary = text::shown(&finding.summary);
    let mut group = Group::with_title(severity.primary_title(&*summary).id(&*finding.code));
    let excerpt = finding.sites.first().and_then(Excerpt::of);
    if let Some(excerpt) = &excerpt {
        let mut annotation = AnnotationKind::Primary.span(excerpt.from..excerpt.to);
        annotation = annotation.label(&*excerpt.label);
        group = group.element(
            Snippet::source(&*excerpt.text)
                .line_start(usize::try_from(excerpt.first).unwrap_or(1))
                .path(&*excerpt.path)
                .annotation(annotation),
        );
    }
    let lines = footer(finding);
    for (name, line) in &lines {
        group = group.element(Severity::NOTE.with_name(Some(*name)).message(&**line));
    }
    let renderer = Renderer::styled().term_width(width);
    writeln!(out, "{}", renderer.render(&[group]))
}

struct Excerpt {
    text: String,
    path: String,
    first: u32,
    from: usize,
    to: usize,
    label: String,
}

impl Excerpt {
    fn of(site: &Site) -> Option<Excerpt> {
        let (first, source) = site.excerpt.as_ref()?;
        let text = text::shown_lines(source);
        let last = text.rfind('\n').map_or(0, |at| at + 1);
        let line = &text[last..];
        let indent = line.len() - line.trim_start().len();
        if line.trim().is_empty() {
            return None;
        }
        Some(Excerpt {
            path: text::shown(&site.file),
            first: *first,
            from: last + indent,
            to: last + line.trim_end().len(),
            label: format!("{} stay per iteration", amount(site)),
            text,
        })
    }
}

fn amount(site: &Site) -> String {
    let blocks = if (site.count - 1.0).abs() < 1e-9 {
        "1 block".to_owned()
    } else {
        format!("{} blocks", number(site.count))
    };
    if site.count > 0.0 {
        format!("{blocks}, {}", bytes(site.bytes))
    } else {
        bytes(site.bytes)
    }
}

/// The lines under a finding: name and text of each.
fn footer(finding: &Finding) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if let Some(growth) = growth(finding) {
        lines.push(("growth", growth));
    }
    if let Some(holder) = &finding.holder {
        lines.push(("held by", text::shown(&holder.text)));
    }
    if !finding.types.is_empty() {
        let types: Vec<String> = finding
            .types
            .iter()
            .take(PLACES_SHOWN)
            .map(|of| {
                format!(
                    "{} x{} ({})",
                    text::shown(&of.name),
                    number(of.count),
                    bytes(of.bytes)
                )
            })
            .collect();
        lines.push(("types", types.join(", ")));
    }
    if let Some(site) = finding.sites.first() {
        let callers: Vec<String> = site
            .callers
            .iter()
            .map(|frame| {
                format!(
                    "{} ({}:{})",
                    text::shown(&frame.function),
                    text::shown(&frame.file),
                    frame.line
                )
            })
            .collect();
        if !callers.is_empty() {
            lines.push(("called by", callers.join(" < ")));
        }
    }
    for site in finding.sites.iter().skip(1).take(PLACES_SHOWN) {
        lines.push((
            "also",
            format!(
                "{}:{} in {}: {}",
                text::shown(&site.file),
                site.line,
                text::shown(&site.function),
                amount(site)
            ),
        ));
    }
    lines.push(("tests", tests(&finding.tests)));
    lines.push(("sure", finding.evidence.clone()));
    lines.push(("mend", finding.advice.clone()));
    lines.push(("id", finding.fingerprint.clone()));
    lines
}

/// `linear; blocks +3, objects +1 per iteration; 1,000 runs keep 412.0 kB`.
fn growth(finding: &Finding) -> Option<String> {
    if finding.rate.is_empty() {
        return None;
    }
    let rates: Vec<String> = finding
        .rate
        .iter()
        .map(|(counter, rate)| {
            let [low, high] = rate.interval;
            let range = if high - low > 1e-9 {
                format!(" ({} to {})", number(low), number(high))
            } else {
                String::new()
            };
            format!("{counter} +{}{range}", number(rate.value))
        })
        .collect();
    let mut text = format!("{}; {} per iteration", finding.shape, rates.join(", "));
    let value = |name: &str| finding.rate.get(name).map(|rate| rate.value);
    match finding.kind {
        Kind::Fd | Kind::Thread => {
            let name = if finding.kind == Kind::Fd {
                "fds"
            } else {
                "threads"
            };
            if let Some(value) = value(name) {
                text.push_str(&format!(
                    "; 1,000 runs leave {} {name}",
                    number(value * 1000.0)
                ));
            }
        }
        _ => {
            if let Some(value) = value("bytes").or_else(|| value("heap")) {
                text.push_str(&format!("; 1,000 runs keep {}", bytes(value * 1000.0)));
            }
        }
    }
    Some(text)
}

fn tests(ids: &[String]) -> String {
    let mut shown: Vec<String> = ids
        .iter()
        .take(TESTS_SHOWN)
        .map(|id| text::shortened(id, 120))
        .collect();
    if ids.len() > TESTS_SHOWN {
        shown.push(format!("and {} more", ids.len() - TESTS_SHOWN));
    }
    shown.join(", ")
}

/// What grew and was not called a leak: one line each, so that nobody has to wonder.
fn discounted(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let notes: Vec<&Finding> = report
        .findings
        .iter()
        .filter(|finding| finding.level == Level::Note && !snapshots::has(finding))
        .collect();
    if notes.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    for finding in notes {
        writeln!(
            out,
            "{DIM}{}:{DIM:#} {} ({})",
            finding.verdict.word(),
            text::shown(&finding.summary),
            tests(&finding.tests)
        )?;
    }
    Ok(())
}

/// Tests without a judgement, with the reason: never silently dropped, never counted as clean.
fn unjudged(report: &Report, width: usize, out: &mut dyn io::Write) -> io::Result<()> {
    let of = |verdict: Verdict| -> Vec<&TestResult> {
        report
            .tests
            .iter()
            .filter(|test| test.verdict == verdict)
            .collect()
    };
    let mut any = false;
    for verdict in [
        Verdict::Failed,
        Verdict::Crashed,
        Verdict::TimedOut,
        Verdict::Unrepeatable,
        Verdict::Unstable,
        Verdict::Undecided,
    ] {
        let tests = of(verdict);
        if tests.is_empty() {
            continue;
        }
        if !any {
            writeln!(out)?;
            any = true;
        }
        for test in tests.iter().take(LISTED) {
            let reason = test.reason.as_deref().unwrap_or("no reason given");
            let first = reason.lines().next().unwrap_or_default();
            writeln!(
                out,
                "{YELLOW}{}:{YELLOW:#} {}: {}",
                verdict.word(),
                text::shortened(&test.id, 120),
                text::shortened(first, width.max(60) * 2)
            )?;
        }
        if tests.len() > LISTED {
            writeln!(
                out,
                "{YELLOW}{}:{YELLOW:#} and {} more (--report json=FILE lists all)",
                verdict.word(),
                tests.len() - LISTED
            )?;
        }
    }
    let share = report.judged;
    if share < report.min_judged {
        writeln!(
            out,
            "\n{YELLOW}no evidence:{YELLOW:#} only {:.0} % of the tests that ran could be judged; min_judged asks for {:.0} %",
            share * 100.0,
            report.min_judged * 100.0
        )?;
    }
    Ok(())
}

fn troubles(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    if !report.errors.is_empty() {
        writeln!(out)?;
    }
    for error in &report.errors {
        let first = error
            .message
            .lines()
            .find(|line| !line.trim().is_empty())
            .unwrap_or_default();
        let last = error
            .message
            .lines()
            .rev()
            .find(|line| !line.trim().is_empty())
            .unwrap_or_default();
        // Import errors put the cause last and the place first.
        let message = if first == last {
            text::shown(first)
        } else {
            format!("{} … {}", text::shown(first), text::shown(last))
        };
        writeln!(
            out,
            "{RED}error:{RED:#} {}: {message}",
            text::shown(&error.place)
        )?;
    }
    for note in &report.notes {
        writeln!(out, "{DIM}note:{DIM:#} {}", text::shown(note))?;
    }
    for (counter, exactness) in &report.environment.counters {
        if exactness != "exact" {
            writeln!(
                out,
                "{DIM}note:{DIM:#} the counter `{}` is {} on this system",
                counter.name(),
                if exactness == "absent" {
                    "absent"
                } else {
                    "an estimate"
                }
            )?;
        }
    }
    Ok(())
}
