"""Pseudo-tests of the bridge's own: one that leaks on purpose, and one that does nothing.

They go the same way as any test, through `repeat.Repeater` and the same counters; whether what was read is right is
for the other half to say.
"""

import array
import contextlib
import ctypes
import mmap
import os
import posix
import signal
import sys

from . import gauges, outcome, refs, repeat, temporary, unclosed

_open = posix.open
_close = posix.close

#: Bytes of one native allocation: beyond malloc's smallest chunks, and no size that the counters try themselves.
_NATIVE = 96


class _Planted:
    """A tracked object that takes one block, from no free list."""

    __slots__ = ("link",)


def _native():
    """malloc and free, if they can be called at all."""
    try:
        libc = ctypes.CDLL(None)
        malloc, free = libc.malloc, libc.free
    except (OSError, AttributeError):
        return None, None
    malloc.restype = ctypes.c_void_p
    malloc.argtypes = [ctypes.c_size_t]
    free.argtypes = [ctypes.c_void_p]
    free.restype = None
    return malloc, free


# Once: each look into the library makes a class, which is a cycle that would be frozen as garbage.
_malloc, _free = _native()


class _Objects:
    """Of `blocks` and `objects`."""

    def __init__(self, many):
        # type: (int) -> None
        self._kept = [None] * many  # type: list

    def leak(self, at):
        # type: (int) -> None
        self._kept[at] = _Planted()

    def take_back(self):
        # type: () -> None
        del self._kept[:]


class _Allocations:
    """Of `heap`."""

    def __init__(self, many):
        # type: (int) -> None
        # An address is a number, and a number is a block: it goes into storage of its own.
        self._pointers = array.array("Q", bytes(8 * many))

    def leak(self, at):
        # type: (int) -> None
        if _malloc is not None:
            self._pointers[at] = _malloc(_NATIVE)

    def take_back(self):
        # type: () -> None
        for at in range(len(self._pointers)):
            if self._pointers[at]:
                _free(self._pointers[at])
                self._pointers[at] = 0


class _Descriptors:
    """Of `fds`."""

    def __init__(self, many):
        # type: (int) -> None
        self._open = array.array("i", [-1] * many)

    def leak(self, at):
        # type: (int) -> None
        self._open[at] = _open("/", posix.O_RDONLY | posix.O_CLOEXEC)

    def take_back(self):
        # type: () -> None
        for at in range(len(self._open)):
            if self._open[at] >= 0:
                _close(self._open[at])
                self._open[at] = -1


class _References:
    """Of `refs`."""

    def __init__(self, many):
        # type: (int) -> None
        self._lost = array.array("i", [0])

    def leak(self, at):
        # type: (int) -> None
        refs.lose(1)
        self._lost[0] += 1

    def take_back(self):
        # type: () -> None
        refs.lose(-self._lost[0])


class _Warnings:
    """Of `unclosed`."""

    def __init__(self, many):
        # type: (int) -> None
        pass

    def leak(self, at):
        # type: (int) -> None
        unclosed.warn()

    def take_back(self):
        # type: () -> None
        pass


class _Maps:
    """Of `maps`."""

    def __init__(self, many):
        # type: (int) -> None
        self._kept = [None] * many  # type: list

    def leak(self, at):
        # type: (int) -> None
        self._kept[at] = mmap.mmap(-1, mmap.PAGESIZE)

    def take_back(self):
        # type: () -> None
        del self._kept[:]


#: At each byte that comes it keeps a descriptor, a thread and some pages.
_CHILD = """
import _thread, posix, time
kept = []
while posix.read(0, 1):
    kept.append((posix.dup(0), b"x" * 65536))
    _thread.start_new_thread(time.sleep, (3600,))
    posix.write(1, b"x")
"""


class _InChild:
    """Of `child_fds`, `child_threads` and `child_memory`."""

    def __init__(self, many):
        # type: (int) -> None
        theirs, self._to = posix.pipe2(posix.O_CLOEXEC)
        self._from, others = posix.pipe2(posix.O_CLOEXEC)
        try:
            words = [sys.executable, "-I", "-S", "-B", "-c", _CHILD]
            actions = [(posix.POSIX_SPAWN_DUP2, theirs, 0), (posix.POSIX_SPAWN_DUP2, others, 1)]
            self._number = posix.posix_spawn(sys.executable, words, os.environ, file_actions=actions)
        finally:
            _close(theirs)
            _close(others)

    def leak(self, at):
        # type: (int) -> None
        posix.write(self._to, b"x")
        posix.read(self._from, 1)

    def take_back(self):
        # type: () -> None
        # It ends as there is nothing more to read.
        _close(self._to)
        _close(self._from)
        with contextlib.suppress(OSError):
            posix.kill(self._number, signal.SIGKILL)
            posix.waitpid(self._number, 0)


class _Files:
    """Of `files`."""

    def __init__(self, many):
        # type: (int) -> None
        self._names = ["{}/leakcheck-{}".format(temporary.folder(), at) for at in range(many)]
        self._made = array.array("i", [0])

    def leak(self, at):
        # type: (int) -> None
        _close(_open(self._names[at], posix.O_WRONLY | posix.O_CREAT | posix.O_CLOEXEC))
        self._made[0] = at + 1

    def take_back(self):
        # type: () -> None
        for name in self._names[: self._made[0]]:
            posix.unlink(name)


#: What a project might count itself.
_STOCK = array.array("q", [0])


def stock():
    # type: () -> int
    return _STOCK[0]


class _Stock:
    """Of what libraries and the project count."""

    def __init__(self, many):
        # type: (int) -> None
        _STOCK[0] = 0

    def leak(self, at):
        # type: (int) -> None
        _STOCK[0] += 1

    def take_back(self):
        # type: () -> None
        _STOCK[0] = 0


#: What is planted; by how much each counter must show it is for the other half to say, as `plant` in `counter.rs`.
_PLANTS = (_Objects, _References, _Allocations, _Descriptors, _Maps, _Files, _Warnings, _Stock)


class _Pseudo:
    """A runner of one test. Keeps what it leaks in slots that exist before the window opens."""

    def __init__(self, kinds, iterations):
        # type: (tuple, int) -> None
        self._plants = [kind(iterations) for kind in kinds]  # type: list
        self._next = array.array("i", [0])

    def open(self, index):
        # type: (int) -> None
        pass

    def iterate(self, index):
        # type: (int) -> outcome.Outcome
        at = self._next[0]
        self._next[0] = at + 1
        try:
            for plant in self._plants:
                plant.leak(at)
        except OSError as error:
            what = "no file can be opened in the test process: {}; raise the limit with `ulimit -n 1024` or more"
            return outcome.Outcome(outcome.FAILED, message=what.format(error.strerror))
        return outcome.OK

    def tidy(self):
        # type: () -> None
        pass

    def wider(self):
        # type: () -> list
        """It has no fixtures."""
        return []

    def finish(self):
        # type: () -> None
        """Frees everything."""
        for plant in self._plants:
            plant.take_back()


def run(meter, heartbeat, plant, iterations, warmup):
    # type: (object, object, bool, int, int) -> dict
    """The answer of a run order, for a pseudo-test."""
    kinds = _PLANTS if plant else ()
    if plant and meter.exactness["child_fds"] != "absent":
        kinds += (_InChild,)
        meter.processes.expect_rises()
    pseudo = _Pseudo(kinds, iterations + warmup)
    gauge = gauges.Gauge.configured("planted", __name__ + ":stock")
    meter.take_up(gauge)
    repeater = repeat.Repeater(pseudo, meter, heartbeat)
    repeater.open(0)
    try:
        return repeater.run(iterations, warmup)
    finally:
        pseudo.finish()
        meter.processes.be_patient()
        meter.drop(gauge)
