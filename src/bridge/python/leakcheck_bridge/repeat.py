"""Repeats one test and reads at every boundary: counters, and allocation sites when asked."""

import array
import contextlib
import itertools
import posix
import random
import sys
import tempfile
import threading
import time

from . import (
    bounds,
    calls,
    chance,
    counters,
    garbage,
    heap,
    interpreters,
    limits,
    lines,
    outcome,
    references,
    refs,
    resources,
    route,
    trace,
    unclosed,
)

_getpid = posix.getpid
_getframe = sys._getframe
_perf = time.perf_counter
_cpu = time.process_time
_sleep = time.sleep

#: How close to the highest level an iteration must come to be looked at there. Small levels differ between iterations.
_NEAR = (0.99, 0.9, 0.7)


class _Names:
    """Temporary names that start over with each iteration.

    Python interns the names of modules, code and paths, from 3.12 on for ever. A test that makes the same
    temporary folder anew each time would grow by its random name alone. The names stay unique: whoever
    takes one that exists tries the next, as with any other, and that is a name of its own: where a test keeps what
    it makes, all the names before it are taken, and Python 3.14 tries no more than 20.
    """

    _CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789_"

    def __init__(self):
        self._pid = _getpid()
        self._random = random.Random(0)
        self._start = self._random.getstate()
        self._others = random.Random(1)
        self._taken = False

    def __iter__(self):
        return self

    def __next__(self):
        if _getpid() != self._pid:
            # A forked child must not choose what its parent chooses next.
            self._pid = _getpid()
            self._random, self._others = random.Random(), random.Random()
        self._taken = True
        # `tempfile` counts its tries in a variable of this name, in every version.
        chosen = self._others if _getframe(1).f_locals.get("seq") else self._random
        return "".join([chosen.choice(self._CHARACTERS) for _ in range(8)])

    def start_over(self):
        if self._taken:
            self._taken = False
            self._random.setstate(self._start)


class Repeater:
    """Drives a runner's `iterate` for one test at a time.

    A runner offers `open(index)`, `iterate(index) -> Outcome`, `tidy()`, which forgets what the
    runner itself kept of the last iteration, `wider()`, the fixtures of class, module, package and session that
    the open test has set up, `end_wider(session)`, which tears them down, `kept()`, `(object, name)` of what it holds
    and tests may fill, `finish()`, and `troubles`, what went wrong beside the tests. Where it is noted what tests
    depend on, `standing()` has identities of the wider fixtures that are set up, and `turn` is called once those of
    the test before are torn down, and again before those of the next one are set up.
    """

    def __init__(self, runner, meter, heartbeat, depends=None, children=None):
        self._runner = runner
        #: Asks child processes for their heaps, in a process that is there for it.
        self._children = children
        #: Notes what tests depend on, where that is asked for.
        self._depends = depends
        if depends is not None:
            runner.turn = depends.turn
        self._meter = meter
        self._heartbeat = heartbeat
        self._index = -1
        self._wider = 0
        self._names = _Names()
        #: While iterations are to be alike.
        self._replay = None  # type: chance.Replay | None
        self._pid = _getpid()
        #: Where the survivors of the last dump were allocated, by identity.
        self.places = {}  # type: dict
        self._garbage = None  # type: garbage.Look | None
        #: What references are counted to, once that was asked for.
        self._counted = None  # type: refs.Look | None
        #: What says itself how far it grows, of the open file.
        self._sizes = None  # type: bounds.Bounds | None
        #: What fills, of all tests so far.
        self._fillers = bounds.Fillers()
        #: While limits are looked for: what the open test fills, and what it fills that does not say where its end is.
        self._filled = None  # type: bounds.Reset | None
        self._search = None  # type: limits.Search | None

    def open(self, index, wider=0):
        # type: (int, int) -> None
        """Ends the test before this one, with the wider fixtures that only it still needed.

        With `wider` each iteration sets up and tears down the fixtures of class, module and package, too; with 2
        also those of the session.
        """
        self._heartbeat.begin_test()
        self._heartbeat.state(self._heartbeat.WIDER)
        self.free()
        self.uncount()
        self._meter.reset_at_boundaries(None)
        # Full, they would no longer grow, and what a test puts into them could not be told from what it leaks.
        self._fillers.forget()
        self._index = index
        self._wider = wider
        if wider:
            # What stands now was set up once, as in any run; how it ends is told.
            self._runner.end_wider(wider > 1)
        if self._depends is None:
            self._runner.open(index)
            return
        self._depends.opens()
        self._outside(lambda: self._runner.open(index))

    def _outside(self, call):
        """Notes what runs between two tests."""
        self._depends.begin_outside(self._runner.standing())
        try:
            call()
        finally:
            self._depends.end_outside(self._runner.standing())

    def survey(self):
        # type: () -> None
        """Looks anew for the containers whose lengths are read."""
        self._heartbeat.state(self._heartbeat.READING)
        self._sizes = None
        self._meter.survey(self._runner.kept())
        self._heartbeat.state(self._heartbeat.IDLE)

    def thaw(self, refreeze):
        # type: (bool) -> None
        """Unfreezes and collects the heap; it stays unfrozen until the next window opens, or is frozen again."""
        self._heartbeat.state(self._heartbeat.READING)
        self._meter.thaw(refreeze)
        self._heartbeat.state(self._heartbeat.IDLE)

    def _once(self, around=None):
        self._names.start_over()
        tempfile._name_sequence = self._names
        if self._replay is not None:
            self._replay.start_over()
        self._heartbeat.begin_iteration()
        if around is None:
            result = self._runner.iterate(self._index)
        else:
            result = around(lambda: self._runner.iterate(self._index))
        if self._wider:
            self._heartbeat.state(self._heartbeat.WIDER)
            # Nobody but us sets them up again and again: that they cannot be is nothing to tell.
            self._runner.troubles.closed = True
            self._runner.end_wider(self._wider > 1)
            self._runner.troubles.closed = False
        if _getpid() != self._pid:
            # A child that the test forked came back here. The parent is the one that counts.
            posix._exit(0)
        self._heartbeat.state(self._heartbeat.READING)
        self._runner.tidy()
        for stream in (sys.__stdout__, sys.__stderr__):
            # What a test prints past any capture waits in a buffer until some kilobytes are there.
            with contextlib.suppress(Exception):
                stream.flush()
        return result

    def run(self, iterations, warmup, before=False, between=True, survey=False, note=False):
        # type: (int, int, bool, bool, bool, bool) -> dict
        """Runs `warmup` iterations and opens a window after them, then `iterations` with a reading each.

        With no warm-up the open window goes on, with a boundary of its own to go on from: what answering the last
        order left behind belongs to no iteration. With `before` the window opens, with a reading, before the warm-up.
        It then goes on after it: what the first iteration leaves and the next one replaces would be frozen otherwise,
        and stay for good. Such a first look has what fills emptied at every boundary, in windows that go on from it
        as well. Without `between` there is a reading after the last iteration only, besides those two.
        With `survey` it looks anew for the containers to watch as the window opens, or at once where it goes on. A
        window that opens before the warm-up also watches what the tests before this one made. What is newer is not
        watched: whether there are more entries in such containers than after the warm-up is told as `filling`.
        Ends early when an iteration does not pass. With `note` it is noted what the first two iterations depend on.
        """
        meter, heartbeat = self._meter, self._heartbeat
        depends = self._depends
        unnoted = 2 if note and depends is not None else 0
        listens = depends is not None and (note or depends.goes_on())
        meter.reset()
        held = counters.resident_bytes() if before else None
        if before:
            meter.reset_at_boundaries(self._fillers)
            # Much that the tests before left is not gone through one by one.
            meter.open_window(self.survey if survey or meter.is_crowded() else meter.adopt)
        elif survey and not warmup:
            self.survey()
        opened = None
        begun = _cpu()
        # Seconds of the first iteration, and CPU seconds of the warm-up; in an array, since a number would be growth.
        first = array.array("d", [0.0, 0.0])
        # In containers that are new, after the warm-up and in the end.
        entries = array.array("q", [0, 0])
        done = heartbeat.begun()
        result = outcome.OK
        warming = warmup
        # One loop for both parts, and no counting in objects: whatever is made between the opening of
        # the window and a later boundary would be growth.
        # Two readings come beside those of the iterations: before them, and after a warm-up.
        rounds = itertools.repeat(None, warmup + min(iterations, meter.capacity - 2))
        # Iterations until the next reading, and since the last.
        unread, since = 1 if between else iterations, 0
        # A test that looks at the stack (asyncio does, in debug mode) makes an object of this frame, which lasts as
        # long as the frame runs.
        _getframe()
        start = _perf()
        if before or not warmup:
            meter.read()
            entries[0] = meter.entries()
        for _ in rounds:
            if warmup and not warming:
                first[1] = _cpu() - begun
                crowded = before and meter.is_crowded()
                if not before or crowded:
                    opened = 1 if before else 0
                    # What the first iteration imports or makes once may be filled by those after it.
                    meter.open_window(self.survey if survey or crowded else None)
                meter.read()
                entries[0] = meter.entries()
                warmup = since = 0
            start = _perf()
            if unnoted:
                unnoted -= 1
                depends.begin()
                result = self._once()
                depends.end()
            elif listens:
                depends.resume()
                result = self._once()
                depends.pause()
            else:
                result = self._once()
            first[0] = first[0] or _perf() - start
            if result.status != outcome.PASSED:
                break
            # The same object at every boundary.
            result = outcome.OK
            since += 1
            if warming:
                warming -= 1
                continue
            stop = heartbeat.asked_to_stop()
            unread -= 1
            if unread and not stop:
                continue
            unread = 1
            meter.refs.common.expect(since)
            since = 0
            meter.read()
            if stop:
                break
        entries[1] = meter.entries()
        if listens:
            depends.rest()
        heartbeat.state(heartbeat.IDLE)
        answer = {
            "re": "ran",
            "iterations": heartbeat.begun() - done,
            "outcome": result.record(),
            "seconds": first[0],
            "cpu_warm": first[1] or _cpu() - begun,
            "cpu": _cpu() - begun,
            "cpu_read": meter.spent(),
            "resident": counters.resident_bytes(),
            "resident_before": held,
            "series": meter.readings(),
            "opened": opened,
            "emptied": self._fillers.emptied,
            "filling": entries[1] > entries[0],
            "wider": self._runner.wider(),
        }
        if listens and (note or depends.has_more()):
            answer["noted"] = depends.noted(self._runner.standing())
            answer["noted"]["function"] = self._runner.is_function()
        return answer

    def replay(self, each, times):
        # type: (int, int) -> dict
        """Like `run`, with other random numbers after `each` iterations, and the first ones in the warm-up."""
        self.thaw(refreeze=False)
        self._replay = chance.Replay(each)
        self._replay.begin()
        try:
            return self.run(each * (times - 1), each)
        finally:
            self._replay.end()
            self._replay = None

    def still(self, readings, pause):
        # type: (int, float) -> dict
        """Reads the counters with nothing between the readings but time."""
        meter = self._meter
        self._heartbeat.state(self._heartbeat.READING)
        meter.reset()
        # The first one has what answering the last order left.
        for _ in itertools.repeat(None, min(readings, meter.capacity - 1) + 1):
            meter.read()
            _sleep(pause)
        self._heartbeat.state(self._heartbeat.IDLE)
        series = {name: values[1:] for name, values in meter.readings().items()}
        main = threading.main_thread()
        threads = [thread for thread in threading.enumerate() if thread is not main]
        return {"re": "still", "series": series, "threads": [str(thread.name) for thread in threads[:3]]}

    def grown(self, iterations):
        # type: (int) -> dict
        """Which watched containers grow in further iterations, as long as these pass."""
        begun = _cpu()
        self._meter.watch.remember()
        passed = 0
        for _ in range(iterations):
            if self._once().status != outcome.PASSED:
                break
            passed += 1
        self._heartbeat.state(self._heartbeat.IDLE)
        containers = self._meter.watch.grown(self._runner.kept())
        return {"re": "grown", "iterations": passed, "containers": containers, "cpu": _cpu() - begun}

    def fill(self, warmup, iterations, quick):
        # type: (int, int, bool) -> dict
        """What the open test fills, in iterations after others, that says itself where its end is.

        When `quick`, only what was there at the first such order since the last survey: the heap is looked through once
        a file.
        """
        begun = _cpu()
        sizes = (self._sizes if quick else None) or bounds.Bounds()
        if quick:
            self._sizes = sizes
        self._meter.reset_at_boundaries(None)
        passed = self._pass(warmup)
        # What is put in once, in a cache that was emptied, is there by now.
        sizes.remember()
        passed = passed and self._pass(iterations)
        grown = sizes.grown() if passed else []
        self._fillers.add(grown)
        self._filled = bounds.Reset(grown)
        self._heartbeat.state(self._heartbeat.IDLE)
        return {"re": "filled", "passed": passed, "filled": bounds.describe(grown), "cpu": _cpu() - begun}

    def gain(self, iterations, most, crowd, data):
        # type: (int, int, int, int) -> dict
        """Which containers gain entries in iterations, as in `limits.Search`."""
        begun = _cpu()
        self._search = limits.Search(crowd, data)
        containers = self._search.grown(most if self._pass(iterations) else 0)
        self._heartbeat.state(self._heartbeat.IDLE)
        return {"re": "gained", "containers": containers, "cpu": _cpu() - begun, **self._search.levels()}

    def beside(self, container, reach):
        # type: (int, dict) -> dict
        """The numbers beside one of these containers, and an iteration where there are any."""
        begun = _cpu()
        numbers, walks = self._search.beside(container, reach)
        start = _perf()
        passed = bool(numbers) and self._pass(1)
        seconds = _perf() - start
        self._heartbeat.state(self._heartbeat.IDLE)
        told = {"re": "beside", "numbers": numbers, "walks": walks, "passed": passed, "seconds": seconds}
        return {**told, "cpu": _cpu() - begun, **self._search.levels()}

    def lower(self, *order):
        # type: (object) -> dict
        """Iterations with one of these numbers set to another, as in `limits.Search.lower`."""
        begun = _cpu()
        told = self._search.lower(*order, lambda: self._pass(1))
        self._heartbeat.state(self._heartbeat.IDLE)
        return {"re": "lowered", **told, "cpu": _cpu() - begun, **self._search.levels()}

    def hold(self, lowered, through, seconds, thaw, warmup, iterations):
        # type: (list, int, float, bool, int, int) -> dict
        """Reads a window with what fills emptied at every boundary, and numbers set to others.

        Before it are at most `through` iterations without readings, which may take so many CPU seconds.
        """
        begun = _cpu()
        settings = [(self._search.places[number], value) for number, value in lowered]
        self._meter.reset_at_boundaries(self._filled)
        try:
            with limits.lowered(settings):
                while through and self._pass(1) and _cpu() - begun <= seconds:
                    through -= 1
                if thaw:
                    self.thaw(refreeze=False)
                window = self.run(iterations, warmup)
        finally:
            self._meter.reset_at_boundaries(None)
        levels = self._search.levels() if self._search is not None else {}
        return {"re": "held", "window": window, "cpu": _cpu() - begun, "lengths": levels.get("lengths", [])}

    def end_search(self):
        # type: () -> None
        """Lets go of what is held while limits are looked for, which would be seen to be held."""
        self._filled = self._search = None

    def _pass(self, iterations):
        # type: (int) -> bool
        """Runs iterations without readings, as long as they pass."""
        return all(self._once().status == outcome.PASSED for _ in range(iterations))

    def _is_traceable(self):
        # type: () -> bool
        """Whether memory may be traced while the open test runs: not if it makes interpreters, or left one."""
        if not interpreters.may_be_made():
            return True
        return interpreters.made_in(self._once) == 0 and interpreters.count() == 0

    def trace(self, iterations, frames, last_only, settling):
        # type: (int, int, bool, int) -> dict
        """Opens a window with tracemalloc on and reads sites at each of its boundaries, or at its end only.

        `settling` iterations before it are traced and not read.
        """
        meter, heartbeat = self._meter, self._heartbeat
        begun = _cpu()
        result = outcome.OK
        if not self._is_traceable():
            heartbeat.state(heartbeat.IDLE)
            return {
                "re": "traced",
                "outcome": result.record(),
                "lost": True,
                "asked": False,
                "interpreters": True,
                "cpu": _cpu() - begun,
                "resident": counters.resident_bytes(),
                "boundaries": [],
                "malloced": [],
                "tracebacks": [],
                "types": [],
            }
        meter.open_window()
        meter.settle()
        tracer = trace.Tracer(frames)
        lost = False
        try:
            for at in range(-settling, iterations):
                if at == 0 and not last_only:
                    tracer.read()
                result = self._once()
                if result.status != outcome.PASSED:
                    break
                meter.settle()
                if at >= 0 and not last_only and not tracer.read():
                    lost = True
                    break
                if heartbeat.asked_to_stop():
                    break
            if last_only and not tracer.read_last():
                lost = True
        finally:
            types = tracer.stop()
        heartbeat.state(heartbeat.IDLE)
        return {
            "re": "traced",
            "outcome": result.record(),
            "lost": lost,
            "asked": tracer.asked,
            "interpreters": False,
            "cpu": _cpu() - begun,
            "resident": counters.resident_bytes(),
            "boundaries": tracer.boundaries,
            "malloced": tracer.malloced,
            "tracebacks": tracer.tracebacks,
            "types": types,
        }

    def follow(self, always, within, without, frames):
        # type: (list, list, list, int) -> dict
        """Follows iterations line by line, and looks at what is in use where most of it stands."""
        meter, heartbeat = self._meter, self._heartbeat
        begun = _cpu()
        if not self._is_traceable():
            heartbeat.state(heartbeat.IDLE)
            return {
                "re": "followed",
                "outcome": outcome.OK.record(),
                "whole": False,
                "cpu": _cpu() - begun,
                "functions": [],
                "stood": 0,
                "top": None,
                "standing": None,
                "boundaries": [],
                "tracebacks": [],
            }
        follower = lines.Follower(always, within, without)
        meter.open_window()
        tracer, whole = trace.Tracer(1), True
        try:
            for _ in range(2):
                meter.settle()
                follower.start()
                try:
                    result = self._once()
                finally:
                    whole = follower.stop() and whole
                if result.status != outcome.PASSED:
                    break
            functions, levels = follower.functions(), follower.levels()
            for share in _NEAR:
                if result.status != outcome.PASSED or not whole or follower.standing is not None:
                    break
                tracer.stop()
                meter.settle()
                tracer = trace.Tracer(frames)
                follower.start(tracer, int(levels["stood"] * share))
                try:
                    result = self._once()
                finally:
                    follower.stop()
        finally:
            tracer.stop()
        heartbeat.state(heartbeat.IDLE)
        return {
            "re": "followed",
            "outcome": result.record(),
            "whole": whole,
            "cpu": _cpu() - begun,
            "functions": functions,
            "stood": levels["stood"],
            "top": levels["top"],
            "standing": follower.standing,
            "boundaries": tracer.boundaries,
            "tracebacks": tracer.tracebacks,
        }

    def dump(self, iterations, path, frames):
        # type: (int, str, int) -> dict
        """Runs iterations, noting what each of them leaves, and writes the whole heap down as a graph."""
        heartbeat = self._heartbeat
        begun = _cpu()
        # What is watched is held by us, and would be seen to be.
        self._meter.let_go()
        if frames and not self._is_traceable():
            frames = 0
        recorder = heap.Recorder(self._meter, iterations, frames)
        # The first one after the opening of a test brings what appears once.
        result = self._once()
        noted = resources.Noted(self._meter.tasks.all, self._meter.folders, self._meter.processes)
        if result.status == outcome.PASSED:
            recorder.open()
            for _ in itertools.repeat(None, iterations):
                result = self._once()
                if result.status != outcome.PASSED:
                    break
                recorder.boundary()
                if heartbeat.asked_to_stop():
                    break
        ran = _cpu() - begun
        try:
            graph = recorder.dump(path) if result.status == outcome.PASSED else None
        finally:
            recorder.close()
        self.places = recorder.places()
        heartbeat.state(heartbeat.IDLE)
        return {
            "re": "dumped",
            "outcome": result.record(),
            "cpu": _cpu() - begun,
            "cpu_dump": _cpu() - begun - ran,
            "resident": counters.resident_bytes(),
            "graph": graph,
            "resources": noted.newer(),
        }

    def inside(self, process, iterations, path, frames):
        # type: (str, int, str, int) -> dict
        """As `dump`, of that child process of a name in which most is left. Nothing of this process' own."""
        heartbeat, children = self._heartbeat, self._children
        begun = _cpu()
        # The first one after the opening of a test brings what appears once, there as well.
        result = self._once()
        graph = None
        if result.status == outcome.PASSED and children.open(process, iterations, frames):
            for _ in itertools.repeat(None, iterations):
                result = self._once()
                if result.status != outcome.PASSED:
                    break
                # Waits for them to come to rest.
                self._meter.processes.descriptors()
                children.boundary()
                if heartbeat.asked_to_stop():
                    break
            graph = children.dump(path)
        heartbeat.state(heartbeat.IDLE)
        troubles, children.troubles = children.troubles, []
        return {
            "re": "inside",
            "outcome": result.record(),
            "cpu": _cpu() - begun,
            "graph": graph if result.status == outcome.PASSED else None,
            "asked": children.count(),
            "troubles": troubles,
        }

    def garbage(self, path, frames):
        # type: (str, int) -> dict
        """Runs one iteration with the collector held back, and writes down what it left."""
        heartbeat = self._heartbeat
        begun = _cpu()
        if frames and not self._is_traceable():
            frames = 0
        look = self._garbage = garbage.Look(self._meter, frames)
        result = outcome.OK
        graph = None
        try:
            look.open()
            result = self._once()
            if result.status == outcome.PASSED:
                graph = look.write(path)
        finally:
            look.close()
        self.places = look.places
        if graph is None:
            self.free()
        heartbeat.state(heartbeat.IDLE)
        return {
            "re": "dumped",
            "outcome": result.record(),
            "cpu": _cpu() - begun,
            "cpu_dump": 0.0,
            "resident": counters.resident_bytes(),
            "graph": graph,
        }

    def name(self, paths):
        # type: (list) -> dict
        """The names along ways through the heap that was written down last, and where what they lead to is from."""
        told = self._children.name(paths) if self._children is not None else None
        told = dict(told or route.told(paths, self.places), re="named")
        if self._garbage is None:
            # Of a dump only the first question is about places; garbage is asked about until it is freed.
            self.places = {}
        return told

    def free(self):
        # type: () -> dict
        """Lets the collector go on that `garbage` held back, and says what it freed beside memory."""
        look, self._garbage = self._garbage, None
        freed = {"objects": 0, "descriptors": []}
        if look is not None:
            freed = look.free()
            self.places = {}
        return {"re": "freed", **freed}

    def calls(self, iterations, most, read=None):
        # type: (int, int, object) -> dict
        """Runs iterations with the heap read around every line and call, `most` readings in each at most.

        What is read may be another number: a function without arguments.
        """
        meter, heartbeat = self._meter, self._heartbeat
        begun = _cpu()
        meter.let_go()
        read = read or meter.heap
        recorder = calls.Recorder(read, most, iterations + 1)
        total = read.count if type(read) is calls.Descriptors else read
        steps = [recorder.count, *itertools.repeat(recorder.record, iterations + 1)]
        totals = []
        result = outcome.OK
        meter.open_window()
        for step in steps:
            result = self._once(step)
            if result.status != outcome.PASSED or recorder.lost:
                break
            meter.settle()
            totals.append(total() - recorder.own)
        heartbeat.state(heartbeat.IDLE)
        return {
            "re": "called",
            "outcome": result.record(),
            "cpu": _cpu() - begun,
            "lost": recorder.lost,
            "cut": recorder.cut,
            # What the first recorded iteration brings appears once, here as in the nodes.
            "totals": [after - before for before, after in zip(totals[1:], totals[2:])],
            "nodes": recorder.nodes() if len(totals) == len(steps) else [],
        }

    def survivors(self, iterations, wanted, tracer):
        # type: (int, list, tracer.Tracer) -> dict
        """Runs iterations and tells which chunks of memory of each live on, and who asked for them.

        With `wanted` it goes on where an earlier look ended, and tells Python's lines with these stacks.
        """
        meter, heartbeat = self._meter, self._heartbeat
        begun = _cpu()
        result = outcome.OK
        meter.let_go()
        meter.settle()
        if wanted:
            tracer.want(wanted)
        else:
            tracer.start()
        for _ in itertools.repeat(None, iterations):
            tracer.begin_iteration()
            result = self._once()
            tracer.end_iteration()
            if result.status != outcome.PASSED:
                break
            result = outcome.OK
            meter.settle()
        found = tracer.survivors()
        heartbeat.state(heartbeat.IDLE)
        return {"re": "survived", "outcome": result.record(), "cpu": _cpu() - begun, **found}

    def count(self, first, then):
        # type: (int, int) -> dict
        """Counts the references to everything there is: some iterations tell what changes, others how."""
        heartbeat = self._heartbeat
        begun = _cpu()
        self._meter.let_go()
        self.thaw(refreeze=False)
        self._counted = refs.Look(self._meter)
        result, found = self._counted.run(self._once, first, then)
        heartbeat.state(heartbeat.IDLE)
        return {"re": "counted", "outcome": result.record(), "cpu": _cpu() - begun, **(found or refs.NOTHING)}

    def uncount(self):
        # type: () -> None
        """Lets go of what was counted last."""
        look, self._counted = self._counted, None
        if look is not None:
            look.close()

    def references(self, iterations, target=None, falls=False):
        # type: (int, int | None, bool) -> dict
        """Runs iterations and watches which calls leave more references to their caller's variables.

        Or to one object that was counted, by its identity; where it `falls`, which leave fewer.
        """
        heartbeat = self._heartbeat
        begun = _cpu()
        if target is None:
            watcher = references.Watcher()
        else:
            objects = self._counted.objects if self._counted is not None else []
            watcher = references.Follower(next((obj for obj in objects if id(obj) == target), None), falls)
        result = outcome.OK
        for _ in itertools.repeat(None, iterations):
            result = self._once(watcher.watch)
            if result.status != outcome.PASSED or watcher.lost:
                break
        heartbeat.state(heartbeat.IDLE)
        return {
            "re": "referred",
            "outcome": result.record(),
            "cpu": _cpu() - begun,
            "calls": watcher.found() if result.status == outcome.PASSED and not watcher.lost else [],
        }

    def unclosed(self, iterations, frames):
        # type: (int, int) -> dict
        """Runs iterations and notes what nobody closes in them."""
        heartbeat = self._heartbeat
        begun = _cpu()
        look = unclosed.Look(frames if self._is_traceable() else 0)
        result = look.run(self._once, self._meter.settle, iterations)
        heartbeat.state(heartbeat.IDLE)
        return {"re": "unclosed", "outcome": result.record(), "cpu": _cpu() - begun, "warned": look.warned}

    def finish(self):
        # type: () -> None
        self.free()
        self.uncount()
        self._heartbeat.state(self._heartbeat.WIDER)
        if self._depends is None:
            self._runner.finish()
        else:
            self._outside(self._runner.finish)
        self._heartbeat.state(self._heartbeat.IDLE)
