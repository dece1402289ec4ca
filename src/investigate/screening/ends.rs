//! Ends that are read in the screen already: most of what grows in a healthy suite is a cache that says how far it goes,
//! and here it costs no second process.

use super::{
    At,
    expected::trend,
    experiment::{Experiment, Next, Screened},
    trend::glance,
};
use crate::{
    fit::{Exactness, Look},
    investigate::{growth::growing, rules::Rules},
    verdict::{Series, conclusion::Conclusion, rule::Rule},
};

/// Nothing grew, since what it fills was emptied at every boundary: what was that?
pub(super) fn empty_what_it_filled(at: At<'_>) -> Option<Next> {
    let evidence = at.evidence;
    let asks = evidence.fills && evidence.emptied.is_none() && is_short(at);
    (asks && trend(at) == Look::Clean).then_some(Next::Do(Experiment::Empty))
}

/// All that it does is to fill that.
pub(super) fn fills_only(at: At<'_>) -> Option<Next> {
    let filled = at.evidence.emptied.as_ref()?;
    let said = !filled.is_empty() && trend(at) == Look::Clean;
    said.then(|| Conclusion::filling(Rule::DeclaredLimitEmptied, filled.clone()).into())
}

/// It is plainly clean.
pub(super) fn nothing_grew(at: At<'_>) -> Option<Next> {
    (trend(at) == Look::Clean).then(|| Conclusion::by(Rule::NothingGrew).into())
}

/// What does it fill, and does anything grow once that is emptied at every boundary?
pub(super) fn ask(at: At<'_>) -> Option<Next> {
    if at.evidence.ends.is_some() || !is_short(at) {
        return None;
    }
    let numbers = &at.rules.screen;
    let fewest = if at.evidence.manner.thorough {
        numbers.fewest_patient
    } else {
        numbers.fewest
    };
    let readings = at.evidence.readings.min(at.rules.most_read());
    let iterations = readings.max(fewest);
    Some(Next::Do(Experiment::Ends { iterations }))
}

/// Nothing grows then.
pub(super) fn found(at: At<'_>) -> Option<Next> {
    let ends = at.evidence.ends.as_ref()?;
    let window = ends.window.as_ref()?;
    let thorough = at.evidence.manner.thorough;
    let said = window.failure.is_none() && rests(&window.series, thorough, at.rules);
    said.then(|| Conclusion::filling(Rule::DeclaredLimit, ends.filled.clone()).into())
}

/// It is plainly a suspect, or has used up its looks.
pub(super) fn none(_: At<'_>) -> Option<Next> {
    Some(Next::Conclude(Screened::Suspect))
}

/// Of a longer one the suspects' budget pays for it, where an end is asked for as well.
fn is_short(at: At<'_>) -> bool {
    at.evidence.seconds <= at.rules.screen.longest
}

/// Whether nothing grows, in as many readings as there are. Event loops and the like come and go, which [`glance`] takes
/// for reason to read on.
fn rests(series: &Series, thorough: bool, rules: &Rules) -> bool {
    growing(series, |_| Exactness::Exact).is_empty()
        && (!thorough || glance(series, thorough, rules) == Look::Clean)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        investigate::{
            evidence::{Capacity, Failure, Window},
            rules::RULES,
            samples::blocks,
            screening::{
                evidence::{Answer, Evidence},
                samples::{cache, concluded, manner, read, step},
            },
        },
        verdict::Counter,
    };

    fn fds(rises: impl Fn(u32) -> bool, increments: u32) -> Series {
        let reading = |at| (1..=at).filter(|nth| rises(*nth)).count() as i64;
        Series::from([(Counter::Fds, (0..=increments).map(reading).collect())])
    }

    fn growing() -> Evidence {
        read(manner(), blocks((0..10).map(|at| at * 2)))
    }

    #[test]
    fn what_leaks_now_and_then_beside_a_cache_goes_on() {
        let numbers = &RULES.screen;
        for every in 1..=4 {
            for phase in 0..every {
                let leak = fds(|nth| nth % every == phase, numbers.fewest);
                assert!(!rests(&leak, false, &RULES), "{leak:?}");
            }
        }
        for every in 5..=11 {
            for phase in 0..every {
                let leak = fds(|nth| nth % every == phase, numbers.fewest_patient);
                assert!(!rests(&leak, true, &RULES), "{leak:?}");
            }
        }
    }

    #[test]
    fn what_comes_and_goes_rests() {
        let readings = [5, 5, 11, 11, 11, 5, 11, 11, 11, 5, 11, 5, 5, 11, 11, 5, 11];
        let numbers = &RULES.screen;
        assert!(rests(&blocks(readings), false, &RULES));
        assert!(rests(&fds(|nth| nth < 3, numbers.fewest), false, &RULES));
        let patient = fds(|nth| nth < 3, numbers.fewest_patient);
        assert!(rests(&patient, true, &RULES));
    }

    #[test]
    fn a_healthy_test_is_asked_for_what_it_filled() {
        let mut evidence = read(manner(), blocks([7; 5]));
        assert_eq!(step(&evidence, empty_what_it_filled), None);
        let said = concluded(step(&evidence, nothing_grew));
        assert_eq!(said.rule(), Rule::NothingGrew);
        evidence.fills = true;
        let empty = Some(Next::Do(Experiment::Empty));
        assert_eq!(step(&evidence, empty_what_it_filled), empty);
        evidence.seconds = 0.26;
        assert_eq!(step(&evidence, empty_what_it_filled), None);
        evidence.seconds = 0.25;
        evidence.add(Answer::Emptied(Vec::new()));
        assert_eq!(step(&evidence, empty_what_it_filled), None);
        assert_eq!(step(&evidence, fills_only), None);
        evidence.add(Answer::Emptied(cache()));
        let said = concluded(step(&evidence, fills_only));
        assert_eq!(
            said,
            Conclusion::filling(Rule::DeclaredLimitEmptied, cache())
        );
        let mut growing = growing();
        growing.fills = true;
        assert_eq!(step(&growing, empty_what_it_filled), None);
        assert_eq!(step(&growing, nothing_grew), None);
    }

    #[test]
    fn what_grows_is_asked_for_its_end_once_and_where_that_is_cheap() {
        let asks = |change: fn(&mut Evidence)| {
            let mut evidence = growing();
            change(&mut evidence);
            match step(&evidence, ask)? {
                Next::Do(Experiment::Ends { iterations }) => Some(iterations),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(asks(|_| ()), Some(16));
        assert_eq!(asks(|it| it.manner.thorough = true), Some(34));
        assert_eq!(asks(|it| it.readings = 60), Some(60));
        assert_eq!(asks(|it| it.readings = 9000), Some(RULES.most_read()));
        assert_eq!(asks(|it| it.seconds = 0.26), None);
        assert_eq!(asks(|it| it.ends = Some(Capacity::default())), None);
    }

    #[test]
    fn its_end_is_the_verdict_where_nothing_grows_once_that_is_emptied() {
        let said = |window: Option<Window>| {
            let mut evidence = growing();
            let filled = cache();
            evidence.add(Answer::Ends(Capacity { filled, window }));
            step(&evidence, found)
        };
        let window = |series: Series| Window {
            iterations: 16,
            series,
            ..Window::default()
        };
        let limit = Conclusion::filling(Rule::DeclaredLimit, cache());
        assert_eq!(concluded(said(Some(window(blocks([7; 17]))))), limit);
        assert_eq!(said(None), None);
        assert_eq!(said(Some(window(blocks(0..17)))), None);
        let failure = Some(Failure {
            broken: false,
            message: String::new(),
        });
        let failed = Window {
            failure,
            ..window(blocks([7; 17]))
        };
        assert_eq!(said(Some(failed)), None);
        // What each iteration replaces was counted from nothing.
        let objects = [0].into_iter().chain([4; 16]).collect();
        let opened = window(Series::from([(Counter::Objects, objects)]));
        assert_eq!(concluded(said(Some(opened))), limit);
        assert_eq!(
            step(&growing(), none),
            Some(Next::Conclude(Screened::Suspect))
        );
    }
}
