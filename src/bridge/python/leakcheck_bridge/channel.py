"""The worker's two ways out: a named socket for records, and a shared page for its heartbeat.

Tests close descriptors, sometimes all above 2, and open files that then get the same numbers.
So the socket's descriptor is compared by inode before each use and opened again when it is not
ours any more; and the heartbeat is a memory mapping, which needs no descriptor at all.
"""

import _socket
import array
import fcntl
import json
import mmap
import os
import posix
import stat

# Bound here: tests replace functions in `os`, `socket`, `json` and `time`, and leave them so.
_read = posix.read
_write = posix.write
_fstat = posix.fstat
_close = posix.close
_getpid = posix.getpid
_listdir = posix.listdir
_exit = posix._exit
_dumps = json.JSONEncoder(separators=(",", ":"), check_circular=False, ensure_ascii=False).encode
_loads = json.JSONDecoder().decode
_Socket = _socket.socket

#: Bytes of a path that are no text are lone surrogates in Python, and characters of their own on the wire.
_TO_WIRE = {0xDC00 + byte: 0x10FE00 + byte for byte in range(0x80, 0x100)}
_FROM_WIRE = {wire: own for own, wire in _TO_WIRE.items()}

_PROC = os.path.isdir("/proc/self/fd")

#: Descriptors of the bridge start here where the limit allows, to leave the low numbers to the tests.
_FIRST_DESCRIPTOR = 700


def move_high(fd):
    # type: (int) -> int
    """Moves a descriptor out of the tests' way and closes the low one."""
    try:
        high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _FIRST_DESCRIPTOR)
    except (OSError, ValueError):
        return fd
    _close(fd)
    return high


def _encode(text):
    # type: (str) -> bytes
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        # What is no valid text for other reasons (other lone surrogates) would be no valid JSON either.
        return text.translate(_TO_WIRE).encode("utf-8", "replace")


def decode(line):
    # type: (bytes) -> dict
    """The record in a line, or in a file."""
    text = line.decode("utf-8")
    return _loads(text if text.isascii() else text.translate(_FROM_WIRE))


def _is_at(one, other):
    # type: (int, int) -> bool
    """Whether two descriptors are of one file."""
    try:
        a, b = _fstat(one), _fstat(other)
    except OSError:
        return False
    return (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)


class Channel:
    """Sends and receives one JSON record a line over a Unix socket.

    Each line begins with a token. That of an answer is that of its order, so that the other half does not take
    something else for it.
    """

    def __init__(self, path, token):
        # type: (str, str) -> None
        self._path = path
        self._token = token.encode("ascii")
        self._pid = _getpid()
        self._fd = -1
        self._identity = (0, 0)
        self._buffer = b""
        self._connect()

    def _connect(self):
        # type: () -> None
        sock = _Socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        sock.connect(self._path)
        self._fd = move_high(sock.detach())
        found = _fstat(self._fd)
        self._identity = (found.st_dev, found.st_ino)

    def token(self):
        # type: () -> str
        """That of the order which is to be answered."""
        return self._token.decode("ascii")

    def take_up(self, token):
        # type: (str) -> None
        """Answers an order that came before this process was started over."""
        self._token = token.encode("ascii")

    def is_ours(self):
        # type: () -> bool
        """Whether the descriptor still is our socket."""
        try:
            found = _fstat(self._fd)
        except OSError:
            return False
        return stat.S_ISSOCK(found.st_mode) and (found.st_dev, found.st_ino) == self._identity

    def descriptors(self):
        # type: () -> int
        """How many open descriptors belong to the channel."""
        return 1 if self.is_ours() else 0

    def ensure(self):
        # type: () -> None
        """Opens the socket again if a test has closed it."""
        if _getpid() != self._pid:
            # A test forked and its child came back into the runner. Nothing it does counts.
            _exit(0)
        if not self.is_ours():
            self._buffer = b""
            self._connect()

    def send(self, record):
        # type: (dict) -> None
        """Writes one record. If nobody listens any more the worker ends."""
        self.ensure()
        data = memoryview(b"%s %s\n" % (self._token, _encode(_dumps(record))))
        try:
            while data:
                data = data[_write(self._fd, data) :]
        except OSError:
            _exit(70)

    def receive(self):
        # type: () -> dict
        """Waits for the next record. If nobody is there to send one the worker ends."""
        self.ensure()
        while True:
            line, newline, rest = self._buffer.partition(b"\n")
            if newline:
                self._buffer = rest
                self._token, _, line = line.partition(b" ")
                return decode(line)
            try:
                more = _read(self._fd, 65536)
            except OSError:
                _exit(70)
            if not more:
                _exit(70)
            self._buffer += more


class Heartbeat:
    """A shared page of 64-bit numbers: what the worker is doing, readable while it hangs."""

    #: Raised at the start and at the end of each iteration.
    SEQUENCE = 0
    #: One of the states below.
    STATE = 1
    #: Set by the other half: end this batch after the current iteration.
    STOP = 2
    #: Iterations of the current test that were begun.
    BEGUN = 3

    IDLE = 0
    ITERATION = 1
    READING = 2
    WIDER = 3
    LOADING = 4

    def __init__(self, path):
        # type: (str) -> None
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), 4096)
            if _PROC:
                # The mapping keeps a copy of the descriptor that nobody needs and every test would see.
                for name in _listdir("/proc/self/fd"):
                    if int(name) != file.fileno() and _is_at(int(name), file.fileno()):
                        _close(int(name))
        self.page = memoryview(self._map).cast("Q")
        # What is counted here stands in the page for the other half; tests can write to that as well. In an array,
        # since a number would be growth.
        self._counts = array.array("Q", [0] * 4)

    def state(self, state):
        # type: (int) -> None
        """Says what comes next."""
        self.page[self.STATE] = state
        self._counts[self.SEQUENCE] += 1
        self.page[self.SEQUENCE] = self._counts[self.SEQUENCE]

    def begin_test(self):
        # type: () -> None
        """A test starts from its first iteration."""
        self._counts[self.BEGUN] = 0
        self.page[self.BEGUN] = 0
        self.page[self.STOP] = 0

    def begin_iteration(self):
        # type: () -> None
        """One more iteration starts."""
        self._counts[self.BEGUN] += 1
        self.page[self.BEGUN] = self._counts[self.BEGUN]
        self.state(self.ITERATION)

    def begun(self):
        # type: () -> int
        """Iterations of the current test so far."""
        return self._counts[self.BEGUN]

    def asked_to_stop(self):
        # type: () -> bool
        """Whether the other half wants this batch to end early."""
        return bool(self.page[self.STOP])
