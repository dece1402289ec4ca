//! Where a process hangs, read from outside: functions of Python where no handler of a signal in it answers, and those
//! of machine code that Python waits for.
//!
//! What a process has in its memory may be anything. All that reads it is in a thread that is not waited for longer than
//! [`PATIENCE`], and whose panics end nothing else.

use std::{panic, path::Path, sync::mpsc, thread, time::Duration};

use nix::unistd::Pid;
use py_spy::{
    PythonSpy,
    config::{Config, LockingStrategy},
};

use crate::files::name;

/// How long a process is read.
const PATIENCE: Duration = Duration::from_secs(5);

/// The functions in which the main thread of a Python is, innermost first, each as `function (file:line)`. Empty where
/// that cannot be read.
pub fn python(pid: Pid) -> Vec<String> {
    patiently(move || {
        let config = Config {
            // The process stands still, and may be one that nobody can stop.
            blocking: LockingStrategy::NonBlocking,
            ..Config::default()
        };
        let mut spy = PythonSpy::new(pid.as_raw(), &config).ok()?;
        // The newest thread comes first, the main one last.
        let main = spy.get_stack_traces().ok()?.pop()?;
        let frames = main.frames.iter().map(|frame| {
            let file = frame.filename.rsplit('/').next().unwrap_or_default();
            // From 3.11 on with its class, which the handler of signals leaves out.
            let function = frame.name.rsplit('.').next().unwrap_or_default();
            let (function, file) = (name::shown(function), name::shown(file));
            format!("{function} ({file}:{})", frame.line)
        });
        Some(frames.collect())
    })
}

/// The functions of machine code that the main thread of a Python is in, innermost first, up to where the interpreter
/// calls them: each as `function (file:line)`, or `function (library)`. Empty where Python waits itself, for nobody's
/// code but the C library's, and where the stack cannot be read.
pub fn machine(pid: Pid) -> Vec<String> {
    patiently(move || native::stack(pid))
}

fn patiently<T: Default + Send + 'static>(
    read: impl FnOnce() -> Option<T> + Send + panic::UnwindSafe + 'static,
) -> T {
    let (tell, told) = mpsc::channel();
    let start = thread::Builder::new().spawn(move || {
        let found = panic::catch_unwind(read).ok().flatten();
        // Nobody listens any more where it took too long.
        let _ = tell.send(found.unwrap_or_default());
    });
    match start {
        Ok(_) => told.recv_timeout(PATIENCE).unwrap_or_default(),
        Err(_) => T::default(),
    }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
mod native {
    use nix::unistd::Pid;

    pub fn stack(_: Pid) -> Option<Vec<String>> {
        None
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod native {
    use std::{
        collections::BTreeSet,
        io::IoSliceMut,
        ops::Range,
        time::{Duration, Instant},
    };

    use framehop::{
        ExplicitModuleSectionInfo, Module, Unwinder,
        x86_64::{CacheX86_64, UnwindRegsX86_64, UnwinderX86_64},
    };
    use nix::{
        sys::{
            ptrace,
            uio::{RemoteIoVec, process_vm_readv},
            wait::{WaitPidFlag, WaitStatus, waitpid},
        },
        unistd::Pid,
    };
    use object::{Object, ObjectSection, ObjectSegment};

    use super::{Path, name, thread};
    use crate::{attribute::native::is_interpreter, files::read, symbols::Symbols};

    /// Bytes of the longest file with machine code that is read.
    const LARGEST: u64 = 1 << 30;
    /// Bytes of the stack that are read: what is outside of them are frames of the interpreter.
    const STACK: usize = 1 << 18;
    /// Frames that are followed, and those that are told.
    const FOLLOWED: usize = 256;
    const TOLD: usize = 8;
    /// How long a thread may take to stop.
    const STOPPING: Duration = Duration::from_secs(1);

    /// A part of a file that is mapped.
    struct Mapping {
        at: Range<u64>,
        offset: u64,
        is_code: bool,
        path: String,
    }

    pub fn stack(pid: Pid) -> Option<Vec<String>> {
        let (registers, words) = stopped(pid)?;
        let mappings = mappings(pid)?;
        let code = |address: u64| {
            mappings
                .iter()
                .find(|mapping| mapping.is_code && mapping.at.contains(&address))
        };
        let mut unwinder = UnwinderX86_64::<Vec<u8>>::new();
        // Only of files to which something on the stack leads: extensions may be many, and large.
        let mentioned: BTreeSet<&str> = { words.iter().chain([&registers.0]) }
            .filter_map(|word| Some(&*code(*word)?.path))
            .collect();
        for path in mentioned {
            if let Some(module) = module(path, &mappings) {
                unwinder.add_module(module);
            }
        }
        let (pc, sp, bp) = registers;
        let mut read = |address: u64| {
            let at = address.checked_sub(sp).ok_or(())? / 8;
            words.get(at as usize).copied().ok_or(())
        };
        let mut cache = CacheX86_64::<_>::new();
        let start = UnwindRegsX86_64::new(pc, sp, bp);
        let mut frames = unwinder.iter_frames(pc, start, &mut cache, &mut read);
        let mut places = Vec::new();
        while let Ok(Some(frame)) = frames.next() {
            let address = frame.address_for_lookup();
            let Some(mapping) = code(address) else { break };
            if is_interpreter(&mapping.path) || places.len() == FOLLOWED {
                break;
            }
            places.push((&*mapping.path, address - mapping.at.start + mapping.offset));
        }
        Some(named(&places))
    }

    /// Stops the main thread for a moment: its registers (where it is, stack, frame), and the words of its stack.
    fn stopped(pid: Pid) -> Option<((u64, u64, u64), Vec<u64>)> {
        ptrace::seize(pid, ptrace::Options::empty()).ok()?;
        // The end of this thread, at the latest, sets it free.
        ptrace::interrupt(pid).ok()?;
        let began = Instant::now();
        let flags = WaitPidFlag::WNOHANG | WaitPidFlag::__WALL;
        while let WaitStatus::StillAlive = waitpid(pid, Some(flags)).ok()? {
            if began.elapsed() > STOPPING {
                return None;
            }
            thread::sleep(Duration::from_millis(1));
        }
        let found = ptrace::getregs(pid).ok()?;
        let mut bytes = vec![0; STACK];
        let from = RemoteIoVec {
            base: usize::try_from(found.rsp).ok()?,
            len: STACK,
        };
        let read = read_some(pid, &mut bytes, from);
        let _ = ptrace::detach(pid, None);
        let words = bytes[..read].chunks_exact(8);
        let words = words.map(|word| word.try_into().map_or(0, u64::from_ne_bytes));
        Some(((found.rip, found.rsp, found.rbp), words.collect()))
    }

    /// Reads up to the end of the stack, which may be nearer than all that was asked for.
    fn read_some(pid: Pid, into: &mut [u8], from: RemoteIoVec) -> usize {
        const PAGE: usize = 4096;
        let mut read = 0;
        while read < from.len {
            let base = from.base + read;
            let len = (PAGE - base % PAGE).min(from.len - read);
            let part = RemoteIoVec { base, len };
            let into = &mut [IoSliceMut::new(&mut into[read..read + len])];
            match process_vm_readv(pid, into, &[part]) {
                Ok(many) if many == len => read += many,
                _ => break,
            }
        }
        read
    }

    fn mappings(pid: Pid) -> Option<Vec<Mapping>> {
        let path = format!("/proc/{pid}/maps");
        let text = read::text(Path::new(&path), read::SYSTEM).ok()?;
        Some(text.lines().filter_map(mapping).collect())
    }

    /// A line such as `7f00-7f80 r-xp 00001000 fe:00 17   /usr/lib/libz.so`.
    fn mapping(line: &str) -> Option<Mapping> {
        let mut words = line.splitn(6, ' ');
        let (start, end) = words.next()?.split_once('-')?;
        let is_code = words.next()?.contains('x');
        let offset = words.next()?;
        let path = words.nth(2)?.trim_start();
        let number = |text: &str| u64::from_str_radix(text, 16).ok();
        path.starts_with('/').then_some(Mapping {
            at: number(start)?..number(end)?,
            offset: number(offset)?,
            is_code,
            path: path.to_owned(),
        })
    }

    /// What a file says of how its frames are left.
    fn module(path: &str, mappings: &[Mapping]) -> Option<Module<Vec<u8>>> {
        let bytes = read::bytes(Path::new(path), LARGEST).ok()?;
        let file = object::File::parse(&*bytes).ok()?;
        let parts = || mappings.iter().filter(|mapping| mapping.path == path);
        let start = parts().find(|mapping| mapping.offset == 0)?.at.start;
        let end = parts().map(|mapping| mapping.at.end).max()?;
        let base = file
            .segments()
            .find(|segment| segment.file_range().0 == 0)
            .map(|segment| segment.address())?;
        let section = |name: &str| {
            let section = file.section_by_name(name)?;
            let at = section.address()..section.address() + section.size();
            Some((at, section.uncompressed_data().ok()?.into_owned()))
        };
        let (frames, index) = (section(".eh_frame"), section(".eh_frame_hdr"));
        let info = ExplicitModuleSectionInfo {
            base_svma: base,
            text_svma: section(".text").map(|(at, _)| at),
            got_svma: section(".got").map(|(at, _)| at),
            eh_frame_svma: frames.as_ref().map(|(at, _)| at.clone()),
            eh_frame: frames.map(|(_, bytes)| bytes),
            eh_frame_hdr_svma: index.as_ref().map(|(at, _)| at.clone()),
            eh_frame_hdr: index.map(|(_, bytes)| bytes),
            debug_frame: section(".debug_frame").map(|(_, bytes)| bytes),
            ..ExplicitModuleSectionInfo::default()
        };
        Some(Module::new(path.to_owned(), start..end, start, info))
    }

    /// Functions at places of files.
    fn named(places: &[(&str, u64)]) -> Vec<String> {
        fn last(path: &str) -> &str {
            path.rsplit('/').next().unwrap_or(path)
        }
        // Whoever sleeps, or waits for a lock of Python's own, waits in the C library: the line of Python says it all.
        let is_of_system = |path: &str| {
            let file = last(path);
            file.starts_with("libc.") || file.starts_with("libc-") || file.starts_with("libpthread")
        };
        let Some(first) = places.iter().position(|(path, _)| !is_of_system(path)) else {
            return Vec::new();
        };
        let symbols = Symbols::default();
        let mut told = Vec::new();
        // Of the C library the function that was called, and none that this calls.
        for (path, offset) in places.iter().skip(first.saturating_sub(1)).take(TOLD) {
            let mut all = symbols.at(path, *offset);
            if is_of_system(path) {
                all.drain(..all.len().saturating_sub(1));
            }
            for found in all {
                let function = match &*found.function {
                    "" => format!("{offset:#x}"),
                    function => name::shown(function),
                };
                let place = match (found.file, found.line) {
                    (Some(file), Some(line)) if !is_of_system(path) => {
                        format!("{}:{line}", name::shown(last(&file)))
                    }
                    _ => name::shown(last(path)),
                };
                told.push(format!("{function} ({place})"));
            }
        }
        told.truncate(TOLD);
        told
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_mapping_has_its_file_and_where_in_it() {
            let found = mapping("7f00-7f80 r-xp 00001000 fe:00 17     /usr/lib/a b.so").unwrap();
            assert_eq!((found.at, found.offset), (0x7f00..0x7f80, 0x1000));
            assert!(found.is_code && found.path == "/usr/lib/a b.so");
            for other in [
                "7f00-7f80 rw-p 00000000 00:00 0 ",
                "nonsense",
                "",
                "1-2 r-xp 0 0 0 [vdso]",
            ] {
                assert!(mapping(other).is_none(), "{other}");
            }
        }
    }
}
