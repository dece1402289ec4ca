#!/usr/bin/env bash
# Puts the Markdown report on the pull request, in place of the one of the run before.
set -uo pipefail

# Anybody may write a comment that begins as ours do.
# shellcheck disable=SC2016
comments='query($owner: String!, $name: String!, $number: Int!, $endCursor: String) {
    repository(owner: $owner, name: $name) {
        pullRequest(number: $number) {
            comments(first: 100, after: $endCursor) {
                nodes { id body viewerDidAuthor }
                pageInfo { hasNextPage endCursor }
            }
        }
    }
}'
# shellcheck disable=SC2016
update='mutation($id: ID!, $body: String!) {
    updateIssueComment(input: {id: $id, body: $body}) { clientMutationId }
}'

put() {
    local id
    id=$(gh api graphql --paginate --raw-field "query=$comments" --raw-field "owner=${REPOSITORY%%/*}" \
        --raw-field "name=${REPOSITORY#*/}" --field "number=$NUMBER" \
        --jq '.data.repository.pullRequest.comments.nodes[]
            | select(.viewerDidAuthor and (.body | startswith("<!-- leakcheck-report -->"))) | .id') || return
    id=${id%%$'\n'*}
    if [ -n "$id" ]; then
        gh api graphql --silent --raw-field "query=$update" --raw-field "id=$id" --field "body=@$BODY"
    else
        gh api --silent "repos/$REPOSITORY/issues/$NUMBER/comments" --field "body=@$BODY"
    fi
}

# A pull request from a fork has a token that may not write; that must not decide about the check.
put || echo "::warning title=leakcheck::the comment could not be written; does the job have the permission pull-requests: write?"
