import type { Filter, Message } from "../core/contract.js";
import { compileMatch, compileUnjudged, type CompiledRule, everything } from "./match-rules.js";
import { fillTemplate } from "./templates.js";

/** A function that makes filters of their messages. Of several messages in a row the last one holds; an unset namespace reference is filled in. */
export function createFilterMaker(options: {
  readonly rules: readonly CompiledRule[];
  readonly namespace: string;
}): (name: string, messages: readonly Message[]) => Filter {
  const { rules, namespace } = options;
  return (name, messages) => {
    const filled = messages.map((message) => fillTemplate(message, { namespace }));
    const last = filled.at(-1) ?? {};
    const matches = compileMatch(rules, last);
    return { name, messages: filled, everything: matches === everything, matches, unjudged: compileUnjudged(rules, last) };
  };
}
