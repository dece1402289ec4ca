//! The stack of machine code behind native memory that stays: which function of it is to be told, and where it stands.

use std::{
    cell::RefCell,
    collections::HashMap,
    path::{Path, PathBuf},
};

use super::{cython, folders::Folders, quoted};
use crate::{
    discover,
    explain::{
        lost::Call,
        native::{Function, Passage, is_interpreter},
    },
    files::read,
    finding::{Chunks, Frame, NativeFrame, NativeFunction, Owner, Site},
    heap::owner::Places,
    symbols::{Named, Symbols},
};

/// Bytes of the longest file of C that a program made.
const MADE: u64 = 64 << 20;
/// Frames of a stack that a report keeps.
const KEPT: usize = 12;

/// Files with machine code, and those of the project's source that debug information names.
#[derive(Default)]
pub(super) struct Machine {
    symbols: Symbols,
    sources: RefCell<HashMap<String, Option<PathBuf>>>,
    /// Files of C of the project, by where they are in it.
    texts: RefCell<HashMap<PathBuf, String>>,
}

/// One frame of a stack: where, whose, and all functions that are there.
struct Place<'a> {
    home: NativeFunction,
    path: &'a str,
    offset: u64,
    named: Vec<Named>,
}

impl Machine {
    /// The function that asks for the memory of a passage: the innermost of the project or a package that is none of its
    /// language; failing that, the one that Python calls.
    pub fn asks(&self, folders: &Folders<'_>, passage: &Passage) -> Option<NativeFunction> {
        let mut places: Vec<Place<'_>> = { passage.stack.iter() }
            .map(|(path, offset)| Place {
                home: folders.home(&Function(String::new(), path.clone()), passage.certain),
                path,
                offset: *offset,
                named: Vec::new(),
            })
            .collect();
        // Where Python's own frames begin, its lines tell more. Those before are of a function that allocates for others.
        let first = { places.iter() }.position(|place| !is_interpreter(place.path))?;
        let end = { places[first..].iter() }
            .position(|place| is_interpreter(place.path))
            .map_or(places.len(), |end| first + end);
        places.truncate(end);
        places.drain(..first);
        for place in &mut places {
            place.named = self.symbols.at(place.path, place.offset);
        }
        let is_theirs = |place: &Place<'_>| place.home.is_suspect();
        let asks = { places.iter() }
            .position(|place| is_theirs(place) && !place.named.iter().all(is_of_language))
            .or_else(|| places.iter().position(is_theirs));
        let start = asks.unwrap_or(places.len().saturating_sub(1));
        // What starts a thread, or calls by a table of addresses, is nobody's to read.
        let last = places.iter().rposition(is_theirs).unwrap_or(start);
        let chosen = places.get(start)?;
        let mut stack = Vec::new();
        for place in &places[start..=last.max(start)] {
            stack.extend(self.frames(folders, place));
        }
        let skipped = { chosen.named.iter() }
            .position(|named| !is_of_language(named))
            .unwrap_or(0);
        stack.drain(..skipped.min(stack.len()));
        if stack.first().is_some_and(|(_, is_own)| *is_own) {
            // What binds the project's code to Python, and the headers that it is made of, are known to its author.
            stack.retain(|(_, is_own)| *is_own);
        }
        let mut stack: Vec<NativeFrame> = stack.into_iter().map(|(frame, _)| frame).collect();
        // Cython makes two of each function.
        stack.dedup_by(|next, frame| next.function == frame.function && next.file == frame.file);
        stack.truncate(KEPT);
        let name = stack
            .first()
            .map_or_else(String::new, |frame| frame.function.clone());
        let symbol = chosen.named.last().map(|named| named.function.clone());
        Some(NativeFunction {
            symbol: symbol.filter(|symbol| *symbol != name),
            name,
            stack,
            chunks: Some(Chunks {
                count: passage.chunks,
                bytes: passage.bytes,
            }),
            ..chosen.home.clone()
        })
    }

    /// The function of a library that is entered where Python calls `function` by `call`, where its file tells.
    pub fn enters(
        &self,
        folders: &Folders<'_>,
        home: &NativeFunction,
        function: &Function,
        call: &Call,
    ) -> Option<NativeFrame> {
        let Function(name, path) = function;
        if name.is_empty() || !home.is_suspect() {
            return None;
        }
        // What ctypes calls has the linker's name.
        let own = || { self.symbols.of(path, name) }.filter(|_| !call.seen);
        let offset = call.entry.or_else(own)?;
        let place = Place {
            home: home.clone(),
            path,
            offset,
            named: vec![self.symbols.begins(path, offset)],
        };
        let (mut frame, is_own) = self.frames(folders, &place).pop()?;
        if home.owner == Some(Owner::Project) && frame.file.is_some() && !is_own {
            // What binds the project's code to Python is entered for all of its functions.
            return None;
        }
        if frame.function.contains("<impl ") {
            // What a macro of Rust made of the function has no name that its author knows.
            frame.function.clone_from(name);
        }
        let says_more = frame.line.is_some() || !name.ends_with(&frame.function);
        (!frame.function.is_empty() && says_more).then_some(frame)
    }

    /// The file with debug information that the library of a passage names, and that is not to be had.
    pub fn missing(&self, folders: &Folders<'_>, passage: &Passage) -> Option<String> {
        let of_users = |path: &str| {
            let home = folders.home(&Function(String::new(), path.to_owned()), true);
            home.is_suspect()
        };
        let (path, _) = passage.stack.iter().find(|(path, _)| of_users(path))?;
        self.symbols.missing(path)
    }

    /// Whether the memory of a passage is no object: the interpreter makes it for whoever asks for just that.
    pub fn is_bare(&self, passage: &Passage) -> bool {
        const BARE: [&str; 5] = [
            "PyMem_",
            "_PyMem_",
            "PyObject_Malloc",
            "PyObject_Calloc",
            "PyObject_Realloc",
        ];
        let own = { passage.stack.iter() }.take_while(|(path, _)| is_interpreter(path));
        let mut names = own.flat_map(|(path, offset)| self.symbols.at(path, *offset));
        let is_foreign = passage.stack.iter().any(|(path, _)| !is_interpreter(path));
        is_foreign && names.all(|named| BARE.iter().any(|name| named.function.starts_with(name)))
    }

    /// The functions of a frame, each with whether it is in source of the project.
    fn frames(&self, folders: &Folders<'_>, place: &Place<'_>) -> Vec<(NativeFrame, bool)> {
        { place.named.iter() }
            .map(|named| {
                let own = { named.file.as_ref() }
                    .filter(|_| place.home.owner == Some(Owner::Project))
                    .and_then(|file| self.own(folders, file));
                let is_own = own.is_some();
                let (file, line) = match (own, &named.file) {
                    (Some(own), _) => {
                        let (file, line) = self.as_written(folders, own, named.line);
                        (Some(file.to_string_lossy().into_owned()), line)
                    }
                    (None, file) => (
                        file.as_ref().map(|file| folders.places.show(file)),
                        named.line,
                    ),
                };
                let frame = NativeFrame {
                    function: cython::name(&named.function),
                    library: place.home.module().to_owned(),
                    file,
                    line,
                    offset: named.function.is_empty().then_some(place.offset),
                };
                (frame, is_own)
            })
            .collect()
    }

    /// The line that its author wrote, where a file of the project was made of another one.
    fn as_written(
        &self,
        folders: &Folders<'_>,
        file: PathBuf,
        line: Option<u32>,
    ) -> (PathBuf, Option<u32>) {
        let is_c = { file.extension() }.is_some_and(|kind| kind == "c" || kind == "cpp");
        let Some(number) = line.filter(|_| is_c) else {
            return (file, line);
        };
        let mut texts = self.texts.borrow_mut();
        let read = || read::text(&folders.places.project.join(&file), MADE).unwrap_or_default();
        let text = texts.entry(file.clone()).or_insert_with(read);
        let Some((name, number)) = cython::source(text, number) else {
            return (file, line);
        };
        let beside = file.with_file_name(&name);
        let is_beside = folders.places.project.join(&beside).is_file();
        let written = is_beside
            .then_some(beside)
            .or_else(|| self.own(folders, &name));
        written.map_or((file, line), |written| (written, Some(number)))
    }

    /// The file of the project, relative to it, that a compiler was given as `file`, perhaps in a folder that is gone.
    fn own(&self, folders: &Folders<'_>, file: &str) -> Option<PathBuf> {
        let mut sources = self.sources.borrow_mut();
        let find = || {
            let project = &folders.places.project;
            let parts: Vec<_> = Path::new(file).components().collect();
            let inside = |path: &Path| project.join(path).is_file();
            if let Ok(path) = Path::new(file).strip_prefix(project) {
                return inside(path).then(|| path.to_owned());
            }
            (0..parts.len())
                .map(|from| parts[from..].iter().collect::<PathBuf>())
                .filter(|path| path.is_relative())
                .find(|path| inside(path))
        };
        sources.entry(file.to_owned()).or_insert_with(find).clone()
    }
}

/// Functions that a language or its compiler puts between a function and the allocator.
fn is_of_language(named: &Named) -> bool {
    const BEGINNINGS: [&str; 12] = [
        "alloc::",
        "core::",
        "std::",
        "<alloc::",
        "<core::",
        "<std::",
        "hashbrown::",
        "<hashbrown::",
        "__rust_",
        "__rdl_",
        "operator new",
        "__gnu_cxx::",
    ];
    const FOLDERS: [&str; 3] = ["/rustc/", "/usr/include/c++/", "/usr/include/"];
    BEGINNINGS
        .iter()
        .any(|start| named.function.starts_with(start))
        || named.file.as_ref().is_some_and(|file| {
            FOLDERS.iter().any(|folder| file.starts_with(folder)) || file.contains("/lib/rustlib/")
        })
}

/// What to do where code is not known by file and line: a sentence more, or nothing. `missing` is where its debug
/// information was said to be.
pub(super) fn how_to_see_lines(
    places: &Places,
    native: &NativeFunction,
    missing: Option<&str>,
) -> String {
    let unseen = { native.stack.first() }.is_some_and(|first| first.line.is_none());
    if unseen && let Some(missing) = missing {
        format!(
            " Its debug information was split off into `{missing}`, and no such file of the same build was found: put it beside the library to see lines."
        )
    } else if unseen && native.owner == Some(Owner::Project) {
        format!(" {}", discover::native::with_lines(&places.project))
    } else {
        String::new()
    }
}

/// How much is known of who loses a reference: a sentence more where Python enters a function that is named, or nothing.
pub(super) fn how_sure(native: &NativeFunction) -> String {
    native.enters.as_ref().map_or_else(String::new, |enters| {
        format!(
            " `{}` is what Python calls: which of its lines does it, or what it calls, is not known.",
            enters.function
        )
    })
}

/// The stack in words, or what of it Python enters, with the lines of Python that lead to it.
pub(super) fn stack(native: &NativeFunction, called: Option<&Site>) -> Vec<String> {
    let entered = native.enters.as_slice();
    let stack = if native.stack.is_empty() {
        entered
    } else {
        &native.stack
    };
    if stack.is_empty() {
        return Vec::new();
    }
    let python = called.into_iter().flat_map(|site| {
        let callers = site.callers.iter();
        let callers = callers.map(|frame| (&frame.function, &frame.file, frame.line));
        std::iter::once((&site.function, &site.file, site.line)).chain(callers)
    });
    let python = python.map(|(function, file, line)| format!("{function} ({file}:{line})"));
    { stack.iter().map(NativeFrame::text) }
        .chain(python)
        .collect()
}

/// Whether a file, as shown, is one of the project.
pub(super) fn is_own(places: &Places, file: &str) -> bool {
    Path::new(file).is_relative() && places.project.join(file).is_file()
}

/// The place of the project's own source where memory is asked for, called by what `python` is; none where debug information
/// does not lead there.
pub(super) fn site(
    places: &Places,
    native: &NativeFunction,
    bytes: f64,
    python: Option<&Site>,
) -> Option<Site> {
    let (file, line) = native
        .stack
        .first()
        .and_then(|first| Some((first.file.as_ref()?, first.line?)))?;
    if native.owner != Some(Owner::Project) || !is_own(places, file) {
        return None;
    }
    let path = places.project.join(file);
    let excerpt = quoted::excerpt(places, &(path.to_string_lossy().into_owned(), line));
    let machine = native.stack.iter().skip(1).filter_map(|frame| {
        Some(Frame {
            file: frame.file.clone()?,
            line: frame.line?,
            function: frame.function.clone(),
            owner: native.owner,
        })
    });
    let python = python.into_iter().flat_map(|site| {
        let own = Frame {
            file: site.file.clone(),
            line: site.line,
            function: site.function.clone(),
            owner: site.owner,
        };
        std::iter::once(own).chain(site.callers.iter().cloned())
    });
    Some(Site {
        file: file.clone(),
        line,
        function: native.name.clone(),
        count: native.chunks.unwrap_or_default().count,
        bytes,
        source: excerpt.as_ref().and_then(|excerpt| {
            let at = usize::try_from(line - excerpt.first).ok()?;
            Some(excerpt.text.lines().nth(at)?.trim().to_owned())
        }),
        excerpt,
        owner: native.owner,
        callers: machine.chain(python).collect(),
    })
}
