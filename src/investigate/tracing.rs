//! Where it grows: traced windows, one frame deep at first, and deeper where that does not reach the reader's code.

use super::{
    at::At,
    containers,
    evidence::{Evidence, Told, Trace},
    experiment::{Experiment, Next, Recall, Tracing},
    growth::{Fits, affordable, blocks, grows_memory, is_large, rate, things},
    readings::has_room,
    rules::Rules,
};
use crate::{
    explain::sites::Growth,
    finding::Owner,
    fit::{Exactness, Shape},
    verdict::{Counter, LARGEST_BLOCK, Series, conclusion::Conclusion, rule::Rule},
};

/// CPython itself loses memory with each interpreter, more in some versions than in others.
const INTERPRETERS: &str = "runs beside other interpreters, which it makes or which another test left: memory must not be traced then, since CPython ends the process, \
     and what Python itself loses with each of them cannot be told from a leak";

/// What was found out by tracing.
#[derive(Debug, Default)]
pub(super) struct Sites {
    /// The places that grow, those of the runner too.
    pub growths: Vec<Growth>,
    /// Survivors by type: name, objects and bytes per iteration.
    pub types: Vec<(String, f64, f64)>,
}

impl Sites {
    /// What the traces say of a window that grew so.
    pub(super) fn of(traces: &[Trace], fits: &Fits, series: &Series) -> Sites {
        let mut sites = Sites::default();
        for trace in traces {
            let Some(growths) = found(trace, fits, series) else {
                continue;
            };
            // A deeper look that the test itself spoiled takes nothing back.
            if (!growths.is_empty() || sites.growths.is_empty())
                && let Told::Sites { types, .. } = &trace.told
            {
                sites.growths = growths;
                sites.types.clone_from(types);
            }
        }
        sites
    }

    /// The same without the places of the runner.
    pub(super) fn own(mut self) -> Sites {
        self.growths.retain(|growth| growth.owner != Owner::Runner);
        self
    }
}

/// The places where a suspect grows whose memory grew in the windows; nothing of what comes so rarely that it showed in
/// the long run only.
pub(super) fn of_windows(evidence: &Evidence) -> Sites {
    let windows = &evidence.windows;
    if grows_memory(&windows.fits) {
        Sites::of(&evidence.traces, &windows.fits, &windows.series)
    } else {
        Sites::default()
    }
}

/// What a trace tells, where the blocks in use leave room for it.
fn found(trace: &Trace, fits: &Fits, series: &Series) -> Option<Vec<Growth>> {
    let Told::Sites { growths, .. } = &trace.told else {
        return None;
    };
    let mut growths = growths.clone();
    if !fits.contains_key(&Counter::Blocks) {
        growths.retain(|growth| has_room(growth, series));
    }
    Some(growths)
}

/// Traces a suspect whose memory grows.
pub(super) fn look(at: At<'_>) -> Option<Next> {
    let windows = &at.evidence.windows;
    if !grows_memory(&windows.fits) {
        return None;
    }
    let containers = containers::gaining(at.evidence, at.rules);
    let brief = at.evidence.brief;
    look_deeper(at, &windows.fits, &windows.series, &containers, brief)
}

/// It runs beside interpreters. Those that this one left would be in the way of the next test.
pub(super) fn beside_interpreters(at: At<'_>) -> Option<Next> {
    let makes_them = at
        .evidence
        .windows
        .fits
        .contains_key(&Counter::Interpreters);
    let said = is_beside_interpreters(at.evidence) && !makes_them;
    said.then(|| Next::Conclude(Conclusion::because(Rule::Subinterpreters, INTERPRETERS)))
}

/// Whether it could not be traced as its memory grew.
pub(super) fn is_beside_interpreters(evidence: &Evidence) -> bool {
    let mut traces = evidence.traces.iter();
    grows_memory(&evidence.windows.fits)
        && traces.any(|trace| matches!(trace.told, Told::Interpreters))
}

/// All that grows is the test runner's.
pub(super) fn held_by_runner(at: At<'_>) -> Option<Next> {
    let fits = &at.evidence.windows.fits;
    let sites = of_windows(at.evidence);
    let runners = |growth: &Growth| growth.owner == Owner::Runner;
    // Objects that took their memory from a free list stand at the place of those that had it before, or at none: the
    // places must account for most of what grows.
    let most = rate(fits, Counter::Blocks) / at.rules.tracing.most;
    let said = !sites.growths.is_empty()
        && sites.growths.iter().all(runners)
        && Counter::resources_of(fits).next().is_none()
        && containers::gaining(at.evidence, at.rules).is_empty()
        && (!fits.contains_key(&Counter::Blocks) || blocks(&sites.growths) >= most);
    said.then(|| {
        let reason = "the test runner keeps what grows";
        Next::Conclude(Conclusion::because(Rule::HeldByRunner, reason))
    })
}

/// The next trace of what grows so, if there is to be one.
pub(super) fn look_deeper(
    at: At<'_>,
    fits: &Fits,
    series: &Series,
    containers: &[(String, f64)],
    brief: bool,
) -> Option<Next> {
    let At {
        evidence,
        rules,
        purse,
    } = at;
    if let Some(last) = evidence.traces.last() {
        // Some tests refuse to run, or take another way, under tracemalloc: then there is no place to name.
        let growths = found(last, fits, series)?;
        // One cause grows in several places; one that is the reader's is enough to go by.
        let deeper = growths.iter().all(|growth| growth.too_shallow) && !growths.is_empty();
        if purse.spent {
            return None;
        }
        // Where the first look cost little, the callers are worth a second.
        let callers = evidence.traces.len() == 1 && last.cpu < rules.tracing.cheap && !brief;
        let known = Sites::of(&evidence.traces, fits, series).growths;
        let again = deeper || last.settling == 0 && settling(at, fits, series) > 0;
        if !again && (!callers || known.is_empty()) {
            return None;
        }
        if !again {
            match evidence.recalled.get(&Recall::Callers) {
                None => {
                    let recall = Experiment::Recall(Recall::Callers, things(&known, containers));
                    return Some(Next::Do(recall));
                }
                Some(Some(_)) => return None,
                Some(None) => {}
            }
        }
    }
    Some(Next::Do(trace(at, fits, series)?))
}

/// How many iterations are traced before those that are read: none, unless the first ones showed more than there is. What
/// takes the place of something that was there before tracing began looks like growth until all of that is replaced.
fn settling(at: At<'_>, fits: &Fits, series: &Series) -> u32 {
    let numbers = &at.rules.tracing;
    let Some(first) = at.evidence.traces.first() else {
        return 0;
    };
    let Told::Sites { growths, .. } = &first.told else {
        return 0;
    };
    if !leaves_more(growths, at.evidence, fits, series, at.rules) {
        return 0;
    }
    let each = first.cpu / f64::from(first.iterations.max(1));
    let in_time = affordable(each, numbers.settling_cpu, at.rules);
    let in_room = affordable(blocks(growths), numbers.blocks, at.rules);
    numbers.settling.min(in_time).min(in_room)
}

/// Whether more stays at the places than the counters say: blocks, and bytes of those that come from malloc.
fn leaves_more(
    growths: &[Growth],
    evidence: &Evidence,
    fits: &Fits,
    series: &Series,
    rules: &Rules,
) -> bool {
    let most = |counter| fits.get(&counter).map_or(0.0, |fit| fit.rate.interval.1);
    let is_exact = |counter| {
        series.contains_key(&counter)
            && evidence.exactness.get(&counter) == Some(&Exactness::Exact)
            && { fits.get(&counter) }.is_none_or(|fit| fit.shape == Shape::Linear)
    };
    let large = growths.iter().filter(|growth| is_large(growth));
    let bytes: f64 = large.map(|growth| growth.bytes.rate.value).sum();
    is_exact(Counter::Blocks) && blocks(growths) > most(Counter::Blocks) + rules.unexplained
        || is_exact(Counter::Heap) && bytes > most(Counter::Heap) + LARGEST_BLOCK
}

/// The trace that comes after those that there are.
fn trace(at: At<'_>, fits: &Fits, series: &Series) -> Option<Experiment> {
    let numbers = &at.rules.tracing;
    let done = at.evidence.traces.len();
    let frames = *numbers.depths.get(done)?;
    let period = { fits.values() }
        .filter_map(|fit| match fit.shape {
            Shape::Periodic { period } => u32::try_from(period).ok(),
            Shape::Noisy => Some(numbers.noisy),
            _ => None,
        })
        .max()
        .unwrap_or(1);
    let wanted = if period > 1 {
        numbers.periods * period + 1
    } else {
        numbers.iterations
    };
    let room = affordable(rate(fits, Counter::Blocks), numbers.blocks, at.rules);
    let last_only = room < wanted;
    let wanted = if last_only { 1 } else { wanted };
    // Deeper looks only say where; the rates are known by then.
    let iterations = if done == 0 || period > 1 {
        wanted
    } else {
        wanted.min(numbers.deeper)
    };
    Some(Experiment::Trace(Tracing {
        iterations,
        frames,
        last_only,
        settling: settling(at, fits, series),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::investigate::{
        evidence::Answer,
        experiment::Purse,
        samples::{PURSE, blocks, concluded, gained, growth, step, suspect, traces},
    };

    fn line() -> Evidence {
        suspect(blocks((0..=8).map(|at| at * 2)))
    }

    /// Iterations, frames and whether only the end is read.
    fn asked(evidence: &Evidence) -> Option<(u32, u32, bool)> {
        match step(evidence, &PURSE, look)? {
            Next::Do(Experiment::Trace(Tracing {
                iterations,
                frames,
                last_only,
                ..
            })) => Some((iterations, frames, last_only)),
            other => panic!("{other:?}"),
        }
    }

    fn shallow() -> Growth {
        Growth {
            too_shallow: true,
            ..growth("lib.py", 3, 2, 90)
        }
    }

    fn runners() -> Growth {
        Growth {
            owner: Owner::Runner,
            ..growth("plugin.py", 9, 2, 90)
        }
    }

    #[test]
    fn only_what_grows_in_memory_is_traced() {
        let fds = suspect(Series::from([(Counter::Fds, (0..=8).collect())]));
        assert_eq!(asked(&fds), None);
        assert_eq!(asked(&line()), Some((6, 1, false)));
    }

    #[test]
    fn a_pattern_is_traced_four_times_over() {
        let every_third = suspect(blocks((0..=30).map(|at| at / 3)));
        assert_eq!(asked(&every_third), Some((13, 1, false)));
    }

    #[test]
    fn what_leaves_very_much_is_read_once_only() {
        let much = suspect(blocks((0..=8).map(|at| at * 60_000)));
        assert_eq!(asked(&much), Some((1, 1, true)));
        let less = suspect(blocks((0..=8).map(|at| at * 33_000)));
        assert_eq!(asked(&less), Some((6, 1, false)));
    }

    #[test]
    fn it_goes_deeper_until_a_place_is_the_readers() {
        let mut evidence = line();
        evidence.traces = traces(vec![shallow()]);
        assert_eq!(asked(&evidence), Some((3, 5, false)));
        evidence.traces.extend(traces(vec![shallow()]));
        assert_eq!(asked(&evidence), Some((3, 25, false)));
        evidence.traces.extend(traces(vec![shallow()]));
        assert_eq!(asked(&evidence), None);
        evidence.traces[1] = traces(vec![shallow(), growth("app.py", 1, 2, 90)]).remove(0);
        evidence.traces.truncate(2);
        assert_eq!(asked(&evidence), None);
        // Not where all is spent, nor where it does not pass or may not be traced.
        evidence.traces = traces(vec![shallow()]);
        let spent = Purse {
            spent: true,
            ..PURSE
        };
        assert_eq!(step(&evidence, &spent, look), None);
        for told in [Told::DidNotPass, Told::Interpreters] {
            evidence.traces[0].told = told;
            assert_eq!(asked(&evidence), None);
        }
    }

    #[test]
    fn callers_are_traced_where_that_is_cheap_and_nobody_knows_the_place() {
        let mut evidence = line();
        evidence.traces = traces(vec![growth("app.py", 1, 2, 90)]);
        let things = ["app.py:1".to_owned()].into();
        let recall = Next::Do(Experiment::Recall(Recall::Callers, things));
        assert_eq!(step(&evidence, &PURSE, look), Some(recall));
        let mut unknown = evidence.clone();
        unknown.add(Answer::Recalled(Recall::Callers, None));
        assert_eq!(asked(&unknown), Some((3, 5, false)));
        let mut known = evidence.clone();
        let leak = Conclusion::by(Rule::GrewToTimeEnd);
        known.add(Answer::Recalled(Recall::Callers, Some(leak)));
        assert_eq!(asked(&known), None);
        let mut dear = unknown.clone();
        dear.traces[0].cpu = 0.1;
        assert_eq!(asked(&dear), None);
        unknown.brief = true;
        assert_eq!(asked(&unknown), None);
        evidence.traces = traces(Vec::new());
        assert_eq!(asked(&evidence), None);
    }

    #[test]
    fn where_the_places_show_more_than_there_is_they_are_traced_until_they_settle() {
        let settling = |growths: Vec<Growth>, cpu: f64, exactness: Exactness| {
            let mut evidence = line();
            evidence.exactness.insert(Counter::Blocks, exactness);
            evidence.traces = traces(growths);
            evidence.traces[0].cpu = cpu;
            match step(&evidence, &PURSE, look)? {
                Next::Do(Experiment::Trace(tracing)) => Some(tracing.settling),
                _ => None,
            }
        };
        let pool = || vec![growth("app.py", 1, 2, 90), growth("pool.py", 3, 1, 90)];
        assert_eq!(settling(pool(), 0.01, Exactness::Exact), Some(256));
        // 0.2 s an iteration.
        assert_eq!(settling(pool(), 1.2, Exactness::Exact), Some(10));
        assert_eq!(settling(pool(), 0.01, Exactness::Estimate), None);
        let all = vec![growth("app.py", 1, 2, 90)];
        assert_eq!(settling(all, 0.01, Exactness::Exact), None);
        // Once: what is still too much then has other reasons.
        let mut evidence = line();
        evidence.exactness.insert(Counter::Blocks, Exactness::Exact);
        evidence.traces = traces(pool());
        evidence.traces.extend(traces(pool()));
        evidence.traces[1].settling = 256;
        assert_eq!(asked(&evidence), None);
    }

    #[test]
    fn a_deeper_look_without_places_takes_nothing_back() {
        let evidence = line();
        let windows = &evidence.windows;
        let mut told = traces(vec![shallow()]);
        told.extend(traces(Vec::new()));
        let sites = Sites::of(&told, &windows.fits, &windows.series);
        assert_eq!(sites.growths, [shallow()]);
        told.extend(traces(vec![growth("app.py", 1, 2, 90), runners()]));
        let sites = Sites::of(&told, &windows.fits, &windows.series);
        assert_eq!(sites.growths.len(), 2);
        assert_eq!(sites.own().growths, [growth("app.py", 1, 2, 90)]);
    }

    #[test]
    fn beside_interpreters_memory_tells_nothing() {
        let mut evidence = line();
        assert_eq!(step(&evidence, &PURSE, beside_interpreters), None);
        evidence.traces = traces(Vec::new());
        evidence.traces[0].told = Told::Interpreters;
        let said = concluded(step(&evidence, &PURSE, beside_interpreters));
        assert_eq!(said.rule(), Rule::Subinterpreters);
        // One that leaves interpreters is a leak of these.
        let series =
            [Counter::Blocks, Counter::Interpreters].map(|counter| (counter, (0..=8).collect()));
        evidence = Evidence {
            traces: evidence.traces,
            ..suspect(Series::from(series))
        };
        assert!(is_beside_interpreters(&evidence));
        assert_eq!(step(&evidence, &PURSE, beside_interpreters), None);
    }

    #[test]
    fn the_runner_holds_it_where_all_places_are_its_own() {
        let mut evidence = line();
        assert_eq!(step(&evidence, &PURSE, held_by_runner), None);
        evidence.traces = traces(vec![runners()]);
        let said = concluded(step(&evidence, &PURSE, held_by_runner));
        assert_eq!(said.rule(), Rule::HeldByRunner);
        let not = |evidence: &Evidence| step(evidence, &PURSE, held_by_runner).is_none();
        let mut project = evidence.clone();
        project.traces = traces(vec![runners(), growth("app.py", 1, 2, 90)]);
        assert!(not(&project));
        let mut filled = evidence.clone();
        filled.gained = gained("app.ROWS", 8);
        assert!(not(&filled));
        // Less than half of what grows.
        let mut part = suspect(blocks((0..=8).map(|at| at * 5)));
        part.traces.clone_from(&evidence.traces);
        assert!(not(&part));
        let both = [Counter::Blocks, Counter::Fds];
        let mut fds = suspect(Series::from(both.map(|one| (one, (0..=8).collect()))));
        fds.traces = evidence.traces;
        assert!(not(&fds));
    }
}
