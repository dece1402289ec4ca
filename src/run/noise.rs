//! Threads that go on between tests: what they make and free hides what a test leaks, so nothing is called clean beside
//! them. A test is looked at anew in a process in which no other test ran, and is undecided if it is as noisy there.

use super::{
    case::Case,
    errand::{Errand, Stage, screen_one},
    familiar::Class,
    screen::{Look, Screened},
    slot::Slot,
};
use crate::{
    investigate::{
        afterwards::{Found, reconsider},
        rules::RULES,
    },
    verdict::Counter,
};

/// A first look at a test, where it is quiet.
pub(super) fn screen(
    stage: &Stage<'_>,
    slot: &mut Slot<'_>,
    class: &Class<'_>,
    test: usize,
    thaw: bool,
) -> Option<(Look, Vec<String>)> {
    let first = Errand::First { thaw };
    let (mut look, mut fixtures) = screen_one(stage, slot, class, test, &first)?;
    if look.noise.is_some() && is_worth_another(slot, test) {
        slot.discard();
        let anew = Errand::First { thaw: true };
        let iterations = look.iterations;
        (look, fixtures) = screen_one(stage, slot, class, test, &anew)?;
        look.iterations += iterations;
        slot.noisy_starts += u32::from(look.noise.is_some());
    }
    if let Some(noise) = &look.noise
        && look.screened.is_repeatable()
        && let Screened::Concluded(first) = &look.screened
        && let Some(said) = reconsider(first, beside(noise, false))
    {
        look.screened = Screened::Concluded(said);
        fixtures.clear();
    }
    Some((look, fixtures))
}

/// The same for a suspect; `judge` judges it once.
pub(super) fn judge(
    slot: &mut Slot<'_>,
    test: usize,
    mut judge: impl FnMut(&mut Slot<'_>) -> Option<Case>,
) -> Option<Case> {
    let mut case = judge(slot)?;
    if case.noise.is_some() && is_worth_another(slot, test) && case.judged.loss().is_none() {
        slot.discard();
        let iterations = case.iterations;
        case = judge(slot)?;
        case.iterations += iterations;
        slot.noisy_starts += u32::from(case.noise.is_some());
    }
    if let Some(noise) = case.noise.clone() {
        let is_told = is_told(&case);
        case.learn(beside(&noise, is_told));
    }
    Some(case)
}

fn beside(noise: &str, is_told: bool) -> Found<'_> {
    Found::Noise { noise, is_told }
}

/// Whether a test that was looked at beside noise is looked at in a process of its own.
pub(super) fn is_worth_another(slot: &Slot<'_>, test: usize) -> bool {
    !slot.before(test).is_empty() && slot.noisy_starts < RULES.noise.attempts
}

/// Whether a place, a container or a resource of its own tells what grows in a test, however much comes and goes beside.
fn is_told(case: &Case) -> bool {
    !case.growths.is_empty()
        || !case.containers.is_empty()
        || Counter::resources_of(&case.fits).next().is_some()
}
