#!/usr/bin/env bash
# Several hundred hostile servers against the command line: each run ends in time, with a verdict, within its memory, and without a crash.
# Needs a built dist/. Play one again: node dist/test/interop/hostile.js SEED '^NAME$'. The last line is `N passed, N failed`.
set -euo pipefail
cd "$(dirname "$0")/.."
exec node dist/test/interop/hostile.js "${1:-1}" "${2:-}" "${3:-2}"
