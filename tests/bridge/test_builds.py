"""What differs between builds of Python and allocators: which counters are exact, and what shows in them."""

import os
import platform
import statistics
import subprocess
import sys
import unittest

from driver import BRIDGE, TUNABLES, BridgeCase, Worker, increments

FREE_THREADED = not getattr(sys, "_is_gil_enabled", lambda: True)()
GLIBC = platform.libc_ver()[0] == "glibc"

SHOP = """
    text = ""
    row = ()

    class Store:
        label = ""

        def __init__(self):
            self.note = ""
            self.raw = b""

    STORE = Store()
"""

TESTS = """
    import unittest

    import shop

    KEPT = []

    class Longer(unittest.TestCase):
        def test_global(self):
            shop.text += "x" * 240

        def test_attribute(self):
            shop.STORE.note += "x" * 240

        def test_bytes(self):
            shop.STORE.raw += b"x" * 240

        def test_of_a_class(self):
            shop.Store.label += "x" * 240

        def test_tuple(self):
            shop.row += (None,) * 30

        def test_replaced(self):
            shop.text = "y" * 4000

    class Plain(unittest.TestCase):
        def test_one_object(self):
            KEPT.append([])

        def test_hot(self):
            total = 0
            for number in range(20000):
                total += number % 7
            self.assertEqual(total, 59997)

        def test_nothing(self):
            pass
"""

FILES = {"shop.py": SHOP, "test_shop.py": TESTS}


class Sizes(BridgeCase):
    files = FILES

    def series(self, name, iterations=8, **options):
        answer = self.worker.answer(
            "ran", do="run", test=self.worker.index(name), thaw=True, survey=True, warmup=4, iterations=iterations
        )
        self.assertPassed(answer)
        return answer["series"]

    def test_blocks_are_exact_on_every_build(self):
        self.assertEqual(self.worker.hello["counters"]["blocks"], "exact")
        self.assertEqual(increments(self.series("test_nothing")["blocks"]), [0] * 8)

    def test_whether_dropped_classes_stay_is_told(self):
        of_3_13 = sys.version_info[:2] == (3, 13) and "t" in getattr(sys, "abiflags", "")
        self.assertEqual(self.worker.hello["keeps_classes"], of_3_13)

    def test_a_text_that_becomes_longer_shows(self):
        rates = {"test_global": 240, "test_attribute": 240, "test_bytes": 240, "test_of_a_class": 240, "test_tuple": 30}
        for name, each in rates.items():
            with self.subTest(name):
                series = self.series(name)
                if self.worker.hello["sizes"]:
                    self.assertGreaterEqual(sum(increments(series["heap"])), 6 * 240)
                    self.assertEqual(increments(series["items"]), [0] * 8)
                else:
                    self.assertEqual(increments(series["items"]), [each] * 8)

    def test_where_its_length_is_counted_it_is_named(self):
        if self.worker.hello["sizes"]:
            self.skipTest("malloc tells how large it is")
        names = {
            "test_global": "shop.text",
            "test_attribute": "shop.STORE.note",
            "test_of_a_class": "shop.Store.label",
            "test_tuple": "shop.row",
        }
        for name, what in names.items():
            with self.subTest(name):
                self.series(name)
                ((found, _),) = self.worker.answer("grown", do="grown", iterations=4)["containers"]
                self.assertEqual(found, what)

    def test_one_that_is_replaced_is_flat(self):
        self.assertEqual(increments(self.series("test_replaced")["items"]), [0] * 8)

    def test_only_a_build_without_the_lock_keeps_its_memory_apart(self):
        if GLIBC:
            self.assertEqual(self.worker.hello["sizes"], "t" not in getattr(sys, "abiflags", ""))


class Environments(BridgeCase):
    """With variables that choose an allocator or a compiler."""

    files = FILES

    def worker_with(self, **env):
        worker = Worker(self.project, env=env)
        self.addCleanup(worker.close)
        return worker

    def assertExact(self, worker, blocks):
        self.assertEqual(worker.hello["counters"]["blocks"], blocks)
        self.assertEqual(worker.hello["counters"]["heap"], "exact")
        planted = worker.answer("ran", do="selfcheck", plant=True, iterations=9, warmup=1)["series"]
        # Where Python's own objects are in `heap` too, single steps come and go; a run has no such process.
        lowest, highest = (min, max) if blocks == "exact" else (statistics.median, statistics.median)
        self.assertGreaterEqual(lowest(increments(planted["heap"])), 96)
        clean = worker.answer("ran", do="selfcheck", plant=False, iterations=9, warmup=1)["series"]
        for counter, readings in clean.items():
            # One chunk that keeps a remainder too small to split off is no rise.
            least = 32 if counter == "heap" else 1
            if counter != "objects":
                self.assertLess((highest if counter == "heap" else max)(increments(readings)), least, counter)
        series = worker.answer("ran", do="run", test=worker.index("test_one_object"), thaw=True, warmup=8, iterations=6)
        self.assertGreaterEqual(lowest(increments(series["series"]["blocks" if blocks == "exact" else "heap"])), 1)

    @unittest.skipUnless(GLIBC, "only where malloc tells")
    def test_pythons_allocators(self):
        for name, blocks in (
            ("malloc", "absent"),
            ("malloc_debug", "absent"),
            ("pymalloc", "exact"),
            ("pymalloc_debug", "exact"),
        ):
            with self.subTest(name):
                environment = dict(os.environ, PYTHONMALLOC=name)
                if subprocess.call([sys.executable, "-c", ""], env=environment, stderr=subprocess.DEVNULL):
                    self.skipTest("this Python has no allocator " + name)
                self.assertExact(self.worker_with(PYTHONMALLOC=name), blocks)

    def test_allocators_that_take_the_place_of_malloc(self):
        folder = os.environ.get("LEAKCHECK_ALLOCATORS")
        if not folder:
            self.skipTest("LEAKCHECK_ALLOCATORS names no folder with libjemalloc and libtcmalloc_minimal")
        for name in ("libjemalloc.so.2", "libtcmalloc_minimal.so.4"):
            for allocator in ("default", "malloc"):
                if FREE_THREADED and allocator == "malloc":
                    continue
                with self.subTest(name, allocator=allocator):
                    env = {"LD_PRELOAD": os.path.join(folder, name), "PYTHONMALLOC": allocator}
                    self.assertExact(self.worker_with(**env), "exact" if allocator == "default" else "absent")

    def test_compiled_code_is_not_compiled_anew_in_each_iteration(self):
        if not getattr(getattr(sys, "_jit", None), "is_available", lambda: False)():
            self.skipTest("this Python has no just-in-time compiler")
        worker = self.worker_with(PYTHON_JIT="1", PYTHONWARNINGS="error")
        series = worker.run("test_hot", warmup=40, iterations=20)["series"]
        for counter in ("blocks", "heap"):
            self.assertEqual(increments(series[counter]), [0] * 20, counter)


PROBE = """
import sys
sys.path.insert(0, sys.argv[1])
from leakcheck_bridge import counters

real, at = sys.getallocatedblocks, bytearray(4)

def noisy():
    at[0] = (at[0] + 1) % 200
    return real() + at[0]

sys.getallocatedblocks = noisy
print(counters.Counters(10, lambda: 0).exactness["blocks"])
sys.getallocatedblocks = lambda: 0
print(counters.Counters(10, lambda: 0).exactness["blocks"])
"""


class Decided(unittest.TestCase):
    def test_by_what_a_counter_shows(self):
        environment = dict(os.environ, GLIBC_TUNABLES=TUNABLES)
        found = subprocess.check_output([sys.executable, "-c", PROBE, BRIDGE], env=environment, universal_newlines=True)
        self.assertEqual(found.split(), ["estimate", "absent"])


if __name__ == "__main__":
    unittest.main()
