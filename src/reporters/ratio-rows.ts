import type { RatioRecord } from "../core/report.js";
import { count, microseconds } from "./quantities.js";

/** Titles of the columns that `ratioCells` fills. */
export const ratioTitles = ["", "before", "after", "ratio", "95 % interval", "verdict"] as const;

/** A compared figure as cells: `filter-apply p99`, `6.01 ms`, `7.87 ms`, `1.31`, `1.22 to 1.40`, `worse`. */
export function ratioCells({ of, unit, before, after, ratio, low, high, verdict }: RatioRecord): readonly string[] {
  const shown = (figure: number): string => (unit === "us" ? microseconds(figure) : unit === "count" ? count(figure) : `${count(figure)}/s`);
  const interval = low === undefined || high === undefined ? "–" : `${ratioText(low)} to ${ratioText(high)}`;
  return [of, shown(before), shown(after), ratioText(ratio), interval, verdict === "unclear" ? "~" : verdict];
}

function ratioText(ratio: number): string {
  return ratio >= 1000 ? ">1000" : ratio.toFixed(2);
}
