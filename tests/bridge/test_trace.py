"""`trace`: sites of what stays, with exact counts."""

import os
import sys
import unittest

import driver
from driver import BridgeCase, needs_pytest

SEEDS = """
    import _tracemalloc
    import contextlib
    import io
    import tracemalloc
    import sys
    import unittest
    import warnings


    class Node:
        __slots__ = ("after", "payload")

        def __init__(self, after, payload=None):
            self.after = after
            self.payload = payload


    CHAIN = [None]
    TURN = [0]
    POOL = [bytes(700) for _ in range(20)]


    def make(payload=None):
        return Node(CHAIN[0], payload)  # node


    def make_bytes():
        return bytes(5000)  # bytes


    class Seeds(unittest.TestCase):
        def test_clean(self):
            nodes = [Node(None) for _ in range(100)]
            self.assertEqual(len(nodes), 100)

        def test_one(self):
            CHAIN[0] = make()

        def test_three(self):
            for _ in range(3):
                CHAIN[0] = make()

        def test_tuples(self):
            last = (CHAIN[0],)  # 1
            last = (last, 2)  # 2
            last = (last, 2, 3)  # 3
            CHAIN[0] = (last, 2, 3, 4)  # 4

        def test_bytes(self):
            CHAIN[0] = make(make_bytes())

        def test_pool(self):
            POOL.pop(0)
            POOL.append(bytes(700))  # replacing

        def test_stops(self):
            tracemalloc.stop()

        def test_starts_over(self):
            CHAIN[0] = make()
            if tracemalloc.is_tracing():
                tracemalloc.stop()
                tracemalloc.start()

        def test_clears(self):
            CHAIN[0] = make()
            if tracemalloc.is_tracing():
                tracemalloc.clear_traces()

        def test_traces_by_itself(self):
            tracemalloc.start()
            x = [object() for _ in range(10)]
            tracemalloc.stop()
            del x

        def test_asks(self):
            self.assertIn(tracemalloc.is_tracing(), (False, True))

        def test_asks_python(self):
            self.assertIs(tracemalloc.is_tracing, _tracemalloc.is_tracing)

        def test_warns(self):
            with self.assertWarns(ResourceWarning):
                file = open(__file__)
                del file
            with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
                warnings.simplefilter("always")
                file = open(__file__)
                del file

        def test_sees_no_tracing(self):
            self.assertFalse(tracemalloc.is_tracing())

        def test_fails_later(self):
            TURN[0] += 1
            self.assertLess(TURN[0], 5, "_interpreters" in sys.modules)
"""


class Trace(BridgeCase):
    files = {"test_seeds.py": SEEDS}
    #: Objects per iteration that are more than the runner's own.
    least = 0.0

    def growth(self, answer):
        """Increments after the second boundary, by number of each traceback that grows at every one."""
        boundaries = [{number: rest for number, *rest in entries} for entries in answer["boundaries"]]
        found = {}
        for number in range(len(answer["tracebacks"])):
            counts = [boundary.get(number, (0, 0)) for boundary in boundaries[1:]]
            steps = [(b[0] - a[0], b[1] - a[1]) for a, b in zip(counts, counts[1:])]
            if all(count > 0 for count, _ in steps):
                found[number] = steps
        return found

    def at(self, answer, number):
        """File's name and line of the innermost frame."""
        path, line = answer["tracebacks"][number][0]
        return os.path.basename(path), line

    def line(self, part):
        return self.project.line_of("test_seeds.py", part)

    def test_a_clean_test_has_no_site(self):
        answer = self.worker.open_and_trace("test_clean", iterations=6)
        self.assertPassed(answer)
        self.assertFalse(answer["lost"])
        self.assertEqual(len(answer["boundaries"]), 7)
        self.assertEqual(self.growth(answer), {})
        # pytest keeps a few objects of the last iteration, now more and now fewer.
        self.assertEqual([name for name, count, _ in answer["types"] if count >= self.least], [])

    def test_one_object(self):
        for iterations in (4, 9):
            answer = self.worker.open_and_trace("test_one", iterations=iterations)
            self.assertPassed(answer)
            ((number, steps),) = self.growth(answer).items()
            self.assertEqual(self.at(answer, number), ("test_seeds.py", self.line("# node")))
            self.assertEqual({count for count, _ in steps}, {1})
            self.assertEqual(len({size for _, size in steps}), 1)
            self.assertEqual(len(steps), iterations - 1)

    def test_three_objects(self):
        answer = self.worker.open_and_trace("test_three")
        (steps,) = self.growth(answer).values()
        self.assertEqual({count for count, _ in steps}, {3})

    def test_tuples_that_free_lists_serve(self):
        answer = self.worker.open_and_trace("test_tuples", iterations=6)
        found = self.growth(answer).items()
        grown = {self.at(answer, number): {count for count, _ in steps} for number, steps in found}
        lines = [self.line("# %d" % length) for length in (1, 2, 3, 4)]
        self.assertEqual(grown, {("test_seeds.py", line): {1} for line in lines})

    def test_bytes_exactly(self):
        answer = self.worker.open_and_trace("test_bytes", iterations=6)
        grown = {self.at(answer, number): set(steps) for number, steps in self.growth(answer).items()}
        sites = {("test_seeds.py", self.line("# node")), ("test_seeds.py", self.line("# bytes"))}
        self.assertEqual(set(grown), sites)
        self.assertEqual(grown["test_seeds.py", self.line("# bytes")], {(1, sys.getsizeof(bytes(5000)))})

    def test_types(self):
        answer = self.worker.open_and_trace("test_bytes", iterations=8)
        types = {name: rest for name, *rest in answer["types"] if rest[0] >= self.least}
        self.assertEqual(types["bytes"], [1.0, float(sys.getsizeof(bytes(5000)))])
        self.assertEqual(types["test_seeds.Node"][0], 1.0)
        self.assertEqual(set(types), {"bytes", "test_seeds.Node"})

    def test_frames_innermost_first(self):
        answer = self.worker.open_and_trace("test_one", frames=3)
        ((number, _),) = self.growth(answer).items()
        frames = answer["tracebacks"][number]
        self.assertEqual({os.path.basename(path) for path, _ in frames[:2]}, {"test_seeds.py"})
        lines = [self.line("# node"), self.line("CHAIN[0] = make()")]
        self.assertEqual([line for _, line in frames[:2]], lines)
        self.assertEqual(len(frames), 3)

    def test_nothing_of_the_bridge_is_a_site(self):
        for name in ("test_clean", "test_one", "test_bytes"):
            answer = self.worker.open_and_trace(name, iterations=20)
            inner = [frames[0][0] for frames in answer["tracebacks"]]
            self.assertEqual([path for path in inner if path.startswith(driver.BRIDGE)], [])

    def test_only_the_end_is_read(self):
        answer = self.worker.open_and_trace("test_three", iterations=7, last_only=True)
        self.assertPassed(answer)
        self.assertFalse(answer["lost"])
        self.assertEqual(len(answer["boundaries"]), 1)
        counts = {self.at(answer, number): count for number, count, _ in answer["boundaries"][0]}
        self.assertEqual(counts["test_seeds.py", self.line("# node")], 21)

    def test_what_takes_the_place_of_something_older_stops_once_all_is_replaced(self):
        replacing = ("test_seeds.py", self.line("# replacing"))
        for settling, expected in ((0, [0, 1, 2, 3]), (20, [20] * 4)):
            answer = self.worker.open_and_trace("test_pool", iterations=3, settling=settling)
            self.assertPassed(answer)
            alive = [
                sum(count for number, count, _ in boundary if self.at(answer, number) == replacing)
                for boundary in answer["boundaries"]
            ]
            self.assertEqual(alive, expected)

    def test_a_test_that_stops_the_tracing(self):
        for name in ("test_stops", "test_traces_by_itself"):
            with self.subTest(name):
                answer = self.worker.open_and_trace(name)
                self.assertPassed(answer)
                self.assertTrue(answer["lost"])
                self.assertEqual(answer["types"], [])
                self.assertTrue(self.worker.open_and_trace(name, last_only=True)["lost"])
        # The next one is traced as if nothing had been.
        self.assertFalse(self.worker.open_and_trace("test_one")["lost"])

    def test_a_test_that_asks_whether_memory_is_traced(self):
        # It may start and end tracing of its own where nobody traces, of which Python keeps something up to 3.12.4.
        for last_only in (False, True):
            answer = self.worker.open_and_trace("test_asks", last_only=last_only)
            self.assertPassed(answer)
            self.assertTrue(answer["asked"])
            self.assertFalse(answer["lost"])
        # `warnings` asks for itself.
        self.assertFalse(self.worker.open_and_trace("test_one")["asked"])
        self.assertFalse(self.worker.open_and_trace("test_warns")["asked"])
        # Python's own function is back.
        self.assertPassed(self.worker.run("test_asks_python"))

    def test_a_test_that_starts_the_tracing_anew(self):
        # What was traced before is gone, so a growing site would look flat.
        for name in ("test_starts_over", "test_clears"):
            with self.subTest(name):
                self.assertTrue(self.worker.open_and_trace(name)["lost"])
                self.assertTrue(self.worker.open_and_trace(name, last_only=True)["lost"])

    def test_tracing_is_off_afterwards(self):
        self.worker.open_and_trace("test_one")
        self.assertPassed(self.worker.run("test_sees_no_tracing"))
        self.assertStatus(self.worker.open_and_trace("test_sees_no_tracing"), "failed", "call")
        self.assertPassed(self.worker.run("test_sees_no_tracing"))

    def test_a_failure_ends_the_window(self):
        answer = self.worker.open_and_trace("test_fails_later", iterations=20)
        self.assertStatus(answer, "failed", "call", "5 not less than 5")
        # The opening, and iterations 3 and 4; the third is watched instead where interpreters can be made.
        watched = answer["outcome"]["message"].endswith(": True")
        self.assertEqual(len(answer["boundaries"]), 2 if watched else 3)

    def test_series_are_exact_after_a_trace(self):
        self.worker.open_and_trace("test_one", iterations=8)
        self.assertGrows(self.worker, "test_one", blocks=1, objects=1)
        self.assertFlat(self.worker, "test_clean")


@needs_pytest
class TracePytest(Trace):
    runner = "pytest"
    least = 0.9


if __name__ == "__main__":
    unittest.main()
