//! Answers out of a recording: a run is decided once more, and no process is started.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    conversation::{Conversation, Opening},
    loss::{Loss, StartError},
    orders::{self, Order},
    protocol::Record,
    record::{Entry, Head, RUN, Said, Start, Told, VERDICTS},
    wire,
};
use crate::files::{name, read, write};

/// Bytes of the longest file of a recording, and of the longest heap.
const LONGEST: u64 = 1 << 30;
const HEAP: u64 = 4 << 30;

/// A recording that is read.
#[derive(Debug)]
pub struct Replay {
    folder: PathBuf,
    /// What the run was told.
    pub(crate) told: Told,
    /// What was said of each test.
    pub(crate) said: Vec<Said>,
    tracks: Mutex<BTreeMap<String, Track>>,
    /// Tests of which something was asked that is not there.
    off: Mutex<BTreeSet<String>>,
}

/// The workers that took one place, one after the other.
#[derive(Debug, Default)]
struct Track {
    workers: Vec<Recorded>,
    /// How many were asked for.
    started: usize,
    /// Whether the last one goes on: what had no answer ends a test and not the process.
    resumes: bool,
    /// Whether more were asked for than there are.
    short: bool,
}

/// One worker.
#[derive(Debug)]
struct Recorded {
    opening: Result<Opening, StartError>,
    /// What the self-check asked.
    checks: Vec<Entry>,
    checked: usize,
    /// What decides, in turn.
    entries: Vec<Entry>,
    at: usize,
    /// Those that opened a test and were asked for.
    played: BTreeSet<usize>,
    /// What stands at places of the source.
    described: HashMap<String, Value>,
    /// The test that was opened last.
    open: Option<usize>,
    begun: u64,
}

impl Replay {
    /// Reads all of a recording. Fails with what to say.
    pub fn open(folder: &Path) -> Result<Replay, String> {
        let told: Told = file(&folder.join(RUN))?;
        if told.head != Head::OURS {
            return Err(format!(
                "{} was recorded by leakcheck {}; replay it with that version",
                folder.display(),
                told.version
            ));
        }
        let said = file(&folder.join(VERDICTS)).map_err(|error| {
            format!("{error}; without it there is nothing to compare with: the run did not end")
        })?;
        let mut names: Vec<(String, u32)> = Vec::new();
        let entries = folder.read_dir().map_err(|error| shown(folder, &error))?;
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let worker = name.strip_suffix(".jsonl").and_then(place_of);
            names.extend(worker.map(|(place, number)| (place.to_owned(), number)));
        }
        names.sort();
        let mut tracks: BTreeMap<String, Track> = BTreeMap::new();
        for (place, number) in names {
            let worker = worker(&folder.join(format!("{place}.{number}.jsonl")))?;
            tracks.entry(place).or_default().workers.push(worker);
        }
        Ok(Replay {
            folder: folder.to_owned(),
            told,
            said,
            tracks: Mutex::new(tracks),
            off: Mutex::default(),
        })
    }

    /// Version of the leakcheck that recorded it.
    pub fn version(&self) -> &str {
        &self.told.version
    }

    /// How many tests the recording has.
    pub fn tests(&self) -> usize {
        self.said.len()
    }

    /// The next worker of a place; where something was off the record, the same one goes on.
    pub(crate) fn start(self: &Arc<Replay>, worker: &str) -> Result<(Player, Opening), StartError> {
        let (place, _) = place_of(worker).unwrap_or((worker, 0));
        let mut tracks = self.tracks();
        let track = tracks.entry(place.to_owned()).or_default();
        if !std::mem::take(&mut track.resumes) {
            track.started += 1;
        }
        let Some(recorded) = track.workers.get_mut(track.started - 1) else {
            track.short = true;
            let why = "is in no recording: there was none at this point of the run";
            return Err(StartError::Lost(why.to_owned()));
        };
        recorded.checked = 0;
        let opening = recorded.opening.clone()?;
        let player = Player {
            replay: Arc::clone(self),
            place: place.to_owned(),
        };
        Ok((player, opening))
    }

    /// Notes that no worker could be started for a test.
    pub(crate) fn without_worker(&self, id: &str) {
        let is_short = self.tracks().values().any(|track| track.short);
        if is_short {
            self.off().insert(id.to_owned());
        }
    }

    fn tracks(&self) -> MutexGuard<'_, BTreeMap<String, Track>> {
        self.tracks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tests of which something was asked that is not there.
    pub(crate) fn off(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.off.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `a0` and 2 of `a0.2`.
fn place_of(worker: &str) -> Option<(&str, u32)> {
    let (place, number) = worker.rsplit_once('.')?;
    Some((place, number.parse().ok()?))
}

fn shown(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{}: {error}", path.display())
}

fn file<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    let bytes = read::bytes(path, LONGEST).map_err(|error| shown(path, &error))?;
    serde_json::from_slice(&bytes).map_err(|error| shown(path, &error))
}

/// Reads the file of a worker.
fn worker(path: &Path) -> Result<Recorded, String> {
    let bytes = read::bytes(path, LONGEST).map_err(|error| shown(path, &error))?;
    let mut lines = bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let start: Start = serde_json::from_slice(first).map_err(|error| shown(path, &error))?;
    let mut recorded = Recorded {
        opening: opening(start).map_err(|error| shown(path, &error))?,
        checks: Vec::new(),
        checked: 0,
        entries: Vec::new(),
        at: 0,
        played: BTreeSet::new(),
        described: HashMap::new(),
        open: None,
        begun: 0,
    };
    for line in lines {
        let entry: Entry = serde_json::from_slice(line).map_err(|error| shown(path, &error))?;
        match entry.order["do"].as_str() {
            Some("describe") => {
                let places = entry.order["places"].as_array().into_iter().flatten();
                let answers = entry
                    .answer
                    .as_ref()
                    .and_then(|it| it["answers"].as_array());
                for (place, answer) in places.zip(answers.into_iter().flatten()) {
                    recorded.described.insert(place.to_string(), answer.clone());
                }
            }
            // Until a test is opened a worker is looked at itself.
            _ if recorded.entries.is_empty() && !opens(&entry.order) => recorded.checks.push(entry),
            _ => recorded.entries.push(entry),
        }
    }
    Ok(recorded)
}

fn opening(start: Start) -> Result<Result<Opening, StartError>, String> {
    let Some(said) = start.said else {
        let unknown = || StartError::Internal("it did not start".to_owned());
        return Ok(Err(start.failed.unwrap_or_else(unknown)));
    };
    let said = said.map(|said| said.to_string().into_bytes());
    let read = |json: &[u8]| wire::parse(json).map_err(|loss| loss.to_string());
    match (read(&said[0])?, read(&said[1])?) {
        (Record::Hello(hello), Record::Collected(collected)) => Ok(Ok(Opening {
            hello,
            collected,
            terms: start.terms,
            said,
        })),
        _ => Err("it does not begin as a worker does".to_owned()),
    }
}

/// What has to be the same of an order: not where a file is, nor whether it was time to collect garbage.
fn essence(order: &Value) -> Value {
    let mut order = order.clone();
    if let Some(fields) = order.as_object_mut() {
        fields.remove("file");
        fields.remove("thaw");
    }
    order
}

fn opens(order: &Value) -> bool {
    order["do"] == "run" && order["test"].is_u64()
}

/// A worker out of a recording.
pub(crate) struct Player {
    replay: Arc<Replay>,
    place: String,
}

impl Track {
    /// The worker that answers, and the one of its entries that fits; none where there is none.
    fn find(&mut self, json: &Value) -> Option<(&mut Recorded, Entry)> {
        let now = self.started.checked_sub(1)?;
        let wanted = essence(json);
        let fits = |entry: &Entry| essence(&entry.order) == wanted;
        let recorded = self.workers.get_mut(now)?;
        if let Some(entry) = recorded.checks.get(recorded.checked).filter(|it| fits(it)) {
            let entry = entry.clone();
            recorded.checked += 1;
            return Some((&mut self.workers[now], entry));
        }
        let (mut worker, mut at) = (now, self.workers.get(now)?.at);
        if opens(json) {
            let recorded = &self.workers[now];
            // Names decide whose turn it is between equals, and may be other ones.
            let turns = (at..recorded.entries.len()).chain(0..at);
            let is_it = |at: &usize| !recorded.played.contains(at) && fits(&recorded.entries[*at]);
            let first = |recorded: &Recorded| recorded.entries.first().is_some_and(fits);
            if let Some(turn) = { turns }.find(is_it) {
                at = turn;
            } else {
                // What was asked less in between may have begun another process.
                let later = self.workers[now + 1..].iter().position(first)?;
                worker = now + 1 + later;
                at = 0;
                self.started = worker + 1;
            }
            self.workers[worker].played.insert(at);
        }
        let recorded = &mut self.workers[worker];
        let entry = recorded.entries.get(at)?;
        let entry = if fits(entry) {
            entry.clone()
        } else {
            in_other_order(entry, json)?
        };
        recorded.at = at + 1;
        Some((recorded, entry))
    }
}

/// The same ways through the heap, asked for in another order: where names decide between equals, they are others.
fn in_other_order(entry: &Entry, order: &Value) -> Option<Entry> {
    let asked = entry.order["paths"].as_array()?;
    let wanted = order["paths"].as_array()?;
    let answer = entry.answer.as_ref()?;
    let column = |name: &str| -> Option<Value> {
        let told = answer[name].as_array()?;
        let of = |way: &Value| told.get(asked.iter().position(|one| one == way)?).cloned();
        wanted.iter().map(of).collect()
    };
    Some(Entry {
        answer: Some(
            json!({"re": "named", "paths": column("paths")?, "places": column("places")?}),
        ),
        ..entry.clone()
    })
}

impl Conversation for Player {
    fn exchange(&mut self, order: &Order) -> Result<Vec<u8>, Loss> {
        let json = serde_json::to_value(order).unwrap_or_default();
        let mut tracks = self.replay.tracks();
        let track = tracks.entry(self.place.clone()).or_default();
        match order {
            Order::End(_) => return Ok(bytes(&json!({"re": "ended", "errors": []}))),
            Order::Describe(_) => {
                let worker = track.started.checked_sub(1);
                let recorded = worker.and_then(|at| track.workers.get(at));
                let places = json["places"].as_array().into_iter().flatten();
                let answers: Vec<Value> = places
                    .map(|place| recorded.and_then(|it| it.described.get(&place.to_string())))
                    .map(|answer| answer.cloned().unwrap_or(json!(["", null])))
                    .collect();
                let answer = json!({"re": "described", "answers": answers, "errors": []});
                return Ok(bytes(&answer));
            }
            _ => {}
        }
        if let Order::Run(orders::Run {
            test: Some(test), ..
        }) = order
            && let Some(recorded) = track
                .started
                .checked_sub(1)
                .map(|at| &mut track.workers[at])
        {
            recorded.open = Some(*test);
        }
        let Some((recorded, entry)) = track.find(&json) else {
            track.resumes = true;
            let recorded = track.started.checked_sub(1).map(|at| &track.workers[at]);
            let id = recorded.and_then(|it| {
                let opening = it.opening.as_ref().ok()?;
                Some(opening.collected.tests.get(it.open?)?.id.clone())
            });
            self.replay.off().extend(id);
            return Err(Loss::OffTheRecord);
        };
        if let Order::Run(orders::Run {
            test: Some(test), ..
        }) = order
        {
            recorded.open = Some(*test);
        }
        recorded.begun = entry.begun;
        if let (Some(heap), Some(file)) = (&entry.heap, order.file())
            && let Some(heap) = Path::new(heap).file_name()
        {
            let from = self.replay.folder.join(heap);
            // Where it is not there the heap is one that could not be read, as it may be in a run.
            let _ = copy(&from, &name::to_path(file));
        }
        match (entry.answer, entry.loss) {
            (_, Some(loss)) => Err(loss),
            (Some(Value::String(text)), None) => Ok(text.into_bytes()),
            (Some(answer), None) => Ok(bytes(&answer)),
            (None, None) => Err(Loss::OffTheRecord),
        }
    }

    fn begun(&self) -> u64 {
        let tracks = self.replay.tracks();
        let track = tracks.get(&self.place);
        let recorded = track.and_then(|track| track.workers.get(track.started.checked_sub(1)?));
        recorded.map_or(0, |recorded| recorded.begun)
    }

    fn close(&mut self) {}
}

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn copy(from: &Path, to: &Path) -> io::Result<u64> {
    let heap = read::open(from).map_err(io::Error::other)?;
    io::copy(&mut heap.take(HEAP), &mut write::private(to)?)
}
