"""`describe`: the function around a line, and its text."""

import os
import unittest

from driver import BridgeCase, linux_only

SHAPES = """
import functools


def plain():
    return 1  # plain


def decorator(function):
    @functools.wraps(function)
    def inner(*args):
        return function(*args)  # inner

    return inner


@decorator
@functools.lru_cache(
    maxsize=None  # decorator line
)
def decorated():
    return 2  # decorated


class Outer:
    attribute = [3]  # class body

    class Nested:
        def method(self):
            return [x for x in range(3)]  # method

        @property
        def name(self):
            value = 4  # property

            def local():
                return value  # local

            return local

    @staticmethod
    async def coroutine():
        return 5  # coroutine


def with_lambda():
    function = lambda x: x + 6  # lambda
    return function


def several():
    long = (
        7,
        8,  # continued
    )

    return long


if plain():
    def conditional():
        return 9  # conditional


LAST = 10  # module
"""

#: Characters that are no end of line for Python, whatever `str.splitlines` takes them for.
FEEDS = """def one():
    return 1

\x0c
def two():
    return '\x1c \x85 \u2028', 2


def three():
    return 3
"""

EXPECTED = {
    "# plain": "plain",
    "# inner": "decorator.inner",
    "# decorator line": "decorated",
    "# decorated": "decorated",
    "# class body": "<module>",
    "# method": "Outer.Nested.method",
    "# property": "Outer.Nested.name",
    "# local": "Outer.Nested.name.local",
    "# coroutine": "Outer.coroutine",
    "# lambda": "with_lambda",
    "# continued": "several",
    "# conditional": "conditional",
    "# module": "<module>",
}


class Describe(BridgeCase):
    files = {
        "test_shapes.py": "import unittest\n",
        "shapes.py": SHAPES,
        "broken.py": "def f(:\n    pass\n",
        "feeds.py": FEEDS,
        "windows.py": b"def one():\r\n    return 1\r\n\r\ndef two():\r\n    return 2\r\n",
        "latin.py": b"# -*- coding: latin-1 -*-\ndef name():\n    return '\xe9'\n",
        "lying.py": b"# -*- coding: utf-8 -*-\ndef name():\n    return '\xe9'\n",
        "unknown.py": b"# -*- coding: no-such-thing -*-\nx = 1\n",
        "zero.py": b"x = 1\n\x00\n",
        "empty.py": "",
        "page.html": "<html>\n{{ x }}\n</html>\n",
    }

    def place(self, name, line):
        return [self.project.path(name), line]

    def describe(self, *places):
        return self.worker.describe([list(place) for place in places])

    def test_qualified_names(self):
        places = [self.place("shapes.py", self.project.line_of("shapes.py", part)) for part in EXPECTED]
        answers = self.describe(*places)
        for (part, name), (found, text) in zip(EXPECTED.items(), answers):
            with self.subTest(part):
                self.assertEqual(found, name)
                self.assertTrue(text.endswith(part), text)
                self.assertEqual(text, text.strip())

    def test_line_of_a_decorator_belongs_to_its_function(self):
        line = self.project.line_of("shapes.py", "@functools.lru_cache(")
        self.assertEqual(self.describe(self.place("shapes.py", line)), [["decorated", "@functools.lru_cache("]])

    def test_lines_that_are_not_there(self):
        answers = self.describe(self.place("shapes.py", 0), self.place("shapes.py", 100000), self.place("empty.py", 1))
        self.assertEqual(answers, [["<module>", None]] * 3)

    def test_what_cannot_be_read(self):
        places = [self.place(name, 1) for name in ("broken.py", "lying.py", "unknown.py", "zero.py", "page.html")]
        places += [
            ["<string>", 1],
            ["", 1],
            ["a\x00b", 1],
            [self.project.folder, 1],
            ["\udc80", 1],
            ["x" * 5000, 1],
        ]
        answers = self.describe(*places)
        self.assertEqual([name for name, _ in answers], ["<unknown>"] * len(places))
        # It can be asked again.
        self.assertEqual(self.describe(*places), answers)

    def test_what_is_no_file_is_not_opened(self):
        pipe = self.project.path("pipe.py")
        os.mkfifo(pipe)
        # Nobody writes to the pipe, and the device has no end.
        answers = self.describe([pipe, 1], ["/dev/zero", 1], ["/dev/stdin", 1])
        self.assertEqual(answers, [["<unknown>", None]] * 3)

    @linux_only
    def test_a_path_that_is_no_text(self):
        path = os.path.join(os.fsencode(self.project.folder), b"d\xff.py")
        with open(path, "w", encoding="utf-8") as file:
            file.write("def named():\n    return 1\n")
        self.assertEqual(self.describe([self.project.path("d\U0010feff.py"), 2]), [["named", "return 1"]])

    def test_lines_are_counted_as_python_counts_them(self):
        answers = self.describe(self.place("feeds.py", 2), self.place("feeds.py", 6), self.place("feeds.py", 10))
        self.assertEqual([name for name, _ in answers], ["one", "two", "three"])
        self.assertEqual(answers[2][1], "return 3")
        self.assertTrue(answers[1][1].endswith(", 2"), answers)

    def test_other_ends_of_line(self):
        answers = self.describe(self.place("windows.py", 2), self.place("windows.py", 5))
        self.assertEqual(answers, [["one", "return 1"], ["two", "return 2"]])

    def test_other_encodings(self):
        self.assertEqual(self.describe(self.place("latin.py", 3)), [["name", "return 'é'"]])

    def test_many_places_at_once(self):
        answers = self.describe(*[self.place("shapes.py", 1 + at % 60) for at in range(5000)])
        self.assertEqual(len(answers), 5000)


if __name__ == "__main__":
    unittest.main()
