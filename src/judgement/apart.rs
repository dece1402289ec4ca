//! What changes apart from growth: findings of it, and what they mean for the tests in which it does.

use super::{cycles, native::Homes, references, unclosed};
use crate::{
    finding::{Finding, Kind, stance::Subject},
    report::text::number,
    run::Run,
    verdict::{TestResult, Verdict},
};

/// Every finding of what is looked at apart.
pub(super) fn findings(run: &Run, homes: &Homes<'_>) -> Vec<Finding> {
    let mut found = cycles::findings(run, homes.places);
    found.extend(references::findings(run, homes));
    found.extend(unclosed::findings(run, homes.places));
    found
}

/// A test that shows what is denied is no clean test.
pub(super) fn settle(findings: &[Finding], tests: &mut [TestResult]) {
    let denied = |finding: &&Finding| {
        Subject::of(finding.kind).is_some() && finding.verdict == Verdict::Leak
    };
    for finding in findings.iter().filter(denied) {
        let shows = |test: &&mut TestResult| finding.tests.contains(&test.id);
        for test in tests.iter_mut().filter(shows) {
            if !matches!(
                test.verdict,
                Verdict::Clean | Verdict::Bounded | Verdict::Harness
            ) {
                continue;
            }
            test.verdict = Verdict::Leak;
            test.rule = finding.rule;
            test.reason = Some(reason(finding));
            test.series.extend(
                { finding.curves.iter() }.map(|curve| (curve.counter, curve.readings.clone())),
            );
        }
    }
}

fn reason(finding: &Finding) -> String {
    let each = finding.rate.values().next().map_or(0.0, |rate| rate.value);
    match finding.kind {
        Kind::Cycle if each > 1.0 => format!(
            "leaves {} objects to the cycle collector, which is denied",
            number(each)
        ),
        Kind::Cycle => "leaves 1 object to the cycle collector, which is denied".to_owned(),
        _ => finding.summary.clone(),
    }
}
