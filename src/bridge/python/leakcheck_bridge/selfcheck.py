"""Pseudo-tests of the bridge's own: one that leaks on purpose, and one that does nothing.

They go the same way as any test, through `repeat.Repeater` and the same counters; whether what was read is right is
for the other half to say.
"""

import array
import ctypes
import posix

from . import outcome, refs, repeat

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


class _Pseudo:
    """A runner of one test. Keeps what it leaks in slots that exist before the window opens."""

    def __init__(self, plant, iterations):
        # type: (bool, int) -> None
        self._plant = plant
        self._objects = [None] * iterations  # type: list
        # An address is a number, and a number is a block: it goes into storage of its own.
        self._pointers = array.array("Q", bytes(8 * iterations))
        self._descriptors = array.array("i", [-1] * iterations)
        self._next = array.array("i", [0])

    def open(self, index):
        # type: (int) -> None
        pass

    def iterate(self, index):
        # type: (int) -> outcome.Outcome
        at = self._next[0]
        self._next[0] = at + 1
        if self._plant:
            self._objects[at] = _Planted()
            refs.lose(1)
            if _malloc is not None:
                self._pointers[at] = _malloc(_NATIVE)
            try:
                self._descriptors[at] = _open("/", posix.O_RDONLY | posix.O_CLOEXEC)
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
        del self._objects[:]
        if self._plant:
            refs.lose(-self._next[0])
        for at in range(len(self._pointers)):
            if self._pointers[at]:
                _free(self._pointers[at])
                self._pointers[at] = 0
            if self._descriptors[at] >= 0:
                _close(self._descriptors[at])
                self._descriptors[at] = -1


def run(meter, heartbeat, plant, iterations, warmup):
    # type: (object, object, bool, int, int) -> dict
    """The answer of a run order, for a pseudo-test."""
    pseudo = _Pseudo(plant, iterations + warmup)
    repeater = repeat.Repeater(pseudo, meter, heartbeat)
    repeater.open(0)
    try:
        return repeater.run(iterations, warmup)
    finally:
        pseudo.finish()
