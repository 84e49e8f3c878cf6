import { compressionError, decodeHuffman } from "./hpack-huffman.js";
import { STATIC_TABLE } from "./hpack-static-table.js";

/** One header field; a byte of the wire is one character (Latin-1), so nothing is lost or mended. */
export type Header = readonly [name: string, value: string];

/** What a header block held. */
export interface DecodedHeaders {
  /** In wire order; cut off once the list passed the decoder's limit. */
  readonly headers: readonly Header[];
  /** Size of the whole list as RFC 9113 section 6.5.2 counts it: name + value + 32 for each field. */
  readonly listBytes: number;
}

const DEFAULT_TABLE_BYTES = 4096;
const ENTRY_OVERHEAD_BYTES = 32;
/** Above any legal length on a connection of ours, and far from where 32-bit arithmetic breaks. */
const LARGEST_INTEGER = 2 ** 28;

/** The HPACK decoder of one connection; its memory is the table limit plus what a block decodes to, cut at `maxHeaderListBytes`. */
export class HpackDecoder {
  readonly #maxHeaderListBytes: number;
  /** Newest last; entries before `#oldest` are evicted. */
  #entries: Header[] = [];
  #oldest = 0;
  #tableBytes = 0;
  #maxTableBytes = DEFAULT_TABLE_BYTES;
  #limitBytes = DEFAULT_TABLE_BYTES;
  #block: Uint8Array = new Uint8Array(0);
  #at = 0;
  #blockAtByte = 0;

  constructor(options: { readonly maxHeaderListBytes: number }) {
    this.#maxHeaderListBytes = options.maxHeaderListBytes;
  }

  /** Our SETTINGS_HEADER_TABLE_SIZE, once the peer must follow it. Below the size in use, the next block must begin with an update. */
  setTableLimit(bytes: number): void {
    this.#limitBytes = bytes;
  }

  /** Bytes that the dynamic table holds, as RFC 7541 section 4.1 counts them. */
  get tableBytes(): number {
    return this.#tableBytes;
  }

  /**
   * Decodes one whole header block and updates the table. A list over `maxHeaderListBytes` is still decoded to its end
   * (the table must stay in step) but not stored: the caller sees `listBytes` above the limit.
   * Throws WireError `COMPRESSION_ERROR`, after which the connection cannot go on. `atByte` is the block's offset in the connection.
   */
  decode(block: Uint8Array, atByte = 0): DecodedHeaders {
    this.#block = block;
    this.#at = 0;
    this.#blockAtByte = atByte;
    const headers: Header[] = [];
    let listBytes = 0;
    this.#readSizeUpdates();
    while (this.#at < block.length) {
      const header = this.#readField();
      listBytes += entryBytes(header);
      if (listBytes <= this.#maxHeaderListBytes) headers.push(header);
    }
    this.#block = new Uint8Array(0);
    return { headers, listBytes };
  }

  #readSizeUpdates(): void {
    let updated = false;
    while (this.#at < this.#block.length && ((this.#block[this.#at] ?? 0) & 0xe0) === 0x20) {
      const at = this.#at;
      const bytes = this.#readInteger(5);
      if (bytes > this.#limitBytes) throw this.#error(`a table size of at most ${this.#limitBytes} (RFC 7541 6.3)`, `${bytes}`, at);
      this.#maxTableBytes = bytes;
      this.#evictTo(bytes);
      updated = true;
    }
    if (!updated && this.#maxTableBytes > this.#limitBytes) {
      throw this.#error(`a table size update to at most ${this.#limitBytes} (RFC 7541 4.2)`, "none", 0);
    }
  }

  #readField(): Header {
    const at = this.#at;
    const first = this.#block[at] ?? 0;
    if (first & 0x80) return this.#entry(this.#readInteger(7), at);
    if (first & 0x40) {
      const header = this.#readLiteral(6, at);
      this.#insert(header);
      return header;
    }
    if (first & 0x20) throw this.#error("a table size update only where a block begins (RFC 7541 4.2)", "one after a field", at);
    return this.#readLiteral(4, at);
  }

  #readLiteral(prefixBits: number, at: number): Header {
    const index = this.#readInteger(prefixBits);
    const name = index === 0 ? this.#readString() : this.#entry(index, at)[0];
    return [name, this.#readString()];
  }

  #entry(index: number, at: number): Header {
    const entry = index <= STATIC_TABLE.length ? STATIC_TABLE[index - 1] : this.#entries[this.#entries.length - (index - STATIC_TABLE.length)];
    const live = this.#entries.length - this.#oldest;
    if (entry === undefined || index > STATIC_TABLE.length + live) {
      throw this.#error(`an index from 1 to ${STATIC_TABLE.length + live} (RFC 7541 2.3.3)`, `${index}`, at);
    }
    return entry;
  }

  #readInteger(prefixBits: number): number {
    const at = this.#at;
    const mask = (1 << prefixBits) - 1;
    let value = (this.#block[at] ?? 0) & mask;
    this.#at += 1;
    if (value < mask) return value;
    for (let scale = 1; ; scale *= 128) {
      if (this.#at >= this.#block.length) throw this.#error("the rest of an integer (RFC 7541 5.1)", "the end of the block", this.#at);
      const byte = this.#block[this.#at] ?? 0;
      this.#at += 1;
      value += (byte & 0x7f) * scale;
      if (value > LARGEST_INTEGER || scale > LARGEST_INTEGER) {
        throw this.#error(`an integer of at most ${LARGEST_INTEGER} (RFC 7541 5.1)`, "a larger or longer one", at);
      }
      if (byte < 0x80) return value;
    }
  }

  #readString(): string {
    const at = this.#at;
    if (at >= this.#block.length) throw this.#error("a string literal (RFC 7541 5.2)", "the end of the block", at);
    const huffman = ((this.#block[at] ?? 0) & 0x80) !== 0;
    const length = this.#readInteger(7);
    const start = this.#at;
    const end = start + length;
    if (end > this.#block.length) {
      throw this.#error(`a string of ${length} bytes (RFC 7541 5.2)`, `${this.#block.length - start} bytes to the end of the block`, at);
    }
    this.#at = end;
    if (huffman) return decodeHuffman(this.#block, start, end, this.#blockAtByte + start);
    return Buffer.from(this.#block.buffer, this.#block.byteOffset + start, length).toString("latin1");
  }

  #insert(header: Header): void {
    const bytes = entryBytes(header);
    this.#evictTo(this.#maxTableBytes - bytes);
    if (bytes > this.#maxTableBytes) return;
    this.#entries.push(header);
    this.#tableBytes += bytes;
  }

  #evictTo(bytes: number): void {
    while (this.#tableBytes > Math.max(bytes, 0)) {
      const entry = this.#entries[this.#oldest];
      if (entry === undefined) break;
      this.#tableBytes -= entryBytes(entry);
      this.#oldest += 1;
    }
    // Dropping the evicted half at once keeps eviction constant on average and the array at most twice the table.
    if (this.#oldest * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#oldest);
      this.#oldest = 0;
    }
  }

  #error(expected: string, actual: string, at: number) {
    return compressionError(expected, actual, this.#blockAtByte + at);
  }
}

/** The HPACK encoder of one connection: static table and literals, never the dynamic table, so any block stands alone. */
export class HpackEncoder {
  #announceEmptyTable = false;

  /** The peer's SETTINGS_HEADER_TABLE_SIZE: below the initial 4096 the next block says that our table is empty (RFC 7541 section 4.2). */
  setPeerTableLimit(bytes: number): void {
    if (bytes < DEFAULT_TABLE_BYTES) this.#announceEmptyTable = true;
  }

  /** One header block. Values are Latin-1; a character above U+00FF throws RangeError. */
  encode(headers: readonly Header[]): Buffer {
    const parts: number[] = [];
    if (this.#announceEmptyTable) {
      this.#announceEmptyTable = false;
      parts.push(0x20);
    }
    for (const [name, value] of headers) encodeField(parts, name, value);
    return Buffer.from(parts);
  }
}

function encodeField(parts: number[], name: string, value: string): void {
  let nameIndex = 0;
  for (let at = 0; at < STATIC_TABLE.length; at += 1) {
    const entry = STATIC_TABLE[at];
    if (entry === undefined || entry[0] !== name) continue;
    if (entry[1] === value) {
      parts.push(0x80 | (at + 1));
      return;
    }
    if (nameIndex === 0) nameIndex = at + 1;
  }
  encodeInteger(parts, nameIndex, 4, 0);
  if (nameIndex === 0) encodeString(parts, name);
  encodeString(parts, value);
}

function encodeString(parts: number[], text: string): void {
  encodeInteger(parts, text.length, 7, 0);
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code > 0xff) throw new RangeError(`header text must be Latin-1, found U+${code.toString(16)} at ${at}`);
    parts.push(code);
  }
}

/** Appends an integer with a prefix of `prefixBits` (RFC 7541 section 5.1); `flags` fill the bits above the prefix. */
export function encodeInteger(parts: number[], value: number, prefixBits: number, flags: number): void {
  const mask = (1 << prefixBits) - 1;
  if (value < mask) {
    parts.push(flags | value);
    return;
  }
  parts.push(flags | mask);
  let rest = value - mask;
  while (rest >= 128) {
    parts.push((rest % 128) | 0x80);
    rest = Math.floor(rest / 128);
  }
  parts.push(rest);
}

function entryBytes(header: Header): number {
  return header[0].length + header[1].length + ENTRY_OVERHEAD_BYTES;
}
