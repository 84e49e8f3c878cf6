import * as z from "zod";
import { durationPattern, parseDuration } from "../core/duration.js";
import { type Flood, floodMethods, floodRequests } from "../core/flood.js";
import type { RateStage } from "../core/schedule.js";
import { parseThreshold } from "../core/threshold.js";
import type { Arrivals, FilterReference, StreamGroup, Workload, WorkloadStep } from "../core/workload.js";
import { parseYaml, type YamlPath, type YamlProblem } from "../yaml/document.js";
import { validateYaml } from "../yaml/validate.js";

/**
 * Reads a workload file.
 * @param file its name as the user gave it, for messages.
 * @throws HarnessError `workload` with file:line:column and a suggestion for whatever is unknown.
 */
export function parseWorkload(text: string, file: string): Workload {
  const document = parseYaml(text, file, "workload");
  const given = validateYaml(document, workloadSchema);
  const problems: YamlProblem[] = [];
  const groups = given.groups ?? [{ ...given, name: given.name }];
  if (given.groups !== undefined) {
    for (const key of groupKeys) {
      if (given[key] !== undefined) {
        problems.push({ path: [key], at: "key", message: `"${key}" belongs into each of "groups" when there are groups.` });
      }
    }
  }
  if (given.flood?.from !== undefined && given.flood.from >= given.duration) {
    problems.push({ path: ["flood", "from"], message: `"from" must be earlier than the end of the run.` });
  }
  const names = new Set<string>();
  for (const [i, group] of groups.entries()) {
    const base: YamlPath = given.groups === undefined ? [] : ["groups", i];
    problems.push(...problemsOf(group, base, names));
  }
  for (const [i, threshold] of (given.thresholds ?? []).entries()) {
    const parsed = parseThreshold(threshold);
    if ("problem" in parsed) {
      problems.push({ path: ["thresholds", i], message: `${parsed.problem} (in "${threshold}", character ${parsed.at + 1})` });
    }
  }
  if (problems.length > 0) {
    throw document.errorFor(problems);
  }
  return {
    name: given.name,
    about: given.about,
    source: file,
    durationMs: given.duration,
    warmUpMs: given["warm-up"] ?? 0,
    applyWithinMs: given["apply-within"],
    stallMs: given.stall,
    groups: groups.map(groupOf),
    ...(given.flood === undefined ? {} : { flood: floodOf(given.flood, given.duration) }),
    thresholds: given.thresholds ?? [],
  };
}

/** JSON Schema of a workload file, for editors. */
export function workloadJsonSchema(): Record<string, unknown> {
  return { ...z.toJSONSchema(workloadSchema, { io: "input", unrepresentable: "any" }), title: "halfclose workload" };
}

const duration = z
  .string()
  .regex(durationPattern, "a duration such as 250ms, 1.5s or 2m")
  .transform((text) => parseDuration(text) ?? 0)
  .meta({ description: "A duration: 250ms, 1.5s, 2m." });
const positiveDuration = duration.refine((ms) => ms > 0, "must be longer than nothing");
const rate = z
  .string()
  .regex(/^\d+(\.\d+)?\/(s|m)$/, "a rate such as 100/s or 30/m")
  .transform((text) => Number(text.slice(0, -2)) / (text.endsWith("m") ? 60 : 1))
  .meta({ description: "A rate: 100/s, 30/m." });
const count = z.int().positive();

const filter = z
  .union([z.string().min(1), z.strictObject({ message: z.record(z.string(), z.unknown()) })])
  .meta({ description: "A filter of the contract, a role ($broad, $silent, $disjoint.1, $disjoint.2, $overlap.1, $overlap.2), or { message: {…} }." });

const step = z.union([
  z.enum(["end", "cancel", "pause", "resume"]),
  z.strictObject({
    send: z.union([filter, z.strictObject({ "next-of": z.array(filter).min(1), times: count.optional() }), z.strictObject({ filter, times: count })]),
  }),
  z.strictObject({
    expect: z.union([
      z.enum(["applied", "end", "caught-up", "quiet"]),
      z.strictObject({ what: z.enum(["applied", "end", "caught-up", "quiet"]), within: positiveDuration.optional() }),
      z.strictObject({ entries: count, within: positiveDuration.optional() }),
    ]),
  }),
  z.strictObject({ wait: positiveDuration }),
  z.strictObject({ produce: z.strictObject({ filter, count: count.optional() }) }),
]);
type GivenStep = z.output<typeof step>;

const stage = z.strictObject({
  rate: rate.meta({ description: "The rate at which the stage begins." }),
  to: rate.optional().meta({ description: "The rate at which it ends; absent: it holds." }),
  for: positiveDuration,
});
const open = z.strictObject({
  of: z.enum(["updates", "streams"]).optional(),
  rate: rate.optional(),
  stages: z.array(stage).min(1).optional(),
  spacing: z.enum(["uniform", "poisson"]).optional(),
  "in-flight": count.optional(),
});

const flood = z
  .strictObject({
    url: z
      .string()
      .refine((given) => given.startsWith("/") || (/^(https?|wss?):\/\//.test(given) && URL.canParse(given)), "a URL, or a path that begins with /")
      .optional(),
    method: z.enum(floodMethods).optional(),
    of: z.array(z.enum(floodRequests)).min(1).optional(),
    connections: count.max(10_000).optional(),
    rate: rate.refine((perSecond) => perSecond >= 1, "must be at least 1/s").optional(),
    from: duration.optional().meta({ description: "Since the measured part began; absent: after a third of it." }),
    duration: positiveDuration.optional().meta({ description: "Absent: a third of the measured part." }),
    requests: count.max(100_000_000).optional().meta({ description: "No more than so many; absent: a million." }),
  })
  .meta({ description: "Plain HTTP on the WebSocket path, from a process of its own, beside the streams." });

const groupShape = {
  streams: count.optional(),
  transports: z
    .array(z.enum(["grpc", "ws"]))
    .min(1)
    .optional(),
  "streams-per-connection": count.optional(),
  "ramp-up": duration.optional(),
  from: duration.optional(),
  until: positiveDuration.optional(),
  bystander: z.boolean().optional(),
  closed: z.strictObject({ think: duration.optional() }).optional(),
  open: open.optional(),
  begin: z.array(step).optional(),
  each: z.array(step).optional(),
  finish: z.array(step).optional(),
};
const groupKeys = Object.keys(groupShape) as (keyof typeof groupShape)[];
const group = z.strictObject({ name: z.string().regex(/^[a-z][a-z0-9-]*$/, "lower case letters, digits and -"), ...groupShape });
type GivenGroup = z.output<typeof group>;

const workloadSchema = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9-]*$/, "lower case letters, digits and -"),
  about: z.string().min(1),
  duration: positiveDuration,
  "warm-up": duration.optional(),
  "apply-within": positiveDuration.optional(),
  stall: positiveDuration.optional(),
  thresholds: z.array(z.string()).optional(),
  ...groupShape,
  groups: z.array(group).min(1).optional(),
  flood: flood.optional(),
});

function problemsOf(given: GivenGroup, base: YamlPath, names: Set<string>): YamlProblem[] {
  const problems: YamlProblem[] = [];
  if (names.has(given.name)) {
    problems.push({ path: [...base, "name"], message: `The group name "${given.name}" is used twice.` });
  }
  names.add(given.name);
  if (given.closed !== undefined && given.open !== undefined) {
    problems.push({ path: [...base, "open"], at: "key", message: `A group is either "closed" or "open".` });
  }
  if (given.open !== undefined && (given.open.rate === undefined) === (given.open.stages === undefined)) {
    problems.push({ path: [...base, "open"], message: `"open" needs either "rate" or "stages".` });
  }
  if (given.open?.of !== "streams" && given.open !== undefined && (given.each ?? []).length === 0) {
    problems.push({ path: [...base, "open"], message: `An open model of updates needs "each": what an arrival does.` });
  }
  if (given.from !== undefined && given.until !== undefined && given.until <= given.from) {
    problems.push({ path: [...base, "until"], message: `"until" must be later than "from".` });
  }
  if ((given.each ?? []).length > 0 && given.open === undefined && !(given.each ?? []).some(takesTime) && (given.closed?.think ?? 0) === 0) {
    problems.push({
      path: [...base, "each"],
      at: "key",
      message: `"each" never waits: a closed model needs an "expect", a "wait" or "closed: { think: … }" in it.`,
    });
  }
  return problems;
}

function takesTime(given: GivenStep): boolean {
  return typeof given === "object" && ("expect" in given || "wait" in given);
}

function groupOf(given: GivenGroup): StreamGroup {
  return {
    name: given.name,
    streams: given.streams ?? 1,
    transports: given.transports,
    streamsPerConnection: given["streams-per-connection"] ?? 100,
    rampUpMs: given["ramp-up"] ?? 0,
    fromMs: given.from ?? 0,
    untilMs: given.until,
    bystander: given.bystander ?? false,
    arrivals: arrivalsOf(given),
    begin: (given.begin ?? []).map(stepOf),
    each: (given.each ?? []).map(stepOf),
    // A stream that is left open at the end is ended by its client, as users do.
    finish: given.finish?.map(stepOf) ?? [{ kind: "end" }, { kind: "expect-end", withinMs: undefined }],
  };
}

function floodOf(given: z.output<typeof flood>, durationMs: number): Flood {
  const connections = given.connections ?? 10;
  return {
    url: given.url,
    method: given.method ?? "GET",
    of: given.of ?? floodRequests,
    connections,
    ratePerSecond: given.rate,
    fromMs: given.from ?? Math.floor(durationMs / 3),
    durationMs: given.duration ?? Math.floor(durationMs / 3),
    requests: Math.max(connections, given.requests ?? 1_000_000),
  };
}

function arrivalsOf(given: GivenGroup): Arrivals {
  if (given.open === undefined) {
    return { model: "closed", thinkMs: given.closed?.think ?? 0 };
  }
  const stages: RateStage[] =
    given.open.stages === undefined
      ? [{ durationMs: 1000, fromPerSecond: given.open.rate ?? 0, toPerSecond: given.open.rate ?? 0 }]
      : given.open.stages.map((one) => ({ durationMs: one.for, fromPerSecond: one.rate, toPerSecond: one.to ?? one.rate }));
  return {
    model: "open",
    of: given.open.of ?? "updates",
    stages,
    spacing: given.open.spacing ?? "poisson",
    inFlight: given.open["in-flight"] ?? given.streams ?? 1,
  };
}

function stepOf(given: GivenStep): WorkloadStep {
  if (typeof given === "string") {
    return { kind: given };
  }
  if ("send" in given) {
    return sendOf(given.send);
  }
  if ("expect" in given) {
    if (typeof given.expect === "string") {
      return { kind: `expect-${given.expect}`, withinMs: undefined };
    }
    return "entries" in given.expect
      ? { kind: "expect-entries", count: given.expect.entries, withinMs: given.expect.within }
      : { kind: `expect-${given.expect.what}`, withinMs: given.expect.within };
  }
  return "wait" in given ? { kind: "wait", ms: given.wait } : { kind: "produce", filter: referenceOf(given.produce.filter), count: given.produce.count ?? 1 };
}

function sendOf(given: Extract<GivenStep, { send: unknown }>["send"]): WorkloadStep {
  if (typeof given === "object" && "next-of" in given) {
    return { kind: "send", filters: given["next-of"].map(referenceOf), times: given.times ?? 1 };
  }
  if (typeof given === "object" && "filter" in given) {
    return { kind: "send", filters: [referenceOf(given.filter)], times: given.times };
  }
  return { kind: "send", filters: [referenceOf(given)], times: 1 };
}

function referenceOf(given: z.output<typeof filter>): FilterReference {
  return typeof given === "string" ? given : given.message;
}
