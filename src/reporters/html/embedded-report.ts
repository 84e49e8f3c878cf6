import { gzipSync } from "node:zlib";
import type { CheckRecord, Report } from "../../core/report.js";
import type { TimelineEvent } from "../../core/timeline.js";
import { inOrder } from "../timeline-excerpt.js";

/** The report as it is put into the page: its JSON, gzip, base64; nothing of it needs an escape. */
export interface EmbeddedReport {
  readonly base64: string;
  /** How many events each timeline keeps; undefined: all. */
  readonly timelineLimit: number | undefined;
}

const limits = [undefined, 1000, 300, 100, 30, 0] as const;

/**
 * Packs the report into at most so many characters; if it is larger, timelines are shortened around their offence, all to the same length,
 * and what was dropped is counted in `timelineDropped`.
 */
export function embedReport(report: Report, mostCharacters: number): EmbeddedReport {
  let packed = "";
  for (const timelineLimit of limits) {
    const checks = timelineLimit === undefined ? report.checks : report.checks.map((check) => shorten(check, timelineLimit));
    packed = gzipSync(JSON.stringify({ ...report, checks }), { level: 9 }).toString("base64");
    if (packed.length <= mostCharacters) {
      return { base64: packed, timelineLimit };
    }
  }
  // Many windows of many workloads are left: without them it fits, or nothing of use would.
  const bare = {
    ...report,
    checks: report.checks.map((check) => shorten(check, 0)),
    workloads: report.workloads.map(({ shard, ...workload }) => ({
      ...workload,
      windows: thin(workload.windows, 300),
      // Who merges shards has their files.
      ...(shard === undefined ? {} : { shard: { ...shard, measured: "" } }),
    })),
  };
  packed = gzipSync(JSON.stringify(bare), { level: 9 }).toString("base64");
  return { base64: packed, timelineLimit: 0 };
}

function shorten(check: CheckRecord, limit: number): CheckRecord {
  const { timeline } = check;
  if (timeline === undefined || timeline.length <= limit) {
    return check;
  }
  const kept = around(inOrder(timeline), limit);
  return { ...check, timeline: kept, timelineDropped: (check.timelineDropped ?? 0) + timeline.length - kept.length };
}

/** Three quarters before the offence, one after it. */
function around(timeline: readonly TimelineEvent[], limit: number): readonly TimelineEvent[] {
  const marked = timeline.findIndex((event) => event.offending === true);
  const offence = marked < 0 ? timeline.length - 1 : marked;
  const start = Math.max(0, Math.min(offence - Math.floor(limit * 0.75), timeline.length - limit));
  return timeline.slice(start, start + limit);
}

function thin<T>(items: readonly T[], most: number): readonly T[] {
  const step = Math.max(1, Math.ceil(items.length / most));
  return items.filter((_, index) => index % step === 0);
}
