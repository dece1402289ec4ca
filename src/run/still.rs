//! What moves in a worker while no test runs.

use crate::{
    investigate::{noise::moving, rules::RULES},
    worker::{Worker, loss::Loss, orders},
};

/// What moves in a worker by itself, in words.
pub(super) fn listen(worker: &mut Worker, seconds: f64) -> Result<Option<String>, Loss> {
    let order = orders::Still {
        readings: RULES.noise.readings,
        pause: seconds.clamp(RULES.noise.shortest, RULES.noise.longest),
    };
    let still = worker.ask(order)?;
    Ok(moving(&still.series, &RULES).map(|counter| {
        format!(
            "`{}` changes while no test runs, and may hide a leak: {} at work beside the tests",
            counter.name(),
            match &*still.threads.join(", ") {
                "" => "a thread is".to_owned(),
                names => format!("{names} is"),
            }
        )
    }))
}
