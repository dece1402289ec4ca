//! What is said with a worker: by a process, written down beside it, or read from a recording.

use super::{
    loss::Loss,
    orders::Order,
    protocol::{Collected, Hello},
};
use crate::config::terms::Terms;

/// Whoever answers orders.
pub trait Conversation: Send {
    /// Gives an order and waits for its answer, as JSON.
    fn exchange(&mut self, order: &Order) -> Result<Vec<u8>, Loss>;

    /// Iterations of the open test that were begun, the one included that ended the process.
    fn begun(&self) -> u64;

    /// Waits for the end that was ordered.
    fn close(&mut self);
}

/// What a worker says before its first order.
#[derive(Debug, Clone)]
pub struct Opening {
    /// What it said of itself.
    pub hello: Hello,
    /// What it collected.
    pub collected: Collected,
    /// Under which terms each of its tests is judged.
    pub terms: Vec<Terms>,
    /// Both records as they came.
    pub said: [Vec<u8>; 2],
}
