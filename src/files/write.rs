//! Writes files whole or not at all: what is there stays until all of the new one is, and links are not followed.

use std::{
    error::Error,
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, BufWriter, ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, FileExt, FileTypeExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

use nix::{
    fcntl::{FcntlArg, Flock, FlockArg, OFlag, fcntl},
    libc::{O_NOCTTY, O_NOFOLLOW, O_NONBLOCK},
};
use tempfile::NamedTempFile;

/// How the name of a file begins that is being written.
pub const UNFINISHED: &str = ".tmp";

/// What stands at a path that is to be written.
enum There {
    /// Nothing, or a link, whose place the file takes.
    Nothing,
    /// A file, with its permissions.
    File(Permissions),
    /// A pipe, a terminal or the like, that the user means: `/dev/stdout`, `>(gzip)`.
    Stream,
}

fn there(path: &Path) -> io::Result<There> {
    let found = match fs::metadata(path) {
        Ok(found) => found,
        // A link that leads nowhere, or in circles, is not followed either.
        Err(_) if fs::symlink_metadata(path).is_ok() => return Ok(There::Nothing),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(There::Nothing),
        Err(error) => return Err(error),
    };
    let kind = found.file_type();
    if kind.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    if kind.is_block_device() || kind.is_socket() {
        return Err(io::Error::other("it is no file"));
    }
    Ok(if !kind.is_file() {
        There::Stream
    } else if path.is_symlink() {
        There::Nothing
    } else {
        There::File(found.permissions())
    })
}

/// Has `write` make the file at `path`. Where that fails, what was there is there still.
pub fn replace(
    path: &Path,
    write: impl FnOnce(&mut (dyn Write + 'static)) -> io::Result<()>,
) -> io::Result<()> {
    let filled = |file: File| {
        let mut out = BufWriter::new(file);
        write(&mut out).and_then(|()| out.flush()).map_err(plain)
    };
    let there = there(path)?;
    if let There::Stream = there {
        return filled(stream_at(path)?);
    }
    match beside(path, &there) {
        Ok(new) => {
            filled(new.as_file().try_clone()?)?;
            put(new, path)
        }
        // The folder takes no new files, and this one may be written.
        Err(_) if matches!(there, There::File(_)) => filled(in_place(path)?),
        Err(error) => Err(error),
    }
}

/// Begins the file at `path` anew for what is to be read while it grows.
pub fn stream(path: &Path) -> io::Result<File> {
    let there = there(path)?;
    if let There::Stream = there {
        return stream_at(path);
    }
    match beside(path, &there) {
        Ok(new) => {
            let file = new.as_file().try_clone()?;
            put(new, path)?;
            Ok(file)
        }
        Err(_) if matches!(there, There::File(_)) => in_place(path),
        Err(error) => Err(error),
    }
}

/// Whether [`replace`] could write there, as far as can be told before.
pub fn check(path: &Path) -> io::Result<()> {
    match there(path)? {
        There::Stream => Ok(()),
        there => match beside(path, &there) {
            Ok(_) => Ok(()),
            Err(_) if matches!(there, There::File(_)) => {
                OpenOptions::new().write(true).open(path).map(|_| ())
            }
            Err(error) => Err(error),
        },
    }
}

/// Adds to the end of a file that the surroundings named, a CI's summary.
pub fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// Adds a line, with its end, to a file that others may add to at the same time; after half of a line it begins anew.
pub fn line(path: &Path, line: &[u8]) -> io::Result<()> {
    if !matches!(there(path)?, There::Nothing | There::File(_)) {
        return Err(io::Error::other("it is no file; name another one"));
    }
    let mut options = OpenOptions::new();
    options.custom_flags(O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    let file = options.read(true).append(true).create(true).open(path)?;
    let mut file = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| error)?;
    let length = file.metadata()?.len();
    let mut last = [b'\n'];
    if let (Some(at), false) = (length.checked_sub(1), line.is_empty()) {
        file.read_exact_at(&mut last, at)?;
    }
    let mut text = Vec::with_capacity(line.len() + 1);
    if last != [b'\n'] {
        text.push(b'\n');
    }
    text.extend_from_slice(line);
    file.write_all(&text)
}

/// Makes a file where nothing must be, not even a link that leads nowhere.
pub fn create(path: &Path, text: &str) -> io::Result<()> {
    File::create_new(path)?.write_all(text.as_bytes())
}

/// The same at `inside` below `root`, with the folders on the way, of which none may be a link.
pub fn create_below(root: &Path, inside: &Path, text: &str) -> io::Result<()> {
    let mut folder = root.to_owned();
    for part in inside.parent().unwrap_or(Path::new("")).components() {
        folder.push(part);
        match fs::create_dir(&folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ if folder.is_symlink() => {
                let inside = folder.strip_prefix(root).unwrap_or(&folder).display();
                return Err(io::Error::other(format!(
                    "{inside} is a link; put a folder there, nothing is written elsewhere"
                )));
            }
            _ => {}
        }
    }
    create(&root.join(inside), text)
}

/// Makes a folder that nobody else can look into, or takes an empty one for it.
pub fn private_folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        made => return made,
    }
    if path.is_symlink() || fs::read_dir(path)?.next().is_some() {
        return Err(io::Error::other("it is not empty; name a new folder"));
    }
    fs::set_permissions(path, Permissions::from_mode(0o700))
}

/// Makes a file that nobody else can read, where nothing must be.
pub fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path)
}

/// A file in the folder of `path` that goes again unless it is put there.
fn beside(path: &Path, there: &There) -> io::Result<NamedTempFile> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let permissions = match there {
        There::File(permissions) => permissions.clone(),
        // As any file: the user's mask applies.
        _ => Permissions::from_mode(0o666),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNFINISHED).permissions(permissions);
    builder.tempfile_in(folder).map_err(plain)
}

/// What the system said, without what was said around it.
fn plain(error: io::Error) -> io::Error {
    let mut cause: Option<&(dyn Error + 'static)> = error.get_ref().map(|inner| inner as _);
    while let Some(inner) = cause {
        if let Some(found) = inner.downcast_ref::<io::Error>() {
            return io::Error::new(found.kind(), found.to_string());
        }
        cause = inner.source();
    }
    error
}

fn put(new: NamedTempFile, path: &Path) -> io::Result<()> {
    // A disk that is full may say so only now.
    new.as_file().sync_data()?;
    new.persist(path).map(|_| ()).map_err(|error| error.error)
}

fn in_place(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .truncate(true)
        .custom_flags(O_NOFOLLOW)
        .open(path)
}

/// A pipe without a reader is an error and no reason to wait.
fn stream_at(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .write(true)
        .custom_flags(O_NONBLOCK | O_NOCTTY)
        .open(path)?;
    // Writing to a slow reader waits for it.
    fcntl(&file, FcntlArg::F_SETFL(OFlag::empty()))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn put(path: &Path, text: &str) -> io::Result<()> {
        replace(path, |out| out.write_all(text.as_bytes()))
    }

    #[test]
    fn lines_of_many_at_once_are_whole_and_begin_anew_after_half_of_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        fs::write(&path, "half of").unwrap();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    for number in 0..50 {
                        let long = "x".repeat(20_000);
                        line(path, format!("{thread} {number} {long}\n").as_bytes()).unwrap();
                    }
                });
            }
        });
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().next(), Some("half of"));
        assert_eq!(text.lines().count(), 401);
        assert!(
            text.lines()
                .skip(1)
                .all(|line| line.len() >= 20_000 && line.ends_with('x'))
        );
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(line(&link, b"x\n").is_err());
        assert!(line(folder.path(), b"x\n").is_err());
    }

    #[test]
    fn what_fails_leaves_the_old_file_and_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report");
        put(&path, "old").unwrap();
        let failed = replace(&path, |out| {
            out.write_all(b"half")?;
            Err(io::Error::other("the disk is full"))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        put(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_is_replaced_and_what_it_leads_to_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        let (target, gone) = (outside.path().join("target"), outside.path().join("gone"));
        fs::write(&target, "theirs").unwrap();
        for (name, to) in [("one", &target), ("two", &gone)] {
            let path = folder.path().join(name);
            symlink(to, &path).unwrap();
            check(&path).unwrap();
            put(&path, "ours").unwrap();
            assert!(!path.is_symlink());
            assert_eq!(fs::read_to_string(&path).unwrap(), "ours");
            fs::remove_file(&path).unwrap();
            symlink(to, &path).unwrap();
            stream(&path).unwrap().write_all(b"more").unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), "more");
        }
        assert_eq!(fs::read_to_string(&target).unwrap(), "theirs");
        assert!(!gone.exists());
    }

    #[test]
    fn permissions_stay_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        put(&path, "").unwrap();
        let usual = folder.path().join("usual");
        fs::write(&usual, "").unwrap();
        assert_eq!(
            mode(),
            fs::metadata(&usual).unwrap().permissions().mode() & 0o777
        );
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        put(&path, "").unwrap();
        assert_eq!(mode(), 0o600);
    }

    #[test]
    fn what_is_no_file_is_written_to_and_stays_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        put(Path::new("/dev/null"), "x").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        assert!(put(folder.path(), "x").is_err());
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(put(&pipe, "x").is_err(), "nobody reads there");
        assert!(put(&folder.path().join("no/such/folder"), "x").is_err());
    }
}
