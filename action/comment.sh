#!/usr/bin/env bash
# Puts the Markdown report on the pull request, in place of the one of the run before.
set -uo pipefail

put() {
    local id
    id=$(gh api --paginate "repos/$REPOSITORY/issues/$NUMBER/comments" \
        --jq '.[] | select(.body | startswith("<!-- leakcheck-report -->")) | .id') || return
    id=${id%%$'\n'*}
    if [ -n "$id" ]; then
        gh api --silent --method PATCH "repos/$REPOSITORY/issues/comments/$id" --field "body=@$BODY"
    else
        gh api --silent "repos/$REPOSITORY/issues/$NUMBER/comments" --field "body=@$BODY"
    fi
}

# A pull request from a fork has a token that may not write; that must not decide about the check.
put || echo "::warning title=leakcheck::the comment could not be written; does the job have the permission pull-requests: write?"
