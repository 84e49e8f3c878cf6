import type { Bounds } from "../core/contract.js";
import type { HarnessErrorCode } from "../core/errors.js";
import type { TimeMetric } from "../core/metric.js";
import type { DriverName } from "../core/stream.js";
import type { Target } from "../core/target.js";
import type { FilterReference, Workload } from "../core/workload.js";
import type { ShareRecord, ShareWindow } from "./share.js";

/** A target as it crosses threads: contracts hold functions, so each worker loads its own. */
export type PortableTarget = Omit<Target, "contract"> & {
  /** What `loadContract` is given in the worker. */
  readonly contractReference: string;
  /** Those of the target's contract, which the user may have changed. */
  readonly bounds: Bounds;
  readonly driver: DriverName;
};

/** What a worker is started with. */
export interface WorkerTask {
  readonly workload: Workload;
  readonly targets: readonly PortableTarget[];
  readonly shard: { readonly index: number; readonly count: number };
  readonly seed: number;
  readonly windowed: readonly TimeMetric[];
  readonly connectTimeoutMs: number;
}

/** From a worker. */
export type WorkerMessage =
  | { readonly kind: "ready" }
  | { readonly kind: "window"; readonly window: ShareWindow }
  | { readonly kind: "produce"; readonly id: number; readonly reference: FilterReference; readonly count: number }
  | { readonly kind: "done"; readonly record: ShareRecord }
  | { readonly kind: "failed"; readonly error: PortableError };

/** To a worker. */
export type WorkerCommand =
  /** When to begin, in microseconds since the Unix epoch by this process's clock. */
  | { readonly kind: "start"; readonly atEpochMicros: number }
  | { readonly kind: "stop" }
  | { readonly kind: "produced"; readonly id: number; readonly error?: PortableError };

/** An error as it crosses threads; without a code it is a bug of our own. */
export interface PortableError {
  readonly code: HarnessErrorCode | undefined;
  readonly message: string;
  readonly place: string | undefined;
  readonly hint: string | undefined;
  readonly stack: string | undefined;
}
