//! Processes that belong to a project, as /proc shows them.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use nix::unistd::Pid;

use super::Project;

/// The processes of `project`, started in it or with its paths as arguments: number and command line.
pub fn of(project: &Project) -> Vec<(Pid, String)> {
    let root = project.root().canonicalize().unwrap();
    let marks = [
        root.to_string_lossy().into_owned(),
        project.temporary().to_string_lossy().into_owned(),
    ];
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(number) = entry.file_name().to_string_lossy().parse() else {
            continue;
        };
        let path = entry.path();
        let state = fs::read_to_string(path.join("stat")).unwrap_or_default();
        // A dead process that nobody has waited for yet is gone.
        if state
            .rsplit(')')
            .next()
            .is_some_and(|rest| rest.trim_start().starts_with('Z'))
        {
            continue;
        }
        let line = fs::read(path.join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let inside = fs::read_link(path.join("cwd")).is_ok_and(|folder| folder.starts_with(&root));
        // One that is just ending has lost its memory, and its arguments with it.
        if line.is_empty() {
            continue;
        }
        if inside || marks.iter().any(|mark| line.contains(mark)) {
            found.push((Pid::from_raw(number), line));
        }
    }
    found
}

/// The command lines alone.
pub fn lines(project: &Project) -> Vec<String> {
    of(project).into_iter().map(|(_, line)| line).collect()
}

/// Waits until `condition` holds.
#[track_caller]
pub fn wait_for(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < limit, "waited {limit:?} for {what}");
        thread::sleep(Duration::from_millis(50));
    }
}
