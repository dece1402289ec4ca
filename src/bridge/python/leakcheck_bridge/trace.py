"""Reads tracemalloc at the boundaries of a window: per site, how many blocks stay and how many bytes.

Tracing starts when the window opens, so a reading costs in proportion to what survived and not
to the size of the process.
"""

import collections
import contextlib
import ctypes
import gc
import mmap
import operator
import sys
import tracemalloc

from . import malloc, referents

try:
    import _tracemalloc
except ImportError:  # a build without it: nothing can be traced
    _tracemalloc = None

_collect = gc.collect
_get_objects = gc.get_objects
_get_referents = referents.get_referents
_is_tracked = gc.is_tracked
_getsizeof = sys.getsizeof
_is_tracing = tracemalloc.is_tracing
#: Of an entry `(domain, size, traceback, …)`.
_domain_size_traceback = operator.itemgetter(0, 1, 2)
#: Requests of up to so many bytes are pymalloc's, if Python makes them, which a debug build makes larger.
_PADDING = 4 * ctypes.sizeof(ctypes.c_void_p) if hasattr(sys, "gettotalrefcount") else 0
_MOST_OF_PYMALLOC = 512 - _PADDING
_taken = malloc.taken_at_most()
_HERE = __file__.rpartition("/")[0] + "/"

#: Survivors looked at for their types; a sample of that size tells the shares.
_MOST_OBJECTS = 200000


_MRO = type.__dict__["__mro__"]


def bases_of(cls):
    # type: (type) -> tuple
    """A class and all it is derived from; empty for one that the collector has cleared, or whose making failed."""
    return _MRO.__get__(cls) or ()


#: The name of a class, past whatever its metaclass makes of it.
name_of = type.__dict__["__name__"].__get__


def type_name(cls):
    # type: (type) -> str
    """`module.qualified_name` of a class, read past whatever its metaclass overrides."""
    name = type.__dict__["__qualname__"].__get__(cls)
    try:
        module = type.__dict__["__module__"].__get__(cls)
    except AttributeError:
        module = None
    if module is not None and not isinstance(module, str):
        # Cython's coroutines say an instance's module by this attribute. The class has the name that C code gave it.
        return type.__repr__(cls)[len("<class '") : -len("'>")]
    if module is None or module == "builtins":
        return name
    return module + "." + name


_PLAIN_SIZEOF = (type(object.__sizeof__), type(len))


def _size(obj):
    # type: (object) -> int
    """Bytes of the object itself; code of the project's own is not called for it."""
    try:
        method = type.__getattribute__(type(obj), "__sizeof__")
    except AttributeError:
        # A class that the collector has cleared while something still has an instance of it: it has no bases.
        return 0
    if type(obj) is mmap.mmap:
        # With what it maps, which is no part of the object.
        with contextlib.suppress(ValueError):
            return object.__sizeof__(obj) + len(obj)
    if isinstance(method, _PLAIN_SIZEOF):
        try:
            return _getsizeof(obj)
        except Exception:
            return 0
    return object.__sizeof__(obj)


#: Of a type: its instances have a dictionary in front of their header.
_MANAGED_DICT = 1 << 4
#: Such instances are two headers of two words each behind the start of their memory.
_BEFORE_INSTANCE = 4 * ctypes.sizeof(ctypes.c_void_p)


def _find_birthplace():
    # type: () -> object
    """How to ask where an object was allocated: `(file, line)` of each frame, innermost first, or None."""
    if _tracemalloc is None:
        return lambda obj: None
    ask = _tracemalloc._get_object_traceback
    if sys.version_info[:2] != (3, 11):
        return ask
    # 3.11 put the dictionary of an instance in front of it, and looks for the memory where it began before.
    with contextlib.suppress(AttributeError):
        ask_memory = ctypes.pythonapi._PyTraceMalloc_GetTraceback
        ask_memory.restype = ctypes.py_object
        ask_memory.argtypes = (ctypes.c_uint, ctypes.c_void_p)
        flags_of = type.__dict__["__flags__"].__get__

        def ask_instance(obj):
            if flags_of(type(obj)) & _MANAGED_DICT:
                return ask_memory(0, id(obj) - _BEFORE_INSTANCE)
            return ask(obj)

        return ask_instance
    return ask


birthplace = _find_birthplace()


class Tracer:
    """One traced window."""

    def __init__(self, frames):
        # type: (int) -> None
        #: One list a boundary, of `[traceback number, blocks, bytes]`.
        self.boundaries = []  # type: list
        #: One a boundary: bytes that malloc has given for what is too large for pymalloc, and blocks of the others.
        self.malloced = []  # type: list
        #: Tracebacks by number, each a list of `[file, line]`, innermost first.
        self.tracebacks = []  # type: list
        self._numbers = {}  # type: dict
        self._first_types = None  # type: dict | None
        self._reads = 0
        #: Whether the test asked if memory is traced: it may start and end tracing where nobody else does.
        self.asked = False
        tracemalloc.is_tracing = self._is_tracing
        if _tracemalloc is not None:
            tracemalloc.start(frames)
        # Allocated while tracing is on: once its trace is gone, so are those of the window.
        self._witness = bytearray(1000)

    def _is_tracing(self):
        # type: () -> bool
        """Stands for `tracemalloc.is_tracing` while the window is open."""
        # `warnings` asks before it says where a resource was made, by another name from Python 3.14 on; so does pytest.
        asks = sys._getframe(1).f_globals.get("__name__", "")
        self.asked = self.asked or not str(asks).startswith(("warnings", "_py_warnings", "_pytest."))
        return _is_tracing()

    def _is_whole(self):
        # type: () -> bool
        return (
            _tracemalloc is not None
            and _tracemalloc.is_tracing()
            and birthplace(self._witness) is not None
        )

    def read(self):
        # type: () -> bool
        """Records the survivors by site. False where the test has stopped the tracing or started it anew."""
        if not self._is_whole():
            return False
        self._record(_tracemalloc._get_traces())
        self._reads += 1
        # From the second boundary on: what the first traced iteration brings once is no rate.
        if self._first_types is None and self._reads == 2:
            self._first_types = self._survivors()
        # The tuples that this took apart are in the interpreter's free lists. The next iteration would get them, and
        # what it leaks seem to have been allocated here.
        _collect()
        return True

    def read_last(self):
        # type: () -> bool
        """The same where millions may have survived: tracing ends first, since it slows the counting tenfold."""
        if not self._is_whole():
            return False
        traces = _tracemalloc._get_traces()
        tracemalloc.stop()
        self._record(traces)
        return True

    def number_of(self, traceback):
        # type: (tuple) -> int | None
        """The number of a traceback that was recorded."""
        return self._numbers.get(traceback)

    def _record(self, traces):
        # Counted in C: there may be many, and while tracing is on every number made here is traced as well.
        counts = collections.Counter(map(_domain_size_traceback, traces))
        by_traceback = {}  # type: dict
        taken = small = 0
        for (domain, size, traceback), count in counts.items():
            if traceback[0][0].startswith(_HERE):
                continue
            if domain or size > _MOST_OF_PYMALLOC:
                taken += count * _taken(size + _PADDING)
            else:
                small += count
            found = by_traceback.setdefault(traceback, [0, 0])
            found[0] += count
            found[1] += count * size
        boundary = []
        for traceback, (count, size) in by_traceback.items():
            number = self._numbers.get(traceback)
            if number is None:
                number = self._numbers[traceback] = len(self.tracebacks)
                self.tracebacks.append(traceback)
            boundary.append((number, count, size))
        self.boundaries.append(boundary)
        self.malloced.append((taken, small))

    def _survivors(self):
        # type: () -> dict
        """Objects born in the window by the identity of their type: `[how many, bytes, type]`.

        The collector knows only containers; strings and numbers are found one step further, and
        belong to the window if tracemalloc saw them being allocated.
        """
        found = {}  # type: dict
        seen = set()  # type: set
        objects = _get_objects()
        born = birthplace
        # Containers from before the window are frozen and do not show; those that grew are reached
        # through no survivor, so their untracked contents are counted by their sites alone.
        own = (id(found), id(seen), id(objects), id(self.boundaries), id(self.tracebacks))
        skip = {id(self.__dict__), id(self), id(self._numbers), *own, *map(id, self.boundaries)}
        for obj in objects[:_MOST_OBJECTS]:
            if id(obj) in skip or not self._is_theirs(born(obj)):
                continue
            self._count(found, obj)
            for other in _get_referents(obj):
                if _is_tracked(other) or id(other) in seen or not self._is_theirs(born(other)):
                    continue
                if len(seen) >= _MOST_OBJECTS:
                    break
                seen.add(id(other))
                self._count(found, other)
        return found

    @staticmethod
    def _is_theirs(traceback):
        # Born in the window, and not in our own code.
        return traceback is not None and not traceback[0][0].startswith(_HERE)

    @staticmethod
    def _count(found, obj):
        entry = found.setdefault(id(type(obj)), [0, 0, type(obj)])
        entry[0] += 1
        entry[1] += _size(obj)

    def stop(self):
        # type: () -> list
        """Ends tracing. Growth by type over the boundaries after the first: `[name, objects, bytes]` per iteration."""
        types = []
        # A test may have put something else there by now.
        if tracemalloc.is_tracing == self._is_tracing:
            tracemalloc.is_tracing = _is_tracing
        if _tracemalloc is not None and _tracemalloc.is_tracing():
            first = self._first_types
            if first is not None and self._reads > 2:
                spans = self._reads - 2
                for number, (count, size, cls) in self._survivors().items():
                    before = first.get(number, (0, 0))
                    if count > before[0]:
                        types.append([type_name(cls), (count - before[0]) / spans, (size - before[1]) / spans])
            tracemalloc.stop()
        types.sort(key=lambda entry: (-entry[2], entry[0]))
        return types[:20]
