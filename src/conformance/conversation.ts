import { performance } from "node:perf_hooks";
import type { Contract, Entry, Filter, Message } from "../core/contract.js";
import { sequenceOf, tokenOf } from "../core/contract.js";
import { jsonText } from "../core/json-text.js";
import type { MonitorStream, StreamEnd, StreamEvent } from "../core/stream.js";
import type { TimelineNote } from "../core/timeline.js";
import { failOnSight, notApplicable } from "../core/verdict.js";

/** One entry as it came. */
export interface Arrival {
  readonly entry: Entry;
  readonly atMicros: number;
  /** Position among all arrivals of the stream, from 0. */
  readonly index: number;
  readonly sequence: number | bigint | undefined;
  readonly token: string | undefined;
}

/** Greatest number of arrivals that one stream keeps; a flood beyond it ends the check as unproven rather than eat the memory. */
const keptArrivals = 150_000;
/** Greatest number of bytes, as received, of the messages that one stream keeps. */
const keptBytes = 64 * 1024 * 1024;
/** One is enough to judge by; the rest show what kind of flood it is. */
const keptViolations = 1000;

/** What a conversation tells its session. */
export interface ConversationHost {
  readonly contract: Contract;
  record(note: TimelineNote, atMicros?: number): void;
  poke(): void;
  /** Bounds a send; rejects with a verdict when flow control or the stream's end keeps it from leaving. Default: unbounded. */
  bounded?(sending: Promise<void>, conversation: Conversation): Promise<void>;
}

/**
 * One monitor stream seen by a check: what was sent, what arrived, how it ended.
 * It holds the state; waiting and judging are the session's.
 */
export interface Conversation {
  /** `a`, `b` … as in the timeline. */
  readonly label: string;
  readonly arrivals: readonly Arrival[];
  /** Messages that are no entry and nothing that the contract knows, or bytes that do not decode. */
  readonly violations: readonly string[];
  readonly acks: number;
  /** How many entries had come when the filter sent as the `number`th (from 1) was acked; undefined when it was not, acks say nothing of filters, or there are more of them. */
  ackedAfter(number: number): number | undefined;
  readonly rejections: number;
  readonly openedAtMicros: number | undefined;
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly end: StreamEnd | undefined;
  readonly endedAtMicros: number | undefined;
  /** The filter sent last. */
  readonly filter: Filter | undefined;
  /** All filters sent, the current one last. */
  readonly filters: readonly Filter[];
  /** Sends a filter: the first opens, later ones update. Resolves when flow control took it. */
  send(filter: Filter): Promise<void>;
  /** Sends one message as it is, without regard to the filter state. */
  sendMessage(message: Message): Promise<void>;
  /** We will send no more. */
  halfClose(): Promise<void>;
  cancel(): void;
  pause(): void;
  resume(): void;
  /** Whether it ever stopped reading. */
  readonly hasPaused: boolean;
  /** `performance.now()` since which it reads after a pause, -Infinity when it never stopped; undefined while it does not read. */
  readonly readsSinceMs: number | undefined;
  /** Marks an arrival as the offence in the timeline. */
  accuse(arrival: Arrival, why: string): void;
}

/** A conversation and the ear to give to the driver as `events`. */
export function createConversation(
  host: ConversationHost,
  label: string,
): { conversation: Conversation; attach(stream: MonitorStream): void; hear(event: StreamEvent): void } {
  const arrivals: Arrival[] = [];
  const violations: string[] = [];
  /** For each ack how many entries had come. */
  const acks: number[] = [];
  let rejections = 0;
  let receivedBytes = 0;
  let overfull = false;
  let openedAtMicros: number | undefined;
  let headers: Readonly<Record<string, string>> | undefined;
  let end: StreamEnd | undefined;
  let endedAtMicros: number | undefined;
  let filter: Filter | undefined;
  const filters: Filter[] = [];
  let readsSinceMs: number | undefined = -Infinity;
  let slot = 0;
  let lastPut: Promise<void> = Promise.resolve();
  let stream: MonitorStream | undefined;
  const { contract } = host;

  const local = (what: string): void => host.record({ stream: label, direction: "local", what });
  const opened = (): MonitorStream => {
    if (stream === undefined) {
      throw new Error("conversation used before its stream was attached");
    }
    return stream;
  };
  const put = async (messages: readonly Message[], what: string): Promise<void> => {
    host.record({ stream: label, direction: "sent", what });
    const one = (message: Message): Promise<void> => {
      const sending = opened().send(message);
      return host.bounded === undefined ? sending : host.bounded(sending, conversation);
    };
    const [first] = messages;
    if (first !== undefined && messages.length === 1) {
      // At once, so that calls made in one go leave in their order.
      await one(first);
      return;
    }
    // The messages of one update belong together: the next update waits for them.
    const inTurn = lastPut.then(async () => {
      for (const message of messages) {
        await one(message);
      }
    });
    lastPut = inTurn.catch(() => undefined);
    await inTurn;
  };
  /** Reads no more of a stream that would eat the memory, or the time. */
  const stopReading = (of: string): void => {
    if (!overfull) {
      overfull = true;
      stream?.pause();
      local(`paused: more than ${of}`);
    }
  };
  const violate = (detail: string, atMicros: number): void => {
    if (violations.length >= keptViolations) {
      stopReading(`${keptViolations} messages that are none of the contract's`);
      return;
    }
    violations.push(detail);
    host.record({ stream: label, direction: "received", what: detail, offending: true }, atMicros);
  };
  const hearMessage = (message: Message, atMicros: number): void => {
    const received = contract.classify(message);
    switch (received.kind) {
      case "entries":
        for (const entry of received.entries) {
          if (arrivals.length >= keptArrivals) {
            stopReading(`${keptArrivals} entries`);
            return;
          }
          const token = tokenOf(contract.entries, entry);
          arrivals.push({ entry, atMicros, index: arrivals.length, sequence: sequenceOf(contract.entries, entry), token });
          host.record({ stream: label, direction: "received", what: () => describeEntry(contract, entry) }, atMicros);
        }
        return;
      case "ack":
        // More of them are no acks of filters, and a server may send them for ever.
        if (acks.length <= filters.length) {
          acks.push(arrivals.length);
        }
        host.record({ stream: label, direction: "received", what: `ack ${received.name}` }, atMicros);
        return;
      case "rejection":
        rejections += 1;
        host.record({ stream: label, direction: "received", what: `rejection ${received.name}` }, atMicros);
        return;
      case "ignorable":
        host.record({ stream: label, direction: "received", what: received.name }, atMicros);
        if (received.answer.length > 0) {
          put(received.answer, `answer to ${received.name}`).catch(() => {
            // The stream ended meanwhile; its end is reported as an event of its own.
          });
        }
        return;
      case "violation":
        violate(received.detail, atMicros);
    }
  };

  const conversation: Conversation = {
    label,
    arrivals,
    violations,
    get acks() {
      return acks.length;
    },
    ackedAfter: (number) => (contract.semantics.takesEffect !== "ack" || acks.length > filters.length ? undefined : acks[number - 1]),
    get rejections() {
      return rejections;
    },
    get openedAtMicros() {
      return openedAtMicros;
    },
    get headers() {
      return headers;
    },
    get end() {
      return end;
    },
    get endedAtMicros() {
      return endedAtMicros;
    },
    get filter() {
      return filter;
    },
    get filters() {
      return filters;
    },
    async send(next) {
      if (filter !== undefined && contract.semantics.update === "additive") {
        notApplicable("filters of this monitor add up: none replaces the one before it");
      }
      slot += 1;
      const messages = filter === undefined ? [...contract.prelude, ...contract.opening(next, slot)] : contract.updating(filter, next, slot);
      filter = next;
      filters.push(next);
      await put(messages, `filter ${next.name}`);
    },
    async sendMessage(message) {
      await put([message], `message ${oneLine(jsonText(message))}`);
    },
    async halfClose() {
      host.record({ stream: label, direction: "sent", what: "end" });
      await opened().end();
    },
    cancel() {
      host.record({ stream: label, direction: "sent", what: "cancel" });
      opened().cancel();
    },
    get hasPaused() {
      return readsSinceMs !== -Infinity;
    },
    get readsSinceMs() {
      return readsSinceMs;
    },
    pause() {
      readsSinceMs = undefined;
      local("stops reading");
      opened().pause();
    },
    resume() {
      readsSinceMs = performance.now();
      local("reads again");
      opened().resume();
    },
    accuse(arrival, why) {
      const what = `entry #${arrival.index + 1} (${describeEntry(contract, arrival.entry)}): ${why}`;
      host.record({ stream: label, direction: "local", what, offending: true }, arrival.atMicros);
    },
  };

  return {
    conversation,
    attach(attached) {
      stream = attached;
    },
    hear(event) {
      switch (event.kind) {
        case "opened":
          openedAtMicros = event.atMicros;
          headers = event.headers;
          host.record({ stream: label, direction: "received", what: "headers" }, event.atMicros);
          break;
        case "message":
          receivedBytes += event.bytes;
          if (receivedBytes > keptBytes) {
            stopReading(`${keptBytes / 2 ** 20} MiB of messages`);
          }
          if (!overfull) {
            hearMessage(event.message, event.atMicros);
          }
          break;
        case "undecodable":
          violate(event.detail, event.atMicros);
          break;
        case "frame":
          // Messages are told by themselves; the rest of the wire explains ends.
          if (!event.ofMessage) {
            host.record({ stream: label, direction: event.direction, what: event.describe() }, event.atMicros);
          }
          break;
        case "ended":
          end = event.end;
          endedAtMicros = event.atMicros;
          host.record({ stream: label, direction: "received", what: `end: ${describeEnd(event.end)}` }, event.atMicros);
      }
      host.poke();
    },
  };
}

/** The end of a stream in one phrase: `OK`, `INVALID_ARGUMENT: …`, `lost: connection reset`. */
export function describeEnd(end: StreamEnd): string {
  switch (end.kind) {
    case "completed":
      return end.native;
    case "rejected":
      return end.detail === "" ? end.native : `${end.native}: ${oneLine(end.detail)}`;
    case "lost":
      return `${end.native} (${oneLine(end.cause)})`;
  }
}

/** An entry in one short line: its sequence, then its other fields. */
export function describeEntry(contract: Contract, entry: Entry): string {
  const { sequence, time } = contract.entries;
  const fields = Object.entries(entry)
    .filter(([name]) => name !== sequence && name !== time)
    .map(([name, value]) => `${name}=${oneLine(typeof value === "string" ? value : jsonText(value))}`);
  const number = sequence === undefined ? undefined : entry[sequence];
  return oneLine(`entry ${number === undefined ? "" : `${String(number)} `}${fields.join(" ")}`, 120);
}

/** Text from a target as one printable line of bounded length. */
export function oneLine(text: string, limit = 80): string {
  const flat = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, "·");
  return flat.length > limit ? `${flat.slice(0, limit - 1)}…` : flat;
}

/** Fails when the stream carried anything that is no message of the contract. */
export function requireNoViolations(conversation: Conversation): void {
  const [first] = conversation.violations;
  if (first !== undefined) {
    failOnSight("only messages that the contract knows", first, "first-filter/ws-one-json-per-text-frame");
  }
}
