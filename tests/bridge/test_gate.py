"""Marks that tests carry, and the self-check: what is planted shows to the unit, and nothing of it stays."""

import gc
import mmap
import unittest

from driver import BridgeCase, needs_pytest

MARKED = """
    import enum

    import pytest

    pytestmark = pytest.mark.leakcheck(warmup=2)


    class Reason(str, enum.Enum):
        COSTS = "costs"


    @pytest.mark.leakcheck(iterations=5)
    class TestShop:
        @pytest.mark.leakcheck(skip="why", allow={"blocks": 1.5, "fds": 2}, timeout=None)
        def test_all(self):
            pass

        @pytest.mark.leakcheck("unnamed", skip=object(), reason=float("nan"), allow={1: 2}, warmup=Reason.COSTS)
        def test_odd(self):
            pass


    @pytest.mark.other
    def test_wide():
        pass
"""
INI = "[pytest]\nmarkers =\n    leakcheck(**terms): how a test is judged\n    other\n"


@needs_pytest
class Marks(BridgeCase):
    runner = "pytest"
    files = {"test_shop.py": MARKED, "pytest.ini": INI}

    def of(self, name):
        index = self.worker.index(name)
        return [mark for mark in self.worker.last["marks"] if mark["test"] == index]

    def test_the_closest_comes_first_with_its_place(self):
        marks = self.of("test_all")
        self.assertEqual(
            [mark["fields"] for mark in marks],
            [{"skip": "why", "allow": {"blocks": 1.5, "fds": 2}, "timeout": None}, {"iterations": 5}, {"warmup": 2}],
        )
        self.assertEqual({mark["file"] for mark in marks}, {self.project.path("test_shop.py")})
        line = self.project.line_of("test_shop.py", 'skip="why"')
        self.assertEqual(marks[0]["line"], line)
        self.assertIn(marks[1]["line"], (line - 2, line - 1))

    def test_values_that_are_not_plain_are_named_by_type(self):
        mark = self.of("test_odd")[0]
        self.assertEqual(mark["unnamed"], 1)
        self.assertEqual(mark["odd"], [["skip", "object"], ["reason", "float"], ["allow", "dict"]])
        self.assertEqual(mark["fields"], {"warmup": "costs"})

    def test_other_marks_are_none_of_ours(self):
        self.assertEqual([mark["fields"] for mark in self.of("test_wide")], [{"warmup": 2}])
        self.assertEqual(self.worker.last["notes"], [])

    def test_an_unregistered_marker_is_noted(self):
        worker = self.start({"test_shop.py": MARKED})
        self.assertEqual(len(worker.last["notes"]), 1)
        self.assertIn("not registered", worker.last["notes"][0])


class SelfCheck(BridgeCase):
    files = {
        "test_a.py": """
            import unittest


            class TestA(unittest.TestCase):
                def test_a(self):
                    pass
        """
    }

    def check(self, plant, iterations):
        order = {"plant": plant, "iterations": iterations, "warmup": 1}
        # A wobble of the interpreter's own may be in one of them.
        for _ in range(5):
            answer = self.worker.answer("ran", do="selfcheck", **order)
            self.assertPassed(answer)
            series = answer["series"]
            steps = {
                name: {after - before for before, after in zip(values[1:], values[2:])}
                for name, values in series.items()
            }
            if steps["blocks"] == {2 if plant else 0}:
                break
        return steps

    def test_what_is_planted_shows_to_the_unit(self):
        steps = self.check(True, 8)
        # One of them is the mapped memory's, which the collector does not know on each version.
        tracked = gc.is_tracked(mmap.mmap(-1, mmap.PAGESIZE))
        self.assertEqual((steps["blocks"], steps["objects"]), ({2}, {1 + tracked}))
        self.assertEqual((steps["fds"], steps["threads"]), ({1}, {0}))
        if "heap" in steps:
            self.assertTrue(all(96 <= step <= 128 for step in steps["heap"]), steps)

    def test_nothing_shows_where_nothing_is_planted(self):
        self.assertEqual({step for values in self.check(False, 3).values() for step in values}, {0})

    def test_what_was_planted_is_freed(self):
        def level():
            series = self.worker.answer("ran", do="selfcheck", plant=False, iterations=3, warmup=1)["series"]
            return {name: series[name][0] for name in ("fds", "heap", "blocks") if name in series}

        level()
        before = level()
        for _ in range(3):
            self.worker.answer("ran", do="selfcheck", plant=True, iterations=40, warmup=1)
        after = level()
        self.assertEqual(after["fds"], before["fds"])
        # 120 were planted of each.
        self.assertLess(after["blocks"] - before["blocks"], 60)
        if "heap" in after:
            self.assertLess(after["heap"] - before["heap"], 60 * 96)

    def test_tests_run_after_it_as_before(self):
        self.check(True, 8)
        self.assertPassed(self.worker.run("test_a"))


if __name__ == "__main__":
    unittest.main()
