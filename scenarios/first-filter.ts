import { performance } from "node:perf_hooks";
import type { Check } from "../src/conformance/check.js";
import { describeEnd, describeEntry, requireNoViolations, type Conversation } from "../src/conformance/conversation.js";
import { rootsOfNoEntry, rootsOfWrongEntry } from "../src/conformance/roots.js";
import type { Session } from "../src/conformance/session.js";
import { type EntryDraft, type Filter, ordinaryFilters } from "../src/core/contract.js";
import { jsonText } from "../src/core/json-text.js";
import { fail, failOnSight, notApplicable, unproven } from "../src/core/verdict.js";
import { comparesText, variantsOf, type Variant } from "./variants.js";
import { awaitQuietly, firstOf, flowOf, overdue, requireAcks, requireAllMatch } from "./observations.js";

const both = ["grpc", "ws"] as const;

export const firstFilterChecks: readonly Check[] = [
  {
    id: "first-filter/silent-before",
    on: both,
    level: "must",
    requirement: "No entry is sent before the first filter.",
    clause: "monitor design: the stream carries the entries that match the current filter; before the first there is none",
    why: "A client that has not said what it wants must not be given everything: it leaks what the filter would have hidden, and it fills a reader that is not ready.",
    exchange: ["C → S  open", "       entries are written to the log", "S → C  (nothing)", "C → S  filter", "S → C  entries"],
    causes: {
      any: "The subscription is made when the stream opens, with an empty filter that matches everything, instead of when the first filter has been read.",
      Go: "`var filter Filter` is used by the sending loop from its zero value on.",
    },
    async run(session) {
      const broad = session.role("broad");
      const early = await session.open();
      const other = await session.flowing(broad);
      for (let n = 0; n < 3; n++) {
        await session.barrier(other);
      }
      await session.settle(100);
      requireSilence(early.arrivals.length, early.end === undefined ? undefined : describeEnd(early.end), () => {
        const first = early.arrivals[0];
        if (first !== undefined) {
          early.accuse(first, "came before any filter was sent");
        }
      });
      requireNoViolations(early);
    },
  },
  {
    id: "first-filter/takes-effect",
    on: both,
    level: "must",
    requirement: "The first filter is applied: a matching entry comes within the bound.",
    clause: "monitor design: the stream carries the entries that match the current filter",
    why: "It is the least that a monitor does; everything else stands on it.",
    exchange: ["C → S  open", "C → S  filter", "       a matching entry is written", "S → C  the entry"],
    causes: {
      any: "The first message is read as a handshake and thrown away, or the sending loop waits for a second one.",
      Node: "The `data` listener is attached after an `await`: the first message was emitted before anyone listened.",
    },
    async run(session) {
      const conversation = await session.open({ filter: session.role("broad") });
      await session.effect(conversation, session.role("broad"), { since: 0 });
      await requireAcks(session, conversation);
      const { disjoint } = session.contract.roles;
      if (disjoint !== undefined) {
        const narrow = await session.open({ filter: disjoint[0] });
        await session.effect(narrow, disjoint[0], { since: 0 });
      }
    },
  },
  {
    id: "first-filter/entries-match",
    on: both,
    level: "must",
    requirement: "Every entry satisfies the current filter, for each of its fields and for all of them together.",
    clause: "monitor design: the stream carries the entries that match the current filter",
    why: "A filter that lets other entries through shows users what they did not ask for, and hides that it is broken where most entries match anyway.",
    exchange: ["C → S  filter with two constraints", "S → C  only entries that satisfy both"],
    causes: {
      any: "Conditions are joined by OR, the first field that is set wins, or one field (often the least used) is never looked at.",
    },
    dependsOn: ["first-filter/takes-effect"],
    async run(session) {
      let proved = 0;
      for (const filter of ordinaryFilters(session.contract)) {
        if (session.supply.lacks([filter], []) !== undefined) {
          continue;
        }
        const conversation = await session.flowing(filter);
        await writeNearMisses(session, filter);
        await session.barrier(conversation);
        requireAllMatch(conversation, filter);
        requireNoViolations(conversation);
        proved += 1;
        conversation.cancel();
      }
      for (const variant of variantsOf(session)) {
        const conversation = await flowingUnlessRefused(session, variant.filter);
        if (conversation === undefined) {
          continue;
        }
        await session.supply.write(variant.drafts.map((draft) => draft.draft));
        await session.barrier(conversation);
        requireAllMatch(conversation, variant.filter);
        proved += 1;
        conversation.cancel();
      }
      if (proved === 0) {
        unproven("entries that match any of the contract's filters");
      }
    },
  },
  {
    id: "first-filter/none-missing",
    on: both,
    level: "must",
    requirement: "Every entry that matches the current filter is delivered, whatever its values are.",
    clause: "monitor design: the stream carries the entries that match the current filter",
    why: "An entry that is silently left out is worse than one too many: nobody knows that it is missing.",
    exchange: ["C → S  filter", "       entries are written: values at the edges of the filter, odd strings", "S → C  each entry that matches, once"],
    causes: {
      any: "A comparison is off by one (`>` for `>=`), only the first of several values is looked at, or a text is compared after trimming, lower-casing or re-encoding.",
      Java: "A comparison through the platform's default charset or locale.",
      Python: "`isinstance(value, str) and value.isascii()`, or a regular expression made from the filter's text without escaping it.",
    },
    needs: ["producer"],
    dependsOn: ["first-filter/takes-effect"],
    async run(session) {
      const variants = variantsOf(session);
      let refused = "no match rule has any";
      let proved = 0;
      for (const variant of variants) {
        const conversation = await flowingUnlessRefused(session, variant.filter);
        if (conversation === undefined) {
          refused = `no entry can be made for ${jsonText(variant.filter.messages.at(-1))}, or the server takes it for an invalid filter`;
          continue;
        }
        const written = await writeWhatIsTaken(session, variant);
        const wanted = written.filter((draft) => draft.matches);
        if (wanted.length === 0) {
          refused = "the producer refuses each of the entries";
          conversation.cancel();
          continue;
        }
        await session.barrier(conversation);
        const came = new Set(conversation.arrivals.map((arrival) => arrival.token));
        for (const { draft, token } of wanted) {
          if (!came.has(token)) {
            fail(
              `with the filter ${jsonText(variant.filter.messages.at(-1))}, the entry ${JSON.stringify(draft)}`,
              "it did not come, although a later one did",
              rootsOfNoEntry,
            );
          }
        }
        proved += 1;
        conversation.cancel();
      }
      proved += (await requireWholeTexts(session)) ? 1 : 0;
      proved += (await requireBurst(session)) ? 1 : 0;
      if (proved === 0) {
        unproven(`filters and entries at the edges of the match rules: ${refused}`);
      }
    },
  },
  {
    id: "first-filter/empty-value-constrains",
    on: both,
    level: "should",
    requirement: "An empty text in a list of wanted values is a wanted value, not the absence of a constraint.",
    clause: "proto3: an element of a repeated field is present even if it is empty; monitor design",
    why: "A list with one empty text in it that is read as no list shows everything to whoever asked for next to nothing.",
    exchange: ['C → S  {"sources":["alpha"]}', "S → C  entries", 'C → S  {"sources":[""]}', "S → C  (nothing)"],
    causes: { any: "Falsy or empty elements are filtered out before the comparison.", Node: "`.filter(Boolean)`.", Go: '`if s == "" { continue }`.' },
    needs: ["producer"],
    dependsOn: ["first-filter/takes-effect", "filter-updates/takes-effect"],
    async run(session) {
      const [a] = session.role("disjoint");
      const rule = session.contract.edgeRules?.find(
        (candidate) =>
          candidate.rule === "one-of" && comparesText(session.contract, candidate) && a.messages.some((message) => Array.isArray(message[candidate.filter])),
      );
      if (rule === undefined) {
        notApplicable("the contract has no list of wanted texts");
      }
      const conversation = await session.flowing(a);
      // Shows that what was written has gone out.
      const witness = await session.flowing(a);
      await conversation.send(session.contract.filter({ [rule.filter]: [""] }));
      // Once the filter holds, nothing of this kind comes: looked for until it stays away.
      const startMs = performance.now();
      for (;;) {
        const late = overdue(session, startMs, session.bounds.applyMs);
        const since = conversation.arrivals.length;
        const written = await session.supply.produce([a], [], 3);
        if (written.kind === "unavailable") {
          unproven(written.reason);
        }
        await session.barrier(witness, a);
        await session.settle(60);
        if (conversation.end !== undefined) {
          unproven(`a server that takes an empty text as a value: the stream ended, ${describeEnd(conversation.end)}`);
        }
        const still = firstOf(conversation, written.tokens, since);
        if (still === undefined) {
          return;
        }
        if (late) {
          conversation.accuse(still, "does not have an empty value");
          fail(`only entries whose "${rule.entry}" is empty`, jsonText(still.entry), rootsOfWrongEntry(conversation.filters, still.entry));
        }
      }
    },
  },
  {
    id: "first-filter/empty-is-everything",
    on: both,
    level: "must",
    requirement: "An empty filter (a message of 0 bytes, or `{}`) is a filter that constrains nothing, not the end of the stream.",
    clause: "gRPC over HTTP/2, Length-Prefixed-Message: a length of 0 is a message; JSON: `{}` is a value",
    why: "proto3 encodes a message with only default values as 0 bytes; a server that takes it for EOF, or for no filter, never works for the commonest filter of all.",
    exchange: ["C → S  {} (0 bytes)", "S → C  every entry", "C → S  narrower filter", "S → C  matching entries"],
    causes: {
      any: "`if (message.length === 0)` is read as end of stream, or a falsy object as no filter.",
      Python: "`if not request:` is true for an empty protobuf message in some bindings.",
    },
    dependsOn: ["first-filter/takes-effect"],
    async run(session) {
      const empty = session.contract.filters["everything"] ?? session.role("broad");
      if (empty.messages.length !== 1 || Object.keys(empty.messages[0] ?? {}).length > 0) {
        unproven("an empty filter in the contract (a sample `{}`)");
      }
      const conversation = await session.flowing(empty);
      const { disjoint } = session.contract.roles;
      if (disjoint !== undefined) {
        for (const side of disjoint) {
          const since = conversation.arrivals.length;
          await session.effect(conversation, side, { since });
        }
        // Nothing tells a narrower filter from everything; what counts is that the stream goes on.
        await conversation.send(disjoint[0]);
        await session.barrier(conversation, disjoint[0]);
      } else {
        await session.barrier(conversation);
      }
      if (conversation.end !== undefined) {
        fail("the stream goes on after an empty filter", describeEnd(conversation.end));
      }
    },
  },
  {
    id: "first-filter/entries-valid",
    on: both,
    level: "must",
    requirement:
      "Every entry has the shape that the contract gives it: all required fields, of their types; a sequence that is a whole number, a time by RFC 3339.",
    clause: "monitor design: required fields of an entry; what Goa validates on the client side",
    why: "Generated clients validate what they receive and break the stream on the first entry that lacks a field.",
    exchange: ["C → S  filter", "S → C  entries, each whole"],
    causes: {
      any: "A field is omitted when it is empty or zero (`omitempty`), or an entry is built from a partial record.",
      Go: '`json:",omitempty"` on a required field.',
    },
    dependsOn: ["first-filter/takes-effect"],
    async run(session) {
      const broad = session.role("broad");
      const conversation = await session.flowing(broad);
      await flowOf(session, conversation, broad, 1200);
      for (const arrival of conversation.arrivals) {
        const wrong = session.contract.violationOf(arrival.entry);
        if (wrong !== undefined) {
          conversation.accuse(arrival, wrong);
          fail(
            "every entry as the contract has it: its required fields, of their types",
            `entry #${arrival.index + 1}: ${wrong} (${describeEntry(session.contract, arrival.entry)})`,
          );
        }
      }
      requireNoViolations(conversation);
    },
  },
  {
    id: "first-filter/no-match-stays-alive",
    on: both,
    level: "must",
    requirement: "While nothing matches, the stream is silent and alive; no empty or null entry stands in for nothing.",
    clause: "monitor design: the stream carries the entries that match the current filter",
    why: "A filter for a rare event is the most useful one; the stream must survive until that event, and must not deliver a nothing as if it were an entry.",
    exchange: ["C → S  filter that matches nothing", "       entries are written", "S → C  (nothing)", "C → S  broad filter", "S → C  entries"],
    causes: {
      any: "A poll that found nothing sends an empty entry as a heartbeat, or a timeout on sends ends the quiet stream.",
      Go: "A nil *Entry is sent when the channel is closed or the lookup times out.",
    },
    dependsOn: ["first-filter/takes-effect"],
    async run(session) {
      const silent = session.role("silent");
      const broad = session.role("broad");
      const conversation = await session.open({ filter: silent });
      const other = await session.flowing(broad);
      await session.barrier(other);
      await session.settle(100);
      await session.barrier(other);
      await awaitQuietly(session, 50);
      requireSilence(
        conversation.arrivals.length + conversation.violations.length,
        conversation.end === undefined ? undefined : describeEnd(conversation.end),
        () => {
          const first = conversation.arrivals[0];
          if (first !== undefined) {
            conversation.accuse(first, "does not match the filter");
          }
        },
      );
      await session.change(conversation, broad);
    },
  },
];

function requireSilence(count: number, end: string | undefined, accuse: () => void): void {
  if (end !== undefined) {
    fail("the stream stays open and silent", `it ended: ${end}`);
  }
  if (count > 0) {
    accuse();
    failOnSight("no entry", `${count} ${count === 1 ? "entry" : "entries"} came`, ["first-filter/silent-before", "first-filter/entries-match"]);
  }
}

/**
 * Writes one long batch whose texts are mostly of characters of several bytes: wherever a buffer ends on their way, it is likely to be within
 * one of them.
 */
async function requireWholeTexts(session: Session): Promise<boolean> {
  const broad = session.role("broad");
  const field = session.contract.entries.token;
  if (field === undefined) {
    return false;
  }
  const drafts: EntryDraft[] = [];
  for (let n = 0; n < 120; n++) {
    const draft = session.supply.draft([broad], []);
    if (draft === undefined) {
      return false;
    }
    drafts.push({ ...draft, [field]: `${draft[field] ?? ""} ${"x".repeat(n % 9)}${"☃é😀".repeat(200)}` });
  }
  const conversation = await session.flowing(broad);
  const produced = await session.supply.write(drafts);
  if (produced.kind === "unavailable") {
    // How long a text may be is the server's to say.
    conversation.cancel();
    return false;
  }
  await session.barrier(conversation);
  const came = new Set(conversation.arrivals.map((arrival) => arrival.token));
  const lost = produced.tokens.filter((token) => !came.has(token));
  if (lost.length > 0) {
    fail(
      `${produced.tokens.length} entries with long texts beyond ASCII, each as it was written`,
      `${lost.length} did not come so, although a later entry did`,
      rootsOfNoEntry,
    );
  }
  conversation.cancel();
  return true;
}

/** Requests that write at the same time, and entries of each. */
const burstWriters = 16;
const burstEach = 20;

/**
 * Writes many entries side by side, as fast as the producer takes them: where a server gathers entries into one message, a message is full.
 * @returns whether anything was proved; the order is that of the server.
 */
async function requireBurst(session: Session): Promise<boolean> {
  if (session.contract.producer.kind === "command") {
    // A process an entry is no burst.
    return false;
  }
  const broad = session.role("broad");
  const conversation = await session.flowing(broad);
  const written = await Promise.all(Array.from({ length: burstWriters }, () => session.supply.produce([broad], [], burstEach)));
  const tokens = written.flatMap((one) => (one.kind === "produced" ? one.tokens : []));
  await session.barrier(conversation);
  const came = new Map<string, number>();
  let counted = 0;
  const all = (): true | undefined => {
    for (; counted < conversation.arrivals.length; counted++) {
      const token = conversation.arrivals[counted]?.token ?? "";
      came.set(token, (came.get(token) ?? 0) + 1);
    }
    return tokens.every((token) => came.has(token)) ? true : undefined;
  };
  // Their order among each other is another check's matter.
  await session.until(all, session.bounds.applyMs);
  const wrong = tokens.filter((token) => came.get(token) !== 1);
  if (wrong.length > 0) {
    const lost = wrong.filter((token) => !came.has(token)).length;
    fail(
      `each of ${tokens.length} entries that are written side by side, once`,
      lost > 0 ? `${lost} did not come, although a later one did` : `${wrong.length} came more than once`,
      rootsOfNoEntry,
    );
  }
  conversation.cancel();
  return tokens.length > 0;
}

/** Writes entries that match each other filter but not this one: what a wrong predicate would let through. */
async function writeNearMisses(session: Session, filter: Filter): Promise<void> {
  for (const other of Object.values(session.contract.filters)) {
    const draft = other === filter ? undefined : session.supply.draft([other], [filter]);
    if (draft !== undefined && session.supply.producer.kind === "ready") {
      await session.supply.write([draft]);
    }
  }
}

/** Writes the entries of a variant; where the producer refuses them together, each by itself. @returns those that it took */
async function writeWhatIsTaken(session: Session, variant: Variant): Promise<readonly (Variant["drafts"][number] & { readonly token: string | undefined })[]> {
  const together = await session.supply.write(variant.drafts.map(({ draft }) => draft));
  if (together.kind === "produced") {
    return variant.drafts.map((one, index) => ({ ...one, token: together.tokens[index] }));
  }
  const taken: (Variant["drafts"][number] & { readonly token: string | undefined })[] = [];
  for (const one of variant.drafts) {
    const alone = await session.supply.write([one.draft]);
    if (alone.kind === "produced") {
      taken.push({ ...one, token: alone.tokens[0] });
    }
  }
  return taken;
}

/**
 * A stream on which a filter that no sample names is in effect; undefined when the server refuses such a filter, because what may stand in a field
 * is its own to say, and when no entry can be made that would show its effect.
 */
async function flowingUnlessRefused(session: Session, filter: Filter): Promise<Conversation | undefined> {
  if (session.supply.lacks([filter], []) !== undefined) {
    return undefined;
  }
  const conversation = await session.open();
  try {
    await conversation.send(filter);
    await session.effect(conversation, filter, { since: 0 });
    return conversation;
  } catch (thrown) {
    const { end } = conversation;
    if (conversation.rejections > 0 || (end?.kind === "rejected" && refusals(session).includes(end.code))) {
      conversation.cancel();
      return undefined;
    }
    throw thrown;
  }
}

/** Statuses, or close codes, that say that a filter is invalid. */
function refusals(session: Session): readonly number[] {
  const { invalid } = session.contract.roles;
  return session.transport === "grpc"
    ? [3, 9, 11, ...invalid.flatMap(({ grpcStatuses }) => grpcStatuses)]
    : [1003, 1007, 1008, ...invalid.flatMap(({ wsCodes }) => wsCodes)];
}
