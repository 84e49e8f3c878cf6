#!/usr/bin/env bash
# Builds the servers of other stacks and judges each by the whole suite. What a stack itself does not allow stands in its
# known-failing.yaml with the reason; an entry that is out of date fails the run. Names on the command line, or in IMPLEMENTATIONS: only
# those; rust and java, whose first build takes long, only so. `--results FOLDER` keeps the reports, each in a folder with the server's
# name.
# The last line is `N passed, N failed, N skipped`, counted over checks.
set -uo pipefail
cd "$(dirname "$0")/.."
[ -f dist/src/cli.js ] || npm run --silent build
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
out=$work/results
if [ "${1:-}" = --results ]; then
  out=$2
  shift 2
fi
mkdir -p "$out"
passed=0 failed=0 skipped=0

# What the server's processes start with, such as a lower priority.
before=

# judge NAME FOLDER KNOWN-FAILING CONTRACT OPTION… : one server, started and stopped by the harness.
judge() {
  local name=$1 folder=implementations/$2 known=$3 contract=$4 status=0
  shift 4
  node dist/src/cli.js run --start "exec $before bash $folder/start $*" --ready-within 60s --contract "$contract" --suite conformance \
    --known-failing "$folder/$known" --target-name "$name" --reporter line --output "$out/$name" >"$work/$name.log" 2>&1 || status=$?
  echo "$status" >"$work/$name.status"
}

# count_up NAME : shows what `judge` found, and adds it up.
count_up() {
  local name=$1 status counts p f s
  status=$(cat "$work/$name.status" 2>/dev/null || echo 1)
  printf '\n-- %s\n' "$name"
  grep -vE '✓ passed' "$work/$name.log" | tail -n 60
  counts=$(node -e '
    const { checks, gates } = JSON.parse(require("node:fs").readFileSync(process.argv[1], "utf8"));
    const count = (...wanted) => checks.filter(({ status }) => wanted.includes(status)).length;
    const gate = gates.filter(({ status }) => status === "failed").length;
    console.log(count("passed", "warned", "known-failing"), count("failed", "broken") + gate, count("unproven", "not-applicable"));
  ' "$out/$name/results.json" 2>/dev/null) || counts="0 1 0"
  read -r p f s <<<"$counts"
  if [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; then
    f=1
  fi
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

# build NAME TOOL : false, with one counted as skipped, where the toolchain is missing; one counted as failed where it does not build.
build() {
  local name=$1 tool=$2
  if ! command -v "$tool" >/dev/null 2>&1; then
    printf '\n-- %s: skipped, %s is not installed\n' "$name" "$tool"
    skipped=$((skipped + 1))
    return 1
  fi
  if [ -e "implementations/$name/build" ] && ! timeout --kill-after=20 540 bash "implementations/$name/build" >"$work/$name.build" 2>&1; then
    printf '\n-- %s: does not build\n' "$name"
    tail -n 30 "$work/$name.build"
    failed=$((failed + 1))
    return 1
  fi
}

built=()
for name in ${*:-${IMPLEMENTATIONS:-node go python goa}}; do
  case $name in
    node) tool=node ;;
    python) tool=python3 ;;
    rust) tool=cargo ;;
    java) tool=mvn ;;
    etcd) tool=etcd ;;
    *) tool=go ;;
  esac
  if build "$name" "$tool"; then
    built+=("$name")
  fi
done

# The service as the guide has it never answers much of what it is asked: most of its time is waiting, beside which others can be judged.
# It burns a core for each stream without a filter: at a lower priority, or those that judge find no processor.
guide=
if [[ " ${built[*]-} " == *" goa "* ]]; then
  before="nice -n 5" judge goa-guide goa guide-failing.yaml logger --service guide --grpc-port 0 --http-port 0 &
  guide=$!
fi
for name in "${built[@]}"; do
  case $name in
    goa)
      judge goa-careful goa known-failing.yaml logger --service careful --grpc-port 0 --http-port 0
      count_up goa-careful
      ;;
    etcd)
      judge etcd etcd known-failing.yaml etcd-watch
      count_up etcd
      ;;
    *)
      judge "$name" "$name" known-failing.yaml logger --grpc-port 0 --http-port 0
      count_up "$name"
      ;;
  esac
done
if [ -n "$guide" ]; then
  wait "$guide"
  count_up goa-guide
fi

printf '%s passed, %s failed, %s skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ]
