import type { Contract, MatchRule, Message, ProtobufField } from "../core/contract.js";
import { jsonText } from "../core/json-text.js";
import type { Target } from "../core/target.js";
import { fitTo } from "../core/schedule.js";
import type { StreamGroup, Workload, WorkloadStep } from "../core/workload.js";
import type { EngineFilter, EngineTask } from "./engine.js";
import type { K6Filter, K6Group, K6Plan, K6Step, K6Target, K6Test } from "./k6/plan.js";

/** Streams open and perform `begin` within this time, or their rounds begin late; many take longer. */
const leastSetupMs = 1500;
const setupMsPerStream = 5;

/** Which parts of a task the k6 script cannot perform, each a sentence. */
export function k6Refusals(task: EngineTask): string[] {
  const flood = task.workload.flood === undefined ? [] : ["It has a flood, whose effect is told window by window: k6's lag is not kept by window."];
  return [...new Set([...flood, ...task.workload.groups.flatMap(refusalsOfGroup), ...task.targets.flatMap((target, i) => refusalsOfTarget(task, target, i))])];
}

/**
 * The task as the script performs it; the task has no refusals.
 * @param protosets file of each target's types, by target; undefined over WebSocket.
 */
export function k6Plan(task: EngineTask, protosets: readonly (string | undefined)[]): K6Plan {
  const { workload, targets } = task;
  const filters = targets.map((_, i) => filtersOf(task, i));
  const streams = workload.groups.reduce((sum, group) => sum + group.streams, 0);
  const tls = targets.find((target) => target.tls !== undefined)?.tls;
  const applyMsOf = ({ contract }: Target): number => workload.applyWithinMs ?? contract.bounds.applyMs;
  return {
    name: workload.name,
    setupMs: leastSetupMs + setupMsPerStream * streams,
    warmUpMs: workload.warmUpMs,
    durationMs: workload.durationMs,
    finishMs:
      Math.max(...targets.map((target) => applyMsOf(target) + target.contract.bounds.endMs)) +
      Math.max(0, ...workload.groups.map((group) => boundsIn(group.finish))) +
      2000,
    stallMs: workload.stallMs ?? 0,
    insecure: tls?.insecure === true,
    clientCertificate: tls?.cert === undefined || tls.key === undefined ? null : { cert: tls.cert, key: tls.key },
    targets: targets.map((target, i) => ({
      ...targetOf(target, protosets[i]),
      applyMs: applyMsOf(target),
      filters: (filters[i] ?? []).map((filter) => filterOf(filter, filters[i] ?? [], target)),
    })),
    groups: workload.groups.map((group, i) =>
      groupOf({ group, workload }, task.targetsOf(i), (reference) => targets.map((_, t) => (filters[t] ?? []).indexOf(task.resolve(t, reference)))),
    ),
  };
}

const supportedSteps: readonly WorkloadStep["kind"][] = ["send", "expect-applied", "expect-entries", "expect-end", "wait", "end"];
const whyUnsupported: Readonly<Partial<Record<WorkloadStep["kind"], string>>> = {
  cancel: "k6 cannot cancel one stream",
  pause: "k6 reads always",
  resume: "k6 reads always",
  "expect-caught-up": "k6 reads always",
  produce: "its script writes no entries",
};

function refusalsOfGroup(group: StreamGroup): string[] {
  const steps = [...group.begin, ...group.each, ...group.finish];
  const refusals = steps
    .filter(({ kind }) => !supportedSteps.includes(kind))
    .map(({ kind }) => `Group "${group.name}" has the step "${kind}": ${whyUnsupported[kind] ?? "the script does not know it"}.`);
  if (group.arrivals.model === "open" && group.arrivals.of === "updates") {
    refusals.push(`Group "${group.name}" has an open model of updates, whose arrivals its streams share: k6's virtual users share nothing.`);
  } else if (group.arrivals.model === "open" && group.arrivals.spacing === "poisson") {
    refusals.push(`Group "${group.name}" has Poisson arrivals: k6 spaces them evenly (spacing: uniform).`);
  }
  if (group.bystander) {
    refusals.push(`Group "${group.name}" is a bystander, whose lag is compared window by window: k6's is not kept by window.`);
  }
  return refusals;
}

function refusalsOfTarget(task: EngineTask, target: Target, index: number): string[] {
  const { contract, transport, tls } = target;
  const refusals: string[] = [];
  const of = `The contract "${contract.name}"`;
  if (contract.everyMessageIsAnEntry !== true || contract.matchRules === undefined) {
    refusals.push(
      `${of} needs more than plain entries and rules (acknowledgements, heartbeats, lists, CEL, ranges or topics), which the k6 script does not judge.`,
    );
    return refusals;
  }
  if (contract.preludeReply !== undefined) {
    refusals.push(`${of} waits for an answer before the first filter, which the k6 script does not.`);
  }
  if (transport === "grpc" && contract.grpc?.descriptorSet === undefined) {
    refusals.push(`${of} does not tell the protobuf types that k6 needs.`);
  }
  if (transport === "ws" && contract.websocket?.codec.form === "binary") {
    refusals.push(`${of} sends binary WebSocket messages, and the k6 script reads JSON.`);
  }
  if (tls?.servername !== undefined) {
    refusals.push("k6 cannot ask for a server name of its own (--servername).");
  }
  const filters = filtersOf(task, index);
  for (const { filter } of filters) {
    for (const rule of contract.matchRules) {
      if (typeof testOf(rule, filter.messages.at(-1) ?? {}, rule.entry) === "string") {
        refusals.push(`${of}: ${testOf(rule, filter.messages.at(-1) ?? {}, rule.entry) as string}.`);
      }
    }
    if (filter.messages.length > 1) {
      refusals.push(`${of}: the filter "${filter.name}" is several messages.`);
    }
    if (JSON.stringify(plain(contract.opening(filter, 1))) !== JSON.stringify(plain(contract.opening(filter, 2)))) {
      refusals.push(`${of} numbers its filters, and the k6 script sends fixed messages.`);
    }
    refusals.push(...unserialisable(contract, transport, contract.opening(filter, 1), filter.name));
  }
  return refusals;
}

/** A gRPC write that k6 cannot serialise would hang it for good: each message is encoded here first. */
function unserialisable(contract: Contract, transport: Target["transport"], messages: readonly Message[], name: string): string[] {
  const codec = transport === "grpc" ? contract.grpc?.codec : contract.websocket?.codec;
  try {
    for (const message of [...contract.prelude, ...messages]) {
      codec?.encode(message);
    }
    return [];
  } catch (thrown) {
    return [`The contract "${contract.name}": the filter "${name}" cannot be sent (${thrown instanceof Error ? thrown.message : String(thrown)}).`];
  }
}

/** Every filter that the workload uses with a target, once. */
function filtersOf(task: EngineTask, target: number): EngineFilter[] {
  const steps = task.workload.groups.flatMap((group) => [...group.begin, ...group.each, ...group.finish]);
  const references = steps.flatMap((step) => (step.kind === "send" ? step.filters : []));
  return [...new Set(references.map((reference) => task.resolve(target, reference)))];
}

function filterOf({ filter, everything, nothing }: EngineFilter, all: readonly EngineFilter[], target: Target): K6Filter {
  const { contract } = target;
  const message = filter.messages.at(-1) ?? {};
  return {
    name: filter.name,
    everything,
    nothing,
    tests: (contract.matchRules ?? []).flatMap((rule) => {
      const test = testOf(rule, message, shownField(target, rule.entry));
      return test === undefined || typeof test === "string" ? [] : [test];
    }),
    opening: plain(contract.opening(filter, 1)),
    updating: all.map((before) => plain(contract.updating(before.filter, filter, 2))),
  };
}

/** The test that a rule makes of a filter; undefined when the filter does not constrain by it, a text when the script has no such test. */
function testOf(rule: MatchRule, filter: Message, field: string): K6Test | string | undefined {
  const wanted = filter[rule.filter];
  if (wanted === undefined || wanted === null || (Array.isArray(wanted) && wanted.length === 0)) {
    return undefined;
  }
  switch (rule.rule) {
    case "one-of":
      return { kind: "one-of", field, values: (Array.isArray(wanted) ? wanted : [wanted]).map(String) };
    case "equals":
      return { kind: "one-of", field, values: [String(wanted)] };
    case "contains":
    case "prefix":
      return { kind: rule.rule, field, text: String(wanted) };
    case "at-least":
    case "at-most": {
      if (rule.order !== undefined) {
        const limit = rule.order.indexOf(String(wanted));
        const sign = rule.rule === "at-least" ? 1 : -1;
        return { kind: "one-of", field, values: limit === -1 ? [] : rule.order.filter((_, rank) => sign * (rank - limit) >= 0) };
      }
      return /^-?\d{1,20}$/.test(String(wanted))
        ? { kind: rule.rule, field, limit: String(wanted) }
        : `"${rule.filter}" is compared as a text, which the k6 script does not`;
    }
  }
}

function targetOf(target: Target, protoset: string | undefined): Omit<K6Target, "filters" | "applyMs"> {
  const { contract, transport, host, port, tls } = target;
  const { entries } = contract;
  const authority = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const headers = [...target.headers, ...(transport === "ws" ? (contract.websocket?.headers ?? []) : [])];
  const shown = (field: string | undefined): string | null => (field === undefined ? null : shownField(target, field));
  return {
    transport,
    address: transport === "grpc" ? authority : `${tls === undefined ? "ws" : "wss"}://${authority}${target.path}`,
    method: target.path.replace(/^\//, ""),
    plaintext: tls === undefined,
    ca: tls?.ca ?? null,
    headers: Object.fromEntries(headers),
    protoset: protoset ?? null,
    endText: transport === "ws" ? (contract.websocket?.endText ?? null) : null,
    subprotocols: transport === "ws" ? (contract.websocket?.subprotocols ?? []) : [],
    sequenceField: shown(entries.sequence),
    order: entries.sequence === undefined ? "none" : entries.order,
    replay: contract.semantics.delivery === "replay",
    timeField: shown(entries.time),
    required: entries.required.map((field) => shownField(target, field)),
    endMs: contract.bounds.endMs,
    prelude: plain(contract.prelude),
  };
}

/** Over gRPC k6 shows protobuf's JSON names: lowerCamel. */
function shownField({ transport, contract }: Target, field: string): string {
  const fields: readonly ProtobufField[] = contract.grpc?.entryFields ?? [];
  return transport === "grpc" && fields.some(({ name }) => name === field)
    ? field.replace(/_+([a-zA-Z0-9])/g, (_, letter: string) => letter.toUpperCase()).replace(/_+$/, "")
    : field;
}

/** From when a group begins, with the warm-up unless it comes later, until it stops. */
function lengthOf({ fromMs, untilMs }: StreamGroup, { warmUpMs, durationMs }: Workload): number {
  return (fromMs > 0 ? 0 : warmUpMs) + (untilMs ?? durationMs) - fromMs;
}

function groupOf(
  { group, workload }: { readonly group: StreamGroup; readonly workload: Workload },
  targets: readonly number[],
  indicesOf: (reference: Parameters<EngineTask["resolve"]>[1]) => readonly number[],
): K6Group {
  const steps = (all: readonly WorkloadStep[]): K6Step[] => all.map((step) => stepOf(step, indicesOf));
  return {
    name: group.name,
    streams: group.streams,
    targets,
    rampUpMs: group.rampUpMs,
    fromMs: group.fromMs,
    untilMs: group.untilMs ?? 0,
    thinkMs: group.arrivals.model === "closed" ? group.arrivals.thinkMs : 0,
    arrivals: group.arrivals.model === "closed" ? null : { stages: fitTo(group.arrivals.stages, lengthOf(group, workload)), inFlight: group.arrivals.inFlight },
    begin: steps(group.begin),
    each: steps(group.each),
    finish: steps(group.finish),
  };
}

function stepOf(step: WorkloadStep, indicesOf: (reference: Parameters<EngineTask["resolve"]>[1]) => readonly number[]): K6Step {
  switch (step.kind) {
    case "send": {
      const byReference = step.filters.map(indicesOf);
      return { kind: "send", filters: (byReference[0] ?? []).map((_, target) => byReference.map((indices) => indices[target] ?? 0)), times: step.times };
    }
    case "expect-applied":
    case "expect-end":
      return { kind: step.kind, withinMs: step.withinMs ?? 0 };
    case "expect-entries":
      return { kind: "expect-entries", count: step.count, withinMs: step.withinMs ?? 0 };
    case "wait":
      return { kind: "wait", ms: step.ms };
    case "end":
      return { kind: "end" };
    default:
      throw new Error(`the k6 script has no step ${step.kind}`);
  }
}

/** All bounds that steps state, together. */
function boundsIn(steps: readonly WorkloadStep[]): number {
  return steps.reduce((sum, step) => sum + (step.kind === "wait" ? step.ms : "withinMs" in step ? (step.withinMs ?? 0) : 0), 0);
}

/** Messages as JSON has them: whole numbers beyond 2^53 as texts, which protobuf's JSON reads. */
function plain(messages: readonly Message[]): object[] {
  return JSON.parse(jsonText(messages)) as object[];
}
