"""Takes orders from the other half and answers them: one record in, one record out."""

import contextlib
import faulthandler
import functools
import os
import posix
import sys
import time
import traceback

from . import (
    PROTOCOL,
    calls,
    census,
    channel,
    counters,
    depends,
    for_django,
    heap,
    inside,
    malloc,
    outcome,
    repeat,
    resources,
    selfcheck,
    source,
    tracer,
    watch,
)

_fstat = posix.fstat
_open = posix.open
_write = posix.write
_close = posix.close
_cpu = time.process_time
_times = os.times

#: Orders that are a method of `repeat.Repeater`, with the fields that are its arguments.
_PLAIN = {
    "beside": ("container", "reach"),
    "count": ("first", "then"),
    "dump": ("iterations", "file", "frames"),
    "fill": ("warmup", "iterations", "quick"),
    "follow": ("always", "within", "without", "frames"),
    "free": (),
    "gain": ("iterations", "most", "crowd", "data"),
    "garbage": ("file", "frames"),
    "grown": ("iterations",),
    "inside": ("process", "iterations", "file", "frames"),
    "hold": ("lowered", "through", "seconds", "thaw", "warmup", "iterations"),
    "lower": ("container", "number", "value", "iterations", "patience"),
    "name": ("paths",),
    "replay": ("each", "times"),
    "still": ("readings", "pause"),
    "trace": ("iterations", "frames", "last_only", "settling"),
    "unclosed": ("iterations", "frames"),
}
#: Orders before which what is held to look for limits stays.
_SEARCH = ("gain", "beside", "lower", "hold")


def _fix_examples():
    # type: () -> list
    """Has hypothesis make the same examples in every iteration; the note about it, where the tests use it.

    Others each time would fill its caches, and those of what is tested, by chance.
    """
    # Its examples are made of constants in the project's modules, for which it would take ours.
    seen = getattr(sys.modules.get("hypothesis.internal.conjecture.providers"), "_seen_modules", None)
    if type(seen) is set:
        seen.update(id(module) for name, module in list(sys.modules.items()) if str(name).startswith(__package__))
    core = sys.modules.get("hypothesis.core")
    # A seed of the project's own stays.
    if core is None or getattr(core, "global_force_seed", 0) is not None:
        return []
    core.global_force_seed = 1
    return ["hypothesis: the seed is 1, so that every iteration has the same examples"]


def _raised_by(error):
    # type: (BaseException) -> tuple
    """Whether an error is none of the bridge's making, and whose code raised it then, where that is known.

    A hook, a profiler, a signal's handler or a method that a test left behind may run at any line of ours; and so may
    an interrupt come, or the memory and the depth that a test left be too small.
    """
    place, frame = None, error.__traceback__
    while frame is not None:
        code, names = frame.tb_frame.f_code, frame.tb_frame.f_globals
        name = names.get("__name__")
        if str(name).startswith(__package__ + "."):
            place = None
        elif place is None and watch.is_theirs(str(name)):
            place = "{}:{} in {}".format(code.co_filename, frame.tb_lineno, code.co_name)
        frame = frame.tb_next
    foreign = place is not None or not isinstance(error, Exception) or isinstance(error, (MemoryError, RecursionError))
    return foreign, place


class StackDump:
    """Has faulthandler write every thread's stack to a file when the other half sends a signal.

    It works while a C call holds the interpreter, because the handler is C itself.
    """

    def __init__(self, path, signal_number):
        # type: (str, int) -> None
        self._path = path
        self._signal = signal_number
        self._fd = -1
        self._identity = (0, 0)
        self._register()

    def _register(self):
        # type: () -> None
        flags = posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT | posix.O_CLOEXEC
        self._fd = channel.move_high(posix.open(self._path, flags, 0o600))
        found = _fstat(self._fd)
        self._identity = (found.st_dev, found.st_ino)
        faulthandler.register(self._signal, file=self._fd, all_threads=True, chain=False)

    def is_ours(self):
        # type: () -> bool
        try:
            found = _fstat(self._fd)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self._identity

    def descriptors(self):
        # type: () -> int
        return 1 if self.is_ours() else 0

    def ensure(self):
        # type: () -> None
        """A test that closed the file may have given its number to a file of its own."""
        if not self.is_ours():
            self._register()


class Service:
    """The loop that a runner enters once its tests are collected."""

    def __init__(self, orders, link):
        # type: (dict, channel.Channel) -> None
        self.orders = orders
        self.link = link
        self.heartbeat = channel.Heartbeat(orders["heartbeat"])
        self.dump = StackDump(orders["stacks"], orders["stack_signal"])
        self.meter = counters.Counters(
            orders["capacity"],
            lambda: link.descriptors() + self.dump.descriptors(),
            orders.get("counters", ()),
            orders.get("project"),
        )
        #: Where the library for it is to be preloaded.
        self.tracer = tracer.Tracer(orders["stacks"]) if orders.get("preload") else None
        #: Where child processes are to be looked into.
        self.children = inside.Children(orders["inside"]) if orders.get("inside") else None
        if self.meter.processes.exactness != "absent":
            malloc.give_back_in_forks()
        self.served = False
        self.is_over = False
        #: An order that waits for the program to come to its test.
        self.pending = None  # type: dict | None
        self._repeater = None  # type: repeat.Repeater | None
        #: What there was before the first test that a screen looks at.
        self.census = None  # type: census.Census | None
        #: What the tests' own marks say; only pytest's can have any.
        self.marks = []  # type: list
        #: Notes what tests depend on, where that is asked for.
        self.depends = depends.of_orders(orders)
        self.heartbeat.state(channel.Heartbeat.LOADING)

    def hello(self, runner_name, runner_version):
        # type: (str, str) -> None
        """The handshake: both halves must speak the same protocol."""
        self.link.send(
            {
                "re": "hello",
                "protocol": PROTOCOL,
                "runner": runner_name,
                "runner_version": runner_version,
                "counters": self.meter.exactness,
                "sizes": self.meter.sees_sizes,
                "keeps_classes": counters.keeps_classes(),
                "untraceable": self.tracer.absent if self.tracer is not None else None,
            }
        )

    def serve(self, runner, tests, errors, notes):
        # type: (object, list, list, list) -> None
        """Announces the tests, then obeys. `runner` as in `repeat.Repeater`."""
        self.served = True
        notes = notes + _fix_examples()
        for_django.settle()
        record = {"re": "collected", "tests": tests, "errors": errors, "notes": notes, "marks": self.marks}
        self.marks = []
        if self.depends is not None:
            record["depends"] = self.depends.collected()
        self.link.send(dict(record, cpu=_cpu()))
        record = None
        self.obey(runner)

    def obey(self, runner):
        # type: (object) -> None
        """Takes orders until told to end, or until one is `pending`: for a test that the runner does not reach."""
        try:
            if self._repeater is None:
                malloc.fill_gaps()
                self._repeater = repeat.Repeater(runner, self.meter, self.heartbeat, self.depends, self.children)
            self.heartbeat.state(channel.Heartbeat.IDLE)
            self._obey(runner, self._repeater)
        except BaseException as error:
            # pytest would swallow it and end in good order.
            self.fail(error)
            raise

    def take_up(self, order, token):
        # type: (dict, str) -> None
        """Goes on with an order that this process got before it was started over."""
        self.served = True
        self.link.take_up(token)
        # What was watched is gone.
        self.pending = dict(order, survey=True)

    def importing(self, path):
        # type: (str) -> None
        """Says which test file is imported now, none where it is empty: the import may end this process."""
        flags = posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC
        fd = _open(self.orders["importing"], flags, 0o600)
        try:
            _write(fd, path.encode("utf-8", "replace"))
        finally:
            _close(fd)

    def stopped(self, status, why=None):
        # type: (int, str | None) -> None
        """Says that there is nothing to serve, and why, or where that is not known that the log has the reason."""
        self.served = True
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        reason = {} if why is None else {"why": why}
        self.link.send({"re": "stopped", "status": status, **reason})

    def is_importing(self):
        # type: () -> bool
        """Whether it was said that a test file is imported."""
        with contextlib.suppress(OSError):
            return posix.stat(self.orders["importing"]).st_size > 0
        return False

    def fail(self, error, foreign=None):
        # type: (BaseException, bool | None) -> None
        """Reports an error of our own, or of code that the tests had run in the midst of ours."""
        found, place = _raised_by(error)
        foreign = found if foreign is None else foreign
        self.link.send(
            {
                "re": "error",
                "message": outcome.describe(error),
                "traceback": traceback.format_exc(),
                "foreign": foreign,
                "place": place,
            }
        )

    def _obey(self, runner, repeater):
        link = self.link
        while True:
            order, self.pending = self.pending or link.receive(), None
            what = order["do"]
            self.dump.ensure()
            if what == "run" and "test" in order and not runner.reaches(order["test"]):
                self.pending = order
                return
            if what not in _SEARCH:
                repeater.end_search()
            call = self._taken(order, repeater)
            # Orders differ in size; none may be alive while a window is open.
            order = None
            answer = call()
            answer["errors"] = runner.troubles.take()
            if what == "end":
                link.send(answer)
                self.is_over = True
                return
            # Of the process so far, with what its tests started.
            answer["spent"] = sum(_times()[:4])
            link.send(answer)
            # Or the next window would see them go.
            answer = call = None

    def _taken(self, order, repeater):
        """What an order has to be done, all that it says with it."""
        what = order["do"]
        if what in _PLAIN:
            return functools.partial(getattr(repeater, what), *[order[field] for field in _PLAIN[what]])
        if what not in self._SPECIAL:
            raise ValueError("unknown order {!r}".format(what))
        return self._SPECIAL[what](self, order, repeater)

    def _run(self, order, repeater):
        if "test" in order:
            if self.tracer is not None:
                self.tracer.stop()
            if order.get("thaw"):
                # With no window to come the test is to see the heap as it is without us.
                repeater.thaw(refreeze=order["iterations"] > 0)
            if order.get("before") and self.census is None:
                self.census = census.Census()
            repeater.open(order["test"], order.get("wider", 0))
        numbers = (order["iterations"], order["warmup"], order.get("before", False), order.get("between", True))
        return functools.partial(repeater.run, *numbers, order.get("survey", False), order.get("note", False))

    def _selfcheck(self, order, repeater):
        numbers = (order["plant"], order["iterations"], order["warmup"])
        return functools.partial(selfcheck.run, self.meter, self.heartbeat, *numbers)

    def _calls(self, order, repeater):
        if "container" in order:
            read = heap.length_of(order["container"])
        elif order["counter"] == "fds":
            read = calls.Descriptors(resources.identities, self.meter.descriptors)
        else:
            read = self.meter.reader(order["counter"])
        return functools.partial(repeater.calls, order["iterations"], order["readings"], read)

    def _references(self, order, repeater):
        numbers = (order["iterations"], order.get("target"), order.get("falls", False))
        return functools.partial(repeater.references, *numbers)

    def _survivors(self, order, repeater):
        return functools.partial(repeater.survivors, order["iterations"], order["wanted"], self.tracer)

    def _describe(self, order, repeater):
        return lambda: {"re": "described", "answers": source.describe(order["places"])}

    def _end(self, order, repeater):
        counted = order.get("census") and self.census is not None

        def end():
            repeater.finish()
            return {
                "re": "ended",
                "names": self.meter.names(),
                "notes": self.meter.troubles(),
                "depends": None if self.depends is None else self.depends.ended(),
                "grown": self.census.grown() if counted else [],
            }

        return end

    _SPECIAL = {
        "calls": _calls,
        "describe": _describe,
        "end": _end,
        "references": _references,
        "run": _run,
        "selfcheck": _selfcheck,
        "survivors": _survivors,
    }


def main(orders_path):
    # type: (str) -> None
    with open(orders_path, "rb") as file:
        orders = channel.decode(file.read())
    if orders.get("preload"):
        tracer.forget_preload(orders["preload"])
    if not faulthandler.is_enabled():
        # Names the line of a crash on stderr, which the other half keeps.
        faulthandler.enable()
    link = channel.Channel(orders["socket"], orders["token"])
    service = Service(orders, link)
    try:
        if orders["cwd_on_path"]:
            # `python -m pytest` and `python -m unittest` put the current directory first.
            sys.path.insert(0, orders["cwd"])
        if service.depends is not None:
            service.depends.begin_collecting()
        if orders["runner"] == "pytest":
            from . import run_pytest as runner
        elif orders["runner"] == "command":
            from . import run_command as runner
        else:
            from . import run_unittest as runner
        status = runner.main(service)
    except BaseException as error:
        if not service.served:
            service.fail(error)
        raise
    if not service.served:
        # The reason stands in what the runner printed.
        service.stopped(int(status))
