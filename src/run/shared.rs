//! What the workers of one stage collect while they go, and how each adds to it.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, atomic::Ordering},
    time::Instant,
};

use super::{finds::Leavings, slot::Slot, state::Run};
use crate::worker::{
    INTERRUPTED,
    loss::Loss,
    protocol::{Ended, Trouble},
};

/// What the workers of one stage collect while they go.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub errors: Vec<Trouble>,
    pub sources: HashMap<(String, u32), (String, Option<String>)>,
    pub leavings: Vec<Leavings>,
    pub spent: HashMap<usize, f64>,
    /// What could not be done, where no verdict depends on it.
    pub notes: Vec<String>,
    /// What went wrong in leakcheck itself.
    pub faults: Vec<Trouble>,
}

pub(super) fn next<T>(queue: &Mutex<VecDeque<T>>) -> Option<T> {
    if INTERRUPTED.load(Ordering::SeqCst) {
        return None;
    }
    queue.lock().ok()?.pop_front()
}

/// Notes how long a look at a test took.
pub(super) fn spend(shared: &Mutex<Shared>, test: usize, begun: Instant) {
    if let Ok(mut shared) = shared.lock() {
        *shared.spent.entry(test).or_default() += begun.elapsed().as_secs_f64();
    }
}

/// Notes what went wrong in leakcheck itself while it looked at a test, if that is what the worker was lost by. The test
/// has no judgement then, and all others have theirs.
pub(super) fn fault(shared: &Mutex<Shared>, test: &str, loss: &Loss) {
    if let Loss::Bridge(message) = loss
        && let Ok(mut shared) = shared.lock()
    {
        shared.faults.push(Trouble {
            place: test.to_owned(),
            message: format!("a fault of leakcheck's own, please report it: {message}"),
        });
    }
}

pub(super) fn note(shared: &Mutex<Shared>, text: String) {
    if let Ok(mut shared) = shared.lock() {
        shared.notes.push(text);
    }
}

pub(super) fn trouble(shared: &Mutex<Shared>, place: &str, message: &str) {
    if let Ok(mut shared) = shared.lock() {
        let trouble = Trouble {
            place: place.to_owned(),
            message: message.to_owned(),
        };
        // A worker that cannot be replaced fails for every test after it.
        if !shared.errors.contains(&trouble) {
            shared.errors.push(trouble);
        }
    }
}

/// What is to be said where tests made so many names that stay for good.
fn names(many: i64) -> Option<String> {
    const MANY: i64 = 100;
    (many >= MANY).then(|| {
        format!(
            "about {many} names that tests made out of data (by setattr, **kwargs or pickle) stay interned for good, as Python 3.12 and newer do with names; nothing can release them, and they are not counted as growth"
        )
    })
}

/// Ends a worker in order.
pub(super) fn finish(slot: Slot<'_>, shared: &Mutex<Shared>) {
    end(slot, shared, false);
}

/// Ends a worker in order. Returns what it said then: what its fixtures depend on, and with a `census` what it leaves.
pub(super) fn end(slot: Slot<'_>, shared: &Mutex<Shared>, census: bool) -> Ended {
    match slot.end(census) {
        Ok(mut ended) => {
            if let Ok(mut shared) = shared.lock() {
                shared.errors.append(&mut ended.errors);
                shared.notes.extend(names(ended.names));
                for note in ended.notes.drain(..) {
                    // Each worker says so.
                    if !shared.notes.contains(&note) {
                        shared.notes.push(note);
                    }
                }
            }
            return ended;
        }
        Err(Loss::Interrupted) => {}
        Err(loss) => trouble(shared, "ending a worker", &loss.to_string()),
    }
    Ended::default()
}

pub(super) fn absorb(run: &mut Run, shared: Mutex<Shared>) {
    let shared = shared.into_inner().unwrap_or_default();
    run.is_faulty |= !shared.faults.is_empty();
    for error in shared.errors.into_iter().chain(shared.faults) {
        if !run.errors.contains(&error) {
            run.errors.push(error);
        }
    }
    run.notes.extend(shared.notes);
    run.sources.extend(shared.sources);
    run.leavings.extend(shared.leavings);
    run.leavings.sort_by_key(|one| one.test);
    for (test, seconds) in shared.spent {
        *run.spent.entry(test).or_default() += seconds;
    }
}
