//! Where the tests run, and which of them: the project directory and its paths.

use std::path::{Path, PathBuf};

use crate::config::text;

/// Files that make a directory the root of a project.
const PROJECT_FILES: [&str; 7] = [
    "pyproject.toml",
    "setup.py",
    "setup.cfg",
    "pytest.ini",
    "tox.ini",
    "leakcheck.toml",
    ".git",
];

/// Folders in which projects keep their tests.
pub(super) const TEST_FOLDERS: [&str; 2] = ["tests", "test"];

/// What is tested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// The directory in which workers run; absolute.
    pub root: PathBuf,
    /// Files, folders and node ids to give to the runner, relative to `root` or absolute. Empty: the runner's own
    /// choice.
    pub paths: Vec<PathBuf>,
}

/// A path to test that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no such file or directory: {}", text::show(.0))]
pub struct NoSuchPath(pub PathBuf);

impl Project {
    /// The project that the paths of the command line mean, given in `current`, an absolute directory.
    ///
    /// Workers run in the current directory, as a runner started by hand would. But a single path that is a project
    /// of its own is run where it stands, so that its own configuration and imports hold wherever it is named from.
    pub fn locate(arguments: &[PathBuf], current: &Path) -> Result<Project, NoSuchPath> {
        for argument in arguments {
            exists(argument, current)?;
        }
        if let [only] = arguments {
            let directory = current.join(only);
            if is_project(&directory, current) {
                // Takes out `.`, and leaves links as they are: they are part of how the user sees the project.
                let root = directory.components().collect();
                return Ok(Project {
                    root,
                    paths: vec![],
                });
            }
        }
        Ok(Project {
            root: current.to_owned(),
            paths: arguments.to_vec(),
        })
    }

    /// Takes the `paths` of the configuration where the command line gave none. Below the root they are made relative
    /// to it, as a user would give them.
    pub fn or_configured(mut self, paths: &[PathBuf]) -> Result<Project, NoSuchPath> {
        if self.paths.is_empty() {
            for path in paths {
                exists(path, &self.root)?;
                let mut path = path.strip_prefix(&self.root).unwrap_or(path);
                if path.as_os_str().is_empty() {
                    path = Path::new(".");
                }
                self.paths.push(path.to_owned());
            }
        }
        Ok(self)
    }
}

/// The file or folder that a path or node id such as `tests/test_a.py::TestX::test_y` is in.
pub(super) fn file_of(path: &Path, root: &Path) -> PathBuf {
    let whole = root.join(path);
    if whole.exists() {
        return whole;
    }
    match path.to_string_lossy().split_once("::") {
        Some((file, _)) if !file.is_empty() => root.join(file),
        _ => whole,
    }
}

fn exists(path: &Path, root: &Path) -> Result<(), NoSuchPath> {
    if !path.as_os_str().is_empty() && file_of(path, root).exists() {
        Ok(())
    } else {
        Err(NoSuchPath(path.to_owned()))
    }
}

/// Whether `directory` is a project and not a part of the one that `current` is.
fn is_project(directory: &Path, current: &Path) -> bool {
    // A package's folder is imported from above it.
    if !directory.is_dir() || directory.join("__init__.py").exists() {
        return false;
    }
    let has_tests_folder = TEST_FOLDERS
        .iter()
        .any(|name| directory.join(name).is_dir());
    if has_project_file(directory) || has_tests_folder {
        return true;
    }
    let is_part_of_current = directory.starts_with(current) && has_project_file(current);
    !is_part_of_current && has_test_file(directory)
}

fn has_project_file(directory: &Path) -> bool {
    PROJECT_FILES
        .iter()
        .any(|name| directory.join(name).exists())
}

fn has_test_file(directory: &Path) -> bool {
    let files = directory.read_dir().into_iter().flatten().flatten();
    files.map(|entry| entry.path()).any(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("test") && name.ends_with(".py") && path.is_file()
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::fs;

    /// A directory with the given files; those that end in a slash are folders.
    pub(in crate::discover) fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = directory.path().join(name);
            if name.ends_with('/') {
                fs::create_dir_all(path).unwrap();
            } else {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content).unwrap();
            }
        }
        directory
    }

    #[test]
    fn a_single_path_that_is_a_project_is_run_where_it_stands() {
        // Files, the current directory, the arguments; the root and the paths.
        type Row<'a> = (
            &'a [&'a str],
            &'a str,
            &'a [&'a str],
            &'a str,
            &'a [&'a str],
        );
        let table: [Row<'_>; 17] = [
            (&["test_a.py"], "", &[], "", &[]),
            (&["f/a/test_a.py", "f/a/setup.py"], "", &["f/a"], "f/a", &[]),
            (&["f/a/pyproject.toml"], "f", &["a"], "f/a", &[]),
            (&["f/a/tests/test_a.py"], "", &["f/a/"], "f/a", &[]),
            (&["f/a/test/test_a.py"], "", &["./f/a"], "f/a", &[]),
            (&["f/a/test_a.py"], "", &["f/a"], "f/a", &[]),
            (&["a/.git/", "b/"], "b", &["../a"], "b/../a", &[]),
            (
                &["setup.py", "tests/test_a.py"],
                "",
                &["tests"],
                "",
                &["tests"],
            ),
            (&["setup.py", "test_a.py"], "", &["."], "", &[]),
            (&["test_a.py"], "", &["."], "", &[]),
            // Its own project inside another one.
            (&["setup.py", "sub/tox.ini"], "", &["sub"], "sub", &[]),
            // A package, a folder without tests, a file, two paths.
            (
                &["a/__init__.py", "a/tests/test_a.py"],
                "",
                &["a"],
                "",
                &["a"],
            ),
            (&["a/other.py"], "", &["a"], "", &["a"]),
            (&["a/test_a.py"], "", &["a/test_a.py"], "", &["a/test_a.py"]),
            (
                &["a/setup.py", "b/setup.py"],
                "",
                &["a", "b"],
                "",
                &["a", "b"],
            ),
            (
                &["t/test_a.py"],
                "",
                &["t/test_a.py::T::test_x[a::b]"],
                "",
                &["t/test_a.py::T::test_x[a::b]"],
            ),
            (
                &["a::b/test_a.py", "setup.py"],
                "",
                &["a::b/test_a.py::test_x"],
                "",
                &["-"],
            ),
        ];
        for (files, current, arguments, root, paths) in table {
            let files: Vec<(&str, &str)> = files.iter().map(|file| (*file, "")).collect();
            let directory = tree(&files);
            let arguments: Vec<PathBuf> = arguments.iter().map(PathBuf::from).collect();
            // `join("")` would leave a slash at the end.
            let at = |name: &str| {
                directory
                    .path()
                    .join(name)
                    .components()
                    .collect::<PathBuf>()
            };
            let found = Project::locate(&arguments, &at(current));
            if paths == ["-"] {
                assert_eq!(found, Err(NoSuchPath(arguments[0].clone())));
                continue;
            }
            let paths = paths.iter().map(PathBuf::from).collect();
            assert_eq!(
                found,
                Ok(Project {
                    root: at(root),
                    paths
                }),
                "{files:?} {arguments:?}"
            );
        }
    }

    #[test]
    fn a_path_that_does_not_exist_is_refused_by_name() {
        let directory = tree(&[("test_a.py", "")]);
        let table = [
            ("/nonexistent", "no such file or directory: /nonexistent"),
            (
                "gone.py::test_x",
                "no such file or directory: gone.py::test_x",
            ),
            ("::test_x", "no such file or directory: ::test_x"),
            ("", "no such file or directory: "),
            ("a\u{1b}[2J", "no such file or directory: a\\u{1b}[2J"),
        ];
        for (argument, expected) in table {
            let arguments = ["test_a.py".into(), argument.into()];
            let error = Project::locate(&arguments, directory.path()).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn configured_paths_fill_in_where_none_are_given() {
        let directory = tree(&[("a/tests/test_a.py", ""), ("other/test_b.py", "")]);
        let root = directory.path().join("a");
        let other = directory.path().join("other/test_b.py::test_x");
        let configured = [root.join("tests"), other.clone()];
        let given = |paths: &[&str]| Project {
            root: root.clone(),
            paths: paths.iter().map(PathBuf::from).collect(),
        };
        let filled = given(&[]).or_configured(&configured).unwrap();
        assert_eq!(filled.paths, [PathBuf::from("tests"), other]);
        let kept = given(&["tests/test_a.py"])
            .or_configured(&configured)
            .unwrap();
        assert_eq!(kept.paths, [PathBuf::from("tests/test_a.py")]);
        let error = given(&[]).or_configured(&[root.join("gone")]).unwrap_err();
        assert_eq!(error, NoSuchPath(root.join("gone")));
        let whole = given(&[]).or_configured(&[root.join(".")]).unwrap();
        assert_eq!(whole.paths, [PathBuf::from(".")]);
    }
}
