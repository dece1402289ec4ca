//! What the system grants us: memory, the machine's or what its control group allows; open files; and which signals it keeps
//! from us.

use std::path::Path;

use crate::files::read::{self, SYSTEM};

use nix::sys::{
    resource::{Resource, getrlimit},
    signal::Signal,
};

/// Files that a process which runs tests has open at once, our self-check's ten among them; and those that each such process
/// takes here.
const FILES: u64 = 32;
const FILES_OF_A_WORKER: u64 = 4;

/// Bytes that this process may use in all; `None` where the system does not tell.
pub fn memory() -> Option<u64> {
    let machine = read::text(Path::new("/proc/meminfo"), SYSTEM)
        .ok()
        .and_then(|text| total(&text));
    let group = group_limit();
    match (machine, group) {
        (Some(machine), Some(group)) => Some(machine.min(group)),
        (machine, group) => machine.or(group),
    }
}

/// Fails where fewer files may be open at a time than so many workers take, with what to do.
pub fn require_files(workers: usize) -> Result<(), String> {
    let (most, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((u64::MAX, 0));
    let workers = u64::try_from(workers).unwrap_or(u64::MAX);
    let least = FILES.saturating_add(FILES_OF_A_WORKER.saturating_mul(workers));
    if most >= least {
        return Ok(());
    }
    Err(format!(
        "only {most} files may be open at a time: raise that limit with `ulimit -n 1024`, or to {least} at least"
    ))
}

/// Whether who started us wants a signal to be ignored.
pub fn is_ignored(signal: Signal) -> bool {
    let status = read::text(Path::new("/proc/self/status"), SYSTEM).unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal as i32 - 1) & 1 == 1)
}

fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// The smallest limit on the way from our own group up, in either version of control groups.
fn group_limit() -> Option<u64> {
    let own = read::text(Path::new("/proc/self/cgroup"), SYSTEM).unwrap_or_default();
    let mut limits = Vec::new();
    for line in own.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let (base, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|one| one == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let mut path = path.trim_matches('/').to_owned();
        loop {
            let place = format!("{base}/{path}/{file}");
            limits.extend(
                read::text(Path::new(&place), SYSTEM)
                    .ok()
                    .and_then(|text| limit(&text)),
            );
            match path.rfind('/') {
                Some(at) => path.truncate(at),
                None if path.is_empty() => break,
                None => path.clear(),
            }
        }
    }
    limits.into_iter().min()
}

/// `max`, or a number; version 1 writes a huge one for no limit.
fn limit(text: &str) -> Option<u64> {
    const NONE: u64 = 1 << 60;
    text.trim().parse().ok().filter(|bytes| *bytes < NONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_and_limits_are_read() {
        assert_eq!(
            total("MemFree: 1 kB\nMemTotal:       24000 kB\n"),
            Some(24_576_000)
        );
        assert_eq!(limit("max\n"), None);
        assert_eq!(limit("1073741824\n"), Some(1 << 30));
        assert_eq!(limit("9223372036854771712"), None);
    }
}
