import { gunzipSync } from "node:zlib";

import { endings, grpcStatus, type Ending } from "./ending.js";

/** One message taken out of the DATA of a call, or why there will be no more. */
export type MessageReading = { readonly kind: "message"; readonly bytes: Buffer } | { readonly kind: "refused"; readonly ending: Ending };

export interface MessageReaderOptions {
  /** Largest message, in bytes after decompression. */
  readonly limitBytes: number;
  /** The call's grpc-encoding is gzip; without it a set compressed flag is an error. */
  readonly gzip: boolean;
  /** A fault: the flag is not looked at. */
  readonly flagIgnored: boolean;
}

const PREFIX_BYTES = 5;

/** Finds length-prefixed messages in DATA that may be split and joined anywhere. Holds at most one incomplete message. */
export class MessageReader {
  readonly #options: MessageReaderOptions;
  #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(options: MessageReaderOptions) {
    this.#options = options;
  }

  /** A message has begun and is not complete. */
  get partial(): boolean {
    return this.#bytes > 0;
  }

  /** Forgets what it holds of an incomplete message. */
  forget(): void {
    this.#keep(Buffer.alloc(0));
  }

  /** The messages that a chunk completes, in order; a refusal is the last. */
  push(chunk: Buffer): MessageReading[] {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    const readings: MessageReading[] = [];
    while (this.#bytes >= PREFIX_BYTES) {
      const held = this.#joined();
      const flag = this.#options.flagIgnored ? 0 : (held[0] ?? 0);
      const length = held.readUInt32BE(1);
      const refusal = this.#refusalOfPrefix(flag, length);
      if (refusal !== undefined) return [...readings, { kind: "refused", ending: refusal }];
      if (held.length < PREFIX_BYTES + length) break;
      const payload = held.subarray(PREFIX_BYTES, PREFIX_BYTES + length);
      this.#keep(held.subarray(PREFIX_BYTES + length));
      const reading = flag === 0 ? { kind: "message" as const, bytes: payload } : this.#gunzip(payload);
      readings.push(reading);
      if (reading.kind === "refused") break;
    }
    return readings;
  }

  #refusalOfPrefix(flag: number, length: number): Ending | undefined {
    if (flag > 1) return internal(`compressed flag ${flag} is neither 0 nor 1`);
    if (flag === 1 && !this.#options.gzip) return internal("compressed message without grpc-encoding");
    return length > this.#options.limitBytes ? tooLarge(length, this.#options.limitBytes) : undefined;
  }

  #gunzip(payload: Buffer): MessageReading {
    try {
      return { kind: "message", bytes: gunzipSync(payload, { maxOutputLength: this.#options.limitBytes }) };
    } catch (error) {
      const over = error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE";
      const ending = over ? tooLarge(undefined, this.#options.limitBytes) : internal("message is not gzip");
      return { kind: "refused", ending };
    }
  }

  #joined(): Buffer {
    const [first] = this.#chunks;
    const held = this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks, this.#bytes);
    this.#chunks = [held];
    return held;
  }

  #keep(rest: Buffer): void {
    this.#chunks = rest.length === 0 ? [] : [rest];
    this.#bytes = rest.length;
  }
}

function internal(detail: string): Ending {
  return { ...endings.truncated, detail };
}

function tooLarge(bytes: number | undefined, limitBytes: number): Ending {
  const size = bytes === undefined ? "a message" : `a message of ${bytes} bytes`;
  return { status: grpcStatus.resourceExhausted, closeCode: 1009, detail: `${size} is over the limit of ${limitBytes}` };
}

/** The headers that say a status; a clean one has no message. */
export function statusHeaders(ending: Ending): Record<string, string> {
  const status = { "grpc-status": String(ending.status) };
  return ending.detail === "" ? status : { ...status, "grpc-message": percentEncode(ending.detail) };
}

/** Percent-encodes a status message: all bytes of its UTF-8 but printable ASCII, and `%` (PROTOCOL-HTTP2, Percent-Byte). */
export function percentEncode(text: string): string {
  let encoded = "";
  for (const byte of Buffer.from(text, "utf8")) {
    const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    encoded += plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}
