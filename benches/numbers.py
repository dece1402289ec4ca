"""Which verdicts hang on which number: decides recorded runs once more, each time with one number changed by a fifth.

    cargo build --release
    LEAKCHECK_CORPUS_RECORD=target/recordings cargo test --test corpus -- --ignored
    python3 benches/numbers.py target/recordings/* --write docs/numbers.md

A number is made smaller and larger by a fifth, a whole one by 1 at least. Tests of which something else than before
would then be asked are off the record: their verdict would have to be measured anew. Standard library only; no Python
is started.
"""

import argparse
import collections
import concurrent.futures
import itertools
import os
import re
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
Found = collections.namedtuple("Found", "verdict rule off")

PAGE = """\
# Numbers

The numbers that can change a verdict, and how many of {tests:,} recorded tests have another verdict, or the same by
another rule, when the number is a fifth smaller or larger. Of tests that are *off the record* something else would be
asked then, and a recording has no answer. What each number is for stands beside it, in `src/investigate/rules.rs` and
`src/fit/numbers.rs`.

Of {numbers} numbers {deciding} change a verdict so, each of at most {most:,}; {none} change nothing here.

This page is made by `benches/numbers.py` from recordings of the [corpus](../fixtures/README.md).

| number | is | smaller: verdicts, rules, off the record | larger: verdicts, rules, off the record |
|---|---|---|---|
"""


def run(leakcheck, *args):
    command = [leakcheck, "replay", *args]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def replay(leakcheck, folder, *args):
    """How many tests of a recording have another verdict, the same by another rule, and none."""
    status, text = run(leakcheck, folder, *args)
    if "recording has no answer" in text:
        # Not even the self-check is as it was.
        return None, 0
    if status not in (0, 1, 3):
        raise SystemExit("{} {}: {}".format(folder, " ".join(args), text))
    counts = []
    for words in ("with another verdict", "by another rule", "off the record"):
        found = re.search(r"([\d,]+) " + words, text)
        counts.append(int(found.group(1).replace(",", "")) if found else 0)
    return Found(*counts), int(re.search(r"replayed ([\d,]+) tests?", text).group(1).replace(",", ""))


def changed(value, by):
    """A number that is a fifth smaller or larger, and another one in any case."""
    if "." in value:
        return repr(float(value) * (1 + by / 5))
    return str(int(value) + by * max(1, round(int(value) / 5)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", nargs="+")
    parser.add_argument("--leakcheck", default=os.path.join(HERE, "..", "target", "release", "leakcheck"))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--write", help="a page with the table")
    options = parser.parse_args()
    leakcheck = os.path.abspath(options.leakcheck)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        plain = list(pool.map(lambda folder: replay(leakcheck, folder), options.recordings))
        for folder, (found, _) in zip(options.recordings, plain):
            if found is None:
                raise SystemExit("{}: it has no answer to what is asked now; record it anew".format(folder))
        tests = sum(count for _, count in plain)
        others = [found for found, _ in plain if any(found)]
        print("{:,} tests; as recorded, but for {}".format(tests, others or "none"))
        # What differs with the usual numbers says nothing about another one.
        before = dict(zip(options.recordings, plain))
        rows = []
        for line in run(leakcheck, "--numbers")[1].split():
            name, value = line.split("=")
            cells = []
            for by in (-1, 1):
                given = "--number={}={}".format(name, changed(value, by))
                found = pool.map(replay, itertools.repeat(leakcheck), options.recordings, itertools.repeat(given))
                more = []
                for (now, _), (then, count) in zip(found, before.values()):
                    answers = now or Found(0, 0, count)
                    more.append([one - other for one, other in zip(answers, then)])
                cells.append(", ".join(str(sum(column)) for column in zip(*more)))
            rows.append("| `{}` | {} | {} | {} |".format(name, value, *cells))
            print(rows[-1], flush=True)
    if options.write:
        with open(options.write, "w", encoding="utf-8") as file:
            verdicts = [max(int(cell.split(",")[0]) for cell in row.split("|")[3:5]) for row in rows]
            none = sum(row.count(" 0, 0, 0 ") == 2 for row in rows)
            deciding = sum(count > 0 for count in verdicts)
            head = PAGE.format(tests=tests, numbers=len(rows), deciding=deciding, most=max(verdicts), none=none)
            file.write(head + "\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
