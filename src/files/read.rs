//! Reads files: regular ones only, never for longer than the disk takes, and no more than so many bytes of them.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read, Seek, SeekFrom},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use nix::libc::{O_NOCTTY, O_NOFOLLOW, O_NONBLOCK};

/// Bytes of the longest file of settings, of a project or of its tools.
pub const SETTINGS: u64 = 4 << 20;
/// Bytes of the longest file of source text: longer ones are made by programs, and nobody reads them.
pub const SOURCE: u64 = 4 << 20;
/// Bytes of the longest file that the system itself writes, below /proc and /sys.
pub const SYSTEM: u64 = 1 << 20;

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Nothing is there.
    #[error("there is no such file")]
    Missing,
    /// A link to what is not there.
    #[error("it is a link that leads nowhere")]
    Dangling,
    /// A link where there must be none.
    #[error("it is a link; put the file itself there")]
    Link,
    /// A folder, a pipe, a device or a socket.
    #[error("it is no file; move it elsewhere")]
    NoFile,
    /// It has more than so many bytes.
    #[error("it is larger than {}", size(*.0))]
    Large(u64),
    /// It is no text in UTF-8.
    #[error("it is not UTF-8 text")]
    NoText,
    /// The system does not let us.
    #[error("cannot be read: {0}")]
    Failed(io::Error),
}

impl Refusal {
    /// Whether there simply is nothing.
    pub fn is_missing(&self) -> bool {
        matches!(self, Refusal::Missing)
    }
}

fn size(bytes: u64) -> String {
    if bytes >= 1 << 20 {
        format!("{} MB", bytes >> 20)
    } else {
        format!("{} kB", bytes >> 10)
    }
}

/// Opens the file at `path`, through links.
pub fn open(path: &Path) -> Result<File, Refusal> {
    opened(path, true)
}

/// All of the file at `path`, through links.
pub fn bytes(path: &Path, most: u64) -> Result<Vec<u8>, Refusal> {
    whole(open(path)?, most)
}

/// All of the file at `path`, which must not be a link.
pub fn bytes_of_itself(path: &Path, most: u64) -> Result<Vec<u8>, Refusal> {
    whole(opened(path, false)?, most)
}

/// The same as text.
pub fn text(path: &Path, most: u64) -> Result<String, Refusal> {
    String::from_utf8(bytes(path, most)?).map_err(|_| Refusal::NoText)
}

/// At most the first `most` bytes of the file at `path`.
pub fn beginning(path: &Path, most: u64) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    let read = open(path)?.take(most).read_to_end(&mut bytes);
    read.map_err(Refusal::Failed)?;
    Ok(bytes)
}

/// At most the last `most` bytes of the file at `path`, which must not be a link; none where there is no such file.
pub fn end(path: &Path, most: u64) -> Vec<u8> {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = opened(path, false).map_err(io::Error::other)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(most)))?;
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().unwrap_or_default()
}

/// What a user named on the command line, who may mean a pipe: `<(zcat run.json.gz)`.
pub fn given(path: &Path, most: u64) -> Result<Vec<u8>, Refusal> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(Refusal::NoFile),
        Ok(_) => whole(File::open(path).map_err(Refusal::Failed)?, most),
        Err(error) => Err(Refusal::Failed(error)),
    }
}

/// All that comes, up to `most` bytes.
pub fn whole(from: impl Read, most: u64) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    let read = from.take(most.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(Refusal::Failed)?;
    if bytes.len() as u64 > most {
        return Err(Refusal::Large(most));
    }
    Ok(bytes)
}

fn opened(path: &Path, follow: bool) -> Result<File, Refusal> {
    let refusal = |error: io::Error| match error.kind() {
        ErrorKind::NotFound if fs::symlink_metadata(path).is_ok() => Refusal::Dangling,
        ErrorKind::NotFound | ErrorKind::NotADirectory => Refusal::Missing,
        _ => Refusal::Failed(error),
    };
    // Some devices do something when they are opened, so they are asked first;
    let looked = if follow {
        fs::metadata(path)
    } else {
        fs::symlink_metadata(path)
    };
    let looked = looked.map_err(refusal)?;
    if looked.is_symlink() {
        return Err(Refusal::Link);
    }
    if !looked.is_file() {
        return Err(Refusal::NoFile);
    }
    // and what is there may be another one by now, so what was opened is asked again. Opening a pipe does not wait.
    let only_itself = if follow { 0 } else { O_NOFOLLOW };
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(O_NONBLOCK | O_NOCTTY | only_itself)
        .open(path)
        .map_err(refusal)?;
    match file.metadata() {
        Ok(found) if found.is_file() => Ok(file),
        Ok(_) => Err(Refusal::NoFile),
        Err(error) => Err(Refusal::Failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use nix::{sys::stat::Mode, unistd::mkfifo};

    use super::*;

    #[test]
    fn only_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "text").unwrap();
        fs::create_dir(at("folder")).unwrap();
        mkfifo(&at("pipe"), Mode::S_IRWXU).unwrap();
        for (link, to) in [
            ("link", "file"),
            ("nowhere", "gone"),
            ("device", "/dev/zero"),
            ("to-pipe", "pipe"),
            ("circle", "circle"),
        ] {
            symlink(to, at(link)).unwrap();
        }
        let told = |name: &str| match text(&at(name), 100) {
            Ok(text) => text,
            Err(refusal) => refusal.to_string(),
        };
        assert_eq!(told("file"), "text");
        assert_eq!(told("link"), "text");
        for name in ["folder", "pipe", "device", "to-pipe"] {
            assert_eq!(told(name), "it is no file; move it elsewhere", "{name}");
        }
        assert_eq!(told("nowhere"), "it is a link that leads nowhere");
        assert_eq!(told("gone"), "there is no such file");
        assert_eq!(told("file/below"), "there is no such file");
        assert!(told("circle").starts_with("cannot be read: "));
        let itself = |name: &str| bytes_of_itself(&at(name), 100).map_err(|it| it.to_string());
        assert_eq!(itself("file"), Ok(b"text".to_vec()));
        for name in ["link", "nowhere", "device", "circle"] {
            assert!(itself(name).unwrap_err().contains("a link"), "{name}");
        }
        assert!(itself("pipe").unwrap_err().contains("no file"));
    }

    #[test]
    fn no_more_is_read_than_so_much() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "0123456789").unwrap();
        assert_eq!(bytes(&path, 10).unwrap(), b"0123456789");
        assert!(matches!(bytes(&path, 9), Err(Refusal::Large(9))));
        assert_eq!(beginning(&path, 4).unwrap(), b"0123");
        assert_eq!(end(&path, 4), b"6789");
        assert_eq!(end(&path, 100), b"0123456789");
        assert_eq!(end(&folder.path().join("gone"), 4), b"");
        // One without an end, and of no length as it says.
        assert!(matches!(
            given(Path::new("/dev/zero"), 1000),
            Err(Refusal::Large(1000))
        ));
        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(matches!(text(&path, 10), Err(Refusal::NoText)));
    }
}
