//! The run's temporary directory: where it is, what it is called, who holds it, and that it goes.

use std::{
    env,
    fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions},
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use nix::fcntl::{Flock, FlockArg};

use super::{Role, left, wait};

/// A file in each folder of ours that is locked as long as somebody needs it: what ended a run may have ended the guard, too.
const LOCK: &str = "leakcheck.lock";
const PREFIX: &str = "leakcheck-";
/// Of a folder that no run holds yet, and of one that is being removed.
const NEW: &str = "new";
const OLD: &str = "old";
/// The socket's path has a limit of about 100 bytes.
const LONGEST: usize = 60;
const TRIES: u32 = 100;
/// The guard's own limits, and some more.
const LIMIT: Duration = Duration::from_secs(10);

/// A run's folder. It goes with this, whatever is in it, or with the process.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    lock: Option<Flock<File>>,
    mark: Mark,
    guard: Option<(Child, UnixStream)>,
}

impl Folder {
    /// Makes it, and removes those of runs that were killed with everything that guarded them. The error says what to do.
    pub fn make() -> Result<Folder, String> {
        let base = base()?;
        sweep(&base);
        let (path, lock) = create(&base).map_err(|error| useless(&base, &error.to_string()))?;
        let mark = Mark::of(&path).map_err(|error| useless(&base, &error.to_string()))?;
        let mut folder = Folder {
            path,
            lock: Some(lock),
            mark,
            guard: None,
        };
        // Without one we remove it ourselves.
        folder.guard = folder.start_guard().ok();
        Ok(folder)
    }

    fn start_guard(&self) -> io::Result<(Child, UnixStream)> {
        let (mut command, control) = Role::Guard.command()?;
        let child = command
            .arg(&self.path)
            .current_dir("/")
            // Given open, so that it is that of this folder at whatever moment we are ended.
            .stdout(self.mark.0.try_clone()?)
            .stderr(Stdio::null())
            .spawn()?;
        Ok((child, control))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What to say where nothing can be written into it.
    pub fn unusable(&self, error: &io::Error) -> String {
        unusable(&self.path, error)
    }
}

/// What to say where nothing can be written into a run's folder.
pub fn unusable(folder: &Path, error: &io::Error) -> String {
    useless(folder.parent().unwrap_or(folder), &error.to_string())
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.lock = None;
        let removed = self.guard.take().is_some_and(|(mut child, control)| {
            drop(control);
            wait(&mut child, LIMIT)
        });
        if !removed && self.mark.is_at(&self.path) {
            left::end_strays(&self.path, Duration::from_secs(1));
            remove(&self.path);
        }
    }
}

/// The directory for temporary files, resolved, so that paths in tracebacks can be told to lie below it.
fn base() -> Result<PathBuf, String> {
    let named = PathBuf::from(temporary());
    let base = named
        .canonicalize()
        .map_err(|error| useless(&named, &error.to_string()))?;
    if base.to_str().is_none() {
        return Err(useless(&base, "its name is not valid text"));
    }
    if base.as_os_str().len() > LONGEST {
        let base = Path::new("/tmp").canonicalize();
        return base.map_err(|error| useless(Path::new("/tmp"), &error.to_string()));
    }
    Ok(base)
}

/// As Python and most tools have it, an empty name is none.
fn temporary() -> std::ffi::OsString {
    env::var_os("TMPDIR")
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "/tmp".into())
}

fn useless(directory: &Path, why: &str) -> String {
    format!(
        "cannot use {} for temporary files: {why}; set TMPDIR to a directory that can be written to and has some space",
        directory.display()
    )
}

/// Makes a folder that nobody else can look into, whatever the umask, and takes hold of it.
pub(super) fn create(base: &Path) -> io::Result<(PathBuf, Flock<File>)> {
    for _ in 0..TRIES {
        // Under a name that nobody has twice, so that no other run can take it, or remove another's for it, before it
        // is held.
        let new = base.join(passing_name(NEW));
        DirBuilder::new().mode(0o700).create(&new)?;
        let lock = match take(&new) {
            Ok(Some(lock)) => lock,
            // Somebody took it for a leftover before we held it, or nothing can be held here.
            Ok(None) => {
                remove_whole(&new);
                continue;
            }
            Err(error) => {
                remove_whole(&new);
                return Err(error);
            }
        };
        // The first free number and not a random name: paths are hashed and interned by what runs below them, and two
        // runs of one suite are to be alike. One that exists is never used: a rename onto a folder with a lock in it fails.
        let free = (0..TRIES)
            .map(|number| base.join(format!("{PREFIX}{number}")))
            .find(|path| path.symlink_metadata().is_err() && fs::rename(&new, path).is_ok());
        return Ok((free.unwrap_or(new), lock));
    }
    Err(io::Error::other("no file can be locked there"))
}

/// Takes hold of a folder that was just made; `None` where it is gone.
fn take(new: &Path) -> io::Result<Option<Flock<File>>> {
    let made = fs::set_permissions(new, Permissions::from_mode(0o700)).and_then(|()| {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(new.join(LOCK))
    });
    match made {
        Ok(_) => Ok(share(new)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What a folder is called while it comes or goes: no other ever had this name.
fn passing_name(kind: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    format!(
        "{PREFIX}{kind}-{:x}-{:x}-{:x}",
        std::process::id(),
        time.unwrap_or_default().as_millis(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}

/// Which folder it is that has the name: its lock file, open, so that no other file can be it. A number is given anew as
/// soon as nobody holds its folder.
#[derive(Debug)]
pub(super) struct Mark(pub File);

impl Mark {
    pub(super) fn of(folder: &Path) -> io::Result<Mark> {
        Ok(Mark(open_lock(folder)?))
    }

    /// Whether that folder still has the name.
    pub(super) fn is_at(&self, folder: &Path) -> bool {
        let found = folder.join(LOCK).symlink_metadata();
        found.is_ok_and(|found| self.is(&found))
    }

    fn is(&self, found: &Metadata) -> bool {
        let own = self.0.metadata();
        own.is_ok_and(|own| (own.dev(), own.ino()) == (found.dev(), found.ino()))
    }

    /// Holds that folder alone, as [`own`] does.
    pub(super) fn own(&self, folder: &Path) -> Option<Flock<File>> {
        own(folder).filter(|lock| lock.metadata().is_ok_and(|found| self.is(&found)))
    }
}

/// Holds the folder beside others; `None` where it is gone.
pub(super) fn share(folder: &Path) -> Option<Flock<File>> {
    hold(folder, FlockArg::LockSharedNonblock)
}

/// Holds the folder alone; `None` as long as others hold it, or where it is gone or none of ours.
pub(super) fn own(folder: &Path) -> Option<Flock<File>> {
    hold(folder, FlockArg::LockExclusiveNonblock)
}

fn hold(folder: &Path, how: FlockArg) -> Option<Flock<File>> {
    let file = open_lock(folder).ok()?;
    let lock = Flock::lock(file, how).ok()?;
    // Whoever held it alone before may have removed it.
    let found = lock.metadata().ok()?;
    (found.is_file() && found.nlink() > 0).then_some(lock)
}

fn open_lock(folder: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK)
        .open(folder.join(LOCK))
}

/// Removes folders of runs that are over, with what still runs in them.
pub(super) fn sweep(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let is_named = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let path = entry.path();
        let is_ours = || {
            path.symlink_metadata().is_ok_and(|found| {
                found.is_dir() && found.uid() == nix::unistd::Uid::effective().as_raw()
            })
        };
        if !is_named || !is_ours() {
            continue;
        }
        if let Some(_lock) = own(&path) {
            left::end_strays(&path, Duration::from_secs(1));
            remove(&path);
        } else if is_passing(&entry.file_name().to_string_lossy()) {
            // Its run ended before it took hold of it. One that is not empty stays.
            let _ = fs::remove_dir(&path);
        }
    }
}

fn is_passing(name: &str) -> bool {
    name.strip_prefix(PREFIX).is_some_and(|rest| {
        [NEW, OLD]
            .iter()
            .any(|kind| rest.starts_with(&format!("{kind}-")))
    })
}

/// Removes a folder; also where tests left folders that nobody may look into.
pub(super) fn remove(path: &Path) {
    // First from its number, which the next run may take while we are at it.
    let old = path.with_file_name(passing_name(OLD));
    let path = fs::rename(path, &old).map_or(path, |()| &old);
    // The lock last: as long as it is there, the next run can tell whose the rest is.
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_name() != LOCK {
            remove_whole(&entry.path());
        }
    }
    remove_whole(path);
}

fn remove_whole(path: &Path) {
    for _ in 0..3 {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => open_up(path),
            // Something was added meanwhile.
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {}
            _ => return,
        }
    }
}

fn open_up(path: &Path) {
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let _ = fs::set_permissions(&folder, Permissions::from_mode(0o700));
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_nobody_may_look_into_go_as_well() {
        let base = tempfile::tempdir().unwrap();
        let (path, lock) = create(base.path()).unwrap();
        fs::create_dir_all(path.join("tmp/closed/inner")).unwrap();
        fs::write(path.join("tmp/closed/inner/file"), "x").unwrap();
        for closed in ["tmp/closed/inner", "tmp/closed"] {
            fs::set_permissions(path.join(closed), Permissions::from_mode(0o000)).unwrap();
        }
        drop(lock);
        remove(&path);
        assert!(!path.exists());
    }

    #[test]
    fn a_folder_has_many_holders_or_one_owner() {
        let base = tempfile::tempdir().unwrap();
        let (path, first) = create(base.path()).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o700);
        let second = share(&path);
        assert!(second.is_some() && own(&path).is_none());
        // As long as one of them lives, nobody takes it for a leftover.
        drop(first);
        sweep(base.path());
        assert!(path.exists() && own(&path).is_none());
        drop(second);
        let other = base.path().join("leakcheck-of-mine");
        fs::create_dir(&other).unwrap();
        sweep(base.path());
        assert!(!path.exists() && other.exists());
        assert!(share(&path).is_none());
    }

    #[test]
    fn runs_that_begin_and_end_at_the_same_time_leave_each_other_alone() {
        let base = tempfile::tempdir().unwrap();
        let round = |thread: usize| {
            for round in 0..200 {
                sweep(base.path());
                let (path, lock) = create(base.path()).unwrap();
                let mine = path.join("mine");
                fs::write(&mine, format!("{thread} {round}")).unwrap();
                std::thread::yield_now();
                let found = fs::read_to_string(&mine).unwrap();
                assert_eq!(found, format!("{thread} {round}"));
                drop(lock);
                if round % 2 == 0
                    && let Some(_lock) = own(&path)
                {
                    remove(&path);
                }
            }
        };
        std::thread::scope(|scope| {
            for thread in 0..8 {
                scope.spawn(move || round(thread));
            }
        });
        sweep(base.path());
        let left: Vec<_> = fs::read_dir(base.path()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}
