#!/usr/bin/env bash
# The HTML report in a real browser: no error, no request, filters, links, hostile text. Needs a built dist/. The last line is `N passed, N failed, N skipped`.
set -euo pipefail
cd "$(dirname "$0")/.."
timeout 300 node dist/test/interop/html-report.js
