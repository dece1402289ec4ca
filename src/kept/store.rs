//! The file that evidence is kept in: plain text that is put in place whole, with a hash that says whether it is all there.
//!
//! One file for each set of terms (interpreter, settings, leakcheck), so that a matrix of Pythons keeps all of its evidence.
//! A database would survive a crash in the middle of a write as well; but what is written is small, is read whole by
//! everybody, and two runs that end at the same time may each replace what the other wrote: that costs time and no verdict.

use std::{collections::HashMap, fs};

use serde::{Deserialize, Serialize};

use super::{
    Surroundings,
    book::{Book, Entry, Evidence, Found},
    dependency::Dependency,
    names::Touched,
    now,
    now::Now,
    reason::Reason,
};
use crate::files::own::Own;

/// The folder in the project's own.
pub const FOLDER: &str = "cache";
/// Name and version of the format.
const SCHEMA: &str = "leakcheck.cache/2";
/// Bytes of the largest file that is read or written.
const LARGEST: usize = 128 << 20;
/// Files that are kept, the newest.
const MOST: usize = 16;

/// Where it is.
#[derive(Debug)]
pub(super) struct Store {
    folder: Own,
    file: String,
    terms: String,
}

#[derive(Serialize, Deserialize)]
struct Head {
    schema: String,
    hash: String,
}

/// Says which entries of a book still hold.
pub(super) struct Holding<'a> {
    book: &'a Book,
    now: &'a Now<'a>,
    /// What changes outside of functions touch.
    touched: Touched,
    /// By set: what became of it.
    sets: HashMap<u32, State>,
}

/// What became of what a test depends on.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// What has changed first.
    changed: Option<Reason>,
    /// Whether what is outside of functions has changed, by names that are known.
    is_judged: bool,
    /// Whether one of these names is mentioned.
    is_touched: bool,
}

impl State {
    fn and(self, other: State) -> State {
        State {
            changed: self.changed.or(other.changed),
            is_judged: self.is_judged || other.is_judged,
            is_touched: self.is_touched || other.is_touched,
        }
    }
}

impl<'a> Holding<'a> {
    pub(super) fn new(book: &'a Book, now: &'a Now<'a>) -> Holding<'a> {
        Holding {
            book,
            now,
            touched: Touched::new(book, now),
            sets: HashMap::new(),
        }
    }

    /// What is known of a test, if all that it depends on is as it was, or has changed by what is nothing to it.
    pub(super) fn evidence(&mut self, entry: &Entry) -> Result<Evidence, Reason> {
        let evidence = match &entry.found {
            Found::Kept(evidence) => evidence,
            Found::Asked(reason) => return Err(*reason),
        };
        let mut state = self.state(&entry.own);
        for set in &entry.sets {
            state = state.and(self.state_of_set(*set));
        }
        match state.changed {
            Some(reason) => Err(reason),
            None if state.is_judged && state.is_touched => Err(Reason::Outside),
            None => Ok(evidence.clone()),
        }
    }

    /// In which state what is outside of functions is now that has changed and is nothing to some tests.
    pub(super) fn judged(&self) -> impl Iterator<Item = (Dependency, String)> {
        self.touched.files().map(|file| {
            let of = Dependency::Outside(file.to_owned());
            let state = self.now.state(&of);
            (of, state)
        })
    }

    fn state_of_set(&mut self, set: u32) -> State {
        if let Some(known) = self.sets.get(&set) {
            return *known;
        }
        // A number that leads nowhere is no evidence.
        let nowhere = State {
            changed: Some(Reason::New),
            ..State::default()
        };
        let indices = self.book.sets.get(set as usize);
        let state = indices.map_or(nowhere, |all| self.state(all));
        self.sets.insert(set, state);
        state
    }

    fn state(&self, indices: &[u32]) -> State {
        let mut all = State::default();
        for at in indices {
            let Some((dependency, state)) = self.book.dependencies.get(*at as usize) else {
                all.changed = all.changed.or(Some(Reason::New));
                continue;
            };
            if !self.now.is(dependency, state) {
                match dependency {
                    Dependency::Outside(file) if self.touched.has_judged(file, state) => {
                        all.is_judged = true;
                    }
                    _ => all.changed = all.changed.or(Some(dependency.reason())),
                }
            }
            all.is_touched = all.is_touched || self.touched.is_in(dependency, self.now);
        }
        all
    }
}

impl Store {
    pub(super) fn of(surroundings: &Surroundings) -> Store {
        let terms = now::hash(format!("{SCHEMA}\n{}", surroundings.terms).as_bytes());
        Store {
            folder: Own::ignored(&surroundings.project, FOLDER),
            file: format!("{terms}.json"),
            terms,
        }
    }

    /// What is there, if it is whole and of this format.
    pub(super) fn read(&self) -> Option<Book> {
        let bytes = self.folder.read(&self.file, LARGEST as u64).ok()?;
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let head: Head = serde_json::from_slice(&bytes[..end]).ok()?;
        let body = &bytes[end + 1..];
        if head.schema != SCHEMA || head.hash != now::hash(body) {
            return None;
        }
        let book: Book = serde_json::from_slice(body).ok()?;
        (book.terms == self.terms).then_some(book)
    }

    /// Puts it there. One that is too large is as good as none.
    pub(super) fn write(&self, mut book: Book) -> Result<(), String> {
        let shown = format!("{}/{}", self.folder.shown(), self.file);
        let wrong = |error: &dyn std::fmt::Display| format!("cannot write {shown}: {error}");
        book.terms.clone_from(&self.terms);
        let mut body = serde_json::to_string(&book).map_err(|error| wrong(&error))?;
        body.push('\n');
        if body.len() > LARGEST {
            return Err(format!(
                "{shown} would be larger than {} MB: nothing is kept",
                LARGEST >> 20
            ));
        }
        let head = Head {
            schema: SCHEMA.to_owned(),
            hash: now::hash(body.as_bytes()),
        };
        let head = serde_json::to_string(&head).map_err(|error| wrong(&error))?;
        let text = format!("{head}\n{body}");
        self.folder
            .write(&self.file, &text)
            .map_err(|error| wrong(&error))?;
        self.tidy();
        Ok(())
    }

    /// Takes the oldest files away.
    fn tidy(&self) {
        let names = self.folder.names().unwrap_or_default();
        let mut files: Vec<_> = { names.into_iter() }
            .filter_map(|name| {
                let written = fs::symlink_metadata(self.folder.path().join(&name)).ok()?;
                Some((written.modified().ok()?, name.into_string().ok()?))
            })
            .filter(|(_, name)| name.ends_with(".json") && *name != self.file)
            .collect();
        files.sort();
        let many = (files.len() + 1).saturating_sub(MOST);
        for (_, name) in files.into_iter().take(many) {
            // Somebody else may be at it as well.
            let _ = self.folder.remove(&name);
        }
    }
}
