import type { Contract, Filter } from "../core/contract.js";
import { filterNames, filterOfRole } from "../core/filter-reference.js";
import { didYouMean } from "../core/suggest.js";
import { fail, unproven } from "../core/verdict.js";
import type { Check } from "./check.js";
import { describeEnd, requireNoViolations, type Arrival, type Conversation } from "./conversation.js";
import type { ScriptFile, ScriptFilter, ScriptStep } from "./script-file.js";
import { requireProducer, type Session } from "./session.js";

/**
 * A scenario as a check with the id `script/NAME`. Beside what its steps expect, every entry must be one that the contract
 * knows, and none may come that the current filter does not let through once that filter has shown its effect.
 * @throws HarnessError `scenario` for a filter that the contract does not name.
 */
export function checkOfScript({ script, document }: ScriptFile, contract: Contract): Check {
  const problems = script.steps.flatMap((step, index) => {
    const reference = filterOfStep(step);
    if (typeof reference !== "string" || filterNames(contract).includes(reference)) {
      return [];
    }
    return [
      { path: ["steps", index], message: `The contract "${contract.name}" has no filter "${reference}".${didYouMean(reference, filterNames(contract))}` },
    ];
  });
  if (problems.length > 0) {
    throw document.errorFor(problems);
  }
  return {
    id: `script/${script.name}`,
    on: script.transports,
    level: script.level,
    requirement: script.requirement,
    clause: script.clause,
    why: "It is a scenario that somebody wrote for this monitor.",
    exchange: script.steps.map(describeStep),
    causes: {},
    async run(session) {
      const state: State = { session, conversation: await session.open(), from: 0, before: undefined, applied: false, produced: [] };
      for (const step of script.steps) {
        await perform(state, step);
      }
      requireNoViolations(state.conversation);
      requireNothingStale(state);
    },
  };
}

/** Where a script stands. */
interface State {
  readonly session: Session;
  readonly conversation: Conversation;
  /** Arrivals from here on count for the next expectation. */
  from: number;
  /** The filter before the current one. */
  before: Filter | undefined;
  /** The current filter has shown its effect: from `from` on, nothing else may come. */
  applied: boolean;
  /** Tokens of the last `produce`. */
  produced: readonly string[];
}

async function perform(state: State, step: ScriptStep): Promise<void> {
  const { session, conversation } = state;
  if (step === "end") {
    return conversation.halfClose();
  }
  if (typeof step === "string") {
    return conversation[step]();
  }
  if ("send" in step) {
    return sendFilter(state, step.send);
  }
  if ("wait" in step) {
    return session.settle(step.wait);
  }
  if ("produce" in step) {
    requireProducer(session);
    const outcome = await session.supply.produce([resolve(session, step.produce.filter)], [], step.produce.count ?? 1);
    if (outcome.kind === "unavailable") {
      unproven(outcome.reason);
    }
    state.produced = outcome.tokens;
    return;
  }
  return expectation(state, step.expect);
}

async function sendFilter(state: State, given: Extract<ScriptStep, { send: unknown }>["send"]): Promise<void> {
  requireNothingStale(state);
  const { session, conversation } = state;
  const several = typeof given === "object" && "times" in given;
  const filter = resolve(session, several ? given.filter : given);
  state.before = conversation.filter;
  state.applied = false;
  state.from = conversation.arrivals.length;
  for (let n = 0; n < (several ? given.times : 1); n++) {
    await conversation.send(filter);
  }
}

async function expectation(state: State, expected: Extract<ScriptStep, { expect: unknown }>["expect"]): Promise<void> {
  const { session, conversation } = state;
  if (typeof expected === "object" && "entries" in expected) {
    return expectEntries(state, expected.entries, expected.within ?? session.bounds.applyMs);
  }
  if (typeof expected === "object" && "silence" in expected) {
    return expectSilence(state, expected.silence);
  }
  if (typeof expected === "object" && "end" in expected) {
    return expectEnd(state, expected);
  }
  const [what, within] = typeof expected === "string" ? [expected, undefined] : [expected.what, expected.within];
  switch (what) {
    case "applied": {
      const filter = currentFilter(state);
      // An entry that the old filter let through as well says nothing; where the two share all, any match must do.
      const unless =
        state.before === undefined || state.before === filter || session.supply.lacks([filter], [state.before]) !== undefined ? [] : [state.before];
      const found = await session.effect(conversation, filter, { since: state.from, unless, ...(within === undefined ? {} : { boundMs: within }) });
      state.applied = unless.length > 0 || state.before === undefined;
      state.from = found.index + 1;
      return;
    }
    case "produced":
      return expectProduced(state, within ?? session.bounds.applyMs);
    case "end":
      return session.endsCleanly(conversation, within);
  }
}

async function expectEntries(state: State, count: number, boundMs: number): Promise<void> {
  const { session, conversation } = state;
  const filter = currentFilter(state);
  const lacked = session.supply.lacks([filter], []);
  const matching = (): Arrival[] => conversation.arrivals.slice(state.from).filter(({ entry }) => filter.matches(entry));
  const found = await session.until(() => (matching().length >= count ? true : conversation.end === undefined ? undefined : false), boundMs);
  if (found === true) {
    return;
  }
  // What the script made itself is due whatever comes by itself.
  if (lacked !== undefined && state.produced.length < count) {
    unproven(lacked);
  }
  fail(
    `${count} entries that match "${filter.name}" within ${boundMs} ms`,
    `${matching().length} came${conversation.end === undefined ? "" : `, then the stream ended: ${describeEnd(conversation.end)}`}`,
  );
}

async function expectProduced(state: State, boundMs: number): Promise<void> {
  const { session, conversation } = state;
  const due = new Set(state.produced);
  const seen = new Set<string>();
  let cursor = 0;
  const all = await session.until(() => {
    for (; cursor < conversation.arrivals.length; cursor++) {
      const token = conversation.arrivals[cursor]?.token;
      if (token !== undefined && due.has(token)) {
        seen.add(token);
      }
    }
    return seen.size === due.size ? true : conversation.end === undefined ? undefined : false;
  }, boundMs);
  if (all !== true) {
    fail(
      `the ${due.size} entries that were produced, within ${boundMs} ms`,
      `${seen.size} came${conversation.end === undefined ? "" : `, then the stream ended: ${describeEnd(conversation.end)}`}`,
    );
  }
}

async function expectSilence(state: State, ms: number): Promise<void> {
  const { session, conversation } = state;
  const from = conversation.arrivals.length;
  await session.settle(ms);
  const arrival = conversation.arrivals[from];
  if (arrival !== undefined) {
    conversation.accuse(arrival, "came although nothing may");
    fail(`no entry for ${ms} ms`, `${conversation.arrivals.length - from} came`);
  }
}

async function expectEnd(
  state: State,
  expected: {
    readonly end: "clean" | "rejected" | "any";
    readonly grpc?: readonly number[] | undefined;
    readonly ws?: readonly number[] | undefined;
    readonly within?: number | undefined;
  },
): Promise<void> {
  const { session, conversation } = state;
  if (expected.end === "clean") {
    await session.endsCleanly(conversation, expected.within);
  }
  const found = await session.ends(conversation, expected.within);
  if (expected.end === "rejected" && found.kind !== "rejected") {
    fail("an end with an error that the server names", describeEnd(found));
  }
  const codes = session.transport === "grpc" ? expected.grpc : expected.ws;
  const code = found.kind === "rejected" ? found.code : found.kind === "completed" ? (session.transport === "grpc" ? 0 : 1000) : undefined;
  if (codes !== undefined && (code === undefined || !codes.includes(code))) {
    fail(`an end with ${codes.join(" or ")}`, describeEnd(found));
  }
}

/** After the current filter has shown its effect, nothing comes that it does not let through. */
function requireNothingStale({ conversation, applied, from, session }: State): void {
  const { filter } = conversation;
  if (!applied || filter === undefined || session.contract.semantics.update !== "replace") {
    return;
  }
  const stale = conversation.arrivals.slice(from).find(({ entry }) => !filter.matches(entry));
  if (stale !== undefined) {
    conversation.accuse(stale, `does not match "${filter.name}"`);
    fail(`only entries that match "${filter.name}" after it took effect`, "one that does not match came");
  }
}

function currentFilter({ conversation }: State): Filter {
  return conversation.filter ?? unproven("a filter: the scenario expects entries before it sends one");
}

function resolve(session: Session, reference: ScriptFilter): Filter {
  const { contract } = session;
  if (typeof reference === "object") {
    return contract.filter(reference.message);
  }
  return contract.filters[reference] ?? filterOfRole(contract.roles, reference) ?? unproven(`the contract names no filter for the role ${reference}`);
}

function filterOfStep(step: ScriptStep): ScriptFilter | undefined {
  if (typeof step !== "object") {
    return undefined;
  }
  if ("send" in step) {
    return typeof step.send === "object" && "filter" in step.send ? step.send.filter : step.send;
  }
  return "produce" in step ? step.produce.filter : undefined;
}

function describeStep(step: ScriptStep): string {
  return typeof step === "string" ? step : JSON.stringify(step);
}
