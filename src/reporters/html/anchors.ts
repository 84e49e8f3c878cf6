import type { CheckRecord } from "../../core/report.js";
import { createUniqueNames } from "../unique-names.js";

/** What a link to a check's row ends in: the id, made of characters that need no escape in a URL. */
export function rowAnchor(id: string): string {
  return id.replace(/[^\w./-]/gu, (character) => `~${(character.codePointAt(0) ?? 0).toString(16)}`);
}

/** What a link to one result ends in, `eof/ends-cleanly.ws`; a second result of the same check and transport gets a number. */
export function resultAnchors(checks: readonly CheckRecord[]): ReadonlyMap<CheckRecord, string> {
  const unique = createUniqueNames();
  return new Map(checks.map((check) => [check, unique(`${rowAnchor(check.id)}.${check.transport}`).replace(" #", "-")]));
}
