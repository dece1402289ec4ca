//! SARIF 2.1.0 for code scanning: rules from the codes, fingerprints, the holder's path as a code flow.

use std::io;

use serde_json::{Value, json};

use super::{
    Report, Standing, address, growth, is_accepted, json as out_json,
    place::{self, uri},
    plain,
    text::{self, brief, shortened},
};
use crate::{
    exit_code::ExitCode,
    explain::pages,
    finding::{Finding, Holder, Level, Site, Status},
};

/// Where the names of files begin.
const ROOT: &str = "%SRCROOT%";
/// Edges of a holder's path, places and tests that are kept.
const MOST: usize = 50;

/// Writes one run. What was discounted is no result, and what is gone is absent: a viewer that knows no baseline would
/// show either as a defect.
pub fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let rules = rules(report);
    let results: Vec<Value> = report
        .standing(Standing::Present)
        .map(|finding| result(report, finding, &rules))
        .collect();
    let notifications: Vec<Value> = report
        .errors
        .iter()
        .take(MOST)
        .map(|error| {
            json!({
                "level": "error",
                "message": {"text": format!("{}: {}", brief(&error.place), plain::ends(&error.message))},
            })
        })
        .collect();
    let mut invocation = json!({
        // Leaks are a result; only these mean that there is none.
        "executionSuccessful": !matches!(report.exit_code, ExitCode::Internal | ExitCode::Interrupted | ExitCode::Usage),
        "exitCode": report.exit_code.number(),
        "toolExecutionNotifications": notifications,
    });
    if !report.environment.date.is_empty() {
        invocation["endTimeUtc"] = json!(shortened(&report.environment.date, 40));
    }
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "leakcheck",
                "version": shortened(&report.version, 80),
                "rules": rules.iter().map(|code| rule(report.environment.docs, code)).collect::<Vec<_>>(),
            }},
            "automationDetails": {"id": "leakcheck/"},
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": {ROOT: {"description": {"text": "The root of the repository."}}},
            "invocations": [invocation],
            "results": results,
            "properties": {
                "tests": report.tests.len(),
                "judged": report.judged,
                "python": shortened(&report.environment.python, 80),
                "runner": shortened(&report.environment.runner, 80),
            },
        }],
    });
    out_json::pretty(&log, out)
}

/// Every code there is, and those of the report that this version does not know.
fn rules(report: &Report) -> Vec<String> {
    let mut codes: Vec<String> = pages::codes().map(|(code, _)| code.to_owned()).collect();
    codes.extend(
        report
            .standing(Standing::Present)
            .map(|finding| shortened(&finding.code, 80)),
    );
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// What the code is about, in a few words.
pub(super) fn title(of: &str) -> String {
    let title = pages::codes()
        .find(|(code, _)| *code == of)
        .map_or("something stays after each iteration", |(_, title)| title);
    let mut letters = title.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

fn rule(site: Option<&str>, of: &str) -> Value {
    let mut rule = json!({
        "id": of,
        "shortDescription": {"text": title(of)},
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["reliability", "resource-leak", "python"], "precision": "very-high", "problem.severity": "error"},
    });
    if let (Some(section), Some(fix)) = (pages::section(of), pages::fix(of)) {
        rule["fullDescription"] = json!({"text": format!("{}. {fix}", title(of))});
        rule["help"] = json!({"text": fix, "markdown": format!("## {section}")});
    }
    if let Some(address) = address::of_code(site, of) {
        rule["helpUri"] = json!(address);
    }
    rule
}

fn result(report: &Report, finding: &Finding, rules: &[String]) -> Value {
    let code = shortened(&finding.code, 80);
    let index = rules.iter().position(|rule| *rule == code);
    let root = &report.environment.source_root;
    let mut message = brief(&finding.summary);
    if let Some(holder) = &finding.holder {
        message.push_str(&format!(
            "\n{} {}",
            super::source::held_by(finding),
            shortened(&holder.text, 1000)
        ));
    }
    if let Some(text) = growth::comes_to(finding, &report.environment) {
        message.push_str(&format!("\n{text}."));
    }
    message.push_str(&format!("\n{}", shortened(&finding.advice, 1000)));
    let mut result = json!({
        "ruleId": code,
        "level": level(finding.level),
        "kind": "fail",
        "message": {"text": message},
        "partialFingerprints": {"leakcheck/v1": shortened(&finding.fingerprint, 200)},
        "baselineState": match finding.status {
            Status::New => "new",
            Status::Worse | Status::Better => "updated",
            Status::Known => "unchanged",
            Status::Fixed => "absent",
        },
        "properties": {
            "verdict": finding.verdict.word(),
            "status": finding.status.word(),
            "kind": finding.kind.word(),
            "owner": finding.owner.word(),
            "shape": brief(&finding.shape),
            "fails": finding.fails,
            "tests": finding.tests.iter().take(MOST).map(|id| shortened(id, 300)).collect::<Vec<_>>(),
        },
    });
    if let Some(index) = index {
        result["ruleIndex"] = json!(index);
    }
    if let Some(place) = place::to_change(finding, report) {
        let mut location = json!({
            "physicalLocation": {
                "artifactLocation": {"uri": uri(&place::shown(&place.path)), "uriBaseId": ROOT},
                "region": {"startLine": place.line},
            },
        });
        let site = finding.sites.iter().find(|site| {
            site.line == place.line
                && place::in_repository(root, &site.file).as_ref() == Some(&place.path)
        });
        if let Some(site) = site {
            location["logicalLocations"] =
                json!([{"fullyQualifiedName": shortened(&site.function, 300), "kind": "function"}]);
            if let Some(source) = &site.source {
                location["physicalLocation"]["region"]["snippet"] =
                    json!({"text": shortened(source, 300)});
            }
        }
        result["locations"] = json!([location]);
    }
    let related: Vec<Value> = finding
        .sites
        .iter()
        .take(MOST)
        .enumerate()
        .filter_map(|(at, site)| related(root, at, site))
        .collect();
    if !related.is_empty() {
        result["relatedLocations"] = json!(related);
    }
    if let Some(flow) = finding
        .holder
        .as_ref()
        .and_then(|holder| flow(root, finding, holder))
    {
        result["codeFlows"] = json!([flow]);
    }
    if is_accepted(finding) {
        result["suppressions"] = json!([{
            "kind": "external",
            "status": "accepted",
            "justification": justification(finding),
        }]);
    } else {
        // Once one result has the property, every other has it, empty where nothing is suppressed.
        result["suppressions"] = json!([]);
    }
    result
}

/// Why it was accepted, or where that is written.
fn justification(finding: &Finding) -> String {
    match &finding.accepted {
        Some(accepted) => super::snapshots::terms(accepted).map_or_else(
            || format!("Accepted in {}", shortened(&accepted.file, 200)),
            |terms| format!("Accepted in {}: {terms}", shortened(&accepted.file, 200)),
        ),
        None => "Accepted".to_owned(),
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Note => "note",
    }
}

/// A place that allocates, where it lies in the repository.
fn related(root: &str, at: usize, site: &Site) -> Option<Value> {
    let path = place::in_repository(root, &site.file)?;
    Some(json!({
        "id": at,
        "physicalLocation": {
            "artifactLocation": {"uri": uri(&place::shown(&path)), "uriBaseId": ROOT},
            "region": {"startLine": site.line.max(1)},
        },
        "message": {"text": format!(
            "{} leaves {} per iteration",
            shortened(&site.function, 200),
            super::source::amount(site.count, site.bytes),
        )},
    }))
}

/// The holder's path from the root to the survivor, which ends at the line that allocates it.
fn flow(root: &str, finding: &Finding, holder: &Holder) -> Option<Value> {
    if holder.path.is_empty() {
        return None;
    }
    let mut locations: Vec<Value> = holder
        .path
        .iter()
        .take(MOST)
        .map(|edge| json!({"location": {"message": {"text": brief(edge)}}}))
        .collect();
    if let Some((site, path)) = finding
        .sites
        .first()
        .and_then(|site| Some((site, place::in_repository(root, &site.file)?)))
    {
        locations.push(json!({"location": {
            "message": {"text": format!("allocated in {}", shortened(&site.function, 200))},
            "physicalLocation": {
                "artifactLocation": {"uri": uri(&place::shown(&path)), "uriBaseId": ROOT},
                "region": {"startLine": site.line.max(1)},
            },
        }}));
    }
    Some(json!({
        "message": {"text": format!("What keeps it: {}", text::shortened(&holder.text, 300))},
        "threadFlows": [{"locations": locations}],
    }))
}
