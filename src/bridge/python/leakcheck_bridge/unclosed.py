"""What nobody closes: `ResourceWarning`s, counted whether or not a filter lets anybody see them.

For each warning C code asks the filters, one after the other, whether its category is theirs. The first one is ours and
counts those of resources. It applies only where another one would have a warning shown once for each line: Python keeps
books of these, and asks no filter any more about what is in them. So that is decided here, and not in its books.
"""

import array
import contextlib
import operator
import sys
import warnings

from . import outcome, temporary, trace

try:
    import tracemalloc
except ImportError:  # a build without it: places are those where something was dropped
    tracemalloc = None

_getframe = sys._getframe
_is = operator.is_
#: How many there were.
_COUNT = array.array("q", [0])
#: Of those that are shown once what was, the newest; and where the next one goes.
_SHOWN = array.array("q", bytes(8 * 256))
_NEXT = array.array("q", [0])
_ONCE = ("default", "once", "module")
#: Text and module of the warning that is asked about, whether it is to be shown, and whether all are.
_ASKED = ["", "", False, False]
#: So many are told of a look, with so many frames where they were not traced.
_MOST = 200
_DEEPEST = 12
_LONGEST = 200


class _Note:
    """Stands where a filter has a pattern, and matches everything."""

    __slots__ = ("at",)

    def __init__(self, at):
        # type: (int) -> None
        self.at = at

    # What is needed is bound here: at the end of a process the names of modules are gone, and files are closed then.
    def match(self, text, _asked=_ASKED):
        _asked[self.at] = text
        return True


class _Counts(type):
    """Of a class that counts the warnings of resources it is asked about. Those that were shown are of it."""

    def __subclasscheck__(cls, category, _asked=_ASKED, _count=_COUNT, _wanted=ResourceWarning, _is_one=issubclass):
        if not _is_one(category, _wanted):
            return False
        _count[0] += 1
        was_shown = False
        try:
            was_shown = not _asked[3] and _was_shown(_asked[0], _asked[1], category, _getframe(1).f_lineno)
        except Exception:
            # The process is about to end, or a filter is not as filters are.
            _asked[2] = False
        _asked[0] = _asked[1] = ""
        return was_shown


class _Shows(type):
    """Of a class of which every warning of resources is that is to be shown."""

    def __subclasscheck__(cls, category, _asked=_ASKED, _wanted=ResourceWarning, _is_one=issubclass):
        shown, _asked[2] = _asked[2] or _asked[3], False
        return shown and _is_one(category, _wanted)


#: They stand first, in this order.
_FIRST = (
    ("ignore", _Note(0), _Counts("Counted", (), {}), _Note(1), 0),
    ("always", None, _Shows("Shown", (), {}), None, 0),
)


def _fits(wanted, found):
    # type: (object, str) -> bool
    return wanted is None or bool(wanted == found if type(wanted) is str else wanted.match(found))


def _others_say(text, module, category, line):
    # type: (str, str, type, int) -> str
    """What becomes of a warning by the filters that are not ours."""
    for action, pattern, kind, where, at in warnings.filters:
        if type(kind) in (_Counts, _Shows) or at not in (0, line) or not issubclass(category, kind):
            continue
        pairs = ((pattern, text), (where, module))
        if all(_fits(wanted, found) for wanted, found in pairs):
            return action
    return warnings.defaultaction


def _was_shown(text, module, category, line):
    # type: (str, str, type, int) -> bool
    """Whether it would be shown once and was. If it was not, it is from now on."""
    if _others_say(text, module, category, line) not in _ONCE:
        return False
    key = hash((text, module, line))
    if key in _SHOWN:
        return True
    _SHOWN[_NEXT[0] % len(_SHOWN)] = key
    _NEXT[0] += 1
    _ASKED[2] = True
    return False


def _stand_first():
    # type: () -> None
    """Puts our filters before all others."""
    filters = warnings.filters
    if type(filters) is list and not all(map(_is, _FIRST, filters)):
        for ours in _FIRST:
            while ours in filters:
                filters.remove(ours)
        filters[:0] = _FIRST


def _follow(name):
    # type: (str) -> None
    """Has them put first again whenever the filters change, which one function is told of."""
    original = getattr(warnings, name, None)
    if original is None:
        return

    def mutated():
        _stand_first()
        original()

    setattr(warnings, name, mutated)


def _exactness():
    # type: () -> str
    """Whether a warning counts by one, though a filter that came later has it ignored."""
    with contextlib.suppress(Exception):
        before = _COUNT[0]
        warn()
        return "exact" if _COUNT[0] == before + 1 else "absent"
    return "absent"


def warn():
    # type: () -> None
    """A warning that nobody sees."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.warn("planted", ResourceWarning, stacklevel=1)


def install():
    # type: () -> str
    """Counts from now on; returns what that is worth."""
    if not hasattr(_stand_first, "done"):
        _stand_first.done = True
        # The latter from Python 3.14 on.
        for name in ("_filters_mutated", "_filters_mutated_lock_held"):
            _follow(name)
    _stand_first()
    return _exactness()


def total():
    # type: () -> int
    """How many there were so far."""
    return _COUNT[0]


class Look:
    """Iterations in which it is noted what was not closed, and where that was made."""

    def __init__(self, frames):
        # type: (int) -> None
        self._frames = frames
        self._at = 0
        #: What is told of each.
        self.warned = []  # type: list
        self._show = None

    def run(self, once, settle, iterations):
        """Returns how the last one ended. `settle` lets go of what only the collector frees."""
        result = outcome.OK
        traced = self._frames > 0 and tracemalloc is not None and not tracemalloc.is_tracing()
        if traced:
            tracemalloc.start(self._frames)
        self._show = warnings._showwarnmsg
        warnings._showwarnmsg = self._note
        _ASKED[3] = True
        try:
            for self._at in range(iterations):
                result = once()
                settle()
                if result.status != outcome.PASSED:
                    break
        finally:
            _ASKED[3] = False
            warnings._showwarnmsg, self._show = self._show, None
            if traced:
                tracemalloc.stop()
        return result

    def _note(self, message):
        if issubclass(message.category, ResourceWarning):
            if len(self.warned) < _MOST:
                self.warned.append(self._told(message))
            module = message.filename
            module = module[:-3] if module.endswith(".py") else module
            action = _others_say(str(message.message), module, message.category, message.lineno)
            if action == "error":
                raise message.message
            if action == "ignore":
                return
        self._show(message)

    def _told(self, message):
        # type: (warnings.WarningMessage) -> dict
        source = getattr(message, "source", None)
        made = trace.birthplace(source) if source is not None else None
        kind = trace.type_name(type(source)) if source is not None else ""
        words = message.message.args
        text = words[0] if words and type(words[0]) is str else ""
        frames = [[file, line] for file, line in made] if made else _stack()
        return {
            "iteration": self._at,
            "type": kind,
            "text": text.split("\n")[0].replace(temporary.folder() + "/", "$TMPDIR/")[:_LONGEST],
            # Otherwise it is where it was let go of.
            "made": bool(made),
            "frames": frames,
        }


def _stack():
    # type: () -> list
    """File and line of the frames that run, innermost first."""
    frame, found = _getframe(2), []
    while frame is not None and len(found) < _DEEPEST:
        if frame.f_globals.get("__name__") != __name__:
            found.append([frame.f_code.co_filename, frame.f_lineno])
        frame = frame.f_back
    return found
