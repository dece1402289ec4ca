//! Asks a worker what the open test fills that has an end.

use crate::{
    investigate::{
        evidence::{Failure, Window},
        limit::{Ends, search},
        rules::RULES,
        trial::{Ask, Told},
    },
    worker::{
        Worker,
        loss::Loss,
        protocol::{self, Outcome, Status},
    },
};

/// Asks until it is known.
pub(super) fn ask(worker: &mut Worker, iterations: u32, quick: bool) -> Result<Ends, Loss> {
    let mut told = Vec::new();
    loop {
        let next = match search(&told, iterations, quick, &RULES.limits) {
            Ok(ends) => return Ok(ends),
            Err(next) => next,
        };
        told.push(match next {
            Ask::Fill(order) => Told::Filled(worker.ask(order)?),
            Ask::Gain(order) => Told::Gained(worker.ask(order)?),
            Ask::Beside(order) => Told::Beside(worker.ask(order)?),
            Ask::Lower(order) => Told::Lowered(worker.ask(order)?),
            Ask::Hold(order) => Told::Held(worker.ask(order)?),
        });
    }
}

/// What a window showed in which what has an end was emptied.
pub(super) fn emptied(window: protocol::Window) -> Window {
    Window {
        iterations: window.iterations,
        failure: failure(window.outcome),
        series: window.series,
        cpu: window.cpu,
        ..Window::default()
    }
}

/// Why iterations did not pass.
pub(super) fn failure(outcome: Outcome) -> Option<Failure> {
    (outcome.status != Status::Passed).then_some(Failure {
        broken: outcome.status == Status::Broken,
        message: outcome.message,
    })
}
