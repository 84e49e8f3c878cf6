import { Counter, Trend } from "k6/metrics";
import { beginMicros, endMicros } from "./run.js";

const countNames = [
  "received",
  "bytes",
  "sent",
  "opened",
  "offered",
  "begun",
  "stale",
  "stale-in-flight",
  "stale-hard",
  "early",
  "filter-coalesced",
  "lost",
  "duplicated",
  "reordered",
  "violations",
  "timeouts",
  "unfinished",
  "stalls",
  "entries-after-half-close",
  "rejected",
  "disconnected",
  "ended-early",
  "negative-lag",
] as const;
type CountName = (typeof countNames)[number];
const timeNames = [
  "connect",
  "open",
  "first-entry",
  "filter-apply",
  "filter-apply-service",
  "stale-window",
  "half-close-to-end",
  "schedule-lag",
  "loop-delay",
] as const;
type TimeName = (typeof timeNames)[number];
/** Times of every entry: sent as slots of a histogram, since k6 keeps a record of each value. */
const packedNames = ["delivery-lag", "entry-gap"] as const;
type PackedName = (typeof packedNames)[number];

/** Begin anew with the measured part; counts of what breaks the contract do not. */
const renewed: readonly string[] = ["received", "bytes", "sent", "stale-in-flight", "filter-coalesced", "offered", "begun"];
/** Streams are opened before the measured part begins; what opening took is kept all the same. */
const kept: readonly string[] = ["connect", "open", "first-entry"];

const metricName = (name: string): string => `hc_${name.replaceAll("-", "_")}`;
const counters = Object.fromEntries(countNames.map((name) => [name, new Counter(metricName(name))])) as Record<CountName, Counter>;
const trends = Object.fromEntries(timeNames.map((name) => [name, new Trend(metricName(name), true)])) as Record<TimeName, Trend>;
const packed = Object.fromEntries(packedNames.map((name) => [name, new Trend(`hc_packed_${name.replaceAll("-", "_")}`)])) as Record<PackedName, Trend>;
const beyondApply = new Counter("hc_beyond_filter_apply");
const errors = new Counter("hc_errors");

/** Gathers what a stream counts and measures, and hands it to k6 a few times a second. */
export class Sheet {
  counts = new Map<CountName, number>();
  slots = new Map<PackedName, Map<number, number>>();
  texts = new Set<string>();
  /** Entries of the measured part. */
  received = 0;

  count(name: CountName, times: number, at: number): void {
    if (renewed.includes(name) && (at < beginMicros || at >= endMicros)) {
      return;
    }
    if (name === "received") {
      this.received += times;
    }
    this.counts.set(name, (this.counts.get(name) ?? 0) + times);
  }

  time(name: TimeName, micros: number, at: number): void {
    if (at >= beginMicros || kept.includes(name)) {
      // Whole milliseconds of the wall clock may put what came at once before what asked for it.
      trends[name].add(Math.max(0, micros) / 1000);
    }
  }

  beyond(times: number, at: number): void {
    if (at >= beginMicros) {
      beyondApply.add(times);
    }
  }

  /** Of an entry. */
  pack(name: PackedName, micros: number, at: number): void {
    if (at < beginMicros || at >= endMicros) {
      return;
    }
    let slots = this.slots.get(name);
    if (slots === undefined) {
      slots = new Map();
      this.slots.set(name, slots);
    }
    const slot = slotOf(Math.min(3_600_000_000, Math.max(0, Math.floor(micros))));
    slots.set(slot, (slots.get(slot) ?? 0) + 1);
  }

  error(text: string): void {
    const known = this.texts.size < 8 ? text : this.texts.has(text) ? text : "other";
    this.texts.add(known);
    errors.add(1, { text: known.slice(0, 300) });
  }

  flush(): void {
    for (const [name, times] of this.counts) {
      if (times !== 0) {
        counters[name].add(times);
      }
    }
    this.counts.clear();
    for (const [name, slots] of this.slots) {
      for (const [slot, times] of slots) {
        packed[name].add(slot * 4_294_967_296 + times);
      }
      slots.clear();
    }
  }
}

/** Slots of 3 significant digits: 2048 of width 1, then 1024 of each width doubled. */
function slotOf(value: number): number {
  if (value < 2048) {
    return value;
  }
  const shift = 21 - Math.clz32(value);
  return (shift << 10) + (value >>> shift);
}
