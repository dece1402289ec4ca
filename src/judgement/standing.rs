//! Compares the findings of a run with the accepted snapshots, before the exit code is decided.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use crate::{
    baseline::{
        acceptance::Package,
        compare::{self, Against, Outcome},
        files::File,
        rates,
    },
    finding::{Finding, Owner},
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
    let tests: Vec<(String, bool)> = results
        .iter()
        .enumerate()
        .map(|(at, test)| {
            // What is only taken to leak like another test was not looked at closely enough to be called mended.
            let taken = test.verdict == Verdict::Leak && alike.contains(&at);
            (test.id.clone(), test.verdict.is_judged() && !taken)
        })
        .collect();
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
    let build = rates::build(
        &environment.python,
        &environment.implementation,
        &environment.platform,
        &environment.libc,
    );
    compare::compare(
        findings,
        &Against {
            accepted: baseline.accepted,
            tests: &tests,
            whole: baseline.whole
                && !run.interrupted
                && run.errors.is_empty()
                && run.looks.iter().all(Option::is_some),
            build: &build,
            today: baseline.today,
            deny_stale: baseline.deny_stale,
            packages: &packages,
        },
    )
}
