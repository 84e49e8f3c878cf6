import type { Message } from "../core/contract.js";
import type { YamlProblem } from "../yaml/document.js";
import type { ContractFile, RuleFile } from "./schema.js";
import { entryTypeOf, filterTypeOf, type MonitorTypes, type ValueType } from "./value-types.js";

/** Checks that rules compare single values: one on a message, or on a list where none is meant, would let no entry through. */
export function checkRuleTypes(content: ContractFile, monitor: MonitorTypes | undefined, problems: YamlProblem[]): void {
  const fieldOf = (type: ValueType, name: string): ValueType | undefined => (type.kind === "message" ? type.field(name) : undefined);
  const [filters, entries] = [filterTypeOf(content, monitor?.request), entryTypeOf(content, monitor?.response)];
  content.match.forEach((rule, index) => {
    if ("cel" in rule || rule.rule === "ignored") {
      return;
    }
    for (const key of ["filter", "to"] as const) {
      const name = key === "filter" ? rule.filter : rule.rule === "range" ? rule.to : undefined;
      const type = name === undefined ? undefined : filters.kind === "unknown" ? sampledType(content, name) : fieldOf(filters, name);
      const wrong = name === undefined || (isTextList(type) && takesSingles(content, name, rule)) ? undefined : wrongInFilter(name, type, rule);
      if (wrong !== undefined) {
        problems.push({ path: ["match", index, key], message: wrong });
      }
    }
    const wrong = wrongInEntry(rule.entry, fieldOf(entries, rule.entry));
    if (wrong !== undefined) {
      problems.push({ path: ["match", index, "entry"], message: wrong });
    }
  });
}

/** Where no type is declared: that of a mapping which a sample has in the field. What is meant to be refused may be of any. */
function sampledType(content: ContractFile, name: string): ValueType | undefined {
  const invalid = content.roles.invalid.map((one) => (typeof one === "string" ? one : one.filter));
  const messages = Object.entries(content.filters).flatMap(([sample, filter]): readonly Message[] =>
    invalid.includes(sample) ? [] : Array.isArray(filter) ? filter : [filter],
  );
  const mapping = messages.map((message) => message[name]).find((value) => typeof value === "object" && value !== null && !Array.isArray(value));
  if (mapping === undefined) {
    return undefined;
  }
  const parts = mapping as Readonly<Record<string, unknown>>;
  const scalar: ValueType = { kind: "scalar", name: "" };
  return {
    kind: "message",
    name: "",
    names: Object.keys(parts),
    field: (part) => (Object.hasOwn(parts, part) ? (Array.isArray(parts[part]) ? { kind: "list", of: scalar } : scalar) : undefined),
  };
}

function isTextList(type: ValueType | undefined): boolean {
  return type?.kind === "list" && type.of.kind === "scalar";
}

/** A rule over texts reads a list of one as what is in it: it is right as long as no sample has a longer one. */
function takesSingles({ filters }: ContractFile, name: string, rule: ComparingRule): boolean {
  const overTexts = ["contains", "prefix", "topic", "range"].includes(rule.rule) || ("order" in rule && rule.order !== undefined);
  const lists = Object.values(filters)
    .flat()
    .map((message) => message[name])
    .filter(Array.isArray);
  return overTexts && lists.length > 0 && lists.every((list) => list.length <= 1);
}

type ComparingRule = Exclude<RuleFile, { readonly cel: string } | { readonly rule: "ignored" }>;

function wrongInFilter(name: string, type: ValueType | undefined, { rule, entry }: ComparingRule): string | undefined {
  if (type?.kind === "message" || type?.kind === "map") {
    return `The filter's field "${name}" is ${nameOf(type)}, and a rule compares single values: say it by CEL, as { cel: "!has(filter.${name}) || ${comparisonOf(name, type, entry)}" }.`;
  }
  if (type?.kind === "list" && (rule !== "one-of" || type.of.kind === "message")) {
    const why = rule === "one-of" ? `holds messages, and a rule compares single values` : `is a list, and "rule: ${rule}" compares one value`;
    const out = rule === "one-of" ? "" : `"rule: one-of" lets through what is in the list; for anything else `;
    return `The filter's field "${name}" ${why}: ${out}say it by CEL, as { cel: "!has(filter.${name}) || filter.${name}.exists(one, …)" }.`;
  }
  return undefined;
}

/** What could be compared inside a message: its first list or value. */
function comparisonOf(name: string, type: ValueType, entry: string): string {
  const inner = type.kind === "message" ? type.names.map((one) => ({ name: one, type: type.field(one) })) : [];
  const list = inner.find((one) => one.type?.kind === "list" && one.type.of.kind === "scalar");
  const single = inner.find((one) => one.type?.kind === "scalar");
  return list !== undefined ? `entry.${entry} in filter.${name}.${list.name}` : single !== undefined ? `entry.${entry} == filter.${name}.${single.name}` : "…";
}

function wrongInEntry(name: string, type: ValueType | undefined): string | undefined {
  if (type?.kind === "message" || type?.kind === "map") {
    const part = type.kind === "message" ? (type.names[0] ?? "part") : "key";
    return `The entry's field "${name}" is ${nameOf(type)}, and a rule compares single values: name what lies in it by "entries.fields" (fields: { ${part}: ${name}.${part}, … }), or say it by CEL.`;
  }
  if (type?.kind === "list") {
    return `The entry's field "${name}" is a list, and a rule compares single values: say it by CEL, as entry.${name}.exists(one, …).`;
  }
  return undefined;
}

function nameOf(type: ValueType): string {
  return type.kind === "message" ? (type.name === "" ? "a mapping" : `a message (${type.name})`) : "a map";
}
