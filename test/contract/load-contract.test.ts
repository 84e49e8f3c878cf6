import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import t from "tap";
import { sequenceOf, tokenOf } from "../../src/core/contract.js";
import { loadContract } from "../../src/contract/load-contract.js";

t.test("the default contract loads with everything that the checks rely on", async (t) => {
  const contract = await loadContract("logger");
  t.equal(contract.grpc?.path, "/logger.Logger/Monitor");
  t.equal(contract.websocket?.endText, "null\n");
  t.equal(contract.websocket?.path, "/logs/monitor");
  t.equal(contract.entries.token, "message", "the token's field is read from the producer's body");
  t.same(contract.bounds, { applyMs: 2000, endMs: 1000, releaseMs: 1000, stopMs: 5000 });
  t.equal(contract.filterBytes, 65_536);
  t.match(contract.hash, /^[0-9a-f]{64}$/);
  t.equal(contract.roles.invalid.length, 2);
  t.equal(contract.matchRules?.length, 3);
  t.same(contract.classify({ sequence: 1 }), { kind: "entries", entries: [{ sequence: 1 }] });
});

t.test("an entry that comes over gRPC reads as one that comes over WebSocket", async (t) => {
  const contract = await loadContract("logger");
  const { grpc, websocket, entries } = contract;
  const json = websocket?.codec.decode(Buffer.from('{"sequence":7,"time":"2026-01-02T03:04:05.006Z","level":"warn","source":"alpha","message":"tick 7"}'));
  const text = (number: number, value: string): Buffer => Buffer.concat([Buffer.from([(number << 3) | 2, value.length]), Buffer.from(value)]);
  const binary = grpc?.codec.decode(
    Buffer.concat([Buffer.from([8, 7]), text(2, "2026-01-02T03:04:05.006Z"), text(3, "warn"), text(4, "alpha"), text(5, "tick 7")]),
  );
  t.same(binary, json);
  t.equal(sequenceOf(entries, json ?? {}), 7);
  t.equal(tokenOf(entries, json ?? {}), "tick 7");
  t.equal(contract.violationOf(json ?? {}), undefined);
});

t.test("a contract that is not there is refused by name, with a suggestion", async (t) => {
  await t.rejects(loadContract("loger"), { name: "HarnessError", code: "contract", place: "loger", hint: 'Did you mean the built-in contract "logger"?' });
});

t.test("times, enums and wrappers of protobuf are what they are in its JSON, for filters and entries", async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), "contract-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(
    path.join(folder, "fleet.proto"),
    `syntax = "proto3"; package fleet;
    import "google/protobuf/timestamp.proto"; import "google/protobuf/wrappers.proto";
    enum State { IDLE = 0; MOVING = 1; }
    message Watch { repeated string ids = 1; google.protobuf.Timestamp since = 2; google.protobuf.DoubleValue faster_than = 3; State state = 4; }
    message Position { string id = 1; google.protobuf.Timestamp at = 2; State state = 3; google.protobuf.DoubleValue speed = 4; }
    service Fleet { rpc Track(stream Watch) returns (stream Position); }`,
  );
  const file = path.join(folder, "fleet.yaml");
  writeFileSync(
    file,
    `name: fleet
grpc: { proto: fleet.proto, method: fleet.Fleet/Track }
filters: { all: {}, recent: { ids: [a], since: "2026-01-01T00:00:00Z", faster_than: 0.5, state: MOVING } }
roles: { broad: all }
match: [{ filter: ids, entry: id, rule: one-of }]
entries: { time: at, required: [id, at, state] }
`,
  );
  const contract = await loadContract(file);
  const codec = contract.grpc?.codec;
  const nested = (number: number, ...bytes: number[]): number[] => [(number << 3) | 2, bytes.length, ...bytes];
  const half = [9, 0, 0, 0, 0, 0, 0, 0xe0, 0x3f];
  const sent = codec?.encode(contract.filters["recent"]?.messages[0] ?? {});
  t.same([...(sent ?? [])], [10, 1, 0x61, ...nested(2, 8, 0x80, 0xf2, 0xd6, 0xca, 0x06), ...nested(3, ...half), 32, 1]);
  const entry = codec?.decode(Buffer.from([10, 1, 0x61, ...nested(2, 8, 1, 16, 0x80, 0xca, 0xb5, 0xee, 0x01), ...nested(4, ...half)])) ?? {};
  t.same(entry, { id: "a", at: "1970-01-01T00:00:01.500Z", state: "IDLE", speed: 0.5 });
  t.equal(contract.violationOf(entry), undefined);
  t.equal(contract.timeOf(entry), 1_500_000);
});

t.test("a filter says which rule could not judge an entry", async (t) => {
  const file = path.join(
    t.testdir({
      "loose.yaml": `name: loose
websocket: { path: /monitor }
filters: { all: {} }
roles: { broad: all }
match: [{ cel: "!has(filter.source) || entry.source == filter.source" }, { cel: "!(entry.tag == 'x')" }]
entries: { required: [] }
`,
    }),
    "loose.yaml",
  );
  const all = (await loadContract(file)).filters["all"];
  t.equal(all?.everything, false, "the second rule looks at entries");
  t.equal(all?.matches({ source: "a" }), false);
  t.equal(
    all?.unjudged?.({ source: "a" }),
    "the rule !(entry.tag == 'x') fails on it (No such key: tag), which counts as false; has() says whether a field is there",
  );
  t.equal(all?.matches({ tag: "y" }), true);
  t.equal(all?.unjudged?.({ tag: "x" }), undefined, "it does not match, and could be judged");
});

t.test("a predicate that is true whatever the entry lets everything through", async (t) => {
  const file = path.join(
    t.testdir({
      "open.yaml": `name: open
websocket: { path: /monitor }
filters: { all: {}, none: { ids: [] }, some: { ids: [1] }, high: { least: 5 } }
roles: { broad: all }
match: [{ cel: "entry.id in filter.ids || !has(filter.ids) || size(filter.ids) == 0" }, { cel: "!(has(filter.least) && entry.size < filter.least)" }]
entries: { required: [] }
`,
    }),
    "open.yaml",
  );
  const { filters } = await loadContract(file);
  t.same(
    Object.values(filters).map(({ everything }) => everything),
    [true, true, false, false],
  );
  t.same([filters["all"]?.matches({}), filters["some"]?.matches({ id: 2 }), filters["high"]?.matches({ size: 7 })], [true, false, true]);
});

t.test("a filter that no rule asks anything for lets everything through, also in an envelope", async (t) => {
  const file = path.join(
    t.testdir({
      "enveloped.yaml": `name: enveloped
websocket: { path: /monitor }
filters: { all: {}, none: { source: [] }, a: { source: a } }
roles: { broad: all }
match: [{ filter: source, entry: source, rule: one-of }]
entries: { where: "message.type == 'entry'", fields: { source: data.source, n: data.n }, sequence: n }
`,
    }),
    "enveloped.yaml",
  );
  const { filters } = await loadContract(file);
  t.same([filters["all"]?.everything, filters["none"]?.everything, filters["a"]?.everything], [true, true, false]);
});
