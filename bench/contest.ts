/** What a contestant did in its measured time. */
export interface Tally {
  readonly entries: number;
  readonly cpuMicros: number;
  /** Entries that it found wrong; the source sends none. */
  readonly faults: number;
}

/** Where a source listens; on `count` it says how many entries it has written, and closes. */
export interface SourcePorts {
  readonly port: number;
  readonly count: number;
}

/** One way to receive the flood of a source, in a process of its own. */
export interface Contestant {
  readonly name: string;
  /** What it looks at in each entry. */
  readonly verifies: string;
  /** Least millions of entries a CPU-second that are wanted of it. */
  readonly goal?: number;
  /** Another row of the group, and the least share of its rate that is wanted of this one. */
  readonly of?: { readonly name: string; readonly share?: number };
  /** Why it cannot run here; undefined when it can. */
  readonly missing?: string | undefined;
  run(source: SourcePorts, seconds: number): Promise<Tally>;
}

/** Contestants that receive the same bytes from the same source, in turns. */
export interface Group {
  readonly name: string;
  /** Instead of the length that was asked for. */
  readonly seconds?: number;
  startSource(): Promise<SourcePorts>;
  readonly contestants: readonly Contestant[];
}

/** Read at a time by the rows that say how much, as the harness does. */
export const readBufferBytes = 512 * 1024;

/** Left out of the measurement in every row: on a busy machine V8 takes its time to compile what a flood makes hot. */
export const warmUpSeconds = 2.5;

/** Runs a client in this process for the warm-up and the measured time, and takes its CPU time in the latter. */
export async function measure(seconds: number, start: (count: (entries: number) => void, fault: () => void) => () => void): Promise<Tally> {
  let entries = 0;
  let faults = 0;
  const stop = start(
    (more) => (entries += more),
    () => faults++,
  );
  await pause(warmUpSeconds);
  const before = entries;
  const cpu = process.cpuUsage();
  await pause(seconds);
  const { user, system } = process.cpuUsage(cpu);
  const after = entries;
  stop();
  return { entries: after - before, cpuMicros: user + system, faults };
}

export function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

/** The middle one, or the lower of the two. */
export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[(sorted.length - 1) >> 1] ?? Number.NaN;
}
