#!/bin/sh
# build-images.sh [--dry-run] [--push] REPOSITORY [TARGET…]: the images that others use (meshtask and
# meshtask-mesh, or the targets named), each for both architectures (PLATFORMS) under one name,
# REPOSITORY/TARGET:VERSION, by what is here: docker with buildx, else podman, else buildah (ENGINE names one).
# With --push they go to the registry; else into OCI archives, OUT/TARGET.oci.tar (dist/images).
# --dry-run prints the commands, and runs none.
set -eu
cd "$(dirname "$0")/.."
fail() { printf '%s\n' "$*" >&2; exit 1; }

dry= push=
while :; do
	case ${1:-} in
	--dry-run) dry=1 ;;
	--push) push=1 ;;
	-*) fail "unknown option $1: build-images.sh [--dry-run] [--push] REPOSITORY [TARGET…]" ;;
	*) break ;;
	esac
	shift
done
[ $# -gt 0 ] && [ -n "$1" ] || fail "name the repository, as in 123456789012.dkr.ecr.us-east-1.amazonaws.com/shop"
repository=${1%/}
shift
[ $# -gt 0 ] || set -- meshtask meshtask-mesh
version=${VERSION:-$(git describe --tags --always --dirty 2>/dev/null || echo devel)}
platforms=${PLATFORMS:-linux/amd64,linux/arm64}
out=${OUT:-dist/images}

# run: the command, or with --dry-run its words.
run() {
	if [ -n "$dry" ]; then
		printf '%s\n' "$*"
	else
		printf '+ %s\n' "$*" >&2
		"$@"
	fi
}

# usable ENGINE: it is here, and can build.
usable() {
	command -v "$1" >/dev/null 2>&1 || return 1
	[ "$1" != docker ] || docker buildx version >/dev/null 2>&1
}

engine=
for e in ${ENGINE:-docker podman buildah}; do
	if usable "$e"; then
		engine=$e
		break
	fi
done
[ -n "$engine" ] || fail "none of ${ENGINE:-docker with buildx, podman, buildah} is here: install one (Debian: apt-get install buildah), or use make release for the programs alone"

case $(uname -m) in
x86_64) host=linux/amd64 ;;
aarch64 | arm64) host=linux/arm64 ;;
*) fail "images are built on x86_64 or arm64, this is $(uname -m)" ;;
esac

# build TARGET NAME: both architectures under NAME, in the registry or in an archive.
build() {
	case $engine in
	docker)
		to=type=oci,dest=$out/$1.oci.tar
		[ -z "$push" ] || to=type=registry
		run docker buildx build --platform "$platforms" --target "$1" --build-arg "VERSION=$version" -t "$2" --output "$to" .
		;;
	*) # their older versions do not know BUILDPLATFORM
		run "$engine" build --platform "$platforms" --target "$1" --build-arg "VERSION=$version" --build-arg "BUILDPLATFORM=$host" --manifest "$2" .
		if [ -n "$push" ]; then
			run "$engine" manifest push --all "$2" "docker://$2"
		else
			run "$engine" manifest push --all "$2" "oci-archive:$out/$1.oci.tar"
		fi
		;;
	esac
}

[ -n "$push" ] || run mkdir -p "$out"
for target; do
	build "$target" "$repository/$target:$version"
done
