//! The project's own Cargo packages that are built as extension modules.

use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use cargo_metadata::{CrateType, Metadata, MetadataCommand};
use toml::Table;

use super::limited;
use crate::{
    config::text,
    files::read::{self, SETTINGS},
};

/// Cargo answers in a twentieth of a second; one that waits for a lock or the network may never do.
const LIMIT: Duration = Duration::from_secs(10);

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

/// The packages with a `cdylib` of the workspace that `project` belongs to or says that it is built from; none without a
/// `Cargo.toml`. Where Cargo is not there, does not like it or does not answer, one line says so: a report can do without.
pub fn crates(project: &Path) -> Result<Vec<Crate>, String> {
    let built_from = pyproject(project)
        .and_then(|table| manifest_of(&table))
        .map(|manifest| project.join(manifest))
        .filter(|manifest| manifest.is_file());
    let Some(manifest) = built_from.or_else(|| above(project)) else {
        return Ok(Vec::new());
    };
    match metadata(&manifest, &mut MetadataCommand::new(), LIMIT) {
        Ok(metadata) => Ok(of(&metadata, project)),
        Err(why) => Err(format!(
            "which machine code is built from this project is not known: `cargo metadata` {why}"
        )),
    }
}

/// How the machine code of a project is built so that files and lines of its source are known, by what builds it.
pub fn with_lines(project: &Path) -> String {
    let backend = pyproject(project).and_then(|table| {
        let backend = word(table.get("build-system")?.get("build-backend")?)?;
        backend.split(['.', ':']).next().map(str::to_owned)
    });
    let has = |name: &str| project.join(name).is_file();
    let how = match backend.as_deref() {
        Some("maturin") => {
            "`maturin develop`, or debug = \"line-tables-only\" and strip = false in [profile.release]"
        }
        Some("mesonpy") => "`pip install . -Csetup-args=-Dbuildtype=debugoptimized`",
        Some("scikit_build_core") => {
            "`pip install . -Ccmake.build-type=RelWithDebInfo -Cinstall.strip=false`"
        }
        Some("setuptools") => "`CFLAGS=-g pip install .`",
        _ if has("setup.py") => "`CFLAGS=-g pip install .`",
        _ if has("meson.build") => "`meson setup -Dbuildtype=debugoptimized`",
        _ if has("CMakeLists.txt") => "`cmake -DCMAKE_BUILD_TYPE=RelWithDebInfo`",
        _ if has(MANIFEST) => "debug = \"line-tables-only\" and strip = false in [profile.release]",
        _ => "`CFLAGS=-g`",
    };
    format!("Built with -g and not stripped it would be told with file and line: {how}.")
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

fn metadata(
    manifest: &Path,
    command: &mut MetadataCommand,
    limit: Duration,
) -> Result<Metadata, String> {
    let command = command
        .manifest_path(std::path::absolute(manifest).map_err(|error| error.to_string())?)
        .no_deps()
        .other_options(["--offline".to_owned()])
        .cargo_command();
    // Neither the project's Cargo configuration nor the toolchain that it asks for matters here, and rustup would fetch
    // one that is missing.
    let program = duct::cmd(command.get_program(), command.get_args())
        .dir(env::temp_dir())
        .env("RUSTUP_AUTO_INSTALL", "0");
    let output = limited::run(&program, limit)
        .map_err(|error| format!("could not be started: {error}"))?
        .ok_or_else(|| format!("did not answer within {} s", limit.as_secs()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("failed: {}", text::excerpt(&said, 200)));
    }
    MetadataCommand::parse(String::from_utf8_lossy(&output.stdout))
        .map_err(|error| format!("could not be read: {error}"))
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
                    word(table.get("tool")?.get("maturin")?.get("module-name")?)
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
        .and_then(word)
}

fn word(value: &toml::Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

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
            .unwrap()
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
    fn how_lines_become_known_is_said_for_what_builds_the_project() {
        let backend = |name: &str| format!("[build-system]\nbuild-backend = \"{name}\"\n");
        for (files, part) in [
            (
                vec![("pyproject.toml", backend("setuptools.build_meta"))],
                "CFLAGS=-g pip",
            ),
            (
                vec![("pyproject.toml", backend("mesonpy"))],
                "debugoptimized",
            ),
            (
                vec![("pyproject.toml", backend("scikit_build_core.build"))],
                "RelWithDebInfo",
            ),
            (
                vec![("pyproject.toml", backend("maturin"))],
                "maturin develop",
            ),
            (vec![("setup.py", String::new())], "CFLAGS=-g pip"),
            (vec![("CMakeLists.txt", String::new())], "cmake -D"),
            (vec![], "`CFLAGS=-g`"),
        ] {
            let files: Vec<(&str, &str)> =
                files.iter().map(|(name, text)| (*name, &**text)).collect();
            let said = with_lines(tree(&files).path());
            assert!(said.contains(part), "{said}");
        }
    }

    #[test]
    fn a_manifest_that_cargo_refuses_is_told_in_one_line() {
        let root = tree(&[("Cargo.toml", "[package\n")]);
        let said = crates(root.path()).unwrap_err();
        let start =
            "which machine code is built from this project is not known: `cargo metadata` failed: ";
        assert!(said.starts_with(start) && !said.contains('\n'), "{said}");
        assert_eq!(crates(tree(&[]).path()), Ok(Vec::new()));
    }

    #[test]
    fn a_cargo_that_does_not_answer_is_not_waited_for() {
        let root = tree(&[
            ("Cargo.toml", &package("fast", "cdylib")),
            ("cargo", "#!/bin/sh\nsleep 300\n"),
        ]);
        let cargo = root.path().join("cargo");
        fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = MetadataCommand::new();
        command.cargo_path(cargo);
        let manifest = root.path().join(MANIFEST);
        let said = metadata(&manifest, &mut command, Duration::from_secs(1));
        assert_eq!(said.unwrap_err(), "did not answer within 1 s");
        command.cargo_path(root.path().join("none"));
        let said = metadata(&manifest, &mut command, LIMIT).unwrap_err();
        assert!(said.starts_with("could not be started: "), "{said}");
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
