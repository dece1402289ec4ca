//! Findings out of what nobody closes and Python only closes when it is let go of: one for each place, however many tests come by.

use std::collections::{BTreeMap, BTreeSet};

use super::{allowances, sites};
use crate::{
    explain::{code, fingerprint, sites::from_chosen},
    finding::{Curve, Finding, Kind, Measured, Owner, Rate, Site, Status, stance::Subject},
    heap::{owner::Places, types},
    report::text::number,
    run::{
        Run,
        finds::{Left, Unclosed},
    },
    verdict::{Counter, Verdict, rule::Rule},
};

/// What to do where a package opens it.
const NOT_YOURS: &str = "It is opened in code that is not yours: look for a release of the package in which it is closed, and report it there if there is none. What the package returns may have a close() that the test can call.";

/// What is left open of one type and at one place.
type Cause = (String, String, String);

/// Every cause that was seen.
pub(super) fn findings(run: &Run, places: &Places) -> Vec<Finding> {
    let mut causes: BTreeMap<Cause, Vec<(&Unclosed, &Left)>> = BTreeMap::new();
    for one in &run.unclosed {
        for left in &one.left {
            let chosen = from_chosen(&left.frames, places).first();
            // What the runner leaves open is no fault of the tests.
            if chosen.is_none() && !left.frames.is_empty() && left.made {
                continue;
            }
            let (file, function) = chosen.map_or_else(Default::default, |place| {
                (places.show(&place.0), sites::function_of(run, place))
            });
            let cause = (left.kind.clone(), file, function);
            causes.entry(cause).or_default().push((one, left));
        }
    }
    { causes.iter() }
        .filter_map(|(cause, seen)| finding(run, places, cause, seen))
        .collect()
}

fn finding(
    run: &Run,
    places: &Places,
    cause: &Cause,
    seen: &[(&Unclosed, &Left)],
) -> Option<Finding> {
    // The test that leaves least open besides shows it most purely.
    let (one, left) = seen
        .iter()
        .min_by_key(|(one, _)| (one.left.len(), one.test))?;
    let is_allowed = |test| allowances::covers(run, test, Counter::Unclosed, left.each);
    let all = seen
        .iter()
        .flat_map(|(one, _)| one.alike.iter().copied().chain([one.test]));
    let mut tests: BTreeSet<usize> = all.collect();
    let allowed = tests.iter().all(|test| is_allowed(*test));
    if !allowed {
        tests.retain(|test| !is_allowed(*test));
    }
    let frames = from_chosen(&left.frames, places);
    let site = (!frames.is_empty()).then(|| sites::site(run, places, frames, (0.0, 0.0)));
    let owner = site
        .as_ref()
        .and_then(|site| site.owner)
        .unwrap_or(Owner::Project);
    let (level, fails) = run.stances.weigh(Subject::Unclosed, allowed, owner);
    let rate = Rate {
        value: left.each,
        interval: [left.each, left.each],
        exact: true,
    };
    let code = code::of(Kind::Unclosed);
    Some(Finding {
        fingerprint: fingerprint::of(&[code, &cause.0, &cause.1, &cause.2]),
        code: code.to_owned(),
        status: Status::New,
        verdict: if fails { Verdict::Leak } else { Verdict::Clean },
        rule: fails.then_some(Rule::UnclosedDenied),
        level,
        fails,
        kind: Kind::Unclosed,
        owner,
        summary: summary(left, site.as_ref()),
        shape: "linear".to_owned(),
        rate: BTreeMap::from([(Counter::Unclosed.name().to_owned(), rate)]),
        holder: None,
        types: Vec::new(),
        resources: resources(places, seen),
        c_stack: Vec::new(),
        native: None,
        evidence: evidence(seen.len(), tests.len()),
        sites: site.into_iter().collect(),
        tests: tests
            .into_iter()
            .map(|test| run.tests[test].id.clone())
            .collect(),
        advice: advice(owner).to_owned(),
        curves: vec![Curve {
            counter: Counter::Unclosed,
            readings: one.readings.clone(),
            rate: Some(rate),
        }],
        measured: Some(Measured {
            test: run.tests[one.test].id.clone(),
            alone: one.left.len() == 1,
        }),
        accepted: None,
    })
}

fn advice(owner: Owner) -> &'static str {
    match owner {
        Owner::Dependency => NOT_YOURS,
        _ => code::advice(code::of(Kind::Unclosed)),
    }
}

/// What Python says of them, each text once.
fn resources(places: &Places, seen: &[(&Unclosed, &Left)]) -> Vec<String> {
    let root = format!("{}/", places.project.display());
    let texts = { seen.iter() }.map(|(_, left)| left.text.replace(&root, ""));
    let texts: BTreeSet<String> = texts.filter(|text| !text.is_empty()).collect();
    texts.into_iter().take(4).collect()
}

fn summary(left: &Left, site: Option<&Site>) -> String {
    let kind = match &*left.kind {
        "" => "resource".to_owned(),
        kind => types::short(kind),
    };
    let what = if (left.each - 1.0).abs() < 1e-9 {
        format!("1 {kind} is let go of without being closed")
    } else {
        format!(
            "{} of {kind} are let go of without being closed",
            number(left.each)
        )
    };
    let at = site.map_or_else(String::new, |site| {
        let verb = if left.made { ", opened" } else { "" };
        format!("{verb} at {}", site.place())
    });
    format!("{what} in each iteration{at}")
}

fn evidence(looked: usize, tests: usize) -> String {
    let mut text = format!(
        "Python warned of it (ResourceWarning) in each iteration of {looked} {}",
        if looked == 1 { "test" } else { "tests" }
    );
    let rest = tests.saturating_sub(looked);
    if rest > 0 {
        text.push_str(&format!("; {rest} more of the same files leave as many"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_package_opens_is_not_the_projects_to_close() {
        assert!(advice(Owner::Project).contains("with a `with` block"));
        assert!(advice(Owner::Dependency).contains("not yours"));
    }
}
