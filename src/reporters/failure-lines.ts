import type { CheckRecord } from "../core/report.js";
import { oneLine } from "./plain-text.js";
import { directionArrows, excerptTimeline, relativeMs } from "./timeline-excerpt.js";

/** One thing that is said of a case, under its label. */
export interface Field {
  readonly label: "requirement" | "level" | "clause" | "expected" | "actual" | "reason" | "consequence" | "ends" | "again" | "threshold" | "detail";
  readonly text: string;
}

/** What a check that did not pass has to say beside its timeline; texts are as they came. */
export function failureFields(check: CheckRecord): Field[] {
  const candidates: readonly (readonly [Field["label"], string | undefined])[] = [
    ["requirement", check.requirement],
    ["level", check.level],
    ["clause", check.clause],
    ["expected", check.expected],
    ["actual", check.actual],
    ["reason", check.reason],
    ["consequence", check.consequenceOf === undefined ? undefined : `of ${check.consequenceOf}`],
    ["ends", check.ends.length === 0 ? undefined : check.ends.join(", ")],
    ["again", check.reproduce],
  ];
  return candidates.flatMap(([label, text]) => (text === undefined ? [] : [{ label, text }]));
}

/** The timeline around the offence, one printable line an event; the offending one is marked with `»`. */
export function timelineLines(check: CheckRecord): string[] {
  const excerpt = excerptTimeline(check.timeline ?? []);
  const streams = excerpt.map((line) => (line.kind === "event" ? oneLine(line.event.stream).length : 0));
  const streamColumns = Math.min(12, Math.max(1, ...streams));
  return excerpt.map((line) => {
    if (line.kind === "gap") {
      return `  ${"⋮".padStart(9)}  ${line.left} more`;
    }
    const { atMs, stream, direction, what, offending } = line.event;
    return `${offending === true ? "»" : " "} ${relativeMs(atMs).padStart(9)}  ${oneLine(stream).padEnd(streamColumns)} ${directionArrows[direction]} ${oneLine(what)}`;
  });
}

/** `filter-updates/no-old-after-new (grpc)`. */
export function checkTitle(check: Pick<CheckRecord, "id" | "transport">): string {
  return `${oneLine(check.id)} (${check.transport})`;
}
