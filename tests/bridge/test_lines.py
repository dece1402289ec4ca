"""`follow`: what each line leaves, how high memory stands meanwhile, and what is in use where most stands."""

import os
import sys
import unittest

from driver import BridgeCase, needs_pytest

SEEDS = """
    import sys
    import unittest

    KEPT = []


    def keep():
        block = bytes(50000)  # block
        KEPT.append(block)
        return len(KEPT)


    def busy():
        total = sum([index * 1000003 for index in range(10000)])  # busy
        total += 1
        return total


    def down(depth):
        if depth:
            return down(depth - 1) + bytes(1000)  # deeper
        return b""


    def numbers():
        for _ in range(3):
            yield bytearray(20000)  # yields


    class Seeds(unittest.TestCase):
        def test_keeps(self):
            keep()  # calls
            total = sum([index * 1000003 for index in range(10000)])  # needs
            self.assertGreater(total, 0)

        def test_calls(self):
            busy()  # waits

        def test_stands(self):
            first = bytearray(100000)  # first
            second = [bytes(3000) for _ in range(10)]  # second
            first = None
            self.assertTrue(second)

        def test_recurses(self):
            self.assertEqual(len(down(5)), 5000)

        def test_generates(self):
            found = [len(part) for part in numbers()]
            left = numbers()
            next(left)
            self.assertEqual(found, [20000] * 3)  # after

        def test_takes_it_away(self):
            sys.settrace(None)
            keep()

        def test_raises(self):
            with self.assertRaises(ValueError):
                int("x" * 40)
            KEPT.append(bytearray(30000))  # last
"""


class Lines(BridgeCase):
    files = {"test_seeds.py": SEEDS}

    def follow(self, name, within=None, files=()):
        self.assertPassed(self.worker.run(name, iterations=1, warmup=1))
        within = [self.project.folder + "/"] if within is None else within
        answer = self.worker.answer("followed", do="follow", always=list(files), within=within, without=[], frames=5)
        self.assertEqual(answer["outcome"]["status"], "passed", answer["outcome"])
        return answer

    def at(self, answer, part):
        """How often a line ran, what it left, and how high memory stood meanwhile."""
        wanted = self.project.line_of("test_seeds.py", "# " + part)
        found = [
            line[1:] for *_, lines in answer["functions"] for line in lines if line[0] == wanted
        ]
        self.assertEqual(len(found), 1, part)
        return found[0]

    def test_each_line_has_what_it_left(self):
        answer = self.follow("test_keeps")
        self.assertTrue(answer["whole"])
        times, net, _ = self.at(answer, "block")
        self.assertEqual(times, 1)
        self.assertAlmostEqual(net, 50033, delta=200)
        # What a call leaves is left by the line that calls, too.
        self.assertAlmostEqual(self.at(answer, "calls")[1], 50033, delta=600)
        self.assertEqual({row[2] for row in answer["functions"]}, {"test_keeps", "keep"})

    @unittest.skipIf(sys.version_info < (3, 9), "its tracemalloc does not tell")
    def test_what_a_line_needs_only_while_it_runs_is_seen(self):
        answer = self.follow("test_keeps")
        _, net, peak = self.at(answer, "needs")
        self.assertLess(net, 1000)
        self.assertGreater(peak, 300000)
        self.assertGreaterEqual(answer["top"], peak)
        self.assertLessEqual(answer["stood"], answer["top"])

    @unittest.skipIf(sys.version_info < (3, 9), "its tracemalloc does not tell")
    def test_what_any_line_of_a_call_needs_is_needed_by_the_line_that_calls(self):
        answer = self.follow("test_calls")
        inner, outer = self.at(answer, "busy")[2], self.at(answer, "waits")[2]
        self.assertGreater(inner, 300000)
        self.assertGreaterEqual(outer, inner)

    def test_what_is_in_use_where_most_stands(self):
        answer = self.follow("test_stands")
        self.assertAlmostEqual(answer["stood"], 130000, delta=3000)
        place = answer["standing"]["line"]
        self.assertEqual(os.path.basename(place[0]), "test_seeds.py")
        # From 3.12 on a comprehension is part of its function, and ends once before its line does.
        self.assertIn(place[1] - self.project.line_of("test_seeds.py", "# second"), (0, 1))
        counts = {}
        for name, number, count, _ in answer["standing"]["types"]:
            if any(place[0].endswith("test_seeds.py") for place in answer["tracebacks"][number]):
                counts[name] = counts.get(name, 0) + count
        self.assertEqual(counts["bytearray"], 1)
        first = self.project.line_of("test_seeds.py", "# first")
        (boundary,) = answer["boundaries"]
        at_first = [
            size
            for number, _, size in boundary
            if answer["tracebacks"][number][0][1] == first and size > 50000
        ]
        self.assertEqual(len(at_first), 1)

    def test_what_stands_at_the_end_of_a_function_is_looked_at(self):
        answer = self.follow("test_raises")
        self.assertEqual(answer["standing"]["line"][1], self.project.line_of("test_seeds.py", "# last"))

    def test_a_function_within_itself_counts_once(self):
        times, net, _ = self.at(self.follow("test_recurses"), "deeper")
        self.assertEqual(times, 5)
        # The outermost call's result, not the sum of all of them.
        self.assertLess(net, 9000)

    def test_generators_are_left_and_taken_up(self):
        answer = self.follow("test_generates")
        self.assertEqual(self.at(answer, "yields")[0], 4)
        self.assertEqual(self.at(answer, "after")[0], 1)

    def test_a_test_that_takes_the_tracing_away_is_told(self):
        self.assertFalse(self.follow("test_takes_it_away")["whole"])

    def test_lines_after_an_exception_are_followed(self):
        self.assertAlmostEqual(self.at(self.follow("test_raises"), "last")[1], 30057, delta=300)

    def test_only_wanted_files_are_followed(self):
        self.assertEqual(self.follow("test_keeps", within=[])["functions"], [])
        files = [self.project.path("test_seeds.py")]
        self.assertEqual(len(self.follow("test_keeps", within=[], files=files)["functions"]), 2)

    def test_counters_are_flat_afterwards(self):
        self.follow("test_stands")
        self.assertFlat(self.worker, "test_stands")


@needs_pytest
class LinesUnderPytest(Lines):
    runner = "pytest"


if __name__ == "__main__":
    unittest.main()
