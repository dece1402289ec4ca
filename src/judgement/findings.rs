//! Findings out of judged suspects: which belong together, what to call them, how fast they grow.

use std::collections::BTreeSet;

use super::{
    apart, ends,
    excuse::Excuses,
    figures::{curves, rates, types},
    held::{self, Held, Lost},
    losses, machine,
    native::{self, Homes},
    parts, pythons, shape,
    sites::{self, function_of},
    summary, within,
};
use crate::{
    attribute::{
        code, fingerprint, group,
        holder::Gain,
        native::Passage,
        owner::Places,
        route::Route,
        sites::{Growth, from_chosen},
    },
    finding::{
        Finding, Holder, Kind, Level, Measured, NativeFunction, Owner, Status, stance::Subject,
    },
    fit::Fit,
    run::{Run, case::Case, diagnose::Place},
    verdict::{Counter, LARGEST_BLOCK, Verdict, rule::Rule},
};

/// What can grow in a test, as one root cause sees it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// File as shown, and function.
    Place(String, String),
    /// What holds it. Where that is everybody's, the type of what it holds as well.
    Holder(String, Option<String>),
    /// The library and the function of machine code, or the place that calls it.
    Native(String, String),
    /// A counter that no place explains, of one test: two native leaks have nothing in common.
    Counter(Counter, usize),
}

struct Evidence<'a> {
    case: &'a Case,
    keys: BTreeSet<Key>,
}

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
    let parts: Vec<Vec<Case>> = run.cases.iter().map(within::parts).collect();
    let cases: Vec<&Case> = { run.cases.iter().zip(&parts) }
        .flat_map(|(case, parts)| match &parts[..] {
            [] => vec![case],
            parts => parts.iter().collect(),
        })
        .collect();
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
            let mut finding = finding(run, &homes, &held, verdict, &evidence, &group);
            if verdict == Verdict::Leak {
                let cases: Vec<&Case> = group.tests.iter().map(|at| evidence[*at].case).collect();
                let known = pythons::known(&finding, &cases, python);
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

fn keys(run: &Run, homes: &Homes<'_>, held: &Held<'_>, case: &Case) -> BTreeSet<Key> {
    let bare = homes.bare(case);
    if !bare.is_empty() {
        return { bare.into_iter() }
            .map(|passage| native_key(run, homes, passage))
            .collect();
    }
    if within::is_it(case)
        && let Some(process) = within::holder(run, case)
    {
        return BTreeSet::from([Key::Holder(process.name, None)]);
    }
    let mut keys: BTreeSet<Key> = case
        .growths
        .iter()
        .map(|growth| key(run, homes.places, held, case, growth))
        .collect();
    // A descriptor or a thread has no place of its own; it belongs to what allocates beside it.
    if keys.is_empty() {
        let held = held.of_case(case).filter(|_| case.beside.is_none());
        keys.extend(match (held, case.containers.first()) {
            (Some(route), _) => vec![holder_key(homes.places, route)],
            (None, Some((name, _))) => vec![Key::Holder(name.clone(), None)],
            (None, None) if !case.passages.is_empty() => case
                .passages
                .iter()
                .map(|passage| native_key(run, homes, passage))
                .collect(),
            // Where nothing is allocated beside it, the line that adds to it is its place.
            (None, None) if let Some(place) = made(homes.places, case) => {
                vec![Key::Place(
                    homes.places.show(&place.0),
                    function_of(run, place),
                )]
            }
            (None, None) => case
                .fits
                .keys()
                .map(|counter| Key::Counter(*counter, case.leader))
                .collect(),
        });
    }
    keys
}

/// The line that adds to a resource of which nothing else tells.
fn made<'a>(places: &Places, case: &'a Case) -> Option<&'a Place> {
    case.fits.keys().find(|counter| counter.is_followed())?;
    let made = &case.diagnosis.as_ref()?.made;
    from_chosen(made, places).first()
}

/// One function of a library is one cause, from wherever it is called. A library of the system, and Python's own
/// core, serve everybody: there it is the place that calls them.
fn native_key(run: &Run, homes: &Homes<'_>, passage: &Passage) -> Key {
    match homes.function(passage) {
        Some(function) if function.is_named() => {
            let symbol = function.symbol().to_owned();
            Key::Native(function.library, symbol)
        }
        _ => {
            let place = passage.shown(homes.places).first();
            let function = place.map_or_else(String::new, |place| function_of(run, place));
            let file = place.map_or_else(String::new, |place| homes.places.show(&place.0));
            Key::Native(file, function)
        }
    }
}

/// One holder is one cause, from however many places it is fed and whatever it holds.
fn holder_key(places: &Places, route: &Route) -> Key {
    let kept = (!route.is_own(places)).then(|| route.kept.clone());
    Key::Holder(route.cause(), kept)
}

fn key(run: &Run, places: &Places, held: &Held<'_>, case: &Case, growth: &Growth) -> Key {
    match held.of_growth(case, growth) {
        Some(route) => holder_key(places, route),
        None => Key::Place(
            places.show(&growth.place().0),
            function_of(run, growth.place()),
        ),
    }
}

fn finding(
    run: &Run,
    homes: &Homes<'_>,
    held: &Held<'_>,
    verdict: Verdict,
    evidence: &[Evidence<'_>],
    group: &group::Group<Key>,
) -> Finding {
    let places = homes.places;
    let all: BTreeSet<&Key> = group.core.union(&group.extra).collect();
    // The test that shows this cause most purely stands for it, one with a thread or descriptor of its before the others.
    let best = { group.tests.iter() }
        .map(|at| &evidence[*at])
        .min_by_key(|one| {
            let unlooked = one.case.diagnosis.is_none();
            let rank = parts::rank(one.case, &one.keys, group);
            (rank, unlooked, one.keys.len(), one.case.test)
        })
        .unwrap_or(&evidence[0]);
    let case = best.case;
    let alone = best.keys.iter().all(|key| all.contains(key));
    let concerns = |growth: &Growth| all.contains(&key(run, places, held, case, growth));
    let growths = || case.growths.iter().filter(|growth| concerns(growth));
    let mut sites = sites::of_growths(run, places, growths());
    let passages: Vec<&Passage> = case
        .passages
        .iter()
        .filter(|passage| all.contains(&native_key(run, homes, passage)))
        .collect();
    // Blocks that C code has of Python's allocator and that are in no object: native memory by another way.
    let bare: Vec<&Passage> = { homes.bare(case).into_iter() }
        .filter(|passage| all.contains(&native_key(run, homes, passage)))
        .collect();
    let is_bare = passages.is_empty() && !bare.is_empty() && verdict == Verdict::Leak;
    let passages = if is_bare { bare } else { passages };
    let native = passages.first().and_then(|passage| homes.function(passage));
    let mut called = None;
    if !passages.is_empty() {
        (sites, called) = sites::of_passages(run, homes, &passages);
        let heap = case.fits.get(&Counter::Heap);
        let heap = heap.filter(|_| !case.fits.contains_key(&Counter::Maps));
        if let ([site], Some(fit)) = (&mut sites[..], heap) {
            // Measured over many more iterations.
            site.bytes = fit.rate.value;
        }
    }
    let made_once = case.judged.rule() == Rule::MadeOnce;
    let told = { case.diagnosis.clone() }.filter(|_| verdict == Verdict::Leak || made_once);
    let told = told.map(|mut diagnosis| {
        diagnosis.prefer(|route| all.contains(&holder_key(places, route)));
        diagnosis
    });
    let diagnosis = told.as_ref().filter(|_| !is_bare);
    let own = diagnosis.and_then(|diagnosis| diagnosis.routes.first());
    // Or as the look at another test has it, where this one was not looked at.
    let route = own.or_else(|| {
        let leaks = verdict == Verdict::Leak && diagnosis.is_none() && case.beside.is_none();
        let leaks = leaks && !within::is_it(case);
        leaks.then(|| held.of_any(case, concerns)).flatten()
    });
    let cases: Vec<&Case> = group.tests.iter().map(|at| evidence[*at].case).collect();
    // Without names one line of Python is the place of both, and neither is an object.
    let is_outside = |case: &&Case| !homes.bare(case).is_empty();
    let is_no_object = verdict == Verdict::Leak && cases.iter().any(is_outside) && { cases.iter() }
        .all(|case| !case.passages.is_empty() || is_outside(case));
    let kind = match parts::resource(case, &best.keys, group) {
        Some(resource) => Kind::of(resource),
        None if is_bare || is_no_object => Kind::Native,
        None => kind(&cases, route),
    };
    let made = diagnosis
        .filter(|diagnosis| {
            let followed =
                { case.fits.keys() }.any(|counter| kind.is_of(*counter) && counter.is_followed());
            followed || diagnosis.is_lost()
        })
        .map(|diagnosis| &diagnosis.made)
        // What asks for the memory is nearer to it.
        .filter(|made| !made.is_empty() && passages.is_empty());
    if let Some(born) = made.or(own.map(|route| &route.born)) {
        sites::bring_forward(&mut sites, run, places, born);
    }
    let rate = rates(case, alone, kind, &sites);
    if passages.is_empty() {
        // What the same object holds for other tests may come from elsewhere.
        for other in cases.iter().filter(|other| other.test != case.test) {
            let growths = other
                .growths
                .iter()
                .filter(|growth| all.contains(&key(run, places, held, other, growth)));
            sites::add(&mut sites, sites::of_growths(run, places, growths));
        }
    }
    sites::reader_first(&mut sites);
    // Whoever calls, not where the standard library allocates for it.
    let owners = || growths().map(|growth| growth.owner);
    let owner = { owners().find(|owner| owner.is_users()) }
        .or(owners().next())
        .or(native
            .as_ref()
            .filter(|native| native.is_suspect())
            .and_then(|native| native.owner))
        .or(sites.first().and_then(|site| site.owner))
        .unwrap_or(Owner::Project);
    let mut tests: BTreeSet<usize> = group
        .tests
        .iter()
        .map(|at| evidence[*at].case.test)
        .collect();
    for alike in &run.alike {
        if tests.contains(&run.cases[alike.case].test) {
            tests.insert(alike.test);
        }
    }
    let code = match (route, diagnosis) {
        (Some(route), _) => code::of_route(kind, route),
        (None, Some(diagnosis)) if kind == Kind::Python && diagnosis.exits > 0.5 => {
            code::INTERPRETER
        }
        (None, Some(diagnosis)) if kind == Kind::Python && diagnosis.is_lost() => code::LOST,
        _ => code::of(kind),
    };
    let culprit = diagnosis
        .filter(|_| code == code::LOST)
        .and_then(|diagnosis| homes.culprit(case, diagnosis));
    let maker = diagnosis
        .filter(|_| code == code::LOST)
        .and_then(|diagnosis| {
            let lines = growths().filter_map(|growth| growth.frames.first());
            let lines = lines.chain(diagnosis.made.first());
            let called = culprit.as_ref().map(|(_, call)| &call.place);
            homes.maker(case, &lines.chain(called).collect::<Vec<_>>())
        });
    let way = match (&maker, &culprit) {
        (Some((maker, passage)), _) => Some((maker, passage.shown(places))),
        (None, Some((function, call))) => Some((function, std::slice::from_ref(&call.place))),
        (None, None) => None,
    };
    let way = way.map(|(function, lines)| {
        let called = lines
            .first()
            .map(|_| sites::site(run, places, lines, (0.0, 0.0)));
        machine::stack(function, called.as_ref())
    });
    let lost = culprit.as_ref().map(|(function, call)| {
        let (file, line) = &call.place;
        let place = format!("{}:{line}", places.show(file));
        Lost {
            by: format!(
                ": a reference was lost by {}, called at {place}",
                function.text()
            ),
            // Of what is in no list of objects the call alone knows the type.
            growth: diagnosis
                .filter(|diagnosis| diagnosis.lost.is_empty())
                .and_then(|_| held::lost(call, &native::stays(case))),
        }
    });
    // Nobody was seen to lose it: then it may be held by what it refers to itself.
    let opaque = diagnosis
        .filter(|_| code == code::LOST && culprit.is_none())
        .and_then(|diagnosis| diagnosis.opaque.as_deref());
    let lost = lost.or_else(|| {
        let by = format!(
            ", probably in a cycle through {}, which the collector cannot look into",
            opaque?
        );
        Some(Lost { by, growth: None })
    });
    let native = native.or(culprit.map(|(function, _)| function));
    // Entries without new blocks leave nothing in the heap to come from, and a heap that grows by millions is not looked
    // at; the container itself was watched.
    let filled =
        held::watched(case).filter(|_| alone && route.is_none() && verdict == Verdict::Leak);
    let lengthened = filled.filter(|_| held::is_lengthened(case));
    let process = { within::is_it(case) }
        .then(|| within::holder(run, case))
        .flatten();
    let watched = match filled {
        _ if process.is_some() => process.clone(),
        Some(name) if lengthened.is_some() => Some(Holder::lengthened(name)),
        Some(name) => Some(Holder::named(name)),
        None if code == code::INTERPRETER && route.is_none() => Some(Holder::named("atexit")),
        None => route.map(|route| parts::with_others(route, &cases)),
    };
    let cause = route.map(Route::cause).unwrap_or_default();
    let identity = match (route, filled, sites.first()) {
        _ if let Some(process) = &process => vec![code::of(kind), &process.name],
        // The finer code is a reading of the way, and may change with a release.
        (Some(route), ..) if route.is_own(places) => vec![code::of(kind), &cause],
        (Some(route), ..) => vec![code::of(kind), &cause, &route.kept],
        // As where its way to the heap's roots was looked at: whether there is time for that may differ from run to run.
        (None, Some(name), _)
            if matches!(kind, Kind::Items | Kind::Python) && lengthened.is_none() =>
        {
            vec![code::of(kind), name]
        }
        _ if matches!(kind, Kind::Native | Kind::Map)
            && native.as_ref().is_some_and(NativeFunction::is_named) =>
        {
            native
                .iter()
                .flat_map(|native| [code, &native.library, native.symbol()])
                .collect()
        }
        (None, _, Some(site)) => vec![code, site.file.as_str(), site.function.as_str()],
        (None, _, None) => vec![code, run.tests[case.test].id.as_str()],
    };
    let missing = { passages.first() }.and_then(|passage| homes.missing(passage));
    let fails = verdict == Verdict::Leak;
    let mut summary = summary::summary(
        kind,
        &rate,
        sites.first(),
        diagnosis,
        watched.as_ref(),
        native.as_ref().map(|native| (native, called.as_ref())),
        lost.as_ref(),
    );
    if let Some((maker, _)) = &maker {
        let known = { native.iter() }.any(|native| native.library == maker.library);
        let maker = if known {
            maker.in_its_library()
        } else {
            maker.text()
        };
        summary.push_str(&format!(", made by {maker}"));
    }
    if native.is_none() && passages.first().is_some_and(|passage| !passage.certain) {
        summary = summary.replacen(", allocated at", ", probably allocated at", 1);
    }
    if let Some(reason) = case.judged.reason().filter(|_| made_once) {
        summary = format!("grows by being repeated: {reason}");
    }
    Finding {
        fingerprint: fingerprint::of(&identity),
        code: code.to_owned(),
        status: Status::New,
        verdict,
        rule: Some(case.judged.rule()),
        level: if fails { Level::Error } else { Level::Note },
        fails,
        kind,
        owner,
        summary,
        shape: shape::word(case),
        holder: watched,
        types: match diagnosis {
            // What C code allocates is of no type, and what the collector does not know cannot be looked at.
            _ if kind == Kind::Native => Vec::new(),
            Some(diagnosis) if diagnosis.is_lost() && diagnosis.lost.is_empty() => {
                lost.and_then(|lost| lost.growth).into_iter().collect()
            }
            Some(diagnosis) => parts::types_of(diagnosis, &cases),
            None if alone => types(case),
            None => Vec::new(),
        },
        evidence: summary::how_sure(run, case, &tests),
        advice: match (route, &native) {
            _ if let Some(kind) = opaque => code::advice_opaque(kind),
            _ if made_once => Rule::MadeOnce.action().to_owned(),
            (Some(route), _) => code::advice_for(code, route),
            (None, Some(native)) => {
                code::advice_native(code, native)
                    + &machine::how_to_see_lines(places, native, missing.as_deref())
                    + &machine::how_sure(native)
            }
            (None, None) if let Some(name) = lengthened => code::advice_lengthened(name),
            (None, None) => code::advice(code).to_owned(),
        },
        resources: match diagnosis {
            _ if process.is_some() => within::resources(run, case, kind),
            Some(diagnosis) => held::resources(diagnosis, kind),
            None => Vec::new(),
        },
        c_stack: way.unwrap_or_else(|| {
            let native = native.as_ref();
            native.map_or_else(Vec::new, |native| machine::stack(native, called.as_ref()))
        }),
        native,
        measured: Some(Measured {
            test: run.tests[case.test].id.clone(),
            alone,
        }),
        accepted: None,
        tests: tests
            .into_iter()
            .map(|test| run.tests[test].id.clone())
            .collect(),
        curves: curves(case),
        rate,
        sites,
    }
}

/// What grows in every one of the cases; a descriptor says more than the memory beside it.
fn kind(cases: &[&Case], route: Option<&Route>) -> Kind {
    let grows = |counter| {
        let cases = cases.iter();
        cases
            .filter(|case| case.fits.contains_key(&counter))
            .count()
    };
    let every = |counter| grows(counter) == cases.len();
    // Of many tests that put new objects into one container, the blocks of one may be uneven.
    let most = |counter| 2 * grows(counter) > cases.len();
    let resource = cases.first().and_then(|case| {
        let mut resources = Counter::resources_of(&case.fits);
        resources.find(|counter| every(*counter))
    });
    if let Some(resource) = resource {
        Kind::of(resource)
    } else if every(Counter::Maps) && cases.iter().all(|case| is_mapped(case)) {
        Kind::Map
    } else if every(Counter::Items) && !most(Counter::Blocks) {
        Kind::Items
    } else if most(Counter::Blocks)
        || every(Counter::Objects)
        || cases.iter().any(|case| !case.growths.is_empty())
    {
        Kind::Python
    } else if route.is_some_and(|route| route.gain == Gain::Length) {
        Kind::Items
    } else if route.is_some() {
        Kind::Python
    } else {
        Kind::Native
    }
}

/// Whether most of what stays is mapped past malloc, and is not where Python's allocator has its blocks.
fn is_mapped(case: &Case) -> bool {
    let rate = |counter| { case.fits.get(&counter) }.map_or(0.0, |fit: &Fit| fit.rate.value);
    rate(Counter::Maps) > 2.0 * (rate(Counter::Blocks) * LARGEST_BLOCK + rate(Counter::Heap))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::{self, Exactness};

    fn grows(counters: &[Counter]) -> Case {
        let mut case = Case::open(0);
        let fit = fit::fit(&[0, 1, 2, 3, 4, 5], Exactness::Exact);
        case.fits = counters.iter().map(|counter| (*counter, fit)).collect();
        case
    }

    #[test]
    fn entries_of_which_most_come_with_blocks_are_objects() {
        let both = grows(&[Counter::Blocks, Counter::Items]);
        let entries = grows(&[Counter::Items]);
        for (cases, expected) in [
            (vec![&both, &both, &entries], Kind::Python),
            (vec![&both, &entries, &entries], Kind::Items),
            (vec![&entries], Kind::Items),
            (vec![&both], Kind::Python),
        ] {
            assert_eq!(kind(&cases, None), expected);
        }
    }
}
