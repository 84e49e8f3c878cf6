import {
  type Bounds,
  type Contract,
  defaultBounds,
  type EntryRules,
  type Filter,
  type GrpcBinding,
  type MatchRule,
  type Message,
  type ProbeRule,
  type ProducerRule,
  type ProtobufField,
  type Semantics,
  type WebSocketBinding,
} from "../core/contract.js";
import { parseDuration } from "../core/duration.js";
import { jsonText } from "../core/json-text.js";
import type { YamlDocument, YamlProblem } from "../yaml/document.js";
import { createDrafter, placeholdersOf, readTemplate, templateOf } from "./draft.js";
import { compileEntryShape, compileEntryTime } from "./entry-shape.js";
import { draftTypesOf, entryTypesOf, typedEntry } from "./entry-types.js";
import { compileExpressions } from "./expressions.js";
import { descriptorSetOf } from "./descriptor-set.js";
import { createFilterMaker } from "./filters.js";
import type { LoadedTypes } from "./grpc-types.js";
import { createJsonCodec } from "./json-codec.js";
import { createProtobufCodec, protobufFieldsOf } from "./protobuf-codec.js";
import { compileReceive, isPlain } from "./receive.js";
import { compileRoles } from "./roles.js";
import type { ContractFile, RuleFile } from "./schema.js";
import { fillTemplate } from "./templates.js";
import { entryTypeOf } from "./value-types.js";
import { checkEncodable } from "./check-encodable.js";
import { checkNames } from "./check-names.js";
import { checkPaths } from "./check-paths.js";
import { checkRuleTypes } from "./check-rule-types.js";

/** A contract file that is read and checked, with what was found beside it. */
export interface ContractDraft {
  readonly document: YamlDocument;
  readonly content: ContractFile;
  readonly folder: string;
  /** SHA-256 of the text, hex. */
  readonly hash: string;
  readonly namespace: string;
  readonly types: LoadedTypes;
}

/** Makes the contract of a draft. @throws HarnessError `contract` that lists every problem with its `file:line:column` */
export function compileContract(draft: ContractDraft): Contract {
  const { document, content, namespace } = draft;
  const problems: YamlProblem[] = [];
  const grpc = grpcBinding(draft);
  const websocket = webSocketBinding(draft, problems);
  const monitor = draft.types === "reflection" ? undefined : draft.types.monitor;
  const expressions = compileExpressions(content, grpc, monitor, problems);
  checkNames(content, grpc, problems);
  checkRuleTypes(content, monitor, problems);
  if (monitor !== undefined) {
    checkPaths(content, monitor.response, problems);
  }
  refuse(document, problems);

  const producer = producerRule(draft);
  const template = templateOf(producer);
  const read = template === undefined ? undefined : readTemplate(template);
  const entries = entryRules(content, read?.token);
  const timeOf = compileEntryTime(entries);
  const makeFilter = createFilterMaker({ rules: expressions.match, namespace });
  const filters = Object.fromEntries(
    Object.entries(content.filters).map(([name, sample]) => [name, makeFilter(name, Array.isArray(sample) ? sample : [sample])]),
  );
  const roles = compileRoles(content, filters);
  const opening = (filter: Filter, slot: number): readonly Message[] => opened(content, content.open, filter, slot, namespace);
  const receive = { ...expressions.receive, each: content.entries.each, fields: content.entries.fields };
  const { preludeReply } = receive;
  const placeholders = placeholdersOf(`${producer.kind === "http" ? producer.path : ""} ${template ?? ""}`);
  const entryTypes = entryTypesOf(entryTypeOf(content, monitor?.response));
  const draftTypes = draftTypesOf(entryTypes, placeholders.forms);
  const draftEntry =
    template === undefined
      ? (): undefined => undefined
      : createDrafter({
          rules: expressions.match,
          entries,
          fields: placeholders.fields,
          hasToken: placeholders.hasToken,
          constants: read?.constants ?? {},
          types: draftTypes,
          values: statedValues(content, namespace),
          samples: Object.values(filters),
          silent: roles.silent,
        });
  const contract: Contract = {
    name: content.name,
    about: content.about,
    source: document.file,
    hash: draft.hash,
    grpc,
    websocket,
    filters,
    roles,
    entries,
    semantics: semanticsOf(content),
    bounds: boundsOf(content),
    filterBytes: content.limits["filter-bytes"],
    producer,
    probe: probeRule(content),
    everyMessageIsAnEntry:
      content.messages === undefined &&
      content.barrier === undefined &&
      content.entries.where === undefined &&
      content.entries.each === undefined &&
      content.entries.fields === undefined,
    matchRules: isPlain(receive) ? compiledReaderRules(content) : undefined,
    edgeRules: content.match.flatMap((rule) => readerRule(rule) ?? []),
    sampledFields: sampledFields(content.match, Object.values(filters)),
    filter: (message) => makeFilter(jsonText(message), [message]),
    prelude: content.prelude.map((message) => fillTemplate(message, { namespace })),
    opening,
    updating: (from, to, slot) => (content.update === undefined ? opening(to, slot) : opened(content, content.update, to, slot, namespace, from)),
    ...(preludeReply === undefined ? {} : { preludeReply: (message: Message) => preludeReply({ message }) }),
    classify: compileReceive(receive),
    entryTypes,
    draft: draftEntry,
    entryOf: (made) => typedEntry(made, draftTypes),
    violationOf: compileEntryShape(entries, content.match, { declared: declaredFields(content, grpc), integers: content.websocket?.integers ?? "any", timeOf }),
    timeOf,
  };
  checkEncodable(contract, content, monitor?.request, problems);
  refuse(document, problems);
  return contract;
}

function refuse(document: YamlDocument, problems: readonly YamlProblem[]): void {
  if (problems.length > 0) {
    throw document.errorFor(problems);
  }
}

function grpcBinding(draft: ContractDraft): GrpcBinding | undefined {
  const monitor = draft.types === "reflection" ? undefined : draft.types.monitor;
  if (monitor === undefined) {
    return undefined;
  }
  return {
    path: monitor.path,
    codec: createProtobufCodec(monitor.request, monitor.response, draft.content.grpc?.bytes ?? "base64"),
    entryFields: protobufFieldsOf(monitor.response),
    filterFields: protobufFieldsOf(monitor.request),
    descriptorSet: () => descriptorSetOf(monitor.request.root),
  };
}

function webSocketBinding(draft: ContractDraft, problems: YamlProblem[]): WebSocketBinding | undefined {
  const { websocket } = draft.content;
  if (websocket === undefined) {
    return undefined;
  }
  const monitor = draft.types === "reflection" ? undefined : draft.types.monitor;
  if (websocket.encoding === "protobuf" && monitor === undefined) {
    problems.push({
      path: ["websocket", "encoding"],
      message: 'The encoding "protobuf" needs the message types of a "grpc" section with a proto or descriptor-set.',
    });
  }
  return {
    path: websocket.path,
    endText: websocket.end,
    subprotocols: websocket.subprotocols,
    headers: Object.entries(websocket.headers),
    ...(websocket.origins === undefined ? {} : { origins: websocket.origins }),
    codec:
      websocket.encoding === "protobuf" && monitor !== undefined
        ? createProtobufCodec(monitor.request, monitor.response, draft.content.grpc?.bytes ?? "base64")
        : createJsonCodec(websocket.frames),
  };
}

/** The messages of a template list for a filter, with the barrier's question behind them; without a template the filter's own messages. */
function opened(
  content: ContractFile,
  templates: readonly Message[] | undefined,
  filter: Filter,
  slot: number,
  namespace: string,
  from?: Filter,
): readonly Message[] {
  const before = from?.messages.at(-1);
  const shared = { slot, old: slot - 1, namespace, ...(before === undefined ? {} : { from: before }) };
  const messages =
    templates === undefined
      ? filter.messages
      : filter.messages.flatMap((message) => templates.map((template) => fillTemplate(template, { ...shared, filter: message })));
  return content.barrier === undefined ? messages : [...messages, fillTemplate(content.barrier.send, shared)];
}

function entryRules(content: ContractFile, templateToken: string | undefined): EntryRules {
  const { sequence, order, time, required } = content.entries;
  const token = content.entries.token ?? templateToken;
  return {
    order,
    required,
    ...(sequence === undefined ? {} : { sequence }),
    ...(time === undefined ? {} : { time }),
    ...(token === undefined ? {} : { token }),
  };
}

function semanticsOf(content: ContractFile): Semantics {
  const { semantics } = content;
  const cleanEnd = semantics["clean-end"];
  return {
    update: semantics.update,
    ...((content.update?.length ?? 1) > 1 ? { updateGap: true } : {}),
    takesEffect: semantics["takes-effect"] ?? (content.messages?.ack !== undefined || content.barrier !== undefined ? "ack" : "first-new-entry"),
    delivery: semantics.delivery,
    overflow: semantics.overflow,
    cleanEnd: { grpcStatuses: cleanEnd["grpc-statuses"], wsCodes: cleanEnd["ws-codes"] },
  };
}

function boundsOf(content: ContractFile): Bounds {
  const { apply, end, release, stop } = content.bounds;
  const milliseconds = (text: string | undefined, fallback: number): number => (text === undefined ? fallback : (parseDuration(text) ?? fallback));
  return {
    applyMs: milliseconds(apply, defaultBounds.applyMs),
    endMs: milliseconds(end, defaultBounds.endMs),
    releaseMs: milliseconds(release, defaultBounds.releaseMs),
    stopMs: milliseconds(stop, defaultBounds.stopMs),
  };
}

function producerRule(draft: ContractDraft): ProducerRule {
  const { producer } = draft.content;
  const { namespace } = draft;
  const filled = (text: string): string => text.replaceAll("{namespace}", namespace);
  if (producer === undefined) {
    return { kind: "unstated" };
  }
  if (producer === "none") {
    return { kind: "declared-none" };
  }
  if ("http" in producer) {
    const [method = "", path = ""] = producer.http.split(" ");
    return {
      kind: "http",
      method,
      path: filled(path),
      body: filled(producer.body),
      contentType: producer["content-type"],
      ...(producer.sequences === undefined ? {} : { sequences: sequencesOf(producer.sequences) }),
    };
  }
  if ("command" in producer) {
    return { kind: "command", command: filled(producer.command) };
  }
  const types = draft.types === "reflection" ? undefined : draft.types.producer;
  return {
    kind: "grpc",
    method: types?.path ?? `/${producer.grpc.replace(/^\//, "")}`,
    message: JSON.parse(filled(JSON.stringify(producer.message))) as Message,
    ...(types === undefined ? {} : { codec: createProtobufCodec(types.request, types.response, draft.content.grpc?.bytes ?? "base64") }),
    ...(producer.sequences === undefined ? {} : { sequences: sequencesOf(producer.sequences) }),
  };
}

function sequencesOf(sequences: { readonly first: string; readonly last?: string | undefined }): { readonly first: string; readonly last: string } {
  return { first: sequences.first, last: sequences.last ?? sequences.first };
}

function statedValues(content: ContractFile, namespace: string): Readonly<Record<string, readonly string[]>> {
  const { producer } = content;
  const values = typeof producer === "object" ? (producer.values ?? {}) : {};
  return Object.fromEntries(Object.entries(values).map(([field, candidates]) => [field, candidates.map((text) => text.replaceAll("$namespace", namespace))]));
}

function probeRule(content: ContractFile): ProbeRule {
  const { probe } = content;
  if (probe === undefined) {
    return { kind: "unstated" };
  }
  if (probe === "none") {
    return { kind: "declared-none" };
  }
  if ("channelz" in probe) {
    return { kind: "channelz" };
  }
  if ("process" in probe) {
    return { kind: "process" };
  }
  const gauges = {
    ...(probe["open-streams"] === undefined ? {} : { openStreams: probe["open-streams"] }),
    ...(probe["rss-bytes"] === undefined ? {} : { rssBytes: probe["rss-bytes"] }),
  };
  return "http" in probe
    ? { kind: "http", path: probe.http.slice("GET ".length), ...gauges }
    : { kind: "prometheus", path: probe.prometheus.slice("GET ".length), ...gauges };
}

/** The rules in the form that compiled readers know; undefined where one of them needs more than that. */
function compiledReaderRules(content: ContractFile): readonly MatchRule[] | undefined {
  const constraining = content.match.filter((rule) => "cel" in rule || rule.rule !== "ignored");
  const rules = constraining.flatMap((rule) => readerRule(rule) ?? []);
  return rules.length === constraining.length ? rules : undefined;
}

/** A rule that compares one field with one field; undefined for any other. */
function readerRule(rule: RuleFile): MatchRule | undefined {
  if ("cel" in rule || rule.rule === "range" || rule.rule === "topic" || rule.rule === "ignored") {
    return undefined;
  }
  return "order" in rule ? { ...rule, order: rule.order } : (rule as MatchRule);
}

/** Fields of the samples that no rule of one field with one field names. */
function sampledFields(rules: readonly RuleFile[], samples: readonly Filter[]): readonly string[] {
  const known = new Set(rules.flatMap((rule) => ("cel" in rule || rule.rule === "range" ? [] : [rule.filter])));
  return [...new Set(samples.flatMap(({ messages }) => messages.flatMap(Object.keys)))].filter((field) => !known.has(field));
}

/** Fields whose types JSON entries are held to: those of the protobuf entry, where an entry is a whole message. */
function declaredFields(content: ContractFile, grpc: GrpcBinding | undefined): readonly ProtobufField[] {
  return grpc === undefined || content.entries.fields !== undefined || content.entries.each !== undefined ? [] : grpc.entryFields;
}
