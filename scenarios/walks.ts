/** A step as written in a scenario file: durations are still text. */
export type Step =
  | "end"
  | "cancel"
  | "pause"
  | "resume"
  | { readonly send: string | { readonly filter: string; readonly times: number } }
  | { readonly produce: { readonly filter: string; readonly count: number } }
  | { readonly wait: string }
  | {
      readonly expect:
        | "applied"
        | "produced"
        | { readonly end: "clean"; readonly within: string }
        | { readonly what: "applied" | "produced"; readonly within: string };
    };

/** What the model of the monitor knows while a walk is made. */
interface Model {
  filter: string | undefined;
  applied: boolean;
  paused: boolean;
  /** Entries written while the reader paused; bounded, so that no honest buffer overflows. */
  held: number;
}

/** Most entries that a walk lets pile up: what the smallest sensible buffer holds. */
const heldLimit = 60;

/**
 * One random sequence of acts with the expectations that a model of the monitor derives: entries for the current filter
 * are due once it has been shown to hold, and the end of a stream is clean.
 * @param random uniform in [0, 1); the walk depends on nothing else.
 * @param filters role references that can be sent; `$silent` among them is never expected to show.
 */
export function walk(random: () => number, filters: readonly string[]): Step[] {
  const steps: Step[] = [];
  const model: Model = { filter: undefined, applied: false, paused: false, held: 0 };
  const length = 4 + Math.floor(random() * 14);
  for (let n = 0; n < length; n++) {
    steps.push(...act(random, filters, model));
  }
  if (random() < 0.2) {
    return [...steps, "cancel"];
  }
  const [before, after]: readonly [Step[], Step[]] = !model.paused ? [[], []] : random() < 0.5 ? [["resume"], []] : [[], [{ wait: "40ms" }, "resume"]];
  return [...steps, ...before, "end", ...after, { expect: { end: "clean", within: "3s" } }];
}

function act(random: () => number, filters: readonly string[], model: Model): Step[] {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const roll = random();
  if (model.filter === undefined || roll < 0.3) {
    const again = model.filter !== undefined && random() < 0.25;
    const filter = again && model.filter !== undefined ? model.filter : pick(filters);
    const times = random() < 0.25 ? 2 + Math.floor(random() * 20) : 1;
    model.applied &&= again;
    model.filter = filter;
    return [{ send: times === 1 ? filter : { filter, times } }];
  }
  if (roll < 0.5 && !model.paused && model.filter !== "$silent") {
    model.applied = true;
    return [{ expect: "applied" }];
  }
  if (roll < 0.75) {
    const room = model.paused ? heldLimit - model.held : 200;
    const count = Math.max(1, Math.min(room, 1 + Math.floor(random() ** 3 * 200)));
    if (room <= 0) {
      return [];
    }
    model.held += model.paused ? count : 0;
    const current = model.filter !== "$silent" && random() < 0.7;
    const audible = filters.filter((filter) => filter !== "$silent");
    const due = current && model.applied && !model.paused;
    return [{ produce: { filter: current ? model.filter : pick(audible), count } }, ...(due ? [{ expect: { what: "produced", within: "3s" } } as const] : [])];
  }
  if (roll < 0.85) {
    model.paused = !model.paused;
    if (!model.paused) {
      model.held = 0;
    }
    return [model.paused ? "pause" : "resume"];
  }
  return [{ wait: `${1 + Math.floor(random() * 40)}ms` }];
}

/**
 * The shortest sequence found, by leaving out runs of steps and then single ones, that `stillFails`.
 * A sequence whose expectations lost their ground is not tried: see {@link makesSense}.
 */
export async function shrinkWalk(steps: readonly Step[], stillFails: (fewer: readonly Step[]) => Promise<boolean>): Promise<readonly Step[]> {
  let current = steps;
  for (let size = Math.floor(steps.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at + size <= current.length;) {
      const fewer = [...current.slice(0, at), ...current.slice(at + size)];
      if (fewer.length > 0 && makesSense(fewer) && (await stillFails(fewer))) {
        current = fewer;
      } else {
        at += 1;
      }
    }
  }
  return current;
}

/** Whether every expectation still follows from the acts before it: applied after a filter, produced right after entries that are due, an end after an end. */
export function makesSense(steps: readonly Step[]): boolean {
  let filter: string | undefined;
  let applied = false;
  let paused = false;
  let due = false;
  let ended = false;
  for (const step of steps) {
    if (ended && step !== "resume" && !(typeof step === "object" && ("wait" in step || "expect" in step))) {
      return false;
    }
    if (step === "pause" || step === "resume") {
      paused = step === "pause";
    } else if (step === "end" || step === "cancel") {
      ended = true;
    } else if ("send" in step) {
      const next = typeof step.send === "string" ? step.send : step.send.filter;
      applied &&= next === filter;
      filter = next;
    } else if ("produce" in step) {
      due = applied && !paused && step.produce.filter === filter;
    } else if ("expect" in step) {
      const what = typeof step.expect === "string" ? step.expect : "what" in step.expect ? step.expect.what : "end";
      if (what === "applied" && (paused || filter === undefined || filter === "$silent")) {
        return false;
      }
      if (what === "produced" && !due) {
        return false;
      }
      if (what === "end" && (!ended || paused)) {
        return false;
      }
      applied ||= what === "applied";
    }
  }
  return true;
}
