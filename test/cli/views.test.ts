import { readFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { readViews, type ViewValues } from "../../src/cli/views.js";
import type { Report } from "../../src/core/report.js";
import { recordingConsole } from "./recording-console.js";

const values: ViewValues = { reporter: [], output: undefined, verbose: undefined, color: undefined };
const report = {
  schema: "halfclose.report/1",
  harness: { name: "halfclose", version: "0" },
  command: ["halfclose"],
  startedAt: "2026-01-01T00:00:00Z",
  elapsedMs: 1,
  seed: 1,
  target: { urls: ["grpc://h"], contract: { name: "c", source: "c.yaml", hash: "0" }, suite: "s", identity: undefined, start: undefined },
  environment: { os: "o", cpu: "c", cores: 1, memoryBytes: 1, node: "20", fingerprint: "f" },
  partial: false,
  checks: [
    {
      id: "eof/while-idle",
      transport: "grpc",
      driver: "grpc-wire",
      level: "must",
      status: "failed",
      requirement: "r",
      clause: "c",
      expected: "e",
      actual: "a",
      elapsedMs: 1,
      ends: [],
    },
  ],
  workloads: [],
  gates: [],
  problems: [],
  exitCode: 1,
} as const satisfies Report;

t.test("a view with a path goes to the file, one without to the output folder under its usual name", async (t) => {
  const folder = t.testdir();
  const console = recordingConsole({ folder });
  const views = readViews({ ...values, reporter: ["junit=x/j.xml", "ctrf", "tap=-"], output: "out" }, console);
  views.print(report, false);
  await views.write(report, undefined);
  t.match(console.output(), /^TAP version 13/);
  t.match(readFileSync(path.join(folder, "x", "j.xml"), "utf8"), /<testsuites/);
  t.ok(JSON.parse(readFileSync(path.join(folder, "out", "ctrf-report.json"), "utf8")));
});

t.test("two views on standard output are refused, annotations beside another are not", (t) => {
  const console = recordingConsole({ folder: t.testdir() });
  t.throws(() => readViews({ ...values, reporter: ["text", "tap=-"] }, console), { code: "usage", message: /Two reporters/ });
  t.doesNotThrow(() => readViews({ ...values, reporter: ["text", "github"] }, console));
  t.throws(() => readViews({ ...values, reporter: ["junit="] }, console), { code: "usage" });
  t.end();
});

t.test("under GitHub Actions annotations follow the log, and the step summary is appended to", async (t) => {
  const folder = t.testdir({ summary: "before\n" });
  const environment = { GITHUB_ACTIONS: "true", GITHUB_STEP_SUMMARY: path.join(folder, "summary") };
  const console = recordingConsole({ folder, environment });
  const views = readViews(values, console);
  views.print(report, true);
  await views.write(report, undefined);
  t.match(console.output(), /^::error title=/m);
  t.match(readFileSync(path.join(folder, "summary"), "utf8"), /^before\n[^]*eof\/while-idle/);
});

t.test("under GitLab a JUnit file is written for its test view", async (t) => {
  const folder = t.testdir();
  const views = readViews(values, recordingConsole({ folder, environment: { GITLAB_CI: "true" } }));
  await views.write(report, undefined);
  t.match(readFileSync(path.join(folder, "reports", "junit.xml"), "utf8"), /eof/);
});
