import type { Fault } from "./fault.js";

/** So many refusals in a row, with no stream opened between them, are a flood: the faults below bite. */
export const floodRefusals = 40;

/** Faults that show when many requests are refused beside open streams. */
export const floodFaults = {
  "flood-ends-streams": {
    sentence: "Many refused requests are taken for an overload, and the streams that are open are ended to shed it.",
    seam: "service.ts",
    caughtBy: ["robustness/flood-beside-streams"],
    reach: "server",
  },
  "flood-stalls-streams": {
    sentence: "Refused requests take their places in the pool of workers that serves the streams, and never give them back: nothing more is sent.",
    seam: "service.ts",
    caughtBy: ["robustness/flood-beside-streams"],
    reach: "server",
  },
} as const satisfies Record<string, Fault>;
