"""Exact counters of this process, read into storage that exists before the first reading.

What makes a reading exact, and was found by measuring: nothing is allocated to keep it; the
interpreter's own caches are emptied first; the cycle collector has run, over young objects only,
because everything older is frozen; threads that are ending have ended.
"""

import array
import contextlib
import ctypes
import gc
import itertools
import operator
import posix
import resource
import sys
import sysconfig
import threading
import time
import weakref

from . import bounds, files, gauges, interpreters, malloc, maps, opcodes, processes, refs, unclosed, watch

_collect_all = gc.collect
_freeze = gc.freeze
_unfreeze = gc.unfreeze
_get_objects = gc.get_objects
_get_referents = gc.get_referents
_get_stats = gc.get_stats
_listdir = posix.listdir
_stat = posix.stat
_sleep = time.sleep
_monotonic = time.monotonic
_cpu = time.process_time
_active_count = threading.active_count
_is = operator.is_
_count_interpreters = interpreters.count
_TUPLES, _DICTS = itertools.repeat(tuple), itertools.repeat(dict)
#: Whether the collector ceases to track dictionaries of plain values. From Python 3.14 on it tracks each for good.
_UNTRACKS_DICTS = sys.version_info < (3, 14)

def _drop(unraisable):
    """Takes what nobody can catch, and forgets it."""


def _collect():
    # type: () -> int
    """Collects, and lets go of what callbacks and finalizers raise meanwhile.

    pytest keeps that until the next phase of a test, which is another iteration's: a callback that always raises made
    the level before a window so high that a leak was below it.
    """
    hook, sys.unraisablehook = sys.unraisablehook, _drop
    try:
        return _collect_all()
    finally:
        sys.unraisablehook = hook


#: Those that are read in an order of their own, see `Counters.read`; the others are in a table there.
_OWN_ORDER = ("blocks", "objects", "threads", "garbage")

#: A thread that has left Python's books still owns its stack until the kernel has ended it.
_THREAD_PATIENCE = 0.2
#: A thread that Python still knows may be about to end by itself (goleak's idea of backing off).
_LIVE_THREAD_PATIENCE = 0.03


def keeps_classes():
    # type: () -> bool
    """Whether classes that are dropped stay for good once a thread has run, as on free-threaded builds of 3.13.

    What leaks cannot be told from them then. Other builds are not asked: it takes a thread.
    """
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        return False
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
    readings = array.array("q", [0, 0])
    for at in range(2):
        # The first time for what making one takes once.
        for _ in range(_PROBES):
            type("_Made", (), {})
        for _ in range(3):
            # Frees that were put off come one collection later.
            _collect()
        readings[at] = sys.getallocatedblocks()
    return readings[1] - readings[0] >= _PROBES


def _find_clear():
    # type: () -> object
    """What empties the interpreter's caches."""
    everything = getattr(sys, "_clear_internal_caches", None)
    if everything is not None and _is_compiling():
        # It drops what was compiled as well, and all of it would be compiled anew in each iteration. The function of
        # `sys` that empties the types' cache alone warns that it will go.
        with contextlib.suppress(AttributeError):
            types = ctypes.pythonapi.PyType_ClearCache
            types.argtypes, types.restype = (), None
            return types
    return everything or getattr(sys, "_clear_type_cache", None) or (lambda: None)


def _is_compiling():
    # type: () -> bool
    """Whether the just-in-time compiler is on."""
    try:
        return sys._jit.is_enabled()
    except AttributeError:
        return False


class _Probe:
    """Takes one block, from no free list."""

    __slots__ = ("link",)


#: More than any free list would hide.
_PROBES = 200


def _blocks_exactness():
    # type: () -> str
    """What the counter of blocks is worth: objects must show in it, each of them, and go with them.

    Builds differ in what they count and in when they free: tried, it needs no list of them.
    """
    blocks = sys.getallocatedblocks
    if blocks() == 0:
        return "absent"
    readings = array.array("q", [0, 0, 0])
    kept = [None] * _PROBES  # type: list
    # The first time for what the readings themselves take.
    for _ in range(2):
        _collect()
        readings[0] = blocks()
        for at in range(_PROBES):
            kept[at] = _Probe()
        _collect()
        readings[1] = blocks()
        for at in range(_PROBES):
            kept[at] = None
        _collect()
        readings[2] = blocks()
    rose, fell = readings[1] - readings[0], readings[1] - readings[2]
    return "exact" if rose == fell == _PROBES else "estimate"


class _Immortals:
    """How many interned strings will never be freed.

    From Python 3.12 on strings that are used as names (of modules, attributes, paths) may be interned for ever.
    A test that derives a name from an address or a random number makes a new one now and then; nobody can
    release those, so they are no leak of anybody's, and CPython's own leak check leaves them out as well.
    """

    def __init__(self):
        self._size = getattr(sys, "getunicodeinternedsize", None)
        self._all = sys.version_info < (3, 13)
        # In an array, so that remembering them makes no object.
        self._known = array.array("q", [-1, 0])

    def count(self):
        # type: () -> int
        if self._size is None:
            return 0
        size = self._size()
        if self._all:
            return size
        # Telling the mortal ones apart takes a walk over all of them.
        if size != self._known[0]:
            self._known[0] = size
            self._known[1] = self._size(_only_immortal=True)
        return self._known[1]


def _count_in(folder, other):
    """Counts the entries of a folder in /proc, less `other` that are the reader's own.

    A test may have used up all descriptors; then nothing can be listed, and they are counted one by one.
    """

    def read():
        try:
            return len(_listdir(folder)) - other
        except OSError:
            return _open_descriptors() if other else _active_count()

    return read


def _is_told():
    # type: () -> bool
    """Whether the kernel tells the number of descriptors as the size of their folder (Linux from 6.2 on).

    The same ones tell that of threads as the number of its folders' links. Both are cheaper to ask for than a list is.
    """
    try:
        before = _stat("/proc/self/fd").st_size
        counted = len(_listdir("/proc/self/fd")) - 1
        descriptor = posix.open("/", posix.O_RDONLY | posix.O_CLOEXEC)
        try:
            more = _stat("/proc/self/fd").st_size
        finally:
            posix.close(descriptor)
        threads = _stat("/proc/self/task").st_nlink - 2
        return (before, more, threads) == (counted, counted + 1, len(_listdir("/proc/self/task")))
    except OSError:
        return False


def _told_descriptors():
    # type: () -> int
    try:
        return _stat("/proc/self/fd").st_size
    except OSError:
        # A test has changed the root, or /proc is no longer mounted.
        return _open_descriptors()


def _told_threads():
    # type: () -> int
    try:
        return _stat("/proc/self/task").st_nlink - 2
    except OSError:
        return _active_count()


def _open_descriptors():
    # type: () -> int
    count = 0
    for descriptor in range(min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 65536)):
        try:
            posix.fstat(descriptor)
        except OSError:
            continue
        count += 1
    return count


def _children_reader():
    """A function that counts the child processes that the main thread started and nobody waited for."""
    path = "/proc/self/task/{}/children".format(posix.getpid())
    try:
        posix.close(posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC))
    except OSError:
        return None, "absent"
    are_none, content = processes.are_none, processes.content

    def read():
        # Nothing is read where all descriptors are in use, or of a kernel without it.
        return 0 if are_none() else content(path).count(b" ")

    return read, "exact"


def _collected():
    # type: () -> int
    """Objects that the collector has freed so far, in collections of its own as well as in ours."""
    total = 0
    for generation in _get_stats():
        total += generation["collected"]
    return total


def _counted():
    # type: () -> int
    """Objects of the window, without those that the collector ceases to track when it meets them."""
    kinds = list(map(type, _get_objects()))
    # Not `count`, which has a metaclass of the project's compare.
    count = len(kinds) - sum(map(_is, kinds, _TUPLES))
    return count - sum(map(_is, kinds, _DICTS)) if _UNTRACKS_DICTS else count


def _pending_tasks(known=()):
    """asyncio's tasks that are not done: all of them up to Python 3.13, then `known` and those that are not frozen."""
    module = sys.modules.get("asyncio.tasks")
    if module is None:
        return
    # One of them up to 3.11, the other two from 3.12 on.
    for name in ("_all_tasks", "_scheduled_tasks", "_eager_tasks"):
        # A WeakSet; its own methods are slower, and take part in what they count.
        found = getattr(module, name, None)
        for item in tuple(getattr(found, "data", found) or ()):
            task = item() if isinstance(item, weakref.ref) else item
            if task is not None and not task.done():
                yield task
    if _TASKS_ARE_HIDDEN:
        met = set()
        for task in itertools.chain(known, _unlisted_tasks(module.Task)):
            if id(task) not in met and not task.done():
                met.add(id(task))
                yield task


#: From Python 3.14 on asyncio keeps its own tasks in lists in C, by thread, and shows those of one loop at a time.
_TASKS_ARE_HIDDEN = sys.version_info >= (3, 14)


def _unlisted_tasks(task_class):
    # type: (type) -> list
    """Tasks of asyncio's own class, or one derived from it, among the objects that are not frozen."""
    classes, found = {}, [task_class]
    while found:
        kind = found.pop()
        if id(kind) not in classes:
            classes[id(kind)] = kind
            found += type.__subclasses__(kind)
    objects = _get_objects()
    return list(itertools.compress(objects, map(classes.__contains__, map(id, map(type, objects)))))


class _Tasks:
    """How many of asyncio's tasks are not done."""

    def __init__(self):
        #: Weak references to those that were pending when a window opened, which froze them.
        self._frozen = []  # type: list

    def remember(self):
        """To be called before the heap is frozen."""
        if _TASKS_ARE_HIDDEN:
            self._frozen = list(map(weakref.ref, self.all()))

    def _older(self):
        return [task for task in (reference() for reference in self._frozen) if task is not None]

    def all(self):
        """The tasks themselves."""
        return _pending_tasks(self._older())

    def count(self):
        # type: () -> int
        count = 0
        for _ in self.all():
            count += 1
        return count


class _GrowingCache:
    """A cache of the interpreter's that grows with every new name, and never forgets one.

    Entries that came since `remember` are dropped: what they stand for can be found again, and mostly
    is a temporary file or folder that is gone. Those that `stays(name)` is true for are left.
    """

    def __init__(self, find, stays=None):
        self._find = find
        self._stays = stays or (lambda name: False)
        self._known = None  # type: frozenset | None

    def remember(self):
        cache = self._find()
        self._known = None if cache is None else frozenset(cache)

    def forget(self):
        cache = self._find()
        if cache is None or self._known is None or len(cache) == len(self._known):
            return
        for name in [name for name in cache if name not in self._known]:
            if not self._stays(name):
                cache.pop(name, None)


def _is_made_up(name):
    """Whether a name is that of no file: code made at run time puts its source into `linecache`, and nothing there
    ever drops that. A name of its own in each iteration is a leak.
    """
    return type(name) is str and name.startswith("<") and name.endswith(">")


def _of_module(module, name):
    # Only where the module is imported already: an import would be a change of its own.
    return lambda: getattr(sys.modules.get(module), name, None)


def _took_in(cache, size, misses):
    """Whether an `lru_cache` has something that it had not when it held `size` entries, after so many misses."""
    info = cache.cache_info()
    return info.currsize > size or (info.misses > misses and info.currsize == info.maxsize)


class _ClassCaches:
    """Caches of the standard library by class or by type arguments, each an `lru_cache`.

    A class made anew in each iteration is kept alive by them until they are full, and from then on it takes the place
    of one that is frozen and stays for good. Those that grew since `remember`, or are full and took something in, are
    emptied; the others are left alone, since filling them again would be a change of its own.
    """

    _OF_INSPECT = ("_shadowed_dict_from_mro_tuple", "_shadowed_dict_from_weakref_mro_tuple")

    def __init__(self):
        self._sizes = []  # type: list

    def remember(self):
        inspect = sys.modules.get("inspect")
        caches = [getattr(inspect, name, None) for name in self._OF_INSPECT]
        # Bound `cache_clear` methods.
        caches += [getattr(clear, "__self__", None) for clear in getattr(sys.modules.get("typing"), "_cleanups", ())]
        caches = [(cache, cache.cache_info()) for cache in caches if hasattr(cache, "cache_info")]
        self._sizes = [[cache, info.currsize, info.misses] for cache, info in caches]

    def forget(self):
        for known in self._sizes:
            cache, size, misses = known
            if _took_in(cache, size, misses):
                cache.cache_clear()
                # From now on at every boundary, so that all of them see the same.
                known[1] = -1


class _Strategies:
    """What hypothesis keeps of strategies. Each test with examples adds hundreds, which are new objects each time.

    Until the 1,024 of its cache are replaced by such, five iterations later, each test grows, and what is in the place
    of what was frozen moves malloc's heap for good. The tags of strategies have no bound: a test that makes classes,
    and strategies for them, adds some to them in each iteration. Empty at each boundary, both are as full each time.
    """

    _CACHES = (
        ("hypothesis.strategies._internal.utils", "_STRATEGY_CACHE"),
        ("hypothesis.strategies._internal.utils", "STRATEGY_CACHE"),
        ("hypothesis.internal.conjecture.data", "STRUCTURAL_COVERAGE_CACHE"),
    )

    def remember(self):
        self.forget()

    def forget(self):
        for module, name in self._CACHES:
            cache = getattr(sys.modules.get(module), name, None)
            # A stand-in of the project's may know no such thing.
            if hasattr(cache, "clear"):
                cache.clear()


class _Connections:
    """What a connection of `sqlite3` keeps of cursors that are gone, until it has made 200 more, and of statements.

    Each test of a suite that uses one database for all fills both. A connection is known by its cache of statements,
    which is an `lru_cache` from Python 3.11 on: a reference to itself would keep its transaction open.
    """

    def __init__(self):
        #: `[weak reference, entries and misses at the opening of the window]` of each cache.
        self._caches = []  # type: list

    def find(self):
        """Looks for those among the objects that are not frozen: of the others each was new once."""
        if "_sqlite3" not in sys.modules or sys.version_info < (3, 11):
            return
        connection = sys.modules["_sqlite3"].Connection
        self._caches = [known for known in self._caches if known[0]() is not None]
        there = [known[0]() for known in self._caches]
        for obj in _get_objects():
            # One of a class of the project's may have lists of its own.
            is_one = type(obj) is bounds.LRU and type(_wrapped(obj)) is connection
            if is_one and not any(obj is other for other in there):
                self._caches.append([weakref.ref(obj), 0, 0])
        obj = there = None

    def remember(self):
        self.find()
        for known in self._caches:
            info = known[0]().cache_info()
            known[1:] = info.currsize, info.misses

    def forget(self):
        for known in self._caches:
            cache = known[0]()
            if cache is None:
                continue
            for entries in _get_referents(_wrapped(cache)):
                if type(entries) is list and all(type(entry) is weakref.ref for entry in entries):
                    alive = [reference for reference in entries if reference() is not None]
                    if len(alive) < len(entries):
                        entries[:] = alive
            if _took_in(cache, known[1], known[2]):
                cache.cache_clear()
                # From now on at every boundary, so that all of them see the same.
                known[1] = -1


def _wrapped(cache):
    return cache.__dict__.get("__wrapped__")


#: Position of the first reading in `Counters._at`: beyond the numbers that are shared, up to 1,024 from Python 3.15 on.
_ORIGIN = 1 << 20
#: Objects that the collector goes through in some 20 µs.
_CROWD = 2000
#: Readings of a window at which its objects are counted before the collector runs.
_COUNTED = 64


class Counters:
    """Reads every counter into preallocated arrays, `capacity` readings at most."""

    def __init__(self, capacity, own_descriptors, configured=(), project=None):
        # type: (int, object, object, str | None) -> None
        """`configured`: name and place of what the project counts itself; `project` is as `files.Folders` takes it."""
        self.capacity = capacity
        # In an array too, and counted from where a number is always an object of its own: small ones are shared.
        self._at = array.array("q", [_ORIGIN])
        # What finalizers untied so far, and what was there before a collection.
        self._closed = array.array("q", [0, 0])
        # CPU seconds of the readings.
        self._spent = array.array("d", [0.0])
        # Blocks at the last reading, the names among them that stay for good, and blocks at this one.
        self._raw = array.array("q", [-1, 0, 0])
        self.folders = files.Folders(project)
        self._own_descriptors = lambda: own_descriptors() + self.folders.descriptors()
        self._heap, heap_exactness = malloc.reader()
        self._blocks = sys.getallocatedblocks
        self._immortals = _Immortals()
        # The names that stay for good at the last reading, and how many came after the second one of all windows.
        self._names = array.array("q", [0, 0])
        self._clear = _find_clear()
        self._fds, fds_exactness = self._counter_in_proc("/proc/self/fd", "/dev/fd", 1)
        self._threads, threads_exactness = self._counter_in_proc("/proc/self/task", None, 0)
        if _is_told():
            self._fds, self._threads = _told_descriptors, _told_threads
        if self._threads is None:
            self._threads, threads_exactness = _active_count, "exact"
        self._thread_level = 0
        self.tasks = _Tasks()
        self._connections = _Connections()
        self._caches = [
            _GrowingCache(lambda: sys.path_importer_cache),
            _GrowingCache(_of_module("zipimport", "_zip_directory_cache")),
            _GrowingCache(_of_module("linecache", "cache"), _is_made_up),
            _GrowingCache(_of_module("re", "_cache")),
            _GrowingCache(_of_module("re", "_cache2")),
            _ClassCaches(),
            _Strategies(),
            self._connections,
        ]
        # Where Python's own memory is in no counter of bytes, what becomes longer must show by its length.
        self.sees_sizes = self._heap is not None and malloc.holds_objects(self._heap)
        self.watch = watch.Watch(lengths=not self.sees_sizes)
        self.refs = refs.Cohort()
        self._children, children_exactness = _children_reader()
        self.processes = processes.Processes()
        # What Python takes for itself elsewhere comes and goes as it likes.
        self._mapped = maps.Mapped(getattr(self._heap, "taken", None) if self.sees_sizes else None)
        #: By name: how it is read, and what that is worth. In the order in which they are read.
        self._table = {
            "fds": (self._own_fds, fds_exactness),
            "items": (self.watch.total, "exact"),
            "tasks": (self.tasks.count, "exact"),
            "children": (self._children, children_exactness),
            # The first of these three reads the others.
            "child_fds": (self.processes.descriptors, self.processes.exactness),
            "child_threads": (self.processes.threads, self.processes.exactness),
            "child_memory": (self.processes.memory, self.processes.exactness),
            "interpreters": (_count_interpreters, "exact"),
            "files": (self.folders.total, self.folders.exactness),
            "heap": (self._heap, heap_exactness),
            # Right after it.
            "maps": (self._mapped.read, self._mapped.exactness),
            "refs": (self.refs.total, refs.exactness()),
            "unclosed": (unclosed.total, unclosed.install()),
        }
        self.exactness = {"blocks": _blocks_exactness(), "objects": "exact", "threads": threads_exactness}
        self.exactness["garbage"] = "exact"
        self.exactness.update((name, exactness) for name, (_, exactness) in self._table.items())
        there = [name for name, exactness in self.exactness.items() if exactness != "absent"]
        #: One array of readings for each.
        self.arrays = {name: array.array("q", bytes(8 * capacity)) for name in (*_OWN_ORDER, *there)}
        self._own = [self.arrays[name] for name in _OWN_ORDER]
        self._others = [(self.arrays[name], self._table[name][0]) for name in self._table if name in there]
        self._counts_references = self.exactness["refs"] == "exact"
        #: What libraries and the project count themselves, by name.
        self.gauges = {}  # type: dict
        for name, place in configured:
            self.take_up(gauges.Gauge.configured(name, place))
            self.exactness[name] = "exact"
        #: Those of libraries that were not loaded so far.
        self._unloaded = [gauges.Gauge.of_library(name) for name in gauges.LIBRARIES if name not in self.gauges]

    def take_up(self, gauge):
        # type: (gauges.Gauge) -> None
        """Reads one more counter from now on. No window may be open."""
        self.gauges[gauge.name] = gauge
        self.arrays[gauge.name] = array.array("q", bytes(8 * self.capacity))
        self._others.append((self.arrays[gauge.name], gauge.read))

    def drop(self, gauge):
        # type: (gauges.Gauge) -> None
        """Reads it no longer."""
        values = self.arrays.pop(gauge.name)
        del self.gauges[gauge.name]
        self._others = [other for other in self._others if other[0] is not values]

    def _find_libraries(self):
        # type: () -> None
        """Takes up the counters of libraries that were loaded meanwhile."""
        for gauge in [gauge for gauge in self._unloaded if gauge.is_there()]:
            self._unloaded.remove(gauge)
            self.take_up(gauge)
        for gauge in self.gauges.values():
            # For what reading it takes the first time.
            gauge.read()

    def troubles(self):
        # type: () -> list
        """Why some of them could not be read."""
        return [gauge.trouble for gauge in self.gauges.values() if gauge.trouble is not None]

    def _own_fds(self):
        # type: () -> int
        return self._fds() - self._own_descriptors()

    def reader(self, name):
        # type: (str) -> object
        """What reads one counter at any time."""
        return self.gauges[name].read if name in self.gauges else self._table[name][0]

    @staticmethod
    def _counter_in_proc(folder, fallback, other):
        for candidate in (folder, fallback):
            try:
                _listdir(candidate)
            except (OSError, TypeError):
                continue
            return _count_in(candidate, other), "exact"
        return None, "absent"

    def settle(self):
        # type: () -> None
        """Empties the interpreter's caches and collects until nothing more is found."""
        if self._tidy():
            self._collect_more()

    def _tidy(self):
        # type: () -> int
        """Empties the interpreter's caches and collects once. Returns how much garbage there was."""
        self.forget()
        return _collect()

    def forget(self):
        # type: () -> None
        """Empties the interpreter's caches."""
        self._clear()
        self._forget_names()

    def _forget_names(self):
        # type: () -> None
        """Empties the standard library's caches."""
        for cache in self._caches:
            cache.forget()

    def _read_blocks(self):
        # type: () -> bool
        """Notes the blocks in use after a collection; whether they are others than at the last reading.

        With nothing held by the type cache: that holds names, which need no collector.
        """
        self._clear()
        # Of three lists the free list is never short from here on. A build with a JIT compiler makes one for each
        # function that runs for the first time since events were restarted (Python 3.15), so for those that a reading
        # calls after its collection, which has emptied that list: one block more in some readings, and not in others.
        spare = [[], []]
        del spare
        # Not in a number of its own, which would be one of them.
        self._raw[2] = self._blocks()
        return self._raw[2] != self._raw[0]

    @staticmethod
    def _collect_more():
        # Finalizers of what was collected may have let go of more. No loop: its iterator would go to a free list when
        # the last collection has emptied that (Python 3.14).
        if _collect() and _collect():
            _collect()

    def _wait_for_threads(self):
        # type: () -> int
        """Thread count, after a bounded wait for those that are ending."""
        count = self._threads()
        if count > self._thread_level:
            start = _monotonic()
            pause = 0.0002
            # Counted as well, for clocks that a test has stopped.
            for _ in range(100):
                if count <= self._thread_level:
                    break
                patience = _LIVE_THREAD_PATIENCE if _active_count() >= count else _THREAD_PATIENCE
                if _monotonic() - start > patience:
                    break
                _sleep(pause)
                pause = min(pause * 2, 0.01)
                count = self._threads()
        # Those that stay are waited for once, not at every later boundary.
        self._thread_level = count
        return count

    def open_window(self, last=None):
        # type: (object) -> None
        """Freezes what is there, so that later readings see only what was born since. Before that `last` is called."""
        opcodes.forestall()
        self._find_libraries()
        self.folders.survey()
        self.processes.forget()
        for cache in self._caches:
            cache.remember()
        self.settle()
        if last is not None:
            last()
        self.tasks.remember()
        self._thread_level = self._threads()
        # Whatever the level, the first reading lets go of what only we have by then: the collection before it replaces
        # what a callback of the project's keeps of the last one.
        self._raw[0] = -1
        _freeze()

    def adopt(self):
        # type: () -> None
        """Also watches what was born since the last window and is still there: a test may fill what another made."""
        born = _get_objects()
        if len(born) <= _CROWD:
            self.watch.adopt(born)

    def entries(self):
        # type: () -> int
        """Entries in all containers that were born in this window; 0 where they are too many to go through."""
        born = _get_objects()
        return watch.entries_of(born) if len(born) <= _CROWD else 0

    @staticmethod
    def is_crowded():
        # type: () -> bool
        """Whether the window holds so many objects that every collection takes long."""
        return len(_get_objects()) > _CROWD

    def reset_at_boundaries(self, reset):
        # type: (object) -> None
        """Also empties what `reset` knows before every reading, from now on; `None` ends that."""
        self._caches = [cache for cache in self._caches if not isinstance(cache, bounds.Reset)]
        if reset is not None:
            self._caches.append(reset)

    def thaw(self, refreeze):
        # type: (bool) -> None
        """Lets the collector look at the frozen objects once: what was frozen alive may be garbage by now.

        Frozen again at once, they cost nothing in the collections that follow.
        """
        _unfreeze()
        opcodes.forestall()
        _collect()
        self._connections.find()
        if refreeze:
            self.tasks.remember()
            _freeze()

    def read(self):
        # type: () -> None
        """Records one reading of every counter."""
        self._spent[0] -= _cpu()
        threads = self._wait_for_threads()
        self._forget_names()
        at = self._at[0]
        # Not in a number of its own: one above 256 would be an object, and smaller ones are not. Of a leak that is
        # looked at for long, garbage is not asked, and counting all it left would cost more than the collector does.
        self._closed[1] = _counted() if at < _ORIGIN + _COUNTED else 0
        # Not the number, which above 256 is a block of its own; nor a call, whose arguments go to a free list (3.8).
        found = _collect() > 0
        # Blocks before all else: a collection empties the free lists, and what is read after it fills them again, one
        # object more or less by which way the reading takes. From Python 3.14 on there is one of numbers.
        others = self._read_blocks()
        # Where the watch let go of something, that may have been all that held others.
        more = others and self._release()
        # A level as before needs no second look at the garbage, and that is nearly every reading.
        if more or (found and (at == _ORIGIN or others)):
            self._collect_more()
            others = self._read_blocks()
        blocks, objects, running, garbage = self._own
        objects[at - _ORIGIN] = len(_get_objects())
        if not found and self._closed[1] > objects[at - _ORIGIN]:
            # A finalizer may untie the cycle that it is in: a generator that is closed, an event loop that closes
            # itself. That is freed by counting, and is in none of the collector's own figures.
            self._closed[0] += self._closed[1] - objects[at - _ORIGIN]
        running[at - _ORIGIN] = threads
        for values, read in self._others:
            values[at - _ORIGIN] = read()
        if others:
            # Telling names that stay for good apart takes a walk; where as many blocks are in use as before, none came
            # that something else did not make up for.
            self._raw[0] = self._raw[2]
            self._raw[1] = self._immortals.count()
            if at - _ORIGIN > 1:
                self._names[1] += self._raw[1] - self._names[0]
            self._names[0] = self._raw[1]
        blocks[at - _ORIGIN] = self._raw[2] - self._raw[1]
        # Last of all: the dictionaries that it comes in must not be counted.
        garbage[at - _ORIGIN] = _collected() + self._closed[0]
        self._at[0] = at + 1
        self._spent[0] += _cpu()

    def _release(self):
        # type: () -> bool
        """Lets go of what only we have; whether there was any."""
        watched = self.watch.release()
        return self.refs.release() or watched

    def survey(self, others):
        # type: (list) -> None
        """Looks anew for the containers whose lengths are read, and for what references are counted to."""
        self.watch.survey(others)
        if self._counts_references:
            self.refs.survey(others)

    def let_go(self):
        # type: () -> None
        """Lets go of all that is watched: it would be seen to be held."""
        self.watch.clear()
        self.refs.clear()

    def names(self):
        # type: () -> int
        """How many names tests made that stay for good, and not only the first time that they ran."""
        return self._names[1]

    def spent(self):
        # type: () -> float
        """CPU seconds that readings took since the last reset."""
        return self._spent[0]

    def heap(self):
        # type: () -> int
        """Bytes in use in malloc now; 0 where nothing tells."""
        return self._heap() if self._heap is not None else 0

    def descriptors(self):
        # type: () -> int
        """Open descriptors now, those of the bridge among them; 0 where nothing tells."""
        return self._fds() if self._fds is not None else 0

    def threads(self):
        # type: () -> int
        """Threads now, once those that are ending have ended."""
        return self._wait_for_threads()

    def reset(self):
        # type: () -> None
        """Forgets the readings so far; the window stays open."""
        self._spent[0] = 0.0
        self._at[0] = _ORIGIN

    def readings(self):
        # type: () -> dict
        """What was recorded since the window opened or the last reset, by counter."""
        return {
            name: values[: self._at[0] - _ORIGIN].tolist()
            for name, values in self.arrays.items()
            if self.exactness.get(name) != "absent"
        }


_PAGE = resource.getpagesize()


def resident_bytes():
    # type: () -> int
    """Resident memory of this process in bytes; 0 where the system does not tell."""
    try:
        fd = posix.open("/proc/self/statm", posix.O_RDONLY)
    except OSError:
        return 0
    try:
        # In pages: all of it, and what is resident.
        found = posix.read(fd, 256).split()
    finally:
        posix.close(fd)
    return int(found[1]) * _PAGE if len(found) > 1 else 0
