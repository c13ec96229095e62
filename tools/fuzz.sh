#!/bin/sh
# fuzz.sh TIME: runs every fuzz target of the tree, each for its share of TIME (90s, 10m, 2h).
# What breaks one is kept in its testdata/fuzz, which go test plays from then on.
set -eu
cd "$(dirname "$0")/.."
case $1 in
*h) total=$((${1%h} * 3600)) ;;
*m) total=$((${1%m} * 60)) ;;
*s) total=${1%s} ;;
*) echo "fuzz.sh: want a time such as 90s, 10m or 2h, got $1" >&2; exit 2 ;;
esac
targets=$(git ls-files --cached --others --exclude-standard '*_test.go' | xargs grep -Eo '^func Fuzz[A-Za-z0-9_]+' | sed 's/:func /:/')
share=$((total / $(echo "$targets" | wc -l)))
[ "$share" -gt 0 ] || share=1
failed=
for t in $targets; do
	dir=$(dirname "${t%%:*}")
	echo "== $dir ${t##*:}, $share s"
	go test "./$dir" -run '^$' -fuzz "^${t##*:}\$" -fuzztime "${share}s" -fuzzminimizetime 1s || failed="$failed $dir:${t##*:}"
done
[ -z "$failed" ] || { echo "failed:$failed" >&2; exit 1; }
