import type { GrpcBinding } from "../core/contract.js";
import type { YamlPath, YamlProblem } from "../yaml/document.js";
import { misnamedIn } from "./check-cel-names.js";
import { celShapeOf, compileCel, type CompiledCel, fieldsRead, type CelPredicate, type CelVariable } from "./cel.js";
import { toCel, valueToCel } from "./cel-values.js";
import type { CompiledRule } from "./match-rules.js";
import type { ReceiveRules } from "./receive.js";
import type { ContractFile } from "./schema.js";
import { entryTypeOf, filterTypeOf, messageTypeOf, type MonitorTypes, type ValueType } from "./value-types.js";

/** Every CEL expression of a contract, compiled. */
export interface Expressions {
  readonly match: readonly CompiledRule[];
  readonly receive: Omit<ReceiveRules, "each" | "fields">;
}

/** A variable of an expression, and what is known of its type. */
interface TypedVariable extends CelVariable {
  readonly type: ValueType;
}

/** Compiles the contract's CEL; what is wrong goes to `problems`, at the character where it is wrong. */
export function compileExpressions(
  content: ContractFile,
  grpc: GrpcBinding | undefined,
  monitor: MonitorTypes | undefined,
  problems: YamlProblem[],
): Expressions {
  const { filter, message, entry } = variablesOf(content, grpc, monitor);
  const filterToCel = filter.convert ?? toCel;
  const compile = (expression: string, variables: Readonly<Record<string, TypedVariable>>, path: YamlPath): CompiledCel => {
    const result = compileCel(expression, variables);
    const misnamed = misnamedIn(expression, Object.fromEntries(Object.entries(variables).map(([name, { type }]) => [name, type])));
    // A name that is not there is said once, in the words of the contract.
    problems.push(...misnamed.map(({ at, message }) => ({ path, characters: at, message })));
    if ("predicate" in result) {
      return result;
    }
    if (misnamed.length === 0) {
      problems.push({ path, characters: result.problem.at, message: `This CEL expression is not accepted: ${result.problem.message}.` });
    }
    return { predicate: () => false, failure: () => undefined };
  };
  const overMessage = (expression: string | undefined, path: YamlPath): CelPredicate | undefined =>
    expression === undefined ? undefined : compile(expression, { message }, path).predicate;
  return {
    match: content.match.map((rule, index): CompiledRule =>
      "cel" in rule
        ? { text: rule.cel, cel: compile(rule.cel, { filter, entry }, ["match", index, "cel"]), reads: fieldsRead(rule.cel, "entry"), filterToCel }
        : rule,
    ),
    receive: {
      where: overMessage(content.entries.where, ["entries", "where"]),
      ack: overMessage(content.messages?.ack, ["messages", "ack"]),
      barrier: overMessage(content.barrier?.await, ["barrier", "await"]),
      preludeReply: overMessage(content["prelude-reply"], ["prelude-reply"]),
      rejection: overMessage(content.messages?.rejection, ["messages", "rejection"]),
      ignore: (content.messages?.ignore ?? []).map((rule, index) => ({
        name: rule.name,
        when: compile(rule.when, { message }, ["messages", "ignore", index, "when"]).predicate,
        answer: rule.answer,
      })),
    },
  };
}

/** What is known of the variables: a filter is a message of the protobuf type unless a template makes the messages of it. */
function variablesOf(
  content: ContractFile,
  grpc: GrpcBinding | undefined,
  monitor: MonitorTypes | undefined,
): Readonly<Record<"filter" | "message" | "entry", TypedVariable>> {
  const messageShape = grpc === undefined ? undefined : celShapeOf(grpc.entryFields);
  const isDeeper = content.entries.each !== undefined || content.entries.fields !== undefined;
  const typed = (type: ValueType, shape: CelVariable["shape"]): TypedVariable => ({ type, shape, convert: valueToCel(type) });
  return {
    filter: typed(filterTypeOf(content, monitor?.request), grpc === undefined || content.open !== undefined ? undefined : celShapeOf(grpc.filterFields)),
    message: typed(messageTypeOf(monitor?.response), messageShape),
    entry: typed(entryTypeOf(content, monitor?.response), isDeeper ? undefined : messageShape),
  };
}
