import assert from "node:assert/strict";
import { Duplex } from "node:stream";

import { openGrpcCall } from "../src/wire/grpc-call.js";
import { decodePercent, encodeMessage } from "../src/wire/grpc-messages.js";
import { GrpcScanner } from "../src/wire/grpc-scanner.js";
import { HpackDecoder, HpackEncoder, type Header } from "../src/wire/hpack.js";
import { Http2Client } from "../src/wire/http2-client.js";
import { FrameReader } from "../src/wire/http2-frame-reader.js";
import { encodeFrame, encodeSettingsPayload, FLAG, FRAME } from "../src/wire/http2-frames.js";
import { ResponseBodyReader, ResponseHeadReader } from "../src/wire/http1-response.js";
import { FrameDecoder, opcodes, type Frame } from "../src/wire/websocket-frames.js";
import { FrameReceiver } from "../src/wire/websocket-receiver.js";
import { WebSocketScanner } from "../src/wire/websocket-scanner.js";
import { WireError } from "../src/wire/wire-error.js";

/** A repeatable source of small numbers: xorshift32, from a seed and the number of an input. */
export class Random {
  #state: number;

  constructor(seed: number, input: number) {
    this.#state = (Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(input + 1, 0xc2b2ae35)) | 1;
    for (let round = 0; round < 3; round += 1) this.below(2);
  }

  /** From 0 up to, not including, `bound`. */
  below(bound: number): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return (state >>> 0) % bound;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T;
  }

  bytes(maxLength: number): Buffer {
    const bytes = Buffer.allocUnsafe(this.below(maxLength + 1));
    for (let at = 0; at < bytes.length; at += 1) bytes[at] = this.below(256);
    return bytes;
  }

  /** The bytes, mostly as they are, else with a few of them changed, cut off or doubled. */
  damaged(bytes: Buffer): Buffer {
    const copy = Buffer.from(bytes);
    const kind = this.below(8);
    if (kind < 4 || copy.length === 0) return copy;
    if (kind === 4) return copy.subarray(0, this.below(copy.length));
    if (kind === 5) return Buffer.concat([copy, copy.subarray(this.below(copy.length))]);
    for (let times = this.below(3); times >= 0; times -= 1) copy[this.below(copy.length)] = this.pick([0, 1, 0x7f, 0x80, 0xff, this.below(256)]);
    return copy;
  }

  /** The bytes in up to four pieces. */
  pieces(bytes: Buffer): Buffer[] {
    const cuts = [0, this.below(bytes.length + 1), this.below(bytes.length + 1), this.below(bytes.length + 1), bytes.length].sort((a, b) => a - b);
    return cuts.slice(1).map((cut, at) => bytes.subarray(cuts[at], cut));
  }
}

/** One decoder and the property that it must keep; `run` throws when it does not. Targets are picked as often as their weights say. */
export interface FuzzTarget {
  readonly name: string;
  readonly weight: number;
  run(random: Random): void;
}

export const fuzzTargets: readonly FuzzTarget[] = [
  { name: "hpack", weight: 30, run: fuzzHpack },
  { name: "http2 frames", weight: 20, run: fuzzFrameReader },
  { name: "grpc messages", weight: 20, run: fuzzGrpcScanner },
  { name: "http2 connection", weight: 2, run: fuzzConnection },
  { name: "websocket frames", weight: 20, run: fuzzWebSocketFrames },
  { name: "websocket messages", weight: 10, run: fuzzWebSocketMessages },
  { name: "http1 response", weight: 5, run: fuzzHttp1Response },
  { name: "percent-encoding", weight: 5, run: (random) => void decodePercent(random.bytes(40).toString("latin1")) },
];

/** The outcome as text: what came out, then the typed error, if any; any other error is the bug that is looked for. */
function outcome(run: (log: string[]) => void): string {
  const log: string[] = [];
  try {
    run(log);
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    log.push(`${error.code} at ${error.atByte}`);
  }
  return log.join("\n");
}

const HEADERS: readonly Header[] = [
  [":status", "200"],
  ["content-type", "application/grpc"],
  ["grpc-encoding", "gzip"],
  ["a", "b"],
  ["grpc-status", "0"],
];

function headerBlock(random: Random): Buffer {
  const indexed = random.bytes(random.below(6));
  for (let at = 0; at < indexed.length; at += 1) indexed[at] = (indexed[at] ?? 0) | 0x80;
  const literal = Buffer.from([random.pick([0x00, 0x10, 0x40, 0x44]), 2, 0x61, 0x62, 0x83, 0x1d, 0x8d, 0xff]);
  const update = Buffer.from([0x20 | random.below(32)]);
  const list = new HpackEncoder().encode([random.pick(HEADERS), random.pick(HEADERS)]);
  return Buffer.concat([random.pick([indexed, literal, update, list]), random.pick([indexed, literal, list]), random.pick([indexed, list])]);
}

function fuzzHpack(random: Random): void {
  const decoder = new HpackDecoder({ maxHeaderListBytes: 300 });
  if (random.below(4) === 0) decoder.setTableLimit(random.below(200));
  outcome(() => {
    for (let blocks = random.below(4); blocks >= 0; blocks -= 1) {
      const { headers, listBytes } = decoder.decode(random.below(4) === 0 ? random.bytes(40) : random.damaged(headerBlock(random)));
      const kept = headers.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
      assert.ok(kept <= 300 && kept <= listBytes);
      assert.ok(decoder.tableBytes <= 4096);
    }
  });
}

function fuzzFrameReader(random: Random): void {
  const frame = (): Buffer => encodeFrame({ type: random.below(12), flags: random.below(256), streamId: random.below(8), payload: random.bytes(44) });
  const bytes = random.damaged(Buffer.concat([frame(), frame(), frame()]));
  const read = (pieces: readonly Buffer[]): string =>
    outcome((log) => {
      const onFrame = (one: { type: number; flags: number; streamId: number; buffer: Buffer; start: number; end: number; atByte: number }): void => {
        assert.ok(one.end - one.start <= 40);
        log.push(`${one.type} ${one.flags} ${one.streamId} ${one.atByte} ${one.buffer.toString("latin1", one.start, one.end)}`);
      };
      const reader = new FrameReader({ maxFrameBytes: 40, onFrame });
      for (const piece of pieces) reader.push(piece);
      assert.equal(reader.receivedBytes, bytes.length);
      log.push(`unfinished ${reader.unfinished}`);
    });
  assert.equal(read(random.pieces(bytes)), read([bytes]));
}

function fuzzGrpcScanner(random: Random): void {
  const message = (): Buffer => encodeMessage(random.bytes(44), { flagByte: random.pick([0, 0, 0, 1, 2]) });
  const bytes = random.damaged(Buffer.concat([message(), message(), message()]));
  const scan = (pieces: readonly Buffer[]): string =>
    outcome((log) => {
      const onMessage = (buffer: Buffer, start: number, end: number, flag: number): void => {
        assert.ok(end - start <= 40 && flag <= 1);
        log.push(`${flag} ${buffer.toString("latin1", start, end)}`);
      };
      const scanner = new GrpcScanner({ maxMessageBytes: 40, onMessage });
      for (const piece of pieces) scanner.push(piece, 0, piece.length);
      log.push(`unfinished ${scanner.unfinished}`);
    });
  assert.equal(scan(random.pieces(bytes)), scan([bytes]));
}

const GZIPPED = encodeMessage(Buffer.from("gzipped"), { compress: true });

/** Frames that a server might send, in an order that it might not. */
function serverFrames(random: Random): Buffer {
  const frames = [
    encodeFrame({
      type: FRAME.SETTINGS,
      payload: random.below(4) === 0 ? encodeSettingsPayload(new Map([[random.below(8), random.below(70_000)]])) : Buffer.alloc(0),
    }),
  ];
  for (let count = random.below(6); count >= 0; count -= 1) {
    const streamId = random.pick([1, 1, 1, 3, 3, 0, 5, 2]);
    const flags = random.pick([0, FLAG.END_STREAM, FLAG.END_HEADERS, FLAG.END_HEADERS, FLAG.END_HEADERS | FLAG.END_STREAM, FLAG.PADDED, 0x2d]);
    const type = random.pick([0, 0, 0, 1, 1, 1, 3, 4, 5, 6, 7, 8, 9, 10]);
    const response = new HpackEncoder().encode(random.pick([HEADERS.slice(0, 2), HEADERS.slice(0, 3), HEADERS.slice(4), HEADERS]));
    const plain = encodeMessage(random.bytes(10), random.below(6) === 0 ? { flagByte: random.below(4) } : {});
    const message = random.below(8) === 0 ? GZIPPED : plain;
    const payload =
      type === FRAME.DATA
        ? message
        : type === FRAME.HEADERS || type === FRAME.CONTINUATION
          ? response
          : random.pick([Buffer.alloc(4, 1), Buffer.alloc(8), random.bytes(9)]);
    frames.push(encodeFrame({ type, flags, streamId, payload: random.damaged(payload) }));
  }
  return random.damaged(Buffer.concat(frames));
}

function fuzzConnection(random: Random): void {
  const bytes = serverFrames(random);
  const fin = random.below(2) === 0;
  const play = (pieces: readonly Buffer[]): string =>
    outcome((log) => {
      const stream = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
      const onViolation = (error: WireError): void => void log.push(`violation ${error.code}`);
      const client = new Http2Client({
        host: "fuzz",
        port: 1,
        connectTimeoutMs: 0,
        maxHeaderListBytes: 400,
        settings: { INITIAL_WINDOW_SIZE: 60 },
        onViolation,
      });
      client.start({ stream, reset: () => stream.destroy() });
      for (let call = 0; call < 2; call += 1) {
        openGrpcCall(client, {
          path: "/a.B/C",
          maxMessageBytes: 100,
          onMessage: (message) => log.push(`${call} ${message.toString("latin1")}`),
          onEnd: (end) => log.push(`${call} ${end.status} ${end.source} ${end.error?.code}`),
        });
      }
      for (const piece of pieces) client.receive(piece, piece.length);
      if (fin) stream.emit("end");
      log.push(`${client.end?.kind} ${client.end?.error?.code} ${client.openStreams} ${client.goaway?.code}`);
      client.destroy();
      assert.equal(client.openStreams, 0);
    });
  assert.equal(play(random.pieces(bytes)), play([bytes]));
}

function fuzzWebSocketFrames(random: Random): void {
  const frame = (): Buffer => {
    const payload = random.bytes(30);
    return Buffer.concat([Buffer.from([random.below(256), random.pick([payload.length, payload.length, payload.length, random.below(256)])]), payload]);
  };
  const bytes = random.damaged(Buffer.concat([frame(), frame(), frame()]));
  const read = (pieces: readonly Buffer[]): string =>
    outcome((log) => {
      const onFrame = (one: Frame): void => void log.push(`${one.fin} ${one.rsv} ${one.opcode} ${one.atByte} ${Buffer.from(one.payload).toString("latin1")}`);
      const decoder = new FrameDecoder({ onHeader: () => true, onFrame }, { maxPayloadBytes: 200 });
      // A copy each: masked payloads are unmasked where they lie.
      for (const piece of pieces) decoder.push(Buffer.from(piece));
      log.push(`${decoder.finish()?.code}`);
    });
  assert.equal(read(random.pieces(bytes)), read([bytes]));
}

/** The scanner for load and the receiver for checks share no code for finding messages: they must find the same, and fail at the same byte. */
function fuzzWebSocketMessages(random: Random): void {
  const frame = (): Buffer => {
    const payload = random.bytes(20);
    const first = random.pick([0x81, 0x81, 0x82, 0x01, 0x00, 0x80, 0x88, 0x89, 0x8a, random.below(256)]);
    return Buffer.concat([Buffer.from([first, random.pick([payload.length, payload.length, payload.length, random.below(256)])]), payload]);
  };
  const bytes = random.damaged(Buffer.concat([frame(), frame(), frame(), frame()]));
  const shown = (opcode: number, payload: Uint8Array): string => `${opcode} ${Buffer.from(payload).toString("latin1")}`;
  const receive = (pieces: readonly Buffer[]): string =>
    outcome((log) => {
      const receiver = new FrameReceiver(
        {
          onFrame: () => undefined,
          onControl: ({ opcode, payload }) => void log.push(shown(opcode, payload)),
          onMessage: (message) => void log.push(shown(message.type === "text" ? opcodes.text : opcodes.binary, message.bytes)),
          onViolation: (error) => {
            // What only the receiver looks at does not stop it here.
            if (error.code !== "BAD_UTF8") throw error;
            return true;
          },
        },
        { maxMessageBytes: 60, firstByte: 0, deflate: undefined },
      );
      for (const piece of pieces) receiver.push(Buffer.from(piece));
      log.push(`${receiver.finish()?.code}`);
    });
  const scan = (pieces: readonly Buffer[]): string =>
    outcome((log) => {
      const scanner = new WebSocketScanner({
        maxMessageBytes: 60,
        onMessage: (buffer, start, end, opcode) => void log.push(shown(opcode, buffer.subarray(start, end))),
        onControl: ({ opcode, payload }) => void log.push(shown(opcode, payload)),
      });
      for (const piece of pieces) scanner.push(piece, 0, piece.length);
      log.push(`${scanner.finish()?.code}`);
    });
  const expected = receive([bytes]);
  assert.equal(receive(random.pieces(bytes)), expected);
  assert.equal(scan([bytes]), expected);
  assert.equal(scan(random.pieces(bytes)), expected);
}

function fuzzHttp1Response(random: Random): void {
  const body = random.pick(["", "Content-Length: 4\r\n\r\nabcd", "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"]);
  const head = random.pick(["HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n", "HTTP/1.1 403 No\r\n", "HTTP/1.1 200\r\na:b\r\n"]);
  const bytes = random.damaged(Buffer.from(`${head}${body === "" ? "\r\n" : body}`));
  const read = (pieces: readonly Buffer[]): string =>
    outcome((log) => {
      const heads = new ResponseHeadReader(100, 0);
      let bodies: ResponseBodyReader | undefined;
      for (const piece of pieces) {
        const result = bodies === undefined ? heads.push(piece) : undefined;
        if (result !== undefined) {
          log.push(result.head.rawHead);
          bodies = new ResponseBodyReader(result.head, 20);
          bodies.push(piece.subarray(result.consumed));
        } else bodies?.push(piece);
      }
      log.push(`${bodies?.body.toString("latin1")} ${bodies?.isComplete(true)}`);
    });
  assert.equal(read(random.pieces(bytes)), read([bytes]));
}
