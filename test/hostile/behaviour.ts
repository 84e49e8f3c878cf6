import type { Socket } from "node:net";
import type { Transport } from "../../src/core/contract.js";
import type { Log } from "../../src/reference/log.js";

/** What a hostile server has around it. */
export interface Surroundings {
  /** Where honest entries come from. */
  readonly log: Log;
  /** A seeded random number in [0, 1). */
  readonly random: () => number;
  /** How many connections were accepted before this one. */
  readonly connectionsBefore: number;
  /** How many streams are open, for the probe. */
  readonly streams: { count: number };
}

/** One way to treat a client badly. */
export interface Behaviour {
  /** `grpc/2-gib-length-prefix`; stable. */
  readonly name: string;
  readonly transport: Transport;
  /** What becomes of each accepted connection. */
  readonly serve: (socket: Socket, surroundings: Surroundings) => void;
  /** `unreachable`: the run must end with exit code 4 and a sentence; `judged`: with verdicts; `either`: one of them, which is a matter of chance. */
  readonly expect: "unreachable" | "judged" | "either";
  /** What the sentence of an unreachable target must say. */
  readonly says?: RegExp;
  /** It costs much processor time: only the fewest checks are run. */
  readonly heavy?: boolean;
}

/** Deterministic random bytes. */
export function randomBytes(random: () => number, bytes: number): Buffer {
  return Buffer.from(Array.from({ length: bytes }, () => Math.floor(random() * 256)));
}
