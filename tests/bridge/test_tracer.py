"""`survivors`: chunks of memory that live on, by the code that asks for them and the line of Python before it."""

import glob
import os
import pathlib
import sys
import unittest

from driver import BridgeCase, linux_only

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
#: The library as the last build of the program made it.
BUILT = glob.glob(str(ROOT / "target" / "*" / "build" / "leakcheck-*" / "out" / "tracer.so"))
LIBRARY = max(filter(os.path.getsize, BUILT), key=os.path.getmtime, default="")

LEAKS = """
    import ctypes
    import os
    import subprocess
    import sys
    import threading
    import unittest

    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]
    libc.realloc.restype = ctypes.c_void_p
    libc.realloc.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    ring, longer = [], [libc.malloc(5000), 5000]


    def allocate(size):
        return libc.malloc(size)  # malloc


    class Leaks(unittest.TestCase):
        def test_malloc(self):
            libc.free(allocate(700))
            allocate(1000)  # called

        def test_thread(self):
            thread = threading.Thread(target=allocate, args=(1500,))
            thread.start()
            thread.join()

        def test_longer(self):
            longer[1] += 640
            longer[0] = libc.realloc(*longer)  # realloc

        def test_ring(self):
            ring.append(allocate(900))
            if len(ring) > 3:
                libc.free(ring.pop(0))

        def test_child(self):
            pid = os.fork()
            if not pid:
                for _ in range(50):
                    allocate(333)
                os._exit(0)
            self.assertEqual(os.waitpid(pid, 0)[1], 0)
            allocate(444)

        def test_environment(self):
            self.assertNotIn("LD_PRELOAD", os.environ)
            ask = "import ctypes; ctypes.CDLL(None).leakcheck_trace_start"
            self.assertNotEqual(subprocess.call([sys.executable, "-c", ask], stderr=subprocess.DEVNULL), 0)

        def test_closes(self):
            os.closerange(3, 2000)
            allocate(1000)
"""


@linux_only
@unittest.skipUnless(LIBRARY, "the library is not built: cargo build")
class Survivors(BridgeCase):
    def start_traced(self, **env):
        variables = {"LD_PRELOAD": LIBRARY, "PYTHONMALLOC": "malloc", **env}
        if sys.version_info >= (3, 13) and not sys._is_gil_enabled():
            del variables["PYTHONMALLOC"]
        worker = self.start({"test_leaks.py": LEAKS}, env=variables, orders={"preload": LIBRARY})
        self.assertIsNone(worker.hello["untraceable"])
        return worker

    def leaking(self, worker, name, iterations=6):
        """Bytes by iteration of each stack of which something lives on throughout, and its lines of Python."""
        worker.run(name, iterations=1, warmup=1)
        first = worker.answer("survived", do="survivors", iterations=iterations, wanted=[])
        self.assertEqual(first["outcome"]["status"], "passed", first["outcome"])
        self.assertEqual((first["missed"], first["cut"]), (0, False))
        wanted = sorted({row[2] for row in first["rows"] if row[1] == 2})
        if not wanted:
            return {}
        then = worker.answer("survived", do="survivors", iterations=iterations, wanted=wanted)
        self.assertEqual(then["iterations"], 2 * iterations)
        tracebacks = dict(then["tracebacks"])
        found = {}
        for _, iteration, stack, traceback, _, size in then["rows"]:
            sizes, lines = found.setdefault(stack, ({}, set()))
            sizes[iteration] = sizes.get(iteration, 0) + size
            if traceback:
                lines.add(tuple(line for file, line in tracebacks[traceback] if file.endswith("test_leaks.py")))
        return {stack: it for stack, it in found.items() if stack in wanted and {2, 3, iterations + 2} <= it[0].keys()}

    def test_what_stays_is_told_with_the_lines_that_lead_there(self):
        worker = self.start_traced()
        inside = worker.project.line_of("test_leaks.py", "# malloc")
        outside = worker.project.line_of("test_leaks.py", "# called")
        ((sizes, lines),) = self.leaking(worker, "test_malloc").values()
        self.assertEqual(set(sizes.values()), {1000})
        self.assertEqual(len(sizes), 12)
        self.assertEqual(lines, {(inside, outside)})
        ((sizes, lines),) = self.leaking(worker, "test_thread").values()
        self.assertEqual((set(sizes.values()), lines), ({1500}, {(inside,)}))
        ((sizes, lines),) = self.leaking(worker, "test_longer").values()
        self.assertEqual(len(lines), 1)
        self.assertAlmostEqual(sum(sizes.values()) / len(sizes), 640, delta=20)

    def test_what_takes_the_place_of_something_older_does_not_stay(self):
        self.assertEqual(self.leaking(self.start_traced(), "test_ring"), {})

    def test_a_child_is_not_traced_and_has_nothing_of_it(self):
        worker = self.start_traced()
        ((sizes, _),) = self.leaking(worker, "test_child").values()
        self.assertEqual(set(sizes.values()), {444})
        self.assertEqual(self.leaking(worker, "test_environment", 3), {})

    def test_a_test_that_closes_all_descriptors_is_told_without_lines(self):
        worker = self.start_traced()
        ((sizes, lines),) = self.leaking(worker, "test_closes").values()
        self.assertEqual((set(sizes.values()), lines), ({1000}, set()))

    def test_without_the_library_it_says_so(self):
        worker = self.start({"test_leaks.py": LEAKS}, orders={"preload": "/nowhere"})
        self.assertEqual(worker.hello["untraceable"], "the library for it was not loaded")


if __name__ == "__main__":
    unittest.main()
