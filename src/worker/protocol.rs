//! What comes from a worker, one JSON line each; `orders.rs` has what goes there.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::{
    explain::{lines::Function, lost::Call, native::Node, survivors::Survivors},
    files::name,
    finding::Kind,
    heap::{graph::Dump, route::Step},
    investigate::references::{Beside, Count},
    kept::noted,
    verdict::{Counter, Series},
};
pub use crate::{
    investigate::trial::{Filling, Gained, Held, Lowered, Numbers, Window},
    verdict::outcome::{Outcome, Status},
};

/// What a worker reads when it starts.
#[derive(Debug, Serialize)]
pub struct Orders<'a> {
    /// Path of the socket to connect to.
    pub socket: &'a str,
    /// What the records before the first order begin with.
    pub token: &'a str,
    /// Path of the heartbeat page.
    pub heartbeat: &'a str,
    /// Path of the file that stacks are dumped to.
    pub stacks: &'a str,
    /// Number of the signal that asks for such a dump.
    pub stack_signal: i32,
    /// Most readings one answer can hold.
    pub capacity: u32,
    /// `pytest`, `unittest` or `command`.
    pub runner: &'a str,
    /// Arguments for the runner.
    pub args: &'a [String],
    /// Paths or test ids to collect; empty for the runner's own default.
    pub paths: &'a [String],
    /// Path of the file with what a command hands over, which the first worker writes.
    pub listing: &'a str,
    /// Absolute paths of files that need not be collected.
    pub skip: &'a [String],
    /// Absolute paths of files that must not be imported, because that ended a worker before this one.
    pub deadly: &'a [String],
    /// Path of the file that names the test file which is being imported.
    pub importing: &'a str,
    /// Path of the library that is preloaded, if one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preload: Option<&'a str>,
    /// Where child processes are asked for their heaps, if they are: a folder that the worker makes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inside: Option<String>,
    /// Directory in which the worker runs.
    pub cwd: &'a str,
    /// Whether `cwd` goes first on `sys.path`.
    pub cwd_on_path: bool,
    /// Where pytest makes temporary folders.
    pub base_temp: &'a str,
    /// Where pytest keeps its cache.
    pub cache_dir: &'a str,
    /// What the project counts itself: name, and `module:function`.
    pub counters: Vec<(&'a str, &'a str)>,
    /// Beginnings of the paths that are not the project's, where it is noted what tests depend on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outside: Option<&'a [String]>,
    /// The project's folder, where no other worker runs tests in it: files that come there are this one's.
    pub project: Option<&'a str>,
}

/// One record from a worker.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "re", rename_all = "lowercase")]
pub enum Record {
    /// The handshake.
    Hello(Hello),
    /// The tests are collected.
    Collected(Collected),
    /// Answer to [`orders::Run`](super::orders::Run) and [`orders::SelfCheck`](super::orders::SelfCheck).
    Ran(Ran),
    /// Answer to [`orders::Trace`](super::orders::Trace).
    Traced(Traced),
    /// Answer to [`orders::Grown`](super::orders::Grown).
    Grown(Grown),
    /// Answer to [`orders::Still`](super::orders::Still).
    Still(Still),
    /// Answer to [`orders::Follow`](super::orders::Follow).
    Followed(Followed),
    /// Answer to [`orders::Fill`](super::orders::Fill).
    Filled(Filling),
    /// Answer to [`orders::Gain`](super::orders::Gain).
    Gained(Gained),
    /// Answer to [`orders::Beside`](super::orders::Beside).
    Beside(Numbers),
    /// Answer to [`orders::Lower`](super::orders::Lower).
    Lowered(Lowered),
    /// Answer to [`orders::Hold`](super::orders::Hold).
    Held(Held),
    /// Answer to [`orders::Dump`](super::orders::Dump) and [`orders::Garbage`](super::orders::Garbage).
    Dumped(Dumped),
    /// Answer to [`orders::Free`](super::orders::Free).
    Freed(Freed),
    /// Answer to [`orders::Calls`](super::orders::Calls).
    Called(Called),
    /// Answer to [`orders::Count`](super::orders::Count).
    Counted(Counted),
    /// Answer to [`orders::References`](super::orders::References).
    Referred(Referred),
    /// Answer to [`orders::Unclosed`](super::orders::Unclosed).
    Unclosed(Unclosed),
    /// Answer to [`orders::Survivors`](super::orders::Survivors).
    Survived(Survived),
    /// Answer to [`orders::Name`](super::orders::Name).
    Named(Named),
    /// Answer to [`orders::Describe`](super::orders::Describe).
    Described(Described),
    /// Answer to [`orders::Inside`](super::orders::Inside).
    Inside(Inside),
    /// Answer to [`orders::Population`](super::orders::Population).
    Populated(Populated),
    /// Answer to [`orders::End`](super::orders::End).
    Ended(Ended),
    /// The runner ended before any test could be asked for.
    Stopped {
        /// Its exit status.
        status: i32,
        /// Why, where its output does not say so.
        #[serde(default)]
        why: Option<String>,
    },
    /// The bridge could not start or failed.
    Error(Failure),
}

/// An error in the bridge.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Failure {
    /// The Python error in one line.
    pub message: String,
    /// All of it.
    pub traceback: String,
    /// Whether the bridge's own code is not to blame for it.
    #[serde(default)]
    pub foreign: bool,
    /// Whose code raised it then, where that is known.
    #[serde(default)]
    pub place: Option<String>,
}

/// First record of a worker.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Hello {
    /// Must be [`crate::bridge::PROTOCOL`].
    pub protocol: u32,
    /// `pytest`, `unittest` or `command`.
    pub runner: String,
    /// Version of the runner.
    pub runner_version: String,
    /// `exact`, `estimate` or `absent`, by counter.
    pub counters: BTreeMap<Counter, String>,
    /// Whether Python's own memory is in `heap`, where it is large.
    pub sizes: bool,
    /// Whether classes and functions that are dropped stay for good.
    pub keeps_classes: bool,
    /// Why native memory cannot be traced, where that was wanted.
    #[serde(default)]
    pub untraceable: Option<String>,
}

/// What was collected.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Collected {
    /// Every test, in the runner's order.
    pub tests: Vec<Collectable>,
    /// Files or folders that could not be collected.
    pub errors: Vec<Trouble>,
    /// Plugins that were neutralised, one line each.
    pub notes: Vec<String>,
    /// Marks of ours on the tests; those of one test closest first.
    #[serde(default)]
    pub marks: Vec<Mark>,
    /// CPU seconds of the process so far.
    pub cpu: f64,
    /// What was noted meanwhile of what the tests depend on.
    #[serde(default)]
    pub depends: Option<noted::Collecting>,
}

/// One collected test.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
pub struct Collectable {
    /// The runner's id.
    #[serde(deserialize_with = "shown")]
    pub id: String,
    /// Absolute path of its file, as [`name::to_path`] takes it.
    pub file: String,
}

fn shown<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map(|text| name::shown(&text))
}

/// Something that went wrong beside the tests themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Where, in the runner's words.
    #[serde(rename = "where")]
    pub place: String,
    /// The error in one line.
    pub message: String,
}

/// Answer to [`orders::Run`](super::orders::Run).
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Ran {
    /// Iterations begun, the last one included even if it did not pass.
    pub iterations: u32,
    /// Of the last iteration.
    pub outcome: Outcome,
    /// Wall seconds of the first iteration of this answer.
    pub seconds: f64,
    /// CPU seconds of the warm-up.
    pub cpu_warm: f64,
    /// CPU seconds of the whole answer.
    pub cpu: f64,
    /// Of these, for the readings.
    #[serde(default)]
    pub cpu_read: f64,
    /// Resident bytes of the process afterwards.
    pub resident: u64,
    /// And before the first iteration, where a window was opened there.
    #[serde(default)]
    pub resident_before: Option<u64>,
    /// The readings.
    pub series: Series,
    /// At which of them a window was opened after the warm-up.
    #[serde(default)]
    pub opened: Option<usize>,
    /// Whether a cache was emptied for the last reading that is known to fill.
    pub emptied: bool,
    /// Whether containers too new to be watched hold more entries than after the warm-up.
    pub filling: bool,
    /// What is looked at apart from growth; taken out of the series.
    #[serde(skip)]
    pub apart: Series,
    /// `scope:where:name` of the fixtures of class, module, package and session that are set up.
    #[serde(default)]
    pub wider: Vec<String>,
    /// Teardown errors of wider fixtures that belong to earlier tests.
    pub errors: Vec<Trouble>,
    /// What the test depends on, where that was asked for.
    #[serde(default)]
    pub noted: Option<noted::Noted>,
}

/// Answer to [`orders::Trace`](super::orders::Trace).
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Traced {
    /// Of the last iteration.
    pub outcome: Outcome,
    /// Whether the test stopped tracemalloc.
    pub lost: bool,
    /// Whether it asked if tracemalloc is on.
    #[serde(default)]
    pub asked: bool,
    /// Whether nothing was traced since the test makes interpreters.
    pub interpreters: bool,
    /// CPU seconds.
    pub cpu: f64,
    /// Resident bytes of the process afterwards.
    pub resident: u64,
    /// Per boundary (one only where so ordered): traceback number, blocks and bytes alive.
    pub boundaries: Vec<Vec<(usize, i64, i64)>>,
    /// Per boundary: bytes that malloc has given for what is too large for pymalloc, and blocks of the others.
    #[serde(default)]
    pub malloced: Vec<(i64, i64)>,
    /// By number: file and line of each frame, innermost first.
    pub tracebacks: Vec<Vec<(String, u32)>>,
    /// Survivors by type: name, objects and bytes per iteration.
    pub types: Vec<(String, f64, f64)>,
    /// See [`Ran::errors`].
    pub errors: Vec<Trouble>,
}

/// Answer to [`orders::Follow`](super::orders::Follow).
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Followed {
    /// Of the last iteration.
    pub outcome: Outcome,
    /// Whether all of the iteration was followed.
    pub whole: bool,
    /// CPU seconds.
    pub cpu: f64,
    /// Functions that ran.
    pub functions: Vec<Function>,
    /// Highest level that stood between two lines, above that of entering the first function.
    pub stood: i64,
    /// The highest of all; absent on a Python that does not tell.
    pub top: Option<i64>,
    /// What was in use where most stood.
    pub standing: Option<Standing>,
    /// Of that: traceback number, blocks and bytes.
    pub boundaries: Vec<Vec<(usize, i64, i64)>>,
    /// By number: file and line of each frame, innermost first.
    pub tracebacks: Vec<Vec<(String, u32)>>,
    /// See [`Ran::errors`].
    pub errors: Vec<Trouble>,
}

/// Answer to [`orders::Calls`](super::orders::Calls).
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Called {
    /// Of the last iteration.
    pub outcome: Outcome,
    /// CPU seconds.
    pub cpu: f64,
    /// Whether the test set or ended tracing of its own.
    pub lost: bool,
    /// Whether frames were too deep, or too many, to be read one by one.
    pub cut: bool,
    /// What each iteration added to the number that was read.
    pub totals: Vec<i64>,
    /// Every line and call that added to it or took from it; the first one is the whole iteration.
    pub nodes: Vec<Node>,
    /// See [`Ran::errors`].
    pub errors: Vec<Trouble>,
}

/// A moment at which most was in use.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Standing {
    /// File and line that was about to run.
    pub line: (String, u32),
    /// Objects by type and traceback: name, number of the traceback, how many, bytes.
    pub types: Vec<(String, usize, u64, i64)>,
}

/// Answer to [`orders::References`](super::orders::References).
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Referred {
    /// Of the last iteration.
    pub outcome: Outcome,
    /// CPU seconds.
    pub cpu: f64,
    /// Calls of builtins, and lines that may call a foreign function.
    pub calls: Vec<Call>,
    /// See [`Ran::errors`].
    pub errors: Vec<Trouble>,
}

/// Answer to [`orders::Survivors`](super::orders::Survivors).
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Survived {
    /// Of the last iteration.
    pub outcome: Outcome,
    /// Iterations that passed, those of earlier orders included.
    pub iterations: u32,
    /// CPU seconds.
    pub cpu: f64,
    /// What lives on of each iteration since the tracing began.
    #[serde(flatten)]
    pub found: Survivors,
    /// See [`Ran::errors`].
    pub errors: Vec<Trouble>,
}

/// Answer to [`orders::Count`](super::orders::Count).
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Counted {
    /// Of the last iteration.
    pub outcome: Outcome,
    /// CPU seconds.
    pub cpu: f64,
    /// Those to which the references changed by more than what is seen to refer to them.
    pub objects: Vec<Count>,
    /// What came beside, in all iterations that tell how.
    #[serde(flatten)]
    pub beside: Beside,
    /// See [`Ran::errors`].
    pub errors: Vec<Trouble>,
}

/// Answer to [`orders::Unclosed`](super::orders::Unclosed).
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Unclosed {
    /// Of the last iteration.
    pub outcome: Outcome,
    /// CPU seconds.
    pub cpu: f64,
    /// What Python warned of.
    pub warned: Vec<Warned>,
    /// See [`Ran::errors`].
    pub errors: Vec<Trouble>,
}

/// Something that nobody closed.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Warned {
    /// In which iteration.
    pub iteration: u32,
    /// Its type; empty where the warning does not say it.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the warning says.
    pub text: String,
    /// Whether the frames are those that made it, and not those that let go of it.
    pub made: bool,
    /// File and line of each, innermost first.
    pub frames: Vec<(String, u32)>,
}

/// Answer to [`orders::Dump`](super::orders::Dump).
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Dumped {
    /// Of the last iteration.
    pub outcome: Outcome,
    /// CPU seconds.
    pub cpu: f64,
    /// Of these, for writing the graph.
    pub cpu_dump: f64,
    /// Resident bytes of the process afterwards.
    pub resident: u64,
    /// How to read the file; absent where an iteration did not pass.
    pub graph: Option<Dump>,
    /// Descriptors, threads, tasks and child processes that came in these iterations: kind and words of each.
    #[serde(default)]
    pub resources: Vec<(Kind, String)>,
    /// See [`Ran::errors`].
    pub errors: Vec<Trouble>,
}

/// Answer to [`orders::Inside`](super::orders::Inside).
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Inside {
    /// Of the last iteration.
    pub outcome: Outcome,
    /// CPU seconds of the worker's own.
    pub cpu: f64,
    /// How to read the file; absent where no child process could be asked, or an iteration did not pass.
    pub graph: Option<Dump>,
    /// How many processes of that name were asked.
    pub asked: u32,
    /// Why some could not be asked, one line each.
    pub troubles: Vec<String>,
}

/// Answer to [`orders::Grown`](super::orders::Grown).
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Grown {
    /// Iterations that passed.
    pub iterations: u32,
    /// Name of each container, and entries gained in them.
    pub containers: Vec<(String, i64)>,
    /// CPU seconds.
    pub cpu: f64,
}

/// Answer to [`orders::Still`](super::orders::Still).
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Still {
    /// The readings.
    pub series: Series,
    /// Names of some threads beside the main one.
    pub threads: Vec<String>,
}

/// Answer to [`orders::Population`](super::orders::Population).
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Populated {
    /// Number of each child process, with how many objects of each type it has.
    pub processes: Vec<(i32, Vec<(String, i64)>)>,
}

/// Answer to [`orders::Free`](super::orders::Free).
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Freed {
    /// Objects that the collector freed.
    pub objects: usize,
    /// What the descriptors stood for that were closed thereby.
    pub descriptors: Vec<String>,
}

/// Answer to [`orders::Name`](super::orders::Name).
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Named {
    /// The steps of each way, in the order of these; `None` where its objects are gone.
    pub paths: Vec<Option<Vec<Step>>>,
    /// Where the last object of each was allocated: file and line of each frame, innermost first.
    pub places: Vec<Vec<(String, u32)>>,
}

/// Answer to [`orders::Describe`](super::orders::Describe).
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Described {
    /// Function and text, in the order of the places.
    pub answers: Vec<(String, Option<String>)>,
    /// See [`Ran::errors`].
    pub errors: Vec<Trouble>,
}

/// Answer to [`orders::End`](super::orders::End).
#[derive(Default, Debug, Clone, PartialEq, Deserialize)]
pub struct Ended {
    /// How many names tests made that stay interned for good, and not only the first time that they ran.
    #[serde(default)]
    pub names: i64,
    /// What was not read of what the project counts itself, and why.
    #[serde(default)]
    pub notes: Vec<String>,
    /// See [`Ran::errors`].
    pub errors: Vec<Trouble>,
    /// What wider fixtures depend on.
    #[serde(default)]
    pub depends: Option<noted::Ended>,
    /// Of which types there are more objects than at the beginning of the process, and how many; where that was asked for.
    #[serde(default)]
    pub grown: Vec<(String, u64)>,
}

/// A mark as a test carries it. The bridge passes it on as it is; whether it makes sense is decided here.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Mark {
    /// Index of the test.
    pub test: usize,
    /// File of what the mark stands on: a function, a class or a module.
    pub file: String,
    /// Its first line, from 1; 0 where that is not known.
    pub line: u32,
    /// How many arguments it has without a name.
    pub unnamed: usize,
    /// Its arguments by name.
    pub fields: Map<String, Value>,
    /// Arguments that are no plain values: name, and name of their type.
    pub odd: Vec<(String, String)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_whole() {
        let line = r#"{"re":"ran","iterations":2,"outcome":{"status":"failed","phase":"call","message":"x"},
            "seconds":0.5,"cpu_warm":0.1,"cpu":0.2,"resident":4096,"series":{"blocks":[1,2]},"emptied":false,"filling":false,
            "errors":[]}"#;
        let Record::Ran(ran) = serde_json::from_str(line).unwrap() else {
            panic!("another record");
        };
        assert_eq!(ran.outcome.status, Status::Failed);
        assert_eq!(ran.series[&Counter::Blocks], [1, 2]);
    }
}
