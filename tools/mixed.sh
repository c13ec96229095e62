#!/bin/sh
# mixed.sh REF: sibling tasks whose containers are of two builds, REF's (a tag of a release) and this
# tree's: the mesh container of one and the apps of the other, and the other way round, through the
# sibling tests of e2e. Needs git and what make e2e needs.
set -eu
cd "$(dirname "$0")/.."
ref=${1:-$(git describe --tags --abbrev=0 2>/dev/null || true)}
[ -n "$ref" ] || { echo "no tag is there: name a commit, as in tools/mixed.sh COMMIT" >&2; exit 1; }
work=$(mktemp -d "${TMPDIR:-/tmp}/mixed.XXXXXX")
trap 'git worktree remove --force "$work/tree" 2>/dev/null || true; rm -rf "$work"' EXIT
git worktree add --quiet --detach "$work/tree" "$ref"
VERSION=$(git describe --tags --always "$ref") "$work/tree/tools/build.sh" "$work/other"
VERSION=$(git describe --tags --always --dirty) tools/build.sh "$work/own"
"$work/other" version

# run MESH APPS: the sibling tests with these two.
run() {
	env "MESHTASK_E2E_BUILT_meshtask=$1" "MESHTASK_E2E_BUILT_meshtask-race=$1" "MESHTASK_E2E_SIBLING=$2" CGO_ENABLED=0 \
		go test -C e2e -count=1 -parallel 4 -timeout 10m -run '^TestSiblings' .
}
echo "mesh container of $ref, apps of this tree:"
run "$work/other" "$work/own"
echo "mesh container of this tree, apps of $ref:"
run "$work/own" "$work/other"
