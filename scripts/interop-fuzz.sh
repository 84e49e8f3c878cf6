#!/usr/bin/env bash
# Ten million small broken inputs for the decoders of src/wire, or as many as five minutes allow; the seed is printed. Needs a built dist/.
# Play one again: node dist/scripts/fuzz-wire.js 1 10 SEED INPUT
set -euo pipefail
cd "$(dirname "$0")/.."
exec node dist/scripts/fuzz-wire.js "${1:-10000000}" 300
