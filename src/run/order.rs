//! Tests that failed in a run which did not run all of those before them: they may depend on these, as one that uses what the
//! test before it made. So they are looked at once more, in a process in which all others run in their order, once each.

use std::collections::{BTreeSet, HashSet};

use super::{
    again,
    errand::{Found, Stage},
    familiar::Class,
    plan,
    screen::{self, Look},
    slot::Slot,
    state::Run,
};
use crate::{
    verdict::{Verdict, conclusion::Conclusion},
    worker::{Worker, loss::Loss, orders},
};

/// Looks at them again. Returns those that no longer fail, which are replaced in `found`.
pub(super) fn look_again<'a>(
    stage: &Stage<'_>,
    run: &Run,
    found: &mut Found,
    class_of: impl Fn(usize) -> Class<'a>,
) -> BTreeSet<usize> {
    let mut passed = BTreeSet::new();
    let fails = |found: &Found, test: usize| {
        let look = found[test].as_ref().map(|(look, _)| look);
        look.is_some_and(failed_at_once)
    };
    let failed = (0..found.len()).filter(|test| fails(found, *test));
    let failed: HashSet<usize> = failed.collect();
    let did_not_run = |test: usize| run.kept[test].is_some() || run.left_out.contains(&test);
    let units = plan::units(stage.tests);
    let order: Vec<usize> = units.into_iter().flat_map(|unit| unit.tests).collect();
    let first = order.iter().position(|test| did_not_run(*test));
    let last = order.iter().rposition(|test| failed.contains(test));
    let (Some(first), Some(last)) = (first, last) else {
        return passed;
    };
    if last < first {
        return passed;
    }
    let settings = stage.settings;
    let skip = run.elsewhere.clone();
    let mut slot = Slot::new(&settings.setup, "o", settings.hash_seeds.0, skip);
    for test in &order[..=last] {
        if failed.contains(test) {
            let looked = again::screen(stage, &mut slot, &class_of(*test), *test, false);
            let Some(looked) = looked else {
                return passed;
            };
            if !failed_at_once(&looked.0) {
                found[*test] = Some(looked);
                passed.insert(*test);
            }
        } else {
            // What it did to its process is gone with that where it is lost.
            slot.with(stage.tests, *test, run_once);
        }
    }
    let _ = slot.end(false);
    passed
}

/// Whether a plain run would say that it fails.
fn failed_at_once(look: &Look) -> bool {
    match look.screened.concluded().map(Conclusion::verdict) {
        Some(Verdict::Failed) => true,
        Some(Verdict::Crashed | Verdict::TimedOut) => look.iterations <= 1,
        _ => false,
    }
}

/// Lets a test do to the process what it does to a run.
fn run_once(worker: &mut Worker, index: usize) -> Result<(), Loss> {
    let order = orders::Run {
        iterations: 0,
        ..orders::Run::open(index)
    };
    screen::run(worker, order).map(|_| ())
}
