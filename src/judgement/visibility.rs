//! Compares the findings of a run with the accepted snapshots, before the exit code is decided.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use crate::{
    baseline::{
        acceptance::Package,
        compare::{self, Against, Outcome},
        files::File,
        format::Entry,
    },
    finding::{
        Finding, Owner,
        stance::{Stance, Stances, Subject},
    },
    report::Environment,
    run::Run,
    verdict::{TestResult, Verdict},
};

/// The snapshots to compare with, and what was asked for.
pub struct Baseline<'a> {
    /// The accepted ones.
    pub accepted: &'a [File],
    /// Whether all of the suite was asked for, not only some paths.
    pub whole: bool,
    /// The build of Python, as [`rates::build`](crate::baseline::rates::build) names it.
    pub build: &'a str,
    /// The day, in UTC.
    pub today: Date,
    /// Whether a snapshot of what is gone fails the build.
    pub deny_stale: bool,
}

/// What of a run matters for the comparison, beside its findings.
#[derive(Debug)]
pub(super) struct Scope {
    /// Every test, and whether it was judged by itself.
    pub tests: Vec<(String, bool)>,
    /// Whether nothing kept it from looking at all that it was asked for.
    pub complete: bool,
    /// Every test was looked at for what is denied: what was not seen of it is gone then.
    pub stances: Stances,
    /// Installed packages that findings are in, by fingerprint.
    pub packages: BTreeMap<String, Package>,
}

impl Scope {
    pub fn of(run: &Run, results: &[TestResult], packages: BTreeMap<String, Package>) -> Scope {
        let alike: BTreeSet<usize> = run.alike.iter().map(|alike| alike.test).collect();
        Scope {
            tests: results
                .iter()
                .enumerate()
                .map(|(at, test)| (test.id.clone(), is_judged(test, alike.contains(&at))))
                .collect(),
            // A shard knows nothing of what the others find.
            complete: run.shard.is_none()
                && !run.interrupted
                && run.errors.is_empty()
                && run.looks.iter().all(Option::is_some),
            stances: run.stances.clone(),
            packages,
        }
    }
}

/// The packages of findings that fail in code of others.
pub(super) fn packages(
    findings: &[Finding],
    environment: &Environment,
    package_of: &dyn Fn(&str) -> Option<Package>,
) -> BTreeMap<String, Package> {
    findings
        .iter()
        .filter(|finding| finding.fails && finding.owner != Owner::Project)
        .filter_map(|finding| {
            let file = &finding.sites.first()?.file;
            let package = package_of(file).or_else(|| {
                // unittest and the rest of the standard library come with Python.
                matches!(finding.owner, Owner::Runner | Owner::Interpreter).then(|| Package {
                    name: "python".to_owned(),
                    version: environment.python.clone(),
                })
            })?;
            Some((finding.fingerprint.clone(), package))
        })
        .collect()
}

pub(super) fn compare(
    findings: &mut Vec<Finding>,
    scope: &Scope,
    baseline: &Baseline<'_>,
) -> Outcome {
    let accepted = comparable(scope, findings, baseline.accepted);
    compare::compare(
        findings,
        &Against {
            accepted: &accepted,
            tests: &scope.tests,
            whole: baseline.whole && scope.complete,
            build: baseline.build,
            today: baseline.today,
            deny_stale: baseline.deny_stale,
            packages: &scope.packages,
        },
    )
}

/// The snapshots of which the run can say something. Where cycles are not denied not every one is looked for, and one that
/// was not seen need not be gone.
fn comparable(scope: &Scope, findings: &[Finding], accepted: &[File]) -> Vec<File> {
    let seen = |fingerprint: &str| {
        findings
            .iter()
            .any(|finding| finding.fingerprint == fingerprint)
    };
    accepted
        .iter()
        .filter(|file| match &file.entry {
            Entry::One(snapshot) => {
                let subject = Subject::of(snapshot.kind);
                subject.is_none_or(|subject| scope.stances.on(subject) == Stance::Deny)
                    || seen(&snapshot.fingerprint)
            }
            _ => true,
        })
        .cloned()
        .collect()
}

/// Whether `test` was judged by itself. What is only taken to leak like another test was not looked at closely enough
/// for its own leak to be called fixed.
pub(super) fn is_judged(test: &TestResult, alike: bool) -> bool {
    test.verdict.is_judged() && !(alike && test.verdict == Verdict::Leak)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Series;

    #[test]
    fn a_test_taken_to_be_like_another_one_does_not_show_that_its_leak_is_gone() {
        let results: Vec<TestResult> = [Verdict::Leak, Verdict::Clean, Verdict::Unstable]
            .into_iter()
            .map(|verdict| TestResult {
                id: String::new(),
                file: String::new(),
                verdict,
                rule: None,
                reason: None,
                iterations: 4,
                seconds: 0.0,
                series: Series::new(),
                kept: None,
            })
            .collect();
        let of =
            |alike| -> Vec<bool> { results.iter().map(|test| is_judged(test, alike)).collect() };
        assert_eq!(of(false), [true, true, false]);
        assert_eq!(of(true), [false, true, false]);
    }
}
