import t from "tap";
import { judgeKnownFailing, parseKnownFailing, writeKnownFailing } from "../../src/conformance/known-failing.js";
import type { CheckRecord } from "../../src/core/report.js";

const ids = ["eof/while-idle", "eof/ws-null-line-ends", "first-filter/takes-effect"];

function record(id: string, status: CheckRecord["status"], actual?: string): CheckRecord {
  return {
    id,
    transport: "grpc",
    driver: "grpc-wire",
    level: "must",
    status,
    requirement: "r",
    clause: "c",
    elapsedMs: 1,
    ends: [],
    ...(actual === undefined ? {} : { expected: "e", actual }),
  };
}

function refusal(text: string): unknown {
  try {
    return known(text);
  } catch (thrown) {
    return thrown;
  }
}

function known(text: string) {
  return parseKnownFailing(text, "known.yaml");
}

t.test("a failure that was foretold is known-failing, with its reason", (t) => {
  const { records, gates } = judgeKnownFailing(
    [record("eof/while-idle", "failed", "it is still open")],
    known("- { check: eof/while-idle, reason: stack, message: still open }"),
    ids,
  );
  t.match(records, [{ status: "known-failing", reason: "stack", actual: "it is still open" }]);
  t.match(gates, [{ name: "known-failing", status: "passed" }]);
  t.end();
});

t.test("one that passes fails the run and says where the entry is", (t) => {
  const { records, gates } = judgeKnownFailing([record("eof/while-idle", "passed")], known("- { check: eof/while-idle, reason: stack }"), ids);
  t.match(records, [{ status: "passed" }]);
  t.match(gates, [{ status: "failed", detail: /known\.yaml:1:3: eof\/while-idle over grpc passed/ }]);
  t.end();
});

t.test("one that fails otherwise stays failed", (t) => {
  const { records, gates } = judgeKnownFailing(
    [record("eof/while-idle", "failed", "reset")],
    known("- { check: eof/while-idle, reason: stack, message: /still (open|there)/ }"),
    ids,
  );
  t.match(records, [{ status: "failed" }]);
  t.match(gates, [{ status: "failed", detail: /fails otherwise/ }]);
  t.end();
});

t.test("one that this machine was too busy to tell is unproven, where it is known to fail; what broke otherwise, or without an entry, stays broken", (t) => {
  const busy = { ...record("eof/while-idle", "broken"), reason: "the loop was late: the machine is too busy to tell" };
  const entries = known("- { check: eof/while-idle, reason: stack }");
  const { records, gates } = judgeKnownFailing([busy], entries, ids);
  t.match(records, [{ status: "unproven", reason: /too busy to tell; that it fails is known: stack$/ }]);
  t.match(gates, [{ status: "passed" }]);
  t.match(judgeKnownFailing([{ ...busy, reason: "a bug" }], entries, ids).records, [{ status: "broken" }]);
  t.match(judgeKnownFailing([{ ...busy, id: "first-filter/takes-effect" }], entries, ids).records, [{ status: "broken" }]);
  t.end();
});

t.test("one that fits no check is stale, one whose check was not selected is not", (t) => {
  t.match(judgeKnownFailing([], known("- { check: eof/gone, reason: r }"), ids).gates, [{ status: "failed", detail: /fits no check/ }]);
  t.match(judgeKnownFailing([], known("- { check: eof/while-idle, reason: r }"), ids).gates, [{ status: "passed" }]);
  t.end();
});

t.test("a pattern is judged for each check that it fits, a transport only for its own", (t) => {
  const records = [record("eof/while-idle", "failed", "x"), record("eof/ws-null-line-ends", "passed")];
  t.match(judgeKnownFailing(records, known("- { check: eof/*, reason: r }"), ids).gates, [{ status: "failed" }]);
  t.match(judgeKnownFailing(records, known("- { check: eof/*, transport: ws, reason: r }"), ids).records, [{ status: "failed" }, { status: "passed" }]);
  t.end();
});

t.test("what could not be proved is neither known nor stale", (t) => {
  const { records, gates } = judgeKnownFailing([record("eof/while-idle", "unproven")], known("- { check: eof/while-idle, reason: r }"), ids);
  t.match(records, [{ status: "unproven" }]);
  t.match(gates, [{ status: "passed" }]);
  t.end();
});

t.test("the file is strict, and an empty one is no entry", (t) => {
  t.strictSame(known(""), []);
  t.match(refusal("- { check: eof/x, raeson: r }"), { message: /Unknown key "raeson".*Did you mean "reason"/ });
  t.match(refusal('- { check: eof/x, reason: r, message: "/(/" }'), { place: "known.yaml:1:3", message: /not a regular expression/ });
  t.end();
});

t.test("a file that was written foretells the same failures, whatever their numbers", (t) => {
  const text = writeKnownFailing([
    record("eof/while-idle", "failed", "none; 142 other entries came after hc-0123456789ab (Close 1006)"),
    record("eof/ws-null-line-ends", "passed"),
  ]);
  const { records, gates } = judgeKnownFailing(
    [record("eof/while-idle", "failed", "none; 7 other entries came after hc-ba9876543210 (Close 1006)")],
    known(text),
    ids,
  );
  t.match(records, [{ status: "known-failing" }]);
  t.match(gates, [{ status: "passed" }]);
  t.match(judgeKnownFailing([record("eof/while-idle", "failed", "none; 7 other entries came after hc-ba9876543210 (Close 1011)")], known(text), ids).gates, [
    { status: "failed" },
  ]);
  t.end();
});

t.test("an entry may vouch for the consequences of its check", (t) => {
  const entries = "- { check: first-filter/takes-effect, transport: grpc, reason: it loses some, consequences: true }";
  const root = record("first-filter/takes-effect", "failed", "none came");
  const consequence = { ...record("eof/while-idle", "failed", "nothing"), consequenceOf: "first-filter/takes-effect" };

  t.match(judgeKnownFailing([root, consequence], known(entries), ids), {
    records: [{ status: "known-failing" }, { status: "known-failing", reason: "a consequence of first-filter/takes-effect: it loses some", actual: "nothing" }],
    gates: [{ status: "passed" }],
  });
  for (const [name, records, text] of [
    ["not when the check itself passed", [record("first-filter/takes-effect", "passed"), consequence], entries],
    ["not over the other transport", [root, { ...consequence, transport: "ws" as const }], entries],
    ["not what is no consequence of it", [root, record("eof/while-idle", "failed", "nothing")], entries],
    ["not without being asked to", [root, consequence], entries.replace("consequences: true", "consequences: false")],
    ["not what has an entry that says otherwise", [root, consequence], `${entries}\n- { check: eof/while-idle, reason: stack, message: still open }`],
  ] as const) {
    t.equal(judgeKnownFailing(records, known(text), ids).records[1]?.status, "failed", name);
  }
  t.end();
});
