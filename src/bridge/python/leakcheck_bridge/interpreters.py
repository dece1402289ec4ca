"""Subinterpreters: how many there are, and whether a test makes any.

While there is more than one, or one is made, tracemalloc must not run: CPython ends the process, or hangs, when an
interpreter is made while memory is traced, or when tracing ends after that (3.8 to 3.14, in different ways).
"""

import array
import sys

_modules = sys.modules
#: Modules that make them, newest first. Nobody has one who has not imported one of these.
_NAMES = ("_interpreters", "_xxsubinterpreters")
#: How often one was made since the first question; in an array, since a number would be growth.
_made = array.array("q", [0])
_heard = []  # type: list


def _module():
    # type: () -> object
    for name in _NAMES:
        found = _modules.get(name)
        if found is not None:
            return found
    return None


def _numbers():
    # type: () -> list
    module = _module()
    if module is None:
        return []
    try:
        found = module.list_all()
    except Exception:
        return []
    # From 3.13 on with where each comes from.
    return [int(one[0] if isinstance(one, tuple) else one) for one in found]


def numbers():
    # type: () -> list
    """Those of the interpreters besides the main one."""
    return [number for number in _numbers() if number != 0]


def count():
    # type: () -> int
    module = _module()
    if module is None:
        return 0
    try:
        return len(module.list_all()) - 1
    except Exception:
        return 0


def may_be_made():
    # type: () -> bool
    """Whether anything that makes some was imported."""
    return _module() is not None


def _hear(event, _):
    if event == "cpython.PyInterpreterState_New":
        _made[0] += 1


def made_in(run):
    # type: (object) -> int
    """How many are made while `run` runs.

    Some versions tell audit hooks, and in others the function that makes them has to be watched. The hook stays: there
    is no taking one off.
    """
    if not _heard:
        _heard.append(True)
        sys.addaudithook(_hear)
    before = _made[0]
    module = _module()
    real = getattr(module, "create", None)

    def create(*args, **kwargs):
        _made[0] += 1
        return real(*args, **kwargs)

    if real is not None:
        module.create = create
    try:
        run()
    finally:
        if real is not None and module.create is create:
            module.create = real
    return _made[0] - before
