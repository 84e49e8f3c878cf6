#!/usr/bin/env bash
# Loads servers of other stacks for a few seconds, over both transports at once: the generator is valid, nothing is lost, stale or out of
# place, and the exit code is 0; a server whose streams share their filter is found out by its load alone, with exit code 99, that of a threshold.
# Names on the command line, or in IMPLEMENTATIONS: only those; rust and java, whose first build takes long, only so.
# The last line is `N passed, N failed, N skipped`.
set -uo pipefail
cd "$(dirname "$0")/.."
[ -f dist/src/cli.js ] || npm run --silent build
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0 skipped=0

# Counters that must be 0, and what must be there; prints what does not hold.
read -r -d '' judge <<'JS'
const { workloads: [record] } = JSON.parse(require("node:fs").readFileSync(process.argv[1], "utf8"));
const { counters, generator, transports } = record;
const wrong = ["lost", "duplicated", "reordered", "stale-hard", "violations", "timeouts", "rejected", "disconnected", "ended-early", "silent"].filter((name) => counters[name] !== 0);
const said = [
  ...wrong.map((name) => `${name} ${counters[name]}`),
  ...(generator.status === "valid" ? [] : generator.reasons),
  ...(counters.received > 0 ? [] : ["nothing received"]),
  ...(transports.length === 2 ? [] : [`only over ${transports}`]),
];
console.log(said.join("; "));
JS

# measure CASE EXIT-CODE START WORKLOAD OPTION… : one run against a server that the harness starts and stops.
measure() {
  local name=$1 wanted=$2 start=$3 status=0
  shift 3
  # The scale on which a busy machine's generator is held to its schedule.
  timeout --kill-after=5 40 node dist/src/cli.js load "$@" -t 'filter-apply p99 < 3s allow-empty' --bound apply=5s --seed 1 \
    --start "$start" --ready-within 30s --reporter line --output "$work/$name" >"$work/$name.log" 2>&1 || status=$?
  local said=""
  [ "$wanted" -eq 0 ] && said=$(node -e "$judge" "$work/$name/results.json" 2>&1)
  if [ "$status" -eq "$wanted" ] && [ -z "$said" ]; then
    passed=$((passed + 1))
    echo "ok $name: exit $status"
  else
    failed=$((failed + 1))
    echo "not ok $name: exit $status instead of $wanted${said:+; $said}"
    tail -n 30 "$work/$name.log"
  fi
}

for name in ${*:-${IMPLEMENTATIONS:-node go python goa}}; do
  # Entries a second that are within the server's own means.
  rate=3000
  case $name in
    node) tool=node ;;
    python) tool=python3 rate=1000 ;;
    rust) tool=cargo ;;
    java) tool=mvn ;;
    *) tool=go ;;
  esac
  if ! command -v "$tool" >/dev/null; then
    echo "skipped: $tool is not installed"
    skipped=$((skipped + 2))
    continue
  fi
  if ! bash "implementations/$name/build" >"$work/build.log" 2>&1; then
    echo "not ok $name: does not build"
    tail -n 20 "$work/build.log"
    failed=$((failed + 1))
    continue
  fi
  start="exec bash implementations/$name/start --grpc-port 0 --http-port 0"
  measure "$name-throughput" 0 "$start --rate $rate" throughput -d 2s
  measure "$name-filter-churn" 0 "$start" filter-churn -d 2s
  if [ "$name" = go ]; then
    measure go-shared-filter 99 "$start --bug shared-filter" filter-churn -d 2s
  fi
done

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
