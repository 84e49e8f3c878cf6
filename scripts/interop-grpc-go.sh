#!/usr/bin/env bash
# grpc-go's interop server against src/wire: its FullDuplexCall cases. Needs go, and a built dist/. The last line is `N passed, N failed`.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v go >/dev/null; then
  echo "go is not installed: skipped"
  echo "0 passed, 0 failed, 1 skipped"
  exit 0
fi

work=$(mktemp -d)
server=
stop() {
  exec 3>&- || true
  if [ -n "$server" ]; then
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap stop EXIT

(cd test/interop/grpc-go && go build -o "$work/server" .)
mkfifo "$work/stdin" "$work/stdout"
"$work/server" <"$work/stdin" >"$work/stdout" &
server=$!
# The server lives as long as its stdin.
exec 3>"$work/stdin"
read -r -t 20 port <"$work/stdout"
timeout 120 node dist/test/interop/grpc-go.js "$port"
