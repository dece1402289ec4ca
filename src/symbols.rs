//! What stands at a place of a file with machine code: function, source file and line, as far as the file or what was split
//! off it says so.

use std::{
    borrow::Cow,
    cell::RefCell,
    collections::HashMap,
    path::{Path, PathBuf},
    rc::Rc,
};

use addr2line::{Context, demangle_auto};
use gimli::{Dwarf, EndianRcSlice, RunTimeEndian, SectionId};
use object::{Object, ObjectSection, ObjectSegment, ObjectSymbol, SymbolKind};

use crate::files::read;

/// Bytes of the longest file with machine code or debug information that is read.
const LARGEST: u64 = 1 << 30;
/// Where systems keep debug information apart.
const DEBUG: &str = "/usr/lib/debug";
/// Frames that a compiler makes of one call.
const INLINED: usize = 32;

type Slice = EndianRcSlice<RunTimeEndian>;

/// One function at a place; several where others were inlined into it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// As its source has it; empty where nothing tells.
    pub function: String,
    /// Absolute, or as the compiler was told.
    pub file: Option<String>,
    /// From 1.
    pub line: Option<u32>,
}

/// Files with machine code, each read when it is first asked for.
#[derive(Default)]
pub struct Symbols(RefCell<HashMap<String, Option<Rc<Code>>>>);

impl Symbols {
    /// What stands at a byte of the file at `path`, innermost first: functions that were inlined, and the one that they were
    /// inlined into. At least one, without a name where none is known.
    pub fn at(&self, path: &str, offset: u64) -> Vec<Named> {
        let found = { self.code(path) }.map_or_else(Vec::new, |code| code.at(offset));
        if found.is_empty() {
            vec![Named::default()]
        } else {
            found
        }
    }

    /// The function that begins at a byte of the file at `path`, with the line at which it does.
    pub fn begins(&self, path: &str, offset: u64) -> Named {
        // What was inlined into its beginning comes first.
        let mut named = self.at(path, offset).pop().unwrap_or_default();
        if named.line.is_some()
            && let Some(line) = { self.code(path) }.and_then(|code| code.opens(offset))
        {
            named.line = Some(line);
        }
        named
    }

    /// The byte of the file at `path` where the function begins that linkers know by `name`.
    pub fn of(&self, path: &str, name: &str) -> Option<u64> {
        let code = self.code(path)?;
        let function = code.functions.iter().find(|function| function.2 == name)?;
        code.byte(function.0)
    }

    fn code(&self, path: &str) -> Option<Rc<Code>> {
        let mut files = self.0.borrow_mut();
        let read = || Code::read(Path::new(path)).map(Rc::new);
        files.entry(path.to_owned()).or_insert_with(read).clone()
    }
}

/// One file.
struct Code {
    /// Of each part that is mapped: where it begins in the file, its length and its address.
    parts: Vec<(u64, u64, u64)>,
    /// Address, length and name, by address.
    functions: Vec<(u64, u64, String)>,
    lines: Option<Context<Slice>>,
}

impl Code {
    fn read(path: &Path) -> Option<Code> {
        let bytes = read::bytes(path, LARGEST).ok()?;
        let file = object::File::parse(&*bytes).ok()?;
        let parts = { file.segments() }
            .map(|segment| {
                let (start, length) = segment.file_range();
                (start, length, segment.address())
            })
            .collect();
        let mut functions = functions(&file);
        let mut lines = lines(&file, path);
        if lines.is_none() {
            for path in split_off(&file, path) {
                let Ok(bytes) = read::bytes(&path, LARGEST) else {
                    continue;
                };
                let Ok(debug) = object::File::parse(&*bytes) else {
                    continue;
                };
                functions.extend(self::functions(&debug));
                lines = self::lines(&debug, &path);
                if lines.is_some() {
                    break;
                }
            }
        }
        functions.sort();
        functions.dedup();
        Some(Code {
            parts,
            functions,
            lines,
        })
    }

    /// The address of a byte of the file.
    fn address(&self, offset: u64) -> Option<u64> {
        let mut parts = self.parts.iter();
        parts.find_map(|(start, length, address)| {
            let into = offset.checked_sub(*start)?;
            (into < *length).then(|| address.wrapping_add(into))
        })
    }

    /// The line of a function's opening. Of an optimised one it has the same address as the first that does something.
    fn opens(&self, offset: u64) -> Option<u32> {
        let address = self.address(offset)?;
        let lines = self.lines.as_ref()?;
        let unit = lines.find_dwarf_and_unit(address).skip_all_loads()?;
        let mut rows = unit.line_program.clone()?.rows();
        while let Ok(Some((_, row))) = rows.next_row() {
            if row.address() == address {
                return u32::try_from(row.line()?.get()).ok();
            }
        }
        None
    }

    fn at(&self, offset: u64) -> Vec<Named> {
        let Some(address) = self.address(offset) else {
            return Vec::new();
        };
        let mut found = self.frames(address).unwrap_or_default();
        let symbol = self.symbol(address);
        match found.last_mut() {
            // The name that linkers know is whole, with namespaces.
            Some(outermost) if outermost.function.is_empty() => {
                outermost.function = symbol.unwrap_or_default();
            }
            Some(_) => {}
            None => found.extend(symbol.map(|function| Named {
                function,
                ..Named::default()
            })),
        }
        found
    }

    /// The byte in the file that is mapped at an address.
    fn byte(&self, address: u64) -> Option<u64> {
        self.parts.iter().find_map(|(start, length, first)| {
            let into = address.checked_sub(*first)?;
            (into < *length).then_some(start + into)
        })
    }

    fn frames(&self, address: u64) -> Option<Vec<Named>> {
        let lines = self.lines.as_ref()?;
        let mut frames = lines.find_frames(address).skip_all_loads().ok()?;
        let mut found = Vec::new();
        while let Ok(Some(frame)) = frames.next() {
            let name = frame.function.as_ref();
            let name = name.and_then(|name| name.demangle().ok().map(Cow::into_owned));
            let place = frame.location.as_ref();
            found.push(Named {
                function: plain(&name.unwrap_or_default()),
                file: place.and_then(|place| place.file).map(str::to_owned),
                line: place.and_then(|place| place.line).filter(|line| *line > 0),
            });
            if found.len() == INLINED {
                break;
            }
        }
        found.retain(|named| !named.function.is_empty() || named.file.is_some());
        Some(found)
    }

    fn symbol(&self, address: u64) -> Option<String> {
        let after = self
            .functions
            .partition_point(|(start, ..)| *start <= address);
        let (start, length, name) = self.functions[..after].last()?;
        let inside = *length == 0 || address - start < *length;
        inside.then(|| plain(&demangle_auto(Cow::Borrowed(name), None)))
    }
}

fn functions(file: &object::File<'_>) -> Vec<(u64, u64, String)> {
    file.symbols()
        .chain(file.dynamic_symbols())
        .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.is_definition())
        .filter_map(|symbol| {
            let name = symbol.name().ok().filter(|name| !name.is_empty())?;
            Some((symbol.address(), symbol.size(), name.to_owned()))
        })
        .collect()
}

/// What the file itself says of lines, or nothing.
fn lines(file: &object::File<'_>, path: &Path) -> Option<Context<Slice>> {
    file.section_by_name(".debug_info")
        .filter(|section| section.size() > 0)?;
    let mut dwarf = sections(file)?;
    if let Ok(Some((name, _))) = file.gnu_debugaltlink() {
        // What many files have in common.
        let shared = path.parent()?.join(text(name));
        if let Ok(bytes) = read::bytes(&shared, LARGEST)
            && let Ok(file) = object::File::parse(&*bytes)
        {
            dwarf.set_sup(sections(&file)?);
        }
    }
    Context::from_dwarf(dwarf).ok()
}

fn sections(file: &object::File<'_>) -> Option<Dwarf<Slice>> {
    let endian = if file.is_little_endian() {
        RunTimeEndian::Little
    } else {
        RunTimeEndian::Big
    };
    let load = |id: SectionId| -> Result<Slice, object::Error> {
        let data = match file.section_by_name(id.name()) {
            Some(section) => section.uncompressed_data()?,
            None => Cow::Borrowed(&[][..]),
        };
        Ok(Slice::new(Rc::from(&*data), endian))
    };
    Dwarf::load(load).ok()
}

/// Where debug information that was split off a file may be: by its build id, and by the name that it has left behind.
fn split_off(file: &object::File<'_>, path: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    if let Ok(Some(id)) = file.build_id()
        && let [first, rest @ ..] = id
    {
        let rest: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
        found.push(Path::new(DEBUG).join(format!(".build-id/{first:02x}/{rest}.debug")));
    }
    if let (Ok(Some((name, _))), Some(folder)) = (file.gnu_debuglink(), path.parent()) {
        let name = text(name);
        let inside = folder.strip_prefix("/").unwrap_or(folder);
        found.push(folder.join(&name));
        found.push(folder.join(".debug").join(&name));
        found.push(Path::new(DEBUG).join(inside).join(&name));
    }
    found.retain(|other| other != path);
    found
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A function's name without what a compiler added when it made several of it.
fn plain(name: &str) -> String {
    const ADDED: [&str; 6] = [
        ".constprop",
        ".isra",
        ".part",
        ".cold",
        ".lto_priv",
        ".llvm",
    ];
    let end = ADDED.iter().filter_map(|added| name.find(added)).min();
    without_arguments(&name[..end.unwrap_or(name.len())]).to_owned()
}

/// A name of C++ without the types of its arguments, which say little beside file and line.
fn without_arguments(name: &str) -> &str {
    let bare = name.strip_suffix(" const").unwrap_or(name);
    if !bare.ends_with(')') {
        return name;
    }
    let mut open = 0;
    for (at, character) in bare.char_indices().rev() {
        open += match character {
            ')' => 1,
            '(' => -1,
            _ => 0,
        };
        if open == 0 {
            return if at > 0 { &bare[..at] } else { name };
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use std::{fs, process::Command};

    use super::*;

    const SOURCE: &str = "#include <stdlib.h>\n\
        static inline __attribute__((always_inline)) void *inner(void) { return malloc(8); }\n\
        static __attribute__((noinline)) void *middle(void) {\n    return inner();\n}\n\
        void *outer(void) { return middle(); }\n";

    /// Where the call of malloc in `middle` is, as `objdump` has it; none without a compiler.
    fn built(folder: &Path, options: &[&str]) -> Option<(String, u64)> {
        let source = folder.join("code.c");
        fs::write(&source, SOURCE).unwrap();
        let made = folder.join("code.so");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-fno-optimize-sibling-calls"])
            .args(options)
            .args([&source, Path::new("-o"), &made])
            .status();
        if !compiled.is_ok_and(|status| status.success()) {
            return None;
        }
        let bytes = fs::read(&made).unwrap();
        let file = object::File::parse(&*bytes).unwrap();
        let functions = functions(&file);
        let (start, length, _) = functions.iter().find(|(.., name)| name == "middle")?;
        // Anywhere in it but its first byte.
        Some((made.to_str()?.to_owned(), start + length / 2))
    }

    #[test]
    fn names_and_lines_are_those_of_the_source() {
        let folder = tempfile::tempdir().unwrap();
        let Some((path, at)) = built(folder.path(), &["-g"]) else {
            eprintln!("no C compiler here");
            return;
        };
        let found = Symbols::default().at(&path, at);
        let last = found.last().unwrap();
        assert_eq!(
            (&*last.function, last.line),
            ("middle", Some(4)),
            "{found:?}"
        );
        assert!(last.file.as_ref().unwrap().ends_with("code.c"));
        // Split off as distributions do it.
        let debug = format!("{path}.debug");
        let objcopy = |arguments: &[&str]| {
            let done = Command::new("objcopy").args(arguments).status().unwrap();
            assert!(done.success());
        };
        objcopy(&["--only-keep-debug", &path, &debug]);
        objcopy(&["--strip-all", &path]);
        assert_eq!(Symbols::default().at(&path, at), [Named::default()]);
        objcopy(&[&format!("--add-gnu-debuglink={debug}"), &path]);
        assert_eq!(Symbols::default().at(&path, at), found);
    }

    #[test]
    fn without_lines_there_is_the_function_that_linkers_know() {
        let folder = tempfile::tempdir().unwrap();
        let Some((path, at)) = built(folder.path(), &["-g0"]) else {
            eprintln!("no C compiler here");
            return;
        };
        let named = |function: &str| Named {
            function: function.to_owned(),
            ..Named::default()
        };
        let symbols = Symbols::default();
        assert_eq!(symbols.at(&path, at), [named("middle")]);
        assert_eq!(symbols.at(&path, u64::MAX), [named("")]);
        assert_eq!(symbols.at("/nowhere", 1), [named("")]);
        assert_eq!(symbols.at("", 1), [named("")]);
    }

    #[test]
    fn what_a_compiler_adds_to_a_name_is_left_out() {
        assert_eq!(plain("read_header.constprop.0.isra.0"), "read_header");
        for (name, expected) in [
            ("app::Reader::open", "app::Reader::open"),
            (
                "grid::Board::note(std::string const&) const",
                "grid::Board::note",
            ),
            (
                "(anonymous namespace)::f(int (*)(int))",
                "(anonymous namespace)::f",
            ),
            ("Less::operator()(int, int)", "Less::operator()"),
            ("<(A, B) as Trait>::call", "<(A, B) as Trait>::call"),
            ("(", "("),
            ("()", "()"),
        ] {
            assert_eq!(plain(name), expected);
        }
    }
}
