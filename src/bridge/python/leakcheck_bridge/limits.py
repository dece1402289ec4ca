"""Containers that grow, the numbers beside them that may be their limits, and what becomes of them with one lowered.

A cache of one's own seldom says in a way that others can read how far it grows, but mostly it compares its length with
a number that stands beside it: in the instance, its class, the module or a closure, in the settings that one of these
has, or in the code. Which of them is set to what, and what that shows, is for the other half to say. This is the
process in which suspects are judged and nothing else; whatever is set here is put back before the order is answered.
"""

import array
import collections
import contextlib
import functools
import gc
import itertools
import signal
import sys
import threading
import types

from . import counters, kinds, referents, route, trace, watch

_CONTAINERS = (dict, list, set, collections.deque)
#: Larger numbers are told as none: no answer may have them.
_LARGEST = 1 << 44

# Tests may stop or replace the clock.
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


def _containers(crowd, data):
    objects = gc.get_objects()
    found = kinds.among(objects, lambda cls: issubclass(cls, _CONTAINERS))
    if len(objects) + sum(map(_length, found)) > crowd:
        return []
    # A dictionary of nothing but text and numbers is unknown to the collector; whoever holds it is not.
    objects = [obj for obj in objects if id(type(obj)) not in _SIZED or len(obj) <= data]
    others = {id(obj): obj for obj in referents.get_referents(*objects) if type(obj) is dict and not gc.is_tracked(obj)}
    return found + list(others.values())


#: A number, with how to read and to write it; those nearest come first. No closures: what refers to one by a cell would
#: be met on the way up from the next container.
_Place = collections.namedtuple("_Place", "name get put nearness")
_BESIDE, _IN_CODE, _IN_SETTINGS = range(3)


def _entry(mapping, key, name, nearness=_BESIDE):
    """Of a dictionary: an attribute of an instance, a global variable or a setting."""
    get, put = functools.partial(dict.get, mapping, key), functools.partial(dict.__setitem__, mapping, key)
    return _Place(name, get, put, nearness)


def _class_attribute(cls, key):
    get, put = functools.partial(_of_namespace, cls, key), functools.partial(type.__setattr__, cls, key)
    return _Place(trace.type_name(cls) + "." + key, get, put, _BESIDE)


def _of_namespace(cls, key):
    return referents.class_dict(cls).get(key)


def _slot(obj, key):
    get, put = (functools.partial(way, obj, key) for way in (object.__getattribute__, object.__setattr__))
    return _Place(trace.type_name(type(obj)) + "." + key, get, put, _BESIDE)


def _captured(cell, name):
    get = functools.partial(getattr, cell, "cell_contents")
    return _Place(name, get, functools.partial(setattr, cell, "cell_contents"), _BESIDE)


def _literal(function, index, name):
    get = functools.partial(_constant, function, index)
    return _Place(name, get, functools.partial(_put_constant, function, function.__code__, {}, index), _IN_CODE)


def _constant(function, index):
    return function.__code__.co_consts[index]


def _put_constant(function, code, made, index, value):
    values = list(code.co_consts)
    if values[index] == value:
        # As it was, and not only one like it.
        function.__code__ = code
        return
    values[index] = value
    if value not in made:
        # The same one each time, or a window without a warm-up would see this one warm up.
        made[value] = code.replace(co_consts=tuple(values))
    function.__code__ = made[value]


def _read(place):
    """The number; nothing where there is none any more, or code of the project's own does not let it be read."""
    try:
        value = place.get()
    except Exception:
        return None
    return value if type(value) is int and -_LARGEST < value < _LARGEST else None


def _set(place, value):
    """Whether a number let itself be set: to one of a class, say, the project's own code may object."""
    try:
        place.put(value)
    except Exception:
        return False
    return True


def _module_of(cls):
    name = referents.class_dict(cls).get("__module__")
    return name if type(name) is str else ""


def _is_theirs(cls):
    return bool(_FLAGS(cls) & _HEAP_TYPE) and watch.is_theirs(_module_of(cls))


def _names_in(mapping, chain):
    """The names under which a namespace has one of `chain`."""
    identities = set(map(id, chain))
    return {name for name, value in list(mapping.items()) if id(value) in identities and type(name) is str}


def _is_namespace(mapping):
    """Whether a dictionary is the namespace of a module."""
    name = dict.get(mapping, "__name__")
    module = sys.modules.get(name) if type(name) is str else None
    return type(module) is types.ModuleType and vars(module) is mapping


def _attributes(obj):
    # type: (object) -> dict
    try:
        attributes = object.__getattribute__(obj, "__dict__")
    except Exception:
        # None, or a property of that name, which may raise anything.
        return {}
    return attributes if type(attributes) is dict else {}


def _thread_locals_of(attributes):
    # type: (dict) -> list
    """The `threading.local` with these attributes: it is the thread that refers to them."""
    found = [obj for obj in gc.get_objects() if type(obj) is threading.local]
    # Past `object`, which knows of no such attribute.
    return [obj for obj in found if threading.local.__getattribute__(obj, "__dict__") is attributes]


class _Look:
    """Looks for numbers beside a container that may be its limit.

    `reach` says how far: a limit's name has one of the words `names`, it is no more than `highest`, a literal is from
    and to `literals`; and how many `settings` there may be, `levels` up from a container, referrers `above` an object,
    and `walks` over the heap, one of which it takes to ask for referrers. What has its identity in `hidden` is not
    looked at.
    """

    def __init__(self, reach, hidden):
        self._reach = reach
        self._hidden = hidden
        self.walks = 0

    def _is_limit(self, name, value):
        if type(name) is not str or type(value) is not int or not 0 < value <= self._reach["highest"]:
            return False
        return any(word in name.lower() for word in self._reach["names"].split())

    def _literals(self, function, names):
        """In the code of a function that asks for a length, and uses one of `names`."""
        code = function.__code__
        if "len" not in code.co_names or not names.intersection(code.co_names + code.co_freevars):
            return []
        name = route.function_name(function).replace(".<locals>", "")
        least, most = self._reach["literals"]
        values = enumerate(code.co_consts)
        return [_literal(function, at, name) for at, value in values if type(value) is int and least <= value <= most]

    def _settings(self, values, name):
        """In dictionaries of settings, and in what has attributes like a class of them."""
        found = []
        for key, value in values:
            if type(value) is dict:
                found += self._of_settings(value, name, key)
            elif _is_theirs(type(value)):
                inner, name_of = _attributes(value), trace.type_name(type(value))
                found += self._of_settings(inner, name_of)
                for attribute, mapping in list(inner.items()):
                    if type(mapping) is dict:
                        found += self._of_settings(mapping, name_of, attribute)
        return found

    def _of_settings(self, mapping, *names):
        if len(mapping) > self._reach["settings"] or type(names[-1]) is not str:
            return []
        limits = [key for key, value in list(mapping.items()) if self._is_limit(key, value)]
        return [_entry(mapping, key, ".".join([*names, key]), _IN_SETTINGS) for key in limits]

    def _of_module(self, namespace, chain):
        """Of a module's namespace; none of another dictionary."""
        if not _is_namespace(namespace):
            return None
        name = namespace["__name__"]
        if not watch.is_theirs(name):
            # What limits the standard library's and the runner's own is everybody's.
            return []
        values = list(dict.items(namespace))
        found = [_entry(namespace, key, name + "." + key) for key, value in values if self._is_limit(key, value)]
        names = _names_in(namespace, chain)
        for _, value in values:
            if type(value) is types.FunctionType and value.__globals__ is namespace:
                found += self._literals(value, names)
        return found + self._settings(values, name)

    def _of_class(self, cls, chain, names):
        found = []
        for base in trace.bases_of(cls):
            if not _is_theirs(base):
                # Those made in C cannot be written to.
                continue
            entries = list(referents.class_dict(base).items())
            found += [_class_attribute(base, key) for key, value in entries if self._is_limit(key, value)]
            used = names | _names_in(referents.class_dict(base), chain)
            for _, value in entries:
                function = value.__func__ if type(value) in (classmethod, staticmethod) else value
                if type(function) is types.FunctionType:
                    found += self._literals(function, used)
        module = sys.modules.get(_module_of(cls))
        if type(module) is types.ModuleType:
            found += self._of_module(vars(module), chain) or []
        return found

    def _of_instance(self, obj, chain):
        cls = type(obj)
        if not _is_theirs(cls):
            # A queue of the standard library makes whoever fills it wait; what it says itself is read elsewhere.
            return []
        attributes = _attributes(obj)
        values = list(attributes.items())
        limits = [key for key, value in values if self._is_limit(key, value)]
        found = [_entry(attributes, key, trace.type_name(cls) + "." + key) for key in limits]
        names = _names_in(attributes, chain)
        for base in trace.bases_of(cls):
            for key, member in list(referents.class_dict(base).items()):
                if type(member) is types.MemberDescriptorType and _FLAGS(base) & _HEAP_TYPE:
                    place = _slot(obj, key)
                    try:
                        value = place.get()
                    except Exception:
                        # There is none, or the class has a property of that name, which may raise anything.
                        continue
                    if self._is_limit(key, value):
                        found.append(place)
                    names |= _names_in({key: value}, chain)
                    values.append((key, value))
        # An instance that is a container itself asks for the length of `self`.
        if any(obj is other for other in chain):
            names.add("len")
        return found + self._settings(values, trace.type_name(cls)) + self._of_class(cls, chain, names)

    def _of_function(self, function, chain):
        found = []
        names = set()
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
            place = _captured(cell, route.function_name(function).replace(".<locals>", "") + "." + name)
            try:
                value = place.get()
            except ValueError:
                # It is empty.
                continue
            if self._is_limit(name, value):
                found.append(place)
            names |= _names_in({name: value}, chain)
        return found + self._literals(function, names) + (self._of_module(function.__globals__, chain) or [])

    def beside(self, chain, level):
        # type: (list, int) -> list
        """Numbers beside what a `chain` leads to that goes up from the container."""
        if self.walks >= self._reach["walks"]:
            return []
        self.walks += 1
        hidden = self._hidden
        obj = chain[-1]
        found = [] if id(type(obj)) in _PLAIN else self._of_instance(obj, chain)
        referrers = gc.get_referrers(obj)
        if type(obj) is dict:
            referrers += _thread_locals_of(obj)
        above = []
        hidden.update((id(referrers), id(above), id(found), id(chain)))
        for other in referrers:
            if id(other) in hidden or id(type(other)) in _TRANSIENT or len(above) >= self._reach["above"]:
                continue
            hidden.add(id(other))
            kind = type(other)
            places = None
            if kind is types.FunctionType:
                places = self._of_function(other, chain)
            elif kind is dict:
                places = self._of_module(other, chain)
            elif issubclass(kind, type):
                places = self._of_class(other, chain, set())
            elif id(kind) not in _PLAIN:
                places = self._of_instance(other, chain)
            if places is None or issubclass(kind, _CONTAINERS):
                above.append(other)
            found += places or []
        for other in above:
            # Attributes of a thread's own are one object more on the way.
            following = level - (type(other) is not threading.local)
            if following:
                found += self.beside([*chain, other], following)
        return found


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
                # A signal that waits is handled first.
                try:
                    _signal(signal.SIGALRM, before)
                finally:
                    _signal(signal.SIGALRM, before)


def _newest(container):
    try:
        return next(reversed(container), None)
    except TypeError:
        # A set has no order.
        return None


def _gain(entry):
    return entry[1]


@contextlib.contextmanager
def lowered(settings):
    """Sets numbers, `(place, value)` of each, and puts all of them back, whatever happens.

    One that is there no more, or does not let itself be set now, is left as it is: then what it held goes on to grow.
    """
    with contextlib.ExitStack() as stack:
        for place, value in settings:
            before = _read(place)
            if before is not None:
                stack.callback(_set, place, before)
                _set(place, value)
        yield


class Search:
    """The containers there are, to see which of them grow, and the numbers beside these.

    Nothing of it is looked at where there are more than `crowd` objects and entries, nor what holds more than `data` of
    them on the way to dictionaries that the collector does not know.
    """

    def __init__(self, crowd, data):
        # type: (int, int) -> None
        # Frozen objects do not show.
        gc.unfreeze()
        self._containers = _containers(crowd, data)
        self._lengths = array.array("q", map(_length, self._containers))
        #: Numbers beside those that grew, in the order in which they were told.
        self.places = []  # type: list

    def grown(self, most):
        # type: (int) -> list
        """`[identity, kind, entries gained]` of those that hold more than at first, the largest growth first."""
        # One that only we still have was put aside for another: a logger's list of handlers (Python 3.15, 3.14.10).
        alive = [count > watch.OURS for count in map(sys.getrefcount, self._containers)]
        found = [
            (obj, _length(obj) - before)
            for obj, before in itertools.compress(zip(self._containers, self._lengths), alive)
            # The namespace of a module grows by what is imported.
            if _length(obj) > before and not (type(obj) is dict and _is_namespace(obj))
        ]
        found.sort(key=_gain, reverse=True)
        self._containers = [obj for obj, _ in found[:most]]
        return [[id(obj), trace.name_of(type(obj)), gained] for obj, gained in found[:most]]

    def beside(self, container, reach):
        # type: (int, dict) -> tuple
        """`[name, nearness, value]` of the numbers beside one of those that grew, and how many walks that took."""
        places = {}  # type: dict
        look = _Look(reach, {id(self._containers), id(places)})
        for place in look.beside([self._containers[container]], reach["levels"]):
            value = _read(place)
            if value is not None:
                places.setdefault((place.name, value), place)
        self.places += places.values()
        return [[name, place.nearness, value] for (name, value), place in places.items()], look.walks

    def levels(self):
        # type: () -> dict
        """Entries of all containers that grew, and all numbers beside them, as they are now."""
        return {
            "lengths": [_length(obj) for obj in self._containers],
            "values": [_read(place) for place in self.places],
            "resident": counters.resident_bytes(),
        }

    def lower(self, container, number, value, iterations, patience, iterate):
        # type: (int, int, int, int, float, object) -> dict
        """Sets a number for some iterations, each of which may take so many seconds.

        `iterate()` runs one and says whether it passed; the first that does not is the last. Tells how many entries the
        container had after each that passed, and whether the newest of them stayed the same.
        """
        place, obj = self.places[number], self._containers[container]
        before, late = _read(place), False
        lengths, newest = [], []  # type: list, list
        refused = before is None
        try:
            refused = refused or not _set(place, value)
            while not refused and len(lengths) < iterations:
                with _alarm(patience):
                    passed = iterate()
                if not passed:
                    break
                lengths.append(_length(obj))
                try:
                    newest.append(_newest(obj))
                except Exception:
                    refused = True
        except _TooLong:
            late = True
        finally:
            refused = before is None or not _set(place, before) or refused
        same = bool(newest) and newest[-1] is newest[0]
        return {"late": late, "refused": refused, "each": lengths, "same": same}
