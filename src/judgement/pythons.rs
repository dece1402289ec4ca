//! What becomes of leaks that are Python's own, or the test runner's: nobody who has the suite can fix them.

use std::collections::BTreeSet;

use crate::{
    attribute::pythons::{KNOWN, Known, Sign},
    finding::{Finding, Kind, Level, NativeFunction, Owner, stance::Stance},
    run::case::Case,
    verdict::{TestResult, Verdict},
};

/// Bytes an iteration beyond which native memory that nobody was seen to allocate for certain is more than tracemalloc is known to
/// lose: some 100 bytes for each way to a line that allocates while it is on.
const MOST_OF_TRACING: f64 = 65_536.0;

/// The leak of a version of Python that a finding is, where it is nothing else. A project's object that comes to stay in a
/// container of the standard library is the project's: so it is one of those that are known, or it is not Python's.
pub(super) fn known(finding: &Finding, cases: &[&Case], python: &str) -> Option<&'static Known> {
    let is = |known: &&Known| match known.sign {
        Sign::Holder(names) => finding.holder.as_ref().is_some_and(|holder| {
            names.contains(&&*holder.name)
                && holder.also.is_empty()
                && cases.iter().all(|case| is_all(case, &holder.name))
        }),
        Sign::Function(name) => {
            let only = |case: &&Case| case.passages.len() == 1;
            is_native(finding)
                && finding
                    .native
                    .as_ref()
                    .is_some_and(|native| native.name == name && native.certain)
                && cases.iter().all(only)
        }
        Sign::Tracing => {
            let nobody = |native: &NativeFunction| !native.certain;
            is_native(finding)
                && finding.native.as_ref().is_none_or(nobody)
                && cases
                    .iter()
                    .all(|case| case.ends_tracing && heap(case) < MOST_OF_TRACING)
        }
    };
    KNOWN.iter().filter(|known| known.is_in(python)).find(is)
}

fn is_native(finding: &Finding) -> bool {
    finding.kind == Kind::Native && finding.holder.is_none()
}

fn heap(case: &Case) -> f64 {
    case.fits.values().map(|fit| fit.rate.value).sum()
}

/// Whether one container holds all that grows in a test.
fn is_all(case: &Case, holder: &str) -> bool {
    let routes = case
        .diagnosis
        .iter()
        .flat_map(|diagnosis| &diagnosis.routes);
    let others = case.containers.iter().map(|(name, _)| name);
    { routes }.all(|route| route.holder.name == holder) && { others }.all(|name| name == holder)
}

/// Makes of `finding` what the settings say of leaks that are not the project's to fix.
pub(super) fn settle(finding: &mut Finding, known: Option<&Known>, stance: Stance) {
    if let Some(known) = known {
        finding.owner = Owner::Interpreter;
        if known.sign == Sign::Tracing {
            // Whoever was seen to allocate is one of those that were traced.
            let end = finding.summary.find(", allocated");
            finding
                .summary
                .truncate(end.unwrap_or(finding.summary.len()));
            finding.sites.clear();
            finding.native = None;
        }
        finding.summary = format!("{}: {}", finding.summary, known.text());
        finding.advice = known.advice();
    }
    if known.is_none() && finding.owner != Owner::Runner || finding.verdict != Verdict::Leak {
        return;
    }
    let level = stance.level();
    // What is excused already is no more than a note.
    finding.level = finding.level.max(level);
    finding.fails &= level == Level::Error;
}

/// Says beside each test that shows nothing else that its leak is not the project's.
pub(super) fn explain(findings: &[Finding], tests: &mut [TestResult]) {
    let of = |fails: bool| -> BTreeSet<&str> {
        { findings.iter() }
            .filter(|finding| finding.verdict == Verdict::Leak && finding.fails == fails)
            .filter(|finding| fails || matches!(finding.level, Level::Warning))
            .flat_map(|finding| finding.tests.iter().map(String::as_str))
            .collect()
    };
    let (failing, warned) = (of(true), of(false));
    for test in tests {
        if warned.contains(&*test.id)
            && !failing.contains(&*test.id)
            && test.verdict == Verdict::Leak
        {
            let why = "not the project's own leak, which is a warning (`interpreter`)";
            test.reason = Some(match test.reason.take() {
                Some(reason) => format!("{why}; {reason}"),
                None => why.to_owned(),
            });
        }
    }
}
