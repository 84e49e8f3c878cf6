import type { Message, MessageCodec } from "../core/contract.js";

/** Nesting beyond which whoever walks a message would run out of stack; and a length below which it cannot be reached. */
const deepest = 500;
const shortEnough = 2 * deepest;
const replacement = "\ufffd";

/** JSON messages, one in a frame. Refuses invalid UTF-8, a byte order mark, nesting beyond 500, and any value that is not an object. */
export function createJsonCodec(form: "text" | "binary"): MessageCodec {
  const encoder = new TextEncoder();
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  return {
    form,
    encode: (message) => encoder.encode(JSON.stringify(message, (_, value: unknown) => (typeof value === "bigint" ? value.toString() : value))),
    decode(bytes, start = 0, end = bytes.length) {
      if (end === start) {
        throw new Error("an empty frame, not a JSON object");
      }
      // Much the fastest way to a string; what was not UTF-8 holds replacement characters.
      let text = Buffer.prototype.utf8Slice.call(bytes, start, end);
      if (text.includes(replacement)) {
        const own = bytes.subarray(start, end);
        try {
          text = decoder.decode(own);
        } catch {
          throw new Error(`not UTF-8: the first bad byte is at ${firstBadByte(own)}`);
        }
      }
      let value: unknown;
      try {
        value = JSON.parse(text);
      } catch (thrown) {
        throw new Error(`not JSON: ${thrown instanceof Error ? thrown.message : String(thrown)}`, { cause: thrown });
      }
      if (text.length > shortEnough && nestsTooDeep(value)) {
        throw new Error(`JSON nested more than ${deepest} deep`);
      }
      if (typeof value !== "object" || value === null || Array.isArray(value)) {
        throw new Error(`JSON ${value === null ? "null" : Array.isArray(value) ? "array" : typeof value}, not an object`);
      }
      return value as Message;
    },
  };
}

/** Offset of the first byte at which the input stops being UTF-8, by halving: a prefix is fine, or only cut short. */
function firstBadByte(bytes: Uint8Array): number {
  let good = 0;
  let bad = bytes.length;
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    try {
      // Streaming accepts a character that is cut off at the end.
      new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, middle), { stream: true });
      good = middle;
    } catch {
      bad = middle;
    }
  }
  return good;
}

/** Whether objects and lists stand in one another more than `left` deep. */
function nestsTooDeep(value: unknown, left = deepest): boolean {
  if (typeof value !== "object" || value === null) {
    return false;
  }
  return left === 0 || Object.values(value).some((inner) => nestsTooDeep(inner, left - 1));
}
