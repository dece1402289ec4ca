//! The events of a run as JSON Lines, for tools that follow it while it goes on.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use serde_json::{Value, json};

use super::{Report, json as out_json};
use crate::{files::write, run::event::Event};

/// Name and version of the schema of the lines. Within a version it only grows.
pub const SCHEMA: &str = "leakcheck.events/1";

/// Writes each event as one line, at once.
pub struct Log<W: Write + Send = File> {
    state: Mutex<State<W>>,
    begun: Instant,
}

struct State<W> {
    out: W,
    /// The first thing that went wrong; later ones follow from it.
    error: Option<io::Error>,
}

impl Log<File> {
    /// Begins a log in a new file.
    pub fn create(path: &Path) -> io::Result<Log> {
        Ok(Log::new(write::stream(path)?))
    }
}

impl<W: Write + Send> Log<W> {
    /// Begins a log.
    pub fn new(out: W) -> Log<W> {
        let log = Log {
            state: Mutex::new(State { out, error: None }),
            begun: Instant::now(),
        };
        log.line(json!({
            "event": "start",
            "schema": SCHEMA,
            "version": env!("CARGO_PKG_VERSION"),
        }));
        log
    }

    /// Writes one event of the run.
    pub fn event(&self, event: &Event) {
        self.line(match event {
            Event::Collected { tests } => json!({"event": "collected", "tests": tests}),
            Event::Kept { tests } => json!({"event": "kept", "tests": tests}),
            Event::Started { id } => json!({"event": "started", "id": id}),
            Event::Screened { id, concluded } => {
                let mut line = json!({"event": "screened", "id": id, "suspect": concluded.is_none()});
                if let Some((verdict, rule)) = concluded {
                    line["verdict"] = json!(verdict.word());
                    line["rule"] = json!(rule.name());
                }
                line
            }
            Event::Tracing { suspects, .. } => json!({"event": "tracing", "suspects": suspects}),
            Event::Suspect { id } => json!({"event": "suspect", "id": id}),
            Event::Judged { ids, verdict, rule } => {
                json!({"event": "judged", "ids": ids, "verdict": verdict.word(), "rule": rule.name()})
            }
        });
    }

    /// Writes what came of the run: each finding, and the end. Gives back what went wrong since the beginning.
    pub fn finish(self, report: &Report) -> io::Result<()> {
        for finding in &report.findings {
            self.line(json!({
                "event": "finding",
                "fingerprint": finding.fingerprint,
                "code": finding.code,
                "status": finding.status,
                "verdict": finding.verdict,
                "level": finding.level,
                "fails": finding.fails,
                "summary": finding.summary,
                "tests": finding.tests,
            }));
        }
        self.line(json!({
            "event": "finish",
            "exit_code": report.exit_code.number(),
            "tests": report.tests.len(),
            "failing": report.failing().count(),
        }));
        let state = self
            .state
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        state.error.map_or(Ok(()), Err)
    }

    fn line(&self, mut value: Value) {
        value["seconds"] = json!((self.begun.elapsed().as_secs_f64() * 1000.0).round() / 1000.0);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.error.is_some() {
            return;
        }
        // One write a line: a reader never sees half of one.
        let mut bytes = Vec::new();
        let written = out_json::line(&value, &mut bytes).and_then(|()| state.out.write_all(&bytes));
        state.error = written.err();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::verdict::{Verdict, rule::Rule};

    #[test]
    fn each_event_is_one_line_whatever_its_names_hold() {
        let log = Log::new(Vec::new());
        for event in [
            Event::Collected { tests: 2 },
            Event::Started {
                id: "a\n\u{2028}\x1b[31m".to_owned(),
            },
            Event::Screened {
                id: "a".to_owned(),
                concluded: None,
            },
            Event::Tracing {
                suspects: 1,
                budget: Duration::from_secs(60),
            },
            Event::Suspect { id: "a".to_owned() },
            Event::Judged {
                ids: vec!["a".to_owned()],
                verdict: Verdict::Leak,
                rule: Rule::GrewToTimeEnd,
            },
        ] {
            log.event(&event);
        }
        let bytes = log.state.into_inner().unwrap().out;
        let text = String::from_utf8(bytes).unwrap();
        let events: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let names: Vec<&str> = events
            .iter()
            .map(|event| event["event"].as_str().unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "start",
                "collected",
                "started",
                "screened",
                "tracing",
                "suspect",
                "judged"
            ]
        );
        assert_eq!(events[2]["id"], "a\n\u{2028}\x1b[31m");
        assert!(!text.contains('\x1b') && !text.contains('\u{2028}'));
    }
}
