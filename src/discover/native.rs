//! The project's own Cargo packages that are built as extension modules.

use std::{
    env,
    path::{Path, PathBuf},
};

use cargo_metadata::{CrateType, Metadata, MetadataCommand};
use toml::Table;

use crate::files::read::{self, SETTINGS};

const MANIFEST: &str = "Cargo.toml";

/// A package of the project that makes a shared object for Python.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crate {
    /// What the module is called: `_fast`, or `pkg._fast` where its builder says so.
    pub module: String,
    /// Its folder, relative to the project or to the root of its workspace; its name where that is the folder itself.
    pub shown: String,
}

impl Crate {
    /// Whether `file`, a path relative to where packages are or to the project, is its shared object.
    pub fn made(&self, file: &Path) -> bool {
        let (above, name) = match self.module.rsplit_once('.') {
            Some((above, name)) => (Some(above), name),
            None => (None, &*self.module),
        };
        let named = stem(file).is_some_and(|stem| {
            stem == name || stem.strip_prefix("lib").is_some_and(|rest| rest == name)
        });
        let folder = file.parent().unwrap_or(Path::new(""));
        named && above.is_none_or(|above| folder.ends_with(above.replace('.', "/")))
    }
}

/// The name of a module's shared object without what says for which interpreter it is.
pub fn stem(file: &Path) -> Option<&str> {
    let name = file.file_name()?.to_str()?;
    let name = name.strip_suffix(".so")?;
    name.split('.').next()
}

/// The packages with a `cdylib` of the workspace that `project` belongs to or says that it is built from. None without
/// a `Cargo.toml`, and where Cargo is not there or does not like it: a report can do without them.
pub fn crates(project: &Path) -> Vec<Crate> {
    let built_from = pyproject(project)
        .and_then(|table| manifest_of(&table))
        .map(|manifest| project.join(manifest))
        .filter(|manifest| manifest.is_file());
    let Some(manifest) = built_from.or_else(|| above(project)) else {
        return Vec::new();
    };
    metadata(&manifest).map_or_else(Vec::new, |metadata| of(&metadata, project))
}

/// The nearest manifest from `project` upwards to the root of its repository.
fn above(project: &Path) -> Option<PathBuf> {
    for directory in project.ancestors() {
        let manifest = directory.join(MANIFEST);
        if manifest.is_file() {
            return Some(manifest);
        }
        if directory.join(".git").exists() {
            break;
        }
    }
    None
}

fn metadata(manifest: &Path) -> Option<Metadata> {
    let manifest = std::path::absolute(manifest).ok()?;
    MetadataCommand::new()
        .manifest_path(manifest)
        .no_deps()
        .other_options(["--offline".to_owned()])
        // Neither the project's Cargo configuration nor the toolchain that it asks for matters here, and rustup would
        // fetch one that is missing.
        .current_dir(env::temp_dir())
        .env("RUSTUP_AUTO_INSTALL", "0")
        .exec()
        .ok()
}

fn of(metadata: &Metadata, project: &Path) -> Vec<Crate> {
    let root = metadata.workspace_root.as_std_path();
    metadata
        .packages
        .iter()
        .filter_map(|package| {
            let library = package
                .targets
                .iter()
                .find(|target| target.crate_types.contains(&CrateType::CDyLib))?;
            let folder = package.manifest_path.as_std_path().parent()?;
            let said = [folder, project]
                .into_iter()
                .filter_map(|at| Some((at, pyproject(at)?)))
                // Of several packages, the project's own file speaks of one.
                .filter(|(at, table)| {
                    let manifest = manifest_of(table).unwrap_or_else(|| MANIFEST.to_owned());
                    at.join(manifest) == package.manifest_path.as_std_path()
                })
                .find_map(|(_, table)| {
                    text(table.get("tool")?.get("maturin")?.get("module-name")?)
                });
            let shown = folder
                .strip_prefix(project)
                .or_else(|_| folder.strip_prefix(root))
                .ok()
                .filter(|inside| !inside.as_os_str().is_empty())
                .map_or_else(
                    || package.name.to_string(),
                    |inside| inside.to_string_lossy().into_owned(),
                );
            Some(Crate {
                module: said.unwrap_or_else(|| library.name.replace('-', "_")),
                shown,
            })
        })
        .collect()
}

fn pyproject(folder: &Path) -> Option<Table> {
    read::text(&folder.join("pyproject.toml"), SETTINGS)
        .ok()?
        .parse()
        .ok()
}

/// The manifest that a project says it is built from: to maturin, or to setuptools-rust.
fn manifest_of(pyproject: &Table) -> Option<String> {
    let tool = pyproject.get("tool")?;
    let maturin = tool
        .get("maturin")
        .and_then(|maturin| maturin.get("manifest-path"));
    maturin
        .or_else(|| {
            let modules = tool.get("setuptools-rust")?.get("ext-modules")?;
            modules.as_array()?.first()?.get("path")
        })
        .and_then(text)
}

fn text(value: &toml::Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::discover::suite::tests::tree;

    const WORKSPACE: &str = "[workspace]\nmembers = [\"crates/*\"]\nresolver = \"2\"\n";

    fn package(name: &str, kind: &str) -> String {
        format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[lib]\ncrate-type = [\"{kind}\"]\n"
        )
    }

    fn found(project: &Path) -> Vec<(String, String)> {
        crates(project)
            .into_iter()
            .map(|made| (made.module, made.shown))
            .collect()
    }

    fn pair(module: &str, shown: &str) -> Vec<(String, String)> {
        vec![(module.to_owned(), shown.to_owned())]
    }

    #[test]
    fn extension_modules_of_the_workspace_are_found_from_within_it() {
        let root = tree(&[
            ("Cargo.toml", WORKSPACE),
            ("crates/fast/Cargo.toml", &package("fast-mod", "cdylib")),
            ("crates/fast/src/lib.rs", ""),
            ("crates/core/Cargo.toml", &package("core", "rlib")),
            ("crates/core/src/lib.rs", ""),
            ("python/pyproject.toml", "[project]\nname = \"x\"\n"),
        ]);
        assert_eq!(found(root.path()), pair("fast_mod", "crates/fast"));
        assert_eq!(
            found(&root.path().join("python")),
            pair("fast_mod", "crates/fast"),
            "from a folder beside"
        );
        fs::create_dir_all(root.path().join("python/.git")).unwrap();
        assert_eq!(
            found(&root.path().join("python")),
            [],
            "another repository's"
        );
    }

    #[test]
    fn the_builder_says_where_the_manifest_is_and_what_the_module_is_called() {
        let maturin =
            "[tool.maturin]\nmanifest-path = \"rust/Cargo.toml\"\nmodule-name = \"pkg._fast\"\n";
        let root = tree(&[
            ("pyproject.toml", maturin),
            ("rust/Cargo.toml", &package("fast", "cdylib")),
            ("rust/src/lib.rs", ""),
        ]);
        assert_eq!(found(root.path()), pair("pkg._fast", "rust"));
        let setuptools = "[[tool.setuptools-rust.ext-modules]]\ntarget = \"pkg.fast\"\npath = \"rust/Cargo.toml\"\n";
        fs::write(root.path().join("pyproject.toml"), setuptools).unwrap();
        assert_eq!(found(root.path()), pair("fast", "rust"));
    }

    #[test]
    fn a_manifest_that_cargo_refuses_is_no_failure() {
        let root = tree(&[("Cargo.toml", "[package\n")]);
        assert_eq!(found(root.path()), []);
    }

    #[test]
    fn a_shared_object_is_told_by_the_name_of_its_module() {
        let of = |module: &str| Crate {
            module: module.to_owned(),
            shown: String::new(),
        };
        let made = |module: &str, file: &str| of(module).made(Path::new(file));
        assert!(made("_fast", "_fast.abi3.so"));
        assert!(made("_fast", "pkg/_fast.cpython-312-x86_64-linux-gnu.so"));
        assert!(made("_fast", "target/debug/lib_fast.so"));
        assert!(made("pkg._fast", "pkg/_fast.abi3.so"));
        assert!(!made("pkg._fast", "other/_fast.abi3.so"));
        assert!(!made("_fast", "_faster.so"));
        assert!(!made("c", "libc.so.6"));
    }
}
