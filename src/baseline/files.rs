//! The files of the baseline: where they are, what may be read, and how they are written without ever being half there.

use std::{
    collections::BTreeMap,
    fmt, fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use super::format::{Entry, Snapshot};
use crate::config::text;

/// The folder of all that leakcheck keeps in a project.
pub const FOLDER: &str = ".leakcheck";
/// Ends the name of an accepted snapshot.
const ACCEPTED: &str = ".snap";
/// Ends the name of one that waits for a decision.
const PENDING: &str = ".snap.new";
/// Bytes of the largest file that is read.
const LARGEST: u64 = 256 << 10;
/// Characters of a name that tell what it is about.
const SLUG: usize = 60;
/// Digits of the fingerprint in a name.
const DIGITS: usize = 8;

/// What stands in `.leakcheck/.gitignore`.
pub const GITIGNORE: &str = "\
# Findings that wait for `leakcheck review`, and files that are being written.
*.snap.new
.tmp*
";

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
    /// The file's name.
    pub name: String,
    /// What is wrong, and what to do.
    pub cause: String,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", shown(&self.name), self.cause)
    }
}

fn shown(name: &str) -> String {
    format!("{FOLDER}/snapshots/{}", text::escape(name))
}

/// The baseline of a project.
#[derive(Debug, Clone)]
pub struct Folder {
    project: PathBuf,
}

impl Folder {
    /// That of the project whose root is `project`.
    pub fn of(project: &Path) -> Folder {
        Folder {
            project: project.to_owned(),
        }
    }

    /// Where its files are.
    pub fn path(&self) -> PathBuf {
        self.project.join(FOLDER).join("snapshots")
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
        let names = match names(&self.path()) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                unusable.push(Unusable {
                    name: String::new(),
                    cause: format!("cannot be listed: {error}"),
                });
                Vec::new()
            }
        };
        for name in names {
            // `x.snap.new` does not end with `.snap`, and a hidden file is being written.
            if !name.to_string_lossy().ends_with(ending) || name.to_string_lossy().starts_with('.')
            {
                continue;
            }
            let result = match name.to_str() {
                Some(_) => read(&self.path().join(&name)),
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
        let path = self.path().join(name);
        if fs::symlink_metadata(&path).is_err() {
            return Ok(None);
        }
        read(&path).map(Some).map_err(|cause| Unusable {
            name: name.to_owned(),
            cause,
        })
    }

    /// Puts the whole text there in one step: who reads sees the old file or the new one.
    pub fn write(&self, name: &str, text: &str) -> io::Result<()> {
        let folder = self.path();
        fs::create_dir_all(&folder)?;
        self.write_gitignore()?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(".tmp");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // As any file: the user's mask applies.
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        let mut file = builder.tempfile_in(&folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_data()?;
        file.persist(folder.join(name))
            .map_err(|error| error.error)?;
        Ok(())
    }

    /// Keeps pending files out of version control, unless the user has said what to keep out.
    fn write_gitignore(&self) -> io::Result<()> {
        let path = self.project.join(FOLDER).join(".gitignore");
        match fs::File::create_new(path) {
            Ok(mut file) => file.write_all(GITIGNORE.as_bytes()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Takes the file away. Somebody else may have been faster.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path().join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
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
    named(snapshot, DIGITS)
}

/// The same where that name belongs to another finding.
pub fn long_name_of(snapshot: &Snapshot) -> String {
    named(snapshot, snapshot.fingerprint.len())
}

fn named(snapshot: &Snapshot, digits: usize) -> String {
    let about = match (&snapshot.holder, &snapshot.site) {
        (Some(holder), _) => holder.clone(),
        (None, Some(site)) => {
            let file = site.file.rsplit('/').next().unwrap_or_default();
            let module = file.strip_suffix(".py").unwrap_or(file);
            format!("{module}.{}", site.function)
        }
        (None, None) => snapshot.tests.first().cloned().unwrap_or_default(),
    };
    let digits = snapshot
        .fingerprint
        .get(..digits)
        .unwrap_or(&snapshot.fingerprint);
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

fn names(folder: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    let mut names = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

fn read(path: &Path) -> Result<Entry, String> {
    let unreadable = |error: io::Error| format!("cannot be read: {error}");
    // Looked at before it is opened: opening a pipe would wait for ever.
    let metadata = fs::symlink_metadata(path).map_err(unreadable)?;
    if metadata.is_symlink() {
        return Err("it is a link; put the file itself there".to_owned());
    }
    if !metadata.is_file() {
        return Err("it is no file; move it elsewhere".to_owned());
    }
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!(
            "it is larger than {} kB, which no snapshot is; take it back from version control, or delete it",
            LARGEST >> 10
        ));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| "it is not UTF-8 text; take it back from version control".to_owned())?;
    Entry::parse(&text).map_err(|damage| damage.to_string())
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
    use proptest::prelude::*;

    use super::*;
    use crate::baseline::format::tests::snapshot;

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
        assert_eq!(names(&folder.path()).unwrap(), ["b.snap"]);
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
        assert_eq!(names(&folder.path()).unwrap(), ["a.snap"]);
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
