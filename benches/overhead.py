"""What leakcheck costs on a pytest suite, in CPU seconds (user and system, children included).

    python3 benches/overhead.py PROJECT --python PATH [--rounds N] [-- PYTEST ARGS]

Four commands in turn, round after round, since machines drift: one plain run of the suite; `leakcheck run`, all
in; the same on a copy of the project whose settings have it not look for cycles, which of a clean suite is the screen
with what starting takes; and the same tests repeated in one process, each as often as the screen has just repeated it,
with nothing read. Printed are the medians and their ratios. A project with a `leakcheck.toml` has it replaced in the
copy. Standard library only; PATH is a Python with pytest and what the suite needs.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile

# Repeats each item with function-scoped teardown, as leakcheck does, and does nothing else.
REPEAT = '''
import json
import pytest
from _pytest import runner

with open({counts!r}) as file:
    COUNTS = json.load(file)

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    for _ in range(COUNTS.get(item.nodeid, 1)):
        runner.runtestprotocol(item, nextitem=item.parent, log=False)
        item._report_sections.clear()
        if item.cls is not None:
            item.__dict__.pop("_instance", None)
            item.__dict__.pop("_obj", None)
    item.session._setupstate.teardown_exact(nextitem)
    return True
'''


def cpu_of(command, folder, **environment):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = dict(os.environ, **environment)
    quiet = subprocess.DEVNULL
    done = subprocess.run(command, cwd=folder, env=environment, stdout=quiet, stderr=quiet, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--leakcheck", default="leakcheck")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("pytest", nargs="*")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report, counts = os.path.join(folder, "report.json"), os.path.join(folder, "counts.json")
        with open(os.path.join(folder, "leakcheck_bench_repeat.py"), "w") as file:
            file.write(REPEAT.format(counts=counts))
        copy = os.path.join(folder, "copy")
        shutil.copytree(options.project, copy, symlinks=True, ignore=shutil.ignore_patterns(".git", "__pycache__"))
        with open(os.path.join(copy, "leakcheck.toml"), "w") as file:
            file.write('cycles = "allow"\n')
        pytest = [options.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options.pytest]
        check = [options.leakcheck, "run", "-q", "--python", options.python, "--report", "json=" + report]
        commands = {
            "plain": (pytest, options.project, {}),
            "leakcheck": ([*check, "--", *options.pytest], options.project, {}),
            "screen": ([*check, "--", *options.pytest], copy, {}),
            "repeated": ([*pytest, "-p", "leakcheck_bench_repeat"], copy, {"PYTHONPATH": folder}),
        }
        taken = {name: [] for name in commands}
        for _ in range(options.rounds):
            for name, (command, project, environment) in commands.items():
                seconds, status = cpu_of(command, project, **environment)
                taken[name].append(seconds)
                if name == "screen":
                    with open(report) as file:
                        tests = json.load(file)["tests"]
                    with open(counts, "w") as file:
                        json.dump({test["id"]: test["iterations"] for test in tests}, file)
                print(f"{name:10} {seconds:7.2f} s  exit {status}", flush=True)
    middle = {name: statistics.median(values) for name, values in taken.items()}
    print(f"leakcheck / plain    {middle['leakcheck'] / middle['plain']:.2f}")
    print(f"repeated / plain     {middle['repeated'] / middle['plain']:.2f}")
    print(f"screen / repeated    {middle['screen'] / middle['repeated']:.2f}")


if __name__ == "__main__":
    main()
