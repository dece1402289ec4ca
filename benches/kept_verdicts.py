"""Holds runs from the cache against cold ones, on a real package: with leaks put into it, or release after release.

    python benches/kept_verdicts.py SUITE --source src/jinja2 --python ENV [--leaks 20] [--program PATH] [ARGS...]
    python benches/kept_verdicts.py tomlkit-0.12.1 tomlkit-0.12.2 ... --source tomlkit --python ENV [ARGS...]

The suite is copied and checked once with a cache. Of one suite versions are made: each has a leaking line in a function
chosen at random among those that a test reaches. Several suites are releases of one project, the oldest first.
Each version is checked from the cache that the one before left, and cold. It says for each whether the verdicts are
equal, test by test, how many tests were kept, and the CPU time of both and of a plain run. What the budget decided of
a test that was asked is left out.

Which tests reach a function that was changed they say themselves: in the plain run the line in it notes the test. Of
these none may be kept, and of those that reach neither this function nor the one before nearly all should be.

Exits with 1 where a verdict differs, or a test is kept that reaches what was changed.
"""

import argparse
import ast
import functools
import json
import os
import pathlib
import random
import resource
import shutil
import subprocess
import sys
import tempfile

LEAK = "globals().setdefault('_left_by_a_bench', []).append(object())"
NOTE = "open({!r}, 'a').write(__import__('os').environ.get('PYTEST_CURRENT_TEST', '') + '\\n')"


def functions(source):
    """Files and the lines before which a statement may stand, of all functions."""
    found = []
    for path in sorted(source.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                body = node.body
                is_documented = isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
                first = body[1] if is_documented and len(body) > 1 else body[0]
                if first.lineno > node.lineno:
                    found.append((path, node.name, first.lineno, first.col_offset))
    return found


class Bench:
    """A copy of a suite, which is changed and checked."""

    def __init__(self, options, temporary):
        self.options = options
        self.folder = temporary / "suite"
        self.report = temporary / "report.json"
        self.note = temporary / "note"
        self.wrong = 0

    def put(self, suite):
        """Has the folder be this suite, as a checkout of another commit would, and keeps what leakcheck keeps in it."""
        self.folder.mkdir(exist_ok=True)
        for path in self.folder.iterdir():
            if path.name != ".leakcheck":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        left_out = shutil.ignore_patterns("__pycache__", ".leakcheck")
        shutil.copytree(suite, self.folder, ignore=left_out, dirs_exist_ok=True)

    def call(self, command):
        """The exit code, what it says, and CPU seconds."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        environment = dict(os.environ, PYTHONPATH=str(self.folder / pathlib.Path(self.options.source).parent))
        run = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return run, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def check(self, *arguments):
        """Verdicts by test, how many are kept and why the others were asked, and CPU seconds."""
        command = [self.options.program, "run", "--python", self.options.python, "-q", f"--report=json={self.report}"]
        run, seconds = self.call([*command, *arguments, *self.options.arguments])
        if run.returncode not in (0, 1, 4):
            sys.exit(run.stderr.decode())
        document = json.loads(self.report.read_text())
        verdicts = {test["id"]: (test["verdict"], test["rule"], "kept" in test) for test in document["tests"]}
        kept = document.get("kept") or {"tests": 0, "asked": {}}
        return verdicts, kept, seconds

    def plain(self):
        """CPU seconds of a plain run."""
        python = pathlib.Path(self.options.python, "bin/python")
        paths = [argument for argument in self.options.arguments if not argument.startswith("-")]
        return self.call([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *paths])[1]

    def compare(self, name, plain):
        """Checks from the cache and cold, and says whether they differ. The verdicts of both."""
        warm, kept, fast = self.check("--cache")
        cold, _, slow = self.check("--no-cache")
        differ = sorted(test for test in warm.keys() | cold.keys() if differs(warm.get(test), cold.get(test)))
        self.wrong += bool(differ)
        leaks = sum(verdict == "leak" for verdict, _, _ in cold.values())
        times = f"plain {plain:.1f} s, from the cache {fast:.1f} s, cold {slow:.1f} s"
        reasons = ", ".join(f"{count} {reason}" for reason, count in kept["asked"].items())
        print(f"{name}: {leaks} of {len(cold)} leak; {kept['tests']} kept ({reasons}); {times}; differ: {differ[:5]}")
        return warm, cold

    def reach(self, path, text, put_in):
        """The tests that reach the place of a line, in a plain run, and how long that took; none are all of them."""
        self.note.write_text("")
        path.write_text(put_in(NOTE.format(str(self.note))))
        plain = self.plain()
        path.write_text(text)
        noted = self.note.read_text().splitlines()
        return {line.rpartition(" (")[0] for line in noted}, plain


def differs(warm, cold):
    """Whether two verdicts differ. What the budget decided of a test that was asked hangs on the time there was."""
    if warm is None or cold is None:
        return True
    by_time = any("budget" in rule for _, rule, _ in (warm, cold))
    return warm[0] != cold[0] and (warm[2] or not by_time)


def with_line(text, line, column, statement):
    """The text with a statement before one of its lines."""
    lines = text.splitlines(keepends=True)
    lines.insert(line - 1, " " * column + statement + "\n")
    return "".join(lines)


def with_leaks(bench, chance):
    """Leaks in functions of one suite, one after the other."""
    places = functions(bench.folder / bench.options.source)
    clean, kept, seconds = bench.check("--cache")
    print(f"nothing changed: {kept}, {seconds:.1f} s; {len(places)} functions", flush=True)
    tried, found, far, kept_far, before = 0, 0, 0, 0, set()
    for path, name, line, column in chance.sample(places, len(places)):
        if tried == bench.options.leaks:
            break
        text = path.read_text()
        put_in = functools.partial(with_line, text, line, column)
        reach, plain = bench.reach(path, text, put_in)
        if not reach:
            continue
        tried += 1
        path.write_text(put_in(LEAK))
        warm, cold = bench.compare(f"{path.name}:{name}", plain)
        path.write_text(text)
        found += any(verdict == "leak" for verdict, _, _ in cold.values())
        is_kept = {test for test, (_, _, kept) in warm.items() if kept}
        everybody = "" in reach
        wrongly = sorted(is_kept if everybody else is_kept & reach)
        bench.wrong += bool(wrongly)
        others = set() if everybody or "" in before else {test for test in warm if clean[test][2]} - reach - before
        far, kept_far = far + len(others), kept_far + len(is_kept & others)
        of_others = f"of {len(others)} others {len(is_kept & others)} kept"
        print(f"    {len(reach)} reach it, kept of these: {wrongly[:5]}; {of_others}", flush=True)
        before = reach
    print(f"{found} of {tried} leak in a test; of tests that reach no change {kept_far} of {far} were kept")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("suite", nargs="+")
    parser.add_argument("--source", required=True)
    parser.add_argument("--python", required=True)
    parser.add_argument("--leaks", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--program", default="leakcheck")
    options, options.arguments = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as temporary:
        bench = Bench(options, pathlib.Path(temporary).resolve())
        bench.put(options.suite[0])
        plain = bench.plain()
        verdicts, _, seconds = bench.check("--cache")
        print(f"{options.suite[0]}: {len(verdicts)} tests; plain {plain:.1f} s, first run {seconds:.1f} s", flush=True)
        if len(options.suite) == 1:
            with_leaks(bench, random.Random(options.seed))
        for suite in options.suite[1:]:
            bench.put(suite)
            bench.compare(suite, bench.plain())
            sys.stdout.flush()
        print(f"{bench.wrong} differ")
        sys.exit(bench.wrong > 0)


if __name__ == "__main__":
    main()
