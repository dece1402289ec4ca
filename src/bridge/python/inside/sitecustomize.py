"""Found before the project's own by programs that tests start: each can be asked for its heap, and goes on as without.

Its folder is on `PYTHONPATH` only in a process that looks into child processes (`leakcheck_bridge.inside`). It has to
run under whatever Python a test starts.
"""

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))


def _listen():
    root = os.path.dirname(_HERE)
    sys.path.insert(0, root)
    try:
        from leakcheck_bridge import inside

        inside.begin()
    finally:
        sys.path.remove(root)


def _go_on():
    """Takes the folder off the path, and loads the `sitecustomize` that would have been found without it."""
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != _HERE]
    ours = sys.modules.pop(__name__)
    try:
        __import__(__name__)
    except ImportError:
        # There is none, or what Python says of one that fails is not for the test to see.
        pass
    finally:
        sys.modules.setdefault(__name__, ours)


def __getattr__(name):
    """Where a program has one of its own beside its script, which it finds only now."""
    if name.startswith("__"):
        raise AttributeError(name)
    ours = sys.modules.pop(__name__)
    try:
        other = __import__(__name__)
    except ImportError:
        other = sys.modules[__name__] = ours
    if other is ours:
        raise AttributeError(name)
    return getattr(other, name)


try:
    if sys.version_info >= (3, 8) and sys.implementation.name == "cpython":
        _listen()
except Exception:
    # It is not asked then; what Python would print of it is not for the test to see.
    pass
_go_on()
