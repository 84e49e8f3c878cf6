/** Time as the harness sees it; passed in, so that tests can hold it still. */
export interface Clock {
  /** Monotonic time in microseconds since an arbitrary start. */
  nowMicros(): number;
  /** Wall-clock time in microseconds since the Unix epoch; only for one-way lag against an entry's own time. */
  wallMicros(): number;
}
