"""Looks at what only the cycle collector could free: one iteration with the collector held back, written down whole.

Nothing of the garbage is finalised meanwhile, so that it can be asked about as it is, with its descriptors open. Only
what was born since the window opened is written: the rest is frozen.
"""

import array
import gc
import posix
import sys
import tracemalloc

from . import heap, referents, resources, trace

try:
    import _tracemalloc
except ImportError:  # a build without it: no places
    _tracemalloc = None

_collect = gc.collect
_disable = gc.disable
_enable = gc.enable
_is_enabled = gc.isenabled
_get_objects = gc.get_objects
_get_referents = referents.get_referents
_is_tracked = gc.is_tracked
_is_tracing = tracemalloc.is_tracing
_getrefcount = sys.getrefcount

_CHUNK = 4096
#: Objects whose place of birth is kept.
_MOST_PLACED = 50000


class Look:
    """One iteration whose garbage waits until it was asked about."""

    def __init__(self, meter, frames):
        # type: (object, int) -> None
        self._meter = meter
        self._frames = frames
        self._traces = False
        self._was_enabled = False
        self._descriptors = {}  # type: dict
        #: Where each object was allocated, by identity: `[file, line]` of each frame, innermost first.
        self.places = {}  # type: dict

    def open(self):
        # type: () -> None
        """Holds the collector back; a window is open."""
        self._meter.settle()
        self._descriptors = resources.descriptors()
        self._traces = self._frames > 0 and _tracemalloc is not None and not _is_tracing()
        if self._traces:
            tracemalloc.start(self._frames)
        self._was_enabled = _is_enabled()
        _disable()

    def write(self, path):
        # type: (str) -> dict
        """Writes the objects that were born and still exist, and returns what is needed to read them."""
        # What the interpreter's caches alone keep is no garbage yet, and would not be found to be any.
        self._meter.forget()
        # Before anything of our own is made.
        objects = _get_objects()
        numbers = heap.Types()
        born = array.array("Q", map(id, objects))
        file = posix.open(path, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o600)
        try:
            nodes = _write(file, numbers, objects)
            heap.put(file, [born])
        finally:
            posix.close(file)
        if self._traces and _is_tracing():
            for obj in objects[:_MOST_PLACED]:
                place = trace.birthplace(obj)
                if place is not None:
                    self.places[id(obj)] = [list(frame) for frame in place]
        return {
            "cohorts": [len(born)],
            "mentions": [0],
            "census": 0,
            "objects": nodes,
            "types": numbers.names,
            "modules": [],
            "roots": [],
            "exits": 0,
            "split_dicts": sys.version_info < (3, 11),
        }

    def close(self):
        # type: () -> None
        """Ends tracing; the garbage stays."""
        if self._traces and _is_tracing():
            tracemalloc.stop()
        self._traces = False

    def free(self):
        # type: () -> dict
        """Lets the collector go on. How many objects it freed, and the descriptors that it closed with them."""
        opened = {
            name: link for name, link in resources.descriptors().items() if self._descriptors.get(name) != link
        }
        objects = _collect()
        left = resources.descriptors()
        if self._was_enabled:
            _enable()
        closed = [link for name, link in opened.items() if left.get(name) != link]
        return {"objects": objects, "descriptors": sorted(closed)}


def _write(file, numbers, objects):
    # type: (int, heap.Types, list) -> int
    own = heap.baseline()
    seen = set()  # type: set
    total = 0
    for start in range(0, len(objects), _CHUNK):
        chunk = objects[start : start + _CHUNK]
        ids = array.array("Q", map(id, chunk))
        sizes = array.array("Q", map(trace._size, chunk))
        counts = array.array("q")
        for obj in chunk:
            counts.append(_getrefcount(obj) - own)
        obj = None
        leaves = []
        for other in _get_referents(*chunk):
            if not _is_tracked(other) and id(other) not in seen:
                seen.add(id(other))
                leaves.append(other)
        other = None
        for obj in leaves:
            ids.append(id(obj))
            sizes.append(trace._size(obj))
            # In this list and in the variable.
            counts.append(_getrefcount(obj) - own + 1)
        obj = None
        chunk.extend(leaves)
        total += len(chunk)
        heap.write_chunk(file, numbers, chunk, len(leaves), (ids, sizes, counts), {})
    heap.put(file, [array.array("Q", (0, 0, 0))])
    return total

