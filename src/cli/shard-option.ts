import { HarnessError } from "../core/errors.js";

/**
 * `1/3` as a part, counted from 1.
 * @throws HarnessError `usage`.
 */
export function readShard(text: string, place: string): { readonly index: number; readonly count: number } {
  const match = /^(\d+)\/(\d+)$/.exec(text);
  const index = Number(match?.[1]);
  const count = Number(match?.[2]);
  if (match === null || index < 1 || count < 1 || index > count) {
    throw new HarnessError("usage", `${place} is "${text}", not a part such as 1/3.`, { place });
  }
  return { index, count };
}
