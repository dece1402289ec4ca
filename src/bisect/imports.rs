//! Where the code of a checked out commit is imported from: an environment may lead to the user's own checkout instead,
//! or to what is installed, and then every commit would look the same.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const SCRIPT: &str = include_str!("imports.py");
const MARK: &str = "leakcheck-imports: ";

/// A name that a commit has, and where it would come from.
struct Import {
    name: String,
    /// The folder of the commit's checkout that has it.
    folder: PathBuf,
    /// The file that would be loaded.
    origin: PathBuf,
}

/// The folders that have to come first on Python's path, so that tests in `tree` import what is in `tree`.
///
/// `own` is the user's own checkout, from which nothing may come. What comes from elsewhere may where the project was
/// built: it is what was built. An error is what is imported from the user's checkout in spite of that.
pub fn paths(
    python: &Path,
    tree: &Path,
    own: &Path,
    is_built: bool,
) -> Result<Vec<PathBuf>, String> {
    let strays = |imports: Vec<Import>| -> Vec<Import> {
        let inside = |path: &Path, folder: &Path| {
            folder
                .canonicalize()
                .is_ok_and(|folder| path.starts_with(folder))
        };
        let is_stray = |import: &Import| {
            !inside(&import.origin, tree) && (!is_built || inside(&import.origin, own))
        };
        imports.into_iter().filter(is_stray).collect()
    };
    let mut paths: Vec<PathBuf> = Vec::new();
    for import in strays(ask(python, tree, &[])) {
        if !paths.contains(&import.folder) {
            paths.push(import.folder);
        }
    }
    if paths.is_empty() {
        return Ok(paths);
    }
    match strays(ask(python, tree, &paths)).first() {
        None => Ok(paths),
        Some(import) => Err(format!(
            "`{}` would be imported from {} and not from the commit; make an environment of each commit's own, such as \
             --build 'python -m venv .venv && .venv/bin/pip install .'",
            import.name,
            import.origin.display()
        )),
    }
}

/// `PYTHONPATH` with `paths` before what it has.
pub fn python_path(paths: &[PathBuf]) -> Option<std::ffi::OsString> {
    if paths.is_empty() {
        return None;
    }
    let before = std::env::var_os("PYTHONPATH").filter(|value| !value.is_empty());
    let rest = before.iter().flat_map(std::env::split_paths);
    std::env::join_paths(paths.iter().cloned().chain(rest)).ok()
}

/// What Python says; nothing where it cannot be asked, which the run itself will tell.
fn ask(python: &Path, tree: &Path, paths: &[PathBuf]) -> Vec<Import> {
    let mut command = Command::new(python);
    command
        .args(["-B", "-c", SCRIPT])
        .current_dir(tree)
        .stdin(Stdio::null());
    if let Some(path) = python_path(paths) {
        command.env("PYTHONPATH", path);
    }
    let Ok(output) = command.output() else {
        return Vec::new();
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let read = |line: &str| {
        let (name, folder, origin): (String, PathBuf, PathBuf) =
            serde_json::from_str(line.strip_prefix(MARK)?).ok()?;
        Some(Import {
            name,
            folder,
            origin,
        })
    };
    said.lines().filter_map(read).collect()
}
