"""Series: exactly flat where nothing leaks, exactly as steep as what leaks."""

import platform
import sys
import unittest

from driver import BATCHES, BridgeCase, Worker, chunk, increments, linux_only, needs_pytest

LEAKS = """
    import _thread
    import ctypes
    import os
    import unittest


    class Node:
        __slots__ = ("after", "payload")

        def __init__(self, after, payload=None):
            self.after = after
            self.payload = payload


    CHAIN = [None]
    NEWEST = [None]
    FILES = [None] * 200
    LOCKS = [None] * 200
    READY = [None]
    LIBC = ctypes.CDLL(None)
    LIBC.malloc.argtypes = [ctypes.c_size_t]
    LIBC.malloc.restype = ctypes.c_void_p
    # Where less than 32 bytes of a free chunk would be left, glibc gives all of it away. This uses those up.
    for _ in range(5000):
        LIBC.malloc(100)


    for _ in range(1000):
        READY[0] = Node(READY[0])


    def put(kept, value):
        # A number that is found leaves no number object behind.
        kept[kept.index(None)] = value


    class Leaks(unittest.TestCase):
        def test_one_object(self):
            CHAIN[0] = Node(CHAIN[0])

        def test_three_objects(self):
            for _ in range(3):
                CHAIN[0] = Node(CHAIN[0])

        def test_bytes(self):
            CHAIN[0] = Node(CHAIN[0], bytes(2048))

        def test_cycle(self):
            one = Node(None)
            one.after = Node(one)

        def test_newest_cycle(self):
            one = Node(None)
            one.after = Node(one)
            NEWEST[0] = one

        def test_kept_cycle(self):
            one = Node(CHAIN[0])
            one.payload = Node(one)
            CHAIN[0] = one

        def test_descriptor(self):
            put(FILES, os.open(os.devnull, os.O_RDONLY))

        def test_two_descriptors(self):
            for end in os.pipe():
                put(FILES, end)

        def test_lasting_thread(self):
            lock = _thread.allocate_lock()
            lock.acquire()
            _thread.start_new_thread(lock.acquire, ())
            put(LOCKS, lock)

        def test_malloc(self):
            LIBC.malloc(100)

        def test_big_malloc(self):
            LIBC.malloc(300000)

        def test_huge_malloc(self):
            LIBC.malloc(40000000)

        def test_shrinks(self):
            READY[0] = READY[0].after

        def test_nothing(self):
            self.assertEqual([str(number) for number in range(300)][-1], "299")
"""

CLEAN = """
    import asyncio
    import collections
    import contextlib
    import functools
    import gc
    import io
    import json
    import os
    import pickle
    import re
    import shutil
    import sqlite3
    import subprocess
    import sys
    import tempfile
    import threading
    import unittest
    import warnings
    import weakref
    from concurrent import futures
    from unittest import mock


    class Clean(unittest.TestCase):
        def test_numbers(self):
            self.assertEqual(sum(range(100000)), 4999950000)

        def test_names(self):
            # Each a new entry of the cache of attributes.
            class Visitor:
                def __getattr__(self, name):
                    return len(name)

            self.assertEqual(getattr(Visitor(), "visit_" + str(id(self))) > 6, True)

        def test_makes_classes(self):
            self.assertEqual(type("Made", (dict,), {"x": 1})().x, 1)
            self.assertEqual(collections.namedtuple("Pair", "a b")(1, 2).b, 2)

        def test_cycles(self):
            for _ in range(10):
                loop = []
                loop.append({"loop": loop})

        def test_hundreds_of_cycles(self):
            # More than 256 of them: a number that is an object of its own.
            for _ in range(200):
                one, other = [], []
                one.append(other)
                other.append(one)

        def test_weak(self):
            class Thing:
                pass

            things = weakref.WeakSet([Thing(), Thing()])
            gc.collect()
            self.assertEqual(len(things), 0)

        def test_raises(self):
            with self.assertRaises(ZeroDivisionError):
                1 / 0

        def test_warns(self):
            with self.assertWarns(UserWarning):
                warnings.warn("careful", UserWarning)

        def test_warns_in_vain(self):
            warnings.warn("careful", UserWarning)

        def test_logs(self):
            import logging

            with self.assertLogs("some.logger", "INFO"):
                logging.getLogger("some.logger").info("x")

        def test_mock(self):
            thing = mock.Mock()
            thing.method.return_value = 3
            self.assertEqual(thing.method(1, a=2), 3)
            with mock.patch("os.getcwd", return_value="nowhere"):
                self.assertEqual(os.getcwd(), "nowhere")

        def test_temporary_file(self):
            with tempfile.NamedTemporaryFile() as file:
                file.write(b"x" * 10000)

        def test_mkdtemp(self):
            folder = tempfile.mkdtemp()
            with open(os.path.join(folder, "file"), "w") as file:
                file.write("x")
            shutil.rmtree(folder)

        def test_temporary_directory(self):
            with tempfile.TemporaryDirectory() as folder:
                name = os.path.join(folder, "module_in_a_temporary_folder.py")
                with open(name, "w") as file:
                    file.write("x = 1")
                sys.path.insert(0, folder)
                try:
                    import module_in_a_temporary_folder
                finally:
                    sys.path.remove(folder)
                    del sys.modules["module_in_a_temporary_folder"]

        def test_two_names(self):
            with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
                self.assertNotEqual(one, two)

        def test_names_that_are_taken(self):
            # 30 files that stay, and names of them that the next iteration begins with.
            folder = getattr(Clean, "folder", None) or tempfile.mkdtemp()
            Clean.folder = folder
            for _ in range(30):
                os.close(tempfile.mkstemp(dir=folder)[0])

        def test_json(self):
            value = {"a": [1, 2.5, None, {"b": "c" * 100}]}
            self.assertEqual(json.loads(json.dumps(value)), value)

        def test_pickle(self):
            self.assertEqual(pickle.loads(pickle.dumps([self.id(), 1])), [self.id(), 1])

        def test_re(self):
            self.assertTrue(re.match("a+b*c?d", "aabbcd"))

        def test_database(self):
            with contextlib.closing(sqlite3.connect(":memory:")) as connection:
                connection.execute("create table t (x)")
                connection.executemany("insert into t values (?)", [(x,) for x in range(100)])
                self.assertEqual(connection.execute("select count(*) from t").fetchone(), (100,))

        def test_process(self):
            done = subprocess.run([sys.executable, "-S", "-c", "print(1)"], stdout=subprocess.PIPE)
            self.assertEqual(done.stdout, b"1\\n")

        def test_thread(self):
            thread = threading.Thread(target=len, args=("x",))
            thread.start()
            thread.join()

        def test_executor(self):
            with futures.ThreadPoolExecutor(3) as executor:
                self.assertEqual(list(executor.map(len, ["a", "bb"])), [1, 2])

        def test_event_loop(self):
            async def work():
                await asyncio.sleep(0)
                return 1

            loop = asyncio.new_event_loop()
            try:
                self.assertEqual(loop.run_until_complete(work()), 1)
            finally:
                loop.close()

        def test_prints(self):
            with contextlib.redirect_stdout(io.StringIO()) as out:
                print("x" * 1000)
            self.assertEqual(len(out.getvalue()), 1001)

        def test_exec(self):
            scope = {}
            exec(compile("def f():\\n    return 1\\n", "<made>", "exec"), scope)
            self.assertEqual(scope["f"](), 1)

        def test_bounded_cache(self):
            @functools.lru_cache(maxsize=4)
            def double(x):
                return 2 * x

            self.assertEqual([double(x) for x in range(10)][-1], 18)


    class CleanAsync(unittest.IsolatedAsyncioTestCase):
        async def asyncSetUp(self):
            self.queue = asyncio.Queue()

        async def test_async(self):
            await asyncio.gather(self.queue.put(1), self.queue.put(2))
            self.assertEqual(await self.queue.get(), 1)

        async def test_tasks(self):
            tasks = [asyncio.create_task(asyncio.sleep(0)) for _ in range(5)]
            await asyncio.wait(tasks)
"""


class Unittest(BridgeCase):
    files = {"test_leaks.py": LEAKS, "test_clean.py": CLEAN}

    def test_counters_are_known_and_exact_where_the_facts_say_so(self):
        counters = self.worker.hello["counters"]
        expected = "blocks objects heap maps child_memory child_threads child_fds files fds threads items tasks"
        expected += " children interpreters garbage refs unclosed"
        self.assertEqual(set(counters), set(expected.split()))
        self.assertLessEqual(set(counters.values()), {"exact", "estimate", "absent"})
        self.assertEqual(counters["objects"], "exact")
        if platform.libc_ver()[0] == "glibc":
            # Free-threaded builds split the counts of references, and the filters of warnings by context.
            others = {word for name, word in counters.items() if name not in ("refs", "unclosed", "maps")}
            self.assertEqual(others, {"exact"})

    def test_every_clean_test_is_flat(self):
        names = [name for name in self.worker.ids if "test_clean" in name]
        self.assertGreater(len(names), 25)
        for name in names:
            with self.subTest(name):
                self.assertFlat(self.worker, name, files=30 if name.endswith("_taken") else 0)

    def test_nothing_stays_flat_beside_leaks(self):
        self.assertFlat(self.worker, "test_nothing", iterations=50)

    def test_one_object(self):
        self.assertGrows(self.worker, "test_one_object", iterations=40, blocks=1, objects=1)

    def test_three_objects(self):
        self.assertGrows(self.worker, "test_three_objects", iterations=40, blocks=3, objects=3)

    def test_bytes(self):
        # Whether the object is a block is the interpreter's affair; a debug build adds to each request.
        heap = None if hasattr(sys, "gettotalrefcount") else chunk(sys.getsizeof(bytes(2048)))
        if not self.worker.hello["sizes"]:
            heap = 0
        self.assertGrows(self.worker, "test_bytes", iterations=20, blocks=2, objects=1, heap=heap)

    def test_a_dropped_cycle_is_collected(self):
        self.assertFlat(self.worker, "test_cycle", iterations=10)

    def test_a_kept_cycle_grows(self):
        self.assertGrows(self.worker, "test_kept_cycle", iterations=10, blocks=2, objects=2)

    def test_a_descriptor(self):
        self.assertGrows(self.worker, "test_descriptor", fds=1)

    def test_two_descriptors(self):
        self.assertGrows(self.worker, "test_two_descriptors", fds=2)

    @linux_only
    def test_a_thread(self):
        # What CPython and glibc keep for a thread differs between versions.
        expected = {"threads": 1, "blocks": None, "objects": None, "heap": None}
        self.assertGrows(self.worker, "test_lasting_thread", iterations=5, **expected)

    def test_malloc(self):
        self.assertGrows(self.worker, "test_malloc", iterations=30, heap=chunk(100))

    def test_a_big_malloc_is_no_mapping_of_whole_pages(self):
        if Worker.exactness["heap"] == "exact":
            self.assertGrows(self.worker, "test_big_malloc", iterations=4, heap=chunk(300000))

    def test_a_malloc_that_is_a_mapping_of_its_own(self):
        if Worker.exactness["heap"] == "exact":
            pages = 4096 * ((40000000 + 16 + 4095) // 4096)
            self.assertGrows(self.worker, "test_huge_malloc", iterations=4, heap=pages)

    def test_descent_is_read_as_well(self):
        # Those that go are older than the window, so they are no objects of its.
        self.assertGrows(self.worker, "test_shrinks", blocks=-1)

    def test_what_an_answer_holds(self):
        answer = self.worker.run("test_nothing", iterations=5, warmup=3)
        self.assertEqual(answer["iterations"], 8)
        self.assertEqual({len(values) for values in answer["series"].values()}, {6})
        self.assertGreater(answer["seconds"], 0)
        self.assertGreaterEqual(answer["cpu"], answer["cpu_warm"])
        self.assertGreater(answer["resident"], 1 << 20)

    def test_what_the_first_iteration_leaves_is_freed_when_the_next_one_replaces_it(self):
        for between in (True, False):
            # Opened anew, so that the cycle of the first one is the only one that there may be.
            self.worker.run("test_nothing", iterations=1)
            index = self.worker.index("test_newest_cycle")
            answer = self.worker.answer(
                "ran", do="run", test=index, thaw=False, warmup=1, before=True, between=between, iterations=3
            )
            self.assertIsNone(answer["opened"])
            readings = 5 if between else 3
            self.assertEqual(len(answer["series"]["objects"]), readings)
            self.assertEqual(increments(answer["series"]["objects"])[1:], [0] * (readings - 2))
            self.assertEqual(increments(answer["series"]["blocks"])[1:], [0] * (readings - 2))

    def test_without_readings_between_growth_shows_at_the_end(self):
        index = self.worker.index("test_three_objects")
        answer = self.worker.answer(
            "ran", do="run", test=index, thaw=False, warmup=1, before=True, between=False, iterations=3
        )
        self.assertEqual(answer["iterations"], 4)
        # The first one also leaves what the runner keeps until the next one.
        self.assertEqual(increments(answer["series"]["objects"])[1:], [9])

    def test_a_window_goes_on_over_several_orders(self):
        rates = {"blocks": 1, "objects": 1, "heap": 0, "fds": 0, "threads": 0}
        for _ in range(BATCHES):
            # Each answer of another length: none may show in the readings of the next one.
            batches = [self.worker.run("test_one_object", iterations=4)["series"]]
            batches += [self.worker.go_on(count)["series"] for count in (9, 1, 300, 2)]
            self.assertEqual([len(batch["fds"]) for batch in batches], [5, 10, 2, 301, 3])
            wrong = {}
            for name, rate in rates.items():
                found = [step for batch in batches for step in increments(batch[name])][1:]
                if name == "heap" and max(map(abs, found)) < 32 and abs(sum(found)) < 32:
                    # The remainder of a chunk, as in `assertGrows`.
                    continue
                if found != [rate] * len(found):
                    wrong[name] = found[:20]
            if not wrong:
                return
        self.fail(wrong)

    def test_a_second_window_starts_anew(self):
        for _ in range(3):
            self.assertGrows(self.worker, "test_one_object", blocks=1, objects=1)
            self.assertFlat(self.worker, "test_nothing")


@needs_pytest
class Pytest(Unittest):
    """The same under pytest, whose own doings must not show."""

    runner = "pytest"


class Freezing(BridgeCase):
    """What was there when a window opened does not count, and may be collected at the next thaw."""

    files = {
        "test_frozen.py": """
            import gc
            import unittest
            import weakref

            class Thing:
                pass

            HELD = [Thing()]
            HELD[0].loop = HELD[0]
            THING = weakref.ref(HELD[0])

            class Frozen(unittest.TestCase):
                def test_a_nothing(self):
                    pass

                def test_b_lets_go(self):
                    HELD.clear()

                def test_c_is_alive(self):
                    gc.collect()
                    self.assertIsNotNone(THING())

                def test_d_is_gone(self):
                    self.assertIsNone(THING())

                def test_e_the_collector_is_as_it_was(self):
                    self.assertTrue(gc.isenabled())
                    self.assertEqual(gc.get_debug(), 0)
                    self.assertEqual(gc.callbacks, [])
                    self.assertEqual(gc.garbage, [])

                def test_f_thaws_by_itself(self):
                    gc.unfreeze()
        """
    }

    def test_freeze_and_thaw(self):
        self.assertFlat(self.worker, "test_a_nothing")
        self.assertPassed(self.worker.run("test_b_lets_go", thaw=False))
        # Frozen, so the collector does not look at it.
        self.assertPassed(self.worker.run("test_c_is_alive", thaw=False))
        self.assertPassed(self.worker.run("test_d_is_gone", thaw=True))

    def test_the_collector_is_left_as_it_was(self):
        self.assertPassed(self.worker.run("test_e_the_collector_is_as_it_was"))

    def test_a_test_that_thaws_does_no_harm(self):
        self.assertGrows(self.worker, "test_f_thaws_by_itself", objects=None)
        self.assertFlat(self.worker, "test_a_nothing")


class Sizes(BridgeCase):
    def test_a_batch_holds_no_more_than_its_capacity(self):
        worker = self.start({"test_leaks.py": LEAKS}, capacity=8)
        answer = worker.run("test_one_object", iterations=100)
        # One reading fewer, which a first look has before its warm-up.
        self.assertEqual({len(values) for values in answer["series"].values()}, {7})
        self.assertEqual(answer["iterations"], 2 + 6)
        self.assertEqual(len(worker.go_on(100)["series"]["blocks"]), 7)
        index = worker.index("test_one_object")
        first = worker.answer("ran", do="run", test=index, thaw=True, warmup=1, iterations=100, before=True)
        self.assertEqual({len(values) for values in first["series"].values()}, {8})

    def test_a_long_window_is_exact_to_its_end(self):
        worker = self.start({"test_leaks.py": LEAKS})
        # Numbers from 257 on are objects, and so would be a count of iterations.
        self.assertFlat(worker, "test_nothing", iterations=1500)


FULL = """
    import typing
    import unittest

    # The caches of typing take 128 entries each.
    for number in range(300):
        typing.List[type("Filler", (), {})]


    class Full(unittest.TestCase):
        def test_class_as_an_argument(self):
            typing.List[type("New", (), {})]
"""


class FullCaches(BridgeCase):
    files = {"test_full.py": FULL}

    def test_what_a_full_cache_of_typing_takes_in_is_no_growth(self):
        # What it drops for it was there before the window, and frozen.
        worker = self.start(self.files)
        series = worker.run("test_full.Full.test_class_as_an_argument", iterations=6, warmup=2)["series"]
        for counter in ("blocks", "objects"):
            self.assertEqual(increments(series[counter])[1:], [0] * 5, counter)


#: As hypothesis has it: a cache of which each iteration fills a part with new objects.
STRATEGIES = """
    import collections


    class Cache(collections.OrderedDict):
        def __setitem__(self, key, value):
            super().__setitem__(key, value)
            if len(self) > 1024:
                self.popitem(last=False)


    _STRATEGY_CACHE = Cache()
"""

EXAMPLES = """
    import sys
    import unittest

    from hypothesis import core
    from hypothesis.internal.conjecture import data, providers
    from hypothesis.strategies._internal import utils


    class Examples(unittest.TestCase):
        def test_new_strategies(self):
            for _ in range(100):
                strategy = [0]
                utils._STRATEGY_CACHE[id(strategy)] = strategy
                label = len(data.STRUCTURAL_COVERAGE_CACHE)
                data.STRUCTURAL_COVERAGE_CACHE[label] = strategy

        def test_whose_constants(self):
            ours = [module for name, module in sys.modules.items() if name.startswith("leakcheck_bridge")]
            self.assertTrue(ours)
            self.assertTrue(all(id(module) in providers._seen_modules for module in ours))
            self.assertNotIn(id(sys.modules[__name__]), providers._seen_modules)
            self.assertEqual(core.global_force_seed, 1)
"""


class Hypothesis(BridgeCase):
    files = {
        "hypothesis/__init__.py": "",
        "hypothesis/core.py": "global_force_seed = None",
        "hypothesis/internal/__init__.py": "",
        "hypothesis/internal/conjecture/__init__.py": "",
        "hypothesis/internal/conjecture/data.py": "STRUCTURAL_COVERAGE_CACHE = {}",
        "hypothesis/internal/conjecture/providers.py": "_seen_modules = set()",
        "hypothesis/strategies/__init__.py": "",
        "hypothesis/strategies/_internal/__init__.py": "",
        "hypothesis/strategies/_internal/utils.py": STRATEGIES,
        "test_examples.py": EXAMPLES,
    }

    def test_what_it_keeps_of_strategies_is_as_full_in_each_iteration(self):
        series = self.worker.run("test_examples.Examples.test_new_strategies", iterations=6)["series"]
        for counter in ("blocks", "objects", "items"):
            self.assertEqual(increments(series[counter])[1:], [0] * 5, counter)

    def test_our_modules_are_not_taken_for_the_projects(self):
        answer = self.worker.run("test_examples.Examples.test_whose_constants", iterations=1)
        self.assertEqual(answer["outcome"]["status"], "passed", answer["outcome"])


DATABASE = """
    import itertools
    import sqlite3
    import unittest

    DB = sqlite3.connect(":memory:")
    numbers = itertools.count(1000)
    KEPT = []
    # As many as it keeps: each further one takes the place of one that is frozen.
    FULL = sqlite3.connect(":memory:")
    for number in range(200):
        FULL.execute("select 1 + %d" % number).fetchall()


    class Database(unittest.TestCase):
        def test_queries(self):
            # As a savepoint has a name of its own each time.
            for text in ("select 1", "select %d" % next(numbers)):
                DB.execute(text).fetchall()

        def test_queries_of_a_full_one(self):
            FULL.execute("select %d" % next(numbers)).fetchall()

        def test_cursor_kept(self):
            KEPT.append(DB.execute("select 1"))
"""


@unittest.skipIf(sys.version_info < (3, 11), "there a connection shows nobody what it keeps")
class OneConnectionForAll(BridgeCase):
    files = {"test_db.py": DATABASE}

    def look(self, worker, name, iterations):
        # As for the first test of a file.
        order = {"test": worker.index(name), "thaw": True, "warmup": 2, "iterations": iterations}
        answer = worker.answer("ran", do="run", **order)
        self.assertPassed(answer)
        return answer["series"]

    def test_what_it_keeps_of_cursors_and_statements_is_no_growth(self):
        worker = self.start(self.files)
        for name in ("test_queries", "test_queries_of_a_full_one"):
            series = self.look(worker, name, 12)
            for counter in ("blocks", "objects"):
                self.assertEqual(increments(series[counter])[1:], [0] * 11, name + ": " + counter)

    def test_a_cursor_that_is_kept_shows(self):
        worker = self.start(self.files)
        series = self.look(worker, "test_cursor_kept", 6)
        self.assertGreaterEqual(min(increments(series["blocks"])), 1)


if __name__ == "__main__":
    unittest.main()
