"""Runs a program as it always runs, and takes over where it has unittest run a suite or a test case.

First a child runs the program without its tests, and writes down what is handed over: a program may hand over one
suite after another, and all tests must be known before the first of them is asked for. Then the program runs here.
Where it hands over the test that is asked for, it waits there until a test of another suite is, or none any more; then
it gets its result back and goes on. A test that it has passed is reached by running it from its beginning.
"""

import atexit
import collections
import contextlib
import json
import os
import re
import runpy
import signal
import sys
import threading
import traceback
import unittest

from . import for_django, outcome, restore, run_unittest

_exec = os.execve
_fork = os.fork
_getframe = sys._getframe
_getpid = os.getpid
_waitpid = os.waitpid
_encode = json.JSONEncoder().encode
_decode = json.JSONDecoder().decode
_current_thread = threading.current_thread
_main_thread = threading.main_thread

#: What a suite and a test case are run by.
_CALLS = ("__call__", "run")
_STARTED_WITH = list(sys.argv)
_PYTHON = re.compile(r"(.*/)?python[0-9.]*")
#: Programs that have no suites of unittest's, or must not be there.
_OTHERS = {
    "pytest": "pytest is a runner of its own here: leakcheck run --runner pytest, with its arguments after --",
    "coverage": "coverage would be measured with the tests: leave it out, and name the program that it runs",
}


class Program:
    """What was typed: a script or `-m module`, and its arguments."""

    def __init__(self, words):
        # type: (list) -> None
        words = list(words)
        if words and _PYTHON.fullmatch(words[0]):
            # Whichever it is, the chosen one runs it.
            words.pop(0)
        self._module = bool(words) and words[0] == "-m"
        if self._module:
            words.pop(0)
        if not words:
            _refuse("no program is named; write it after --: leakcheck run --runner command -- python manage.py test")
        name = words[0]
        other = _OTHERS.get(os.path.basename(name))
        if other is not None:
            _refuse(other)
        if name.startswith("-"):
            _refuse(
                "{} is an option of Python's own, and a worker is started without; set it in the environment "
                "(PYTHONWARNINGS for -W, PYTHONDEVMODE=1 for -X dev)".format(name)
            )
        self.name = name
        self._words = words
        self._path = None if self._module else _script(name)

    def run(self):
        # type: () -> int
        """Runs it to its end, and returns the status that it exits with. What it raises is printed."""
        sys.argv[:] = self._words
        try:
            if self._path is None:
                runpy.run_module(self.name, run_name="__main__", alter_sys=True)
            else:
                # The current directory is the first for modules only. A folder is put there when it is run.
                del sys.path[0]
                if os.path.isfile(self._path):
                    sys.path.insert(0, os.path.dirname(os.path.realpath(self._path)))
                runpy.run_path(self._path, run_name="__main__")
        except SystemExit as end:
            return _status_of(end)
        except BaseException:
            traceback.print_exc()
            return 1
        return 0


def _refuse(why):
    # type: (str) -> None
    raise ValueError("command argument: " + why)


def _script(name):
    # type: (str) -> str
    if os.path.isfile(name) or os.path.isfile(os.path.join(name, "__main__.py")):
        return name
    installed = os.path.join(os.path.dirname(sys.executable), name)
    if "/" not in name and os.path.isfile(installed):
        with open(installed, "rb") as file:
            if b"python" in file.read(400):
                return installed
        _refuse("{} is no Python program".format(installed))
    return _refuse("there is no {} here, nor beside {}".format(name, sys.executable))  # type: ignore[func-returns-value]


def _status_of(end):
    # type: (SystemExit) -> int
    if end.code is None:
        return 0
    if isinstance(end.code, int):
        return end.code
    sys.stderr.write("{}\n".format(end.code))
    return 1


class _Hooks:
    """In front of what runs a suite or a test case: `take` says whether it takes over, else it runs as ever."""

    def __init__(self, take):
        self._take = take
        self._replaced = {}  # type: dict
        self.on(unittest.TestCase, unittest.BaseTestSuite, unittest.TestSuite)

    def on(self, *classes):
        # type: (type) -> None
        for cls in classes:
            for base in cls.__mro__:
                for name in _CALLS:
                    # Not what a metaclass gives.
                    original = vars(base).get(name)
                    if callable(original) and (base, name) not in self._replaced:
                        with contextlib.suppress(TypeError):
                            setattr(base, name, self._hooked(original))
                            self._replaced[base, name] = original

    def _hooked(self, original):
        def hooked(test, *args, **keywords):
            result = args[0] if args else keywords.get("result")
            if result is not None and hasattr(result, "addSuccess") and self._take(test, result):
                return result
            return original(test, *args, **keywords)

        return hooked

    def off(self):
        # type: () -> list
        """Tests see no hooks. Returns the classes that had them."""
        for (cls, name), original in self._replaced.items():
            setattr(cls, name, original)
        classes = [cls for cls, _ in self._replaced]
        self._replaced.clear()
        return classes

    def original(self, cls, name):
        # type: (type, str) -> object
        for base in cls.__mro__:
            if name in vars(base):
                return self._replaced.get((base, name), vars(base)[name])
        return None


def _nodes(suite):
    # type: (object) -> list
    """A suite, all suites in it, and their tests."""
    found = [suite]
    if isinstance(suite, unittest.BaseTestSuite):
        for test in suite:
            if test is not None:
                found += _nodes(test)
    return found


#: What a suite of nose2's layers has done before and after each test that it runs; twice is once.
_AROUND = ("setUpTest", "tearDownTest")
#: Frames between a suite's loop and what is called there.
_NEAR = 4


def _who_calls(frame):
    """The suite that has something of its own done around each test, where one has called a test from this frame."""
    for _ in range(_NEAR):
        if frame is None:
            break
        names = frame.f_code.co_varnames
        suite = frame.f_locals.get(names[0]) if names else None
        if isinstance(suite, unittest.BaseTestSuite) and all(hasattr(suite, name) for name in _AROUND):
            return suite
        frame = frame.f_back
    return None


class _Watcher:
    """Follows the program, and tells `unit` of every suite or test case that it has run, with the result to fill and
    the suite that has something done around it.

    Of one that is run in a process or thread of its own it tells `elsewhere`, which says whether it has run it.
    """

    def __init__(self, unit, elsewhere):
        self._unit = unit
        self._elsewhere = elsewhere
        self._pid = _getpid()
        #: Whether a suite would have run its tests in other processes.
        self.parallel = False
        self._loops = (unittest.BaseTestSuite.run, unittest.TestSuite.run)
        self._hooks = _Hooks(self._take)

    def _goes_by_itself(self, suite):
        # type: (object) -> bool
        # One that runs its tests in a way of its own: sets layers up, adds observers.
        return not for_django.is_parallel(suite) and self._hooks.original(type(suite), "run") not in self._loops

    def _take(self, test, result):
        if _getpid() != self._pid or _current_thread() is not _main_thread():
            return self._elsewhere()
        nodes = _nodes(test)
        suites = [node for node in nodes if isinstance(node, unittest.BaseTestSuite)]
        if any(map(self._goes_by_itself, suites)):
            self._hooks.on(*{type(node): None for node in nodes})
            return False
        self.parallel = self.parallel or any(map(for_django.is_parallel, suites))
        tests = [node for node in nodes if not isinstance(node, unittest.BaseTestSuite)]
        # For the result as for the program, they ran.
        with contextlib.suppress(AttributeError):
            result.testsRun += len(tests)
        classes = self._hooks.off()
        try:
            self._unit(tests, result, None if suites else _who_calls(_getframe(2)), bool(suites))
        finally:
            self._hooks.on(*classes)
        return True


# -- what is handed over --------------------------------------------------------------------


def _write(path, record):
    # type: (str, dict) -> None
    # One line at once: a program may end its process anywhere.
    with open(path, "ab") as file:
        file.write(_encode(record).encode("ascii") + b"\n")


def _list(program, path):
    # type: (Program, str) -> None
    """Runs the program without its tests and writes what it hands over."""

    def unit(tests, result, around, is_suite):
        records, errors = run_unittest.records(tests)
        _write(path, {"tests": records, "errors": errors})

    def elsewhere():
        _write(path, {"elsewhere": True})
        return True

    watcher = _Watcher(unit, elsewhere)
    with contextlib.suppress(AttributeError):
        # In a file it would come after what is said of an error.
        sys.stdout.reconfigure(line_buffering=True)
    status = program.run()
    _write(path, {"parallel": watcher.parallel, "status": status})
    # Its own clean-up.
    atexit._run_exitfuncs()
    _flush()


def _flush():
    # type: () -> None
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


class _Listing:
    """What the program hands over, suite after suite."""

    def __init__(self, path):
        # type: (str) -> None
        with open(path, "rb") as file:
            records = [_decode(line.decode("ascii")) for line in file]
        parts = [record for record in records if "tests" in record]
        self.is_empty = not parts
        self.tests = [test for part in parts for test in part["tests"]]
        self.errors = [error for part in parts for error in part["errors"]]
        #: What else is known of it.
        self.end = {"elsewhere": False, "parallel": False, "status": 0}
        for record in records:
            self.end.update(record)

    def notes(self):
        # type: () -> list
        if self.end["parallel"]:
            return ["parallel: tests run in this process instead of being distributed"]
        return []


def _listing(program, service):
    # type: (Program, object) -> _Listing
    """Made once a run; workers that start at the same time each make their own."""
    path = service.orders["listing"]
    if not os.path.exists(path):
        own = "{}.{}".format(path, _getpid())
        open(own, "wb").close()
        _flush()
        child = _fork()
        if child == 0:
            try:
                _list(program, own)
            finally:
                os._exit(0)
        ended = _waitpid(child, 0)[1]
        if ended:
            if service.is_importing():
                # As if it had been this process, which is started again without that file.
                os._exit(os.WEXITSTATUS(ended) or 128 + os.WTERMSIG(ended))
            status = -os.WTERMSIG(ended) if os.WIFSIGNALED(ended) else os.WEXITSTATUS(ended)
            _write(own, {"status": status})
        os.rename(own, path)
    return _Listing(path)


# -- what is run ----------------------------------------------------------------------------


class _Result(run_unittest.Result):
    """Has the program's own result or suite do what it does around each test, such as setting layers up."""

    def __init__(self):
        super().__init__()
        self._theirs = self._around = None

    def stand_for(self, theirs, around):
        # type: (object, object) -> None
        self._theirs, self._around = theirs, around

    def startTest(self, test):
        super().startTest(test)
        if self._around is not None:
            self._around.setUpTest(test)
        self._theirs.startTest(test)

    def stopTest(self, test):
        self._theirs.stopTest(test)
        if self._around is not None:
            self._around.tearDownTest(test)


class Runner(run_unittest.Runner):
    """Runs the tests of the suite at which the program waits."""

    def __init__(self, records):
        super().__init__([None] * len(records), _Result())
        places = collections.defaultdict(list)  # type: dict
        for index, record in enumerate(records):
            places[record["id"]].append(index)
        self._places = places
        #: How often each id was handed over so far.
        self._seen = collections.Counter()  # type: collections.Counter
        self._here = frozenset()
        self._is_suite = True
        self._theirs = restore.State(None)

    def enter(self, tests, result, around, is_suite):
        # type: (list, object, object, bool) -> None
        here = set()
        for test in tests:
            if run_unittest.is_failure(test):
                continue
            name = test.id()
            places = self._places[name]
            if self._seen[name] < len(places):
                index = places[self._seen[name]]
                self._tests[index] = test
                here.add(index)
                if around is not None:
                    # It has begun; each repeat begins and ends by itself, from a test case as it was.
                    around.tearDownTest(test)
            self._seen[name] += 1
        self._here = frozenset(here)
        self._is_suite = is_suite
        self._theirs = restore.State(result)
        self._result.stand_for(result, around)

    def leave(self):
        # type: () -> None
        self.finish()
        self._result._previousTestClass = None
        self._current = None
        for index in self._here:
            self._tests[index] = None
        self._here = frozenset()

    def reaches(self, index):
        # type: (int) -> bool
        return index in self._here

    def _set_up_wider(self, test):
        # Whoever runs a test case by itself sets the fixtures of its class up by himself.
        if self._is_suite:
            super()._set_up_wider(test)
        else:
            self._blocked = outcome.OK

    def wider(self):
        return super().wider() if self._is_suite else []

    def tidy(self):
        super().tidy()
        # A reporter's own books.
        self._theirs.restore()

    def finish(self):
        if self._is_suite:
            super().finish()


class _Host:
    """Runs the program with the tests that are asked for."""

    def __init__(self, program, service):
        self._program = program
        self._service = service
        self._environment = dict(os.environ)
        #: An order that this process got before it was started over, with its token.
        self._again = service.orders["socket"] + ".again"
        self._listing = None  # type: _Listing | None
        self._runner = None  # type: Runner | None

    def run(self):
        # type: () -> int
        service = self._service
        again = None
        if os.path.exists(self._again):
            with open(self._again, "rb") as file:
                again = _decode(file.read().decode("ascii"))
            os.remove(self._again)
            service.take_up(*again)
        else:
            service.hello("command", "{}.{}.{}".format(*sys.version_info[:3]))
        run_unittest.watch_loader(unittest.TestLoader, service)
        for_django.keep_databases_apart(os.path.basename(os.path.dirname(service.orders["socket"])))
        listing = self._listing = _listing(self._program, service)
        if listing.is_empty:
            service.stopped(*self._reason(listing.end))
            return 0
        self._runner = Runner(listing.tests)
        # What it forks is no business of ours now.
        _Watcher(self._unit, elsewhere=lambda: False)
        status = self._program.run()
        if not service.served:
            service.stopped(*self._reason({"elsewhere": False, "status": status}))
        elif service.pending is not None:
            if again is not None and again[0]["test"] == service.pending["test"]:
                # Told as what a test did.
                error = LookupError("{} did not hand it over again".format(self._program.name))
                service.fail(error, foreign=True)
            else:
                self._start_over()
        return status

    def _reason(self, end):
        # type: (dict) -> tuple
        """A status, and why there is nothing to run."""
        name, status = self._program.name, end["status"]
        if end["elsewhere"]:
            return 0, name + (
                " runs its tests in processes or threads of its own; have it run them in one (--parallel 1, -j1 ...)"
            )
        if not status:
            return 0, name + (
                " ended without having unittest run a suite or a test case here, which is where leakcheck takes over"
                " (if it starts processes for that, have it run them in one)"
            )
        how = "by signal {}".format(-status) if status < 0 else "with status {}".format(status)
        return status, "{} ended {} before it had unittest run a test".format(name, how)

    def _unit(self, tests, result, around, is_suite):
        service, runner = self._service, self._runner
        if service.is_over:
            return
        runner.enter(tests, result, around, is_suite)
        if not service.served:
            service.serve(runner, self._listing.tests, self._listing.errors, self._listing.notes())
        elif runner.reaches(service.pending["test"]):
            service.obey(runner)
        runner.leave()

    def _start_over(self):
        # type: () -> None
        """Runs the program from its beginning in this very process, which goes on with what was asked for."""
        with open(self._again, "wb") as file:
            file.write(_encode([self._service.pending, self._service.link.token()]).encode("ascii"))
        atexit._run_exitfuncs()
        _flush()
        os.chdir(self._service.orders["cwd"])
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        _exec(sys.executable, [sys.executable, *_STARTED_WITH], self._environment)


def main(service):
    """Runs the program and serves in the midst of it. Returns the status that it exits with."""
    return _Host(Program(service.orders["args"]), service).run()
