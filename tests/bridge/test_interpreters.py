"""Subinterpreters: those that stay are counted and named, and no memory is traced beside them."""

import os

from driver import BridgeCase, increments

TESTS = """
    import unittest

    try:
        import _interpreters
    except ImportError:
        import _xxsubinterpreters as _interpreters

    KEPT = []

    class Interpreters(unittest.TestCase):
        def test_nothing(self):
            pass

        def test_made(self):
            _interpreters.destroy(_interpreters.create())

        def test_kept(self):
            KEPT.append(_interpreters.create())
"""


class Interpreters(BridgeCase):
    files = {"test_others.py": TESTS}

    def test_each_step(self):
        # In this order, since the last one leaves some.
        worker = self.worker
        self.assertEqual(increments(worker.run("test_made", 3)["series"]["interpreters"]), [0] * 3)
        traced = worker.trace()
        self.assertTrue(traced["interpreters"])
        self.assertEqual(traced["boundaries"], [])

        traced = worker.open_and_trace("test_nothing")
        self.assertFalse(traced["interpreters"])
        self.assertGreater(len(traced["boundaries"]), 1)

        self.assertEqual(increments(worker.run("test_kept", 2, warmup=1)["series"]["interpreters"]), [1, 1])
        self.assertTrue(worker.trace()["interpreters"])
        file = os.path.join(worker.folder, "heap")
        dumped = worker.answer("dumped", do="dump", iterations=2, file=file, frames=1)
        self.assertPassed(dumped)
        others = [text for kind, text in dumped["resources"] if kind == "interpreter"]
        self.assertEqual(len(others), 2)
        self.assertRegex(others[0], r"^interpreter [0-9]+$")
        called = worker.answer("called", do="calls", iterations=2, readings=20000, counter="interpreters")
        self.assertEqual(called["totals"], [1, 1])

        # Not even another test is traced beside them, nor followed.
        self.assertTrue(worker.open_and_trace("test_nothing")["interpreters"])
        order = {"always": [self.project.folder], "within": [], "without": [], "frames": 5}
        self.assertFalse(worker.answer("followed", do="follow", **order)["whole"])
        self.assertIsNone(worker.process.poll())


if __name__ == "__main__":
    import unittest

    unittest.main()
