"""`calls`: the net of every line and C call, to the byte."""

import ctypes
import sys
import unittest

from driver import BRIDGE, BridgeCase, linux_only

LEAKS = """
    import ctypes
    import os
    import sqlite3
    import sys
    import tempfile
    import unittest

    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]

    STORE = sqlite3.connect(":memory:")
    STORE.execute("create table log (entry text)")


    def allocate():
        page = bytearray(9000)
        address = libc.malloc(1000)  # malloc
        return address, len(page)


    def numbers():
        yield len(bytearray(7000))
        libc.malloc(2000)  # in a generator
        yield 2


    def refuse():
        libc.malloc(3000)  # before an error
        raise ValueError("no")


    class Leaks(unittest.TestCase):
        def test_malloc(self):
            kept = [str(number) for number in range(5000)]
            self.assertTrue(allocate())
            self.assertEqual(len(",".join(kept)), 23889)

        def test_generator(self):
            self.assertEqual(list(numbers()), [7000, 2])

        def test_error(self):
            with self.assertRaises(ValueError):
                refuse()

        def test_call(self):
            STORE.execute("insert into log values (?)", ("x" * 4000,))  # a call

        def test_clean(self):
            self.assertEqual(sum(len(bytearray(6000)) for _ in range(9)), 54000)

        def test_descriptors(self):
            stays = os.open(os.devnull, os.O_RDONLY)  # is open
            goes = os.open(os.devnull, os.O_RDONLY)  # is closed
            os.close(goes)
            self.assertNotEqual(stays, goes)

        def test_removed(self):
            _, path = tempfile.mkstemp()  # stays
            os.remove(path)  # goes

        def test_traces(self):
            sys.settrace(None)
            libc.malloc(1000)

        def test_long(self):
            for _ in range(4000):
                str(_)
            allocate()  # far down
"""


@linux_only
class Calls(BridgeCase):
    files = {"test_leaks.py": LEAKS}

    def calls(self, name, iterations=4, readings=20000, counter="heap"):
        if self.worker.exactness[counter] != "exact":
            self.skipTest("the counter is not exact here")
        self.worker.run(name, iterations=1, warmup=1)
        return self.worker.answer("called", do="calls", counter=counter, iterations=iterations, readings=readings)

    def deepest(self, answer, bytes_at_least):
        """The last node that added as much as each whole iteration but the first, and those that lead to it."""
        nodes = answer["nodes"]
        # On 3.8 something is made once now and then.
        alike = [at for at, node in enumerate(nodes) if node["nets"][1:] == answer["totals"][1:]]
        self.assertGreaterEqual(min(answer["totals"]), bytes_at_least)
        self.assertTrue(alike, nodes)
        chain = []
        at = alike[-1]
        while at >= 0:
            chain.append(nodes[at])
            at = nodes[at]["in"]
        return chain

    def assert_line(self, name, mark, bytes_at_least):
        answer = self.calls(name)
        node = self.deepest(answer, bytes_at_least)[0]
        self.assertEqual(node.get("line"), self.project.line_of("test_leaks.py", mark), node)
        return node

    def test_a_foreign_call_is_found_by_its_line_among_what_comes_and_goes(self):
        node = self.assert_line("test_malloc", "# malloc", 1000)
        ((name, library),) = node["silent"]
        self.assertEqual(name, "malloc")
        self.assertIn("libc", library)

    def test_a_line_of_a_generator(self):
        self.assert_line("test_generator", "# in a generator", 2000)

    def test_a_line_of_a_frame_that_an_error_ends(self):
        self.assert_line("test_error", "# before an error", 3000)

    def test_a_builtin_is_named_with_its_type_and_its_shared_object(self):
        answer = self.calls("test_call")
        name, library = self.deepest(answer, 4000)[0]["call"]
        self.assertEqual(name, "sqlite3.Connection.execute")
        self.assertIn("_sqlite3", library)

    def test_a_descriptor_that_stays_is_told_from_one_that_is_closed(self):
        answer = self.calls("test_descriptors", counter="fds")
        self.assertEqual(answer["totals"], [1] * 4)
        lines = {node["line"]: node["nets"] for node in answer["nodes"] if "line" in node}
        ours = {mark: lines.get(self.project.line_of("test_leaks.py", mark)) for mark in ("# is open", "# is closed")}
        self.assertEqual(ours, {"# is open": [1] * 4, "# is closed": None})

    def test_a_descriptor_comes_where_it_is_opened_and_not_where_its_file_is_removed(self):
        answer = self.calls("test_removed", counter="fds")
        self.assertEqual(answer["totals"], [1] * 4)
        lines = {node["line"]: node["nets"] for node in answer["nodes"] if "line" in node}
        ours = {mark: lines.get(self.project.line_of("test_leaks.py", mark)) for mark in ("# stays", "# goes")}
        self.assertEqual(ours, {"# stays": [1] * 4, "# goes": None})

    def test_what_is_clean_adds_nothing(self):
        answer = self.calls("test_clean")
        self.assertEqual(answer["totals"], [0] * 4)

    def test_a_test_that_ends_tracing_is_said_to(self):
        answer = self.calls("test_traces")
        self.assertTrue(answer["lost"])
        self.assertEqual(answer["nodes"], [])

    def test_more_events_than_readings_cut_off_the_deepest_frames(self):
        answer = self.calls("test_long", readings=200)
        self.assertTrue(answer["cut"])
        files = {node["frame"][0] for node in answer["nodes"] if "frame" in node}
        self.assertNotIn(self.project.path("test_leaks.py"), files)
        answer = self.calls("test_long")
        self.assertFalse(answer["cut"])


class Descriptors(unittest.TestCase):
    def test_who_is_open_is_looked_at_where_their_number_changes(self):
        sys.path.insert(0, BRIDGE)
        self.addCleanup(sys.path.remove, BRIDGE)
        from leakcheck_bridge import calls

        number, looks, is_open = [3], [], {number: (1, number) for number in range(3)}

        def look():
            looks.append(1)
            return dict(is_open)

        reading = calls.Descriptors(look, lambda: number[0])
        reading.begin()
        for _ in range(1000):
            self.assertEqual(reading(), 0)
        is_open[3] = (1, 3)
        number[0] = 4
        self.assertEqual([reading(), reading()], [1, 1])
        self.assertEqual(len(looks), 2)
        row = [0, 1, 2]
        reading.keep(row)
        self.assertEqual(row, [0, 1, 0])


class _Definition(ctypes.Structure):
    """CPython's `PyMethodDef`."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    ]


class Names(unittest.TestCase):
    def test_a_builtin_made_for_no_object_is_named_without_one(self):
        sys.path.insert(0, BRIDGE)
        self.addCleanup(sys.path.remove, BRIDGE)
        from leakcheck_bridge import calls

        make = ctypes.pythonapi.PyCFunction_NewEx
        make.restype = ctypes.py_object
        make.argtypes = [ctypes.POINTER(_Definition), ctypes.c_void_p, ctypes.py_object]
        # It is never called.
        definition = _Definition(b"loads", 1, 0x0008, None)
        for module, name in ("fast", "fast.loads"), (None, "loads"):
            function = make(definition, None, module)
            owner = type(function.__self__)
            self.assertEqual(calls.builtin_name(function, owner), name)
            del function


if __name__ == "__main__":
    unittest.main()
