/** `time`: a histogram of microseconds; `count`: a counter; `value`: one figure of the whole run. */
export type MetricKind = "time" | "count" | "value";

export interface Metric {
  readonly kind: MetricKind;
  /** One sentence for `explain` and the tables. */
  readonly about: string;
  /** Counted in windows too, so that it has a rate. */
  readonly rate?: true;
  /** A server that keeps its contract never makes it more than 0. */
  readonly forbidden?: true;
}

/**
 * Everything that a workload can measure. F_k is the k-th filter of a stream, i_k when it was due, s_k when it was written;
 * an entry is discriminating for k when F_k lets it through and the filters before it that may still hold do not.
 */
export const metrics = {
  connect: { kind: "time", about: "From dialling until the transport is ready." },
  open: { kind: "time", about: "From the call until initial metadata; WebSocket: from the request until 101." },
  "handshake-reject": { kind: "time", about: "WebSocket: from the request until the whole answer that refuses it." },
  "first-entry": { kind: "time", about: "From when the first filter was due until the first entry." },
  "filter-apply": { kind: "time", about: "From when an update was due until the first entry that only it lets through; +∞ when none came within the bound." },
  "filter-apply-service": { kind: "time", about: "The same from when the update was written: what a closed loop would see." },
  "stale-window": { kind: "time", about: "From when an update was written until the last entry that it does not let through; 0 when none came." },
  "delivery-lag": { kind: "time", about: "Arrival by the wall clock less the entry's own time; right on one host, or within the offset of two clocks." },
  "entry-gap": { kind: "time", about: "Time between one entry and the next on a stream." },
  "half-close-to-end": { kind: "time", about: "From the client's end until the server's." },
  "cancel-local": { kind: "time", about: "From cancel until the local event: says nothing about the server." },
  "cancel-quiet": { kind: "time", about: "From cancel until the last byte of the stream that still came." },
  "catch-up": { kind: "time", about: "From resuming a paused reader until its lag is back at the p99 of before." },
  "schedule-lag": {
    kind: "time",
    about: "How late an update was written, or a stream opened, after it was due and its turn had come: the generator's own lateness.",
  },
  "loop-delay": { kind: "time", about: "How late the generator's event loop ran." },
  gc: { kind: "time", about: "Pauses of the generator's garbage collector." },

  received: { kind: "count", rate: true, about: "Entries received and verified." },
  bytes: { kind: "count", rate: true, about: "Bytes of the messages received." },
  sent: { kind: "count", rate: true, about: "Filters sent." },
  stale: { kind: "count", rate: true, about: "stale-in-flight and stale-hard together." },
  opened: { kind: "count", rate: true, about: "Streams opened." },
  "stale-in-flight": { kind: "count", about: "Entries that the latest filter does not let through, before it took effect." },
  "stale-hard": { kind: "count", forbidden: true, about: "Entries that no filter which may hold lets through: any is a conformance failure." },
  early: { kind: "count", forbidden: true, about: "Entries before the first filter." },
  "filter-coalesced": { kind: "count", about: "Updates never observed because a later one took effect." },
  lost: { kind: "count", about: "Entries missing by sequence, where the filter lets everything through." },
  "lost-relative": { kind: "count", about: "Entries that another stream with the same filter received and this one did not." },
  duplicated: { kind: "count", forbidden: true, about: "Entries whose sequence came before on the stream." },
  reordered: { kind: "count", forbidden: true, about: "Entries that came after one with a greater sequence." },
  violations: { kind: "count", forbidden: true, about: "Messages or entries that break the contract's shape." },
  timeouts: { kind: "count", about: "Updates that did not apply within the bound." },
  unfinished: { kind: "count", about: "Updates still within their bound when the run ended: counted nowhere else." },
  stalls: { kind: "count", about: "Gaps between entries longer than the workload's stall limit." },
  "entries-after-half-close": { kind: "count", about: "Entries that came after the client's end." },
  offered: { kind: "count", rate: true, about: "Arrivals that the schedule brought." },
  begun: { kind: "count", rate: true, about: "Arrivals that were begun: the others still waited at the end." },
  deferred: { kind: "count", about: "Arrivals that waited for the in-flight cap; their latency counts from when they were due." },
  dropped: { kind: "count", about: "Arrivals given up because the queue behind the cap was full." },
  rejected: { kind: "count", about: "Streams that the server refused or ended with an error." },
  disconnected: { kind: "count", about: "Streams that ended without a word: the connection was lost." },
  "ended-early": { kind: "count", about: "Streams that the server ended as if all were well, though nothing asked for it." },
  silent: { kind: "count", about: "Streams on which nothing came any more although others with the same filter were sent entries." },
  "negative-lag": { kind: "count", about: "Entries that arrived before their own time: the clocks differ; counted as 0." },

  fairness: { kind: "value", about: "Jain's index over the rates of streams that do the same: 1 when all get alike." },
  "bystander-ratio": { kind: "value", about: "p99 delivery lag of untouched streams during a disturbance over before." },
  resolution: { kind: "value", about: "Median time between discriminating entries in microseconds: filter-apply cannot be told finer." },
  "loop-utilisation": { kind: "value", about: "Share of the time in which the busiest worker's loop worked." },
  "generator-cpu": { kind: "value", about: "Cores that the generator used, on average." },
  "entries-per-cpu-second": { kind: "value", about: "Entries verified per CPU-second of the generator." },
  "target-cpu": { kind: "value", about: "Cores that the target used, on average." },
  "target-rss": { kind: "value", about: "Greatest resident memory of the target in bytes." },
  "target-rss-slope": { kind: "value", about: "Growth of the target's resident memory in bytes per second, after the first fifth of the run." },
  "target-threads": { kind: "value", about: "Greatest number of threads of the target." },
  "target-open-files": { kind: "value", about: "Greatest number of open files of the target." },
  "entries-per-target-cpu-second": { kind: "value", about: "Entries delivered per CPU-second of the target: its cost." },
} as const satisfies Record<string, Metric>;

export type MetricName = keyof typeof metrics;
export type TimeMetric = { [Name in MetricName]: (typeof metrics)[Name]["kind"] extends "time" ? Name : never }[MetricName];
export type CountMetric = { [Name in MetricName]: (typeof metrics)[Name]["kind"] extends "count" ? Name : never }[MetricName];
export type ValueMetric = { [Name in MetricName]: (typeof metrics)[Name]["kind"] extends "value" ? Name : never }[MetricName];

export const metricNames = Object.keys(metrics) as readonly MetricName[];
export const timeMetrics = metricNames.filter((name): name is TimeMetric => metrics[name].kind === "time");
export const countMetrics = metricNames.filter((name): name is CountMetric => metrics[name].kind === "count");

export function isMetric(name: string): name is MetricName {
  return Object.hasOwn(metrics, name);
}

/** What is counted of a server and can only be its fault. */
export const forbiddenMetrics = countMetrics.filter((name) => {
  const metric: Metric = metrics[name];
  return metric.forbidden === true;
});

/** Whether a name is that of a metric which counts what can only be the server's fault. */
export function isForbidden(name: string): boolean {
  return (forbiddenMetrics as readonly string[]).includes(name);
}

/** Whether the metric is counted in windows. */
export function hasRate(name: MetricName): boolean {
  const metric: Metric = metrics[name];
  return metric.rate === true;
}
