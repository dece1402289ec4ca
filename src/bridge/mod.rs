//! Carries the Python half inside the binary and lays it out in a run's temporary directory.

use std::{fs, io, path::Path, path::PathBuf};

/// Version of the wire protocol; the bridge states its own in its first message.
pub const PROTOCOL: u32 = 2;

const FILES: &[(&str, &str)] = &[
    ("start.py", include_str!("python/start.py")),
    (
        "leakcheck_bridge/__init__.py",
        include_str!("python/leakcheck_bridge/__init__.py"),
    ),
    (
        "leakcheck_bridge/capture.py",
        include_str!("python/leakcheck_bridge/capture.py"),
    ),
    (
        "leakcheck_bridge/chance.py",
        include_str!("python/leakcheck_bridge/chance.py"),
    ),
    (
        "leakcheck_bridge/census.py",
        include_str!("python/leakcheck_bridge/census.py"),
    ),
    (
        "leakcheck_bridge/channel.py",
        include_str!("python/leakcheck_bridge/channel.py"),
    ),
    (
        "leakcheck_bridge/counters.py",
        include_str!("python/leakcheck_bridge/counters.py"),
    ),
    (
        "leakcheck_bridge/depends.py",
        include_str!("python/leakcheck_bridge/depends.py"),
    ),
    (
        "leakcheck_bridge/bounds.py",
        include_str!("python/leakcheck_bridge/bounds.py"),
    ),
    (
        "leakcheck_bridge/calls.py",
        include_str!("python/leakcheck_bridge/calls.py"),
    ),
    (
        "leakcheck_bridge/references.py",
        include_str!("python/leakcheck_bridge/references.py"),
    ),
    (
        "leakcheck_bridge/unclosed.py",
        include_str!("python/leakcheck_bridge/unclosed.py"),
    ),
    (
        "leakcheck_bridge/files.py",
        include_str!("python/leakcheck_bridge/files.py"),
    ),
    (
        "leakcheck_bridge/inside.py",
        include_str!("python/leakcheck_bridge/inside.py"),
    ),
    (
        "inside/sitecustomize.py",
        include_str!("python/inside/sitecustomize.py"),
    ),
    (
        "leakcheck_bridge/maps.py",
        include_str!("python/leakcheck_bridge/maps.py"),
    ),
    (
        "leakcheck_bridge/processes.py",
        include_str!("python/leakcheck_bridge/processes.py"),
    ),
    (
        "leakcheck_bridge/gauges.py",
        include_str!("python/leakcheck_bridge/gauges.py"),
    ),
    (
        "leakcheck_bridge/interpreters.py",
        include_str!("python/leakcheck_bridge/interpreters.py"),
    ),
    (
        "leakcheck_bridge/temporary.py",
        include_str!("python/leakcheck_bridge/temporary.py"),
    ),
    (
        "leakcheck_bridge/texts.py",
        include_str!("python/leakcheck_bridge/texts.py"),
    ),
    (
        "leakcheck_bridge/watch.py",
        include_str!("python/leakcheck_bridge/watch.py"),
    ),
    (
        "leakcheck_bridge/garbage.py",
        include_str!("python/leakcheck_bridge/garbage.py"),
    ),
    (
        "leakcheck_bridge/for_django.py",
        include_str!("python/leakcheck_bridge/for_django.py"),
    ),
    (
        "leakcheck_bridge/injected.py",
        include_str!("python/leakcheck_bridge/injected.py"),
    ),
    (
        "leakcheck_bridge/heap.py",
        include_str!("python/leakcheck_bridge/heap.py"),
    ),
    (
        "leakcheck_bridge/limits.py",
        include_str!("python/leakcheck_bridge/limits.py"),
    ),
    (
        "leakcheck_bridge/lines.py",
        include_str!("python/leakcheck_bridge/lines.py"),
    ),
    (
        "leakcheck_bridge/marks.py",
        include_str!("python/leakcheck_bridge/marks.py"),
    ),
    (
        "leakcheck_bridge/malloc.py",
        include_str!("python/leakcheck_bridge/malloc.py"),
    ),
    (
        "leakcheck_bridge/opaque.py",
        include_str!("python/leakcheck_bridge/opaque.py"),
    ),
    (
        "leakcheck_bridge/opcodes.py",
        include_str!("python/leakcheck_bridge/opcodes.py"),
    ),
    (
        "leakcheck_bridge/outcome.py",
        include_str!("python/leakcheck_bridge/outcome.py"),
    ),
    (
        "leakcheck_bridge/referents.py",
        include_str!("python/leakcheck_bridge/referents.py"),
    ),
    (
        "leakcheck_bridge/repeat.py",
        include_str!("python/leakcheck_bridge/repeat.py"),
    ),
    (
        "leakcheck_bridge/resources.py",
        include_str!("python/leakcheck_bridge/resources.py"),
    ),
    (
        "leakcheck_bridge/kinds.py",
        include_str!("python/leakcheck_bridge/kinds.py"),
    ),
    (
        "leakcheck_bridge/refs.py",
        include_str!("python/leakcheck_bridge/refs.py"),
    ),
    (
        "leakcheck_bridge/restore.py",
        include_str!("python/leakcheck_bridge/restore.py"),
    ),
    (
        "leakcheck_bridge/route.py",
        include_str!("python/leakcheck_bridge/route.py"),
    ),
    (
        "leakcheck_bridge/run_command.py",
        include_str!("python/leakcheck_bridge/run_command.py"),
    ),
    (
        "leakcheck_bridge/run_pytest.py",
        include_str!("python/leakcheck_bridge/run_pytest.py"),
    ),
    (
        "leakcheck_bridge/run_unittest.py",
        include_str!("python/leakcheck_bridge/run_unittest.py"),
    ),
    (
        "leakcheck_bridge/selfcheck.py",
        include_str!("python/leakcheck_bridge/selfcheck.py"),
    ),
    (
        "leakcheck_bridge/serve.py",
        include_str!("python/leakcheck_bridge/serve.py"),
    ),
    (
        "leakcheck_bridge/source.py",
        include_str!("python/leakcheck_bridge/source.py"),
    ),
    (
        "leakcheck_bridge/tracer.py",
        include_str!("python/leakcheck_bridge/tracer.py"),
    ),
    (
        "leakcheck_bridge/trace.py",
        include_str!("python/leakcheck_bridge/trace.py"),
    ),
];

/// The library that is preloaded into a worker whose native memory is traced, as the build script made it; empty where this
/// program is built for a system that has no such thing.
pub const TRACER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tracer.so"));

/// Writes the bridge below `directory` and returns the script that starts a worker.
pub fn lay_out(directory: &Path) -> io::Result<PathBuf> {
    for (name, text) in FILES {
        let path = directory.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)?;
    }
    Ok(directory.join("start.py"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_state_the_same_protocol() {
        let stated = FILES[1]
            .1
            .lines()
            .find_map(|line| line.strip_prefix("PROTOCOL = "));
        assert_eq!(stated, Some(PROTOCOL.to_string().as_str()));
    }

    #[test]
    fn every_python_file_of_the_bridge_is_laid_out() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bridge/python");
        let mut found = Vec::new();
        for folder in [
            here.clone(),
            here.join("leakcheck_bridge"),
            here.join("inside"),
        ] {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_some_and(|extension| extension == "py") {
                    let name = path.strip_prefix(&here).unwrap();
                    found.push(name.to_str().unwrap().to_owned());
                }
            }
        }
        for name in &found {
            let carried = FILES.iter().filter(|(it, _)| it == name).count();
            assert!(
                carried == 1,
                "src/bridge/python/{name} is in FILES of src/bridge/mod.rs {carried} times"
            );
        }
        assert_eq!(found.len(), FILES.len(), "files of that name are gone");
    }
}
