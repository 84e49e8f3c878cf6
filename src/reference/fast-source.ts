import { createEntryClock, type EntryClock } from "./entry-clock.js";
import { buildTemplate, digitsOf, firstSequence, framesPerChunk, stamp, unstamped, type FastTemplate, type Stamp } from "./fast-template.js";
import type { Filter } from "./filter.js";
import type { SeamFactory } from "./seams.js";
import type { Transport } from "./subscription.js";

/** Where the fast source writes: past the library that serves the connection. */
export interface BulkWriter {
  readonly streamId: number;
  /** Bytes of payload that may be written at the moment. */
  room(): number;
  /** To be told whenever there may be more room. */
  onRoom(tell: () => void): void;
  /** Writes whole frames; `done` is called when the bytes may be changed. */
  write(frames: Buffer, payloadBytes: number, done: () => void): void;
}

/** One chunk being sent while the next is made ready. */
const CHUNKS_PER_STREAM = 2;

/** Templates kept for reuse; a storm of filters alternates between few. */
const TEMPLATES_KEPT = 32;

/** Where HTTP/2 has the stream id of a frame. */
const STREAM_ID_AT = 5;

/**
 * Entries as fast as each connection takes them, in place of the log: from its first filter on a stream is sent prebuilt
 * frames, of which only the sequence (each stream has its own, without a gap) and the time (one a chunk) are written afresh.
 * An update takes effect at the end of a chunk. Each stream holds about 400 KB.
 */
export function createFastSource(): SeamFactory {
  const templates = new Map<string, FastTemplate | undefined>();
  const clock = createEntryClock();
  const templateFor = (transport: Transport, filter: Filter, sequence: number): FastTemplate | undefined => {
    const key = `${transport} ${digitsOf(transport, sequence)} ${JSON.stringify(filter)}`;
    if (!templates.has(key)) {
      const [oldest] = templates.keys();
      if (templates.size >= TEMPLATES_KEPT && oldest !== undefined) templates.delete(oldest);
      templates.set(key, buildTemplate(transport, filter, sequence));
    }
    return templates.get(key);
  };
  return (stream) => {
    const { transport, bulk } = stream.outlet;
    if (bulk === undefined) return {};
    const flood = new Flood(transport, bulk, clock, templateFor);
    return {
      filter: (filter, step) => {
        step(filter);
        flood.use(filter);
      },
      released: (how, step) => {
        flood.stop();
        step(how);
      },
    };
  };
}

interface Chunk {
  readonly bytes: Buffer;
  readonly template: FastTemplate;
  held: Stamp;
}

class Flood {
  readonly #transport: Transport;
  readonly #writer: BulkWriter;
  readonly #clock: EntryClock;
  readonly #templateFor: (transport: Transport, filter: Filter, sequence: number) => FastTemplate | undefined;
  #filter: Filter | undefined;
  #sequence: number;
  /** Chunks that may be changed, and the one of which a part has been sent. */
  readonly #free: (Chunk | undefined)[] = Array.from({ length: CHUNKS_PER_STREAM }, () => undefined);
  #begun: { readonly chunk: Chunk; readonly sentBytes: number } | undefined;
  #scheduled = false;
  #stopped = false;

  constructor(
    transport: Transport,
    writer: BulkWriter,
    clock: EntryClock,
    templateFor: (transport: Transport, filter: Filter, sequence: number) => FastTemplate | undefined,
  ) {
    this.#transport = transport;
    this.#writer = writer;
    this.#clock = clock;
    this.#templateFor = templateFor;
    this.#sequence = firstSequence[transport];
    writer.onRoom(() => this.#schedule());
  }

  use(filter: Filter): void {
    this.#filter = filter;
    this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
  }

  /** A turn of the event loop for each write: other streams are served in between, and what arrives is read. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#stopped) return;
    this.#begun ??= this.#prepare();
    if (this.#begun === undefined) return;
    const { chunk, sentBytes } = this.#begun;
    const { frameBytes, payloadBytes } = chunk.template;
    const left = (chunk.bytes.length - sentBytes) / frameBytes;
    const frames = Math.min(left, Math.floor(this.#writer.room() / payloadBytes));
    if (frames === 0) return;
    const part = chunk.bytes.subarray(sentBytes, sentBytes + frames * frameBytes);
    const last = frames === left;
    this.#begun = last ? undefined : { chunk, sentBytes: sentBytes + part.length };
    this.#writer.write(part, frames * payloadBytes, () => {
      // Writes are done in order: with the last part all of the chunk has left.
      if (last) this.#free.push(chunk);
      this.#schedule();
    });
    this.#schedule();
  }

  /** The next chunk, if one is free and a filter has come that lets something through. */
  #prepare(): { readonly chunk: Chunk; readonly sentBytes: number } | undefined {
    if (this.#filter === undefined || this.#free.length === 0) return undefined;
    const template = this.#templateFor(this.#transport, this.#filter, this.#sequence);
    if (template === undefined) return undefined;
    const free = this.#free.pop();
    const chunk = free?.template === template ? free : this.#copy(template, free);
    const wanted = { sequence: this.#sequence, time: `${this.#clock.now().slice(0, -4)}Z` };
    stamp(chunk.bytes, template, chunk.held, wanted);
    chunk.held = wanted;
    this.#sequence += framesPerChunk[this.#transport];
    return { chunk, sentBytes: 0 };
  }

  #copy(template: FastTemplate, replaced: Chunk | undefined): Chunk {
    const bytes = replaced?.bytes.length === template.bytes.length ? replaced.bytes : Buffer.allocUnsafe(template.bytes.length);
    template.bytes.copy(bytes);
    if (this.#transport === "grpc") {
      for (let at = STREAM_ID_AT; at < bytes.length; at += template.frameBytes) bytes.writeUInt32BE(this.#writer.streamId, at);
    }
    return { bytes, template, held: unstamped(0) };
  }
}
