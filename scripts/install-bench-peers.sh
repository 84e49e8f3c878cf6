#!/usr/bin/env bash
# Builds what `npm run bench` measures beside halfclose, into .cache/bench and .cache/k6: grpc-go, ghz, tonic and tokio-tungstenite, k6.
# What cannot be built is named with the reason, and the bench prints it as missing.
set -uo pipefail
cd "$(dirname "$0")/.."
bin=$PWD/.cache/bench/bin
mkdir -p "$bin"

# try NAME TOOL COMMAND… : runs it where the tool is.
try() {
  local name=$1 tool=$2
  shift 2
  if ! command -v "$tool" >/dev/null; then
    echo "$name: missing, $tool is not installed"
  elif "$@" >"$bin/../$name.log" 2>&1; then
    echo "$name: ready"
  else
    echo "$name: missing, it does not build"
    tail -n 5 "$bin/../$name.log"
  fi
}

grpc_go() {
  # Its messages are those that the Go server generates.
  bash implementations/go/build && (cd bench/peers/go && nice -n 5 go build -o "$bin/grpc-go" .)
}
rust() {
  CARGO_TARGET_DIR=$bin/../rust nice -n 5 cargo build --release --locked --manifest-path bench/peers/rust/Cargo.toml &&
    cp "$bin/../rust/release/halfclose-bench-peer" "$bin/rust"
}

try grpc-go go grpc_go
try ghz go env GOBIN="$bin" nice -n 5 go install github.com/bojand/ghz/cmd/ghz@v0.121.0
try tonic-tungstenite cargo rust
try k6 go scripts/install-k6.sh
