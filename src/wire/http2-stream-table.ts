import { frameError, LARGEST_STREAM_ID, type FrameView } from "./http2-frames.js";
import type { StreamState } from "./http2-stream.js";

const REMEMBERED_STREAMS = 1024;

/** The streams of a connection that are not closed both ways, and how the latest 1,024 others closed. */
export class StreamTable {
  readonly #open = new Map<number, StreamState>();
  /** Frames that were under way when we reset are fine, frames after the peer's own end are not. */
  readonly #closedBy = new Map<number, "peer" | "us">();
  /** DATA mostly comes in runs on one stream. */
  #latest: StreamState | undefined;
  #nextId = 1;

  get size(): number {
    return this.#open.size;
  }

  /** The id of the stream to open next, or undefined when all are used up. */
  get nextId(): number | undefined {
    return this.#nextId > LARGEST_STREAM_ID ? undefined : this.#nextId;
  }

  /** A copy, so that streams may close while it is walked. */
  all(): StreamState[] {
    return [...this.#open.values()];
  }

  /** The stream that was asked for last, while it is open. */
  get latest(): StreamState | undefined {
    return this.#latest;
  }

  add(stream: StreamState): void {
    this.#nextId = stream.id + 2;
    this.#open.set(stream.id, stream);
  }

  get(id: number): StreamState | undefined {
    const latest = this.#latest;
    if (latest !== undefined && latest.id === id) return latest;
    return (this.#latest = this.#open.get(id));
  }

  remove(stream: StreamState, by: "peer" | "us"): void {
    this.#open.delete(stream.id);
    if (this.#latest === stream) this.#latest = undefined;
    this.#closedBy.set(stream.id, by);
    if (this.#closedBy.size <= REMEMBERED_STREAMS) return;
    const oldest = this.#closedBy.keys().next();
    if (!oldest.done) this.#closedBy.delete(oldest.value);
  }

  /** Who closed a stream that is no longer open; undefined once it is forgotten. */
  closedBy(id: number): "peer" | "us" | undefined {
    return this.#closedBy.get(id);
  }

  /** Throws WireError `PROTOCOL_ERROR` for a frame on a stream that we never opened. */
  refuseIdle(frame: FrameView): void {
    if (frame.streamId % 2 === 1 && frame.streamId < this.#nextId) return;
    throw frameError("PROTOCOL_ERROR", frame, "a stream that we opened (RFC 9113 5.1)", `stream ${frame.streamId}`);
  }
}
