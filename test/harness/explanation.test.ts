import { readFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { checks } from "../../scenarios/index.js";
import { explainAllAsMarkdown, explainAsText } from "../../src/harness/explanation.js";
import { packageFolder } from "../../src/harness/suites.js";

t.test("docs/checks.md is current; npm run docs writes it", (t) => {
  // One line at a time: the first that differs says enough.
  const written = readFileSync(path.join(packageFolder("docs"), "checks.md"), "utf8").split("\n");
  const due = explainAllAsMarkdown(checks).split("\n");
  const at = due.findIndex((line, index) => line !== written[index]);
  t.equal(at === -1 ? "" : written[at], at === -1 ? "" : due[at], `line ${at + 1}`);
  t.equal(written.length, due.length);
  t.end();
});

t.test("every check is explained whole, within the columns", (t) => {
  for (const check of checks) {
    const text = explainAsText(check, 80);
    for (const part of [check.id, "level", "clause", "Why it matters", "The exchange expected"]) {
      t.ok(text.includes(part), `${check.id}: ${part}`);
    }
    // An exchange is a drawing, and stays as it is.
    const prose = text.split("\n").filter((line) => !check.exchange.includes(line.slice(2)));
    const long = prose.filter((line) => line.length > 80 && line.trim().includes(" ") && !line.startsWith("Run it") && !line.startsWith("Proved by"));
    t.strictSame(long, [], check.id);
  }
  t.end();
});
