//! What stands at a place of a file with machine code: function, source file and line, as far as the file or what was split
//! off it says so.

mod separate;

use std::{borrow::Cow, cell::RefCell, collections::HashMap, path::Path, rc::Rc, sync::Arc};

use addr2line::{Context, demangle_auto};
use gimli::{
    AttributeValue, DW_AT_abstract_origin, DW_AT_decl_line, DW_AT_low_pc, DW_AT_specification,
    DW_TAG_subprogram, DebuggingInformationEntry as Entry, Dwarf, EndianArcSlice, RunTimeEndian,
    SectionId, UnitRef,
};
use object::{Object, ObjectSection, ObjectSegment, ObjectSymbol, SymbolKind};

use crate::files::read;
use separate::{Folders, Split};

/// Bytes of the longest file with machine code or debug information that is read.
const LARGEST: u64 = 1 << 30;
/// Frames that a compiler makes of one call.
const INLINED: usize = 32;

type Slice = EndianArcSlice<RunTimeEndian>;

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
pub struct Symbols {
    files: RefCell<HashMap<String, Option<Rc<Code>>>>,
    folders: Folders,
}

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

    /// The file that debug information of the one at `path` was split off into, if that is not to be had.
    pub fn missing(&self, path: &str) -> Option<String> {
        self.code(path)?.missing.clone()
    }

    /// The byte of the file at `path` where the function begins that linkers know by `name`.
    pub fn of(&self, path: &str, name: &str) -> Option<u64> {
        let code = self.code(path)?;
        let function = code.functions.iter().find(|function| function.2 == name)?;
        code.byte(function.0)
    }

    fn code(&self, path: &str) -> Option<Rc<Code>> {
        let mut files = self.files.borrow_mut();
        let read = || Code::read(Path::new(path), &self.folders).map(Rc::new);
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
    split: Split,
    /// The file with debug information that it names, and that was not found.
    missing: Option<String>,
}

impl Code {
    fn read(path: &Path, folders: &Folders) -> Option<Code> {
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
        let mut split = Split::beside(path);
        if lines.is_none() {
            for path in folders.of(&file, path) {
                let Ok(bytes) = read::bytes(&path, LARGEST) else {
                    continue;
                };
                let Ok(debug) = object::File::parse(&*bytes) else {
                    continue;
                };
                if !separate::is_of(&file, &debug, &bytes) {
                    continue;
                }
                functions.extend(self::functions(&debug));
                lines = self::lines(&debug, &path);
                if lines.is_some() {
                    split = Split::beside(&path);
                    break;
                }
            }
        }
        let missing = separate::left_behind(&file).filter(|_| lines.is_none());
        functions.sort();
        functions.dedup();
        Some(Code {
            parts,
            functions,
            lines,
            split,
            missing,
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

    /// The line of a function's opening. Of an optimised one its first byte is of the first line that does something.
    fn opens(&self, offset: u64) -> Option<u32> {
        let address = self.address(offset)?;
        let lines = self.lines.as_ref()?;
        let unit = self.split.resolved(lines.find_dwarf_and_unit(address))?;
        let mut entries = unit.entries();
        while let Ok(Some(entry)) = entries.next_dfs() {
            let begins = (entry.tag() == DW_TAG_subprogram)
                .then(|| entry.attr_value(DW_AT_low_pc))
                .flatten();
            if begins.and_then(|at| unit.attr_address(at).ok()?) == Some(address) {
                return declared(unit, entry, 3);
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
        let mut frames = self.split.resolved(lines.find_frames(address)).ok()?;
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

/// The line at which a function is declared, or what it is a copy of, through at most so many.
fn declared(unit: UnitRef<'_, Slice>, entry: &Entry<Slice>, most: u32) -> Option<u32> {
    if let Some(line) = entry.attr_value(DW_AT_decl_line) {
        return u32::try_from(line.udata_value()?).ok();
    }
    let of = [DW_AT_abstract_origin, DW_AT_specification]
        .into_iter()
        .find_map(|kind| entry.attr_value(kind))?;
    let AttributeValue::UnitRef(of) = of else {
        return None;
    };
    declared(unit, &unit.entry(of).ok()?, most.checked_sub(1)?)
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
    Dwarf::load(|id: SectionId| load(file, Some(id.name()))).ok()
}

/// A section by its name; an empty one where there is none.
fn load(file: &object::File<'_>, name: Option<&str>) -> Result<Slice, gimli::Error> {
    let endian = if file.is_little_endian() {
        RunTimeEndian::Little
    } else {
        RunTimeEndian::Big
    };
    let data = match name.and_then(|name| file.section_by_name(name)) {
        Some(section) => (section.uncompressed_data()).map_err(|_| gimli::Error::Io)?,
        None => Cow::Borrowed(&[][..]),
    };
    Ok(Slice::new(Arc::from(&*data), endian))
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
        let named =
            Symbols::default().begins(&path, Symbols::default().of(&path, "middle").unwrap());
        assert_eq!((&*named.function, named.line), ("middle", Some(3)));
    }

    /// What a tool of a compiler does, in a folder; false where it is not there.
    fn done(folder: &Path, program: &str, arguments: &[&str]) -> bool {
        let status = Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .status();
        status.is_ok_and(|status| status.success())
    }

    fn with(debug: &Path, cache: Option<&Path>) -> Symbols {
        Symbols {
            folders: Folders {
                debug: debug.to_owned(),
                cache: cache.map(Path::to_owned),
            },
            ..Symbols::default()
        }
    }

    #[test]
    fn lines_are_found_in_a_file_that_was_split_off_by_name_and_by_build_id() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let id = "0123456789abcdef0123456789abcdef01234567";
        for (build_id, places) in [
            (
                "none",
                ["code.debug", ".debug/code.debug", "usr/HERE/code.debug"],
            ),
            (
                id,
                [
                    "usr/.build-id/01/23456789abcdef0123456789abcdef01234567.debug",
                    "cache/0123456789abcdef0123456789abcdef01234567/debuginfo",
                    "code.debug",
                ],
            ),
        ] {
            let build_id = if build_id == "none" {
                "-Wl,--build-id=none".to_owned()
            } else {
                format!("-Wl,--build-id=0x{build_id}")
            };
            let Some((path, at)) = built(root, &["-g", &build_id]) else {
                eprintln!("no C compiler here");
                return;
            };
            let symbols = || with(&root.join("usr"), Some(&root.join("cache")));
            let found = symbols().at(&path, at);
            assert_eq!(found.last().unwrap().line, Some(4), "{found:?}");
            assert!(done(
                root,
                "objcopy",
                &["--only-keep-debug", "code.so", "made"]
            ));
            assert!(done(root, "objcopy", &["--strip-all", "code.so"]));
            // Its name is that of the file beside it.
            fs::copy(root.join("made"), root.join("code.debug")).unwrap();
            assert!(done(
                root,
                "objcopy",
                &["--add-gnu-debuglink=code.debug", "code.so"]
            ));
            fs::remove_file(root.join("code.debug")).unwrap();
            assert_eq!(symbols().at(&path, at), [Named::default()]);
            assert_eq!(symbols().missing(&path).as_deref(), Some("code.debug"));
            for place in places {
                let inside = root
                    .strip_prefix("/")
                    .unwrap()
                    .to_string_lossy()
                    .into_owned();
                let place = root.join(place.replace("HERE", &inside));
                fs::create_dir_all(place.parent().unwrap()).unwrap();
                fs::copy(root.join("made"), &place).unwrap();
                assert_eq!(symbols().at(&path, at), found, "{}", place.display());
                assert_eq!(symbols().missing(&path), None);
                // Of another build.
                let mut other = fs::read(&place).unwrap();
                if build_id.ends_with("none") {
                    other.push(0);
                } else {
                    let at = other
                        .windows(4)
                        .position(|part| part == [1, 0x23, 0x45, 0x67]);
                    other[at.unwrap()] = 2;
                }
                fs::write(&place, other).unwrap();
                assert_eq!(
                    symbols().at(&path, at),
                    [Named::default()],
                    "{}",
                    place.display()
                );
                fs::remove_file(&place).unwrap();
            }
            // Without a path to a cache it is not looked for.
            let cached = root.join("cache").join(id);
            fs::create_dir_all(&cached).unwrap();
            fs::copy(root.join("made"), cached.join("debuginfo")).unwrap();
            assert_eq!(
                with(&root.join("usr"), None).at(&path, at),
                [Named::default()]
            );
            fs::remove_dir_all(root.join("cache")).unwrap();
        }
    }

    #[test]
    fn inlined_functions_are_found_in_files_beside_what_was_compiled() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for version in ["-gdwarf-4", "-gdwarf-5"] {
            // As a project is built: an object first, with its `.dwo`, and then the library.
            fs::write(root.join("code.c"), SOURCE).unwrap();
            let object = ["-c", "-fPIC", "-O1", "-fno-optimize-sibling-calls", "-g"];
            let object = [&object[..], &["-gsplit-dwarf", version, "code.c"]].concat();
            if !done(root, "cc", &object) {
                eprintln!("no C compiler here that splits debug information");
                return;
            }
            assert!(done(root, "cc", &["-shared", "code.o", "-o", "code.so"]));
            let made = root.join("code.so");
            let path = made.to_str().unwrap();
            let bytes = fs::read(&made).unwrap();
            let file = object::File::parse(&*bytes).unwrap();
            let functions = functions(&file);
            let (start, length, _) = functions
                .iter()
                .find(|(.., name)| name == "middle")
                .unwrap();
            let at = start + length / 2;
            let look = || {
                let found = Symbols::default().at(path, at);
                let found = found.into_iter().map(|named| (named.function, named.line));
                found.collect::<Vec<_>>()
            };
            let named = |name: &str, line| (name.to_owned(), Some(line));
            let whole = [named("inner", 2), named("middle", 4)];
            assert_eq!(look(), whole, "{version}");
            let begins = Symbols::default().begins(path, *start);
            assert_eq!(begins.line, Some(3), "{version}");
            // Brought elsewhere with the library.
            let text = fs::read(root.join("code.dwo")).unwrap();
            fs::create_dir(root.join("built")).unwrap();
            let object = [&object[..], &["-o", "built/code.o"]].concat();
            assert!(done(root, "cc", &object));
            let link = ["-shared", "built/code.o", "-o", "code.so"];
            assert!(done(root, "cc", &link));
            fs::remove_file(root.join("code.dwo")).unwrap();
            fs::rename(root.join("built/code.dwo"), root.join("code.dwo")).unwrap();
            fs::remove_dir_all(root.join("built")).unwrap();
            assert_eq!(look(), whole, "{version}");
            // Without it the line is known still, and the function that linkers know.
            fs::remove_file(root.join("code.dwo")).unwrap();
            assert_eq!(look(), [named("middle", 2)], "{version}");
            fs::write(root.join("code.dwo"), b"nothing").unwrap();
            assert_eq!(look(), [named("middle", 2)], "{version}");
            fs::write(root.join("code.dwo"), text).unwrap();
            // Packed into one, if there is what does that: binutils has it for DWARF 4 only.
            let packed = ["code.dwo", "-o", "code.so.dwp"];
            if version == "-gdwarf-4" && done(root, "dwp", &packed) {
                fs::remove_file(root.join("code.dwo")).unwrap();
                assert_eq!(look(), whole, "{version}");
                fs::remove_file(root.join("code.so.dwp")).unwrap();
            }
        }
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
