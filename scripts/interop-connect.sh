#!/usr/bin/env bash
# connectrpc/conformance in client mode against src/wire: gRPC over HTTP/2, h2c and TLS, identity and gzip, every stream type.
# Needs go, and a built dist/. The last line is `N passed, N failed`, as counted by the suite.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v go >/dev/null; then
  echo "go is not installed: skipped"
  echo "0 passed, 0 failed, 1 skipped"
  exit 0
fi

version=v1.0.5
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

GOBIN="$work" go install "connectrpc.com/conformance/cmd/connectconformance@$version"
cat >"$work/features.yaml" <<'YAML'
features:
  versions: [HTTP_VERSION_2]
  protocols: [PROTOCOL_GRPC]
  codecs: [CODEC_PROTO]
  compressions: [COMPRESSION_IDENTITY, COMPRESSION_GZIP]
  streamTypes:
    - STREAM_TYPE_UNARY
    - STREAM_TYPE_CLIENT_STREAM
    - STREAM_TYPE_SERVER_STREAM
    - STREAM_TYPE_HALF_DUPLEX_BIDI_STREAM
    - STREAM_TYPE_FULL_DUPLEX_BIDI_STREAM
  supportsH2c: true
  supportsTls: true
  supportsTlsClientCerts: true
  supportsTrailers: true
  supportsMessageReceiveLimit: true
YAML

status=0
"$work/connectconformance" --mode client --conf "$work/features.yaml" -- node dist/test/interop/connect-client.js >"$work/log" 2>&1 || status=$?
grep -vE '^[0-9]+ passed' "$work/log" || true
passed=$(grep -Eo '^[0-9]+ passed' "$work/log" | grep -Eo '[0-9]+' || echo 0)
failed=$(grep -Eo '^[0-9]+ failed' "$work/log" | grep -Eo '[0-9]+' || echo 0)
if [ "$passed" -eq 0 ]; then
  tail -n 20 "$work/log"
  failed=$((failed + 1))
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$status" -eq 0 ]
