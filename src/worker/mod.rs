//! A worker as the engine sees it: orders with the answers that fit them.

pub mod answers;
pub mod budget;
pub mod build;
pub(crate) mod conversation;
pub mod deadly;
pub(crate) mod hang;
pub(crate) mod layout;
pub(crate) mod limits;
pub(crate) mod live;
pub(crate) mod log;
pub mod loss;
pub mod marks;
pub mod orders;
pub mod player;
pub mod preload;
pub(crate) mod process;
pub mod protocol;
pub mod record;
pub(crate) mod scrub;
pub mod setup;
pub(crate) mod stack;
pub mod tape;
pub mod wire;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use tracing::{Level, debug, enabled, info};

use self::{
    budget::Whole,
    conversation::{Conversation, Opening},
    live::Live,
    loss::{Loss, StartError},
    orders::{Ask, Order},
    protocol::{Collected, Ended, Hello, Record},
    tape::Tape,
};
pub use self::{
    limits::Limits,
    setup::{CAPACITY, INTERRUPTED, Setup},
};
use crate::config::{Runner, terms::Terms, text::excerpt};

/// Characters of an answer that the journal has.
const ANSWER: usize = 2000;

/// A running worker.
pub struct Worker {
    name: String,
    line: Box<dyn Conversation>,
    /// What it said of itself.
    pub hello: Hello,
    /// Under which terms each of its tests is judged.
    pub terms: Vec<Terms>,
    /// Whether it notes what tests depend on.
    pub notes: bool,
    /// Whether it is to be asked for an end when it is let go of: a program has databases, servers and layers to tear down.
    ends: bool,
    /// CPU seconds that it has taken so far, and those of all workers.
    spent: f64,
    whole: Arc<Whole>,
}

impl Worker {
    /// Starts a worker and waits until it has collected its tests.
    /// Files in `skip` are left out, and those that cannot be imported without ending it.
    pub fn start(
        setup: &Setup,
        name: &str,
        hash_seed: u32,
        skip: &[String],
    ) -> Result<(Worker, Collected), StartError> {
        let live = || -> Result<(Box<dyn Conversation>, Opening), StartError> {
            let (live, opening) = Live::start(setup, name, hash_seed, skip)?;
            Ok((Box::new(live), opening))
        };
        let (line, opening): (Box<dyn Conversation>, Opening) = match &setup.tape {
            Tape::Off => live()?,
            Tape::Record(recording) => {
                let (recorder, opening) = recording.start(name, live())?;
                (Box::new(recorder), opening)
            }
            Tape::Replay(replay) => {
                let (player, opening) = replay.start(name)?;
                (Box::new(player), opening)
            }
        };
        info!(
            process = name,
            runner = opening.hello.runner_version,
            tests = opening.collected.tests.len(),
            "started"
        );
        let spent = opening.collected.cpu;
        setup.whole.spend(spent);
        let worker = Worker {
            spent,
            whole: Arc::clone(&setup.whole),
            name: name.to_owned(),
            line,
            ends: opening.hello.runner == Runner::Command.name(),
            hello: opening.hello,
            terms: opening.terms,
            notes: setup.outside.is_some(),
        };
        Ok((worker, opening.collected))
    }

    /// Whether there is time for a longer look at a test of which one iteration takes so many seconds.
    pub(crate) fn affords(&self, each: f64) -> bool {
        self.whole.affords(each)
    }

    /// A longer look has taken so many seconds.
    pub(crate) fn has_looked(&self, seconds: f64) {
        self.whole.has_looked(seconds);
    }

    /// For `what` there is no time.
    pub(crate) fn leave(&self, what: &'static str) {
        self.whole.leave(what);
    }

    /// Gives one order and waits for its answer, within the limits.
    pub fn ask<O: Ask>(&mut self, order: O) -> Result<O::Answer, Loss> {
        let order = order.into();
        let answer = self.answer(&order).and_then(|record| {
            O::answer(record).ok_or_else(|| Loss::Strange("an answer to another order".to_owned()))
        });
        // Whoever is lost does not end in order.
        self.ends &= answer.is_ok();
        answer
    }

    fn answer(&mut self, order: &Order) -> Result<Record, Loss> {
        let answer = self.exchange(order)?;
        let record = wire::parse(&answer)?;
        if let Some(spent) = wire::spent(&answer) {
            self.whole.spend(spent - self.spent);
            self.spent = spent;
        }
        answers::check(order, &record).map_err(Loss::Strange)?;
        match record {
            Record::Error(failure) => Err(loss::of(failure)),
            record => Ok(record),
        }
    }

    fn exchange(&mut self, order: &Order) -> Result<Vec<u8>, Loss> {
        if !enabled!(Level::DEBUG) {
            return self.line.exchange(order);
        }
        let begun = Instant::now();
        let answer = self.line.exchange(order);
        let said = match &answer {
            Ok(json) => excerpt(&String::from_utf8_lossy(json), ANSWER),
            Err(loss) => loss.line(),
        };
        debug!(
            process = self.name,
            order = %serde_json::to_string(order).unwrap_or_default(),
            answer = %said,
            seconds = begun.elapsed().as_secs_f64(),
            "asked"
        );
        answer
    }

    /// Iterations of the open test that were begun, the one that killed the worker included.
    pub fn begun(&self) -> u64 {
        self.line.begun()
    }

    /// Asks it to tear everything down and to exit, and makes sure that it is gone.
    /// With a `census` it tells of which types there are more objects than at its beginning.
    pub fn end(mut self, census: bool) -> Result<Ended, Loss> {
        self.finish(census)
    }

    fn finish(&mut self, census: bool) -> Result<Ended, Loss> {
        let ended = self.ask(orders::End { census })?;
        self.ends = false;
        self.line.close();
        Ok(ended)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if self.ends && !INTERRUPTED.load(Ordering::SeqCst) {
            // Nobody asks for its last errors.
            let _ = self.finish(false);
        }
    }
}
