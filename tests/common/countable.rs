//! A Python among those of this machine whose objects can be counted from outside.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Packages, python, scrubbed};

/// A Python whose objects can be counted, with its version; none where there is only an older one.
pub fn any() -> Option<(PathBuf, (u32, u32))> {
    let home = std::env::var("PYENV_ROOT").unwrap_or_else(|_| {
        let home = std::env::var("HOME").unwrap_or_default();
        format!("{home}/.pyenv")
    });
    let mut candidates = vec![python(Packages::None)];
    for minor in [15, 14, 13] {
        candidates.push(format!("python3.{minor}").into());
        let debian = "target/pythons/debian/usr/bin";
        candidates.push(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join(debian)
                .join(format!("python3.{minor}")),
        );
        let versions = fs::read_dir(format!("{home}/versions"))
            .into_iter()
            .flatten()
            .flatten();
        candidates.extend(
            versions
                .filter(|found| {
                    found
                        .file_name()
                        .to_string_lossy()
                        .starts_with(&format!("3.{minor}."))
                })
                .map(|found| found.path().join("bin/python")),
        );
    }
    let script = "import sys, sysconfig; print(sys.version_info.minor, sysconfig.get_config_var('Py_GIL_DISABLED') or 0)";
    candidates.into_iter().find_map(|candidate| {
        let output = scrubbed(Command::new(&candidate))
            .args(["-c", script])
            .output()
            .ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        let (minor, free) = text.trim().split_once(' ')?;
        let minor = minor.parse().ok()?;
        (minor >= 13 && free == "0").then_some((candidate, (3, minor)))
    })
}

/// The same, or a word that a test is skipped.
pub fn or_skip() -> Option<PathBuf> {
    let found = any();
    if found.is_none() {
        eprintln!("skipped: there is no CPython 3.13 or newer here");
    }
    found.map(|(path, _)| path)
}
