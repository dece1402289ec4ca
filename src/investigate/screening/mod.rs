//! The screen: what comes next with a test that is looked at for the first time, and what is said of it.

mod ends;
pub mod evidence;
mod expected;
pub mod experiment;
pub mod fixtures;
mod passing;
pub mod picture;
mod telling;
mod trend;
mod windows;

use evidence::Evidence;
use experiment::Next;
pub use trend::{glance, rises_evenly};

use super::rules::Rules;

/// What is known as a rule looks at it.
#[derive(Clone, Copy)]
struct At<'a> {
    evidence: &'a Evidence,
    rules: &'a Rules,
}

/// Says what comes next, or nothing where that is for a later one to say.
type Step = fn(At<'_>) -> Option<Next>;

/// Whoever says something first is right.
const ORDER: [Step; 19] = [
    passing::skipped_by_terms,
    // How did those before it grow?
    telling::ask_for_the_last,
    // Does it pass again and again?
    windows::open,
    passing::second_try,
    passing::did_not_pass,
    windows::read_on,
    // Does anything grow?
    telling::grows_as_expected,
    windows::watch_what_was_too_new,
    windows::see_whether_references_go_on,
    ends::empty_what_it_filled,
    ends::fills_only,
    ends::nothing_grew,
    telling::ask_for_its_like,
    telling::grows_as_usual,
    windows::has_no_time,
    windows::look_longer,
    // It may say itself where its end is.
    ends::ask,
    ends::found,
    ends::none,
];

/// What comes next with a test of which so much is known.
pub fn next(evidence: &Evidence, rules: &Rules) -> Next {
    let at = At { evidence, rules };
    let said = ORDER.iter().find_map(|step| step(at));
    let said = said.unwrap_or_else(|| unreachable!("the last one always says something"));
    match &said {
        Next::Conclude(screened) => telling::tell(at, screened)
            .or_else(|| telling::listen(at, screened))
            .unwrap_or(said),
        Next::Do(_) => said,
    }
}

#[cfg(test)]
mod samples;

#[cfg(test)]
mod tests {
    use super::{
        experiment::{Experiment, Screened},
        samples::{Subject, two},
    };
    use crate::{
        investigate::rules::RULES,
        verdict::{Verdict, conclusion::Conclusion, rule::Rule},
    };
    use proptest::prelude::*;

    #[test]
    fn what_does_not_grow_takes_one_window() {
        let mut healthy = Subject::new(|_| 7);
        let (screened, asked) = healthy.screen();
        assert!(screened.is(Verdict::Clean));
        assert_eq!(healthy.ran, RULES.screen.looks[0] - 1);
        let windows = { asked.iter() }.filter(|it| matches!(it, Experiment::Window(_)));
        assert_eq!(windows.count(), 1);
        assert_eq!(asked.last(), Some(&Experiment::Tell(None)));
    }

    #[test]
    fn what_grows_is_a_suspect_unless_all_of_it_is_in_a_cache() {
        let mut leak = Subject::new(|ran| i64::from(ran) * 2);
        let (screened, asked) = leak.screen();
        assert_eq!(screened, Screened::Suspect);
        assert_eq!(leak.ran, RULES.screen.looks[1] - 1);
        assert_eq!(asked.last(), Some(&Experiment::Tell(Some(two()))));
        let mut cache = Subject::new(|ran| i64::from(ran) * 2);
        cache.is_cache = true;
        let (screened, asked) = cache.screen();
        let rule = screened.concluded().map(Conclusion::rule);
        assert_eq!(rule, Some(Rule::DeclaredLimit));
        // Nobody is to be taken for a leak on its word.
        assert!(!asked.iter().any(|it| matches!(it, Experiment::Tell(_))));
    }

    #[test]
    fn the_first_of_a_file_that_grows_like_many_before_it_takes_one_window() {
        let mut leak = Subject::new(|ran| i64::from(ran) * 2);
        leak.alike = (RULES.screen.usual, true);
        let (screened, asked) = leak.screen();
        assert_eq!(screened, Screened::Suspect);
        assert_eq!(leak.ran, RULES.screen.looks[0] - 1);
        assert!(!asked.iter().any(|it| matches!(it, Experiment::Ends { .. })));
    }

    #[test]
    fn one_that_grows_like_many_before_it_takes_two_iterations() {
        let mut leak = Subject::new(|ran| i64::from(ran) * 2);
        leak.last = Some((two(), RULES.screen.usual));
        assert_eq!(leak.screen().0, Screened::Suspect);
        assert_eq!(leak.ran, 2);
        // And one that does not is looked at like any other.
        let mut healthy = Subject::new(|_| 7);
        healthy.last = Some((two(), RULES.screen.usual));
        assert!(healthy.screen().0.is(Verdict::Clean));
        assert_eq!(healthy.ran, RULES.screen.looks[0] - 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_leak_is_a_suspect(each in 1..5000_i64, every in 1..=4_u32, phase in 0..4_u32) {
            let mut leak = Subject::new(|ran| i64::from((ran + phase) / every) * each);
            prop_assert_eq!(leak.screen().0, Screened::Suspect);
            prop_assert!(leak.ran < RULES.screen.looks[3]);
        }

        #[test]
        fn the_patient_find_what_leaks_in_every_eleventh(every in 1..=11_u32, phase in 0..11_u32) {
            let mut leak = Subject::new(|ran| i64::from((ran + phase) / every));
            leak.manner.thorough = true;
            prop_assert_eq!(leak.screen().0, Screened::Suspect);
        }

        #[test]
        fn a_step_is_none_whenever_it_comes(step in 1..5000_i64, at in 1..40_u32, thorough: bool) {
            let mut healthy = Subject::new(|ran| if ran < at { 0 } else { step });
            healthy.manner.thorough = thorough;
            prop_assert!(healthy.screen().0.is(Verdict::Clean));
        }

        #[test]
        fn the_number_of_iterations_may_be_given(count in 1..60_u32, grows: bool) {
            let mut subject = Subject::new(|ran| i64::from(ran) * i64::from(grows));
            subject.manner.iterations = Some(count);
            prop_assert_eq!(subject.screen().0 == Screened::Suspect, grows);
            prop_assert!(subject.ran > count);
        }
    }
}
