import picocolors from "picocolors";
import type { VerdictStatus } from "../core/verdict.js";

/** Paints text, or leaves it alone where colour is off. Painted text must not be measured or cut. */
export interface Palette {
  readonly strong: (text: string) => string;
  readonly faint: (text: string) => string;
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly doubtful: (text: string) => string;
  readonly sent: (text: string) => string;
  readonly status: (status: VerdictStatus, text: string) => string;
}

export function createPalette(colour: boolean): Palette {
  const paint = picocolors.createColors(colour);
  const byStatus: Record<VerdictStatus, (text: string) => string> = {
    passed: paint.green,
    failed: paint.red,
    warned: paint.yellow,
    unproven: paint.magenta,
    "not-applicable": paint.dim,
    "known-failing": paint.cyan,
    broken: paint.red,
  };
  return {
    strong: paint.bold,
    faint: paint.dim,
    good: paint.green,
    bad: paint.red,
    doubtful: paint.yellow,
    sent: paint.cyan,
    status: (status, text) => byStatus[status](text),
  };
}
