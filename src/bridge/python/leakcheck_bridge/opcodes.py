"""Keeps Python 3.8 to 3.10 from allocating caches of opcodes while readings are taken.

Those versions give each code object a cache with its 1024th call, for ever: two or three blocks, in an iteration that
depends on how often the runner's functions have been called before. A code object whose counter of calls has arrived
there without one stays without.
"""

import ctypes
import gc
import sys
import types

_get_objects = gc.get_objects
_Counter = ctypes.c_int
_at = _Counter.from_address

_CALLS = 1024
#: Place of `co_opcache_flag` in a code object, and the size of one; the same in all three versions on 64-bit systems.
_OFFSET, _SIZE = 168, 176


def _is_known():
    # type: () -> bool
    """Whether the counter is where it is said to be."""
    if sys.implementation.name != "cpython" or not (3, 8) <= sys.version_info[:2] <= (3, 10):
        return False

    def called():
        pass

    code = called.__code__
    if type(code).__basicsize__ != _SIZE:
        return False
    for calls in (3, 7):
        for _ in range(calls):
            called()
    return _at(id(code) + _OFFSET).value == 10


_KNOWN = _is_known()


def forestall():
    # type: () -> None
    """Does so for all functions that are not frozen, and for what is defined in them."""
    if not _KNOWN:
        return
    codes = [obj.__code__ for obj in _get_objects() if type(obj) is types.FunctionType]
    for code in codes:
        counter = _at(id(code) + _OFFSET)
        if counter.value < _CALLS:
            counter.value = _CALLS
            codes.extend(const for const in code.co_consts if type(const) is types.CodeType)
