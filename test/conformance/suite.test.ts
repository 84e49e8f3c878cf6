import t from "tap";
import { judgeGates, parseSuite } from "../../src/conformance/suite.js";
import type { CheckRecord } from "../../src/core/report.js";

function records(...statuses: CheckRecord["status"][]): CheckRecord[] {
  return statuses.map((status, index) => ({
    id: `eof/${index}`,
    transport: "ws",
    driver: "websocket-wire",
    level: "must",
    status,
    requirement: "r",
    clause: "c",
    elapsedMs: 1,
    ends: [],
  }));
}

t.test("a suite of a name and a sentence selects everything and has no gates", (t) => {
  const suite = parseSuite("name: all\nabout: Everything.\n", "s.yaml");
  t.match(suite, { select: { topics: [], ids: [], levels: [] }, gates: {}, workloads: [] });
  t.strictSame(judgeGates(suite, records("failed")), []);
  t.end();
});

t.test("gates count what they name", (t) => {
  const suite = parseSuite("{ name: a, about: b, gates: { at-most-warned: 0, at-most-unproven: 1, at-most-flaky: 0, at-least-proved: 3 } }", "s.yaml");
  t.match(judgeGates(suite, records("passed", "passed", "warned", "unproven")), [
    { name: "at-most-warned", status: "failed", detail: "1 warned, at most 0 asked" },
    { name: "at-most-unproven", status: "passed" },
    { name: "at-most-flaky", status: "passed" },
    { name: "at-least-proved", status: "passed", detail: "3 proved, at least 3 asked" },
  ]);
  t.end();
});

t.test("unknown keys and topics are refused at their place", (t) => {
  const refusal = (text: string): unknown => {
    try {
      return parseSuite(text, "s.yaml");
    } catch (thrown) {
      return thrown;
    }
  };
  t.match(refusal("name: a\nabout: b\nselect: { topics: [eov] }\n"), { code: "suite", place: "s.yaml:3:20", message: /Did you mean "eof"/ });
  t.match(refusal("name: a\nabout: b\ngates: { at-most-wraned: 0 }\n"), { place: "s.yaml:3:10" });
  t.end();
});
