"""Finds the limit that a project's own cache keeps to, by lowering it: what stops growing then would stop there.

A cache of one's own seldom says in a way that others can read how far it grows, but mostly it compares its length with
a number that stands beside it: in the instance, its class, the module or a closure. Each number there that may be one,
and does not change, is set to how much the container holds just now. This is the process in which suspects are judged
and nothing else; the number is put back.
"""

import array
import collections
import contextlib
import functools
import gc
import re
import sys
import time
import types

from . import referents, route, trace, watch

_CONTAINERS = (dict, list, set, collections.deque)
#: Of names that may be those of a limit.
_LIMIT = re.compile(
    "max|size|cap|limit|bound|entries|keep|most|depth|history|backlog|quota|threshold|window|slots|length|count",
    re.IGNORECASE,
)
#: A limit above is none for a test suite.
_HIGHEST = 1000000
#: Containers that grew, numbers that are tried, and how far up from a container they are looked for.
_MOST_GROWN, _MOST_TRIED, _MOST_LEVELS = 6, 16, 3
#: Containers that refer to one, and objects whose referrers are asked for, which takes a walk over the heap each.
_MOST_ABOVE, _MOST_ASKED = 4, 24
#: CPU seconds after which nothing more is tried.
_LONGEST = 1.0
#: What holds more than so many objects is data; and in a heap with so many entries each walk takes long.
_DATA, _CROWD = 1000, 1000000

# Tests may stop or replace the clock.
_cpu = time.process_time
_FLAGS = type.__dict__["__flags__"].__get__
_HEAP_TYPE = 1 << 9
#: Without attributes.
_SIZED = (dict, list, set, collections.deque, collections.OrderedDict, tuple)
_PLAIN = (*_SIZED, types.CellType)
#: What refers to everything for a moment.
_TRANSIENT = (types.FrameType, types.ModuleType, type(iter([])))


def _length(obj):
    # Past whatever a subclass makes of it.
    for kind in _CONTAINERS:
        if issubclass(type(obj), kind):
            return kind.__len__(obj)
    return 0


def _containers():
    objects = gc.get_objects()
    found = [obj for obj in objects if issubclass(type(obj), _CONTAINERS)]
    if len(objects) + sum(map(_length, found)) > _CROWD:
        return []
    # A dictionary of nothing but text and numbers is unknown to the collector; whoever holds it is not.
    objects = [obj for obj in objects if type(obj) not in _SIZED or len(obj) <= _DATA]
    others = {id(obj): obj for obj in referents.get_referents(*objects) if type(obj) is dict and not gc.is_tracked(obj)}
    return found + list(others.values())


#: A number, with how to read and to write it.
_Place = collections.namedtuple("_Place", "name get put")


def _entry(mapping, key, name):
    """Of a dictionary: an attribute of an instance, or a global variable."""
    return _Place(name, functools.partial(dict.get, mapping, key), functools.partial(dict.__setitem__, mapping, key))


def _class_attribute(cls, key):
    put = functools.partial(type.__setattr__, cls, key)
    return _Place(trace.type_name(cls) + "." + key, lambda: watch.namespace_of(cls).get(key), put)


def _slot(obj, key):
    get, put = (functools.partial(way, obj, key) for way in (object.__getattribute__, object.__setattr__))
    return _Place(trace.type_name(type(obj)) + "." + key, get, put)


def _captured(cell, name):
    return _Place(name, functools.partial(_content, cell), functools.partial(setattr, cell, "cell_contents"))


def _content(cell):
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _is_limit(name, value):
    return type(name) is str and type(value) is int and 0 < value <= _HIGHEST and _LIMIT.search(name) is not None


def _of_module(namespace):
    """Of a module's namespace; none of another dictionary."""
    name = dict.get(namespace, "__name__")
    module = sys.modules.get(name) if type(name) is str else None
    if type(module) is not types.ModuleType or vars(module) is not namespace:
        return None
    if not watch.is_theirs(name):
        # Of the standard library and the runner only what is in an instance: the rest limits what is everybody's.
        return []
    found = list(dict.items(namespace))
    return [_entry(namespace, key, name + "." + key) for key, value in found if _is_limit(key, value)]


def _of_class(cls):
    found = []
    for base in trace.bases_of(cls):
        # Those made in C cannot be written to.
        if _FLAGS(base) & _HEAP_TYPE and watch.is_theirs(str(watch.namespace_of(base).get("__module__"))):
            entries = list(watch.namespace_of(base).items())
            found += [_class_attribute(base, key) for key, value in entries if _is_limit(key, value)]
    module = sys.modules.get(str(watch.namespace_of(cls).get("__module__")))
    return found + ((_of_module(vars(module)) or []) if type(module) is types.ModuleType else [])


def _of_instance(obj):
    cls = type(obj)
    found = []
    try:
        attributes = object.__getattribute__(obj, "__dict__")
    except (AttributeError, TypeError):
        attributes = None
    if type(attributes) is dict:
        for key, value in list(attributes.items()):
            if _is_limit(key, value):
                found.append(_entry(attributes, key, trace.type_name(cls) + "." + key))
    for base in trace.bases_of(cls):
        for key, member in list(watch.namespace_of(base).items()):
            if type(member) is types.MemberDescriptorType and _FLAGS(base) & _HEAP_TYPE:
                place = _slot(obj, key)
                try:
                    value = place.get()
                except AttributeError:
                    continue
                if _is_limit(key, value):
                    found.append(place)
    return found + _of_class(cls)


def _of_function(function):
    found = []
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        place = _captured(cell, route.function_name(function).replace(".<locals>", "") + "." + name)
        if _is_limit(name, place.get()):
            found.append(place)
    return found + (_of_module(function.__globals__) or [])


def _beside(obj, level, hidden, asked):
    # type: (object, int, set, list) -> list
    """Numbers beside a container that may be its limit.

    `hidden` holds the identities of what is not looked at, `asked` an entry for each walk over the heap.
    """
    if len(asked) >= _MOST_ASKED:
        return []
    asked.append(None)
    found = [] if type(obj) in _PLAIN else _of_instance(obj)
    referrers = gc.get_referrers(obj)
    above = []
    hidden.update((id(referrers), id(above), id(found)))
    for other in referrers:
        if id(other) in hidden or type(other) in _TRANSIENT or len(above) > _MOST_ABOVE:
            continue
        hidden.add(id(other))
        kind = type(other)
        places = None
        if kind is types.FunctionType:
            places = _of_function(other)
        elif kind is dict:
            places = _of_module(other)
        elif issubclass(kind, type):
            places = _of_class(other)
        elif kind not in _PLAIN:
            places = _of_instance(other)
        if places is None or issubclass(kind, _CONTAINERS):
            above.append(other)
        found += places or []
    if level > 1:
        for other in above:
            found += _beside(other, level - 1, hidden, asked)
    return found


class Limit:
    """A number that a container keeps to."""

    def __init__(self, place, container, low):
        # type: (object, object, int | None) -> None
        self._place = place
        self._container = container
        self._value = place.get()
        self._low = low

    def lower(self):
        # type: () -> None
        """Sets it to what is full now, or soon."""
        # Some caches drop one only when they hold exactly so many.
        self._place.put(_length(self._container) if self._low is None else self._low)

    def restore(self):
        # type: () -> None
        """Puts it back."""
        self._place.put(self._value)

    def describe(self):
        # type: () -> list
        """`[kind, name, size, most]`."""
        return [type(self._container).__name__, self._place.name, _length(self._container), self._value]


class Limits:
    """The containers there are, to see which of them grow, and what limits these."""

    def __init__(self):
        # type: () -> None
        # Frozen objects do not show.
        gc.unfreeze()
        self._containers = _containers()
        self._lengths = array.array("q", map(_length, self._containers))

    def _grown(self):
        """`(container, entries gained)` of those that hold more than at first."""
        found = [
            (obj, _length(obj) - before)
            for obj, before in zip(self._containers, self._lengths)
            if _length(obj) > before and _is_data(obj)
        ]
        self._containers = []
        return found[:_MOST_GROWN]

    def found(self, iterate):
        # type: (object) -> list
        """Those that hold. `iterate()` runs an iteration and says whether it passed."""
        found = []
        asked = []  # type: list
        tried = 0
        end = _cpu() + _LONGEST
        for container, gained in self._grown():
            places = {}  # type: dict
            for place in _beside(container, _MOST_LEVELS, {id(places), id(asked)}, asked):
                places.setdefault(place.name, (place, place.get()))
            if not places or not iterate():
                continue
            # The smallest of several is the one that it ends at.
            for place, value in sorted(places.values(), key=_value_of):
                # A number that goes on counting is none.
                if place.get() != value or value <= _length(container):
                    continue
                if tried >= _MOST_TRIED or _cpu() > end:
                    return found
                tried += 1
                keeps, emptied = _keeps_to(place, container, iterate)
                if keeps:
                    found.append(Limit(place, container, 2 * gained if emptied else None))
                    break
        return found


def _value_of(entry):
    return entry[1]


def _is_data(obj):
    """Not the namespace of a module, which grows by what is imported."""
    return type(obj) is not dict or _of_module(obj) is None


def _keeps_to(place, container, iterate):
    """Whether a container grows no more once a number says that it is full; and whether it is emptied then.

    One that is emptied is full again and again at a few entries only.
    """
    value = place.get()
    full = _length(container)
    lengths = []
    try:
        place.put(full)
        for _ in range(4):
            if not iterate():
                return False, False
            lengths.append(_length(container))
    except Exception:
        # Of a class that does not let itself be written to.
        return False, False
    finally:
        with contextlib.suppress(Exception):
            place.put(value)
    # The first one may still take the place of what it is about to drop.
    return lengths[-1] <= max(full, lengths[0]), min(lengths) < full
