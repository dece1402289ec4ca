"""Repeats one test and reads at every boundary: counters, and allocation sites when asked."""

import time

from . import counters, outcome, trace

_perf = time.perf_counter
_cpu = time.process_time


class Repeater:
    """Drives a runner's `iterate` for one test at a time.

    A runner offers `open(index)`, `iterate(index) -> Outcome`, `tidy()`, which forgets what the
    runner itself kept of the last iteration, and `finish()`.
    """

    def __init__(self, runner, meter, heartbeat):
        self._runner = runner
        self._meter = meter
        self._heartbeat = heartbeat
        self._index = -1
        self._warm = False

    def open(self, index):
        # type: (int) -> None
        """Ends the test before this one, with the wider fixtures that only it still needed."""
        self._heartbeat.begin_test()
        self._heartbeat.state(self._heartbeat.WIDER)
        self._index = index
        self._warm = False
        self._runner.open(index)

    def thaw(self):
        # type: () -> None
        self._heartbeat.state(self._heartbeat.READING)
        self._meter.thaw()
        self._heartbeat.state(self._heartbeat.IDLE)

    def _once(self):
        self._heartbeat.begin_iteration()
        result = self._runner.iterate(self._index)
        self._heartbeat.state(self._heartbeat.READING)
        self._runner.tidy()
        return result

    def run(self, iterations, warmup):
        # type: (int, int) -> dict
        """Runs `warmup` iterations and opens a window after them, then `iterations` with a reading each.

        With no warm-up the open window goes on. Ends early when an iteration does not pass.
        """
        meter, heartbeat = self._meter, self._heartbeat
        meter.reset()
        begun = _cpu()
        done = 0
        seconds = 0.0
        result = outcome.OK
        for _ in range(warmup):
            start = _perf()
            result = self._once()
            seconds = seconds or _perf() - start
            done += 1
            if result.status != outcome.PASSED:
                break
        cpu_warm = _cpu() - begun
        if warmup and result.status == outcome.PASSED:
            meter.open_window()
            meter.read()
        if result.status == outcome.PASSED:
            for _ in range(min(iterations, meter.capacity - meter.count)):
                start = _perf()
                result = self._once()
                seconds = seconds or _perf() - start
                done += 1
                if result.status != outcome.PASSED:
                    break
                meter.read()
                if heartbeat.asked_to_stop():
                    break
        heartbeat.state(heartbeat.IDLE)
        return {
            "re": "ran",
            "iterations": done,
            "outcome": result.record(),
            "seconds": seconds,
            "cpu_warm": cpu_warm,
            "cpu": _cpu() - begun,
            "resident": counters.resident_bytes(),
            "series": meter.readings(),
        }

    def trace(self, iterations, frames):
        # type: (int, int) -> dict
        """Opens a window with tracemalloc on and reads sites at each of its boundaries."""
        meter, heartbeat = self._meter, self._heartbeat
        begun = _cpu()
        result = outcome.OK
        meter.open_window()
        meter.settle()
        tracer = trace.Tracer(frames)
        lost = False
        try:
            tracer.read()
            for _ in range(iterations):
                result = self._once()
                if result.status != outcome.PASSED:
                    break
                meter.settle()
                if not tracer.read():
                    lost = True
                    break
                if heartbeat.asked_to_stop():
                    break
        finally:
            types = tracer.stop()
        heartbeat.state(heartbeat.IDLE)
        return {
            "re": "traced",
            "outcome": result.record(),
            "lost": lost,
            "cpu": _cpu() - begun,
            "resident": counters.resident_bytes(),
            "boundaries": tracer.boundaries,
            "tracebacks": tracer.tracebacks,
            "types": types,
        }

    def finish(self):
        # type: () -> None
        self._heartbeat.state(self._heartbeat.WIDER)
        self._runner.finish()
        self._heartbeat.state(self._heartbeat.IDLE)
