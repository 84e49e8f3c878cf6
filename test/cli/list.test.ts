import t from "tap";
import { main } from "../../src/cli/main.js";
import { recordingConsole } from "./recording-console.js";

async function printed(...args: readonly string[]): Promise<string> {
  const console = recordingConsole({ folder: "." });
  t.equal(await main(["list", ...args], console), 0, console.errors());
  return console.output();
}

t.test("what is listed can be fed back: every check to explain, every name of the others is one word", async (t) => {
  const ids = (await printed("checks", "--names")).trim().split("\n");
  const console = recordingConsole({ folder: t.testdir() });
  t.equal(await main(["explain", ...ids], console), 0, console.errors());
  for (const what of ["topics", "suites", "workloads", "metrics", "contracts", "reporters", "drivers", "faults"]) {
    for (const line of (await printed(what, "--names")).trim().split("\n")) {
      t.match(line, /^[\w./-]+$/, `${what}: ${line}`);
    }
  }
});

t.test("a list as JSON has the same names", async (t) => {
  const rows = JSON.parse(await printed("suites", "--json")) as string[][];
  t.strictSame(rows.map(([name]) => name).join("\n"), (await printed("suites", "--names")).trim());
});

t.test("the matrix has a row for each check, and says what is not proved", async (t) => {
  const matrix = await printed("--matrix");
  for (const id of (await printed("checks", "--names")).trim().split("\n")) {
    t.match(matrix, new RegExp(`^${id} `, "m"));
  }
  t.match(matrix, /\d+ of \d+ checks are proved by a fault/);
  t.match(matrix, /\d+ of \d+ faults are caught by a check/);
});
