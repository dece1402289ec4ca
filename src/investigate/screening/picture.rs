//! What there is to show of a test after the screen.

use super::{
    At,
    evidence::Evidence,
    expected::{expected, is_as_expected},
    experiment::Screened,
    trend::rises,
};
use crate::{
    investigate::rules::Rules,
    verdict::{Counter, Series, rule::Rule},
};

/// The readings that make a suspect of it; none of what is none.
pub fn growth(evidence: &Evidence, screened: &Screened, rules: &Rules) -> Series {
    match screened {
        Screened::Suspect => shown(At { evidence, rules }, screened),
        Screened::Concluded(_) => Series::new(),
    }
}

/// The readings by which it was decided.
pub(super) fn shown(at: At<'_>, screened: &Screened) -> Series {
    let mut series = at.evidence.series.clone();
    let rests = |rule: Rule| rule.shows_nothing() || rule == Rule::DeclaredLimitEmptied;
    if { screened.concluded() }.is_some_and(|said| rests(said.rule())) {
        return series;
    }
    // What the first iteration leaves once is no part of the growth.
    for readings in series.values_mut() {
        readings.remove(0);
    }
    if is_as_expected(at)
        && let Some(each) = expected(at).and_then(|expected| expected.get(&Counter::Objects))
    {
        series.insert(Counter::Objects, vec![0, *each]);
    }
    series
}

/// Whether something rose in it, not in the warm-up only, and then no more: set up once, or lost in every 10th iteration. Where
/// a number of iterations was asked for it had these.
pub fn rose_once(evidence: &Evidence, screened: &Screened, rules: &Rules) -> bool {
    let clean = { screened.concluded() }.is_some_and(|said| said.rule().shows_nothing());
    let later = |readings: &Vec<i64>| readings.get(1..).unwrap_or_default().to_vec();
    let series = &evidence.series;
    let series = { series.iter() }.map(|(counter, readings)| (*counter, later(readings)));
    clean && evidence.manner.is_sparing() && rises(&series.collect(), rules)
}

/// What is looked at apart from growth, as far as it changes again and again.
pub fn apart(evidence: &Evidence, rules: &Rules) -> Series {
    let mut apart = evidence.apart.clone();
    apart.retain(|counter, readings| match counter {
        Counter::Refs => changes(readings, rules),
        _ => rises_always(readings),
    });
    apart
}

/// Whether some more were counted in every iteration. The first one may replace what was frozen before it, which the
/// collector does not see.
fn rises_always(readings: &[i64]) -> bool {
    readings.len() > 3 && readings[1..].windows(2).all(|pair| pair[1] > pair[0])
}

/// Whether it rises, not in the first iteration only, and never falls; or the other way round. What rests at the end came once,
/// with a class that is registered or a cache that fills.
pub(super) fn changes(readings: &[i64], rules: &Rules) -> bool {
    let increments = || readings.windows(2).map(|pair| pair[1] - pair[0]);
    let one_way = |sign: i64| increments().all(|each| each.signum() != -sign);
    let later = increments().skip(1).any(|each| each != 0);
    let rests = { increments().rev() }.take_while(|each| *each == 0).count();
    let goes_on = rests < rules.references.rest as usize;
    readings.len() > 3 && later && goes_on && (one_way(1) || one_way(-1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        investigate::{
            rules::RULES,
            samples::blocks,
            screening::samples::{manner, read},
        },
        verdict::conclusion::Conclusion,
    };

    #[test]
    fn a_suspect_shows_its_readings_but_what_the_first_iteration_left() {
        let evidence = read(manner(), blocks([0, 9, 11, 13, 15]));
        let shown = |screened: Screened| growth(&evidence, &screened, &RULES);
        assert_eq!(shown(Screened::Suspect), blocks([9, 11, 13, 15]));
        let clean = Conclusion::by(Rule::NothingGrew);
        assert_eq!(shown(Screened::Concluded(clean)), Series::new());
    }

    #[test]
    fn what_rose_after_the_warm_up_and_then_no_more_rose_once() {
        let once = |readings: &[i64], rule| {
            let evidence = read(manner(), blocks(readings.iter().copied()));
            rose_once(
                &evidence,
                &Screened::Concluded(Conclusion::by(rule)),
                &RULES,
            )
        };
        assert!(once(&[0, 0, 3, 3, 3, 3, 3], Rule::NothingGrew));
        assert!(!once(&[0, 3, 3, 3, 3], Rule::NothingGrew));
        assert!(!once(&[0, 3, 9, 3, 3], Rule::NothingGrew));
        assert!(!once(&[0, 0, 3, 3, 3, 3, 3], Rule::DeclaredLimit));
        let mut given = read(manner(), blocks([0, 0, 3, 3, 3, 3, 3]));
        given.manner.iterations = Some(5);
        let clean = Screened::Concluded(Conclusion::by(Rule::NothingGrew));
        assert!(!rose_once(&given, &clean, &RULES));
        assert!(!rose_once(
            &read(manner(), blocks([0, 0, 3])),
            &Screened::Suspect,
            &RULES
        ));
    }

    #[test]
    fn only_what_leaves_garbage_in_every_iteration_shows_it() {
        let leaves = |garbage: &[i64]| {
            let mut evidence = Evidence::open(manner());
            evidence.apart = Series::from([(Counter::Garbage, garbage.to_vec())]);
            !apart(&evidence, &RULES).is_empty()
        };
        assert!(leaves(&[0, 5, 8, 11]));
        // What was frozen before the first one.
        assert!(leaves(&[5, 5, 8, 11]));
        assert!(!leaves(&[0, 5, 5, 11]));
        assert!(!leaves(&[0, 5, 8]));
    }

    #[test]
    fn references_that_change_one_way_are_looked_at() {
        let changes = |readings: &[i64]| changes(readings, &RULES);
        assert!(changes(&[7, 8, 9, 10]) && changes(&[9, 7, 5, 3]));
        // Every second time.
        assert!(changes(&[7, 8, 8, 9]) && changes(&[9, 9, 10, 10]));
        // Once, and then four times not.
        assert!(changes(&[7, 7, 7, 9, 9, 9, 9]) && !changes(&[7, 7, 7, 9, 9, 9, 9, 9]));
        assert!(!changes(&[7, 8, 8, 8]) && !changes(&[7, 7, 7, 7]));
        assert!(!changes(&[7, 9, 8, 9]) && !changes(&[7, 8, 9]));
    }
}
