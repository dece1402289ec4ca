"""References to objects that were there before: what C code loses of them, or gives back too often, costs no memory.

A sum of counts is exact: an iteration that gives back what it takes leaves it as it was. In the screen only what tests
can name is counted, in a tenth of a millisecond; a second look counts everything there is, and takes off what is seen
to refer to it.
"""

import array
import collections
import ctypes
import gc
import itertools
import operator
import sys
import sysconfig
import types

from . import kinds, outcome, referents, trace, watch

_getrefcount = sys.getrefcount
_get_objects = gc.get_objects
_is_tracked = gc.is_tracked
_freeze, _unfreeze = gc.freeze, gc.unfreeze
_blocks = sys.getallocatedblocks
_is, _lt, _sub = operator.is_, operator.lt, operator.sub
#: Counts above this are those of immortal objects, whatever version and build: old abi3 extensions move them a little.
_IMMORTAL = 1 << 28
#: Entries of a container that the screen counts references to, where it has no more.
_MOST_ENTRIES = 64
#: References of our own to an object that falls, so that it is not freed while others still use it.
_PROP = 1 << 20
#: Objects that the screen counts, some 60 ns each where a test ran in between.
_MOST = 1200
#: References to an object where nobody else has one: that of the list, and that of whoever counts.
_OURS = 2
#: An object that fell so often is one of which somebody gives back more than there are.
_STEADY = 3
#: Iterations that may come until it is looked at again: windows that are read at their ends only have no more.
_UNREAD = 64
#: They were not.
_UNKNOWN = -1
#: Objects of everybody's that the screen counts besides.
_MOST_COMMON = 600
#: One of these with fewer than so many times what it falls by gets references of our own, so that nobody sees it freed:
_FEW = 1024
#: besides those to None that a cache of Python's gives back as it is used.
_CACHED = 4096
#: What the self-check loses references to.
PLANTED = object()
#: Containers that the collector may not know, and that hold others.
_UNTRACKED = kinds.ids_of(tuple, dict, frozenset, types.CodeType)
#: Objects of a second look that change in most iterations, and those that are told.
_CHANGED = 2000
#: See there.
_TOLD = 40
#: What code is made of: tests that pass such to C code have their own.
_CODE = kinds.ids_of(
    types.FunctionType,
    types.BuiltinFunctionType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    property,
    classmethod,
    staticmethod,
)
#: Containers of which the entries are looked at.
_CONTAINERS = kinds.ids_of(list, dict, tuple, set, frozenset)
#: Of a namespace that is not theirs.
_DULL = _CODE | kinds.ids_of(str, int, float, bytes, list, dict, set, frozenset, tuple)
#: Values of a namespace that are the same for everybody, or lead everywhere.
_SHARED = (int, type(None), type(Ellipsis), type(NotImplemented), types.ModuleType)
#: There is one of each in the process.
_SINGLES = kinds.ids_of(type(None), bool, type(Ellipsis), type(NotImplemented))
#: What is shared of numbers, before 3.12.
_SMALL = range(-5, 257)
#: How much of the iterations has to agree on by how much one of everybody's falls, of four.
_AGREED = 3


#: Flag of a class that was made at run time; its instances have a reference to it.
_HEAP_TYPE = 1 << 9
_FLAGS = type.__dict__["__flags__"].__get__
#: Of these short ones are shared.
_VALUES = kinds.ids_of(str, bytes, tuple, frozenset)
#: Otherwise counts are split between threads, or are where we do not look for them.
_IS_KNOWN = not sysconfig.get_config_var("Py_GIL_DISABLED") and sys.byteorder == "little"
#: Up to Python 3.11 entries of the cache of attributes are None until they are used, and each that is taken is one None
#: less: as good as random, over thousands of iterations.
_forget_types = (_getrefcount(None) < _IMMORTAL and getattr(sys, "_clear_type_cache", None)) or (lambda: None)


def _count_of(obj):
    """The number of references to an object as memory has it: its lower half, from Python 3.12 on, on any build."""
    return ctypes.c_uint32.from_address(id(obj))


def lose(many):
    # type: (int) -> None
    """Loses references to what is planted; or gives them back, where there are fewer than none."""
    if _IS_KNOWN:
        _count_of(PLANTED).value += many


def exactness():
    # type: () -> str
    """Whether a reference that is lost, or given back, shows by one, and whether we can take some of our own."""
    if not _IS_KNOWN:
        return "absent"
    probe = object()
    before = _getrefcount(probe)
    kept = [probe] * 3
    risen = _getrefcount(probe)
    # Whoever asks has one more, up to Python 3.13.
    if risen != before + 3 or risen - _count_of(probe).value not in (0, 1):
        return "absent"
    del kept
    return "exact" if _getrefcount(probe) == before else "absent"


def _is_counted(obj):
    return _getrefcount(obj) < _IMMORTAL


def _is_code(obj):
    return id(type(obj)) in _CODE or issubclass(type(obj), _SHARED)


def _is_everybodys(obj):
    """Whether there is one of it in the process, which the runner and the library use as well, up to Python 3.11."""
    kind = type(obj)
    if id(kind) in _VALUES:
        return len(obj) < 2
    return issubclass(kind, type) and not _FLAGS(obj) & _HEAP_TYPE


def _is_common(obj):
    """Whether everybody uses it, so that a reference to it which is lost costs nothing, and nobody would see it."""
    kind = type(obj)
    if id(kind) in _SINGLES:
        return True
    return obj in _SMALL if kind is int else _is_everybodys(obj)


def _evenly(changes):
    """By how much most iterations agree that it fell; 0 where they do not."""
    each, times = collections.Counter(changes).most_common(1)[0]
    return each if each < 0 and 4 * times >= _AGREED * len(changes) else 0


def _constants(code):
    """Constants of a function and of those in it."""
    for constant in code.co_consts:
        if type(constant) is types.CodeType:
            yield from _constants(constant)
        elif not issubclass(type(constant), _SHARED):
            yield constant


def _named_by(namespace):
    """What a namespace names, but for what is the same for everybody."""
    for name, value in list(namespace.items()):
        # Not `isinstance`, which asks the object as well.
        if type(name) is str and name[:2] != "__" and not issubclass(type(value), _SHARED):
            yield value


def _namespaces():
    """`(namespace, whether it is theirs)` of every module, theirs first."""
    modules = [(name, module) for name, module in list(sys.modules.items()) if type(module) is types.ModuleType]
    modules = [(watch.is_theirs(name), module) for name, module in modules if type(name) is str]
    modules.sort(key=lambda entry: not entry[0])
    return [(referents.module_dict(module) or {}, theirs) for theirs, module in modules]


def _of_tests(others):
    """What the open module has, out of what the runner names of it, with what stands in its functions."""
    for value, _ in others:
        inner = [value]
        if issubclass(type(value), type):
            inner += _named_by(referents.class_dict(value))
        for one in inner:
            if not issubclass(type(one), _SHARED):
                yield one
            if type(one) is types.FunctionType:
                yield from _constants(one.__code__)


def _of_modules():
    """What modules name: theirs all but functions, the rest their classes and instances of some."""
    for namespace, theirs in _namespaces():
        for value in _named_by(namespace):
            kind = type(value)
            if issubclass(kind, type):
                yield value
                if theirs:
                    inner = _named_by(referents.class_dict(value))
                    yield from (attribute for attribute in inner if id(type(attribute)) not in _CODE)
            elif id(kind) not in (_CODE if theirs else _DULL):
                yield value


class Common:
    """What everybody uses, and how often it fell evenly: of some versions it can be freed, which ends the process.

    Its counts move with everything that runs. What a test gives back too often of it shows in that it falls by the same
    amount again and again; whether nothing else accounts for that is for a second look to say.
    """

    def __init__(self):
        self._objects = []  # type: list
        #: Of each: its count when it was last looked at, and by how much it changed in each iteration before that.
        self._counts = array.array("q")
        self._changes = array.array("q")
        #: How much fell evenly, and iterations since the last reading.
        self._sums = array.array("q", [0, 1])

    def survey(self):
        # type: () -> None
        """Looks anew for what there is of it."""
        named = itertools.chain.from_iterable(_named_by(namespace) for namespace, _ in _namespaces())
        classes = (value for value in named if issubclass(type(value), type))
        values = itertools.chain((None, True, False, Ellipsis, NotImplemented, (), "", b""), _SMALL, classes)
        found = {}
        for value in values:
            if len(found) < _MOST_COMMON and _is_common(value) and _is_counted(value):
                found[id(value)] = value
        self._objects = list(found.values())
        self._counts = array.array("q", bytes(8 * len(found)))
        self._changes = array.array("q", bytes(8 * len(found)))
        self._sums[0] = 0

    def clear(self):
        # type: () -> None
        """Lets go of it. What is given back too often keeps the references that we took."""
        self._objects = []
        self._counts = array.array("q")
        self._changes = array.array("q")
        self._sums[0] = 0

    def expect(self, iterations):
        # type: (int) -> None
        """So many iterations end with the next reading."""
        self._sums[1] = iterations

    def fallen(self, adds):
        # type: (bool) -> int
        """By how much it fell evenly in all, since the survey; what fell now only where it `adds` to that."""
        if not self._objects:
            return 0
        _forget_types()
        counts = array.array("q", map(_getrefcount, self._objects))
        changes = array.array("q", map(_sub, counts, self._counts))
        if counts != self._counts:
            for at in itertools.compress(itertools.count(), map(_lt, changes, itertools.repeat(0))):
                change = changes[at]
                if adds:
                    self._note(at, change)
                if counts[at] < _CACHED - change * _FEW:
                    _count_of(self._objects[at]).value += _PROP
                    counts[at] += _PROP
        self._counts[:] = counts
        if self._sums[1] > 1:
            # Parts of what was read together are not known.
            changes = array.array("q", [change // self._sums[1] for change in changes])
        self._changes[:] = changes
        self._sums[1] = 1
        return self._sums[0]

    def _note(self, at, change):
        """Adds what fell by as much as before or, where several iterations were read together, may have in each."""
        iterations = self._sums[1]
        if change <= -iterations if iterations > 1 else change == self._changes[at]:
            self._sums[0] += change


class Cohort:
    """What the tests of a file can name, and how many references there are to it."""

    def __init__(self):
        #: The first so many are held as modules and classes hold them, and let go of once none of these names them: a
        #: module that sets a time anew, as hypothesis does, would grow by the first one. Those that are still named
        #: have been given back by others than those who have them. The rest are entries of containers.
        self._objects = [PLANTED]  # type: list
        self._firm = 1
        # All in arrays, since a number would be growth. Whether they were ever counted; references that we took, and
        # what was let go of; how many there were at the last reading.
        self._sums = array.array("q", [_UNKNOWN, 0, 0, 0])
        # Of each: its count when it was last looked at, how often it fell since, and what we took of our own.
        self._counts = array.array("q")
        self._falls = array.array("q")
        self._props = array.array("q")
        self.common = Common()
        self._begin()

    def _begin(self):
        number = len(self._objects)
        self._counts = array.array("q", bytes(8 * number))
        self._falls = array.array("q", bytes(8 * number))
        self._props = array.array("q", bytes(8 * number))
        self._sums[0] = _UNKNOWN
        self._sums[1] = self._sums[2] = 0

    def survey(self, others):
        # type: (list) -> None
        """Looks anew for what there is to count, first among `others`: `(object, name)` of what the runner holds."""
        self.clear()
        named, entries = self._chosen(others)
        self._firm = 1 + len(named)
        self._objects += named + entries
        self._begin()
        self.common.survey()

    @staticmethod
    def _chosen(others):
        named = _distinct(itertools.chain(_of_tests(others), _of_modules()), {id(PLANTED)}, _MOST)
        containers = [value for value in named.values() if id(type(value)) in _CONTAINERS]
        containers = [value for value in containers if len(value) <= _MOST_ENTRIES]
        values = (value.values() if type(value) is dict else value for value in containers)
        # Containers among them are watched: what two of us have, neither would take for what only we have.
        entries = itertools.chain.from_iterable(values)
        entries = (entry for entry in entries if not _is_code(entry) and not watch.is_container(entry))
        return list(named.values()), list(_distinct(entries, {id(PLANTED), *named}, _MOST // 4).values())

    def clear(self):
        # type: () -> None
        """Lets go of everything. What fell again and again keeps the references that we took: somebody gives back more
        than there are, and will do so in tests to come.
        """
        for at, prop in enumerate(self._props):
            obj = self._objects[at]
            # One that nobody but us has is either gone, or has been given back by others than those who have it.
            few = _getrefcount(self._objects[at]) - prop <= _OURS + 1
            if prop and self._falls[at] < _STEADY and not (few and (id(type(obj)) in _DULL or _is_named(obj))):
                _count_of(obj).value -= prop
        obj = None
        self._objects = [PLANTED]
        self._firm = 1
        self._begin()
        self.common.clear()

    def total(self):
        # type: () -> int
        """References to all of it, but for our own, and less what fell evenly of what everybody uses."""
        counts = array.array("q", map(_getrefcount, self._objects))
        if self._sums[0] == _UNKNOWN:
            # Not at the survey, where whoever asked for it has them as well.
            self._counts[:] = counts
        elif counts != self._counts:
            # A fall may lie beside a rise.
            if self._protect():
                counts = None
                counts = array.array("q", map(_getrefcount, self._objects))
            self._counts[:] = counts
        self._sums[0] = 0
        total = sum(self._counts) - self._sums[1] - self._sums[2]
        # A rise is enough to have a second look, which sees both: less what fell beside it there might be none.
        rises = total > self._sums[3]
        self._sums[3] = total
        return total + self.common.fallen(not rises)

    def release(self):
        # type: () -> bool
        """Lets go of entries that only we have, and says whether there was any: kept longer, they would be growth."""
        objects, firm = self._objects, self._firm
        if any(self._props):
            self._stop_protecting()
        # Not of a slice, which would have one more of each.
        if _OURS not in map(_getrefcount, itertools.islice(objects, 1, None)):
            return False
        before = sum(map(_getrefcount, objects))
        for at in range(1, len(objects)):
            if _getrefcount(objects[at]) == _OURS and (at >= firm or not _is_named(objects[at])):
                objects[at] = PLANTED
        after = sum(map(_getrefcount, objects))
        self._sums[2] += after - before
        return after != before

    def _stop_protecting(self):
        """Gives back what we took of entries that nobody else has by now."""
        for at in range(1, len(self._objects)):
            prop = self._props[at]
            if prop and _getrefcount(self._objects[at]) - prop <= _OURS and not _is_named(self._objects[at]):
                _count_of(self._objects[at]).value -= prop
                self._props[at] = 0
                self._sums[1] -= prop

    def _protect(self):
        # type: () -> bool
        """Takes references to what falls, and might be freed by the next falls while others still use it."""
        objects, counts, some = self._objects, self._counts, False
        for at in range(len(objects)):
            count = _getrefcount(objects[at])
            fallen = counts[at] - count
            if fallen == 0 or objects[at] is PLANTED:
                continue
            if fallen < 0:
                self._falls[at] = 0
                continue
            self._falls[at] += 1
            if not self._props[at] and (count - _OURS < fallen * _UNREAD or self._falls[at] >= _STEADY):
                _count_of(objects[at]).value += _PROP
                self._props[at] = _PROP
                self._sums[1] += _PROP
                some = True
        return some


def _distinct(values, seen, most):
    """The first of them that are counted, by identity, without what was `seen`."""
    found = {}
    for value in values:
        if len(found) >= most:
            break
        if id(value) not in seen and _is_counted(value) and not _is_everybodys(value):
            found[id(value)] = value
    return found


def _is_named(obj):
    """Whether a module, a class or a container that one of them names still has it."""
    others = [(value, "") for namespace, _ in _namespaces() for value in _named_by(namespace)]
    named, entries = Cohort._chosen(others)
    return any(map(_is, itertools.chain(named, entries), itertools.repeat(obj)))


_BESIDE = ("blocks", "heap", "born", "threads")
#: What is told where nothing changed.
NOTHING = {"objects": [], **dict.fromkeys(_BESIDE, 0)}


class Look:
    """Counts everything there is after each of some iterations, and what is seen to refer to what changed."""

    def __init__(self, meter):
        self._meter = meter
        self._ours = []  # type: list
        #: What changed again and again.
        self.objects = []  # type: list
        self._props = []  # type: list
        self._falling = set()  # type: set

    def run(self, iterate, first, then):
        # type: (object, int, int) -> tuple
        """Outcome of the last iteration, and what was found: `first` iterations tell what changes, `then` others how.

        Nothing may be frozen.
        """
        everything = _everything()
        self._ours.append(everything)
        # Whatever is collected from now on came since: each collection would go through all of it else.
        _freeze()
        result, rows = self._count(iterate, everything, first)
        if result.status != outcome.PASSED:
            return result, None
        # In the first iteration something may come once.
        changes = enumerate(map(_sub, rows[-1], rows[1]))
        least = (first - 1) // 2
        places = [at for at, change in changes if change >= least or change <= -least]
        objects = [everything[at] for at in places]
        fallen = [everything[at] for at in places if rows[-1][at] < rows[1][at]]
        self._ours.remove(everything)
        everything = rows = None
        falling = set(map(id, fallen))
        # Of what everybody uses a reference that is lost costs nothing, and nobody would find out where.
        objects = [obj for obj in objects if _is_counted(obj) and (id(obj) in falling or not _is_common(obj))]
        self.objects = objects[:_CHANGED]
        self._ours += [self.objects, objects, fallen]
        self.protect(fallen)
        self._ours = [self.objects]
        objects = fallen = None
        if not self.objects:
            return result, NOTHING
        _unfreeze()
        found = self._referring()
        _freeze()
        rows = self._rows(self.objects, then)
        self._settle()
        before = self._standing()
        result, rows = self._count(iterate, self.objects, then, rows)
        if result.status != outcome.PASSED:
            return result, None
        after = self._standing()
        _unfreeze()
        now = self._referring()
        told = self._told(rows, found, now)
        return result, {"objects": told, **dict(zip(_BESIDE, map(_sub, after, before)))}

    def _settle(self):
        self._meter.settle()
        _forget_types()

    def _standing(self):
        return (_blocks(), self._meter.heap(), len(_get_objects()), self._meter.threads())

    @staticmethod
    def _rows(objects, iterations):
        number = 8 * len(objects)
        return [array.array("q", bytes(number)) for _ in range(iterations + 1)]

    def _count(self, iterate, objects, iterations, rows=None):
        """Outcome of the last iteration, and the counts before the first one and after each."""
        rows = rows or self._rows(objects, iterations)
        result = outcome.OK
        for at, row in enumerate(rows):
            if at:
                result = iterate()
                if result.status != outcome.PASSED:
                    break
                result = outcome.OK
            self._settle()
            row[:] = array.array("q", map(_getrefcount, objects))
            if at and any(map(_lt, row, rows[at - 1])):
                self._protect_few(objects, rows[: at + 1])
        return result, rows

    def _protect_few(self, objects, rows):
        for at, (was, count) in enumerate(zip(*rows[-2:])):
            if count < was and count - 2 * _OURS <= was - count and self._protect(objects[at]):
                # What is added is no rise: all rows have it.
                for row in rows:
                    row[at] += _PROP

    def protect(self, objects):
        """Takes references to what falls."""
        for obj in objects:
            self._protect(obj)

    def _protect(self, obj):
        # type: (object) -> bool
        if any(obj is other for other in self._props):
            return False
        self._props.append(obj)
        _count_of(obj).value += _PROP
        return True

    def close(self):
        # type: () -> None
        """Gives back the references that we took, but to those of which somebody gives back more than there are."""
        for obj in self._props:
            if id(obj) not in self._falling:
                _count_of(obj).value -= _PROP
        self._props = []
        self._ours = []
        self.objects = []

    def _referring(self):
        """How many references to each of the objects are seen, by identity; and how many more its instances may have.

        An instance that does not show its class has a reference to it, and another object may show that in its place:
        `lru_cache` does so for the links of its list.
        """
        wanted = {id(obj): obj for obj in self.objects}
        classes = {number for number, obj in wanted.items() if issubclass(type(obj), type)}
        arrays = _Arrays()
        ours = {id(wanted), *map(id, self._ours), id(self._props), id(self._ours)}
        counts, hidden = collections.Counter(), collections.Counter()
        seen = set()
        objects = [obj for obj in _get_objects() if id(obj) not in ours]
        while objects:
            following = []
            for start in range(0, len(objects), 1000):
                part = objects[start : start + 1000]
                referred = _referents_of(part)
                counts.update(filter(wanted.__contains__, map(id, referred)))
                if classes:
                    hidden.update(_instances(part, classes))
                if arrays.kind is not None:
                    for obj in part:
                        if issubclass(type(obj), arrays.kind):
                            counts.update(filter(wanted.__contains__, arrays.entries(obj)))
                            referred.append(arrays.base(obj))
                for obj in referred:
                    kind = type(obj)
                    if (
                        (id(kind) in _UNTRACKED or id(kind) in classes or kind is arrays.kind)
                        and not _is_tracked(obj)
                        and id(obj) not in seen
                    ):
                        seen.add(id(obj))
                        following.append(obj)
                referred = part = None
            objects = following
        return counts, hidden

    def _told(self, rows, before, now):
        """What changes by more than is seen to refer to it: its identity, name and type, and both figures."""
        found = []
        for at, obj in enumerate(self.objects):
            number = id(obj)
            changes = [after[at] - earlier[at] for earlier, after in zip(rows, rows[1:])]
            shown, hidden = (after[number] - earlier[number] for earlier, after in zip(before, now))
            # Whatever lies between is accounted for.
            seen = sorted((shown, sum(changes), shown + hidden))[1]
            if _is_common(obj):
                # One of None more or less is our own.
                many = len(changes)
                changes = [_evenly(changes)] * many
                seen = many * round(seen / many)
                if sum(changes) >= seen:
                    continue
            if sum(changes) < seen:
                self._falling.add(number)
            if sum(changes) != seen:
                found.append((abs(sum(changes) - seen), at, changes, seen))
        found.sort(key=lambda entry: (-entry[0], entry[1]))
        found = found[:_TOLD]
        names = _names([self.objects[at] for _, at, _, _ in found])
        return [
            {
                "object": id(self.objects[at]),
                "name": names.get(id(self.objects[at]), ""),
                "type": _kind(self.objects[at]),
                "changes": changes,
                "seen": seen,
            }
            for _, at, changes, seen in found
        ]


class _Arrays:
    """Arrays of numpy, which tell the collector of no entry: made full of None, they lose one with each that is set."""

    def __init__(self):
        numpy = sys.modules.get("numpy")
        kind = referents.module_dict(numpy).get("ndarray") if type(numpy) is types.ModuleType else None
        #: None where there is no numpy.
        self.kind = kind if type(kind) is type else None

    def _get(self, obj, name):
        # Past whatever a subclass makes of it.
        return referents.class_dict(self.kind)[name].__get__(obj)

    def base(self, obj):
        """What the entries of a view are in."""
        return self._get(obj, "base")

    def entries(self, obj):
        """Identities of what is in an array of objects, unless it is a view."""
        if self._get(obj, "dtype").char != "O" or not self._get(obj, "flags")["OWNDATA"]:
            return ()
        address = self._get(obj, "__array_interface__")["data"][0]
        return array.array("Q", ctypes.string_at(address, self._get(obj, "nbytes")))


def _everything():
    """All objects that the collector knows, and those that these refer to."""
    objects = _get_objects()
    found = {id(obj): obj for obj in objects}
    while objects:
        following = []
        for start in range(0, len(objects), 1000):
            for obj in _referents_of(objects[start : start + 1000]):
                if id(obj) not in found:
                    found[id(obj)] = obj
                    if id(type(obj)) in _UNTRACKED:
                        following.append(obj)
        objects = following
    return list(found.values())


def _referents_of(objects):
    """What objects refer to; of code its constants and names."""
    referred = referents.get_referents(*objects)
    for obj in objects:
        if type(obj) is types.CodeType:
            referred.append(obj.co_consts)
            referred.append(obj.co_names)
    return referred


def _instances(objects, classes):
    """Identities of classes among these of which some objects are instances that do not tell so."""
    for obj in objects:
        kind = type(obj)
        is_one = id(kind) in classes and _FLAGS(kind) & _HEAP_TYPE
        if is_one and not any(other is kind for other in referents.get_referents(obj)):
            yield id(kind)


def _kind(obj):
    """Its type; of a class `type`, whatever its metaclass is called."""
    kind = type(obj)
    return "type" if issubclass(kind, type) else trace.type_name(kind)


def _names(objects):
    """What code calls each of some objects, by identity."""
    wanted, found = set(map(id, objects)), {}

    def note(obj, name):
        if id(obj) in wanted and id(obj) not in found:
            found[id(obj)] = name

    for obj in objects:
        if issubclass(type(obj), type):
            note(obj, trace.type_name(obj))
        elif obj is PLANTED or _is_common(obj):
            note(obj, repr(obj))
        elif type(obj) is types.ModuleType:
            note(obj, str(referents.module_dict(obj).get("__name__", "?")))
    modules = [(name, module) for name, module in list(sys.modules.items()) if type(module) is types.ModuleType]
    modules.sort(key=lambda entry: not watch.is_theirs(str(entry[0])))
    for name, module in modules:
        for key, value in list((referents.module_dict(module) or {}).items()):
            full = "{}.{}".format(name, key)
            note(value, full)
            if issubclass(type(value), type):
                for inner, what in list(referents.class_dict(value).items()):
                    note(what, "{}.{}".format(full, inner))
            elif type(value) is types.FunctionType:
                for constant in _constants(value.__code__):
                    note(constant, _constant(constant, full))
    for obj, name in watch.walk():
        if len(found) == len(wanted):
            break
        note(obj, name)
        if type(obj) is types.FunctionType:
            for constant in _constants(obj.__code__):
                note(constant, _constant(constant, name))
    return found


def _constant(constant, function):
    text = repr(constant) if type(constant) in (str, bytes, float, complex) else trace.type_name(type(constant))
    return "{} in {}".format(text if len(text) < 40 else text[:36] + "…", function)
