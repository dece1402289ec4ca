"""Follows an iteration line by line: what each line of the wanted files leaves, and how high memory stands meanwhile.

Everything is kept in arrays that exist before, since tracemalloc counts our own numbers as well. A first pass learns
which lines run and makes room for them; the second one measures; a third stops where most was in use and looks at what
that is.
"""

import array
import gc
import sys
import tracemalloc

from . import referents, trace

_get_objects = gc.get_objects
_get_referents = referents.get_referents
_is_tracked = gc.is_tracked
_settrace = sys.settrace
_gettrace = sys.gettrace
_traced_memory = tracemalloc.get_traced_memory
#: From Python 3.9 on. Before, what a line needs only while it runs is not seen.
_reset_peak = getattr(tracemalloc, "reset_peak", None)

#: Calls of wanted functions within each other; deeper ones belong to the line of the last of these.
_DEEPEST = 400
#: Lines and functions that are told apart, and line events that are followed.
_MOST_LINES = 5000
_MOST_EVENTS = 1000000
#: Rows of types in use that are told.
_MOST_TYPES = 2000

#: Places in a record: times run, bytes more after it than before, highest level above the start.
_TIMES, _NET, _PEAK, _WIDTH = 0, 1, 2, 3
#: Places in an entry of the stack: identity of the frame, number of the function, record of the line (-1 before the
#: first one), level when the line began, highest level since.
_FRAME, _FUNCTION, _LINE, _BEGAN, _HIGH, _ENTRY = 0, 1, 2, 3, 4, 5
#: Places in the registers: entries of the stack, level when the first wanted function was entered, lines followed,
#: highest level that stood between two lines, highest of all, and where the third pass looks.
_DEPTH, _BASE, _EVENTS, _STOOD, _TOP, _TARGET = 0, 1, 2, 3, 4, 5


class Follower:
    """Follows the calling thread through the wanted files, one iteration at a time."""

    def __init__(self, always, within, without):
        # type: (list, list, list) -> None
        #: File names by whether they are wanted.
        self._wanted = {}  # type: dict
        #: Beginnings of names: wanted in any case, wanted unless they have one of the last.
        self._always = tuple(always)
        self._within = tuple(within)
        self._without = (*without, trace._HERE)
        #: `(file, first line)` of each function to its number.
        self._functions = {}  # type: dict
        #: Name of each, and how many wanted functions were running when it was first called.
        self._names = []  # type: list
        #: `(number of the function, line)` to the record.
        self._lines = {}  # type: dict
        self._records = array.array("q", bytes(8 * _WIDTH * _MOST_LINES))
        #: How often each function is running.
        self._active = array.array("q", bytes(8 * _MOST_LINES))
        self._stack = array.array("q", bytes(8 * _ENTRY * _DEEPEST))
        self._registers = array.array("q", bytes(8 * 6))
        # Made once: each would be an allocation of a followed line otherwise.
        self._on_line, self._on_call = self._line, self._call
        self._tracer = None  # type: trace.Tracer | None
        #: What was in use where the third pass looked: the line, and objects by type.
        self.standing = None  # type: dict | None
        self._before = None

    def start(self, tracer=None, target=0):
        # type: (trace.Tracer | None, int) -> None
        """Begins a pass; with a `tracer` one that looks where `target` bytes stand."""
        registers = self._registers
        registers[_TARGET] = target
        self._tracer = tracer
        for values in (self._records, self._active):
            for at in range(len(values)):
                values[at] = 0
        for at in (_DEPTH, _EVENTS, _STOOD, _TOP):
            registers[at] = 0
        registers[_BASE] = -1
        self._before = _gettrace()
        _settrace(self._on_call)

    def stop(self):
        # type: () -> bool
        """Ends it. False where the test took the tracing away, or there was too much to follow."""
        whole = _gettrace() is self._on_call
        _settrace(self._before)
        return whole

    def _is_wanted(self, filename):
        # type: (str) -> bool
        known = self._wanted.get(filename)
        if known is None:
            known = filename.startswith(self._always) or (
                filename.startswith(self._within) and not filename.startswith(self._without)
            )
            self._wanted[filename] = known
        return known

    def _call(self, frame, event, arg):
        code = frame.f_code
        # What is within a line belongs to the line: comprehensions, lambdas.
        if event == "call" and code.co_name[0] != "<" and self._is_wanted(code.co_filename):
            return self._enter(frame, code)
        return None

    def _enter(self, frame, code):
        registers, stack = self._registers, self._stack
        depth = registers[_DEPTH]
        key = (code.co_filename, code.co_firstlineno)
        number = self._functions.get(key)
        if number is None:
            number = self._functions[key] = len(self._names)
            self._names.append((code.co_name, depth))
        if depth >= _DEEPEST or number >= _MOST_LINES:
            return None
        current = self._level()
        if registers[_BASE] < 0:
            registers[_BASE] = current
        at = depth * _ENTRY
        stack[at + _FRAME] = id(frame)
        stack[at + _FUNCTION] = number
        stack[at + _LINE] = -1
        stack[at + _BEGAN] = stack[at + _HIGH] = 0
        self._active[number] += 1
        registers[_DEPTH] = depth + 1
        return self._on_line

    def _level(self):
        """Bytes in use; the line that runs learns the highest level since the last reading."""
        registers, stack = self._registers, self._stack
        current, peak = _traced_memory()
        if _reset_peak is None:
            peak = current
        else:
            _reset_peak()
        base = registers[_BASE]
        if base >= 0:
            if registers[_DEPTH]:
                at = (registers[_DEPTH] - 1) * _ENTRY + _HIGH
                stack[at] = max(stack[at], peak)
            registers[_TOP] = max(registers[_TOP], peak - base)
        return current

    def _line(self, frame, event, arg):
        registers, stack = self._registers, self._stack
        current = self._level()
        if not self._find(id(frame), current):
            return None
        if event not in {"line", "return"}:
            return self._on_line
        stands = current - registers[_BASE]
        registers[_STOOD] = max(registers[_STOOD], stands)
        if self._tracer is not None and stands >= registers[_TARGET]:
            _settrace(None)
            self._look(frame)
            return None
        if event == "return":
            self._leave(current)
            return None
        registers[_EVENTS] += 1
        if registers[_EVENTS] >= _MOST_EVENTS:
            _settrace(None)
            return None
        at = (registers[_DEPTH] - 1) * _ENTRY
        self._close(at, current)
        key = (stack[at + _FUNCTION], frame.f_lineno)
        record = self._lines.get(key)
        if record is None:
            record = self._lines[key] = len(self._lines)
        stack[at + _LINE] = record if record < _MOST_LINES else -1
        # What this needed is no part of the line, and is gone when it ends.
        key = current = stands = None
        stack[at + _BEGAN] = stack[at + _HIGH] = self._level()
        return self._on_line

    def _find(self, frame, current):
        # type: (int, int) -> bool
        """Brings the entry of a frame to the top: others above it ended unseen."""
        registers, stack = self._registers, self._stack
        at = registers[_DEPTH] - 1
        while at >= 0 and stack[at * _ENTRY + _FRAME] != frame:
            at -= 1
        if at < 0:
            return False
        while registers[_DEPTH] - 1 > at:
            self._leave(current)
        return True

    def _close(self, at, current):
        """Books the line that ran."""
        stack, records = self._stack, self._records
        if at:
            # What was needed within a call was needed by the line that called.
            above = at - _ENTRY + _HIGH
            stack[above] = max(stack[above], stack[at + _HIGH])
        if stack[at + _LINE] < 0:
            return
        record = stack[at + _LINE] * _WIDTH
        records[record + _TIMES] += 1
        # Within itself a function would count twice.
        if self._active[stack[at + _FUNCTION]] == 1:
            records[record + _NET] += current - stack[at + _BEGAN]
        high = stack[at + _HIGH] - self._registers[_BASE]
        records[record + _PEAK] = max(records[record + _PEAK], high)

    def _leave(self, current):
        registers, stack = self._registers, self._stack
        at = (registers[_DEPTH] - 1) * _ENTRY
        self._close(at, current)
        self._active[stack[at + _FUNCTION]] -= 1
        registers[_DEPTH] -= 1

    def _look(self, frame):
        self._tracer.read()
        types = _types(self._variables(frame), self._tracer.number_of)
        self.standing = {"line": [frame.f_code.co_filename, frame.f_lineno], "types": types}

    def _variables(self, frame):
        """What the followed functions that are running have in their variables."""
        found = []  # type: list
        while frame is not None:
            code = frame.f_code
            if code.co_flags & 1 and self._is_wanted(code.co_filename):
                # Up to Python 3.12 this is a copy, which is written back when the trace function ends: it must stay.
                found.extend(frame.f_locals.values())
            frame = frame.f_back
        return found

    def functions(self):
        # type: () -> list
        """Every function that ran: file, first line, name, depth, and `[line, times, net, peak]` of its lines."""
        rows = [[file, first, *self._names[number], []] for (file, first), number in self._functions.items()]
        for (number, line), record in self._lines.items():
            at = record * _WIDTH
            if record < _MOST_LINES and self._records[at + _TIMES]:
                rows[number][4].append([line, *self._records[at : at + _WIDTH]])
        for row in rows:
            row[4].sort()
        return [row for row in rows if row[4]]

    def levels(self):
        # type: () -> dict
        """The highest level that stood between two lines, and the highest of all (None where that cannot be told)."""
        return {"stood": self._registers[_STOOD], "top": self._registers[_TOP] if _reset_peak else None}


def _types(variables, number_of):
    """Objects in use by type and traceback: `[name, number of the traceback, how many, bytes]`."""
    found = {}  # type: dict
    seen = set()  # type: set
    born = trace.birthplace
    objects = _get_objects()
    seen.update((id(found), id(seen), id(objects), id(variables)))
    # What a running function has in a variable shows nowhere else, where the collector does not know it. What is found
    # on the way is looked at as well: the collector does not know of strings, nor of what holds only those.
    objects.extend(variables)
    for at, obj in enumerate(objects):
        if at >= trace._MOST_OBJECTS:
            break
        place = born(obj) if id(obj) not in seen else None
        seen.add(id(obj))
        # In no traceback: from before, or our own.
        number = number_of(place) if place is not None else None
        if number is None:
            continue
        entry = found.setdefault((id(type(obj)), number), [0, 0, type(obj)])
        entry[0] += 1
        entry[1] += trace._size(obj)
        objects.extend([other for other in _get_referents(obj) if not _is_tracked(other) and id(other) not in seen])
    rows = [[trace.type_name(cls), number, count, size] for (_, number), (count, size, cls) in found.items()]
    rows.sort(key=lambda row: (-row[3], row[0]))
    return rows[:_MOST_TYPES]
