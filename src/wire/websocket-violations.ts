import type { FrameHeader } from "./websocket-frames.js";
import { isSendableCloseCode, opcodes, rsv1 } from "./websocket-frames.js";
import { Utf8Checker } from "./utf8.js";
import { WireError, excerpt } from "./wire-error.js";

/** What the frames before this one decide about it. */
export interface FrameContext {
  /** A message was begun and its last fragment has not come. */
  readonly messageOpen: boolean;
  readonly closeReceived: boolean;
  /** permessage-deflate was agreed on. */
  readonly deflate: boolean;
}

/** Every rule of RFC 6455 §5 that a server's frame header breaks, in the order of its bytes; most have none. */
export function headerViolations(header: FrameHeader, context: FrameContext): readonly WireError[] {
  if (isPlain(header, context)) return none;
  const errors: WireError[] = [];
  const add = (code: Uppercase<string>, expected: string, actual: string, atByte = header.atByte): void => {
    errors.push(new WireError(code, { expected, actual, atByte }));
  };
  const { opcode } = header;
  const isControl = opcode >= 8;
  const startsData = opcode === opcodes.text || opcode === opcodes.binary;
  const allowedRsv = context.deflate && startsData ? rsv1 : 0;
  if ((header.rsv & ~allowedRsv) !== 0)
    add("RESERVED_BITS", "RSV1-3 clear but for an extension agreed on (§5.2)", `RSV bits ${header.rsv.toString(2).padStart(3, "0")}`);
  if (opcode > opcodes.pong || (opcode > opcodes.binary && opcode < opcodes.close))
    add("RESERVED_OPCODE", "opcode 0, 1, 2, 8, 9 or 10 (§5.2)", `opcode ${opcode}`);
  if (isControl && !header.fin) add("FRAGMENTED_CONTROL", "a control frame in one piece (§5.5)", `opcode ${opcode} without FIN`);
  if (startsData && context.messageOpen) add("INTERRUPTED_MESSAGE", "a continuation of the message begun (§5.4)", `opcode ${opcode}`);
  if (opcode === opcodes.continuation && !context.messageOpen)
    add("ORPHAN_CONTINUATION", "a continuation only after the start of a message (§5.4)", "opcode 0");
  if (context.closeReceived && !isControl)
    add("DATA_AFTER_CLOSE", "no data frame after a Close frame (§5.5.1)", `opcode ${opcode} of ${header.payloadBytes} bytes`);
  if (header.maskKey !== undefined) add("MASKED_FRAME", "a server's frame without mask (§5.1)", "the mask bit set", header.atByte + 1);
  if (isControl && header.payloadBytes > 125)
    add("LONG_CONTROL", "at most 125 payload bytes in a control frame (§5.5)", `${header.payloadBytes}`, header.atByte + 1);
  const neededBytes = 2 + (header.payloadBytes > 65535 ? 8 : header.payloadBytes > 125 ? 2 : 0) + (header.maskKey === undefined ? 0 : 4);
  if (header.headerBytes !== neededBytes)
    add(
      "LONG_LENGTH_FORM",
      "the shortest form of the payload length (§5.2)",
      `${header.payloadBytes} in ${(header.headerBytes - 2) * 8} bits`,
      header.atByte + 1,
    );
  return errors;
}

const none: readonly WireError[] = [];

/** The frame that floods are made of: a whole message, unmasked, its length as short as can be. */
function isPlain(header: FrameHeader, context: FrameContext): boolean {
  const isMessage = header.fin && header.rsv === 0 && (header.opcode === opcodes.text || header.opcode === opcodes.binary);
  if (!isMessage || header.maskKey !== undefined || context.messageOpen || context.closeReceived) return false;
  return header.payloadBytes < 126 ? header.headerBytes === 2 : header.payloadBytes < 65536 && header.headerBytes === 4;
}

export interface ClosePayload {
  /** undefined: the frame had no payload (to be read as 1005). */
  readonly code: number | undefined;
  readonly reason: string;
  readonly violation: WireError | undefined;
}

/** Reads the payload of a Close frame (RFC 6455 §5.5.1, §7.4); `atByte` is where it starts. */
export function parseClosePayload(payload: Uint8Array, atByte: number): ClosePayload {
  if (payload.length === 0) return { code: undefined, reason: "", violation: undefined };
  if (payload.length === 1) {
    const violation = new WireError("BAD_CLOSE_PAYLOAD", {
      expected: "no payload, or a code of 2 bytes and a reason (§5.5.1)",
      actual: excerpt(payload),
      atByte,
    });
    return { code: undefined, reason: "", violation };
  }
  const code = (payload[0]! << 8) | payload[1]!;
  const reasonBytes = payload.subarray(2);
  const reason = Buffer.from(reasonBytes).toString("utf8");
  if (!isSendableCloseCode(code)) {
    const violation = new WireError("BAD_CLOSE_CODE", { expected: "1000-1003, 1007-1014 or 3000-4999 (§7.4)", actual: `${code}`, atByte });
    return { code, reason, violation };
  }
  const checker = new Utf8Checker();
  const badIndex = checker.push(reasonBytes);
  if (badIndex < 0 && checker.complete) return { code, reason, violation: undefined };
  const index = badIndex < 0 ? reasonBytes.length : badIndex;
  const violation = new WireError("BAD_UTF8", {
    expected: "a reason in UTF-8 (§5.5.1)",
    actual: excerpt(reasonBytes.subarray(Math.max(0, index - 3))),
    atByte: atByte + 2 + index,
  });
  return { code, reason, violation };
}

/** The code to close with when this violation ends the connection (RFC 6455 §7.4.1). */
export function closeCodeFor(violation: WireError): number {
  if (violation.code === "FRAME_TOO_LONG" || violation.code === "MESSAGE_TOO_LONG") return 1009;
  return violation.code === "BAD_UTF8" ? 1007 : 1002;
}
