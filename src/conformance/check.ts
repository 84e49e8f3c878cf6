import type { Transport } from "../core/contract.js";
import type { Level } from "../core/verdict.js";
import type { Session } from "./session.js";

/** The folder-like first part of an id; the file in `scenarios/` has the same name. */
export const topics = [
  "opening",
  "first-filter",
  "filter-updates",
  "eof",
  "mid-stream-close",
  "cancellation",
  "bad-input",
  "flow-control",
  "isolation",
  "resources",
  "robustness",
  "security",
  "exploration",
] as const;
export type Topic = (typeof topics)[number];

export type Ecosystem = "any" | "Go" | "Java" | "Python" | "Rust" | "Node";

/** What a check needs beyond a stream; where it is missing the verdict is unproven, or not-applicable if the contract declares it absent. */
export type Need = "wire" | "producer" | "probe";

/** A scenario that judges. */
export interface Check {
  /** `topic/name`, stable for ever; `script/name` is a scenario written in YAML. */
  readonly id: `${Topic}/${string}` | `script/${string}`;
  readonly on: readonly Transport[];
  readonly level: Level;
  /** What must hold, in one sentence. */
  readonly requirement: string;
  /** Where that comes from: RFC section, gRPC document, the monitor's design. */
  readonly clause: string;
  /** Why it matters to the users of a monitor. */
  readonly why: string;
  /** The exchange that is expected, a line a step: `C → S  filter alpha`. */
  readonly exchange: readonly string[];
  /** What usually causes a failure, by ecosystem. */
  readonly causes: Readonly<Partial<Record<Ecosystem, string>>>;
  readonly needs?: readonly Need[];
  /** More basic checks: when one of them failed on the same transport, a failure here is reported as its consequence. */
  readonly dependsOn?: readonly string[];
  /** Started first: its clause is about seconds. */
  readonly slow?: boolean;
  /** Runs alone: it measures something that other streams disturb, or disturbs them. */
  readonly exclusive?: boolean;
  /** Runs after everything else, because a target that fails it may not survive it. */
  readonly last?: boolean;
  run(session: Session): Promise<void>;
}
