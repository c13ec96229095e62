#!/bin/sh
# Runs e2e/page with the Chromium of this machine: CHROMIUM, else the first on PATH.
set -eu
cd "$(dirname "$0")/.."
for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable; do
  if [ -n "$name" ] && command -v "$name" >/dev/null; then
    chromium=$(command -v "$name")
    break
  fi
done
if [ -z "${chromium:-}" ]; then
  echo "no Chromium is on PATH: apt-get install chromium, or say where one is with CHROMIUM=/path/to/it" >&2
  exit 1
fi
go build -C e2e -o ../.tools/e2e/page ./page
exec .tools/e2e/page --chromium "$chromium" "$@"
