"""`references`: which calls leave more references to the variables of their caller."""

import os
import unittest

from driver import BridgeCase

LOSES = """
    import ctypes
    import unittest

    keep = ctypes.pythonapi.Py_IncRef
    keep.argtypes = [ctypes.py_object]
    keep.restype = None
    size = ctypes.pythonapi.PyObject_IsTrue
    size.argtypes = [ctypes.py_object]
    KEPT = []


    def lend(record):
        keep(record)  # inner
        return record


    class Loses(unittest.TestCase):
        def test_foreign(self):
            record = [4000]
            keep(record)  # foreign
            self.assertEqual(record, [4000])

        def test_builtin(self):
            record = [4000]
            KEPT.append(record)  # builtin
            self.assertEqual(len(record), 1)

        def test_nested(self):
            record = [4000]
            size(lend(record))  # outer

        def test_seen(self):
            record = [4000]
            size(KEPT.append(record))  # both

        def test_everybodys(self):
            number, flag, nothing, text, letter = 0, True, None, "record", "x"
            keep(number)
            keep(flag)
            keep(nothing)
            keep(text)
            keep(letter)

        def test_nothing(self):
            record = [4000]
            other = record
            self.assertEqual(len(record), len(other))
"""


class References(BridgeCase):
    files = {"test_loses.py": LOSES}

    def rising(self, name):
        self.worker.run(name, iterations=1, warmup=1)
        answer = self.worker.answer("referred", do="references", iterations=3)
        self.assertPassed(answer)
        ours = self.project.path("test_loses.py")
        return [
            (call["place"][1], [name for name, _ in call["functions"]], call["seen"], call["rises"])
            for call in answer["calls"]
            if call["place"][0] == ours and any(call["rises"])
        ]

    def line(self, mark):
        return self.project.line_of("test_loses.py", mark)

    def test_a_foreign_function_is_told_by_its_line(self):
        expected = [(self.line("# foreign"), ["Py_IncRef"], False, [1, 1, 1])]
        self.assertEqual(self.rising("test_foreign"), expected)

    def test_a_builtin_is_told_with_its_type(self):
        expected = [(self.line("# builtin"), ["list.append"], True, [1, 1, 1])]
        self.assertEqual(self.rising("test_builtin"), expected)

    def test_of_a_builtin_the_beginning_of_its_code_is_told(self):
        self.worker.run("test_builtin", iterations=1, warmup=1)
        answer = self.worker.answer("referred", do="references", iterations=3)
        line = self.line("# builtin")
        (call,) = [call for call in answer["calls"] if call["seen"] and call["place"][1] == line]
        size = os.stat(call["functions"][0][1]).st_size
        self.assertTrue(0 < call["entry"] < size, call)

    def test_of_nested_lines_the_innermost_is_told(self):
        expected = [(self.line("# inner"), ["Py_IncRef"], False, [1, 1, 1])]
        self.assertEqual(self.rising("test_nested"), expected)

    def test_a_call_that_was_seen_is_no_other_one_on_its_line(self):
        expected = [(self.line("# both"), ["list.append"], True, [1, 1, 1])]
        self.assertEqual(self.rising("test_seen"), expected)

    def test_what_everybody_has_was_not_lost(self):
        self.assertEqual(self.rising("test_everybodys"), [])

    def test_a_second_variable_is_no_call(self):
        self.assertEqual(self.rising("test_nothing"), [])


if __name__ == "__main__":
    unittest.main()
