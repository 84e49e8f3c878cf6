#!/usr/bin/env bash
# Perl's prove reads every TAP report. Needs a built dist/. The last line is `N passed, N failed, N skipped`.
set -euo pipefail
cd "$(dirname "$0")/.."
timeout 300 node dist/test/interop/prove.js
