"""Files that tests leave behind: each counts, wherever it is, and what is taken away again does not."""

import os
import unittest

from driver import BridgeCase, linux_only

TESTS = """
    import itertools
    import os
    import socket
    import tempfile
    import unittest
    from multiprocessing import resource_tracker, shared_memory

    HERE = os.path.dirname(os.path.abspath(__file__))
    NUMBERS = itertools.count()


    class Files(unittest.TestCase):
        def test_temporary(self):
            number, path = tempfile.mkstemp()
            os.close(number)

        def test_two(self):
            for _ in range(2):
                open(os.path.join(tempfile.gettempdir(), "two-%d" % next(NUMBERS)), "w").close()

        def test_folder(self):
            folder = tempfile.mkdtemp()
            open(os.path.join(folder, "in it"), "w").close()

        def test_project(self):
            open(os.path.join(HERE, "out", "%d.txt" % next(NUMBERS)), "w").close()

        def test_project_below(self):
            open(os.path.join(HERE, "out", "deep", "%d.txt" % next(NUMBERS)), "w").close()

        def test_socket(self):
            end = socket.socket(socket.AF_UNIX)
            end.bind(os.path.join(tempfile.gettempdir(), "bus-%d" % next(NUMBERS)))
            end.close()

        def test_shared(self):
            memory = shared_memory.SharedMemory("leakcheck-%d-%d" % (os.getpid(), next(NUMBERS)), True, 64)
            memory.close()
            # The process that unlinks it in the end is none of ours.
            resource_tracker.unregister(memory._name, "shared_memory")

        def test_shared_by_others(self):
            # Somebody else's: nobody told us.
            path = "/dev/shm/leakcheck-%d-other-%d" % (os.getpid(), next(NUMBERS))
            open(path, "w").close()

        def test_shared_and_unlinked(self):
            memory = shared_memory.SharedMemory(create=True, size=64)
            memory.close()
            memory.unlink()

        def test_removed(self):
            with tempfile.NamedTemporaryFile() as file:
                file.write(b"x")
            with tempfile.TemporaryDirectory() as folder:
                open(os.path.join(folder, "in it"), "w").close()

        def test_same(self):
            with open(os.path.join(HERE, "out", "same.txt"), "w") as file:
                file.write("x")

        def test_moved(self):
            path = os.path.join(HERE, "out", "a.txt")
            open(path, "w").close()
            os.rename(path, os.path.join(HERE, "out", "b.txt"))

        def test_hidden(self):
            open(os.path.join(HERE, ".cache-%d" % next(NUMBERS)), "w").close()

        def test_closes(self):
            os.closerange(3, 65536)
            open(os.path.join(tempfile.gettempdir(), "closed-%d" % next(NUMBERS)), "w").close()
"""


@linux_only
class Files(BridgeCase):
    files = {"test_left.py": TESTS, "out/deep/old.txt": "old"}

    def worker_of(self):
        worker = self.start(self.files, runner="unittest", alone=True)
        if worker.exactness.get("files") == "absent":
            self.skipTest("they are not counted here")
        return worker

    def changes(self, worker, name, iterations=5):
        ran = worker.run("test_" + name, iterations=iterations, warmup=2)
        self.assertPassed(ran)
        readings = ran["series"]["files"]
        return [after - before for before, after in zip(readings, readings[1:])]

    def test_each_that_is_left_counts(self):
        worker = self.worker_of()
        self.addCleanup(self._tidy, worker.process.pid)
        for name, each in (
            ("temporary", 1),
            ("two", 2),
            ("folder", 2),
            ("project", 1),
            ("project_below", 1),
            ("socket", 1),
            ("shared", 1),
            ("closes", 1),
        ):
            with self.subTest(name):
                self.assertEqual(self.changes(worker, name), [each] * 5)

    @staticmethod
    def _tidy(number):
        for name in os.listdir("/dev/shm"):
            if name.startswith("leakcheck-{}-".format(number)):
                os.unlink("/dev/shm/" + name)

    def test_what_is_taken_away_or_is_none_of_theirs_does_not_count(self):
        worker = self.worker_of()
        self.addCleanup(self._tidy, worker.process.pid)
        for name in ("removed", "same", "moved", "hidden", "shared_by_others", "shared_and_unlinked"):
            with self.subTest(name):
                self.assertEqual(self.changes(worker, name), [0] * 5)

    def test_nothing_else_grows_by_counting(self):
        worker = self.worker_of()
        for name in ("two", "folder", "project_below", "removed"):
            ran = worker.run("test_" + name, iterations=8, warmup=2)
            for counter in ("blocks", "heap", "fds", "objects"):
                readings = ran["series"][counter][2:]
                self.assertEqual(len(set(readings)), 1, (name, counter, readings))

    def test_beside_others_only_what_is_its_own_counts(self):
        worker = self.start(self.files, runner="unittest")
        self.assertEqual(self.changes(worker, "project"), [0] * 5)
        self.assertEqual(self.changes(worker, "temporary"), [1] * 5)

    def test_they_are_named(self):
        worker = self.worker_of()
        worker.run("test_project")
        dumped = worker.answer("dumped", do="dump", iterations=3, file=worker._file("heap"), frames=0)
        texts = [text for kind, text in dumped["resources"] if kind == "file"]
        self.assertEqual(len(texts), 3, dumped["resources"])
        self.assertRegex(texts[0], r"^out/\d+\.txt$")


if __name__ == "__main__":
    unittest.main()
