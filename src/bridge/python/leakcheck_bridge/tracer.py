"""The library that is preloaded into one worker: which chunks of memory live on, and which C code asked for them.

It notes; who is to blame is decided elsewhere. Python's own lines come from faulthandler, whose handler of a signal
writes where the thread is without a lock or memory of its own: the library sends that signal to the thread that is
asking for memory, for the stacks that are wanted only.
"""

import array
import ctypes
import faulthandler
import os
import posix
import re
import signal

from . import channel

_close = posix.close
_fstat = posix.fstat
_open = posix.open
_pread = posix.pread

#: The library's words for why it cannot be used.
_REASONS = {
    1: "libgcc_s.so.1, which walks C stacks, is not there",
    2: "the system does not let it tell a process from its children",
    3: "this Python comes with an allocator of its own",
}
#: Groups of survivors that are told; what leaves more in a test is no leak of a few places.
_MOST_ROWS = 20000
_MOST_FRAMES = 64
#: Numbers of a row.
_ROW = 6
#: Where faulthandler is: file, line.
_FRAME = re.compile(rb'^  File "(.*)", line (\d+) in ', re.MULTILINE)
#: How it writes what is not ASCII.
_ESCAPED = re.compile(r"\\x([0-9a-f]{2})|\\u([0-9a-f]{4})|\\U([0-9a-f]{8})")


def forget_preload(path):
    # type: (str) -> None
    """Takes the library out of the environment: what the tests start is not to have it."""
    variable = "LD_PRELOAD"
    left = [part for part in os.environ.get(variable, "").split(":") if part and part != path]
    if left:
        os.environ[variable] = ":".join(left)
    else:
        os.environ.pop(variable, None)


class Tracer:
    """The library in this process."""

    def __init__(self, stacks):
        # type: (str) -> None
        #: Why there is none; nothing where there is one.
        self.absent = None  # type: str | None
        self._path = stacks + "-native"
        self._file = -1
        self._identity = (0, 0)
        #: How many there were; in an array, since a number would be memory that lives on.
        self._iterations = array.array("q", [0])
        self._signal = getattr(signal, "SIGRTMAX", 64) - 3
        library = ctypes.CDLL(None)
        try:
            self._start = library.leakcheck_trace_start
        except AttributeError:
            self.absent = "the library for it was not loaded"
            return
        self._start.argtypes = [ctypes.c_void_p]
        self._known = _known(library)
        self._mark = library.leakcheck_trace_mark
        self._mark.argtypes = [ctypes.c_uint32]
        self._mark.restype = None
        self._want = library.leakcheck_trace_want
        self._want.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int]
        self._survivors = library.leakcheck_trace_survivors
        self._survivors.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
        self._survivors.restype = ctypes.c_size_t
        self._frames = library.leakcheck_trace_frames
        self._frames.argtypes = [ctypes.c_uint32, ctypes.c_void_p, ctypes.c_size_t]
        self._frames.restype = ctypes.c_size_t
        self._traceback = library.leakcheck_trace_traceback
        self._traceback.argtypes = [ctypes.c_uint32, ctypes.c_void_p, ctypes.c_void_p]
        self._stop = library.leakcheck_trace_stop
        self._stop.restype = None
        self._missed = library.leakcheck_trace_missed
        self._missed.restype = ctypes.c_uint64
        status = self._begin()
        self._stop()
        if status:
            self.absent = _REASONS.get(status, "it failed with {}".format(status))

    def start(self):
        # type: () -> None
        """Begins anew."""
        self.stop()
        self._begin()

    def _begin(self):
        # type: () -> int
        return self._start(self._known.buffer_info()[0])

    def want(self, stacks):
        # type: (list) -> None
        """From now on Python's lines are noted with these stacks, numbers of an earlier answer."""
        numbers = array.array("I", stacks)
        flags = posix.O_RDWR | posix.O_APPEND | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC
        self._file = channel.move_high(_open(self._path, flags, 0o600))
        found = _fstat(self._file)
        self._identity = (found.st_dev, found.st_ino)
        faulthandler.register(self._signal, file=self._file, all_threads=False, chain=False)
        self._want(numbers.buffer_info()[0], len(numbers), self._file, self._signal)

    def _is_ours(self):
        # type: () -> bool
        """Whether the descriptor is still that of the file: a test may have closed it, and have one of its own."""
        try:
            found = _fstat(self._file)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self._identity

    def begin_iteration(self):
        # type: () -> None
        """What is asked for from now on belongs to the next iteration."""
        self._iterations[0] += 1
        self._mark(self._iterations[0])

    def end_iteration(self):
        # type: () -> None
        """What is asked for from now on is ours."""
        self._mark(0)

    def survivors(self):
        # type: () -> dict
        """What lives on of each iteration, by who asked for it."""
        rows = array.array("q", bytes(8 * _ROW * _MOST_ROWS))
        found = self._survivors(rows.buffer_info()[0], _MOST_ROWS)
        count = min(found, _MOST_ROWS)
        table = [rows[_ROW * at : _ROW * (at + 1)].tolist() for at in range(count)]
        maps = _Maps()
        stacks = {row[2]: [maps.at(frame) for frame in self._stack(row[2])] for row in table}
        tracebacks = {row[3]: self._lines(row[3]) for row in table if row[3]}
        return {
            "rows": table,
            "stacks": list(stacks.items()),
            "tracebacks": list(tracebacks.items()),
            "libraries": maps.paths,
            "iterations": self._iterations[0],
            "missed": self._missed(),
            "cut": found > count,
        }

    def _stack(self, number):
        frames = array.array("Q", bytes(8 * _MOST_FRAMES))
        count = self._frames(number, frames.buffer_info()[0], _MOST_FRAMES)
        return frames[: min(count, _MOST_FRAMES)]

    def _lines(self, number):
        """File and line of each of Python's frames, innermost first."""
        ends = array.array("Q", [0, 0])
        at = ends.buffer_info()[0]
        if not self._is_ours() or not self._traceback(number, at, at + 8):
            return []
        text = _pread(self._file, ends[1] - ends[0], ends[0])
        return [[_plain(file), int(line)] for file, line in _FRAME.findall(text)]

    def stop(self):
        # type: () -> None
        """Ends, and forgets what was noted."""
        if self.absent is None:
            self._stop()
        self._iterations[0] = 0
        if self._file >= 0:
            faulthandler.unregister(self._signal)
            if self._is_ours():
                _close(self._file)
            self._file = -1


def _plain(name):
    # type: (bytes) -> str
    """A name as it was before faulthandler wrote it in ASCII."""
    text = name.decode("ascii", "replace")
    return _ESCAPED.sub(lambda found: chr(int(next(filter(None, found.groups())), 16)), text)


def _known(library):
    # type: (ctypes.CDLL) -> array.array
    """Where the machine code of the interpreter begins and ends, and that of the library."""
    maps = _Maps()
    found = array.array("Q")
    evaluates = getattr(library, "_PyEval_EvalFrameDefault", None) or library.PyEval_EvalCode
    for function in (evaluates, library.leakcheck_trace_start):
        address = ctypes.cast(function, ctypes.c_void_p).value or 0
        found.extend(maps.around(address))
    return found


class _Maps:
    """Which file is mapped where."""

    def __init__(self):
        #: Of each number the path.
        self.paths = []  # type: list
        self._numbers = {}  # type: dict
        self._ranges = []  # type: list
        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                parts = line.rstrip("\n").split(None, 5)
                if len(parts) == 6 and parts[5].startswith("/") and "x" in parts[1]:
                    first, _, after = parts[0].partition("-")
                    self._ranges.append((int(first, 16), int(after, 16), int(parts[2], 16), parts[5]))

    def around(self, address):
        # type: (int) -> tuple
        """The first byte and the one after the last of all code of the file that is there."""
        path = next((path for first, after, _, path in self._ranges if first <= address < after), "")
        same = [(first, after) for first, after, _, other in self._ranges if other == path]
        if not same:
            return 0, 0
        return min(first for first, _ in same), max(after for _, after in same)

    def at(self, address):
        # type: (int) -> list
        """The number of the file that is there and the place in it; -1 and the address where there is none."""
        for first, after, offset, path in self._ranges:
            if first <= address < after:
                number = self._numbers.get(path)
                if number is None:
                    number = self._numbers[path] = len(self.paths)
                    self.paths.append(path)
                return [number, address - first + offset]
        return [-1, address]
