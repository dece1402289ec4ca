"""Reads the marks `@pytest.mark.leakcheck(...)` that tests carry, as they are: what they mean is decided elsewhere."""

import math

_NAME = "leakcheck"
#: Marks hold a few values, none of them nested deeper than a table of numbers.
_DEPTH = 3


class _Odd(Exception):
    """A value that has no plain form."""


def _plain(value, depth=_DEPTH):
    """The value as JSON can say it. Subclasses of plain types may do anything when they are asked for text."""
    kind = type(value)
    if value is None or kind is bool or kind is int:
        return value
    if kind is float and math.isfinite(value):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if depth and (kind is list or kind is tuple):
        return [_plain(item, depth - 1) for item in value]
    if depth and kind is dict and all(isinstance(key, str) for key in value):
        return {str.__str__(key): _plain(item, depth - 1) for key, item in value.items()}
    raise _Odd


def _place(node, item):
    """File and first line of what carries the mark."""
    report = getattr(node, "reportinfo", None)
    path, line = None, None
    if report is not None:
        try:
            path, line = report()[:2]
        except Exception:
            # The user's own classes can make this fail; the file is known anyway.
            path, line = None, None
    if path is None:
        path = getattr(node, "path", None) or getattr(item, "path", None) or getattr(item, "fspath", "")
    return str(path), line + 1 if isinstance(line, int) else 0


def read(items):
    # type: (list) -> list
    """One record for each mark of each item, the closest first."""
    found = []
    for index, item in enumerate(items):
        for node, mark in item.iter_markers_with_node(_NAME):
            fields, odd = {}, []
            for name, value in mark.kwargs.items():
                try:
                    fields[name] = _plain(value)
                except _Odd:
                    odd.append((name, type(value).__name__))
            path, line = _place(node, item)
            found.append(
                {
                    "test": index,
                    "file": path,
                    "line": line,
                    "unnamed": len(mark.args),
                    "fields": fields,
                    "odd": odd,
                }
            )
    return found


def is_registered(lines):
    # type: (list) -> bool
    """Whether pytest was told of the marker: `lines` is its setting `markers`, one `name: description` each."""
    return any(line.split(":", 1)[0].split("(", 1)[0].strip() == _NAME for line in lines)
