//! What there is to show of a suspect beside its verdict: of all that was measured, what goes on growing.

use std::collections::BTreeSet;

use super::{
    beside,
    capacity::emptied,
    containers,
    evidence::Evidence,
    growth::{Fits, grows_memory, is_large, rate},
    rules::Rules,
    tracing::{self, Sites},
};
use crate::{
    explain::sites::Growth,
    fit::Fit,
    verdict::{Counter, Series, Verdict, conclusion::Conclusion, rule::Rule},
};

/// What there is to show.
#[derive(Debug, Clone, Default)]
pub struct Picture {
    /// The window that shows it best.
    pub series: Series,
    /// Shape and rate of each counter that grew.
    pub fits: Fits,
    /// The places that grow; those of the runner only where there are no others.
    pub growths: Vec<Growth>,
    /// Survivors by type: name, objects and bytes per iteration.
    pub types: Vec<(String, f64, f64)>,
    /// Watched containers that gained entries: name, and how many per iteration.
    pub containers: Vec<(String, f64)>,
    /// What it fills that has an end to read: kind and name of each.
    pub ends: BTreeSet<(String, String)>,
    /// How malloc's heap grows by what Python does not account for, where Python's memory grows as well.
    pub native: Option<Fit>,
    /// Whether it ends tracemalloc, or may where it finds that it is not running.
    pub ends_tracing: bool,
    /// Whether objects came at first, and no more in the longest window, where something else went on growing.
    pub settled: bool,
    /// Whether its process is unfit for other tests.
    pub spoiled: bool,
    /// Whether nobody waited for its end.
    pub brief: bool,
}

impl Picture {
    /// What `evidence` shows of a suspect of which `conclusion` is said.
    pub fn of(evidence: &Evidence, conclusion: &Conclusion, rules: &Rules) -> Picture {
        let rule = conclusion.rule();
        let ends = match rule {
            Rule::LimitFound => conclusion.ends(),
            _ => &[],
        };
        let mut sites = tracing::of_windows(evidence);
        if !matches!(rule, Rule::HeldByRunner | Rule::Subinterpreters) {
            sites = sites.own();
        }
        let mut picture = Picture {
            series: evidence.windows.series.clone(),
            fits: match rule {
                // Nobody knows what of it is the test's.
                Rule::OtherThreads => Fits::new(),
                _ => evidence.windows.fits.clone(),
            },
            growths: sites.growths,
            types: sites.types,
            containers: containers::gaining(evidence, rules),
            ends: { ends.iter() }
                .map(|(kind, name, ..)| (kind.clone(), name.clone()))
                .collect(),
            native: None,
            ends_tracing: evidence.traces.iter().any(|trace| trace.ended),
            settled: false,
            // What comes after a limit of the system's was used up would meet the same limit; beside what grows more and
            // more slowly, other tests that fill the same would hardly be seen to.
            spoiled: matches!(rule, Rule::GrewUntilFailure | Rule::GrowsEverSlower)
                || tracing::is_beside_interpreters(evidence),
            brief: evidence.brief && evidence.capacity.is_none() && rule != Rule::KnownCauseBudget,
        };
        if !evidence.stretches.is_empty() && evidence.failure.is_none() {
            picture.after_long_run(evidence, rule);
        }
        if rule != Rule::LimitFound {
            picture.beside_what_has_an_end(evidence, rules);
        }
        if !grows_memory(&evidence.windows.fits) {
            // Traced when all was over, if at all.
            let sites = Sites::of(&evidence.traces, &picture.fits, &picture.series).own();
            picture.growths = sites.growths;
            picture.types = sites.types;
        }
        if conclusion.is(Verdict::Leak) {
            picture.native = beside::unexplained(evidence, &picture.fits, &picture.series, rules);
        }
        picture
    }

    fn after_long_run(&mut self, evidence: &Evidence, rule: Rule) {
        self.series.clone_from(&evidence.long_run.series);
        if !matches!(
            rule,
            Rule::GrewToTimeEnd | Rule::GrewToSizeEnd | Rule::GrewToLastIteration
        ) {
            return;
        }
        let mut fits = evidence.long_run.fits.clone();
        if !grows_memory(&self.fits) && rate(&fits, Counter::Blocks) < rate(&fits, Counter::Items) {
            // What only so long a look shows beside entries is the memory that their container takes for them,
            // unless each has blocks of its own.
            fits.retain(|counter, _| self.fits.contains_key(counter));
        }
        self.narrow(fits);
        let gained = evidence.windows.fits.contains_key(&Counter::Items);
        if gained && !self.fits.contains_key(&Counter::Items) {
            self.containers.clear();
        }
    }

    /// What has an end to read is no part of what goes on without it.
    fn beside_what_has_an_end(&mut self, evidence: &Evidence, rules: &Rules) {
        let Some(window) = emptied(evidence) else {
            return;
        };
        let mut fits = evidence.growing(&window.series);
        fits.retain(|counter, _| self.fits.contains_key(counter));
        if !fits.is_empty() {
            without_filling(&mut self.growths, &fits, rules);
            self.series.clone_from(&window.series);
            self.narrow(fits);
        }
    }

    /// Leaves of what grows what goes on. What small objects take is in `blocks` and nowhere else: where that has come to
    /// its end, they only filled something up, and are no part of it.
    fn narrow(&mut self, fits: Fits) {
        let filled =
            self.fits.contains_key(&Counter::Blocks) && !fits.contains_key(&Counter::Blocks);
        self.fits = fits;
        if filled {
            self.growths.retain(is_large);
            self.settled = self.growths.is_empty();
        }
    }
}

/// Leaves of the places that grow those that leave no more than all of them together do once what has an end is full.
fn without_filling(growths: &mut Vec<Growth>, fits: &Fits, rules: &Rules) {
    let most = rate(fits, Counter::Blocks);
    let may_be = |growth: &Growth| growth.count.rate.value <= most + rules.unexplained;
    if growths.iter().any(may_be) {
        growths.retain(may_be);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::investigate::{
        evidence::{Answer, Capacity, Window},
        experiment::Stretch,
        rules::RULES,
        samples::{endless, gained, growth, suspect, traces},
    };

    const STRETCH: Stretch = Stretch {
        warmup: 1,
        iterations: 16,
        late: false,
        allowance: 2.0,
    };

    fn series(of: &[(Counter, i64)]) -> Series {
        let readings = |each: i64| (0..=16).map(|at| at * each).collect();
        { of.iter() }
            .map(|(counter, each)| (*counter, readings(*each)))
            .collect()
    }

    fn run_on(evidence: &mut Evidence, series: Series) {
        let window = Window {
            iterations: 17,
            series,
            ..Window::default()
        };
        evidence.add(Answer::Stretch(STRETCH, window));
    }

    fn picture(evidence: &Evidence, rule: Rule) -> Picture {
        Picture::of(evidence, &Conclusion::by(rule), &RULES)
    }

    #[test]
    fn objects_that_only_came_at_first_are_no_part_of_what_goes_on() {
        let mut evidence = endless(series(&[(Counter::Blocks, 2), (Counter::Fds, 1)]));
        evidence.traces = traces(vec![growth("a.py", 1, 2, 90), growth("a.py", 2, 1, 5000)]);
        run_on(
            &mut evidence,
            series(&[(Counter::Blocks, 0), (Counter::Fds, 1)]),
        );
        let shown = picture(&evidence, Rule::GrewToTimeEnd);
        assert_eq!(shown.growths.len(), 1);
        assert_eq!(shown.growths[0].place().1, 2);
        assert!(!shown.settled && !shown.fits.contains_key(&Counter::Blocks));
        evidence.traces = traces(vec![growth("a.py", 1, 2, 90)]);
        assert!(picture(&evidence, Rule::GrewToTimeEnd).settled);
        // Where nothing is said of what goes on, all that grew is shown.
        let shown = picture(&evidence, Rule::GrowsEverSlower);
        assert!(shown.spoiled && shown.growths.len() == 1);
        assert!(shown.fits.contains_key(&Counter::Blocks));
    }

    #[test]
    fn the_memory_of_a_container_is_no_growth_of_its_own() {
        let fits = |blocks: i64| {
            let mut evidence = endless(series(&[(Counter::Items, 3)]));
            run_on(
                &mut evidence,
                series(&[(Counter::Items, 3), (Counter::Blocks, blocks)]),
            );
            let shown = picture(&evidence, Rule::GrewToTimeEnd);
            shown.fits.into_keys().collect::<Vec<_>>()
        };
        assert_eq!(fits(1), [Counter::Items]);
        assert_eq!(fits(3), [Counter::Blocks, Counter::Items]);
    }

    #[test]
    fn containers_that_gain_no_more_are_not_shown() {
        let mut evidence = endless(series(&[(Counter::Items, 1), (Counter::Fds, 1)]));
        evidence.gained = gained("a.ROWS", 8);
        run_on(
            &mut evidence,
            series(&[(Counter::Items, 0), (Counter::Fds, 1)]),
        );
        assert!(
            picture(&evidence, Rule::GrewToTimeEnd)
                .containers
                .is_empty()
        );
        assert_eq!(
            picture(&evidence, Rule::StoppedInLongRun).containers.len(),
            1
        );
    }

    #[test]
    fn what_has_an_end_is_left_out_of_what_goes_on_without_it() {
        let mut evidence = suspect(series(&[(Counter::Blocks, 5), (Counter::Fds, 1)]));
        evidence.traces = traces(vec![
            growth("cache.py", 1, 4, 90),
            growth("leak.py", 2, 1, 90),
        ]);
        let emptied = series(&[(Counter::Blocks, 1), (Counter::Fds, 1)]);
        evidence.add(Answer::Capacity(Capacity {
            filled: Vec::new(),
            window: Some(Window {
                series: emptied.clone(),
                ..Window::default()
            }),
        }));
        let shown = picture(&evidence, Rule::GrewToSizeEnd);
        assert_eq!(shown.series, emptied);
        assert_eq!(shown.growths.len(), 1);
        assert_eq!(shown.growths[0].place().0, "leak.py");
        assert_eq!(shown.fits[&Counter::Blocks].rate.value, 1.0);
    }

    #[test]
    fn what_the_runner_holds_is_only_shown_where_that_is_said() {
        let mut evidence = suspect(series(&[(Counter::Blocks, 3)]));
        let runners = Growth {
            owner: crate::finding::Owner::Runner,
            ..growth("plugin.py", 1, 1, 90)
        };
        evidence.traces = traces(vec![runners, growth("app.py", 2, 2, 90)]);
        assert_eq!(picture(&evidence, Rule::GrewToTimeEnd).growths.len(), 1);
        assert_eq!(picture(&evidence, Rule::HeldByRunner).growths.len(), 2);
    }

    #[test]
    fn interpreters_that_it_left_spoil_its_process() {
        let mut evidence = suspect(series(&[(Counter::Blocks, 3)]));
        evidence.traces = traces(Vec::new());
        assert!(!picture(&evidence, Rule::Subinterpreters).spoiled);
        evidence.traces[0].told = crate::investigate::evidence::Told::Interpreters;
        assert!(picture(&evidence, Rule::Subinterpreters).spoiled);
        assert!(picture(&evidence, Rule::GrewToTimeEnd).spoiled);
    }

    #[test]
    fn one_that_was_looked_at_after_all_is_not_one_of_many() {
        let mut evidence = suspect(series(&[(Counter::Blocks, 3)]));
        evidence.brief = true;
        assert!(picture(&evidence, Rule::GrewLikeLeaksBudget).brief);
        let known = Conclusion::by(Rule::GrewToTimeEnd).taken_over(Rule::KnownCauseBudget);
        assert!(!Picture::of(&evidence, &known, &RULES).brief);
        evidence.add(Answer::Capacity(Capacity::default()));
        assert!(!picture(&evidence, Rule::GrewToTimeEnd).brief);
    }

    #[test]
    fn beside_other_threads_no_counter_is_said_to_grow() {
        let evidence = suspect(series(&[(Counter::Blocks, 5)]));
        let shown = picture(&evidence, Rule::OtherThreads);
        assert!(shown.fits.is_empty() && !shown.series.is_empty());
        assert!(!picture(&evidence, Rule::OneProcessOnly).fits.is_empty());
    }

    #[test]
    fn a_run_that_failed_shows_what_the_windows_showed() {
        let mut evidence = endless(series(&[(Counter::Fds, 1)]));
        run_on(&mut evidence, series(&[(Counter::Fds, 2)]));
        let shown = picture(&evidence, Rule::StoppedInLongRun);
        assert_eq!(shown.series, evidence.long_run.series);
        evidence.failure = Some(crate::investigate::evidence::Failure {
            broken: false,
            message: String::new(),
        });
        let shown = picture(&evidence, Rule::GrewUntilFailure);
        assert!(shown.spoiled);
        assert_eq!(shown.series, evidence.windows.series);
    }
}
