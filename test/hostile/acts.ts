import { randomBytes } from "./behaviour.js";
import { flood, type Line } from "./line.js";

/** What an act has to work with. */
export interface ActScene {
  readonly line: Line;
  readonly random: () => number;
  /** Bytes of a protocol that has no business here. */
  readonly foreign: Uint8Array | string;
  /** Goes on as an honest server would. */
  readonly goOn: () => void;
}

/** What can go wrong at any step of any exchange. */
export const acts = {
  hang: ({ line }: ActScene) => line.stop(),
  fin: ({ line }: ActScene) => line.fin(),
  rst: ({ line }: ActScene) => line.rst(),
  garbage: ({ line, random }: ActScene) => {
    line.write(randomBytes(random, 3000));
    line.stop();
  },
  "endless-bytes": ({ line, random }: ActScene) => flood(line, randomBytes(random, 16_384)),
  "one-byte-at-a-time": ({ line, goOn }: ActScene) => {
    line.drip();
    goOn();
  },
  "wrong-protocol": ({ line, foreign }: ActScene) => {
    line.write(foreign);
    line.stop();
  },
} as const satisfies Record<string, (scene: ActScene) => void>;

export type ActName = keyof typeof acts;
export const actNames = Object.keys(acts) as ActName[];
