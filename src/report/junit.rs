//! JUnit XML as CI servers read it: one case a test, a failure that carries the finding.
//!
//! Only elements and attributes that the schema of Jenkins' xunit plugin has (`junit-10.xsd`) are used, so what more a
//! test has to say stands in its `system-out`.

use std::{collections::BTreeMap, io};

use quick_xml::{
    Writer,
    events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event},
};

use super::{
    Report, growth, plain, spark,
    text::{brief, shortened},
};
use crate::{
    finding::Finding,
    verdict::{TestResult, Verdict},
};

/// Characters of a name, and of a longer text.
const NAME: usize = 500;
const TEXT: usize = 4000;
/// Findings that one failure tells in full.
const FINDINGS: usize = 5;

/// What a CI server makes of a test.
enum Outcome<'a> {
    Passed,
    Skipped(&'static str),
    Failure(Vec<&'a Finding>),
    Error,
}

/// Writes one suite with a case for every test.
pub fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let mut by_test: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in &report.findings {
        for id in &finding.tests {
            by_test.entry(id).or_default().push(finding);
        }
    }
    let cases: Vec<(&TestResult, Outcome<'_>)> = report
        .tests
        .iter()
        .map(|test| {
            let findings = by_test.get(&*test.id).map_or(&[][..], Vec::as_slice);
            (test, outcome(test, findings))
        })
        .collect();
    let count =
        |is: fn(&Outcome<'_>) -> bool| cases.iter().filter(|(_, outcome)| is(outcome)).count();
    let tests = cases.len().to_string();
    let failures = count(|outcome| matches!(outcome, Outcome::Failure(_))).to_string();
    let errors = count(|outcome| matches!(outcome, Outcome::Error)).to_string();
    let skipped = count(|outcome| matches!(outcome, Outcome::Skipped(_))).to_string();
    let time = seconds(report.seconds());

    let mut xml = Writer::new_with_indent(out, b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let suites = BytesStart::new("testsuites").with_attributes([
        ("name", "leakcheck"),
        ("tests", &*tests),
        ("failures", &*failures),
        ("errors", &*errors),
        ("time", &*time),
    ]);
    xml.write_event(Event::Start(suites))?;
    let mut suite = BytesStart::new("testsuite").with_attributes([
        ("name", "leakcheck"),
        ("tests", &*tests),
        ("failures", &*failures),
        ("errors", &*errors),
        ("skipped", &*skipped),
        ("time", &*time),
    ]);
    let date = shortened(&report.environment.date, 40);
    if !date.is_empty() {
        // Readers of this format want no zone.
        suite.push_attribute(("timestamp", date.trim_end_matches('Z')));
    }
    xml.write_event(Event::Start(suite))?;
    properties(report, &mut xml)?;
    for (test, outcome) in &cases {
        case(report, test, outcome, by_test.get(&*test.id), &mut xml)?;
    }
    if !report.errors.is_empty() {
        let lines: Vec<String> = report
            .errors
            .iter()
            .map(|error| format!("{}: {}", brief(&error.place), plain::ends(&error.message)))
            .collect();
        element("system-err", &lines.join("\n"), &mut xml)?;
    }
    xml.write_event(Event::End(BytesEnd::new("testsuite")))?;
    xml.write_event(Event::End(BytesEnd::new("testsuites")))?;
    writeln!(xml.into_inner())
}

fn outcome<'a>(test: &TestResult, findings: &[&'a Finding]) -> Outcome<'a> {
    let failing: Vec<&Finding> = findings
        .iter()
        .copied()
        .filter(|finding| finding.fails)
        .collect();
    if !failing.is_empty() {
        return Outcome::Failure(failing);
    }
    match test.verdict {
        Verdict::Clean | Verdict::Leak | Verdict::Bounded | Verdict::Harness => Outcome::Passed,
        Verdict::Skipped => Outcome::Skipped("skipped"),
        Verdict::Unstable => Outcome::Skipped("unstable"),
        Verdict::Unrepeatable => Outcome::Skipped("unrepeatable"),
        Verdict::Undecided => Outcome::Skipped("undecided"),
        Verdict::Failed | Verdict::Crashed | Verdict::TimedOut => Outcome::Error,
    }
}

type Xml<'a> = Writer<&'a mut dyn io::Write>;

fn properties(report: &Report, xml: &mut Xml<'_>) -> io::Result<()> {
    let environment = &report.environment;
    let judged = format!("{:.4}", report.judged);
    let exit = report.exit_code.number().to_string();
    let runner = format!("{} {}", environment.runner, environment.runner_version);
    xml.write_event(Event::Start(BytesStart::new("properties")))?;
    for (name, value) in [
        ("leakcheck.version", report.version.as_str()),
        ("leakcheck.exit_code", &exit),
        ("leakcheck.judged", &judged),
        ("python.version", &environment.python),
        ("python.implementation", &environment.implementation),
        ("platform", &environment.platform),
        ("libc", &environment.libc),
        ("runner", &runner),
    ] {
        let value = shortened(value, NAME);
        let property =
            BytesStart::new("property").with_attributes([("name", name), ("value", &*value)]);
        xml.write_event(Event::Empty(property))?;
    }
    xml.write_event(Event::End(BytesEnd::new("properties")))
}

fn case(
    report: &Report,
    test: &TestResult,
    outcome: &Outcome<'_>,
    findings: Option<&Vec<&Finding>>,
    xml: &mut Xml<'_>,
) -> io::Result<()> {
    let (class, name) = names(&test.id);
    let time = seconds(test.seconds);
    let start = BytesStart::new("testcase").with_attributes([
        ("classname", &*class),
        ("name", &*name),
        ("time", &*time),
    ]);
    xml.write_event(Event::Start(start))?;
    let reason = test.reason.as_deref().map(|reason| shortened(reason, TEXT));
    let reason = reason.as_deref().unwrap_or_default();
    match outcome {
        Outcome::Passed => {}
        Outcome::Skipped(word) => {
            let message = if reason.is_empty() { word } else { reason };
            let skipped =
                BytesStart::new("skipped").with_attributes([("type", *word), ("message", message)]);
            xml.write_event(Event::Empty(skipped))?;
        }
        Outcome::Error => told("error", test.verdict.word(), reason, reason, xml)?,
        Outcome::Failure(failing) => {
            let first = failing.first();
            let summary = first.map_or(String::new(), |finding| brief(&finding.summary));
            let code = first.map_or(String::new(), |finding| shortened(&finding.code, 80));
            let texts: Vec<String> = failing
                .iter()
                .take(FINDINGS)
                .map(|finding| finding_text(report, finding))
                .collect();
            told("failure", &code, &summary, &texts.join("\n\n"), xml)?;
        }
    }
    let mut lines = vec![format!(
        "verdict: {}, {} iterations",
        test.verdict.word(),
        test.iterations
    )];
    if !reason.is_empty() && matches!(outcome, Outcome::Passed) {
        lines.push(reason.to_owned());
    }
    for finding in findings
        .into_iter()
        .flatten()
        .filter(|finding| !finding.fails)
    {
        lines.push(format!(
            "{} {}: {}",
            finding.status.word(),
            shortened(&finding.code, 80),
            brief(&finding.summary)
        ));
    }
    element("system-out", &lines.join("\n"), xml)?;
    xml.write_event(Event::End(BytesEnd::new("testcase")))
}

/// An element with a type, a message and a text.
fn told(element: &str, kind: &str, message: &str, text: &str, xml: &mut Xml<'_>) -> io::Result<()> {
    let start = BytesStart::new(element).with_attributes([("type", kind), ("message", message)]);
    xml.write_event(Event::Start(start))?;
    xml.write_event(Event::Text(BytesText::new(text)))?;
    xml.write_event(Event::End(BytesEnd::new(element)))
}

fn element(name: &str, text: &str, xml: &mut Xml<'_>) -> io::Result<()> {
    xml.write_event(Event::Start(BytesStart::new(name)))?;
    xml.write_event(Event::Text(BytesText::new(text)))?;
    xml.write_event(Event::End(BytesEnd::new(name)))
}

/// The finding as a failure's text tells it.
fn finding_text(report: &Report, finding: &Finding) -> String {
    let mut lines = vec![format!(
        "{} [{}, {}]",
        brief(&finding.summary),
        shortened(&finding.code, 80),
        finding.status.word()
    )];
    if let Some(holder) = &finding.holder {
        lines.push(format!(
            "{}: {}",
            super::source::held(finding),
            shortened(&holder.text, 1000)
        ));
    }
    for site in finding.sites.iter().take(4) {
        lines.push(format!(
            "at: {}:{} in {}: {}",
            shortened(&site.file, 200),
            site.line,
            shortened(&site.function, 200),
            super::source::amount(site.count, site.bytes)
        ));
    }
    lines.extend(growth::rates(finding).map(|text| format!("growth: {text}")));
    lines
        .extend(growth::comes_to(finding, &report.environment).map(|text| format!("cost: {text}")));
    if let Some(curve) = growth::main_curve(finding) {
        lines.push(format!(
            "curve: {} {}",
            curve.counter.name(),
            spark::captioned(&curve.readings, 24)
        ));
    }
    lines.push(format!("fix: {}", shortened(&finding.advice, 1000)));
    lines.push(format!("id: {}", shortened(&finding.fingerprint, 80)));
    lines.join("\n")
}

/// Class and name: `tests/test_a.py::TestX::test_y[1]` and `tests.test_a.TestX.test_y` alike.
fn names(id: &str) -> (String, String) {
    // A parameter may hold any of the separators.
    let head = id.find(['[', '(', ' ']).unwrap_or(id.len());
    let (class, name) = if let Some(at) = id[..head].rfind("::") {
        let class = id[..at]
            .replace("::", ".")
            .replace(".py", "")
            .replace('/', ".");
        (class, &id[at + 2..])
    } else if let Some(at) = id[..head].rfind('.') {
        (id[..at].to_owned(), &id[at + 1..])
    } else {
        (String::new(), id)
    };
    (shortened(&class, NAME), shortened(name, NAME))
}

fn seconds(value: f64) -> String {
    format!("{:.3}", value.max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_both_runners_have_a_class_and_a_name() {
        let of = |id: &str| {
            let (class, name) = names(id);
            format!("{class} | {name}")
        };
        assert_eq!(
            of("tests/test_a.py::TestX::test_y[a::b]"),
            "tests.test_a.TestX | test_y[a::b]"
        );
        assert_eq!(
            of("tests.test_a.TestX.test_y"),
            "tests.test_a.TestX | test_y"
        );
        assert_eq!(of("test"), " | test");
    }
}
