//! One process of a worker: its start, what goes to it and comes from it, its time-outs, its memory cap and its end.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use nix::{sys::signal::kill, unistd::Pid};

use super::{
    conversation::{Conversation, Opening},
    deadly, hang,
    layout::Layout,
    limits::Limits,
    log::Log,
    loss::{Loss, StartError},
    marks,
    orders::{self, Order},
    process,
    protocol::{Failure, Record, Trouble},
    setup::{INTERRUPTED, STACK_SIGNAL, Setup},
    stack,
    wire::{self, TICK, Wire},
};
use crate::{
    bridge,
    files::{
        read::{self, SYSTEM},
        write,
    },
    supervise::{Supervised, unusable},
    watch::objects,
};

/// How long a hung process gets to write its stacks.
const STACK_PATIENCE: Duration = Duration::from_secs(2);
/// As much is read of what it writes then.
const STACKS_LIMIT: u64 = 1 << 20;
/// How long a process gets to end by itself.
const END_PATIENCE: Duration = Duration::from_secs(10);
/// pytest ended in good order before its run loop.
const NO_RUN: &str = "pytest ended without running tests, as its arguments ask for (--help, --version, --fixtures, --markers, --cache-show …): leave those out";

/// A running process.
pub(crate) struct Live {
    process: Supervised,
    wire: Wire,
    heartbeat: File,
    folder: PathBuf,
    log: Log,
    project: PathBuf,
    /// Where what it printed is kept.
    keep: Option<PathBuf>,
    limits: Limits,
    memory: u64,
    watch: Watch,
    /// The longest that an iteration of each of its tests may take, where that is given.
    timeouts: Vec<Option<Duration>>,
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

impl Live {
    /// Starts one and waits until it has collected its tests.
    /// Files in `skip` are left out, and those that cannot be imported without ending it.
    pub(crate) fn start(
        setup: &Setup,
        name: &str,
        hash_seed: u32,
        skip: &[String],
    ) -> Result<(Live, Opening), StartError> {
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
    ) -> Result<(Live, Opening), StartError> {
        let layout = Layout::make(setup, folder, skip)
            .map_err(|error| StartError::Usage(unusable(&setup.directory, &error)))?;
        let mut live = Self::spawn(setup, folder, hash_seed, layout).map_err(|error| {
            StartError::Usage(format!("cannot start {}: {error}", setup.python.display()))
        })?;
        let opening = live.await_collection().and_then(|mut opening| {
            let found = &opening.collected;
            opening.terms = marks::terms(
                &found.tests,
                &found.marks,
                &setup.terms,
                &setup.rules,
                &setup.project,
            )?;
            Ok(opening)
        });
        match opening {
            Ok(opening) => {
                let timeouts = opening.terms.iter().map(|terms| terms.timeout);
                live.timeouts = timeouts.collect();
                Ok((live, opening))
            }
            Err(error) => {
                live.kill();
                Err(error)
            }
        }
    }

    fn spawn(setup: &Setup, folder: &Path, hash_seed: u32, layout: Layout) -> io::Result<Live> {
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
                    .envs(setup.build.variables(setup.preload.is_some()))
                    .envs(setup.preload.iter().flat_map(|preload| preload.variables()))
                    .stdout(output)
                    .stderr(errors);
            },
        );
        drop(fixed);
        Ok(Live {
            process: started?,
            wire,
            heartbeat,
            folder: folder.to_owned(),
            log,
            project: setup.project.clone(),
            keep: setup.keep.clone(),
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
            timeouts: Vec::new(),
        })
    }

    fn await_collection(&mut self) -> Result<Opening, StartError> {
        let mut greeting = None;
        loop {
            let said = self.receive();
            match said.and_then(|json| Ok((wire::parse(&json)?, json))) {
                Ok((Record::Hello(hello), json)) => {
                    if hello.protocol != bridge::PROTOCOL {
                        return Err(StartError::Internal(format!(
                            "the bridge speaks protocol {}, not {}",
                            hello.protocol,
                            bridge::PROTOCOL
                        )));
                    }
                    greeting = Some((hello, json));
                }
                Ok((Record::Collected(collected), json)) => {
                    let Some((hello, greeting)) = greeting else {
                        let text = "the bridge did not greet".to_owned();
                        return Err(StartError::Internal(text));
                    };
                    self.watch.loading = false;
                    return Ok(Opening {
                        hello,
                        collected,
                        terms: Vec::new(),
                        said: [greeting, json],
                    });
                }
                Ok((Record::Stopped { status, why }, _)) => {
                    return Err(match why {
                        Some(why) => self.has_no_tests(status, &why),
                        None => self.stopped(status),
                    });
                }
                Ok((Record::Error(failure), _)) => return Err(Self::loading_failed(&failure)),
                Ok((other, _)) => {
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

    /// A command had unittest run nothing; what it printed last may say why.
    fn has_no_tests(&self, status: i32, why: &str) -> StartError {
        if status == 0 {
            return StartError::Usage(why.to_owned());
        }
        let words = stack::last_words(&self.log.tail());
        StartError::Collection(Trouble {
            place: why.to_owned(),
            message: words,
        })
    }

    fn loading_failed(failure: &Failure) -> StartError {
        let (message, traceback) = (&failure.message, &failure.traceback);
        // The refusal of arguments is the user's to fix; anything else in our own frames is ours.
        if let Some(text) = message.strip_prefix("ValueError: unittest argument: ") {
            return StartError::Usage(format!("unittest: {text}"));
        }
        if let Some(text) = message.strip_prefix("ValueError: command argument: ") {
            return StartError::Usage(text.to_owned());
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

    fn accept(&mut self) -> Result<(), Loss> {
        self.wire
            .accept(self.process.pid())
            .map_err(|error| Loss::Bridge(error.to_string()))
    }

    fn receive(&mut self) -> Result<Vec<u8>, Loss> {
        let mut looked = Instant::now();
        loop {
            if let Some(json) = self.wire.next()? {
                return Ok(json);
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
                cause: ending.described(),
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
            let (stack, c_stack) = self.stacks();
            self.kill();
            return Err(Loss::Hung {
                limit,
                stack,
                c_stack,
            });
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

    fn ask_to_stop(&self) {
        // Losing this only means that the batch runs to its end.
        let _ = self.heartbeat.write_at(&1_u64.to_ne_bytes(), 16);
    }

    /// Where the main thread is, in Python and in machine code.
    fn stacks(&self) -> (Vec<String>, Vec<String>) {
        let mut python = self.dumped_stack();
        if python.is_empty() {
            // Signals are held back, handled by somebody else, or the process is stopped.
            python = stack::until_runner(hang::python(self.process()));
        }
        (python, hang::machine(self.process()))
    }

    fn dumped_stack(&self) -> Vec<String> {
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

    /// Ends the process at once, and everything that the tests started, also after its own end.
    fn kill(&mut self) {
        self.process.end();
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let Some(keep) = &self.keep else { return };
        let name = self
            .folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let stacks = read::end(&self.folder.join("stacks"), STACKS_LIMIT);
        for (what, bytes) in [("log", self.log.tail().into_bytes()), ("stacks", stacks)] {
            if !bytes.is_empty()
                && let Ok(mut file) = write::private(&keep.join(format!("{name}.{what}")))
            {
                // Losing it changes no verdict.
                let _ = file.write_all(&bytes);
            }
        }
    }
}

impl Conversation for Live {
    fn exchange(&mut self, order: &Order) -> Result<Vec<u8>, Loss> {
        self.log.trim();
        if let Order::Population(_) = order {
            let processes = objects::below(self.process.pid().as_raw());
            let answer = serde_json::json!({"re": "populated", "processes": processes});
            return Ok(answer.to_string().into_bytes());
        }
        let json = serde_json::to_vec(order).map_err(|error| Loss::Bridge(error.to_string()))?;
        let line = self.wire.address(&json);
        self.watch.since = Instant::now();
        self.watch.ordered = self.watch.since;
        self.watch.iterations = order.iterations();
        self.watch.opened += self.watch.iterations;
        // Tracing makes an iteration many times slower than its first run was.
        self.watch.traced = matches!(
            order,
            Order::Trace(_) | Order::Follow(_) | Order::Survivors(_)
        );
        if let Order::Run(orders::Run {
            test: Some(test), ..
        }) = order
        {
            let timeout = self.timeouts.get(*test).copied().flatten();
            self.watch.limits = self.limits.within(timeout);
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
        self.receive()
    }

    fn begun(&self) -> u64 {
        // A test can write there.
        self.beat().begun.min(self.watch.opened)
    }

    fn close(&mut self) {
        let start = Instant::now();
        while start.elapsed() < END_PATIENCE {
            if self.process.ending().is_some() || INTERRUPTED.load(Ordering::SeqCst) {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        self.kill();
    }
}
