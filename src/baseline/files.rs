//! The files of the baseline: where they are, what may be read, and how they are written without ever being half there.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
};

use super::format::{Entry, Snapshot};
use crate::{
    config::text,
    explain::fingerprint,
    files::{
        own::{FOLDER, Own},
        read::Refusal,
    },
};

/// Its name in the folder of ours.
const SNAPSHOTS: &str = "snapshots";
/// Ends the name of an accepted snapshot.
const ACCEPTED: &str = ".snap";
/// Ends the name of one that waits for a decision.
const PENDING: &str = ".snap.new";
/// Bytes of the largest file that is read.
const LARGEST: u64 = 256 << 10;
/// Characters of a name that tell what it is about.
const SLUG: usize = 60;

/// A file of the baseline that could be read.
#[derive(Debug, Clone, PartialEq)]
pub struct File {
    /// Its name in the folder.
    pub name: String,
    /// What it says.
    pub entry: Entry,
}

impl File {
    /// Its path relative to the project, as messages show it.
    pub fn shown(&self) -> String {
        shown(&self.name)
    }
}

/// A file that could not be used, and why: one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// The file's name; empty where it is about the folder.
    pub name: String,
    /// What is wrong, and what to do.
    pub cause: String,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_empty() {
            // About the folder, which its cause names.
            return f.write_str(&self.cause);
        }
        write!(f, "{}: {}", shown(&self.name), self.cause)
    }
}

fn shown(name: &str) -> String {
    format!("{FOLDER}/{SNAPSHOTS}/{}", text::escape(name))
}

/// The baseline of a project.
#[derive(Debug, Clone)]
pub struct Folder(Own);

impl Folder {
    /// That of the project whose root is `project`.
    pub fn of(project: &Path) -> Folder {
        Folder(Own::of(project, SNAPSHOTS))
    }

    /// Where its files are.
    pub fn path(&self) -> PathBuf {
        self.0.path()
    }

    /// The accepted snapshots in the order of their names. Fails with a line for each file that cannot be used.
    pub fn accepted(&self) -> Result<Vec<File>, Vec<Unusable>> {
        let (files, mut unusable) = self.load(ACCEPTED);
        unusable.extend(twice(&files));
        if unusable.is_empty() {
            Ok(files)
        } else {
            Err(unusable)
        }
    }

    /// What waits for a decision, and what cannot be used of it.
    pub fn pending(&self) -> (Vec<File>, Vec<Unusable>) {
        let (mut files, mut unusable) = self.load(PENDING);
        files.retain(|file| {
            let fits = matches!(&file.entry, Entry::One(one) if one.pending.is_some());
            if !fits {
                unusable.push(Unusable {
                    name: file.name.clone(),
                    cause: "it waits for nothing (no `pending`); delete it and run leakcheck again"
                        .to_owned(),
                });
            }
            fits
        });
        (files, unusable)
    }

    fn load(&self, ending: &str) -> (Vec<File>, Vec<Unusable>) {
        let mut unusable = Vec::new();
        let mut files = Vec::new();
        let names = self.0.names().unwrap_or_else(|error| {
            unusable.push(Unusable {
                name: String::new(),
                cause: error.to_string(),
            });
            Vec::new()
        });
        for name in names {
            // `x.snap.new` does not end with `.snap`, and a hidden file is being written.
            if !name.to_string_lossy().ends_with(ending) || name.to_string_lossy().starts_with('.')
            {
                continue;
            }
            let result = match name.to_str() {
                Some(name) => self
                    .read(name)
                    .and_then(|entry| entry.ok_or_else(|| Refusal::Missing.to_string())),
                None => Err("its name is not valid text; rename it".to_owned()),
            };
            let name = name.to_string_lossy().into_owned();
            match result {
                Ok(entry) => files.push(File { name, entry }),
                Err(cause) => unusable.push(Unusable { name, cause }),
            }
        }
        (files, unusable)
    }

    /// The accepted file of that name, if there is one.
    pub fn one_accepted(&self, name: &str) -> Result<Option<Entry>, Unusable> {
        self.read(name).map_err(|cause| Unusable {
            name: name.to_owned(),
            cause,
        })
    }

    fn read(&self, name: &str) -> Result<Option<Entry>, String> {
        let bytes = match self.0.read(name, LARGEST) {
            Ok(bytes) => bytes,
            Err(Refusal::Missing) => return Ok(None),
            Err(refusal @ Refusal::Large(_)) => {
                return Err(format!(
                    "{refusal}, which no snapshot is; take it back from version control, or delete it"
                ));
            }
            Err(refusal) => return Err(refusal.to_string()),
        };
        let text = String::from_utf8(bytes)
            .map_err(|_| format!("{}; take it back from version control", Refusal::NoText))?;
        let entry = Entry::parse(&text).map_err(|damage| damage.to_string())?;
        Ok(Some(entry))
    }

    /// Puts the whole text there in one step: who reads sees the old file or the new one.
    pub fn write(&self, name: &str, text: &str) -> io::Result<()> {
        self.0.write(name, text)
    }

    /// Takes the file away. Somebody else may have been faster.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }

    /// Takes all snapshots away, accepted ones and those that wait.
    pub fn clear(&self) -> io::Result<()> {
        for name in self.0.names()? {
            if let Some(name) = name.to_str()
                && [ACCEPTED, PENDING]
                    .iter()
                    .any(|ending| name.ends_with(ending))
            {
                self.0.remove(name)?;
            }
        }
        Ok(())
    }
}

/// The name of the pending file beside the accepted one `name`.
pub fn pending_name(name: &str) -> String {
    format!("{name}.new")
}

/// The name of the accepted file beside the pending one `name`.
pub fn accepted_name(name: &str) -> &str {
    name.strip_suffix(".new").unwrap_or(name)
}

/// A name that a person can read: code, what it is about, and the beginning of the fingerprint.
pub fn name_of(snapshot: &Snapshot) -> String {
    named(snapshot, fingerprint::short(&snapshot.fingerprint))
}

/// The same where that name belongs to another finding.
pub fn long_name_of(snapshot: &Snapshot) -> String {
    named(snapshot, &snapshot.fingerprint)
}

fn named(snapshot: &Snapshot, digits: &str) -> String {
    let about = match (&snapshot.holder, &snapshot.site) {
        (Some(holder), _) => holder.clone(),
        (None, Some(site)) => {
            let file = site.file.rsplit('/').next().unwrap_or_default();
            let module = file.strip_suffix(".py").unwrap_or(file);
            format!("{module}.{}", site.function)
        }
        (None, None) => snapshot.tests.first().cloned().unwrap_or_default(),
    };
    let (code, about) = (slug(&snapshot.code), slug(&about));
    format!("{code}-{about}-{digits}{ACCEPTED}")
}

/// The name of the file that accepts a whole package.
pub fn package_name(name: &str, version: &str) -> String {
    format!("package-{}-{}{ACCEPTED}", slug(name), slug(version))
}

/// Letters, digits, dots and underscores of `text`, all else a dash: safe on every file system and in every shell.
fn slug(text: &str) -> String {
    let mut slug = String::new();
    for character in text.chars() {
        if slug.len() >= SLUG {
            break;
        }
        if character.is_ascii_alphanumeric() || character == '_' || character == '.' {
            slug.push(character);
        } else if !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_matches(['-', '.']).to_owned()
}

/// A line for every file that says the same as one before it.
fn twice(files: &[File]) -> Vec<Unusable> {
    let mut first: BTreeMap<String, &str> = BTreeMap::new();
    let mut lines = Vec::new();
    for file in files {
        let key = match &file.entry {
            Entry::One(one) => one.fingerprint.clone(),
            Entry::Whole(whole) => format!("{} {}", whole.accepts.name, whole.accepts.version),
        };
        match first.get(&key) {
            Some(other) => lines.push(Unusable {
                name: file.name.clone(),
                cause: format!("it is about the same finding as {}; keep one", shown(other)),
            }),
            None => {
                first.insert(key, &file.name);
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;
    use crate::baseline::format::tests::snapshot;
    use crate::files::own::GITIGNORE;

    #[test]
    fn names_can_be_read_and_typed() {
        let mut one = snapshot("Registry.record", &[]);
        let digits = one.fingerprint[..8].to_owned();
        assert_eq!(
            name_of(&one),
            format!("LK101-app.Registry.record-{digits}.snap")
        );
        one.holder = Some("../../etc/$(rm -rf ~) \u{1b}[2J größe".to_owned());
        assert_eq!(
            name_of(&one),
            format!("LK101-etc-rm-rf-2J-gr-e-{digits}.snap")
        );
        assert!(long_name_of(&one).contains(&one.fingerprint));
        assert_eq!(package_name("jinja2", "3.1.6"), "package-jinja2-3.1.6.snap");
    }

    #[test]
    fn what_is_written_is_read_again_and_nothing_is_left_beside_it() {
        let project = tempfile::tempdir().unwrap();
        let folder = Folder::of(project.path());
        assert_eq!(folder.accepted(), Ok(Vec::new()));
        let one = snapshot("f", &[("blocks", 2.0)]);
        folder.write("b.snap", &one.to_text()).unwrap();
        folder.write("b.snap", &one.to_text()).unwrap();
        let files = folder.accepted().unwrap();
        assert_eq!(files.len(), 1);
        assert_eq!(files[0].entry, Entry::One(Box::new(one)));
        assert_eq!(folder.0.names().unwrap(), ["b.snap"]);
        let ignored = fs::read_to_string(project.path().join(".leakcheck/.gitignore")).unwrap();
        assert_eq!(ignored, GITIGNORE);
        folder.remove("b.snap").unwrap();
        folder.remove("b.snap").unwrap();
        assert_eq!(folder.accepted(), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_plain_file_is_never_opened() {
        let project = tempfile::tempdir().unwrap();
        let folder = Folder::of(project.path());
        fs::create_dir_all(folder.path().join("a.snap")).unwrap();
        nix::unistd::mkfifo(&folder.path().join("b.snap"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        std::os::unix::fs::symlink("/dev/zero", folder.path().join("c.snap")).unwrap();
        fs::write(folder.path().join("d.snap"), vec![b'x'; 300 << 10]).unwrap();
        fs::write(folder.path().join("e.snap"), [0xff, 0xfe, b'x']).unwrap();
        let lines: Vec<String> = folder
            .accepted()
            .unwrap_err()
            .iter()
            .map(ToString::to_string)
            .collect();
        for (line, words) in lines
            .iter()
            .zip(["no file", "no file", "a link", "256 kB", "UTF-8"])
        {
            assert!(line.contains(words), "{line}");
        }
        assert_eq!(lines.len(), 5);
    }

    #[test]
    fn two_files_about_one_finding_are_named_both() {
        let project = tempfile::tempdir().unwrap();
        let folder = Folder::of(project.path());
        let text = snapshot("f", &[]).to_text();
        folder.write("a.snap", &text).unwrap();
        folder.write("b.snap", &text).unwrap();
        let lines = folder.accepted().unwrap_err();
        let line = lines[0].to_string();
        assert!(line.contains("b.snap") && line.contains("a.snap"), "{line}");
    }

    #[test]
    fn two_at_once_never_leave_half_a_file() {
        let project = tempfile::tempdir().unwrap();
        let folder = Folder::of(project.path());
        let texts = ["f", "g"].map(|name| snapshot(name, &[("blocks", 2.0)]).to_text());
        folder.write("a.snap", &texts[0]).unwrap();
        std::thread::scope(|scope| {
            for text in &texts {
                let folder = &folder;
                scope.spawn(move || (0..50).for_each(|_| folder.write("a.snap", text).unwrap()));
            }
            for _ in 0..200 {
                assert_eq!(folder.accepted().unwrap().len(), 1);
            }
        });
        assert_eq!(folder.0.names().unwrap(), ["a.snap"]);
    }

    proptest! {
        #[test]
        fn a_name_never_leaves_the_folder(holder in any::<String>()) {
            let mut one = snapshot("f", &[]);
            one.holder = Some(holder);
            let name = name_of(&one);
            prop_assert!(!name.contains('/') && name.is_ascii() && name.len() < 120, "{}", name);
            prop_assert!(name.starts_with("LK101-") && name.ends_with(".snap"));
        }
    }
}
