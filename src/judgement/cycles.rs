//! Findings out of what tests leave to the cycle collector: one for each sort of cycle, however many tests make it.

use std::collections::{BTreeMap, BTreeSet};

use super::{allowances, sites};
use crate::{
    explain::{code, fingerprint},
    finding::{Curve, Finding, Kind, Measured, Rate, Site, Status, stance::Subject},
    heap::owner::Places,
    report::text::{bytes, number},
    run::{
        Run,
        finds::{Cycle, Leavings},
    },
    verdict::{Counter, Verdict, rule::Rule},
};

/// Every sort of cycle that was seen.
pub(super) fn findings(run: &Run, places: &Places) -> Vec<Finding> {
    let mut sorts: BTreeMap<&str, Vec<(&Leavings, &Cycle)>> = BTreeMap::new();
    for one in &run.leavings {
        for cycle in &one.garbage.cycles {
            let sort = sorts.entry(&cycle.ring.identity).or_default();
            sort.push((one, cycle));
        }
    }
    sorts
        .into_iter()
        .filter_map(|(identity, seen)| finding(run, places, identity, &seen))
        .collect()
}

fn finding(
    run: &Run,
    places: &Places,
    identity: &str,
    seen: &[(&Leavings, &Cycle)],
) -> Option<Finding> {
    // The test that leaves least besides shows it most purely.
    let (one, cycle) = seen.iter().min_by_key(|(one, cycle)| {
        (
            one.garbage.objects - cycle.objects.min(one.garbage.objects),
            one.test,
        )
    })?;
    let mut tests: BTreeSet<usize> = seen
        .iter()
        .flat_map(|(one, _)| one.alike.iter().copied().chain([one.test]))
        .collect();
    let is_allowed = |test| allowances::covers(run, test, Counter::Garbage, cycle.objects as f64);
    let allowed = tests.iter().all(|test| is_allowed(*test));
    if !allowed {
        tests.retain(|test| !is_allowed(*test));
    }
    let alone = one.garbage.objects <= cycle.objects;
    let rate = rate(one, cycle, alone);
    let (level, fails) = run.stances.weigh(Subject::Cycles, allowed, cycle.owner);
    let site = cycle.place.as_ref().map(|place| {
        let amount = (cycle.objects as f64, cycle.bytes as f64);
        sites::site(run, places, std::slice::from_ref(place), amount)
    });
    Some(Finding {
        fingerprint: fingerprint::of(&[code::of(Kind::Cycle), identity]),
        code: code::of(Kind::Cycle).to_owned(),
        status: Status::New,
        verdict: if fails { Verdict::Leak } else { Verdict::Clean },
        rule: fails.then_some(Rule::CyclesDenied),
        level,
        fails,
        kind: Kind::Cycle,
        owner: cycle.owner,
        summary: summary(cycle, rate.value, site.as_ref()),
        shape: "linear".to_owned(),
        rate: BTreeMap::from([(Counter::Garbage.name().to_owned(), rate)]),
        holder: Some(cycle.ring.holder.clone()),
        types: cycle.types.clone(),
        resources: Vec::new(),
        c_stack: Vec::new(),
        native: None,
        sites: site.into_iter().collect(),
        evidence: evidence(seen, tests.len()),
        tests: tests
            .into_iter()
            .map(|test| run.tests[test].id.clone())
            .collect(),
        advice: cycle.ring.advice.clone(),
        curves: vec![Curve {
            counter: Counter::Garbage,
            readings: one.readings.clone(),
            rate: Some(rate),
        }],
        measured: Some(Measured {
            test: run.tests[one.test].id.clone(),
            alone,
        }),
        accepted: None,
    })
}

/// What the screen counted, where all of it is this cycle's; else what was found in one iteration.
fn rate(one: &Leavings, cycle: &Cycle, alone: bool) -> Rate {
    let counted = match one.readings[..] {
        [.., before, last] if alone => last - before,
        _ => i64::try_from(cycle.objects).unwrap_or(i64::MAX),
    };
    let steady = one.readings.get(1..).unwrap_or_default();
    let value = counted as f64;
    Rate {
        value,
        interval: [value, value],
        exact: alone && steady.windows(2).all(|pair| pair[1] - pair[0] == counted),
    }
}

fn summary(cycle: &Cycle, each: f64, site: Option<&Site>) -> String {
    let objects = if each > 1.0 {
        format!(
            "{} objects ({}) are",
            number(each),
            bytes(cycle.bytes as f64)
        )
    } else {
        format!("1 object ({}) is", bytes(cycle.bytes as f64))
    };
    let with = match &cycle.descriptors[..] {
        [] => String::new(),
        [only] => format!(", with a file descriptor in it ({only}),"),
        [first, ..] => format!(
            ", with {} file descriptors in it ({first}, …),",
            cycle.descriptors.len()
        ),
    };
    let made = site.map_or_else(String::new, |site| format!(", made at {}", site.place()));
    format!(
        "{objects} left to the cycle collector after each iteration{with} by {}{made}",
        cycle.ring.holder.text
    )
}

fn evidence(seen: &[(&Leavings, &Cycle)], tests: usize) -> String {
    let looked = seen.len();
    let rest = tests.saturating_sub(looked);
    let mut text = format!(
        "found in the garbage of {looked} {}",
        if looked == 1 { "test" } else { "tests" }
    );
    if rest > 0 {
        text.push_str(&format!("; {rest} more of the same files leave as much"));
    }
    text
}
