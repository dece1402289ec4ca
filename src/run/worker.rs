//! One worker process: its start, the conversation with it, its time-outs, its memory cap and its end.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

pub use super::limits::Limits;
use super::{
    answers,
    build::Build,
    deadly::{self, Deadly},
    layout::Layout,
    log::Log,
    loss::{Loss, StartError},
    marks,
    orders::{self, Ask, Order},
    process,
    protocol::{Collected, Failure, Hello, Record, Trouble},
    stack,
    wire::{TICK, Wire},
};
use crate::{
    bridge,
    config::{rule::Rule, terms::Terms},
    files::read::{self, SYSTEM},
    supervise::{Supervised, unusable},
};

/// Set when the user wants everything to end.
pub static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Most readings of one answer; a longer window takes several orders.
pub const CAPACITY: u32 = 8200;
/// Most iterations of one order that reads after each: there may be a reading before them, and one after a warm-up.
pub const MOST_READ: u32 = CAPACITY - 2;

/// Asks for a stack dump. Linux never sends this one and test suites do not use it.
#[cfg(target_os = "linux")]
pub(super) const STACK_SIGNAL: Signal = Signal::SIGSTKFLT;
#[cfg(not(target_os = "linux"))]
pub(super) const STACK_SIGNAL: Signal = Signal::SIGXCPU;
/// How long a hung process gets to write its stacks.
const STACK_PATIENCE: Duration = Duration::from_secs(2);
/// As much is read of what it writes then.
const STACKS_LIMIT: u64 = 1 << 20;
/// How long a process gets to end by itself.
const END_PATIENCE: Duration = Duration::from_secs(10);
/// pytest ended in good order before its run loop.
const NO_RUN: &str = "pytest ended without running tests, as its arguments ask for (--help, --version, --fixtures, --markers, --cache-show …): leave those out";

/// What every worker of a run is started with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The interpreter.
    pub python: PathBuf,
    /// The script that starts a worker.
    pub start_script: PathBuf,
    /// Where the worker runs.
    pub project: PathBuf,
    /// `pytest` or `unittest`.
    pub runner: &'static str,
    /// Arguments for the runner.
    pub args: Vec<String>,
    /// What to collect.
    pub paths: Vec<String>,
    /// The run's temporary directory.
    pub directory: PathBuf,
    /// Time-outs.
    pub limits: Limits,
    /// Most resident bytes of a worker.
    pub memory: u64,
    /// Terms for all of the tests.
    pub terms: Terms,
    /// Terms for some of them.
    pub rules: Vec<Rule>,
    /// What it gets otherwise than a plain run.
    pub build: Build,
    /// Why a worker could not be trusted, once there was one.
    pub blind: Arc<OnceLock<String>>,
    /// Test files whose import ended a worker.
    pub deadly: Deadly,
}

/// A running worker.
pub struct Worker {
    process: Supervised,
    wire: Wire,
    heartbeat: File,
    folder: PathBuf,
    log: Log,
    project: PathBuf,
    limits: Limits,
    memory: u64,
    watch: Watch,
    /// What it said of itself.
    pub hello: Hello,
    /// Under which terms each of its tests is judged.
    pub terms: Vec<Terms>,
}

/// What the heartbeat showed last.
struct Watch {
    limits: Limits,
    sequence: u64,
    since: Instant,
    first: Duration,
    begun: u64,
    traced: bool,
    /// Until the tests are collected.
    loading: bool,
    /// When the last order was given, and most iterations that it takes.
    ordered: Instant,
    iterations: u64,
    /// Most iterations of the open test so far.
    opened: u64,
}

#[derive(Clone, Copy)]
struct Beat {
    sequence: u64,
    state: u64,
    begun: u64,
}

/// States of the heartbeat page, as the bridge numbers them.
const ITERATION: u64 = 1;
const LOADING: u64 = 4;

impl Worker {
    /// Starts a worker and waits until it has collected its tests.
    /// Files in `skip` are left out, and those that cannot be imported without ending it.
    pub fn start(
        setup: &Setup,
        name: &str,
        hash_seed: u32,
        skip: &[String],
    ) -> Result<(Worker, Collected), StartError> {
        // Where single tests are named, a runner takes the lack of one for a mistake.
        let named = setup
            .args
            .iter()
            .chain(&setup.paths)
            .any(|one| one.contains("::"));
        for attempt in 1.. {
            let folder = setup.directory.join(match attempt {
                1 => name.to_owned(),
                _ => format!("{name}-{attempt}"),
            });
            match Self::start_in(setup, &folder, hash_seed, skip) {
                Err(StartError::Import(file, trouble))
                    if !named && setup.deadly.add(&file, trouble.clone()) => {}
                started => return started,
            }
        }
        unreachable!("a range without end")
    }

    fn start_in(
        setup: &Setup,
        folder: &Path,
        hash_seed: u32,
        skip: &[String],
    ) -> Result<(Worker, Collected), StartError> {
        let layout = Layout::make(setup, folder, skip)
            .map_err(|error| StartError::Usage(unusable(&setup.directory, &error)))?;
        let mut worker = Self::spawn(setup, folder, hash_seed, layout).map_err(|error| {
            StartError::Usage(format!("cannot start {}: {error}", setup.python.display()))
        })?;
        let collected = worker.await_collection().and_then(|found| {
            worker.terms = marks::terms(
                &found.tests,
                &found.marks,
                &setup.terms,
                &setup.rules,
                &setup.project,
            )?;
            Ok(found)
        });
        match collected {
            Ok(collected) => Ok((worker, collected)),
            Err(error) => {
                worker.kill();
                Err(error)
            }
        }
    }

    fn spawn(setup: &Setup, folder: &Path, hash_seed: u32, layout: Layout) -> io::Result<Worker> {
        let Layout {
            wire,
            heartbeat,
            orders,
            log,
            output,
            errors,
        } = layout;
        let fixed = process::FixedAddresses::new();
        let started = Supervised::start(
            &setup.directory,
            &setup.python,
            [setup.start_script.as_os_str(), orders.as_os_str()],
            folder,
            |command| {
                command
                    .current_dir(&setup.project)
                    .env("PYTHONHASHSEED", hash_seed.to_string())
                    // What the tests leave among the temporary files goes with the run.
                    .env("TMPDIR", folder.join("tmp"))
                    .env("GLIBC_TUNABLES", process::glibc_tunables())
                    // Would be on from the start and distort every reading; the bridge turns tracing on where it is needed.
                    .env_remove("PYTHONTRACEMALLOC")
                    .envs(setup.build.variables())
                    .stdout(output)
                    .stderr(errors);
            },
        );
        drop(fixed);
        Ok(Worker {
            process: started?,
            wire,
            heartbeat,
            folder: folder.to_owned(),
            log,
            project: setup.project.clone(),
            limits: setup.limits,
            memory: setup.memory,
            watch: Watch {
                limits: setup.limits,
                sequence: 0,
                since: Instant::now(),
                first: Duration::ZERO,
                begun: 0,
                traced: false,
                loading: true,
                ordered: Instant::now(),
                iterations: 0,
                opened: 0,
            },
            hello: Hello {
                protocol: 0,
                runner: String::new(),
                runner_version: String::new(),
                counters: std::collections::BTreeMap::default(),
                sizes: false,
                keeps_classes: false,
            },
            terms: Vec::new(),
        })
    }

    fn await_collection(&mut self) -> Result<Collected, StartError> {
        loop {
            match self.receive() {
                Ok(Record::Hello(hello)) => {
                    if hello.protocol != bridge::PROTOCOL {
                        return Err(StartError::Internal(format!(
                            "the bridge speaks protocol {}, not {}",
                            hello.protocol,
                            bridge::PROTOCOL
                        )));
                    }
                    self.hello = hello;
                }
                Ok(Record::Collected(collected)) => {
                    self.watch.loading = false;
                    return Ok(collected);
                }
                Ok(Record::Stopped { status }) => return Err(self.stopped(status)),
                Ok(Record::Error(failure)) => return Err(Self::loading_failed(&failure)),
                Ok(other) => {
                    return Err(StartError::Internal(format!(
                        "unexpected record at start: {other:?}"
                    )));
                }
                Err(Loss::Interrupted) => return Err(StartError::Interrupted),
                Err(Loss::Bridge(message)) => return Err(StartError::Internal(message)),
                Err(loss) => {
                    let mut text = loss.to_string();
                    if let Some(file) = self.importing() {
                        let trouble = deadly::trouble(&file, &self.project, &text);
                        return Err(StartError::Import(file, trouble));
                    }
                    if let Some(line) = self.log.last_line() {
                        text = format!("{text}; its last words: {line}");
                    }
                    return Err(StartError::Lost(text));
                }
            }
        }
    }

    /// The test file that it was importing when it was last heard of.
    fn importing(&self) -> Option<String> {
        let name = read::text(&self.folder.join("importing"), SYSTEM).ok()?;
        (!name.is_empty()).then_some(name)
    }

    /// pytest ended before its run loop; its own output says why.
    fn stopped(&self, status: i32) -> StartError {
        let log = self.log.tail();
        let error = stack::last_words(&log);
        let at = |place: &str| {
            StartError::Collection(Trouble {
                place: place.to_owned(),
                message: error.clone(),
            })
        };
        match status {
            // pytest: usage error. A conftest.py that cannot be imported ends there too.
            4 if log.contains("while loading conftest") => at("conftest.py"),
            4 => StartError::Usage(format!("pytest: {error}")),
            2 | 3 => at(&stack::last_place(&log).unwrap_or_else(|| "pytest".to_owned())),
            0 => StartError::Usage(NO_RUN.to_owned()),
            _ => StartError::Lost(format!("ended with pytest's status {status}: {error}")),
        }
    }

    fn loading_failed(failure: &Failure) -> StartError {
        let (message, traceback) = (&failure.message, &failure.traceback);
        // The refusal of arguments is the user's to mend; anything else in our own frames is ours.
        if let Some(text) = message.strip_prefix("ValueError: unittest argument: ") {
            return StartError::Usage(format!("unittest: {text}"));
        }
        let last_file = traceback
            .lines()
            .rev()
            .find(|line| line.trim_start().starts_with("File "))
            .unwrap_or("");
        if last_file.contains("leakcheck_bridge") && !message.starts_with("ModuleNotFoundError") {
            StartError::Internal(format!("the bridge failed: {message}\n{traceback}"))
        } else {
            StartError::Collection(Trouble {
                place: "loading the tests".to_owned(),
                message: message.clone(),
            })
        }
    }

    /// Gives one order and waits for its answer, within the limits.
    pub fn ask<O: Ask>(&mut self, order: O) -> Result<O::Answer, Loss> {
        let order = order.into();
        let record = self.call(&order)?;
        O::answer(record).ok_or_else(|| Loss::Bridge("an answer to another order".to_owned()))
    }

    fn call(&mut self, order: &Order) -> Result<Record, Loss> {
        self.log.trim();
        let json = serde_json::to_vec(order).map_err(|error| Loss::Bridge(error.to_string()))?;
        let line = self.wire.address(&json);
        self.watch.since = Instant::now();
        self.watch.ordered = self.watch.since;
        self.watch.iterations = order.iterations();
        self.watch.opened += self.watch.iterations;
        // Tracing makes an iteration many times slower than its first run was.
        self.watch.traced = matches!(order, Order::Trace(_) | Order::Follow(_));
        if let Order::Run(orders::Run {
            test: Some(test), ..
        }) = order
        {
            let terms = self.terms.get(*test);
            self.watch.limits = self.limits.within(terms.and_then(|terms| terms.timeout));
            self.watch.begun = 0;
            self.watch.opened = self.watch.iterations;
            self.watch.first = Duration::ZERO;
        }
        let mut sent = 0;
        while sent < line.len() {
            if !self.wire.is_connected() {
                // The test before closed it; the worker connects again as soon as it notices.
                sent = 0;
                self.accept()?;
            }
            match self.wire.write(&line[sent..]) {
                0 => {
                    self.look_after()?;
                    thread::sleep(Duration::from_millis(1));
                }
                count => sent += count,
            }
        }
        let record = self.receive()?;
        answers::check(order, &record).map_err(Loss::Strange)?;
        match record {
            Record::Error(failure) => Err(Loss::of(failure)),
            record => Ok(record),
        }
    }

    fn accept(&mut self) -> Result<(), Loss> {
        self.wire
            .accept(self.process.pid())
            .map_err(|error| Loss::Bridge(error.to_string()))
    }

    fn receive(&mut self) -> Result<Record, Loss> {
        let mut looked = Instant::now();
        loop {
            if let Some(record) = self.wire.next()? {
                return Ok(record);
            }
            let came = self.wire.read();
            if !came {
                if !self.wire.is_connected() {
                    thread::sleep(Duration::from_millis(1));
                }
                self.accept()?;
            }
            // Data may come without an end.
            if !came || looked.elapsed() > TICK {
                self.look_after()?;
                looked = Instant::now();
            }
        }
    }

    /// Looks whether the process lives, hangs, has grown too large, or is to be interrupted.
    fn look_after(&mut self) -> Result<(), Loss> {
        self.log.hold();
        if INTERRUPTED.load(Ordering::SeqCst) {
            return Err(Loss::Interrupted);
        }
        // What it still sent before it died is read first.
        if let Some(ending) = self.process.ending()
            && !self.unread()
        {
            let log = self.log.tail();
            return Err(Loss::Died {
                cause: process::describe(ending),
                place: stack::crash_place(&log, &self.project),
                c_stack: stack::c_stack(&log),
            });
        }
        let resident = process::resident(self.process());
        if resident > self.memory {
            self.ask_to_stop();
            // One iteration may go somewhat beyond; a runaway may not.
            if resident > self.memory + self.memory / 4 {
                self.kill();
                return Err(Loss::Memory { cap: self.memory });
            }
        }
        let beat = self.beat();
        let now = Instant::now();
        if beat.sequence != self.watch.sequence || beat.begun != self.watch.begun {
            if self.watch.begun <= 1 {
                self.watch.first = self.watch.first.max(now - self.watch.since);
            }
            self.watch.sequence = beat.sequence;
            self.watch.begun = beat.begun;
            self.watch.since = now;
        }
        let limit = match beat.state {
            LOADING if self.watch.loading => self.limits.loading,
            ITERATION if beat.begun > 1 && !self.watch.traced => {
                self.watch.limits.repeat(self.watch.first)
            }
            _ => self.watch.limits.first,
        };
        // Who moves the heartbeat without end gets no more time than all that was ordered may take.
        let rounds = u32::try_from(self.watch.iterations).unwrap_or(u32::MAX);
        let longest = limit.saturating_mul(rounds.saturating_add(2));
        if now - self.watch.since > limit || now - self.watch.ordered > longest {
            let stack = self.dump_stack();
            self.kill();
            return Err(Loss::Hung { limit, stack });
        }
        Ok(())
    }

    /// The Python process: a launcher may stand between it and us.
    fn process(&self) -> Pid {
        match self.wire.peer() {
            Some(peer) if process::belongs(peer, self.process.pid()) => peer,
            _ => self.process.pid(),
        }
    }

    fn unread(&mut self) -> bool {
        (self.wire.is_connected() || self.accept().is_ok()) && self.wire.read()
    }

    fn beat(&self) -> Beat {
        let mut page = [0_u8; 32];
        // A page that cannot be read looks like one that does not move, and ends in a time-out.
        let _ = self.heartbeat.read_at(&mut page, 0);
        let word = |at: usize| {
            page[at * 8..at * 8 + 8]
                .try_into()
                .map_or(0, u64::from_ne_bytes)
        };
        Beat {
            sequence: word(0),
            state: word(1),
            begun: word(3),
        }
    }

    /// Iterations of the open test that were begun, the one that killed the worker included.
    pub fn begun(&self) -> u64 {
        // A test can write there.
        self.beat().begun.min(self.watch.opened)
    }

    fn ask_to_stop(&self) {
        // Losing this only means that the batch runs to its end.
        let _ = self.heartbeat.write_at(&1_u64.to_ne_bytes(), 16);
    }

    fn dump_stack(&mut self) -> Vec<String> {
        let path = self.folder.join("stacks");
        let size = || fs::metadata(&path).map_or(0, |found| found.len());
        let before = size();
        if kill(self.process(), STACK_SIGNAL).is_err() {
            return Vec::new();
        }
        let start = Instant::now();
        let mut last = before;
        while start.elapsed() < STACK_PATIENCE {
            thread::sleep(Duration::from_millis(50));
            let now = size();
            if now > before && now == last {
                break;
            }
            last = now;
        }
        let new = size().saturating_sub(before).min(STACKS_LIMIT);
        stack::main_thread(&String::from_utf8_lossy(&read::end(&path, new)))
    }

    /// Asks it to tear everything down and to exit, and makes sure that it is gone.
    pub fn end(mut self) -> Result<Vec<Trouble>, Loss> {
        let errors = self.ask(orders::End {})?.errors;
        let start = Instant::now();
        while start.elapsed() < END_PATIENCE {
            if self.process.ending().is_some() || INTERRUPTED.load(Ordering::SeqCst) {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        self.kill();
        Ok(errors)
    }

    /// Ends the process at once, and everything that the tests started, also after its own end.
    pub fn kill(&mut self) {
        self.process.end();
    }
}
