//! Repeats that end or hang their process, each a finding.

use std::collections::BTreeMap;

use crate::{
    explain::{code, fingerprint},
    finding::{Finding, Kind, Level, Owner, Status},
    run::Run,
    verdict::loss::Loss,
};

/// A repeat that kills or hangs the process is a finding: its first run was fine.
pub(super) fn findings(run: &Run) -> Vec<Finding> {
    let screened = run
        .looks
        .iter()
        .flatten()
        .filter_map(|look| Some((look.test, look.screened.concluded()?)));
    let judged = run.cases.iter().map(|case| (case.test, &case.judged));
    screened
        .chain(judged)
        .filter_map(|(test, conclusion)| Some((test, conclusion, conclusion.loss()?)))
        .filter(|(_, _, (loss, iteration))| *iteration > 1 && loss.is_the_tests())
        .map(|(test, conclusion, (loss, iteration))| {
            let hung = matches!(loss, Loss::Hung { .. });
            let code = if hung { code::HANG } else { code::CRASH };
            let id = run.tests[test].id.clone();
            Finding {
                fingerprint: fingerprint::of(&[code, &id]),
                code: code.to_owned(),
                status: Status::New,
                verdict: conclusion.verdict(),
                rule: Some(conclusion.rule()),
                level: Level::Error,
                fails: true,
                kind: Kind::Native,
                owner: Owner::Project,
                summary: format!(
                    "passes once, and in iteration {iteration} the test process {loss}"
                ),
                shape: "flat".to_owned(),
                rate: BTreeMap::new(),
                holder: None,
                resources: Vec::new(),
                c_stack: loss.c_stack().to_vec(),
                native: None,
                types: Vec::new(),
                sites: Vec::new(),
                tests: vec![id],
                evidence: "seen in two processes".to_owned(),
                advice: code::advice(code).to_owned(),
                curves: Vec::new(),
                measured: None,
                accepted: None,
            }
        })
        .collect()
}
