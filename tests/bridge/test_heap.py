"""`dump` and `name`: the heap as a graph, and ways through it in words."""

import array
import atexit
import gc
import os
import sys
import unittest

from driver import BRIDGE, BridgeCase

SEEDS = '''
    import asyncio
    import datetime
    import functools
    import threading
    import unittest
    import weakref


    class Hostile:
        """Any code of its own that runs is a failure."""

        def __repr__(self):
            raise SystemExit("repr ran")

        __str__ = __len__ = __eq__ = __hash__ = __sizeof__ = __repr__

        @property
        def __class__(self):
            raise SystemExit("__class__ ran")

        def __getattribute__(self, name):
            raise SystemExit("getattribute ran")


    class Listener:
        def on_event(self):
            pass


    class Bus:
        listeners = []

        def __init__(self):
            self.by_topic = {"paid": []}


    BUS = Bus()
    HOSTILE = []
    NAMES = []
    LOCAL = threading.local()
    LOCAL.kept = []


    class Refusing(type):
        """A class whose making fails stays without bases."""

        def mro(cls):
            UNMADE.append(cls)
            raise ValueError


    UNMADE = []
    try:
        Refusing("Unmade", (), {"items": []})
    except ValueError:
        pass


    def remember(item, memory=[]):
        memory.append(item)


    @functools.lru_cache(maxsize=None)
    def cached(key):
        return [key]


    class Seeds(unittest.TestCase):
        def test_clean(self):
            [[] for _ in range(100)]

        def test_method(self):
            Bus.listeners.append(Listener().on_event)  # listener

        def test_topic(self):
            BUS.by_topic["paid"].append([1])

        def test_hostile(self):
            HOSTILE.append(Hostile())

        def test_unmade(self):
            vars(UNMADE[0])["items"].append([])

        def test_awaits(self):
            async def wait():
                await asyncio.sleep(0.001)

            asyncio.run(wait())

        def test_names(self):
            NAMES.append("name %d" % len(NAMES))

        def test_default(self):
            remember([1])

        def test_cached(self):
            cached(object())

        def test_local(self):
            LOCAL.kept.append([1])

        def test_zone(self):
            class Zone(datetime.tzinfo):
                def __init__(self):
                    self.since = datetime.datetime(2020, 1, 1, tzinfo=self)

            Zone()

        def test_fails_at_last(self):
            NAMES.append([1])
            self.assertLess(len(NAMES), 4)
'''


class Dump:
    """A dump as the other half reads it."""

    def __init__(self, worker, name, iterations=5, frames=1, order="dump", kind="dumped", **fields):
        self.worker = worker
        self.file = os.path.join(worker.folder, "heap")
        worker.run(name, iterations=1, warmup=1)
        self.answer = worker.answer(kind, do=order, iterations=iterations, file=self.file, frames=frames, **fields)
        self.graph = self.answer["graph"]
        if self.graph is not None:
            self._read()

    def _read(self):
        with open(self.file, "rb") as file:
            self._data = file.read()
        self._at = 0
        self.types, self.targets, self.lengths, self.sizes = {}, {}, {}, {}
        while True:
            nodes, _, edges = self._take("Q", 3)
            if not nodes:
                break
            ids, sizes, _ = (self._take("Q", nodes) for _ in range(3))
            lengths, targets = self._take("q", nodes), self._take("Q", edges)
            kinds, degrees = self._take("I", nodes), self._take("I", nodes)
            start = 0
            for number, kind, length, size, degree in zip(ids, kinds, lengths, sizes, degrees):
                self.types[number] = self.graph["types"][kind]
                self.lengths[number], self.sizes[number] = length, size
                self.targets[number] = targets[start : start + degree]
                start += degree
        self.cohorts = [self._take("Q", count).tolist() for count in self.graph["cohorts"]]
        self.mentions = [self._take("Q", count).tolist() for count in self.graph["mentions"]]
        known = self._take("Q", self.graph["census"])
        self.before = dict(zip(known, self._take("q", self.graph["census"])))
        self.left = len(self._data) - self._at

    def _take(self, code, count):
        column = array.array(code)
        column.frombytes(self._data[self._at : self._at + count * column.itemsize])
        self._at += count * column.itemsize
        return column

    def born(self, name):
        """How many objects of a type each iteration left. An identity used again is the newer object's."""
        newest = {number: at for at, cohort in enumerate(self.cohorts) for number in cohort}
        born = [at for number, at in newest.items() if self.types.get(number) == name]
        return [born.count(at) for at in range(len(self.cohorts))]

    def holders(self, name):
        """Objects of before the window that refer to some of a type."""
        new = {number for cohort in self.cohorts for number in cohort}
        wanted = {number for number in new if self.types.get(number) == name}
        return {
            number for number, targets in self.targets.items() if number not in new and wanted.intersection(targets)
        }

    def way(self, target, module="test_seeds"):
        """A shortest way from a module to an object."""
        before = {number: None for number, name, _ in self.graph["modules"] if name == module}
        queue = list(before)
        for number in queue:
            if number == target:
                way = [number]
                while before[way[0]] is not None:
                    way.insert(0, before[way[0]])
                return way
            for other in self.targets.get(number, ()):
                if other not in before:
                    before[other] = number
                    queue.append(other)
        raise AssertionError("no way leads there")

    def name(self, *ways):
        return self.worker.answer("named", do="name", paths=list(ways))


class Heap(BridgeCase):
    files = {"test_seeds.py": SEEDS}

    def words(self, dump, target):
        steps = dump.name(dump.way(target))["paths"][0]
        return [step["text"] + step["edge"][1] for step in steps]

    def newest(self, dump, name):
        return next(number for number in dump.cohorts[-2] if dump.types.get(number) == name)

    def test_the_file_is_read_whole(self):
        dump = Dump(self.worker, "test_clean")
        self.assertEqual(dump.left, 0)
        self.assertEqual(len(dump.types), dump.graph["objects"])
        self.assertGreater(len(dump.types), 1000)
        # The first iteration may leave what appears once, the last one what the next replaces.
        self.assertEqual(dump.born("list")[1:-1], [0] * 3)

    def test_cohorts_hold_what_each_iteration_left(self):
        dump = Dump(self.worker, "test_method", iterations=6)
        self.assertEqual(dump.born("test_seeds.Listener"), [1] * 6)
        self.assertEqual(dump.born("method"), [1] * 6)

    def test_a_container_shows_what_it_gained(self):
        dump = Dump(self.worker, "test_method")
        gained = {number: dump.lengths[number] - dump.before[number] for number in dump.holders("method")}
        self.assertEqual(list(gained.values()), [5])
        # Of entries that are no objects of their own only the length tells.
        dump = Dump(self.worker, "test_names")
        # The arrays that lengths are noted in become longer by that.
        lists = {number: length for number, length in dump.lengths.items() if dump.types[number] == "list"}
        gained = [number for number, length in lists.items() if length - dump.before.get(number, length) == 5]
        self.assertIn(["test_seeds.NAMES", "list"], [self.words(dump, number) for number in gained])

    def test_ways_read_as_code_does(self):
        for test, kind, words in (
            ("test_method", "test_seeds.Listener", ["Bus.listeners", "list[…]", "bound method Listener.on_event"]),
            ("test_topic", "list", ["test_seeds.BUS", "Bus.by_topic", "dict['paid']", "list[…]"]),
            ("test_default", "list", ["function remember default memory", "list[…]"]),
            ("test_local", "list", ["_local.kept", "list[…]"]),
            ("test_unmade", "list", ["list[…]", "Unmade.items", "list[…]"]),
        ):
            with self.subTest(test):
                dump = Dump(self.worker, test)
                found = self.words(dump, self.newest(dump, kind))
                self.assertEqual(found[:-1][-len(words) :], words)

    def test_a_cache_states_its_bound(self):
        dump = Dump(self.worker, "test_cached")
        steps = dump.name(dump.way(self.newest(dump, "list")))["paths"][0]
        cache = next(step for step in steps if step["what"] == "cache")
        self.assertIsNone(cache["capacity"])
        self.assertGreaterEqual(cache["length"], 5)
        self.assertFalse(cache["method"])

    def test_no_code_of_the_projects_is_run(self):
        dump = Dump(self.worker, "test_hostile")
        self.assertEqual(dump.born("test_seeds.Hostile"), [1] * 5)
        found = self.words(dump, self.newest(dump, "test_seeds.Hostile"))
        self.assertEqual(found[-2:], ["list[…]", "Hostile"])

    def test_what_the_collector_is_not_told_of_is_read_out_of_memory(self):
        dump = Dump(self.worker, "test_zone")
        name = next(name for name in dump.types.values() if name.endswith("Zone"))
        for cohort, mentions in list(zip(dump.cohorts, dump.mentions))[1:-1]:
            (zone,) = [number for number in cohort if dump.types.get(number) == name]
            times = [number for number in mentions if dump.types.get(number) == "datetime.datetime"]
            self.assertEqual([list(dump.targets[number]) for number in times], [[zone]])
            reached = set(dump.targets[zone]).union(*map(dump.targets.get, dump.targets[zone]))
            self.assertIn(times[0], reached)

    def test_the_place_of_birth_is_told(self):
        dump = Dump(self.worker, "test_method")
        target = self.newest(dump, "test_seeds.Listener")
        path, line = self.project.path("test_seeds.py"), self.project.line_of("test_seeds.py", "# listener")
        self.assertEqual(dump.name([target])["places"], [[[path, line]]])
        dump = Dump(self.worker, "test_method", frames=0)
        self.assertEqual(dump.name([self.newest(dump, "test_seeds.Listener")])["places"], [[]])

    def test_a_way_whose_objects_are_gone_has_no_words(self):
        dump = Dump(self.worker, "test_clean")
        self.assertEqual(dump.name([16, 32])["paths"], [None])

    def test_a_test_that_fails_leaves_no_graph(self):
        worker = self.start(self.files)
        dump = Dump(worker, "test_fails_at_last")
        self.assertStatus(dump.answer, "failed")
        self.assertIsNone(dump.graph)
        # Nothing is traced, and the worker goes on.
        self.assertPassed(worker.run("test_clean"))

    def test_dead_iterators_of_futures_stay_dead(self):
        # The second look collects what the first has asked about.
        self.assertEqual([Dump(self.worker, "test_awaits").left for _ in range(2)], [0, 0])

    def test_windows_after_a_dump_are_exact(self):
        Dump(self.worker, "test_clean")
        self.assertFlat(self.worker, "test_clean")


class LeavesTest(unittest.TestCase):
    """What the collector does not know, under containers of which it does not know either."""

    def test_what_is_shared_is_met_once(self):
        sys.path.insert(0, BRIDGE)
        self.addCleanup(sys.path.remove, BRIDGE)
        from leakcheck_bridge import heap

        # Each level has the one below twice: by all ways there were a million.
        shared = (str(id(self)),)
        gc.collect()
        for _ in range(20):
            shared = (shared, shared)
            gc.collect()
        leaves = heap.leaves_of([[shared], [shared]], set())
        self.assertEqual(len(leaves), 22)
        self.assertEqual(leaves[-1], str(id(self)))


class InterpretersListTest(unittest.TestCase):
    """Lists that no Python object refers to, told by what is in them."""

    def test_the_callbacks_of_atexit_are_told_from_other_triples(self):
        sys.path.insert(0, BRIDGE)
        self.addCleanup(sys.path.remove, BRIDGE)
        from leakcheck_bridge import route

        atexit.register(len, [])
        self.addCleanup(atexit.unregister, len)
        others = [(len, ([],), None)] * (atexit._ncallbacks() + 1)
        self.assertIsNone(route._interpreter_list(others))
        lists = [one for one in gc.get_objects() if type(one) is list and one is not self._cleanups]
        found = [one for one in lists if route._interpreter_list(one) == "atexit"]
        # Before 3.14 they were in an array of C's.
        self.assertEqual(len(found), 1 if sys.version_info >= (3, 14) else 0)


if __name__ == "__main__":
    unittest.main()
