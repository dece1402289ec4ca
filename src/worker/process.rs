//! What a worker's process needs of the system: its environment, its addresses, its size.

use std::path::Path;

use nix::unistd::{Pid, getpgid};

use crate::{
    files::read::{self, SYSTEM},
    supervise,
};

/// What makes `mallinfo2` exact under glibc: no per-thread cache and no fast bins, whose freed chunks
/// stay counted, and a threshold for mapped chunks that does not move with what was freed. It is as high as may be: a
/// mapped chunk takes whole pages, so that what grows by less would stand still most of the time.
pub(crate) fn glibc_tunables() -> String {
    const OURS: &str =
        "glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0:glibc.malloc.mmap_threshold=33554432";
    match std::env::var("GLIBC_TUNABLES") {
        Ok(theirs) if !theirs.is_empty() => format!("{theirs}:{OURS}"),
        _ => OURS.to_owned(),
    }
}

/// While this lives, processes that the thread starts get the same addresses every time. Addresses are hashes (of
/// every object without one of its own) and names (`f"{id(self):x}"`): with random ones, two runs of one suite differ.
/// Where a container forbids it, as some do, they stay random.
#[cfg(target_os = "linux")]
pub(crate) struct FixedAddresses(Option<nix::sys::personality::Persona>);

#[cfg(target_os = "linux")]
impl FixedAddresses {
    pub(crate) fn new() -> FixedAddresses {
        use nix::sys::personality::{self, Persona};
        let before = personality::get().ok();
        FixedAddresses(
            before.filter(|before| personality::set(*before | Persona::ADDR_NO_RANDOMIZE).is_ok()),
        )
    }
}

#[cfg(target_os = "linux")]
impl Drop for FixedAddresses {
    fn drop(&mut self) {
        if let Some(before) = self.0 {
            let _ = nix::sys::personality::set(before);
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) struct FixedAddresses;

#[cfg(not(target_os = "linux"))]
impl FixedAddresses {
    pub(crate) fn new() -> FixedAddresses {
        FixedAddresses
    }
}

/// Whether the process is `child`, was started by it or by what it started, or is in its group.
pub(crate) fn belongs(pid: Pid, child: Pid) -> bool {
    const DEEPEST: u32 = 64;
    if getpgid(Some(pid)) == Ok(child) {
        return true;
    }
    let mut at = pid;
    for _ in 0..DEEPEST {
        if at == child {
            return true;
        }
        match supervise::parent_of(at).and_then(|above| i32::try_from(above).ok()) {
            Some(above) if above > 0 => at = Pid::from_raw(above),
            _ => break,
        }
    }
    false
}

/// Resident bytes of a process; 0 where the system does not tell.
pub(crate) fn resident(pid: Pid) -> u64 {
    let text = read::text(Path::new(&format!("/proc/{pid}/statm")), SYSTEM).unwrap_or_default();
    let pages: u64 = text
        .split_whitespace()
        .nth(1)
        .and_then(|word| word.parse().ok())
        .unwrap_or(0);
    pages * 4096
}

#[cfg(test)]
mod tests {
    use nix::unistd::{getpid, getppid};

    use super::*;

    #[test]
    fn a_process_belongs_to_those_above_it() {
        assert!(belongs(getpid(), getpid()) && belongs(getpid(), getppid()));
        assert!(!belongs(getppid(), getpid()) || getpgid(None) == Ok(getpid()));
        assert!(!belongs(Pid::from_raw(1), getpid()));
    }
}
