import t from "tap";
import { loadContract } from "../../src/contract/load-contract.js";
import { k6Plan, k6Refusals } from "../../src/engines/k6-plan.js";
import { churn, taskOf, unservedTarget } from "./engine-task.js";

t.test("filters and messages are written out for each transport, in the names that k6 shows", async (t) => {
  const targets = [await unservedTarget("grpc"), await unservedTarget("ws", { headers: [["authorization", "Bearer x"]] })];
  const task = taskOf(churn, targets);
  t.strictSame(k6Refusals(task), []);
  const plan = k6Plan(task, ["types-0.protoset", undefined]);
  t.match(plan.targets[0], {
    address: "127.0.0.1:9",
    method: "logger.Logger/Monitor",
    protoset: "types-0.protoset",
    endText: null,
    sequenceField: "sequence",
    order: "increasing",
  });
  t.match(plan.targets[1], { address: "ws://127.0.0.1:9/logs/monitor", protoset: null, endText: "null\n", headers: { authorization: "Bearer x" } });
  t.strictSame(
    plan.targets[0]?.filters.map(({ name, tests, opening }) => ({ name, tests, opening })),
    [
      { name: "alpha", tests: [{ kind: "one-of", field: "source", values: ["alpha"] }], opening: [{ sources: ["alpha"] }] },
      { name: "beta", tests: [{ kind: "one-of", field: "source", values: ["beta"] }], opening: [{ sources: ["beta"] }] },
    ],
  );
  t.match(plan.groups[0], { targets: [0, 1], thinkMs: 20, streams: 2 });
  t.strictSame(plan.groups[0]?.each[0], {
    kind: "send",
    filters: [
      [1, 0],
      [1, 0],
    ],
    times: 1,
  });
  t.strictSame(JSON.parse(JSON.stringify(plan)), plan, "it is plain JSON");
});

t.test("an order becomes the values that pass", async (t) => {
  const text = churn.replace("$disjoint.1 }, {", "{ message: { min_level: warn } } }, {");
  const plan = k6Plan(taskOf(text, [await unservedTarget("ws")]), [undefined]);
  t.match(plan.targets[0]?.filters[0]?.tests, [{ kind: "one-of", field: "level", values: ["warn", "error"] }]);
});

t.test("every part of a workload that k6 cannot perform is named", async (t) => {
  const text = `
name: mixed
about: Much.
duration: 1s
groups:
  - name: storm
    open: { rate: 10/s }
    each: [{ send: $broad }]
  - name: crowd
    open: { of: streams, rate: 10/s }
  - name: slow
    begin: [{ send: $broad }, pause, resume, cancel]
    finish: []
`;
  const refusals = k6Refusals(taskOf(text, [await unservedTarget("grpc")]));
  t.match(refusals, [
    /"storm" has an open model of updates/,
    /"crowd" has Poisson arrivals: k6 spaces them evenly/,
    /"slow" has the step "pause": k6 reads always/,
    /"resume"/,
    /"cancel": k6 cannot cancel one stream/,
  ]);
});

t.test("streams that arrive evenly are performed on k6's own schedule, from the warm-up or the group's begin until it stops", async (t) => {
  const text = `
name: crowd
about: Come and go.
duration: 4s
warm-up: 1s
groups:
  - name: early
    open: { of: streams, rate: 10/s, spacing: uniform, in-flight: 7 }
    begin: [{ send: $broad }]
  - name: late
    from: 1s
    until: 3s
    open: { of: streams, stages: [{ rate: 0/s, to: 10/s, for: 1s }], spacing: uniform }
    begin: [{ send: $broad }]
`;
  const task = taskOf(text, [await unservedTarget("ws")]);
  t.strictSame(k6Refusals(task), []);
  const [early, late] = k6Plan(task, [undefined]).groups;
  t.match(early?.arrivals, {
    stages: [
      { durationMs: 1000, fromPerSecond: 10 },
      { durationMs: 4000, fromPerSecond: 10, toPerSecond: 10 },
    ],
    inFlight: 7,
  });
  t.match(late?.arrivals?.stages, [
    { durationMs: 1000, fromPerSecond: 0, toPerSecond: 10 },
    { durationMs: 1000, fromPerSecond: 10, toPerSecond: 10 },
  ]);
});

t.test("contracts whose messages are more than entries are refused", async (t) => {
  const contract = await loadContract("etcd-watch");
  const refusals = k6Refusals(
    taskOf(churn.replaceAll("$disjoint.1", "$broad").replaceAll("$disjoint.2", "$broad"), [await unservedTarget("grpc", { contract })]),
  );
  t.match(refusals, [/"etcd-watch" needs more than plain entries/]);
});

t.test("a message that protobuf cannot hold is refused: k6 would hang on it for good", async (t) => {
  const text = churn.replaceAll("$disjoint.1", "{ message: { no_such_field: 1 } }");
  t.match(k6Refusals(taskOf(text, [await unservedTarget("grpc")])).join(" "), /cannot be sent \(.*no_such_field/);
});
