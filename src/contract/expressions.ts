import type { GrpcBinding } from "../core/contract.js";
import type { YamlPath, YamlProblem } from "../yaml/document.js";
import { celShapeOf, compileCel, fieldsRead, type CelPredicate, type CelShape } from "./cel.js";
import type { CompiledRule } from "./match-rules.js";
import type { ReceiveRules } from "./receive.js";
import type { ContractFile } from "./schema.js";

/** Every CEL expression of a contract, compiled. */
export interface Expressions {
  readonly match: readonly CompiledRule[];
  readonly receive: Omit<ReceiveRules, "each" | "fields">;
}

/** Compiles the contract's CEL; what is wrong goes to `problems`, at the character where it is wrong. */
export function compileExpressions(content: ContractFile, grpc: GrpcBinding | undefined, problems: YamlProblem[]): Expressions {
  const filterShape = grpc === undefined || content.open !== undefined ? undefined : celShapeOf(grpc.filterFields);
  const messageShape = grpc === undefined ? undefined : celShapeOf(grpc.entryFields);
  const deeper = content.entries.each !== undefined || content.entries.fields !== undefined;
  const entryShape = deeper ? undefined : messageShape;
  const compile = (expression: string, variables: Readonly<Record<string, CelShape | undefined>>, path: YamlPath): CelPredicate => {
    const result = compileCel(expression, variables);
    if ("predicate" in result) {
      return result.predicate;
    }
    problems.push({ path, characters: result.problem.at, message: `This CEL expression is not accepted: ${result.problem.message}.` });
    return () => false;
  };
  const overMessage = (expression: string | undefined, path: YamlPath): CelPredicate | undefined =>
    expression === undefined ? undefined : compile(expression, { message: messageShape }, path);
  return {
    match: content.match.map((rule, index): CompiledRule =>
      "cel" in rule
        ? { cel: compile(rule.cel, { filter: filterShape, entry: entryShape }, ["match", index, "cel"]), reads: fieldsRead(rule.cel, "entry") }
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
        when: compile(rule.when, { message: messageShape }, ["messages", "ignore", index, "when"]),
        answer: rule.answer,
      })),
    },
  };
}
