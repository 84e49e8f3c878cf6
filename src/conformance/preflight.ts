import { performance } from "node:perf_hooks";
import { type Contract, type Entry, type Filter, ordinaryFilters, type Transport } from "../core/contract.js";
import { HarnessError } from "../core/errors.js";
import type { Driver, StreamEnd } from "../core/stream.js";
import type { Target } from "../core/target.js";
import { createConversation, describeEnd, oneLine } from "./conversation.js";
import type { LoopWatch } from "./loop-watch.js";
import { learnDrafts } from "./learned-drafts.js";
import { createNumberedSupply, whyNotTold } from "./numbered-supply.js";
import { createSupply, type DraftProducer, type Supply } from "./supply.js";
import { createWaiter, outcomeOf } from "./wait.js";

/** How long the entries that come by themselves are watched, after the first: until there are enough of them to know what comes, and one for each filter that is to be seen by them, within bounds. */
interface Look {
  readonly leastMs: number;
  readonly mostMs: number;
}
const enoughEntries = 200;
const keptEntries = 2000;
const mostEntries = 20_000;
const alone: Look = { leastMs: 250, mostMs: 1500 };
/** Where a producer can make what every filter asks for little depends on them. */
const besideProducer: Look = { leastMs: 100, mostMs: 100 };

/** A failure that took longer is none of the entry's values. */
const slowAnswerMs = 1000;

/**
 * Opens one stream on each target before anything is judged: who does not answer here is unreachable, not non-conforming.
 * Says also where entries will come from.
 * @throws HarnessError `unreachable` when a target does not answer, or refuses the call as such.
 */
export async function preflight(options: {
  readonly contract: Contract;
  readonly targets: Readonly<Partial<Record<Transport, Target>>>;
  readonly drivers: Readonly<Partial<Record<Transport, Driver>>>;
  readonly producer: DraftProducer | undefined;
  readonly producerMissing: string | undefined;
  readonly watch: LoopWatch;
  readonly applyMs: number;
}): Promise<Supply> {
  const { contract, watch } = options;
  const first = await producerState(options);
  const broad = contract.roles.broad ?? Object.values(contract.filters)[0];
  const sought = ordinaryFilters(contract).filter((filter) => first.kind !== "ready" || contract.draft([filter], []) === undefined);
  const looks = (["grpc", "ws"] as const).map(async (transport) => {
    const target = options.targets[transport];
    const driver = options.drivers[transport];
    if (target === undefined || driver === undefined || broad === undefined) {
      return nothingSeen;
    }
    const at = { contract, target, driver, watch, sought, watched: alone };
    if (first.kind === "ready") {
      return look({ ...at, filters: [broad], applyMs: 400, ...(sought.length === 0 ? { watched: besideProducer } : {}) });
    }
    // All that there is to judge by is what comes by itself: a server that loses its first filter, or this one, must not pass for a quiet one.
    const [other = broad] = contract.roles.disjoint ?? [];
    const seen = await look({ ...at, filters: [broad, other], applyMs: options.applyMs });
    return seen.entries.length > 0 ? seen : look({ ...at, filters: [other], applyMs: Math.min(options.applyMs, 1000) });
  });
  // Both are heard out: what the first of them has open must not outlive the failure of the other.
  await Promise.allSettled(looks);
  const [overGrpc = nothingSeen, overWebSocket = nothingSeen] = await Promise.all(looks);
  const { entries: background, perSecond: backgroundPerSecond } = overWebSocket.entries.length > overGrpc.entries.length ? overWebSocket : overGrpc;
  const learned = await learnFrom(options, first, background);
  const supply = createSupply({ contract: learned.contract, producer: options.producer, state: learned.state, background, backgroundPerSecond });
  return createNumberedSupply(contract, options.producer, supply);
}

/** The contract with what the producer takes, and where entries will come from then: a first entry may have been refused for one of its values. */
async function learnFrom(
  options: Parameters<typeof preflight>[0],
  first: ProducerState,
  seen: readonly Entry[],
): Promise<{ readonly contract: Contract; readonly state: Supply["producer"] }> {
  const { contract, producer } = options;
  if (producer === undefined || (first.kind !== "ready" && first.refused !== true)) {
    return { contract, state: first };
  }
  const learned = await learnDrafts(contract, producer, seen);
  const again = first.kind === "ready" || !learned.takesAny ? first : await producerState({ ...options, contract: learned.contract });
  return { contract: learned.contract, state: again };
}

type ProducerState = Supply["producer"] & { /** It is there, and refused the entry. */ readonly refused?: boolean };

async function producerState(options: Parameters<typeof preflight>[0]): Promise<ProducerState> {
  const { contract, producer, producerMissing } = options;
  if (contract.producer.kind === "declared-none") {
    return { kind: "declared-none" };
  }
  if (producer === undefined) {
    return { kind: "missing", reason: producerMissing ?? "the contract names no producer" };
  }
  const broad = contract.roles.broad;
  const draft = contract.draft(broad === undefined ? [] : [broad], []);
  if (draft === undefined) {
    return { kind: "missing", reason: "the contract gives no way to make an entry" };
  }
  const startMs = performance.now();
  const outcome = await producer.produce([draft]);
  const answered = performance.now() - startMs < slowAnswerMs;
  const reason = outcome.kind === "produced" ? whyNotTold(contract, outcome) : outcome.reason;
  // Where the path names something, "not found" may be said of that.
  const inPath = contract.producer.kind === "http" && contract.producer.path.includes("{");
  return reason === undefined
    ? { kind: "ready" }
    : { kind: "missing", reason, refused: answered && (outcome.kind === "failed" || (outcome.kind === "unavailable" && inPath)) };
}

/** What came by itself. */
interface Seen {
  readonly entries: readonly Entry[];
  readonly perSecond: number;
}
const nothingSeen: Seen = { entries: [], perSecond: 0 };

async function look(options: {
  readonly contract: Contract;
  readonly target: Target;
  readonly driver: Driver;
  /** Sent one after the other until entries come. */
  readonly filters: readonly Filter[];
  /** Those for which no entry can be made. */
  readonly sought: readonly Filter[];
  readonly watch: LoopWatch;
  readonly applyMs: number;
  readonly watched: Look;
}): Promise<Seen> {
  const { contract, target, driver, filters, sought, watch, applyMs, watched } = options;
  const waiter = createWaiter(watch);
  const { conversation, attach, hear } = createConversation({ contract, record: () => undefined, poke: () => waiter.poke() }, "preflight");
  const connection = await driver.connect(target, { timeoutMs: 10_000 });
  try {
    const stream = await connection.open({ events: hear });
    attach(stream);
    const startMs = performance.now();
    for (const filter of filters) {
      if (conversation.arrivals.length > 0 || conversation.end !== undefined) {
        break;
      }
      // A window of zero holds a filter back for ever. Quiet: nothing is judged here, and a busy machine may make it late.
      await outcomeOf(waiter, conversation.send(filter), applyMs, { quiet: true });
      await waiter.until(() => (conversation.arrivals.length > 0 || conversation.end !== undefined ? true : undefined), applyMs, { quiet: true });
    }
    refuseIfNotServed(contract, target, conversation);
    if (conversation.arrivals.length === 0) {
      stream.cancel();
      return nothingSeen;
    }
    const from = conversation.arrivals.length;
    const fromMs = performance.now();
    const missing = new Set(sought);
    const rare: Entry[] = [];
    let cursor = 0;
    const hasSought = (): boolean => {
      for (; missing.size > 0 && cursor < conversation.arrivals.length; cursor++) {
        const entry = conversation.arrivals[cursor]?.entry ?? {};
        const met = [...missing].filter((filter) => filter.matches(entry));
        if (met.length > 0 && cursor >= keptEntries) {
          rare.push(entry);
        }
        met.forEach((filter) => missing.delete(filter));
      }
      return missing.size === 0;
    };
    const isFull = (): boolean => conversation.end !== undefined || conversation.arrivals.length >= mostEntries;
    await waiter.until(() => isFull() || undefined, watched.leastMs, { quiet: true });
    const knowsEnough = (): boolean => conversation.arrivals.length >= enoughEntries && hasSought();
    await waiter.until(() => isFull() || knowsEnough() || undefined, watched.mostMs - watched.leastMs, { quiet: true });
    stream.cancel();
    const seconds = Math.max(performance.now() - fromMs, 1) / 1000;
    const perSecond = (conversation.arrivals.length - from) / seconds;
    const rate = perSecond > 0 ? perSecond : conversation.arrivals.length / Math.max((performance.now() - startMs) / 1000, 0.001);
    // A single entry may be the one that asking for the producer made.
    const entries = [...conversation.arrivals.slice(0, keptEntries).map((arrival) => arrival.entry), ...rare];
    return { entries, perSecond: conversation.arrivals.length > 3 ? rate : 0 };
  } finally {
    await connection.close();
  }
}

/** A refusal of the very call, which no filter could have caused. */
function refuseIfNotServed(
  contract: Contract,
  target: Target,
  conversation: { readonly end: StreamEnd | undefined; readonly openedAtMicros: number | undefined },
): void {
  const { end } = conversation;
  if (target.transport === "ws" && end?.kind === "lost" && conversation.openedAtMicros === undefined) {
    throw new HarnessError("unreachable", `${target.url} did not answer the WebSocket upgrade: ${oneLine(end.cause, 300)}`, {
      place: target.url,
      hint: "check the port: it may belong to another protocol (gRPC), or speak TLS (wss://)",
    });
  }
  if (end?.kind !== "rejected" || (target.transport === "ws" && conversation.openedAtMicros !== undefined)) {
    return;
  }
  if (target.transport === "ws") {
    const auth = end.code === 401 || end.code === 403;
    throw new HarnessError(
      "unreachable",
      `${target.url} answered HTTP ${end.code} to the WebSocket upgrade${end.detail === "" ? "" : ` (${oneLine(end.detail, 300)})`}`,
      {
        place: target.url,
        hint: auth
          ? "pass a credential with --header or --token"
          : `check the path of the URL: the contract "${contract.name}" (${contract.source}) has ${contract.websocket?.path ?? "none"}`,
      },
    );
  }
  if ([7, 12, 16].includes(end.code)) {
    throw new HarnessError("unreachable", `${target.url} does not serve ${target.path}: ${describeEnd(end)}`, {
      place: target.url,
      hint:
        end.code === 12
          ? `that is the method of the contract "${contract.name}" (${contract.source}): give one that names the server's (--contract)`
          : "pass a credential with --header or --token",
    });
  }
}
