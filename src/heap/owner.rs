//! Whose code a file is: the project's, a dependency's, the runner's or the interpreter's.

use std::path::{Path, PathBuf};

use crate::{files::name, finding::Owner};

/// Where the kinds of code live.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// The project under test.
    pub project: PathBuf,
    /// Folders of installed packages.
    pub packages: Vec<PathBuf>,
    /// Folders of the standard library.
    pub stdlib: Vec<PathBuf>,
    /// The run's temporary directory with the bridge.
    pub bridge: PathBuf,
}

/// Top-level modules of pytest and what it cannot do without.
const RUNNER_MODULES: [&str; 6] = ["_pytest", "pytest", "pluggy", "iniconfig", "xdist", "py"];

/// Where libraries of the system lie.
const SYSTEM: [&str; 4] = ["/usr", "/lib", "/lib64", "/nix"];

/// Folders in which a project may keep its packages.
const SOURCES: [&str; 3] = ["", "src", "lib"];

impl Places {
    /// Whose code `file` is; `None` for code without a file (`<string>`, templates, generated methods) but a doctest's.
    pub fn owner(&self, file: &str) -> Option<Owner> {
        if file.starts_with("<frozen ") {
            return Some(Owner::Interpreter);
        }
        // A test's own text, as doctest names it.
        if file.starts_with("<doctest ") {
            return Some(Owner::Project);
        }
        if file.starts_with('<') {
            return None;
        }
        let path = &*name::to_path(file);
        // Before a run has its directory every path would begin with it.
        if !self.bridge.as_os_str().is_empty() && path.starts_with(&self.bridge) {
            return Some(Owner::Runner);
        }
        // Before the standard library and the project: site-packages may lie inside either.
        if let Some(module) = self.module_of_package(path) {
            return Some(if is_runner(&module) {
                Owner::Runner
            } else if self.project_has(&module) {
                // The project installed into its own environment.
                Owner::Project
            } else {
                Owner::Dependency
            });
        }
        if self.stdlib.iter().any(|folder| path.starts_with(folder)) {
            let unittest = self
                .stdlib
                .iter()
                .any(|folder| path.starts_with(folder.join("unittest")));
            return Some(if unittest && !file.ends_with("/mock.py") {
                Owner::Runner
            } else {
                Owner::Interpreter
            });
        }
        Some(Owner::Project)
    }

    /// Whether a file with machine code is the project's or a package's, by whichever name its folder is known; or
    /// nobody's that comes with Python or the system, such as a library in the build folder beside the project.
    pub fn is_users_code(&self, file: &str) -> bool {
        let path = &*name::to_path(file);
        let is_in = |folder: &PathBuf| {
            let real = folder.canonicalize();
            path.starts_with(folder) || real.is_ok_and(|real| path.starts_with(real))
        };
        if { self.packages.iter().chain([&self.project]) }.any(is_in) {
            return true;
        }
        // `/opt/python/lib/python3.12`, beside which lie the libraries of the interpreter and, with conda, all others.
        let prefixes = self
            .stdlib
            .iter()
            .filter_map(|folder| folder.ancestors().nth(2));
        let theirs = prefixes.chain(SYSTEM.map(Path::new));
        path.is_absolute()
            && (self.bridge.as_os_str().is_empty() || !path.starts_with(&self.bridge))
            && !theirs.map(Path::to_path_buf).any(|folder| is_in(&folder))
    }

    fn module_of_package(&self, path: &Path) -> Option<String> {
        self.packages.iter().find_map(|folder| {
            let inside = path.strip_prefix(folder).ok()?;
            let first = inside.components().next()?;
            let name = first.as_os_str().to_string_lossy();
            Some(name.strip_suffix(".py").unwrap_or(&name).to_owned())
        })
    }

    /// Folders of the project's own packages where these are installed among others.
    pub fn installed(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for entry in self.packages.iter().flat_map(|folder| folder.read_dir()) {
            let mut names: Vec<PathBuf> = entry.flatten().map(|entry| entry.path()).collect();
            names.sort();
            found.extend(names.into_iter().filter(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                path.join("__init__.py").is_file() && !is_runner(&name) && self.project_has(&name)
            }));
        }
        found
    }

    fn project_has(&self, module: &str) -> bool {
        SOURCES.iter().any(|folder| {
            let base = self.project.join(folder);
            base.join(module).join("__init__.py").is_file()
                || base.join(format!("{module}.py")).is_file()
        })
    }

    /// The path as shown to people and kept in reports: relative to the project, or to where packages or the
    /// standard library live, so that it is the same on every machine.
    pub fn show(&self, file: &str) -> String {
        if file.starts_with('<') {
            return file.to_owned();
        }
        let path = &*name::to_path(file);
        for folder in self.packages.iter().chain(&self.stdlib) {
            if let Ok(inside) = path.strip_prefix(folder) {
                return inside.to_string_lossy().into_owned();
            }
        }
        path.strip_prefix(&self.project)
            .unwrap_or(path)
            .to_string_lossy()
            .into_owned()
    }
}

fn is_runner(module: &str) -> bool {
    RUNNER_MODULES.contains(&module) || module.starts_with("pytest_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        Places {
            project: "/home/p".into(),
            packages: vec!["/home/p/.venv/lib/python3.12/site-packages".into()],
            stdlib: vec!["/usr/lib/python3.12".into()],
            bridge: "/tmp/lc".into(),
        }
    }

    #[test]
    fn every_place_has_its_owner() {
        let places = places();
        for (file, owner) in [
            ("/home/p/tests/test_a.py", Some(Owner::Project)),
            (
                "/home/p/.venv/lib/python3.12/site-packages/jinja2/lexer.py",
                Some(Owner::Dependency),
            ),
            (
                "/home/p/.venv/lib/python3.12/site-packages/six.py",
                Some(Owner::Dependency),
            ),
            (
                "/home/p/.venv/lib/python3.12/site-packages/_pytest/python.py",
                Some(Owner::Runner),
            ),
            (
                "/home/p/.venv/lib/python3.12/site-packages/pytest_asyncio/plugin.py",
                Some(Owner::Runner),
            ),
            (
                "/usr/lib/python3.12/re/__init__.py",
                Some(Owner::Interpreter),
            ),
            ("/usr/lib/python3.12/unittest/case.py", Some(Owner::Runner)),
            (
                "/usr/lib/python3.12/unittest/mock.py",
                Some(Owner::Interpreter),
            ),
            ("<frozen importlib._bootstrap>", Some(Owner::Interpreter)),
            ("/tmp/lc/leakcheck_bridge/repeat.py", Some(Owner::Runner)),
            ("<template>", None),
            ("<doctest README.txt[2]>", Some(Owner::Project)),
        ] {
            assert_eq!(places.owner(file), owner, "{file}");
        }
        let nowhere = Places {
            bridge: PathBuf::new(),
            ..places
        };
        assert_eq!(
            nowhere.owner("/home/p/tests/test_a.py"),
            Some(Owner::Project)
        );
    }

    #[test]
    fn a_library_is_users_code_unless_it_comes_with_python_or_the_system() {
        let mut places = places();
        places.stdlib = vec!["/opt/python/lib/python3.12".into()];
        for (file, users) in [
            ("/home/p/src/fast.so", true),
            (
                "/home/p/.venv/lib/python3.12/site-packages/lz4/_frame.so",
                true,
            ),
            ("/home/build/libshop.so", true),
            ("/opt/shop/lib/libshop.so", true),
            ("/opt/python/lib/libpython3.12.so.1.0", false),
            ("/opt/python/lib/python3.12/lib-dynload/_ssl.so", false),
            ("/usr/lib/x86_64-linux-gnu/libc.so.6", false),
            ("/lib64/ld-linux-x86-64.so.2", false),
            ("/tmp/lc/tracer.so", false),
            ("linux-vdso.so.1", false),
        ] {
            assert_eq!(places.is_users_code(file), users, "{file}");
        }
    }

    #[test]
    fn the_project_installed_into_its_environment_stays_the_project() {
        let folder = tempfile::tempdir().unwrap();
        let module = folder.path().join("src/widget");
        std::fs::create_dir_all(&module).unwrap();
        std::fs::write(module.join("__init__.py"), "").unwrap();
        let mut places = places();
        places.project = folder.path().to_owned();
        let file = "/home/p/.venv/lib/python3.12/site-packages/widget/core.py";
        assert_eq!(places.owner(file), Some(Owner::Project));
        assert_eq!(places.show(file), "widget/core.py");
        let packages = folder.path().join("site-packages");
        for name in ["widget", "other", "_pytest"] {
            std::fs::create_dir_all(packages.join(name)).unwrap();
            std::fs::write(packages.join(name).join("__init__.py"), "").unwrap();
        }
        places.packages = vec![packages.clone()];
        assert_eq!(places.installed(), [packages.join("widget")]);
    }
}
