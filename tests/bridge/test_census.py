"""What a process holds at its end and did not before its first test."""

import unittest

from driver import BridgeCase

KEEPS = """
    import unittest

    KEPT = []
    BEFORE = []


    class Row:
        pass


    class Odd(type):
        def __hash__(self):
            raise RuntimeError("a type's own hash is asked for")


    class Cell(metaclass=Odd):
        pass


    BEFORE.extend(Row() for _ in range(300))


    class Keeps(unittest.TestCase):
        def test_keeps(self):
            KEPT.extend((Row(), Cell(), Cell()) for _ in range(200))

        def test_frees(self):
            BEFORE.clear()
"""


class Census(BridgeCase):
    def ran(self, worker, name):
        """As the screen does it: with a reading before the first iteration."""
        order = {"thaw": False, "survey": False, "before": True, "warmup": 0, "iterations": 1}
        self.assertPassed(worker.answer("ran", do="run", test=worker.index(name), **order))

    def grown(self, *names):
        worker = self.start({"test_keeps.py": KEEPS})
        for name in names:
            self.ran(worker, name)
        answer = worker.answer("ended", do="end", census=True)
        return dict(each for each in answer["grown"] if each[0].startswith("test_keeps."))

    def test_what_there_are_more_of_is_counted_by_type(self):
        self.assertEqual(self.grown("test_keeps"), {"test_keeps.Row": 200, "test_keeps.Cell": 400})

    def test_what_went_is_taken_off(self):
        self.assertEqual(self.grown("test_keeps", "test_frees"), {"test_keeps.Cell": 400})

    def test_nothing_is_counted_unless_that_is_asked_for(self):
        worker = self.start({"test_keeps.py": KEEPS})
        self.ran(worker, "test_keeps")
        self.assertEqual(worker.answer("ended", do="end")["grown"], [])


if __name__ == "__main__":
    unittest.main()
