//! Looks at tests in which a counter changes that says nothing by itself: what it is, and whose doing. In a process of its own,
//! since such a look changes what the next one sees.

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    sync::{Mutex, atomic::Ordering},
};

use super::{
    rounds::{self, Found},
    screen::Look,
    shared::{Shared, absorb, finish, note},
    slot::Slot,
    state::{Run, Settings, files_without},
};
use crate::{
    finding::stance::{Stance, Subject},
    verdict::Counter,
    worker::{INTERRUPTED, Worker, loss::Loss},
};

/// What is looked for.
pub(super) struct Sought {
    /// The counter that changes.
    pub counter: Counter,
    /// On what its findings are a stance: what is allowed is not looked for.
    pub subject: Subject,
    /// What the process is called.
    pub process: &'static str,
    /// Whether tests of a file in which as many change are taken to be alike, once two were looked at and are.
    pub alike: bool,
    /// CPU seconds that there are for all looks.
    pub seconds: f64,
    /// `references change`, where that time is spent.
    pub what: &'static str,
    /// `references were not counted`, where a look failed.
    pub done: &'static str,
}

/// What a look at an open test found, and the CPU seconds that it took.
type Looked<T> = Result<(Option<T>, f64), Loss>;

/// Looks at one test of each kind that `is_asked`, then at another one of each, as far as the time for it lasts.
pub(super) fn look_at_all<T: Found>(
    settings: &Settings,
    run: &mut Run,
    sought: &Sought,
    is_asked: fn(&Look) -> bool,
    look_at: fn(&mut Worker, usize, &Look) -> Looked<T>,
) -> Vec<T> {
    let kinds = kinds(run, sought, is_asked);
    if kinds.is_empty() || settings.stances.on(sought.subject) == Stance::Allow {
        return Vec::new();
    }
    let mut left = sought.seconds;
    if left.is_finite() {
        left = left.min(settings.setup.whole.left().as_secs_f64());
    }
    let skip = files_without(run, kinds.iter().flatten().map(|look| &look.test));
    let setup = &settings.setup;
    let mut slot = Slot::new(setup, sought.process, settings.hash_seeds.1, skip);
    let shared = Mutex::new(Shared::default());
    let (mut found, _) = rounds::look_at(&kinds, |round, look| {
        let id = &run.tests[look.test].id;
        if left <= 0.0 && round == 0 {
            let line = format!(
                "{} in {id} and perhaps in others; the time to find out why was spent (--budget gives more)",
                sought.what
            );
            note(&shared, line);
        }
        if left <= 0.0 || INTERRUPTED.load(Ordering::SeqCst) {
            return ControlFlow::Break(());
        }
        let Ok(Some((worker, index))) = slot.worker_for(&run.tests, look.test) else {
            return ControlFlow::Continue(None);
        };
        match look_at(worker, index, look) {
            Ok((one, cpu)) => {
                left -= cpu;
                ControlFlow::Continue(one)
            }
            Err(Loss::Interrupted) => ControlFlow::Break(()),
            Err(loss) => {
                let line = format!("{} in {id}: {}", sought.done, loss.line());
                note(&shared, line);
                slot.discard();
                ControlFlow::Continue(None)
            }
        }
    });
    found.retain(|one: &T| !one.is_empty());
    let mut places: Vec<_> = found.iter().flat_map(Found::places).collect();
    places.sort();
    places.dedup();
    run.sources.extend(slot.describe(places));
    finish(slot, &shared);
    absorb(run, shared);
    found
}

/// The tests that may be looked at, those together that are taken to be alike.
fn kinds(run: &Run, sought: &Sought, is_asked: fn(&Look) -> bool) -> Vec<Vec<Look>> {
    let mut kinds: BTreeMap<(&str, i64, Option<usize>), Vec<Look>> = BTreeMap::new();
    for look in run.looks.iter().flatten() {
        if let Some([.., before, last]) = look.apart.get(&sought.counter).map(Vec::as_slice)
            && look.screened.is_repeatable()
            && is_asked(look)
        {
            let alone = (!sought.alike).then_some(look.test);
            let key = (&*run.tests[look.test].file, last - before, alone);
            kinds.entry(key).or_default().push(look.clone());
        }
    }
    kinds.into_values().collect()
}
