//! What a worker's process needs of the system: its environment, its addresses, its group, its end.

use std::{fs, os::unix::process::ExitStatusExt, sync::Mutex};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

/// Process groups that live, for an end that waits for nothing.
static GROUPS: Mutex<Vec<i32>> = Mutex::new(Vec::new());

/// Counts the process group among those that live.
pub(super) fn remember(group: i32) {
    if let Ok(mut groups) = GROUPS.lock() {
        groups.push(group);
    }
}

/// The process group has ended.
pub(super) fn forget(group: i32) {
    if let Ok(mut groups) = GROUPS.lock() {
        groups.retain(|known| *known != group);
    }
}

/// Ends every process of every worker at once.
pub fn kill_all() {
    if let Ok(groups) = GROUPS.lock() {
        for group in groups.iter() {
            let _ = killpg(Pid::from_raw(*group), Signal::SIGKILL);
        }
    }
}

/// What makes `mallinfo2` exact under glibc: no per-thread cache and no fast bins, whose freed chunks
/// stay counted, and a threshold for mapped chunks that does not move with what was freed. It is as high as may be: a
/// mapped chunk takes whole pages, so that what grows by less would stand still most of the time.
pub(super) fn glibc_tunables() -> String {
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
pub(super) struct FixedAddresses(Option<nix::sys::personality::Persona>);

#[cfg(target_os = "linux")]
impl FixedAddresses {
    pub(super) fn new() -> FixedAddresses {
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
pub(super) struct FixedAddresses;

#[cfg(not(target_os = "linux"))]
impl FixedAddresses {
    pub(super) fn new() -> FixedAddresses {
        FixedAddresses
    }
}

/// Resident bytes of a process; 0 where the system does not tell.
pub(super) fn resident(pid: Pid) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let pages: u64 = text
        .split_whitespace()
        .nth(1)
        .and_then(|word| word.parse().ok())
        .unwrap_or(0);
    pages * 4096
}

/// How a process ended, in words.
pub(super) fn describe_status(status: std::process::ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(number), _) => match Signal::try_from(number) {
            Ok(signal) => format!("was killed by {signal}"),
            Err(_) => format!("was killed by signal {number}"),
        },
        (None, Some(code)) => format!("exited with status {code}"),
        (None, None) => "ended".to_owned(),
    }
}
