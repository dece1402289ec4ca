//! Findings out of judged suspects: which belong together, what to call them, how fast they grow.

use std::{borrow::Cow, collections::BTreeSet};

use super::{
    allowances::Excuses,
    apart,
    cause::Cause,
    ends,
    held::Held,
    key::{Evidence, Key, keys},
    losses,
    native::Homes,
    parts, pythons, within,
};
use crate::{
    explain::group,
    finding::{Finding, stance::Subject},
    heap::owner::Places,
    run::{Run, case::Case},
    verdict::Verdict,
};

/// Every root cause, and what there is to note about them.
pub(super) fn findings(
    run: &Run,
    places: &Places,
    python: &str,
    excuses: &Excuses,
) -> (Vec<Finding>, Option<String>) {
    let mut found = Vec::new();
    let held = Held::new(&run.cases);
    let homes = Homes::new(places);
    let parts: Vec<Cow<'_, Case>> = { run.cases.iter() }
        .map(|case| pythons::without_its_native(case, &held, python))
        .flat_map(|case| apart(within::parts(&case), case))
        .flat_map(|case| apart(pythons::parts(&case, &held, python), case))
        .collect();
    let cases: Vec<&Case> = parts.iter().map(|case| &**case).collect();
    for (verdict, excused) in [
        (Verdict::Leak, false),
        (Verdict::Leak, true),
        (Verdict::Bounded, false),
        (Verdict::Harness, false),
    ] {
        let evidence: Vec<Evidence<'_>> = { cases.iter().copied() }
            .filter(|case| case.judged.is(verdict))
            .filter(|case| excuses.concern(run, case, excused))
            .map(|case| Evidence {
                case,
                keys: keys(run, &homes, &held, case),
            })
            .collect();
        let sets: Vec<BTreeSet<Key>> = evidence.iter().map(|one| one.keys.clone()).collect();
        let groups = group::causes(&sets);
        let groups = groups
            .iter()
            .flat_map(|group| parts::of(group, &|at| (evidence[at].case, &evidence[at].keys)));
        for group in groups {
            let cause = Cause::of((run, &homes, &held), verdict, &evidence, &group);
            let mut finding = cause.finding();
            if verdict == Verdict::Leak {
                let cases: Vec<&Case> = group.tests.iter().map(|at| evidence[*at].case).collect();
                let known = pythons::known(&finding, &held, &cases, python);
                let stance = run.stances.on(Subject::Interpreter);
                pythons::settle(&mut finding, known, stance);
            }
            if excuses.settle(&mut finding, excused, &found) {
                found.push(finding);
            }
        }
    }
    found.extend(losses::findings(run));
    found.extend(apart::findings(run, &homes));
    found.extend(ends::findings(run));
    (found, homes.trouble().cloned())
}

/// The parts of a case that are causes of their own, or the case itself.
fn apart(parts: Option<Vec<Case>>, whole: Cow<'_, Case>) -> Vec<Cow<'_, Case>> {
    match parts {
        Some(parts) => parts.into_iter().map(Cow::Owned).collect(),
        None => vec![whole],
    }
}
