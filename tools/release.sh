#!/bin/sh
# release.sh DIR: what a release is made of, in DIR: the program for both
# architectures (ARCHES), an SBOM of each (CycloneDX, read from the program itself),
# the licences, and SHA256SUMS of all. Nothing in it depends on the day or the folder:
# who has the same Go and the same commit can make it again and compare.
set -eu
case $1 in /*) out=$1 ;; *) out=$PWD/$1 ;; esac
cd "$(dirname "$0")/.."
fail() { printf '%s\n' "$*" >&2; exit 1; }

export VERSION="${VERSION:-$(git describe --tags --always --dirty 2>/dev/null || echo devel)}"
legal='LICENSE NOTICE THIRD_PARTY_LICENSES.txt'
tools=.tools/release
mkdir -p "$tools"
# The SBOM holds a checksum of the tool that made it: that too must not change.
export CGO_ENABLED=0 GOAMD64=v1 GOARM64=v8.0 GOEXPERIMENT= GOFIPS140=off GOFLAGS=-mod=readonly GOWORK=off
go build -C tools/licences -buildvcs=false -o "$PWD/$tools/licences" .
go build -C tools/release -buildvcs=false -trimpath -o "$PWD/$tools/cyclonedx-gomod" github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod
"$tools/licences" -check

[ -z "$(ls -A "$out" 2>/dev/null)" ] || fail "$out is not empty: remove it, or name another folder"
mkdir -p "$out"
for arch in ${ARCHES:-amd64 arm64}; do
	name=meshtask-linux-$arch
	GOARCH=$arch tools/build.sh "$out/$name"
	"$tools/cyclonedx-gomod" bin -json -std -noserial -notimestamp -version "$VERSION" -output "$out/$name.cdx.json" "$out/$name"
done
for file in $legal; do
	install -m 0644 "$file" "$out/$file"
done
(cd "$out" && LC_ALL=C && export LC_ALL && sha256sum -- * >SHA256SUMS.new && mv SHA256SUMS.new SHA256SUMS)
printf 'meshtask %s by %s, in %s:\n' "$VERSION" "$(go env GOVERSION)" "$out"
cat "$out/SHA256SUMS"
