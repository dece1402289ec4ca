//! Asks a worker what the open test fills that has an end to read.

use super::{
    loss::Loss,
    orders,
    protocol::{self, Bound, Outcome, Status},
    worker::Worker,
};

use crate::investigate::evidence::{Failure, Window};

/// Sends a bound order and takes its answer.
pub(super) fn ask(worker: &mut Worker, iterations: u32, quick: bool) -> Result<Bound, Loss> {
    worker.ask(orders::Bound { iterations, quick })
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
