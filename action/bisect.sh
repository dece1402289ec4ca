#!/usr/bin/env bash
# Names the commit of the branch that brought the first finding: in the job summary, and in the report that becomes the
# comment. It decides nothing: where it cannot tell, it says why, and the check stays what it was.
set -uo pipefail

export -n LEAKCHECK PYTHON ARGS BASE JSON MARKDOWN FOLDER

if [ -z "$BASE" ]; then
    echo "no commit to begin from: on a pull request or a push to a branch there is one"
    exit 0
fi
call=(bisect "$BASE..HEAD" --from "$JSON" --json "$FOLDER/bisect.json" --markdown "$FOLDER/bisect.md")
[ -z "$PYTHON" ] || call+=(--python "$PYTHON")
# What follows a line `--` is for the test runner here, too.
after=
while IFS= read -r line; do
    line=${line%$'\r'}
    if [ -n "$after" ]; then
        [ -z "$line" ] || call+=("$line")
    elif [ "$line" = -- ]; then
        after=yes
        call+=(--)
    fi
done <<<"$ARGS"

token=leakcheck-$RANDOM$RANDOM$RANDOM
# Subjects of commits are no commands to the runner.
echo "::stop-commands::$token"
"$LEAKCHECK" "${call[@]}" 2>&1
code=$?
echo "::$token::"
if [ -s "$FOLDER/bisect.md" ]; then
    cat "$FOLDER/bisect.md" >>"$GITHUB_STEP_SUMMARY"
    [ -z "$MARKDOWN" ] || cat "$FOLDER/bisect.md" >>"$MARKDOWN"
elif [ "$code" -ne 3 ]; then
    echo "::warning title=leakcheck::the commit that brought it was not looked for; the log of this step says why. All commits of the branch have to be there: fetch-depth: 0 of actions/checkout"
fi
exit 0
