"""Which types may own memory that Python knows nothing of."""

import collections
import ctypes
import datetime
import decimal
import enum
import functools
import io
import re
import sqlite3
import sys
import threading
import types
import unittest
import weakref
import zlib

import driver

sys.path.insert(0, str(driver.SOURCE))

from leakcheck_bridge import kinds


class Plain:
    pass


class Slotted:
    __slots__ = ("price",)


class Rows(dict):
    pass


class Problem(ValueError):
    pass


class Colour(enum.Enum):
    RED = 1


class Handle:
    def __del__(self):
        pass


class Special(Handle):
    pass


class Store(sqlite3.Connection):
    pass


class MayOwn(unittest.TestCase):
    def test_what_takes_its_memory_from_python_owns_no_other(self):
        for value in (
            Plain(),
            Slotted(),
            Rows(),
            Problem(),
            Colour.RED,
            Plain,
            Plain.__init__,
            len,
            lambda: None,
            (number for number in ()),
            collections.deque(),
            collections.OrderedDict(),
            collections.namedtuple("Order", "price")(1),
            functools.partial(len),
            functools.lru_cache(None)(len),
            threading.Thread(),
            weakref.ref(Plain),
            re.compile("x"),
            datetime.datetime.now(),
            decimal.Decimal(1),
            iter({}.items()),
            sys._getframe(),
            types.CellType(1),
            b"",
            1.5,
            None,
        ):
            self.assertFalse(kinds.may_own(type(value)), type(value))

    def test_what_has_something_to_free_may(self):
        for value in (
            Handle(),
            Special(),
            sqlite3.connect(":memory:"),
            sqlite3.connect(":memory:", factory=Store),
            zlib.compressobj(),
            ctypes.c_int(1),
            threading.Lock(),
            io.BytesIO(),
            weakref.finalize._Info(),
        ):
            self.assertTrue(kinds.may_own(type(value)), type(value))

    def test_a_type_is_not_pythons_for_saying_so(self):
        # As extensions in Rust do.
        class Claimed(ctypes.Structure):
            pass

        Claimed.__module__ = "builtins"
        self.assertTrue(kinds.may_own(Claimed))


if __name__ == "__main__":
    unittest.main()
