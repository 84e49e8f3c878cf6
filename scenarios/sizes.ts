import type { Session } from "../src/conformance/session.js";
import type { Filter, Message } from "../src/core/contract.js";

/** A valid filter whose encoded message has exactly `bytes` bytes, and which lets the same entries through as the sample it grew from; undefined when the contract has no list to grow. */
export function sizedFilter(session: Session, bytes: number): { readonly filter: Filter; readonly bytes: Uint8Array } | undefined {
  const codec = session.transport === "grpc" ? session.contract.grpc?.codec : session.contract.websocket?.codec;
  const [sample] = session.contract.roles.disjoint ?? [];
  const message = sample?.messages[0];
  const listed = Object.entries(message ?? {}).find(([, value]) => Array.isArray(value) && value.every((item) => typeof item === "string"));
  if (codec === undefined || message === undefined || listed === undefined) {
    return undefined;
  }
  const [field, values] = listed as [string, string[]];
  const build = (lengths: readonly number[]): Message => ({ ...message, [field]: [...values, ...lengths.map((length) => "x".repeat(length))] });
  // Items of moderate length, in case an item has a limit of its own; the last two make up the rest.
  const lengths: number[] = [];
  while (codec.encode(build([...lengths, 120])).length < bytes - 400) {
    const size = codec.encode(build(lengths)).length;
    const items = Math.max(1, Math.floor((bytes - 400 - size) / 130));
    lengths.push(...Array.from({ length: items }, () => 120));
  }
  for (let first = 1; first <= 120; first++) {
    for (let guess = 1; guess <= 120; guess++) {
      const missing = bytes - codec.encode(build([...lengths, first, guess])).length;
      if (missing === 0) {
        const made = build([...lengths, first, guess]);
        return { filter: session.contract.filter(made), bytes: codec.encode(made) };
      }
      if (missing > 120) {
        lengths.push(100);
        break;
      }
      // Jump to the length that fits, unless its own encoding would grow.
      if (missing > 0 && guess + missing <= 120) {
        guess += missing - 1;
      }
    }
  }
  return undefined;
}
