"""Lengths of containers that were there before a window: what grows without a new block.

`list.append(None)` or a dict that gains existing objects allocates nothing until the next resize. The containers that
can leak so are the long-lived ones, and those hang from the modules of the project and its dependencies: found
once a file, shallow ones first, their lengths are added up at every boundary.
"""

import array
import collections
import contextlib
import gc
import io
import itertools
import operator
import os
import re
import sys
import types
import weakref

from . import kinds, referents, texts, trace

_referents = gc.get_referents
_lt = operator.lt

#: Containers whose lengths are read; each costs some 30 ns a reading.
_MOST = 1500
#: So many are compared one by one where one of them has another length than before.
_PART = 64
#: Objects looked at in search of them, and entries of one container: what is kept by the thousand is data.
_MOST_VISITED = 20000
_MOST_ENTRIES = 200
#: Containers that tests made since the survey, of those whose lengths are read.
_MOST_ADOPTED = 500
#: References to such a container where nobody else has one: the list's, and that of whoever counts them.
OURS = 2
#: Stands for one that is gone.
_GONE = ()

_CONTAINERS = (list, dict, set, bytearray, collections.deque, array.array)
#: Those and the library's own kinds of them whose first entry can be asked for without running the project's code.
_PLAIN = kinds.ids_of(
    list, dict, set, collections.deque, collections.defaultdict, collections.OrderedDict, collections.Counter
)
#: Those that the collector does not show, or only once there is something in them that it has to know.
_HIDDEN = kinds.ids_of(dict, bytearray, array.array)
_LENGTHS = tuple(kind.__len__ for kind in _CONTAINERS)
#: Text and bytes that are written to memory: their buffer grows ahead of what is in it.
_STREAMS = (io.StringIO, io.BytesIO)
#: Never looked into: they lead everywhere, or hold nothing that stays.
_OPAQUE = (types.ModuleType, types.CodeType, types.FrameType, str, bytes, int, float, complex, bool, type(None))
#: Ways out of a class that are no attributes of it, and what Python and its library keep in each: written once, and as
#: much as all the rest to look through.
_OF_CLASSES = frozenset(
    "__dict__ __weakref__ __module__ __doc__ __annotations__ __annotations_cache__ __annotate_func__ __init_subclass__"
    " __dataclass_fields__ __slotnames__ __protocol_attrs__ __abstractmethods__ _abc_impl _field_defaults _make"
    " _member_names_ _member_map_ _value2member_map_ _unhashable_values_ _unhashable_values_map_"
    " _generate_next_value_".split()
)
#: Modules of the runner and of what it cannot do without.
_RUNNER = ("_pytest", "pytest", "pluggy", "iniconfig", "xdist", "py", "pygments", "leakcheck_bridge")
#: Classes of the runner through which one comes to all of it: its own books would be watched, and most of the
#: objects that a survey looks at be its own. What tests may fill there is named by the runner itself.
_HUBS = ("Node", "Config", "PluginManager", "AssertionRewritingHook", "FixtureRequest")


def _stdlib_names():
    # type: () -> object
    names = getattr(sys, "stdlib_module_names", None)
    if names is not None:
        return names
    # Before Python 3.10: what lies beside `os`.
    folder = os.path.dirname(os.__file__)
    found = {name.partition(".")[0] for name in os.listdir(folder)}
    found.update(sys.builtin_module_names)
    with contextlib.suppress(OSError):
        found.update(name.partition(".")[0] for name in os.listdir(os.path.join(folder, "lib-dynload")))
    found.discard("site-packages")
    return found


_STDLIB = _stdlib_names()


def is_theirs(name):
    # type: (str) -> bool
    """Whether a module is the project's or a dependency's: not of the standard library, the runner or ours."""
    top = name.partition(".")[0]
    return top == "__main__" or not (top in _STDLIB or top in _RUNNER or top.startswith("pytest_"))


def _module_of(kind):
    # type: (type) -> str
    """The module of a class."""
    try:
        return str(type.__dict__["__module__"].__get__(kind))
    except AttributeError:
        # The collector has cleared it while something still has an instance of it.
        return ""


def _top(kind):
    # type: (type) -> str
    """The topmost package of a class."""
    return _module_of(kind).partition(".")[0]


def _is_hub(kind):
    # type: (type) -> bool
    for base in trace.bases_of(kind):
        if trace.name_of(base) in _HUBS and _top(base) in _RUNNER:
            return True
    # The caches of an abstract class, which from Python 3.13 on the collector shows: they gain an entry
    # with every class that is asked about for the first time.
    return trace.name_of(kind) == "_abc_data" and _top(kind) == "_abc"


#: What a type's objects are to a survey.
_NOTHING, _FUNCTION, _CLASS, _CONTAINER, _FIXED, _STREAM, _LOGGER, _OTHER = range(8)


def _sort_of(kind):
    # type: (type) -> int
    if issubclass(kind, _OPAQUE):
        return _NOTHING
    if kind is types.FunctionType:
        return _FUNCTION
    if issubclass(kind, type):
        return _CLASS
    if _is_watchable(kind):
        return _CONTAINER
    if issubclass(kind, (tuple, frozenset)):
        return _FIXED
    if issubclass(kind, _STREAMS):
        return _STREAM
    if _is_logger(kind):
        return _LOGGER
    return _NOTHING if _is_hub(kind) else _OTHER


def _end_of(stream):
    """How much is in a stream, past whatever a subclass makes of it; 0 where it is closed."""
    kind = io.StringIO if issubclass(type(stream), io.StringIO) else io.BytesIO
    try:
        position = kind.tell(stream)
        end = kind.seek(stream, 0, 2)
        # Whoever only writes stands at the end already, and loses nothing to a thread that writes meanwhile.
        if position != end:
            kind.seek(stream, position)
    except ValueError:
        return 0
    return end


def _is_logger(kind):
    # type: (type) -> bool
    """Whether it is a logger whose list of handlers is an attribute like any other."""
    logger = getattr(sys.modules.get("logging"), "Logger", None)
    if type(logger) is not type or not issubclass(kind, logger):
        return False
    return not any("handlers" in referents.class_dict(base) for base in trace.bases_of(kind))


def _handlers_of(logger):
    """A logger's list of handlers as it is now: removing one puts another list in its place (Python 3.15, 3.14.10)."""
    try:
        found = object.__getattribute__(logger, "handlers")
    except AttributeError:
        return ()
    return found if type(found) is list else ()


def _length_of(container):
    kind = type(container)
    if issubclass(kind, _STREAMS):
        return _end_of(container)
    return len(container if issubclass(kind, _CONTAINERS) else _handlers_of(container))


def _captured(function):
    """`(object, label)` of what a function keeps besides its module."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or ())
    found = [(cell, ".<" + name + ">") for name, cell in cells]
    return found + [(value, ".<default>") for value in (function.__defaults__ or ())]


def _attributes_of(cls):
    """The attributes of a class of theirs; none of another."""
    attributes = referents.class_dict(cls).copy()
    # A namespace may have keys that are no names, and anything under those that are.
    module = attributes.get("__module__", "")
    return attributes if type(module) is str and is_theirs(module) else {}


def _of_class(cls):
    """`(object, label)` of the attributes of a class of theirs."""
    attributes = _attributes_of(cls).items()
    return [(value, "." + name) for name, value in attributes if type(name) is str and name not in _OF_CLASSES]


def _entries(container):
    """The first entries of a container, values of a mapping."""
    cls = type(container)
    if issubclass(cls, dict):
        return itertools.islice(dict.values(container), _MOST_ENTRIES)
    if issubclass(cls, (bytearray, array.array)):
        return ()
    # Past whatever a subclass makes of being gone through.
    kind = next(kind for kind in (*_CONTAINERS, tuple, frozenset) if issubclass(cls, kind))
    return itertools.islice(kind.__iter__(container), _MOST_ENTRIES)


def _namespace(module):
    # What stands in `sys.modules` for a module may be anything, and is not asked itself.
    if issubclass(type(module), types.ModuleType):
        return referents.module_dict(module)
    with contextlib.suppress(AttributeError, TypeError):
        return object.__getattribute__(module, "__dict__")
    return None


#: Modules of theirs that were ever met, by name: tests take some out of `sys.modules` that others go on using.
_met = weakref.WeakValueDictionary()  # type: weakref.WeakValueDictionary


def _modules():
    # type: () -> list
    """`(name, module)` of all there are."""
    found = [(name, module) for name, module in list(sys.modules.items()) if type(name) is str]
    there = {id(module) for _, module in found}
    found += [(name, module) for name, module in list(_met.items()) if id(module) not in there]
    return found


def _roots(others):
    """`(object, name)` of all that a walk begins with, `others` last, and the identities of what it never enters."""
    modules = _modules()
    # Not through what is nobody's: a function of the standard library leads to all of its module.
    closed = {id(module) for _, module in modules}
    closed.update(id(_namespace(module)) for _, module in modules)
    found = [(obj, name) for name, obj in _of_the_interpreter()]
    # What two modules have was made in the one that has its class, or in the deeper one, and in no module of tests; the
    # other imports it. As the ways through the heap have it (path.rs), so that one logger of many modules has one name.
    theirs = [(name, module) for name, module in modules if type(module) is types.ModuleType and is_theirs(name)]
    own, rest, homes = [], [], {}  # type: list, list, dict
    for name, module in sorted(theirs, key=_rank_of):
        _met[name] = module
        for named in of_namespace(_namespace(module) or {}, name):
            kind = type(named[0])
            home = homes.get(id(kind)) or homes.setdefault(id(kind), _module_of(kind))
            (own if home == name else rest).append(named)
    found += own + rest
    found += [(obj, name) for obj, name in others if _top(type(obj)) not in _RUNNER]
    return found, closed


def _rank_of(named):
    # type: (tuple) -> tuple
    name = named[0]
    return bool(_TESTS(name)), -name.count("."), name


def of_namespace(names, module):
    # type: (dict, object) -> list
    """`(object, name)` of what stands in the namespace of a module."""
    module = module if type(module) is str else "?"
    names = list(names.items())
    return [(obj, module + "." + name) for name, obj in names if type(name) is str and name[:2] != "__"]


_TESTS = re.compile(r"(^|\.)(test_[^.]*|[^.]*_test|tests?|conftest)($|\.)").search
#: Whether the attributes of an instance are a dictionary that it refers to.
_HAS_DICTIONARIES = sys.version_info < (3, 11)


def _containers(others, holders=None):
    # type: (list, list | None) -> list
    """Every container, stream and logger that hangs from a module of theirs, or from `others`, `(object, name)` each.

    First those that are reached through attributes alone, then what is in containers, then what is in containers in
    those: a registry with thousands of lists must not hide a list of its own kind. Within that, shallow ones first.
    Once a file, so it has to be quick: what lies at one distance is looked at together, and asked for its references
    in one call. The classes and the plain objects on the way are added to `holders`, where it is given.
    """
    roots, seen = _roots(others)
    # By type; those of which nothing is ever wanted apart, since most references lead to such. The types are held, or
    # one more might get the identity of one that is gone.
    sorts, met = {}, []  # type: dict, list
    dull = set()  # type: set
    attributes = set()  # type: set
    found = []
    inner = [obj for obj, _ in roots]
    left = _MOST_VISITED
    while inner and left > 0:
        reached, inner = inner, []
        while reached and left > 0:
            whole = []
            following = []
            for obj in reached:
                number = id(obj)
                if number in seen:
                    continue
                kind = type(obj)
                try:
                    sort = sorts[id(kind)]
                except KeyError:
                    sort = sorts[id(kind)] = _sort_of(kind)
                    met.append(kind)
                    if sort == _NOTHING:
                        dull.add(id(kind))
                if sort == _NOTHING:
                    continue
                seen.add(number)
                left -= 1
                if left < 0:
                    break
                if sort == _OTHER:
                    whole.append(obj)
                elif sort == _FUNCTION:
                    # Most capture nothing.
                    if obj.__closure__ or obj.__defaults__:
                        following.extend([value for value, _ in _captured(obj)])
                elif sort == _CONTAINER:
                    found.append(obj)
                    (following if number in attributes else inner).extend(_entries(obj))
                elif sort == _CLASS:
                    values = _attributes_of(obj)
                    if holders is not None and values:
                        holders.append(obj)
                    following.extend([values[name] for name in values if type(name) is str and name not in _OF_CLASSES])
                elif sort == _FIXED:
                    inner.extend(_entries(obj))
                else:
                    found.append(obj)
                    if sort == _LOGGER:
                        handlers = _handlers_of(obj)
                        seen.add(id(handlers))
                        inner.extend(handlers)
                        whole.append(obj)
            if holders is not None:
                holders.extend(whole)
            referred = _referents(*whole)
            if _HAS_DICTIONARIES:
                attributes.update([id(obj) for obj in referred if type(obj) is dict])
            following.extend(referred)
            reached = [obj for obj in following if id(type(obj)) not in dull]
        inner = [obj for obj in inner if id(type(obj)) not in dull]
    return found


def _children(obj):
    """What an object refers to, each with the way there as code would write it."""
    kind = type(obj)
    sort = _sort_of(kind)
    if sort in (_CONTAINER, _FIXED):
        return [(value, "[…]") for value in _entries(obj)]
    if sort == _FUNCTION:
        return _captured(obj)
    if sort == _CLASS:
        return _of_class(obj)
    found = []
    with contextlib.suppress(AttributeError):
        attributes = object.__getattribute__(obj, "__dict__")
        if type(attributes) is dict:
            found = [(value, "." + name) for name, value in list(attributes.items()) if type(name) is str]
    others = (value for value in _referents(obj) if value is not kind)
    return found + [(value, "") for value in itertools.islice(others, _MOST_ENTRIES)]


def _walk(roots, seen):
    """The same way, from `roots` and past what is `seen`, with the names of everything on it: `(object, name)`.

    Only to tell what grew: from Python 3.11 on, asking for an instance's `__dict__` makes one.
    """
    queue = collections.deque(roots)
    for _ in range(_MOST_VISITED):
        while queue:
            obj, name = queue.popleft()
            # Not `isinstance`, which asks the object as well: one that stands for another would make that now.
            if not issubclass(type(obj), _OPAQUE) and id(obj) not in seen and _sort_of(type(obj)) != _NOTHING:
                break
        else:
            return
        seen.add(id(obj))
        yield obj, name
        for child, label in _children(obj):
            if not issubclass(type(child), _OPAQUE) and id(child) not in seen:
                queue.append((child, name + label))


def walk():
    """`(object, name)` of all that hangs from a module of theirs."""
    roots, closed = _roots(())
    for obj, name in _walk(roots, closed):
        yield obj, name
        # No way leads on to a text.
        for child, label in _children(obj):
            if issubclass(type(child), _OPAQUE):
                yield child, name + label


def _namespaces():
    # type: () -> list
    """Those of the modules of theirs."""
    modules = [module for name, module in list(sys.modules.items()) if is_theirs(name)]
    return [referents.module_dict(module) for module in modules if type(module) is types.ModuleType]


def _of_the_interpreter():
    found = [("sys." + name, getattr(sys, name, None)) for name in ("path", "path_hooks", "meta_path", "modules")]
    root = getattr(sys.modules.get("logging"), "root", None)
    found += [("logging.root", root), ("logging.root.filters", getattr(root, "filters", None))]
    found.append(("os.environ", getattr(os.environ, "_data", None)))
    return found


def is_container(obj):
    # type: (object) -> bool
    """Whether its length may be watched."""
    return issubclass(type(obj), _CONTAINERS)


def _is_watchable(kind):
    # A subclass with a length of its own would run the project's code at every boundary.
    if not issubclass(kind, _CONTAINERS):
        return False
    # Past its metaclass.
    for base in trace.bases_of(kind):
        found = referents.class_dict(base).get("__len__")
        if found is not None:
            return any(found is length for length in _LENGTHS)
    return False


def _containers_among(objects):
    # type: (list) -> list
    """Those of some objects that are containers, and what they refer to that the collector does not show."""
    found = kinds.among(objects, _is_watchable)
    found += [obj for obj in _referents(*objects) if id(type(obj)) in _HIDDEN and not gc.is_tracked(obj)]
    return found


def entries_of(objects):
    # type: (list) -> int
    """Entries in those of some objects that are containers."""
    return sum(map(len, _containers_among(objects)))


def _is_the_runners(obj):
    """Whether an object is the runner's, or a container of such: told by what comes first in it."""
    for _ in range(4):
        kind = type(obj)
        if id(kind) not in _PLAIN and kind is not tuple:
            return _top(kind) in _RUNNER
        if kind is dict and any(_is_the_runners(key) for key in itertools.islice(obj, 1)):
            return True
        obj = next(iter(obj.values() if issubclass(kind, dict) else obj), None)
    return False


class Watch:
    """The watched containers. Held strongly: lists and dicts know no weak references.

    With `lengths` also the texts that objects on the way to them refer to, see `texts`.
    """

    def __init__(self, lengths=False):
        # type: (bool) -> None
        self._texts = texts.Texts() if lengths else None
        # Those that `grown` is to look at.
        self._longer = texts.Texts()
        self._containers = []  # type: list
        self._streams = []  # type: list
        self._loggers = []  # type: list
        self._adopted = []  # type: list
        # In arrays, since a number would be growth: gained in those that are gone, and in each part of the others.
        self._gone = array.array("q", [0])
        self._gained = array.array("q")
        # The least length of each since it is watched, and the last one.
        self._least = array.array("q")
        self._last = array.array("q")
        self._opening = array.array("q")

    def clear(self):
        # type: () -> None
        """Lets go of everything."""
        self._containers = []
        self._streams = []
        self._loggers = []
        self._adopted = []
        if self._texts is not None:
            self._texts.clear()
        self._begin()

    def _begin(self):
        # type: () -> None
        """What is watched has gained nothing yet. All storage for that is made now."""
        self._least = self._now()
        self._last = self._least[:]
        self._gained = array.array("q", bytes(8 * (len(self._least) // _PART + 1)))
        self._gone[0] = 0

    def _now(self):
        # type: () -> array.array
        """How long each is."""
        lengths = [*map(len, self._containers), *map(len, self._adopted), *map(_end_of, self._streams)]
        lengths += map(len, map(_handlers_of, self._loggers))
        return array.array("q", lengths)

    def survey(self, others):
        # type: (list) -> None
        """Finds the containers anew, also from `others`: `(object, name)` of what the runner holds for the tests."""
        holders = None if self._texts is None else _namespaces()
        found = _containers(others, holders)[:_MOST]
        if self._texts is not None:
            self._texts.survey(holders)
        self._streams = [obj for obj in found if issubclass(type(obj), _STREAMS)]
        self._containers = [obj for obj in found if issubclass(type(obj), _CONTAINERS)]
        self._loggers = [obj for obj in found if not issubclass(type(obj), (*_STREAMS, *_CONTAINERS))]
        self._adopted = []
        self._begin()

    def adopt(self, objects):
        # type: (list) -> None
        """Also watches those of some new objects that are containers, until nobody else has them."""
        self.release()
        adopted = [obj for obj in self._adopted if obj is not _GONE]
        known = set(map(id, adopted))
        new = {id(obj): obj for obj in _containers_among(objects) if id(obj) not in known and not _is_the_runners(obj)}
        self._adopted = adopted + list(new.values())[: _MOST_ADOPTED - len(adopted)]
        self._begin()

    def release(self):
        # type: () -> bool
        """Lets go of what only the watch still has, and says whether there was any: kept longer, it would be growth.

        A test that drops the oldest of a hundred lists for each one that it makes would grow a hundred times. The lists
        here keep their length, and so their memory; what those that are gone had gained at the last reading stays
        counted, or growth elsewhere would not show. What came into one after that is gone with it: hypothesis, for one,
        puts a number into a set and then takes another set, in each test.
        """
        gone = False
        for first, held in ((0, self._containers), (len(self._containers), self._adopted)):
            # Nearly always somebody has each of them, which is quickly asked.
            if OURS not in map(sys.getrefcount, held):
                continue
            for at in range(len(held)):
                if sys.getrefcount(held[at]) == OURS:
                    self._gone[0] += max(self._last[first + at] - self._least[first + at], 0)
                    held[at] = _GONE
                    gone = True
        return gone

    def _all(self):
        return self._containers + self._adopted + self._streams + self._loggers

    def remember(self):
        # type: () -> None
        """Remembers the lengths, for `grown`, of texts as well: a text that is lengthened is no entry more anywhere."""
        self._opening = array.array("q", map(_length_of, self._all()))
        if self._texts is None:
            self._longer = texts.Texts()
            # A text that is an entry is written again, longer: by a cache that keeps what it has as text.
            caches = [obj for obj in self._containers + self._adopted if issubclass(type(obj), dict)]
            self._longer.survey(_namespaces(), caches)
        else:
            self._longer = self._texts
        self._longer.remember()

    def total(self):
        # type: () -> int
        """Entries gained in all of them together, each counted from where it was shortest since it is watched.

        Were it the entries that there are, what one loses would hide what another gains. Nor would their sum tell that
        something changed.
        """
        lengths = self._now()
        if lengths != self._last:
            for nth in range(len(self._gained)):
                part = slice(nth * _PART, (nth + 1) * _PART)
                new, least = lengths[part], self._least[part]
                if new == self._last[part]:
                    continue
                if any(map(_lt, new, least)):
                    least = self._least[part] = array.array("q", map(min, new, least))
                self._gained[nth] = sum(new) - sum(least)
            self._last[:] = lengths
        entries = self._gone[0] + sum(self._gained)
        return entries if self._texts is None else entries + self._texts.total()

    def grown(self, others):
        # type: (list) -> list
        """`[name, entries gained]` of what grew since `remember`, most first; the texts only where no container did."""
        containers = self._all()
        gained = {
            id(container): length - before
            for container, length, before in zip(containers, map(_length_of, containers), self._opening)
            if length > before
        }
        longer = self._longer.grown() if self._texts is not None or not gained else {}
        self._longer = self._texts or texts.Texts()
        if not gained and not longer:
            return []
        found = []

        def note(obj, name):
            found.append([name + (".handlers" if _is_logger(type(obj)) else ""), gained.pop(id(obj))])

        # Most are globals: among those it is found in a fraction of the time that the ways to all the others take.
        roots, closed = _roots(others)
        for obj, name in roots:
            if id(obj) in gained and id(obj) not in closed:
                note(obj, name)
        for obj, name in _walk(roots, closed):
            if not gained and not longer:
                break
            if id(obj) in gained:
                note(obj, name)
            if longer:
                # No way leads on to a text.
                for child, label in _children(obj):
                    if id(child) in longer:
                        found.append([name + label, longer.pop(id(child))[1]])
        if longer:
            for name, module in list(sys.modules.items()):
                if type(module) is types.ModuleType and is_theirs(name):
                    values = list(referents.module_dict(module).items())
                    found += [[name + "." + key, longer.pop(id(obj))[1]] for key, obj in values if id(obj) in longer]
        found.sort(key=lambda entry: (-entry[1], entry[0]))
        return found[:20]
