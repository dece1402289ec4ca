//! Where shared objects belong: to the project, to a package, to Python.

use std::{
    cell::OnceCell,
    path::{Path, PathBuf},
};

use crate::{
    discover::{
        native::{self, Crate},
        packages,
    },
    explain::native::{Function, is_interpreter},
    finding::{NativeFunction, Owner},
    heap::owner::Places,
};

/// The folders of all of them, and the crates of the project.
pub(super) struct Folders<'a> {
    pub places: &'a Places,
    /// Asked of Cargo when the first one is met.
    crates: OnceCell<Result<Vec<Crate>, String>>,
}

impl<'a> Folders<'a> {
    pub fn of(places: &'a Places) -> Folders<'a> {
        Folders {
            places,
            crates: OnceCell::new(),
        }
    }

    /// Why the project's own crates are not known, where they were asked for.
    pub fn trouble(&self) -> Option<&String> {
        self.crates.get()?.as_ref().err()
    }

    /// Whose a function is, and of which library.
    pub fn home(&self, Function(name, path): &Function, certain: bool) -> NativeFunction {
        let mut function = NativeFunction {
            name: name.clone(),
            certain,
            ..NativeFunction::default()
        };
        if path.is_empty() || is_interpreter(path) {
            return function;
        }
        let path = Path::new(path);
        function.library = library(path);
        let packaged = inside(&self.places.packages, path);
        function.module = packaged.as_deref().and_then(dotted);
        let own = self.own(path, packaged.as_deref());
        if let Some(own) = own {
            function.folder = Some(own.shown.clone());
            function.owner = Some(Owner::Project);
        } else if let Some(file) = &packaged {
            function.owner = self.places.owner(&path.to_string_lossy());
            function.package = packages::owner_of(&self.places.packages, &file.to_string_lossy())
                .map(|(name, version)| format!("{name} {version}"));
            // Beneath another name of the folder.
            if function.owner == Some(Owner::Project) && !self.is_projects(file) {
                function.owner = Some(Owner::Dependency);
            }
        } else if inside(&self.places.stdlib, path).is_some() {
            function.owner = Some(Owner::Interpreter);
        } else if inside(std::slice::from_ref(&self.places.project), path).is_some() {
            function.owner = Some(Owner::Project);
        } else if self.places.is_users_code(&path.to_string_lossy()) {
            // A library in a build folder beside the project, or in one of its own.
            function.owner = Some(Owner::Dependency);
        }
        function
    }

    fn own(&self, path: &Path, packaged: Option<&Path>) -> Option<&Crate> {
        let crates = self
            .crates
            .get_or_init(|| native::crates(&self.places.project));
        crates.iter().flatten().find(|own| {
            let file = packaged.unwrap_or(path);
            own.made(file)
                && packaged.is_none_or(|file| {
                    own.module.contains('.') || self.is_projects(file) || is_top(file)
                })
        })
    }

    /// Whether the package of a file in a folder of packages is one that the project has itself.
    fn is_projects(&self, file: &Path) -> bool {
        let top = file
            .components()
            .next()
            .map(std::path::Component::as_os_str);
        top.is_some_and(|top| {
            ["", "src", "lib", "python"]
                .iter()
                .any(|folder| self.places.project.join(folder).join(top).is_dir())
        })
    }
}

/// Whether a module is no part of a package, or one of its own name (as maturin lays it out).
fn is_top(file: &Path) -> bool {
    let folder = file.parent().unwrap_or(Path::new(""));
    folder.as_os_str().is_empty()
        || folder
            .to_str()
            .is_some_and(|folder| native::stem(file) == Some(folder))
}

/// The path within one of `folders`, by whichever name the folder is known.
fn inside(folders: &[PathBuf], path: &Path) -> Option<PathBuf> {
    folders.iter().find_map(|folder| {
        let real = folder.canonicalize().unwrap_or_else(|_| folder.clone());
        [folder, &real]
            .into_iter()
            .find_map(|folder| path.strip_prefix(folder).ok())
            .map(Path::to_owned)
    })
}

/// The module's own name; of a library that is none the whole name of its file.
fn library(path: &Path) -> String {
    native::stem(path)
        .map(str::to_owned)
        .or_else(|| {
            path.file_name()
                .map(|name| name.to_string_lossy().into_owned())
        })
        .unwrap_or_default()
}

/// A module's name with the packages that it is in; none where it is in none.
fn dotted(file: &Path) -> Option<String> {
    let stem = native::stem(file)?;
    let folders: Option<Vec<&str>> = { file.parent()?.iter() }
        .map(|part| part.to_str())
        .collect();
    let folders = folders.filter(|folders| !folders.is_empty())?;
    Some(format!("{}.{stem}", folders.join(".")))
}
