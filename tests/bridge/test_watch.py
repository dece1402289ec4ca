"""What is watched beside memory: entries of containers, wider fixtures, what says its own end, tasks, children."""

import random
import sys
import types
import unittest
from unittest import mock

from driver import BATCHES, BRIDGE, BridgeCase, increments, linux_only, needs_pytest

SHOP = """
    import collections
    import functools
    import itertools
    import logging.handlers
    import sys
    import types
    import weakref

    journal = ""
    NUMBERS = itertools.count()
    CACHES = {"default": collections.OrderedDict(history=bytes(600), other=b"")}

    class Lazy:
        # Stands for another that is made when it is first asked for anything, as Django's do.

        @property
        def __class__(self):
            raise LookupError("it was asked for its class")

        def __getattribute__(self, name):
            raise LookupError("it was asked for " + name)

    LAZY = Lazy()
    sys.modules["shop_lazily"] = Lazy()
    # As jinja2's ModuleLoader leaves it.
    sys.modules["shop_gone"] = weakref.proxy(types.ModuleType("gone"))

    ROWS = []
    TURNING = [[number] for number in range(100)]
    KEEP = [None] * 4000
    SHELVES = [[None] * 100 for _ in range(200)]

    class Store:
        def __init__(self):
            self.seen = {}
            self.names = set()

    STORE = Store()
    late = None

    def opened():
        global late
        if late is None:
            late = Store()
            late.rows = []
        return late

    class Rows(list):
        pass

    class Book:
        def __init__(self):
            self.raw = bytearray()
            self.rows = Rows()
            self.flags = {}

    BOOKS = {}

    def remember(row, _done=collections.deque()):
        _done.append(row)

    def counter():
        count = bytearray()
        def add():
            count.extend(b"x")
        return add

    add = counter()

    class Liar(list):
        def __len__(self):
            raise AssertionError("the project's own code was run")

    LIAR = Liar()
    RING = collections.deque(maxlen=300)
    RING.extend([None] * 20)
    HANDLER = logging.handlers.MemoryHandler(1000)
    NUMBERS = iter(range(10 ** 9))

    @functools.lru_cache(maxsize=300)
    def parsed(number):
        return [number]

    @functools.lru_cache(maxsize=None)
    def for_ever(number):
        return [number]
"""

TESTS = """
    import asyncio
    import logging
    import subprocess
    import sys
    import unittest

    import shop

    LOOP = asyncio.new_event_loop()
    CHILDREN = [None] * 100
    TASKS = [None] * 100

    def put(slots, value):
        slots[slots.index(None)] = value

    class Items(unittest.TestCase):
        def test_list(self):
            shop.ROWS.append(None)

        def test_dict_of_an_object(self):
            shop.STORE.seen[len(shop.STORE.seen) - 5] = None

        def test_default(self):
            shop.remember(None)

        def test_closure(self):
            shop.add()

        def test_own_length(self):
            shop.LIAR.append(None)

        def test_path(self):
            sys.path.append("")

        def test_text(self):
            shop.journal += "line" * 10

        def test_entry_written_again(self):
            shelf = shop.CACHES["default"]
            shelf["history"] += b"line" * 10
            shelf.move_to_end("history")

        def test_entries_take_turns(self):
            shelf = shop.CACHES["default"]
            for name in ("one", "two"):
                shelf[name] = bytes(600 + next(shop.NUMBERS))
                shelf.move_to_end(name, last=False)

        def test_nothing(self):
            pass

    class Late(unittest.TestCase):
        def test_makes(self):
            self.assertEqual(shop.opened().rows, [])

        def test_fills_what_another_made(self):
            shop.opened().rows.append(None)

        def test_makes_and_fills(self):
            shop.STORE.__dict__.setdefault("own", []).append(None)

        def test_makes_and_fills_a_subclass(self):
            shop.BOOKS.setdefault("a", shop.Book()).rows.append(None)

        def test_makes_and_fills_bytes(self):
            shop.BOOKS.setdefault("b", shop.Book()).raw.extend(b"x")

        def test_makes_and_fills_what_holds_no_object(self):
            flags = shop.BOOKS.setdefault("c", shop.Book()).flags
            flags[len(flags)] = True

        def test_replaces(self):
            shop.STORE.last = [shop.STORE]

        def test_fills_one_and_takes_another(self):
            shop.STORE.names.add(1)
            shop.STORE.names = set()

        def test_puts_elsewhere(self):
            for source, target in ((0, 199), (1, 2)):
                shop.SHELVES[source].pop()
                shop.SHELVES[target].append(None)

        def test_turns(self):
            # The oldest of many goes for each that comes.
            shop.TURNING.append([shop.STORE])
            del shop.TURNING[0]

    class Ends(unittest.TestCase):
        def test_cache(self):
            shop.parsed(next(shop.NUMBERS))

        def test_cache_again(self):
            for _ in range(3):
                shop.parsed(next(shop.NUMBERS))

        def test_cache_of_the_same(self):
            shop.parsed(-1)

        def test_cache_for_ever(self):
            shop.for_ever(next(shop.NUMBERS))

        def test_ring(self):
            shop.RING.append([])

        def test_handler(self):
            shop.HANDLER.emit(logging.makeLogRecord({"msg": "x" * 60, "levelno": 10}))

        def test_both(self):
            shop.parsed(next(shop.NUMBERS))
            shop.KEEP[shop.KEEP.index(None)] = []

    class Resources(unittest.TestCase):
        def test_child(self):
            put(CHILDREN, subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE))

        def test_task(self):
            async def waits():
                await asyncio.sleep(3600)
            put(TASKS, LOOP.create_task(waits()))
"""


class Watched(BridgeCase):
    runner = "unittest"
    files = {"shop.py": SHOP, "test_shop.py": TESTS}

    def look(self, name, iterations=6):
        answer = self.worker.answer(
            "ran", do="run", test=self.worker.index(name), thaw=True, survey=True, warmup=2, iterations=iterations
        )
        self.assertPassed(answer)
        return answer["series"]

    def test_entries_are_counted_and_their_container_is_named(self):
        for name, container in (
            ("test_list", "shop.ROWS"),
            ("test_dict_of_an_object", "shop.STORE.seen"),
            ("test_default", "shop.remember.<default>"),
            ("test_closure", "shop.add.<count>"),
            ("test_path", "sys.path"),
        ):
            with self.subTest(name):
                self.assertEqual(increments(self.look(name)["items"]), [1] * 6)
                (found,) = self.worker.answer("grown", do="grown", iterations=6)["containers"]
                self.assertEqual(found, [container, 6])

    def test_a_text_that_is_lengthened_is_named_where_no_container_gains_entries(self):
        self.look("test_text")
        (found,) = self.worker.answer("grown", do="grown", iterations=6)["containers"]
        self.assertEqual(found, ["shop.journal", 240])

    def test_an_entry_that_is_written_again_longer_is_named(self):
        self.look("test_entry_written_again")
        (found,) = self.worker.answer("grown", do="grown", iterations=6)["containers"]
        self.assertEqual(found, ["shop.CACHES[\u2026][\u2026]", 240])

    def test_entries_of_any_length_that_take_turns_are_not_named(self):
        self.look("test_entries_take_turns")
        self.assertEqual(self.worker.answer("grown", do="grown", iterations=6)["containers"], [])

    def test_what_gains_nothing_is_flat(self):
        self.assertEqual(increments(self.look("test_nothing")["items"]), [0] * 6)
        self.assertEqual(self.worker.answer("grown", do="grown", iterations=6)["containers"], [])

    def test_what_one_loses_does_not_hide_what_another_gains(self):
        self.assertEqual(increments(self.look("test_puts_elsewhere")["items"]), [2] * 6)

    def test_what_is_gained_is_counted_from_where_each_was_shortest(self):
        sys.path.insert(0, BRIDGE)
        self.addCleanup(sys.path.remove, BRIDGE)
        from leakcheck_bridge import watch

        chance = random.Random(7)
        lists = [[None] * chance.randrange(400) for _ in range(300)]
        watched = watch.Watch()
        watched._containers = lists
        watched._begin()
        least = [len(one) for one in lists]
        self.assertEqual(watched.total(), 0)
        for _ in range(300):
            for one in chance.sample(lists, chance.choice((0, 1, 2, 40))):
                if chance.random() < 0.5:
                    one.append(None)
                else:
                    del one[-chance.randrange(1, 4) :]
            least = [min(length, len(one)) for length, one in zip(least, lists)]
            self.assertEqual(watched.total(), sum(len(one) - length for one, length in zip(lists, least)))

    def test_what_two_modules_have_is_named_by_the_deeper_one_and_not_by_tests(self):
        sys.path.insert(0, BRIDGE)
        self.addCleanup(sys.path.remove, BRIDGE)
        from leakcheck_bridge import watch

        names = ["tests.unit.test_shop", "lark", "lark.utils", "conftest", "lark.parsers.earley", "contest"]
        modules = {name: types.ModuleType(name) for name in names}
        apps = type("Apps", (), {"__module__": "lark.utils"})()
        for module in modules.values():
            module.logger = names
            module.apps = apps
        with mock.patch.dict(sys.modules, modules):
            roots, _ = watch._roots(())
        found = [name for obj, name in roots if obj is names]
        deep = ["lark.parsers.earley.logger", "lark.utils.logger", "contest.logger", "lark.logger"]
        self.assertEqual(found, [*deep, "tests.unit.test_shop.logger", "conftest.logger"])
        # The module of its class, where that has it.
        found = [name for obj, name in roots if obj is apps]
        self.assertEqual(found[:2], ["lark.utils.apps", "lark.parsers.earley.apps"])

    def test_a_length_of_the_projects_own_is_not_asked_for(self):
        self.assertEqual(increments(self.look("test_own_length")["items"]), [0] * 6)

    def screened(self, name, survey=False):
        """The answer to a first look."""
        index = self.worker.index(name)
        answer = self.worker.answer(
            "ran", do="run", test=index, thaw=False, survey=survey, warmup=1, before=True, iterations=4
        )
        self.assertPassed(answer)
        return answer

    def test_what_a_test_before_it_made_is_watched(self):
        self.assertEqual(increments(self.screened("test_makes", survey=True)["series"]["items"]), [0] * 5)
        filled = self.screened("test_fills_what_another_made")["series"]
        # In the first iteration as well, in which what the runner had left goes.
        self.assertEqual(increments(filled["items"]), [1] * 5)
        (found,) = self.worker.answer("grown", do="grown", iterations=6)["containers"]
        self.assertEqual(found, ["shop.late.rows", 6])

    def test_what_a_test_made_itself_is_told_and_then_watched(self):
        self.assertFalse(self.screened("test_nothing", survey=True)["filling"])
        answer = self.screened("test_makes_and_fills")
        self.assertEqual((increments(answer["series"]["items"])[1:], answer["filling"]), ([0] * 4, True))
        answer = self.worker.answer("ran", do="run", survey=True, warmup=0, iterations=4)
        self.assertEqual(increments(answer["series"]["items"]), [1] * 4)
        (found,) = self.worker.answer("grown", do="grown", iterations=6)["containers"]
        self.assertEqual(found[1], 6)
        # The collector shows none of these but the first.
        for name in ("_a_subclass", "_bytes", "_what_holds_no_object"):
            self.assertTrue(self.screened("test_makes_and_fills" + name)["filling"], name)
        # Where the window opens after the warm-up, so does the survey.
        self.assertEqual(increments(self.look("test_makes_and_fills")["items"]), [1] * 6)

    def test_what_iterations_replace_is_not_kept(self):
        for name in ("test_nothing", "test_replaces", "test_nothing"):
            self.screened(name, survey=name == "test_replaces")
        for _ in range(BATCHES):
            # In the first iteration as well, though it replaces what the runner made in the test before.
            grown = increments(self.screened("test_nothing")["series"]["blocks"])
            if not any(grown):
                break
        self.assertEqual(grown, [0] * 5)
        self.assertFalse(self.screened("test_replaces")["filling"])

    def bound(self, name):
        self.assertEqual(set(increments(self.look(name)["blocks"])) - {1, 2, 3, 4, 5, 6, 7, 8, 9}, set())
        return self.worker.fill()

    def test_what_says_its_end_is_found_and_explains_the_growth(self):
        for name, kind, own, most in (
            ("test_cache", "lru_cache", "shop.parsed", 300),
            ("test_ring", "deque", "", 300),
            ("test_handler", "MemoryHandler", "", 1000),
        ):
            with self.subTest(name):
                filled = self.bound(name)
                for _ in range(BATCHES):
                    (found,) = filled
                    self.assertEqual((found[0], found[1], found[3]), (kind, own, most))
                    self.assertTrue(0 < found[2] <= most, found)
                    grown = increments(self.worker.hold(6)["series"]["blocks"])
                    if not any(grown):
                        break
                    # The interpreter's own single steps, as in `assertGrows`.
                    filled = self.worker.fill()
                self.assertEqual(grown, [0] * 6)

    def first_look(self, name):
        """Increments of blocks after the first iteration, and whether a cache was emptied."""
        answer = self.worker.answer(
            "ran", do="run", test=self.worker.index(name), thaw=True, warmup=1, before=True, iterations=6
        )
        self.assertPassed(answer)
        return increments(answer["series"]["blocks"])[1:], answer["emptied"]

    def ends(self, iterations):
        names = [found[1] for found in self.worker.fill(quick=True)]
        return names, self.worker.hold(iterations) if iterations else None

    def test_a_cache_that_fills_in_one_test_is_emptied_in_those_after_it(self):
        grown, emptied = self.first_look("test_cache")
        self.assertGreater(min(grown), 0)
        self.assertFalse(emptied)
        filled, window = self.ends(8)
        self.assertEqual(filled, ["shop.parsed"])
        self.assertEqual(increments(window["series"]["objects"])[1:], [0] * 7)
        self.assertEqual(self.first_look("test_cache_again"), ([0] * 6, True))
        self.assertEqual(self.ends(0), (["shop.parsed"], None))
        # What it is asked for again and again does not fill it.
        self.assertEqual(self.first_look("test_cache_of_the_same"), ([0] * 6, True))
        self.assertEqual(self.ends(0), ([], None))
        self.assertEqual(self.first_look("test_nothing"), ([0] * 6, False))

    def test_what_came_into_one_that_is_gone_is_gone_with_it(self):
        filled = self.screened("test_fills_one_and_takes_another", survey=True)["series"]
        self.assertEqual(increments(filled["items"]), [0] * 5)

    def test_what_is_replaced_is_let_go(self):
        series = self.look("test_turns", 20)
        self.assertEqual(increments(series["blocks"]), [0] * 20)
        self.assertEqual(increments(series["items"]), [0] * 20)

    def test_what_has_no_end_is_not_explained(self):
        self.assertEqual(self.bound("test_cache_for_ever"), [])

    def test_a_leak_beside_a_cache_still_shows(self):
        self.look("test_both")
        _, window = self.ends(6)
        self.assertEqual(increments(window["series"]["objects"])[1:], [1] * 5)
        self.assertEqual([found[1] for found in self.bound("test_both")], ["shop.parsed"])
        self.assertEqual(increments(self.worker.hold(6)["series"]["objects"])[1:], [1] * 5)

    @linux_only
    def test_children(self):
        self.assertEqual(increments(self.look("test_child", 3)["children"]), [1] * 3)

    def test_tasks(self):
        self.assertEqual(increments(self.look("test_task", 3)["tasks"]), [1] * 3)


@needs_pytest
class WatchedByPytest(Watched):
    runner = "pytest"


@needs_pytest
class HeldByPytest(BridgeCase):
    """What tests fill that hangs from no module of theirs, and what is pytest's own affair."""

    runner = "pytest"
    files = {
        "conftest.py": """
            import pytest

            class Plugin:
                def __init__(self):
                    self.rows = []

            def pytest_configure(config):
                config.pluginmanager.register(Plugin(), "shop")
                config.rows = []

            @pytest.fixture(scope="session")
            def session():
                return {"rows": []}
        """,
        "test_first.py": """
            def test_makes_it(session):
                pass
        """,
        "test_held.py": """
            import abc
            import pytest

            class Shape(abc.ABC):
                pass

            def test_plugin(request):
                request.config.pluginmanager.getplugin("shop").rows.append(None)

            def test_config(request):
                request.config.rows.append(None)

            @pytest.mark.parametrize("rows", [[]])
            def test_parameter(rows):
                rows.append(None)

            def test_fixture(session):
                session["rows"].append(None)

            def test_books(request):
                request.config.stash[pytest.StashKey()] = None
                isinstance(request, Shape)
        """,
    }

    def look(self, name):
        answer = self.worker.answer(
            "ran", do="run", test=self.worker.index(name), thaw=True, survey=True, warmup=1, before=True, iterations=5
        )
        self.assertPassed(answer)
        return increments(answer["series"]["items"])

    def test_what_tests_fill_is_counted_and_named(self):
        self.worker.run("test_makes_it", iterations=1)
        for name, container in (
            ("test_plugin", "plugin shop.rows"),
            ("test_config", "config.rows"),
            ("test_parameter[rows0]", "parameter rows"),
            ("test_fixture", "fixture session[…]"),
        ):
            with self.subTest(name):
                self.assertEqual(self.look(name), [1] * 6)
                (found,) = self.worker.answer("grown", do="grown", iterations=6)["containers"]
                self.assertEqual(found, [container, 6])

    def test_the_books_of_pytest_are_not(self):
        self.assertEqual(self.look("test_books"), [0] * 6)


class Unready(BridgeCase):
    """A type of an extension that was never made ready has no namespace."""

    def test_it_is_passed_over(self):
        worker = self.start(
            {
                "test_it.py": """
                    import ctypes
                    import gc
                    import unittest

                    class Unready:
                        pass

                    KEPT = [Unready]
                    ROWS = []

                    def forget_namespace(cls):
                        pointers = ctypes.sizeof(ctypes.c_void_p)
                        names = {id(found) for found in gc.get_referents(cls) if type(found) is dict}
                        for at in range(id(cls), id(cls) + type.__basicsize__, pointers):
                            if ctypes.c_void_p.from_address(at).value in names:
                                ctypes.c_void_p.from_address(at).value = None
                                return

                    names = vars(Unready)
                    forget_namespace(Unready)
                    assert type.__dict__["__dict__"].__get__(Unready) is None

                    class T(unittest.TestCase):
                        def test_a(self):
                            ROWS.append(None)
                """
            }
        )
        order = {"thaw": True, "survey": True, "before": True, "warmup": 1, "iterations": 4}
        answer = worker.answer("ran", do="run", test=0, **order)
        self.assertPassed(answer)
        self.assertEqual(increments(answer["series"]["items"])[1:], [1] * 4)


class Wider(BridgeCase):
    """Fixtures of class and module, set up anew in each iteration where that is asked for."""

    runner = "unittest"
    files = {
        "test_wider.py": """
            import unittest

            KEPT = [None] * 1000
            CALLS = []

            def put():
                KEPT[KEPT.index(None)] = []

            def setUpModule():
                CALLS.append("module")

            class Leaks(unittest.TestCase):
                @classmethod
                def setUpClass(cls):
                    put()

                def test_a(self):
                    pass

            class Plain(unittest.TestCase):
                def test_b(self):
                    pass
        """
    }

    def look(self, name, wider):
        answer = self.worker.answer(
            "ran", do="run", test=self.worker.index(name), thaw=True, wider=wider, warmup=2, iterations=6
        )
        self.assertPassed(answer)
        self.assertEqual(answer["errors"], [])
        return answer

    def test_they_stand_around_the_iterations_unless_asked_otherwise(self):
        for wider, grows in ((0, 0), (1, 1), (0, 0)):
            answer = self.look("test_a", wider)
            self.assertEqual(increments(answer["series"]["objects"])[1:], [grows] * 5, wider)

    def test_they_are_named(self):
        found = self.look("test_a", 0)["wider"]
        self.assertEqual([name.split(":")[0] for name in found], ["class", "module"])
        self.assertEqual([name.split(":")[0] for name in self.look("test_b", 0)["wider"]], ["module"])


@needs_pytest
class WiderByPytest(Wider):
    runner = "pytest"
    files = {
        "test_wider.py": """
            import pytest

            KEPT = [None] * 1000

            def put():
                KEPT[KEPT.index(None)] = []

            @pytest.fixture(scope="module", autouse=True)
            def module():
                yield

            @pytest.fixture(scope="session")
            def session():
                put()

            class TestLeaks:
                @pytest.fixture(scope="class")
                def leaking(self):
                    put()

                def test_a(self, leaking):
                    pass

            def test_b():
                pass

            def test_s(session):
                pass
        """
    }

    def test_those_of_the_session_are_set_up_anew_only_on_request(self):
        for wider, grows in ((1, 0), (2, 1)):
            answer = self.look("test_s", wider)
            self.assertEqual(increments(answer["series"]["objects"])[1:], [grows] * 5, wider)
            self.assertTrue(any(name.startswith("session:") for name in answer["wider"]) or wider == 2)


if __name__ == "__main__":
    unittest.main()
