"""What `leakcheck watch` says of three services, each with a leak, a bounded cache and a healthy twin; what looks cost.

    python benches/watch.py services PYTHON [SECONDS...]    60 and 300 by default; all nine at once
    python benches/watch.py cost PYTHON...                  a process with 1,000,000 objects on each of them
    python benches/watch.py kills PYTHON [TIMES]            one that is killed in the middle of a look, 1,000 times

The release build must be there: target/release/leakcheck.
"""
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LEAKCHECK = ROOT / "target/release/leakcheck"
SERVICES = ROOT / "fixtures/watch"
KINDS = ("leak", "bounded", "healthy")

# Works all the time, says once a second how much, and what it counts itself when it is asked to.
MILLION = """
import collections, gc, json, signal, sys, time

class Order:
    def __init__(self, number):
        self.lines = [number]

kept = [Order(number) for number in range(500_000)]
gc.collect()

def count(*_):
    counts = collections.Counter(type(found).__name__ for found in gc.get_objects())
    print(json.dumps(["counts", sum(counts.values()), counts["Order"], counts["list"]]), flush=True)

signal.signal(signal.SIGUSR1, count)
while True:
    done, until = 0, time.perf_counter() + 1
    spent = time.process_time()
    while time.perf_counter() < until:
        for number in range(200):
            done += len(Order(number).lines)
    print(json.dumps(["done", done / (time.process_time() - spent)]), flush=True)
"""


def watch(pid, seconds):
    folder = Path(tempfile.mkdtemp())
    command = [LEAKCHECK, "watch", str(pid), "--for", f"{seconds}s", "--quiet", "--json", folder / "watch.json"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL), folder / "watch.json"


def said(path):
    report = json.loads(path.read_text())
    rows = []
    for series in report["series"]:
        if series["word"] in ("rises", "fills", "moves") and series["sum"] in ("private memory", "objects"):
            rows.append(f"{series['part'] or series['sum']} {series['word']} {series['rate'] * 60:+,.0f}/min")
    return "; ".join(rows) or report["outcome"]


def services(python, lengths):
    running, watches = [], []
    for nth, kind in enumerate(KINDS):
        for name, port in (("asgi", 8180 + nth), ("wsgi", 8190 + nth), ("loop", None)):
            command = [python, f"{name}.py", kind, str(port or 40)]
            service = subprocess.Popen(command, cwd=SERVICES)
            running.append(service)
            if port:
                running.append(subprocess.Popen([python, "load.py", str(port), "40"], cwd=SERVICES))
            watches.append((name, kind, service))
    time.sleep(3)
    reports = [
        (length, name, kind, watch(service.pid, length))
        for name, kind, service in watches
        for length in lengths
    ]
    for length, name, kind, (process, path) in sorted(reports, key=lambda report: report[:3]):
        process.wait()
        print(f"{length:4} s  {name:5} {kind:8} {said(path)}", flush=True)
    for process in running:
        subprocess.run(["pkill", "-P", str(process.pid)], check=False)
        process.terminate()
        process.wait()


def read_until(service, word):
    while True:
        record = json.loads(service.stdout.readline())
        if record[0] == word:
            return record[1:]


def cost(python):
    service = subprocess.Popen([python, "-c", MILLION], stdout=subprocess.PIPE, text=True)
    rates = {False: [], True: []}
    for _ in range(4):
        for watched in (False, True):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            process, path = watch(service.pid, 12) if watched else (None, None)
            read_until(service, "done")
            rates[watched] += [read_until(service, "done")[0] for _ in range(10)]
            if process:
                process.wait()
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
                report = json.loads(path.read_text())
    os.kill(service.pid, signal.SIGUSR1)
    total, orders, lists = read_until(service, "counts")
    service.kill()
    seen = {series["part"]: series["readings"] for series in report["series"] if series["sum"] == "objects"}
    middle = {watched: sorted(found)[len(found) // 2] for watched, found in rates.items()}
    looks = len(seen[None])
    print(
        f"{report['process']['python']}: {seen[None][-1]:,} objects seen, {total:,} counted by itself "
        f"({orders:,} orders, {lists:,} lists); {looks} looks {min(seen[None]):,} to {max(seen[None]):,}; "
        f"{1000 * spent / looks:.0f} ms of CPU a look with all that it reads; "
        f"work {100 * (middle[True] / middle[False] - 1):+.2f} % while watched",
        flush=True,
    )


BUSY = """
print(flush=True)
while True:
    kept = [[number] for number in range(50_000)]
"""


def kills(python, times=1000):
    ends, wrong = {}, 0
    for nth in range(times):
        service = subprocess.Popen([python, "-c", BUSY], stdout=subprocess.PIPE)
        service.stdout.readline()
        command = [LEAKCHECK, "watch", str(service.pid), "--every", "0.001s", "--for", "60s", "--quiet"]
        watched = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(0.02 + random.random() * 0.1)
        service.kill()
        if nth % 2:
            service.wait()
        out, err = watched.communicate(timeout=30)
        service.wait()
        ended = "The process has ended" in out
        refused = watched.returncode == 2 and ("no process" in err or "zombie" in err)
        wrong += not (refused or (ended and watched.returncode == 0 and not err))
        line = (out.strip().splitlines() or err.splitlines())[-1].replace(str(service.pid), "N")
        ends[line] = ends.get(line, 0) + 1
    for line, count in sorted(ends.items(), key=lambda end: -end[1]):
        print(f"{count:5} {line}")
    print(f"{times} kills, {wrong} of them not reported as they should be", flush=True)


if __name__ == "__main__":
    what, python, *rest = sys.argv[1:]
    if what == "services":
        services(python, [int(length) for length in rest] or [60, 300])
    elif what == "kills":
        kills(python, *map(int, rest[:1]))
    else:
        for each in [python, *rest]:
            cost(each)
