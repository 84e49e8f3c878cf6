import type { Contract, EntryDraft, ProducerRule, ProducerSequences } from "../core/contract.js";
import { messageOf } from "../core/errors.js";
import type { TlsOptions } from "../core/target.js";
import { runCommand } from "./command.js";
import { callOn, type GrpcAddress, openClient } from "./grpc-unary.js";
import { createHttpClient, HttpFailure, type HttpClient } from "./http-client.js";
import { fillJson, fillText, jsonFiller, placeholdersIn, placeholderValues, quoteForShell } from "./templates.js";

/** What came of writing entries. `unavailable`: this server has no such producer; `failed`: it has, and did not do it. */
export type ProduceOutcome =
  | {
      readonly kind: "produced";
      /** First and last number written, where the answers say so. */
      readonly sequences?: readonly [first: number, last: number];
      /** The number of each entry, in order, where the answers tell them all. */
      readonly numbers?: readonly number[];
      /** When the last answer came, on the monotonic clock. */
      readonly atMicros: number;
    }
  | { readonly kind: "unavailable"; readonly reason: string }
  | { readonly kind: "failed"; readonly reason: string };

/** Writes entries to the server under test. */
export interface Producer {
  /** Writes the drafts in order; resolves once the server says that they are in its log. Never rejects. */
  produce(drafts: readonly EntryDraft[]): Promise<ProduceOutcome>;
  close(): Promise<void>;
}

export interface ProducerOptions {
  /** `http://host:port` for a producer by HTTP; undefined: there is nowhere to ask. */
  readonly httpOrigin?: string;
  /** Where a producer by gRPC is called. */
  readonly grpc?: GrpcAddress;
  readonly headers?: readonly (readonly [name: string, value: string])[];
  readonly tls?: TlsOptions;
  /** Folder in which a producer by command runs. */
  readonly folder?: string;
  /** Bound on one request, call or command. Default 5000. */
  readonly timeoutMs?: number;
}

/** Entries in one request at most; what is more is split, in order. */
const mostInOneRequest = 10_000;
/** Bytes of one request's body at most. */
const longestBodyBytes = 1024 * 1024;

/** The producer that the contract describes; undefined when it describes none. */
export function createProducer(contract: Contract, options: ProducerOptions): Producer | undefined {
  const rule = contract.producer;
  switch (rule.kind) {
    case "http":
      return httpProducer(contract, rule, options);
    case "command":
      return oneByOne(contract, async (values) =>
        commandOutcome(
          await runCommand(fillText(rule.command, values, quoteForShell), {
            timeoutMs: options.timeoutMs ?? 5000,
            ...(options.folder === undefined ? {} : { folder: options.folder }),
          }),
        ),
      );
    case "grpc":
      return grpcProducer(contract, rule, options);
    default:
      return undefined;
  }
}

function httpProducer(contract: Contract, rule: Extract<ProducerRule, { kind: "http" }>, options: ProducerOptions): Producer {
  if (options.httpOrigin === undefined) {
    return unavailable("no HTTP address of the server is known for its producer (give --http-url)");
  }
  const client = createHttpClient({
    origin: options.httpOrigin,
    ...(options.headers === undefined ? {} : { headers: options.headers }),
    ...(options.tls === undefined ? {} : { tls: options.tls }),
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
  });
  const requests = requestsOf(rule);
  return {
    async produce(drafts) {
      const outcomes: ProduceOutcome[] = [];
      for (const request of requests(drafts.map((draft) => placeholderValues(draft, contract.entries)))) {
        const outcome = await send(client, rule, request, options.httpOrigin ?? "");
        if (outcome.kind !== "produced") {
          return outcome;
        }
        outcomes.push(outcome);
      }
      return joined(outcomes);
    },
    close() {
      client.close();
      return Promise.resolve();
    },
  };
}

async function send(client: HttpClient, rule: Extract<ProducerRule, { kind: "http" }>, request: ProducerRequest, origin: string): Promise<ProduceOutcome> {
  const where = `${rule.method} ${origin}${request.path}`;
  try {
    const { status, body } = await client.request(rule.method, request.path, { text: request.text, contentType: rule.contentType });
    if (status >= 200 && status < 300) {
      return produced(sequencesIn(parseJson(body), rule.sequences), request.count);
    }
    if (status === 404 || status === 405 || status === 426 || status === 501) {
      return { kind: "unavailable", reason: `${where} answers HTTP ${status}: the server has no such producer` };
    }
    return { kind: "failed", reason: `${where} answers HTTP ${status}: ${body.slice(0, 200).replaceAll(/\s+/g, " ").trim()}` };
  } catch (thrown) {
    if (!(thrown instanceof HttpFailure)) {
      throw thrown;
    }
    return { kind: thrown.refused ? "unavailable" : "failed", reason: `${where}: ${thrown.message}` };
  }
}

interface ProducerRequest {
  readonly path: string;
  readonly text: string;
  /** Entries in it. */
  readonly count: number;
}

/** Requests for many entries: a body that is a JSON list has its element repeated where the path is the same for all, anything else is one request an entry. */
function requestsOf(rule: Extract<ProducerRule, { kind: "http" }>): (values: readonly Readonly<Record<string, string>>[]) => ProducerRequest[] {
  const json = parseJson(rule.body);
  const pathOf = (one: Readonly<Record<string, string>>): string => fillText(rule.path, one, encodeURIComponent);
  if (!Array.isArray(json) || placeholdersIn(rule.path)) {
    const fill = jsonFiller(json);
    return (values) => values.map((one) => ({ path: pathOf(one), text: json === undefined ? fillText(rule.body, one) : JSON.stringify(fill(one)), count: 1 }));
  }
  const fillers = json.map(jsonFiller);
  return (values) => {
    const requests: ProducerRequest[] = [];
    let parts: string[] = [];
    let bytes = 0;
    const flush = (): void => {
      if (parts.length > 0) {
        requests.push({ path: rule.path, text: `[${parts.join(",")}]`, count: parts.length });
      }
      parts = [];
      bytes = 0;
    };
    for (const one of values) {
      const elements = fillers.map((fill) => JSON.stringify(fill(one)));
      const added = elements.reduce((sum, element) => sum + Buffer.byteLength(element) + 1, 0);
      if (parts.length >= mostInOneRequest || bytes + added > longestBodyBytes) {
        flush();
      }
      parts.push(...elements);
      bytes += added;
    }
    flush();
    return requests;
  };
}

function grpcProducer(contract: Contract, rule: Extract<ProducerRule, { kind: "grpc" }>, options: ProducerOptions): Producer {
  const { grpc } = options;
  const { codec } = rule;
  if (grpc === undefined || codec === undefined) {
    return unavailable(grpc === undefined ? "no gRPC address of the server is known for its producer" : `the message types of ${rule.method} are not known`);
  }
  const client = openClient(grpc);
  const write = async (values: Readonly<Record<string, string>>): Promise<ProduceOutcome> => {
    let request: Uint8Array;
    try {
      request = codec.encode(fillJson(rule.message, values) as Record<string, unknown>);
    } catch (thrown) {
      const reason = `the message of ${rule.method} cannot be made: ${messageOf(thrown)}; "{field:number}" and "{field:boolean}" in producer.message are no texts`;
      return { kind: "failed", reason };
    }
    const answer = await callOn(client, grpc, {
      path: rule.method,
      request,
      timeoutMs: options.timeoutMs ?? 5000,
    });
    if (answer.kind === "answered") {
      return produced(sequencesIn(codec.decode(answer.bytes), rule.sequences), 1);
    }
    const missing = answer.status === 12 || answer.status === 14;
    return { kind: missing ? "unavailable" : "failed", reason: `${rule.method}: ${answer.detail}` };
  };
  return {
    ...oneByOne(contract, write),
    close() {
      client.close();
      return Promise.resolve();
    },
  };
}

function commandOutcome(result: Awaited<ReturnType<typeof runCommand>>): ProduceOutcome {
  if (result.exitCode === 0) {
    return produced(undefined, 1);
  }
  return {
    kind: result.exitCode === 127 ? "unavailable" : "failed",
    reason: `the producer's command ${result.ending}: ${result.output.slice(-200).replaceAll(/\s+/g, " ").trim()}`,
  };
}

/** A producer that writes one entry after the other. */
function oneByOne(contract: Contract, write: (values: Readonly<Record<string, string>>) => Promise<ProduceOutcome>): Producer {
  return {
    async produce(drafts) {
      const outcomes: ProduceOutcome[] = [];
      for (const draft of drafts) {
        const outcome = await write(placeholderValues(draft, contract.entries));
        if (outcome.kind !== "produced") {
          return outcome;
        }
        outcomes.push(outcome);
      }
      return joined(outcomes);
    },
    close: () => Promise.resolve(),
  };
}

function unavailable(reason: string): Producer {
  return { produce: () => Promise.resolve({ kind: "unavailable", reason }), close: () => Promise.resolve() };
}

/** The outcome of one answer, for `count` entries: a range that is longer or shorter does not number them. */
function produced(sequences: readonly [number, number] | undefined, count: number): ProduceOutcome {
  const atMicros = performance.now() * 1000;
  if (sequences === undefined) {
    return { kind: "produced", atMicros };
  }
  const [first, last] = sequences;
  return last - first + 1 === count
    ? { kind: "produced", atMicros, sequences, numbers: Array.from({ length: count }, (_, index) => first + index) }
    : { kind: "produced", atMicros, sequences };
}

/** Several outcomes as one: the first number of the first, the last of the last, where all have them. */
function joined(outcomes: readonly ProduceOutcome[]): ProduceOutcome {
  const made = outcomes.filter((outcome) => outcome.kind === "produced");
  const ranges = made.flatMap(({ sequences }) => (sequences === undefined ? [] : [sequences]));
  const numbers = made.flatMap((outcome) => (outcome.numbers === undefined ? [] : [outcome.numbers]));
  const [first, last] = [ranges[0], ranges.at(-1)];
  return {
    kind: "produced",
    atMicros: performance.now() * 1000,
    ...(first === undefined || last === undefined || ranges.length !== outcomes.length ? {} : { sequences: [first[0], last[1]] }),
    ...(numbers.length === 0 || numbers.length !== outcomes.length ? {} : { numbers: numbers.flat() }),
  };
}

function sequencesIn(answer: unknown, paths: ProducerSequences | undefined): readonly [number, number] | undefined {
  const first = wholeNumber(valueAt(answer, paths?.first ?? "first"));
  const last = wholeNumber(valueAt(answer, paths?.last ?? "last"));
  return first === undefined || last === undefined ? undefined : [first, last];
}

function wholeNumber(value: unknown): number | undefined {
  const number = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
  return typeof number === "number" && Number.isSafeInteger(number) ? number : undefined;
}

function valueAt(value: unknown, path: string): unknown {
  return path
    .split(".")
    .reduce<unknown>(
      (found, step) => (typeof found === "object" && found !== null && Object.hasOwn(found, step) ? (found as Record<string, unknown>)[step] : undefined),
      value,
    );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
