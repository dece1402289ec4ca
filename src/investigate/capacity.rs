//! Whether what a suspect fills has an end to read.

use super::{
    at::At,
    evidence::{Evidence, Window},
    experiment::{Experiment, Next},
    rest::pauses,
};
use crate::verdict::{conclusion::Conclusion, rule::Rule};

/// Asks what it fills.
pub(super) fn ask(at: At<'_>) -> Option<Next> {
    if at.evidence.capacity.is_some() {
        return None;
    }
    // What comes most rarely has to show in it: a descriptor in every 3rd beside a cache that fills in each.
    let rarest = pauses(&at.evidence.windows).max().unwrap_or(1);
    let iterations = at.rules.first_window.max(at.rules.pauses * rarest);
    Some(Next::Do(Experiment::Capacity { iterations }))
}

/// With what it fills emptied at every boundary nothing grows.
pub(super) fn limit_found(at: At<'_>) -> Option<Next> {
    let window = emptied(at.evidence)?;
    let capacity = at.evidence.capacity.as_ref()?;
    let found = || Conclusion::filling(Rule::LimitFound, capacity.filled.clone());
    let grows = !at.evidence.growing(&window.series).is_empty();
    (!grows).then(|| Next::Conclude(found()))
}

/// The window with what it fills emptied, if it passed in each iteration.
pub(super) fn emptied(evidence: &Evidence) -> Option<&Window> {
    let window = evidence.capacity.as_ref()?.window.as_ref()?;
    window.failure.is_none().then_some(window)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::investigate::{
        evidence::{Answer, Capacity, Failure},
        samples::{PURSE, blocks, concluded, step, suspect},
    };

    fn with(series: &[i64], failure: Option<Failure>) -> Evidence {
        let mut evidence = suspect(blocks(0..=8));
        evidence.add(Answer::Capacity(Capacity {
            filled: vec![("lru_cache".to_owned(), "app.parse".to_owned(), Some(9), 128)],
            window: Some(Window {
                iterations: 8,
                failure,
                series: blocks(series.iter().copied()),
                ..Window::default()
            }),
        }));
        evidence
    }

    #[test]
    fn the_window_is_long_enough_for_what_comes_most_rarely() {
        let asked = |evidence: &Evidence| match step(evidence, &PURSE, ask) {
            Some(Next::Do(Experiment::Capacity { iterations })) => iterations,
            other => panic!("{other:?}"),
        };
        assert_eq!(asked(&suspect(blocks(0..=8))), 8);
        assert_eq!(asked(&suspect(blocks((0..=40).map(|at| at / 5)))), 20);
        assert_eq!(step(&with(&[0], None), &PURSE, ask), None);
    }

    #[test]
    fn what_does_not_grow_once_it_is_emptied_has_a_limit() {
        let flat = with(&[4; 9], None);
        let said = concluded(step(&flat, &PURSE, limit_found));
        assert_eq!(said.rule(), Rule::LimitFound);
        assert_eq!(said.ends().len(), 1);
        let goes_on = with(&[0, 1, 2, 3, 4, 5, 6, 7, 8], None);
        assert_eq!(step(&goes_on, &PURSE, limit_found), None);
        let failed = Failure {
            broken: false,
            message: String::new(),
        };
        assert_eq!(
            step(&with(&[4; 9], Some(failed)), &PURSE, limit_found),
            None
        );
        let mut nothing = suspect(blocks(0..=8));
        assert_eq!(step(&nothing, &PURSE, limit_found), None);
        nothing.add(Answer::Capacity(Capacity::default()));
        assert_eq!(step(&nothing, &PURSE, limit_found), None);
    }
}
