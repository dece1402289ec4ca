//! Runs again what came before a test that grew in one process only: it may grow after one of these, which need not grow.

use std::time::Instant;

use super::{
    driver::Bench,
    isolation::{dose, look},
    slot::Slot,
    state::Run,
};
use crate::{
    investigate::{afterwards::Found, rules::RULES},
    verdict::Verdict,
};

/// Takes back each growth that comes only after other tests, and names the one after which it comes.
pub(super) fn explain(run: &mut Run, bench: &Bench<'_>, slot: &mut Slot<'_>) {
    let unstable: Vec<usize> = (0..run.cases.len())
        .filter(|at| run.cases[*at].judged.is(Verdict::Unstable))
        .take(RULES.predecessors.most)
        .collect();
    let begun = Instant::now();
    for at in unstable {
        let before = before(run, run.cases[at].test);
        let mut grows = |after: &[usize]| {
            // By the clock: what a process costs to start is in no budget.
            if begun.elapsed() > bench.budget.total() / RULES.predecessors.share {
                return None;
            }
            slot.discard();
            let done = after.iter().all(|test| dose(run, bench, slot, *test, 1));
            let spent = bench.budget.is_spent();
            look(run, bench, slot, at).filter(|_| done && !spent)
        };
        // Most often it is one that leaks, and that costs one try: what all before it leave takes a dozen.
        let leaks = leaks_before(run, run.cases[at].test);
        let mut suspected = [leaks, before]
            .into_iter()
            .filter(|tests| !tests.is_empty());
        let Some(suspected) = suspected.find(|tests| grows(tests) == Some(true)) else {
            continue;
        };
        let left = narrowed(&suspected, |tests| grows(tests) == Some(true));
        // What grows at random would be blamed on any test: with and without it, once more.
        if grows(&[]) != Some(false) || grows(left) != Some(true) {
            continue;
        }
        let after = match left {
            [test] => run.tests[*test].id.clone(),
            _ => "other tests".to_owned(),
        };
        run.cases[at].learn(Found::OnlyAfterTests(&after));
    }
}

/// The last tests before it that leak.
fn leaks_before(run: &Run, test: usize) -> Vec<usize> {
    let leaks = { run.cases.iter() }.filter(|case| case.test < test && case.is_leak());
    let mut leaks: Vec<usize> = leaks.map(|case| case.test).collect();
    leaks.sort_unstable();
    leaks.split_off(leaks.len().saturating_sub(RULES.predecessors.leaks))
}

/// The tests that passed before it, in their order.
fn before(run: &Run, test: usize) -> Vec<usize> {
    let mut seconds = 0.0;
    let mut found: Vec<usize> = run.looks[..test]
        .iter()
        .flatten()
        .rev()
        .filter(|look| look.screened.is_repeatable())
        .take(RULES.predecessors.before)
        .take_while(|look| {
            seconds += look.seconds;
            seconds <= RULES.predecessors.longest
        })
        .map(|look| look.test)
        .collect();
    found.reverse();
    found
}

/// The smallest part of `tests` that still does it, found by halving; all of what is left where no half does it alone.
fn narrowed(tests: &[usize], mut does: impl FnMut(&[usize]) -> bool) -> &[usize] {
    let mut left = tests;
    while left.len() > 1 {
        let (first, second) = left.split_at(left.len() / 2);
        left = if does(second) {
            second
        } else if does(first) {
            first
        } else {
            break;
        };
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_does_it_alone_is_found_and_two_that_must_be_together_are_kept() {
        let tests: Vec<usize> = (0..100).collect();
        for culprit in [0, 1, 37, 99] {
            assert_eq!(narrowed(&tests, |part| part.contains(&culprit)), [culprit]);
        }
        let both = narrowed(&tests, |part| part.contains(&3) && part.contains(&20));
        assert_eq!(both, &tests[..25]);
    }
}
