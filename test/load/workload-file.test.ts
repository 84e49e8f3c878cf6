import fc from "fast-check";
import t from "tap";
import { HarnessError } from "../../src/core/errors.js";
import { parseWorkload, workloadJsonSchema } from "../../src/load/workload-file.js";

const head = "name: w\nabout: a\nduration: 10s\n";

t.test("the short form is one group with the defaults filled in", (t) => {
  const workload = parseWorkload(`${head}begin:\n  - send: $broad\n`, "w.yaml");
  t.match(workload, { name: "w", durationMs: 10_000, warmUpMs: 0, thresholds: [], source: "w.yaml" });
  t.same(workload.groups, [
    {
      name: "w",
      streams: 1,
      transports: undefined,
      streamsPerConnection: 100,
      rampUpMs: 0,
      fromMs: 0,
      untilMs: undefined,
      bystander: false,
      arrivals: { model: "closed", thinkMs: 0 },
      begin: [{ kind: "send", filters: ["$broad"], times: 1 }],
      each: [],
      finish: [{ kind: "end" }, { kind: "expect-end", withinMs: undefined }],
    },
  ]);
  t.end();
});

t.test("every step is understood", (t) => {
  const workload = parseWorkload(
    `${head}begin:
  - send: alpha
  - send: { message: { sources: [x] } }
  - send: { next-of: [alpha, beta], times: 5 }
  - send: { filter: alpha, times: 3 }
  - expect: applied
  - expect: { what: end, within: 2s }
  - expect: { entries: 7 }
  - expect: caught-up
  - wait: 250ms
  - produce: { filter: alpha, count: 2 }
  - pause
  - resume
  - end
finish: [cancel]
`,
    "w.yaml",
  );
  t.same(workload.groups[0]?.begin, [
    { kind: "send", filters: ["alpha"], times: 1 },
    { kind: "send", filters: [{ sources: ["x"] }], times: 1 },
    { kind: "send", filters: ["alpha", "beta"], times: 5 },
    { kind: "send", filters: ["alpha"], times: 3 },
    { kind: "expect-applied", withinMs: undefined },
    { kind: "expect-end", withinMs: 2000 },
    { kind: "expect-entries", count: 7, withinMs: undefined },
    { kind: "expect-caught-up", withinMs: undefined },
    { kind: "wait", ms: 250 },
    { kind: "produce", filter: "alpha", count: 2 },
    { kind: "pause" },
    { kind: "resume" },
    { kind: "end" },
  ]);
  t.same(workload.groups[0]?.finish, [{ kind: "cancel" }]);
  t.end();
});

t.test("an open model has a rate or stages", (t) => {
  const steady = parseWorkload(`${head}streams: 5\nopen: { rate: 120/m }\neach: [send: a, expect: applied]`, "w.yaml");
  t.match(steady.groups[0]?.arrivals, { model: "open", of: "updates", spacing: "poisson", inFlight: 5, stages: [{ fromPerSecond: 2, toPerSecond: 2 }] });
  const staged = parseWorkload(
    `${head}groups:\n  - name: g\n    open: { of: streams, spacing: uniform, in-flight: 9, stages: [{ rate: 1/s, to: 10/s, for: 5s }, { rate: 10/s, for: 1s }] }\n`,
    "w.yaml",
  );
  t.match(staged.groups[0]?.arrivals, {
    of: "streams",
    spacing: "uniform",
    inFlight: 9,
    stages: [
      { fromPerSecond: 1, toPerSecond: 10, durationMs: 5000 },
      { fromPerSecond: 10, toPerSecond: 10 },
    ],
  });
  t.end();
});

t.test("each mistake is placed to line and column, with what was meant", (t) => {
  const refused = (yaml: string, place: string, message: RegExp) =>
    t.throws(() => parseWorkload(yaml, "w.yaml"), { name: "HarnessError", code: "workload", place, message });
  refused(`${head}steams: 3`, "w.yaml:4:1", /Unknown key "steams".*Did you mean "streams"/);
  refused(`${head}begin:\n  - sned: alpha`, "w.yaml:5:5", /Unknown key "sned".*Did you mean "send"/);
  refused(`${head}begin:\n  - puase`, "w.yaml:5:5", /Did you mean "pause"/);
  refused(`name: w\nabout: a\nduration: 10 s`, "w.yaml:3:11", /a duration such as/);
  refused(`name: w\nabout: a`, "w.yaml:1:1", /"duration" is missing/);
  refused(`${head}thresholds:\n  - filter-aply p99 < 5ms`, "w.yaml:5:5", /Did you mean "filter-apply"/);
  refused(`${head}open: { rate: 100 }\neach: [send: a]`, "w.yaml:4:15", /not a text/);
  refused(`${head}open: { rate: 100/h }\neach: [send: a]`, "w.yaml:4:15", /a rate such as/);
  refused(`${head}open: { spacing: uniform }\neach: [send: a]`, "w.yaml:4:7", /either "rate" or "stages"/);
  refused(`${head}open: { rate: 1/s }`, "w.yaml:4:7", /needs "each"/);
  refused(`${head}open: { rate: 1/s }\nclosed: {}\neach: [send: a]`, "w.yaml:4:1", /either "closed" or "open"/);
  refused(`${head}each: [send: a]`, "w.yaml:4:1", /never waits/);
  refused(`${head}from: 5s\nuntil: 4s`, "w.yaml:5:8", /later than/);
  refused(`${head}streams: 3\ngroups: [{ name: g }]`, "w.yaml:4:1", /belongs into each/);
  refused(`${head}groups: [{ name: g }, { name: g }]`, "w.yaml:4:31", /used twice/);
  refused(`${head}streams: 0`, "w.yaml:4:10", /streams/);
  refused(`${head}flood: { conections: 3 }`, "w.yaml:4:10", /Did you mean "connections"/);
  refused(`${head}flood: { url: example.com }`, "w.yaml:4:15", /a URL, or a path/);
  refused(`${head}flood: { method: BREW }`, "w.yaml:4:18", /GET/);
  refused(`${head}flood: { from: 1h }`, "w.yaml:4:16", /earlier than the end/);
  refused(`${head}flood: { connections: 1000000 }`, "w.yaml:4:23", /10000/);
  refused("a: [", "w.yaml:1:5", /not YAML/);
  t.end();
});

t.test("no text makes it throw anything but an error for the user", (t) => {
  const word = fc.constantFrom(
    "name: w",
    "about: a",
    "duration: 1s",
    "begin:",
    "  - send: x",
    "  - end",
    "open: {}",
    "each: []",
    "groups:",
    " - name: g",
    "thresholds: [x]",
    ": ",
    "- ",
    "streams: [1]",
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(word).map((lines) => lines.join("\n")),
      ),
      (text) => {
        try {
          parseWorkload(text, "w.yaml");
          return true;
        } catch (thrown) {
          return thrown instanceof HarnessError && thrown.place?.startsWith("w.yaml") === true;
        }
      },
    ),
    { numRuns: 500 },
  );
  t.end();
});

t.test("a flood takes the middle third of the run, and keeps within its bounds", (t) => {
  const plain = parseWorkload("name: w\nabout: a\nduration: 9s\nflood: {}\n", "w.yaml").flood;
  t.match(plain, { method: "GET", of: ["plain", "wrong-upgrade"], connections: 10, fromMs: 3000, durationMs: 3000, requests: 1_000_000 });
  const full = parseWorkload(
    "name: w\nabout: a\nduration: 9s\nflood: { url: /x, method: POST, of: [plain], connections: 20, rate: 600/m, from: 0s, duration: 1s, requests: 5 }\n",
    "w.yaml",
  ).flood;
  t.match(full, { url: "/x", method: "POST", of: ["plain"], ratePerSecond: 10, fromMs: 0, durationMs: 1000 });
  t.equal(full?.requests, 20, "each connection has one");
  t.end();
});

t.test("editors get a JSON Schema that knows the keys", (t) => {
  const schema = JSON.stringify(workloadJsonSchema());
  for (const key of ["warm-up", "next-of", "caught-up", "streams-per-connection"]) {
    t.ok(schema.includes(key), key);
  }
  t.end();
});
