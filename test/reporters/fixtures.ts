import { build, encodeIntoCompressedBase64 } from "hdr-histogram-js";
import { reportSchema, type CheckRecord, type HistogramRecord, type Report, type WindowRecord, type WorkloadRecord } from "../../src/core/report.js";
import type { RenderOptions } from "../../src/core/reporter.js";
import type { TimelineEvent } from "../../src/core/timeline.js";

export const plain: RenderOptions = { colour: false, columns: 80 };

/** Strings that a hostile or broken target may send: every one must stay text in every report. */
export const hostileStrings = [
  "<script>window.hostile = 1</script>",
  "</script><img src=x onerror=window.hostile=2>",
  "]]><failure/>",
  "a & b < c > d \"quoted\" 'single'",
  "line one\nnot ok 99 - forged\r\nok 100",
  "\u001b[31mred\u001b[0m \u001b]8;;http://example.invalid\u0007link\u001b]8;;\u0007",
  "nul \u0000 bell \u0007 c1 \u009b31m",
  "lone \ud800 surrogate \udc00, noncharacters \ufffe \uffff",
  "bidi \u202e override \u2066 isolate \u2069",
  "separators \u2028 and \u2029",
  "# SKIP everything \\# TODO",
  "::error file=x::forged %0A annotation",
  "| table | `code` | [link](javascript:alert(1)) ![image](http://example.invalid/x.png) @everyone #1",
  "${process.exit()} `backtick` {{ template }} <!-- comment --> --> ",
  "日本語 emoji 👩‍💻 ｆｕｌｌ",
] as const;

export function checkRecord(over: Partial<CheckRecord> = {}): CheckRecord {
  const transport = over.transport ?? "grpc";
  return {
    id: "eof/ends-cleanly",
    transport,
    driver: transport === "grpc" ? "grpc-wire" : "websocket-wire",
    level: "must",
    status: "passed",
    requirement: "After the client's end the stream ends cleanly within its bound.",
    clause: "D half-close",
    elapsedMs: 12.345,
    usedMs: 11.2,
    boundMs: 2000,
    ends: [transport === "grpc" ? "OK" : "1000"],
    ...over,
  };
}

/** A check that failed, with a timeline of `entries` entries and the offending one near its end. */
export function failedCheck(over: Partial<CheckRecord> = {}, entries = 40): CheckRecord {
  const transport = over.transport ?? "grpc";
  const id = over.id ?? "filter-updates/no-old-after-new";
  return checkRecord({
    id,
    status: "failed",
    requirement: "After the first entry that only the new filter lets through, none comes that only the old one lets through.",
    clause: 'D "current filters"',
    expected: "no entry of source alpha after entry 58 (beta)",
    actual: "entry 59 (alpha) came 0.4 ms after entry 58",
    timeline: staleTimeline(entries),
    ends: ["CANCELLED"],
    reproduce: `halfclose run ${transport === "grpc" ? "grpc://localhost:50051" : "ws://localhost:8080/logs/monitor"} --grep '^${id}$' --seed 42`,
    ...over,
  });
}

function staleTimeline(entries: number): TimelineEvent[] {
  const events: TimelineEvent[] = [
    { atMs: 0.012, stream: "a", direction: "local", what: "opened" },
    { atMs: 0.431, stream: "a", direction: "sent", what: "filter alpha" },
  ];
  for (let i = 0; i < entries; i++) {
    events.push({ atMs: 3 + i * 3.001, stream: "a", direction: "received", what: `entry ${17 + i} alpha` });
  }
  const at = 3 + entries * 3.001;
  events.push(
    { atMs: at, stream: "a", direction: "sent", what: "filter beta" },
    { atMs: at + 1.9, stream: "a", direction: "received", what: `entry ${17 + entries + 1} beta` },
    { atMs: at + 2.3, stream: "a", direction: "received", what: `entry ${17 + entries + 2} alpha`, offending: true },
    { atMs: at + 3.1, stream: "a", direction: "received", what: `entry ${17 + entries + 4} beta` },
    { atMs: at + 4.0, stream: "a", direction: "sent", what: "cancel" },
    { atMs: at + 4.2, stream: "a", direction: "local", what: "ended CANCELLED" },
  );
  return events;
}

export function report(over: Partial<Report> = {}): Report {
  return {
    schema: reportSchema,
    harness: { name: "halfclose", version: "0.1.0" },
    command: ["halfclose", "run", "grpc://localhost:50051", "ws://localhost:8080/logs/monitor", "--seed", "42"],
    startedAt: "2025-03-01T12:00:00.000Z",
    elapsedMs: 8214,
    seed: 42,
    target: {
      urls: ["grpc://localhost:50051", "ws://localhost:8080/logs/monitor"],
      contract: { name: "logger", source: "built-in", hash: "6b1f0a2c" },
      suite: "conformance",
      identity: "logger/1.4.2",
      start: undefined,
    },
    environment: { os: "linux 6.1.0", cpu: "An Example CPU @ 2.40GHz", cores: 4, memoryBytes: 8 * 1024 ** 3, node: "20.20.2", fingerprint: "a1b2c3d4" },
    partial: false,
    checks: [],
    workloads: [],
    gates: [],
    problems: [],
    exitCode: 0,
    ...over,
  };
}

const topics = ["opening", "first-filter", "filter-updates", "eof", "mid-stream-close", "cancellation", "bad-input"] as const;

/** Every check passed on both transports. */
export function passingReport(): Report {
  const checks = topics.flatMap((topic) =>
    ["one", "two", "three"].flatMap((name) => [
      checkRecord({ id: `${topic}/${name}`, transport: "grpc" }),
      checkRecord({ id: `${topic}/${name}`, transport: "ws" }),
    ]),
  );
  return report({ checks, gates: [{ name: "every must check passes", status: "passed", detail: `${checks.length} of ${checks.length}` }] });
}

/** One of each verdict, a group of failures alike, and a failure with consequences. */
export function mixedReport(): Report {
  const nothing = { expected: "an end within 2000 ms", actual: "no end after 2003 ms; the stream stayed open" };
  const checks = [
    ...passingReport().checks,
    failedCheck(),
    failedCheck({ transport: "ws", ends: ["lost"] }),
    failedCheck(
      { id: "eof/half-close-while-idle", ...nothing, requirement: "A half-close ends the stream also while nothing matches.", clause: "D half-close" },
      4,
    ),
    failedCheck({ id: "eof/half-close-before-filter", ...nothing, actual: "no end after 2011 ms; the stream stayed open", clause: "D half-close" }, 2),
    failedCheck({ id: "cancellation/after-half-close", ...nothing, actual: "no end after 2000 ms", consequenceOf: "eof/half-close-while-idle" }, 2),
    checkRecord({
      id: "filter-updates/staleness-budget",
      level: "should",
      status: "warned",
      expected: "p99 of staleness at most 50 ms",
      actual: "p99 of 212 ms",
    }),
    checkRecord({ id: "isolation/released", status: "unproven", reason: "a probe: GET /stats answered 404" }),
    checkRecord({ id: "isolation/released", transport: "ws", status: "unproven", reason: "a probe: GET /stats answered 404" }),
    checkRecord({ id: "resources/no-leak", status: "not-applicable", reason: "probe: none" }),
    checkRecord({
      id: "bad-input/over-limit",
      transport: "ws",
      status: "known-failing",
      reason: "the framework has no limit",
      expected: "Close 1009",
      actual: "Close 1011",
      ends: ["1011"],
    }),
    checkRecord({ id: "security/plain-on-tls", status: "broken", reason: "the relay could not listen: EADDRINUSE", ends: [] }),
    checkRecord({ id: "eof/close-bound", transport: "ws", usedMs: 1850, flaky: 2 }),
  ];
  return report({
    checks,
    gates: [{ name: "every must check passes", status: "failed", detail: "5 failed" }],
    exitCode: 3,
  });
}

export function failingReport(): Report {
  return report({ checks: [checkRecord(), failedCheck()], gates: [{ name: "every must check passes", status: "failed", detail: "1 failed" }], exitCode: 1 });
}

/** Every string that a target or a user can influence is hostile. */
export function hostileReport(): Report {
  const checks = hostileStrings.flatMap((text, index) => [
    failedCheck({
      id: `bad-input/hostile-${index}`,
      requirement: text,
      clause: text,
      expected: text,
      actual: text,
      ends: [text],
      reproduce: `halfclose run ${text}`,
      timeline: [
        { atMs: 1, stream: text, direction: "sent", what: text },
        { atMs: 2, stream: "a", direction: "received", what: text, offending: true },
      ],
    }),
    checkRecord({ id: `first-filter/hostile-${index}`, transport: "ws", status: "unproven", reason: text }),
    checkRecord({ id: `eof/hostile-${index}`, status: "known-failing", reason: text, expected: text, actual: text }),
    checkRecord({ id: `eof/broken-${index}`, status: "broken", reason: text }),
  ]);
  const all = hostileStrings.join(" ");
  return report({
    command: ["halfclose", "run", ...hostileStrings],
    target: { urls: [...hostileStrings], contract: { name: all, source: all, hash: "00" }, suite: all, identity: all, start: all },
    environment: { os: all, cpu: all, cores: 1, memoryBytes: 1, node: all, fingerprint: "00" },
    checks,
    workloads: [
      workloadRecord({
        name: all,
        engine: all,
        remarks: [...hostileStrings],
        thresholds: [{ text: all, status: "failed", measured: all }],
        errors: { [all]: 2 },
        generator: { status: "invalid", reasons: [...hostileStrings] },
      }),
    ],
    gates: [{ name: all, status: "failed", detail: all }],
    problems: [...hostileStrings],
    exitCode: 1,
  });
}

/** A histogram of `count` values spread by a fixed pseudo-random sequence around `medianUs`, with a long tail. */
export function histogramRecord(medianUs: number, count = 5000, overflow = 0): HistogramRecord {
  const histogram = build({
    bitBucketSize: 32,
    autoResize: false,
    lowestDiscernibleValue: 1,
    highestTrackableValue: 3_600_000_000,
    numberOfSignificantValueDigits: 3,
  });
  let state = 12345;
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    const uniform = (state + 1) / 4294967297;
    histogram.recordValue(Math.max(1, Math.round(medianUs * Math.pow(-Math.log(uniform) / Math.LN2, 1.4))));
  }
  return {
    unit: "us",
    encoded: encodeIntoCompressedBase64(histogram),
    count: count + overflow,
    overflow,
    min: histogram.minNonZeroValue,
    mean: Math.round(histogram.mean),
    max: overflow > 0 ? Number.MAX_SAFE_INTEGER : histogram.maxValue,
    p50: histogram.getValueAtPercentile(50),
    p90: histogram.getValueAtPercentile(90),
    p99: histogram.getValueAtPercentile(99),
    p999: overflow > count / 1000 ? Number.MAX_SAFE_INTEGER : histogram.getValueAtPercentile(99.9),
  };
}

function windows(seconds: number): WindowRecord[] {
  return Array.from({ length: seconds }, (_, i) => ({
    atSeconds: i,
    received: 21_000 + ((i * 7919) % 900) - (i === 12 ? 9000 : 0),
    bytes: 2_900_000,
    sent: 40,
    stale: i % 5,
    backlog: i === 12 ? 812 : 3,
    scheduleLagP99Us: 40 + ((i * 31) % 50),
    loopUtilisation: 0.31 + (i % 7) / 100,
    applyP50Us: 900 + i * 3,
    applyP99Us: i === 12 ? 61_000 : 4200 + ((i * 173) % 800),
    applyBuckets: applyBuckets(i),
    target: { cpu: 0.8 + (i % 4) / 10, rssBytes: 60_000_000 + i * 200_000, threads: 11, openFiles: 30 },
  }));
}

/** A hump around 0.9 ms, and in one window a second one around 60 ms. */
function applyBuckets(window: number): [number, number][] {
  const hump = [1, 3, 9, 22, 41, 60, 48, 27, 16, 11, 7, 5, 3, 2, 1].map((count, i): [number, number] => [
    Math.round(2 ** (8 + i / 4)),
    count + ((window * (i + 3)) % 4),
  ]);
  return window === 12 ? [...hump, [46_341, 3], [55_109, 12], [65_536, 9]] : hump;
}

export function workloadRecord(over: Partial<WorkloadRecord> = {}): WorkloadRecord {
  return {
    name: "filter-churn",
    engine: "native",
    transports: ["grpc", "ws"],
    driver: "wire",
    config: { streams: 8, duration: "30s", steps: [{ send: "alpha" }, { send: "beta" }] },
    hash: "f00dcafe",
    elapsedSeconds: 30.2,
    streams: 8,
    counters: { received: 633_120, sent: 1200, lost: 0, duplicated: 0, reordered: 0, "stale-in-flight": 61, "stale-hard": 0, timeouts: 0 },
    rates: {
      received: { min: 12_020, median: 21_400, max: 21_890, mean: 21_104 },
      sent: { min: 38, median: 40, max: 41, mean: 39.7 },
      bytes: { min: 1_650_000, median: 2_900_000, max: 2_990_000, mean: 2_861_000 },
    },
    histograms: { "filter-apply": histogramRecord(1100), "first-entry": histogramRecord(2600, 8), "schedule-lag": histogramRecord(31) },
    windows: windows(30),
    thresholds: [
      { text: "filter-apply p99 < 50ms", status: "passed", measured: "7.91 ms", marginPercent: 84.2 },
      { text: "stale-hard == 0", status: "passed", measured: "0", marginPercent: 0 },
      { text: "received rate > 25000/s", status: "failed", measured: "21,400/s", marginPercent: -14.4 },
      { text: "cancel-quiet p99 < 1s", status: "no-samples" },
    ],
    generator: { status: "valid", reasons: [] },
    remarks: ["median gap between discriminating entries: 0.41 ms; filter-apply is no finer than that"],
    errors: {},
    values: { fairness: 0.998, resolution: 410, "target-rss": 66_000_000, "target-cpu": 0.95 },
    ...over,
  };
}

export function loadReport(): Report {
  return report({
    command: ["halfclose", "load", "filter-churn", "grpc://localhost:50051", "ws://localhost:8080/logs/monitor"],
    workloads: [
      workloadRecord({
        baseline: {
          name: "reports/yesterday.json",
          histograms: { "filter-apply": histogramRecord(840) },
          ratios: [
            { of: "filter-apply p99", unit: "us", before: 6010, after: 7870, ratio: 1.31, low: 1.22, high: 1.4, verdict: "worse" },
            { of: "received rate", unit: "per-second", before: 21_400, after: 21_190, ratio: 0.99, low: 0.97, high: 1.02, verdict: "unclear" },
            { of: "timeouts", unit: "count", before: 0, after: 3, ratio: 4, low: 1, high: 7, verdict: "unclear" },
          ],
        },
      }),
      workloadRecord({
        name: "throughput",
        thresholds: [{ text: "lost == 0", status: "inconclusive", measured: "0" }],
        histograms: { "filter-apply": histogramRecord(900, 1000, 20) },
        generator: { status: "invalid", reasons: ["loop utilisation 0.93 in worker 2, more than 0.8"] },
        errors: { UNAVAILABLE: 3, "1006": 1 },
      }),
    ],
    exitCode: 6,
  });
}

/** An interrupted run. */
export function partialReport(): Report {
  return report({ partial: true, checks: [checkRecord(), failedCheck()], problems: ["Interrupted by SIGINT after 2 of 94 checks."], exitCode: 130 });
}

/** By name, for tests that hold for every report. */
export const reportsByName = {
  passing: passingReport,
  failing: failingReport,
  mixed: mixedReport,
  hostile: hostileReport,
  load: loadReport,
  partial: partialReport,
  empty: () => report({ exitCode: 5 }),
} satisfies Record<string, () => Report>;
