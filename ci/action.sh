#!/usr/bin/env bash
# What the GitHub action runs. Its inputs are the variables INPUT_*; HALFCLOSE_COMMAND replaces `npx halfclose` (for tests).
set -euo pipefail

words=(run --suite "${INPUT_SUITE:-ci}" --output "${INPUT_OUTPUT:-reports}" --reporter junit --reporter html)
if [ -n "${INPUT_START:-}" ]; then
  words+=(--start "$INPUT_START")
fi
if [ -n "${INPUT_CONTRACT:-}" ]; then
  words+=(--contract "$INPUT_CONTRACT")
fi
if [ -n "${INPUT_KNOWN_FAILING:-}" ]; then
  words+=(--known-failing "$INPUT_KNOWN_FAILING")
fi
while IFS= read -r line; do
  if [ -n "$line" ]; then
    words+=("$line")
  fi
done <<<"${INPUT_ARGUMENTS:-}"
# URLs hold no blanks.
read -r -d '' -a urls <<<"${INPUT_URLS:-}" || true
if [ "${#urls[@]}" -gt 0 ]; then
  words+=("${urls[@]}")
fi

if [ -n "${HALFCLOSE_COMMAND:-}" ]; then
  read -r -a command <<<"$HALFCLOSE_COMMAND"
else
  command=(npx --yes "halfclose@${INPUT_VERSION:-latest}")
fi

status=0
"${command[@]}" "${words[@]}" || status=$?
{
  printf 'exit-code=%s\n' "$status"
  printf 'results=%s\n' "${INPUT_OUTPUT:-reports}/results.json"
} >>"${GITHUB_OUTPUT:-/dev/null}"
exit "$status"
