import type { ByteTest, ByteWindow } from "./byte-tests.js";
import type { PreparedFilter } from "./filters.js";
import type { EntryMatcher } from "./ledger.js";

/** A filter with its conditions on bytes. */
export interface ByteFilter extends PreparedFilter {
  readonly tests: readonly ByteTest[];
}

/** Reads what verification and latency need of an entry where it lies, without an object for it. */
export interface EntryReader extends EntryMatcher<ByteFilter> {
  /** Counted from a base that all entries of this reader share; NaN when the contract has none. */
  readonly sequence: number;
  /** The entry's own time in microseconds since the Unix epoch; NaN when the contract has none. */
  readonly timeMicros: number;
  /** Reads one entry; false: it holds something unexpected and is to be decoded whole. */
  read(buffer: Buffer, start: number, end: number): boolean;
  /** Whole decoding must count its sequence numbers from the same base. */
  relative(sequence: number | bigint | undefined): number;
}

/** The fields that a reader keeps. */
export interface ReaderPlan {
  readonly sequence: string | undefined;
  readonly time: string | undefined;
  /** Fields whose bytes are kept, by slot. */
  readonly kept: readonly string[];
}

/** Whether every condition of a filter holds for the fields that a reader kept. */
export function passes(filter: ByteFilter, window: ByteWindow, starts: Int32Array, ends: Int32Array): boolean {
  const { tests } = filter;
  for (let i = 0; i < tests.length; i++) {
    const test = tests[i] as ByteTest;
    if (!test.test(window, starts[test.slot] as number, ends[test.slot] as number)) {
      return false;
    }
  }
  return true;
}
