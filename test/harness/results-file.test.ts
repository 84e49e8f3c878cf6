import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import type { Report } from "../../src/core/report.js";
import { openResultsFile } from "../../src/harness/results-file.js";

function report(seed: number): Report {
  return { seed } as unknown as Report;
}

t.test("the first state is there at once, the last one in the end, and no part of a file is left", async (t) => {
  const folder = t.testdir();
  const file = path.join(folder, "deep", "results.json");
  const results = await openResultsFile(file, report(1));
  t.match(JSON.parse(readFileSync(file, "utf8")), { seed: 1 });
  for (let seed = 2; seed < 50; seed++) {
    results.update(() => report(seed));
  }
  await results.finish(report(99));
  t.match(JSON.parse(readFileSync(file, "utf8")), { seed: 99 });
  t.strictSame(readdirSync(path.dirname(file)), ["results.json"]);
});

t.test("states in between are written without being asked for each", async (t) => {
  const file = path.join(t.testdir(), "results.json");
  const results = await openResultsFile(file, report(1));
  const asked = new Promise<void>((resolve) => {
    results.update(() => {
      resolve();
      return report(2);
    });
  });
  await asked;
  await results.finish(report(3));
  t.match(JSON.parse(readFileSync(file, "utf8")), { seed: 3 });
});

t.test("a path that cannot be written is an error of output that names it", async (t) => {
  const folder = t.testdir();
  writeFileSync(path.join(folder, "taken"), "");
  await t.rejects(openResultsFile(path.join(folder, "taken", "results.json"), report(1)), { code: "output", place: /results\.json/ });
});
