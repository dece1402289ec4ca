"""Lengths of containers that were there before a window: what grows without a new block.

`list.append(None)` or a dict that gains existing objects allocates nothing until the next resize. The containers that
can leak so are the long-lived ones, and those hang from the modules of the project and its dependencies: found
once a file, shallow ones first, their lengths are added up at every boundary.
"""

import array
import collections
import contextlib
import gc
import os
import sys
import types

_referents = gc.get_referents

#: Containers whose lengths are read; each costs some 25 ns a reading.
_MOST = 1500
#: Objects looked at in search of them.
_MOST_VISITED = 20000

_CONTAINERS = (list, dict, set, bytearray, collections.deque, array.array)
_LENGTHS = tuple(kind.__len__ for kind in _CONTAINERS)
#: Never looked into: they lead everywhere, or hold nothing that stays.
_OPAQUE = (types.ModuleType, types.CodeType, types.FrameType, str, bytes, int, float, complex, bool, type(None))
#: Modules of the runner and of what it cannot do without.
_RUNNER = ("_pytest", "pytest", "pluggy", "iniconfig", "xdist", "py", "pygments", "leakcheck_bridge")


def _stdlib_names():
    # type: () -> object
    names = getattr(sys, "stdlib_module_names", None)
    if names is not None:
        return names
    # Before Python 3.10: what lies beside `os`.
    folder = os.path.dirname(os.__file__)
    found = {name.partition(".")[0] for name in os.listdir(folder)}
    found.update(sys.builtin_module_names)
    with contextlib.suppress(OSError):
        found.update(name.partition(".")[0] for name in os.listdir(os.path.join(folder, "lib-dynload")))
    found.discard("site-packages")
    return found


_STDLIB = _stdlib_names()


def _is_theirs(name):
    # type: (str) -> bool
    top = name.partition(".")[0]
    return top == "__main__" or not (top in _STDLIB or top in _RUNNER or top.startswith("pytest_"))


def _is_container(obj):
    kind = type(obj)
    if kind in _CONTAINERS:
        return True
    # A subclass with a length of its own would run the project's code at every boundary.
    return isinstance(obj, _CONTAINERS) and kind.__len__ in _LENGTHS


class _Node:
    """Where an object was found: enough to name it later, without holding it."""

    __slots__ = ("label", "parent")

    def __init__(self, parent, label):
        self.parent = parent
        self.label = label

    def name(self):
        # type: () -> str
        parts = []
        node = self
        while node is not None:
            parts.append(node.label)
            node = node.parent
        return "".join(reversed(parts))


def _children(obj):
    """What an object refers to, each with the way there as code would write it."""
    kind = type(obj)
    if isinstance(obj, dict):
        return [(value, "[…]") for value in dict.values(obj)]
    if kind in (list, tuple, set, frozenset, collections.deque):
        return [(value, "[…]") for value in list(obj)]
    if kind is types.FunctionType:
        cells = zip(obj.__code__.co_freevars, obj.__closure__ or ())
        found = [(cell, ".<" + name + ">") for name, cell in cells]
        return found + [(value, ".<default>") for value in (obj.__defaults__ or ())]
    if kind is types.CellType:
        return [(value, "") for value in _referents(obj)]
    if isinstance(obj, type):
        if not _is_theirs(str(type.__dict__["__dict__"].__get__(obj).get("__module__", ""))):
            return []
        items = list(type.__dict__["__dict__"].__get__(obj).items())
        return [(value, "." + str(name)) for name, value in items if name not in ("__dict__", "__weakref__")]
    found = []
    for value in _referents(obj):
        if type(value) is dict:
            # An instance's attributes. A plain dict in a slot looks the same; then the name is a little off.
            found += [(item, "." + name) for name, item in value.items() if type(name) is str]
        found.append((value, "") if value is not kind else (None, ""))
    return found


class Watch:
    """The watched containers. Held strongly: lists and dicts know no weak references."""

    def __init__(self):
        self._containers = []  # type: list
        self._nodes = []  # type: list
        self._opening = array.array("q")

    def clear(self):
        # type: () -> None
        """Lets go of everything."""
        self._containers = []
        self._nodes = []

    def survey(self):
        # type: () -> None
        """Finds the containers anew."""
        self.clear()
        modules = list(sys.modules.items())
        # Not through what is nobody's: a function of the standard library leads to all of its module.
        seen = {id(module) for _, module in modules}
        seen.update(id(getattr(module, "__dict__", None)) for _, module in modules)
        queue = collections.deque()
        for name, container in self._of_the_interpreter():
            queue.append((container, _Node(None, name)))
        for name, module in modules:
            if type(module) is types.ModuleType and _is_theirs(name):
                prefix = _Node(None, name)
                for key, value in list(vars(module).items()):
                    if not key.startswith("__"):
                        queue.append((value, _Node(prefix, "." + key)))
        visited = 0
        while queue and visited < _MOST_VISITED and len(self._containers) < _MOST:
            obj, node = queue.popleft()
            if isinstance(obj, _OPAQUE) or id(obj) in seen:
                continue
            seen.add(id(obj))
            visited += 1
            if _is_container(obj):
                self._containers.append(obj)
                self._nodes.append(node)
            for child, label in _children(obj):
                if not isinstance(child, _OPAQUE) and id(child) not in seen:
                    queue.append((child, _Node(node, label) if label else node))

    @staticmethod
    def _of_the_interpreter():
        found = [("sys." + name, getattr(sys, name)) for name in ("path", "path_hooks", "meta_path", "modules")]
        logging = sys.modules.get("logging")
        if logging is not None:
            found.append(("logging.root.handlers", logging.root.handlers))
            found.append(("logging.root.filters", logging.root.filters))
        found.append(("os.environ", getattr(os.environ, "_data", None)))
        return found

    def open_window(self):
        # type: () -> None
        """Remembers the lengths, for `grown`."""
        self._opening = array.array("q", map(len, self._containers))

    def total(self):
        # type: () -> int
        """Entries in all of them together."""
        return sum(map(len, self._containers))

    def grown(self):
        # type: () -> list
        """`[name, entries gained]` of what grew since the window opened, most first."""
        found = [
            [node.name(), len(container) - before]
            for container, node, before in zip(self._containers, self._nodes, self._opening)
            if len(container) > before
        ]
        found.sort(key=lambda entry: (-entry[1], entry[0]))
        return found[:20]
