//! The noun everything else serves: one root cause of growth, however many tests show it.

pub mod kind;
pub mod stance;

use std::collections::BTreeMap;

pub use kind::Kind;

use serde::{Deserialize, Serialize};

use crate::verdict::{
    Counter, Verdict,
    rule::{self, Rule},
};

/// Whose code allocates what grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Owner {
    /// The project under test, its tests included.
    Project,
    /// An installed package.
    Dependency,
    /// pytest, its plugins, unittest, or leakcheck itself.
    Runner,
    /// Python's standard library or its core.
    Interpreter,
}

impl Owner {
    /// Whether it is code of the project or of a package: what a reader can change, or report where it is changed.
    pub fn is_users(self) -> bool {
        matches!(self, Owner::Project | Owner::Dependency)
    }

    /// The word used in output and in the JSON report.
    pub fn word(self) -> &'static str {
        match self {
            Owner::Project => "project",
            Owner::Dependency => "dependency",
            Owner::Runner => "runner",
            Owner::Interpreter => "interpreter",
        }
    }
}

/// How a finding stands against the accepted snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Not among the accepted ones, or not any more: its acceptance ran out.
    New,
    /// Accepted, and grows faster now.
    Worse,
    /// Accepted as it is.
    Known,
    /// Accepted, and grows slower now.
    Better,
    /// Accepted, and gone.
    Fixed,
}

impl Status {
    /// Every status, the ones that ask for something first.
    pub const ALL: [Status; 5] = [
        Status::New,
        Status::Worse,
        Status::Known,
        Status::Better,
        Status::Fixed,
    ];

    /// The word used in output and in the JSON report.
    pub fn word(self) -> &'static str {
        match self {
            Status::New => "new",
            Status::Worse => "worse",
            Status::Known => "known",
            Status::Better => "better",
            Status::Fixed => "fixed",
        }
    }
}

/// How loudly a finding is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Fails the build unless accepted.
    Error,
    /// Worth fixing; does not fail by default.
    Warning,
    /// Discounted, shown so that a reader can see why.
    Note,
}

impl Level {
    /// The word used in output and in the JSON report.
    pub fn word(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Note => "note",
        }
    }
}

/// Growth per iteration.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// The best single figure.
    pub value: f64,
    /// Lower and upper end of its interval (95 % where it is a statistic).
    pub interval: [f64; 2],
    /// Whether every judged iteration grew by exactly `value`.
    pub exact: bool,
}

impl From<crate::fit::Rate> for Rate {
    fn from(rate: crate::fit::Rate) -> Self {
        Rate {
            value: rate.value,
            interval: [rate.interval.0, rate.interval.1],
            exact: rate.exact,
        }
    }
}

/// Where memory was allocated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Site {
    /// File as shown: relative to the project, or to site-packages or the standard library.
    pub file: String,
    /// Line number, from 1.
    pub line: u32,
    /// Qualified name of the enclosing function, `<module>` outside one.
    pub function: String,
    /// Allocations that stay, per iteration.
    pub count: f64,
    /// Bytes that stay, per iteration.
    pub bytes: f64,
    /// Text of the line, stripped, where it could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The lines around it, for a reader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<Excerpt>,
    /// Whose code it is, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// The calls that led here, innermost first, the site itself left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub callers: Vec<Frame>,
}

/// What stands for the function of code that has no file, such as a doctest's.
pub const UNKNOWN: &str = "<unknown>";

impl Site {
    /// File, line and function, as far as that is known.
    pub fn place(&self) -> String {
        let Site {
            file,
            line,
            function,
            ..
        } = self;
        match function == UNKNOWN {
            true => format!("{file}:{line}"),
            false => format!("{file}:{line} in {function}"),
        }
    }
}

/// Some lines of a source file, kept so that a report can be rendered again where the file is not at hand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Excerpt {
    /// Number of the first line, from 1.
    pub first: u32,
    /// The lines, joined by newlines.
    pub text: String,
}

/// One frame of a site's traceback.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// File as shown.
    pub file: String,
    /// Line number, from 1.
    pub line: u32,
    /// Qualified name of the enclosing function.
    pub function: String,
    /// Whose code it is, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
}

/// One counter of the test that stands for a finding, with what was read in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// Which counter.
    pub counter: Counter,
    /// Its readings, one after each iteration.
    pub readings: Vec<i64>,
    /// Growth per iteration that was fitted to them; absent where the counter does not grow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
}

/// Survivors of one type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TypeGrowth {
    /// Module and qualified name of the type.
    pub name: String,
    /// Survivors per iteration.
    pub count: f64,
    /// Bytes of them per iteration, each object by itself; 0 of those in child processes, which were only counted.
    pub bytes: f64,
    /// Bytes per iteration that would be free without them, themselves included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained: Option<f64>,
    /// One of them, where it is of a plain built-in type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
}

impl TypeGrowth {
    /// Name, survivors and bytes per iteration, as tracing tells them.
    pub fn traced((name, count, bytes): &(String, f64, f64)) -> TypeGrowth {
        TypeGrowth {
            name: name.clone(),
            count: *count,
            bytes: *bytes,
            retained: None,
            example: None,
        }
    }
}

/// What keeps survivors alive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Holder {
    /// From the root to the survivor, one object with its edge an entry.
    pub path: Vec<String>,
    /// The same in one line.
    pub text: String,
    /// The part of it that should have let go, as code names it.
    #[serde(default)]
    pub name: String,
    /// The child process in which it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// How it is known to hold.
    #[serde(default)]
    pub reason: String,
    /// The path with what each object does.
    #[serde(default)]
    pub steps: Vec<HolderStep>,
    /// Other places that keep the same objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
}

impl Holder {
    /// A holder of which only the name is known.
    pub fn named(name: &str) -> Holder {
        Holder {
            path: vec![name.to_owned()],
            text: name.to_owned(),
            name: name.to_owned(),
            process: None,
            reason: "it gains entries at the rate of the leak".to_owned(),
            steps: Vec::new(),
            also: Vec::new(),
        }
    }

    /// A text or a tuple that becomes longer: each time another object by the same name.
    pub fn lengthened(name: &str) -> Holder {
        Holder {
            reason: "it becomes longer with each iteration".to_owned(),
            ..Holder::named(name)
        }
    }
}

/// One object of a holder's path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HolderStep {
    /// Its name, and how it refers to the next.
    pub text: String,
    /// What it does.
    pub role: Role,
    /// Why that is said of it.
    pub reason: String,
}

/// What an object on the way to a survivor does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Keeps what comes after it.
    Holds,
    /// Is kept, and would go with its holder.
    Held,
    /// Was there before; whether it is needed cannot be told.
    Unknown,
}

/// Whose iterations the rates of a finding were measured in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Id of the test.
    pub test: String,
    /// Whether nothing else grows in it: counters of the whole process are then rates of this cause.
    pub alone: bool,
}

/// What the accepted snapshots say of a finding.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Accepted {
    /// The snapshot, relative to the project.
    pub file: String,
    /// Why it was accepted.
    pub reason: Option<String>,
    /// The last day of the acceptance, `2027-03-01`.
    pub until: Option<String>,
    /// Where it is being worked on.
    pub issue: Option<String>,
    /// Whether that day has passed.
    pub expired: bool,
    /// The accepted text and the one of this run, where these differ by more than the tolerance.
    pub change: Option<Change>,
}

/// A snapshot's text, as it was accepted and as it would be now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// As accepted.
    pub before: String,
    /// Of this run.
    pub after: String,
}

/// A function of machine code that allocates what stays, or loses a reference to it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NativeFunction {
    /// `_fast.pack`, `_fast.Packer.pack`; as ctypes knows it where that calls it. Empty where it is one of several.
    pub name: String,
    /// The module or library that it is in; empty for Python's core and where that is not known.
    #[serde(default)]
    pub library: String,
    /// The same as it is imported, where it is in a package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// Whose that is, where it can be told.
    pub owner: Option<Owner>,
    /// Of a dependency: name and version.
    pub package: Option<String>,
    /// Of a Cargo package of the project: its folder.
    pub folder: Option<String>,
    /// Whether it adds just what stays; otherwise nothing else adds as much.
    pub certain: bool,
    /// The function as linkers know it, where that is another one: `name` was inlined into it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// Of one that Python calls by another name: the function of machine code that is entered then, and where it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enters: Option<NativeFrame>,
    /// From the function that asks for the memory to where Python begins, innermost first, where that was looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stack: Vec<NativeFrame>,
    /// Chunks of memory that stay per iteration, where these were looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunks: Option<Chunks>,
}

/// Chunks of memory that stay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Chunks {
    /// How many per iteration.
    pub count: f64,
    /// Bytes of all of them, as they were asked for.
    pub bytes: f64,
}

/// A call of machine code.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NativeFrame {
    /// The function; empty where nothing tells.
    pub function: String,
    /// Its module or library.
    pub library: String,
    /// As shown, where debug information tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// From 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The byte in the library's file, where the function is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

impl NativeFrame {
    /// `read_header (src/reader.c:214)`, `parse in _fast`, `_fast+0x11a9`.
    pub fn text(&self) -> String {
        match (&self.file, self.line, self.offset) {
            (Some(file), Some(line), _) => format!("{} ({file}:{line})", self.function),
            (Some(file), None, _) => format!("{} ({file})", self.function),
            (None, _, Some(offset)) => format!("{}+{offset:#x}", self.library),
            (None, _, None) => format!("{} in {}", self.function, self.library),
        }
    }
}

impl NativeFunction {
    /// The name by which linkers know it: the same with and without debug information.
    pub fn symbol(&self) -> &str {
        self.symbol.as_deref().unwrap_or(&self.name)
    }

    /// File and line where it asks for the memory, where these are known.
    fn place(&self) -> Option<String> {
        let first = self.stack.first()?;
        Some(format!(
            "{}:{}",
            in_words(first.file.as_ref()?),
            first.line?
        ))
    }

    /// `` `lend_object`, src/loans.c:12``: what Python enters by its own name for it.
    fn entry(&self) -> Option<String> {
        let enters = self.enters.as_ref()?;
        let name = &enters.function;
        Some(match (&enters.file, enters.line) {
            (Some(file), Some(line)) if *name == self.name => {
                format!("{}:{line}", in_words(file))
            }
            (Some(file), Some(line)) => format!("`{name}`, {}:{line}", in_words(file)),
            _ => format!("`{name}`"),
        })
    }

    /// Whether the library itself is to be suspected: Python's own and the system's serve everybody, and what they
    /// allocate is for their caller to release.
    pub fn is_suspect(&self) -> bool {
        self.owner.is_some_and(Owner::is_users)
    }

    /// Whether it is such a function, and known by its name.
    pub fn is_named(&self) -> bool {
        self.is_suspect() && !self.symbol().is_empty()
    }

    /// The library as a reader knows it: many packages have a `lib`.
    pub fn module(&self) -> &str {
        self.module.as_deref().unwrap_or(&self.library)
    }

    /// `` `read_header` (src/reader.c:8)``, `` `_fast+0x11a9` ``.
    pub fn in_its_library(&self) -> String {
        let place = self.place().or_else(|| self.entry());
        let place = place.map_or_else(String::new, |place| format!(" ({place})"));
        match (&*self.name, self.module()) {
            ("", library) => match self.stack.first().and_then(|first| first.offset) {
                Some(offset) => format!("`{library}+{offset:#x}`"),
                None => format!("`{library}`"),
            },
            (name, _) => format!("`{name}`{place}"),
        }
    }

    /// `` `_fast.pack` in `_fast` (crates/fast, yours)``.
    pub fn text(&self) -> String {
        let mut text = self.in_its_library();
        if !self.name.is_empty() && !self.module().is_empty() {
            text.push_str(&format!(" in `{}`", self.module()));
        }
        match (self.owner, &self.folder, &self.package) {
            (_, Some(folder), _) => text.push_str(&format!(" ({folder}, yours)")),
            (Some(Owner::Project), ..) => text.push_str(" (yours)"),
            (_, _, Some(package)) => text.push_str(&format!(" ({package})")),
            (Some(Owner::Interpreter), ..) => text.push_str(" (Python's own)"),
            _ => {}
        }
        text
    }
}

/// A file in a sentence: of one that was compiled elsewhere the folder says nothing here, and the stack has it.
fn in_words(file: &str) -> &str {
    let name = file.rsplit('/').next().unwrap_or(file);
    if file.starts_with('/') { name } else { file }
}

/// One root cause of growth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable identity: holds no line numbers, addresses, counts or test names.
    pub fingerprint: String,
    /// Which kind of leak this is (`leakcheck explain CODE`).
    pub code: String,
    /// Against the accepted snapshots.
    pub status: Status,
    /// Verdict of the tests in it.
    pub verdict: Verdict,
    /// By which rule the purest of its tests has it; absent where no test made it, as for what is gone.
    #[serde(
        default,
        deserialize_with = "rule::known",
        skip_serializing_if = "Option::is_none"
    )]
    pub rule: Option<Rule>,
    /// How loudly it is reported.
    pub level: Level,
    /// Whether it fails the build.
    pub fails: bool,
    /// What grows.
    pub kind: Kind,
    /// Whose code it is.
    pub owner: Owner,
    /// One line for a person.
    pub summary: String,
    /// How it grows: a word of [`crate::fit::Shape`].
    pub shape: String,
    /// Per counter, and `bytes` where the sites tell.
    pub rate: BTreeMap<String, Rate>,
    /// Who holds it, once known.
    pub holder: Option<Holder>,
    /// Which descriptors, threads, tasks or child processes stay, in words, with how many are alike.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// The C functions from where a crash or a hang happened, or native memory is asked for, to where the interpreter begins,
    /// innermost first, and then lines of Python. Of a crash known from Python 3.14 on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub c_stack: Vec<String>,
    /// The function of machine code that it comes from, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<NativeFunction>,
    /// By type, largest first.
    pub types: Vec<TypeGrowth>,
    /// Where allocated, largest first.
    pub sites: Vec<Site>,
    /// Ids of the tests that show it.
    pub tests: Vec<String>,
    /// How sure: iterations and processes it was seen in.
    pub evidence: String,
    /// One sentence on how to fix it.
    pub advice: String,
    /// What was read in the test that stands for it, every counter that was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curves: Vec<Curve>,
    /// Where the rates were measured; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<Measured>,
    /// Of its snapshot, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Accepted>,
}
