//! Which of many tests that show as much are looked at: one of each kind, then another one of each.

use std::ops::ControlFlow;

use super::{diagnosis::Place, screen::Look};

/// So many of a kind that agree speak for the rest.
const AGREEING: usize = 2;

/// What a look at one test found.
pub(super) trait Found {
    /// What it has in common with others that agree.
    type Shows: PartialEq;

    /// Index of the test.
    fn test(&self) -> usize;

    /// What it shows.
    fn shows(&self) -> Self::Shows;

    /// Says of which other tests it holds as well.
    fn speak_for(&mut self, rest: Vec<usize>);

    /// Whether there is nothing to tell.
    fn is_empty(&self) -> bool;

    /// The lines of which the function and the text are asked for.
    fn places(&self) -> Vec<Place>;
}

/// Looks at tests of each of `kinds` in rounds, as far as they do not agree; `look` gets the round. Returns what was found, and
/// why it was ended, if it was.
pub(super) fn look_at<T: Found, E>(
    kinds: &[Vec<Look>],
    mut look: impl FnMut(usize, &Look) -> ControlFlow<E, Option<T>>,
) -> (Vec<T>, Option<E>) {
    let mut found: Vec<Vec<T>> = kinds.iter().map(|_| Vec::new()).collect();
    let longest = kinds.iter().map(Vec::len).max().unwrap_or(0);
    let mut ended = None;
    'all: for round in 0..longest {
        for (kind, found) in kinds.iter().zip(&mut found) {
            let Some(next) = kind.get(round).filter(|_| !agree(found)) else {
                continue;
            };
            match look(round, next) {
                ControlFlow::Continue(one) => found.extend(one),
                ControlFlow::Break(why) => {
                    ended = Some(why);
                    break 'all;
                }
            }
        }
    }
    for (kind, found) in kinds.iter().zip(&mut found) {
        if agree(found) {
            let rest = kind.iter().map(|look| look.test);
            let rest = rest.filter(|test| found.iter().all(|one| one.test() != *test));
            let rest = rest.collect();
            found[0].speak_for(rest);
        }
    }
    (found.into_iter().flatten().collect(), ended)
}

/// Whether enough were looked at, and show the same.
fn agree<T: Found>(found: &[T]) -> bool {
    found.len() >= AGREEING && found.iter().all(|one| one.shows() == found[0].shows())
}
