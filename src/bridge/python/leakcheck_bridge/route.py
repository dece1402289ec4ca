"""Names the steps of a way through the heap as code would: `app.SESSIONS['…']`, `Session.handlers`, `bound method A.f`.

Nothing of the project's is called for it: no `__repr__`, no property, no `__getattr__`. Only exact built-in types are
shown.
"""

import _thread
import collections
import functools
import gc
import itertools
import sys
import types
import weakref

from . import heap, kinds, referents, trace

_get_referents = referents.get_referents
_is_tracked = gc.is_tracked

_BASES = type.__dict__["__bases__"]
_Member = types.MemberDescriptorType
_Cache = type(functools.lru_cache()(len))
_BoundBuiltin = types.BuiltinMethodType
_SEQUENCES = (list, collections.deque, set, frozenset)
_PLAIN = kinds.ids_of(
    dict, list, set, frozenset, tuple, collections.deque, collections.OrderedDict, collections.defaultdict
)
_VALUES = kinds.ids_of(str, bytes, int, float, bytearray)
_SUSPENDED = {
    id(types.GeneratorType): "gi_frame",
    id(types.CoroutineType): "cr_frame",
    id(types.AsyncGeneratorType): "ag_frame",
}
#: Classes that one is derived from, of which is told where they come from.
_MOST_BASES = 12
_traceback_of = BaseException.__dict__["__traceback__"].__get__
#: Frames that an exception came through, of which is told.
_MOST_RAISED = 200
#: Longest part of a text that is shown.
_LONGEST = 40
#: Entries of a container that are looked through for one object.
_MOST_LOOKED_AT = 2000000


def _is_a(obj, cls):
    # `isinstance` would ask the object for its `__class__`, which may be the project's code.
    return issubclass(type(obj), cls)


def example(obj, depth=0):
    # type: (object, int) -> str
    """A bounded text of an object whose type is built in and exact; of others the type only."""
    cls = type(obj)
    if obj is None or cls is bool:
        return repr(obj)
    if cls is int:
        return repr(obj) if obj.bit_length() < 128 else "int of {} bits".format(obj.bit_length())
    if cls is float or cls is complex:
        return repr(obj)
    if cls is str or cls is bytes:
        return repr(obj) if len(obj) <= _LONGEST else repr(obj[:_LONGEST]) + "…"
    if cls is bytearray or cls is memoryview:
        return "{} of {} bytes".format(cls.__name__, len(obj) if cls is bytearray else obj.nbytes)
    if (cls is tuple or cls is list) and depth < 2:
        inside = ", ".join(example(other, depth + 1) for other in obj[:4]) + (", …" if len(obj) > 4 else "")
        return ("({})" if cls is tuple else "[{}]").format(inside)
    if cls is dict and depth < 2 and len(obj) < 64:
        pairs = list(obj.items())[:3]
        inside = ", ".join(example(key, depth + 1) + ": " + example(value, depth + 1) for key, value in pairs)
        return "{" + inside + (", …" if len(obj) > 3 else "") + "}"
    return "<" + short_name(cls) + ">"


def short_name(cls):
    # type: (type) -> str
    """Qualified name of a class without its module and without `<locals>`."""
    return type.__dict__["__qualname__"].__get__(cls).rpartition("<locals>.")[2]


def _callable_name(obj):
    """`module.qualname` of something that can be called, as far as it can be told safely."""
    for _ in range(8):
        if _is_a(obj, types.FunctionType):
            return obj.__qualname__.rpartition("<locals>.")[2]
        if type(obj) is types.MethodType:
            function, owner = obj.__func__, obj.__self__
            if _is_a(function, types.FunctionType):
                name = function.__qualname__
                # An inherited method is known by the class of the object that it is bound to.
                if "." in name and not _is_a(owner, type) and "<locals>" not in name:
                    return short_name(type(owner)) + "." + name.rpartition(".")[2]
                return name.rpartition("<locals>.")[2]
            obj = function
        elif _is_a(obj, functools.partial):
            obj = functools.partial.func.__get__(obj)
        elif type(obj) is _Cache:
            obj = _dict_of(obj).get("__wrapped__")
        elif type(obj) is _BoundBuiltin:
            return obj.__qualname__
        elif _is_a(obj, type):
            return short_name(obj)
        else:
            break
    return short_name(type(obj))


def _dict_of(obj):
    """The `__dict__` of an instance, past whatever its class overrides; empty where it has none."""
    try:
        found = object.__getattribute__(obj, "__dict__")
    except (AttributeError, TypeError):
        return {}
    return found if _is_a(found, dict) else {}


def _slots(obj):
    """Names and values of an instance's slots."""
    for cls in trace.bases_of(type(obj)):
        for name, member in list(referents.class_dict(cls).items()):
            if type(member) is _Member:
                try:
                    yield name, member.__get__(obj, cls)
                except AttributeError:
                    continue


#: Modules whose classes stand for their contents: `Queue`, `WeakKeyDictionary`, `Counter`, `os.environ`.
_COLLECTIONS = frozenset(
    ("collections", "weakref", "queue", "_queue", "os", "asyncio.queues", "_weakrefset", "unittest.mock")
)


def _is_stdlib_container(cls):
    # type: (type) -> bool
    for base in trace.bases_of(cls):
        module = referents.class_dict(base).get("__module__")
        if module in _COLLECTIONS:
            return True
    return False


class Names:
    """Looks up the objects of some paths once and names their steps."""

    def __init__(self, paths):
        # type: (list) -> None
        wanted = {number for path in paths for number in path}
        self._found = heap.find(wanted)

    def raised(self, number):
        # type: (int) -> list
        """Of an exception, the frames that it came through, innermost first: up to Python 3.11 it is made where it is
        caught, and its traceback alone knows better."""
        obj = self._found.get(number)
        places = []
        if _is_a(obj, BaseException):
            step = _traceback_of(obj)
            while step is not None and len(places) < _MOST_RAISED:
                places.append((step.tb_frame.f_code.co_filename, step.tb_lineno))
                step = step.tb_next
        return places[::-1]

    def path(self, numbers):
        # type: (list) -> list | None
        """The steps of one path, outermost first; None where its objects are gone."""
        objects = []
        for number in numbers:
            obj = self._found.get(number)
            if obj is None:
                # Untracked: only the one before it knows it.
                before = [other for other in _get_referents(objects[-1]) if id(other) == number] if objects else []
                if not before:
                    return None
                obj = before[0]
            objects.append(obj)
        steps = []
        at = 0
        while at < len(objects):
            step = describe(objects[at])
            step["at"] = at
            kind, text, used = _edge(objects, at) if at + 1 < len(objects) else ("", "", 1)
            step["edge"] = [kind, text]
            steps.append(step)
            at += used
        return steps


def describe(obj):
    # type: (object) -> dict
    """What one object is, as a reader knows it."""
    cls = type(obj)
    step = {"type": trace.type_name(cls), "text": short_name(cls), "what": "object"}
    step["origins"] = _origins(obj if _is_a(obj, type) else cls)
    if _is_a(obj, types.ModuleType):
        state = referents.module_dict(obj)
        name = state.get("__name__")
        step.update(what="module", text=name if type(name) is str else "module")
        if type(state.get("__file__")) is str:
            step["file"] = state["__file__"]
    elif _is_a(obj, type):
        step.update(what="class", text=short_name(obj), name=trace.type_name(obj))
    elif _is_a(obj, types.FunctionType):
        code = obj.__code__
        step.update(what="function", text="function " + _callable_name(obj))
        step.update(name=function_name(obj), file=code.co_filename, line=code.co_firstlineno)
    elif cls is types.MethodType:
        step.update(what="method", text="bound method " + _callable_name(obj))
    elif cls is _BoundBuiltin:
        step.update(what="builtin", text="builtin " + _callable_name(obj))
    elif _is_a(obj, functools.partial):
        step.update(what="partial", text="partial of " + _callable_name(obj))
    elif cls is _Cache:
        step.update(_cache(obj))
    elif id(cls) in _SUSPENDED:
        code = getattr(obj, _SUSPENDED[id(cls)].replace("frame", "code"))
        step.update(what="suspended", text="{} {}".format(cls.__name__, _code_name(obj, code)))
        step.update(file=code.co_filename, line=code.co_firstlineno)
    elif cls is types.FrameType:
        step.update(what="frame", text="frame of " + obj.f_code.co_name)
        step.update(file=obj.f_code.co_filename, line=obj.f_lineno)
    elif cls is types.TracebackType:
        step.update(what="traceback", text="traceback")
    elif _is_a(obj, BaseException):
        step.update(what="exception")
    elif _is_a(obj, weakref.ref):
        step.update(what="weakref", text="weak reference")
    elif _is_a(obj, _thread._local):
        step.update(what="thread-local")
    elif step["type"] in ("_contextvars.ContextVar", "ContextVar"):
        step.update(what="context-variable", text="ContextVar " + example(obj.name))
    elif step["type"] in ("_contextvars.Context", "Context", "hamt", "hamt_bitmap_node", "hamt_array_node"):
        step.update(what="context", text="context")
    elif step["type"] == "_pytest.fixtures.FixtureDef":
        step.update(what="fixture", text="fixture " + example(_dict_of(obj).get("argname")))
    elif cls is collections.deque:
        step.update(what="container", length=len(obj), capacity=obj.maxlen)
        step.update(_newest(obj))
    elif id(cls) in _PLAIN:
        step.update(what="container", length=len(obj))
        step.update(_newest(obj))
        if cls is list:
            step["registry"] = _interpreter_list(obj)
        elif cls is dict:
            step["registry"] = _subclasses_of(obj)
    elif _is_stdlib_container(cls):
        step.update(what="collection")
        step.update(_newest(obj))
    elif _is_a(obj, dict) or _is_a(obj, list) or _is_a(obj, set):
        step.update(what="container", length=_length(obj))
        step.update(_newest(obj))
    elif id(cls) in _VALUES:
        step.update(example=example(obj))
    elif step["what"] == "object":
        step.update(_constructor(cls))
    return step


def _constructor(cls):
    """File and line of the `__init__` of a class, where it has one in Python."""
    for base in trace.bases_of(cls):
        function = referents.class_dict(base).get("__init__")
        if _is_a(function, types.FunctionType):
            return {"file": function.__code__.co_filename, "line": function.__code__.co_firstlineno}
    return {}


def _origins(cls):
    """A class and those it is derived from, each with the file that it comes from: `[name, file]`; none without one."""
    found = []
    for base in trace.bases_of(cls)[:_MOST_BASES]:
        name = referents.class_dict(base).get("__module__")
        module = sys.modules.get(name) if type(name) is str else None
        if _is_a(module, types.ModuleType):
            file = referents.module_dict(module).get("__file__")
            if type(file) is str:
                found.append([short_name(base), file])
    return found


def _newest(obj):
    """Type and text of the entry that came last, where the container keeps an order."""
    last = None
    if _is_a(obj, dict):
        last = _last_entry(obj)
    elif _is_a(obj, list) and list.__len__(obj):
        last = (list.__getitem__(obj, -1),)
    elif _is_a(obj, collections.deque) and len(obj):
        last = (collections.deque.__getitem__(obj, -1),)
    elif _is_a(obj, set):
        last = next(((value,) for value in set.__iter__(obj)), None)
    if last is None:
        return {}
    (entry,) = last
    return {"newest": trace.type_name(type(entry)), "size": trace._size(entry), "example": example(entry)}


def _last_entry(mapping):
    try:
        keys = iter(reversed(dict.keys(mapping)))
    except TypeError:
        # Before 3.8, and an OrderedDict, whose views are its own.
        keys = iter(list(dict.keys(mapping))[-1:])
    for key in keys:
        # Looking up any other key would call its `__eq__`.
        plain = id(type(key)) in _VALUES
        value = dict.get(mapping, key) if plain else list(dict.values(mapping))[-1]
        # A count or a mark says less than what it is kept for.
        small = value is None or type(value) is bool or (type(value) is int and -6 < value < 257)
        return (key,) if small else (value,)
    return None


def _length(obj):
    for base in (dict, list, set):
        if _is_a(obj, base):
            return base.__len__(obj)
    return 0


def function_name(function):
    """`module.qualname` of a function."""
    module = function.__module__
    return (module + "." if type(module) is str else "") + function.__qualname__


def _code_name(obj, code):
    return (getattr(obj, "__qualname__", None) or code.co_name).rpartition("<locals>.")[2]


def _cache(obj):
    """An `lru_cache` wrapper with its bound, how full it is, and whether it keys by `self`."""
    info = obj.cache_info()
    wrapped = _dict_of(obj).get("__wrapped__")
    step = {
        "what": "cache",
        "text": "lru_cache of " + _callable_name(obj),
        "length": info.currsize,
        "capacity": info.maxsize,
    }
    if _is_a(wrapped, types.FunctionType):
        code = wrapped.__code__
        step.update(name=function_name(wrapped), file=code.co_filename, line=code.co_firstlineno)
        step["method"] = bool(
            code.co_argcount and code.co_varnames[0] in ("self", "cls") and "." in wrapped.__qualname__
        )
    return step


def _interpreter_list(obj):
    """Which of the interpreter's own lists of callbacks this is, told by what the standard library puts into it."""
    names = {function_name(other) for other in obj[:20] if _is_a(other, types.FunctionType)}
    if "encodings.search_function" in names:
        return "codecs"
    if names & {"threading._after_fork", "logging._after_at_fork_child_reinit_locks"}:
        return "os.register_at_fork"
    return "atexit" if _has_exit_callbacks(obj) else None


def _has_exit_callbacks(obj):
    """Whether CPython keeps the callbacks of `atexit` in this list: from 3.14 on, as function, arguments and names."""
    module = sys.modules.get("atexit")
    count = getattr(module, "_ncallbacks", None)
    newest = list.__getitem__(obj, -1) if list.__len__(obj) else None
    return (
        count is not None
        and type(newest) is tuple
        and len(newest) == 3
        and type(newest[1]) is tuple
        and callable(newest[0])
        and count() == list.__len__(obj)
    )


def _subclasses_of(obj):
    """Whose list of subclasses a dictionary is: a class has one in C, of weak references by address."""
    for key, value in itertools.islice(dict.items(obj), _MOST_BASES):
        cls = value() if type(value) is weakref.ref and type(key) is int else None
        if not _is_a(cls, type) or id(cls) != key:
            continue
        for base in _BASES.__get__(cls):
            # Of those that died in a cycle of their own some stay in it.
            if all(dict.__contains__(obj, id(sub)) for sub in type.__subclasses__(base)):
                return trace.type_name(base) + ".__subclasses__()"
    return None


def _is(obj):
    return lambda other: other is obj


def _key_of(mapping, child):
    """`('key' or 'value', key)` under which a dictionary refers to `child`."""
    for count, (key, value) in enumerate(dict.items(mapping)):
        if value is child:
            return "value", key
        if key is child:
            return "key", key
        if count > _MOST_LOOKED_AT:
            break
    return None, None


def _in(mapping, child):
    """The name of an attribute; None where the dictionary does not hold it under one."""
    kind, key = _key_of(mapping, child)
    return key if kind == "value" and type(key) is str else None


def _key(key):
    # Which one it is differs from entry to entry; the shape does not.
    return "[" + example(key) + "]"


def _edge(objects, at):
    """How an object refers to the next of a path: kind, text, and how many objects the step takes."""
    obj, child = objects[at], objects[at + 1]
    after = objects[at + 2] if at + 2 < len(objects) else None
    cls = type(obj)
    if _is_a(obj, types.ModuleType):
        state = referents.module_dict(obj)
        if child is state:
            if after is None:
                return "globals", "", 1
            name = _in(state, after)
            return ("attribute", "." + name, 2) if name else ("globals", "", 2)
        return "state", "", 1
    if _is_a(obj, dict) and child is not _dict_of(obj):
        kind, key = _key_of(obj, child)
        if kind == "value":
            return "key", _key(key), 1
        if kind == "key":
            return "as key", "[key]", 1
    if cls is tuple:
        for index, other in enumerate(obj):
            if other is child:
                return "index", "[{}]".format(index), 1
    if _is_a(obj, _SEQUENCES) and any(map(_is(child), iter_plain(obj))):
        return "index", "[…]", 1
    if _is_a(obj, type):
        return _class_edge(obj, child, after)
    if _is_a(obj, types.FunctionType):
        return _function_edge(obj, child, after, objects[at + 3] if at + 3 < len(objects) else None)
    if cls is types.MethodType:
        return ("self", "", 1) if child is obj.__self__ else ("function", ".__func__", 1)
    if cls is _BoundBuiltin:
        return "self", "", 1
    if _is_a(obj, functools.partial):
        if child is functools.partial.func.__get__(obj):
            return "function", "", 1
        if after is not None and (child is obj.args or child is obj.keywords):
            return "argument", " argument", 2
    if cls is _Cache:
        kept = _dict_of(obj)
        if child is kept:
            name = _in(kept, after) if after is not None else None
            return ("attribute", "." + name, 2) if name else ("attribute", "", 1)
        if child is kept.get("__wrapped__"):
            return "function", "", 1
        # The dictionary of results, or, with a bound, a result itself.
        return ("cached", " cached result", 2) if type(child) is dict and after is not None else ("cached", "", 1)
    if id(cls) in _SUSPENDED:
        return _suspended_edge(obj, child, after)
    if cls is types.FrameType:
        return _frame_edge(obj, child)
    if cls is types.TracebackType:
        return "traceback", ".tb_frame" if child is obj.tb_frame else ".tb_next", 1
    if cls is types.CellType:
        return "cell", "", 1
    if _is_a(obj, weakref.ref) and child is getattr(obj, "__callback__", None):
        return "callback", " callback", 1
    if _is_a(obj, BaseException):
        for name in ("__traceback__", "__context__", "__cause__", "args"):
            if child is BaseException.__getattribute__(obj, name):
                return "exception", "." + name, 1
    if _is_a(obj, _thread._local) and heap.is_plain_local(cls):
        state = _thread._local.__getattribute__(obj, "__dict__")
        for used, inner in ((2, child), (3, after)):
            if inner is state and at + used < len(objects):
                name = _in(state, objects[at + used])
                return "thread-local", "." + name if name else "", used
        return "thread-local", "", 1
    if trace.type_name(cls).endswith("ContextVar"):
        return "context", "", 1
    return _instance_edge(obj, child, after)


def iter_plain(obj):
    """Iterates a list, set or deque past what a subclass of it overrides."""
    for base in _SEQUENCES:
        if _is_a(obj, base):
            return base.__iter__(obj)
    return iter(())


def _instance_edge(obj, child, after):
    state = _dict_of(obj)
    if child is state:
        name = _in(state, after) if after is not None else None
        return ("attribute", "." + name, 2) if name else ("attribute", ".__dict__", 1)
    name = _in(state, child)
    if name:
        return "attribute", "." + name, 1
    for name, value in _slots(obj):
        if value is child:
            return "attribute", "." + name, 1
    if child is type(obj):
        return "class", ".__class__", 1
    return "unknown", "", 1


def _class_edge(cls, child, after):
    state = referents.class_dict(cls)
    if after is not None and any(map(_is(child), _get_referents(state))):
        name = _in(child, after)
        return ("attribute", "." + name, 2) if name else ("unknown", "", 1)
    for name, value in list(state.items()):
        if value is child:
            return "attribute", "." + name, 1
    if any(map(_is(child), trace.bases_of(cls))):
        return "base", ".__mro__", 1
    return "unknown", "", 1


def _function_edge(function, child, after, last):
    if child is function.__closure__ and after is not None:
        for name, cell in zip(function.__code__.co_freevars, function.__closure__):
            if cell is after:
                return "closure", " closure " + name, 2 if last is None else 3
    if child is function.__defaults__ and after is not None:
        code = function.__code__
        names = code.co_varnames[: code.co_argcount][-len(function.__defaults__) :]
        for name, value in zip(names, function.__defaults__):
            if value is after:
                return "default", " default " + name, 2
    if child is function.__kwdefaults__ and after is not None:
        return "default", " default " + str(_in(child, after)), 2
    if child is function.__dict__ and after is not None:
        name = _in(child, after)
        if name:
            return "attribute", "." + name, 2
    if child is function.__globals__:
        return "globals", ".__globals__", 1
    return "unknown", "", 1


def _suspended_edge(obj, child, after):
    frame = getattr(obj, _SUSPENDED[id(type(obj))])
    if frame is not None:
        if child is frame and after is not None:
            kind, text, _ = _frame_edge(frame, after)
            return kind, text, 2
        kind, text, _ = _frame_edge(frame, child)
        return kind, text, 1
    return "unknown", "", 1


def _frame_edge(frame, child):
    if not frame.f_code.co_flags & 1:
        return "local", "", 1
    state = frame.f_locals
    name = _in(dict(state), child)
    if sys.version_info < (3, 13):
        # A copy that the frame keeps; it must not keep what is in it.
        state.clear()
    if name:
        return "local", " local " + name, 1
    if child is frame.f_back:
        return "local", ".f_back", 1
    return "local", "", 1


def told(paths, places):
    # type: (list, dict) -> dict
    """The names along ways through a heap that was written down, and where what they lead to is from.

    `places` are those of the survivors, by identity.
    """
    names = Names(paths)
    return {
        "paths": [names.path(path) for path in paths],
        "places": [names.raised(path[-1]) or places.get(path[-1], []) for path in paths],
    }
