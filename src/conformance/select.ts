import { transports, type Transport } from "../core/contract.js";
import { HarnessError } from "../core/errors.js";
import { didYouMean } from "../core/suggest.js";
import type { Level } from "../core/verdict.js";
import type { Check } from "./check.js";
import { idMatcher } from "./patterns.js";
import type { Task } from "./task.js";

/** What to run of all checks; an empty list does not narrow. */
export interface Selection {
  /** Patterns of ids, any of which must fit. */
  readonly ids: readonly string[];
  readonly topics: readonly string[];
  readonly levels: readonly Level[];
  readonly transports: readonly Transport[];
}

/** Narrows nothing. */
export const everything: Selection = { ids: [], topics: [], levels: [], transports: [] };

/**
 * The tasks that every one of the selections lets through, in the order of the checks, on the transports that have a target.
 * @throws HarnessError `usage` for a pattern that fits no check, `nothing-selected` when nothing is left.
 */
export function selectTasks(checks: readonly Check[], selections: readonly Selection[], available: readonly Transport[]): Task[] {
  const ids = checks.map((check) => check.id as string);
  const tests = selections.map((selection) => {
    const matchers = selection.ids.map((pattern) => requireMatch(pattern, ids));
    return ({ check, transport }: Task): boolean =>
      (matchers.length === 0 || matchers.some((matches) => matches(check.id))) &&
      (selection.topics.length === 0 || selection.topics.some((topic) => check.id.startsWith(`${topic}/`))) &&
      (selection.levels.length === 0 || selection.levels.includes(check.level)) &&
      (selection.transports.length === 0 || selection.transports.includes(transport));
  });
  const chosen = checks
    .flatMap((check) => transports.filter((transport) => check.on.includes(transport)).map((transport): Task => ({ check, transport })))
    .filter((task) => tests.every((test) => test(task)));
  const tasks = chosen.filter(({ transport }) => available.includes(transport));
  if (tasks.length === 0) {
    const lacking = [...new Set(chosen.map(({ transport }) => transport))];
    throw new HarnessError("nothing-selected", "The selection leaves no check to run.", {
      hint:
        lacking.length > 0
          ? `what is selected runs over ${lacking.map((transport) => (transport === "grpc" ? "gRPC: give a grpc:// URL" : "WebSocket: give a ws:// URL")).join(" or ")}`
          : "halfclose list checks shows every id with its topic, level and transports",
    });
  }
  return tasks;
}

/**
 * Part `index` (from 1) of `count` equal parts of the tasks; all parts together are all tasks.
 * Neighbours go to different parts, so that slow topics are shared out.
 */
export function shardOf(tasks: readonly Task[], index: number, count: number): Task[] {
  return tasks.filter((_, position) => position % count === index - 1);
}

function requireMatch(pattern: string, ids: readonly string[]): (id: string) => boolean {
  let matches: (id: string) => boolean;
  try {
    matches = idMatcher(pattern, ids);
  } catch (thrown) {
    throw new HarnessError("usage", `"${pattern}" is not a regular expression: ${(thrown as Error).message}.`, { place: pattern, cause: thrown });
  }
  if (!ids.some((id) => matches(id))) {
    throw new HarnessError("usage", `No check fits "${pattern}".${didYouMean(pattern, ids)}`, { place: pattern, hint: "halfclose list checks shows every id" });
  }
  return matches;
}
