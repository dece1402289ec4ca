//! What tests tell each other in the screen, and what moves beside them: a leaking autouse fixture makes a suspect of every
//! test, and there the next one is only seen to be no exception.

use super::{
    At,
    expected::{expected, is_as_expected, is_familiar, looks, trend},
    experiment::{Experiment, Next, Screened},
    picture::shown,
};
use crate::{
    fit::Look,
    investigate::{
        experiment::Wider,
        noise::may_hide,
        signature::{plain_signature, signature},
    },
    verdict::{conclusion::Conclusion, rule::Rule},
};

/// How did the test before it grow?
pub(super) fn ask_for_the_last(at: At<'_>) -> Option<Next> {
    let manner = &at.evidence.manner;
    let asks = manner.is_sparing() && manner.wider == Wider::Stay && at.evidence.last.is_none();
    asks.then_some(Next::Do(Experiment::Last))
}

/// It grows as many before it.
pub(super) fn grows_as_expected(at: At<'_>) -> Option<Next> {
    is_as_expected(at).then_some(Next::Conclude(Screened::Suspect))
}

/// How many others are known that grow so? With a fixed number of iterations there is no further look to wait for.
pub(super) fn ask_for_its_like(at: At<'_>) -> Option<Next> {
    let evidence = at.evidence;
    let open = trend(at) == Look::More && evidence.readings == looks(at)[0];
    if !open || evidence.alike.is_some() {
        return None;
    }
    let signature = plain_signature(&evidence.series)?;
    Some(Next::Do(Experiment::Alike(signature)))
}

/// It grows as many before it, and was not expected to only since it is the first of its file.
pub(super) fn grows_as_usual(at: At<'_>) -> Option<Next> {
    let evidence = at.evidence;
    let (count, last) = evidence.alike?;
    let said = is_familiar(at)
        && last
        && count >= at.rules.screen.usual
        && matches!(evidence.last, Some(None));
    said.then_some(Next::Conclude(Screened::Suspect))
}

/// Others are told how it grows, once, and that it does not.
pub(super) fn tell(at: At<'_>, screened: &Screened) -> Option<Next> {
    if at.evidence.told {
        return None;
    }
    let told = match screened.concluded().map(Conclusion::rule) {
        Some(rule) if rule.shows_nothing() || rule == Rule::DeclaredLimitEmptied => None,
        Some(_) => return None,
        None if is_as_expected(at) => expected(at).cloned(),
        None => Some(signature(&shown(at, screened))),
    };
    Some(Next::Do(Experiment::Tell(told)))
}

/// What is at work beside it may hide what it leaks.
pub(super) fn listen(at: At<'_>, screened: &Screened) -> Option<Next> {
    let evidence = at.evidence;
    let passed = screened.is_repeatable();
    if !passed || evidence.noise.is_some() || !may_hide(&shown(at, screened)) {
        return None;
    }
    let seconds = evidence.seconds;
    Some(Next::Do(Experiment::Noise { seconds }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        investigate::{
            rules::RULES,
            samples::blocks,
            screening::{
                evidence::{Answer, Evidence},
                samples::{cache, manner, read, step, two},
            },
        },
        verdict::{Counter, Series},
    };

    const SUSPECT: Screened = Screened::Suspect;

    fn at(evidence: &Evidence) -> At<'_> {
        At {
            evidence,
            rules: &RULES,
        }
    }

    fn usual(count: usize) -> Answer {
        let mut signature = two();
        signature.insert(Counter::Objects, 1);
        Answer::Last(Some((signature, count)))
    }

    #[test]
    fn only_a_short_look_asks_how_the_last_one_grew_and_once() {
        let asks = |change: fn(&mut Evidence)| {
            let mut evidence = Evidence::open(manner());
            change(&mut evidence);
            step(&evidence, ask_for_the_last).is_some()
        };
        assert!(asks(|_| ()));
        assert!(!asks(|it| it.last = Some(None)));
        assert!(!asks(|it| it.manner.thorough = true));
        assert!(!asks(|it| it.manner.iterations = Some(3)));
        assert!(!asks(|it| it.manner.wider = Wider::Module));
    }

    #[test]
    fn it_is_as_expected_where_the_first_two_iterations_are_those_of_many() {
        let grows = |count, readings: [i64; 3]| {
            let mut evidence = read(manner(), blocks(readings));
            evidence.add(usual(count));
            let said = step(&evidence, grows_as_expected);
            assert!(said.is_none() || said == Some(Next::Conclude(SUSPECT)));
            said.is_some()
        };
        let enough = RULES.screen.usual;
        assert!(grows(enough, [0, 2, 4]));
        assert!(!grows(enough - 1, [0, 2, 4]));
        assert!(!grows(enough, [0, 2, 5]));
    }

    #[test]
    fn what_is_as_expected_shows_what_was_expected_of_objects() {
        let mut evidence = read(manner(), blocks([0, 2, 4]));
        evidence.add(usual(RULES.screen.usual));
        let series = shown(at(&evidence), &SUSPECT);
        assert_eq!(series[&Counter::Blocks], [2, 4]);
        assert_eq!(series[&Counter::Objects], [0, 1]);
    }

    #[test]
    fn its_like_is_asked_for_after_the_first_look_where_it_grows_evenly() {
        let asks = |series: Series| step(&read(manner(), series), ask_for_its_like);
        let even = Some(Next::Do(Experiment::Alike(two())));
        assert_eq!(asks(blocks([0, 9, 11, 13, 15])), even);
        assert_eq!(asks(blocks([0, 9, 11, 14, 15])), None);
        assert_eq!(asks(blocks([0, 9, 9, 9, 9])), None);
        assert_eq!(asks(blocks([0, 9, 11, 13, 15, 17])), None);
        let mut evidence = read(manner(), blocks([0, 9, 11, 13, 15]));
        evidence.add(Answer::Alike(0, false));
        assert_eq!(step(&evidence, ask_for_its_like), None);
    }

    #[test]
    fn the_first_of_a_file_is_as_usual_where_the_last_of_many_before_it_grew_so() {
        let grows = |count, follows, last| {
            let mut evidence = read(manner(), blocks([0, 9, 11, 13, 15]));
            evidence.last = last;
            evidence.add(Answer::Alike(count, follows));
            step(&evidence, grows_as_usual).is_some()
        };
        let enough = RULES.screen.usual;
        assert!(grows(enough, true, Some(None)));
        assert!(!grows(enough - 1, true, Some(None)));
        assert!(!grows(enough, false, Some(None)));
        // Where more is asked for than the shortest look, and where it was expected and did not come so.
        assert!(!grows(enough, true, None));
        assert!(!grows(enough, true, Some(Some((two(), enough)))));
    }

    #[test]
    fn others_are_told_of_growth_and_of_health_and_not_of_ends() {
        let evidence = read(manner(), blocks([0, 9, 11, 13, 15]));
        let told = |screened: &Screened| match tell(at(&evidence), screened)? {
            Next::Do(Experiment::Tell(told)) => Some(told),
            other => panic!("{other:?}"),
        };
        let said = |conclusion| Screened::Concluded(conclusion);
        assert_eq!(told(&SUSPECT), Some(Some(two())));
        let clean = said(Conclusion::by(Rule::NothingGrew));
        assert_eq!(told(&clean), Some(None));
        let emptied = Conclusion::filling(Rule::DeclaredLimitEmptied, cache());
        assert_eq!(told(&said(emptied)), Some(None));
        let end = Conclusion::filling(Rule::DeclaredLimit, cache());
        assert_eq!(told(&said(end)), None);
        let failed = Conclusion::because(Rule::FailedFirst, "no");
        assert_eq!(told(&said(failed)), None);
        let mut evidence = evidence.clone();
        evidence.add(Answer::Told);
        assert_eq!(tell(at(&evidence), &SUSPECT), None);
    }

    #[test]
    fn what_passed_beside_threads_is_listened_to_once() {
        let mut series = blocks([0, 9, 11, 9, 15]);
        series.insert(Counter::Threads, vec![2; 5]);
        let mut evidence = read(manner(), series);
        let noise = Some(Next::Do(Experiment::Noise { seconds: 0.001 }));
        let clean = Screened::Concluded(Conclusion::by(Rule::NothingGrew));
        assert_eq!(listen(at(&evidence), &clean), noise);
        assert_eq!(listen(at(&evidence), &SUSPECT), noise);
        let failed = Screened::Concluded(Conclusion::because(Rule::FailedFirst, "no"));
        assert_eq!(listen(at(&evidence), &failed), None);
        evidence.add(Answer::Noise(None));
        assert_eq!(listen(at(&evidence), &clean), None);
        let alone = read(manner(), blocks([0, 9, 11, 9, 15]));
        assert_eq!(listen(at(&alone), &clean), None);
    }
}
