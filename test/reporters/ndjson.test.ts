import t from "tap";
import { reporters } from "../../src/reporters/index.js";
import { plain, reportsByName } from "./fixtures.js";

function parseLines(text: string): { kind: string; [key: string]: unknown }[] {
  return text
    .split(/[\n\u2028\u2029]/)
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as { kind: string });
}

t.test("every line is one record, and together they hold the whole report", (t) => {
  for (const make of Object.values(reportsByName)) {
    const report = make();
    const lines = parseLines(reporters.ndjson.render(report, plain));
    t.equal(lines[0]?.kind, "run");
    t.equal(lines.at(-1)?.kind, "finished");
    t.equal(lines.at(-1)?.["exitCode"], report.exitCode);
    t.equal(lines.filter(({ kind }) => kind === "check").length, report.checks.length);
    t.equal(lines.filter(({ kind }) => kind === "workload").length, report.workloads.length);
    t.equal(lines.filter(({ kind }) => kind === "gate").length, report.gates.length);
    t.equal(lines.filter(({ kind }) => kind === "problem").length, report.problems.length);
  }
  t.end();
});

t.test("checks that were streamed are not said twice", (t) => {
  const report = reportsByName.failing();
  const streamed = report.checks
    .map((record, index) => reporters.ndjson.progress?.({ kind: "check-finished", record, done: index + 1, total: 2 }, plain))
    .join("");
  const all = parseLines(streamed + reporters.ndjson.render(report, { ...plain, streamed: true }));
  t.same(
    all.filter(({ kind }) => kind === "check").map((line) => line["id"]),
    report.checks.map(({ id }) => id),
  );
  t.equal(reporters.ndjson.progress?.({ kind: "note", text: "x" }, plain), "");
  t.end();
});
