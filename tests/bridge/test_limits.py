"""Limits of a project's own caches, found by lowering them."""

import unittest

from driver import BridgeCase, increments, needs_pytest

SHOP = """
    import itertools

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

    def limits():
        return [SMALL.capacity, LARGE.capacity, Shelf.ROOM_LIMIT, SLOTTED.most, MAX_NAMES, max_log,
                KNOW.__closure__[1].cell_contents]
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

        def test_nobody_looks(self):
            shop.LOG.append([1])

        def test_fails_when_full(self):
            self.assertLess(len(shop.LOG), shop.max_log)
            shop.LOG.append([1])

        def test_counts(self):
            shop.Numbered.count += 2
            shop.Numbered.found[shop.Numbered.count // 2] = 1

        def test_unchanged(self):
            self.assertEqual(shop.limits(), [700, 900, 800, 600, 500, 400, 300])
"""


class Found(BridgeCase):
    runner = "unittest"
    files = {"shop.py": SHOP, "test_shop.py": TESTS}

    def bound(self, name):
        self.assertPassed(self.worker.run(name, iterations=4, warmup=1))
        answer = self.worker.answer("bound", do="bound", iterations=6)
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
        ):
            with self.subTest(name):
                answer = self.bound(name)
                ((kind, found, size, most),) = answer["filled"]
                self.assertEqual([kind, found, most], limit)
                self.assertLess(size, 60)
                self.assertStatus(answer["window"], "passed")
                # What is emptied when it is full rises and falls.
                series = answer["window"]["series"]["items"]
                self.assertLessEqual(series[-1] - series[0], 4 if name == "test_module" else 0)

    def test_one_that_drops_only_when_it_is_exactly_full(self):
        answer = self.bound("test_exact")
        self.assertEqual({(found, most) for _, found, _, most in answer["filled"]}, {("shop.Exact.capacity", 750)})
        self.assertEqual(set(increments(answer["window"]["series"]["items"])), {0})

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
