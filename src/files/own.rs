//! The folder that leakcheck keeps in a project, `.leakcheck`: the only place in it that is written to without being asked.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder},
    io::{self, ErrorKind},
    path::{Component, Path, PathBuf},
};

use super::{
    read::{self, Refusal},
    write,
};

/// Its name.
pub const FOLDER: &str = ".leakcheck";

/// What stands in `.leakcheck/.gitignore`.
pub const GITIGNORE: &str = "\
# Findings that wait for `leakcheck review`, and files that are being written.
*.snap.new
.tmp*
";

/// What stands in the `.gitignore` of a folder of which nothing is for version control, that file itself included.
const ALL: &str = "*\n";

/// A folder of ours, or one in it. Neither may be a link, by which a project would have us write somewhere else.
#[derive(Debug, Clone, Default)]
pub struct Own {
    project: PathBuf,
    /// Below `.leakcheck`; empty for the folder itself.
    inside: &'static str,
    /// Whether nothing in it is for version control.
    is_ignored: bool,
}

impl Own {
    /// That of the project whose root is `project`; `inside` is a name, or empty for the folder itself.
    pub fn of(project: &Path, inside: &'static str) -> Own {
        Own {
            project: project.to_owned(),
            inside,
            is_ignored: false,
        }
    }

    /// The same, of which nothing is for version control: who made no decision yet finds no new file to commit.
    pub fn ignored(project: &Path, inside: &'static str) -> Own {
        Own {
            is_ignored: true,
            ..Own::of(project, inside)
        }
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        let path = self.project.join(FOLDER);
        if self.inside.is_empty() {
            path
        } else {
            path.join(self.inside)
        }
    }

    /// Its name as messages have it, relative to the project.
    pub fn shown(&self) -> String {
        if self.inside.is_empty() {
            FOLDER.to_owned()
        } else {
            format!("{FOLDER}/{}", self.inside)
        }
    }

    fn parts(&self) -> [(PathBuf, String); 2] {
        [
            (self.project.join(FOLDER), FOLDER.to_owned()),
            (self.path(), self.shown()),
        ]
    }

    /// Fails with one line where it is there and is no folder of the project's own.
    pub fn check(&self) -> io::Result<()> {
        for (path, shown) in self.parts() {
            let wrong = |what: &str| {
                io::Error::other(format!(
                    "{shown} {what}; put a folder there, nothing is read or written elsewhere"
                ))
            };
            match fs::symlink_metadata(path) {
                Ok(found) if found.is_symlink() => return Err(wrong("is a link")),
                Ok(found) if !found.is_dir() => return Err(wrong("is no folder")),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The file called `name` in it; a name that leads out of it is none.
    fn file(&self, name: &str) -> io::Result<PathBuf> {
        self.check()?;
        let mut parts = Path::new(name).components();
        match (parts.next(), parts.next()) {
            (Some(Component::Normal(only)), None) if only == name => Ok(self.path().join(name)),
            _ => Err(io::Error::other(format!("{name:?} is no name of a file"))),
        }
    }

    /// The names of what is in it, sorted; none where it is not there.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        self.check()?;
        let entries = match fs::read_dir(self.path()) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut names = entries
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    /// All of the file called `name`, which must not be a link.
    pub fn read(&self, name: &str, most: u64) -> Result<Vec<u8>, Refusal> {
        read::bytes_of_itself(&self.file(name).map_err(Refusal::Failed)?, most)
    }

    /// Puts the whole text there in one step: who reads sees the old file or the new one.
    pub fn write(&self, name: &str, text: &str) -> io::Result<()> {
        let path = self.file(name)?;
        for (folder, _) in self.parts() {
            match DirBuilder::new().create(folder) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        self.check()?;
        // Keeps pending files out of version control, unless the user has said what to keep out.
        let (folder, ignored) = if self.is_ignored {
            (self.path(), ALL)
        } else {
            (self.project.join(FOLDER), GITIGNORE)
        };
        match write::create(&folder.join(".gitignore"), ignored) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        write::replace(&path, |out| out.write_all(text.as_bytes()))
    }

    /// Takes the file away. Somebody else may have been faster.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.file(name)?) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn nothing_is_written_through_a_link() {
        for link in [".leakcheck", ".leakcheck/snapshots"] {
            let (project, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let path = project.path().join(link);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            symlink(outside.path(), &path).unwrap();
            fs::write(outside.path().join("a.snap"), "theirs").unwrap();
            let own = Own::of(project.path(), "snapshots");
            let errors = [
                own.write("a.snap", "ours").unwrap_err().to_string(),
                own.remove("a.snap").unwrap_err().to_string(),
                own.names().unwrap_err().to_string(),
                own.read("a.snap", 100).unwrap_err().to_string(),
            ];
            for error in errors {
                assert!(error.contains(&format!("{link} is a link; ")), "{error}");
            }
            let left = fs::read_dir(outside.path()).unwrap().count();
            assert_eq!(left, 1, "{link}");
            let text = fs::read_to_string(outside.path().join("a.snap")).unwrap();
            assert_eq!(text, "theirs");
        }
    }

    #[test]
    fn a_name_that_leads_out_is_none() {
        let project = tempfile::tempdir().unwrap();
        let own = Own::of(project.path(), "snapshots");
        for name in [
            "../a",
            "..",
            ".",
            "",
            "a/b",
            "/etc/passwd",
            "a/",
            "./a",
            "a/..",
        ] {
            assert!(own.write(name, "").is_err(), "{name}");
            assert!(own.read(name, 9).is_err(), "{name}");
            assert!(own.remove(name).is_err(), "{name}");
        }
        assert_eq!(fs::read_dir(project.path()).unwrap().count(), 0);
        own.write("a.snap", "x").unwrap();
        assert_eq!(own.read("a.snap", 9).unwrap(), b"x");
        assert_eq!(own.names().unwrap(), ["a.snap"]);
        assert_eq!(own.shown(), ".leakcheck/snapshots");
    }

    #[test]
    fn what_is_no_folder_is_said_to_be_none() {
        let project = tempfile::tempdir().unwrap();
        fs::write(project.path().join(FOLDER), "").unwrap();
        let error = Own::of(project.path(), "").check().unwrap_err().to_string();
        assert!(error.starts_with(".leakcheck is no folder; "), "{error}");
    }
}
