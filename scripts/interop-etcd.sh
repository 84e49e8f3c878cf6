#!/usr/bin/env bash
# Judges the Watch of a real etcd by the whole suite. What is true of etcd stands in implementations/etcd/known-failing.yaml with the
# reason; an entry that is out of date fails the run. `--results FOLDER` keeps the report in FOLDER/etcd. The last line is
# `N passed, N failed, N skipped`, counted over checks; one is skipped where etcd is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v etcd >/dev/null; then
  echo "etcd is not installed: skipped"
  echo "0 passed, 0 failed, 1 skipped"
  exit 0
fi
exec bash scripts/interop-implementations.sh "$@" etcd
