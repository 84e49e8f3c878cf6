import t from "tap";
import { encodeClosePayload, opcodes, type FrameHeader } from "../../src/wire/websocket-frames.js";
import { closeCodeFor, headerViolations, parseClosePayload } from "../../src/wire/websocket-violations.js";
import { WireError } from "../../src/wire/wire-error.js";

const idle = { messageOpen: false, closeReceived: false, deflate: false };

function codes(header: Partial<FrameHeader>, context: Partial<typeof idle> = {}): readonly string[] {
  const plain = { fin: true, rsv: 0, opcode: opcodes.text, maskKey: undefined, payloadBytes: 5, headerBytes: 2, atByte: 40 };
  return headerViolations({ ...plain, ...header }, { ...idle, ...context }).map((error) => `${error.code} at ${error.atByte}`);
}

t.test("a legal header has no violation", (t) => {
  t.strictSame(codes({}), []);
  t.strictSame(codes({ fin: false }), []);
  t.strictSame(codes({ opcode: opcodes.continuation }, { messageOpen: true }), []);
  t.strictSame(codes({ opcode: opcodes.ping, payloadBytes: 125 }, { messageOpen: true }), []);
  t.strictSame(codes({ rsv: 4 }, { deflate: true }), []);
  t.strictSame(codes({ payloadBytes: 126, headerBytes: 4 }), []);
  t.strictSame(codes({ payloadBytes: 65536, headerBytes: 10 }), []);
  t.strictSame(codes({ opcode: opcodes.pong }, { closeReceived: true }), [], "control frames after Close are nothing that RFC 6455 forbids");
  t.end();
});

t.test("every broken rule is named, at its byte", (t) => {
  t.strictSame(codes({ rsv: 4 }), ["RESERVED_BITS at 40"]);
  t.strictSame(codes({ rsv: 5 }, { deflate: true }), ["RESERVED_BITS at 40"]);
  t.strictSame(codes({ rsv: 4, opcode: opcodes.continuation }, { deflate: true, messageOpen: true }), ["RESERVED_BITS at 40"]);
  t.strictSame(codes({ opcode: 7 }), ["RESERVED_OPCODE at 40"]);
  t.strictSame(codes({ opcode: 15, fin: false }), ["RESERVED_OPCODE at 40", "FRAGMENTED_CONTROL at 40"]);
  t.strictSame(codes({}, { messageOpen: true }), ["INTERRUPTED_MESSAGE at 40"]);
  t.strictSame(codes({ opcode: opcodes.continuation }), ["ORPHAN_CONTINUATION at 40"]);
  t.strictSame(codes({}, { closeReceived: true }), ["DATA_AFTER_CLOSE at 40"]);
  t.strictSame(codes({ maskKey: new Uint8Array(4), headerBytes: 6 }), ["MASKED_FRAME at 41"]);
  t.strictSame(codes({ opcode: opcodes.close, payloadBytes: 126, headerBytes: 4 }), ["LONG_CONTROL at 41"]);
  t.strictSame(codes({ payloadBytes: 125, headerBytes: 4 }), ["LONG_LENGTH_FORM at 41"]);
  t.strictSame(codes({ payloadBytes: 65535, headerBytes: 10 }), ["LONG_LENGTH_FORM at 41"]);
  t.end();
});

t.test("a Close payload is read as far as it can be, and its violation points at the byte", (t) => {
  t.strictSame(parseClosePayload(new Uint8Array(0), 9), { code: undefined, reason: "", violation: undefined });
  t.strictSame(parseClosePayload(encodeClosePayload(1000, "schön"), 9), { code: 1000, reason: "schön", violation: undefined });
  t.match(parseClosePayload(new Uint8Array(1), 9), { code: undefined, violation: { code: "BAD_CLOSE_PAYLOAD", atByte: 9 } });
  t.match(parseClosePayload(encodeClosePayload(1006, "x"), 9), { code: 1006, reason: "x", violation: { code: "BAD_CLOSE_CODE", actual: "1006", atByte: 9 } });
  t.match(parseClosePayload(Buffer.from("03e861c3", "hex"), 9), { code: 1000, violation: { code: "BAD_UTF8", atByte: 13 } });
  t.end();
});

t.test("a violation closes with the code that RFC 6455 has for it", (t) => {
  const error = (code: Uppercase<string>): WireError => new WireError(code, { expected: "", actual: "", atByte: 0 });
  t.equal(closeCodeFor(error("FRAME_TOO_LONG")), 1009);
  t.equal(closeCodeFor(error("MESSAGE_TOO_LONG")), 1009);
  t.equal(closeCodeFor(error("BAD_UTF8")), 1007);
  t.equal(closeCodeFor(error("MASKED_FRAME")), 1002);
  t.end();
});
