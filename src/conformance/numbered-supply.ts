import { performance } from "node:perf_hooks";
import { numberToken, type Contract, type EntryDraft } from "../core/contract.js";
import type { DraftProducer, DraftsProduced, Produced, Supply } from "./supply.js";
import { createWritingTimes } from "./writing-times.js";

/** Why entries of this contract cannot be told from others once they were written, when the producer's answer for one was `outcome`; undefined when they can. */
export function whyNotTold(contract: Contract, outcome: DraftsProduced): string | undefined {
  if (contract.entries.token !== undefined || numbersIn(outcome, 1) !== undefined) {
    return undefined;
  }
  const field = "no field of an entry has {token} of the producer's template (entries.token)";
  const number =
    contract.entries.sequence === undefined || contract.entries.order !== "increasing"
      ? "entries have no number of their own either (entries.sequence)"
      : "the producer's answer does not say the entry's number either (producer.sequences)";
  return `what the producer writes cannot be told from other entries: ${field}, and ${number}`;
}

/**
 * The supply of a monitor whose entries have no field for a token: what was written is known by the numbers in the producer's answers, which stand
 * for tokens as `tokenOf` gives them. A supply whose entries have tokens is given back as it is.
 */
export function createNumberedSupply(contract: Contract, producer: DraftProducer | undefined, supply: Supply): Supply {
  if (contract.entries.token !== undefined || producer === undefined || supply.producer.kind !== "ready") {
    return supply;
  }
  const written = createWritingTimes();
  const write = async (drafts: readonly EntryDraft[]): Promise<Produced> => {
    const nowMs = performance.now();
    const outcome = await producer.produce(drafts);
    if (outcome.kind !== "produced") {
      return { kind: "unavailable", reason: outcome.reason };
    }
    const numbers = numbersIn(outcome, drafts.length);
    if (numbers === undefined) {
      return { kind: "unavailable", reason: `the producer's answer does not number each of ${drafts.length} entries (producer.sequences)` };
    }
    const tokens = numbers.map(numberToken);
    written.note(tokens, nowMs);
    return { kind: "produced", tokens };
  };
  return {
    ...supply,
    write,
    writtenAtMs: (token) => written.atMs(token),
    async produce(yes, no, count = 1) {
      const draft = supply.draft(yes, no);
      // What cannot be made is said by the supply itself.
      return draft === undefined ? supply.produce(yes, no, count) : write(Array.from({ length: count }, () => draft));
    },
  };
}

/** The numbers in a producer's outcome, one an entry; undefined where it does not have as many. */
function numbersIn({ numbers }: DraftsProduced, count: number): readonly number[] | undefined {
  return numbers?.length === count ? numbers : undefined;
}
