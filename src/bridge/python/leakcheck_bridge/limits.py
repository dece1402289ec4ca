"""Finds the limit that a project's own cache keeps to, by lowering it: what stops growing then would stop there.

A cache of one's own seldom says in a way that others can read how far it grows, but mostly it compares its length with
a number that stands beside it: in the instance, its class, the module or a closure, in the settings that one of these
has, or in the code. Each number there that may be one, and does not change, is set to how much the container holds just
now. This is the process in which suspects are judged and nothing else; the number is put back.
"""

import array
import collections
import contextlib
import functools
import gc
import itertools
import re
import signal
import sys
import threading
import time
import types

from . import counters, kinds, referents, route, trace, watch

_CONTAINERS = (dict, list, set, collections.deque)
#: Of names that may be those of a limit.
_LIMIT = re.compile(
    "max|size|cap|limit|bound|entries|keep|most|depth|history|backlog|quota|threshold|window|slots|length|count",
    re.IGNORECASE,
)
#: A limit above is none for a test suite: of entries, and of their bytes.
_HIGHEST, _HIGHEST_BYTES = 1000000, 64000000
#: A literal below is reached soon enough.
_LEAST_LITERAL = 64
#: Containers that grew, numbers that are tried, and how far up from a container they are looked for.
_MOST_GROWN, _MOST_TRIED, _MOST_LEVELS = 6, 16, 3
#: Containers that refer to one, and objects whose referrers are asked for, which takes a walk over the heap each.
_MOST_ABOVE, _MOST_ASKED = 4, 24
#: CPU seconds after which nothing more is tried; so many numbers are in any case, since one test may take as long.
_LONGEST, _LEAST_TRIED = 1.0, 2
#: A cache may hold nearly so many times its limit until it is trimmed.
_OVERSHOOT = 4
#: Nor is anything once the tests have taken so many bytes more.
_MOST_MEMORY = 200000000
#: What holds more than so many objects is data, or than so many settings; and in a heap with so many entries each walk
#: takes long.
_DATA, _SETTINGS, _CROWD = 1000, 100, 1000000
#: A lowered limit may make a test wait. It is let go after so many seconds, or so many times what it takes otherwise.
_PATIENCE, _PATIENCE_FACTOR = 2.0, 20.0

# Tests may stop or replace the clock.
_cpu, _perf = time.process_time, time.perf_counter
_signal, _set_timer = signal.signal, signal.setitimer
_FLAGS = type.__dict__["__flags__"].__get__
_HEAP_TYPE = 1 << 9
#: Without attributes.
_SIZED = kinds.ids_of(dict, list, set, collections.deque, collections.OrderedDict, tuple)
_PLAIN = _SIZED | kinds.ids_of(types.CellType, threading.local)
#: What refers to everything for a moment.
_TRANSIENT = kinds.ids_of(types.FrameType, types.ModuleType, type(iter([])))


def _length(obj):
    # Past whatever a subclass makes of it.
    for kind in _CONTAINERS:
        if issubclass(type(obj), kind):
            return kind.__len__(obj)
    return 0


def _containers():
    objects = gc.get_objects()
    found = kinds.among(objects, lambda cls: issubclass(cls, _CONTAINERS))
    if len(objects) + sum(map(_length, found)) > _CROWD:
        return []
    # A dictionary of nothing but text and numbers is unknown to the collector; whoever holds it is not.
    objects = [obj for obj in objects if id(type(obj)) not in _SIZED or len(obj) <= _DATA]
    others = {id(obj): obj for obj in referents.get_referents(*objects) if type(obj) is dict and not gc.is_tracked(obj)}
    return found + list(others.values())


#: A number, with how to read and to write it; those nearest come first.
_Place = collections.namedtuple("_Place", "name get put nearness")
_BESIDE, _IN_CODE, _IN_SETTINGS = range(3)


def _entry(mapping, key, name, nearness=_BESIDE):
    """Of a dictionary: an attribute of an instance, a global variable or a setting."""
    get, put = functools.partial(dict.get, mapping, key), functools.partial(dict.__setitem__, mapping, key)
    return _Place(name, get, put, nearness)


def _class_attribute(cls, key):
    put = functools.partial(type.__setattr__, cls, key)
    return _Place(trace.type_name(cls) + "." + key, lambda: referents.class_dict(cls).get(key), put, _BESIDE)


def _slot(obj, key):
    get, put = (functools.partial(way, obj, key) for way in (object.__getattribute__, object.__setattr__))
    return _Place(trace.type_name(type(obj)) + "." + key, get, put, _BESIDE)


def _captured(cell, name):
    return _Place(name, functools.partial(_content, cell), functools.partial(setattr, cell, "cell_contents"), _BESIDE)


def _content(cell):
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _literals(function, names):
    """In the code of a function that asks for a length, and uses one of `names`."""
    code = function.__code__
    if "len" not in code.co_names or not names.intersection(code.co_names + code.co_freevars):
        return []

    def put(index, value):
        values = list(code.co_consts)
        same = values[index] == value
        values[index] = value
        # As it was, and not only one like it.
        function.__code__ = code if same else code.replace(co_consts=tuple(values))

    name = route.function_name(function).replace(".<locals>", "")
    return [
        _Place(name, lambda at=index: function.__code__.co_consts[at], functools.partial(put, index), _IN_CODE)
        for index, value in enumerate(code.co_consts)
        if type(value) is int and _LEAST_LITERAL <= value <= _HIGHEST
    ]


def _is_limit(name, value):
    return type(name) is str and type(value) is int and 0 < value <= _HIGHEST_BYTES and bool(_LIMIT.search(name))


def _settings(values, name):
    """In dictionaries of settings, and in what has attributes like a class of them."""
    found = []
    for key, value in values:
        if type(value) is dict:
            found += _of_settings(value, "{}.{}".format(name, key))
        elif _is_theirs(type(value)):
            inner, name_of = _attributes(value), trace.type_name(type(value))
            found += _of_settings(inner, name_of)
            for attribute, mapping in list(inner.items()):
                if type(mapping) is dict:
                    found += _of_settings(mapping, "{}.{}".format(name_of, attribute))
    return found


def _of_settings(mapping, name):
    if len(mapping) > _SETTINGS:
        return []
    limits = [(key, value) for key, value in list(mapping.items()) if _is_limit(key, value)]
    return [_entry(mapping, key, "{}.{}".format(name, key), _IN_SETTINGS) for key, _ in limits]


def _is_theirs(cls):
    return bool(_FLAGS(cls) & _HEAP_TYPE) and watch.is_theirs(str(referents.class_dict(cls).get("__module__")))


def _names_in(mapping, chain):
    """The names under which a namespace has one of `chain`."""
    identities = set(map(id, chain))
    return {name for name, value in list(mapping.items()) if id(value) in identities}


def _of_module(namespace, chain=()):
    """Of a module's namespace; none of another dictionary."""
    name = dict.get(namespace, "__name__")
    module = sys.modules.get(name) if type(name) is str else None
    if type(module) is not types.ModuleType or vars(module) is not namespace:
        return None
    if not watch.is_theirs(name):
        # What limits the standard library's and the runner's own is everybody's.
        return []
    values = list(dict.items(namespace))
    found = [_entry(namespace, key, name + "." + key) for key, value in values if _is_limit(key, value)]
    names = _names_in(namespace, chain)
    for _, value in values:
        if type(value) is types.FunctionType and value.__globals__ is namespace:
            found += _literals(value, names)
    return found + _settings(values, name)


def _of_class(cls, chain, names):
    found = []
    for base in trace.bases_of(cls):
        if not _is_theirs(base):
            # Those made in C cannot be written to.
            continue
        entries = list(referents.class_dict(base).items())
        found += [_class_attribute(base, key) for key, value in entries if _is_limit(key, value)]
        used = names | _names_in(referents.class_dict(base), chain)
        for _, value in entries:
            function = value.__func__ if type(value) in (classmethod, staticmethod) else value
            if type(function) is types.FunctionType:
                found += _literals(function, used)
    module = sys.modules.get(str(referents.class_dict(cls).get("__module__")))
    return found + ((_of_module(vars(module), chain) or []) if type(module) is types.ModuleType else [])


def _attributes(obj):
    # type: (object) -> dict
    try:
        attributes = object.__getattribute__(obj, "__dict__")
    except (AttributeError, TypeError):
        return {}
    return attributes if type(attributes) is dict else {}


def _of_instance(obj, chain):
    cls = type(obj)
    if not _is_theirs(cls):
        # A queue of the standard library makes whoever fills it wait; what it says itself is read elsewhere.
        return []
    attributes = _attributes(obj)
    values = list(attributes.items())
    limits = [key for key, value in values if _is_limit(key, value)]
    found = [_entry(attributes, key, trace.type_name(cls) + "." + key) for key in limits]
    names = _names_in(attributes, chain)
    for base in trace.bases_of(cls):
        for key, member in list(referents.class_dict(base).items()):
            if type(member) is types.MemberDescriptorType and _FLAGS(base) & _HEAP_TYPE:
                place = _slot(obj, key)
                try:
                    value = place.get()
                except AttributeError:
                    continue
                if _is_limit(key, value):
                    found.append(place)
                names |= _names_in({key: value}, chain)
                values.append((key, value))
    # An instance that is a container itself asks for the length of `self`.
    if any(obj is other for other in chain):
        names.add("len")
    return found + _settings(values, trace.type_name(cls)) + _of_class(cls, chain, names)


def _of_function(function, chain):
    found = []
    names = set()
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        place = _captured(cell, route.function_name(function).replace(".<locals>", "") + "." + name)
        value = place.get()
        if _is_limit(name, value):
            found.append(place)
        names |= _names_in({name: value}, chain)
    return found + _literals(function, names) + (_of_module(function.__globals__, chain) or [])


def _thread_locals_of(attributes):
    # type: (dict) -> list
    """The `threading.local` with these attributes: it is the thread that refers to them."""
    found = [obj for obj in gc.get_objects() if type(obj) is threading.local]
    # Past `object`, which knows of no such attribute.
    return [obj for obj in found if threading.local.__getattribute__(obj, "__dict__") is attributes]


def _beside(chain, level, hidden, asked):
    # type: (list, int, set, list) -> list
    """Numbers beside a container that may be its limit.

    `chain` leads up from the container to what is looked at now. `hidden` holds the identities of what is not looked
    at, `asked` an entry for each walk over the heap.
    """
    if len(asked) >= _MOST_ASKED:
        return []
    asked.append(None)
    obj = chain[-1]
    found = [] if id(type(obj)) in _PLAIN else _of_instance(obj, chain)
    referrers = gc.get_referrers(obj)
    if type(obj) is dict:
        referrers += _thread_locals_of(obj)
    above = []
    hidden.update((id(referrers), id(above), id(found), id(chain)))
    for other in referrers:
        if id(other) in hidden or id(type(other)) in _TRANSIENT or len(above) > _MOST_ABOVE:
            continue
        hidden.add(id(other))
        kind = type(other)
        places = None
        if kind is types.FunctionType:
            places = _of_function(other, chain)
        elif kind is dict:
            places = _of_module(other, chain)
        elif issubclass(kind, type):
            places = _of_class(other, chain, set())
        elif id(kind) not in _PLAIN:
            places = _of_instance(other, chain)
        if places is None or issubclass(kind, _CONTAINERS):
            above.append(other)
        found += places or []
    for other in above:
        # Attributes of a thread's own are one object more on the way.
        following = level - (type(other) is not threading.local)
        if following:
            found += _beside([*chain, other], following, hidden, asked)
    return found


class Limit:
    """A number that a container keeps to."""

    def __init__(self, place, container, size, low, ahead, measure=None):
        # type: (object, object, int, int | None, int, object) -> None
        self._place = place
        self._container = container
        self._value = place.get()
        self._size = size
        self._low = low
        self._ahead = ahead
        #: What it is compared with, where that is not the length.
        self._measure = measure

    def lower(self):
        # type: () -> None
        """Sets it to what is full now, or soon."""
        if self._measure is not None:
            self._place.put(self._measure.get())
            return
        # Some caches drop one only when they hold exactly so many.
        self._place.put(_length(self._container) + self._ahead if self._low is None else self._low)

    def length(self):
        # type: () -> int
        """Entries there are."""
        return _length(self._container)

    def restore(self):
        # type: () -> None
        """Puts it back."""
        self._place.put(self._value)

    def describe(self):
        # type: () -> list
        """`[kind, name, size, most]`; no size where that is not of entries."""
        size = self._size if self._value <= _HIGHEST else None
        return [trace.name_of(type(self._container)), self._place.name, size, self._value]


class Limits:
    """The containers there are, to see which of them grow, and what limits these."""

    def __init__(self):
        # type: () -> None
        # Frozen objects do not show.
        gc.unfreeze()
        self._containers = _containers()
        self._lengths = array.array("q", map(_length, self._containers))
        #: Identities of the containers that a limit ends, those that it was not looked for with as well.
        self.ended = array.array("Q")

    def _grown(self):
        """`(container, entries gained)` of those that hold more than at first."""
        # One that only we still have was put aside for another: a logger's list of handlers (Python 3.15, 3.14.10).
        alive = [count > watch.OURS for count in map(sys.getrefcount, self._containers)]
        found = [
            (obj, _length(obj) - before)
            for obj, before in itertools.compress(zip(self._containers, self._lengths), alive)
            if _length(obj) > before and _is_data(obj)
        ]
        self._containers = []
        # Few can be tried where a test takes long: the largest growth first.
        found.sort(key=_gain, reverse=True)
        return found[:_MOST_GROWN]

    def found(self, iterate):
        # type: (object) -> list
        """Those that hold. `iterate()` runs an iteration and says whether it passed."""
        found = []
        asked = []  # type: list
        tried = 0
        end = _cpu() + _LONGEST
        most = counters.resident_bytes() + _MOST_MEMORY
        grown = self._grown()
        for container, gained in grown:
            if id(container) in self.ended:
                # One of several that a cache consists of.
                continue
            places = {}  # type: dict
            for place in _beside([container], _MOST_LEVELS, {id(places), id(asked)}, asked):
                places.setdefault((place.name, place.get()), place)
            begun = _perf()
            if not places or not iterate():
                continue
            patience = max(_PATIENCE, _PATIENCE_FACTOR * (_perf() - begun))
            # What counts beside it goes up with what is put in: entries, or their bytes.
            counting = [place for (_, value), place in places.items() if _risen(place, value)]
            # Of those that are as near, the smallest is the one that it ends at.
            for (_, value), place in sorted(places.items(), key=_order):
                # A number that goes on counting is none.
                if place.get() != value or value <= _length(container):
                    continue
                if tried >= _MOST_TRIED or (tried >= _LEAST_TRIED and _cpu() > end):
                    return found
                if counters.resident_bytes() > most:
                    return found
                tried += 1
                size = _length(container)
                lengths = [_length(obj) for obj, _ in grown]
                keeps, emptied, touched, ahead = _keeps_to(place, container, iterate, patience)
                measure = None
                if not keeps:
                    # Too small for anything, if it is a number of bytes: a try that fails is no answer.
                    measure = _measure_of(value, container, counting)
                    if measure is not None:
                        keeps, emptied, touched, ahead = _keeps_to(place, container, iterate, patience, measure)
                # No container of a test suite has so many entries; it may have as many bytes.
                if keeps and (emptied or measure is not None or value <= _HIGHEST):
                    # One that is emptied when it is full, or put aside for another, is full again and again at a few
                    # entries only.
                    low = 2 * gained if (emptied or not touched) and not ahead else None
                    found.append(Limit(place, container, size, low, ahead, measure))
                    # By itself each would have gained twice as much in these four iterations as in two before.
                    changes = [_length(obj) - length for (obj, _), length in zip(grown, lengths)]
                    held = [id(obj) for (obj, each), change in zip(grown, changes) if change < each]
                    self.ended.extend({id(container), *held})
                    break
        return found


def _risen(place, value):
    now = place.get()
    return type(now) is int and now > value


def _measure_of(limit, container, counting):
    """The number that may be what a limit is compared with: below it, and above the length, which was tried."""
    found = [place for place in counting if _length(container) < place.get() < limit]
    return min(found, key=_nearness) if found else None


def _nearness(place):
    return place.nearness


def _gain(entry):
    return entry[1]


def _order(entry):
    (_, value), place = entry
    return place.nearness, value


def _is_data(obj):
    """Not the namespace of a module, which grows by what is imported."""
    return type(obj) is not dict or _of_module(obj) is None


class _TooLong(BaseException):
    """Past whatever the test catches."""


def _end(number, frame):
    raise _TooLong


@contextlib.contextmanager
def _alarm(seconds):
    """Ends, with an exception, what takes longer: a pool of one's own that is full waits for what is given back."""
    try:
        before = _signal(signal.SIGALRM, _end)
    except ValueError:
        # Only the main thread is told.
        yield
        return
    # Again and again, for whoever catches everything and waits anew.
    timer = _set_timer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        # The signal may come just here, and the rest must be done all the same.
        try:
            _set_timer(signal.ITIMER_REAL, *timer)
        finally:
            _set_timer(signal.ITIMER_REAL, *timer)
            if before is not None:
                _signal(signal.SIGALRM, before)


def _newest(container):
    try:
        return next(reversed(container), None)
    except TypeError:
        # A set has no order.
        return None


def _keeps_to(place, container, iterate, patience, measure=None):
    """Whether a container grows no more once a number says that it is full, whether it is emptied then, whether it is
    used at all, and how far above its length the number has to be for that.
    """
    value = place.get()
    full = _length(container)
    lengths, newest = [], []  # type: list, list

    def passes(number, times):
        place.put(number)
        for _ in range(times):
            with _alarm(patience):
                passed = iterate()
            if not passed:
                return False
            lengths.append(_length(container))
            newest.append(_newest(container))
        return True

    try:
        if not passes(full if measure is None else measure.get(), 4):
            return False, False, False, 0
        if measure is not None:
            return lengths[-1] <= max(full, lengths[0]), lengths[-1] < full, True, 0
        if lengths[-1] > max(full, lengths[0]) and place.nearness == _BESIDE:
            # One that is emptied once the newest is in, and only when it is exactly full: a number that was passed is
            # never met again.
            before, gain = lengths[-1], lengths[1] - lengths[0]
            if gain > 0 and passes(before + gain, 2) and lengths[-1] < before:
                return True, True, True, gain
            # Some let so many come in and as many again, or half as many, before they are trimmed.
            return passes(max(full // _OVERSHOOT, 1), 2) and lengths[-1] < full, True, True, 0
    except (Exception, _TooLong):
        # Of a class that does not let itself be written to, say.
        return False, False, False, 0
    finally:
        with contextlib.suppress(Exception):
            place.put(value)
    emptied = min(lengths) < full
    # The first one may still take the place of what it is about to drop, and be the last that comes in.
    return lengths[-1] <= max(full, lengths[0]), emptied, newest[-1] is not newest[0], 0
