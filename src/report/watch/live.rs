//! Shows a watch while it goes on: a table that is drawn anew where somebody looks, a line now and then in a log.

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use console::Term;

use super::{figures, plain};
use crate::watch::session::Session;

/// How often a log gets a line.
const EVERY: Duration = Duration::from_secs(10);

/// Where a watch is shown.
pub enum Live {
    /// On the terminal, over what stood there before.
    Table {
        /// That of the standard output.
        term: Term,
        /// Lines of the last drawing.
        lines: usize,
    },
    /// On the error stream, a line at a time.
    Lines {
        /// When the last one was written.
        said: Option<Instant>,
    },
    /// Nowhere.
    Quiet,
}

impl Live {
    /// A table on a terminal; lines where there is none, or where what is watched writes to it as well.
    pub fn new(quiet: bool, shared: bool) -> Live {
        // Written at once, so that nobody sees half of a table.
        let term = Term::buffered_stdout();
        match (quiet, term.is_term() && !shared) {
            (true, _) => Live::Quiet,
            (_, true) => Live::Table { term, lines: 0 },
            _ => Live::Lines { said: None },
        }
    }

    /// Shows what was seen so far.
    pub fn show(&mut self, session: &Session, width: usize) {
        match self {
            Live::Table { term, lines } => {
                let choice = anstream::AutoStream::choice(&io::stdout());
                let mut text = anstream::AutoStream::new(Vec::new(), choice);
                if plain::write(&session.summary(), width, &mut text).is_err() {
                    return;
                }
                let text = text.into_inner();
                let text = String::from_utf8_lossy(&text);
                let height = usize::from(term.size().0).saturating_sub(1).max(1);
                // What does not fit could not be taken away again.
                let shown: Vec<&str> = text.lines().take(height).collect();
                // A terminal that went away ends nothing.
                let _ = term
                    .clear_last_lines(*lines)
                    .and_then(|()| term.write_line(&shown.join("\n")))
                    .and_then(|()| term.flush());
                *lines = shown.len();
            }
            Live::Lines { said } => {
                if said.is_some_and(|said| said.elapsed() < EVERY) {
                    return;
                }
                *said = Some(Instant::now());
                let summary = session.summary();
                let _ = writeln!(
                    anstream::stderr(),
                    "leakcheck: {}: {}",
                    figures::clock(summary.seconds),
                    figures::outcome(&summary)
                );
            }
            Live::Quiet => {}
        }
    }

    /// Takes the table away, for the report that follows.
    pub fn finish(&mut self) {
        if let Live::Table { term, lines } = self {
            let _ = term.clear_last_lines(*lines).and_then(|()| term.flush());
            *lines = 0;
        }
    }
}
