"""Watches which calls leave more references to the variables of their caller, to find the ones that lose them.

An object that nothing in Python refers to, and that is alive, has a reference that C code took. The call that took it
left the object's count higher by one. So do calls that rightly keep their argument; which of them is to be suspected
is decided elsewhere.
"""

import dis
import gc
import sys
import types

from . import calls, trace

_collect = gc.collect
_getrefcount = sys.getrefcount
_gettrace, _settrace, _setprofile = sys.gettrace, sys.settrace, sys.setprofile
_id = id
#: From 3.13 on.
_is_interned = getattr(sys, "_is_interned", None)
#: Events of an iteration that are watched.
_MOST = 300000
#: Variables of a frame that are.
_MOST_VARIABLES = 50


class Watcher:
    """The calls of some iterations: by place and function, how many references each iteration left."""

    def __init__(self):
        #: By code: itself, its globals, the rise of each iteration by line or by line and function, those functions'
        #: names and addresses, the variables at the end of each line, and types and sizes of what rose last.
        self._codes = {}  # type: dict
        self._iterations = 0
        self.lost = False

    def watch(self, iterate):
        # type: (object) -> object
        """Runs an iteration."""
        before = _gettrace()
        tracer, profiler = self._hooks()
        # A cycle that was left before would be collected in the midst of a line, and take back a reference there.
        _collect()
        try:
            _setprofile(profiler)
            _settrace(tracer)
            result = iterate()
        finally:
            self.lost = self.lost or _gettrace() is not tracer
            _settrace(before)
            _setprofile(None)
        self._iterations += 1
        return result

    def _hooks(self):
        events = [0]
        #: By frame: line, counts at its start, counts at the start of a call, and what risen counts calls on the line
        #: account for: a reference that is lost in there is told there, and not once more by whoever calls it.
        frames = {}  # type: dict

        def add(frame, key, before, after, explained):
            risen = _risen(before, after)
            own = _described(frame, risen - explained)
            self._add(frame, key, len(own), own)
            return risen | explained

        def local(frame, event, arg):
            if event in ("exception", "opcode"):
                return local
            events[0] += 1
            state = frames.get(_id(frame))
            if state is None:
                return local
            now = _counts(frame)
            if state[0]:
                self._note_line(frame, state[0])
                inside = add(frame, state[0], state[1], now, state[3])
                caller = frames.get(_id(frame.f_back))
                if caller is not None:
                    caller[3] |= inside
                state[3] = set()
            if event == "line":
                state[0], state[1] = frame.f_lineno, now
            else:
                del frames[_id(frame)]
            return local

        def profiler(frame, event, arg):
            if event in ("call", "return"):
                return
            state = frames.get(_id(frame))
            if state is None:
                return
            if event == "c_call":
                state[2] = _counts(frame)
            elif state[2] is not None:
                # Before anything here refers to what is called, too.
                before, after = state[2], _counts(frame)
                state[2] = None
                state[3] |= add(frame, self._builtin(frame, arg), before, after, state[3])

        return self._tracer(events, frames, lambda frame: [0, {}, None, set()], local), profiler

    def _tracer(self, events, frames, begin, local):
        """Follows frames with `local`, each with a state of its own, as long as there are not too many events."""
        codes = self._codes

        def tracer(frame, event, arg):
            events[0] += 1
            if events[0] > _MOST:
                _settrace(None)
                return None
            code = frame.f_code
            if _id(code) not in codes:
                codes[_id(code)] = [code, frame.f_globals, {}, {}, {}, {}]
            frames[_id(frame)] = begin(frame)
            return local

        return tracer

    def _add(self, frame, key, rise, kept):
        """Adds to what a line, or a function that it calls, left in this iteration, and of which types that was."""
        about = self._codes[_id(frame.f_code)]
        rises = about[2].setdefault(key, [])
        while len(rises) <= self._iterations:
            rises.append(0)
        rises[self._iterations] += rise
        if kept:
            about[5][key] = kept

    def _note_line(self, frame, line):
        lines = self._codes[_id(frame.f_code)][4]
        if line not in lines:
            lines[line] = calls.variables(frame)

    def _builtin(self, frame, function):
        """The key of a builtin that a line calls; its name and address are noted."""
        owner = function.__self__
        if type(owner) is not types.ModuleType and not issubclass(type(owner), type):
            owner = type(owner)
        key = (frame.f_lineno, function.__name__, _id(owner))
        functions = self._codes[_id(frame.f_code)][3]
        if key not in functions:
            functions[key] = (calls.builtin_name(function, owner), calls.address_of(function))
        return key

    def found(self):
        # type: () -> list
        """`{"place", "functions", "seen", "entry", "rises", "kept"}` of each builtin, or line with what it may call."""
        libraries = calls.Libraries()
        found = []
        for code, scope, by_key, builtins, lines, risen_last in self._codes.values():
            for key, risen in by_key.items():
                rises = risen + [0] * (self._iterations - len(risen))
                # Where the builtin's machine code begins in its file.
                entry = None
                if type(key) is tuple:
                    name, address = builtins[key]
                    path, entry = libraries.place(address)
                    functions = [[name, path]]
                    line = key[0]
                else:
                    line = key
                    functions = calls.silent(code, line, scope, lines[line], libraries)
                if functions:
                    found.append(
                        {
                            "place": [code.co_filename, line],
                            "functions": functions,
                            "seen": type(key) is tuple,
                            "entry": entry,
                            "rises": rises,
                            "kept": risen_last.get(key, []),
                        }
                    )
        return found


class Follower(Watcher):
    """The same for one object, wherever it is: by how much each line and call changed the count of references to it.

    What a variable or a value that is being returned refers to goes again with its frame, and is not counted. What a
    builtin returns cannot be seen: its call changes the count as long as the line needs the value. So the calls of a
    line count only where, once it is over, the line itself has changed the count.
    """

    def __init__(self, target, falls):
        # type: (object, bool) -> None
        super().__init__()
        self._target = target
        self._sign = -1 if falls else 1

    def _hooks(self):
        target, sign = self._target, self._sign
        kind = [[trace.type_name(type(target)), 0]]
        events = [0]
        #: By frame: line, count at its start, count at the start of a call, what frames below are accountable for since
        #: each of them, count at the start of the frame, and what calls of this line changed.
        frames = {}  # type: dict

        def count(frame):
            # In this order: to ask for the variables makes references of its own.
            variables = _by_variables(frame, target)
            return sign * (_getrefcount(target) - variables)

        def add(frame, key, change):
            self._add(frame, key, change, kind if change > 0 else None)

        def end_line(frame, state, now):
            own = now - state[1] - state[3]
            self._note_line(frame, state[0])
            told = 0
            for key, change in state[6]:
                add(frame, key, change if own > 0 else 0)
                told += change
            add(frame, state[0], own - told if own > 0 else own)

        def local(frame, event, arg):
            if event in ("exception", "opcode"):
                return local
            events[0] += 1
            state = frames.get(_id(frame))
            if state is None:
                return local
            # What is being returned is nobody's yet. Another reference is the variable here: of None with any event.
            now = count(frame) - sign * (arg is target)
            if event == "return" and arg is target and not _is_borrowed(frame):
                now -= sign
            if state[0]:
                end_line(frame, state, now)
            if event == "line":
                state[0], state[1], state[3] = frame.f_lineno, now, 0
                state[6] = []
            else:
                del frames[_id(frame)]
                caller = frames.get(_id(frame.f_back))
                if caller is not None:
                    caller[3] += now - state[5]
                    caller[4] += now - state[5]
            return local

        def profiler(frame, event, arg):
            if event in ("call", "return"):
                return
            state = frames.get(_id(frame))
            if state is None:
                return
            if event == "c_call":
                state[2], state[4] = count(frame), 0
            elif state[2] is not None:
                change = count(frame) - state[2] - state[4]
                state[2] = None
                state[6].append((self._builtin(frame, arg), change))

        def begin(frame):
            # The event of the call has None as its argument.
            return [0, 0, None, 0, 0, count(frame) - sign * (target is None), []]

        return self._tracer(events, frames, begin, local), profiler


#: To ask for a frame's variables by name makes a dictionary that stays with the frame, up to 3.12.
_KEEPS_VARIABLES = sys.version_info < (3, 13)


def _by_variables(frame, target):
    """How many references to an object a running function's own variables are."""
    code = frame.f_code
    if not code.co_flags & 1:
        return 0
    shared = code.co_cellvars
    found = 0
    own = code.co_varnames
    for name, value in frame.f_locals.items():
        if value is target:
            found += (name in own and name not in shared) + _KEEPS_VARIABLES
    return found


#: From 3.14 on a value that a function returns out of a variable has no reference of its own.
_BORROWS = dis.opmap.get("LOAD_FAST_BORROW")


def _is_borrowed(frame):
    """Whether what is being returned is still the variable's."""
    return _BORROWS is not None and frame.f_code.co_code[max(0, frame.f_lasti - 2)] == _BORROWS


def _counts(frame):
    """References to each variable of a frame, by identity. A module's or a class's variables are not looked at."""
    if not frame.f_code.co_flags & 1:
        return {}
    counts = {}
    values = list(frame.f_locals.values())[:_MOST_VARIABLES]
    for value in values:
        counts[_id(value)] = _getrefcount(value)
    return counts


def _risen(before, after):
    """Identities of the variables to which one more reference leads."""
    # A number that is everywhere, or a module, comes and goes by many.
    return {identity for identity, count in before.items() if after.get(identity, 0) - count == 1}


def _described(frame, risen):
    """Type and bytes of each, without what everybody shares: losing a reference to that costs nothing."""
    constants = set()
    for constant in frame.f_code.co_consts:
        constants.update(map(_id, constant if type(constant) is tuple else (constant,)))
    values = {}
    for value in frame.f_locals.values():
        if _id(value) in risen and _id(value) not in constants and not _is_shared(value):
            values[_id(value)] = value
    return [[trace.type_name(type(value)), trace._size(value)] for value in values.values()]


def _is_shared(value):
    """Whether there is one of it in the process, whoever makes it."""
    kind = type(value)
    if kind is int:
        # What 3.15 shares; before it was up to 256.
        return -6 < value < 1025
    if kind is str:
        return len(value) < 2 or (_is_interned is not None and _is_interned(value))
    if kind is bytes:
        return len(value) < 2
    return value is None or kind is bool or value is Ellipsis or (kind is tuple and not value)
