//! A place for one worker at a time: starts it when first needed and again after it was lost.

use std::{collections::HashMap, sync::atomic::Ordering};

use super::selfcheck;
use crate::{
    config::terms::Terms,
    worker::{
        Setup, Worker,
        loss::{Loss, StartError},
        orders,
        protocol::{Collectable, Collected, Ended, Hello},
    },
};

/// So many losses in a row without a single answer between them end the attempts.
const PATIENCE: u32 = 3;

/// File and line, with the function there and the text of the line.
type Described = ((String, u32), (String, Option<String>));

/// A place for one worker.
pub struct Slot<'a> {
    setup: &'a Setup,
    name: String,
    hash_seed: u32,
    skip: Vec<String>,
    worker: Option<Worker>,
    /// Index in the worker by index in the run, where the two differ.
    order: Option<HashMap<usize, usize>>,
    tests: Vec<Collectable>,
    /// The file whose containers the worker has looked for last.
    surveyed: Option<String>,
    starts: u32,
    failed_starts: u32,
    /// The number of the last worker's process, where it notes what tests depend on.
    pub process: usize,
    /// What ran in the last worker, in turn.
    ran: Vec<usize>,
    /// Workers in which something moved by itself though no other test had run.
    pub noisy_starts: u32,
}

impl<'a> Slot<'a> {
    /// An empty slot. `name` becomes a folder; files in `skip` are not collected.
    pub fn new(setup: &'a Setup, name: &str, hash_seed: u32, skip: Vec<String>) -> Slot<'a> {
        Slot {
            setup,
            name: name.to_owned(),
            hash_seed,
            skip,
            worker: None,
            order: None,
            tests: Vec::new(),
            surveyed: None,
            starts: 0,
            failed_starts: 0,
            process: 0,
            ran: Vec::new(),
            noisy_starts: 0,
        }
    }

    /// Starts a worker.
    pub fn start(&mut self) -> Result<Collected, StartError> {
        self.starts += 1;
        self.ran.clear();
        self.process = self.setup.processes.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}.{}", self.name, self.starts);
        let (mut worker, collected) = Worker::start(self.setup, &name, self.hash_seed, &self.skip)?;
        if let Err(error) = selfcheck::require(&mut worker) {
            if let StartError::Blind(why) = &error {
                // The first one says enough.
                let _ = self.setup.blind.set(why.clone());
            }
            return Err(error);
        }
        self.worker = Some(worker);
        self.surveyed = None;
        self.tests.clone_from(&collected.tests);
        self.order = None;
        Ok(collected)
    }

    /// Makes `tests` the ones that are meant from now on; workers that follow do not collect the files in `skip`.
    pub fn restrict(&mut self, tests: &[Collectable], skip: &[String]) {
        if self.tests != tests {
            self.order = Some(matching(tests, &self.tests));
        }
        self.skip = skip.to_vec();
    }

    /// What the worker said of itself.
    pub fn hello(&self) -> Option<&Hello> {
        self.worker.as_ref().map(|worker| &worker.hello)
    }

    /// Under which terms the worker's tests are judged.
    pub fn terms(&self) -> &[Terms] {
        self.worker.as_ref().map_or(&[], |worker| &worker.terms)
    }

    /// The worker, started if there is none, and the index by which it knows test number `test` of `tests`.
    /// No index where it did not collect that test.
    pub fn worker_for(
        &mut self,
        tests: &[Collectable],
        test: usize,
    ) -> Result<Option<(&mut Worker, usize)>, StartError> {
        if self.worker.is_none() {
            if self.failed_starts >= PATIENCE {
                self.setup.tape.without_worker(&tests[test].id);
                return Err(StartError::Lost("could not be started again".to_owned()));
            }
            if let Err(error) = self.start() {
                self.failed_starts += 1;
                self.setup.tape.without_worker(&tests[test].id);
                return Err(error);
            }
            self.failed_starts = 0;
            if self.tests != tests {
                self.order = Some(matching(tests, &self.tests));
            }
        }
        if self.ran.last() != Some(&test) {
            self.ran.push(test);
        }
        let index = match &self.order {
            None => Some(test),
            Some(order) => order.get(&test).copied(),
        };
        Ok(match (&mut self.worker, index) {
            (Some(worker), Some(index)) => Some((worker, index)),
            _ => None,
        })
    }

    /// Asks a worker something about a test. `None` where there is none, or where it is lost by that: then it is let go of.
    pub fn with<T>(
        &mut self,
        tests: &[Collectable],
        test: usize,
        ask: impl FnOnce(&mut Worker, usize) -> Result<T, Loss>,
    ) -> Option<T> {
        let (worker, index) = self.worker_for(tests, test).ok()??;
        let answer = ask(worker, index).ok();
        if answer.is_none() {
            self.discard();
        }
        answer
    }

    /// The tests that ran before `test` in the last worker, which may be gone.
    pub fn before(&self, test: usize) -> Vec<usize> {
        let others = self.ran.iter().copied();
        others.filter(|other| *other != test).collect()
    }

    /// Whether the worker that runs a test of `file` next has to look for containers first: it has not done so for this
    /// file, or it takes the place of one that had.
    pub fn must_survey(&self, file: &str) -> bool {
        self.worker.is_none() || self.surveyed.as_deref() != Some(file)
    }

    /// The worker has looked for the containers of `file`.
    pub fn has_surveyed(&mut self, file: &str) {
        if self.surveyed.as_deref() != Some(file) {
            self.surveyed = Some(file.to_owned());
        }
    }

    /// The function at places of the source and the text there; of code that is in no file, or where the worker is gone,
    /// nothing.
    pub fn describe(&mut self, mut places: Vec<(String, u32)>) -> Vec<Described> {
        places.retain(|(file, _)| !file.starts_with('<'));
        let Some(worker) = self.worker.as_mut().filter(|_| !places.is_empty()) else {
            return Vec::new();
        };
        let described = worker.ask(orders::Describe {
            places: places.clone(),
        });
        match described {
            Ok(described) => places.into_iter().zip(described.answers).collect(),
            Err(_) => {
                self.discard();
                Vec::new()
            }
        }
    }

    /// Ends the worker at once; the next use starts another.
    pub fn discard(&mut self) {
        self.worker = None;
    }

    /// Ends the worker in order, with everything its fixtures still have to tear down.
    /// `census`: see [`Worker::end`].
    pub fn end(mut self, census: bool) -> Result<Ended, Loss> {
        match self.worker.take() {
            Some(worker) => worker.end(census),
            None => Ok(Ended::default()),
        }
    }
}

/// Pairs equal tests of two collections; the n-th of several with one id goes with the n-th.
fn matching(ours: &[Collectable], theirs: &[Collectable]) -> HashMap<usize, usize> {
    let mut places: HashMap<&Collectable, Vec<usize>> = HashMap::new();
    for (index, test) in theirs.iter().enumerate().rev() {
        places.entry(test).or_default().push(index);
    }
    ours.iter()
        .enumerate()
        .filter_map(|(index, test)| Some((index, places.get_mut(test)?.pop()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_found_again_in_another_order() {
        let test = |id: &str| Collectable {
            id: id.to_owned(),
            file: "f".to_owned(),
        };
        let ours = [test("a"), test("b"), test("b"), test("c")];
        let theirs = [test("b"), test("a"), test("b")];
        let found = matching(&ours, &theirs);
        assert_eq!(found, HashMap::from([(0, 1), (1, 0), (2, 2)]));
    }
}
