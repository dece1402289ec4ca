//! What the looks at the heap found out, by cause: which holder a growing place belongs to, and how a summary says it.

use std::collections::{BTreeSet, HashMap};

use crate::{
    explain::{
        lost::{Call, Stays},
        sites::Growth,
    },
    finding::{Kind, TypeGrowth},
    heap::{holder::Gain, route::Route, types},
    run::{case::Case, diagnose, diagnosis::Diagnosis},
    verdict::Counter,
};

/// Holders by what they explain: of each place, who holds what comes from there, with the watched containers that grew in
/// the test that was looked at. One function may feed several holders.
pub(super) struct Held<'a> {
    by_cause: HashMap<&'a str, Vec<(BTreeSet<&'a str>, &'a Route)>>,
}

impl<'a> Held<'a> {
    pub fn new(cases: &'a [Case]) -> Held<'a> {
        let mut by_cause: HashMap<_, Vec<_>> = HashMap::new();
        for case in cases {
            let Some(diagnosis) = &case.diagnosis else {
                continue;
            };
            if let Some(route) = diagnosis.routes.first() {
                for cause in &diagnosis.covers {
                    let holders = by_cause.entry(cause.as_str()).or_default();
                    holders.push((case.filled(), route));
                }
            }
        }
        Held { by_cause }
    }

    /// The holder of what grows at a place.
    pub fn of_growth(&self, case: &'a Case, growth: &Growth) -> Option<&'a Route> {
        if let Some(diagnosis) = &case.diagnosis
            && diagnosis.covers.contains(&growth.cause())
        {
            // What was looked at itself knows better than its neighbours.
            return diagnosis.routes.first();
        }
        self.of_place(case, growth)
    }

    /// The holder of what grows at a place, as the looks at other tests found it.
    pub fn of_place(&self, case: &Case, growth: &Growth) -> Option<&'a Route> {
        self.of_cause(case, &growth.cause())
    }

    /// The holder of any of the places of a case, or of a case in which no place grows.
    pub fn of_any(&self, case: &'a Case, wanted: impl Fn(&Growth) -> bool) -> Option<&'a Route> {
        let mut growths = case.growths.iter().filter(|growth| wanted(growth));
        let held = growths.find_map(|growth| self.of_growth(case, growth));
        held.or_else(|| self.of_case(case).filter(|_| case.growths.is_empty()))
    }

    /// The holder of a case in which no place grows.
    pub fn of_case(&self, case: &Case) -> Option<&'a Route> {
        diagnose::causes(case)
            .iter()
            .find_map(|cause| self.of_cause(case, cause))
    }

    fn of_cause(&self, case: &Case, cause: &str) -> Option<&'a Route> {
        let holders = self.by_cause.get(cause)?;
        let filled = case.filled();
        let same = holders.iter().find(|(others, _)| *others == filled);
        same.or(holders.first()).map(|(_, route)| *route)
    }
}

/// The type that a summary names, and how many of it stay per iteration.
pub(super) fn leading(diagnosis: &Diagnosis) -> Option<(String, f64)> {
    let route = diagnosis.routes.first();
    let lost = diagnosis.lost.first().filter(|_| route.is_none());
    // `atexit` packs the arguments of a callback into a tuple (up to Python 3.9 the collector sees who holds that); what
    // the reader gave it is in there.
    let by_atexit = route.map_or(diagnosis.exits > 0.5, |route| route.holder.name == "atexit");
    let kept = route
        .map(|route| &route.kept)
        .or(lost.map(|(name, _)| name));
    if by_atexit
        && kept.is_some_and(|kept| kept == "tuple")
        && let Some(given) = diagnosis.types.iter().find(|growth| growth.name != "tuple")
    {
        return Some((types::short(&given.name), given.count));
    }
    if let Some((name, each)) = lost {
        return Some((types::short(name), *each));
    }
    let class = diagnosis
        .hidden
        .as_ref()
        .and_then(|hidden| hidden.class.as_ref());
    if let (None, Some(class)) = (route, class) {
        let growth = diagnosis
            .types
            .iter()
            .find(|growth| growth.name == *class)?;
        return Some((types::short(class), growth.count));
    }
    let route = route?;
    if route.gain == Gain::Length {
        let own = route.steps.last().is_some_and(|step| step.newest.is_none());
        let unit = match route.kept.as_str() {
            name if !own => types::short(name),
            "bytearray" | "_io.BytesIO" => "byte".to_owned(),
            "_io.StringIO" => "character".to_owned(),
            "array.array" => "number".to_owned(),
            name => types::short(name),
        };
        return Some((unit, route.gained_each?));
    }
    let growth = diagnosis
        .types
        .iter()
        .find(|growth| growth.name == route.kept)?;
    Some((types::short(&growth.name), growth.count))
}

/// A reference that C code lost.
pub(super) struct Lost {
    /// By which function and where, in words.
    pub by: String,
    /// To what.
    pub growth: Option<TypeGrowth>,
}

/// What a call loses a reference to, where it is of one type and may be what stays.
pub(super) fn lost(call: &Call, stays: &Stays) -> Option<TypeGrowth> {
    if !stays.have_room_for(&call.kept) {
        return None;
    }
    let [(name, bytes)] = &call.kept[..] else {
        return None;
    };
    let each = *call.rises.last()? as f64;
    Some(TypeGrowth::traced(&(
        name.clone(),
        each,
        each * *bytes as f64,
    )))
}

/// The class of the object that stands for a resource of which `each` stay per iteration: that of the entry, or the only
/// one in it that comes as often; none where only its number is kept.
pub(super) fn instance(diagnosis: &Diagnosis, each: f64) -> Option<String> {
    let kept = &diagnosis.routes.first()?.kept;
    if kept.contains('.') {
        return Some(types::short(kept));
    }
    let mut alike = diagnosis.types.iter().filter(|growth| {
        growth.name.contains('.') && each > 0.0 && (growth.count - each).abs() < 0.01 * each
    });
    let only = alike.next()?;
    alike.next().is_none().then(|| types::short(&only.name))
}

/// What stays of a kind, each text once, with how many are alike.
pub(super) fn resources(diagnosis: &Diagnosis, kind: Kind) -> Vec<String> {
    let of_it = diagnosis.resources.iter().filter(|(of, _)| *of == kind);
    counted(of_it.map(|(_, text)| text.as_str()))
}

/// A text about a child process: which process, and what there is in it where that is known.
pub(super) fn process_and_rest(text: &str) -> (&str, Option<&str>) {
    match text.split_once('\n') {
        Some((process, rest)) => (process, Some(rest)),
        None => (text, None),
    }
}

/// Each text once, with how many are alike.
pub(super) fn counted<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut found: Vec<(&str, usize)> = Vec::new();
    for text in texts {
        match found.iter_mut().find(|(same, _)| *same == text) {
            Some((_, count)) => *count += 1,
            None => found.push((text, 1)),
        }
    }
    found
        .into_iter()
        .map(|(text, count)| match count {
            1 => text.to_owned(),
            _ => format!("{text} (x{count})"),
        })
        .collect()
}

/// How a summary names the holder.
pub(super) fn phrase(diagnosis: &Diagnosis) -> Option<String> {
    match diagnosis.routes.first() {
        Some(route) => Some(format!("retained by {}", route.holder.name)),
        None if diagnosis.exits > 0.5 => Some("retained by atexit".to_owned()),
        None if let Some(hidden) = &diagnosis.hidden => {
            Some(format!("retained by {}", hidden.ring.holder.name))
        }
        None if diagnosis.is_lost() => Some("held from outside Python".to_owned()),
        None => None,
    }
}
/// The watched container that gained most.
pub(super) fn watched(case: &Case) -> Option<&str> {
    case.containers.first().map(|(name, _)| name.as_str())
}

/// Whether there is no entry and no block more: what was watched is itself larger, as a text is.
pub(super) fn is_lengthened(case: &Case) -> bool {
    let grows = |counter| case.fits.contains_key(&counter);
    !grows(Counter::Items) && !grows(Counter::Blocks)
}
