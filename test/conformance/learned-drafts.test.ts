import t from "tap";
import { learnDrafts } from "../../src/conformance/learned-drafts.js";
import { loadContract } from "../../src/contract/load-contract.js";
import type { EntryDraft } from "../../src/core/contract.js";
import { tmpdir } from "node:os";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

const folder = mkdtempSync(path.join(tmpdir(), "halfclose-learned-"));
t.teardown(() => rmSync(folder, { recursive: true }));
const file = path.join(folder, "rooms.yaml");
writeFileSync(
  file,
  `name: rooms
websocket: { path: /rooms }
filters:
  everything: {}
  lobby: { rooms: [lobby] }
  joins: { types: [join] }
  nobody: { rooms: [nowhere] }
  shouting: { types: [shout] }
roles: { broad: everything, overlap: [lobby, joins], silent: nobody, invalid: [shouting] }
match:
  - { filter: rooms, entry: room, rule: one-of }
  - { filter: types, entry: type, rule: one-of }
entries: { required: [room, type] }
producer: { http: "POST /rooms/{room}", body: '{"type":"{type}","text":"{token}"}' }
`,
);
const contract = await loadContract(file);
const { lobby, joins } = contract.filters;
if (lobby === undefined || joins === undefined) {
  throw new Error("the samples are there");
}

/** A producer that takes some entries, and remembers what it was asked for. */
function taking(accepts: (draft: EntryDraft) => boolean) {
  const asked: EntryDraft[] = [];
  return {
    asked,
    produce: async (drafts: readonly EntryDraft[]) => {
      asked.push(...drafts);
      return drafts.every(accepts) ? { kind: "produced" as const } : { kind: "failed" as const, reason: "HTTP 422" };
    },
  };
}

t.test("a value that the producer refuses is not asked for, one that was seen is", async (t) => {
  const types = ["join", "leave"];
  const producer = taking(({ type = "" }) => types.includes(type));
  const learned = await learnDrafts(contract, producer, [{ room: "ops", type: "leave" }]);
  t.ok(learned.takesAny);
  t.match(learned.contract.draft([lobby], [joins]), { room: "lobby", type: "leave" });
  t.match(learned.contract.draft([joins], [lobby]), { room: "ops", type: "join" });
  t.ok(contract.draft([lobby], [joins])?.["type"] !== "leave", "the contract alone can only guess");
});

t.test("what cannot be made is not made up", async (t) => {
  const learned = await learnDrafts(
    contract,
    taking(({ type }) => type === "join"),
    [],
  );
  t.match(learned.contract.draft([lobby], []), { room: "lobby", type: "join" });
  t.equal(learned.contract.draft([lobby], [joins]), undefined);
});

t.test("nothing that the silent filter lets through is written, and no value more than once", async (t) => {
  const producer = taking(() => true);
  await learnDrafts(contract, producer, []);
  t.notOk(producer.asked.some(({ room }) => room === "nowhere"));
  t.ok(producer.asked.length < 10, `${producer.asked.length} entries`);
});

t.test("a producer that takes nothing is soon left alone", async (t) => {
  const producer = taking(() => false);
  const learned = await learnDrafts(contract, producer, []);
  t.notOk(learned.takesAny);
  t.ok(producer.asked.length <= 12);
});

t.test("a producer that takes its time does not hold up the run", async (t) => {
  const producer = taking(() => false);
  const slow = {
    produce: async (drafts: readonly EntryDraft[]) => {
      await new Promise((resolve) => setTimeout(resolve, 700));
      return producer.produce(drafts);
    },
  };
  await learnDrafts(contract, slow, []);
  t.ok(producer.asked.length > 0 && producer.asked.length <= 3, `asked ${producer.asked.length} times`);
});
