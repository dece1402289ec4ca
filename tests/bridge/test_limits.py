"""Limits of a project's own caches, found by lowering them."""

import time
import unittest

from driver import BridgeCase, increments, needs_pytest

SHOP = """
    import functools
    import itertools
    import queue
    import threading

    numbers = itertools.count()

    class Shelf:
        ROOM_LIMIT = 800

        def __init__(self, capacity):
            self.capacity = capacity
            self.goods = []

        def put(self, thing):
            if len(self.goods) >= min(self.capacity, self.ROOM_LIMIT):
                del self.goods[0]
            self.goods.append(thing)

    SMALL = Shelf(700)
    LARGE = Shelf(900)
    CYCLES = Shelf(680)

    class Exact:
        # Drops one only when it holds exactly as many as it may, and keeps a second container beside.

        def __init__(self):
            self.capacity = 750
            self.rows, self.order = {}, []

        def put(self, key):
            if len(self.rows) == self.capacity:
                del self.rows[self.order.pop(0)]
            self.rows[key] = 1
            self.order.append(key)

    EXACT = Exact()

    class Pool:
        # Closes most of them when it holds exactly so many, once the newest is in.

        def __init__(self):
            self.most, self.idle = 760, []

        def put(self, thing):
            self.idle.append(thing)
            if len(self.idle) == self.most:
                del self.idle[4:]

    POOL = Pool()

    class Slotted:
        __slots__ = ("kept", "most")

    SLOTTED = Slotted()
    SLOTTED.kept, SLOTTED.most = set(), 600

    MAX_NAMES = 500
    NAMES = {}
    LOG = []
    max_log = 400

    def captured(size):
        known = {}
        def know(key):
            if len(known) < size:
                known[key] = key
        return know

    KNOW = captured(300)

    class Numbered:
        # Set back, it would give keys once more that are there already.
        count = 0
        found = {}

    class Literal:
        kept = {}

        def put(self, key):
            if len(self.kept) >= 650:
                self.kept.clear()
            self.kept[key] = 1

        def look(self, text):
            return text if len(text) < 90 else text[:90]

    class Options:
        def __init__(self):
            self.entries = {"max_kept": 550}

    class Settled:
        def __init__(self):
            self.options = Options()
            self.kept = []

        def put(self, thing):
            self.kept.append(thing)
            if len(self.kept) > self.options.entries["max_kept"]:
                del self.kept[0]

    SETTLED = Settled()

    class Bytes:
        def __init__(self):
            self.max_bytes, self.used, self.kept = 5000000, 0, []

        def put(self, thing):
            self.kept.append(thing)
            self.used += len(thing)
            while self.used > self.max_bytes:
                self.used -= len(self.kept.pop(0))

    BYTES = Bytes()

    class Weighed:
        # Holds so many bytes, and refuses what is larger than that.

        def __init__(self):
            self.maxsize = 3000000
            self.currsize = 0
            self.pages = {}

        def put(self, key):
            page = b"%06d" % key * 200
            if len(page) > self.maxsize:
                raise ValueError("value too large")
            while self.currsize + len(page) > self.maxsize:
                self.currsize -= len(self.pages.pop(next(iter(self.pages))))
            self.pages[key] = page
            self.currsize += len(page)

    WEIGHED = Weighed()

    class Turning:
        size = 450

        def __init__(self):
            self.young, self.old = {}, {}

        def put(self, key):
            self.young[key] = []
            if len(self.young) >= self.size:
                self.old, self.young = self.young, {}

    TURNING = Turning()

    class Itself:
        def __init__(self):
            self.itself = self

    QUEUE = queue.Queue(maxsize=350)

    class Local:
        def __init__(self):
            self.max_size, self.local = 620, threading.local()

        def put(self, thing):
            if not hasattr(self.local, "kept"):
                self.local.kept = []
            if len(self.local.kept) >= self.max_size:
                self.local.kept.pop(0)
            self.local.kept.append(thing)

    LOCAL = Local()

    class Waiting:
        def __init__(self):
            self.limit, self.kept, self.changed = 750, [], threading.Condition()

        def put(self, thing):
            with self.changed:
                while len(self.kept) >= self.limit:
                    self.changed.wait()
                self.kept.append(thing)

    WAITING = Waiting()

    class Squishy(dict):
        # Is trimmed to its limit when it holds half as many more.
        __slots__ = ("capacity",)

        def __setitem__(self, key, value):
            dict.__setitem__(self, key, value)
            if len(self) > 1.5 * self.capacity:
                for old in list(self)[:-self.capacity]:
                    del self[old]

    SQUISHY = Squishy()
    SQUISHY.capacity = 640

    @functools.lru_cache(maxsize=128)
    def parsed(key):
        return [key]

    PAIRED = Shelf(710)
    USED = Shelf(690)
    USED.goods.extend([None] * 60)

    class Base:
        __slots__ = ("limit", "kept")

    class Refusing(Base):
        __slots__ = ()

        @property
        def limit(self):
            return 660

        @limit.setter
        def limit(self, value):
            raise RuntimeError("not mine to change")

    REFUSING = Refusing()
    REFUSING.kept = []

    class Hiding:
        LIMIT = 670

        def __init__(self):
            self.kept = []

        @property
        def __dict__(self):
            raise RuntimeError("nothing to see")

    HIDING = Hiding()

    class Turned(list):
        limit = 640

        def __reversed__(self):
            raise RuntimeError("no way back")

    TURNED = Turned()

    def limits():
        return [SMALL.capacity, LARGE.capacity, Shelf.ROOM_LIMIT, SLOTTED.most, MAX_NAMES, max_log,
                KNOW.__closure__[1].cell_contents, 650 in Literal.put.__code__.co_consts,
                SETTLED.options.entries["max_kept"], BYTES.max_bytes, WEIGHED.maxsize, Turning.size, QUEUE.maxsize,
                WAITING.limit, LOCAL.max_size, SQUISHY.capacity]
"""

TESTS = """
    import unittest
    import shop

    class Ends(unittest.TestCase):
        def test_attribute(self):
            shop.SMALL.put([1])

        def test_class(self):
            shop.LARGE.put([1])

        def test_exact(self):
            shop.EXACT.put(next(shop.numbers))

        def test_exact_afterwards(self):
            shop.POOL.put(next(shop.numbers))

        def test_slot(self):
            if len(shop.SLOTTED.kept) >= shop.SLOTTED.most:
                shop.SLOTTED.kept.pop()
            shop.SLOTTED.kept.add(next(shop.numbers))

        def test_module(self):
            if len(shop.NAMES) >= shop.MAX_NAMES:
                shop.NAMES.clear()
            shop.NAMES[next(shop.numbers)] = "x"

        def test_closure(self):
            shop.KNOW(next(shop.numbers))

        def test_literal(self):
            shop.Literal().put(next(shop.numbers))

        def test_settings(self):
            shop.SETTLED.put([1])

        def test_bytes(self):
            shop.BYTES.put(bytes(700))

        def test_weighed(self):
            shop.WEIGHED.put(next(shop.numbers))

        def test_turning(self):
            shop.TURNING.put(next(shop.numbers))

        def test_cycles(self):
            shop.CYCLES.put(shop.Itself())

        def test_overshoots(self):
            shop.SQUISHY[next(shop.numbers)] = []

        def test_two(self):
            shop.parsed(next(shop.numbers))
            shop.PAIRED.put([1])

        def test_used_before(self):
            shop.USED.put([1])

        def test_queue(self):
            shop.QUEUE.put([1])

        def test_local(self):
            shop.LOCAL.put([1])

        def test_waits_when_full(self):
            shop.WAITING.put([1])

        def test_nobody_looks(self):
            shop.LOG.append([1])

        def test_fails_when_full(self):
            self.assertLess(len(shop.LOG), shop.max_log)
            shop.LOG.append([1])

        def test_counts(self):
            shop.Numbered.count += 2
            shop.Numbered.found[shop.Numbered.count // 2] = 1

        def test_refuses(self):
            shop.REFUSING.kept.append([1])

        def test_hides(self):
            shop.HIDING.kept.append([1])

        def test_turned(self):
            shop.TURNED.append([1])

        def test_unchanged(self):
            limits = [700, 900, 800, 600, 500, 400, 300, True, 550, 5000000, 3000000, 450, 350, 750, 620, 640]
            self.assertEqual(shop.limits(), limits)
"""


#: As the other half says it.
REACH = {
    "names": "limit max most size capacity count",
    "highest": 64000000,
    "literals": [64, 1000000],
    "settings": 100,
    "levels": 3,
    "above": 5,
    "walks": 24,
}
GAIN = {"iterations": 2, "most": 6, "crowd": 1000000, "data": 1000}


class Found(BridgeCase):
    runner = "unittest"
    files = {"shop.py": SHOP, "test_shop.py": TESTS}

    def gain(self, name):
        self.assertPassed(self.worker.run(name, iterations=4, warmup=1))
        self.filled = self.worker.fill()
        return self.worker.answer("gained", do="gain", **GAIN)

    #: The one that grew whose numbers are lowered.
    container = 0

    def beside(self, container=0):
        """`[name, nearness, value]` of the numbers beside a container."""
        self.told = self.worker.answer("beside", do="beside", container=container, reach=REACH)
        return self.told["numbers"]

    def lower(self, number, value, iterations=4, patience=2.0):
        order = {"container": self.container, "number": number, "value": value}
        return self.worker.answer("lowered", do="lower", iterations=iterations, patience=patience, **order)

    def find(self, name, wanted, limit):
        """Which of the numbers beside what a test fills that is, and how many entries there are."""
        containers, before = self.gain(name)["containers"], 0
        # Which of two that grow alike comes first is chance.
        for self.container in range(len(containers)):
            numbers = self.beside(self.container)
            if [wanted, 0, limit] in numbers:
                return before + numbers.index([wanted, 0, limit]), self.told["lengths"][self.container]
            before += len(numbers)
        raise AssertionError("{} is beside none of {}".format(wanted, containers))

    def assertUnchanged(self):
        """Whatever was lowered is as it was."""
        self.assertPassed(self.worker.run("test_unchanged", iterations=1, warmup=1))

    def test_a_number_is_found_lowered_and_put_back(self):
        for name, kind, wanted, limit, nearness in (
            ("test_attribute", "list", "shop.Shelf.capacity", 700, 0),
            ("test_class", "list", "shop.Shelf.ROOM_LIMIT", 800, 0),
            ("test_slot", "set", "shop.Slotted.most", 600, 0),
            ("test_module", "dict", "shop.MAX_NAMES", 500, 0),
            ("test_closure", "dict", "shop.captured.know.size", 300, 0),
            ("test_literal", "dict", "shop.Literal.put", 650, 1),
            ("test_settings", "list", "shop.Options.entries.max_kept", 550, 2),
            ("test_turning", "dict", "shop.Turning.size", 450, 0),
            ("test_exact_afterwards", "list", "shop.Pool.most", 760, 0),
            ("test_overshoots", "Squishy", "shop.Squishy.capacity", 640, 0),
            ("test_local", "list", "shop.Local.max_size", 620, 0),
        ):
            with self.subTest(name):
                gained = self.gain(name)
                self.assertEqual([found[1:] for found in gained["containers"]], [[kind, 2]])
                self.assertIn([wanted, nearness, limit], self.beside())
                number = self.told["numbers"].index([wanted, nearness, limit])
                (full,) = self.told["lengths"]
                self.assertEqual(full, gained["lengths"][0] + 1)
                # What is emptied only when it is exactly full, and what is trimmed late.
                ahead = {"test_exact_afterwards": 1, "test_overshoots": -full + full // 4}.get(name, 0)
                lowered = self.lower(number, full + ahead)
                self.assertEqual((lowered["late"], lowered["refused"], len(lowered["each"])), (False, False, 4))
                self.assertEqual(lowered["values"][number], limit)
                falls = ("test_module", "test_literal", "test_exact_afterwards", "test_overshoots")
                self.assertEqual(min(lowered["each"]) < full, name in falls, lowered)
                if name not in falls:
                    self.assertLessEqual(lowered["each"][-1], max(full, lowered["each"][0]))
                # One that was put aside for another stays as it is; in a set there is no newest.
                self.assertEqual(lowered["same"], name in ("test_turning", "test_slot", "test_closure"))
                low = 4 if name in (*falls, "test_turning") else lowered["lengths"][0]
                window = self.worker.hold(6, [[number, low]])
                self.assertStatus(window, "passed")
                # What is emptied when it is full, or put aside, rises and falls.
                most, series = 4 if low == 4 else 0, window["series"]
                self.assertLessEqual(series["items"][-1] - series["items"][0], most)
                self.assertLessEqual(series["blocks"][-1] - series["blocks"][0], 2 * most)
                self.assertUnchanged()

    def test_one_that_drops_only_when_it_is_exactly_full(self):
        number, _ = self.find("test_exact", "shop.Exact.capacity", 750)
        full = max(self.lower(number, self.told["lengths"][0])["lengths"])
        window = self.worker.hold(6, [[number, full]])
        self.assertEqual(set(increments(window["series"]["items"])), {0})

    def test_one_beside_a_cache_that_says_its_own(self):
        number, full = self.find("test_two", "shop.Shelf.capacity", 710)
        ((kind, name, _, most),) = self.filled
        self.assertEqual((kind, name, most), ("lru_cache", "shop.parsed", 128))
        self.assertGreater(min(increments(self.worker.hold(6)["series"]["blocks"])[1:]), 0)
        window = self.worker.hold(6, [[number, full]])
        self.assertEqual(set(increments(window["series"]["blocks"])), {0})

    def test_what_others_put_in_is_dropped_in_iterations_before_the_window(self):
        number, full = self.find("test_used_before", "shop.Shelf.capacity", 690)
        window = self.worker.hold(6, [[number, full]], through=full)
        self.assertEqual(set(increments(window["series"]["blocks"])), {0})
        self.assertUnchanged()

    def test_what_ends_is_told_by_its_identity(self):
        # Both that the cache consists of.
        self.assertEqual(len({found[0] for found in self.gain("test_exact")["containers"]}), 2)
        self.assertPassed(self.worker.run("test_queue", iterations=4, warmup=1))
        answer = self.worker.answer("filled", do="fill", warmup=1, iterations=2, quick=False)
        (((identity, (kind, _, size, most))),) = answer["filled"]
        self.assertEqual((kind, most), ("Queue", 350))
        self.assertLess(size, 60)
        self.assertGreater(identity, 0)
        # The standard library's own is not looked at for numbers.
        self.assertEqual(len(self.worker.answer("gained", do="gain", **GAIN)["containers"]), 1)
        self.assertEqual(self.beside(), [])
        self.assertFalse(self.told["passed"])

    def test_one_of_bytes_has_a_number_beside_it_that_counts(self):
        number, full = self.find("test_weighed", "shop.Weighed.maxsize", 3000000)
        # As small as the number of its entries it refuses everything.
        self.assertEqual(self.lower(number, full)["each"], [])
        (counting,) = [at for at, (name, _, _) in enumerate(self.told["numbers"]) if name == "shop.Weighed.currsize"]
        now = self.told["values"][counting]
        self.assertGreater(now, self.told["numbers"][counting][2])
        self.assertEqual(self.lower(number, now)["each"], [full] * 4)
        self.assertUnchanged()

    def test_one_of_bytes_is_emptied_where_it_is_as_small_as_its_entries(self):
        number, full = self.find("test_bytes", "shop.Bytes.max_bytes", 5000000)
        self.assertLess(self.lower(number, full)["each"][-1], full)
        window = self.worker.hold(6, [[number, 4]])
        self.assertEqual(set(increments(window["series"]["blocks"])), {0})

    def test_what_it_drops_is_freed_where_only_the_collector_can(self):
        number, full = self.find("test_cycles", "shop.Shelf.capacity", 680)
        self.worker.hold(6, [[number, full]])
        window = self.worker.hold(6, [[number, full]], thaw=True, warmup=0)
        # A first iteration may need something once.
        self.assertEqual(set(increments(window["series"]["blocks"])[1:]), {0})

    def test_a_test_that_waits_for_room_is_let_go(self):
        begun = time.monotonic()
        number, full = self.find("test_waits_when_full", "shop.Waiting.limit", 750)
        lowered = self.lower(number, full)
        self.assertTrue(lowered["late"] or not lowered["each"], lowered)
        self.assertLess(time.monotonic() - begun, 60)
        self.assertUnchanged()

    def test_what_only_looks_like_one_is_none(self):
        number, full = self.find("test_nobody_looks", "shop.max_log", 400)
        self.assertEqual(self.lower(number, full)["each"], [full + 1, full + 2, full + 3, full + 4])
        number, full = self.find("test_fails_when_full", "shop.max_log", 400)
        self.assertEqual(self.lower(number, full)["each"], [])
        # One that counts.
        self.gain("test_counts")
        self.beside()
        told = zip(self.told["numbers"], self.told["values"])
        self.assertEqual([now - before for (name, _, before), now in told if name == "shop.Numbered.count"], [2])
        self.assertUnchanged()

    def test_what_was_lowered_grows_on(self):
        number, full = self.find("test_attribute", "shop.Shelf.capacity", 700)
        self.lower(number, full)
        answer = self.worker.answer(
            "ran", do="run", test=self.worker.index("test_attribute"), thaw=True, survey=True, warmup=1, iterations=4
        )
        self.assertEqual(increments(answer["series"]["items"]), [1] * 4)

    def test_what_the_project_does_not_let_be_set_is_told(self):
        number, full = self.find("test_refuses", "shop.Refusing.limit", 660)
        lowered = self.lower(number, full)
        self.assertEqual((lowered["refused"], lowered["each"]), (True, []))
        self.assertEqual(lowered["values"][number], 660)

    def test_what_raises_when_it_is_looked_at_is_left_out(self):
        number, full = self.find("test_hides", "shop.Hiding.LIMIT", 670)
        self.assertEqual(self.lower(number, full)["refused"], False)
        # The newest of them is asked for, and not had.
        number, full = self.find("test_turned", "shop.Turned.limit", 640)
        self.assertEqual(self.lower(number, full)["refused"], True)
        self.assertUnchanged()

    def test_an_error_of_the_search_is_told_as_one(self):
        worker = self.start(self.files)
        worker.run("test_attribute", iterations=1, warmup=1)
        worker.answer("gained", do="gain", **GAIN)
        answer = worker.call(do="beside", container=7, reach=REACH)
        self.assertEqual((answer["re"], answer["foreign"]), ("error", False))

    def test_nothing_is_held_once_another_order_comes(self):
        worker = self.start(self.files)
        worker.run("test_attribute", iterations=1, warmup=1)
        worker.answer("gained", do="gain", **GAIN)
        worker.go_on(1)
        self.assertEqual(worker.call(do="beside", container=0, reach=REACH)["re"], "error")


@needs_pytest
class FoundByPytest(Found):
    runner = "pytest"


if __name__ == "__main__":
    unittest.main()
