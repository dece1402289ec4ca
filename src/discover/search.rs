//! Looks for the interpreter: the one the user named, an environment's, or the first on `PATH`.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::refusal::InterpreterError;

/// The parts of the process's environment that decide which interpreter is found.
#[derive(Debug, Clone, Default)]
pub struct Env {
    /// `VIRTUAL_ENV`.
    pub virtual_env: Option<PathBuf>,
    /// `CONDA_PREFIX`.
    pub conda_prefix: Option<PathBuf>,
    /// `PATH`.
    pub path: OsString,
    /// What relative paths start from.
    pub current_dir: PathBuf,
}

impl Env {
    /// That of this process.
    pub fn of_process() -> Env {
        let directory = |name| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        Env {
            virtual_env: directory("VIRTUAL_ENV"),
            conda_prefix: directory("CONDA_PREFIX"),
            path: std::env::var_os("PATH").unwrap_or_default(),
            current_dir: std::env::current_dir().unwrap_or_default(),
        }
    }

    /// The program that a shell would start for `name`.
    pub(super) fn which(&self, name: &Path) -> Option<PathBuf> {
        std::env::split_paths(&self.path)
            .map(|directory| self.current_dir.join(directory).join(name))
            .find(|file| {
                file.metadata()
                    .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
            })
    }
}

/// What led to an interpreter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Named by the user.
    Given,
    /// The active virtual environment.
    VirtualEnv,
    /// The active conda environment.
    Conda,
    /// A virtual environment in the project directory.
    Project,
    /// `PATH`.
    Path,
}

/// The interpreter that the user means by `name`.
pub(super) fn named(name: &Path, env: &Env) -> Result<PathBuf, InterpreterError> {
    let path = env.current_dir.join(name);
    let inside = path.join("bin/python");
    if inside.symlink_metadata().is_ok() {
        return Ok(inside);
    }
    // As in a shell, a bare name is a program on PATH.
    let bare = name.components().count() == 1 && name.is_relative();
    if let Some(program) = bare.then(|| env.which(name)).flatten() {
        return Ok(program);
    }
    if path.is_dir() {
        return Err(InterpreterError::EmptyEnvironment {
            named_by: "--python names",
            environment: path,
        });
    }
    if path.symlink_metadata().is_err() {
        return Err(InterpreterError::NoSuch {
            name: name.to_owned(),
        });
    }
    Ok(path)
}

/// The interpreter to use where the user named none.
pub(super) fn unnamed(project: &Path, env: &Env) -> Result<(Origin, PathBuf), InterpreterError> {
    // A link to nothing counts as there: it is the environment that was meant, and it is broken.
    let python_in = |environment: &Path| {
        Some(env.current_dir.join(environment).join("bin/python"))
            .filter(|path| path.symlink_metadata().is_ok())
    };
    if let Some(environment) = &env.virtual_env {
        // To go on to another Python would be to test with what the user did not activate.
        let path = python_in(environment).ok_or_else(|| InterpreterError::EmptyEnvironment {
            named_by: "VIRTUAL_ENV is",
            environment: environment.clone(),
        })?;
        return Ok((Origin::VirtualEnv, path));
    }
    // Not every conda environment has a Python.
    if let Some(path) = env.conda_prefix.as_deref().and_then(python_in) {
        return Ok((Origin::Conda, path));
    }
    if let Some(path) = [".venv", "venv"]
        .iter()
        .find_map(|name| python_in(&project.join(name)))
    {
        return Ok((Origin::Project, path));
    }
    ["python3", "python"]
        .iter()
        .find_map(|name| env.which(Path::new(name)))
        .map(|path| (Origin::Path, path))
        .ok_or_else(|| InterpreterError::NotFound {
            project: project.to_owned(),
        })
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::probe::tests::executable;
    use super::*;
    use std::fmt;
    use std::fs;

    /// A directory for a search: what is put there, and what is found relative to it.
    pub(in crate::discover) struct Place(pub tempfile::TempDir);

    impl Place {
        pub fn new(executables: &[&str]) -> Place {
            let directory = tempfile::tempdir().unwrap();
            for name in executables {
                executable(&directory.path().join(name), "#!/bin/sh\n");
            }
            Place(directory)
        }

        pub fn env(&self) -> Env {
            let path = std::env::join_paths(["usr", "opt"].map(|name| self.0.path().join(name)));
            Env {
                path: path.unwrap(),
                current_dir: self.0.path().to_owned(),
                ..Env::default()
            }
        }

        pub fn relative(&self, text: impl fmt::Display) -> String {
            text.to_string()
                .replace(&format!("{}/", self.0.path().display()), "")
        }

        fn unnamed(&self, env: &Env) -> Result<(Origin, String), String> {
            unnamed(&self.0.path().join("project"), env)
                .map(|(origin, path)| (origin, self.relative(path.display())))
                .map_err(|error| self.relative(error))
        }
    }

    #[test]
    fn the_active_environment_comes_first_then_the_projects_own_then_path() {
        let place = Place::new(&[
            "active/bin/python",
            "conda/bin/python",
            "project/.venv/bin/python",
            "project/venv/bin/python",
            "usr/python",
            "opt/python3",
            "opt/python",
        ]);
        let mut env = place.env();
        env.virtual_env = Some("active".into());
        env.conda_prefix = Some(place.0.path().join("conda"));
        let found = |env: &Env| place.unnamed(env).unwrap();
        assert_eq!(
            found(&env),
            (Origin::VirtualEnv, "active/bin/python".into())
        );
        env.virtual_env = None;
        assert_eq!(found(&env), (Origin::Conda, "conda/bin/python".into()));
        env.conda_prefix = Some("has-no-python".into());
        for (gone, expected) in [
            ("", (Origin::Project, "project/.venv/bin/python")),
            (
                "project/.venv/bin/python",
                (Origin::Project, "project/venv/bin/python"),
            ),
            ("project/venv/bin/python", (Origin::Path, "opt/python3")),
            ("opt/python3", (Origin::Path, "usr/python")),
            ("usr/python", (Origin::Path, "opt/python")),
        ] {
            let _ = fs::remove_file(place.0.path().join(gone));
            assert_eq!(found(&env), (expected.0, expected.1.to_owned()));
        }
        fs::remove_file(place.0.path().join("opt/python")).unwrap();
        let error = place.unnamed(&env).unwrap_err();
        assert!(error.starts_with("no Python found: "), "{error}");
        assert!(error.contains("in project, and no `python3`"), "{error}");
        env.virtual_env = Some("gone".into());
        assert_eq!(
            place.unnamed(&env).unwrap_err(),
            "VIRTUAL_ENV is gone, which has no bin/python"
        );
    }

    #[test]
    fn a_name_may_be_a_path_a_program_or_an_environment() {
        let place = Place::new(&[
            "usr/python3.12",
            "tools/py",
            "env/bin/python",
            "usr/env",
            "python3.12",
        ]);
        fs::write(place.0.path().join("usr/python3.13"), "not executable").unwrap();
        fs::create_dir(place.0.path().join("empty")).unwrap();
        let table = [
            ("python3.12", Ok("usr/python3.12")),
            ("./python3.12", Ok("./python3.12")),
            ("tools/py", Ok("tools/py")),
            ("env", Ok("env/bin/python")),
            ("env/", Ok("env/bin/python")),
            (
                "empty",
                Err("--python names empty, which has no bin/python"),
            ),
            (
                "python3.13",
                Err("no such Python: python3.13 is neither a file nor a program on PATH"),
            ),
            (
                "tools/none",
                Err("no such Python: tools/none is neither a file nor a program on PATH"),
            ),
            (
                "a\u{1b}[2J",
                Err("no such Python: a\\u{1b}[2J is neither a file nor a program on PATH"),
            ),
        ];
        for (name, expected) in table {
            let found = named(Path::new(name), &place.env());
            let found = found
                .map(|path| place.relative(path.display()))
                .map_err(|error| place.relative(error));
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{name}");
        }
    }
}
