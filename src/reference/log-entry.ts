import { stringField, varintField } from "./protobuf.js";

/** The levels of the contract from the lowest to the highest. */
export const levels = ["debug", "info", "warn", "error"] as const;

export type Level = (typeof levels)[number];

/** What a producer writes; the log adds the sequence and the time. */
export interface EntryInput {
  readonly level: Level;
  readonly source: string;
  readonly message: string;
}

/** Something that both transports know how to send: a whole gRPC message with its prefix, and the payload of a text frame. */
export interface Encoded {
  readonly grpcMessage: Buffer;
  readonly json: Buffer;
}

/** One entry of the log. Encoded at most once for each transport, however many streams it is sent on. */
export class LogEntry implements EntryInput, Encoded {
  readonly sequence: number;
  readonly time: string;
  readonly level: Level;
  readonly source: string;
  readonly message: string;
  /** Position of the level in {@link levels}. */
  readonly rank: number;
  /** Roughly the encoded size: what a waiting entry counts for in the buffer of a stream. */
  readonly sizeBytes: number;
  #grpcMessage: Buffer | undefined;
  #json: Buffer | undefined;

  constructor(sequence: number, time: string, input: EntryInput) {
    this.sequence = sequence;
    this.time = time;
    this.level = input.level;
    this.source = input.source;
    this.message = input.message;
    this.rank = levels.indexOf(input.level);
    this.sizeBytes = 96 + input.source.length + Buffer.byteLength(input.message);
  }

  get grpcMessage(): Buffer {
    this.#grpcMessage ??= encodeGrpcMessage(this);
    return this.#grpcMessage;
  }

  get json(): Buffer {
    this.#json ??= Buffer.from(
      JSON.stringify({
        sequence: this.sequence,
        time: this.time,
        level: this.level,
        source: this.source,
        message: this.message,
      }),
    );
    return this.#json;
  }
}

/** MonitorResponse with the five bytes of gRPC's length prefix before it. */
export function encodeGrpcMessage(entry: {
  readonly sequence: number;
  readonly time: string;
  readonly level: string;
  readonly source: string;
  readonly message: string;
}): Buffer {
  const fields = [
    varintField(1, entry.sequence),
    stringField(2, entry.time),
    stringField(3, entry.level),
    stringField(4, entry.source),
    stringField(5, entry.message),
  ];
  const bytes = fields.reduce((sum, field) => sum + field.length, 0);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(bytes, 1);
  return Buffer.concat([prefix, ...fields], bytes + 5);
}

/** Replaces lone surrogates, which no UTF-8 can carry, by U+FFFD, so that both transports say the same. */
export function wellFormed(text: string): string {
  return /[\ud800-\udfff]/.test(text) ? Buffer.from(text, "utf8").toString("utf8") : text;
}
