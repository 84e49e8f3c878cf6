/** What a peer's bytes, or its silence, broke: each code is one rule or one bound, so a caller can branch without reading prose. */
export type WireErrorCode = Uppercase<string>;

/** What a {@link WireError} states, beside its code. */
export interface WireErrorDetail {
  /** What the protocol, or our bound, called for: a phrase that may cite its clause. */
  readonly expected: string;
  /** What came instead. Peer text in it is escaped and cut by {@link excerpt}. */
  readonly actual: string;
  /** Offset, from 0, in the bytes received on this connection, of the first byte that is wrong; -1 where no byte is to blame (silence, refused dial). */
  readonly atByte: number;
  readonly cause?: unknown;
}

/** A peer that broke the protocol, went silent past a deadline, or could not be reached. Never thrown for a mistake of our own. */
export class WireError extends Error {
  override readonly name = "WireError";
  readonly code: WireErrorCode;
  readonly expected: string;
  readonly actual: string;
  readonly atByte: number;

  constructor(code: WireErrorCode, detail: WireErrorDetail) {
    const at = detail.atByte < 0 ? "" : ` at byte ${detail.atByte}`;
    super(`${code}: expected ${detail.expected}, got ${detail.actual}${at}`, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.code = code;
    this.expected = detail.expected;
    this.actual = detail.actual;
    this.atByte = detail.atByte;
  }
}

/** Peer bytes as one printable ASCII line, at most `limit` bytes of them (default 48): what is cut is counted. */
export function excerpt(bytes: Uint8Array, limit = 48): string {
  let text = "";
  for (const byte of bytes.subarray(0, limit)) {
    const printable = byte >= 0x20 && byte < 0x7f && byte !== 0x5c;
    text += printable ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`;
  }
  const more = bytes.length - limit;
  return more > 0 ? `"${text}" and ${more} bytes more` : `"${text}"`;
}
