"""Containers that say themselves how far they grow, and what a test does to them."""

import collections
import contextlib
import functools
import gc
import sys
import weakref

#: The type of every `functools.lru_cache`.
LRU = type(functools.lru_cache(maxsize=1)(len))


def _attribute(obj, name):
    """Of `functools.wraps`, read past whatever the wrapped thing overrides."""
    value = getattr(obj, "__dict__", {}).get(name)
    return value if type(value) is str else ""


class _Cache:
    """A `functools.lru_cache`."""

    kind = "lru_cache"

    @staticmethod
    def size(obj):
        return obj.cache_info().currsize

    @staticmethod
    def most(obj):
        return obj.cache_info().maxsize

    @staticmethod
    def reset(obj, size):
        obj.cache_clear()

    @staticmethod
    def name(obj):
        module, name = _attribute(obj, "__module__"), _attribute(obj, "__qualname__")
        return module + "." + name if module and name else name


class _Deque:
    """A `collections.deque` with a `maxlen`: full, it drops its oldest for each newest."""

    kind = "deque"

    @staticmethod
    def size(obj):
        return collections.deque.__len__(obj)

    @staticmethod
    def most(obj):
        return obj.maxlen

    @staticmethod
    def reset(obj, size):
        # The newest go, at the end where most code adds: were it the oldest, growth would only move into the ring.
        while collections.deque.__len__(obj) > size:
            collections.deque.pop(obj)

    @staticmethod
    def name(obj):
        return ""


class _Buffer:
    """A `logging.handlers.BufferingHandler`: empties itself when it is full."""

    kind = "MemoryHandler"

    @staticmethod
    def size(obj):
        return len(obj.buffer)

    @staticmethod
    def most(obj):
        return obj.capacity

    @staticmethod
    def reset(obj, size):
        del obj.buffer[size:]

    @staticmethod
    def name(obj):
        return ""


class _Queue:
    """A `queue.Queue` with a `maxsize`: full, it makes whoever adds to it wait."""

    kind = "Queue"

    @staticmethod
    def size(obj):
        return len(obj.queue)

    @staticmethod
    def most(obj):
        return obj.maxsize if obj.maxsize > 0 else None

    @staticmethod
    def reset(obj, size):
        obj.unfinished_tasks -= len(obj.queue) - size
        while len(obj.queue) > size:
            obj.queue.pop()

    @staticmethod
    def name(obj):
        return ""


class _AsyncQueue(_Queue):
    """The same of asyncio."""

    @staticmethod
    def size(obj):
        return obj.qsize()

    @staticmethod
    def reset(obj, size):
        obj._unfinished_tasks -= obj.qsize() - size
        while obj.qsize() > size:
            obj._queue.pop()


#: Of modules that the bridge does not import for their sake: `(module, class, way)`.
_IN_MODULES = (
    ("queue", "Queue", _Queue),
    ("asyncio.queues", "Queue", _AsyncQueue),
    ("logging.handlers", "BufferingHandler", _Buffer),
)


def _way(cls):
    if cls is LRU:
        return _Cache
    if issubclass(cls, collections.deque):
        return _Deque
    for module, name, way in _IN_MODULES:
        if module in sys.modules and issubclass(cls, getattr(sys.modules[module], name)):
            return way
    return None


def _reference(obj):
    """A weak reference, or what answers like one: an `lru_cache` of Python 3.8 knows none."""
    try:
        return weakref.ref(obj)
    except TypeError:
        return lambda: obj


class Bounds:
    """Sizes of all such containers at one time. Held weakly where that can be."""

    def __init__(self):
        # type: () -> None
        # Frozen objects do not show.
        gc.unfreeze()
        #: `[way, reference, size]`.
        self._known = []  # type: list
        # There are far fewer types than objects.
        ways = {}  # type: dict
        for obj in gc.get_objects():
            cls = type(obj)
            try:
                if id(cls) not in ways:
                    # With the class, or one more might get its identity.
                    ways[id(cls)] = _way(cls), cls
                way, _ = ways[id(cls)]
                if way is not None and way.most(obj) is not None:
                    self._known.append([way, _reference(obj), way.size(obj)])
            except Exception:
                # A half-made object, or a class that lies about what it is.
                continue
        obj = None

    def remember(self):
        # type: () -> None
        """Reads the sizes anew."""
        for entry in self._known:
            way, reference, _ = entry
            obj = reference()
            with contextlib.suppress(Exception):
                entry[2] = 0 if obj is None else way.size(obj)

    def grown(self):
        # type: () -> list
        """Those that hold more now and have an end: `(way, reference, size before)`."""
        found = []
        for way, reference, before in self._known:
            obj = reference()
            with contextlib.suppress(Exception):
                most = None if obj is None else way.most(obj)
                if most is not None and before < way.size(obj) <= most:
                    found.append((way, reference, before))
        return found


class Reset:
    """Puts such containers back to a size at every boundary: what grows without them is not theirs."""

    def __init__(self, grown):
        # type: (list) -> None
        self._grown = [list(entry) for entry in grown]

    def remember(self):
        # type: () -> None
        """A window opens; the sizes to go back to are known."""

    def forget(self):
        # type: () -> None
        """Empties what was filled since."""
        for entry in self._grown:
            way, reference, before = entry
            obj = reference()
            if obj is not None and way.size(obj) > before:
                way.reset(obj, before)
                # A cache is emptied, not put back: from now on at every boundary.
                entry[2] = way.size(obj)


class Fillers(Reset):
    """Caches that were seen to fill. A cache may be emptied at any time: whoever asked it computes once more."""

    def __init__(self):
        # type: () -> None
        super().__init__([])
        #: Whether there was anything to empty the last time.
        self.emptied = False

    def add(self, grown):
        # type: (list) -> None
        """Of what grew, the caches, from now on."""
        have = [entry[1]() for entry in self._grown]
        for way, reference, _ in grown:
            if way is _Cache and not any(reference() is obj for obj in have):
                self._grown.append([way, reference, 0])

    def forget(self):
        # type: () -> None
        """Empties them."""
        self.emptied = False
        for way, reference, _ in self._grown:
            obj = reference()
            if obj is not None and way.size(obj):
                way.reset(obj, 0)
                self.emptied = True


def describe(grown):
    # type: (list) -> list
    """The identity of each, and `[kind, name, size, most]`."""
    found = []
    for way, reference, _ in grown:
        obj = reference()
        if obj is not None:
            found.append([id(obj), [way.kind, way.name(obj), way.size(obj), way.most(obj)]])
    return found
