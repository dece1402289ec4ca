#!/usr/bin/env bash
# Runs the check once, leaves its reports, and keeps the exit code for the last step, so that what comes between can
# upload them. Annotations and the job summary are leakcheck's own doing.
set -uo pipefail

fail() {
    echo "::error title=leakcheck::$1"
    exit 2
}

# Inputs are for this script and not for the tests, which take what is exported.
export -n LEAKCHECK PYTHON PATHS ARGS JOBS BUDGET SHARD CACHE REPORTS FAIL_ON COMMENT

case "$FAIL_ON" in
    any | leak | never) ;;
    *) fail "fail-on must be any, leak or never" ;;
esac

folder=$(mktemp -d "$RUNNER_TEMP/leakcheck-XXXXXX")
call=(run --ci --report "json=$folder/leakcheck.json")
declare -A ending=([sarif]=sarif [junit]=xml [html]=html [markdown]=md [gitlab]=gitlab.json [plain]=txt [short]=short.txt [badge]=badge.json [bencher]=bencher.json)
formats=$REPORTS
# The comment is the Markdown report.
[ "$COMMENT" != true ] || formats+=" markdown"
declare -A files=([json]="$folder/leakcheck.json")
for format in $formats; do
    [ -z "${files[$format]:-}" ] || continue
    [ -n "${ending[$format]:-}" ] || fail "reports may name json, sarif, junit, html, markdown, gitlab, plain, short, badge and bencher"
    files[$format]="$folder/leakcheck.${ending[$format]}"
    call+=(--report "$format=${files[$format]}")
done

[ -z "$PYTHON" ] || call+=(--python "$PYTHON")
[ -z "$JOBS" ] || call+=(--jobs "$JOBS")
[ -z "$BUDGET" ] || call+=(--budget "$BUDGET")
[ -z "$SHARD" ] || call+=(--shard "$SHARD")
case "$CACHE" in
    true)
        # Where the folder is there verdicts are kept, unless the project's settings say no.
        mkdir -p .leakcheck/cache 2>/dev/null || true
        case "${GITHUB_EVENT_NAME:-}" in
            # Once a day or a week nothing is taken over but how often tests ran.
            schedule) call+=(--ask-all) ;;
            push | workflow_dispatch) ;;
            # What leaks in every 50th call is no matter of a single change, and nothing of it would be saved.
            *) call+=(--deepen 0) ;;
        esac
        ;;
    false) call+=(--no-cache) ;;
    *) fail "cache must be true or false" ;;
esac
# One argument a line, so that none has to be quoted. What follows a line `--` is for the test runner.
runner=()
after=
while IFS= read -r line; do
    line=${line%$'\r'}
    if [ -n "$after" ]; then
        [ -z "$line" ] || runner+=("$line")
    elif [ "$line" = -- ]; then
        after=yes
    elif [ -n "$line" ]; then
        call+=("$line")
    fi
done <<<"$ARGS"
while IFS= read -r line; do
    line=${line%$'\r'}
    [ "${line:0:1}" != - ] || fail "paths may not begin with -; options stand in args"
    [ -z "$line" ] || call+=("$line")
done <<<"$PATHS"
[ -z "$after" ] || call+=(-- "${runner[@]}")

# Its errors go to the log and to a file. A pipe, because the shell waits for both ends of it.
{
    "$LEAKCHECK" "${call[@]}" 2>&1 >&3 3>&- | tee "$folder/stderr.txt" >&2
    code=${PIPESTATUS[0]}
} 3>&1

case $code in
    0) result=clean ;;
    1) result=leak ;;
    2) result=usage ;;
    3) result=no-evidence ;;
    4) result=tests-failed ;;
    130) result=interrupted ;;
    *) result=bug ;;
esac
# Where there is no report nothing has been annotated: the reason stands in the last lines of the error stream.
if [ ! -s "${files[json]}" ]; then
    {
        printf '### ❌ leakcheck: exit code %s\n\n```text\n' "$code"
        tail -n 20 "$folder/stderr.txt" | tr -d '`'
        printf '```\n'
    } >>"$GITHUB_STEP_SUMMARY"
    reason=$(tail -n 20 "$folder/stderr.txt" | tr -d '\r' | sed -e 's/%/%25/g' | awk '{ printf "%s%s", (NR > 1 ? "%0A" : ""), $0 }')
    echo "::error title=leakcheck::$reason"
fi
rm -f "$folder/stderr.txt"

fails=true
case "$FAIL_ON:$code" in
    *:0 | never:[134] | leak:[34]) fails=false ;;
esac
{
    echo "exit-code=$code"
    echo "result=$result"
    echo "fails=$fails"
    python3 -I -c '
import json, sys
with open(sys.argv[1], encoding="utf-8") as file:
    counts = json.load(file)["summary"]["findings"]
for status in sys.argv[2:]:
    print("%s=%d" % (status, counts.get(status, 0)))
' "${files[json]}" new worse known better fixed 2>/dev/null
    echo "folder=$folder"
    echo "matcher=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/problem-matcher.json"
    for format in "${!files[@]}"; do
        [ ! -s "${files[$format]}" ] || echo "$format=${files[$format]}"
    done
} >>"$GITHUB_OUTPUT"
