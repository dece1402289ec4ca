//! One look at one test in the screen.

use std::{sync::Mutex, time::Instant};

use super::{
    familiar::Class,
    screen::{self, Look, Opening, Screened},
    shared::{Shared, fault, spend, trouble},
    slot::Slot,
    state::Settings,
};
use crate::{
    investigate::unasked::{self, Why},
    verdict::conclusion::Conclusion,
    worker::{
        loss::{Loss, StartError},
        orders::Wider,
        protocol::Collectable,
    },
};

/// What the screen has found of each test, and the fixtures wider than a function that it set up.
pub(super) type Found = [Option<(Look, Vec<String>)>];

/// What all workers of the screen share.
pub(super) struct Stage<'a> {
    pub settings: &'a Settings,
    pub tests: &'a [Collectable],
    pub shared: &'a Mutex<Shared>,
}

/// What is wanted of a test in the screen.
pub(super) enum Errand<'a> {
    /// Its first look.
    First { thaw: bool },
    /// Another one with wider fixtures set up anew in each iteration.
    Again { first: &'a Look, wider: Wider },
}

/// One test in the screen, and the fixtures wider than a function that it set up; `None` when the run is interrupted.
pub(super) fn screen_one(
    stage: &Stage<'_>,
    slot: &mut Slot<'_>,
    class: &Class<'_>,
    test: usize,
    errand: &Errand<'_>,
) -> Option<(Look, Vec<String>)> {
    let Stage {
        settings,
        tests,
        shared,
    } = stage;
    let lost = |conclusion: Conclusion| {
        let iteration = conclusion.loss().map_or(0, |(_, iteration)| iteration);
        Look {
            iterations: u32::try_from(iteration).unwrap_or(u32::MAX),
            ..Look::new(test, Screened::Concluded(conclusion), Wider::Stay)
        }
    };
    let survey = slot.must_survey(&tests[test].file);
    let (worker, index) = match slot.worker_for(tests, test) {
        Ok(Some(found)) => found,
        Ok(None) => {
            return Some((lost(unasked::say(Why::NotCollected)), Vec::new()));
        }
        Err(StartError::Interrupted) => return None,
        Err(error) => {
            let error = error.to_string();
            trouble(shared, "starting a worker", &error);
            return Some((lost(unasked::say(Why::NoProcess(&error))), Vec::new()));
        }
    };
    let begun = Instant::now();
    let answer = match errand {
        Errand::First { thaw } => {
            let opening = Opening {
                thaw: *thaw,
                survey,
            };
            screen::look_at(worker, index, opening, &settings.policy, class)
        }
        Errand::Again { first, wider } => {
            screen::look_again(worker, index, first, *wider, &settings.policy, class)
        }
    };
    spend(shared, test, begun);
    match answer {
        Ok(mut looked) => {
            looked.look.test = test;
            if let (Some(cache), Some(noted)) = (&settings.kept, looked.noted) {
                cache.add(slot.process, test, noted);
            }
            if let Ok(mut shared) = shared.lock() {
                shared.errors.append(&mut looked.troubles);
            }
            if looked.look.screened.is_lost() {
                slot.discard();
            } else if looked.look.iterations > 0 {
                // One that was not run, for a skip of ours, has looked for nothing.
                slot.has_surveyed(&tests[test].file);
            }
            Some((looked.look, looked.fixtures))
        }
        Err(Loss::Interrupted) => None,
        Err(loss) => {
            let iteration = worker.begun();
            slot.discard();
            fault(shared, &tests[test].id, &loss);
            Some((lost(Conclusion::lost(loss, iteration)), Vec::new()))
        }
    }
}
