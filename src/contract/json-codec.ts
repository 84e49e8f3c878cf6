import { randomUUID } from "node:crypto";
import type { Message, MessageCodec } from "../core/contract.js";
import { jsonText } from "../core/json-text.js";

/** Nesting beyond which whoever walks a message would run out of stack; and a length below which it cannot be reached. */
const deepest = 500;
const shortEnough = 2 * deepest;
const replacement = "\ufffd";

/**
 * JSON messages, one in a frame. Whole numbers that no double holds come as bigint. Refuses invalid UTF-8, a byte order mark, nesting beyond 500,
 * and any value that is not an object.
 */
export function createJsonCodec(form: "text" | "binary"): MessageCodec {
  const encoder = new TextEncoder();
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  return {
    form,
    encode: (message) => encoder.encode(jsonText(message)),
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
      return (holdsRounded(value) ? parseWithBigints(text) : value) as Message;
    },
  };
}

/** A string's opening quote, or a whole number of 16 to 20 digits: what is longer is no 64-bit integer. */
const longNumberOrQuote = /"|(?<![\d.eE+-])-?\d{16,20}(?![\d.eE])/g;
/** Told from any text that a server sends. */
const bigintMark = `bigint ${randomUUID()} `;

/** Whether a number may be another than was written: beyond 2^53 the doubles that `JSON.parse` makes leave whole numbers out, and a sequence stands still. */
function holdsRounded(value: unknown): boolean {
  if (typeof value === "number") {
    return value >= 2 ** 53 || value <= -(2 ** 53);
  }
  if (typeof value !== "object" || value === null) {
    return false;
  }
  if (Array.isArray(value)) {
    return value.some(holdsRounded);
  }
  // Without a list of the values: every message of a load that is decoded whole is looked at.
  for (const key in value) {
    if (holdsRounded((value as Readonly<Record<string, unknown>>)[key])) {
      return true;
    }
  }
  return false;
}

/** The value of correct JSON, with those whole numbers as bigint that no double holds. */
function parseWithBigints(text: string): unknown {
  let marked = "";
  let copied = 0;
  longNumberOrQuote.lastIndex = 0;
  for (let found = longNumberOrQuote.exec(text); found !== null; found = longNumberOrQuote.exec(text)) {
    const [token] = found;
    if (token === '"') {
      longNumberOrQuote.lastIndex = afterString(text, found.index);
    } else if (BigInt(Number(token)) !== BigInt(token)) {
      marked += `${text.slice(copied, found.index)}"${bigintMark}${token}"`;
      copied = longNumberOrQuote.lastIndex;
    }
  }
  return JSON.parse(marked + text.slice(copied), (_, inner: unknown) =>
    typeof inner === "string" && inner.startsWith(bigintMark) ? BigInt(inner.slice(bigintMark.length)) : inner,
  );
}

/** Index behind the closing quote of the string that opens at `start`. */
function afterString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') {
    at += text[at] === "\\" ? 2 : 1;
  }
  return at + 1;
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
