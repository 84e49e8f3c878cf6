#!/usr/bin/env bash
# Puts a k6 of the version that the k6 engine is tested with under .cache/k6, and prints its path.
# Building it takes a few minutes, so one that is there is used again. Needs Go; KEEP_NICE=1 runs it at normal priority.
#
# The npm package of that name is empty, and `go install` asks k6's own host for the module path: an empty module
# with `go get` needs a module proxy alone.
set -euo pipefail

version=v2.2.0
cache="$(cd "$(dirname "$0")/.." && pwd)/.cache/k6"
binary="$cache/$version/k6"

if [[ -x "$binary" ]] && "$binary" version >/dev/null 2>&1; then
  echo "$binary"
  exit 0
fi
if ! command -v go >/dev/null; then
  echo "install-k6: Go is needed to build k6 (https://go.dev/dl), or install a package of k6 $version and set HALFCLOSE_K6 to its path" >&2
  exit 2
fi

polite=(nice -n 15)
[[ "${KEEP_NICE:-}" == 1 ]] && polite=()

mkdir -p "$cache/$version"
module="$(mktemp -d)"
trap 'rm -rf "$module"' EXIT
cd "$module"
{
  go mod init empty
  "${polite[@]}" go get "go.k6.io/k6/v2@$version"
  CGO_ENABLED=0 "${polite[@]}" go build -trimpath -ldflags "-s -w" -o "$module/k6" go.k6.io/k6/v2
} >&2
# A move within one file system is whole or not at all: a build that was cut off leaves nothing to be taken for a k6.
cp "$module/k6" "$cache/$version/k6.partial"
mv "$cache/$version/k6.partial" "$binary"
"$binary" version >&2
echo "$binary"
