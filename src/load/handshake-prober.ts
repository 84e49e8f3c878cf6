import type { Clock } from "../core/clock.js";
import { Histogram, type HistogramParts } from "../core/histogram.js";
import type { TimeMetric } from "../core/metric.js";
import type { Target } from "../core/target.js";
import { upgrade, type UpgradeOutcome } from "../wire/websocket-upgrade.js";
import { WireError } from "../wire/wire-error.js";

export const phases = ["before", "during", "after"] as const;
export type Phase = (typeof phases)[number];

/** What the handshakes of one phase came to; plain data. */
export interface ProbedPhase {
  /** From the dial to the whole answer, of upgrades that were answered 101. */
  readonly accepted: HistogramParts;
  /** The same of wrong upgrades that were refused. */
  readonly refused: HistogramParts;
  /** What was neither, with how often it was. */
  readonly unexpected: Readonly<Record<string, number>>;
}

export interface Probed {
  readonly phases: Readonly<Record<Phase, ProbedPhase>>;
  /** By the metrics' own definitions, all phases together. */
  readonly times: Readonly<Partial<Record<TimeMetric, HistogramParts>>>;
}

export interface HandshakeProber {
  /** Begins a handshake every 100 ms, right and wrong in turn. */
  start(): void;
  /** Gives up what is under way; resolves when no socket is left. */
  close(): Promise<Probed>;
}

const everyMs = 100;
/** One that takes longer counts as unanswered; fifty are under way at most. */
const answerWithinMs = 5000;

/**
 * Measures handshakes with a WebSocket target while something else goes on: each on a socket of its own, with one start time.
 * @param phaseNow which phase it is; a handshake that begins in one and ends in another belongs to `during`.
 */
export function createHandshakeProber(target: Target, clock: Clock, phaseNow: () => Phase): HandshakeProber {
  const books = { before: newBook(), during: newBook(), after: newBook() } satisfies Record<Phase, Book>;
  const times = new Map<TimeMetric, Histogram>();
  const underWay = new Set<Promise<void>>();
  const over = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let dueMicros = 0;
  let number = 0;

  const next = (): void => {
    const probe = perform(number++ % 2 === 0).finally(() => underWay.delete(probe));
    underWay.add(probe);
    dueMicros += everyMs * 1000;
    timer = setTimeout(next, Math.max(0, (dueMicros - clock.nowMicros()) / 1000));
  };
  const perform = async (right: boolean): Promise<void> => {
    const begun = phaseNow();
    const outcome = await ask(target, right, over.signal);
    if (over.signal.aborted) {
      return;
    }
    const ended = phaseNow();
    const book = books[begun === ended ? begun : "during"];
    if (typeof outcome === "string") {
      book.unexpected.set(outcome, (book.unexpected.get(outcome) ?? 0) + 1);
      return;
    }
    const { timing } = outcome;
    (right ? book.accepted : book.refused).record(timing.respondedAtMicros - timing.dialedAtMicros);
    record(times, "connect", timing.connectedAtMicros - timing.dialedAtMicros);
    record(times, right ? "open" : "handshake-reject", timing.respondedAtMicros - timing.requestedAtMicros);
  };
  return {
    start() {
      dueMicros = clock.nowMicros();
      next();
    },
    async close() {
      clearTimeout(timer);
      over.abort();
      await Promise.all(underWay);
      return {
        phases: { before: partsOf(books.before), during: partsOf(books.during), after: partsOf(books.after) },
        times: Object.fromEntries([...times].map(([name, histogram]) => [name, histogram.parts()])),
      };
    },
  };
}

interface Book {
  readonly accepted: Histogram;
  readonly refused: Histogram;
  readonly unexpected: Map<string, number>;
}

function newBook(): Book {
  return { accepted: new Histogram(), refused: new Histogram(), unexpected: new Map() };
}

function partsOf({ accepted, refused, unexpected }: Book): ProbedPhase {
  return { accepted: accepted.parts(), refused: refused.parts(), unexpected: Object.fromEntries(unexpected) };
}

function record(times: Map<TimeMetric, Histogram>, name: TimeMetric, micros: number): void {
  const histogram = times.get(name) ?? new Histogram();
  histogram.record(micros);
  times.set(name, histogram);
}

/** The answer that was due, or what came instead. */
async function ask(target: Target, right: boolean, signal: AbortSignal): Promise<UpgradeOutcome | string> {
  const { tls } = target;
  const subprotocols = target.contract.websocket?.subprotocols ?? [];
  try {
    const outcome = await upgrade({
      host: target.host,
      port: target.port,
      path: target.path,
      headers: target.headers,
      tls: tls === undefined ? undefined : { ...tls, rejectUnauthorized: tls.insecure !== true },
      subprotocols: subprotocols.length === 0 ? undefined : subprotocols,
      ...(right ? {} : { version: "99" }),
      timeoutMs: answerWithinMs,
      signal,
    });
    if (outcome.kind === "accepted") {
      outcome.connection.destroy();
    }
    return (outcome.kind === "accepted") === right ? outcome : `${right ? "an upgrade" : "a wrong upgrade"} was answered ${outcome.response.status}`;
  } catch (thrown) {
    if (thrown instanceof WireError) {
      return `${right ? "an upgrade" : "a wrong upgrade"} was not answered (${thrown.code})`;
    }
    throw thrown;
  }
}
