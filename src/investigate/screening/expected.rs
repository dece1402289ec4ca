//! What the screen goes by: how long a test is looked at, what the readings say, and how those before it grew.

use super::{
    At,
    trend::{fell, glance},
};
use crate::{
    fit::Look,
    investigate::signature::{Signature, grows_as},
};

/// How it will grow, going by those before it.
pub(super) fn expected(at: At<'_>) -> Option<&Signature> {
    let (signature, count) = at.evidence.last.as_ref()?.as_ref()?;
    (*count >= at.rules.screen.usual).then_some(signature)
}

/// Whether it grows as many before it.
pub(super) fn is_as_expected(at: At<'_>) -> bool {
    at.evidence.windows == 1
        && expected(at).is_some_and(|expected| grows_as(&at.evidence.series, expected))
}

/// Whether enough others are known that grow so.
pub(super) fn is_familiar(at: At<'_>) -> bool {
    let enough = |(count, _)| count >= at.rules.screen.familiar;
    at.evidence.readings == looks(at)[0] && at.evidence.alike.is_some_and(enough)
}

/// What the readings so far say.
pub(super) fn trend(at: At<'_>) -> Look {
    let evidence = at.evidence;
    let trend = glance(&evidence.series, evidence.manner.thorough, at.rules);
    let at_its_ends = evidence.windows == 1 && evidence.manner.is_sparing();
    if trend == Look::Clean && at_its_ends && fell(&evidence.series, at.rules) {
        return Look::More;
    }
    trend
}

/// Readings with which a test is looked at until it is decided; the first of them is taken before the warm-up.
pub(super) fn looks(at: At<'_>) -> Vec<u32> {
    let numbers = &at.rules.screen;
    match at.evidence.manner.iterations {
        // Where that leaves it open, the looks that follow decide as always.
        Some(count) => std::iter::once(count + 2)
            .chain(numbers.looks.into_iter().filter(|due| *due > count + 2))
            .collect(),
        None if at.evidence.manner.thorough => numbers.patient.to_vec(),
        None => numbers.looks.to_vec(),
    }
}
