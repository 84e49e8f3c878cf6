import type { Contract, MatchRule, Transport } from "../core/contract.js";
import type { ByteScan } from "./byte-scan.js";
import { type ByteTest, Contains, IsOneOf, StartsWith } from "./byte-tests.js";
import type { ByteFilter, EntryReader, ReaderPlan } from "./entry-reader.js";
import type { PreparedFilter } from "./filters.js";
import { JsonReader } from "./json-reader.js";
import { ProtobufReader, sequenceTypes } from "./protobuf-reader.js";

/** A reader for a contract's entries on a transport, or why there can be none. */
export type ReaderChoice =
  | { readonly kind: "compiled"; readonly reader: EntryReader; readonly prepare: (filter: PreparedFilter) => ByteFilter }
  | { readonly kind: "whole"; readonly why: string };

/**
 * Compiles a reader that knows the fields which these filters look at.
 * What it cannot compile is left to whole decoding, with the reason.
 * @param scan searches what lies in its read buffer; elsewhere, and without it, JavaScript does.
 */
export function chooseReader(contract: Contract, transport: Transport, filters: readonly PreparedFilter[], scan?: ByteScan): ReaderChoice {
  const { matchRules, entries } = contract;
  if (contract.everyMessageIsAnEntry !== true) {
    return whole("its messages are not all entries");
  }
  if (matchRules === undefined) {
    return whole("CEL, or a rule that is not compiled, judges its filters");
  }
  const constrained = matchRules.filter((rule) => filters.some((filter) => valueOf(rule, filter) !== undefined));
  const kept = [...new Set(constrained.map((rule) => rule.entry))];
  const plan: ReaderPlan = { sequence: entries.sequence, time: entries.time, kept };
  const tests = new Map<PreparedFilter, readonly ByteTest[]>();
  for (const filter of filters) {
    const compiled = testsOf(constrained, filter, kept, scan);
    if (typeof compiled === "string") {
      return whole(compiled);
    }
    tests.set(filter, compiled);
  }
  const reader = transport === "grpc" ? protobufReader(contract, plan, scan) : jsonReader(contract, plan, scan);
  if (typeof reader === "string") {
    return whole(reader);
  }
  return {
    kind: "compiled",
    reader,
    prepare: (filter) => ({ ...filter, tests: tests.get(filter) ?? missing(filter) }),
  };
}

function protobufReader(contract: Contract, plan: ReaderPlan, scan: ByteScan | undefined): EntryReader | string {
  const fields = contract.grpc?.entryFields;
  if (fields === undefined) {
    return "the contract describes no protobuf";
  }
  for (const name of [...plan.kept, ...(plan.time === undefined ? [] : [plan.time])]) {
    const field = fields.find((candidate) => candidate.name === name);
    if (field?.type !== "string" || field.repeated) {
      return `the field "${name}" is no single string in protobuf`;
    }
  }
  const sequence = fields.find((candidate) => candidate.name === plan.sequence);
  if (plan.sequence !== undefined && (sequence === undefined || sequence.repeated || !sequenceTypes.includes(sequence.type))) {
    return `the field "${plan.sequence}" is no integer that is read in place`;
  }
  return new ProtobufReader(plan, fields, scan);
}

function jsonReader(contract: Contract, plan: ReaderPlan, scan: ByteScan | undefined): EntryReader | string {
  return contract.websocket?.codec.form === "text" ? new JsonReader(plan, scan) : "its messages over WebSocket are not JSON in text frames";
}

/** The conditions of a filter, or why they cannot be put on bytes. */
function testsOf(rules: readonly MatchRule[], filter: PreparedFilter, kept: readonly string[], scan: ByteScan | undefined): readonly ByteTest[] | string {
  const tests: ByteTest[] = [];
  for (const rule of rules) {
    const wanted = valueOf(rule, filter);
    if (wanted === undefined) {
      continue;
    }
    const values = Array.isArray(wanted) ? wanted : [wanted];
    if (!values.every((value): value is string => typeof value === "string")) {
      return `the filter field "${rule.filter}" holds something other than texts`;
    }
    const slot = kept.indexOf(rule.entry);
    const [first = ""] = values;
    if (rule.rule === "at-least" || rule.rule === "at-most") {
      if (rule.order === undefined) {
        return `the rule on "${rule.filter}" compares without a stated order`;
      }
      const limit = rule.order.indexOf(first);
      const passing = rule.order.filter((_, rank) => limit !== -1 && (rule.rule === "at-least" ? rank >= limit : rank <= limit));
      tests.push(new IsOneOf(slot, passing));
    } else if (rule.rule === "contains") {
      tests.push(new Contains(slot, first, scan));
    } else if (rule.rule === "prefix") {
      tests.push(new StartsWith(slot, first));
    } else {
      tests.push(new IsOneOf(slot, values));
    }
  }
  return tests;
}

/** What a filter asks for by a rule; undefined when it does not constrain. A later message of a filter replaces the one before. */
function valueOf(rule: MatchRule, { filter }: PreparedFilter): unknown {
  const value = filter.messages.at(-1)?.[rule.filter];
  return value === undefined || value === null || (Array.isArray(value) && value.length === 0) ? undefined : value;
}

function whole(why: string): ReaderChoice {
  return { kind: "whole", why };
}

function missing(filter: PreparedFilter): never {
  throw new Error(`the filter "${filter.filter.name}" was not compiled with the others`);
}
