import { performance } from "node:perf_hooks";
import type { Check } from "../src/conformance/check.js";
import type { Arrival, Conversation } from "../src/conformance/conversation.js";
import { rootsOfNoEntry, rootsOfNoUpdate, rootsOfWrongEntry } from "../src/conformance/roots.js";
import type { Session } from "../src/conformance/session.js";
import type { Produced } from "../src/conformance/supply.js";
import { type EntryDraft, type Filter, ordinaryFilters } from "../src/core/contract.js";
import { jsonText } from "../src/core/json-text.js";
import { fail, notApplicable, unproven, warn } from "../src/core/verdict.js";
import {
  alternating,
  firstOf,
  flowOf,
  overdue,
  requireAcks,
  requireAllMatch,
  requireAStarBStar,
  requireInOrder,
  requireTokensInOrder,
} from "./observations.js";
import { writeUnequal, writtenMeanwhile } from "./update-batches.js";

const both = ["grpc", "ws"] as const;

export const filterUpdateChecks: readonly Check[] = [
  {
    id: "filter-updates/takes-effect",
    on: both,
    level: "must",
    requirement: "A new filter takes effect within the bound while entries flow at an ordinary rate, and again, and back.",
    clause: "monitor design: the client may change its filter at any time",
    why: "It is what tells a monitor from a subscription; the other checks of updates stand on it.",
    exchange: ["C → S  filter A", "S → C  A …", "C → S  filter B", "S → C  … B", "C → S  filter A", "S → C  … A"],
    causes: { any: "Only the first filter is ever read, or an update is merged into it." },
    dependsOn: ["first-filter/takes-effect"],
    async run(session) {
      const [a, b] = session.role("disjoint");
      const conversation = await session.flowing(a);
      for (const filter of [b, a, b]) {
        await session.change(conversation, filter);
        await requireAcks(session, conversation);
      }
    },
  },
  {
    id: "filter-updates/no-old-after-new",
    on: both,
    level: "must",
    requirement: "After the first entry that only the new filter lets through, none comes that only the old one lets through.",
    clause: "monitor design: a filter replaces the one before it",
    why: "A client resets its view when the first new entry comes; an old one after it is shown under a filter that excludes it.",
    exchange: ["C → S  filter A", "S → C  A A A", "C → S  filter B", "S → C  A A B B B   (never A after B)"],
    causes: {
      any: "Entries queued for the old filter are sent after the new one took effect, or two tasks send side by side.",
      Go: "One goroutine a filter, and the old one is cancelled but not awaited.",
      Node: "An `await` stands between the match and the write, and the filter changes meanwhile.",
      Python: "The old sender task is cancelled after the new one was started.",
      Rust: "A `select!` loop drains the old subscription's channel after the new one was made.",
    },
    dependsOn: ["first-filter/takes-effect"],
    async run(session) {
      const [a, b] = session.role("disjoint");
      const conversation = await session.flowing(a);
      let [from, to] = [a, b];
      for (let round = 0; round < 12; round++) {
        const since = conversation.arrivals.length;
        const drafts = alternating(session, from, to, 40);
        const writing = drafts === undefined ? undefined : session.supply.write(drafts);
        const [old, fresh] = [from, to];
        await session.change(conversation, fresh);
        await writing;
        const more = alternating(session, old, fresh, 10);
        if (more !== undefined) {
          await session.supply.write(more);
        }
        await session.barrier(conversation);
        requireAStarBStar(conversation, old, fresh, since);
        [from, to] = [fresh, old];
      }
    },
  },
  {
    id: "filter-updates/effective-under-load",
    on: both,
    level: "must",
    requirement: "A new filter takes effect within the bound while the old one's entries flow heavily.",
    clause: "monitor design: the client may change its filter at any time",
    why: "A user changes the filter exactly when there is too much; an update that waits for the flood to end never comes.",
    exchange: ["C → S  filter A", "S → C  A A A A A …", "C → S  filter B", "S → C  … B within the bound"],
    causes: {
      any: "Updates are read only when the send queue is empty, or sender and reader share one loop that sends first.",
      Go: "`select` with a `default` branch that sends: the update channel starves.",
      Java: "Updates and sends go through one serial executor.",
    },
    dependsOn: ["first-filter/takes-effect"],
    async run(session) {
      const [a, b] = session.role("disjoint");
      const conversation = await session.flowing(a);
      const flood = { on: true };
      const flow = (async () => {
        while (flood.on) {
          const produced = await session.supply.produce([a], [b], 100);
          if (produced.kind === "unavailable") {
            return;
          }
          await session.until(() => (flood.on ? undefined : true), 10, { quiet: true });
        }
      })();
      try {
        await session.until(() => (conversation.arrivals.length > 300 ? true : undefined), 200, { quiet: true });
        await session.change(conversation, b);
        const since = conversation.arrivals.length;
        await session.barrier(conversation);
        requireAllMatch(conversation, b, since);
      } finally {
        flood.on = false;
        await flow;
      }
    },
  },
  {
    id: "filter-updates/replaces-not-merges",
    on: both,
    level: "must",
    requirement: "A filter replaces the one before it as a whole: no constraint of the old one stays, no entry that only the old one lets through comes.",
    clause: "monitor design: a filter replaces the one before it",
    why: "A merged filter shows either more or less than the user asked for, and there is no way back.",
    exchange: ["C → S  filter A", "S → C  A …", "C → S  filter B", "S → C  all B, no A-only"],
    causes: {
      any: "The fields that are set are merged into the old filter, so an absent field keeps its old value.",
      Go: "`proto.Merge`, or `json.Unmarshal` into the same struct.",
      Python: "`current.update(new)` or `MergeFrom`.",
      Node: "`Object.assign(current, filter)`.",
    },
    dependsOn: ["first-filter/takes-effect"],
    async run(session) {
      const pairs = pairsOf(session);
      for (const [a, b] of pairs) {
        const conversation = await session.flowing(a);
        await session.change(conversation, b);
        const since = conversation.arrivals.length;
        const onlyA = session.supply.draft([a], [b]);
        const onlyB = session.supply.draft([b], [a]);
        const written = onlyB === undefined || session.supply.producer.kind !== "ready" ? undefined : await writeLastOf(session, onlyA, onlyB);
        if (written === undefined) {
          await session.until(() => (conversation.arrivals.length > since + 20 ? true : undefined), 150, { quiet: true });
        }
        await session.barrier(conversation);
        requireAllMatch(conversation, b, since);
        if (written?.kind === "produced" && !conversation.arrivals.some((arrival) => arrival.token === written.tokens.at(-1))) {
          fail(
            `every entry that "${b.name}" lets through`,
            `one that "${a.name}" does not let through was left out: the old filter still constrains`,
            rootsOfNoEntry,
          );
        }
        conversation.cancel();
      }
    },
  },
  {
    id: "filter-updates/burst-last-wins",
    on: both,
    level: "must",
    requirement: "After a burst of 1,000 updates the last one is in effect.",
    clause: "monitor design: a filter replaces the one before it",
    why: "Typing into a search box makes bursts; a server that drops the newest of them shows the result of an earlier keystroke for ever.",
    exchange: ["C → S  A B A B … A B   (1,000 filters)", "S → C  … B B B"],
    causes: {
      any: "A bounded queue of updates drops the newest when full, or a rate limit forgets the last one.",
      Go: "`select { case updates <- f: default: }` on a buffered channel.",
      Rust: "`try_send` on a bounded channel with its error ignored.",
      Java: "`offer` on a bounded queue with its result ignored.",
    },
    dependsOn: ["first-filter/takes-effect", "filter-updates/effective-while-idle"],
    async run(session) {
      const [a, b] = session.role("disjoint");
      const last = thirdFilter(session, a, b);
      const conversation = await session.flowing(a);
      for (let n = 0; n < 20; n++) {
        // Fifty at a time leave in one burst; the order of the calls is the order on the wire.
        await Promise.all(Array.from({ length: 25 }, (_, m) => [conversation.send(b), conversation.send(n === 19 && m === 24 ? last : a)]).flat());
      }
      // Only the last of the burst lets such an entry through: once it comes, all 1,000 have been read.
      await session.effect(conversation, last, { unless: [a, b], since: 0 });
      const since = conversation.arrivals.length;
      // One that was put aside, to be checked or looked up, would come into force after the last.
      await session.settle(100);
      for (const old of [a, b]) {
        const outside = session.supply.draft([old], [last]);
        if (outside !== undefined && session.supply.producer.kind === "ready") {
          await session.supply.write([outside, outside]);
        }
      }
      await session.barrier(conversation, last);
      requireAllMatch(conversation, last, since);
    },
  },
  {
    id: "filter-updates/same-again-no-replay",
    on: both,
    level: "must",
    requirement: "Sending the same filter again changes nothing: no entry comes twice, none is left out.",
    clause: "monitor design: live delivery, each matching entry once",
    why: "Clients resend their filter to be sure; a server that starts over duplicates what was shown.",
    exchange: ["C → S  filter A", "S → C  1 2 3", "C → S  filter A", "S → C  4 5 6   (not 1 again)"],
    causes: {
      any: "Each filter restarts a cursor at the beginning of the log, or replays a buffer of recent entries.",
      Go: "A subscription is closed and made again, and what was written between the two is lost.",
    },
    dependsOn: ["first-filter/takes-effect"],
    async run(session) {
      const filters = [session.role("broad"), ...(session.contract.roles.disjoint ?? []).slice(0, 1)];
      for (const filter of filters) {
        const conversation = await session.flowing(filter);
        const tokens: string[] = [];
        for (let round = 0; round < 8; round++) {
          const meanwhile = round >= 4 && filter === filters[0];
          const produced = meanwhile ? await writtenMeanwhile(session, conversation, filter) : await session.supply.produce([filter], [], 10);
          if (produced.kind === "produced") {
            tokens.push(...produced.tokens);
          } else {
            const from = conversation.arrivals.length;
            await session.until(() => (conversation.arrivals.length > from + 3 ? true : undefined), 100, { quiet: true });
          }
          await conversation.send(filter);
        }
        await session.barrier(conversation);
        requireInOrder(session, conversation);
        if (tokens.length > 0 && session.contract.semantics.updateGap !== true) {
          requireTokensInOrder(conversation, tokens);
        }
        requireAllMatch(conversation, filter);
        conversation.cancel();
      }
    },
  },
  {
    id: "filter-updates/no-reach-back",
    on: both,
    level: "must",
    requirement: "A filter lets through only what is written after it: an entry that was in the log before the filter was sent does not come.",
    clause: "monitor design: live delivery, no replay",
    why: "A filter that reaches back shows entries as if they had just been written, and some of them twice.",
    exchange: ["C → S  filter A", "       entries that only B lets through are written", "C → S  filter B", "S → C  none of those; later ones"],
    causes: {
      any: "Entries are queued unfiltered and matched when they are sent, or a new filter starts with a look at recent entries.",
      Go: "A buffered channel of all entries per stream, with the match in the send loop.",
    },
    dependsOn: ["filter-updates/takes-effect"],
    needs: ["producer"],
    async run(session) {
      if (session.contract.semantics.delivery === "replay") {
        notApplicable("the contract declares that earlier entries may be replayed");
      }
      await requireNoReachBack(session, false);
      await requireNoReachBack(session, true);
    },
  },
  {
    id: "filter-updates/narrow-wide-narrow",
    on: both,
    level: "must",
    requirement: "A filter can be narrowed, widened and narrowed again, each time with effect.",
    clause: "monitor design: the client may change its filter at any time",
    why: "Widening is as common as narrowing; a server that keeps only what passed the last filter can never widen.",
    exchange: ["C → S  narrow", "C → S  wide", "S → C  entries that only the wide one lets through", "C → S  narrow", "S → C  only narrow ones"],
    causes: { any: "The new filter is applied on top of the old one's stream, so it can only narrow." },
    dependsOn: ["first-filter/takes-effect"],
    async run(session) {
      const broad = session.role("broad");
      const narrow = session.contract.roles.disjoint?.[0] ?? session.role("silent");
      const conversation = await session.flowing(narrow);
      for (let round = 0; round < 2; round++) {
        await session.change(conversation, broad);
        await conversation.send(narrow);
        await untilOldDrains(session, conversation, broad, narrow);
        const since = conversation.arrivals.length;
        const outside = session.supply.draft([broad], [narrow]);
        if (outside !== undefined && session.supply.producer.kind === "ready") {
          await session.supply.write([outside, outside]);
        }
        await session.barrier(conversation, narrow);
        requireAllMatch(conversation, narrow, since);
      }
    },
  },
  {
    id: "filter-updates/staleness-budget",
    on: both,
    level: "should",
    requirement: "Entries of the old filter stop soon after an update: within 250 ms at the 99th percentile.",
    clause: "monitor design; the budget is this harness's own",
    why: "Debounced or batched updates feel broken: the user has changed the filter and still sees the old one.",
    exchange: ["C → S  filter B", "S → C  A A  (for at most 250 ms)", "S → C  B …"],
    causes: { any: "Updates are debounced, polled for, or wait behind a large send buffer." },
    dependsOn: ["filter-updates/no-old-after-new"],
    exclusive: true,
    async run(session) {
      const [a, b] = session.role("disjoint");
      const conversation = await session.flowing(a);
      const spans: number[] = [];
      let [from, to] = [a, b];
      for (let round = 0; round < 20; round++) {
        const since = conversation.arrivals.length;
        const sentMicros = performance.now() * 1000;
        const [old, fresh] = [from, to];
        const first = await session.change(conversation, fresh);
        const lastOld = conversation.arrivals.slice(since).findLast((arrival) => old.matches(arrival.entry) && !fresh.matches(arrival.entry));
        spans.push(((lastOld?.atMicros ?? sentMicros) - sentMicros) / 1000, (first.atMicros - sentMicros) / 1000);
        [from, to] = [fresh, old];
        if (spans.filter((span) => span > 250).length > 2) {
          break;
        }
      }
      const over = spans.filter((span) => span > 250);
      if (over.length > 2) {
        fail(
          "a new filter shows, and the old one stops, within 250 ms",
          `${over.length / 2 >= 1 ? Math.ceil(over.length / 2) : 1} of ${spans.length / 2} updates took longer, up to ${Math.round(Math.max(...spans))} ms`,
        );
      }
    },
  },
  {
    id: "filter-updates/order-kept",
    on: both,
    level: "must",
    requirement: "Entries keep their order, each once, across filter updates.",
    clause: "monitor design: matching entries in sequence order",
    why: "A viewer that must sort what it is streamed cannot be live.",
    exchange: ["C → S  A, then broad, then A …", "S → C  sequence strictly increasing"],
    causes: {
      any: "Sends run concurrently: one task per entry, or one per filter.",
      Node: "`Promise.all` over sends, or a `send` that is not awaited behind one that is; long entries take another way than short ones.",
      Java: "Entries are dispatched to a thread pool before they are sent.",
    },
    dependsOn: ["first-filter/takes-effect"],
    async run(session) {
      const broad = session.role("broad");
      const [a] = session.contract.roles.disjoint ?? [broad];
      if (session.contract.entries.sequence === undefined) {
        unproven("a sequence field in the contract");
      }
      const conversation = await session.flowing(broad);
      for (let round = 0; round < 6; round++) {
        const writing = round % 3 === 0 ? writeUnequal(session, a, 50) : session.supply.produce([a], [], 50);
        await conversation.send(round % 2 === 0 ? a : broad);
        const produced = await writing;
        if (produced.kind === "produced") {
          await session.barrier(conversation, a);
        } else {
          await session.until(() => undefined, 30, { quiet: true });
        }
      }
      await conversation.send(broad);
      await flowOf(session, conversation, broad, 200);
      requireInOrder(session, conversation);
    },
  },
];

/** Writes entries for B under A, then sends B; with a backlog, while the reader pauses. A backlog is a warning only: what was queued when the filter came may be judged late. */
async function requireNoReachBack(session: Session, backlog: boolean): Promise<void> {
  const [a, b] = session.role("disjoint");
  const conversation = await session.flowing(a);
  if (backlog) {
    conversation.pause();
    const filler = session.supply.draft([a], [b]);
    const field = session.contract.entries.token;
    for (let n = 0; n < 20; n++) {
      if (filler === undefined || field === undefined) {
        break;
      }
      await session.supply.write(Array.from({ length: 50 }, () => ({ ...filler, [field]: `${filler[field] ?? ""} ${"x".repeat(1000)}` })));
    }
  }
  const before = await session.supply.produce([b], [a], 8);
  await conversation.send(b);
  if (backlog) {
    await session.settle(100);
    conversation.resume();
  }
  const shown = await session
    .effect(conversation, b, { unless: [a], since: 0, boundMs: session.bounds.applyMs * (backlog ? 3 : 1) })
    .catch((thrown: unknown) => {
      if (backlog && conversation.end !== undefined && conversation.end.kind !== "completed") {
        return undefined;
      }
      throw thrown;
    });
  if (shown === undefined) {
    return;
  }
  await session.barrier(conversation, b);
  const early = before.kind === "produced" ? firstOf(conversation, before.tokens) : undefined;
  if (early !== undefined) {
    conversation.accuse(early, `was written before "${b.name}" was sent`);
    const judge = backlog ? warn : fail;
    judge(
      `no entry that was written before the filter "${b.name}" was sent`,
      `${jsonText(early.entry)} came${backlog ? ", after the reader had paused" : ""}`,
      rootsOfWrongEntry(conversation.filters, early.entry),
    );
  }
  conversation.cancel();
}

/** Writes both in order, or the second alone where the producer refuses them together. */
async function writeLastOf(session: Session, first: EntryDraft | undefined, last: EntryDraft): Promise<Produced> {
  const together = await session.supply.write(first === undefined ? [last] : [first, last]);
  return together.kind === "produced" || first === undefined ? together : session.supply.write([last]);
}

/** The pairs that show replacing: disjoint both ways, and overlapping both ways. */
function pairsOf(session: Session): (readonly [Filter, Filter])[] {
  const { disjoint, overlap } = session.contract.roles;
  const pairs = [disjoint, overlap].filter((pair) => pair !== undefined).flatMap(([x, y]) => [[x, y] as const, [y, x] as const]);
  if (pairs.length === 0) {
    session.role("disjoint");
  }
  return [...pairs, ...widenings(session, pairs.flat())];
}

/** For each field that none of these filters sets: one that does, replaced by the broad one. A field that is merged would stay. */
function widenings(session: Session, tried: readonly Filter[]): (readonly [Filter, Filter])[] {
  const { broad } = session.contract.roles;
  const fieldsOf = (filter: Filter): string[] => Object.keys(filter.messages.at(-1) ?? {});
  const seen = new Set(tried.flatMap(fieldsOf));
  const found: (readonly [Filter, Filter])[] = [];
  for (const filter of ordinaryFilters(session.contract)) {
    const usable = broad !== undefined && filter !== broad;
    const isNew = fieldsOf(filter).some((field) => !seen.has(field));
    if (usable && isNew && session.supply.lacks([filter], []) === undefined && session.supply.lacks([broad], [filter]) === undefined) {
      fieldsOf(filter).forEach((field) => seen.add(field));
      found.push([filter, broad]);
    }
  }
  return found;
}

/** A filter that lets entries through which neither of the two does, so that its effect cannot be mistaken for theirs. */
function thirdFilter(session: Session, a: Filter, b: Filter): Filter {
  const candidates = [...(session.contract.roles.overlap ?? []), session.contract.roles.broad, ...Object.values(session.contract.filters)];
  const third = candidates.find((filter) => filter !== undefined && session.supply.lacks([filter], [a, b]) === undefined);
  if (third === undefined) {
    unproven(`a filter that lets entries through which neither "${a.name}" nor "${b.name}" does`);
  }
  return third;
}

/** Waits until an entry that only the old filter lets through, written afresh, no longer comes: the update holds. What was written before the bound may come late. */
async function untilOldDrains(session: Session, conversation: Conversation, old: Filter, fresh: Filter): Promise<void> {
  const startMs = performance.now();
  for (let last = false; !last;) {
    last = overdue(session, startMs, session.bounds.applyMs);
    const since = conversation.arrivals.length;
    const outside = session.supply.draft([old], [fresh]);
    const written = outside === undefined || session.contract.entries.token === undefined ? undefined : await session.supply.write([outside]);
    if (written?.kind !== "produced") {
      await session.until(() => undefined, 40, { quiet: true });
    }
    // A sentinel written after the outsider: whatever was due before it has come.
    await session.barrier(conversation, fresh);
    const holds = (arrival: Arrival): boolean =>
      written?.kind === "produced" ? arrival.token === undefined || !written.tokens.includes(arrival.token) : fresh.matches(arrival.entry);
    if (conversation.arrivals.slice(since).every(holds)) {
      return;
    }
  }
  fail(`"${fresh.name}" is in effect within ${session.bounds.applyMs} ms`, `entries that it does not let through still come`, rootsOfNoUpdate(true));
}
