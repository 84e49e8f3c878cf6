import type { Message, Transport } from "./contract.js";
import type { Flood } from "./flood.js";
import type { RateStage, Spacing } from "./schedule.js";

/**
 * A filter as a workload names it: a filter of the contract, a role with `$` (`$broad`, `$silent`, `$disjoint.1`, `$disjoint.2`,
 * `$overlap.1`, `$overlap.2`), which every contract can give, or a message written out.
 */
export type FilterReference = string | Message;

/** One thing that a stream does. */
export type WorkloadStep =
  /** Sends a filter; of several the next one each time, over again. `times`: so many in a row without waiting. */
  | { readonly kind: "send"; readonly filters: readonly FilterReference[]; readonly times: number }
  /** Waits until the latest filter took effect; when it did not within the bound that is a timeout, and the stream goes on. */
  | { readonly kind: "expect-applied"; readonly withinMs: number | undefined }
  /** Waits for so many more entries; when they do not come within the bound, the stream goes on. */
  | { readonly kind: "expect-entries"; readonly count: number; readonly withinMs: number | undefined }
  /** Waits for the server's end. */
  | { readonly kind: "expect-end"; readonly withinMs: number | undefined }
  /** Waits until the lag of a resumed reader is back where it was. */
  | { readonly kind: "expect-caught-up"; readonly withinMs: number | undefined }
  /** After a cancel: waits until nothing has come on the stream's own connection for half a second; gRPC on a connection of its own. */
  | { readonly kind: "expect-quiet"; readonly withinMs: number | undefined }
  | { readonly kind: "end" }
  | { readonly kind: "cancel" }
  /** Stops reading, so that the peer's flow control fills. */
  | { readonly kind: "pause" }
  | { readonly kind: "resume" }
  | { readonly kind: "wait"; readonly ms: number }
  /** Has the contract's producer write entries that the named filter lets through. */
  | { readonly kind: "produce"; readonly filter: FilterReference; readonly count: number };

/** When a stream performs its `each` steps. */
export type Arrivals =
  /** Again as soon as the last round is done, plus think time. */
  | { readonly model: "closed"; readonly thinkMs: number }
  /** On an absolute schedule that never waits for the server. */
  | {
      readonly model: "open";
      /** `updates`: each arrival is a round on a stream that is free; `streams`: each arrival is a stream of its own. */
      readonly of: "updates" | "streams";
      readonly stages: readonly RateStage[];
      readonly spacing: Spacing;
      /** Rounds or streams under way at once; further arrivals wait and are counted as deferred. */
      readonly inFlight: number;
    };

/** Streams that do the same. */
export interface StreamGroup {
  readonly name: string;
  readonly streams: number;
  /** Transports it runs on, its streams in turn; undefined: all that targets were given for. */
  readonly transports: readonly Transport[] | undefined;
  /** Streams that share a gRPC connection. */
  readonly streamsPerConnection: number;
  /** Over how long the streams are opened, evenly. */
  readonly rampUpMs: number;
  /** When the group begins, since the start of the measured part; streams with 0 open before it. */
  readonly fromMs: number;
  /** When it stops; undefined: at the end. */
  readonly untilMs: number | undefined;
  /** Untouched while other groups disturb: its lag before and during them makes the bystander ratio. */
  readonly bystander: boolean;
  readonly arrivals: Arrivals;
  /** Once, when a stream has opened. */
  readonly begin: readonly WorkloadStep[];
  /** Again and again; empty: the stream just reads. */
  readonly each: readonly WorkloadStep[];
  /** Once, when the run stops. */
  readonly finish: readonly WorkloadStep[];
}

/** A scenario, how many streams perform it, and when. */
export interface Workload {
  readonly name: string;
  readonly about: string;
  /** Where it was read from, for messages. */
  readonly source: string;
  readonly durationMs: number;
  /** Performed but not measured; what breaks the contract is counted all the same. */
  readonly warmUpMs: number;
  /** Bound of filter-apply; undefined: the contract's. */
  readonly applyWithinMs: number | undefined;
  /** Gaps between entries longer than this are stalls; undefined: not counted. */
  readonly stallMs: number | undefined;
  readonly groups: readonly StreamGroup[];
  /** Plain HTTP beside the streams; undefined: none. */
  readonly flood?: Flood | undefined;
  readonly thresholds: readonly string[];
}

/** Whether a step makes readers stop, so that the peer's flow control fills. */
export function stopsReading(groups: readonly StreamGroup[]): boolean {
  return groups.some((group) => [...group.begin, ...group.each, ...group.finish].some(({ kind }) => kind === "pause"));
}
