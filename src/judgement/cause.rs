//! One root cause: from the tests that show it to what is said of it.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    figures::{curves, rates, types},
    held::{self, Held, Lost},
    key::{Evidence, Key, holder_key, key, native_key},
    machine,
    native::{self, Homes},
    parts, shape, sites, summary, within,
};
use crate::{
    explain::{code, fingerprint, group::Group, lost::Call, native::Passage, sites::Growth},
    finding::{
        Finding, Holder, Kind, Level, Measured, NativeFunction, Owner, Rate, Site, Status,
        TypeGrowth,
    },
    heap::route::Route,
    run::{
        Run,
        case::Case,
        diagnosis::{Diagnosis, Place},
    },
    verdict::{Counter, Verdict, rule::Rule},
};

/// A root cause, and the test that shows it most purely.
pub(super) struct Cause<'a> {
    run: &'a Run,
    homes: &'a Homes<'a>,
    held: &'a Held<'a>,
    verdict: Verdict,
    group: &'a Group<Key>,
    /// What it is made of.
    all: BTreeSet<&'a Key>,
    /// All tests that show it.
    cases: Vec<&'a Case>,
    /// The one that stands for them.
    case: &'a Case,
    keys: &'a BTreeSet<Key>,
    /// Whether nothing else grows in that one.
    alone: bool,
}

/// The machine code that allocates the memory that is retained.
struct Code<'a> {
    passages: Vec<&'a Passage>,
    /// Blocks that C code has of Python's allocator and that are in no object: native memory by another way.
    is_bare: bool,
    function: Option<NativeFunction>,
    /// Where Python calls it, and where it is told.
    called: Option<Site>,
    sites: Option<Vec<Site>>,
}

/// References that C code lost.
#[derive(Default)]
struct Losing<'a> {
    /// The function that lost them, and the call of it.
    culprit: Option<(NativeFunction, &'a Call)>,
    /// What made the objects that nothing refers to.
    maker: Option<(NativeFunction, &'a Passage)>,
    /// Nobody was seen to lose them: they may be held by what they refer to themselves, which is of this kind.
    opaque: Option<&'a str>,
}

impl<'a> Cause<'a> {
    /// Out of those of the tests in `evidence` that a group has.
    pub fn of(
        (run, homes, held): (&'a Run, &'a Homes<'a>, &'a Held<'a>),
        verdict: Verdict,
        evidence: &'a [Evidence<'a>],
        group: &'a Group<Key>,
    ) -> Cause<'a> {
        let all: BTreeSet<&Key> = group.core.union(&group.extra).collect();
        // One with a thread or descriptor of its before the others.
        let best = { group.tests.iter() }
            .map(|at| &evidence[*at])
            .min_by_key(|one| {
                let unlooked = one.case.diagnosis.is_none();
                let rank = parts::rank(one.case, &one.keys, group);
                (rank, unlooked, one.keys.len(), one.case.test)
            })
            .unwrap_or(&evidence[0]);
        Cause {
            run,
            homes,
            held,
            verdict,
            group,
            cases: group.tests.iter().map(|at| evidence[*at].case).collect(),
            case: best.case,
            keys: &best.keys,
            alone: best.keys.iter().all(|key| all.contains(key)),
            all,
        }
    }

    /// All that is said of it.
    pub fn finding(&self) -> Finding {
        let code_of_machine = self.machine_code();
        let is_bare = code_of_machine.is_bare;
        let told = self.told();
        let diagnosis = told.as_ref().filter(|_| !is_bare);
        let route = self.route(diagnosis);
        let kind = self.kind(is_bare, route);
        let mut sites = self.sites(&code_of_machine, diagnosis, kind);
        let there = within::There::of(self.run, self.case);
        let born = there.as_ref().map_or(&[][..], within::There::born);
        sites::bring_forward(&mut sites, self.run, self.homes.places, born);
        let rate = rates(self.case, self.alone, kind, &sites);
        self.add_sites_of_others(&code_of_machine, &mut sites);
        sites::reader_first(&mut sites);

        let code = code_of(kind, route, diagnosis);
        let losing = match diagnosis {
            Some(diagnosis) if code == code::LOST => self.losing(diagnosis),
            _ => Losing::default(),
        };
        let lost = self.lost(&losing, diagnosis);
        let way = self.way(&losing);
        let owner = self.owner(&code_of_machine, &sites);
        let missing =
            { code_of_machine.passages.first() }.and_then(|passage| self.homes.missing(passage));
        let probably = { code_of_machine.passages.first() }.is_some_and(|passage| !passage.certain);
        let called = code_of_machine.called;
        let is_its = kind != Kind::Library || is_most(&code_of_machine.passages, &rate);
        let native = code_of_machine.function.filter(|_| is_its);
        let probably = probably && native.is_none() && losing.culprit.is_none();
        let native = native.or_else(|| {
            losing
                .culprit
                .as_ref()
                .map(|(function, _)| function.clone())
        });

        // Entries without new blocks leave nothing in the heap to come from, and a heap that grows by millions is not
        // looked at; the container itself was watched.
        let filled =
            held::watched(self.case).filter(|_| self.alone && route.is_none() && self.is_leak());
        let hidden = { diagnosis.and_then(|diagnosis| diagnosis.hidden.as_ref()) }
            .filter(|_| code == code::HIDDEN);
        let lengthened = filled.filter(|_| held::is_lengthened(self.case));
        let holder = match filled {
            _ if let Some(there) = &there => Some(there.holder()),
            Some(name) if lengthened.is_some() => Some(Holder::lengthened(name)),
            Some(name) => Some(Holder::named(name)),
            None if code == code::INTERPRETER && route.is_none() => Some(Holder::named("atexit")),
            None if let Some(hidden) = hidden => Some(hidden.ring.holder.clone()),
            None => route.map(|route| parts::with_others(route, &self.cases)),
        };
        let identity = self.identity(&Named {
            kind,
            code,
            route,
            there: there.as_ref().map(within::There::cause),
            filled: filled.filter(|_| lengthened.is_none()),
            native: native.as_ref(),
            site: sites.first(),
        });
        let summary = summary::summary(
            kind,
            &rate,
            sites.first(),
            diagnosis,
            holder.as_ref(),
            native.as_ref().map(|native| (native, called.as_ref())),
            lost.as_ref(),
        );
        let summary = self.completed(summary, &losing, native.as_ref(), probably);
        let advice = match (route, &native) {
            _ if let Some(kind) = losing.opaque => code::advice_opaque(kind),
            _ if self.is_made_once() => Rule::MadeOnce.action().to_owned(),
            _ if let Some(advice) = there.as_ref().and_then(within::There::advice) => advice,
            (Some(route), _) => code::advice_for(code, route),
            (None, Some(native)) => {
                let places = self.homes.places;
                code::advice_native(code, native)
                    + &machine::how_to_see_lines(places, native, missing.as_deref())
                    + &machine::how_sure(native)
            }
            (None, None) if let Some(name) = lengthened => code::advice_lengthened(name),
            (None, None) if let Some(hidden) = hidden => hidden.ring.advice.clone(),
            (None, None) => code::advice(code).to_owned(),
        };
        let tests = self.tests();
        let fails = self.is_leak();
        Finding {
            fingerprint: identity,
            code: code.to_owned(),
            status: Status::New,
            verdict: self.verdict,
            rule: Some(self.case.judged.rule()),
            level: if fails { Level::Error } else { Level::Note },
            fails,
            kind,
            owner,
            summary,
            shape: shape::word(self.case),
            holder,
            types: self.types(kind, diagnosis, lost, there.as_ref()),
            evidence: summary::how_sure(self.run, self.case, &tests),
            advice,
            resources: match diagnosis {
                _ if there.is_some() => within::resources(self.run, self.case, kind),
                Some(diagnosis) => held::resources(diagnosis, kind),
                None => Vec::new(),
            },
            c_stack: way.unwrap_or_else(|| {
                let native = native.as_ref();
                native.map_or_else(Vec::new, |native| machine::stack(native, called.as_ref()))
            }),
            native,
            measured: Some(Measured {
                test: self.run.tests[self.case.test].id.clone(),
                alone: self.alone,
            }),
            accepted: None,
            tests: { tests.into_iter() }
                .map(|test| self.run.tests[test].id.clone())
                .collect(),
            curves: curves(self.case),
            rate,
            sites,
        }
    }

    fn is_leak(&self) -> bool {
        self.verdict == Verdict::Leak
    }

    fn is_made_once(&self) -> bool {
        self.case.judged.rule() == Rule::MadeOnce
    }

    /// Whether growth of a case is its doing.
    fn concerns(&self, case: &'a Case, growth: &Growth) -> bool {
        let key = key(self.run, self.homes.places, self.held, case, growth);
        self.all.contains(&key)
    }

    /// What grows by it in a case.
    fn growths(&self, case: &'a Case) -> impl Iterator<Item = &'a Growth> {
        { case.growths.iter() }.filter(move |growth| self.concerns(case, growth))
    }

    fn machine_code(&self) -> Code<'a> {
        let (case, homes) = (self.case, self.homes);
        let is_its = |passage: &&Passage| self.all.contains(&native_key(self.run, homes, passage));
        let passages: Vec<&Passage> = case.passages.iter().filter(is_its).collect();
        let bare: Vec<&Passage> = homes.bare(case).into_iter().filter(is_its).collect();
        let is_bare = passages.is_empty() && !bare.is_empty() && self.is_leak();
        let passages = if is_bare { bare } else { passages };
        let mut code = Code {
            function: passages.first().and_then(|passage| homes.function(passage)),
            is_bare,
            called: None,
            sites: None,
            passages,
        };
        if !code.passages.is_empty() {
            let (mut sites, called) = sites::of_passages(self.run, homes, &code.passages);
            let heap = case.fits.get(&Counter::Heap);
            let heap = heap.filter(|_| !case.fits.contains_key(&Counter::Maps));
            if let ([site], Some(fit)) = (&mut sites[..], heap) {
                // Measured over many more iterations.
                site.bytes = fit.rate.value;
            }
            (code.sites, code.called) = (Some(sites), called);
        }
        code
    }

    /// What was found where the test was looked at, with the way to its objects that is this cause's before others.
    fn told(&self) -> Option<Diagnosis> {
        let told = { self.case.diagnosis.clone() };
        let mut told = told.filter(|_| self.is_leak() || self.is_made_once())?;
        told.prefer(|route| self.all.contains(&holder_key(self.homes.places, route)));
        Some(told)
    }

    /// The retaining path; or that of another test with the same growth, where this one was not diagnosed.
    fn route<'b>(&self, diagnosis: Option<&'b Diagnosis>) -> Option<&'b Route>
    where
        'a: 'b,
    {
        let own = diagnosis.and_then(|diagnosis| diagnosis.routes.first());
        own.or_else(|| {
            let is_open = self.is_leak() && diagnosis.is_none() && self.case.beside.is_none();
            let is_open = is_open && !within::is_it(self.case);
            let concerns = |growth: &Growth| self.concerns(self.case, growth);
            is_open
                .then(|| self.held.of_any(self.case, concerns))
                .flatten()
        })
    }

    fn kind(&self, is_bare: bool, route: Option<&Route>) -> Kind {
        // Without names one line of Python is the place of both, and neither is an object.
        let is_outside = |case: &&Case| !self.homes.bare(case).is_empty();
        let is_no_object = self.is_leak() && self.cases.iter().any(is_outside) && {
            { self.cases.iter() }.all(|case| !case.passages.is_empty() || is_outside(case))
        };
        match parts::resource(self.case, self.keys, self.group) {
            Some(resource) => Kind::of(resource),
            None if is_bare || is_no_object => Kind::Native,
            None => parts::kind(&self.cases, route),
        }
    }

    /// Where it is allocated, or added, in the test that stands for it.
    fn sites(&self, code: &Code<'a>, diagnosis: Option<&Diagnosis>, kind: Kind) -> Vec<Site> {
        let (run, places) = (self.run, self.homes.places);
        let of_growths = || sites::of_growths(run, places, self.growths(self.case));
        let mut sites = code.sites.clone().unwrap_or_else(of_growths);
        let made = diagnosis
            .filter(|diagnosis| {
                let is_followed = { self.case.fits.keys() }
                    .any(|counter| kind.is_of(*counter) && counter.is_followed());
                is_followed || diagnosis.is_lost()
            })
            .map(|diagnosis| &diagnosis.made)
            // What asks for the memory is nearer to it.
            .filter(|made| !made.is_empty() && code.passages.is_empty());
        let own = diagnosis.and_then(|diagnosis| diagnosis.routes.first());
        if let Some(born) = made.or(own.map(|route| &route.born)) {
            sites::bring_forward(&mut sites, run, places, born);
        }
        sites
    }

    /// What the same object holds for other tests may come from elsewhere.
    fn add_sites_of_others(&self, code: &Code<'_>, sites: &mut Vec<Site>) {
        if !code.passages.is_empty() {
            return;
        }
        for other in self
            .cases
            .iter()
            .filter(|other| other.test != self.case.test)
        {
            let growths = self.growths(other);
            sites::add(
                sites,
                sites::of_growths(self.run, self.homes.places, growths),
            );
        }
    }

    /// Whoever calls, not where the standard library allocates for it.
    fn owner(&self, code: &Code<'_>, sites: &[Site]) -> Owner {
        let owners = || self.growths(self.case).map(|growth| growth.owner);
        let of_machine = { code.function.iter() }
            .filter(|function| function.is_suspect())
            .find_map(|function| function.owner);
        { owners().find(|owner| owner.is_users()) }
            .or(owners().next())
            .or(of_machine)
            .or(sites.first().and_then(|site| site.owner))
            .unwrap_or(Owner::Project)
    }

    /// All that show it, those among them that were not judged themselves.
    fn tests(&self) -> BTreeSet<usize> {
        let mut tests: BTreeSet<usize> = self.cases.iter().map(|case| case.test).collect();
        for alike in &self.run.alike {
            if tests.contains(&self.run.cases[alike.case].test) {
                tests.insert(alike.test);
            }
        }
        tests
    }

    fn losing<'b>(&self, diagnosis: &'b Diagnosis) -> Losing<'b>
    where
        'a: 'b,
    {
        let culprit = self.homes.culprit(self.case, diagnosis);
        let lines = self.growths(self.case);
        let lines = lines.filter_map(|growth| growth.frames.first());
        let lines = lines.chain(diagnosis.made.first());
        let called = culprit.as_ref().map(|(_, call)| &call.place);
        let lines: Vec<&Place> = lines.chain(called).collect();
        Losing {
            maker: self.homes.maker(self.case, &lines),
            opaque: { diagnosis.opaque.as_deref() }.filter(|_| culprit.is_none()),
            culprit,
        }
    }

    /// What is said of who lost them.
    fn lost(&self, losing: &Losing<'_>, diagnosis: Option<&Diagnosis>) -> Option<Lost> {
        let Some((function, call)) = &losing.culprit else {
            let by = format!(
                ", probably in a cycle through {}, which the collector cannot look into",
                losing.opaque?
            );
            return Some(Lost { by, growth: None });
        };
        let (file, line) = &call.place;
        let place = format!("{}:{line}", self.homes.places.show(file));
        Some(Lost {
            by: format!(
                ": a reference was lost by {}, called at {place}",
                function.text()
            ),
            // Of what is in no list of objects the call alone knows the type.
            growth: diagnosis
                .filter(|diagnosis| diagnosis.lost.is_empty())
                .and_then(|_| held::lost(call, &native::stays(self.case))),
        })
    }

    /// The first line of it with what is known of machine code, or why it is no leak.
    fn completed(
        &self,
        mut summary: String,
        losing: &Losing<'_>,
        native: Option<&NativeFunction>,
        probably: bool,
    ) -> String {
        if let Some(reason) = self.case.judged.reason().filter(|_| self.is_made_once()) {
            return format!("grows by being repeated: {reason}");
        }
        if let Some((maker, _)) = &losing.maker {
            let maker = if native.is_some_and(|native| native.library == maker.library) {
                maker.in_its_library()
            } else {
                maker.text()
            };
            summary.push_str(&format!(", made by {maker}"));
        }
        if probably {
            summary = summary.replacen(", allocated at", ", probably allocated at", 1);
        }
        summary
    }

    /// The stack of what made the objects; where that is not known, that of the call which lost them.
    fn way(&self, losing: &Losing<'_>) -> Option<Vec<String>> {
        let places = self.homes.places;
        let (function, lines) = match (&losing.maker, &losing.culprit) {
            (Some((maker, passage)), _) => (maker, passage.shown(places)),
            (None, Some((function, call))) => (function, std::slice::from_ref(&call.place)),
            (None, None) => return None,
        };
        let called = { lines.first() }.map(|_| sites::site(self.run, places, lines, (0.0, 0.0)));
        Some(machine::stack(function, called.as_ref()))
    }

    fn types(
        &self,
        kind: Kind,
        diagnosis: Option<&Diagnosis>,
        lost: Option<Lost>,
        there: Option<&within::There<'_>>,
    ) -> Vec<TypeGrowth> {
        match diagnosis {
            _ if let Some(there) = there => there.types(self.run, self.case),
            // What C code allocates is of no type, and what the collector does not know cannot be looked at.
            _ if kind == Kind::Native => Vec::new(),
            Some(diagnosis) if diagnosis.is_lost() && diagnosis.lost.is_empty() => {
                lost.and_then(|lost| lost.growth).into_iter().collect()
            }
            Some(diagnosis) => parts::types_of(diagnosis, &self.cases),
            None if self.alone => types(self.case),
            None => Vec::new(),
        }
    }

    /// What makes it the same in another run.
    fn identity(&self, named: &Named<'_>) -> String {
        let Named { kind, code, .. } = *named;
        let cause = named.route.map(Route::cause).unwrap_or_default();
        let native = { named.native }
            .filter(|native| matches!(kind, Kind::Native | Kind::Map) && native.is_named());
        let parts = match (named.route, named.filled, named.site) {
            _ if let Some(there) = &named.there => vec![code::of(kind), there],
            // The finer code is a reading of the way, and may change with a release.
            (Some(route), ..) if route.is_own(self.homes.places) => vec![code::of(kind), &cause],
            (Some(route), ..) => vec![code::of(kind), &cause, &route.kept],
            // As where its way to the heap's roots was looked at: whether there is time for that may differ from run to run.
            (None, Some(name), _) if matches!(kind, Kind::Items | Kind::Python) => {
                vec![code::of(kind), name]
            }
            _ if let Some(native) = native => vec![code, &native.library, native.symbol()],
            (None, _, Some(site)) => vec![code, site.file.as_str(), site.function.as_str()],
            (None, _, None) => vec![code, self.run.tests[self.case.test].id.as_str()],
        };
        fingerprint::of(&parts)
    }
}

/// What a cause may be known by.
struct Named<'a> {
    kind: Kind,
    code: &'static str,
    route: Option<&'a Route>,
    /// What grows in a child process.
    there: Option<String>,
    /// The container that was seen to fill.
    filled: Option<&'a str>,
    native: Option<&'a NativeFunction>,
    site: Option<&'a Site>,
}

fn code_of(kind: Kind, route: Option<&Route>, diagnosis: Option<&Diagnosis>) -> &'static str {
    match (route, diagnosis) {
        (Some(route), _) => code::of_route(kind, route),
        (None, Some(diagnosis)) if kind == Kind::Python && diagnosis.exits > 0.5 => {
            code::INTERPRETER
        }
        (None, Some(diagnosis)) if kind == Kind::Python && diagnosis.is_lost() => code::LOST,
        (None, Some(diagnosis)) if kind == Kind::Python && diagnosis.hidden.is_some() => {
            code::HIDDEN
        }
        _ => code::of(kind),
    }
}

/// Whether C code asks malloc for about as much as a library counts. The connection that keeps 8 kB of Arrow's memory takes 288 bytes
/// for itself, and who asks for these is not who keeps the others.
fn is_most(passages: &[&Passage], rate: &BTreeMap<String, Rate>) -> bool {
    let asked: f64 = passages.iter().map(|passage| passage.bytes).sum();
    let counted = rate
        .iter()
        .filter(|(name, _)| Counter::library(name).is_some());
    counted.map(|(_, rate)| rate.value).fold(0.0, f64::max) <= 2.0 * asked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_library_counts_is_asked_for_by_what_asks_for_about_as_much() {
        let asked = |bytes: f64, counted: f64| {
            let passage = Passage {
                frames: Vec::new(),
                function: None,
                certain: true,
                bytes,
                chunks: 1.0,
                stack: Vec::new(),
            };
            let rate = Rate {
                value: counted,
                interval: [counted; 2],
                exact: true,
            };
            let rates = ["arrow_bytes", "heap"].map(|name| (name.to_owned(), rate));
            is_most(&[&passage], &BTreeMap::from(rates))
        };
        assert!(asked(8100.0, 8000.0) && asked(4000.0, 8000.0));
        assert!(!asked(288.0, 8000.0));
    }
}
