import type { Check } from "../src/conformance/check.js";
import { describeEnd } from "../src/conformance/conversation.js";
import { awaitNotOk, awaitStatus, describeGrpcEnd, filterBytes, filterMessage, openGrpc } from "../src/conformance/grpc-exchange.js";
import { rootsOfEnd } from "../src/conformance/roots.js";
import type { Session } from "../src/conformance/session.js";
import { awaitRefusal, filterPayload, openWebSocket, type Refusal, type WebSocketExchange } from "../src/conformance/websocket-exchange.js";
import type { InvalidFilter } from "../src/core/contract.js";
import { jsonText } from "../src/core/json-text.js";
import { fail, notApplicable, unproven, warn, VerdictSignal } from "../src/core/verdict.js";
import { encodeMessage } from "../src/wire/grpc-messages.js";
import { grpcStatusName } from "../src/wire/grpc-status.js";
import { opcodes, type FrameToSend } from "../src/wire/websocket-frames.js";
import { thrownBy } from "./observations.js";
import { sizedFilter } from "./sizes.js";

const ws = ["ws"] as const;
const grpc = ["grpc"] as const;
const both = ["grpc", "ws"] as const;

export const badInputChecks: readonly Check[] = [
  {
    id: "bad-input/ws-malformed-json",
    on: ws,
    level: "must",
    requirement:
      "Text that is no JSON is refused visibly: by a Close that is not 1000, or by the contract's rejection message; not in silence. A connection that is dropped without a Close frame warns: 1006 does not say why.",
    clause: "monitor design: a receive error is an error; Goa's generated server returns it from Recv",
    why: "A client that sends rubbish must learn so; a clean end tells it that all went well.",
    exchange: ['C → S  {"min_level":', "S → C  Close 1007 (or another, not 1000)"],
    causes: { Go: "`if err != nil { return nil }` in the reading loop: every error looks like EOF.", Python: "`except Exception: break`." },
    needs: ["wire"],
    async run(session) {
      const dropped: string[] = [];
      const bystander = await session.open({ filter: session.role("broad") });
      for (const text of ['{"min_level":', "hello", "{'a':1}"]) {
        for (const running of [false, true]) {
          const exchange = await ready(session, running);
          await exchange.connection.sendText(text);
          const refusal = await awaitRefusal(session, exchange, `the text ${text}`, { byMessage: true });
          requireRefusal(refusal, `the text ${text}`);
          if (refusal === "dropped") {
            dropped.push(text);
          }
          await session.settle(20);
          if (bystander.end !== undefined) {
            fail(`another client's stream goes on after the text ${text}`, `it was ended: ${describeEnd(bystander.end)}`, rootsOfEnd);
          }
        }
      }
      if (dropped[0] !== undefined) {
        warn(`a Close frame that is not 1000 after the text ${dropped[0]}`, "TCP was dropped without one (1006)");
      }
    },
  },
  {
    id: "bad-input/invalid-filter",
    on: both,
    level: "must",
    requirement:
      "A filter that the contract calls invalid is refused as the contract says, first on a stream and in mid-stream alike; a valid one beside it is not.",
    clause: "gRPC status codes: INVALID_ARGUMENT; RFC 6455 §7.4.1 (1007, 1008); monitor design",
    why: "A filter with a typing error that is silently ignored, or replaced by a default, shows the wrong entries with nothing to tell.",
    exchange: ["C → S  filter with an unknown level", "S → C  INVALID_ARGUMENT   |   Close 1007 or 1008"],
    causes: {
      any: "Unknown values are mapped to a default.",
      Go: "A missing map key gives the zero value: the lowest level.",
      Python: "`LEVELS.get(name, 0)`.",
    },
    async run(session) {
      const invalids = session.role("invalid");
      for (const invalid of invalids) {
        await requireRejected(session, invalid, false);
        await requireRejected(session, invalid, true);
      }
      await session.flowing(session.role("broad"));
    },
  },
  {
    id: "bad-input/ws-empty-frame",
    on: ws,
    level: "must",
    requirement: "An empty text frame is not the end of the stream: it does not lead to Close 1000.",
    clause: "RFC 8259 §2: the empty text is no JSON value; monitor design",
    why: "An empty frame is a client's mistake, not its goodbye.",
    exchange: ["C → S  text (empty)", "S → C  Close 1007 (or the stream lives)"],
    causes: { any: "`if (!data) return end()`.", Python: "`while message := await ws.recv():` stops at the empty one." },
    needs: ["wire"],
    async run(session) {
      for (const running of [false, true]) {
        const exchange = await ready(session, running);
        await exchange.connection.sendText("");
        await session.until(() => exchange.conversation.end, 200, { quiet: true });
        const { end } = exchange.conversation;
        if (end?.kind === "completed") {
          fail("an empty frame is not an end: Close ≠ 1000, or the stream lives", describeEnd(end));
        }
      }
    },
  },
  {
    id: "bad-input/ws-binary-frame",
    on: ws,
    level: "must",
    requirement: "A filter in a frame of the other type (binary for JSON) is taken as a filter, or refused, within the bound; it is not ignored.",
    clause: "RFC 6455 §5.6, §7.4.1 (1003)",
    why: "Some client libraries send bytes by default; silence leaves their users with nothing to go by.",
    exchange: ["C → S  binary {…}", "S → C  entries by that filter, or Close 1003"],
    causes: { any: "A switch over the frame type has no branch for binary." },
    needs: ["wire"],
    dependsOn: ["first-filter/takes-effect"],
    async run(session) {
      if (session.contract.websocket?.codec.form !== "text") {
        notApplicable("the contract's filters are binary frames");
      }
      const [a] = session.contract.roles.disjoint ?? [session.role("broad")];
      const exchange = await openWebSocket(session);
      const { conversation } = exchange;
      await exchange.connection.sendFrame({ opcode: opcodes.binary, payload: filterPayload(session, a) });
      // Either answer will do: whichever comes first decides.
      const otherwise = await thrownBy(session.effect(conversation, a, { since: 0 }));
      if (otherwise === undefined) {
        return;
      }
      if (otherwise instanceof VerdictSignal && otherwise.verdict.status === "unproven") {
        // Where no entries are to be expected, only a refusal can tell.
        await session.until(() => conversation.end ?? (conversation.rejections > 0 ? true : undefined), session.bounds.applyMs, { quiet: true });
        if (conversation.end === undefined && conversation.rejections === 0) {
          throw otherwise;
        }
      }
      const { end } = conversation;
      if (end === undefined) {
        if (conversation.rejections > 0) {
          return;
        }
        fail("entries by the filter, or a refusal", "the frame was ignored: nothing came, and the stream is open");
      }
      if (end.kind === "completed") {
        fail("entries by the filter, or a refusal", describeEnd(end));
      }
    },
  },
  {
    id: "bad-input/ws-invalid-utf8",
    on: ws,
    level: "must",
    requirement: "A text frame that is not UTF-8 fails the connection: Close 1007, or a drop.",
    clause: "RFC 6455 §8.1",
    why: "Replacement characters turn a broken filter into another one that matches something else.",
    exchange: ["C → S  text with the byte FF in it", "S → C  Close 1007 (or TCP drop)"],
    causes: { Go: "gorilla accepts it; encoding/json replaces the bytes.", any: "The payload is decoded with replacement instead of strictly." },
    needs: ["wire"],
    async run(session) {
      for (const bytes of [Buffer.from([0xff, 0xfe]), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from([0xc0, 0xaf])]) {
        const exchange = await ready(session, false);
        const payload = Buffer.concat([Buffer.from('{"halfclose":"'), bytes, Buffer.from('"}')]);
        await exchange.connection.sendFrame({ opcode: opcodes.text, payload });
        requireRefusal(await awaitRefusal(session, exchange, "a text frame that is not UTF-8"), "a text frame that is not UTF-8");
      }
    },
  },
  {
    id: "bad-input/ws-unmasked",
    on: ws,
    level: "must",
    requirement: "A frame that the client did not mask fails the connection: Close 1002, or a drop.",
    clause: "RFC 6455 §5.1",
    why: "Masking keeps proxies from being poisoned; a server that does not insist takes part in it.",
    exchange: ["C → S  unmasked text", "S → C  Close 1002 (or TCP drop)"],
    causes: { Python: "aiohttp accepts unmasked frames.", any: "The mask bit is read, and not judged." },
    needs: ["wire"],
    async run(session) {
      const exchange = await ready(session, false);
      await exchange.connection.sendFrame({ opcode: opcodes.text, payload: filterPayload(session, session.role("broad")), mask: false });
      requireRefusal(await awaitRefusal(session, exchange, "an unmasked frame"), "an unmasked frame");
    },
  },
  {
    id: "bad-input/ws-bad-frames",
    on: ws,
    level: "must",
    requirement:
      "Frames that the protocol forbids (reserved bits, reserved opcodes, fragmented or oversized control frames, an orphan continuation) fail the connection: Close 1002, or a drop.",
    clause: "RFC 6455 §5.2, §5.4, §5.5",
    why: "What is not refused is guessed, and two guesses on one wire are two streams.",
    exchange: ["C → S  a forbidden frame", "S → C  Close 1002 (or TCP drop)"],
    causes: { any: "A hand-written frame reader looks only at what it needs." },
    needs: ["wire"],
    async run(session) {
      const payload = filterPayload(session, session.role("broad"));
      await Promise.all(
        badFrames(payload).map(async ({ what, frames }) => {
          const exchange = await ready(session, false);
          for (const frame of frames) {
            await exchange.connection.sendFrame(frame);
          }
          requireRefusal(await awaitRefusal(session, exchange, what), what);
        }),
      );
    },
  },
  {
    id: "bad-input/grpc-bad-protobuf",
    on: grpc,
    level: "must",
    requirement: "A message that is no protobuf of the method's type ends the call with a status other than OK (INTERNAL: should).",
    clause: "gRPC status codes; gRPC over HTTP/2",
    why: "A message that cannot be read and is skipped leaves the client with another filter than it believes.",
    exchange: ["C → S  DATA of random bytes", "S → C  grpc-status 13 (or another, not 0)"],
    causes: { Java: "grpc-java gives UNKNOWN or INTERNAL by version.", any: "A decode error is logged, and the loop goes on." },
    needs: ["wire"],
    async run(session) {
      for (const running of [false, true]) {
        for (const bytes of [Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x01]), Buffer.from([0x07, 0x07, 0x07])]) {
          const exchange = await called(session, running);
          void exchange.call.sendRaw(encodeMessage(bytes));
          await awaitNotOk(session, exchange, "a message that is no protobuf");
        }
      }
    },
  },
  {
    id: "bad-input/grpc-truncated-message",
    on: grpc,
    level: "must",
    requirement: "END_STREAM in the middle of a message ends the call with a status other than OK.",
    clause: "gRPC over HTTP/2, Length-Prefixed-Message",
    why: "Half a filter and a clean end together hide that a client was cut off.",
    exchange: ["C → S  DATA with half a message, END_STREAM", "S → C  a status other than OK"],
    causes: { Python: "The C core drops the half and reports a clean end.", any: "Whatever is left in the buffer at the end is thrown away." },
    needs: ["wire"],
    dependsOn: ["eof/grpc-end-stream-with-filter", "filter-updates/grpc-split-and-coalesced"],
    async run(session) {
      const whole = encodeMessage(Buffer.concat([filterBytes(session, session.role("broad")), Buffer.alloc(24)]));
      for (const running of [false, true]) {
        const exchange = await called(session, running);
        void exchange.call.sendRaw(whole.subarray(0, 11), { endStream: true });
        await awaitNotOk(session, exchange, "a message that was cut off by END_STREAM");
      }
    },
  },
  {
    id: "bad-input/message-limit",
    on: both,
    level: "must",
    requirement:
      "A filter message of exactly the limit is accepted, one byte more is refused: RESOURCE_EXHAUSTED, Close 1009, or the contract's rejection message.",
    clause: "gRPC status codes: RESOURCE_EXHAUSTED; RFC 6455 §7.4.1 (1009)",
    why: "Without a limit one client can take all memory; with one that is off, the largest honest filter fails.",
    exchange: ["C → S  filter of the limit", "S → C  entries", "C → S  filter of one byte more", "S → C  grpc-status 8   |   Close 1009"],
    causes: { any: "`>=` for `>`, or characters are counted instead of bytes." },
    needs: ["wire"],
    dependsOn: ["first-filter/takes-effect", "filter-updates/grpc-split-and-coalesced"],
    async run(session) {
      const limit = session.contract.filterBytes;
      if (limit === undefined) {
        notApplicable("the contract states no limit on a filter message");
      }
      const fits = sizedFilter(session, limit);
      const over = sizedFilter(session, limit + 1);
      if (fits === undefined || over === undefined) {
        unproven("a filter that is one message, and can be made as long as the limit");
      }
      if (session.transport === "grpc") {
        const accepted = await openGrpc(session);
        void accepted.call.sendRaw(encodeMessage(fits.bytes));
        await session.effect(accepted.conversation, fits.filter, { since: 0 });
        const refused = await openGrpc(session);
        void refused.call.sendRaw(encodeMessage(over.bytes));
        const end = await awaitStatus(session, refused);
        if (end.status !== 8) {
          fail(`RESOURCE_EXHAUSTED (8) for a message of ${limit + 1} bytes`, describeGrpcEnd(end));
        }
        return;
      }
      const accepted = await openWebSocket(session);
      await accepted.connection.sendFrame({ opcode: opcodes.text, payload: fits.bytes });
      await session.effect(accepted.conversation, fits.filter, { since: 0 });
      const refused = await openWebSocket(session);
      await refused.connection.sendFrame({ opcode: opcodes.text, payload: over.bytes });
      const refusal = await awaitRefusal(session, refused, `a message of ${limit + 1} bytes`, { byMessage: true });
      if (typeof refusal === "object" && refusal.code !== 1009) {
        fail(`Close 1009 for a message of ${limit + 1} bytes`, `Close ${refusal.code ?? "without a code"}`);
      }
    },
  },
  {
    id: "bad-input/grpc-unknown-encoding",
    on: grpc,
    level: "must",
    requirement:
      "A message in an encoding that the server does not know is answered with UNIMPLEMENTED; a compressed flag without an encoding with a status other than OK.",
    clause: "gRPC over HTTP/2, Compression; gRPC compression specification",
    why: "Bytes of an unknown encoding that are read as plain give a filter that nobody sent.",
    exchange: ["C → S  HEADERS grpc-encoding: halfclose, DATA flag 1", "S → C  grpc-status 12"],
    causes: { Python: "The C core answers INTERNAL (13).", any: "The flag byte is skipped." },
    needs: ["wire"],
    async run(session) {
      const bytes = filterBytes(session, session.role("broad"));
      const unknown = await openGrpc(session, { encoding: "halfclose-unknown" });
      void unknown.call.sendRaw(encodeMessage(bytes, { flagByte: 1 }));
      const end = await awaitStatus(session, unknown);
      if (end.status !== 12) {
        fail("UNIMPLEMENTED (12) for an unknown grpc-encoding", describeGrpcEnd(end));
      }
      const flagged = await openGrpc(session);
      void flagged.call.sendRaw(encodeMessage(bytes, { flagByte: 1 }));
      await awaitNotOk(session, flagged, "a compressed flag without grpc-encoding");
    },
  },
  {
    id: "bad-input/grpc-message-percent-encoded",
    on: grpc,
    level: "must",
    requirement: "grpc-message is percent-encoded: only printable ASCII is on the wire.",
    clause: "gRPC over HTTP/2, Responses: Status-Message → Percent-Encoded",
    why: "Raw UTF-8 or a line break in a header breaks proxies and clients, just when something is to be explained.",
    exchange: ["C → S  invalid filter with ☃ in it", "S → C  grpc-message: … %E2%98%83 …"],
    causes: { any: "A hand-written server puts the text into the header as it is." },
    needs: ["wire"],
    async run(session) {
      let seen = 0;
      for (const invalid of unicodeInvalids(session)) {
        const exchange = await openGrpc(session);
        await exchange.conversation.send(session.contract.filter(invalid));
        const end = await awaitStatus(session, exchange, ["bad-input/invalid-filter"]);
        if (end.rawMessage === undefined) {
          continue;
        }
        seen += 1;
        const raw = Array.from(end.rawMessage).find((character) => character < " " || character > "~");
        if (raw !== undefined) {
          fail("grpc-message in percent-encoding", `it holds the raw byte 0x${raw.charCodeAt(0).toString(16)}: ${JSON.stringify(end.rawMessage)}`);
        }
        if (/%(?![0-9a-fA-F]{2})/.test(end.rawMessage)) {
          fail("each % in grpc-message followed by two hex digits", JSON.stringify(end.rawMessage));
        }
      }
      if (seen === 0) {
        unproven("an error with a grpc-message");
      }
    },
  },
];

/** What is forbidden on the wire, by name; each name is that of the fault that lets it pass. */
function badFrames(payload: Uint8Array): readonly { readonly what: string; readonly frames: readonly FrameToSend[] }[] {
  const text = opcodes.text;
  return [
    { what: "a text frame with RSV1 set", frames: [{ opcode: text, payload, rsv: 4 }] },
    { what: "a text frame with RSV2 and RSV3 set", frames: [{ opcode: text, payload, rsv: 3 }] },
    { what: "a frame with the reserved opcode 3", frames: [{ opcode: 3, payload }] },
    { what: "a frame with the reserved opcode 11", frames: [{ opcode: 11, payload: "" }] },
    {
      what: "a fragmented ping",
      frames: [
        { opcode: opcodes.ping, payload: "a", fin: false },
        { opcode: opcodes.continuation, payload: "b" },
      ],
    },
    { what: "a ping of 126 bytes", frames: [{ opcode: opcodes.ping, payload: Buffer.alloc(126, 0x61) }] },
    { what: "a continuation without a message to continue", frames: [{ opcode: opcodes.continuation, payload }] },
    {
      what: "a new message inside a fragmented one",
      frames: [
        { opcode: text, payload: "{", fin: false },
        { opcode: text, payload: "}" },
      ],
    },
  ];
}

/** Invalid filters whose error is likely to quote text beyond ASCII. */
function unicodeInvalids(session: Session): Record<string, unknown>[] {
  return session.role("invalid").flatMap(({ filter, rejection }) => {
    const [message] = filter.messages;
    if (message === undefined || rejection !== "end") {
      return [];
    }
    const marked = Object.fromEntries(Object.entries(message).map(([name, value]) => [name, typeof value === "string" ? `${value} ☃ naïve\n100%` : value]));
    return [marked, { ...message }];
  });
}

async function requireRejected(session: Session, invalid: InvalidFilter, running: boolean): Promise<void> {
  const broad = session.role("broad");
  const conversation = running ? await session.flowing(broad) : await session.open();
  await conversation.send(invalid.filter);
  const where = `the invalid filter ${jsonText(invalid.filter.messages.at(-1))}${running ? " in mid-stream" : ""}`;
  if (invalid.rejection === "message") {
    if ((await session.until(() => (conversation.rejections > 0 ? true : undefined), session.bounds.applyMs)) === undefined) {
      fail(`a rejecting message after ${where}`, conversation.end === undefined ? "none came" : describeEnd(conversation.end));
    }
    return;
  }
  if (invalid.rejection === "ignored") {
    await session.settle(100);
    if (conversation.end !== undefined) {
      fail(`${where} is ignored`, describeEnd(conversation.end));
    }
    return;
  }
  const end = await session.until(() => conversation.end, session.bounds.endMs);
  if (end === undefined) {
    fail(`${where} ends the stream within ${session.bounds.endMs} ms`, "it is still open");
  }
  if (end.kind === "completed") {
    fail(`${where} ends the stream with an error`, `a clean end: ${end.native}`);
  }
  if (session.transport === "grpc") {
    const accepted = invalid.grpcStatuses.length > 0 ? invalid.grpcStatuses : [3];
    if (end.kind === "rejected" && end.code === 2 && invalid.grpcStatuses.length === 0) {
      warn(`INVALID_ARGUMENT for ${where}`, describeEnd(end));
    }
    if (end.kind !== "rejected" || !accepted.includes(end.code)) {
      fail(`${accepted.map(grpcStatusName).join(" or ")} for ${where}`, describeEnd(end));
    }
  } else if (invalid.wsCodes.length > 0 && (end.kind !== "rejected" || !invalid.wsCodes.includes(end.code))) {
    fail(`Close ${invalid.wsCodes.join(" or ")} for ${where}`, describeEnd(end));
  } else if (end.kind === "lost") {
    fail(`a Close frame that is not 1000 for ${where}`, describeEnd(end));
  }
}

async function ready(session: Session, running: boolean): Promise<WebSocketExchange> {
  const exchange = await openWebSocket(session, { violations: "observe" });
  if (running) {
    await exchange.conversation.send(session.role("broad"));
    await session.effect(exchange.conversation, session.role("broad"), { since: 0 });
  }
  return exchange;
}

async function called(session: Session, running: boolean): ReturnType<typeof openGrpc> {
  const exchange = await openGrpc(session);
  if (running) {
    void exchange.call.sendRaw(filterMessage(session, session.role("broad")));
    await session.effect(exchange.conversation, session.role("broad"), { since: 0 });
  }
  return exchange;
}

function requireRefusal(refusal: Refusal, what: string): void {
  if (typeof refusal === "object" && refusal.code === 1000) {
    fail(`a Close that is not 1000, or a drop, after ${what}`, "Close 1000, as if the stream had ended well");
  }
}
