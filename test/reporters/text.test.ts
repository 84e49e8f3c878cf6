import t from "tap";
import type { WorkloadRecord } from "../../src/core/report.js";
import { reporters } from "../../src/reporters/index.js";
import { columnsOf } from "../../src/reporters/plain-text.js";
import { checkRecord, failedCheck, hostileStrings, mixedReport, passingReport, plain, report, reportsByName } from "./fixtures.js";

const { text } = reporters;

for (const [name, make] of Object.entries(reportsByName)) {
  for (const columns of [40, 80, 120]) {
    t.test(`the ${name} report fits ${columns} columns, but for the line to paste`, (t) => {
      const lines = text.render(make(), { ...plain, columns, verbose: true }).split("\n");
      const pasted = new Set(lines.flatMap((line, index) => (line.trim() === "again" ? [index + 1] : [])));
      // A check's title is printed whole: it is what one selects by.
      // A line that would be a command to a CI runner is a blank longer.
      const tooWide = lines
        .map((line) => line.replace(/^\s*: :/, "::"))
        .filter((line, index) => columnsOf(line) > columns && !pasted.has(index) && !/^\s*[✗✓!‼?] \S+ \(|\((grpc|ws)\)/.test(line));
      t.same(tooWide, []);
      t.end();
    });
  }

  t.test(`the ${name} report obeys no control character, with colour or without`, (t) => {
    t.notMatch(text.render(make(), plain), /[^\P{Cc}\n]/u);
    t.notMatch(text.render(make(), { ...plain, colour: true }).replace(/\u001b\[\d+m/g, ""), /[^\P{Cc}\n]/u);
    t.end();
  });
}

t.test("a failure shows requirement, level, clause, expected, actual, the offence, what usually causes it and one line to paste", (t) => {
  const explanations = { "filter-updates/no-old-after-new": "Two emitters race." };
  const page = text.render(report({ checks: [failedCheck({ timelineDropped: 3 })], exitCode: 1 }), { ...plain, explanations });
  t.match(page, "✗ filter-updates/no-old-after-new (grpc)");
  t.match(page, "  After the first entry that only the new filter lets through, none comes that\n  only the old one lets through.");
  t.match(page, '  level     must; D "current filters"');
  t.match(page, "  expected  no entry of source alpha after entry 58 (beta)");
  t.match(page, "  actual    entry 59 (alpha) came 0.4 ms after entry 58");
  t.match(page, "3 events not kept");
  t.match(page, /^ {4}» {4}125\.34 {2}a ← entry 59 alpha$/m);
  t.match(page, "  usually   Two emitters race.");
  t.match(page, "  again\n  halfclose run grpc://localhost:50051 --grep '^filter-updates/no-old-after-new$' --seed 42\n");
  t.end();
});

t.test("failures alike are told once, and consequences stand under their cause", (t) => {
  const page = text.render(mixedReport(), plain);
  t.match(page, "1 other fails alike:\n            eof/half-close-before-filter (grpc)");
  t.match(page, "1 other fails because of it:\n            cancellation/after-half-close (grpc)");
  t.equal(page.match(/^✗ /gm)?.length, 2);
  t.end();
});

t.test("every kind of verdict is counted, also with none", (t) => {
  const page = text.render(passingReport(), plain);
  t.match(page, "42 checks:\n  42 passed, 0 failed, 0 warned, 0 unproven, 0 not applicable, 0 known failing,\n  0 broken\nexit code 0\n");
  t.match(page, "halfclose 0.1.0  PASSED");
  t.end();
});

t.test("the matrix has a row a topic and a sign a check", (t) => {
  const page = text.render(mixedReport(), plain);
  t.match(page, /^ {2}filter-updates {4}✓✓✓✗! {26}✓✓✓✗$/m);
  t.match(page, /^ {2}security {10}‼$/m);
  t.end();
});

t.test("checks that lack the same thing are one line", (t) => {
  const page = text.render(mixedReport(), plain);
  t.match(page, "  ? unproven: lacked a probe: GET /stats answered 404 (2)\n      isolation/released (grpc), isolation/released (ws)");
  t.match(page, "  close     eof/close-bound (ws) used 1.85 s of its 2 s");
  t.match(page, "  flaky     eof/close-bound (ws) passed on attempt 2");
  t.end();
});

t.test("a load report has latencies, rates, thresholds with margins and the generator's verdict", (t) => {
  const page = text.render(reportsByName.load(), plain);
  t.match(page, /^ {2}latency {13}p50 {8}p90 {8}p99 {6}p99\.9 {8}max {4}samples$/m);
  t.match(page, /^ {2}filter-apply {4}1\.10 ms/m);
  t.match(page, "  ✓ filter-apply p99 < 50ms  7.91 ms, 84 % to spare");
  t.match(page, /compared with reports\/yesterday\.json\n +before +after +ratio +verdict\n {2}filter-apply p99 +6\.01 ms +7\.87 ms +1\.31 +worse\n/);
  t.match(page, /\n {2}timeouts +0 +3 +4\.00 +~\n/);
  t.match(page, "  ✗ received rate > 25000/s  21,400/s, 14 % beyond");
  t.match(page, "  ? cancel-quiet p99 < 1s    no samples");
  t.match(page, /^ {2}filter-apply {5}\S+ µs .*∞ {10}∞ {6}1,020$/m);
  t.match(page, "generator INVALID: the numbers are neither pass nor fail\n    - loop utilisation 0.93 in worker 2, more than 0.8");
  t.end();
});

t.test("numbers of any length stand apart from those beside them", (t) => {
  const report = reportsByName.load();
  const long = (one: WorkloadRecord): WorkloadRecord => ({
    ...one,
    histograms: Object.fromEntries(Object.entries(one.histograms).map(([name, histogram]) => [name, { ...histogram, count: 5_390_266_123 }])),
  });
  const lines = text.render({ ...report, workloads: report.workloads.map(long) }, plain).split("\n");
  const rows = lines.filter((line) => line.includes("5,390,266,123"));
  t.ok(rows.length > 0 && rows.every((line) => line.includes(" 5,390,266,123") && line.length <= 80));
  t.end();
});

t.test("what a load never did takes one line, what was not counted is not among it", (t) => {
  const report = reportsByName.load();
  const thresholds = [
    ...["stale-hard", "early", "violations"].map((metric) => ({ text: `${metric} == 0`, status: "passed", measured: "0" }) as const),
    { text: "duplicated == 0", status: "failed", measured: "3" } as const,
    { text: "lost == 0 allow-empty", status: "passed", measured: "not counted" } as const,
  ];
  const page = text.render({ ...report, workloads: report.workloads.map((one) => ({ ...one, thresholds })) }, plain);
  t.match(page, "  ✓ none: stale-hard, early, violations\n  · not counted: lost\n  ✗ duplicated == 0  3\n");
  t.end();
});

t.test("progress says what is not well, and nothing of what is", (t) => {
  const event = (record: ReturnType<typeof checkRecord>) => ({ kind: "check-finished", record, done: 1, total: 2 }) as const;
  t.equal(text.progress?.(event(checkRecord()), plain), "");
  t.equal(text.progress?.(event(failedCheck()), plain), "✗ filter-updates/no-old-after-new (grpc)\n");
  t.equal(text.progress?.({ kind: "started", total: 94, urls: ["grpc://x"] }, plain), "Running 94 checks on grpc://x\n");
  const [window] = reportsByName.load().workloads[0]?.windows ?? [];
  t.equal(
    window === undefined ? "" : text.progress?.({ kind: "workload-progress", name: "x", window, elapsedSeconds: 12, totalSeconds: 30 }, plain),
    "   12 s of 30 s     21,000/s   apply p99 4.20 ms   stale 0\n",
  );
  for (const hostile of hostileStrings) {
    t.equal(text.progress?.({ kind: "note", text: hostile }, plain).trimEnd().split("\n").length, 1);
  }
  t.end();
});
