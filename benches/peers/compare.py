#!/usr/bin/env python3
"""Runs leakcheck beside its peers on the same small cases, and writes the table of docs/comparison.md.

    python3 benches/peers/compare.py [--python PATH] [--leakcheck PATH] [--only NAME ...] [--write]

Makes a virtual environment with the peers in target/peers, builds the one C library, asks each tool about each case,
and prints a row for each. `--write` puts the table into docs/comparison.md and all figures into results.json; rows of
tools that were left out by `--only` stay as results.json has them. A peer that cannot run says why, and has no row.

What a tool says of a case is searched for the holder's name, for a line marked `LEAK`, and for the function that it is
in. Tools that are given a function by hand get no point for its name.
"""

import argparse
import datetime
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import xml.etree.ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
TARGET = os.path.join(ROOT, "target", "peers")
RESULTS = os.path.join(HERE, "results.json")
PAGE = os.path.join(ROOT, "docs", "comparison.md")
BEGIN, END = "<!-- made by benches/peers/compare.py -->\n", "<!-- end -->\n"
# Of one case of one tool.
LIMIT = 300

# Row, tool of hand.py, what had to be done.
BY_HAND = {
    "psleak": ("psleak, without its check for cycles", "psleak", "a test of its own class for each function"),
    "leak-hunter": ("python-leak-hunter", "leak_hunter", "a call for each function"),
    "leak-assert": ("leak-assert, at most 100 bytes an iteration", "leak_assert", "a loop for each function"),
    "refleak": ("refleak, any object", "refleak", "a snapshot around each function"),
    "tracemalloc": ("tracemalloc by hand", "tracemalloc", "a loop for each function"),
    "repetition": ("1,000 calls and the resident size", "repetition", "a loop for each function"),
}
PACKAGES = {"leak-hunter": "python-leak-hunter", "memray": "pytest-memray"}


def environment(python):
    folder = os.path.join(TARGET, "environment")
    inside = os.path.join(folder, "bin", "python")
    if not os.path.exists(inside):
        subprocess.run([python, "-m", "venv", folder], check=True)
        packages = os.path.join(HERE, "requirements.txt")
        subprocess.run([inside, "-m", "pip", "install", "--quiet", "-r", packages], check=True)
    library = os.path.join(HERE, "libpeers.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-g", "-o", library, os.path.join(HERE, "leak.c")], check=True)
    return inside


def cpu():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def called(command, **variables):
    """Its result, and the CPU seconds that it took."""
    before = cpu()
    variables = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", **variables)
    result = subprocess.run(command, cwd=HERE, env=variables, text=True, capture_output=True, check=False)
    return result, cpu() - before


def truth(python):
    """Name, whether it leaks, holder, function, and the lines that are marked, of each case."""
    script = (
        "import cases, json; print(json.dumps({n: {k: v for k, v in c.items() if k != 'body'}"
        " for n, c in cases.CASES.items()}))"
    )
    cases = json.loads(called([python, "-c", script])[0].stdout)
    with open(os.path.join(HERE, "cases.py")) as file:
        marked = {number for number, line in enumerate(file, 1) if line.rstrip().endswith("# LEAK")}
    return cases, marked


def named(case, said, marked, by_hand):
    lines = {int(line) for line in re.findall(r"cases\.py:(\d+)", said)}
    lines |= {int(line) for line in re.findall(r"cases\.py\", line (\d+)", said)}
    word = r"(?<![\w.])(?:\w+\.)*%s\b" % re.escape(case["function"])
    return {
        "holder": bool(case["holder"] and case["holder"] in said),
        "line": bool(lines & marked),
        "function": not by_hand and bool(re.search(word, said)),
    }


def by_leakcheck(python, program, options):
    report = os.path.join(TARGET, "leakcheck.json")
    command = [program, "run", "--python", python, "--no-cache", "--no-ci", "--report", "json=" + report, *options]
    _, used = called([*command, "test_cases.py"])
    with open(report) as file:
        report = json.load(file)
    told = {}
    for test in report["tests"]:
        name = test["id"].partition("::test_")[2]
        said = []
        for finding in report["findings"]:
            if finding["verdict"] == "leak" and test["id"] in finding["tests"]:
                said.append(finding["summary"])
                said += [site["file"] + ":%d in %s" % (site["line"], site["function"]) for site in finding["sites"][:1]]
                said += [finding["holder"]["text"]] if finding["holder"] else []
        told[name] = {"flagged": test["verdict"] == "leak", "calls": test["iterations"], "said": "\n".join(said)}
    return told, used, report["tool"]["version"]


def by_memray(python):
    file = os.path.join(TARGET, "memray.xml")
    repeat = "100"
    result, used = called(
        # Deep enough stacks to reach Python's lines; five frames, its default, do not.
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--memray", "--stacks=25", "--hide-memray-summary",
         "--junitxml", file, "test_cases.py"],
        MARK="limit_leaks:100 B", REPEAT=repeat,
    )
    parts = re.split(r"^_+ test_(\w+) _+$", result.stdout, flags=re.MULTILINE)
    texts = dict(zip(parts[1::2], parts[2::2]))
    told = {}
    for test in xml.etree.ElementTree.parse(file).iter("testcase"):
        name = test.get("name")[len("test_"):]
        flagged = test.find("failure") is not None
        told[name] = {"flagged": flagged, "calls": int(repeat), "said": texts.get(name, "") if flagged else ""}
    return told, used


def by_hand(python, tool, cases):
    told = {}
    # What psleak asks for, so that it sees each block.
    variables = {"PYTHONMALLOC": "malloc"} if tool == "psleak" else {}
    used = 0.0
    for name in cases:
        command = ["timeout", str(LIMIT), python, os.path.join(HERE, "hand.py"), tool, name]
        result, seconds = called(command, **variables)
        used += seconds
        try:
            told[name] = json.loads(result.stdout.splitlines()[-1])
        except (IndexError, ValueError):
            # What ends the process, or takes for ever, has not been answered.
            last = (result.stderr.strip().splitlines() or ["exit code %d" % result.returncode])[-1]
            told[name] = {"flagged": False, "calls": 0, "said": "", "failed": last[:200]}
    return told, used


def row(name, told, used, cases, marked, hand):
    found, false, wrong = [], [], []
    names = {"holder": 0, "line": 0, "function": 0}
    for case, facts in cases.items():
        answer = told.get(case, {"flagged": False, "calls": 0, "said": ""})
        if answer.get("failed"):
            wrong.append("%s: %s" % (case, answer["failed"]))
        if answer["flagged"] and not facts["leaks"]:
            false.append(case)
        if answer["flagged"] and facts["leaks"]:
            found.append(case)
            for part, is_there in named(facts, answer["said"], marked, hand).items():
                names[part] += is_there
    calls = [answer["calls"] for answer in told.values() if answer["calls"]]
    return {
        "name": name, "found": len(found), "false": len(false), "named": names, "by_hand": hand,
        "missed": sorted(case for case, facts in cases.items() if facts["leaks"] and case not in found),
        "false_cases": false, "unanswered": wrong,
        "calls": [min(calls), statistics.median(calls), max(calls)] if calls else [0, 0, 0],
        "cpu": round(used, 1),
    }


def table(results):
    lines = [
        "| tool | found of %d | false of %d | named: holder, line, function | calls of a test: least, median, most "
        "| CPU | edits |" % (results["leaks"], results["healthy"]),
        "|---|---|---|---|---|---|---|",
    ]
    for one in results["rows"]:
        names = one["named"]
        function = "given" if one["by_hand"] else names["function"]
        lines.append("| %s | %d | %d | %d, %d, %s | %s | %.1f s | %s |" % (
            one["name"], one["found"], one["false"], names["holder"], names["line"], function,
            ", ".join("{:,.0f}".format(many) for many in one["calls"]), one["cpu"], one["edits"],
        ))
    lines.append("")
    lines.append(
        "Made on %s with CPython %s on %s by `python3 benches/peers/compare.py --write`. Holders can be named in %d of "
        "the leaks, lines and functions in all. A plain run of the cases takes %.1f s of CPU."
        % (results["date"], results["python"], results["platform"], results["holders"], results["plain_cpu"])
    )
    for one in results["rows"]:
        parts = []
        if one["missed"]:
            parts.append("missed " + ", ".join(one["missed"]))
        if one["false_cases"]:
            parts.append("false " + ", ".join(one["false_cases"]))
        if one["unanswered"]:
            parts.append("no answer for %d" % len(one["unanswered"]))
        if parts:
            lines.append("- %s: %s" % (one["name"], "; ".join(parts)))
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--leakcheck", help="default: cargo's release build, made anew")
    parser.add_argument("--only", nargs="+", choices=["leakcheck", "thorough", "memray", *BY_HAND])
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    os.makedirs(TARGET, exist_ok=True)
    python = environment(arguments.python)
    program = arguments.leakcheck
    if not program:
        subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=ROOT, check=True)
        program = os.path.join(ROOT, "target", "release", "leakcheck")
    program = os.path.abspath(program)
    cases, marked = truth(python)
    script = (
        "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    )
    versions = json.loads(called([python, "-c", script])[0].stdout)
    wanted = arguments.only or ["leakcheck", "thorough", "memray", *BY_HAND]
    old = {}
    if os.path.exists(RESULTS):
        with open(RESULTS) as file:
            old = {one["key"]: one for one in json.load(file)["rows"]}
    rows = []
    for key in ["leakcheck", "thorough", "memray", *BY_HAND]:
        if key not in wanted:
            rows += [old[key]] if key in old else []
            continue
        if key in ("leakcheck", "thorough"):
            options = ["--thorough", "--budget", "2h"] if key == "thorough" else []
            told, used, version = by_leakcheck(python, program, options)
            name, edits = "**leakcheck %s**%s" % (version, ", `--thorough`" if key == "thorough" else ""), "none"
        elif key == "memray":
            told, used = by_memray(python)
            name = "pytest-memray %s, `limit_leaks(\"100 B\")`, 25 frames" % versions["pytest-memray"]
            edits = "a mark, and a loop of 100 in each test"
        else:
            label, tool, edits = BY_HAND[key]
            told, used = by_hand(python, tool, cases)
            package = PACKAGES.get(key, key)
            version = "%s %s" % (package, versions.get(package, ""))
            name = label.replace(package, version, 1) if package in versions else label
        one = row(name, told, used, cases, marked, key in BY_HAND)
        one.update(key=key, edits=edits)
        rows.append(one)
        print(json.dumps(one), flush=True)
    _, plain = called([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_cases.py"])
    results = {
        "date": datetime.date.today().isoformat(),
        "python": subprocess.run([python, "-c", "import platform; print(platform.python_version())"],
                                 capture_output=True, text=True, check=True).stdout.strip(),
        "platform": "%s, %s" % (platform.machine(), " ".join(platform.libc_ver())),
        "leaks": sum(facts["leaks"] for facts in cases.values()),
        "healthy": sum(not facts["leaks"] for facts in cases.values()),
        "holders": sum(bool(facts["holder"]) for facts in cases.values()),
        "plain_cpu": round(plain, 1), "rows": rows,
    }
    text = table(results)
    print(text)
    if arguments.write:
        with open(RESULTS, "w") as file:
            json.dump(results, file, indent=1)
            file.write("\n")
        with open(PAGE) as file:
            page = file.read()
        before, rest = page.split(BEGIN)
        after = rest.split(END)[1]
        with open(PAGE, "w") as file:
            file.write(before + BEGIN + "\n" + text + "\n" + END + after)


main()
