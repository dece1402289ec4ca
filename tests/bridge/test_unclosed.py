"""What nobody closes: counted whatever the filters say, told with the place where it was made, seen by nobody else."""

import unittest

from driver import BridgeCase

LEAVES = """
    import os
    import socket
    import unittest
    import warnings

    import stall

    HERE = os.path.abspath(__file__)


    class Leaves(unittest.TestCase):
        def test_file(self):
            stall.opened(HERE)

        def test_two(self):
            stall.opened(HERE)
            stall.opened(HERE)

        def test_ignored(self):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                stall.opened(HERE)

        def test_reset(self):
            with warnings.catch_warnings():
                warnings.resetwarnings()
                warnings.simplefilter("ignore", ResourceWarning)
                stall.opened(HERE)

        def test_recorded(self):
            with warnings.catch_warnings(record=True) as seen:
                warnings.simplefilter("always")
                stall.opened(HERE)
                stall.opened(HERE)
            self.assertEqual([one.category for one in seen], [ResourceWarning] * 2)

        def test_recorded_and_ignored(self):
            with warnings.catch_warnings(record=True) as seen:
                warnings.simplefilter("ignore")
                stall.opened(HERE)
            self.assertEqual(seen, [])

        def test_expected(self):
            with self.assertWarns(ResourceWarning):
                stall.opened(HERE)

        def test_closed(self):
            with open(HERE):
                pass

        def test_other(self):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                warnings.warn("old", DeprecationWarning)

        def test_cycle(self):
            stall.Tied(HERE)
"""

STALL = """
    def opened(path):
        file = open(path)
        return file.name


    class Tied:
        def __init__(self, path):
            self.me = self
            self.file = open(path)
"""


class Unclosed(BridgeCase):
    files = {"test_leaves.py": LEAVES, "stall.py": STALL}

    def setUp(self):
        super().setUp()
        if self.worker.exactness.get("unclosed") == "absent":
            self.skipTest("they are not counted on this build")

    def counted(self, name):
        ran = self.worker.run(name, iterations=4, warmup=2)
        self.assertPassed(ran)
        readings = ran["series"]["unclosed"]
        return [after - before for before, after in zip(readings, readings[1:])]

    def test_each_counts_whatever_the_filters_say(self):
        for name, each in (
            ("file", 1),
            ("two", 2),
            ("ignored", 1),
            ("reset", 1),
            ("recorded", 2),
            ("recorded_and_ignored", 1),
            ("expected", 1),
            ("cycle", 1),
            ("closed", 0),
            ("other", 0),
        ):
            with self.subTest(name):
                self.assertEqual(self.counted("test_" + name), [each] * 4)

    def test_nothing_grows_by_counting(self):
        for name in ("file", "recorded", "cycle"):
            with self.subTest(name):
                self.assertGrows(self.worker, "test_" + name, unclosed=None)

    def look(self, name):
        self.worker.run(name, iterations=1, warmup=1)
        answer = self.worker.answer("unclosed", do="unclosed", iterations=3, frames=10)
        self.assertPassed(answer)
        return answer["warned"]

    def test_a_look_tells_what_it_was_and_where_it_was_made(self):
        line = self.worker.project.line_of("stall.py", "file = open(path)")
        for name in ("file", "ignored", "recorded", "recorded_and_ignored", "expected"):
            with self.subTest(name):
                warned = self.look("test_" + name)
                self.assertEqual(sorted({one["iteration"] for one in warned}), [0, 1, 2])
                for one in warned:
                    self.assertEqual((one["type"], one["made"]), ("_io.TextIOWrapper", True))
                    self.assertIn([self.worker.project.path("stall.py"), line], one["frames"])
                    self.assertTrue(one["text"].startswith("unclosed file <"), one["text"])
        tied = self.look("test_cycle")
        line = self.worker.project.line_of("stall.py", "self.file = open(path)")
        self.assertIn([self.worker.project.path("stall.py"), line], tied[0]["frames"])
        self.assertEqual(self.look("test_closed"), [])

    def test_after_a_look_the_filters_are_as_before(self):
        self.look("test_file")
        self.assertEqual(self.counted("test_recorded"), [2] * 4)
        self.assertEqual(self.counted("test_recorded_and_ignored"), [1] * 4)


if __name__ == "__main__":
    unittest.main()
