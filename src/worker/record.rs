//! A recording: what was said with each worker of a run, in a folder of its own, without the project's names.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    conversation::{Conversation, Opening},
    loss::{Loss, StartError},
    orders::Order,
    scrub::Scrub,
};
use crate::{
    bridge,
    config::terms::Terms,
    files::{name, read, write},
    finding::stance::Stances,
    verdict::{TestResult, Verdict},
};

/// Version of the form of recordings.
pub(crate) const FORMAT: u32 = 1;
/// What the run was told, and what it said in the end.
pub(crate) const RUN: &str = "run.json";
pub(crate) const VERDICTS: &str = "verdicts.json";
/// Bytes of the longest file of a heap.
const HEAP: u64 = 4 << 30;

/// What stands in front of each file of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// Version of its form.
    pub recording: u32,
    /// Version of orders and answers.
    pub protocol: u32,
}

impl Head {
    pub const OURS: Head = Head {
        recording: FORMAT,
        protocol: bridge::PROTOCOL,
    };
}

/// What a run was told, as far as it decides with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Told {
    #[serde(flatten)]
    pub head: Head,
    /// Version of the leakcheck that recorded it.
    pub version: String,
    /// Whether names and texts are as they were.
    pub names: bool,
    pub memory: u64,
    pub warmup: u32,
    pub iterations: Option<u32>,
    pub thorough: bool,
    pub budget: Option<Duration>,
    pub pace: u32,
    #[serde(default)]
    pub stances: Stances,
    pub project: String,
    pub packages: Vec<String>,
    pub stdlib: Vec<String>,
    pub bridge: String,
}

/// The first line of a worker's file: what it said before its first order, or why there was none.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    #[serde(flatten)]
    pub head: Head,
    pub worker: String,
    pub said: Option<[Value; 2]>,
    pub terms: Vec<Terms>,
    pub failed: Option<StartError>,
}

/// Each other line: an order, and what came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub order: Value,
    /// The answer, or what came in its stead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
    /// Iterations of the open test that were begun.
    pub begun: u64,
    /// The file beside it that has the heap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heap: Option<String>,
}

/// What was said of a test in the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Said {
    pub id: String,
    pub verdict: Verdict,
    pub rule: Option<String>,
}

/// A recording that is being made.
#[derive(Debug)]
pub struct Recording {
    folder: PathBuf,
    /// Absent where names are kept.
    pub(crate) scrub: Option<Scrub>,
    /// The first thing that could not be written.
    failed: Mutex<Option<String>>,
}

impl Recording {
    /// Begins a recording in a folder that is new or empty. With `names`, those of the project stay in it.
    pub fn create(folder: &Path, names: bool) -> io::Result<Recording> {
        write::private_folder(folder)?;
        Ok(Recording {
            folder: folder.to_owned(),
            scrub: (!names).then(Scrub::default),
            failed: Mutex::new(None),
        })
    }

    /// Notes how a worker started, and all that is said with it from then on.
    pub(crate) fn start(
        self: &Arc<Recording>,
        worker: &str,
        started: Result<(Box<dyn Conversation>, Opening), StartError>,
    ) -> Result<(Recorder, Opening), StartError> {
        let mut start = Start {
            head: Head::OURS,
            worker: worker.to_owned(),
            said: None,
            terms: Vec::new(),
            failed: started.as_ref().err().cloned(),
        };
        if let Ok((_, opening)) = &started {
            let said = opening.said.each_ref().map(|said| parsed(said));
            start.said = Some(said);
            start.terms.clone_from(&opening.terms);
        }
        let mut start = serde_json::to_value(start).unwrap_or_default();
        if let Some(Value::Array(said)) = start.get_mut("said")
            && let Some(Value::Object(collected)) = said.get_mut(1)
        {
            // The terms say what they come to.
            collected.insert("marks".to_owned(), Value::Array(Vec::new()));
        }
        let out = write::private(&self.folder.join(format!("{worker}.jsonl")));
        let mut log = Log {
            out: self.kept(out),
            recording: Arc::clone(self),
            worker: worker.to_owned(),
            heaps: 0,
        };
        log.write(start);
        let (line, opening) = started?;
        Ok((Recorder { line, log }, opening))
    }

    /// Notes what was said in the end. Fails with the first thing that could not be written since the beginning.
    pub fn finish(&self, tests: &[TestResult]) -> Result<(), String> {
        let said: Vec<Said> = tests
            .iter()
            .map(|test| Said {
                id: self.text(&test.id),
                verdict: test.verdict,
                rule: test.rule.map(|rule| rule.name().to_owned()),
            })
            .collect();
        self.put(VERDICTS, &said);
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.take().map_or(Ok(()), Err)
    }

    /// A text as the recording has it.
    pub(crate) fn text(&self, text: &str) -> String {
        match &self.scrub {
            Some(scrub) => scrub.text(text),
            None => text.to_owned(),
        }
    }

    /// Writes a file of it.
    pub(crate) fn put(&self, name: &str, value: &impl Serialize) {
        let written = write::private(&self.folder.join(name)).and_then(|mut out| {
            serde_json::to_writer(&mut out, value)?;
            out.write_all(b"\n")
        });
        self.kept(written);
    }

    /// Takes note of what failed.
    fn kept<T>(&self, result: io::Result<T>) -> Option<T> {
        result
            .map_err(|error| {
                let folder = self.folder.display();
                let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
                failed.get_or_insert(format!("the recording in {folder} is not whole: {error}"));
            })
            .ok()
    }
}

/// A test may have written what is no JSON.
fn parsed(answer: &[u8]) -> Value {
    serde_json::from_slice(answer)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(answer).into_owned()))
}

/// The file of one worker.
struct Log {
    /// Absent once it could not be written.
    out: Option<File>,
    recording: Arc<Recording>,
    worker: String,
    heaps: u32,
}

impl Log {
    fn write(&mut self, mut value: Value) {
        if let Some(scrub) = &self.recording.scrub {
            scrub.value(&mut value);
        }
        let Some(out) = &mut self.out else { return };
        // One write a line: what is there is whole, also where the run is killed.
        let mut line = serde_json::to_vec(&value).unwrap_or_default();
        line.push(b'\n');
        let written = out.write_all(&line);
        if self.recording.kept(written).is_none() {
            self.out = None;
        }
    }

    /// Keeps the heap that the process wrote down, and gives back its name.
    fn heap(&mut self, order: &Order) -> Option<String> {
        let heap = read::open(&name::to_path(order.file()?)).ok()?;
        self.heaps += 1;
        let kept = format!("{}-{}.heap", self.worker, self.heaps);
        let copied = write::private(&self.recording.folder.join(&kept))
            .and_then(|mut out| io::copy(&mut heap.take(HEAP), &mut out));
        self.recording.kept(copied).map(|_| kept)
    }
}

/// A process, with all that is said with it written down.
pub(crate) struct Recorder {
    line: Box<dyn Conversation>,
    log: Log,
}

impl Conversation for Recorder {
    fn exchange(&mut self, order: &Order) -> Result<Vec<u8>, Loss> {
        let answer = self.line.exchange(order);
        let entry = Entry {
            order: serde_json::to_value(order).unwrap_or_default(),
            answer: answer.as_ref().ok().map(|answer| parsed(answer)),
            loss: answer.as_ref().err().cloned(),
            begun: self.line.begun(),
            heap: answer.is_ok().then(|| self.log.heap(order)).flatten(),
        };
        self.log
            .write(serde_json::to_value(entry).unwrap_or_default());
        answer
    }

    fn begun(&self) -> u64 {
        self.line.begun()
    }

    fn close(&mut self) {
        self.line.close();
    }
}
