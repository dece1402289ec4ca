"""Puts leaks into functions of a real package, one after the other, and compares runs from the cache with cold ones.

    python benches/kept_verdicts.py SUITE --source src/jinja2 --python ENV [--leaks 20] [--program leakcheck] [ARGS...]

The suite is copied, checked once with a cache, and then has a leaking line put into a function that is chosen at
random; some are reached by no test. Each version is checked from the cache that the one before left, and cold. It says
for each whether the verdicts are equal, test by test, how many tests were kept, and the CPU time of both. What the
budget decided of a test that was asked is left out. Exits with 1 where a verdict differs.
"""

import argparse
import ast
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


def check(options, folder, *arguments):
    """Verdicts by test, how many are kept, why the others were asked, and CPU seconds."""
    report = folder.parent / "report.json"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [options.program, "run", "--python", options.python, "-q", "--report", f"json={report}", *arguments]
    environment = dict(os.environ, PYTHONPATH=str(folder / pathlib.Path(options.source).parent))
    run = subprocess.run(command + options.arguments, cwd=folder, env=environment, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if run.returncode not in (0, 1, 4):
        sys.exit(run.stderr.decode())
    document = json.loads(report.read_text())
    verdicts = {test["id"]: (test["verdict"], test["rule"], "kept" in test) for test in document["tests"]}
    kept = document.get("kept") or {"tests": 0, "asked": {}}
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return verdicts, kept, seconds


def differs(warm, cold):
    """Whether two verdicts differ. What the budget decided of a test that was asked hangs on the time there was."""
    by_time = any("budget" in rule for _, rule, _ in (warm, cold))
    return warm[0] != cold[0] and (warm[2] or not by_time)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("suite")
    parser.add_argument("--source", required=True)
    parser.add_argument("--python", required=True)
    parser.add_argument("--leaks", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--program", default="leakcheck")
    options, options.arguments = parser.parse_known_args()
    chance = random.Random(options.seed)
    wrong = found = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary) / "suite"
        shutil.copytree(options.suite, folder, ignore=shutil.ignore_patterns("__pycache__", ".leakcheck"))
        places = functions(folder / options.source)
        verdicts, kept, seconds = check(options, folder, "--cache")
        print(f"{len(verdicts)} tests, {len(places)} functions; first run {seconds:.1f} s", flush=True)
        clean, kept, seconds = check(options, folder, "--cache")
        differ = [test for test in clean if differs(clean[test], verdicts[test])]
        print(f"nothing changed: {kept} {seconds:.1f} s; differ: {differ}", flush=True)
        for path, name, line, column in chance.sample(places, options.leaks):
            text = path.read_text()
            lines = text.splitlines(keepends=True)
            lines.insert(line - 1, " " * column + LEAK + "\n")
            path.write_text("".join(lines))
            warm, kept, fast = check(options, folder, "--cache")
            cold, _, slow = check(options, folder, "--no-cache")
            differ = sorted(test for test in cold if differs(warm[test], cold[test]))
            leaks = sum(verdict == "leak" for verdict, _, _ in cold.values())
            found += bool(leaks)
            wrong += bool(differ)
            figures = f"{leaks} leak, {kept} {fast:.1f} s, cold {slow:.1f} s"
            print(f"{path.name}:{name}: {figures}; differ: {differ[:5]}", flush=True)
            path.write_text(text)
    print(f"{found} of {options.leaks} are reached by a test; {wrong} differ")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
