import t from "tap";
import { reporters } from "../../src/reporters/index.js";
import { failedCheck, mixedReport, passingReport, plain, reportsByName } from "./fixtures.js";

const { line } = reporters;

t.test("each check is one line, then failures in full, then one line that sums up", (t) => {
  const log = line.render(mixedReport(), plain).split("\n");
  t.equal(log.filter((text) => /^[✓✗!?–≈‼] \S.* \((grpc|ws)\) /.test(text)).length, mixedReport().checks.length);
  t.ok(log.includes("  again: halfclose run grpc://localhost:50051 --grep '^filter-updates/no-old-after-new$' --seed 42"));
  t.equal(log.at(-2), "BROKEN: 43 passed, 5 failed, 1 warned, 2 unproven, 1 not applicable, 1 known failing, 1 broken; exit code 3; 8.21 s; seed 42");
  t.end();
});

t.test("what was streamed is not said again", (t) => {
  const log = line.render(passingReport(), { ...plain, streamed: true });
  t.equal(log.split("\n").length, 4);
  t.end();
});

t.test("nothing from a target makes a line of its own", (t) => {
  const log = line.render(reportsByName.hostile(), plain);
  t.notMatch(log, /^(not )?ok /m);
  t.notMatch(log, /^::error/m);
  t.notMatch(log, /[^\P{Cc}\n]/u);
  t.end();
});

t.test("a check is a line as it finishes", (t) => {
  const finished = { kind: "check-finished", record: failedCheck(), done: 1, total: 1 } as const;
  t.equal(line.progress?.(finished, plain), "✗ failed         filter-updates/no-old-after-new (grpc) 12.3 ms  entry 59 (alpha) came 0.4 ms after entry 58\n");
  t.equal(line.progress?.({ kind: "check-started", id: "a/b", transport: "ws" }, plain), "");
  t.equal(line.progress?.({ kind: "note", text: "a\nb" }, plain), "a\\nb\n");
  t.end();
});

t.test("a long load run logs every tenth window", (t) => {
  const windows = reportsByName.load().workloads[0]?.windows ?? [];
  const logged = windows.filter(
    (window) => line.progress?.({ kind: "workload-progress", name: "soak", window, elapsedSeconds: window.atSeconds, totalSeconds: 3600 }, plain) !== "",
  );
  t.equal(logged.length, 3);
  t.match(line.render(reportsByName.load(), plain), /✗ failed workload filter-churn: received rate > 25000\/s: 21,400\/s, 14 % beyond/);
  t.end();
});
