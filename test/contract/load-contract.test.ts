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
