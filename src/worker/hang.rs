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
        time::{Duration, Instant},
    };

    use framehop::{
        ExplicitModuleSectionInfo, Module, Unwinder,
        x86_64::{CacheX86_64, UnwindRegsX86_64, UnwinderX86_64},
    };
    use nix::{
        sys::{
            ptrace,
            wait::{WaitPidFlag, WaitStatus, waitpid},
        },
        unistd::Pid,
    };
    use object::{Object, ObjectSection, ObjectSegment};

    use super::{Path, name, thread};
    use crate::{
        explain::native::is_interpreter,
        files::read,
        symbols::Symbols,
        watch::{
            heap::memory::{Memory, Remote},
            process::{Mapping, Proc},
        },
    };

    /// Bytes of the longest file with machine code that is read.
    const LARGEST: u64 = 1 << 30;
    /// Bytes of the stack that are read: what is outside of them are frames of the interpreter.
    const STACK: usize = 1 << 18;
    /// Frames that are followed, and those that are told.
    const FOLLOWED: usize = 256;
    const TOLD: usize = 8;
    /// How long a thread may take to stop.
    const STOPPING: Duration = Duration::from_secs(1);

    pub fn stack(pid: Pid) -> Option<Vec<String>> {
        let (registers, words) = stopped(pid)?;
        let maps = Proc::default().maps(pid.as_raw());
        let mappings: Vec<Mapping<'_>> = maps.lines().filter_map(Mapping::read).collect();
        let code = |address: u64| {
            mappings
                .iter()
                .find(|mapping| mapping.is_code && mapping.at.contains(&address))
        };
        let mut unwinder = UnwinderX86_64::<Vec<u8>>::new();
        // Only of files to which something on the stack leads: extensions may be many, and large.
        let mentioned: BTreeSet<&str> = { words.iter().chain([&registers.0]) }
            .filter_map(|word| Some(code(*word)?.path))
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
            if is_interpreter(mapping.path) || places.len() == FOLLOWED {
                break;
            }
            places.push((mapping.path, address - mapping.at.start + mapping.offset));
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
        // Up to the end of the stack, which may be nearer.
        let read = Remote(pid).read(found.rsp, &mut bytes).ok()?;
        let _ = ptrace::detach(pid, None);
        let words = bytes[..read].chunks_exact(8);
        let words = words.map(|word| word.try_into().map_or(0, u64::from_ne_bytes));
        Some(((found.rip, found.rsp, found.rbp), words.collect()))
    }

    /// What a file says of how its frames are left.
    fn module(path: &str, mappings: &[Mapping<'_>]) -> Option<Module<Vec<u8>>> {
        let bytes = read::bytes(Path::new(path), LARGEST).ok()?;
        let file = object::File::parse(&*bytes).ok()?;
        let parts = || mappings.iter().filter(|mapping| mapping.path == path);
        let start = parts().find(|mapping| mapping.offset == 0)?.at.start;
        let end = parts().map(|mapping| mapping.at.end).max()?;
        let base = file
            .segments()
            .find(|segment| segment.file_range().0 == 0)
            .map(|segment| segment.address())?;
        let range = |name: &str| {
            let section = file.section_by_name(name)?;
            Some(section.address()..section.address() + section.size())
        };
        let section = |name: &str| {
            let bytes = file.section_by_name(name)?.uncompressed_data().ok()?;
            Some((range(name)?, bytes.into_owned()))
        };
        let (frames, index) = (section(".eh_frame"), section(".eh_frame_hdr"));
        let info = ExplicitModuleSectionInfo {
            base_svma: base,
            text_svma: range(".text"),
            got_svma: range(".got"),
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
}
