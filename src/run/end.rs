//! Asks a worker what the open test fills that has an end to read.

use super::{loss::Loss, orders, protocol::Bound, worker::Worker};

/// Sends a bound order and takes its answer.
pub(super) fn ask(worker: &mut Worker, iterations: u32, quick: bool) -> Result<Bound, Loss> {
    worker.ask(orders::Bound { iterations, quick })
}
