import * as z from "zod";
import { transports } from "../core/contract.js";
import { HarnessError, messageOf } from "../core/errors.js";
import { type Report, reportSchema } from "../core/report.js";
import { driverNames } from "../core/stream.js";
import { levels, verdictStatuses } from "../core/verdict.js";

const text = z.string();
const texts = z.array(text).readonly();
const count = z.int().min(0);
const amount = z.number().min(0);

const timelineEvent = z
  .object({
    atMs: z.number().describe("Milliseconds since the check began."),
    stream: text.describe("Which stream of the check: a, b …, producer, probe, check."),
    direction: z.enum(["sent", "received", "local"]),
    what: text,
    offending: z.boolean().exactOptional().describe("The event that broke the requirement."),
  })
  .readonly();

const check = z
  .object({
    id: text.describe("topic/name; stable."),
    transport: z.enum(transports),
    driver: z.enum(driverNames),
    level: z.enum(levels),
    status: z.enum(verdictStatuses),
    requirement: text,
    clause: text.describe("Where the requirement comes from."),
    expected: text.exactOptional().describe("failed, warned, known-failing."),
    actual: text.exactOptional(),
    reason: text.exactOptional().describe("unproven: what it lacked; not-applicable: what the contract declares; broken: the cause; known-failing: why."),
    consequenceOf: text.exactOptional().describe("Id of the more basic check whose failure explains this one."),
    flaky: z.int().min(1).exactOptional().describe("Passed on this attempt only."),
    elapsedMs: amount,
    usedMs: amount.exactOptional().describe("The wait that used most of its bound."),
    boundMs: amount.exactOptional(),
    ends: texts.describe("How its streams ended, in order."),
    timeline: z.array(timelineEvent).readonly().exactOptional(),
    timelineDropped: count.exactOptional(),
    reproduce: text.exactOptional().describe("One line to paste that runs just this again."),
  })
  .readonly();

const histogram = z
  .object({
    unit: z.literal("us"),
    encoded: text.describe("Base64 of the compressed HdrHistogram encoding (V2)."),
    count,
    overflow: count.describe("Values beyond the highest trackable one; a quantile among them is 9007199254740991."),
    min: amount,
    mean: amount,
    max: amount,
    p50: amount,
    p90: amount,
    p99: amount,
    p999: amount,
  })
  .readonly();

const window = z
  .object({
    atSeconds: amount,
    received: count,
    bytes: count,
    sent: count,
    stale: count,
    backlog: count,
    scheduleLagP99Us: amount,
    loopUtilisation: amount,
    applyP50Us: amount.exactOptional(),
    applyP99Us: amount.exactOptional(),
    applyBuckets: z
      .array(z.tuple([amount, count]).readonly())
      .readonly()
      .exactOptional()
      .describe("The window's filter-apply latencies: upper bound in microseconds, and how many."),
    target: z.object({ cpu: amount, rssBytes: amount, threads: count, openFiles: count }).readonly().exactOptional(),
  })
  .readonly();

const rate = z.object({ min: z.number(), median: z.number(), max: z.number(), mean: z.number() }).readonly();
const byName = <T extends z.ZodType>(value: T) => z.record(text, value).readonly();

const floodPhase = z
  .object({
    seconds: amount,
    receivedPerSecond: amount,
    lost: z.number(),
    ended: count,
    applyP99Us: amount.exactOptional(),
    deliveryLagP99Us: amount.exactOptional(),
    accepted: count.describe("Right upgrades answered 101."),
    acceptedP99Us: amount.exactOptional().describe("From the dial to the whole answer."),
    refused: count.describe("Wrong upgrades that were refused."),
    refusedP99Us: amount.exactOptional(),
    unexpected: byName(count).describe("Handshakes that came to something else."),
  })
  .readonly();

const flood = z
  .object({
    url: text,
    method: text,
    of: texts,
    connections: count,
    fromSeconds: amount,
    untilSeconds: amount,
    statuses: byName(count).describe("Whole answers by status; right to within the connections."),
    failed: count,
    before: floodPhase,
    during: floodPhase,
    after: floodPhase,
  })
  .readonly();

const workload = z
  .object({
    name: text,
    engine: text,
    transports: z.array(z.enum(transports)).readonly(),
    driver: text,
    config: z.unknown().describe("The workload as performed, defaults filled in."),
    hash: text,
    elapsedSeconds: amount,
    streams: count,
    workers: count.exactOptional().describe("Threads that performed it."),
    counters: byName(z.number()),
    rates: byName(rate).describe("Values per second, by metric."),
    histograms: byName(histogram),
    values: byName(z.number()).exactOptional(),
    windows: z.array(window).readonly(),
    thresholds: z
      .array(
        z
          .object({
            text: text.describe("As written."),
            status: z.enum(["passed", "failed", "no-samples", "inconclusive"]),
            measured: text.exactOptional(),
            marginPercent: z.number().exactOptional().describe("How far from the limit, in per cent of it; negative: beyond it."),
          })
          .readonly(),
      )
      .readonly(),
    generator: z.object({ status: z.enum(["valid", "invalid"]), reasons: texts }).readonly(),
    remarks: texts,
    errors: byName(z.number()),
    shard: z
      .object({
        index: z.int().min(1),
        count: z.int().min(1),
        seed: z.number(),
        beganAt: text.describe("RFC 3339, by the clock of its machine."),
        thresholds: texts.describe("Judged when the parts are merged."),
        measured: text.describe("For halfclose merge: gzip of JSON in base64."),
      })
      .readonly()
      .exactOptional()
      .describe("One part of a workload that several machines performed."),
    flood: flood.exactOptional().describe("What a flood of plain HTTP did to the streams beside it."),
    calibration: z
      .object({ histograms: byName(histogram) })
      .readonly()
      .exactOptional()
      .describe("Latencies under the same load of a server that is known to be right: the part of the machine and the generator."),
    baseline: z
      .object({
        name: text,
        histograms: byName(histogram),
        ratios: z
          .array(
            z
              .object({
                of: text,
                unit: z.enum(["us", "per-second", "count"]),
                before: z.number(),
                after: z.number(),
                ratio: z.number(),
                low: z.number().exactOptional(),
                high: z.number().exactOptional(),
                verdict: z.enum(["better", "worse", "same", "unclear"]),
              })
              .readonly(),
          )
          .readonly(),
      })
      .readonly()
      .exactOptional(),
  })
  .readonly();

const capacity = z
  .object({
    workload: text,
    hash: text,
    unit: text,
    objective: text,
    sustainable: z.number(),
    failsAt: z.number().exactOptional(),
    limitedBy: text.exactOptional(),
    generatorBound: z.boolean(),
    ceiling: z.number().exactOptional(),
    inconclusive: text.exactOptional(),
    trials: z
      .array(
        z
          .object({
            load: z.number(),
            status: z.enum(["passed", "failed", "invalid", "inconclusive"]),
            limitedBy: text.exactOptional(),
            seconds: z.number(),
            samples: z.number(),
            quantileUs: z.number(),
            achieved: z.number(),
            loopUtilisation: z.number(),
          })
          .readonly(),
      )
      .readonly(),
    sentence: text,
  })
  .readonly();

const target = z
  .object({
    urls: texts,
    contract: z.object({ name: text, source: text, hash: text }).readonly(),
    suite: text,
    identity: text.optional().describe("What the target said of itself."),
    start: text.optional().describe("The command that started it."),
  })
  // JSON leaves undefined fields out; the report has them.
  .transform((read): Report["target"] => ({ ...read, identity: read.identity, start: read.start }));

const schema = z
  .object({
    schema: z.literal(reportSchema),
    harness: z.object({ name: z.literal("halfclose"), version: text }).readonly(),
    command: texts.describe("The command line, secrets redacted."),
    startedAt: text.describe("RFC 3339."),
    elapsedMs: amount,
    seed: z.number(),
    target,
    environment: z.object({ os: text, cpu: text, cores: z.number(), memoryBytes: z.number(), node: text, fingerprint: text }).readonly(),
    partial: z.boolean().describe("True until the run has finished."),
    checks: z.array(check).readonly(),
    workloads: z.array(workload).readonly(),
    capacities: z.array(capacity).readonly().exactOptional().describe("Capacity searches, if any were made."),
    gates: z.array(z.object({ name: text, status: z.enum(["passed", "failed"]), detail: text }).readonly()).readonly(),
    problems: texts.describe("Errors of the surroundings that belong to no check."),
    exitCode: z.int().min(0).max(255),
  })
  .readonly()
  .describe("The results of one run of halfclose.");

/** What the schema reads is the report, field by field. Where a field was added to one of them only, `reportReader` does not compile. */
type SchemaIsReport = Same<Flat<z.output<typeof schema>>, Flat<Report>>;
type Flat<T> = T extends object ? { readonly [Key in keyof T]: Flat<T[Key]> } : T;
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- only two such signatures are compared for identity; assignability would overlook optional fields.
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** The schema, for those who read reports; typed as core's Report, to the letter. */
const reportReader: SchemaIsReport extends true ? z.ZodType<Report> : never = schema;

/** The JSON Schema (draft 2020-12) of results.json. Fields that it does not know are allowed, so that older readers read later files. */
export function reportJsonSchema(): object {
  return z.toJSONSchema(schema, { io: "input" });
}

/**
 * Reads the text of a results.json; fields that the schema does not know are left out.
 * @param source the file, for the error.
 * @throws HarnessError `usage` that names the file and the field, when it is no JSON, of another version, or of another shape.
 */
export function parseReport(json: string, source: string): Report {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (thrown) {
    throw new HarnessError("usage", `This is not JSON: ${messageOf(thrown)}.`, { place: source, cause: thrown });
  }
  const version = typeof value === "object" && value !== null && "schema" in value ? value.schema : undefined;
  if (version !== reportSchema) {
    throw new HarnessError("usage", `This is not a report of halfclose: its schema is ${JSON.stringify(version) ?? "missing"}, not "${reportSchema}".`, {
      place: source,
    });
  }
  const parsed = reportReader.safeParse(value);
  if (!parsed.success) {
    const [first] = parsed.error.issues;
    const more = parsed.error.issues.length - 1;
    throw new HarnessError(
      "usage",
      `This report is not as its schema says: ${first?.message ?? "it cannot be read"}${more > 0 ? ` (and ${more} more)` : ""}.`,
      {
        place: `${source}: ${pathText(first?.path ?? [])}`,
        hint: "halfclose schema report prints the schema",
      },
    );
  }
  return parsed.data;
}

/** `checks[3].status`. */
function pathText(path: readonly PropertyKey[]): string {
  return path.map((key, index) => (typeof key === "number" ? `[${key}]` : `${index === 0 ? "" : "."}${String(key)}`)).join("");
}
