import type { GrpcBinding } from "../core/contract.js";
import { didYouMean } from "../core/suggest.js";
import type { YamlPath, YamlProblem } from "../yaml/document.js";
import { placeholdersOf } from "./draft.js";
import type { ContractFile } from "./schema.js";
import { unknownReferences } from "./templates.js";

/** Checks every name that one part of a contract uses for what another part, or the .proto, defines. */
export function checkNames(content: ContractFile, grpc: GrpcBinding | undefined, problems: YamlProblem[]): void {
  if (content.grpc === undefined && content.websocket === undefined) {
    problems.push({ path: [], message: 'A contract needs a "grpc" section, a "websocket" section, or both.' });
  }
  checkRoles(content, problems);
  checkEntryFields(content, grpc, problems);
  checkFilterFields(content, grpc, problems);
  checkTemplates(content, problems);
}

function checkRoles(content: ContractFile, problems: YamlProblem[]): void {
  const known = Object.keys(content.filters);
  const check = (name: string, path: YamlPath): void => {
    if (!Object.hasOwn(content.filters, name)) {
      problems.push({ path, message: `There is no filter "${name}".${didYouMean(name, known) || listOf(known)}` });
    }
  };
  for (const role of ["broad", "silent"] as const) {
    const name = content.roles[role];
    if (name !== undefined) {
      check(name, ["roles", role]);
    }
  }
  for (const role of ["disjoint", "overlap"] as const) {
    content.roles[role]?.forEach((name, index) => check(name, ["roles", role, index]));
  }
  content.roles.invalid.forEach((invalid, index) =>
    typeof invalid === "string" ? check(invalid, ["roles", "invalid", index]) : check(invalid.filter, ["roles", "invalid", index, "filter"]),
  );
}

/** Entry fields named by rules, `entries` and the producer, against the names in `entries.fields` or the protobuf's. */
function checkEntryFields(content: ContractFile, grpc: GrpcBinding | undefined, problems: YamlProblem[]): void {
  const { entries } = content;
  const known =
    entries.fields === undefined ? (entries.each === undefined ? grpc?.entryFields.map((field) => field.name) : undefined) : Object.keys(entries.fields);
  if (known === undefined) {
    return;
  }
  const check = (name: string | undefined, path: YamlPath): void => {
    if (name !== undefined && !known.includes(name)) {
      problems.push({ path, message: `An entry has no field "${name}".${pathIntoEntry(name, content) || didYouMean(name, known) || listOf(known)}` });
    }
  };
  for (const key of ["sequence", "time", "token"] as const) {
    check(entries[key], ["entries", key]);
  }
  entries.required.forEach((name, index) => check(name, ["entries", "required", index]));
  content.match.forEach((rule, index) => {
    if (!("cel" in rule) && rule.rule !== "ignored") {
      check(rule.entry, ["match", index, "entry"]);
    }
  });
  const { producer } = content;
  if (typeof producer === "object" && "body" in producer) {
    for (const key of ["http", "body"] as const) {
      for (const name of placeholdersOf(producer[key]).fields) {
        check(name, ["producer", key]);
      }
    }
  }
}

/** Fields of the samples: known to the protobuf filter, or read by some rule. */
function checkFilterFields(content: ContractFile, grpc: GrpcBinding | undefined, problems: YamlProblem[]): void {
  const declared = grpc === undefined || content.open !== undefined ? undefined : grpc.filterFields.map((field) => field.name);
  const read = content.match.some((rule) => "cel" in rule)
    ? undefined
    : content.match.flatMap((rule) => ("cel" in rule ? [] : rule.rule === "range" ? [rule.filter, rule.to] : [rule.filter]));
  const known = declared ?? read;
  if (declared === undefined) {
    checkFilterPaths(content, problems);
  }
  if (known === undefined) {
    return;
  }
  const unknown = (name: string, comparison = "=="): string =>
    declared === undefined
      ? `No match rule reads the filter's field "${name}", so the harness cannot judge by it.${didYouMean(name, known) || ' A field that does not constrain entries is declared with "rule: ignored".'}`
      : `A filter has no field "${name}".${pathIntoFilter(name, declared, comparison) || didYouMean(name, known) || listOf(known)}`;
  for (const [sample, messages] of Object.entries(content.filters)) {
    for (const [index, message] of (Array.isArray(messages) ? messages : [messages]).entries()) {
      for (const field of Object.keys(message)) {
        // That a rule names a path into it is said of the rule.
        const byPath = declared === undefined && known.some((name) => name.startsWith(`${field}.`));
        if (!known.includes(field) && !byPath) {
          problems.push({ path: ["filters", sample, ...(Array.isArray(messages) ? [index] : []), field], at: "key", message: unknown(field) });
        }
      }
    }
  }
  if (declared !== undefined) {
    content.match.forEach((rule, index) => {
      if (!("cel" in rule)) {
        for (const key of ["filter", "to"] as const) {
          const name = key === "to" ? ("to" in rule ? rule.to : undefined) : rule.filter;
          if (name !== undefined && !declared.includes(name)) {
            problems.push({ path: ["match", index, key], message: unknown(name, comparisonBy(rule.rule)) });
          }
        }
      }
    });
  }
}

/** Rules that name a path into the samples: the filter's own fields are all that a rule reads, so it would never constrain. */
function checkFilterPaths(content: ContractFile, problems: YamlProblem[]): void {
  const samples = Object.values(content.filters).flat();
  content.match.forEach((rule, index) => {
    for (const key of ["filter", "to"] as const) {
      const name = "cel" in rule ? undefined : key === "filter" ? rule.filter : "to" in rule ? rule.to : undefined;
      const first = name?.split(".", 1)[0];
      // A name of JSON may have a dot in it.
      if (name !== undefined && first !== undefined && first !== name && !samples.some((sample) => Object.hasOwn(sample, name))) {
        const nested = samples.some((sample) => typeof sample[first] === "object" && sample[first] !== null);
        if (nested) {
          problems.push({
            path: ["match", index, key],
            message: `A filter has no field "${name}".${pathIntoFilter(name, [first], comparisonBy("cel" in rule ? "" : rule.rule))}`,
          });
        }
      }
    }
  });
}

/** Empty when the name is no path whose first step is a field. */
function pathIntoFilter(name: string, fields: readonly string[], comparison: string): string {
  const first = name.split(".", 1)[0] ?? "";
  return first === name || !fields.includes(first)
    ? ""
    : ` Rules read the filter's own fields, not paths into them: say it by CEL, as { cel: "!has(filter.${first}) || entry.… ${comparison} filter.${name}" }.`;
}

function comparisonBy(rule: string): string {
  return rule === "one-of" ? "in" : "==";
}

function pathIntoEntry(name: string, content: ContractFile): string {
  const last = name.split(".").at(-1) ?? "";
  if (last === name) {
    return "";
  }
  const named = Object.entries(content.entries.fields ?? {}).find(([, field]) => (typeof field === "string" ? field : field.path) === name)?.[0];
  return named === undefined
    ? ` What lies deeper gets a name in "entries.fields" (${last}: ${name}), beside all others that are read; rules use that name.`
    : ` By "entries.fields" its name is "${named}".`;
}

function checkTemplates(content: ContractFile, problems: YamlProblem[]): void {
  const inFilters = ["filter", "slot", "old", "namespace"];
  const places: readonly (readonly [unknown, YamlPath, readonly string[]])[] = [
    [content.filters, ["filters"], ["namespace"]],
    [content.prelude, ["prelude"], ["namespace"]],
    [content.open, ["open"], inFilters],
    [content.update, ["update"], [...inFilters, "from"]],
    [content.barrier?.send, ["barrier", "send"], ["slot", "old", "namespace"]],
    ...(content.messages?.ignore ?? []).map((rule, index) => [rule.answer, ["messages", "ignore", index, "answer"], ["message"]] as const),
  ];
  for (const [template, path, allowed] of places) {
    for (const found of unknownReferences(template, allowed)) {
      problems.push({
        path: [...path, ...found.path],
        message: `"$${found.name}" means nothing here; ${allowed.map((name) => `$${name}`).join(", ")} do${allowed.length === 1 ? "es" : ""}, and $$ is a dollar sign.`,
      });
    }
  }
}

function listOf(known: readonly string[]): string {
  return known.length === 0 ? " There are none." : ` Known: ${known.join(", ")}.`;
}
