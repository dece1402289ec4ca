"""Types by their identity.

To ask whether a type is among others, or to keep something by type, calls what its metaclass defines for being compared
and hashed. That may be code of the project's own, and where it compares and says nothing of hashes, a type has none.
"""

import ctypes
import sys
import types
import weakref

_POINTER = ctypes.sizeof(ctypes.c_void_p)
#: Where a type keeps the function that frees its instances: behind its header, its size, its name, and their two sizes.
_DEALLOC = object.__basicsize__ + 4 * _POINTER
_MRO = type.__dict__["__mro__"].__get__
_BASE = type.__dict__["__base__"].__get__
_NAMESPACE = type.__dict__["__dict__"].__get__
_MODULE = type.__dict__["__module__"].__get__
_NAME = type.__dict__["__name__"].__get__
#: Modules of the standard library whose types, in C, take all of their memory from Python. Not locks; files have one.
_PLAIN_MODULES = frozenset(
    "builtins collections functools itertools operator types weakref random array re datetime decimal contextvars "
    "_struct _random _weakrefset _contextvars _collections _functools _operator _sre".split()
)


class _Sample:
    pass


def _dealloc(cls):
    # type: (type) -> int
    return ctypes.c_void_p.from_address(id(cls) + _DEALLOC).value or 0


_ORDINARY = _dealloc(_Sample)


def _private():
    # type: () -> dict
    """Types that Python itself has made by now, by identity. One of an extension may say later that it is of them."""
    found = [getattr(types, name) for name in types.__all__]
    found += object.__subclasses__()
    for value in ([], {}, (), set(), "", b"", 0, range(0)):
        found += [type(value), type(iter(value)) if hasattr(value, "__iter__") else type(value)]
    return {id(cls): cls for cls in found if type(cls) is type and _MODULE(cls) in _PLAIN_MODULES}


_PRIVATE = _private()


def _is_pythons(cls):
    # type: (type) -> bool
    """Whether a type is one of Python's own that take all of their memory from it."""
    if id(cls) in _PRIVATE:
        return True
    name = _MODULE(cls)
    module = sys.modules.get(name) if type(name) is str and name in _PLAIN_MODULES else None
    return type(module) is types.ModuleType and vars(module).get(_NAME(cls)) is cls


def may_own(cls):
    # type: (type) -> bool
    """Whether memory that tracemalloc does not see may be freed with an instance of `cls`.

    So it is with types of extensions, and with classes that have something to do when an instance goes.
    """
    if cls is weakref.finalize._Info:
        return True
    for base in _MRO(cls) or ():
        if _is_pythons(base):
            continue
        if _dealloc(base) != _ORDINARY or "__del__" in _NAMESPACE(base):
            return True
    return False


#: Of a type: the collector can look into its instances.
_TRAVERSED = 1 << 14
_FLAGS = type.__dict__["__flags__"].__get__
#: Bytes of an instance of a class, without what those of variable size add.
size_of = type.__dict__["__basicsize__"].__get__
_ATOMS = (str, bytes, bytearray, int, float, complex, bool, type(None), type(...), type(NotImplemented), range)


def is_opaque(cls):
    # type: (type) -> bool
    """Whether instances may refer to other objects, and nobody can see to which.

    Code does not: its constants and names are made with it, and the addresses beside its instructions (from 3.11 on)
    are remembered without a reference.
    """
    return cls is not types.CodeType and not _FLAGS(cls) & _TRAVERSED and all(cls is not atom for atom in _ATOMS)


def ids_of(*kinds):
    # type: (type) -> frozenset
    """The identities of types that are there for good."""
    return frozenset(map(id, kinds))


def among(objects, is_wanted):
    # type: (list, object) -> list
    """Those of some objects whose type `is_wanted`, which is asked once a type: there are far fewer of these."""
    classes = {id(cls): cls for cls in map(type, objects)}
    wanted = {number for number, cls in classes.items() if is_wanted(cls)}
    return [obj for obj in objects if id(type(obj)) in wanted]
