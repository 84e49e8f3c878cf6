/** A request of a flood: one that is no upgrade, or an upgrade to a version of WebSocket that does not exist. */
export const floodRequests = ["plain", "wrong-upgrade"] as const;
export type FloodRequest = (typeof floodRequests)[number];

export const floodMethods = ["GET", "POST", "OPTIONS"] as const;
export type FloodMethod = (typeof floodMethods)[number];

/** Plain HTTP on the WebSocket path, beside the streams of a workload. */
export interface Flood {
  /** A whole URL, or a path on the target's host; undefined: the path of the WebSocket target. */
  readonly url: string | undefined;
  /** Of plain requests; a wrong upgrade is a GET. */
  readonly method: FloodMethod;
  /** Sent in turn on each connection. */
  readonly of: readonly FloodRequest[];
  readonly connections: number;
  /** Over all connections; undefined: as fast as they are answered. */
  readonly ratePerSecond: number | undefined;
  /** Since the measured part began. */
  readonly fromMs: number;
  readonly durationMs: number;
  /** No more than so many, whatever the time. */
  readonly requests: number;
}

/** What the process that makes a flood is told; plain data. */
export interface FloodTask extends Pick<Flood, "method" | "of" | "connections" | "ratePerSecond" | "durationMs" | "requests"> {
  /** Whole, `http:` or `https:`. Certificates are not looked at. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** PEM. */
  readonly clientCertificate: { readonly cert: string; readonly key: string } | undefined;
}

export interface FloodOutcome {
  /** Whole answers by status; right to within the connections, whose last request is cut off. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Connections that broke, and requests that got no answer in time. */
  readonly failed: number;
  /** Why it was not the flood that was asked for; undefined: it was. */
  readonly problem: string | undefined;
}

/** A flood that is ready to begin, in a process of its own. */
export interface FloodProcess {
  begin(): void;
  /** Ends it early; without effect when it has ended. */
  stop(): void;
  /** Settles when the process is gone, however it went; never rejects. */
  readonly ended: Promise<FloodOutcome>;
}

/** Starts the process of a flood and resolves when it is ready to begin. Never rejects: a process that does not come up has `ended` with a problem. */
export type PrepareFlood = (task: FloodTask) => Promise<FloodProcess>;
