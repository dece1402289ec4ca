"""Writes the heap down as a graph: which objects there are, what they refer to, and which were born when.

No reference to any of them is kept while the test runs: only numbers, in arrays that exist before. Freezing the heap at
every boundary leaves exactly what was born in the iteration before for the collector to list, so an identity that is
used again shows up as the newer object.
"""

import _thread
import array
import collections
import contextvars
import gc
import io
import marshal
import posix
import signal
import sys
import threading
import tracemalloc
import types

from . import kinds, opaque, referents, trace

try:
    import _tracemalloc
except ImportError:  # a build without it: no places
    _tracemalloc = None

_dumps = marshal.dumps
_loads = marshal.loads
_is_tracing = tracemalloc.is_tracing
_get_objects = gc.get_objects
_get_referents = referents.get_referents
_is_tracked = gc.is_tracked
_freeze = gc.freeze
_unfreeze = gc.unfreeze
_getrefcount = sys.getrefcount
_current_frames = sys._current_frames
_getsignal = signal.getsignal
_copy_context = contextvars.copy_context
_HERE = __file__.rpartition("/")[0] + "/"

#: Objects of one piece of the file, so that the arrays stay small.
_CHUNK = 4096
#: Survivors that are measured one by one; more of them tell nothing new.
_MOST_MEASURED = 400000
#: Survivors whose place of birth is kept.
_MOST_PLACED = 20000

#: How many entries an instance of these (or of a class derived from one) has, whatever its own `__len__` says.
_LENGTHS = {
    id(dict): dict.__len__,
    id(list): list.__len__,
    id(set): set.__len__,
    id(collections.deque): collections.deque.__len__,
    id(bytearray): bytearray.__len__,
    id(array.array): array.array.__len__,
    id(io.BytesIO): lambda stream: 0 if stream.closed else io.BytesIO.tell(stream),
    id(io.StringIO): lambda stream: 0 if stream.closed else io.StringIO.tell(stream),
}
#: The collector tracks none of these as long as they refer to nothing that it tracks.
_HOPPED = kinds.ids_of(dict, bytearray, array.array)
#: And these may then refer to others that are not tracked either: a `datetime`, an array of objects.
_PACKED = kinds.ids_of(dict, tuple)


def length_function(cls):
    # type: (type) -> object
    """How to count the entries of an instance of `cls` without running code of its own; None where it has none."""
    for base in trace.bases_of(cls):
        found = _LENGTHS.get(id(base))
        if found is not None:
            return found
    return None


def find(numbers):
    # type: (set) -> dict
    """Objects by identity, as far as the collector knows them."""
    return {id(obj): obj for obj in _get_objects() if id(obj) in numbers}


def length_of(way):
    # type: (list) -> object
    """A function that reads how long the last object of a way is; always 0 where it is gone or has no length.

    The way ends in that object's identity, after that of one which refers to it: the collector may not know it.
    """
    found = find(set(way))
    obj = found.get(way[-1])
    if obj is None:
        for other in _get_referents(*found.values()):
            if id(other) == way[-1]:
                obj = other
    length = length_function(type(obj))
    return (lambda: 0) if length is None else lambda: length(obj)


def is_plain_local(cls):
    # type: (type) -> bool
    """Whether a thread-local can be looked into without running code of its class for a thread that is new to it."""
    return type.__getattribute__(cls, "__init__") is object.__init__


class Types:
    """Numbers for types, given as they are met."""

    def __init__(self):
        self._numbers = {}  # type: dict
        # Held, or one more might get the identity of one that is gone.
        self._classes = []  # type: list
        self.lengths = []  # type: list
        #: Whether instances may own memory that Python knows nothing of.
        self.owners = []  # type: list
        #: Whether instances may refer to what the collector does not see.
        self.opaque = []  # type: list
        self.names = []  # type: list

    def of(self, objects):
        # type: (list) -> array.array
        """The number of each object's type."""
        classes = list(map(type, objects))
        for cls in {id(cls): cls for cls in classes}.values():
            if id(cls) not in self._numbers:
                self._numbers[id(cls)] = len(self._classes)
                self._classes.append(cls)
                self.names.append(trace.type_name(cls))
                self.lengths.append(length_function(cls))
                self.owners.append(kinds.may_own(cls))
                self.opaque.append(kinds.is_opaque(cls))
        return array.array("I", map(self._numbers.__getitem__, map(id, classes)))


def untracked(refs):
    """Of some referents, the containers that the collector does not know."""
    return [obj for obj in refs if id(type(obj)) in _HOPPED and not _is_tracked(obj)]


def leaves_of(objects, seen):
    # type: (list, set) -> list
    """What objects refer to that the collector does not know, and what the containers among that have: each once.

    `seen` are identities of those that were met before; many objects may share a dictionary, and tuples each other.
    """
    leaves = []  # type: list
    wait = objects
    while wait:
        found = []
        for other in _get_referents(*wait):
            if not _is_tracked(other) and id(other) not in seen:
                seen.add(id(other))
                found.append(other)
        leaves += found
        wait = [obj for obj in found if id(type(obj)) in _PACKED]
    return leaves


class Recorder:
    """One diagnosed window: cohorts at its boundaries, lengths at its opening, the graph at its end."""

    def __init__(self, meter, capacity, frames, sort="runner"):
        # type: (object, int, int, str) -> None
        self._meter = meter
        #: Whose the frames of this thread are: of the `runner` that repeats tests, or of a `thread` of the project's.
        self._sort = sort
        #: Frames of the traceback that is kept of each allocation; none where 0.
        self._frames = frames
        self._traces = False
        #: Where the newest survivors were allocated, by identity. Written out, since a list or tuple would be an object
        #: of the heap, and may get the identity of one that a cohort names and that is gone.
        self._places = {}  # type: dict
        #: How many objects of which identities were born in each iteration and lived at its end.
        self._born = array.array("Q")
        self._cohorts = array.array("Q", bytes(8 * capacity))
        self._at = array.array("q", [0])
        #: The same of what these refer to and the collector does not know: as old as its first mention.
        self._mentioned = array.array("Q")
        self._mentions = array.array("Q", bytes(8 * capacity))
        #: Identities and entries of every container at the opening.
        self._known = array.array("Q")
        self._lengths = array.array("q")
        self._exits = _exit_callbacks()
        # Made before the window opens: an identity from a cohort that is free again must not come back as one of these.
        self._types = Types()
        self._memory = opaque.Memory()

    def open(self):
        # type: () -> None
        """Notes the length of every container, and freezes."""
        _unfreeze()
        self._meter.settle()
        self._census()
        self._exits = _exit_callbacks()
        if self._frames and _tracemalloc is not None and not _is_tracing():
            tracemalloc.start(self._frames)
            self._traces = True
        _freeze()

    def _find_places(self, objects):
        # Looked up while the window's own part of the heap is all there is to see: tracing slows down the rest. What
        # this makes shows among the last iteration's objects at most, and those have no vote.
        if self._frames and _is_tracing():
            for obj in objects[:_MOST_PLACED]:
                place = trace.birthplace(obj)
                if place is not None:
                    self._places[id(obj)] = _dumps(place)

    def places(self):
        # type: () -> dict
        """Where the newest survivors were allocated, by identity: `(file, line)` of each frame, innermost first."""
        return {number: _loads(place) for number, place in self._places.items()}

    def close(self):
        # type: () -> None
        """Ends tracing where a dump did not, and where it was begun here."""
        if self._traces and _is_tracing():
            tracemalloc.stop()
        self._traces = False

    def _census(self):
        functions = {}  # type: dict
        seen = set()  # type: set
        objects = _get_objects()
        for start in range(0, len(objects), _CHUNK):
            chunk = objects[start : start + _CHUNK]
            for obj in untracked(_get_referents(*chunk)):
                if id(obj) not in seen:
                    seen.add(id(obj))
                    chunk.append(obj)
            for obj in chunk:
                cls = type(obj)
                try:
                    function, _ = functions[id(cls)]
                except KeyError:
                    function = length_function(cls)
                    # With the class, or one more might get its identity.
                    functions[id(cls)] = function, cls
                if function is not None:
                    self._known.append(id(obj))
                    self._lengths.append(function(obj))

    def boundary(self):
        # type: () -> None
        """Notes what was born since the last boundary."""
        self._meter.settle()
        at = self._at[0]
        before = len(self._born)
        objects = _get_objects()
        self._born.extend(map(id, objects))
        self._cohorts[at] = len(self._born) - before
        if len(objects) < _MOST_PLACED:
            before = len(self._mentioned)
            self._mentioned.extend(map(id, leaves_of(objects, set())))
            self._mentions[at] = len(self._mentioned) - before
        # Of several workers each may have had its last turn long before.
        if self._sort != "runner" or at >= len(self._cohorts) - 2:
            self._find_places(objects)
        objects = None
        self._at[0] = at + 1
        _freeze()

    def left(self):
        # type: () -> int
        """Objects that are still there of what was born before the last iteration, and entries that containers gained.

        The window is over. Entries, since the collector knows no texts and numbers.
        """
        self.close()
        _unfreeze()
        self._meter.settle()
        older = frozenset(self._born[: sum(self._cohorts[: self._at[0] - 1])])
        lengths = dict(zip(self._known, self._lengths))
        for ours in (self._born, self._mentioned, self._known, self._lengths):
            lengths.pop(id(ours), None)
        found = 0
        for obj in _get_objects():
            found += id(obj) in older
            before = lengths.get(id(obj))
            function = None if before is None else length_function(type(obj))
            if function is not None:
                found += max(function(obj) - before, 0)
        return found

    def dump(self, path):
        # type: (str) -> dict
        """Writes the graph to a file, and returns what is needed to read it."""
        self.close()
        _unfreeze()
        self._meter.settle()
        # No file object: it would stand in the graph.
        file = posix.open(path, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o600)
        try:
            nodes = self._write(file)
            put(file, [self._born, self._mentioned, self._known, self._lengths])
        finally:
            self._memory.close()
            posix.close(file)
        return {
            "cohorts": self._cohorts[: self._at[0]].tolist(),
            "mentions": self._mentions[: self._at[0]].tolist(),
            "census": len(self._known),
            "objects": nodes,
            "types": self._types.names,
            "owners": self._types.owners,
            "opaque": self._types.opaque,
            "modules": _modules(),
            "roots": _roots(self._sort),
            "exits": _exit_callbacks() - self._exits,
            "split_dicts": sys.version_info < (3, 11),
        }

    def _write(self, file):
        # type: (int) -> int
        # First of all: whatever refers to the project's objects and is made later does not show.
        objects = _get_objects()
        window = frozenset(self._born)
        self._memory.open(window.union(self._mentioned))
        own = baseline()
        beside = {id(variable): (id(value),) for variable, value in _copy_context().items()}
        seen = set()  # type: set
        total = 0
        for start in range(0, len(objects), _CHUNK):
            chunk = objects[start : start + _CHUNK]
            ids = array.array("Q", map(id, chunk))
            sizes = array.array("Q", bytes(8 * len(chunk)))
            counts = array.array("q", bytes(8 * len(chunk)))
            # One reference less than a tracked object has here: those that are added below stand in no other list.
            measured = []
            if window:
                measured = [at for at, number in enumerate(ids) if number in window]
            leaves = []
            for at in measured:
                obj = chunk[at]
                sizes[at] = trace._size(obj)
                counts[at] = _getrefcount(obj) - own
                if len(seen) < _MOST_MEASURED:
                    for other in leaves_of([obj], seen):
                        leaves.append(other)
                        if kinds.is_opaque(type(other)):
                            beside[id(other)] = self._memory.targets(other)
                obj = other = None
            for obj in untracked(_get_referents(*chunk)):
                if id(obj) not in seen:
                    seen.add(id(obj))
                    leaves.append(obj)
            obj = None
            for obj in leaves:
                ids.append(id(obj))
                sizes.append(trace._size(obj))
                # In this list and in the variable.
                counts.append(_getrefcount(obj) - own + 1)
            obj = None
            chunk.extend(leaves)
            total += len(chunk)
            write_chunk(file, self._types, chunk, len(leaves), (ids, sizes, counts), beside)
        put(file, [array.array("Q", (0, 0, 0))])
        return total


def put(file, columns):
    # type: (int, list) -> None
    for column in columns:
        left = memoryview(column).cast("B")
        while left:
            left = left[posix.write(file, left) :]


def write_chunk(file, numbers, chunk, untracked, measured, beside):
    # type: (int, Types, list, int, tuple, dict) -> None
    """Writes some objects down. `beside` are identities of what the collector is not told that they refer to."""
    types_of = numbers.of(chunk)
    lengths = array.array("q", [-1]) * len(chunk)
    functions = numbers.lengths
    degrees = array.array("I")
    edges = array.array("Q")
    for at, obj in enumerate(chunk):
        before = len(edges)
        refs = _get_referents(obj)
        function = functions[types_of[at]]
        if function is not None:
            lengths[at] = function(obj)
        elif issubclass(type(obj), _thread._local) and is_plain_local(type(obj)):
            # Some versions do not show the collector what a thread keeps in it.
            refs.append(_thread._local.__getattribute__(obj, "__dict__"))
        edges.extend(map(id, refs))
        edges.extend(beside.get(id(obj), ()))
        degrees.append(len(edges) - before)
    header = array.array("Q", (len(chunk), untracked, len(edges)))
    put(file, [header, *measured, lengths, edges, types_of, degrees])


def baseline():
    # type: () -> int
    """References that measuring an object as `_write` does adds to its own."""
    objects = [[]]  # type: list
    chunk = objects[0:1]
    for obj in chunk:
        return _getrefcount(obj)
    return 0


def _exit_callbacks():
    # type: () -> int
    module = sys.modules.get("atexit")
    count = getattr(module, "_ncallbacks", None)
    return count() if count is not None else 0


def _modules():
    # type: () -> list
    """Every module that is a root of the heap: `[identity, name, file or None]`."""
    found = []
    for obj in _get_objects():
        if issubclass(type(obj), types.ModuleType):
            state = referents.module_dict(obj)
            if not isinstance(state, dict):
                continue
            name, file = state.get("__name__"), state.get("__file__")
            found.append([id(obj), name if type(name) is str else "?", file if type(file) is str else None])
    return found


def _roots(sort):
    # type: (str) -> list
    """What keeps objects alive without being an object itself: `[kind, name, identities]`.

    `sort` is the kind of this thread's frames.
    """
    found = []
    handlers = []
    for number in range(1, signal.NSIG):
        try:
            handlers.append(id(_getsignal(number)))
        except ValueError:
            continue
    found.append(["signal", "signal", handlers])
    names = {thread.ident: thread.name for thread in list(threading._active.values())}
    mine = _thread.get_ident()
    for ident, innermost in _current_frames().items():
        kind = sort if ident == mine else "thread"
        frame = innermost
        while frame is not None:
            code = frame.f_code
            if not code.co_filename.startswith(_HERE):
                name = "{}, in {}".format(names.get(ident, "a thread"), code.co_name)
                found.append([kind, name, [id(frame)]])
                for variable, held in _locals_of(frame).items():
                    found.append([kind, "{}: {}".format(name, variable), [id(held)]])
                held = None
            frame = frame.f_back
    return found


def _locals_of(frame):
    """The variables of a frame. Of a frame that runs the collector sees nothing."""
    if not frame.f_code.co_flags & 1:
        # A module's or a class's: its variables are a dictionary that is found otherwise.
        return {}
    state = frame.f_locals
    held = dict(state)
    if sys.version_info < (3, 13):
        # A copy that the frame keeps; it must not keep what is in it.
        state.clear()
    return held
