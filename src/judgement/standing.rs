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
    config::Cycles,
    finding::{Finding, Kind, Owner},
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
    /// The installed package that a file as shown belongs to.
    pub package_of: &'a dyn Fn(&str) -> Option<Package>,
}

pub(super) fn compare(
    run: &Run,
    results: &[TestResult],
    environment: &Environment,
    findings: &mut Vec<Finding>,
    baseline: &Baseline<'_>,
) -> Outcome {
    let alike: BTreeSet<usize> = run.alike.iter().map(|(test, _)| *test).collect();
    let tests = judged(results, &alike);
    let packages: BTreeMap<String, Package> = findings
        .iter()
        .filter(|finding| finding.fails && finding.owner != Owner::Project)
        .filter_map(|finding| {
            let file = &finding.sites.first()?.file;
            let package = (baseline.package_of)(file).or_else(|| {
                // unittest and the rest of the standard library come with Python.
                matches!(finding.owner, Owner::Runner | Owner::Interpreter).then(|| Package {
                    name: "python".to_owned(),
                    version: environment.python.clone(),
                })
            })?;
            Some((finding.fingerprint.clone(), package))
        })
        .collect();
    let accepted = comparable(run, findings, baseline.accepted);
    compare::compare(
        findings,
        &Against {
            accepted: &accepted,
            tests: &tests,
            whole: baseline.whole
                && !run.interrupted
                && run.errors.is_empty()
                && run.looks.iter().all(Option::is_some),
            build: baseline.build,
            today: baseline.today,
            deny_stale: baseline.deny_stale,
            packages: &packages,
        },
    )
}

/// The snapshots of which the run can say something. Where cycles are not denied not every one is looked for, and one that
/// was not seen need not be gone.
fn comparable(run: &Run, findings: &[Finding], accepted: &[File]) -> Vec<File> {
    let seen = |fingerprint: &str| {
        findings
            .iter()
            .any(|finding| finding.fingerprint == fingerprint)
    };
    accepted
        .iter()
        .filter(|file| match &file.entry {
            Entry::One(snapshot) if snapshot.kind == Kind::Cycle => {
                run.cycles == Cycles::Deny || seen(&snapshot.fingerprint)
            }
            _ => true,
        })
        .cloned()
        .collect()
}

/// Every test, and whether it was judged by itself. What is only taken to leak like another test was not looked at
/// closely enough for its own leak to be called mended.
fn judged(results: &[TestResult], alike: &BTreeSet<usize>) -> Vec<(String, bool)> {
    results
        .iter()
        .enumerate()
        .map(|(at, test)| {
            let taken = test.verdict == Verdict::Leak && alike.contains(&at);
            (test.id.clone(), test.verdict.is_judged() && !taken)
        })
        .collect()
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
                reason: None,
                iterations: 4,
                seconds: 0.0,
                series: Series::new(),
            })
            .collect();
        let of = |alike: &[usize]| -> Vec<bool> {
            let alike = alike.iter().copied().collect();
            judged(&results, &alike)
                .iter()
                .map(|(_, was)| *was)
                .collect()
        };
        assert_eq!(of(&[]), [true, true, false]);
        assert_eq!(of(&[0, 1]), [false, true, false]);
    }
}
