import fc from "fast-check";
import t from "tap";
import type { CheckRecord, Report } from "../../src/core/report.js";
import { verdictStatuses } from "../../src/core/verdict.js";
import { diffReports, diffText } from "../../src/results/diff-reports.js";
import { checkRecord, failedCheck, report } from "../reporters/fixtures.js";

const of = (...checks: CheckRecord[]): Report => report({ checks });

t.test("each check is told once: newly failing, fixed, still failing, changed, added, removed or unchanged", (t) => {
  const record = fc.record({
    id: fc.constantFrom("a/1", "a/2", "b/1", "b/2"),
    transport: fc.constantFrom("grpc" as const, "ws" as const),
    status: fc.constantFrom(...verdictStatuses),
  });
  const records = fc.uniqueArray(record, { selector: ({ id, transport }) => `${id}${transport}` });
  fc.assert(
    fc.property(records, records, (before, after) => {
      const diff = diffReports(of(...before.map((part) => checkRecord(part))), of(...after.map((part) => checkRecord(part))));
      const kept = diff.newlyFailing.length + diff.fixed.length + diff.stillFailing.length + diff.changed.length + diff.unchanged;
      return kept + diff.added.length === after.length && kept + diff.removed.length === before.length;
    }),
  );
  t.end();
});

t.test("a check that lost its proof is a change, not a silence", (t) => {
  const diff = diffReports(
    of(checkRecord({ id: "a/1" }), failedCheck({ id: "a/2" })),
    of(checkRecord({ id: "a/1", status: "unproven", reason: "a producer" }), checkRecord({ id: "a/2", status: "unproven", reason: "a producer" })),
  );
  t.equal(diff.changed.length, 2);
  t.equal(diff.fixed.length, 0, "a failure that is no longer looked at is not fixed");
  t.match(diffText(diff), "Changed otherwise\n  a/1 (grpc): passed, then unproven: a producer");
  t.end();
});

t.test("the text names what fails now with what was seen, then counts", (t) => {
  const before = of(checkRecord({ id: "a/1" }), failedCheck({ id: "a/2" }), failedCheck({ id: "a/3" }), checkRecord({ id: "a/4" }), checkRecord({ id: "a/5" }));
  const after = of(
    failedCheck({ id: "a/1", actual: "no end\u001b[2J" }),
    checkRecord({ id: "a/2" }),
    failedCheck({ id: "a/3" }),
    checkRecord({ id: "a/4" }),
    checkRecord({ id: "a/6" }),
  );
  t.equal(
    diffText(diffReports(before, after)),
    [
      "Newly failing",
      "  a/1 (grpc): no end\\u001b[2J",
      "",
      "Still failing",
      "  a/3 (grpc): entry 59 (alpha) came 0.4 ms after entry 58",
      "",
      "Fixed",
      "  a/2 (grpc)",
      "",
      "Added",
      "  a/6 (grpc): passed",
      "",
      "Removed",
      "  a/5 (grpc)",
      "",
      "1 newly failing, 1 fixed, 1 still failing, 0 changed otherwise, 1 added, 1 removed, 1 unchanged",
      "",
    ].join("\n"),
  );
  t.end();
});

t.test("of several results of one check the worst counts", (t) => {
  const diff = diffReports(of(checkRecord({ id: "a/1" })), of(checkRecord({ id: "a/1" }), failedCheck({ id: "a/1" })));
  t.equal(diff.newlyFailing.length, 1);
  t.end();
});

t.test("what makes two runs hard to compare is said", (t) => {
  const before = report();
  const after = report({
    partial: true,
    harness: { name: "halfclose", version: "0.2.0" },
    target: { ...before.target, suite: "smoke", contract: { ...before.target.contract, hash: "ff" } },
  });
  t.same(diffReports(before, after).caveats, [
    "The contracts differ.",
    "The suites differ: conformance, then smoke.",
    "The versions of halfclose differ: 0.1.0, then 0.2.0.",
    "The later run was interrupted.",
  ]);
  t.end();
});
