//! Shows how a run goes on: a bar where somebody watches, a line now and then in a log.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::{github, text};
use crate::{run::event::Event, verdict::Verdict};

/// How often a log gets a line.
const EVERY: Duration = Duration::from_secs(10);

/// Turns events into something to watch, on the standard error stream.
pub struct Progress {
    state: Mutex<State>,
}

struct State {
    bar: Option<ProgressBar>,
    /// What the phase may take, where that is limited.
    budget: Arc<Mutex<Option<Duration>>>,
    phase: &'static str,
    total: usize,
    done: usize,
    suspects: usize,
    /// Tests that were judged to leak.
    leaks: usize,
    /// The test that began last, shortened.
    current: String,
    begun: Instant,
    said: Instant,
}

impl Progress {
    /// A bar on a terminal, lines elsewhere; nothing where `quiet`.
    pub fn new(quiet: bool) -> Option<Progress> {
        if quiet {
            return None;
        }
        let budget = Arc::new(Mutex::new(None));
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template(
                "{prefix:>9} {bar:24} {pos}/{len} · {elapsed} · {left} · {wide_msg}",
            ) {
                let budget = Arc::clone(&budget);
                bar.set_style(style.with_key(
                    "left",
                    move |state: &ProgressState, out: &mut dyn fmt::Write| {
                        let total = state.len().unwrap_or_default();
                        let budget = budget.lock().map_or(None, |budget| *budget);
                        let eta = eta(state.elapsed(), state.pos(), total);
                        let _ = out.write_str(&left(eta, state.elapsed(), budget));
                    },
                ));
            }
            bar
        });
        Some(Progress {
            state: Mutex::new(State {
                bar,
                budget,
                phase: "collect",
                total: 0,
                done: 0,
                suspects: 0,
                leaks: 0,
                current: String::new(),
                begun: Instant::now(),
                said: Instant::now(),
            }),
        })
    }

    /// Takes one event.
    pub fn event(&self, event: &Event) {
        let Ok(mut state) = self.state.lock() else {
            return;
        };
        match event {
            Event::Collected { tests } => state.phase("screen", *tests, None),
            Event::Kept { tests } => state.advance(*tests),
            Event::Tracing { suspects, budget } => {
                state.phase("suspects", *suspects, Some(*budget));
            }
            Event::Started { id } | Event::Suspect { id } => state.current(id),
            Event::Screened { concluded, .. } => {
                state.suspects += usize::from(concluded.is_none());
                state.advance(1);
            }
            Event::Judged { ids, verdict, .. } => {
                if *verdict == Verdict::Leak {
                    state.leaks += ids.len();
                }
                state.advance(ids.len());
            }
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Ok(state) = self.state.lock()
            && let Some(bar) = &state.bar
        {
            bar.finish_and_clear();
        }
    }
}

impl State {
    fn phase(&mut self, phase: &'static str, total: usize, budget: Option<Duration>) {
        if let Ok(mut own) = self.budget.lock() {
            *own = budget;
        }
        self.phase = phase;
        self.total = total;
        self.done = 0;
        self.current.clear();
        self.begun = Instant::now();
        if let Some(bar) = &self.bar {
            bar.set_prefix(phase);
            bar.set_length(u64::try_from(total).unwrap_or(u64::MAX));
            bar.set_position(0);
            bar.reset_eta();
        }
    }

    fn current(&mut self, id: &str) {
        self.current = text::shortened(id, 80);
        if let Some(bar) = &self.bar {
            bar.set_message(self.message());
        }
    }

    fn advance(&mut self, count: usize) {
        self.done += count;
        if let Some(bar) = &self.bar {
            bar.set_position(u64::try_from(self.done).unwrap_or(u64::MAX));
            bar.set_message(self.message());
        } else if self.said.elapsed() >= EVERY {
            self.said = Instant::now();
            let line = github::neutral(&self.line(self.begun.elapsed()));
            // Nobody may be there to read it any more.
            let _ = writeln!(anstream::stderr(), "{line}");
        }
    }

    /// What was found so far, and the current test.
    fn message(&self) -> String {
        let mut parts = Vec::new();
        if self.suspects > 0 {
            parts.push(text::counted(self.suspects, "suspect"));
        }
        if self.leaks > 0 {
            parts.push(format!("{} leaking", self.leaks));
        }
        if !self.current.is_empty() {
            parts.push(self.current.clone());
        }
        parts.join(" · ")
    }

    /// The state in a line of a log.
    fn line(&self, elapsed: Duration) -> String {
        let eta = eta(elapsed, self.done as u64, self.total as u64);
        let budget = self.budget.lock().map_or(None, |budget| *budget);
        let left = left(eta, elapsed, budget);
        format!(
            "leakcheck: {} {} of {}, {left}, {}",
            self.phase,
            self.done,
            self.total,
            self.message()
        )
    }
}

/// `45 s`, `3 min`, `2 h 5 min`: as coarse as an estimate is.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3600, seconds / 60) {
        (0, 0) => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) => format!("{hours} h {} min", minutes % 60),
    }
}

/// What is left of a phase, in words. What is not done when its budget is spent is left.
fn left(eta: Option<Duration>, elapsed: Duration, budget: Option<Duration>) -> String {
    let Some(eta) = eta else {
        return "time left unknown".to_owned();
    };
    if eta.is_zero() {
        // What retains the leaks, and which call makes them, is looked for when all are judged.
        return "all judged, the last looks".to_owned();
    }
    match budget.map(|budget| budget.saturating_sub(elapsed)) {
        // Tests that wait take no CPU time, of which the budget is.
        Some(Duration::ZERO) => "about to run out of its budget".to_owned(),
        Some(budget) => format!("about {} left", clock(eta.min(budget))),
        None => format!("about {} left", clock(eta)),
    }
}

/// Time left, if the rest goes as the part that is done; unknown before anything is.
fn eta(elapsed: Duration, done: u64, total: u64) -> Option<Duration> {
    (done > 0).then(|| elapsed.mul_f64(total.saturating_sub(done) as f64 / done as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_takes_as_long_as_the_part_that_is_done() {
        let seconds = Duration::from_secs;
        assert_eq!(eta(seconds(10), 20, 60), Some(seconds(20)));
        assert_eq!(eta(seconds(10), 0, 60), None);
        assert_eq!(eta(seconds(10), 61, 60), Some(Duration::ZERO));
        assert_eq!(clock(seconds(59)), "59 s");
        assert_eq!(clock(seconds(7500)), "2 h 5 min");
    }

    #[test]
    fn no_more_time_is_left_than_the_budget() {
        let seconds = Duration::from_secs;
        let after = |elapsed: u64| left(Some(seconds(3600)), seconds(elapsed), Some(seconds(60)));
        assert_eq!(after(10), "about 50 s left");
        assert_eq!(after(70), "about to run out of its budget");
        let budget = Some(seconds(60));
        assert_eq!(
            left(Some(seconds(5)), seconds(10), budget),
            "about 5 s left"
        );
        assert_eq!(left(None, seconds(10), budget), "time left unknown");
        assert_eq!(
            left(Some(seconds(0)), seconds(10), budget),
            "all judged, the last looks"
        );
        assert_eq!(
            left(Some(seconds(3600)), seconds(10), None),
            "about 1 h 0 min left"
        );
    }

    #[test]
    fn a_line_of_a_log_says_all_that_the_bar_shows() {
        let mut state = State {
            bar: None,
            budget: Arc::default(),
            phase: "screen",
            total: 60,
            done: 20,
            suspects: 1,
            leaks: 2,
            current: String::new(),
            begun: Instant::now(),
            said: Instant::now(),
        };
        state.current("tests/test_a.py::test\x1b[31m_b");
        assert_eq!(
            state.line(Duration::from_secs(10)),
            "leakcheck: screen 20 of 60, about 20 s left, 1 suspect · 2 leaking · tests/test_a.py::test\\u{1b}[31m_b"
        );
    }
}
