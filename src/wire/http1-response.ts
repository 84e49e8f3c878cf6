import { WireError, excerpt } from "./wire-error.js";

/** A header field as sent: the name's case kept, the value without surrounding blanks. */
export type HeaderField = readonly [name: string, value: string];

export interface ResponseHead {
  readonly status: number;
  readonly reason: string;
  readonly headers: readonly HeaderField[];
  /** The head as received, with its empty line, as latin-1. */
  readonly rawHead: string;
}

/** All values of a field, in order; names compare without case (RFC 9110 §5.1). */
export function fieldValues(headers: readonly HeaderField[], name: string): readonly string[] {
  const wanted = name.toLowerCase();
  return headers.filter(([fieldName]) => fieldName.toLowerCase() === wanted).map(([, value]) => value);
}

/** The comma-separated members of a list field, over all its lines. */
export function fieldTokens(headers: readonly HeaderField[], name: string): readonly string[] {
  return fieldValues(headers, name)
    .flatMap((value) => value.split(","))
    .map((token) => token.trim())
    .filter((token) => token !== "");
}

/**
 * Reads one HTTP/1.1 response head from pieces cut anywhere (RFC 9112 §§2-5). What is not HTTP fails at its first wrong byte, so a peer that
 * speaks another protocol is named at once and not after a timeout.
 */
export class ResponseHeadReader {
  private readonly maxBytes: number;
  private readonly firstByte: number;
  private head: Buffer;
  private filled = 0;

  /** `firstByte` is the offset on the connection of the first byte pushed. */
  constructor(maxBytes: number, firstByte: number) {
    this.maxBytes = maxBytes;
    this.firstByte = firstByte;
    this.head = Buffer.allocUnsafe(Math.min(maxBytes, 1024));
  }

  get bytesRead(): number {
    return this.filled;
  }

  /** The head once its empty line has come, with the number of bytes of `chunk` that belong to it; throws a {@link WireError}. */
  push(chunk: Uint8Array): { readonly head: ResponseHead; readonly consumed: number } | undefined {
    for (let index = 0; index < chunk.length; index += 1) {
      if (this.filled === this.maxBytes) {
        throw new WireError("RESPONSE_HEAD_TOO_LONG", {
          expected: `a response head of at most ${this.maxBytes} bytes`,
          actual: "more without an end",
          atByte: this.firstByte + this.filled,
        });
      }
      this.append(chunk[index]!);
      this.checkStart(chunk, index);
      if (this.endsHead()) return { head: parseHead(this.head.subarray(0, this.filled), this.firstByte), consumed: index + 1 };
    }
    return undefined;
  }

  private append(byte: number): void {
    if (this.filled === this.head.length) {
      const grown = Buffer.allocUnsafe(Math.min(this.maxBytes, this.head.length * 2));
      grown.set(this.head);
      this.head = grown;
    }
    this.head[this.filled] = byte;
    this.filled += 1;
  }

  /** The rest of the chunk is shown too: it tells which protocol it is. */
  private checkStart(chunk: Uint8Array, at: number): void {
    const index = this.filled - 1;
    if (index < statusLineStart.length && chunk[at] !== statusLineStart[index]) {
      throw new WireError("NOT_HTTP", {
        expected: 'a response that starts with "HTTP/1."',
        actual: excerpt(Buffer.concat([this.head.subarray(0, this.filled), chunk.subarray(at + 1)])),
        atByte: this.firstByte + index,
      });
    }
  }

  private endsHead(): boolean {
    const end = this.filled;
    const { head } = this;
    return end >= 4 && head[end - 1] === lineFeed && head[end - 2] === carriageReturn && head[end - 3] === lineFeed && head[end - 4] === carriageReturn;
  }
}

const statusLineStart = Buffer.from("HTTP/1.", "latin1");
const carriageReturn = 0x0d;
const lineFeed = 0x0a;

function parseHead(bytes: Buffer, firstByte: number): ResponseHead {
  const rawHead = bytes.toString("latin1");
  const lines = rawHead.slice(0, -4).split("\r\n");
  const statusLine = /^HTTP\/1\.[0-9] ([1-9][0-9]{2})(?: (.*))?$/.exec(lines[0]!);
  if (statusLine === null) {
    const actual = excerpt(bytes.subarray(0, lines[0]!.length));
    throw new WireError("BAD_STATUS_LINE", { expected: '"HTTP/1.1", a status of three digits and a reason (RFC 9112 §4)', actual, atByte: firstByte });
  }
  const headers: HeaderField[] = [];
  let lineStart = lines[0]!.length + 2;
  for (const line of lines.slice(1)) {
    const field = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\0\r\n]*)$/.exec(line);
    if (field === null) {
      const actual = excerpt(bytes.subarray(lineStart, lineStart + line.length));
      throw new WireError("BAD_HEADER_FIELD", { expected: '"name: value" on each line (RFC 9112 §5)', actual, atByte: firstByte + lineStart });
    }
    headers.push([field[1]!, field[2]!.replace(/[ \t]+$/, "")]);
    lineStart += line.length + 2;
  }
  return { status: Number(statusLine[1]), reason: statusLine[2] ?? "", headers, rawHead };
}

/**
 * Reads the body that follows a response head, by Content-Length, chunked coding or to the end of the connection (RFC 9112 §6). Keeps its first
 * `maxBytes`, and never fails: a body that breaks its coding is one that is not complete.
 */
export class ResponseBodyReader {
  private readonly kept: Buffer;
  private keptBytes = 0;
  private readonly chunked: boolean;
  /** Bytes of this chunk, or of the whole body, to come; Infinity: to the end of the connection. */
  private remaining: number;
  private line = "";
  private state: "data" | "size" | "data-end" | "trailer" | "whole" | "broken" = "data";

  constructor(head: ResponseHead, maxBytes: number) {
    const encodings = fieldTokens(head.headers, "transfer-encoding");
    this.chunked = encodings.at(-1)?.toLowerCase() === "chunked";
    const lengths = new Set(fieldTokens(head.headers, "content-length"));
    const length = [...lengths][0];
    this.remaining = Infinity;
    if (head.status === 204 || head.status === 304) this.remaining = 0;
    else if (this.chunked) this.state = "size";
    else if (length !== undefined && encodings.length === 0) {
      if (lengths.size > 1 || !/^[0-9]{1,15}$/.test(length)) this.state = "broken";
      else this.remaining = Number(length);
    }
    if (this.remaining === 0) this.state = "whole";
    this.kept = Buffer.allocUnsafe(maxBytes);
  }

  /** No more bytes are needed: the body is whole, broken, or as long as is kept. */
  get done(): boolean {
    return this.state === "whole" || this.state === "broken" || this.keptBytes === this.kept.length;
  }

  /** Whether every byte of the body came and was kept; a body that runs to the end of the connection needs `connectionEnded`. */
  isComplete(connectionEnded: boolean): boolean {
    return this.state === "whole" || (connectionEnded && this.state === "data" && this.remaining === Infinity && !this.chunked);
  }

  get body(): Buffer {
    return this.kept.subarray(0, this.keptBytes);
  }

  push(chunk: Uint8Array): void {
    let offset = 0;
    while (offset < chunk.length && !this.done) {
      if (this.state === "data") offset = this.takeData(chunk, offset);
      else {
        this.takeLineByte(chunk[offset]!);
        offset += 1;
      }
    }
  }

  private takeData(chunk: Uint8Array, offset: number): number {
    const take = Math.min(this.remaining, chunk.length - offset, this.kept.length - this.keptBytes);
    this.kept.set(chunk.subarray(offset, offset + take), this.keptBytes);
    this.keptBytes += take;
    this.remaining -= take;
    if (this.remaining === 0) this.state = this.chunked ? "data-end" : "whole";
    return offset + take;
  }

  private takeLineByte(byte: number): void {
    if (byte !== lineFeed) {
      this.line += String.fromCharCode(byte);
      if (this.line.length > 1024) this.state = "broken";
      return;
    }
    const line = this.line.endsWith("\r") ? this.line.slice(0, -1) : this.line;
    this.line = "";
    if (this.state === "data-end") this.state = line === "" ? "size" : "broken";
    else if (this.state === "trailer") this.state = line === "" ? "whole" : "trailer";
    else {
      const size = /^[0-9a-fA-F]{1,12}(?=$|[ \t]*;)/.exec(line);
      this.remaining = size === null ? 0 : Number.parseInt(size[0], 16);
      if (size === null) this.state = "broken";
      else this.state = this.remaining === 0 ? "trailer" : "data";
    }
  }
}
