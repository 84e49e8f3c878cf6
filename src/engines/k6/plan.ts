/** What the k6 script performs, as plain JSON: a workload with its filters and messages written out. Times are in milliseconds. */
export interface K6Plan {
  readonly name: string;
  /** From k6's start until the warm-up begins: streams that are there from the start open in it. */
  readonly setupMs: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
  /** How long `finish` may take after the end, all its waits together. */
  readonly finishMs: number;
  /** Gaps between entries longer than this are stalls; 0: none are. */
  readonly stallMs: number;
  readonly targets: readonly K6Target[];
  readonly groups: readonly K6Group[];
  /** Accept any certificate. */
  readonly insecure: boolean;
  readonly clientCertificate: { readonly cert: string; readonly key: string } | null;
}

export interface K6Target {
  readonly transport: "grpc" | "ws";
  /** gRPC: `host:port`; WebSocket: the whole URL. */
  readonly address: string;
  /** gRPC: `package.Service/Method`. */
  readonly method: string;
  readonly plaintext: boolean;
  /** PEM of the authorities to trust over gRPC; null: the system's. */
  readonly ca: string | null;
  readonly headers: Readonly<Record<string, string>>;
  /** File with the types, absolute or relative to the script's folder; null over WebSocket. */
  readonly protoset: string | null;
  /** Text frame that says "no more filters"; null: the Close frame says it. */
  readonly endText: string | null;
  readonly subprotocols: readonly string[];
  /** Field of the sequence number as k6 shows it; null: entries carry none. */
  readonly sequenceField: string | null;
  readonly order: "increasing" | "non-decreasing" | "none";
  readonly replay: boolean;
  /** Field with the RFC 3339 time of writing; null: there is none. */
  readonly timeField: string | null;
  /** Fields that must be there and not null. */
  readonly required: readonly string[];
  readonly applyMs: number;
  readonly endMs: number;
  readonly prelude: readonly object[];
  readonly filters: readonly K6Filter[];
}

/** Indices into a target's filters stand for filters in steps; two references to one filter are one index. */
export interface K6Filter {
  readonly name: string;
  /** Lets every entry through, so that a gap in the sequence is a loss. */
  readonly everything: boolean;
  /** Lets no entry through. */
  readonly nothing: boolean;
  /** All must hold. */
  readonly tests: readonly K6Test[];
  readonly opening: readonly object[];
  /** By index of the filter before. */
  readonly updating: readonly (readonly object[])[];
}

export type K6Test =
  | { readonly kind: "one-of"; readonly field: string; readonly values: readonly string[] }
  | { readonly kind: "contains" | "prefix"; readonly field: string; readonly text: string }
  /** Whole numbers; greater ones than 2^53 are compared as BigInt. */
  | { readonly kind: "at-least" | "at-most"; readonly field: string; readonly limit: string };

export interface K6Group {
  readonly name: string;
  readonly streams: number;
  /** Indices of the targets that its streams take in turn. */
  readonly targets: readonly number[];
  readonly rampUpMs: number;
  readonly fromMs: number;
  /** 0: until the end. */
  readonly untilMs: number;
  readonly thinkMs: number;
  /** Each arrival is a stream of its own, evenly spaced by the rate; null: the group's streams are there from `fromMs` on. */
  readonly arrivals: {
    readonly stages: readonly K6Stage[];
    /** Streams at once; an arrival beyond them is dropped. */
    readonly inFlight: number;
  } | null;
  readonly begin: readonly K6Step[];
  readonly each: readonly K6Step[];
  readonly finish: readonly K6Step[];
}

/** A rate that goes straight from one value to the other. */
export interface K6Stage {
  readonly durationMs: number;
  readonly fromPerSecond: number;
  readonly toPerSecond: number;
}

/** As in a workload; a bound of 0 is the target's own. */
export type K6Step =
  /** For each target of the plan the filters' indices, of which the next one is sent each time. */
  | { readonly kind: "send"; readonly filters: readonly (readonly number[])[]; readonly times: number }
  | { readonly kind: "expect-applied" | "expect-end"; readonly withinMs: number }
  | { readonly kind: "expect-entries"; readonly count: number; readonly withinMs: number }
  | { readonly kind: "wait"; readonly ms: number }
  | { readonly kind: "end" };
