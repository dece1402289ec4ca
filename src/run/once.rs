//! Takes back leaks that repeating makes: of a test that changes what it has once and not anew for each repeat.

use super::{case::Case, diagnose, state::Run};
use crate::{heap::once, investigate::afterwards::Found, verdict::Counter};

/// What a container of a test's parameter is called where no heap was looked at.
const PARAMETER: &str = "parameter ";

/// Says of each leak that is nothing else what it is.
pub(super) fn settle(run: &mut Run) {
    let found: Vec<(usize, String)> = { run.cases.iter().enumerate() }
        .filter(|(_, case)| case.is_leak())
        .filter_map(|(at, case)| Some((at, changed(run, case)?)))
        .collect();
    for (at, what) in found {
        run.cases[at].learn(Found::ChangesItsOwn(&what));
    }
}

/// What of its own a test changes, where nothing else grows in it.
fn changed(run: &Run, case: &Case) -> Option<String> {
    if Counter::resources_of(&case.fits).next().is_some() || case.native.is_some() {
        return None;
    }
    let names = || case.containers.iter().map(|(name, _)| name.as_str());
    let Some(diagnosis) = diagnose::told_of(run, case) else {
        let first = names().next()?.strip_prefix(PARAMETER)?;
        let end = first.find(['.', '[', ' ']).unwrap_or(first.len());
        let own = names().all(|name| name.starts_with(PARAMETER));
        return own.then(|| format!("its own parameter '{}'", &first[..end]));
    };
    let test = once::function_of(&run.tests[case.test].id);
    let mut what = { diagnosis.routes.iter() }.map(|route| once::changed(route, test));
    let first = what.next()??;
    let all = what.all(|other| other.is_some());
    let holder = diagnosis.name();
    let own = |name: &str| {
        name.starts_with(PARAMETER) || Some(name) == holder || once::is_variable(name, test)
    };
    (all && names().all(own)).then_some(first)
}
