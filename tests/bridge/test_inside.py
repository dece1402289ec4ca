"""What is read inside of child processes: the heap of each that runs Python, whoever started it, and nothing else."""

import os
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


@linux_only
class Inside(BridgeCase):
    def start_inside(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return self.start(FILES, orders={"inside": os.path.join(folder.name, "inside")})

    def look(self, worker, name, **more):
        return Dump(worker, name, order="inside", kind="inside", **more)

    def test_what_an_iteration_leaves_in_a_child_is_there_with_its_way_and_its_line(self):
        for name, process in (
            ("Program.test_keep", "process python"),
            ("Spawned.test_keep", "process SpawnProcess of multiprocessing"),
            ("Forked.test_keep", "process ForkProcess of multiprocessing"),
            ("Served.test_keep", "process ForkServerProcess of multiprocessing"),
            ("Executor.test_keep", None),
        ):
            with self.subTest(name):
                worker = self.start_inside()
                module = "__main__" if name.startswith("Program") else "work"
                dump = self.look(worker, name, frames=5)
                self.assertPassed(dump.answer)
                self.assertEqual(dump.answer["troubles"], [])
                if process is not None:
                    self.assertTrue(dump.answer["process"].startswith(process), dump.answer["process"])
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
        dump = self.look(worker, "Served.test_text")
        self.assertTrue(dump.answer["process"].startswith("process ForkServerProcess"), dump.answer)
        gained = {number: dump.lengths[number] - dump.before.get(number, 0) for number in dump.lengths}
        rows = next(number for number, more in gained.items() if more == 5 and dump.types[number] == "list")
        named = dump.name(dump.way(rows, "work"))
        self.assertEqual([step["text"] + step["edge"][1] for step in named["paths"][0]], ["work.ROWS", "list"])

    def test_who_does_not_listen_is_left_alone(self):
        for name in ("Isolated.test_keep", "Other.test_shell", "Other.test_stays"):
            with self.subTest(name):
                worker = self.start_inside()
                dump = self.look(worker, name)
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
