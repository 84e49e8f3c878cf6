/** One event of one stream, as it is kept and printed. */
export interface TimelineEvent {
  /** Milliseconds since the check began, to the microsecond. */
  readonly atMs: number;
  /** Which stream of the check: `a`, `b` …, `producer`, `probe`, `check`. */
  readonly stream: string;
  readonly direction: "sent" | "received" | "local";
  /** `filter alpha`, `entry 17 beta`, `RST_STREAM CANCEL`, … One line, no control characters. */
  readonly what: string;
  /** The event that broke the requirement. */
  readonly offending?: boolean;
}

/** An event whose text is made only if it is looked at: most timelines never are. */
export type TimelineNote = Omit<TimelineEvent, "atMs" | "what"> & { readonly what: string | (() => string) };

/** Events of a check in order, bounded: when full, the middle is dropped and counted, so that beginning and end stay. */
export interface Timeline {
  /** @param atMs milliseconds since the check began. */
  add(note: TimelineNote, atMs: number): void;
  readonly events: readonly TimelineEvent[];
  /** How many events were dropped from the middle. */
  readonly dropped: number;
}

/** @param limit greatest number of events kept; default 2000. */
export function createTimeline(limit = 2000): Timeline {
  const headLimit = Math.ceil(limit / 4);
  const tailLimit = limit - headLimit;
  // Notes are kept as they were given, their times beside them: in a flood, copies would cost more than all the rest.
  const head: TimelineNote[] = [];
  let tail: TimelineNote[] = [];
  const headAtMs: number[] = [];
  let tailAtMs: number[] = [];
  let dropped = 0;
  return {
    add(note, atMs) {
      if (head.length < headLimit) {
        head.push(note);
        headAtMs.push(atMs);
        return;
      }
      tail.push(note);
      tailAtMs.push(atMs);
      // Trimmed in halves, so that adding stays O(1) on average.
      if (tail.length > tailLimit * 2) {
        dropped += tail.length - tailLimit;
        tail = tail.slice(-tailLimit);
        tailAtMs = tailAtMs.slice(-tailLimit);
      }
    },
    get events() {
      const atMs = [...headAtMs, ...tailAtMs.slice(-tailLimit)];
      return [...head, ...tail.slice(-tailLimit)].map((note, index) => told(note, atMs[index] ?? 0));
    },
    get dropped() {
      return dropped + Math.max(0, tail.length - tailLimit);
    },
  };
}

/** Longest text of one event; a message of the target's may be of any length. */
const longestWhat = 400;

function told({ stream, direction, what, offending }: TimelineNote, atMs: number): TimelineEvent {
  const text = typeof what === "string" ? what : what();
  return {
    atMs,
    stream,
    direction,
    ...(offending === undefined ? {} : { offending }),
    what: text.length > longestWhat ? `${text.slice(0, longestWhat - 1)}…` : text,
  };
}
