//! What the report of a commit says of the finding that is looked for. Pure.

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::{
    baseline::{
        compare::{self, Against},
        files::File,
        format::{Entry, Snapshot},
        scrub,
    },
    finding::{Finding, Level, Status},
    report::{Report, Standing, text},
};

/// One Python judges all commits, so its name says nothing.
const BUILD: &str = "";

/// The finding whose commit is looked for.
#[derive(Debug, Clone)]
pub struct Target {
    /// As the later end of the range shows it.
    pub finding: Finding,
    /// As the earlier end shows it, where it became worse.
    pub before: Option<Finding>,
}

/// What a commit's report says of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// It is there; or worse than it was, where that is looked for.
    Shows(Box<Finding>),
    /// Its tests were judged, and do not show it.
    Clean,
    /// It cannot be told, and why.
    Unjudged(String),
}

/// The findings of `bad` that `good` does not have, or that grow faster than there, those that fail the build first.
pub fn came(bad: &Report, good: &Report) -> Vec<Target> {
    let before = present(good);
    compared(bad, snapshots(&before))
        .into_iter()
        .filter_map(|(finding, of)| match finding.status {
            Status::New => Some(Target {
                finding,
                before: None,
            }),
            Status::Worse => Some(Target {
                finding,
                before: of.map(|of| before[of].clone()),
            }),
            Status::Known | Status::Better | Status::Fixed => None,
        })
        .collect()
}

/// What `report` says of `target`.
pub fn of(report: &Report, target: &Target) -> Answer {
    let likeness = target.before.as_ref().unwrap_or(&target.finding);
    let found = compared(report, snapshots(std::slice::from_ref(likeness)));
    let found = found.into_iter().find(|(_, of)| of.is_some());
    match found {
        Some((mut finding, _)) if target.before.is_none() || finding.status == Status::Worse => {
            if target.before.is_none() {
                finding.status = Status::New;
            }
            return Answer::Shows(Box::new(finding));
        }
        Some(_) => return Answer::Clean,
        None => {}
    }
    let tests = [&target.finding, likeness]
        .into_iter()
        .flat_map(|finding| &finding.tests);
    let wanted: Vec<String> = tests.map(|id| scrub::addresses(id)).collect();
    let asked = || {
        report
            .tests
            .iter()
            .filter(|test| wanted.contains(&scrub::addresses(&test.id)))
    };
    if asked().any(|test| test.verdict.is_judged()) {
        return Answer::Clean;
    }
    Answer::Unjudged(match (asked().next(), report.errors.first()) {
        (Some(test), _) => match &test.reason {
            Some(reason) => format!(
                "its test is {}: {}",
                test.verdict.word(),
                text::brief(reason)
            ),
            None => format!("its test is {}", test.verdict.word()),
        },
        (None, Some(error)) => text::brief(error.message.lines().next().unwrap_or_default()),
        (None, None) => "its test is not there".to_owned(),
    })
}

/// What `report` says of what a snapshot holds: it is gone where all of its tests were judged and do not show it.
pub fn of_snapshot(report: &Report, snapshot: &Snapshot) -> Answer {
    let found = compared(report, vec![snapshot.clone()]);
    if let Some((finding, _)) = found.into_iter().find(|(_, of)| of.is_some()) {
        return Answer::Shows(Box::new(finding));
    }
    let unjudged = snapshot.tests.iter().find_map(|id| {
        let test = { report.tests.iter() }.find(|test| scrub::addresses(&test.id) == *id);
        match test {
            Some(test) if test.verdict.is_judged() => None,
            Some(test) => Some((id, test.verdict.word())),
            None => Some((id, "not there")),
        }
    });
    match unjudged {
        Some((id, word)) => Answer::Unjudged(format!("{} is {word}", text::brief(id))),
        None if snapshot.tests.is_empty() => Answer::Unjudged("it has no test".to_owned()),
        None => Answer::Clean,
    }
}

/// What leaks in `report`, whatever was accepted: with an identity that only this run gave it.
pub fn present(report: &Report) -> Vec<Finding> {
    let mut findings: Vec<Finding> = report
        .standing(Standing::Present)
        .filter(|finding| finding.level == Level::Error)
        .cloned()
        .collect();
    for finding in &mut findings {
        (finding.status, finding.accepted) = (Status::New, None);
        finding.fails = true;
    }
    findings
}

fn snapshots(findings: &[Finding]) -> Vec<Snapshot> {
    let of = |finding| Snapshot::of(finding, BUILD, None);
    findings.iter().map(of).collect()
}

/// What leaks in `report`, with its status against `before`, and which one of these it is.
fn compared(report: &Report, before: Vec<Snapshot>) -> Vec<(Finding, Option<usize>)> {
    let accepted: Vec<File> = before
        .into_iter()
        .enumerate()
        .map(|(at, snapshot)| File {
            name: at.to_string(),
            entry: Entry::One(Box::new(snapshot)),
        })
        .collect();
    let tests: Vec<(String, bool)> = { report.tests.iter() }
        .map(|test| (test.id.clone(), test.verdict.is_judged()))
        .collect();
    let mut findings = present(report);
    compare::compare(
        &mut findings,
        &Against {
            accepted: &accepted,
            tests: &tests,
            whole: false,
            build: BUILD,
            today: Date::MIN,
            deny_stale: false,
            packages: &BTreeMap::new(),
        },
    );
    findings
        .into_iter()
        .filter(|finding| finding.status != Status::Fixed)
        .map(|mut finding| {
            let named = finding.accepted.take().map(|accepted| accepted.file);
            let of = named.and_then(|file| {
                accepted
                    .iter()
                    .position(|accepted| accepted.shown() == file)
            });
            (finding, of)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        baseline::compare::tests::finding,
        exit_code::ExitCode,
        report::{Environment, Snapshots, Timing},
        verdict::{Series, TestResult, Verdict},
    };

    fn report(findings: &[Finding], verdict: Verdict) -> Report {
        Report {
            version: String::new(),
            environment: Environment::default(),
            exit_code: ExitCode::Success,
            tests: vec![TestResult {
                id: "t.py::test".to_owned(),
                file: "t.py".to_owned(),
                verdict,
                rule: None,
                reason: None,
                iterations: 4,
                seconds: 0.0,
                series: Series::new(),
                kept: None,
            }],
            findings: findings.to_vec(),
            errors: Vec::new(),
            notes: Vec::new(),
            judged: 1.0,
            min_judged: 0.9,
            timing: Timing::default(),
            snapshots: Snapshots::default(),
            retained: Default::default(),
            shard: None,
            merged: None,
            asked: None,
        }
    }

    fn leaking(blocks: f64) -> Report {
        report(&[finding("f", &[("blocks", blocks)])], Verdict::Leak)
    }

    fn word(answer: &Answer) -> &str {
        match answer {
            Answer::Shows(_) => "shows",
            Answer::Clean => "clean",
            Answer::Unjudged(why) => why,
        }
    }

    #[test]
    fn a_finding_is_there_or_its_tests_do_not_show_it_or_nobody_knows() {
        let came = came(&leaking(4.0), &report(&[], Verdict::Clean));
        let [target] = &came[..] else {
            panic!("{came:?}")
        };
        assert_eq!(word(&of(&leaking(1.0), target)), "shows");
        assert_eq!(word(&of(&report(&[], Verdict::Clean), target)), "clean");
        let other = report(&[finding("g", &[("blocks", 4.0)])], Verdict::Leak);
        assert_eq!(word(&of(&other, target)), "clean");
        let failed = report(&[], Verdict::Failed);
        assert_eq!(word(&of(&failed, target)), "its test is failed");
        let mut elsewhere = report(&[], Verdict::Clean);
        elsewhere.tests[0].id = "t.py::other".to_owned();
        assert_eq!(word(&of(&elsewhere, target)), "its test is not there");
    }

    #[test]
    fn a_snapshot_is_gone_where_all_of_its_tests_were_judged() {
        let mut snapshot = Snapshot::of(&finding("f", &[("blocks", 4.0)]), "3.12", None);
        assert_eq!(word(&of_snapshot(&leaking(9.0), &snapshot)), "shows");
        let clean = report(&[], Verdict::Clean);
        assert_eq!(word(&of_snapshot(&clean, &snapshot)), "clean");
        let failed = report(&[], Verdict::Failed);
        assert_eq!(
            word(&of_snapshot(&failed, &snapshot)),
            "t.py::test is failed"
        );
        snapshot.tests.push("t.py::more".to_owned());
        assert_eq!(
            word(&of_snapshot(&clean, &snapshot)),
            "t.py::more is not there"
        );
        snapshot.tests.clear();
        assert_eq!(word(&of_snapshot(&clean, &snapshot)), "it has no test");
    }

    #[test]
    fn code_that_moved_is_the_same_finding() {
        let target = &came(&leaking(4.0), &report(&[], Verdict::Clean))[0];
        let mut moved = finding("f", &[("blocks", 4.0)]);
        moved.sites[0].file = "old.py".to_owned();
        moved.fingerprint = "0".repeat(16);
        assert_eq!(word(&of(&report(&[moved], Verdict::Leak), target)), "shows");
    }

    #[test]
    fn what_became_worse_is_looked_for_where_it_is_worse() {
        assert!(came(&leaking(4.0), &leaking(4.0)).is_empty());
        assert!(came(&leaking(2.0), &leaking(4.0)).is_empty());
        let target = &came(&leaking(40.0), &leaking(4.0))[0];
        assert!(target.before.is_some());
        assert_eq!(word(&of(&leaking(4.0), target)), "clean");
        assert_eq!(word(&of(&leaking(40.0), target)), "shows");
        assert_eq!(word(&of(&report(&[], Verdict::Clean), target)), "clean");
    }

    #[test]
    fn what_was_accepted_in_a_commit_leaks_all_the_same() {
        let mut accepted = finding("f", &[("blocks", 4.0)]);
        (accepted.status, accepted.fails) = (Status::Known, false);
        let now = report(&[accepted], Verdict::Leak);
        let targets = came(&now, &report(&[], Verdict::Clean));
        assert_eq!(targets.len(), 1);
        assert_eq!(word(&of(&now, &targets[0])), "shows");
    }

    #[test]
    fn a_cache_that_fills_is_no_leak() {
        let mut bounded = finding("f", &[("blocks", 4.0)]);
        (bounded.verdict, bounded.level, bounded.fails) = (Verdict::Bounded, Level::Note, false);
        let then = report(&[bounded], Verdict::Bounded);
        assert!(came(&then, &report(&[], Verdict::Clean)).is_empty());
        let target = &came(&leaking(4.0), &report(&[], Verdict::Clean))[0];
        assert_eq!(word(&of(&then, target)), "clean");
    }
}
