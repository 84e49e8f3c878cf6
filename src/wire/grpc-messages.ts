import { gunzipSync, gzipSync } from "node:zlib";

import { MESSAGE_PREFIX_BYTES } from "./grpc-scanner.js";
import type { Header } from "./hpack.js";
import { WireError } from "./wire-error.js";

/** One metadata entry: text, or bytes for a name that ends in `-bin`. */
export type MetadataEntry = readonly [name: string, value: string | Uint8Array];

/** One message as it travels: flag, length, payload; with `compress` the payload is gzipped. `flagByte` overrides the flag. */
export function encodeMessage(message: Uint8Array, options: { readonly compress?: boolean; readonly flagByte?: number } = {}): Buffer {
  const payload = options.compress ? gzipSync(message) : message;
  const out = Buffer.allocUnsafe(MESSAGE_PREFIX_BYTES + payload.length);
  out[0] = options.flagByte ?? (options.compress ? 1 : 0);
  out.writeUInt32BE(payload.length, 1);
  out.set(payload, MESSAGE_PREFIX_BYTES);
  return out;
}

/** Undoes gzip. Throws WireError `BAD_COMPRESSION`, or `MESSAGE_TOO_LONG` where more than `maxMessageBytes` would come out. */
export function gunzipMessage(payload: Uint8Array, maxMessageBytes: number, atByte: number): Buffer {
  try {
    return gunzipSync(payload, { maxOutputLength: Math.max(1, maxMessageBytes) });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ERR_BUFFER_TOO_LARGE") {
      throw new WireError("MESSAGE_TOO_LONG", {
        expected: `a message of at most ${maxMessageBytes} bytes`,
        actual: `${payload.length} gzipped bytes that hold more`,
        atByte,
      });
    }
    throw new WireError("BAD_COMPRESSION", { expected: "a whole gzip stream", actual: message, atByte, cause: error });
  }
}

/** Metadata as headers: bytes as unpadded base64, as the gRPC specification asks of senders. */
export function encodeMetadata(metadata: readonly MetadataEntry[]): Header[] {
  return metadata.map(([name, value]) => [name, typeof value === "string" ? value : Buffer.from(value).toString("base64").replace(/=+$/, "")]);
}

/** The bytes of a `-bin` header, padded or not; several values joined by commas are one each. */
export function decodeBinaryValues(value: string): Buffer[] {
  return value.split(",").map((part) => Buffer.from(part.trim(), "base64"));
}

/**
 * Decodes `grpc-message`: percent-encoded UTF-8. A malformed escape stays as it is and never fails, as the
 * specification asks; bytes that are no UTF-8 become U+FFFD.
 */
export function decodePercent(text: string): string {
  const bytes = Buffer.allocUnsafe(text.length);
  let length = 0;
  for (let at = 0; at < text.length; at += 1) {
    const hex = text.slice(at + 1, at + 3);
    if (text[at] === "%" && /^[0-9a-fA-F]{2}$/.test(hex)) {
      bytes[length] = Number.parseInt(hex, 16);
      at += 2;
    } else bytes[length] = text.charCodeAt(at) & 0xff;
    length += 1;
  }
  return bytes.toString("utf8", 0, length);
}
