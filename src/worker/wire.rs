//! Our end of the wire: who is at the other end, how much of it is taken, and whether it says to which order it answers.
//!
//! Tests run in the process at the other end, and may write to its connection or make one of their own. So nothing that
//! comes is believed for coming.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    io::{self, ErrorKind, Read, Write},
    mem,
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    time::Duration,
};

use nix::unistd::Pid;

use super::{loss::Loss, process, protocol::Record};

/// Bytes of the longest record. The largest honest one, of all that tracing found at a hundred boundaries, has a fifth.
const LONGEST: usize = 256 << 20;
/// How long one look for data waits.
pub(crate) const TICK: Duration = Duration::from_millis(40);

/// A listening socket, and the connection that the worker has made to it.
pub(crate) struct Wire {
    listener: UnixListener,
    stream: Option<UnixStream>,
    pending: Vec<u8>,
    /// So many bytes of `pending` hold no end of a line.
    scanned: usize,
    chunk: Vec<u8>,
    peer: Option<Pid>,
    token: String,
}

impl Wire {
    /// Listens at a path where nothing is.
    pub(crate) fn bind(socket: &Path) -> io::Result<Wire> {
        let listener = UnixListener::bind(socket)?;
        listener.set_nonblocking(true)?;
        Ok(Wire {
            listener,
            stream: None,
            pending: Vec::new(),
            scanned: 0,
            chunk: vec![0; 64 << 10],
            peer: None,
            token: token(),
        })
    }

    /// What answers have to begin with, for now.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// The line of an order, whose answer has to begin as it does; no other order's answer will do.
    pub(crate) fn address(&mut self, order: &[u8]) -> Vec<u8> {
        self.token = token();
        [self.token.as_bytes(), b" ", order, b"\n"].concat()
    }

    /// The process at the other end, once it has connected; what it says of itself plays no part.
    pub(crate) fn peer(&self) -> Option<Pid> {
        self.peer
    }

    /// Whether there is a connection.
    pub(crate) fn is_connected(&self) -> bool {
        self.stream.is_some()
    }

    /// Takes a new connection where the worker had to make one. The first one is made before any test can run: by the
    /// process that was started, `child`, or by what that started in its place. All others are that process's.
    pub(crate) fn accept(&mut self, child: Pid) -> io::Result<()> {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let from = peer(&stream)?;
            let is_ours = match self.peer {
                Some(peer) => from == Some(peer),
                None => from.is_some_and(|from| process::belongs(from, child)),
            };
            if !is_ours {
                continue;
            }
            stream.set_nonblocking(false)?;
            stream.set_read_timeout(Some(TICK))?;
            stream.set_write_timeout(Some(TICK))?;
            self.peer = from;
            self.stream = Some(stream);
            self.pending.clear();
            self.scanned = 0;
        }
    }

    /// Writes some of `bytes`: how many, none where it would have to wait. The connection goes where it is broken.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> usize {
        let Some(stream) = &mut self.stream else {
            return 0;
        };
        match stream.write(bytes) {
            Ok(count) if count > 0 => count,
            Err(error) if is_wait(&error) => 0,
            _ => {
                self.stream = None;
                0
            }
        }
    }

    /// Reads what is there, and waits for no longer than a tick; whether anything came.
    pub(crate) fn read(&mut self) -> bool {
        let Some(stream) = &mut self.stream else {
            return false;
        };
        match stream.read(&mut self.chunk) {
            Ok(count) if count > 0 => {
                self.pending.extend_from_slice(&self.chunk[..count]);
                return true;
            }
            Err(error) if is_wait(&error) => {}
            _ => self.stream = None,
        }
        false
    }

    /// The next record as JSON, if all of it is there.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<u8>>, Loss> {
        let new = &self.pending[self.scanned..];
        let Some(end) = new.iter().position(|byte| *byte == b'\n') else {
            self.scanned = self.pending.len();
            if self.scanned > LONGEST {
                return Err(Loss::Strange(format!(
                    "more than {} MB without an end",
                    LONGEST >> 20
                )));
            }
            return Ok(None);
        };
        let rest = self.pending.split_off(self.scanned + end + 1);
        let line = mem::replace(&mut self.pending, rest);
        self.scanned = 0;
        Ok(Some(answer(&line, &self.token)?.to_vec()))
    }
}

/// Reads one line that must begin with `token`.
pub fn record(line: &[u8], token: &str) -> Result<Record, Loss> {
    parse(answer(line, token)?)
}

/// What follows the token of a line that must begin with it.
fn answer<'a>(line: &'a [u8], token: &str) -> Result<&'a [u8], Loss> {
    line.strip_prefix(token.as_bytes())
        .and_then(|rest| rest.strip_prefix(b" "))
        .ok_or_else(|| Loss::Strange(format!("`{}`", excerpt(line))))
}

/// Reads a record.
pub(crate) fn parse(json: &[u8]) -> Result<Record, Loss> {
    serde_json::from_slice(json)
        .map_err(|error| Loss::Bridge(format!("cannot read a record: {error}: {}", excerpt(json))))
}

/// The CPU seconds that a process says it has taken so far.
pub(crate) fn spent(json: &[u8]) -> Option<f64> {
    #[derive(serde::Deserialize)]
    struct Spent {
        spent: Option<f64>,
    }
    serde_json::from_slice::<Spent>(json).ok()?.spent
}

fn excerpt(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(200)];
    String::from_utf8_lossy(start).trim_end().to_owned()
}

fn is_wait(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

/// Sixteen digits that nobody guesses. Who looks for them in the worker's memory finds them.
fn token() -> String {
    // The keys of each are drawn at random.
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

/// Who made the connection, as the system has it.
#[cfg(target_os = "linux")]
fn peer(stream: &UnixStream) -> io::Result<Option<Pid>> {
    use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
    let found = getsockopt(stream, PeerCredentials)?;
    Ok(Some(Pid::from_raw(found.pid())))
}

#[cfg(test)]
mod tests {
    use nix::unistd::getpid;

    use super::*;

    fn wire() -> (tempfile::TempDir, Wire) {
        let folder = tempfile::tempdir().unwrap();
        let wire = Wire::bind(&folder.path().join("s")).unwrap();
        (folder, wire)
    }

    fn connected(folder: &tempfile::TempDir, wire: &mut Wire) -> UnixStream {
        let stream = UnixStream::connect(folder.path().join("s")).unwrap();
        wire.accept(getpid()).unwrap();
        stream
    }

    fn all(wire: &mut Wire) -> Result<Option<Record>, Loss> {
        while wire.read() {}
        next(wire)
    }

    fn next(wire: &mut Wire) -> Result<Option<Record>, Loss> {
        wire.next()?.map(|json| parse(&json)).transpose()
    }

    #[test]
    fn an_answer_says_to_which_order_it_is() {
        let (folder, mut wire) = wire();
        let mut worker = connected(&folder, &mut wire);
        let first = wire.token().to_owned();
        assert!(all(&mut wire).unwrap().is_none());
        let order = wire.address(b"{}");
        let token = wire.token().to_owned();
        assert_ne!(first, token);
        assert_eq!(order, format!("{token} {{}}\n").as_bytes());
        let ended = r#"{"re":"ended","errors":[]}"#;
        write!(worker, "{token} {}", &ended[..9]).unwrap();
        assert!(all(&mut wire).unwrap().is_none());
        write!(
            worker,
            "{}\n{first} {ended}\n{ended}\n{token} {{}}\n",
            &ended[9..]
        )
        .unwrap();
        assert!(matches!(all(&mut wire), Ok(Some(Record::Ended { .. }))));
        for _ in 0..2 {
            let strange = next(&mut wire);
            assert!(matches!(strange, Err(Loss::Strange(text)) if text.contains("ended")));
        }
        assert!(matches!(next(&mut wire), Err(Loss::Bridge(_))));
    }

    #[test]
    fn what_has_no_end_is_not_taken() {
        let (folder, mut wire) = wire();
        let mut worker = connected(&folder, &mut wire);
        wire.pending = vec![b'x'; LONGEST];
        assert!(wire.next().unwrap().is_none());
        assert_eq!(wire.scanned, LONGEST, "not looked through again");
        worker.write_all(b"x").unwrap();
        assert!(matches!(all(&mut wire), Err(Loss::Strange(_))));
    }

    #[test]
    fn nobody_else_is_listened_to() {
        let (folder, mut wire) = wire();
        let mut worker = connected(&folder, &mut wire);
        assert_eq!(wire.peer(), Some(getpid()));
        let other = std::process::Command::new("python3")
            .arg("-c")
            .arg(format!(
                "import socket; s = socket.socket(socket.AF_UNIX); s.connect({:?}); s.sendall(b'x\\n')",
                folder.path().join("s")
            ))
            .status()
            .unwrap();
        assert!(other.success());
        wire.accept(getpid()).unwrap();
        worker.write_all(b"y\n").unwrap();
        let strange = all(&mut wire);
        assert!(matches!(strange, Err(Loss::Strange(text)) if text == "`y`"));
        // A first connection by somebody who was not started by us.
        let (folder, mut wire) = self::wire();
        let _stream = UnixStream::connect(folder.path().join("s")).unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        wire.accept(Pid::from_raw(child.id().try_into().unwrap()))
            .unwrap();
        assert!(!wire.is_connected() && wire.peer().is_none());
        child.wait().unwrap();
    }
}
