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
export type TimelineNote = Omit<TimelineEvent, "what"> & { readonly what: string | (() => string) };

/** Events of a check in order, bounded: when full, the middle is dropped and counted, so that beginning and end stay. */
export interface Timeline {
  add(event: TimelineNote): void;
  readonly events: readonly TimelineEvent[];
  /** How many events were dropped from the middle. */
  readonly dropped: number;
}

/** @param limit greatest number of events kept; default 2000. */
export function createTimeline(limit = 2000): Timeline {
  const head: TimelineNote[] = [];
  let tail: TimelineNote[] = [];
  let dropped = 0;
  const headLimit = Math.ceil(limit / 4);
  const tailLimit = limit - headLimit;
  return {
    add(event) {
      if (head.length < headLimit) {
        head.push(event);
        return;
      }
      tail.push(event);
      // Trimmed in halves, so that adding stays O(1) on average.
      if (tail.length > tailLimit * 2) {
        dropped += tail.length - tailLimit;
        tail = tail.slice(-tailLimit);
      }
    },
    get events() {
      return [...head, ...tail.slice(-tailLimit)].map(told);
    },
    get dropped() {
      return dropped + Math.max(0, tail.length - tailLimit);
    },
  };
}

/** Longest text of one event; a message of the target's may be of any length. */
const longestWhat = 400;

function told(note: TimelineNote): TimelineEvent {
  const { what, ...rest } = note;
  const text = typeof what === "string" ? what : what();
  return { ...rest, what: text.length > longestWhat ? `${text.slice(0, longestWhat - 1)}…` : text };
}
