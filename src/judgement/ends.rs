//! Caches that tests fill, as the screen saw it: notes, one for each set of caches, so that nobody has to wonder.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    explain::{code, fingerprint},
    finding::{Finding, Holder, Kind, Level, Owner, Status},
    run::Run,
    verdict::{
        Verdict,
        conclusion::{Conclusion, called},
        rule::Rule,
    },
};

/// Kind, name and end of each.
type Caches<'a> = BTreeSet<(&'a str, &'a str, u64)>;

/// Of each set of caches its name, the most that it holds, and the tests.
pub(super) fn findings(run: &Run) -> Vec<Finding> {
    let mut by_caches: BTreeMap<Caches<'_>, (Rule, Vec<String>)> = BTreeMap::new();
    for look in run.looks.iter().flatten() {
        let filling = |conclusion: &&Conclusion| !conclusion.ends().is_empty();
        if let Some(conclusion) = look.screened.concluded().filter(filling) {
            let caches = conclusion
                .ends()
                .iter()
                .map(|(kind, name, _, most)| (kind.as_str(), name.as_str(), *most));
            let caches = by_caches.entry(caches.collect());
            let (_, tests) = caches.or_insert_with(|| (conclusion.rule(), Vec::new()));
            tests.push(run.tests[look.test].id.clone());
        }
    }
    by_caches
        .into_iter()
        .map(|(caches, (rule, tests))| finding(&caches, rule, tests))
        .collect()
}

fn finding(caches: &Caches<'_>, rule: Rule, tests: Vec<String>) -> Finding {
    let code = code::of(Kind::Python);
    let told: Vec<String> = caches
        .iter()
        .map(|(kind, name, most)| format!("{} of {most} at most", called(kind, name)))
        .collect();
    let names = caches.iter().map(|(_, name, _)| *name);
    let identity: Vec<&str> = [code, "fills"].into_iter().chain(names).collect();
    Finding {
        fingerprint: fingerprint::of(&identity),
        code: code.to_owned(),
        status: Status::New,
        verdict: Verdict::Bounded,
        rule: Some(rule),
        level: Level::Note,
        fails: false,
        kind: Kind::Python,
        owner: Owner::Project,
        summary: format!("fills {}", told.join(", ")),
        shape: "saturating".to_owned(),
        rate: BTreeMap::new(),
        holder: caches
            .first()
            .filter(|(_, name, _)| !name.is_empty())
            .map(|(_, name, most)| Holder {
                reason: format!("holds {most} entries at most"),
                ..Holder::named(name)
            }),
        resources: Vec::new(),
        c_stack: Vec::new(),
        native: None,
        types: Vec::new(),
        sites: Vec::new(),
        evidence: "nothing grows where it is emptied after each iteration".to_owned(),
        tests,
        advice: code::advice(code).to_owned(),
        curves: Vec::new(),
        measured: None,
        accepted: None,
    }
}
