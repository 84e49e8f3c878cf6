import t from "tap";
import type { FloodPhaseRecord } from "../../src/core/report.js";
import { floodRows } from "../../src/reporters/flood-rows.js";

const phase: FloodPhaseRecord = { seconds: 1, receivedPerSecond: 1234.5, lost: 0, ended: 0, accepted: 5, acceptedP99Us: 900, refused: 0, unexpected: {} };

t.test("a flood is a sentence, a table of three phases, and what was unexpected", (t) => {
  const { sentence, rows, notes } = floodRows({
    url: "http://h/x",
    method: "GET",
    of: ["plain", "wrong-upgrade"],
    connections: 50,
    fromSeconds: 1,
    untilSeconds: 3.5,
    statuses: { 426: 1000, 400: 20 },
    failed: 2,
    before: phase,
    during: { ...phase, applyP99Us: 12_000, lost: 4, unexpected: { "an upgrade was answered 503": 3 } },
    after: { ...phase, seconds: 0 },
  });
  t.equal(
    sentence,
    "Flood of http://h/x: plain GET and wrong upgrades on 50 connections for 2.50 s: 1,020 answers (400 ×20, 426 ×1,000), 2 broken or unanswered",
  );
  t.strictSame(rows[0], ["filter-apply p99", "-", "12 ms", "-"]);
  t.strictSame(
    rows.find(([name]) => name === "lost"),
    ["lost", "0", "4", "-"],
  );
  t.strictSame(notes, ["during the flood an upgrade was answered 503 ×3"]);
  t.end();
});
