import t from "tap";
import { createNumberedSupply, whyNotTold } from "../../src/conformance/numbered-supply.js";
import { createSupply } from "../../src/conformance/supply.js";
import { tokenOf, type Contract, type EntryDraft } from "../../src/core/contract.js";
import { memoryContract } from "../load/memory-server.js";

function withoutToken(order: "increasing" | "non-decreasing" = "increasing"): Contract {
  const contract = memoryContract();
  const draft = (): EntryDraft => ({ source: "alpha" });
  return { ...contract, entries: { sequence: "sequence", order, required: [] }, draft };
}

/** A producer whose answers number what was written from `first` on; undefined: they do not. */
function numbering(first: number | undefined) {
  let next = first;
  return {
    produce: async (drafts: readonly EntryDraft[]) => {
      const numbers = next === undefined ? undefined : drafts.map((_, index) => (next ?? 0) + index);
      next = next === undefined ? undefined : next + drafts.length;
      return { kind: "produced" as const, ...(numbers === undefined ? {} : { numbers }) };
    },
  };
}

function supplyOf(contract: Contract, producer: ReturnType<typeof numbering>) {
  return createNumberedSupply(contract, producer, createSupply({ contract, producer, state: { kind: "ready" }, background: [], backgroundPerSecond: 0 }));
}

t.test("an entry that has no field for a token is known by its number", async (t) => {
  const contract = withoutToken();
  const supply = supplyOf(contract, numbering(7));
  const produced = await supply.produce([], [], 2);
  t.same(produced, { kind: "produced", tokens: ["#7", "#8"] });
  t.equal(tokenOf(contract.entries, { sequence: "8", source: "alpha" }), "#8");
  t.type(supply.writtenAtMs("#8"), "number");
  t.equal(supply.writtenAtMs("#9"), undefined, "who wrote it is not known");
});

t.test("numbers that several entries share tell none of them", async (t) => {
  t.equal(tokenOf(withoutToken("non-decreasing").entries, { sequence: 8 }), undefined);
});

t.test("an answer without the numbers writes nothing that could be waited for", async (t) => {
  t.match(await supplyOf(withoutToken(), numbering(undefined)).produce([], []), { kind: "unavailable", reason: /producer\.sequences/ });
});

t.test("where nothing tells entries apart the reason says what to state", async (t) => {
  t.match(whyNotTold(withoutToken(), { kind: "produced" }), /entries\.token.*producer\.sequences/);
  t.match(whyNotTold(withoutToken("non-decreasing"), { kind: "produced" }), /entries\.token.*entries\.sequence/);
  t.equal(whyNotTold(withoutToken(), { kind: "produced", numbers: [1] }), undefined);
  t.equal(whyNotTold({ ...withoutToken(), entries: { order: "increasing", required: [], token: "message" } }, { kind: "produced" }), undefined);
});

t.test("a supply whose entries have tokens stays as it is", async (t) => {
  const contract = { ...withoutToken(), entries: { order: "increasing" as const, required: [], token: "message" } };
  const supply = createSupply({ contract, producer: numbering(1), state: { kind: "ready" }, background: [], backgroundPerSecond: 0 });
  t.equal(createNumberedSupply(contract, numbering(1), supply), supply);
});

t.test("where no entry matches, the reason names the rule that cannot judge those that come", async (t) => {
  const contract = withoutToken();
  const broken = { name: "broken", messages: [{}], matches: () => false, unjudged: () => "the rule fails on it" };
  const supply = createSupply({ contract, producer: undefined, state: { kind: "declared-none" }, background: [{ sequence: 1 }], backgroundPerSecond: 5 });
  t.equal(supply.lacks([broken], []), 'an entry that matches "broken": there is no producer, and none comes by itself; of one that does, the rule fails on it');
});
