#!/bin/sh
# moto.sh puts moto of tools/moto.txt into a Python environment of its own,
# .tools/moto (about 140 MB). One that is there and has these versions is left alone.
set -eu
cd "$(dirname "$0")/.."

venv=.tools/moto
fail() { printf '%s\n' "$*" >&2; exit 1; }

cmp -s tools/moto.txt "$venv/made-of.txt" && exit 0
python=$(command -v python3) || fail "make test-moto needs python3 (3.10 or later), which is not on PATH"
mkdir -p .tools
work=$(mktemp -d .tools/moto.XXXXXX)
trap 'rm -rf "$work"' EXIT
"$python" -m venv "$work/probe" >/dev/null 2>&1 || fail "make test-moto needs python3 with venv (Debian: python3-venv)"
rm -rf "$venv" "$work/probe"
"$python" -m venv "$venv"
echo "moto: installing it with pip into $venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
	--requirement tools/moto.txt || fail "moto cannot be installed: pip needs a Python package index (PIP_INDEX_URL, or the default one), see above"
"$venv/bin/python" -c 'import moto.server' || fail "moto is installed in $venv and does not start, see above"
cp tools/moto.txt "$venv/made-of.txt"
