import type { Ending } from "./ending.js";
import type { Filter, FilterReading } from "./filter.js";
import type { Encoded, LogEntry } from "./log-entry.js";
import type { Release, Subscription } from "./subscription.js";

/** The seams of a stream: the steps at which it can be made to behave otherwise, and what passes through each. */
interface SeamValues {
  /** A text frame; the step reads it. */
  text: string;
  /** A ping; the step answers it. */
  ping: Buffer;
  /** A message has been read; the step acts on what it turned out to be. */
  reading: FilterReading;
  /** A filter has arrived; the step puts it in force. */
  filter: Filter;
  /** The client has said that it will send no more; the step ends the stream cleanly. */
  end: undefined;
  /** The log has an entry; the step judges it by the filter in force and queues it. */
  entry: LogEntry;
  /** A message leaves the queue; the step hands it to the transport. */
  send: Encoded;
  /** The transport takes data again, and the queue has been sent as far as it does; the step does nothing. */
  resumed: undefined;
  /** The queue is over its bound; the step ends the stream. */
  overflow: undefined;
  /** The server is about to end the stream; the step says so to the client. */
  finish: Ending;
  /** The stream is over; the step stops counting it as open. */
  released: Release;
}

/** What is to happen at a seam instead of the step; to call `step` at once is to change nothing. */
export type Detour<T> = (value: T, step: (value: T) => void) => void;

/** The detours of one stream, of a fault or of a planted measure. The correct server has none. */
export type StreamSeams = { readonly [Seam in keyof SeamValues]?: Detour<SeamValues[Seam]> } & {
  /** Stands for the judgement of the filter in force. */
  readonly matches?: (filter: Filter, entry: LogEntry) => boolean;
};

/** Makes the detours of one stream; what streams share lives in the function that made this one. */
export type SeamFactory = (subscription: Subscription) => StreamSeams;

/** Takes a value through a seam. */
export function pass<Seam extends keyof SeamValues>(seams: StreamSeams, seam: Seam, value: SeamValues[Seam], step: (value: SeamValues[Seam]) => void): void {
  const detour = seams[seam] as Detour<SeamValues[Seam]> | undefined;
  if (detour === undefined) step(value);
  else detour(value, step);
}

/** Two sets of detours as one: a value takes those of the outer first. */
export function composeSeams(outer: StreamSeams, inner: StreamSeams): StreamSeams {
  const chain =
    <Seam extends keyof SeamValues>(seam: Seam): Detour<SeamValues[Seam]> =>
    (value, step) =>
      pass(outer, seam, value, (passed) => pass(inner, seam, passed, step));
  const matches = outer.matches ?? inner.matches;
  return {
    text: chain("text"),
    ping: chain("ping"),
    reading: chain("reading"),
    filter: chain("filter"),
    end: chain("end"),
    entry: chain("entry"),
    send: chain("send"),
    resumed: chain("resumed"),
    overflow: chain("overflow"),
    finish: chain("finish"),
    released: chain("released"),
    ...(matches === undefined ? {} : { matches }),
  };
}
