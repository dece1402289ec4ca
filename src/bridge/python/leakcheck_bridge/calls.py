"""Reads the heap counter around every line and call of a test, to find the ones that what stays passes through.

What C code allocates has no traceback. What has one is the call into it, and the reading before and after that
differs by what stays. The lines and calls of an iteration are kept as a tree by how they were reached, each with the
net of every iteration; which of them matters is decided elsewhere. What this itself allocates is taken off again: a
reading ends at an event and the next begins after it.
"""

import array
import ctypes
import dis
import os
import sys
import types

from .referents import class_dict, module_dict
from .trace import bases_of, name_of

_gettrace, _settrace = sys.gettrace, sys.settrace
_setprofile = sys.setprofile
_id = id

FRAME, LINE, CALL = range(3)
#: Nodes of a tree; a test with more of them is cut off where the next would be.
_MOST_NODES = 20000
_DEEPEST = 400
#: An event of a counting iteration that is beyond this ends the counting.
_MOST_COUNTED = 3000000

_BUILTIN = types.BuiltinFunctionType
_QUALNAME = type.__dict__["__qualname__"]
_MODULE = type.__dict__["__module__"]


class Descriptors:
    """Reads which descriptors came, and tells those that stay from those that are closed again.

    Where one call opens and another one closes, both fit the count. So a reading is a sum with a bit of its own for
    each descriptor that came in this iteration, closed or not, by its number and what it stands for; once the iteration
    is over, the bits of those that are left are counted in each net. Who they are is looked at where their number has
    changed: a test that leaves three hundred open has thousands of events, and to ask for each one is slow.
    """

    #: What fits a row; further ones are not told.
    _MOST = 60

    def __init__(self, look, count):
        # type: (object, object) -> None
        self._look = look
        self.count = count
        self._last = -1
        self._open = {}  # type: dict
        self._came = 0
        self._sum = 0

    def begin(self):
        # type: () -> None
        """A new iteration: what is open now did not come in it."""
        self._open = dict.fromkeys(self._look().items(), 0)
        self._came = self._sum = 0
        self._last = self.count()

    def __call__(self):
        # type: () -> int
        count = self.count()
        if count != self._last:
            self._last = count
            self._ask()
        return self._sum

    def _ask(self):
        # type: () -> None
        now = self._look()
        gone = [known for known in self._open if now.get(known[0]) != known[1]]
        for known in gone:
            del self._open[known]
        for known in now.items():
            if known not in self._open:
                bit = 1 << self._came if self._came < self._MOST else 0
                self._came += 1
                self._open[known] = bit
                self._sum += bit

    def keep(self, row):
        # type: (array.array) -> None
        """Turns the nets of an iteration into how many of those stay that came there."""
        self._ask()
        left = sum(self._open.values())
        for at, net in enumerate(row):
            if net:
                row[at] = bin(net & left).count("1")


class Recorder:
    """The tree of one test, with the net of each of its nodes in each iteration that was recorded."""

    def __init__(self, read, most, iterations):
        # type: (object, int, int) -> None
        self._read = read
        #: Readings that one iteration may take.
        self._most = most
        #: Frames deeper than this are part of the line that calls them.
        self.limit = _DEEPEST
        self.cut = False
        self.lost = False
        self._kinds = array.array("b", [FRAME])
        self._parents = array.array("q", [-1])
        #: Code of a frame, number of a line, name and address of what is called: the builtin would keep its object.
        self._what = [None]  # type: list
        #: Globals of a frame, variables of a line.
        self._globals = [None]  # type: list
        self._children = [{}]  # type: list
        #: Nets by node, a row an iteration; made now, or they would be growth.
        self._rows = [array.array("q", bytes(8 * _MOST_NODES)) for _ in range(iterations)]
        self._row = 0
        #: Bytes that the tree takes.
        self.own = 0

    def count(self, iterate):
        # type: (object) -> object
        """Runs an iteration and counts its events by depth, so that the ones to come read only as many as they may."""
        counts = array.array("q", bytes(8 * (_DEEPEST + 2)))
        depth = array.array("q", [0, 0])

        def local(frame, event, arg):
            if event == "return":
                depth[0] -= 1
            counts[min(depth[0], _DEEPEST)] += 1
            return local

        def tracer(frame, event, arg):
            depth[0] += 1
            depth[1] += 1
            if depth[1] > _MOST_COUNTED:
                _settrace(None)
                return None
            counts[min(depth[0], _DEEPEST)] += 1
            return local

        before = _gettrace()
        _settrace(tracer)
        try:
            result = iterate()
        finally:
            _settrace(before)
        total = 0
        for level, count in enumerate(counts):
            total += count
            if total > self._most:
                self.limit = max(1, level - 1)
                self.cut = True
                break
        return result

    def record(self, iterate):
        # type: (object) -> object
        """Runs an iteration and adds the net of each of its lines and calls."""
        before = _gettrace()
        descriptors = self._read if type(self._read) is Descriptors else None
        if descriptors is not None:
            descriptors.begin()
        tracer, profiler, end = self._hooks()
        try:
            # The order matters: what is set last sees nothing of the other's setting.
            _setprofile(profiler)
            _settrace(tracer)
            result = iterate()
        finally:
            self.lost = self.lost or _gettrace() is not tracer
            _settrace(before)
            _setprofile(None)
        end()
        if descriptors is not None:
            descriptors.keep(self._rows[self._row])
        self._row += 1
        return result

    def _hooks(self):
        # Closures over local variables: every event of the test pays for what this does.
        read, sums, children = self._read, self._rows[self._row], self._children
        kinds, parents, whats, scopes = self._kinds, self._parents, self._what, self._globals
        limit = self.limit
        size = limit + 2
        #: By depth: which frame, its node, where its net began, its line's node and where that began, its call's.
        frames = array.array("Q", bytes(8 * size))
        nodes = array.array("q", bytes(8 * size))
        begun = array.array("q", bytes(8 * size))
        lines = array.array("q", [-1]) * size
        lines_begun = array.array("q", bytes(8 * size))
        calls = array.array("q", [-1]) * size
        calls_begun = array.array("q", bytes(8 * size))
        top = 0
        # What tracing itself keeps, and where the last event ended.
        own = 0
        last = read()
        # The frame that has returned. Its variables die after that, so its net ends with the next event.
        ended, ended_begun = -1, 0

        def node(parent, key, kind, what, scope):
            nonlocal own
            before = read()
            number = len(kinds)
            if number >= _MOST_NODES:
                self.cut = True
                return 0
            kinds.append(kind)
            parents.append(parent)
            whats.append(what)
            scopes.append(variables(scope) if kind == LINE else scope)
            children.append({})
            children[parent][key] = number
            own += read() - before
            return number

        def tracer(frame, event, arg):
            nonlocal top, last, ended, ended_begun
            if top >= limit:
                return None
            now = read() - own
            begin = last
            if ended >= 0:
                sums[ended] += now - ended_begun
                ended = -1
                begin = now
            inside = calls[top]
            if inside < 0:
                inside = lines[top]
                if inside < 0:
                    inside = nodes[top]
            code = frame.f_code
            found = children[inside].get(_id(code))
            if found is None:
                found = node(inside, _id(code), FRAME, code, frame.f_globals)
            top += 1
            frames[top] = _id(frame)
            nodes[top] = found
            begun[top] = begin
            lines[top] = calls[top] = -1
            last = now
            return local

        def local(frame, event, arg):
            nonlocal top, last, ended, ended_begun
            if event in ("exception", "opcode"):
                return local
            now = read() - own
            if ended >= 0:
                sums[ended] += now - ended_begun
                ended = -1
            this = _id(frame)
            level = top
            while level and frames[level] != this:
                level -= 1
            if not level:
                return None
            # Above it there may be frames whose end was not told.
            top = level
            line = lines[top]
            if line >= 0:
                sums[line] += now - lines_begun[top]
            if event == "line":
                parent = nodes[top]
                number = frame.f_lineno
                line = children[parent].get(number)
                if line is None:
                    line = node(parent, number, LINE, number, frame)
                lines[top] = line
                lines_begun[top] = now
                calls[top] = -1
            else:
                ended, ended_begun = nodes[top], begun[top]
                top -= 1
            last = now
            return local

        def profiler(frame, event, arg):
            nonlocal last, ended
            if event in ("call", "return") or frames[top] != _id(frame):
                return
            now = read() - own
            if ended >= 0:
                sums[ended] += now - ended_begun
                ended = -1
            if event == "c_call":
                owner = arg.__self__
                if type(owner) is not types.ModuleType and not issubclass(type(owner), type):
                    owner = type(owner)
                key = (arg.__name__, _id(owner))
                parent = lines[top]
                if parent < 0:
                    parent = nodes[top]
                found = children[parent].get(key)
                if found is None:
                    found = node(parent, key, CALL, (builtin_name(arg, owner), address_of(arg)), None)
                calls[top] = found
                calls_begun[top] = now
            elif calls[top] >= 0:
                sums[calls[top]] += now - calls_begun[top]
                calls[top] = -1
            last = now

        def end():
            nonlocal ended
            if ended >= 0:
                sums[ended] += read() - own - ended_begun
                ended = -1
            self.own += own

        return tracer, profiler, end

    def nodes(self):
        # type: () -> list
        """Those with a net in any iteration but the first, parents first: `{"in", "nets"}` and what it is."""
        libraries = Libraries()
        numbers = {-1: -1}  # type: dict
        found = []  # type: list
        for at in range(len(self._kinds)):
            nets = [row[at] for row in self._rows[1:]]
            if at and (self._parents[at] not in numbers or not any(nets)):
                continue
            numbers[at] = len(found)
            record = {"in": numbers[self._parents[at]], "nets": nets}
            if at:
                self._describe(record, at, libraries)
            found.append(record)
        return found

    def _describe(self, record, at, libraries):
        kind, what = self._kinds[at], self._what[at]
        if kind == FRAME:
            record["frame"] = [what.co_filename, what.co_firstlineno]
        elif kind == LINE:
            record["line"] = what
            frame = self._parents[at]
            scope = self._globals[frame]
            record["silent"] = silent(self._what[frame], what, scope, self._globals[at], libraries)
        else:
            name, address = what
            record["call"] = [name, libraries.at(address)]


class Libraries:
    """Which shared object machine code belongs to, by its address."""

    def __init__(self):
        self._ranges = []  # type: list
        try:
            with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as file:
                for line in file:
                    parts = line.rstrip("\n").split(None, 5)
                    if len(parts) == 6 and parts[5].startswith("/"):
                        first, _, after = parts[0].partition("-")
                        self._ranges.append((int(first, 16), int(after, 16), parts[5], int(parts[2], 16)))
        except OSError:
            # No such file on this system: functions have names then, and no home.
            pass

    def at(self, address):
        # type: (int | None) -> str
        return self.place(address)[0]

    def place(self, address):
        # type: (int | None) -> tuple
        """The file that is there and the byte in it."""
        for first, after, path, offset in self._ranges:
            if address is not None and first <= address < after:
                return path, address - first + offset
        return "", None

    def of_symbol(self, name, address):
        # type: (str, int | None) -> str
        """Where a function of a C library is.

        In an executable that is not position independent, as Debian's Pythons are, the address of a library's function
        that the executable calls as well is that of a stub in the executable. The library's own answer is another.
        """
        found = self.at(address)
        if not found or found != os.path.realpath("/proc/self/exe"):
            return found
        for path in dict.fromkeys(path for _, _, path, _ in self._ranges if ".so" in path):
            try:
                library = ctypes.CDLL(path, mode=os.RTLD_NOLOAD | os.RTLD_LAZY)
                own = self.at(ctypes.cast(library[name], ctypes.c_void_p).value)
            except (AttributeError, OSError):
                continue
            if own != found:
                return own
        return found


def address_of(builtin):
    # type: (object) -> int | None
    """A builtin is an object's header and the address of its definition: that of a name, and that of its code."""
    if type(builtin) is not _BUILTIN or sys.implementation.name != "cpython":
        return None
    definition = ctypes.c_void_p.from_address(id(builtin) + object.__basicsize__).value
    if not definition:
        return None
    return ctypes.c_void_p.from_address(definition + ctypes.sizeof(ctypes.c_void_p)).value


def builtin_name(builtin, owner):
    # type: (object, object) -> str
    """`module.function` or `module.Type.method`, with the type that defines it."""
    name = builtin.__name__
    if type(owner) is types.ModuleType:
        module = module_dict(owner).get("__name__")
        return "{}.{}".format(module, name) if type(module) is str and module != "builtins" else name
    if owner is type(None):
        # Made for no object and no module: its own word is all there is.
        module = builtin.__module__
        return "{}.{}".format(module, name) if type(module) is str else name
    if not issubclass(type(owner), type):
        return name
    for base in bases_of(owner):
        if name in class_dict(base):
            return "{}.{}".format(_type_name(base), name)
    # A function whose first argument is what its maker keeps with it (pybind11's): it says itself where it belongs.
    module = getattr(builtin, "__module__", None)
    return "{}.{}".format(module if type(module) is str else _type_name(owner), name)


def _type_name(cls):
    module = _MODULE.__get__(cls)
    name = _QUALNAME.__get__(cls)
    return "{}.{}".format(module, name) if type(module) is str and module != "builtins" else name


_FOREIGN = ctypes._CFuncPtr


class _Instance:
    """Some object of a class; which one does not matter, and is not kept."""

    def __init__(self, cls):
        # type: (type) -> None
        self.cls = cls


def variables(frame):
    """The classes of a function's variables, by name, and the modules among them."""
    if not frame.f_code.co_flags & 1:
        return {}
    return {
        name: value if issubclass(type(value), types.ModuleType) else _Instance(type(value))
        for name, value in list(frame.f_locals.items())
    }


def silent(code, line, scope, local, libraries):
    # type: (object, int, dict | None, dict | None, Libraries) -> list
    """Callables that a line names and whose calls are no events: `[name, shared object]` of each.

    Foreign functions of ctypes, classes and properties that are made in C, functions of Cython's own type. Names are
    followed through modules, libraries and the classes of variables: anything else may run code.
    """
    if scope is None:
        return []
    found = []  # type: list
    names = []  # type: list
    current = None
    start = -1
    for instruction in dis.get_instructions(code):
        begins = instruction.starts_line
        if begins is not None and begins is not False:
            # Up to 3.12 the number itself, from 3.13 on whether one starts here.
            start = getattr(instruction, "line_number", None) if begins is True else begins
        if start != line:
            continue
        name = instruction.argval
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            current = scope.get(name)
            names.append((name, current))
        elif instruction.opname.startswith("LOAD_FAST") and local is not None:
            # From 3.13 on two at once.
            current = local.get(name[-1] if type(name) is tuple else name)
        elif instruction.opname in ("LOAD_ATTR", "LOAD_METHOD") and current is not None:
            current = _attribute(current, name)
            names.append((name, current))
        else:
            current = None
    for name, value in names:
        described = _foreign(name, value, libraries)
        if described is not None and described not in found:
            found.append(described)
    return found


def _attribute(obj, name):
    if issubclass(type(obj), types.ModuleType):
        return module_dict(obj).get(name)
    if issubclass(type(obj), (ctypes.CDLL, ctypes.PyDLL)):
        return object.__getattribute__(obj, "__dict__").get(name)
    if issubclass(type(obj), type):
        return None
    for base in bases_of(obj.cls if type(obj) is _Instance else type(obj)):
        found = class_dict(base).get(name)
        if found is not None:
            return found
    return None


def _foreign(name, value, libraries):
    cls = type(value)
    if issubclass(cls, _FOREIGN):
        address = ctypes.cast(value, ctypes.c_void_p).value
        own = getattr(value, "__name__", None)
        name = own if type(own) is str else name
        return [name, libraries.of_symbol(name, address)]
    if cls is types.GetSetDescriptorType:
        file = _file_of(sys.modules.get(_MODULE.__get__(value.__objclass__)))
        return ["{}.{}".format(_type_name(value.__objclass__), name), file] if file.endswith(".so") else None
    if cls is type or issubclass(cls, type):
        # Made in C where nothing of its making is Python's.
        module = sys.modules.get(_MODULE.__get__(value)) if type(_MODULE.__get__(value)) is str else None
        file = _file_of(module)
        return [_type_name(value), file] if file.endswith((".so", ".pyd")) else None
    if name_of(cls) == "cython_function_or_method":
        file = _file_of(sys.modules.get(value.__module__))
        return ["{}.{}".format(value.__module__, value.__qualname__), file] if file else None
    return None


def _file_of(module):
    if not issubclass(type(module), types.ModuleType):
        return ""
    file = module_dict(module).get("__file__")
    return file if type(file) is str else ""
