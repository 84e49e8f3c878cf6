/** One narrow way in which the reference server can be wrong. */
export interface Fault {
  /** What the server does wrong, and who tends to. */
  readonly sentence: string;
  /** Where in the server it bites. */
  readonly seam: string;
  /** Ids of the checks that catch it. */
  readonly caughtBy: readonly string[];
}

/** Every fault by its name. */
export const faults = {
  "any-content-type": { sentence: "", seam: "", caughtBy: [] },
} as const satisfies Record<string, Fault>;

export type FaultName = keyof typeof faults;

/** The faults of one server. */
export type Faults = ReadonlySet<string>;
