//! By what suspects are one cause: the places where it grows, what holds it, the machine code that asks for it.

use std::collections::BTreeSet;

use super::{held::Held, native::Homes, sites::function_of, within};
use crate::{
    explain::{
        native::Passage,
        sites::{Growth, from_chosen},
    },
    heap::{owner::Places, route::Route},
    run::{Run, case::Case, diagnosis::Place},
    verdict::Counter,
};

/// What can grow in a test, as one root cause sees it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// File as shown, and function.
    Place(String, String),
    /// What holds it. Where that is everybody's, the type of what it holds as well.
    Holder(String, Option<String>),
    /// The library and the function of machine code, or the place that calls it.
    Native(String, String),
    /// A counter that no place explains, of one test: two native leaks have nothing in common.
    Counter(Counter, usize),
}

/// A case, and all that grows in it.
pub(super) struct Evidence<'a> {
    pub case: &'a Case,
    pub keys: BTreeSet<Key>,
}

pub(super) fn keys(run: &Run, homes: &Homes<'_>, held: &Held<'_>, case: &Case) -> BTreeSet<Key> {
    let bare = homes.bare(case);
    if !bare.is_empty() {
        return { bare.into_iter() }
            .map(|passage| native_key(run, homes, passage))
            .collect();
    }
    if let Some(there) = within::There::of(run, case) {
        return BTreeSet::from([Key::Holder(there.cause(), None)]);
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
pub(super) fn native_key(run: &Run, homes: &Homes<'_>, passage: &Passage) -> Key {
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
pub(super) fn holder_key(places: &Places, route: &Route) -> Key {
    let kept = (!route.is_own(places)).then(|| route.kept.clone());
    Key::Holder(route.cause(), kept)
}

pub(super) fn key(
    run: &Run,
    places: &Places,
    held: &Held<'_>,
    case: &Case,
    growth: &Growth,
) -> Key {
    match held.of_growth(case, growth) {
        Some(route) => holder_key(places, route),
        None => container_key(case).unwrap_or_else(|| {
            Key::Place(
                places.show(&growth.place().0),
                function_of(run, growth.place()),
            )
        }),
    }
}

/// The container that gains entries in a test whose heap nobody looked at. Of two tests that add to it one may have had its
/// places traced and the other not: it is one cause all the same.
fn container_key(case: &Case) -> Option<Key> {
    match &case.containers[..] {
        [(name, _)] if case.diagnosis.is_none() => Some(Key::Holder(name.clone(), None)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_the_cause_where_nobody_looked_further() {
        let mut case = Case::open(0);
        assert_eq!(container_key(&case), None);
        case.containers = vec![("app.LOG.handlers".to_owned(), 1.0)];
        let holder = Key::Holder("app.LOG.handlers".to_owned(), None);
        assert_eq!(container_key(&case), Some(holder));
        // Which of two holds what grows at a place is not known.
        case.containers.push(("app.NAMES".to_owned(), 1.0));
        assert_eq!(container_key(&case), None);
    }
}
