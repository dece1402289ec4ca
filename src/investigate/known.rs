//! What is known of other suspects that grow in the same way, where there is no need to look at this one for long.

use std::collections::BTreeSet;

use super::{
    at::At,
    containers,
    evidence::Evidence,
    experiment::{Experiment, Lesson, Next, Recall},
    growth::{is_explained, things},
    rules::Rules,
    tracing,
};
use crate::verdict::{conclusion::Conclusion, rule::Rule};

/// Where it grows is known, and others in which the same grows can wait for what is said of it.
pub(super) fn announce(at: At<'_>) -> Option<Next> {
    let things = || grown(at.evidence, at.rules);
    (!at.evidence.announced).then(|| Next::Do(Experiment::Announce(things())))
}

/// Where time is scarce, one whose places and containers are all known is what these were.
pub(super) fn likely_where_time_is_scarce(at: At<'_>) -> Option<Next> {
    if !at.purse.scarce || at.evidence.capacity.is_some() {
        return None;
    }
    recall(at, Recall::Budget, Rule::KnownCauseBudget)
}

/// One of many that only is to be named. Ends that it says itself were asked for in the screen.
pub(super) fn only_to_be_named(at: At<'_>) -> Option<Next> {
    // What is not watched for long is named at least: by its container, or by its place where there are too many of these.
    let named = at.evidence.brief && !grown(at.evidence, at.rules).is_empty();
    named.then(|| Next::Conclude(Conclusion::by(Rule::GrewLikeLeaksBudget)))
}

/// A long run is spent once for the same places, where these account for all that grows.
pub(super) fn in_place_of_a_long_run(at: At<'_>) -> Option<Next> {
    let evidence = at.evidence;
    let places = tracing::of_windows(evidence).own().growths;
    let explained = is_explained(&places, &evidence.windows.fits, at.rules);
    if !explained || !evidence.stretches.is_empty() {
        return None;
    }
    recall(at, Recall::LongRun, Rule::KnownCause)
}

fn recall(at: At<'_>, what: Recall, rule: Rule) -> Option<Next> {
    let evidence = at.evidence;
    match evidence.recalled.get(&what) {
        None => {
            let things = grown(evidence, at.rules);
            Some(Next::Do(Experiment::Recall(what, things)))
        }
        Some(known) => {
            let known = known.as_ref()?;
            Some(Next::Conclude(known.taken_over(rule)))
        }
    }
}

/// What is said of a suspect is kept for others, once.
pub(super) fn teach(at: At<'_>, conclusion: &Conclusion) -> Option<Next> {
    let looked = match conclusion.rule() {
        _ if at.evidence.taught => return None,
        // What was not seen to end says nothing of another test at the same place, as long as there is time to look.
        Rule::LimitFound | Rule::GrowsEverSlower => false,
        Rule::StoppedInLongRun
        | Rule::FallsAndGrowsAgain
        | Rule::BudgetCutLongRun
        | Rule::GrewToTimeEnd
        | Rule::GrewToSizeEnd
        | Rule::GrewToLastIteration
        | Rule::GrewUntilFailure => true,
        _ => return None,
    };
    Some(Next::Do(Experiment::Teach(Lesson {
        things: grown(at.evidence, at.rules),
        conclusion: conclusion.clone(),
        looked,
    })))
}

/// The places and the containers that grow, as far as they are known before a long run.
fn grown(evidence: &Evidence, rules: &Rules) -> BTreeSet<String> {
    let sites = tracing::of_windows(evidence).own();
    things(&sites.growths, &containers::gaining(evidence, rules))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::investigate::{
        evidence::{Answer, Capacity},
        experiment::Purse,
        rules::RULES,
        samples::{PURSE, blocks, concluded, gained, growth, step, suspect, traces},
    };

    const SCARCE: Purse = Purse {
        scarce: true,
        ..PURSE
    };

    fn placed() -> Evidence {
        let mut evidence = suspect(blocks((0..=8).map(|at| at * 2)));
        evidence.traces = traces(vec![growth("app.py", 7, 2, 90)]);
        evidence.gained = gained("app.ROWS", 8);
        evidence
    }

    fn leak() -> Conclusion {
        Conclusion::by(Rule::GrewToTimeEnd)
    }

    #[test]
    fn others_are_only_taken_for_it_before_it_is_looked_at_and_where_time_is_scarce() {
        let mut evidence = placed();
        let ask = |evidence: &Evidence, purse| step(evidence, purse, likely_where_time_is_scarce);
        assert_eq!(ask(&evidence, &PURSE), None);
        let things = ["app.py:7", "in app.ROWS"].map(str::to_owned).into();
        let recall = Experiment::Recall(Recall::Budget, things);
        assert_eq!(ask(&evidence, &SCARCE), Some(Next::Do(recall)));
        evidence.add(Answer::Recalled(Recall::Budget, None));
        assert_eq!(ask(&evidence, &SCARCE), None);
        evidence.add(Answer::Recalled(Recall::Budget, Some(leak())));
        let said = concluded(ask(&evidence, &SCARCE));
        assert_eq!(said, leak().taken_over(Rule::KnownCauseBudget));
        evidence.add(Answer::Capacity(Capacity::default()));
        assert_eq!(ask(&evidence, &SCARCE), None);
    }

    #[test]
    fn what_grows_is_announced_once_and_is_what_others_are_told_of() {
        let mut evidence = placed();
        let things = ["app.py:7", "in app.ROWS"].map(str::to_owned).into();
        let said = Some(Next::Do(Experiment::Announce(things)));
        assert_eq!(step(&evidence, &PURSE, announce), said);
        evidence.add(Answer::Announced);
        assert_eq!(step(&evidence, &PURSE, announce), None);
    }

    #[test]
    fn a_long_run_is_spared_only_where_the_places_account_for_all_that_grows() {
        let mut evidence = placed();
        let ask = |evidence: &Evidence| step(evidence, &PURSE, in_place_of_a_long_run);
        assert!(matches!(ask(&evidence), Some(Next::Do(_))));
        evidence.traces = traces(vec![growth("app.py", 7, 1, 90)]);
        assert_eq!(ask(&evidence), None);
        evidence.traces.clear();
        assert_eq!(ask(&evidence), None);
        evidence = placed();
        evidence.add(Answer::Recalled(Recall::LongRun, Some(leak())));
        assert_eq!(concluded(ask(&evidence)).rule(), Rule::KnownCause);
    }

    #[test]
    fn one_of_many_is_named_and_not_watched() {
        let mut evidence = placed();
        assert_eq!(step(&evidence, &PURSE, only_to_be_named), None);
        evidence.brief = true;
        let said = concluded(step(&evidence, &PURSE, only_to_be_named));
        assert_eq!(said.rule(), Rule::GrewLikeLeaksBudget);
        evidence.traces.clear();
        assert!(step(&evidence, &PURSE, only_to_be_named).is_some());
        evidence.gained = None;
        assert_eq!(step(&evidence, &PURSE, only_to_be_named), None);
    }

    #[test]
    fn what_was_seen_in_a_long_run_is_kept_for_others_once() {
        let taught = |evidence: &Evidence, conclusion: &Conclusion| {
            let at = At {
                evidence,
                rules: &RULES,
                purse: &PURSE,
            };
            match teach(at, conclusion)? {
                Next::Do(Experiment::Teach(lesson)) => Some(lesson),
                other => panic!("{other:?}"),
            }
        };
        let mut evidence = placed();
        let looked = |conclusion: &Conclusion| taught(&evidence, conclusion).map(|it| it.looked);
        assert_eq!(looked(&leak()), Some(true));
        assert_eq!(looked(&leak().taken_over(Rule::KnownCause)), None);
        assert_eq!(looked(&Conclusion::by(Rule::GrowsEverSlower)), Some(false));
        assert_eq!(looked(&Conclusion::by(Rule::LimitFound)), Some(false));
        assert_eq!(looked(&Conclusion::by(Rule::FailedInLongerLook)), None);
        let things = ["app.py:7", "in app.ROWS"].map(str::to_owned).into();
        assert_eq!(taught(&evidence, &leak()).unwrap().things, things);
        evidence.add(Answer::Taught);
        assert_eq!(taught(&evidence, &leak()), None);
    }
}
