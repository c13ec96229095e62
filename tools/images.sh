#!/bin/sh
# images.sh [-check]: asks the registries which digest each base image's tag has now,
# and writes it behind the tag: into the ARGs of the Dockerfile, where the images are
# named, and into deploy/compose.yaml, which uses one of them. -check writes nothing and
# exits with 1 when a tag has moved. To take another version, change its tag in the
# Dockerfile first. Needs crane, skopeo or docker with buildx.
set -eu
cd "$(dirname "$0")/.."
fail() { printf '%s\n' "$*" >&2; exit 1; }

# digest REF: of the index for all platforms, which is what FROM takes.
if command -v crane >/dev/null 2>&1; then
	digest() { crane digest "$1"; }
elif command -v skopeo >/dev/null 2>&1; then
	digest() { skopeo inspect --format '{{.Digest}}' "docker://$1"; }
elif docker buildx version >/dev/null 2>&1; then
	digest() { docker buildx imagetools inspect --format '{{.Manifest.Digest}}' "$1"; }
else
	fail "make images-update needs crane, skopeo, or docker with buildx; none is here"
fi

new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
cp Dockerfile "$new/Dockerfile"
cp deploy/compose.yaml "$new/compose.yaml"
moved=0
for arg in $(sed -n 's/^ARG \([A-Z]*_IMAGE\)=.*/\1/p' Dockerfile); do
	was=$(sed -n "s/^ARG $arg=//p" Dockerfile)
	tag=${was%@*}
	is=$tag@$(digest "$tag") || fail "$arg: the digest of $tag cannot be had, see above"
	printf '%s\n' "$is" | grep -Eq '@sha256:[0-9a-f]{64}$' || fail "$arg: no digest: $is"
	if [ "$was" = "$is" ]; then
		printf '%-13s %s: unchanged\n' "$arg" "$tag"
		continue
	fi
	moved=1
	printf '%-13s %s\n' "$arg" "$is"
	sed -i "s|^ARG $arg=.*|ARG $arg=$is|" "$new/Dockerfile"
	sed -i "s|image: $was\$|image: $is|" "$new/compose.yaml"
done
if [ "${1:-}" = -check ]; then
	exit $moved
fi
cat "$new/Dockerfile" >Dockerfile
cat "$new/compose.yaml" >deploy/compose.yaml
