//! The loop: a look every few seconds, until the time is over, somebody wants an end, or the process has ended.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{
    look::{self, Groups, Look},
    measure::Sum,
    objects::Objects,
    process::{Identity, Proc, Stat},
    refusal::{Refusal, why},
    series::Series,
    summary::{self, End, Note, Row, Summary},
};

/// Notes of one watch: whoever stops and goes on all the time makes many.
const MOST_NOTES: usize = 50;
/// How soon a wish for an end is heard.
const PATIENCE: Duration = Duration::from_millis(100);

/// What is to be watched, and for how long.
pub struct Asked<'a> {
    /// Where the system tells of processes.
    pub proc: Proc,
    /// Which.
    pub pid: i32,
    /// From one look to the next.
    pub every: Duration,
    /// Until it or the user ends, where none is given.
    pub length: Option<Duration>,
    /// Whether somebody wants an end.
    pub stop: &'a dyn Fn() -> bool,
    /// How it ended, where that can be known.
    pub ending: &'a mut dyn FnMut() -> Option<String>,
}

/// What was seen so far.
pub struct Session {
    proc: Proc,
    root: Identity,
    every: Duration,
    begun: Instant,
    command: String,
    program: String,
    groups: Groups,
    series: Series,
    objects: Objects,
    /// Of the objects, which are looked at less often.
    types: Series,
    version: Option<&'static str>,
    notes: Vec<Note>,
    stopped: bool,
    forbidden: usize,
    end: Option<End>,
    /// How long it took, once it is over.
    took: Option<f64>,
}

/// Watches until the end, and tells after each look. The error says why nothing could be seen.
pub fn watch(asked: Asked<'_>, tell: &mut dyn FnMut(&Session)) -> Result<Session, Refusal> {
    let mut session = Session::begin(asked.proc, asked.pid, asked.every)?;
    let mut next = session.begun;
    loop {
        if let Some(how) = (asked.ending)() {
            session.end = Some(End::Process(how));
        } else {
            session.take_look()?;
        }
        tell(&session);
        let time = session.begun.elapsed();
        if session.end.is_none() && asked.length.is_some_and(|length| time + PATIENCE > length) {
            session.end = Some(End::Time);
        }
        // A look that took longer than the time between two puts the next one off, and no more.
        next = (next + asked.every).max(Instant::now());
        while session.end.is_none() && Instant::now() < next {
            if (asked.stop)() {
                session.end = Some(End::Asked);
            }
            thread::sleep(PATIENCE.min(next.saturating_duration_since(Instant::now())));
        }
        if session.end.is_some() {
            session.took = Some(session.begun.elapsed().as_secs_f64());
            return Ok(session);
        }
    }
}

impl Session {
    fn begin(proc: Proc, pid: i32, every: Duration) -> Result<Session, Refusal> {
        let stat = proc.stat(pid).ok_or(Refusal::Missing(pid))?;
        if stat.is_over() {
            return Err(Refusal::Ended(pid));
        }
        if stat.is_of_kernel() {
            return Err(Refusal::Kernel(pid));
        }
        // One that was just started may not have any yet.
        let mut tries = 0..20;
        let command = loop {
            let command = proc.arguments(pid);
            if !command.is_empty() {
                break command;
            }
            if tries.next().is_none() {
                break proc.command(pid);
            }
            thread::sleep(PATIENCE / 10);
        };
        let program = proc.program(pid);
        let mut session = Session {
            root: stat.identity,
            every,
            begun: Instant::now(),
            groups: Groups::new(&command),
            command,
            program,
            series: Series::default(),
            objects: Objects::default(),
            types: Series::default(),
            version: None,
            notes: Vec::new(),
            stopped: false,
            forbidden: 0,
            end: None,
            took: None,
            proc,
        };
        if let Err(error) = session.proc.private(pid) {
            return Err(why(&session.proc, pid, &error));
        }
        if !session.proc.is_python(pid) {
            session.note(format!("no Python runs in it, but {}", session.runs()));
        }
        Ok(session)
    }

    fn runs(&self) -> &str {
        if self.program.is_empty() {
            &self.command
        } else {
            &self.program
        }
    }

    fn take_look(&mut self) -> Result<(), Refusal> {
        let pid = self.root.pid;
        let over = |how: &str| Some(End::Process(how.to_owned()));
        let stat = match self.proc.stat(pid) {
            Some(stat) if stat.identity != self.root => {
                self.end = over("has ended, and its number is another's by now");
                return Ok(());
            }
            Some(stat) if stat.is_over() => {
                self.end = over("has ended, and its parent has not waited for it yet (a zombie)");
                return Ok(());
            }
            Some(stat) => stat,
            None => {
                self.end = over("has ended");
                return Ok(());
            }
        };
        self.tell_changes(&stat);
        if self.stopped {
            // What does not run cannot grow, and its rest would say nothing.
            return Ok(());
        }
        let known = self.groups.names().len();
        match look::look(&self.proc, &stat, &mut self.groups) {
            Ok(look) => self.keep(look, known),
            Err(error) => match why(&self.proc, pid, &error) {
                refusal if self.series.looks() == 0 => return Err(refusal),
                // At this very moment.
                Refusal::Missing(_) => self.end = over("has ended"),
                refusal => self.end = over(&format!("cannot be looked at any more: {refusal}")),
            },
        }
        Ok(())
    }

    fn keep(&mut self, look: Look, known: usize) {
        if look.forbidden > self.forbidden {
            self.forbidden = look.forbidden;
            self.note(format!(
                "{} of the processes below belong to others and are not looked at: run leakcheck as root",
                look.forbidden
            ));
        }
        let at = self.begun.elapsed().as_secs_f64();
        let first = self.series.looks() == 0;
        self.series.add(at, look.values);
        if let Some(values) = self.objects.look(&self.proc, &look.processes) {
            self.types.add(self.begun.elapsed().as_secs_f64(), values);
        }
        self.version = self.objects.version(&look.processes).or(self.version);
        if !first {
            for name in self.groups.names().split_off(known) {
                self.note(format!("started {name}"));
            }
        }
    }

    /// Notes what became of it since the last look: another program, stopped, going on.
    fn tell_changes(&mut self, stat: &Stat) {
        let pid = self.root.pid;
        let program = self.proc.program(pid);
        let command = self.proc.arguments(pid);
        if command.is_empty() || program.is_empty() {
            // At this very moment it becomes another one, or ends.
        } else if program != self.program || command != self.command {
            // Some change their own title; the program is the same then.
            let what = if program == self.program {
                "calls itself"
            } else {
                "has become another program (exec):"
            };
            self.note(format!("{what} {command}"));
            (self.program, self.command) = (program, command);
        }
        match (self.stopped, stat.is_stopped()) {
            (false, true) => self.note(format!(
                "stopped by a signal or a debugger; looks go on when it does (kill -CONT {pid})"
            )),
            (true, false) => self.note("goes on".to_owned()),
            _ => {}
        }
        self.stopped = stat.is_stopped();
    }

    fn note(&mut self, text: String) {
        if self.notes.len() < MOST_NOTES {
            let at = self.begun.elapsed().as_secs_f64();
            self.notes.push(Note { at, text });
        }
    }

    /// Seconds since the beginning.
    pub fn seconds(&self) -> f64 {
        self.took
            .unwrap_or_else(|| self.begun.elapsed().as_secs_f64())
    }

    /// What there is to show of it.
    pub fn summary(&self) -> Summary {
        let mut notes = self.notes.clone();
        let at = self.seconds();
        notes.extend({ self.objects.absent().into_iter() }.map(|text| Note { at, text }));
        if self.series.is_cut() {
            notes.push(Note {
                at: self.seconds(),
                text: "there are more names of files, sockets and threads than are kept; sums hold"
                    .to_owned(),
            });
        }
        let mut summary = Summary {
            pid: self.root.pid,
            command: self.command.clone(),
            python: self.version,
            seconds: self.seconds(),
            every: self.every.as_secs_f64(),
            looks: self.series.looks(),
            groups: self.groups.names(),
            rows: summary::rows(&[&self.series, &self.types], self.every.as_secs_f64()),
            notes,
            end: self.end.clone(),
        };
        let is_object = |row: &Row| row.measure.sum() == Sum::Objects;
        if summary.growing().any(is_object) && !self.objects.collected() {
            summary.notes.push(Note {
                at: self.seconds(),
                text: "Python has not collected all garbage in that time: what rises among its objects may be cycles that wait for it".to_owned(),
            });
        }
        summary
    }
}
