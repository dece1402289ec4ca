//! From what was looked at of one test to what is shown of it: paths as people read them, and the source beside the lines.

use super::{Baseline, kept, machine, native::Homes, quoted, report, sites};
use crate::{
    explain::{
        lines::{self, Function, Stays},
        native::Passage,
    },
    finding::{Curve, Rate},
    heap::owner::Places,
    report::{
        Environment,
        inspect::{
            Cycle, Garbage, Holding, Inspection, Line, Native, Peak, Place, Routine, Standing,
        },
    },
    run::{
        Run, finds,
        inspect::{self, Scope},
    },
};

/// A test that was looked at, for its pages. What was accepted plays no part: it is the test that is looked at.
pub fn inspection(
    run: &Run,
    scope: &Scope,
    places: &Places,
    environment: Environment,
    min_judged: f64,
    baseline: &Baseline<'_>,
) -> Inspection {
    let (report, _) = report(run, places, environment, min_judged, &|_| None, baseline);
    let mut notes = report.notes;
    notes.extend(scope.notes.iter().cloned());
    let homes = Homes::new(places);
    let passages = passages(run, &homes);
    let native = lines::native(passages.iter().copied(), places);
    Inspection {
        curves: kept(&scope.series)
            .into_iter()
            .map(|(counter, readings)| Curve {
                counter,
                readings,
                rate: scope.fits.get(&counter).map(|fit| Rate::from(fit.rate)),
            })
            .collect(),
        types: scope.types.clone(),
        survivors: scope.survivors.clone(),
        holding: scope.holding.as_ref().map(|holding| Holding {
            holder: holding.route.holder.clone(),
            at: holding.route.at,
            holds: holding.holds.clone(),
            inside: holding.inside.clone(),
        }),
        garbage: scope.garbage.as_ref().map(|found| Garbage {
            objects: found.objects,
            cycles: found
                .cycles
                .iter()
                .map(|cycle| cycle_of(run, places, cycle))
                .collect(),
        }),
        native: { passages.iter() }
            .map(|passage| stack(run, &homes, passage))
            .collect(),
        routines: scope
            .functions
            .iter()
            .map(|function| routine(run, (&scope.stays, &native), places, function))
            .collect(),
        peak: scope.peak.as_ref().map(|found| peak(run, places, found)),
        version: report.version,
        environment: report.environment,
        exit_code: report.exit_code,
        test: report.tests.into_iter().next(),
        findings: report.findings,
        errors: report.errors,
        notes,
    }
}

/// Lines of the longest function that is shown.
const LONGEST: u32 = 20_000;

/// Where native memory that stays is asked for, the largest first.
fn passages<'r>(run: &'r Run, homes: &Homes<'_>) -> Vec<&'r Passage> {
    let mut found: Vec<&Passage> = Vec::new();
    for case in run.cases.iter().filter(|case| case.is_leak()) {
        found.extend(case.passages.iter().chain(case.beside.iter().flatten()));
        found.extend(homes.bare(case));
    }
    found.sort_by(|a, b| b.bytes.total_cmp(&a.bytes));
    found
}

fn stack(run: &Run, homes: &Homes<'_>, passage: &Passage) -> Native {
    let frames = passage.shown(homes.places);
    let called = { frames.first() }.map(|_| sites::site(run, homes.places, frames, (0.0, 0.0)));
    let function = homes.function(passage).unwrap_or_default();
    let mut stack = machine::stack(&function, called.as_ref());
    if stack.is_empty() {
        // Only the call is known.
        let name = Some(function.text()).filter(|_| !function.name.is_empty());
        let place = called.map(|site| format!("{} ({}:{})", site.function, site.file, site.line));
        stack.extend(name.into_iter().chain(place));
    }
    Native {
        chunks: passage.chunks,
        bytes: passage.bytes,
        stack,
    }
}

/// One function; of its lines what stays there of Python's memory, and what of native memory.
fn routine(
    run: &Run,
    (stays, native): (&Stays, &Stays),
    places: &Places,
    function: &Function,
) -> Routine {
    let place = (function.file.clone(), function.first);
    let name = match run.sources.get(&place) {
        Some((name, _)) if !name.starts_with('<') => name.clone(),
        _ => function.name.clone(),
    };
    let text = quoted::lines(places, &function.file);
    let last = function.lines.last().map_or(function.first, |line| line.0);
    // What a process says of its lines may be anything.
    let last = last.min(function.first.saturating_add(LONGEST));
    let lines = (function.first..=last)
        .filter_map(|number| {
            let ran = function.lines.iter().find(|line| line.0 == number);
            let text = text.get(usize::try_from(number).ok()?.checked_sub(1)?);
            let place = (function.file.clone(), number);
            let pair = |(count, bytes): &(f64, f64)| [*count, *bytes];
            Some(Line {
                number,
                text: text.cloned().unwrap_or_default(),
                times: ran.map(|line| line.1),
                net: ran.map(|line| line.2),
                peak: ran.map(|line| line.3),
                stays: stays.get(&place).map(pair),
                malloc: native.get(&place).map(pair),
            })
        })
        .collect();
    Routine {
        file: places.show(&function.file),
        name,
        lines,
    }
}

fn cycle_of(run: &Run, places: &Places, cycle: &finds::Cycle) -> Cycle {
    Cycle {
        text: cycle.ring.holder.text.clone(),
        owner: cycle.owner,
        place: cycle
            .place
            .as_ref()
            .map(|place| place_of(run, places, place)),
        objects: cycle.objects,
        bytes: cycle.bytes,
        descriptors: cycle.descriptors.clone(),
        advice: cycle.ring.advice.clone(),
    }
}

fn place_of(run: &Run, places: &Places, place: &(String, u32)) -> Place {
    let known = run.sources.get(place);
    Place {
        file: places.show(&place.0),
        line: place.1,
        function: known.map_or_else(String::new, |(function, _)| function.clone()),
        source: quoted::line(run, places, place),
    }
}

fn peak(run: &Run, places: &Places, found: &inspect::Peak) -> Peak {
    let place = |place: &(String, u32)| place_of(run, places, place);
    Peak {
        bytes: found.top.unwrap_or(found.stood),
        sampled: found.top.is_none(),
        line: found.line.as_ref().map(place),
        stood: found.stood,
        at: found.at.as_ref().map(place),
        places: found
            .places
            .iter()
            .map(|(at, blocks, bytes)| Standing {
                place: place(at),
                blocks: *blocks,
                bytes: *bytes,
            })
            .collect(),
        runner: found.runner.1,
        types: found.types.clone(),
    }
}
