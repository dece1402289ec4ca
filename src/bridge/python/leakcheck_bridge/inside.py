"""Looks into child processes that run Python: what each iteration leaves in them, from which line, and who holds it.

Only in a process of its own, once memory of a child is known to grow. There each child that is forked, and each
program of Python's that is started with this environment (`inside/sitecustomize.py`), listens for a signal that nothing
else sends. Its handler runs in the child's main thread, between two of its instructions or while it waits in Python,
which then goes on (PEP 475): no thread more, no descriptor that stays. What ends with any signal does end: `pause`, a
sleep in C code. Of the child's own only what a collection calls is called: finalizers. Who does not listen is not sent
anything, since that would end it.

A request and its answer are files, marshalled: `PID.asks` and `PID.says`. `PID.here` says that a process listens.
"""

import contextlib
import functools
import gc
import marshal
import os
import posix
import signal
import time

from . import heap, outcome, processes, route

_getpid = posix.getpid
_sleep, _monotonic = time.sleep, time.monotonic
_collect = gc.collect
_kill = posix.kill

#: Of the signals that have no meaning; the next one up starts and stops the tracer of native memory.
SIGNAL = getattr(signal, "SIGRTMAX", 64) - 4
#: Where the folder of the requests is told to what is started.
_VARIABLE = "LEAKCHECK_INSIDE"
#: Seconds until a child must have heard, and until it must have answered: a million objects take ten to write down.
_HEARS, _ANSWERS = 3.0, 60.0


def _write(path, content):
    # type: (str, bytes) -> None
    """Under another name first: who finds it finds all of it."""
    file = posix.open(path + ".part", posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o600)
    try:
        left = memoryview(content)
        while left:
            left = left[posix.write(file, left) :]
    finally:
        posix.close(file)
    posix.rename(path + ".part", path)


def _taken(path):
    # type: (str) -> tuple | None
    """What was written there, once: the number of a request, and that or its answer. `None` where there is nothing."""
    try:
        file = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return None
    try:
        content = b"".join(iter(lambda: posix.read(file, 1 << 20), b""))
    finally:
        posix.close(file)
    with contextlib.suppress(OSError):
        posix.unlink(path)
    try:
        number, what = marshal.loads(content)
    except (EOFError, TypeError, ValueError):
        # The folder is named in the environment of whatever is started.
        return None
    return number, what


class _Quiet:
    """What `heap.Recorder` needs of the counters: a heap without garbage."""

    @staticmethod
    def settle():
        # type: () -> None
        # Finalizers of what was collected may have let go of more.
        if _collect() and _collect():
            _collect()


class _Listener:
    """A child's half: does what it is asked."""

    def __init__(self, folder):
        # type: (str) -> None
        self._path = "{}/{}".format(folder, _getpid())
        self._recorder = None  # type: heap.Recorder | None
        self._places = {}  # type: dict
        signal.signal(SIGNAL, self._hear)
        _write(self._path + ".here", b"")

    def _hear(self, signal_number, frame):
        if _getpid() != int(self._path.rpartition("/")[2]):
            # Forked past Python's own `fork`.
            return
        taken = _taken(self._path + ".asks")
        if taken is None:
            return
        number, request = taken
        try:
            said = {"value": getattr(self, request[0])(*request[1:])}
        except Exception as error:
            said = {"error": outcome.describe(error)}
        with contextlib.suppress(OSError):
            _write(self._path + ".says", marshal.dumps((number, said)))

    def open(self, iterations, frames):
        # type: (int, int) -> int
        self._recorder = heap.Recorder(_Quiet, iterations, frames, "thread")
        self._recorder.open()
        return 0

    def boundary(self):
        # type: () -> int
        self._recorder.boundary()
        return 0

    def left(self):
        # type: () -> int
        return self._recorder.left()

    def dump(self, path):
        # type: (str) -> dict
        recorder, self._recorder = self._recorder, None
        try:
            return recorder.dump(path)
        finally:
            recorder.close()
            self._places = recorder.places()

    def name(self, paths):
        # type: (list) -> dict
        return route.told(paths, self._places)


def begin():
    # type: () -> None
    """Lets this process and what is forked from it be asked, where a parent of it may want to."""
    folder = os.environ.get(_VARIABLE)
    if folder and os.path.isdir(folder):
        _listen(folder)
        os.register_at_fork(after_in_child=functools.partial(_listen, folder))


def _listen(folder):
    # type: (str) -> None
    # Nothing but the signal's handler has it. Without a descriptor left it is not asked.
    with contextlib.suppress(OSError):
        _Listener(folder)


class Children:
    """The half of the process that runs the tests: asks every child that listens and has a certain name."""

    def __init__(self, folder):
        # type: (str) -> None
        self._folder = folder
        #: Of the last request.
        self._number = 0
        #: Those that are asked.
        self._asked = []  # type: list
        #: The one whose heap was written down last. Such a process writes down none of its own.
        self._chosen = None  # type: int | None
        #: Why one could not be asked.
        self.troubles = []  # type: list
        os.mkdir(folder, 0o700)
        os.environ[_VARIABLE] = folder
        beside = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "inside")
        others = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = beside + (os.pathsep + others if others else "")
        os.register_at_fork(after_in_child=functools.partial(_listen, folder))

    def open(self, name, iterations, frames):
        # type: (str, int, int) -> bool
        """Begins with those of a name that are there; whether there is one."""
        there = [number for number in processes.descendants() if processes.name_of(number) == name]
        self._asked = list(self._ask(there, "open", iterations, frames))
        return bool(self._asked)

    def count(self):
        # type: () -> int
        """How many are asked."""
        return len(self._asked)

    def boundary(self):
        # type: () -> None
        self._asked = list(self._ask(self._asked, "boundary"))

    def dump(self, path):
        # type: (str) -> dict | None
        """Has the heap of that one written down in which most is left, and says how to read it."""
        left = {number: count for number, count in self._ask(self._asked, "left").items() if count}
        if not left:
            return None
        self._chosen = max(left, key=left.get)
        return self._ask([self._chosen], "dump", path).get(self._chosen)

    def name(self, paths):
        # type: (list) -> dict | None
        """As `route.told`, of that heap; `None` where there is none."""
        return self._ask([self._chosen], "name", paths).get(self._chosen) if self._chosen is not None else None

    def _path(self, number):
        # type: (int) -> str
        return "{}/{}".format(self._folder, number)

    def _listens(self, number):
        # type: (int) -> bool
        """Whether a process would hear the signal: it said so, and has not become another program since."""
        if not os.path.exists(self._path(number) + ".here"):
            return False
        caught = blocked = 0
        for line in processes.content("/proc/{}/status".format(number)).splitlines():
            name, _, value = line.partition(b":")
            if name == b"SigCgt":
                caught = int(value, 16)
            elif name == b"SigBlk":
                blocked = int(value, 16)
        return bool((caught & ~blocked) >> (SIGNAL - 1) & 1)

    def _ask(self, there, *request):
        # type: (list, object) -> dict
        """What each of some processes answers. All are asked at once: who does not hear keeps nobody else waiting."""
        self._number += 1
        content = marshal.dumps((self._number, request))
        waiting, answers = [], {}
        for number in there:
            with contextlib.suppress(OSError):
                if self._listens(number):
                    _write(self._path(number) + ".asks", content)
                    _kill(number, SIGNAL)
                    waiting.append(number)
        begun, pause = _monotonic(), 0.0005
        while waiting:
            waits = _monotonic() - begun
            for number in list(waiting):
                said = self._answer(number, waits)
                if said is not None:
                    waiting.remove(number)
                    if "error" in said:
                        self.troubles.append("{}: {}".format(processes.name_of(number), said["error"]))
                    elif "value" in said:
                        answers[number] = said["value"]
            if waiting:
                _sleep(pause)
                pause = min(pause * 2, 0.01)
        return answers

    def _answer(self, number, waits):
        # type: (int, float) -> dict | None
        """What one process says to the last request, or why it says nothing; `None` as long as it may."""
        path = self._path(number)
        taken = _taken(path + ".says")
        if taken is not None and taken[0] == self._number and type(taken[1]) is dict:
            return taken[1]
        if not processes.content("/proc/{}/cmdline".format(number)):
            return {"error": "it has ended"}
        if waits > _HEARS and os.path.exists(path + ".asks"):
            with contextlib.suppress(OSError):
                posix.unlink(path + ".asks")
            return {"error": "its main thread does not come to Python's code"}
        if waits > _ANSWERS:
            return {"error": "it took more than {:.0f} s to look at its heap".format(_ANSWERS)}
        return None
