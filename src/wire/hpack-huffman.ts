import { WireError } from "./wire-error.js";

/**
 * RFC 7541 appendix B as code lengths, one letter a symbol: "5" is 5 bits, "a" 10, "g" 16, "u" 30. The code is
 * canonical (codes of one length are consecutive, in symbol order), so the lengths say everything; symbol 256 is EOS.
 */
const CODE_LENGTHS =
  "dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6ca" +
  "d67777777777777777777777878djde6f56565666577666567655677777fbeds" +
  "kmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmn" +
  "qqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrqu";

const EOS = 256;
const LONGEST = 30;

interface HuffmanTables {
  readonly lengths: Uint8Array;
  readonly codes: Uint32Array;
  /** Symbols by code length, then by code. */
  readonly symbols: Uint16Array;
  readonly firstCode: Uint32Array;
  readonly firstIndex: Uint16Array;
  readonly count: Uint16Array;
  /** For every 8 bits that begin with a whole code: symbol * 16 + length; 0 where the code is longer. */
  readonly short: Uint16Array;
}

let built: HuffmanTables | undefined;

// Built at the first use and never changed: importing the module costs nothing.
function huffmanTables(): HuffmanTables {
  built ??= buildTables();
  return built;
}

function buildTables(): HuffmanTables {
  const lengths = Uint8Array.from(CODE_LENGTHS, (letter) => Number.parseInt(letter, 36));
  const codes = new Uint32Array(lengths.length);
  const symbols = new Uint16Array(lengths.length);
  const firstCode = new Uint32Array(LONGEST + 1);
  const firstIndex = new Uint16Array(LONGEST + 1);
  const count = new Uint16Array(LONGEST + 1);
  const short = new Uint16Array(256);
  let code = 0;
  let index = 0;
  for (let length = 1; length <= LONGEST; length += 1) {
    code *= 2;
    firstCode[length] = code;
    firstIndex[length] = index;
    for (let symbol = 0; symbol < lengths.length; symbol += 1) {
      if (lengths[symbol] !== length) continue;
      codes[symbol] = code;
      symbols[index] = symbol;
      if (length <= 8) short.fill(symbol * 16 + length, code << (8 - length), (code + 1) << (8 - length));
      code += 1;
      index += 1;
    }
    count[length] = index - (firstIndex[length] ?? 0);
  }
  return { lengths, codes, symbols, firstCode, firstIndex, count, short };
}

/**
 * Decodes a Huffman-coded string literal (RFC 7541 section 5.2) to one Latin-1 character a byte.
 * Throws {@link WireError} `COMPRESSION_ERROR` for EOS in the text and for padding that is longer than 7 bits or not all ones.
 */
export function decodeHuffman(bytes: Uint8Array, start: number, end: number, atByte: number): string {
  const tables = huffmanTables();
  const out = Buffer.allocUnsafe(Math.floor(((end - start) * 8) / 5));
  let written = 0;
  let pending = 0;
  let bits = 0;
  let at = start;
  for (;;) {
    while (bits <= 16 && at < end) {
      pending = (pending << 8) | (bytes[at] ?? 0);
      bits += 8;
      at += 1;
    }
    if (bits >= 8 || (bits >= 5 && at >= end)) {
      const window = bits >= 8 ? (pending >>> (bits - 8)) & 0xff : ((pending << (8 - bits)) | (0xff >> bits)) & 0xff;
      const hit = tables.short[window] ?? 0;
      const length = hit & 15;
      if (length !== 0 && length <= bits) {
        out[written] = hit >>> 4;
        written += 1;
        bits -= length;
        pending &= (1 << bits) - 1;
        continue;
      }
    }
    let code = pending;
    let length = bits;
    let next = at;
    // A code longer than what is pending: take single bits from the bytes that follow.
    let symbol = -1;
    for (let tried = 5; tried <= LONGEST; tried += 1) {
      while (length < tried && next < end) {
        code = code * 256 + (bytes[next] ?? 0);
        length += 8;
        next += 1;
      }
      if (length < tried) break;
      const candidate = Math.floor(code / 2 ** (length - tried));
      const offset = candidate - (tables.firstCode[tried] ?? 0);
      if (offset < 0 || offset >= (tables.count[tried] ?? 0)) continue;
      symbol = tables.symbols[(tables.firstIndex[tried] ?? 0) + offset] ?? EOS;
      const left = length - tried;
      pending = code % 2 ** left;
      bits = left;
      at = next;
      break;
    }
    if (symbol === EOS) throw compressionError("a Huffman string without EOS (RFC 7541 5.2)", "EOS", atByte + at - start - 1);
    if (symbol < 0) break;
    out[written] = symbol;
    written += 1;
  }
  if (at < end || bits > 7 || pending !== (1 << bits) - 1) {
    throw compressionError("at most 7 bits of padding, all ones (RFC 7541 5.2)", `${bits + (end - at) * 8} bits that are no code`, atByte + end - start - 1);
  }
  return out.toString("latin1", 0, written);
}

/** Huffman-codes Latin-1 text; padding is ones, as RFC 7541 section 5.2 asks. */
export function encodeHuffman(text: string): Buffer {
  const { lengths, codes } = huffmanTables();
  let bits = 0;
  for (let at = 0; at < text.length; at += 1) bits += lengths[text.charCodeAt(at) & 0xff] ?? 0;
  const out = Buffer.alloc(Math.ceil(bits / 8));
  let bit = 0;
  for (let at = 0; at < text.length; at += 1) {
    const symbol = text.charCodeAt(at) & 0xff;
    const length = lengths[symbol] ?? 0;
    const code = codes[symbol] ?? 0;
    for (let shift = length - 1; shift >= 0; shift -= 1) {
      if ((code >>> shift) & 1) out[bit >>> 3] = (out[bit >>> 3] ?? 0) | (0x80 >>> (bit & 7));
      bit += 1;
    }
  }
  if (bit % 8 !== 0) out[out.length - 1] = (out[out.length - 1] ?? 0) | (0xff >>> (bit % 8));
  return out;
}

/** The one error of HPACK: connection error COMPRESSION_ERROR (RFC 9113 section 4.3). */
export function compressionError(expected: string, actual: string, atByte: number): WireError {
  return new WireError("COMPRESSION_ERROR", { expected, actual, atByte });
}
