//! Where in another process Python's runtime lies.

use std::path::Path;

use object::{Object, ObjectSection, ObjectSegment, ObjectSymbol};

use super::Absent;
use crate::{
    files::read,
    watch::process::{Mapping, Proc, is_python},
};

/// Bytes of the largest executable that is looked into.
const LARGEST: u64 = 512 << 20;
/// Where a system with Yama says who may read whose memory.
const SCOPE: &str = "/proc/sys/kernel/yama/ptrace_scope";
/// The section that holds nothing but the runtime, from 3.13 on, and the symbol that all have.
const SECTION: &str = ".PyRuntime";
const SYMBOL: &str = "_PyRuntime";

/// The address of the runtime of the process.
pub fn runtime(proc: &Proc, pid: i32) -> Result<u64, Absent> {
    let maps = proc.maps(pid);
    let mut is_silent = false;
    for (start, path) in beginnings(&maps) {
        let is_own = path == proc.program(pid);
        if !is_own && !is_python(path) {
            continue;
        }
        let file = if is_own {
            // Also where another one has its name by now, as after an upgrade.
            proc.path(pid, "exe")
        } else {
            // As the process sees it, which may be in a container.
            proc.path(pid, "root").join(path.trim_start_matches('/'))
        };
        match inside(&file) {
            Some(offset) => return Ok(start.wrapping_add(offset)),
            None => is_silent |= is_python(path),
        }
    }
    Err(if is_silent {
        Absent::Silent
    } else {
        Absent::NoPython
    })
}

/// Where each file begins that is mapped, executables and libraries among them.
fn beginnings(maps: &str) -> impl Iterator<Item = (u64, &str)> {
    { maps.lines() }
        .filter_map(Mapping::read)
        .filter(|mapping| mapping.offset == 0)
        .map(|mapping| (mapping.at.start, mapping.path))
}

/// How far the runtime lies behind the beginning of the file where that is mapped.
fn inside(path: &Path) -> Option<u64> {
    let bytes = read::bytes(path, LARGEST).ok()?;
    let file = object::File::parse(&*bytes).ok()?;
    let section = file
        .section_by_name(SECTION)
        .map(|section| section.address());
    let symbol = || {
        let mut all = file.dynamic_symbols().chain(file.symbols());
        let symbol = all.find(|symbol| symbol.name() == Ok(SYMBOL) && symbol.is_definition());
        symbol.map(|symbol| symbol.address())
    };
    let address = section.or_else(symbol)?;
    let first = file
        .segments()
        .find(|segment| segment.file_range().0 == 0)?;
    address.checked_sub(first.address())
}

/// Why memory is not to be read that /proc tells of, and what to do about it.
pub fn why_denied() -> String {
    let scope = read::text(Path::new(SCOPE), read::SYSTEM).unwrap_or_default();
    denied_by(&scope)
}

fn denied_by(scope: &str) -> String {
    match scope.trim() {
        "1" => "kernel.yama.ptrace_scope is 1: start the program with `leakcheck watch -- COMMAND`, run leakcheck as root, or allow it (sysctl kernel.yama.ptrace_scope=0)",
        "2" => "kernel.yama.ptrace_scope is 2: run leakcheck as root, or allow it (sysctl kernel.yama.ptrace_scope=0)",
        "3" => "kernel.yama.ptrace_scope is 3: nobody may read the memory of others until the machine is started anew without it",
        _ => "the system does not let its memory be read: in a container start that with --cap-add=SYS_PTRACE, or run leakcheck as root outside of it",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_begin_where_their_first_byte_is_mapped() {
        let maps = "00400000-00401000 r--p 00000000 fe:00 17  /usr/bin/python3.14\n\
            00401000-00800000 r-xp 00001000 fe:00 17  /usr/bin/python3.14\n\
            7f00-7f80 rw-p 00000000 00:00 0 \n7f80-7fff rw-p 00000000 00:00 0  [heap]\n\
            8000-9000 r--p 00000000 fe:00 9                          /srv/with space/lib.so\nnonsense\n";
        let found: Vec<(u64, &str)> = beginnings(maps).collect();
        assert_eq!(
            found,
            [
                (0x40_0000, "/usr/bin/python3.14"),
                (0x8000, "/srv/with space/lib.so")
            ]
        );
    }

    #[test]
    fn who_may_not_read_memory_is_told_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ptrace_scope");
        for (scope, words) in [
            ("1\n", "leakcheck watch -- COMMAND"),
            ("2\n", "is 2: run leakcheck as root"),
            ("3\n", "nobody"),
            ("0\n", "SYS_PTRACE"),
        ] {
            std::fs::write(&file, scope).unwrap();
            let said = denied_by(&read::text(&file, read::SYSTEM).unwrap());
            assert!(said.contains(words) && !said.contains('\n'), "{said}");
        }
    }
}
