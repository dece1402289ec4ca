"""What libraries and the project count themselves: read where their module is loaded, and never loaded for it."""

import unittest

from driver import BridgeCase

COUNTS = """
    import array

    STATE = array.array("q", [0, 0])


    def lines():
        return STATE[0]


    def room():
        return float(STATE[1])


    def broken():
        raise KeyError("no such line")


    class Board:
        @staticmethod
        def lit():
            return STATE[0] * 2


    def words():
        return "many"
"""

TESTS = """
    import unittest

    import counts


    class Counts(unittest.TestCase):
        def test_line(self):
            counts.STATE[0] += 1

        def test_room(self):
            counts.STATE[1] += 4096

        def test_nothing(self):
            pass

        def test_library(self):
            import cupy

            cupy.used[0] += 512
"""

#: As much of it as is asked.
CUPY = """
    import array

    used = array.array("q", [0])


    class _Pool:
        def used_bytes(self):
            return used[0]


    def get_default_memory_pool():
        return _Pool()
"""

CONFIGURED = [
    ["lines", "counts:lines"],
    ["room_bytes", "counts:room"],
    ["lit", "counts:Board.lit"],
    ["broken", "counts:broken"],
    ["words", "counts:words"],
    ["missing", "never_imported:count"],
]


class Gauges(BridgeCase):
    files = {"test_counts.py": TESTS, "counts.py": COUNTS, "cupy.py": CUPY}

    def start_one(self):
        return self.start(self.files, runner="unittest", counters=CONFIGURED)

    def changes(self, worker, name, counter):
        ran = worker.run(name, iterations=4, warmup=2)
        self.assertPassed(ran)
        readings = ran["series"][counter]
        return [after - before for before, after in zip(readings, readings[1:])]

    def test_what_is_configured_is_read_at_each_boundary(self):
        worker = self.start_one()
        self.assertEqual(worker.hello["counters"]["lines"], "exact")
        self.assertEqual(self.changes(worker, "test_line", "lines"), [1] * 4)
        self.assertEqual(self.changes(worker, "test_line", "lit"), [2] * 4)
        self.assertEqual(self.changes(worker, "test_room", "room_bytes"), [4096] * 4)
        self.assertEqual(self.changes(worker, "test_nothing", "lines"), [0] * 4)

    def test_nothing_else_grows_by_reading(self):
        worker = self.start_one()
        for name in ("test_nothing", "test_line"):
            ran = worker.run(name, iterations=6, warmup=2)
            for counter in ("blocks", "heap", "fds", "items"):
                self.assertEqual(len(set(ran["series"][counter][1:])), 1, (name, counter, ran["series"][counter]))

    def test_what_cannot_be_read_is_told_and_stands_still(self):
        worker = self.start_one()
        for counter in ("broken", "words", "missing"):
            self.assertEqual(self.changes(worker, "test_line", counter), [0] * 4)
        notes = worker.answer("ended", do="end")["notes"]
        self.assertEqual(len(notes), 2, notes)
        self.assertIn("`broken`", notes[0])
        self.assertIn("KeyError", notes[0])
        self.assertIn("ValueError", notes[1])

    def test_a_library_is_read_once_it_is_loaded(self):
        worker = self.start_one()
        self.assertNotIn("cupy_bytes", worker.run("test_nothing")["series"])
        self.assertEqual(self.changes(worker, "test_library", "cupy_bytes"), [512] * 4)
        self.assertEqual(self.changes(worker, "test_nothing", "cupy_bytes"), [0] * 4)

    def test_the_line_that_adds_is_found(self):
        worker = self.start_one()
        worker.run("test_line", iterations=1, warmup=1)
        called = worker.answer("called", do="calls", iterations=4, readings=1000, counter="lines")
        self.assertEqual(called["totals"], [1] * 4)


if __name__ == "__main__":
    unittest.main()
