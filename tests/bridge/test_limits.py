"""Limits of a project's own caches, found by lowering them."""

import os
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

        def test_unchanged(self):
            limits = [700, 900, 800, 600, 500, 400, 300, True, 550, 5000000, 3000000, 450, 350, 750, 620, 640]
            self.assertEqual(shop.limits(), limits)
"""


class Found(BridgeCase):
    runner = "unittest"
    files = {"shop.py": SHOP, "test_shop.py": TESTS}

    def bound_in_open_test(self, name):
        self.assertPassed(self.worker.run(name, iterations=4, warmup=1))
        return self.worker.answer("bound", do="bound", iterations=6, quick=False)

    def bound(self, name):
        answer = self.bound_in_open_test(name)
        # Whatever was lowered is as it was.
        self.assertPassed(self.worker.run("test_unchanged", iterations=1, warmup=1))
        return answer

    def test_a_limit_is_found_and_put_back(self):
        for name, limit in (
            ("test_attribute", ["list", "shop.Shelf.capacity", 700]),
            ("test_class", ["list", "shop.Shelf.ROOM_LIMIT", 800]),
            ("test_slot", ["set", "shop.Slotted.most", 600]),
            ("test_module", ["dict", "shop.MAX_NAMES", 500]),
            ("test_closure", ["dict", "shop.captured.know.size", 300]),
            ("test_literal", ["dict", "shop.Literal.put", 650]),
            ("test_settings", ["list", "shop.Options.entries.max_kept", 550]),
            ("test_turning", ["dict", "shop.Turning.size", 450]),
            ("test_exact_afterwards", ["list", "shop.Pool.most", 760]),
            ("test_overshoots", ["Squishy", "shop.Squishy.capacity", 640]),
            ("test_local", ["list", "shop.Local.max_size", 620]),
            ("test_queue", ["Queue", "", 350]),
        ):
            with self.subTest(name):
                answer = self.bound(name)
                ((kind, found, size, most),) = answer["filled"]
                self.assertEqual([kind, found, most], limit)
                self.assertLess(size, 60)
                self.assertStatus(answer["window"], "passed")
                # What is emptied when it is full, or put aside, rises and falls.
                falls = name in (
                    "test_module",
                    "test_literal",
                    "test_turning",
                    "test_overshoots",
                    "test_exact_afterwards",
                )
                series = answer["window"]["series"]
                self.assertLessEqual(series["items"][-1] - series["items"][0], 4 if falls else 0)
                self.assertLessEqual(series["blocks"][-1] - series["blocks"][0], 8 if falls else 0)

    def test_one_that_drops_only_when_it_is_exactly_full(self):
        answer = self.bound("test_exact")
        self.assertEqual({(found, most) for _, found, _, most in answer["filled"]}, {("shop.Exact.capacity", 750)})
        self.assertEqual(set(increments(answer["window"]["series"]["items"])), {0})

    def test_one_beside_a_cache_that_says_its_own(self):
        answer = self.bound("test_two")
        found = {(kind, name, most) for kind, name, _, most in answer["filled"]}
        self.assertEqual(found, {("lru_cache", "shop.parsed", 128), ("list", "shop.Shelf.capacity", 710)})
        self.assertEqual(set(increments(answer["window"]["series"]["blocks"])), {0})

    def test_what_others_put_in_is_dropped_first_and_may_be_smaller(self):
        answer = self.bound("test_used_before")
        self.assertEqual([found for _, found, _, _ in answer["filled"]], ["shop.Shelf.capacity"])
        self.assertEqual(set(increments(answer["window"]["series"]["blocks"])), {0})

    def test_a_dump_says_which_containers_have_an_end(self):
        # Both that the cache consists of; a list without a limit is none.
        for name, ended in (("test_exact", 2), ("test_queue", 1), ("test_nobody_looks", 0)):
            with self.subTest(name):
                self.bound_in_open_test(name)
                file = os.path.join(self.worker.folder, "heap")
                answer = self.worker.answer("dumped", do="dump", iterations=2, file=file, frames=0)
                self.assertEqual(len(answer["graph"]["ended"]), ended)

    def test_one_of_bytes_is_set_to_what_the_number_beside_it_counts(self):
        answer = self.bound("test_weighed")
        self.assertEqual(answer["filled"], [["dict", "shop.Weighed.maxsize", None, 3000000]])

    def test_one_of_bytes_says_no_number_of_entries(self):
        answer = self.bound("test_bytes")
        self.assertEqual(answer["filled"], [["list", "shop.Bytes.max_bytes", None, 5000000]])
        self.assertEqual(set(increments(answer["window"]["series"]["blocks"])), {0})

    def test_what_it_drops_is_freed_where_only_the_collector_can(self):
        answer = self.bound("test_cycles")
        self.assertEqual([found for _, found, _, _ in answer["filled"]], ["shop.Shelf.capacity"])
        # A first iteration may need something once.
        self.assertEqual(set(increments(answer["window"]["series"]["blocks"])[1:]), {0})

    def test_a_test_that_waits_for_room_is_let_go(self):
        begun = time.monotonic()
        answer = self.bound("test_waits_when_full")
        self.assertEqual((answer["filled"], answer["window"]), ([], None))
        self.assertLess(time.monotonic() - begun, 60)

    def test_what_only_looks_like_one_is_none(self):
        for name in ("test_nobody_looks", "test_fails_when_full", "test_counts"):
            with self.subTest(name):
                answer = self.bound(name)
                self.assertEqual((answer["filled"], answer["window"]), ([], None))

    def test_what_was_lowered_grows_on(self):
        self.bound("test_attribute")
        answer = self.worker.answer(
            "ran", do="run", test=self.worker.index("test_attribute"), thaw=True, survey=True, warmup=1, iterations=4
        )
        self.assertEqual(increments(answer["series"]["items"]), [1] * 4)


@needs_pytest
class FoundByPytest(Found):
    runner = "pytest"


if __name__ == "__main__":
    unittest.main()
