//! The tests of one cause, parted where some gain a thread or descriptor that has nothing to do with the others' memory.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    explain::group::Group,
    finding::{Holder, Kind, TypeGrowth},
    fit::Fit,
    heap::{holder::Gain, route::Route},
    run::{case::Case, diagnosis::Diagnosis},
    verdict::{Counter, LARGEST_BLOCK},
};

/// Holders of one cause that are told besides the first.
const ALSO: usize = 3;

/// What a test gains beside the memory of one cause, where it shows nothing else.
pub(super) fn resource<K: Ord>(
    case: &Case,
    keys: &BTreeSet<K>,
    group: &Group<K>,
) -> Option<Counter> {
    let mut others = keys.difference(&group.core);
    let pure = others.all(|key| group.extra.contains(key));
    if pure {
        Counter::resources_of(&case.fits).next()
    } else {
        None
    }
}

/// What grows in every one of the cases; a descriptor says more than the memory beside it.
pub(super) fn kind(cases: &[&Case], route: Option<&Route>) -> Kind {
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

/// Whether most of the retained memory is mapped past malloc, and is not where Python's allocator has its blocks.
fn is_mapped(case: &Case) -> bool {
    let rate = |counter| { case.fits.get(&counter) }.map_or(0.0, |fit: &Fit| fit.rate.value);
    rate(Counter::Maps) > 2.0 * (rate(Counter::Blocks) * LARGEST_BLOCK + rate(Counter::Heap))
}

/// Those with what says most first, those with memory alone last.
pub(super) fn rank<K: Ord>(case: &Case, keys: &BTreeSet<K>, group: &Group<K>) -> usize {
    // The order in which they are found to be the most telling.
    match resource(case, keys, group) {
        Some(Counter::Library(_)) => Counter::ALL.len(),
        Some(counter) => { Counter::ALL.iter().rev() }
            .position(|other| *other == counter)
            .unwrap_or(0),
        None => Counter::ALL.len() + 1,
    }
}

/// One holder is one cause, with what hangs on it: a kept loop brings its threads. A descriptor that comes with no object
/// of its own hangs on nothing: were it told with all that an autouse fixture leaves, it would be lost among them.
pub(super) fn of<'a, K: Ord + Clone + 'a>(
    group: &Group<K>,
    evidence: &dyn Fn(usize) -> (&'a Case, &'a BTreeSet<K>),
) -> Vec<Group<K>> {
    let sort = |at: usize| {
        let (case, keys) = evidence(at);
        resource(case, keys, group)
    };
    let parts = group.parted(sort);
    let types: BTreeMap<Option<Counter>, BTreeSet<&str>> = parts
        .iter()
        .map(|part| (sort(part.tests[0]), types(part, evidence)))
        .collect();
    let hangs_on_it = |resource: Option<Counter>| {
        let others = types.iter().filter(|(other, _)| **other != resource);
        let others: BTreeSet<&str> = others.flat_map(|(_, names)| names).copied().collect();
        resource.is_some() && !types[&resource].is_subset(&others)
    };
    let (mut whole, mut apart) = (Vec::new(), Vec::new());
    for part in parts {
        let resource = sort(part.tests[0]);
        if resource.is_none() || hangs_on_it(resource) {
            whole.extend(part.tests);
        } else {
            apart.push(part);
        }
    }
    if !whole.is_empty() {
        whole.sort_unstable();
        apart.insert(
            0,
            Group {
                tests: whole,
                ..group.clone()
            },
        );
    }
    apart
}

/// Growth by type in the test that stands for a cause, and that of others of its types.
pub(super) fn types_of(diagnosis: &Diagnosis, cases: &[&Case]) -> Vec<TypeGrowth> {
    let mut found = diagnosis.types.clone();
    let others = cases.iter().filter_map(|case| case.diagnosis.as_ref());
    for growth in others.flat_map(|other| &other.types) {
        if !found.iter().any(|known| known.name == growth.name) {
            found.push(growth.clone());
        }
    }
    found
}

/// The holder with those of the same cause that other tests have, as the closures of one function are.
pub(super) fn with_others(route: &Route, cases: &[&Case]) -> Holder {
    let mut holder = route.holder.clone();
    let looked_at = cases.iter().filter_map(|case| case.diagnosis.as_ref());
    let others = looked_at.flat_map(|diagnosis| &diagnosis.routes);
    for other in others.filter(|other| other.cause() == route.cause()) {
        let text = &other.holder.text;
        if holder.also.len() < ALSO
            && other.holder.name != holder.name
            && !holder
                .also
                .iter()
                .any(|known| known.starts_with(&other.holder.name))
        {
            holder.also.push(text.clone());
        }
    }
    holder
}

/// Types of what stays in those of the tests that were looked at.
fn types<'a, K: Ord + 'a>(
    part: &Group<K>,
    evidence: &dyn Fn(usize) -> (&'a Case, &'a BTreeSet<K>),
) -> BTreeSet<&'a str> {
    let tests = part.tests.iter();
    tests
        .filter_map(|at| evidence(*at).0.diagnosis.as_ref())
        .flat_map(|diagnosis| &diagnosis.types)
        .map(|growth| growth.name.as_str())
        .collect()
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
