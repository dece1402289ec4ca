"""`garbage` and `free`: what only the collector frees is counted, held back whole, and named."""

import array
import os
import sys
import unittest

from driver import BridgeCase, increments, linux_only

KNOTS = '''
    import gc
    import unittest


    class Node:
        def __init__(self, parent=None):
            self.parent = parent
            self.children = []
            if parent is not None:
                parent.children.append(self)


    class Journal:
        def __init__(self):
            self.file = open(__file__)
            self.me = self


    class Feed:
        def __init__(self):
            self.rows = self.read()

        def read(self):
            yield self


    LAST = []


    class TestKnots(unittest.TestCase):
        def test_tree(self):
            Node(Node())

        def test_many(self):
            for _ in range(3000):
                Node(Node())

        def test_journal(self):
            Journal()

        def test_feed(self):
            next(Feed().rows)

        def test_replaced(self):
            LAST[:] = [Node(Node())]

        def test_nothing(self):
            Node()

        def test_collects(self):
            Node(Node())
            gc.collect()

        def test_fails_later(self):
            LAST.append(None)
            self.assertLess(len(LAST), 6)
'''
#: Objects in a pair of nodes: two, their lists, and before 3.11 their dictionaries.
PAIR = 6 if sys.version_info < (3, 11) else 4


class TestGarbage(BridgeCase):
    files = {"test_knots.py": KNOTS}

    def look(self, name, frames=1):
        self.worker.run(name, iterations=1, warmup=1)
        return self.worker.answer("dumped", do="garbage", file=self.worker._file("garbage"), frames=frames)

    def free(self):
        return self.worker.answer("freed", do="free")

    def counted(self, name):
        answer = self.worker.run(name, iterations=5)
        # Up to 3.10 the interpreter allocates once for a function that is called often.
        self.assertEqual(increments(answer["series"]["blocks"])[-2:], [0] * 2)
        return increments(answer["series"]["garbage"])[1:]

    def test_what_the_collector_frees_is_counted_in_every_iteration(self):
        self.assertEqual(self.counted("test_tree"), [PAIR] * 4)
        self.assertEqual(self.counted("test_nothing"), [0] * 4)
        self.assertEqual(self.counted("test_replaced"), [PAIR] * 4)

    def test_so_is_what_it_freed_while_the_test_ran(self):
        self.assertEqual(self.counted("test_many"), [3000 * PAIR] * 4)
        self.assertEqual(self.counted("test_collects"), [PAIR] * 4)

    def test_and_a_generator_that_it_closes(self):
        # The feed and its generator; up to 3.10 its frame as well.
        frame = int(sys.version_info < (3, 11))
        self.assertEqual(self.counted("test_feed"), [2 + frame] * 4)

    def identities(self, dumped):
        """Identities of the objects in the file whose type is one of the tests' own, by type."""
        words = array.array("Q")
        found = {}
        with open(self.worker._file("garbage"), "rb") as file:
            while True:
                header = array.array("Q")
                header.fromfile(file, 3)
                nodes, _, edges = header
                if not nodes:
                    break
                words = array.array("Q")
                words.fromfile(file, nodes)
                file.seek(8 * (3 * nodes + edges), os.SEEK_CUR)
                kinds = array.array("I")
                kinds.fromfile(file, nodes)
                file.seek(4 * nodes, os.SEEK_CUR)
                for number, kind in zip(words, kinds):
                    found.setdefault(dumped["graph"]["types"][kind], []).append(number)
        return found

    def test_it_is_held_back_until_it_was_asked_about(self):
        dumped = self.look("test_tree")
        self.assertPassed(dumped)
        nodes = self.identities(dumped)["test_knots.Node"]
        self.assertEqual(len(nodes), 2)
        parent, child = nodes
        named = self.worker.answer("named", do="name", paths=[[parent], [child]])
        for steps in named["paths"]:
            self.assertEqual(steps[0]["type"], "test_knots.Node")
            self.assertEqual(steps[0]["origins"][0][0], "Node")
        line = self.project.line_of("test_knots.py", "Node(Node())")
        self.assertEqual([place[0][1] for place in named["places"]], [line, line])
        self.assertEqual(self.free()["objects"], PAIR)
        # Gone, and the next window is flat. Something of the answer's own may have been given its address.
        for steps in self.worker.answer("named", do="name", paths=[[parent], [child]])["paths"]:
            self.assertNotIn("test_knots.Node", [step["type"] for step in steps or []])
        self.assertFlat(self.worker, "test_tree", garbage=None)

    @linux_only
    def test_the_descriptors_in_it_are_told(self):
        self.look("test_journal")
        freed = self.free()
        self.assertEqual(freed["descriptors"], [os.path.join(self.project.folder, "test_knots.py")])
        self.look("test_tree")
        self.assertEqual(self.free()["descriptors"], [])

    def test_the_collector_is_left_as_it_was_found(self):
        for name in ("test_tree", "test_fails_later"):
            for _ in range(3):
                self.look(name)
            # Without `free`: the next test must find it at work.
            self.assertEqual(self.counted("test_many"), [3000 * PAIR] * 4)

    def test_nothing_is_written_where_the_iteration_fails(self):
        self.worker.run("test_fails_later", iterations=1, warmup=1)
        for _ in range(8):
            answer = self.worker.answer("dumped", do="garbage", file=self.worker._file("garbage"), frames=0)
        self.assertStatus(answer, "failed")
        self.assertIsNone(answer["graph"])
        self.assertEqual(self.free()["objects"], 0)


if __name__ == "__main__":
    unittest.main()
