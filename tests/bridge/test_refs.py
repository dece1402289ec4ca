"""Counts of references to what was there before a window."""

import functools
import gc
import importlib.util
import itertools
import sys
import unittest

from driver import BRIDGE, BridgeCase, increments

LOSES = """
    import ctypes
    import time
    import unittest

    take = ctypes.pythonapi.Py_IncRef
    give = ctypes.pythonapi.Py_DecRef
    take.argtypes = give.argtypes = [ctypes.py_object]
    take.restype = give.restype = None


    class Record:
        zone = object()


    class _Meta(type):
        pass


    class Made(metaclass=_Meta):
        # As Cython's coroutines have it: the attribute is one of their instances.
        __module__ = property(lambda self: "somewhere")


    def handler():
        return "a constant text"


    def of_cache():
        found = CACHE["first"]
        return found


    def lost_below():
        found = of_cache()
        take(found)  # below
        return found


    def given():
        yield CACHE.get("first")


    class _Holder:
        pass


    DEFAULT = Record()
    ROWS = [1000.5]
    NAME = "the name of something".replace("x", "y")
    SPARE = [Record() for _ in range(200)]
    KEPT = []
    ENTRIES = {}
    TEXT = "".join(["a text ", "of two"])
    CACHE = {"first": Record()}
    SECOND = [TEXT, CACHE["first"]]
    HOLDER = _Holder()
    HOLDER.inner = _Holder()
    current = Record()
    stamp = time.time()
    STAMPS = {"last": time.time()}


    class Loses(unittest.TestCase):
        def test_class(self):
            take(Record)  # class

        def test_class_of_a_metaclass(self):
            take(Made)

        def test_instance(self):
            take(DEFAULT)  # instance

        def test_list(self):
            take(ROWS)  # list

        def test_text(self):
            take(NAME)  # text

        def test_constant(self):
            take(handler())  # constant

        def test_attribute(self):
            take(Record.zone)  # attribute

        def test_deep(self):
            take(HOLDER.inner)  # deep

        def test_back(self):
            give(Record)  # back

        def test_back_of_instance(self):
            give(DEFAULT)  # back of instance

        def test_back_of_text(self):
            give(TEXT)  # back of text

        def test_back_of_entry(self):
            give(CACHE["first"])  # back of entry

        def test_twice(self):
            for _ in range(2):
                take(DEFAULT)  # twice

        def test_returned(self):
            take(of_cache())  # returned

        def test_below(self):
            kept = lost_below()
            other = CACHE.get("first")
            self.assertIs(kept, other)

        def test_among_others(self):
            kept = CACHE.get("first")
            for other in given():
                kept = getattr(Record, "nothing", other)
            again = CACHE.setdefault("first", kept)
            take(again)  # among others


    class Keeps(unittest.TestCase):
        def test_paired(self):
            take(Record)
            give(Record)

        def test_instances(self):
            KEPT.append(Record())

        def test_entries(self):
            KEPT.append(DEFAULT)

        def test_pairs(self):
            KEPT.append(("x", NAME))

        def test_keys(self):
            ENTRIES[len(ENTRIES)] = NAME

        def test_removes(self):
            SPARE.pop()

        def test_replaces(self):
            global current
            current = Record()

        def test_stamps(self):
            global stamp
            stamp = time.time()
            STAMPS["last"] = time.time()

        def test_methods(self):
            KEPT.append(DEFAULT.__class__)
"""


class References(BridgeCase):
    files = {"test_loses.py": LOSES}

    def setUp(self):
        super().setUp()
        if self.worker.exactness.get("refs") == "absent":
            self.skipTest("references are not counted on this build")

    def changes(self, name, iterations=6):
        ran = self.worker.run(name, iterations=iterations, warmup=1, survey=True)
        self.assertPassed(ran)
        readings = ran["series"]["refs"]
        return [after - before for before, after in zip(readings, readings[1:])]

    def counted(self, name):
        self.worker.run(name, iterations=1, warmup=1)
        answer = self.worker.answer("counted", do="count", first=6, then=8)
        self.assertPassed(answer)
        return [
            (found["name"], found["type"], sum(found["changes"]) - found["seen"])
            for found in answer["objects"]
            if abs(sum(found["changes"]) - found["seen"]) >= 4
        ]

    def test_what_is_lost_shows_at_each_boundary(self):
        for name in ("class", "instance", "list", "text", "constant", "attribute"):
            with self.subTest(name):
                self.assertEqual(self.changes("test_" + name)[1:], [1] * 5)

    def test_what_is_given_back_too_often_shows_as_a_fall_and_ends_no_process(self):
        self.assertEqual(self.changes("test_back", 80)[1:], [-1] * 79)
        self.assertEqual(self.changes("test_back_of_instance", 80)[1:], [-1] * 79)
        self.assertEqual(self.changes("test_back_of_entry", 80)[1:], [-1] * 79)
        # What fell stays protected once others are counted, however few there are of it.
        self.worker.run("test_back_of_text", iterations=1, warmup=1, survey=True)
        self.assertEqual(self.changes("test_back_of_text", 8)[1:], [-1] * 7)
        self.assertEqual(self.counted("test_back_of_text"), [("test_loses.TEXT", "str", -8)])
        self.assertEqual(self.counted("test_back_of_entry"), [("test_loses.CACHE[…]", "test_loses.Record", -8)])
        self.assertEqual(self.changes("test_paired")[1:], [0] * 5)

    def test_what_keeps_objects_as_python_does_shows_too(self):
        self.assertEqual(self.changes("test_entries")[1:], [1] * 5)
        self.assertEqual(self.changes("test_replaces")[1:], [0] * 5)

    def test_what_nobody_names_any_more_is_let_go(self):
        order = {"warmup": 1, "iterations": 3, "before": True, "between": False, "survey": True, "thaw": False}
        for name in ("test_stamps", "test_paired", "test_stamps"):
            ran = self.worker.answer("ran", do="run", test=self.worker.index(name), **order)
            self.assertPassed(ran)
        self.assertEqual(increments(ran["series"]["blocks"]), [0, 0])

    def test_a_second_look_names_the_object(self):
        for name, expected in (
            ("class", ("test_loses.Record", "type", 8)),
            ("class_of_a_metaclass", ("Made", "type", 8)),
            ("instance", ("test_loses.DEFAULT", "test_loses.Record", 8)),
            ("list", ("test_loses.ROWS", "list", 8)),
            ("text", ("test_loses.NAME", "str", 8)),
            ("constant", ("'a constant text' in test_loses.handler", "str", 8)),
            ("attribute", ("test_loses.Record.zone", "object", 8)),
            ("deep", ("test_loses.HOLDER.inner", "test_loses._Holder", 8)),
            ("twice", ("test_loses.DEFAULT", "test_loses.Record", 16)),
            ("back", ("test_loses.Record", "type", -8)),
            ("back_of_instance", ("test_loses.DEFAULT", "test_loses.Record", -8)),
        ):
            with self.subTest(name):
                self.assertEqual(self.counted("test_" + name), [expected])

    def test_what_is_seen_to_refer_to_it_is_taken_off(self):
        for name in ("paired", "instances", "entries", "pairs", "keys", "removes", "replaces", "methods"):
            with self.subTest(name):
                self.assertEqual(self.counted("test_" + name), [])

    def test_the_call_is_told(self):
        for name, falls in (
            ("class", False),
            ("instance", False),
            ("returned", False),
            ("below", False),
            ("among_others", False),
            ("back", True),
            ("back_of_instance", True),
        ):
            with self.subTest(name):
                self.worker.run("test_" + name, iterations=1, warmup=1)
                counted = self.worker.answer("counted", do="count", first=6, then=8)
                target = counted["objects"][0]["object"]
                answer = self.worker.answer("referred", do="references", iterations=3, target=target, falls=falls)
                self.assertPassed(answer)
                told = [
                    (call["place"][1], [name for name, _ in call["functions"]], call["rises"])
                    for call in answer["calls"]
                    if all(call["rises"])
                ]
                line = self.project.line_of("test_loses.py", "# " + name.replace("_", " "))
                self.assertEqual(told, [(line, ["Py_DecRef" if falls else "Py_IncRef"], [1, 1, 1])])


COMMON = """
    import collections
    import ctypes
    import itertools
    import unittest

    take = ctypes.pythonapi.Py_IncRef
    give = ctypes.pythonapi.Py_DecRef
    take.argtypes = give.argtypes = [ctypes.py_object]
    take.restype = give.restype = None


    class Row:
        def __init__(self):
            self.value = None


    DEFAULT = Row()
    SLOTS = [None] * 1000
    NESTED = {"slots": [(None, None) for _ in range(1000)]}
    ROWS = [Row() for _ in range(1000)]
    NAMES = dict.fromkeys(range(1000))
    QUEUE = collections.deque([None] * 1000)
    turn = itertools.count()


    def steps():
        held = [None] * 1000
        while True:
            held.pop()
            yield DEFAULT


    STEPS = steps()


    class GivesBack(unittest.TestCase):
        def test_none(self):
            give(None)  # none

        def test_true(self):
            give(True)  # true

        def test_ellipsis(self):
            give(...)  # ellipsis

        def test_class(self):
            give(int)  # class

        def test_number(self):
            give(77)  # number

        def test_of_a_module(self):
            give(collections.deque)  # of a module

        def test_beside_slots(self):
            give(None)
            SLOTS[next(turn)] = DEFAULT

        def test_some(self):
            for _ in range(5):
                give(None)


    class Keeps(unittest.TestCase):
        def test_takes_none(self):
            take(None)

        def test_takes_class(self):
            take(int)

        def test_nothing(self):
            self.assertIsNone(DEFAULT.value)

        def test_slots(self):
            SLOTS[next(turn)] = DEFAULT

        def test_nested(self):
            NESTED["slots"][next(turn)] = (DEFAULT, True)

        def test_attributes(self):
            ROWS[next(turn)].value = DEFAULT

        def test_values(self):
            NAMES[next(turn)] = True

        def test_queue(self):
            QUEUE.pop()

        def test_generator(self):
            next(STEPS)

        def test_defines(self):
            class Local(Row):
                pass

            self.assertIsNone(Local().value)

        def test_raises(self):
            with self.assertRaises(ValueError):
                int("no number")
"""

ARRAYS = """
    import itertools
    import unittest

    import numpy

    ROWS = numpy.full(1000, None)
    COLUMNS = {"first": numpy.full((10, 100), None).T}
    VALUE = object()
    turn = itertools.count()


    class Keeps(unittest.TestCase):
        def test_rows(self):
            ROWS[next(turn)] = VALUE

        def test_columns(self):
            COLUMNS["first"][next(turn)][0] = VALUE
"""


def counted(case, name):
    """What changes by more than is seen to refer to it."""
    case.worker.run(name, iterations=1, warmup=1)
    answer = case.worker.answer("counted", do="count", first=6, then=8)
    case.assertPassed(answer)
    return [(one["name"], sum(one["changes"]) - one["seen"]) for one in answer["objects"]]


@unittest.skipIf(sys.getrefcount(None) > 1 << 28, "what everybody uses cannot be freed")
class Everybodys(BridgeCase):
    files = {"test_common.py": COMMON}

    def increments(self, name, **order):
        order = {"survey": True, "thaw": False, "before": False, "between": True, "warmup": 1, "iterations": 9, **order}
        ran = self.worker.answer("ran", do="run", test=self.worker.index(name), **order)
        self.assertPassed(ran)
        return increments(ran["series"]["refs"])

    def test_what_is_given_back_too_often_shows_as_a_fall(self):
        for name in ("none", "true", "ellipsis", "class", "of_a_module"):
            with self.subTest(name):
                # What tells by itself that it runs comes and goes in the first iterations of a process.
                self.increments("test_" + name)
                self.assertEqual(self.increments("test_" + name)[-4:], [-1] * 4)
        self.assertEqual(self.increments("test_some")[-4:], [-5] * 4)
        # What rises beside it is not made up for.
        self.assertEqual(self.increments("test_beside_slots")[-4:], [1] * 4)

    def test_it_shows_where_only_the_last_of_some_iterations_is_read(self):
        self.increments("test_none")
        self.assertEqual(self.increments("test_none", before=True, between=False, iterations=4)[-1], -4)
        self.assertEqual(self.increments("test_nothing", before=True, between=False, iterations=4)[-1], 0)

    def test_nobody_sees_it_freed(self):
        # There are far fewer references to it.
        self.assertEqual(self.increments("test_ellipsis", iterations=900)[-4:], [-1] * 4)
        self.assertEqual(self.increments("test_true", iterations=2000)[-4:], [-1] * 4)
        self.assertEqual(counted(self, "test_ellipsis"), [("Ellipsis", -8)])

    def test_a_second_look_names_it(self):
        for name, expected in (
            ("none", [("None", -8)]),
            ("true", [("True", -8)]),
            ("ellipsis", [("Ellipsis", -8)]),
            ("class", [("int", -8)]),
            ("of_a_module", [("collections.deque", -8)]),
            ("beside_slots", [("None", -8)]),
            ("some", [("None", -40)]),
        ):
            with self.subTest(name):
                self.assertEqual(counted(self, "test_" + name), expected)

    @unittest.skipIf(sys.version_info >= (3, 11), "small numbers cannot be freed")
    def test_small_numbers_are_counted_too(self):
        self.increments("test_number")
        self.assertEqual(self.increments("test_number")[-4:], [-1] * 4)
        self.assertEqual(counted(self, "test_number"), [("77", -8)])

    def test_what_is_lost_of_it_is_not_told(self):
        for name in ("takes_none", "takes_class"):
            with self.subTest(name):
                self.increments("test_" + name)
                self.assertEqual(self.increments("test_" + name)[-4:], [0] * 4)
                self.assertEqual(counted(self, "test_" + name), [])

    def test_what_held_it_before_is_taken_off(self):
        names = "nothing slots nested attributes values queue generator defines raises"
        for name in names.split():
            with self.subTest(name):
                self.assertEqual(counted(self, "test_" + name), [])

    def test_what_merely_uses_it_shows_no_fall(self):
        for name in ("nothing", "defines", "raises"):
            with self.subTest(name):
                self.increments("test_" + name)
                self.assertEqual(self.increments("test_" + name)[-4:], [0] * 4)

    def test_the_call_is_told(self):
        for name in ("none", "true", "class"):
            with self.subTest(name):
                counted(self, "test_" + name)
                answer = self.worker.answer("counted", do="count", first=6, then=8)
                target = answer["objects"][0]["object"]
                answer = self.worker.answer("referred", do="references", iterations=4, target=target, falls=True)
                self.assertPassed(answer)
                told = [call["place"][1] for call in answer["calls"] if call["rises"][1:] == [1, 1, 1]]
                self.assertEqual(told, [self.project.line_of("test_common.py", "# " + name)])


@unittest.skipUnless(importlib.util.find_spec("numpy"), "numpy is not installed for " + sys.executable)
class Arrays(BridgeCase):
    files = {"test_arrays.py": ARRAYS}

    def test_entries_of_arrays_are_seen(self):
        for name in ("rows", "columns"):
            with self.subTest(name):
                self.assertEqual(counted(self, "test_" + name), [])


class Chosen(unittest.TestCase):
    def test_containers_in_a_container_are_left_to_the_watch(self):
        sys.path.insert(0, BRIDGE)
        self.addCleanup(sys.path.remove, BRIDGE)
        from leakcheck_bridge import refs

        rows = [["a row that is watched"], {"a": "table"}, " ".join(("a", "text"))]
        entries = refs.Cohort._chosen([(rows, "rows")])[1]
        found = [entry for entry in rows if any(entry is other for other in entries)]
        self.assertEqual(found, ["a text"])

    def test_what_an_owner_tells_of_is_seen_once(self):
        sys.path.insert(0, BRIDGE)
        self.addCleanup(sys.path.remove, BRIDGE)
        from leakcheck_bridge import outcome, refs

        class Meter:
            settle = staticmethod(gc.collect)

            @staticmethod
            def heap():
                return 0

            threads = heap

        numbers = itertools.count(1000)

        @functools.lru_cache(maxsize=1000)
        def cached(number):
            return [number]

        def iterate():
            cached(next(numbers))
            return outcome.OK

        iterate()
        look = refs.Look(Meter)
        self.addCleanup(look.close)
        self.addCleanup(gc.unfreeze)
        found = look.run(iterate, 6, 16)[1]["objects"]
        self.assertEqual([one for one in found if one["type"] == "type"], [])


if __name__ == "__main__":
    unittest.main()
