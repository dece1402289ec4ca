"""Seeded recall: makes real functions of real packages leak, one at a time, and counts what leakcheck finds.

    cargo build --release
    python3.12 benches/seeded_recall.py --mutants 200 --out recall.jsonl

Source archives of the packages are fetched with pip, by name and pinned version, into `--cache`. The test suite of each
is run once with every test repeated three times, to learn which functions every repeat reaches. Then, chosen at random
with a fixed seed, a line that leaks is put into one such function, leakcheck is run on a few tests of one file that
reach it and a few that do not, and the line is taken out again.

A mutant counts as found when a test that reaches the function in every repeat has the verdict `leak` and had it not
without the line, when the whole suite was checked. Standard library only; Linux.
"""

import argparse
import ast
import collections
import concurrent.futures
import json
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tarfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))

#: name, version, folder of the code in the archive, and what its tests need besides.
PACKAGES = [
    ("tomlkit", "0.15.2", "tomlkit", ["pyyaml==6.0.3"]),
    ("jinja2", "3.1.6", "src/jinja2", ["trio==0.35.0", "markupsafe==3.0.4"]),
    ("marshmallow", "4.4.0", "src/marshmallow", ["simplejson==4.3.0"]),
    ("sqlparse", "0.6.1", "sqlparse", []),
    ("h11", "0.16.0", "h11", []),
]
PYTEST = "pytest==9.2.0"

#: What is kept at each leak, the kind it should be called, and the most calls that one pass over the file may make.
LEAKS = {
    "object": ("_seeded_kept.append(_Seeded())", {"python"}, 20000),
    "bytes": ("_seeded_kept.append(bytes(2048))", {"python"}, 2000),
    "none": ("_seeded_kept.append(None)", {"items"}, 20000),
    "fd": ("_seeded_kept.append(_seeded_open('/dev/null', 0))", {"fd"}, 20),
    "native": ("_seeded_malloc(100)", {"native"}, 20000),
    "refs": ("_seeded_incref(_Seeded)", {"reference"}, 20000),
}
PERIODS = (1, 3)

PRELUDE = [
    "import ctypes as _seeded_ctypes, itertools as _seeded_itertools; from os import open as _seeded_open",
    "_seeded_kept = []; _seeded_count = _seeded_itertools.count(1); _Seeded = type('_Seeded', (), {})",
    "_seeded_malloc = _seeded_ctypes.CDLL(None).malloc; _seeded_malloc.restype = _seeded_ctypes.c_void_p",
    "_seeded_incref = _seeded_ctypes.pythonapi.Py_IncRef; _seeded_incref.argtypes = [_seeded_ctypes.py_object]",
]

#: Plugin that repeats every test and writes down which functions the last repeat called, and how often.
TRACER = '''
import collections, json, os, sys, threading
import pytest
from _pytest.runner import runtestprotocol

ROOT = os.environ["SEEDED_ROOT"] + os.sep
calls = collections.Counter()
reached = {}


def profile(frame, event, arg):
    if event == "call":
        code = frame.f_code
        if code.co_filename.startswith(ROOT):
            calls[code] += 1


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    passed = True
    for repeat in range(3):
        for name in ("_instance", "_obj"):
            item.__dict__.pop(name, None)
        if repeat == 2:
            calls.clear()
            threading.setprofile(profile)
            sys.setprofile(profile)
        try:
            reports = runtestprotocol(item, log=False, nextitem=item.parent)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
        passed = passed and all(report.passed for report in reports)
    if passed:
        reached[item.nodeid] = [
            [code.co_filename[len(ROOT):], code.co_firstlineno, count] for code, count in calls.items()
        ]
    item.session._setupstate.teardown_exact(nextitem)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_sessionfinish(session):
    with open(os.environ["SEEDED_OUT"], "w") as file:
        json.dump(reached, file)
'''

#: Tests of one file that reach a function, and tests that do not, on which a mutant is tried.
REACHING = 6
OTHERS = 2

Mutant = collections.namedtuple("Mutant", "package file line function kind period test_file tests others")


def call(command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options)
    if done.returncode:
        raise SystemExit("{}\n{}".format(" ".join(command), done.stdout[-3000:]))
    return done.stdout


class Slot:
    """A copy of every package with an environment of its own, so that mutants can be tried side by side."""

    def __init__(self, cache, number):
        self.folder = os.path.join(cache, "slot{}".format(number))

    def source(self, package):
        return os.path.join(self.folder, package[0])

    def python(self, package):
        return os.path.join(self.folder, "venv-" + package[0], "bin", "python")

    def prepare(self, package, archive):
        source, python = self.source(package), self.python(package)
        stamp = os.path.join(self.folder, package[0] + ".ready")
        wanted = " ".join([package[1], PYTEST, sys.version, *package[3]])
        # A run that was stopped may have left a mutant behind: the sources are laid out anew each time.
        shutil.rmtree(source, ignore_errors=True)
        os.makedirs(self.folder, exist_ok=True)
        with tarfile.open(archive) as tar:
            top = tar.getnames()[0].split("/")[0]
            options = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
            tar.extractall(self.folder, **options)
        os.rename(os.path.join(self.folder, top), source)
        if os.path.exists(stamp):
            with open(stamp) as file:
                if file.read() == wanted:
                    return
        environment = os.path.dirname(os.path.dirname(python))
        shutil.rmtree(environment, ignore_errors=True)
        call([sys.executable, "-m", "venv", environment])
        call([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PYTEST, *package[3]])
        call([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-e", source])
        with open(stamp, "w") as file:
            file.write(wanted)


def fetch(cache, package):
    """The source archive of a package, from pip's own index."""
    folder = os.path.join(cache, "archives")
    os.makedirs(folder, exist_ok=True)
    start = re.compile(re.escape(package[0]) + "-" + re.escape(package[1]) + r"\.tar\.gz$", re.IGNORECASE)
    found = [name for name in os.listdir(folder) if start.match(name)]
    if not found:
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary", ":all:", "--dest", folder]
        call([sys.executable, "-m", "pip", "download", *options, "{}=={}".format(*package[:2])])
        found = [name for name in os.listdir(folder) if start.match(name)]
    return os.path.join(folder, found[0])


def trace(slot, package, cache):
    """Test id -> [[file, first line, calls]] of what every repeat of the test calls in the package."""
    out = os.path.join(cache, "reached-{}-{}-{}.{}.json".format(*package[:2], *sys.version_info[:2]))
    if not os.path.exists(out):
        plugin = os.path.join(slot.folder, "plugin")
        os.makedirs(plugin, exist_ok=True)
        with open(os.path.join(plugin, "seeded_tracer.py"), "w") as file:
            file.write(TRACER)
        environment = dict(
            os.environ, PYTHONPATH=plugin, SEEDED_OUT=out, SEEDED_ROOT=os.path.join(slot.source(package), package[2])
        )
        # Tests that fail when repeated are left out, so the exit code does not matter.
        subprocess.run(
            [slot.python(package), "-m", "pytest", "-q", "-p", "seeded_tracer", "-p", "no:cacheprovider"],
            cwd=slot.source(package), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            check=False)  # fmt: skip
    with open(out) as file:
        return json.load(file)


def functions(path):
    """First line -> function of a file that a line can be put into; generators begin only when they are asked."""
    with open(path) as file:
        tree = ast.parse(file.read())
    found = {}
    for node in ast.walk(tree):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        inner = [child for child in ast.walk(node) if isinstance(child, (ast.Yield, ast.YieldFrom))]
        if inner or node.body[0].lineno == node.lineno:
            continue
        first = min([node.lineno, *[decorator.lineno for decorator in node.decorator_list]])
        found[first] = node
    return found


def mutate(text, line, kind, period):
    """The text with the leaking line, and the number of that line."""
    tree = ast.parse(text)
    lines = text.split("\n")
    (node,) = [
        node
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and min([node.lineno, *[decorator.lineno for decorator in node.decorator_list]]) == line
    ]
    body = node.body
    is_text = isinstance(body[0], ast.Expr) and isinstance(getattr(body[0], "value", None), ast.Constant)
    # Before the first statement that is not the docstring; after it where there is none.
    at = body[0].end_lineno if is_text else body[0].lineno - 1
    if not is_text and getattr(body[0], "decorator_list", None):
        at = min(decorator.lineno for decorator in body[0].decorator_list) - 1
    leak = LEAKS[kind][0]
    if period > 1:
        leak = "if next(_seeded_count) % {} == 0: {}".format(period, leak)
    lines.insert(at, " " * body[0].col_offset + leak)
    top = 0
    for statement in tree.body:
        is_text = isinstance(statement, ast.Expr) and isinstance(getattr(statement, "value", None), ast.Constant)
        future = isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
        if is_text or future:
            top = statement.end_lineno
        else:
            break
    lines[top:top] = PRELUDE
    text = "\n".join(lines)
    ast.parse(text)
    return text, at + 1 + len(PRELUDE)


def choose(reached_by, slot, count, seed):
    """`count` mutants, as many of each kind and period, over all packages."""
    chance = random.Random(seed)
    pool = []
    for package in PACKAGES:
        root = os.path.join(slot.source(package), package[2])
        where = {}
        for test, calls in reached_by[package[0]].items():
            for file, line, number in calls:
                if "tests" in file.split(os.sep):
                    continue
                files = where.setdefault((file, line), {})
                files.setdefault(test.split("::")[0], {})[test] = number
        in_file = collections.defaultdict(list)
        for test in reached_by[package[0]]:
            in_file[test.split("::")[0]].append(test)
        places = {}
        for file in sorted({file for file, _ in where}):
            places[file] = functions(os.path.join(root, file))
        for (file, line), files in sorted(where.items()):
            node = places[file].get(line)
            if node is None:
                continue
            test_file = chance.choice(sorted(files))
            reaching = sorted(files[test_file])
            others = [test for test in in_file[test_file] if test not in files[test_file]]
            tests = chance.sample(reaching, min(REACHING, len(reaching)))
            others = chance.sample(others, min(OTHERS, len(others)))
            calls = {test: files[test_file][test] for test in tests}
            pool.append((package, file, line, node.name, test_file, calls, others))
    chance.shuffle(pool)
    cells = [(kind, period) for kind in LEAKS for period in PERIODS]
    # By package in turn, so that a large one does not take all the places.
    queues = {package[0]: [entry for entry in pool if entry[0] is package] for package in PACKAGES}
    chosen = []
    names = [package[0] for package in PACKAGES]
    while len(chosen) < count and any(queues.values()):
        kind, period = cells[len(chosen) % len(cells)]
        name = names[(len(chosen) // len(cells)) % len(names)]
        most = LEAKS[kind][2]
        queue = queues[name] or max(queues.values(), key=len)
        fitting = [entry for entry in queue if sum(entry[5].values()) <= most]
        if not fitting:
            queue = max(queues.values(), key=len)
            fitting = [entry for entry in queue if sum(entry[5].values()) <= most] or queue[:1]
        entry = fitting[0]
        queue.remove(entry)
        chosen.append(Mutant(entry[0], entry[1], entry[2], entry[3], kind, period, *entry[4:]))
    return chosen


class Checker:
    """Runs leakcheck on a test file, mutated or not."""

    def __init__(self, leakcheck, cache, extra):
        self.leakcheck = leakcheck
        self.cache = cache
        self.extra = extra
        self.plain = {}
        self.lock = threading.Lock()

    def check(self, slot, package, tests):
        out = os.path.join(slot.folder, "report.json")
        if os.path.exists(out):
            os.remove(out)
        started = time.time()
        done = subprocess.run(
            [self.leakcheck, "run", "--runner", "pytest", "--python", slot.python(package), "--report=json=" + out,
             *self.extra, *tests],
            cwd=slot.source(package), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        if not os.path.exists(out):
            return None, "no report: " + done.stdout[-300:], time.time() - started
        with open(out) as file:
            return json.load(file), "", time.time() - started

    def leaking(self, slot, package):
        """What leaks in the package's suite as it is; looked at once."""
        with self.lock:
            if package[0] not in self.plain:
                report, trouble, _ = self.check(slot, package, [])
                if report is None:
                    raise SystemExit("{}: {}".format(package[0], trouble))
                self.plain[package[0]] = {test["id"] for test in report["tests"] if test["verdict"] == "leak"}
                print("{} as it is: {}".format(package[0], report["summary"]["verdicts"]), flush=True)
            return self.plain[package[0]]

    def answer(self, slot, mutant):
        package = mutant.package
        before = self.leaking(slot, package)
        path = os.path.join(slot.source(package), package[2], mutant.file)
        with open(path) as file:
            text = file.read()
        changed, line = mutate(text, mutant.line, mutant.kind, mutant.period)
        try:
            with open(path, "w") as file:
                file.write(changed)
            report, trouble, seconds = self.check(slot, package, [*mutant.tests, *mutant.others])
        finally:
            with open(path, "w") as file:
                file.write(text)
        told = {
            "package": package[0], "file": mutant.file, "function": mutant.function, "line": line,
            "kind": mutant.kind, "period": mutant.period, "test_file": mutant.test_file, "seconds": round(seconds, 1),
            "trouble": trouble,
        }  # fmt: skip
        if report is None:
            return dict(told, result="no report")
        verdicts = {test["id"]: test for test in report["tests"]}
        reach = [test for test in mutant.tests if test in verdicts]
        unfit = ("failed", "skipped", "unrepeatable")
        ran = [test for test in reach if verdicts[test]["verdict"] not in unfit and test not in before]
        found = [test for test in ran if verdicts[test]["verdict"] == "leak"]
        findings = [
            finding for finding in report["findings"]
            if finding["verdict"] == "leak" and any(test in finding["tests"] for test in found)
        ]  # fmt: skip
        places = [
            [(os.path.normpath(site["file"]), site["line"]) for site in finding["sites"]] for finding in findings
        ]
        wanted = (os.path.normpath(os.path.join(package[2], mutant.file)), line)
        others = collections.Counter(verdicts[test]["verdict"] for test in ran if test not in found)
        false = [
            test for test, row in verdicts.items()
            if row["verdict"] == "leak" and test in mutant.others and test not in before
        ]  # fmt: skip
        return dict(
            told,
            result="not run" if not ran else "found" if found else "missed",
            tests=len(ran),
            tests_found=len(found),
            tests_others=dict(others),
            kinds=sorted({finding["kind"] for finding in findings}),
            right_kind=any(finding["kind"] in LEAKS[mutant.kind][1] for finding in findings),
            named_first=any(sites and sites[0] == wanted for sites in places),
            named=any(wanted in sites for sites in places),
            held=any("_seeded_kept" in ((finding.get("holder") or {}).get("text") or "") for finding in findings),
            findings=len(findings),
            elsewhere=false[:5],
        )


def summary(answers):
    lines = [
        "{:8} {:>6} {:>8} {:>8} {:>8} {:>10} {:>10} {:>8}   tests that leak, found".format(
            "kind", "every", "mutants", "found", "kind ok", "line first", "line named", "holder")
    ]  # fmt: skip
    for kind in LEAKS:
        for period in PERIODS:
            rows = [
                row for row in answers
                if row["kind"] == kind and row["period"] == period and row["result"] in ("found", "missed")
            ]  # fmt: skip
            found = [row for row in rows if row["result"] == "found"]
            lines.append("{:8} {:>6} {:>8} {:>8} {:>8} {:>10} {:>10} {:>8}   {} of {}".format(
                kind, period, len(rows), len(found),
                sum(row["right_kind"] for row in found), sum(row["named_first"] for row in found),
                sum(row["named"] for row in found), sum(row["held"] for row in found),
                sum(row["tests_found"] for row in rows), sum(row["tests"] for row in rows),
            ))  # fmt: skip
    tried = [row for row in answers if row["result"] in ("found", "missed")]
    found = [row for row in tried if row["result"] == "found"]
    lines.append("all: {} of {} found; line named first in {}, named in {}; {} could not be tried".format(
        len(found), len(tried), sum(row["named_first"] for row in found), sum(row["named"] for row in found),
        len(answers) - len(tried)))  # fmt: skip
    lines.append("tests called leaking that do not reach the function: {}".format(
        sum(len(row.get("elsewhere", ())) for row in tried)))  # fmt: skip
    for row in answers:
        if row["result"] != "found":
            lines.append("{result}: {package} {file}:{line} {function} {kind} every {period} by {test_file} {others} "
                         "{trouble}".format(others=row.get("tests_others", ""), **row))  # fmt: skip
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leakcheck", default=os.path.join(HERE, "..", "target", "release", "leakcheck"))
    parser.add_argument("--cache", default=os.path.join(HERE, "..", "target", "seeded_recall"))
    parser.add_argument("--mutants", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", help="write each answer there, a JSON record a line; a run that was stopped goes on")
    parser.add_argument("extra", nargs="*", help="arguments for leakcheck, after --")
    options = parser.parse_args()
    leakcheck = os.path.abspath(options.leakcheck)
    cache = os.path.abspath(options.cache)
    # Descriptors that a mutant leaks add up over the tests of a file.
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(limits[1], 65536), limits[1]))

    slots = [Slot(cache, number) for number in range(options.jobs)]
    for package in PACKAGES:
        archive = fetch(cache, package)
        for slot in slots:
            slot.prepare(package, archive)
    reached = {package[0]: trace(slots[0], package, cache) for package in PACKAGES}
    mutants = choose(reached, slots[0], options.mutants, options.seed)
    checker = Checker(leakcheck, cache, options.extra)
    free = list(slots)
    answers = []
    if options.out and os.path.exists(options.out):
        with open(options.out) as file:
            answers = [json.loads(line) for line in file]

    def work(mutant):
        slot = free.pop()
        try:
            return checker.answer(slot, mutant)
        finally:
            free.append(slot)

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for answer in pool.map(work, mutants[len(answers) :]):
            answers.append(answer)
            print("{:4} {result:9} {kind:7} {period} {package} {file}:{line} {function} ({seconds} s)".format(
                len(answers), **answer), flush=True)  # fmt: skip
            if options.out:
                with open(options.out, "a") as file:
                    file.write(json.dumps(answer) + "\n")
    print(summary(answers))


if __name__ == "__main__":
    main()
