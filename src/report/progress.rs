//! Shows how a run goes on: a bar where somebody watches, a line now and then in a log.

use std::{
    io::{self, IsTerminal},
    sync::Mutex,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::text;
use crate::run::event::Event;

/// How often a log gets a line.
const EVERY: Duration = Duration::from_secs(10);

/// Turns events into something to watch, on the standard error stream.
pub struct Progress {
    state: Mutex<State>,
}

struct State {
    bar: Option<ProgressBar>,
    phase: &'static str,
    total: usize,
    done: usize,
    suspects: usize,
    begun: Instant,
    said: Instant,
}

impl Progress {
    /// A bar on a terminal, lines elsewhere; nothing where `quiet`.
    pub fn new(quiet: bool) -> Option<Progress> {
        if quiet {
            return None;
        }
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template(
                "{prefix:>9} {bar:24} {pos}/{len} · {elapsed} · ETA {eta} · {wide_msg}",
            ) {
                bar.set_style(style);
            }
            bar
        });
        Some(Progress {
            state: Mutex::new(State {
                bar,
                phase: "collect",
                total: 0,
                done: 0,
                suspects: 0,
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
            Event::Collected { tests } => state.phase("screen", *tests),
            Event::Tracing { suspects } => state.phase("suspects", *suspects),
            Event::Started { id } | Event::Suspect { id } => {
                if let Some(bar) = &state.bar {
                    bar.set_message(message(state.suspects, id));
                }
            }
            Event::Screened { suspect } => {
                state.suspects += usize::from(*suspect);
                state.advance(1);
            }
            Event::Judged { count } => state.advance(*count),
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

fn message(suspects: usize, id: &str) -> String {
    let id = text::shortened(id, 80);
    match suspects {
        0 => id,
        1 => format!("1 suspect · {id}"),
        count => format!("{count} suspects · {id}"),
    }
}

impl State {
    fn phase(&mut self, phase: &'static str, total: usize) {
        self.phase = phase;
        self.total = total;
        self.done = 0;
        self.begun = Instant::now();
        if let Some(bar) = &self.bar {
            bar.set_prefix(phase);
            bar.set_length(u64::try_from(total).unwrap_or(u64::MAX));
            bar.set_position(0);
            bar.reset_eta();
        }
    }

    fn advance(&mut self, count: usize) {
        self.done += count;
        if let Some(bar) = &self.bar {
            bar.set_position(u64::try_from(self.done).unwrap_or(u64::MAX));
        } else if self.said.elapsed() >= EVERY {
            self.said = Instant::now();
            let left = eta(self.begun.elapsed(), self.done, self.total);
            anstream::eprintln!(
                "leakcheck: {} {} of {}, {} suspects, about {} s left",
                self.phase,
                self.done,
                self.total,
                self.suspects,
                left.as_secs()
            );
        }
    }
}

/// Time left, if the rest goes as the part that is done.
fn eta(elapsed: Duration, done: usize, total: usize) -> Duration {
    if done == 0 {
        return Duration::ZERO;
    }
    elapsed.mul_f64(total.saturating_sub(done) as f64 / done as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_takes_as_long_as_the_part_that_is_done() {
        assert_eq!(
            eta(Duration::from_secs(10), 20, 60),
            Duration::from_secs(20)
        );
        assert_eq!(eta(Duration::from_secs(10), 0, 60), Duration::ZERO);
        assert_eq!(eta(Duration::from_secs(10), 61, 60), Duration::ZERO);
    }
}
