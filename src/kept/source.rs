//! Source files taken apart into what can change by itself, by a Python of their own.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

const SCRIPT: &str = include_str!("units.py");

/// What is in a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Source {
    /// Hash of all of it.
    pub content: String,
    /// Bodies of functions, by qualified name.
    pub units: BTreeMap<String, Part>,
    /// Qualified names of classes.
    pub classes: Vec<String>,
    /// Level, module and names of what it imports.
    pub imports: Vec<Import>,
    /// All that is outside of functions.
    pub outside: Part,
    /// Where importing it changes what is not its own: the imports out of which it does so.
    pub acts: Option<Vec<Import>>,
    /// What it binds to a name: `LIMIT`, a function's line with its decorators, a class; `TestShelf.test_size` of a class.
    pub pieces: BTreeMap<String, Piece>,
    /// What stands where: names of pieces, and what else there is.
    pub order: Vec<String>,
    /// Hash of what is outside of functions and of these.
    pub rest: String,
}

/// What is bound to a name outside of functions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Piece {
    pub hash: String,
    /// Whether binding it may do something else as well: `app = Flask(__name__)`.
    #[serde(default, skip_serializing_if = "is_not")]
    pub acts: bool,
    /// What it imports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imports: Option<Import>,
}

/// What each part of a file mentions.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(super) struct Names {
    /// Hash of the whole file.
    pub content: String,
    /// Bodies of functions, by qualified name.
    pub units: BTreeMap<String, Mentions>,
    /// See [`Source::pieces`].
    pub pieces: BTreeMap<String, Mentions>,
    /// What is outside of both.
    pub rest: Mentions,
    /// Names that are used as values, and not only to get at something of theirs.
    pub bare: Vec<String>,
    /// Texts that may be the name of a module.
    pub texts: Vec<String>,
    /// Modules of which it imports all names.
    pub stars: Vec<String>,
    /// What may be a module that it imports: the last part of its name, and what it is called here.
    pub modules: Vec<(String, String)>,
}

/// What some code mentions.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(super) struct Mentions {
    /// Names, those in texts too.
    pub names: Vec<String>,
    /// Whether it has all names of its own module.
    pub globals: bool,
    /// Whether it gets at modules by names that are made up.
    pub modules: bool,
    /// Where it makes names up: what may be the beginning or the end of one.
    pub parts: Vec<String>,
}

/// Level, module and names of an import.
pub(super) type Import = (usize, String, Vec<String>);

/// A part of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Part {
    pub hash: String,
    /// Where it reads variables of the environment: names that it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Vec<String>>,
    /// Whether it asks for files without opening them.
    #[serde(default, skip_serializing_if = "is_not")]
    pub asks: bool,
    /// Whether it finds modules or classes that no statement names.
    #[serde(default, skip_serializing_if = "is_not")]
    pub finds: bool,
}

fn is_not(flag: &bool) -> bool {
    !flag
}

/// Where a function's body is.
pub(super) enum Place {
    /// In a function of this name.
    Unit(String),
    /// Outside of all.
    Outside,
    /// Nobody knows.
    Unknown,
}

impl Source {
    /// Where the code is that an interpreter calls `name`.
    pub(super) fn place(&self, name: &str) -> Place {
        let mut name = name.to_owned();
        loop {
            if self.units.contains_key(&name) {
                return Place::Unit(name);
            }
            let last = name.rsplit('.').next().unwrap_or_default();
            // A lambda, a generator expression, type parameters; a class body.
            let is_inner = last.starts_with('<') || self.classes.contains(&name);
            if !is_inner && last != "<locals>" {
                return Place::Unknown;
            }
            let Some(shorter) = name.len().checked_sub(last.len() + 1) else {
                return Place::Outside;
            };
            name.truncate(shorter);
            if let Some(function) = name.strip_suffix(".<locals>") {
                name.truncate(function.len());
            }
        }
    }

    pub(super) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.units.values().chain([&self.outside])
    }
}

/// Takes files apart. Those that are no Python, or have changed meanwhile, are left out.
pub(super) fn take_apart(python: &Path, files: &[PathBuf]) -> HashMap<PathBuf, Source> {
    ask(python, files, &[])
}

/// What the parts of files mention.
pub(super) fn names(python: &Path, files: &[PathBuf]) -> HashMap<PathBuf, Names> {
    ask(python, files, &["names"])
}

fn ask<T: DeserializeOwned>(
    python: &Path,
    files: &[PathBuf],
    what: &[&str],
) -> HashMap<PathBuf, T> {
    let paths: Vec<_> = files.iter().map(|path| path.to_string_lossy()).collect();
    let Ok(list) = serde_json::to_vec(&paths) else {
        return HashMap::new();
    };
    let arguments = { ["-I", "-S", "-B", "-c", SCRIPT].iter() }.chain(what);
    let program = duct::cmd(python, arguments);
    let said = program
        .stdin_bytes(list)
        .stdout_capture()
        .stderr_null()
        .unchecked()
        .run();
    let said = said.map(|output| output.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let sources = said.lines().map(|line| serde_json::from_str(line).ok());
    { files.iter().cloned() }
        .zip(sources)
        .filter_map(|(path, source)| Some((path, source?)))
        .collect()
}
