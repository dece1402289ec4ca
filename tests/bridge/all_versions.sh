#!/bin/sh
# Runs the tests of the bridge with every interpreter given, and says how each run ended.
# Usage: tests/bridge/all_versions.sh PYTHON...
if [ $# -eq 0 ]; then
    echo "usage: $0 PYTHON..." >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd) || exit 2
log=$(mktemp) || exit 2
trap 'rm -f "$log"' EXIT
status=0
for python in "$@"; do
    what=$("$python" -c '
import platform, importlib.util
found = importlib.util.find_spec("pytest")
print("Python", platform.python_version() + ",", "pytest " + __import__("pytest").__version__ if found else "no pytest")
') || { echo "$python: cannot be run"; status=1; continue; }
    if "$python" -B -m unittest discover -s "$here" >"$log" 2>&1; then
        result=ok
    else
        result=FAILED
        status=1
    fi
    echo "$what: $result, $(grep -E '^(Ran|OK|FAILED)' "$log" | tr '\n' ' ')"
    if [ "$result" != ok ]; then
        grep -E '^(FAIL|ERROR)|^[A-Za-z.]*Error:' "$log" | cut -c1-300
    fi
done
exit $status
