#!/bin/sh
# run.sh validates deploy/ (make test-deploy): it puts the Python packages of
# requirements.txt into .tools/deploy, and runs main.py with them.
set -eu
cd "$(dirname "$0")/../.."
dir=.tools/deploy
python=$dir/venv/bin/python

command -v python3 >/dev/null || { echo "missing: python3" >&2; exit 1; }
if ! cmp -s deploy/test/requirements.txt "$dir/requirements.txt"; then
	echo "fetching the packages of deploy/test/requirements.txt (about 200 MB on disk, once)"
	rm -rf "$dir/venv" "$dir/requirements.txt"
	python3 -m venv "$dir/venv" || { echo "missing: venv of python3 (Debian: apt-get install python3-venv)" >&2; exit 1; }
	"$python" -m pip install --quiet --disable-pip-version-check --only-binary=:all: --requirement deploy/test/requirements.txt ||
		{ echo "missing: the packages of deploy/test/requirements.txt, see above" >&2; exit 1; }
	cp deploy/test/requirements.txt "$dir/requirements.txt"
fi
exec "$python" -B deploy/test/main.py "$@"
