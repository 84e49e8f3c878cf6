import { performance } from "node:perf_hooks";
import type { Conversation } from "./conversation.js";
import type { DraftProducer } from "./supply.js";

/** Of each stream so many arrivals, the last ones, are looked at. */
const lookedAt = 50;
/** Arrivals that are older tell nothing of how far the server is behind at this moment, in milliseconds. */
const recentMs = 1000;

/** How far the server is behind with what the run itself writes: seen on all streams of the run, for what one check makes it do delays the others. */
export interface ServerLag {
  /** The same producer; what it has been given and has not answered counts. */
  watched(producer: DraftProducer): DraftProducer;
  /** Looks at the arrivals of a stream until the function that it gives is called. `writtenAtMs`: when the entry of a token was given to the producer. */
  follow(conversation: Conversation, writtenAtMs: (token: string) => number | undefined): () => void;
  /**
   * The greatest time, in milliseconds, that an entry which came within the last second took from its writing (on a reader that had stopped, from when
   * it read again), or that the producer has owed an answer; 0 when there is neither.
   */
  behindMs(): number;
}

export function createServerLag(): ServerLag {
  const followed = new Map<Conversation, (token: string) => number | undefined>();
  /** When each write was begun that has no answer. */
  const owed = new Set<{ readonly sinceMs: number }>();

  return {
    watched: (producer) => ({
      async produce(drafts) {
        const write = { sinceMs: performance.now() };
        owed.add(write);
        try {
          return await producer.produce(drafts);
        } finally {
          owed.delete(write);
        }
      },
    }),
    follow(conversation, writtenAtMs) {
      followed.set(conversation, writtenAtMs);
      return () => void followed.delete(conversation);
    },
    behindMs() {
      const nowMs = performance.now();
      let behind = 0;
      for (const { sinceMs } of owed) {
        behind = Math.max(behind, nowMs - sinceMs);
      }
      for (const [{ arrivals, readsSinceMs }, writtenAtMs] of followed) {
        if (readsSinceMs === undefined) {
          continue;
        }
        for (const { atMicros, token } of arrivals.slice(-lookedAt)) {
          const atMs = atMicros / 1000;
          const writtenMs = token === undefined || atMs < nowMs - recentMs ? undefined : writtenAtMs(token);
          if (writtenMs !== undefined) {
            behind = Math.max(behind, atMs - Math.max(writtenMs, readsSinceMs));
          }
        }
      }
      return behind;
    },
  };
}
