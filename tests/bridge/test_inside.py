"""What is read inside of child processes: the heap of each that runs Python, whoever started it, and nothing else."""

import os
import sys
import tempfile

from driver import BridgeCase, linux_only
from test_heap import Dump

WORK = """
import os
import sys

ROWS = []


class Row:
    pass


def keep_text():
    ROWS.append("x" * 1000)
    return len(ROWS)


def keep():
    ROWS.append(Row())  # kept
    return len(ROWS)


def answer_lines():
    for line in sys.stdin:
        globals()[line.strip()]()
        print("done", flush=True)


def answer(pipe):
    while True:
        try:
            pipe.send(globals()[pipe.recv()]())
        except (EOFError, KeyError):
            return


def answer_more(pipe):
    while True:
        try:
            what = pipe.recv()
            globals()[what]()
            ROWS.append([Row() for _ in range(9)])
            pipe.send(len(ROWS))
        except (EOFError, KeyError):
            return


def deaf(pipe):
    import signal

    signal.pthread_sigmask(signal.SIG_BLOCK, range(30, 65))
    answer(pipe)


def traced(pipe):
    import tracemalloc

    tracemalloc.start()
    while True:
        try:
            ROWS.append(globals()[pipe.recv()]())
            pipe.send(1 if tracemalloc.is_tracing() else 0)
        except (EOFError, KeyError):
            return


if __name__ == "__main__":
    answer_lines()
"""

TESTS = """
    import concurrent.futures
    import multiprocessing
    import os
    import subprocess
    import sys
    import unittest

    import work

    HERE = os.path.dirname(os.path.abspath(__file__))


    def start(words, **more):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "universal_newlines": True}
        return subprocess.Popen(words, **pipes, **more)


    class Program(unittest.TestCase):
        words = [sys.executable, os.path.join(HERE, "work.py")]

        @classmethod
        def setUpClass(cls):
            cls.peer = start(cls.words)

        @classmethod
        def tearDownClass(cls):
            cls.peer.communicate()

        def test_keep(self):
            self.peer.stdin.write("keep\\n")
            self.peer.stdin.flush()
            self.assertEqual(self.peer.stdout.readline(), "done\\n")


    class Isolated(Program):
        words = [sys.executable, "-I", os.path.join(HERE, "work.py")]


    class Started:
        method = "spawn"

        @classmethod
        def setUpClass(cls):
            context = multiprocessing.get_context(cls.method)
            cls.pipe, there = context.Pipe()
            cls.process = context.Process(target=work.answer, args=(there,))
            cls.process.start()
            there.close()

        @classmethod
        def tearDownClass(cls):
            cls.pipe.send("end")
            cls.process.join()
            cls.pipe.close()

        def test_keep(self):
            self.ask("keep")

        def test_text(self):
            self.ask("keep_text")

        def ask(self, what):
            self.pipe.send(what)
            self.assertGreater(self.pipe.recv(), 0)


    class Spawned(Started, unittest.TestCase):
        pass


    class Forked(Started, unittest.TestCase):
        method = "fork"


    class Served(Started, unittest.TestCase):
        method = "forkserver"


    class Executor(unittest.TestCase):
        @classmethod
        def setUpClass(cls):
            context = multiprocessing.get_context("spawn")
            cls.pool = concurrent.futures.ProcessPoolExecutor(1, context)

        @classmethod
        def tearDownClass(cls):
            cls.pool.shutdown()

        def test_keep(self):
            self.pool.submit(work.keep).result()


    class Other(unittest.TestCase):
        "Two programs that are not Python's, and no child at all."

        def test_shell(self):
            with start(["/bin/cat"]) as peer:
                peer.communicate()

        def test_stays(self):
            if not hasattr(Other, "peer"):
                Other.peer = start(["/bin/cat"])
            self.assertIsNone(Other.peer.poll())

        @classmethod
        def tearDownClass(cls):
            if hasattr(cls, "peer"):
                cls.peer.communicate()


    def pair(others, mine):
        context = multiprocessing.get_context("fork")
        for target in (others, mine):
            here, there = context.Pipe()
            process = context.Process(target=target, args=(there,), name=target.__name__)
            process.start()
            yield here, process


    class Pairs:
        "Two processes, each of which has a name and a pipe."

        @classmethod
        def setUpClass(cls):
            cls.pairs = list(pair(*cls.targets))

        @classmethod
        def tearDownClass(cls):
            for pipe, process in cls.pairs:
                pipe.send("end")
                process.join(5)
                process.terminate()

        def test_both(self):
            for pipe, _ in self.pairs:
                pipe.send("keep")
                self.assertGreater(pipe.recv(), 0)


    class Two(Pairs, unittest.TestCase):
        "The other one loses more objects."
        targets = (work.answer, work.answer_more)


    class Deaf(Pairs, unittest.TestCase):
        "One lets no signal in, and the other traces its memory itself."
        targets = (work.deaf, work.traced)


    class Paths(unittest.TestCase):
        def test_a_program_has_its_own_path_and_customization(self):
            line = "import sys, sitecustomize; print(sitecustomize.MINE, [p for p in sys.path if p.endswith('inside')])"
            here = dict(os.environ, PYTHONPATH=os.environ["PYTHONPATH"] + os.pathsep + os.path.join(HERE, "own"))
            said = subprocess.check_output([sys.executable, "-c", line], env=here, universal_newlines=True)
            self.assertEqual(said.strip(), "7 []")
            line = "import sys; print(sys.modules['sitecustomize'].__file__)"
            said = subprocess.check_output([sys.executable, "-c", line], universal_newlines=True)
            self.assertIn("sitecustomize", said)
"""


FILES = {"test_peers.py": TESTS, "work.py": WORK, "own/sitecustomize.py": "MINE = 7\n"}

PROGRAM = "process {} work.py".format(os.path.basename(sys.executable))
EXECUTOR = "worker of ProcessPoolExecutor"
if sys.version_info < (3, 9):
    EXECUTOR = "process SpawnProcess of multiprocessing"


@linux_only
class Inside(BridgeCase):
    def start_inside(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return self.start(FILES, orders={"inside": os.path.join(folder.name, "inside")})

    def look(self, worker, name, process, **more):
        return Dump(worker, name, order="inside", kind="inside", process=process, **more)

    def test_what_an_iteration_leaves_in_a_child_is_there_with_its_way_and_its_line(self):
        for name, process in (
            ("Program.test_keep", PROGRAM),
            ("Spawned.test_keep", "process SpawnProcess of multiprocessing"),
            ("Forked.test_keep", "process ForkProcess of multiprocessing"),
            ("Served.test_keep", "process ForkServerProcess of multiprocessing"),
            ("Executor.test_keep", EXECUTOR),
        ):
            with self.subTest(name):
                worker = self.start_inside()
                module = "__main__" if name.startswith("Program") else "work"
                dump = self.look(worker, name, process, frames=5)
                self.assertPassed(dump.answer)
                self.assertEqual(dump.answer["troubles"], [])
                row = module + ".Row"
                self.assertEqual(dump.born(row), [1] * 5)
                newest = next(number for number in dump.cohorts[-1] if dump.types.get(number) == row)
                named = dump.name(dump.way(newest, module))
                steps = [step["text"] + step["edge"][1] for step in named["paths"][0]]
                self.assertEqual(steps[-3:-1], [module + ".ROWS", "list[…]"])
                place = named["places"][0][0]
                self.assertEqual(place[1], worker.project.line_of("work.py", "# kept"))
                worker.end()

    def test_what_the_collector_does_not_know_is_an_entry_more(self):
        worker = self.start_inside()
        dump = self.look(worker, "Served.test_text", "process ForkServerProcess of multiprocessing")
        gained = {number: dump.lengths[number] - dump.before.get(number, 0) for number in dump.lengths}
        rows = next(number for number, more in gained.items() if more == 5 and dump.types[number] == "list")
        named = dump.name(dump.way(rows, "work"))
        self.assertEqual([step["text"] + step["edge"][1] for step in named["paths"][0]], ["work.ROWS", "list"])

    def test_who_is_asked_has_the_name(self):
        for process, rows in (("process answer of multiprocessing", 1), ("process answer_more of multiprocessing", 10)):
            with self.subTest(process):
                worker = self.start_inside()
                dump = self.look(worker, "Two.test_both", process)
                self.assertPassed(dump.answer)
                self.assertEqual(dump.born("work.Row"), [rows] * 5)
                worker.end()

    def test_who_cannot_hear_keeps_nobody_waiting_and_what_traces_goes_on_tracing(self):
        worker = self.start_inside()
        deaf = self.look(worker, "Deaf.test_both", "process deaf of multiprocessing")
        self.assertPassed(deaf.answer)
        self.assertIsNone(deaf.graph)
        traced = self.look(worker, "Deaf.test_both", "process traced of multiprocessing", frames=5)
        self.assertPassed(traced.answer)
        self.assertEqual(traced.born("work.Row"), [1] * 5)
        # The test fails where it does not trace.
        self.assertPassed(worker.go_on(2))
        worker.end()

    def test_who_does_not_listen_is_left_alone(self):
        isolated = PROGRAM.replace(" work.py", " -I work.py")
        for name, process in (
            ("Isolated.test_keep", isolated),
            ("Other.test_shell", "process cat"),
            ("Other.test_stays", "process cat"),
        ):
            with self.subTest(name):
                worker = self.start_inside()
                dump = self.look(worker, name, process)
                # The signal would have ended it, and the test with it.
                self.assertPassed(dump.answer)
                self.assertEqual((dump.graph, dump.answer["troubles"]), (None, []))
                worker.end()

    def test_what_is_started_has_its_own_path_and_customization(self):
        worker = self.start_inside()
        self.assertPassed(worker.run("Paths.test_a_program_has_its_own_path_and_customization"))

    def test_nothing_is_on_the_path_where_nobody_looks(self):
        worker = self.start({"test_path.py": """
            import os
            import unittest

            class Path(unittest.TestCase):
                def test_path(self):
                    self.assertNotIn("LEAKCHECK_INSIDE", os.environ)
                    self.assertNotIn("PYTHONPATH", os.environ)
        """})
        self.assertPassed(worker.run("test_path"))
