"""Notes what tests depend on: functions of the project that run, modules, files that are opened, programs started.

Only where that is asked for, since what is noted decides whether a later run has to ask a test again. An audit hook
cannot be removed and returns at once while nothing is noted. Nothing may be allocated between two readings that is
there at the next one: lists and buffers are made beforehand, and emptied when the order is answered. Each code object
keeps one block for good once any was monitored: all that there are when the tests are collected get theirs then.

While tests are collected all code is heard of, and afterwards the project's own alone: that of all functions that
there are then, and what an audit event says is run or made a function later. To switch events of all code on and off
has each function of the runner, too, instrumented anew each time, and cost as much as a test's iteration. The first two
iterations of a test are noted one by one: what ran in the first one only made something that is kept in the process (a
cache, a lazy import), and other tests may find it there. In those after them functions that have not run before are all
there is to hear of.
"""

import array
import gc
import itertools
import posix
import sys
import types

_objects = gc.get_objects
_getcwd = posix.getcwd
_getframe = sys._getframe
_modules = sys.modules
_monitoring = getattr(sys, "monitoring", None)
_TOOLS = (3, 4, 2)

#: Functions of all kinds that may run in one iteration.
_MOST = 1 << 16
#: Of what it is counted how far it goes.
_FUNCTIONS, _OPENED = range(2)
#: Bytes of the names of files opened in one.
_ROOM = 1 << 18

_MODULE = "<module>"
_IMPORTING = "<frozen importlib"

#: Events of the audit hook after which nobody knows what the outcome hangs on.
_PROGRAMS = frozenset(
    [
        "subprocess.Popen",
        "os.system",
        "os.exec",
        "os.posix_spawn",
        "os.spawn",
        "os.fork",
        "os.forkpty",
        "os.startfile",
        "pty.spawn",
    ]
)
_NETWORK = frozenset(
    [
        "socket.connect",
        "socket.sendto",
        "socket.sendmsg",
        "socket.getaddrinfo",
        "socket.gethostbyname",
        "socket.gethostbyaddr",
    ]
)
_INTERPRETERS = "cpython.PyInterpreterState_New"
_OPENING = frozenset(["open", "sqlite3.connect", "ctypes.dlopen"])
_LISTING = frozenset(["os.listdir", "os.scandir"])

#: Events after which code may run that was in no function before.
_CODE = frozenset(["exec", "function.__new__", "object.__setattr__"])

_HEARD = _PROGRAMS | _NETWORK | _OPENING | _LISTING | _CODE | {_INTERPRETERS}

_OFF, _COLLECTING, _ITERATION = 0, 1, 2


class Depends:
    """Notes while it is told to. `outside` are the beginnings of the paths that are not the project's."""

    def __init__(self, outside):
        # type: (list) -> None
        self._outside = tuple(outside)
        self._state = _OFF
        self._tool = -1
        #: Whether functions that run are noted, and whether new code is looked for.
        self._hears = self._attends = False
        #: Files and functions, one after the other.
        self._codes = [None] * _MOST  # type: list
        self._next = itertools.count().__next__
        self._first = 0
        self._again = bytearray(_MOST)
        self._files = [None] * _MOST  # type: list
        self._names = [None] * _MOST  # type: list
        self._opened = bytearray(_ROOM)
        # How many functions, and how many bytes of what was opened. In an array: a number above 256 would be one block
        # more in the iteration that comes to it.
        self._ends = array.array("q", [0, 0])
        self._full = False
        #: Which iteration of the open test is noted.
        self._pass = 0
        #: Whether iterations after the second are listened to, and whether something is noted that was not told yet.
        self._goes_on = False
        self._more = False
        self._wide = 0
        #: How many processes `multiprocessing` has made.
        self._processes = ""
        #: By wider fixture: file and function.
        self._sets = {}  # type: dict
        self._shared = set()  # type: set
        self._began = frozenset()  # type: frozenset
        self._turns = []  # type: list
        # While tests are collected.
        self._started = []  # type: list
        self._called = set()  # type: set
        self._ran = set()  # type: set
        #: What is opened meanwhile: nothing is read then, so test files may read thousands of data files.
        self._read = set()  # type: set
        self._known_modules = 0
        heard, audit = _HEARD, self._audit

        def hook(event, args):
            # `id` is an event, too, and is called by the million. A method for a hook would take three times as long.
            if event in heard:
                audit(event, args)

        sys.addaudithook(hook)
        self._use_tool()

    def _use_tool(self):
        if _monitoring is None:
            return
        for tool in _TOOLS:
            try:
                _monitoring.use_tool_id(tool, "leakcheck")
            except ValueError:
                continue
            self._tool = tool
            return

    @property
    def sees_functions(self):
        # type: () -> bool
        return self._tool >= 0

    def _call_back(self, start, end):
        events = _monitoring.events
        _monitoring.register_callback(self._tool, events.PY_START, start)
        _monitoring.register_callback(self._tool, events.PY_RESUME, start)
        _monitoring.register_callback(self._tool, events.PY_RETURN, end)

    def _listen(self):
        # type: () -> None
        """Each function of the project is heard of once from now on."""
        if self._tool >= 0:
            _monitoring.restart_events()
            self._hears = True

    def _is_ours(self, path):
        # type: (str) -> bool
        """Whether a path is the project's, or at least nobody else's."""
        return not path.startswith(self._outside) and path[:1] != "<"

    # -- while tests are collected ---------------------------------------------------------

    def begin_collecting(self):
        # type: () -> None
        self._state = _COLLECTING
        if self._tool >= 0:
            events = _monitoring.events
            self._call_back(self._on_import, self._on_imported)
            _monitoring.set_events(self._tool, events.PY_START | events.PY_RESUME | events.PY_RETURN)

    def _on_import(self, code, _offset):
        path = code.co_filename
        if not self._is_ours(path):
            return _monitoring.DISABLE
        importer = self._importer()
        if code.co_name == _MODULE:
            self._started.append([path, importer])
            # Whose body calls what is asked for each module anew.
            _monitoring.restart_events()
        else:
            self._ran.add((path, code.co_qualname))
            if importer and importer != path:
                self._called.add((path, importer))
        return _monitoring.DISABLE

    def _on_imported(self, code, _offset, _value):
        if code.co_name == _MODULE and self._is_ours(code.co_filename):
            _monitoring.restart_events()
        return _monitoring.DISABLE

    def _importer(self):
        # type: () -> str
        """The module of the project whose body has what called the callback's frame run."""
        frame = _getframe(3)
        while frame is not None:
            code = frame.f_code
            if code.co_name == _MODULE and self._is_ours(code.co_filename):
                return code.co_filename
            frame = frame.f_back
        return ""

    def collected(self):
        # type: () -> dict
        """What was noted while tests were collected."""
        self._state = _OFF
        if self._tool >= 0:
            _monitoring.set_events(self._tool, 0)
            self._call_back(self._on_start, None)
            self._prepare()
        self._known_modules = len(_modules)
        answer = {
            "functions": self.sees_functions,
            "modules": _files_of_modules(),
            "started": self._started,
            "called": sorted(self._called),
            "units": sorted(self._ran),
            "opened": sorted(self._read),
            "full": self._full,
        }
        self._read = set()
        self._started, self._called, self._ran = [], set(), set()
        return answer

    def _prepare(self):
        # type: () -> None
        """Has each code object that is there keep its block now, and not in the first iteration that runs it; and that
        of the project be heard of."""
        # What is frozen is not listed.
        gc.unfreeze()
        known = set()  # type: set
        for each in _objects():
            if type(each) is types.FunctionType:
                self._attend(each.__code__, known)
        self._attends = True

    def _attend(self, code, known):
        # type: (types.CodeType, set) -> None
        """Has code and all in it be heard of where it is the project's."""
        events = _monitoring.events
        wait = [code]
        while wait:
            code = wait.pop()
            if id(code) in known:
                continue
            known.add(id(code))
            _monitoring.set_local_events(self._tool, code, events.PY_START | events.PY_RESUME)
            if not self._is_ours(code.co_filename):
                _monitoring.set_local_events(self._tool, code, 0)
            wait += [each for each in code.co_consts if type(each) is types.CodeType]

    def _take_code(self, event, args):
        """Code comes that was not there when tests were collected: a module, a compiled text, what was pickled."""
        if event == "object.__setattr__":
            args = args[2:] if args[1] == "__code__" else ()
        code = args[0] if args else None
        if type(code) is types.CodeType and self._is_ours(code.co_filename):
            self._attend(code, set())

    # -- around iterations -----------------------------------------------------------------

    def begin(self):
        # type: () -> None
        """The open test is about to run."""
        self._processes = _processes()
        self._next = itertools.count().__next__
        self._state = _ITERATION
        self._listen()

    def _on_start(self, code, _offset):
        if not self._hears:
            return _monitoring.DISABLE
        at = self._next()
        if at < _MOST:
            self._codes[at] = code
        else:
            self._full = True
        return _monitoring.DISABLE

    def end(self):
        # type: () -> None
        """It has run. What ran is noted without keeping any code alive."""
        self._hears = False
        self._pass += 1
        self._gather()

    def resume(self):
        # type: () -> None
        """Another iteration of the test that is noted is about to run."""
        self._state = _ITERATION
        if not self._goes_on:
            self._goes_on = True
            self._next = itertools.count().__next__
            self._listen()

    def pause(self):
        # type: () -> None
        """It has run. Between two iterations functions are listened to, and nothing else is noted: it would be ours."""
        self._gather()
        self._next = itertools.count().__next__

    def rest(self):
        # type: () -> None
        """No more iterations come."""
        if self._goes_on:
            self._hears = False
            self._goes_on = False

    def _gather(self):
        if _processes() != self._processes:
            self._write("p", "")
        self._state = _OFF
        count = min(self._next(), _MOST)
        if not count:
            return
        codes, files, names, again = self._codes, self._files, self._names, self._again
        second = self._pass > 1
        seen = {(files[at], names[at]): at for at in range(self._ends[_FUNCTIONS])}
        inside = []  # type: list
        for at in range(count):
            code, codes[at] = codes[at], None
            if type(code) is not types.CodeType:
                # A mark of a wider fixture: a key begins, and nothing ends it.
                if code is None:
                    del inside[-1:]
                else:
                    inside.append(code)
                continue
            path = code.co_filename
            if not self._is_ours(path):
                continue
            name = code.co_qualname
            if inside:
                for key in inside:
                    self._sets.setdefault(key[0], set()).add((path, name))
                continue
            known = seen.get((path, name))
            if known is not None:
                # Several may have one name, as generator expressions of one function do.
                self._more |= second and not again[known]
                again[known] |= second
            elif self._ends[_FUNCTIONS] < _MOST:
                found = self._ends[_FUNCTIONS]
                files[found], names[found] = path, name
                # What comes in the second iteration only is nothing that the first one did for good.
                again[found] = second
                self._more = True
                seen[path, name] = found
                self._ends[_FUNCTIONS] += 1
        del inside[:]

    def begin_wide(self, key):
        # type: (int) -> None
        """A fixture wider than a function is set up: what it runs counts for all tests that it stands for."""
        self._wide += 1
        self._mark((key,))

    def end_wide(self):
        # type: () -> None
        self._wide -= 1
        self._mark(None)

    def _mark(self, what):
        if self._state != _ITERATION or self._tool < 0:
            return
        at = self._next()
        if at < _MOST:
            self._codes[at] = what
        # What ran before it may run in it again, and after it.
        _monitoring.restart_events()

    def begin_outside(self, standing):
        # type: (frozenset) -> None
        """Between two tests fixtures are torn down, and set up by some runners."""
        self._began = standing
        del self._turns[:]
        self._wide += 1
        self._next = itertools.count().__next__
        self._state = _ITERATION
        self._listen()

    def turn(self):
        # type: () -> None
        """What belongs to the fixtures before is torn down (the first time), what belongs to those to come is set up
        from now on (the second time)."""
        self._turns.append(self._next())
        if self._tool >= 0:
            _monitoring.restart_events()

    def end_outside(self, standing):
        # type: (frozenset) -> None
        self._hears = False
        self._state = _OFF
        self._wide -= 1
        count = min(self._next(), _MOST)
        down, up = self._turns if len(self._turns) == 2 else (0, count)
        for at in range(count):
            code, self._codes[at] = self._codes[at], None
            if type(code) is not types.CodeType or not self._is_ours(code.co_filename):
                continue
            ran = (code.co_filename, code.co_qualname)
            # Between the two, or where nobody says, it may be for either.
            keys = (self._began if at < up else frozenset()) | (standing if at >= down else frozenset())
            for key in keys:
                self._sets.setdefault(key, set()).add(ran)
            if not keys:
                self._shared.add(ran)

    # -- files, programs, the network ------------------------------------------------------

    def _audit(self, event, args):
        if event in _CODE and self._attends:
            self._take_code(event, args)
        if not self._state:
            return
        if event in _OPENING:
            path = args[0] if args else None
            if type(path) is bytes:
                path = path.decode("utf-8", "surrogateescape")
            # Only reading makes it a dependency.
            flags = args[2] if event == "open" and len(args) > 2 else 0
            if type(path) is str and not (type(flags) is int and flags & posix.O_WRONLY):
                self._open("f", path)
        elif event in _LISTING:
            path = args[0] if args and args[0] is not None else "."
            if type(path) is str:
                self._open("d", path)
        elif event in _PROGRAMS:
            self._do("p")
        elif event in _NETWORK:
            self._do("n")
        elif event == _INTERPRETERS:
            self._do("i")

    def _do(self, kind):
        # What a runner does before there is a test is no test's doing.
        if self._state != _COLLECTING or self._whose(_getframe(2)):
            self._write(kind, "")

    def _whose(self, frame):
        """Whether code of the project has it done; `None` where that only imports something."""
        while frame is not None:
            name = frame.f_code.co_filename
            if name.startswith(_IMPORTING):
                return None
            if self._is_ours(name):
                return True
            frame = frame.f_back
        return False

    def _open(self, kind, path):
        # What an import opens is noted as a module.
        whose = self._whose(_getframe(2))
        if whose is None or (not whose and self._state == _COLLECTING):
            return
        if path[:1] != "/":
            path = _getcwd() + "/" + path
        if self._is_ours(path):
            self._write(kind, path)

    def _write(self, kind, path):
        of_test = "2" if self._pass else "1"
        when = "w" if self._state == _COLLECTING or self._wide else of_test
        if self._state == _COLLECTING:
            self._read.add(when + kind + path)
            return
        text = (when + kind + path).encode("utf-8", "surrogateescape") + b"\0"
        if self._goes_on and self._has(text):
            return
        begin = self._ends[_OPENED]
        to = begin + len(text)
        if to > _ROOM:
            self._full = True
            return
        self._opened[begin:to] = text
        self._ends[_OPENED] = to
        self._more = True

    def _has(self, text):
        # type: (bytes) -> bool
        opened, to = self._opened, self._ends[_OPENED]
        return opened.startswith(text, 0, to) or opened.find(b"\0" + text, 0, to) >= 0

    def _take_opened(self):
        # type: () -> list
        text = bytes(self._opened[: self._ends[_OPENED]]).decode("utf-8", "surrogateescape")
        self._ends[_OPENED] = 0
        return sorted(set(text.split("\0")) - {""})

    # -- answers ---------------------------------------------------------------------------

    def opens(self):
        # type: () -> None
        """A test is opened: nothing was noted of it yet."""
        self._pass = 0
        self._more = False
        self._forget()

    def _forget(self):
        for at in range(self._ends[_FUNCTIONS]):
            self._files[at] = self._names[at] = None
            self._again[at] = 0
        self._ends[_FUNCTIONS] = 0

    def noted(self, standing):
        # type: (frozenset) -> dict
        """What the open test ran, and which wider fixtures stand."""
        pairs = [[self._files[at], self._names[at], self._again[at]] for at in range(self._ends[_FUNCTIONS])]
        answer = {
            "passes": self._pass,
            "units": pairs,
            "opened": self._take_opened(),
            "wide": sorted(standing),
            "full": self._full,
        }
        if len(_modules) != self._known_modules:
            self._known_modules = len(_modules)
            answer["modules"] = _files_of_modules()
        self._full = self._more = False
        return answer

    def goes_on(self):
        # type: () -> bool
        """Whether the open test is noted."""
        return self._pass > 0

    def has_more(self):
        # type: () -> bool
        """Whether something was noted of the open test since that was told."""
        return self._more

    def ended(self):
        # type: () -> dict
        """What wider fixtures ran, by their keys."""
        return {
            "wide": {str(key): sorted(ran) for key, ran in self._sets.items()},
            "shared": sorted(self._shared),
            "opened": self._take_opened(),
        }


def _processes():
    # type: () -> str
    """How many processes `multiprocessing` has made: it starts some in a way of which no hook is told."""
    return repr(getattr(_modules.get("multiprocessing.process"), "_process_counter", ""))


def _files_of_modules():
    # type: () -> list
    """Names of modules with their files."""
    found = []
    for name, module in list(_modules.items()):
        if type(name) is str and isinstance(module, types.ModuleType):
            path = types.ModuleType.__getattribute__(module, "__dict__").get("__file__")
            if type(path) is str:
                found.append([name, path])
    return found


def of_orders(orders):
    # type: (dict) -> Depends | None
    """One that notes, where that is asked for."""
    outside = orders.get("outside")
    return None if outside is None else Depends(outside)
