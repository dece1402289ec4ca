"""Answers what stands at a place in the source: the enclosing function and the text of the line."""

import ast
import io
import posix
import stat
import tokenize

#: Bytes of the longest file that is read.
_LONGEST = 4 << 20

#: Files read so far; the same few are asked about for every suspect.
_files = {}  # type: dict


def _text(path):
    # type: (str) -> str
    """The text of a file: code may go by the name of a device without an end, or of a pipe that nobody writes to."""
    if not stat.S_ISREG(posix.stat(path).st_mode):
        raise OSError("no file")
    # What is there may be another one by now; opening a pipe does not wait.
    descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK | posix.O_NOCTTY)
    with io.FileIO(descriptor) as file:
        if not stat.S_ISREG(posix.fstat(descriptor).st_mode):
            raise OSError("no file")
        data = b""
        while len(data) <= _LONGEST:
            more = file.read(_LONGEST + 1 - len(data))
            if not more:
                break
            data += more
    if len(data) > _LONGEST:
        raise ValueError("a longer file than people write")
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    return io.TextIOWrapper(io.BytesIO(data), encoding).read()


def _spans(path):
    # type: (str) -> tuple
    text = _text(path)
    spans = []

    def visit(node, prefix):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                name = prefix + child.name
                if not isinstance(child, ast.ClassDef):
                    first = min([child.lineno] + [d.lineno for d in child.decorator_list])
                    spans.append((first, child.end_lineno, name))
                visit(child, name + ".")
            else:
                visit(child, prefix)

    visit(ast.parse(text), "")
    # Not splitlines(): Python counts line feeds only.
    lines = text.split("\n")
    if not lines[-1]:
        del lines[-1]
    return lines, spans


def describe(places):
    # type: (list) -> list
    """For each `[file, line]`: `[qualified name of the function, text of the line or None]`."""
    answers = []
    for path, line in places:
        if path not in _files:
            try:
                _files[path] = _spans(path)
            except (OSError, SyntaxError, ValueError, RecursionError):
                _files[path] = None
        found = _files[path]
        if found is None:
            answers.append(["<unknown>", None])
            continue
        lines, spans = found
        around = [span for span in spans if span[0] <= line <= span[1]]
        # The innermost one starts last.
        name = max(around)[2] if around else "<module>"
        answers.append([name, lines[line - 1].strip() if 0 < line <= len(lines) else None])
    return answers
