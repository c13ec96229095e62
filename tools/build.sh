#!/bin/sh
# build.sh OUT: the program as it is released, for GOARCH (default: this machine's),
# saying VERSION (default: devel). One tree, one VERSION and one Go give the same
# bytes wherever the tree lies; what else could show in them is fixed here.
set -eu
case ${VERSION:=devel} in
*[!A-Za-z0-9._+-]*)
	printf 'VERSION must be letters, digits and ._+-, got %s\n' "$VERSION" >&2
	exit 1
	;;
esac
export CGO_ENABLED=0 GOOS=linux GOAMD64=v1 GOARM64=v8.0 GOEXPERIMENT= GOFIPS140=off GOFLAGS=-mod=readonly GOWORK=off
case $1 in /*) out=$1 ;; *) out=$PWD/$1 ;; esac
cd "$(dirname "$0")/.."
exec go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$VERSION" -o "$out" ./cmd/meshtask
