//! Findings out of references that are lost or given back too often: one for each function that does so, or object.

use std::collections::{BTreeMap, BTreeSet};

use super::{allowances, machine, native::Homes, sites};
use crate::{
    explain::{code, fingerprint, lost::Call},
    finding::{
        Curve, Finding, Kind, Measured, NativeFunction, Owner, Rate, Site, Status,
        stance::{Stance, Subject},
    },
    report::text::number,
    run::{
        Run,
        finds::{Lost, References},
    },
    verdict::{Counter, Verdict, rule::Rule},
};

/// One test's share in a cause.
struct Seen<'a> {
    one: &'a References,
    lost: &'a Lost,
    culprit: Option<(NativeFunction, &'a Call)>,
}

impl Seen<'_> {
    /// Where the call is that changes the count.
    fn place(&self) -> Option<&(String, u32)> {
        let call = self.culprit.as_ref().map(|(_, call)| &call.place);
        call.or_else(|| only(self.lost))
    }
}

/// Every cause that was seen.
pub(super) fn findings(run: &Run, homes: &Homes<'_>) -> Vec<Finding> {
    let mut causes: BTreeMap<Vec<String>, Vec<Seen<'_>>> = BTreeMap::new();
    for one in &run.references {
        for lost in &one.objects {
            let culprit = homes.of_calls(&lost.calls);
            let code = code_of(lost).to_owned();
            let cause = match &culprit {
                Some((function, _)) if function.is_suspect() => {
                    vec![code, function.library.clone(), function.name.clone()]
                }
                // A constant has no name of its own.
                _ if lost.name.is_empty() || lost.name.contains(" in ") => {
                    vec![code, lost.kind.clone()]
                }
                _ => vec![code, lost.name.clone()],
            };
            let seen = Seen { one, lost, culprit };
            causes.entry(cause).or_default().push(seen);
        }
    }
    { causes.iter() }
        .map(|(cause, seen)| finding(run, homes, cause, seen))
        .collect()
}

fn code_of(lost: &Lost) -> &'static str {
    if lost.each < 0.0 {
        code::RELEASED
    } else {
        code::of(Kind::Reference)
    }
}

fn finding(run: &Run, homes: &Homes<'_>, cause: &[String], seen: &[Seen<'_>]) -> Finding {
    // One in which the call is known, and of those the test that loses least besides.
    let mut order: Vec<&Seen<'_>> = seen.iter().collect();
    order.sort_by_key(|seen| {
        let unknown = seen.culprit.is_none();
        let nowhere = seen.place().is_none();
        (unknown, nowhere, seen.one.objects.len(), seen.one.test)
    });
    let best = order[0];
    let (one, lost) = (best.one, best.lost);
    let is_allowed = |test| allowances::covers(run, test, Counter::Refs, lost.each.abs());
    let all = seen
        .iter()
        .flat_map(|seen| seen.one.alike.iter().copied().chain([seen.one.test]));
    let mut tests: BTreeSet<usize> = all.collect();
    let allowed = tests.iter().all(|test| is_allowed(*test));
    if !allowed {
        tests.retain(|test| !is_allowed(*test));
    }
    let rate = Rate {
        value: lost.each.abs(),
        interval: [lost.each.abs(), lost.each.abs()],
        exact: lost.even,
    };
    let mut places: Vec<Site> = Vec::new();
    for place in order.iter().filter_map(|seen| seen.place()) {
        let frames = std::slice::from_ref(place);
        let site = sites::site(run, homes.places, frames, (0.0, 0.0));
        sites::add(&mut places, vec![site]);
    }
    let site = best.place().and(places.first());
    let native = best.culprit.as_ref().map(|(function, _)| function.clone());
    let owner = { native.as_ref() }
        .filter(|native| native.is_suspect())
        .and_then(|native| native.owner)
        .or(site.and_then(|site| site.owner))
        .unwrap_or(Owner::Project);
    let code = code_of(lost);
    let denied = run.stances.on(Subject::References) == Stance::Deny;
    let (level, fails) = run.stances.weigh(Subject::References, allowed, owner);
    let cause: Vec<&str> = cause.iter().map(String::as_str).collect();
    Finding {
        fingerprint: fingerprint::of(&cause),
        code: code.to_owned(),
        status: Status::New,
        verdict: if denied {
            Verdict::Leak
        } else {
            Verdict::Clean
        },
        rule: denied.then_some(rule_of(code)),
        level,
        fails,
        kind: Kind::Reference,
        owner,
        summary: summary(lost, native.as_ref(), site),
        shape: "linear".to_owned(),
        rate: BTreeMap::from([(Counter::Refs.name().to_owned(), rate)]),
        holder: None,
        types: Vec::new(),
        resources: resources(seen),
        c_stack: { native.as_ref() }.map_or_else(Vec::new, |native| machine::stack(native, site)),
        evidence: format!(
            "seen in 2 processes, {} iterations{}",
            number(f64::from(one.iterations) + one.readings.len() as f64),
            if lost.even {
                ", the same amount each time"
            } else {
                ""
            }
        ),
        advice: match &native {
            Some(native) if native.is_suspect() && code != code::RELEASED => {
                code::advice_native(code, native)
            }
            _ => code::advice(code).to_owned(),
        } + &native.as_ref().map_or_else(String::new, machine::how_sure),
        native,
        sites: places,
        tests: tests
            .into_iter()
            .map(|test| run.tests[test].id.clone())
            .collect(),
        curves: vec![Curve {
            counter: Counter::Refs,
            readings: one.readings.clone(),
            rate: Some(rate),
        }],
        measured: Some(Measured {
            test: run.tests[one.test].id.clone(),
            alone: one.objects.len() == 1,
        }),
        accepted: None,
    }
}

fn rule_of(code: &str) -> Rule {
    if code == code::RELEASED {
        Rule::ReferencesReleased
    } else {
        Rule::ReferencesLost
    }
}

/// By how much a call left the count changed, without the first iteration: in that more may come, once.
fn later(call: &Call) -> &[i64] {
    call.rises.get(1..).unwrap_or_default()
}

/// The one place at which calls changed the count in each iteration or, where there is none, in a part of them.
fn only(lost: &Lost) -> Option<&(String, u32)> {
    let in_each = |call: &&Call| {
        let rises = later(call);
        !rises.is_empty() && rises.iter().all(|rise| *rise > 0)
    };
    let in_some = |call: &&Call| {
        let rises = later(call);
        let sum = rises.iter().sum::<i64>() as f64;
        let share = sum / (lost.each.abs() * rises.len() as f64);
        rises.iter().all(|rise| *rise >= 0) && sum > 0.0 && share >= BY_ONE_PLACE
    };
    let mut told: Vec<&Call> = lost.calls.iter().filter(in_each).collect();
    if told.is_empty() {
        told = lost.calls.iter().filter(in_some).collect();
    }
    // What everybody uses comes and goes elsewhere as well, by other amounts.
    let by_as_much = |call: &&&Call| {
        let each = |rise: &i64| *rise as f64 == lost.each.abs();
        later(call).iter().all(each)
    };
    let exact: Vec<&Call> = told.iter().filter(by_as_much).copied().collect();
    if !exact.is_empty() {
        told = exact;
    }
    let (first, others) = told.split_first()?;
    let is_there = |call: &&Call| call.place == first.place;
    others.iter().all(is_there).then_some(&first.place)
}

/// The share of what is lost that the calls of one place have to have lost, where they do not in each iteration: at least
/// three are watched, and of those that lose in every second one it may be the first and the third that does.
const BY_ONE_PLACE: f64 = 0.5;

/// What code calls an object, and what it is.
fn named(lost: &Lost) -> String {
    match (&*lost.name, &*lost.kind) {
        ("", kind) => format!("an object of type {kind}"),
        (name, "NoneType" | "bool" | "ellipsis" | "NotImplementedType") => name.to_owned(),
        (name, "type") => format!("the class {name}"),
        (name, kind) if name.contains(" in ") => format!("the constant {name} ({kind})"),
        (name, kind) => format!("{name} ({kind})"),
    }
}

/// The objects, where there are several.
fn resources(seen: &[Seen<'_>]) -> Vec<String> {
    let names: BTreeSet<String> = seen.iter().map(|seen| named(seen.lost)).collect();
    if names.len() > 1 {
        names.into_iter().collect()
    } else {
        Vec::new()
    }
}

fn summary(lost: &Lost, native: Option<&NativeFunction>, site: Option<&Site>) -> String {
    let each = lost.each.abs();
    let references = if (each - 1.0).abs() < 1e-9 {
        "1 reference".to_owned()
    } else {
        format!("{} references", number(each))
    };
    let verb = if references == "1 reference" {
        "is"
    } else {
        "are"
    };
    let what = if lost.each < 0.0 {
        format!(
            "{references} to {} {verb} given back too often in each iteration",
            named(lost)
        )
    } else {
        format!(
            "{references} to {} {verb} lost in each iteration",
            named(lost)
        )
    };
    let by = native.map_or_else(String::new, |native| format!(" by {}", native.text()));
    let called = site.map_or_else(String::new, |site| format!(", called at {}", site.place()));
    let end = if lost.each < 0.0 {
        "; the process will crash when none is left"
    } else {
        ""
    };
    format!("{what}{by}{called}{end}")
}
