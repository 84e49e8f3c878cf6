import { Utf8Checker } from "./utf8.js";
import type { MessageInflater } from "./websocket-deflate.js";
import type { Frame } from "./websocket-frames.js";
import { opcodes, rsv1 } from "./websocket-frames.js";
import { WireError, excerpt } from "./wire-error.js";

export interface Message {
  readonly type: "text" | "binary";
  readonly bytes: Uint8Array;
  /** Frames that it came in. */
  readonly fragments: number;
}

const empty = new Uint8Array(0);

/** Joins data frames into messages and checks their text as it comes, so that bad UTF-8 is found in the fragment that holds it. */
export class MessageAssembler {
  private readonly maxMessageBytes: number;
  private readonly inflater: MessageInflater | undefined;
  private readonly utf8 = new Utf8Checker();
  private type: "text" | "binary" | undefined;
  private compressed = false;
  private fragments = 0;
  private atByte = 0;
  private joined: Uint8Array = empty;
  private joinedBytes = 0;
  private textError: WireError | undefined;

  constructor(options: { readonly maxMessageBytes: number; readonly inflater: MessageInflater | undefined }) {
    this.maxMessageBytes = options.maxMessageBytes;
    this.inflater = options.inflater;
  }

  /** Whether a message was begun and its last fragment has not come. */
  get open(): boolean {
    return this.type !== undefined;
  }

  /** Whether a frame that declares this many bytes would make the open message longer than the bound. */
  wouldOverflow(payloadBytes: number): boolean {
    return this.joinedBytes + payloadBytes > this.maxMessageBytes;
  }

  /**
   * Takes the next data frame: the message that it ends, if any. A start drops an unfinished message, and a continuation without start is dropped.
   * `error` is bad text or bad compression; a message with bad text is there all the same.
   */
  add(frame: Frame): { readonly message: Message | undefined; readonly error: WireError | undefined } {
    if (frame.opcode !== opcodes.continuation) this.begin(frame);
    const { type } = this;
    if (type === undefined) return { message: undefined, error: undefined };
    this.fragments += 1;
    const error = type === "text" && !this.compressed ? this.checkText(frame) : undefined;
    const bytes = this.join(frame);
    if (bytes === undefined) return { message: undefined, error };
    const { fragments } = this;
    const compressed = this.compressed;
    const atByte = this.atByte;
    this.reset();
    if (!compressed || this.inflater === undefined) return { message: { type, bytes, fragments }, error };
    return this.inflateMessage({ type, bytes, fragments }, this.inflater, atByte);
  }

  private begin(frame: Frame): void {
    this.reset();
    this.type = frame.opcode === opcodes.text ? "text" : "binary";
    this.compressed = this.inflater !== undefined && (frame.rsv & rsv1) !== 0;
    this.atByte = frame.atByte;
  }

  /** All bytes of the message where this frame is its last. */
  private join(frame: Frame): Uint8Array | undefined {
    if (frame.fin && this.fragments === 1) return frame.payload;
    const needed = this.joinedBytes + frame.payload.length;
    if (needed > this.joined.length) {
      const grown = new Uint8Array(Math.max(needed, Math.min(this.joined.length * 2, this.maxMessageBytes)));
      grown.set(this.joined.subarray(0, this.joinedBytes));
      this.joined = grown;
    }
    this.joined.set(frame.payload, this.joinedBytes);
    this.joinedBytes = needed;
    return frame.fin ? this.joined.subarray(0, needed) : undefined;
  }

  private checkText(frame: Frame): WireError | undefined {
    if (this.textError !== undefined) return undefined;
    const badIndex = this.utf8.push(frame.payload);
    if (badIndex < 0 && (!frame.fin || this.utf8.complete)) return undefined;
    const index = badIndex < 0 ? frame.payload.length : badIndex;
    this.textError = badUtf8(frame.payload, index, frame.atByte + frame.headerBytes + index);
    return this.textError;
  }

  private inflateMessage(message: Message, inflater: MessageInflater, atByte: number): { message: Message | undefined; error: WireError | undefined } {
    try {
      const bytes = inflater.inflate(message.bytes, atByte);
      const checker = new Utf8Checker();
      const badIndex = message.type === "text" ? checker.push(bytes) : -1;
      const error = badIndex < 0 && checker.complete ? undefined : badUtf8(bytes, badIndex < 0 ? bytes.length : badIndex, atByte);
      return { message: { ...message, bytes }, error };
    } catch (error) {
      if (error instanceof WireError) return { message: undefined, error };
      throw error;
    }
  }

  private reset(): void {
    this.type = undefined;
    this.fragments = 0;
    this.joined = empty;
    this.joinedBytes = 0;
    this.textError = undefined;
    this.utf8.reset();
  }
}

function badUtf8(bytes: Uint8Array, index: number, atByte: number): WireError {
  const actual = index === bytes.length ? "a message that ends inside a character" : excerpt(bytes.subarray(Math.max(0, index - 3), index + 4));
  return new WireError("BAD_UTF8", { expected: "UTF-8 in a text message (§8.1)", actual, atByte });
}
