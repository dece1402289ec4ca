"""Plays the half of leakcheck that decides: starts a worker and speaks the protocol with it.

Also holds what every test here needs: small projects, and assertions about series.
"""

import atexit
import contextlib
import importlib.util
import json
import os
import pathlib
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
#: Another copy of the bridge may be tested by naming its folder here.
SOURCE = pathlib.Path(os.environ.get("LEAKCHECK_BRIDGE") or HERE.parent.parent / "src" / "bridge" / "python")

HAS_PYTEST = importlib.util.find_spec("pytest") is not None
needs_pytest = unittest.skipUnless(HAS_PYTEST, "pytest is not installed for " + sys.executable)
linux_only = unittest.skipUnless(sys.platform.startswith("linux"), "looks into /proc")

#: As the Rust half sets them.
TUNABLES = "glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0:glibc.malloc.mmap_threshold=33554432"
#: SIGSTKFLT on Linux, SIGXCPU elsewhere: neither is sent by anybody else.
STACK_SIGNAL = 16 if sys.platform.startswith("linux") else 24

#: Numbers in the heartbeat page.
SEQUENCE, STATE, STOP, BEGUN = range(4)

#: Seconds until an answer must be there.
PATIENCE = 60.0
#: How many batches of iterations may be run until one is exact.
BATCHES = 4


def pytest_version():
    """Version of the installed pytest as numbers, `(0,)` without one."""
    if not HAS_PYTEST:
        return (0,)
    return tuple(int(part) for part in importlib.import_module("pytest").__version__.split(".")[:2])


def _lay_out():
    """Copies the bridge to a temporary directory, as a run does."""
    folder = tempfile.mkdtemp(prefix="lcb-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    target = os.path.join(folder, "bridge")
    shutil.copytree(str(SOURCE), target, ignore=shutil.ignore_patterns("__pycache__"))
    return target


BRIDGE = _lay_out()


class WorkerError(Exception):
    """The worker died, hung, or said something that is no record."""


class Project:
    """A folder with the given files, `{name: text}`; the text may be indented."""

    def __init__(self, files):
        self.folder = os.path.realpath(tempfile.mkdtemp(prefix="lcp-"))
        for name, text in files.items():
            self.write(name, text)

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if isinstance(text, str):
            text = textwrap.dedent(text).lstrip("\n").encode("utf-8")
        with open(path, "wb") as file:
            file.write(text)

    def path(self, name):
        return os.path.join(self.folder, name)

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def line_of(self, name, part):
        """Number of the first line that contains `part`."""
        for number, line in enumerate(self.read(name).splitlines(), 1):
            if part in line:
                return number
        raise ValueError("no line with {!r}".format(part))

    def tree(self):
        """Every file and folder except caches of byte code."""
        found = set()
        for folder, folders, files in os.walk(self.folder):
            folders[:] = [name for name in folders if name != "__pycache__"]
            found.update(os.path.relpath(os.path.join(folder, name), self.folder) for name in folders + files)
        return found

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class Worker:
    """One worker process and the conversation with it. Its first two records are read at once."""

    #: How exact each counter is on this machine, as the last worker said.
    exactness = {}  # type: dict

    def __init__(self, project, runner="unittest", *, args=(), paths=(), skip=(), env=None, **options):
        self.project = project
        self.folder = os.path.realpath(tempfile.mkdtemp(prefix="lcw-"))
        os.mkdir(self._file("tmp"))
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self._file("s"))
        self._listener.listen(4)
        self._listener.setblocking(False)
        self._stream = None
        self._pending = b""
        #: What the next record must begin with.
        self._token = "start"
        self._orders = 0
        #: How often the worker has connected.
        self.connections = 0
        with open(self._file("heartbeat"), "wb") as file:
            file.write(bytes(4096))
        #: Beginnings of paths that are not the project's, where what tests depend on is noted.
        outside = options.pop("outside", None)
        orders = {
            "outside": outside,
            "socket": self._file("s"),
            "token": "start",
            "heartbeat": self._file("heartbeat"),
            "stacks": self._file("stacks"),
            "stack_signal": STACK_SIGNAL,
            "capacity": options.pop("capacity", 4096),
            "runner": runner,
            "args": list(args),
            "paths": list(paths),
            "listing": self._file("listing"),
            "skip": list(skip),
            "deadly": options.pop("deadly", []),
            "importing": self._file("importing"),
            "cwd": project.folder,
            "cwd_on_path": True,
            "base_temp": self._file("t"),
            "cache_dir": self._file("cache"),
            "counters": options.pop("counters", []),
            "project": project.folder if options.pop("alone", False) else None,
            **options.pop("orders", {}),
        }
        with open(self._file("orders.json"), "w", encoding="utf-8") as file:
            json.dump(orders, file)
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTEST_", "LEAKCHECK_", "PYTHON"))
        }
        environment.update(PYTHONHASHSEED="1", GLIBC_TUNABLES=TUNABLES, TMPDIR=self._file("tmp"))
        environment.update(env or {})
        start = os.path.join(options.pop("bridge", BRIDGE), "start.py")
        if options:
            raise TypeError("unknown options: {}".format(options))
        with open(self._file("log"), "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, start, self._file("orders.json")],
                cwd=project.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        #: Records before the first order: `hello` and then `collected`, `stopped` or `error`.
        self.records = []
        try:
            while not self.records or self.records[-1]["re"] == "hello":
                self.records.append(self.receive())
        except BaseException:
            self.close()
            raise
        self.hello = self.records[0]
        self.last = self.records[-1]
        Worker.exactness = self.hello["counters"] if self.hello["re"] == "hello" else {}
        self.tests = self.last.get("tests", [])
        self.ids = [test["id"] for test in self.tests]

    def _file(self, name):
        return os.path.join(self.folder, name)

    # -- conversation ----------------------------------------------------------------------

    def _accept(self):
        try:
            stream, _ = self._listener.accept()
        except BlockingIOError:
            return
        if self._stream is not None:
            self._stream.close()
        self._stream = stream
        self._pending = b""
        self.connections += 1

    def _drop(self):
        self._stream.close()
        self._stream = None

    def receive_line(self):
        """Bytes of the next record, without its end of line."""
        deadline = time.monotonic() + PATIENCE
        while True:
            line, newline, rest = self._pending.partition(b"\n")
            if newline:
                self._pending = rest
                return line
            ended = self.process.poll() is not None
            watched = [self._listener] + ([self._stream] if self._stream is not None else [])
            readable = select.select(watched, [], [], 0 if ended else 0.25)[0]
            if self._stream in readable:
                try:
                    more = self._stream.recv(65536)
                except OSError:
                    more = b""
                if more:
                    self._pending += more
                else:
                    self._drop()
            elif self._listener in readable:
                self._accept()
            elif ended:
                raise WorkerError("ended with {}\n{}".format(self.process.returncode, self.log()))
            elif time.monotonic() > deadline:
                raise WorkerError("no answer\n" + self.log())

    def receive(self):
        """The next record; the bytes must be UTF-8, and the order's token and one JSON object."""
        token, _, record = self.receive_line().decode("utf-8").partition(" ")
        if token != self._token:
            raise WorkerError("the token {!r}, not {!r}".format(token, self._token))
        record = json.loads(record)
        if not isinstance(record, dict):
            raise WorkerError("no record: {!r}".format(record))
        return record

    def send(self, order):
        self._orders += 1
        self._token = "{:016x}".format(self._orders)
        # As the other half writes it, but for what that cannot have.
        text = json.dumps(order, ensure_ascii=False)
        if any("\ud800" <= character <= "\udfff" for character in text):
            text = json.dumps(order)
        data = "{} {}\n".format(self._token, text).encode("utf-8")
        deadline = time.monotonic() + PATIENCE
        while True:
            self._accept()
            try:
                if self._stream is not None:
                    self._stream.sendall(data)
                    return
            except OSError:
                self._drop()
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise WorkerError("nobody to send to\n" + self.log())
            time.sleep(0.001)

    def call(self, **order):
        self.send(order)
        return self.receive()

    def answer(self, kind, **order):
        """The answer to an order, which must be of a kind."""
        record = self.call(**order)
        if record["re"] != kind:
            raise WorkerError("{} instead of {}\n{}".format(record, kind, record.get("traceback", "")))
        return record

    def index(self, name):
        """Index of the one test whose id ends with a name."""
        found = [at for at, test in enumerate(self.ids) if test == name or test.endswith((":" + name, "." + name))]
        if len(found) != 1:
            raise ValueError("{} tests named {!r} among {}".format(len(found), name, self.ids))
        return found[0]

    def run(self, name, iterations=6, warmup=2, thaw=True, survey=False):
        numbers = {"warmup": warmup, "iterations": iterations}
        return self.answer("ran", do="run", test=self.index(name), thaw=thaw, survey=survey, **numbers)

    def go_on(self, iterations):
        return self.answer("ran", do="run", thaw=False, warmup=0, iterations=iterations)

    def open_and_trace(self, name, iterations=5, frames=1, last_only=False, settling=0):
        self.run(name, iterations=1, warmup=1)
        return self.trace(iterations, frames, last_only, settling)

    def trace(self, iterations=5, frames=1, last_only=False, settling=0):
        order = {"iterations": iterations, "frames": frames, "last_only": last_only, "settling": settling}
        return self.answer("traced", do="trace", **order)

    def fill(self, quick=False):
        """What the open test fills that says itself where its end is: `[kind, name, size, most]` of each."""
        answer = self.answer("filled", do="fill", warmup=1, iterations=2, quick=quick)
        return [what for _, what in answer["filled"]]

    def hold(self, iterations, lowered=(), through=0, thaw=False, warmup=1):
        order = {"lowered": lowered, "through": through, "seconds": 1.0, "thaw": thaw, "warmup": warmup}
        return self.answer("held", do="hold", iterations=iterations, **order)["window"]

    def describe(self, places):
        return self.answer("described", do="describe", places=places)["answers"]

    def end(self):
        """Errors of the last wider fixtures; the process must then end by itself, in good order."""
        errors = self.answer("ended", do="end")["errors"]
        self.process.wait(timeout=PATIENCE)
        return errors

    def hang_up(self):
        """Ends the conversation as the other half does when it dies."""
        self._listener.close()
        self._drop()

    # -- the heartbeat and the log ---------------------------------------------------------

    def beat(self, number):
        with open(self._file("heartbeat"), "rb") as file:
            file.seek(8 * number)
            return int.from_bytes(file.read(8), sys.byteorder)

    def ask_to_stop(self):
        with open(self._file("heartbeat"), "r+b") as file:
            file.seek(8 * STOP)
            file.write((1).to_bytes(8, sys.byteorder))

    def stacks(self):
        with open(self._file("stacks"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def log(self):
        with open(self._file("log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def temporary_files(self):
        return sorted(os.listdir(self._file("tmp")))

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        with contextlib.suppress(OSError):
            self._listener.close()
        if self._stream is not None:
            self._stream.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def increments(values):
    return [later - earlier for earlier, later in zip(values, values[1:])]


def chunk(size):
    """Bytes that glibc on a 64-bit machine takes for a request."""
    return max(32, (size + 8 + 15) & ~15)


class BridgeCase(unittest.TestCase):
    """Assertions about answers; and a project that several tests of a class may share."""

    #: Runner of `start`.
    runner = "unittest"
    #: Files of the shared project, if there is one.
    files = None
    #: Further options of the shared worker.
    options = {}  # type: dict

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.worker = cls.project = None
        if cls.files is not None:
            cls.project = Project(cls.files)
            cls.addClassCleanup(cls.project.remove)
            cls.worker = Worker(cls.project, cls.runner, **cls.options)
            cls.addClassCleanup(cls.worker.close)

    def start(self, files, runner=None, **options):
        """A worker of its own for one test."""
        project = Project(files)
        self.addCleanup(project.remove)
        worker = Worker(project, runner or self.runner, **options)
        self.addCleanup(worker.close)
        return worker

    def assertStatus(self, answer, status, phase=None, message=None):
        outcome = answer["outcome"]
        self.assertEqual(outcome["status"], status, answer)
        if phase is not None:
            self.assertEqual(outcome["phase"], phase, answer)
        if message is not None:
            self.assertIn(message, outcome["message"])

    def assertPassed(self, answer):
        self.assertStatus(answer, "passed", "", "")
        self.assertEqual(answer["errors"], [])

    def assertGrows(self, worker, name, iterations=8, warmup=2, **expected):
        """Every counter grows at every boundary by exactly what is expected, and not at all without a word.

        `None` lets a counter grow as it likes. The first increment of `objects` may be anything: older dicts
        become tracked by the collector in the first iteration of a window. The interpreter itself sometimes
        allocates once and for ever (from 3.11 on tables of specialised types): a batch with such a step is
        followed by another one. What grows in every iteration, or shrinks, finds no exact batch.
        """
        answer = worker.run(name, iterations=iterations, warmup=warmup)
        opened = True
        for _ in range(BATCHES):
            self.assertPassed(answer)
            wrong = self._deviations(answer["series"], expected, opened)
            if not wrong:
                return
            answer = worker.go_on(iterations + 1)
            opened = False
        self.fail("{}: {}".format(name, wrong))

    def _deviations(self, series, expected, opened):
        self.assertEqual(set(series), {name for name, how in Worker.exactness.items() if how != "absent"})
        wrong = {}
        for name, values in series.items():
            # What is freed is no growth, and what is mapped comes in large pieces.
            wanted = expected.get(name, None if name in ("garbage", "maps") else 0)
            if wanted is None or Worker.exactness[name] != "exact":
                continue
            found = increments(values)
            if opened and name == "objects":
                found = found[1:]
            if name == "heap" and all(abs(value - wanted) <= 32 for value in found):
                # Where less than 32 bytes of a free chunk would be left, malloc gives them away, too.
                drift = sum(found) - wanted * len(found)
                found = [wanted] * len(found) if abs(drift) <= 32 else found
            if found != [wanted] * len(found):
                # The first few will do.
                odd = ["{} at {}".format(value, at) for at, value in enumerate(found) if value != wanted]
                total = "{} of {} are not {}: ".format(len(odd), len(found), wanted)
                wrong[name] = total + ", ".join(odd[:6])
        return wrong

    def assertFlat(self, worker, name, **options):
        self.assertGrows(worker, name, **options)
