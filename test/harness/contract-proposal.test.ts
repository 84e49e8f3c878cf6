import t from "tap";
import { contractSchema } from "../../src/contract/schema.js";
import type { ProtobufField } from "../../src/core/contract.js";
import { proposeConfig, proposeContract } from "../../src/harness/contract-proposal.js";
import { parseYaml } from "../../src/yaml/document.js";
import { validateYaml } from "../../src/yaml/validate.js";

function field(name: string, repeated = false): ProtobufField {
  return { name, number: 1, type: "string", repeated };
}

const levels = ["debug", "info", "error"];
const entries = Array.from({ length: 30 }, (_, index) => ({
  sequence: index + 1,
  time: "2026-01-01T00:00:00.5Z",
  level: levels[index % 3],
  source: index % 2 === 0 ? "alpha" : "beta",
  message: `tick ${index}`,
}));
const grpc = {
  method: "logger.Logger/Monitor",
  filterFields: [field("min_level"), field("sources", true), field("contains")],
  entryFields: ["sequence", "time", "level", "source", "message"].map((name) => field(name)),
};

t.test("fields whose names match become rules, seen values become filters with parts to play", (t) => {
  const text = proposeContract({ name: "logger", grpc, webSocketPath: "/logs/monitor", entries });
  const content = validateYaml(parseYaml(text, "monitor.yaml", "contract"), contractSchema);
  t.match(content.match, [
    { filter: "min_level", entry: "level", rule: "at-least", order: levels },
    { filter: "sources", entry: "source", rule: "one-of" },
    { filter: "contains", entry: "message", rule: "contains" },
  ]);
  t.match(content.filters, { everything: {}, first: { sources: ["alpha"] }, second: { sources: ["beta"] }, upper: { min_level: "error" } });
  t.match(content.roles, { broad: "everything", disjoint: ["first", "second"], silent: "nothing", overlap: ["upper", "first"] });
  t.match(content.entries, { sequence: "sequence", time: "time", required: ["sequence", "time", "level", "source", "message"] });
  t.end();
});

t.test("a time or a sequence is proposed only where it is one over both transports", (t) => {
  const rulesOf = (over: (entry: (typeof entries)[number]) => Readonly<Record<string, unknown>>) => {
    const text = proposeContract({ name: "logger", grpc, webSocketPath: "/m", entries: [...entries, ...entries.map(over)], ofOneStream: entries.length });
    return validateYaml(parseYaml(text, "monitor.yaml", "contract"), contractSchema).entries;
  };
  t.match(
    rulesOf((entry) => entry),
    { sequence: "sequence", time: "time" },
  );
  t.equal(rulesOf((entry) => ({ ...entry, time: entry.time.replace("Z", "") })).time, undefined, "without a zone it is no time by RFC 3339");
  t.equal(rulesOf((entry) => ({ ...entry, sequence: -entry.sequence })).sequence, undefined);
  t.end();
});

t.test("values of an enumeration are those seen, a default is not required, and what was not guessed is named", (t) => {
  const enumerated: ProtobufField = { name: "stage", number: 1, type: "enum", repeated: false };
  const flag: ProtobufField = { name: "failed_only", number: 3, type: "bool", repeated: false };
  const jobs = {
    method: "ci.Jobs/Tail",
    filterFields: [enumerated, field("branch_prefix"), flag],
    entryFields: [enumerated, field("branch"), { ...flag, name: "failed" }],
  };
  const seen = Array.from({ length: 10 }, (_, index) => ({ stage: index % 2 === 0 ? "BUILD" : "TEST", branch: "main", failed: index === 3 }));
  const text = proposeContract({ name: "ci", grpc: jobs, webSocketPath: undefined, entries: seen });
  const content = validateYaml(parseYaml(text, "monitor.yaml", "contract"), contractSchema);
  t.match(content.filters, { first: { stage: "BUILD" }, nothing: { branch_prefix: "no-such-value" } });
  t.same(content.entries.required, ["stage", "branch"]);
  t.match(text, /Nothing was guessed for failed_only/);
  t.end();
});

const fleet = {
  method: "fleet.v1.Fleet/Follow",
  filterFields: [
    { ...field("vehicles"), type: "message", parts: [{ ...field("id", true), type: "uint32" }] },
    { ...field("area"), type: "message", parts: [{ ...field("name") }] },
    { ...field("labels"), type: "message" },
    field("line"),
    { ...field("min_observed"), type: "google.protobuf.Timestamp" },
    field("tags", true),
    field("place"),
    { ...field("min_speed", true), type: "double" },
    { ...field("min_level"), type: "int32" },
  ],
  entryFields: [
    { ...field("vehicle"), type: "uint32" },
    field("line"),
    { ...field("observed"), type: "google.protobuf.Timestamp" },
    field("tags", true),
    { ...field("place"), type: "message", parts: [field("city")] },
    { ...field("speed"), type: "double" },
    field("level"),
  ],
};

t.test("messages and lists are never compared by a rule: CEL is put down to be completed", async (t) => {
  const seen = Array.from({ length: 10 }, (_, index) => ({
    vehicle: index % 2,
    line: index % 2 === 0 ? "U1" : "U2",
    tags: ["a"],
    place: { city: "x" },
    speed: 1,
    level: index % 2 === 0 ? "info" : "error",
  }));
  const text = proposeContract({ name: "fleet", grpc: fleet, webSocketPath: undefined, entries: seen });
  const content = validateYaml(parseYaml(text, "monitor.yaml", "contract"), contractSchema);
  t.same(content.match, [
    { filter: "line", entry: "line", rule: "equals" },
    { filter: "min_observed", entry: "observed", rule: "at-least" },
  ]);
  t.match(content.filters, { first: { line: "U1" }, second: { line: "U2" } });
  t.match(text, /^# {3}- \{ cel: "!has\(filter\.vehicles\) \|\| entry\.vehicle in filter\.vehicles\.id" \}$/m);
  t.match(text, /^# {3}- \{ cel: "!has\(filter\.area\) \|\| entry\.… == filter\.area\.name" \}$/m);
  t.match(text, /^# {3}- \{ cel: "!has\(filter\.labels\) \|\| …" \}$/m);
  t.match(text, /Nothing was guessed for tags, place, min_speed, min_level:/);
});

t.test("samples are made up for texts alone, and have the type of the filter's field", async (t) => {
  const kinds = { ...field("kind"), type: "enum" };
  const number = { ...field("number"), type: "int32" };
  const made = { method: "p.S/M", filterFields: [kinds, number], entryFields: [kinds, number] };
  const propose = (entries: readonly Record<string, unknown>[], grpc: typeof made) =>
    validateYaml(parseYaml(proposeContract({ name: "p", grpc, webSocketPath: undefined, entries }), "m.yaml", "contract"), contractSchema);
  t.same(propose([], made).filters, { everything: {} });
  const asText = { ...made, filterFields: [field("number")] };
  t.match(
    propose(
      Array.from({ length: 10 }, (_, index) => ({ number: index % 2 })),
      asText,
    ).filters,
    { first: { number: "0" }, second: { number: "1" } },
  );
});

t.test("without entries the contract is valid all the same", (t) => {
  const text = proposeContract({ name: "logger", grpc, webSocketPath: undefined, entries: [] });
  t.doesNotThrow(() => validateYaml(parseYaml(text, "monitor.yaml", "contract"), contractSchema));
  t.match(text, /No entry came/);
  t.end();
});

t.test("the config names target and contract", (t) => {
  t.match(parseYaml(proposeConfig(["grpc://h"], "m.yaml"), "c.yaml", "config").value, { url: ["grpc://h"], contract: "m.yaml" });
  t.end();
});
