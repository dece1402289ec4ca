//! The windows of the screen: how long a test is looked at until it is plainly clean or plainly a suspect.

use super::{
    At,
    expected::{expected, is_familiar, looks, trend},
    experiment::{Experiment, Next, Window},
    picture::changes,
    trend::until_settled,
};
use crate::{
    fit::Look,
    verdict::{Counter, conclusion::Conclusion, rule::Rule},
};

/// The first window. Where the test is expected to grow as those before it, two increments tell, the first of them the
/// warm-up's.
pub(super) fn open(at: At<'_>) -> Option<Next> {
    if at.evidence.windows > 0 {
        return None;
    }
    let due = match expected(at) {
        Some(_) => at.rules.screen.expected,
        None => looks(at)[0],
    };
    Some(window(Window {
        opens: true,
        anew: false,
        // Most tests are clean after the first look; what is not read in it takes no time.
        between: !at.evidence.manner.is_sparing(),
        // One before the warm-up, and one after it.
        iterations: (due - 2).min(at.rules.most_read()),
        due,
    }))
}

/// Where more are asked for than one answer holds, several windows make up a look.
pub(super) fn read_on(at: At<'_>) -> Option<Next> {
    (at.evidence.readings < at.evidence.due).then(|| until(at, at.evidence.due))
}

/// What seems to fill was too new to be watched. Now it is not.
pub(super) fn watch_what_was_too_new(at: At<'_>) -> Option<Next> {
    let evidence = at.evidence;
    let unwatched = evidence.filling && !evidence.watched;
    if !unwatched || trend(at) != Look::Clean {
        return None;
    }
    let due = at.rules.screen.looks[1];
    Some(window(Window {
        opens: false,
        anew: true,
        between: true,
        iterations: due - 1,
        due,
    }))
}

/// Nothing grows, but references changed, in iterations between which nothing was read. Whether they go on is asked here, where it
/// takes a few more; to find out which ones takes a process of its own.
pub(super) fn see_whether_references_go_on(at: At<'_>) -> Option<Next> {
    let (evidence, second) = (at.evidence, at.rules.screen.looks[1]);
    let readings = evidence.apart.get(&Counter::Refs)?;
    let asks = evidence.readings < second && changes(readings, at.rules);
    (asks && trend(at) == Look::Clean).then(|| until(at, second))
}

/// It is too early to tell, and there is no time for more.
pub(super) fn has_no_time(at: At<'_>) -> Option<Next> {
    let ends = at.evidence.is_late && at.evidence.manner.is_sparing() && is_open(at);
    let reason = "something rose at first, and the time for the run was spent before a longer look (--budget gives more)";
    ends.then(|| Conclusion::because(Rule::NoTimeToLookLonger, reason).into())
}

/// It is too early to tell.
pub(super) fn look_longer(at: At<'_>) -> Option<Next> {
    let (evidence, second) = (at.evidence, at.rules.screen.looks[1]);
    let looks = looks(at);
    let last = looks[looks.len() - 1];
    if !is_open(at) {
        return None;
    }
    let planned = { looks.into_iter() }.find(|planned| *planned > evidence.readings);
    let mut due = planned.unwrap_or(last);
    if !evidence.manner.thorough && evidence.readings < second {
        due = due.min(evidence.readings + until_settled(&evidence.series, at.rules));
    }
    Some(until(at, due))
}

/// Whether more readings are to tell.
fn is_open(at: At<'_>) -> bool {
    let looks = looks(at);
    let is_over = at.evidence.readings >= looks[looks.len() - 1];
    trend(at) == Look::More && !is_over && !is_familiar(at)
}

fn until(at: At<'_>, due: u32) -> Next {
    window(Window {
        opens: false,
        anew: false,
        between: true,
        iterations: (due - at.evidence.readings).min(at.rules.most_read()),
        due,
    })
}

fn window(window: Window) -> Next {
    Next::Do(Experiment::Window(window))
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
                samples::{asked, concluded, manner, passed, read, step, two},
            },
        },
        verdict::Series,
    };

    #[test]
    fn a_test_is_opened_once_and_read_at_its_ends_where_that_is_enough() {
        let opened = |change: fn(&mut Evidence)| {
            let mut evidence = Evidence::open(manner());
            change(&mut evidence);
            let window = asked(step(&evidence, open));
            assert!(window.opens && !window.anew);
            (window.iterations, window.due, window.between)
        };
        assert_eq!(opened(|_| ()), (3, 5, false));
        assert_eq!(opened(|it| it.manner.thorough = true), (11, 13, true));
        assert_eq!(opened(|it| it.manner.iterations = Some(8)), (8, 10, true));
        let enough = |it: &mut Evidence| it.last = Some(Some((two(), RULES.screen.usual)));
        assert_eq!(opened(enough), (1, 3, false));
        let few = |it: &mut Evidence| it.last = Some(Some((two(), RULES.screen.usual - 1)));
        assert_eq!(opened(few), (3, 5, false));
        let many = RULES.most_read();
        let all = |it: &mut Evidence| it.manner.iterations = Some(20_000);
        assert_eq!(opened(all), (many, 20_002, true));
        assert_eq!(step(&read(manner(), blocks([7; 5])), open), None);
    }

    #[test]
    fn what_one_answer_does_not_hold_is_read_in_several() {
        let mut evidence = Evidence::open(manner());
        evidence.manner.iterations = Some(9000);
        let window = asked(step(&evidence, open));
        let series = blocks(vec![7; 8200]);
        evidence.add(Answer::Window(window, passed(8199, series)));
        let rest = asked(step(&evidence, read_on));
        assert_eq!((rest.iterations, rest.due), (802, 9002));
        assert!(!rest.opens && rest.between);
        evidence.add(Answer::Window(rest, passed(802, blocks(vec![7; 803]))));
        assert_eq!(step(&evidence, read_on), None);
        assert_eq!(evidence.series.values().next().unwrap().len(), 9002);
    }

    #[test]
    fn what_was_too_new_is_watched_once_and_what_was_read_before_counts_no_more() {
        let mut evidence = read(manner(), blocks([9; 5]));
        assert_eq!(step(&evidence, watch_what_was_too_new), None);
        evidence.filling = true;
        let window = asked(step(&evidence, watch_what_was_too_new));
        assert!(window.anew && window.between && !window.opens);
        let again = blocks(vec![3; window.due as usize]);
        evidence.add(Answer::Window(window, passed(window.iterations, again)));
        assert_eq!(evidence.readings, RULES.screen.looks[1]);
        assert_eq!(evidence.series, blocks([3; 10]));
        evidence.filling = true;
        assert_eq!(step(&evidence, watch_what_was_too_new), None);
        // What grows is no healthy test that fills something.
        let mut growing = read(manner(), blocks([0, 9, 9, 9, 12]));
        growing.filling = true;
        assert_eq!(step(&growing, watch_what_was_too_new), None);
    }

    #[test]
    fn references_that_changed_are_read_on_once() {
        let read = |series, refs: &[i64]| {
            let mut evidence = read(manner(), series);
            evidence.apart = Series::from([(Counter::Refs, refs.to_vec())]);
            evidence
        };
        let asks = |evidence: &Evidence| {
            step(evidence, see_whether_references_go_on)
                .map(|next| asked(Some(next)))
                .map(|window| (window.iterations, window.due))
        };
        let second = RULES.screen.looks[1];
        let clean = || blocks([7; 5]);
        assert_eq!(asks(&read(clean(), &[3, 3, 3, 4])), Some((5, second)));
        assert_eq!(asks(&read(clean(), &[4, 3, 2, 1])), Some((5, second)));
        assert_eq!(asks(&read(clean(), &[3, 3, 3, 3])), None);
        // What grows is looked at longer in any case.
        assert_eq!(asks(&read(blocks([0, 2, 4, 6, 8]), &[3, 4, 5, 6])), None);
        // It was asked, and they do go on.
        let known: Vec<i64> = (0..9).collect();
        assert_eq!(asks(&read(blocks([7; 10]), &known)), None);
    }

    #[test]
    fn it_is_looked_at_until_it_rested_for_long_enough_or_the_looks_are_used_up() {
        let longer = |evidence: &Evidence| {
            step(evidence, look_longer)
                .map(|next| asked(Some(next)))
                .map(|window| (window.iterations, window.due))
        };
        assert_eq!(longer(&read(manner(), blocks([7; 5]))), None);
        let late = read(manner(), blocks([0, 0, 0, 0, 9]));
        assert_eq!(longer(&late), Some((4, 9)));
        let early = read(manner(), blocks([0, 9, 9, 9, 9]));
        assert_eq!(longer(&early), Some((1, 6)));
        // What was read at its ends only may have risen before it fell.
        let fell = read(manner(), blocks([9, 9, 9, 9, 5]));
        assert!(longer(&fell).is_some());
        let mut given = fell.clone();
        given.manner.iterations = Some(3);
        assert_eq!(longer(&given), None);
        // Of what rises now and then the looks are as planned.
        let rises = |count: i64| read(manner(), blocks((0..count).map(|at| at / 2)));
        assert_eq!(longer(&rises(10)), Some((8, 18)));
        assert_eq!(longer(&rises(18)), Some((16, 34)));
        assert_eq!(longer(&rises(34)), None);
        let mut patient = rises(13);
        patient.manner.thorough = true;
        assert_eq!(longer(&patient), Some((22, 35)));
    }

    #[test]
    fn what_is_open_stays_so_where_there_is_no_time() {
        let mut late = read(manner(), blocks([0, 0, 0, 0, 9]));
        assert_eq!(step(&late, has_no_time), None);
        late.is_late = true;
        assert_eq!(
            concluded(step(&late, has_no_time)).rule(),
            Rule::NoTimeToLookLonger
        );
        let mut clean = read(manner(), blocks([7; 5]));
        clean.is_late = true;
        assert_eq!(step(&clean, has_no_time), None);
        // Whoever asks for so many iterations has the time.
        late.manner.iterations = Some(3);
        assert_eq!(step(&late, has_no_time), None);
    }

    #[test]
    fn of_what_many_grow_like_there_is_no_longer_look() {
        let mut evidence = read(manner(), blocks([0, 2, 4, 6, 8]));
        evidence.add(Answer::Alike(RULES.screen.familiar - 1, true));
        assert!(step(&evidence, look_longer).is_some());
        evidence.add(Answer::Alike(RULES.screen.familiar, true));
        assert_eq!(step(&evidence, look_longer), None);
        // Later it has a look of its own.
        let mut later = read(manner(), blocks([0, 2, 4, 6, 8, 10]));
        later.add(Answer::Alike(RULES.screen.familiar, true));
        assert!(step(&later, look_longer).is_some());
    }
}
