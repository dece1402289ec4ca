//! Asks a test again, in a fresh process, that took its process with it: what did it may be a timer of the test before,
//! or somebody outside, and is nobody's fault until it was seen twice.

use super::{
    case::Case,
    errand::Stage,
    familiar::Class,
    noise,
    screen::{Look, Screened},
    shared::{Shared, note, trouble},
    slot::Slot,
};
use crate::{
    investigate::afterwards::{Found, reconsider},
    verdict::conclusion::Conclusion,
    worker::{loss::Loss, protocol::Collectable},
};

/// Tests before it that are named.
const NAMED: usize = 3;

/// A first look at a test in the screen. One that ended its process once and not again is unstable, and a suspect if it
/// grows.
pub(super) fn screen(
    stage: &Stage<'_>,
    slot: &mut Slot<'_>,
    class: &Class<'_>,
    test: usize,
    thaw: bool,
) -> Option<(Look, Vec<String>)> {
    let (first, fixtures) = noise::screen(stage, slot, class, test, thaw)?;
    let lost = first.screened.concluded().and_then(Conclusion::loss);
    let Some((loss, iteration)) = lost.filter(|(loss, iteration)| is_doubtful(loss, *iteration))
    else {
        return Some((first, fixtures));
    };
    let reason = reason(loss, iteration, stage.tests, &slot.before(test));
    let (mut second, fixtures) = noise::screen(stage, slot, class, test, true)?;
    match second.screened.concluded().and_then(Conclusion::loss) {
        // Its first run was fine at least once.
        Some((_, 0 | 1)) if iteration > 1 => return Some((first, Vec::new())),
        Some(_) => return Some((second, fixtures)),
        None if let Some(said) = said_of_screened(&second, &reason) => {
            second.screened = Screened::Concluded(said);
            second.series.clear();
        }
        None => note(stage.shared, told(&stage.tests[test].id, &reason)),
    }
    second.iterations += first.iterations;
    if iteration <= 1 {
        // Without us it would have ended the whole suite.
        trouble(stage.shared, &stage.tests[test].id, &reason);
    }
    Some((second, fixtures))
}

/// The same for a suspect; `judge` judges it once.
pub(super) fn judge(
    slot: &mut Slot<'_>,
    tests: &[Collectable],
    test: usize,
    shared: &std::sync::Mutex<Shared>,
    mut judge: impl FnMut(&mut Slot<'_>) -> Option<Case>,
) -> Option<Case> {
    let mut judge = |slot: &mut Slot<'_>| noise::judge(slot, test, &mut judge);
    let first = judge(slot)?;
    let lost = first.judged.loss();
    let Some((loss, iteration)) = lost.filter(|(loss, iteration)| is_doubtful(loss, *iteration))
    else {
        return Some(first);
    };
    let reason = reason(loss, iteration, tests, &slot.before(test));
    let mut second = judge(slot)?;
    match second.judged.loss() {
        Some((_, 0 | 1)) if iteration > 1 => return Some(first),
        Some(_) => return Some(second),
        None if second.is_leak() => note(shared, told(&tests[test].id, &reason)),
        None => second.learn(Found::EndedOnce(&reason)),
    }
    second.iterations += first.iterations;
    Some(second)
}

/// What is said of a test that passed in the screen, and ended its process before; a suspect is judged first.
fn said_of_screened(second: &Look, reason: &str) -> Option<Conclusion> {
    let first = { second.screened.concluded() }.filter(|_| second.screened.is_repeatable())?;
    reconsider(first, Found::EndedOnce(reason))
}

/// Whether it is worth another process. A first run that hangs takes minutes, and would hang in a plain run too.
fn is_doubtful(loss: &Loss, iteration: u64) -> bool {
    match loss {
        Loss::Died { .. } | Loss::Memory { .. } | Loss::Strange(_) => true,
        Loss::Hung { .. } => iteration > 1,
        Loss::Interrupted
        | Loss::Disturbed { .. }
        | Loss::Absent(_)
        | Loss::OffTheRecord
        | Loss::Bridge(_) => false,
    }
}

fn told(id: &str, reason: &str) -> String {
    format!("{id}: {reason}")
}

fn reason(loss: &Loss, iteration: u64, tests: &[Collectable], before: &[usize]) -> String {
    let mut text = format!(
        "in iteration {} the test process {loss}; in a fresh process it did not: look for what a test before it leaves \
         running (a timer, a thread), or for who else may have ended it",
        iteration.max(1)
    );
    let names: Vec<&str> = { before.iter().rev().take(NAMED) }
        .map(|test| &*tests[*test].id)
        .collect();
    if !names.is_empty() {
        text.push_str(&format!("; before it ran {}", names.join(", ")));
    }
    text
}
