import type { Contract, ProbeRule } from "../core/contract.js";
import type { TlsOptions } from "../core/target.js";
import { countOpenStreams } from "./channelz.js";
import { type GrpcAddress, openClient } from "./grpc-unary.js";
import { createHttpClient, HttpFailure, type HttpClient } from "./http-client.js";
import { readGroupUsage } from "./process-group.js";
import { parsePrometheus, sumSamples } from "./prometheus.js";

/** What a probe of the server can tell; each value where the probe has it. */
export interface ProbeReading {
  readonly openStreams?: number;
  readonly rssBytes?: number;
  /** CPU time since the processes began. */
  readonly cpuMicros?: number;
  readonly threads?: number;
  readonly openFiles?: number;
}

export type ProbeOutcome = ProbeReading | { readonly kind: "unavailable"; readonly reason: string };

export interface Probe {
  /** Never rejects. */
  read(): Promise<ProbeOutcome>;
  close(): Promise<void>;
}

export interface ProbeOptions {
  readonly httpOrigin?: string;
  readonly grpc?: GrpcAddress;
  readonly headers?: readonly (readonly [name: string, value: string])[];
  readonly tls?: TlsOptions;
  /** Leader of the process group that the harness started, or the process id that the user gave; asked anew at each reading. */
  readonly processGroup?: () => number | undefined;
  /** Bound on one reading. Default 2000. */
  readonly timeoutMs?: number;
}

/**
 * The probe that the contract describes, its values completed by those of the process group where one is known;
 * with a process group alone where the contract is silent; undefined where there is neither.
 */
export function createProbe(contract: Contract, options: ProbeOptions): Probe | undefined {
  const stated = statedProbe(contract.probe, options);
  const { processGroup } = options;
  if (stated === undefined && processGroup === undefined) {
    return undefined;
  }
  return {
    async read() {
      const group = processGroup === undefined ? undefined : readProcess(processGroup());
      const own = await stated?.read();
      if (own === undefined || isUnavailable(own)) {
        // Memory and CPU are worth having even if the server itself says nothing.
        return group === undefined || isUnavailable(group) ? (own ?? group ?? { kind: "unavailable", reason: "there is no probe" }) : group;
      }
      return group === undefined || isUnavailable(group) ? own : { ...group, ...own };
    },
    close: () => stated?.close() ?? Promise.resolve(),
  };
}

function statedProbe(rule: ProbeRule, options: ProbeOptions): Probe | undefined {
  switch (rule.kind) {
    case "http":
      return pageProbe(rule, options, readJsonPage);
    case "prometheus":
      return pageProbe(rule, options, readPrometheusPage);
    case "channelz":
      return channelzProbe(options);
    case "process":
      return options.processGroup === undefined ? unavailable("the process of the server is not known: start it with --start, or give --pid") : undefined;
    default:
      return undefined;
  }
}

type PageRule = Extract<ProbeRule, { kind: "http" | "prometheus" }>;

function pageProbe(rule: PageRule, options: ProbeOptions, read: (rule: PageRule, body: string) => ProbeOutcome): Probe {
  const { httpOrigin } = options;
  if (httpOrigin === undefined) {
    return unavailable("no HTTP address of the server is known for its probe (give --http-url)");
  }
  const client = createHttpClient({
    origin: httpOrigin,
    timeoutMs: options.timeoutMs ?? 2000,
    ...(options.headers === undefined ? {} : { headers: options.headers }),
    ...(options.tls === undefined ? {} : { tls: options.tls }),
  });
  return {
    async read() {
      const page = await readPage(client, httpOrigin, rule.path);
      return typeof page === "string" ? read(rule, page) : page;
    },
    close() {
      client.close();
      return Promise.resolve();
    },
  };
}

async function readPage(client: HttpClient, origin: string, path: string): Promise<string | Extract<ProbeOutcome, { kind: "unavailable" }>> {
  const where = `GET ${origin}${path}`;
  try {
    const { status, body } = await client.request("GET", path);
    return status === 200 ? body : { kind: "unavailable", reason: `${where} answers HTTP ${status}` };
  } catch (thrown) {
    if (thrown instanceof HttpFailure) {
      return { kind: "unavailable", reason: `${where}: ${thrown.message}` };
    }
    throw thrown;
  }
}

function readJsonPage(rule: PageRule, body: string): ProbeOutcome {
  let page: unknown;
  try {
    page = JSON.parse(body);
  } catch {
    return { kind: "unavailable", reason: `GET ${rule.path} does not answer with JSON` };
  }
  const value = (path: string): number | undefined => {
    const found = path
      .split(".")
      .reduce<unknown>(
        (inner, step) => (typeof inner === "object" && inner !== null && Object.hasOwn(inner, step) ? (inner as Record<string, unknown>)[step] : undefined),
        page,
      );
    return typeof found === "number" ? found : undefined;
  };
  return reading(rule, value);
}

function readPrometheusPage(rule: PageRule, body: string): ProbeOutcome {
  const samples = parsePrometheus(body);
  return reading(rule, (selector) => sumSamples(samples, selector));
}

/** The values that the rule asks for; one that is missing makes the reading unavailable, because a check would take it for zero. */
function reading(rule: PageRule, valueOf: (where: string) => number | undefined): ProbeOutcome {
  const found: { openStreams?: number; rssBytes?: number } = {};
  for (const name of ["openStreams", "rssBytes"] as const) {
    const where = rule[name];
    if (where === undefined) {
      continue;
    }
    const value = valueOf(where);
    if (value === undefined) {
      return { kind: "unavailable", reason: `GET ${rule.path} has no number "${where}"` };
    }
    found[name] = value;
  }
  return found;
}

function channelzProbe(options: ProbeOptions): Probe {
  const { grpc } = options;
  if (grpc === undefined) {
    return unavailable("no gRPC address of the server is known for channelz");
  }
  const client = openClient(grpc);
  return {
    async read() {
      const count = await countOpenStreams(client, grpc, options.timeoutMs ?? 2000);
      return count.kind === "counted" ? { openStreams: count.openStreams } : count;
    },
    close() {
      client.close();
      return Promise.resolve();
    },
  };
}

function readProcess(leader: number | undefined): ProbeOutcome {
  if (leader === undefined) {
    return { kind: "unavailable", reason: "the process of the server is not known" };
  }
  const usage = readGroupUsage(leader);
  if (usage === undefined) {
    return { kind: "unavailable", reason: `nothing is known of process group ${leader}: it has ended, or this system has no /proc` };
  }
  const { rssBytes, cpuMicros, threads, openFiles } = usage;
  return { rssBytes, cpuMicros, threads, openFiles };
}

function unavailable(reason: string): Probe {
  return { read: () => Promise.resolve({ kind: "unavailable", reason }), close: () => Promise.resolve() };
}

function isUnavailable(outcome: ProbeOutcome): outcome is Extract<ProbeOutcome, { kind: "unavailable" }> {
  return "kind" in outcome;
}
