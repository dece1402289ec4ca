"""Stability: runs the labelled corpus again and again, under one and two workers, and counts verdicts that change.

    cargo build --release
    python3 benches/stability.py --python .venv/bin/python --runs 20

Each run has hash seeds of its own. The Python needs pytest and what tests/requirements-corpus.txt lists for the parts
that run under pytest. Standard library only.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import random
import re
import shutil
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
CORPUS = os.path.join(HERE, "..", "fixtures", "corpus")


def parts(chosen):
    """(part, runner, arguments) of the corpus; the few words needed are read from the labels without a YAML reader."""
    for part in sorted(os.listdir(CORPUS)):
        try:
            with open(os.path.join(CORPUS, part, "expected.yaml")) as file:
                text = file.read()
        except OSError:
            continue
        runner = re.search(r"^runner: (\w+)", text, re.MULTILINE).group(1)
        args = re.search(r"^args: \[(.*)\]", text, re.MULTILINE)
        args = [word.strip() for word in args.group(1).split(",")] if args else []
        for name in ("unittest", "pytest") if runner == "both" else (runner,):
            if not chosen or any((part + "/" + name).startswith(start) for start in chosen):
                yield part, name, args


def check(options, folder, job):
    """Test id -> verdict and kinds of its leaks."""
    part, runner, args, number, jobs, seed = job
    place = tempfile.mkdtemp(dir=folder)
    project = os.path.join(place, part)
    shutil.copytree(os.path.join(CORPUS, part), project, ignore=shutil.ignore_patterns("__pycache__"))
    out = os.path.join(place, "report.json")
    command = [options.leakcheck, "run", "--runner", runner, "--python", options.python, "-j", str(jobs)]
    # Twenty leaks in one small project are more than the default is made for.
    command.append("--budget=5m")
    done = subprocess.run(
        [*command, "--report=json=" + out, *args],
        cwd=project,
        env=dict(os.environ, PYTHONHASHSEED=str(seed)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if not os.path.exists(out):
        raise SystemExit("{} {} run {}: no report\n{}".format(part, runner, number, done.stdout[-2000:]))
    with open(out) as file:
        report = json.load(file)
    shutil.rmtree(place)
    kinds = collections.defaultdict(set)
    for finding in report["findings"]:
        if finding["verdict"] == "leak":
            for test in finding["tests"]:
                kinds[test].add(finding["kind"])
    return {test["id"]: (test["verdict"], "+".join(sorted(kinds[test["id"]]))) for test in report["tests"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leakcheck", default=os.path.join(HERE, "..", "target", "release", "leakcheck"))
    parser.add_argument("--python", default="python3")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--side-by-side", type=int, default=1, help="checks at a time")
    parser.add_argument("parts", nargs="*", help="such as resources or holders/pytest; all by default")
    options = parser.parse_args()
    options.leakcheck = os.path.abspath(options.leakcheck)
    if os.sep in options.python:
        options.python = os.path.abspath(options.python)
    chance = random.Random(options.seed)
    changed = total = 0
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(options.side_by_side) as pool:
        for part, runner, args in parts(options.parts):
            work = [
                (part, runner, args, number, 1 + number % 2, chance.randrange(1, 2**32))
                for number in range(options.runs)
            ]
            runs = list(pool.map(lambda job: check(options, folder, job), work))
            tests = sorted(set().union(*runs))
            unsteady = 0
            for test in tests:
                seen = collections.Counter(run.get(test, ("not collected", "")) for run in runs)
                if len(seen) > 1:
                    unsteady += 1
                    told = ", ".join("{} {} x{}".format(*what, count) for what, count in seen.most_common())
                    print("  {}/{} {}: {}".format(part, runner, test, told), flush=True)
            print("{}/{}: {} of {} tests changed in {} runs".format(
                part, runner, unsteady, len(tests), options.runs), flush=True)  # fmt: skip
            changed += unsteady
            total += len(tests)
    print("{} of {} verdicts changed in {} runs".format(changed, total, options.runs))
    raise SystemExit(1 if changed else 0)


if __name__ == "__main__":
    main()
