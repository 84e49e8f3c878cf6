import type { Entry, Filter } from "../core/contract.js";

// Ids of the checks whose very subject a failure may be, by what was seen, most likely first. The first of them that failed too explains the failure.

/** An update had no effect: nothing came, or entries of other filters did. */
export function rootsOfNoUpdate(othersCame: boolean): readonly string[] {
  const state = othersCame ? "filter-updates/effective-under-load" : "filter-updates/effective-while-idle";
  return [
    "filter-updates/takes-effect",
    "first-filter/ws-one-json-per-text-frame",
    state,
    "filter-updates/replaces-not-merges",
    "filter-updates/narrow-wide-narrow",
    ...rootsOfNoEntry,
  ];
}

/** A stream ended that nobody had ended. */
export const rootsOfEnd: readonly string[] = [
  "first-filter/takes-effect",
  "first-filter/empty-is-everything",
  "cancellation/grpc-deadline-not-early",
  "eof/ws-null-lookalikes",
  "flow-control/grpc-window-respected",
];

/** An entry that was due did not come. */
export const rootsOfNoEntry: readonly string[] = [
  "first-filter/takes-effect",
  "first-filter/ws-one-json-per-text-frame",
  "first-filter/none-missing",
  "filter-updates/judges-next-entry",
  "isolation/grpc-one-connection",
  "isolation/many-connections",
  "flow-control/slow-reader-lossless",
  "flow-control/grpc-window-respected",
  "resources/final-equals-first",
];

/** A stream that its client ended goes on. */
export const rootsOfNoEnd: readonly string[] = ["eof/grpc-empty-end-stream", "eof/while-idle", "eof/on-quiet-log", "flow-control/eof-after-blocked-send"];

/** The server still holds streams that are over. */
export const rootsOfHeldStreams: readonly string[] = [
  "cancellation/grpc-under-flow",
  "cancellation/grpc-before-first-filter",
  "cancellation/grpc-while-idle",
  "cancellation/ws-fin-and-rst-released",
  "eof/while-idle",
  "eof/on-quiet-log",
];

/** An entry came that the current filter does not let through; `filters` are those that the stream has had. */
export function rootsOfWrongEntry(filters: readonly Filter[], entry: Entry): readonly string[] {
  const stale = filters.some((earlier) => earlier.matches(entry));
  return [
    "first-filter/silent-before",
    ...(stale
      ? ["filter-updates/replaces-not-merges", "filter-updates/no-old-after-new", "filter-updates/effective-under-load", "filter-updates/judges-next-entry"]
      : []),
    "robustness/reconnect-starts-fresh",
    "first-filter/entries-match",
    "first-filter/no-match-stays-alive",
  ];
}

/** Entries came out of order, or a second time. */
export function rootsOfDisorder(twice: boolean): readonly string[] {
  const roots = ["filter-updates/order-kept", "filter-updates/same-again-no-replay"];
  return twice ? roots.toReversed() : roots;
}
