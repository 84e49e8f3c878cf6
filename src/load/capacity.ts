import { formatNumber } from "../core/quantity.js";
import type { CapacityRecord, CapacityTrial } from "../core/report.js";

export interface CapacitySearchOptions {
  /** The load that is tried first. */
  readonly start: number;
  /** Greatest load that is tried; default a million times the first. */
  readonly most?: number;
  /** The search ends when what fails is at most so many times what passes; default 1.03. */
  readonly precision?: number;
  /** Bound on the number of trials; default 60. */
  readonly trials?: number;
  /** Offers a load with fresh streams; `confirm` asks for a longer trial. Rejects with `Inconclusive` to end the search with what it has. */
  readonly attempt: (load: number, kind: "search" | "confirm") => Promise<CapacityTrial>;
  /** Hears each trial. */
  readonly onTrial?: (trial: CapacityTrial) => void;
}

/** Where the search ended: the greatest load that passed, and the least that did not. */
export interface CapacityBounds {
  /** 0: nothing passed. */
  readonly sustainable: number;
  readonly failsAt: number | undefined;
  /** Why the load above did not pass; undefined when nothing failed up to the greatest load. */
  readonly limitedBy: string | undefined;
  /** What stopped the search is the generator, not the target. */
  readonly generatorBound: boolean;
  /** The search could not be brought to its end: too few samples, or too many trials. */
  readonly inconclusive: string | undefined;
  readonly trials: readonly CapacityTrial[];
}

const doubling = 2;
/** Within this of one another what passes and what fails are near the boundary: two of three trials decide. */
const nearBoundary = 1.25;
const defaultPrecision = 1.03;
/** A trial that the generator spoiled says nothing of the load until it has been spoiled so often: other work on the machine comes and goes. */
const invalidTries = 3;
/** So many spoiled loads in a row end the search. */
const invalidLoads = 2;

/**
 * Finds the greatest load that passes: doubles until it fails, halves the bracket geometrically, lets two of three decide near the boundary,
 * and confirms the result with a longer trial. A load at which the generator is invalid three times counts as not passed, and the result says so.
 */
export async function searchCapacity(options: CapacitySearchOptions): Promise<CapacityBounds> {
  const search = new Search(options);
  try {
    await search.bracket();
    await search.bisect();
    await search.confirm();
  } catch (thrown) {
    if (!(thrown instanceof Inconclusive)) {
      throw thrown;
    }
    return { ...search.bounds(), inconclusive: thrown.message };
  }
  return search.bounds();
}

/** One sentence for people: what the target sustains. */
export function capacitySentence({ sustainable, failsAt, limitedBy, unit, generatorBound, inconclusive }: Omit<CapacityRecord, "sentence">): string {
  const shown = `${formatNumber(rounded(sustainable))} ${unit}`;
  if (inconclusive !== undefined) {
    const less = failsAt === undefined || sustainable === 0 ? "" : ` and less than ${formatNumber(rounded(failsAt))}`;
    return `Inconclusive${sustainable > 0 ? `, at least ${shown}${less}` : ""}: ${inconclusive}`;
  }
  if (sustainable === 0) {
    return `Nothing passed, down to ${formatNumber(rounded(failsAt ?? 0))} ${unit}: ${limitedBy ?? "no trial"}.`;
  }
  const next = failsAt === undefined ? "" : ` (fails at ${formatNumber(rounded(failsAt))}, limited by ${limitedBy ?? "what is not known"})`;
  return generatorBound ? `≥ ${shown} (generator-bound)${next}.` : `max sustainable = ${shown}${next}.`;
}

/** Ends the search without a result; thrown by an attempt, it is the reason that is told. What was found until then stands. */
export class Inconclusive extends Error {}

class Search {
  readonly #options: CapacitySearchOptions;
  readonly #trials: CapacityTrial[] = [];
  #passed = 0;
  #failed: CapacityTrial | undefined;

  constructor(options: CapacitySearchOptions) {
    this.#options = options;
  }

  async bracket(): Promise<void> {
    const { start, most = start * 1_000_000 } = this.#options;
    let load = start;
    // A load that brings too few samples says nothing of itself, but a greater one brings more.
    for (
      let trial = await this.#attemptValid(load, "search");
      trial.status === "inconclusive" || this.#book(trial);
      trial = await this.#attemptValid(load, "search")
    ) {
      if (load >= most) {
        return;
      }
      load = Math.min(most, load * doubling);
    }
    // Even the first load failed: what passes lies below it.
    for (let tries = 0; this.#passed === 0 && tries < 12; tries++) {
      load /= doubling;
      await this.#passes(load);
      const latest = this.#trials.slice(-invalidTries * invalidLoads);
      if (latest.length === invalidTries * invalidLoads && latest.every((trial) => trial.status === "invalid")) {
        throw new Inconclusive(`the generator was invalid at every load down to ${formatNumber(rounded(load))}: this machine is too busy to measure.`);
      }
    }
  }

  async bisect(): Promise<void> {
    const precision = this.#options.precision ?? defaultPrecision;
    while (this.#passed > 0 && this.#failed !== undefined && this.#failed.load / this.#passed > precision) {
      const near = this.#failed.load / this.#passed <= nearBoundary;
      const load = Math.sqrt(this.#passed * this.#failed.load);
      await (near ? this.#majority(load) : this.#passes(load));
    }
  }

  /** The result must hold for longer; if it does not, a little less must. */
  async confirm(): Promise<void> {
    const precision = this.#options.precision ?? defaultPrecision;
    for (let tries = 0; this.#passed > 0 && tries < 6; tries++) {
      const load = this.#passed;
      const trial = await this.#attempt(load, "confirm");
      if (trial.status === "passed") {
        return;
      }
      this.#failed = trial;
      this.#passed = load / precision;
    }
    throw new Inconclusive("no load that passed did so for longer.");
  }

  bounds(): CapacityBounds {
    return {
      sustainable: this.#passed,
      failsAt: this.#failed?.load,
      limitedBy: this.#failed?.limitedBy,
      generatorBound: this.#failed?.status === "invalid",
      inconclusive: undefined,
      trials: [...this.#trials],
    };
  }

  async #passes(load: number): Promise<boolean> {
    return this.#book(await this.#attempt(load, "search"));
  }

  /** Two of three trials decide; the third is made when the first two differ. */
  async #majority(load: number): Promise<boolean> {
    const trials = [await this.#attempt(load, "search"), await this.#attempt(load, "search")];
    if (trials[0]?.status !== trials[1]?.status) {
      trials.push(await this.#attempt(load, "search"));
    }
    const passed = trials.filter((trial) => trial.status === "passed");
    const decisive = (passed.length >= 2 ? passed : trials.filter((trial) => trial.status !== "passed")).at(-1);
    return decisive !== undefined && this.#book(decisive);
  }

  #book(trial: CapacityTrial): boolean {
    if (trial.status === "passed") {
      this.#passed = Math.max(this.#passed, trial.load);
      return true;
    }
    if (this.#failed === undefined || trial.load < this.#failed.load) {
      this.#failed = trial;
    }
    return false;
  }

  async #attempt(load: number, kind: "search" | "confirm"): Promise<CapacityTrial> {
    for (let tries = 0; tries < 2; tries++) {
      const trial = await this.#attemptValid(load, kind);
      if (trial.status !== "inconclusive") {
        return trial;
      }
    }
    throw new Inconclusive(`a trial at ${formatNumber(rounded(load))} had too few samples, twice.`);
  }

  /** Tries again what the generator spoiled. */
  async #attemptValid(load: number, kind: "search" | "confirm"): Promise<CapacityTrial> {
    let trial = await this.#attemptOnce(load, kind);
    for (let tries = 1; tries < invalidTries && trial.status === "invalid"; tries++) {
      trial = await this.#attemptOnce(load, kind);
    }
    return trial;
  }

  async #attemptOnce(load: number, kind: "search" | "confirm"): Promise<CapacityTrial> {
    const { attempt, onTrial, trials = 60 } = this.#options;
    if (this.#trials.length >= trials) {
      throw new Inconclusive(`${trials} trials were not enough.`);
    }
    const trial = await attempt(load, kind);
    this.#trials.push(trial);
    onTrial?.(trial);
    return trial;
  }
}

/** Three digits are as much as a search to 5 % knows. */
function rounded(load: number): number {
  return Number(load.toPrecision(3));
}
