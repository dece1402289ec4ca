//! What grows in child processes that live on: a cause of its own, whatever grows beside it, held by the process.

use super::held;
use crate::{
    explain::code,
    finding::{Holder, Kind, TypeGrowth},
    heap::route::Route,
    run::{
        Run,
        case::Case,
        diagnose,
        diagnosis::{Diagnosis, Place},
    },
    verdict::Counter,
};

/// What grows in a test, in parts that are causes of their own; `None` where it is one. Python's memory and that of C code beside
/// it, and what child processes have more.
pub(super) fn parts(case: &Case) -> Option<Vec<Case>> {
    let halves = |case: &Case| case.parts().map(|(python, native)| [python, native]);
    let Some(there) = of_children(case) else {
        return halves(case).map(Vec::from);
    };
    let mut found = Vec::from([there]);
    let mut here = case.clone();
    here.fits.retain(|counter, _| !counter.is_of_children());
    if here
        .fits
        .keys()
        .any(|counter| counter.decides(&case.series))
    {
        match halves(&here) {
            Some(halves) => found.extend(halves),
            None => found.push(here),
        }
    }
    Some(found)
}

/// That of the children alone. The other end of a connection that stays open here is no leak of theirs.
fn of_children(case: &Case) -> Option<Case> {
    let is_theirs = |counter: &Counter| counter.is_of_children();
    let ends = [Counter::Fds, Counter::Children];
    let stays_here = ends.iter().any(|counter| case.fits.contains_key(counter));
    if stays_here || !case.fits.keys().any(is_theirs) {
        return None;
    }
    let mut there = Case {
        series: case.series.clone(),
        fits: case.fits.clone(),
        ..case.part()
    };
    there.fits.retain(|counter, _| is_theirs(counter));
    Some(there)
}

/// Whether that is all that grows in a part.
pub(super) fn is_it(case: &Case) -> bool {
    !case.fits.is_empty() && case.fits.keys().all(|counter| counter.is_of_children())
}

/// The processes, that which gains most first; `None` where nobody looked.
fn process(run: &Run, case: &Case) -> Option<Holder> {
    let mut names = { texts(run, case) }.map(|(_, text)| held::process_and_rest(text).0);
    let first = names.next()?;
    let mut also: Vec<String> = names
        .map(str::to_owned)
        .filter(|name| name != first)
        .collect();
    also.sort();
    also.dedup();
    Some(Holder {
        reason: "it has more after each iteration, read from outside".to_owned(),
        also,
        ..Holder::named(first)
    })
}

/// Who has what grows in child processes.
pub(super) struct There<'a> {
    /// The process, as seen from outside.
    pub process: Holder,
    /// What was read inside of it, where it was looked into for this test: that is known of memory alone.
    inside: Option<&'a Diagnosis>,
}

impl<'a> There<'a> {
    /// Of a part that grows in nothing else; `None` where nobody looked.
    pub fn of(run: &'a Run, case: &Case) -> Option<There<'a>> {
        let process = is_it(case).then(|| process(run, case)).flatten()?;
        let is_of_memory = { case.fits.keys() }.all(|counter| *counter == Counter::ChildMemory);
        let inside = run.inside.get(&(process.name.clone(), case.test));
        Some(There {
            inside: inside.filter(|_| is_of_memory),
            process,
        })
    }

    fn route(&self) -> Option<&'a Route> {
        self.inside.and_then(|inside| inside.routes.first())
    }

    /// What tells it from what else grows in a process of that name: who holds it, where that is known and is called the same in
    /// the next run. A `multiprocessing.Manager` calls its objects by their addresses.
    pub fn cause(&self) -> String {
        let name = &self.process.name;
        match self.route().map(Route::cause) {
            Some(holder) if !has_address(&holder) => format!("{name}: {holder}"),
            _ => name.clone(),
        }
    }

    /// Of which types there are more objects; nothing where nobody could look.
    pub fn types(&self, run: &Run, case: &Case) -> Vec<TypeGrowth> {
        match self.inside {
            Some(inside) if !inside.types.is_empty() => inside.types.clone(),
            _ => types(run, case),
        }
    }

    /// Where what it holds was made, from the reader's code on outwards; nowhere where that is not known.
    pub fn born(&self) -> &'a [Place] {
        self.route().map_or(&[], |route| &route.born)
    }

    /// The holder in the process; the process itself where nothing in it is known.
    pub fn holder(&self) -> Holder {
        match self.route() {
            Some(route) => Holder {
                process: Some(self.process.name.clone()),
                text: format!("in {}: {}", self.process.name, route.holder.text),
                also: { route.holder.also.iter() }
                    .chain(&self.process.also)
                    .cloned()
                    .collect(),
                ..route.holder.clone()
            },
            None => self.process.clone(),
        }
    }

    /// How to fix it, where the holder is known.
    pub fn advice(&self) -> Option<String> {
        let route = self.route()?;
        Some(code::advice_for(code::of_route(Kind::Python, route), route))
    }
}

/// Whether a text has an address in it: as many hexadecimal digits one after the other as no name or number of a key has.
fn has_address(text: &str) -> bool {
    const DIGITS: usize = 9;
    let mut runs = text.split(|character: char| !character.is_ascii_hexdigit());
    runs.any(|run| {
        run.len() >= DIGITS && run.contains(|character: char| character.is_ascii_digit())
    })
}

/// What of it stays there, each text once.
pub(super) fn resources(run: &Run, case: &Case, kind: Kind) -> Vec<String> {
    let of_it = { texts(run, case) }.filter(|(of, _)| *of == kind);
    held::counted(of_it.filter_map(|(_, text)| held::process_and_rest(text).1))
}

/// Of which types there are more objects in them, counted from outside; nothing where memory is not what grows.
fn types(run: &Run, case: &Case) -> Vec<TypeGrowth> {
    if !case.fits.contains_key(&Counter::ChildMemory) {
        return Vec::new();
    }
    told_of(run, case).map_or_else(Vec::new, |told| told.elsewhere.clone())
}

/// What was told of the processes by the look at the test, those of the most telling counter first.
fn texts<'a>(run: &'a Run, case: &'a Case) -> impl Iterator<Item = (Kind, &'a str)> {
    let mut resources: Vec<(Kind, &str)> = { told_of(run, case).into_iter() }
        .flat_map(|diagnosis| &diagnosis.resources)
        .filter(|(kind, _)| {
            kind.facts()
                .counter
                .is_some_and(|counter| case.fits.contains_key(&counter))
        })
        .filter(|(kind, _)| kind.is_in_child())
        .map(|(kind, text)| (*kind, text.as_str()))
        .collect();
    resources.sort_by_key(|(kind, _)| std::cmp::Reverse(*kind));
    resources.into_iter()
}

fn told_of<'a>(run: &'a Run, case: &Case) -> Option<&'a Diagnosis> {
    let whole = run.cases.iter().find(|other| other.test == case.test)?;
    diagnose::told_of(run, whole)
}

#[cfg(test)]
mod tests {
    use super::has_address;

    #[test]
    fn an_address_is_told_from_a_name() {
        assert!(has_address(
            "managers._manager_server.id_to_obj['7ffff73dc980'][0]"
        ));
        assert!(!has_address("app.CACHE['decade'][2026]") && !has_address("app.feedbacca_added"));
    }
}
