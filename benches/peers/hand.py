"""Asks one tool about one case, by hand as its documentation shows it, and prints what it said as JSON.

Arguments: the tool, and the case. A case has a process of its own, so that none is in another's way.
"""

import contextlib
import gc
import io
import json
import os
import resource
import sys

import cases


def psleak(body):
    import psleak

    class Case(psleak.MemoryLeakTestCase):
        # Its check for cycles calls every cycle a leak, also where the collector takes it.
        checkers = psleak.Checkers.exclude("gcgarbage")

        def runTest(self):
            self.execute(body)

    try:
        Case().runTest()
    except psleak.Error as error:
        return True, "%s: %s" % (type(error).__name__, error)
    return False, ""


def leak_hunter(body):
    from leak_hunter import measure_growth, why_alive

    report = measure_growth(body, trace_allocations=True)
    said = report.format()
    if report.leaked and report.suspect:
        said += "\n" + why_alive(report.suspect).format()
    return report.leaked, said


def leak_assert(body):
    from leak_assert import LeakTest

    with LeakTest(iterations=1000, warmup=50) as test:
        for _ in test:
            body()
    try:
        # Its own samples grow by 68 bytes an iteration.
        test.assert_growth_rate(max=100)
    except AssertionError as error:
        return True, str(error)
    return False, ""


def refleak(body):
    from refleak.testing import Snapshot

    for _ in range(3):
        body()
    snapshot = Snapshot(object, freeze=True)
    for _ in range(5):
        body()
    try:
        snapshot.assert_no_new(when="after five calls")
    except AssertionError as error:
        return True, str(error)
    return False, ""


def tracemalloc(body):
    import tracemalloc

    for _ in range(10):
        body()
    tracemalloc.start(10)
    levels = []
    before = None
    for _ in range(3):
        for _ in range(30):
            body()
        gc.collect()
        levels.append(tracemalloc.get_traced_memory()[0])
        before = before or tracemalloc.take_snapshot()
    after = tracemalloc.take_snapshot()
    top = [
        "%s:%d" % (os.path.basename(one.traceback[-1].filename), one.traceback[-1].lineno)
        for one in after.compare_to(before, "traceback")[:3]
    ]
    # One that knows the noise of snapshots themselves.
    return levels[1] - levels[0] > 1000 and levels[2] - levels[1] > 1000, "\n".join(top)


def repetition(body):
    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()

    for _ in range(300):
        body()
    levels = [resident()]
    for _ in range(2):
        for _ in range(350):
            body()
        gc.collect()
        levels.append(resident())
    grown = [later - earlier for earlier, later in zip(levels, levels[1:])]
    return all(one > 64 << 10 for one in grown), "grew by %d and %d bytes" % tuple(grown)


def main(tool, name):
    # What asks 2,000 times for a thread or a descriptor needs as many.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    calls = [0]
    body = cases.CASES[name]["body"]

    def counted():
        calls[0] += 1
        body()

    counted.__name__ = body.__name__
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        flagged, said = globals()[tool](counted)
    sys.stdout.write(json.dumps({"flagged": flagged, "calls": calls[0], "said": said}) + "\n")
    sys.stdout.flush()
    # Threads that never end are a part of the cases.
    os._exit(0)


main(*sys.argv[1:])
