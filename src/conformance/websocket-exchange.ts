import type { Filter, Message } from "../core/contract.js";
import { createPreludeGate, type PreludeGate } from "../core/prelude.js";
import { HarnessError, messageOf } from "../core/errors.js";
import type { MonitorStream, StreamEnd, StreamEvent } from "../core/stream.js";
import { fail, notApplicable } from "../core/verdict.js";
import { type WebSocketConnection, type WebSocketConnectionOptions, type WebSocketEnd } from "../wire/websocket-connection.js";
import { opcodes } from "../wire/websocket-frames.js";
import { upgrade, type UpgradeOptions, type UpgradeOutcome, type UpgradeResponse } from "../wire/websocket-upgrade.js";
import { WireError } from "../wire/wire-error.js";
import { describeEnd, oneLine, type Conversation } from "./conversation.js";
import { rootsOfNoEnd } from "./roots.js";
import type { Session } from "./session.js";
import { outcomeOf } from "./wait.js";

export interface CloseSeen {
  readonly code: number | undefined;
  readonly reason: string;
  readonly payload: Uint8Array;
  readonly atMicros: number;
}

/** A WebSocket stream of which a check sees and sends every frame. */
export interface WebSocketExchange {
  /** Entries, waits and barriers work on it as on any conversation. */
  readonly conversation: Conversation;
  readonly connection: WebSocketConnection;
  readonly response: UpgradeResponse;
  /** Close frames received. */
  readonly closes: readonly CloseSeen[];
  readonly pongs: readonly { readonly payload: Uint8Array; readonly atMicros: number }[];
  /** What the server broke of RFC 6455, in order. */
  readonly violations: readonly WireError[];
  /** Data frames that came after the server's first Close frame. */
  readonly dataAfterClose: number;
  readonly binaryMessages: number;
  /** The server's end of TCP, when it has come. */
  readonly tcpEnd: { readonly kind: "fin" | "rst"; readonly atMicros: number } | undefined;
  /** How it finished, socket included. */
  readonly finished: WebSocketEnd | undefined;
}

export type UpgradeChanges = Partial<Omit<UpgradeOptions, "timeoutMs">> & { readonly boundMs?: number };

/** The check whose subject it is that an upgrade is answered at all. */
const answerInTime = "opening/ws-upgrade-before-entries";

/** Performs one upgrade with the target's own address and credentials; what is no HTTP answer at all fails the check. */
export async function performUpgrade(session: Session, changes: UpgradeChanges = {}): Promise<UpgradeOutcome> {
  const { target } = session;
  const { boundMs: askedMs = session.bounds.applyMs, headers = [], ...rest } = changes;
  const boundMs = session.shortened(answerInTime, askedMs);
  session.note(`upgrade ${rest.path ?? target.path}${rest.rawRequest === undefined ? "" : " (request as written by the check)"}`);
  const subprotocols = session.contract.websocket?.subprotocols ?? [];
  const patience = new AbortController();
  const under = upgrade({
    host: target.host,
    port: target.port,
    path: target.path,
    tls: tlsOf(session),
    subprotocols: subprotocols.length === 0 ? undefined : subprotocols,
    ...rest,
    headers: [...target.headers.filter(([name]) => !headers.some(([changed]) => changed.toLowerCase() === name)), ...headers],
    // The session's wait decides, since it does not count the time in which this process did not run.
    timeoutMs: 120_000,
    signal: patience.signal,
  });
  try {
    let done: Awaited<ReturnType<typeof outcomeOf<UpgradeOutcome>>>;
    try {
      done = await outcomeOf(session.waiter, under, boundMs);
    } finally {
      if (done === undefined) {
        patience.abort();
      }
    }
    if (done !== undefined && "thrown" in done) {
      throw done.thrown;
    }
    // What giving up made of it is not the server's answer; one that came meanwhile is.
    const outcome = done?.value ?? (await under.catch(() => undefined));
    if (outcome === undefined) {
      fail(`an HTTP answer within ${boundMs} ms`, "silence", answerInTime);
    }
    session.note(`answer ${outcome.response.status}`);
    if (outcome.kind === "refused") {
      session.refused(outcome.response.status);
    }
    if (outcome.kind === "accepted") {
      session.defer(() => outcome.connection.destroy());
    }
    return outcome;
  } catch (thrown) {
    if (thrown instanceof WireError) {
      if (isUnreachable(thrown)) {
        throw new HarnessError("unreachable", `${target.url}: ${thrown.message}`, { place: target.url });
      }
      fail(`an HTTP answer within ${boundMs} ms: ${thrown.expected}`, thrown.actual, answerInTime);
    }
    throw thrown;
  }
}

function isUnreachable(error: WireError): boolean {
  return /^(CONNECT|DIAL|TLS|REFUSED|UNREACHABLE)/.test(error.code);
}

function tlsOf(session: Session): UpgradeOptions["tls"] {
  const { tls } = session.target;
  return tls === undefined ? undefined : { ca: tls.ca, cert: tls.cert, key: tls.key, servername: tls.servername, rejectUnauthorized: tls.insecure !== true };
}

/** Opens a stream whose frames are all in the check's hands; it is closed with the session. */
export async function openWebSocket(
  session: Session,
  changes: UpgradeChanges & Pick<WebSocketConnectionOptions, "autoPong" | "autoCloseReply" | "closeWithinMs" | "violations"> = {},
): Promise<WebSocketExchange> {
  const codec = session.contract.websocket?.codec;
  if (codec === undefined) {
    notApplicable("the contract describes no WebSocket monitor");
  }
  const closes: CloseSeen[] = [];
  const pongs: { readonly payload: Uint8Array; readonly atMicros: number }[] = [];
  const violations: WireError[] = [];
  let dataAfterClose = 0;
  let binaryMessages = 0;
  let tcpEnd: { readonly kind: "fin" | "rst"; readonly atMicros: number } | undefined;
  let finished: WebSocketEnd | undefined;

  const outcome = await performUpgrade(session, { violations: "observe", ...changes });
  if (outcome.kind === "refused") {
    fail("the upgrade is accepted: 101", `HTTP ${outcome.response.status}`);
  }
  const { connection } = outcome;
  const gate = createPreludeGate(session.contract);
  const { conversation, hear: hearOnly } = session.adopt(streamOver(connection, session, gate));
  const hear = (event: StreamEvent): void => {
    gate.hear(event);
    hearOnly(event);
  };
  const label = conversation.label;
  const ended = (end: StreamEnd, atMicros: number): void => {
    if (conversation.end === undefined) {
      hear({ kind: "ended", atMicros, end });
    }
  };
  hear({ kind: "opened", atMicros: outcome.timing.respondedAtMicros, headers: Object.fromEntries(outcome.response.headers) });
  connection.onEvent = (event) => {
    switch (event.kind) {
      case "message": {
        if (closes.length > 0) {
          dataAfterClose += 1;
        }
        if (event.type === "binary") {
          binaryMessages += 1;
        }
        hear(decoded(codec, event.bytes, event.atMicros, event.type === "text"));
        break;
      }
      case "pong":
        pongs.push({ payload: event.payload, atMicros: event.atMicros });
        session.record({ stream: label, direction: "received", what: "pong" }, event.atMicros);
        break;
      case "ping":
        session.record({ stream: label, direction: "received", what: "ping" }, event.atMicros);
        break;
      case "close":
        closes.push({ code: event.code, reason: event.reason, payload: event.payload, atMicros: event.atMicros });
        session.record(
          {
            stream: label,
            direction: "received",
            what: `Close ${event.code ?? "without code"}${event.reason === "" ? "" : ` ${oneLine(event.reason)}`}`,
          },
          event.atMicros,
        );
        ended(endOfClose(event.code, event.reason), event.atMicros);
        break;
      case "violation":
        violations.push(event.error);
        session.record({ stream: label, direction: "received", what: oneLine(event.error.message, 160), offending: true }, event.atMicros);
        break;
      case "fin":
      case "rst":
        tcpEnd ??= { kind: event.kind, atMicros: event.atMicros };
        session.record({ stream: label, direction: "received", what: event.kind === "fin" ? "TCP FIN" : "TCP RST" }, event.atMicros);
        ended(
          { kind: "lost", native: event.kind === "fin" ? "1006 (FIN)" : "1006 (RST)", cause: "the server ended TCP without a Close frame" },
          event.atMicros,
        );
    }
    session.waiter.poke();
  };
  void connection.ended.then((end) => {
    finished = end;
    ended({ kind: "lost", native: "1006", cause: `TCP ended: ${end.tcp}` }, end.tcpEndedAtMicros);
    session.waiter.poke();
  });
  return {
    conversation,
    connection,
    response: outcome.response,
    closes,
    pongs,
    violations,
    get dataAfterClose() {
      return dataAfterClose;
    },
    get binaryMessages() {
      return binaryMessages;
    },
    get tcpEnd() {
      return tcpEnd;
    },
    get finished() {
      return finished;
    },
  };
}

function decoded(codec: { decode(bytes: Uint8Array): Message }, bytes: Uint8Array, atMicros: number, text: boolean): StreamEvent {
  try {
    return { kind: "message", atMicros, message: codec.decode(bytes), bytes: bytes.length, text };
  } catch (thrown) {
    return { kind: "undecodable", atMicros, detail: messageOf(thrown), bytes: Uint8Array.from(bytes) };
  }
}

function endOfClose(code: number | undefined, reason: string): StreamEnd {
  if (code === undefined || code === 1000) {
    return { kind: "completed", native: code === undefined ? "1005" : "1000" };
  }
  return { kind: "rejected", native: String(code), code, detail: reason };
}

/** A MonitorStream on an exchange's connection, so that conversations work on it. */
function streamOver(connection: WebSocketConnection, session: Session, gate: PreludeGate): MonitorStream {
  const codec = session.contract.websocket?.codec;
  return {
    async send(message) {
      await gate.pass();
      await sendPayload(connection, codec?.form ?? "text", codec?.encode(message) ?? new Uint8Array(0));
    },
    async end() {
      const text = session.contract.websocket?.endText;
      await (text === undefined ? connection.sendClose(1000) : connection.sendText(text));
    },
    cancel: () => connection.destroy(),
    pause: () => connection.pause(),
    resume: () => connection.resume(),
    ended: connection.ended.then((end) => ({ kind: "lost", native: "1006", cause: end.tcp })),
  };
}

/** Sends a payload as the contract's encoding has it, in a text or a binary frame. */
export async function sendInForm(session: Session, exchange: WebSocketExchange, payload: Uint8Array): Promise<void> {
  await sendPayload(exchange.connection, session.contract.websocket?.codec.form ?? "text", payload);
}

async function sendPayload(connection: WebSocketConnection, form: "text" | "binary", payload: Uint8Array): Promise<void> {
  await connection.sendFrame({ opcode: form === "text" ? opcodes.text : opcodes.binary, payload });
}

/** The payload of the one frame that a filter is; fails over to not-applicable where the contract makes it several. */
export function filterPayload(session: Session, filter: Filter): Uint8Array {
  const messages = session.contract.opening(filter, 1);
  const [message] = messages;
  const codec = session.contract.websocket?.codec;
  if (message === undefined || messages.length !== 1 || codec === undefined) {
    notApplicable("the contract's filter is not one WebSocket message");
  }
  return codec.encode(message);
}

/** The payloads of the frames that change a stream's first filter into another. */
export function updatePayloads(session: Session, from: Filter, to: Filter): readonly Uint8Array[] {
  const codec = session.contract.websocket?.codec;
  if (codec === undefined) {
    notApplicable("the contract describes no WebSocket monitor");
  }
  return session.contract.updating(from, to, 2).map((message) => codec.encode(message));
}

/** The contract's text for the client's end; not-applicable where that is a Close frame. */
export function requireEndText(session: Session): string {
  const text = session.contract.websocket?.endText;
  if (text === undefined) {
    notApplicable("the contract's client end is a Close frame, not a text");
  }
  return text;
}

/** The same where that text is `null`, white space aside; not-applicable otherwise. */
export function requireNullEnd(session: Session): string {
  const text = requireEndText(session);
  if (text.trim() !== "null") {
    notApplicable('the contract\'s client end is not a "null" text frame');
  }
  return text;
}

/** Awaits the server's Close frame, or fails. */
export async function awaitClose(session: Session, exchange: WebSocketExchange, boundMs = session.bounds.endMs): Promise<CloseSeen> {
  const found = await session.until(() => exchange.closes[0] ?? (exchange.tcpEnd === undefined ? undefined : ("tcp" as const)), boundMs);
  if (found === undefined) {
    fail(
      `a Close frame within ${boundMs} ms`,
      exchange.conversation.arrivals.length === 0 ? "none came; the stream is still open" : "none came; the stream still runs",
      rootsOfNoEnd,
    );
  }
  if (found === "tcp") {
    fail("a Close frame", `none: TCP was ended by ${exchange.tcpEnd?.kind === "rst" ? "a reset" : "FIN"} (1006)`);
  }
  return found;
}

/** How a server refused: its Close frame, the end of TCP without one, or a message that the contract calls a rejection. */
export type Refusal = CloseSeen | "dropped" | "message";

/**
 * Awaits that the server refuses: a Close, or the end of TCP; with `byMessage` the contract's rejection will do, wherever there is no more than the
 * monitor's own language at stake. Returns what came; fails when nothing does.
 */
export async function awaitRefusal(
  session: Session,
  exchange: WebSocketExchange,
  what: string,
  { byMessage = false }: { readonly byMessage?: boolean } = {},
): Promise<Refusal> {
  const { conversation } = exchange;
  const boundMs = session.bounds.endMs;
  const seen = (): Refusal | undefined => {
    const inBand = byMessage && conversation.rejections > 0 ? "message" : undefined;
    return exchange.closes[0] ?? inBand ?? (exchange.tcpEnd === undefined ? undefined : "dropped");
  };
  const found = await session.until(seen, boundMs);
  if (found === undefined) {
    const open = conversation.arrivals.length > 0 ? "the stream goes on as if nothing had happened" : "silence: it stays open";
    fail(
      `the connection is failed within ${boundMs} ms after ${what}`,
      conversation.rejections > 0 ? "a message rejects it, but the connection stays open" : open,
    );
  }
  return found;
}

/** How an exchange stands, for messages. */
export function describeExchange(exchange: WebSocketExchange): string {
  return exchange.conversation.end === undefined ? "open" : describeEnd(exchange.conversation.end);
}
