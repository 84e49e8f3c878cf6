/**
 * Performs the workload of a plan with k6: one virtual user for each stream. It is run by `halfclose load --engine k6` and by plain `k6 run`.
 * The plan is JSON in the environment variable HALFCLOSE_PLAN, or the file that HALFCLOSE_PLAN_FILE names, or plan.json beside this script.
 * Every metric begins with `hc_` and is judged by halfclose; times are in milliseconds, `hc_packed_…` hold slot × 2^32 + count of a histogram.
 */
import exec from "k6/execution";
import { Counter, Trend } from "k6/metrics";
import grpc from "k6/net/grpc";
import { clearInterval, clearTimeout, setInterval, setTimeout } from "k6/timers";
import { WebSocket } from "k6/websockets";
import type { K6Filter, K6Group, K6Plan, K6Stage, K6Step, K6Target, K6Test } from "./plan.js";

const plan = JSON.parse(__ENV.HALFCLOSE_PLAN ?? open(__ENV.HALFCLOSE_PLAN_FILE ?? "./plan.json")) as K6Plan;

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
const streamRate = new Trend("hc_stream_rate");
const errors = new Counter("hc_errors");
/** When the measured part begins, in milliseconds since the Unix epoch. */
const beginAt = new Trend("hc_begin");

const clients = plan.targets.map((target) => {
  if (target.transport !== "grpc") {
    return undefined;
  }
  const client = new grpc.Client();
  // The path counts from this script's folder.
  client.loadProtoset(target.protoset ?? "");
  return client;
});

const startMicros = plan.setupMs * 1000;
const beginMicros = startMicros + plan.warmUpMs * 1000;
const endMicros = beginMicros + plan.durationMs * 1000;
/** k6 hangs for ever when it interrupts an iteration that has a stream open: each ends itself before that is due. */
const interruptLaterMs = 2 * 60 * 1000;
/** Streams share one ticker's rate, so that many of them do not drown k6 in points. */
const tickMs = Math.max(100, 2 * plan.groups.reduce((sum, group) => sum + (group.arrivals?.inFlight ?? group.streams), 0));

/** k6 takes whole rates: so many in this time are fine enough. */
const rateUnitSeconds = 1000;

export const options = {
  scenarios: Object.fromEntries(
    plan.groups.map((group, i) => [
      `g${i}`,
      {
        exec: "perform",
        env: { HALFCLOSE_GROUP: String(i) },
        tags: { group: group.name },
        ...(group.arrivals === null ? lasting(group) : arriving(group, group.arrivals)),
      },
    ]),
  ),
  systemTags: [],
  insecureSkipTLSVerify: plan.insecure,
  ...(plan.clientCertificate === null ? {} : { tlsAuth: [plan.clientCertificate] }),
};

/** A virtual user for each stream, which is there until the end. */
function lasting(group: K6Group): object {
  return {
    executor: "per-vu-iterations",
    vus: group.streams,
    iterations: 1,
    maxDuration: `${Math.ceil(plan.setupMs + plan.warmUpMs + plan.durationMs + plan.finishMs + interruptLaterMs)}ms`,
    gracefulStop: "1s",
  };
}

/** An iteration for each stream, on k6's schedule. */
function arriving(group: K6Group, { stages, inFlight }: NonNullable<K6Group["arrivals"]>): object {
  const rateOf = (perSecond: number): number => Math.round(perSecond * rateUnitSeconds);
  return {
    executor: "ramping-arrival-rate",
    startTime: `${Math.ceil(startOf(group) / 1000)}ms`,
    startRate: rateOf(stages[0]?.fromPerSecond ?? 0),
    timeUnit: `${rateUnitSeconds}s`,
    preAllocatedVUs: inFlight,
    maxVUs: inFlight,
    // A stage without length sets the rate at once.
    stages: stages.flatMap(({ durationMs, fromPerSecond, toPerSecond }) => [
      { duration: "0s", target: rateOf(fromPerSecond) },
      { duration: `${Math.round(durationMs)}ms`, target: rateOf(toPerSecond) },
    ]),
    gracefulStop: `${Math.ceil(plan.finishMs + interruptLaterMs)}ms`,
  };
}

/** When a group begins. */
function startOf(group: K6Group): number {
  return startMicros + (group.fromMs > 0 ? (plan.warmUpMs + group.fromMs) * 1000 : 0);
}

/** When an arrival is due, in microseconds since the first stage began: k6 begins the n-th when the integral of the rate reaches n + 1. */
export function dueOf(stages: readonly K6Stage[], number: number): number {
  let left = number + 1;
  let before = 0;
  for (const { durationMs, fromPerSecond: from, toPerSecond: to } of stages) {
    const seconds = durationMs / 1000;
    const whole = ((from + to) / 2) * seconds;
    if (left <= whole) {
      const slope = seconds === 0 ? 0 : (to - from) / seconds;
      const sum = from + Math.sqrt(Math.max(0, from * from + 2 * slope * left));
      return before + (sum === 0 ? 0 : (2 * left) / sum) * 1_000_000;
    }
    left -= whole;
    before += durationMs * 1000;
  }
  return before;
}

let beginTold = false;

/** One stream, from its opening to its end. */
export async function perform(): Promise<void> {
  const group = plan.groups[Number(__ENV.HALFCLOSE_GROUP)];
  if (group === undefined) {
    throw new Error("the plan has no such group");
  }
  const number = exec.scenario.iterationInTest;
  const targetIndex = group.targets[number % group.targets.length] ?? 0;
  const sheet = new Sheet();
  const stream = new Performer(group, targetIndex, sheet);
  if (!beginTold) {
    beginTold = true;
    beginAt.add(Date.now() + (beginMicros - nowMicros()) / 1000);
  }
  let expected = nowMicros() + tickMs * 1000;
  const ticker = setInterval(() => {
    const now = nowMicros();
    sheet.time("loop-delay", Math.max(0, now - expected), now);
    expected = now + tickMs * 1000;
    stream.expire(now);
    sheet.flush();
  }, tickMs);
  try {
    await (group.arrivals === null ? stream.run(number) : stream.runOnce(dueNow(group.arrivals.stages, number)));
  } finally {
    clearInterval(ticker);
    stream.close();
    sheet.flush();
  }
}

/** When the arrival of this iteration was due; never later than now. */
function dueNow(stages: readonly K6Stage[], number: number): number {
  const now = nowMicros();
  return Math.min(now, now - (Date.now() - exec.scenario.startTime) * 1000 + dueOf(stages, number));
}

/** Microseconds since k6 started the run; the same clock for all its virtual users, and a steady one. */
function nowMicros(): number {
  return exec.instance.currentTestRunDuration * 1000;
}

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

interface BookRules {
  readonly order: "increasing" | "non-decreasing" | "none";
  readonly replay: boolean;
  readonly applyMicros: number;
  readonly stallMicros: number;
}

type Entry = Record<string, unknown>;

/** A filter with its tests made ready. */
export interface BookFilter {
  readonly everything: boolean;
  readonly nothing: boolean;
  readonly matches: (entry: Entry) => boolean;
}

interface Pending {
  readonly filter: BookFilter;
  readonly intended: number;
  readonly written: number;
  readonly first: boolean;
  readonly unobservable: boolean;
}

const rememberedCount = 128;

/**
 * The book of one stream: an entry is explained by the first filter, from the one that holds on, that lets it through; what none explains is stale-hard.
 * The rules are those of the native engine's ledger, and a test holds the two together.
 */
export class Book {
  received = 0;
  ending = false;
  onSettled: () => void = () => undefined;
  pending: Pending[] = [];
  sheet: Pick<Sheet, "count" | "time" | "beyond" | "pack">;
  rules: BookRules;
  current: BookFilter | undefined;
  doubtful: BookFilter[] = [];
  latest: BookFilter | undefined;
  latestWritten = 0;
  lastStale = 0;
  sentCount = 0;
  settled = false;
  lastSequence = -Infinity;
  gapless = false;
  countedFrom = 0;
  missing = 0;
  remembered: number[] = [];
  lastAt = 0;

  constructor(sheet: Pick<Sheet, "count" | "time" | "beyond" | "pack">, rules: BookRules) {
    this.sheet = sheet;
    this.rules = rules;
  }

  sent(filter: BookFilter, intended: number, written: number): void {
    this.sheet.count("sent", 1, written);
    this.sentCount++;
    if (filter === this.latest) {
      return;
    }
    this.closeStaleWindow(written);
    this.pending.push({ filter, intended, written, first: this.sentCount === 1, unobservable: filter.nothing || this.latest?.everything === true });
    this.latest = filter;
    this.latestWritten = written;
    this.lastStale = 0;
    this.settled = false;
    this.gapless = false;
    this.lastAt = 0;
    if (this.rules.replay) {
      this.lastSequence = -Infinity;
    }
  }

  /** @param sequence NaN when the entry has none. */
  observe(sequence: number, at: number, entry: Entry): void {
    this.received++;
    this.sheet.count("received", 1, at);
    if (!this.settled) {
      this.unsettled(at, entry);
    } else if (this.current?.matches(entry) !== true) {
      this.stale("stale-hard", at);
    }
    this.order(sequence, at);
    if (!this.gapless && this.settled && this.rules.order === "increasing" && this.current?.everything === true && this.lastSequence !== -Infinity) {
      this.gapless = true;
      this.missing = 0;
      this.countedFrom = this.lastSequence;
    }
    if (this.lastAt !== 0) {
      const gap = at - this.lastAt;
      this.sheet.pack("entry-gap", gap, at);
      if (gap > this.rules.stallMicros) {
        this.sheet.count("stalls", 1, at);
      }
    }
    this.lastAt = at;
    if (this.ending) {
      this.sheet.count("entries-after-half-close", 1, at);
    }
  }

  /** Gives up updates past their bound; one that a later update replaced is coalesced, not a timeout. */
  expire(now: number): void {
    const inTime = this.pending.findIndex((update) => now - update.intended < this.rules.applyMicros);
    const given = inTime === -1 ? this.pending.length : inTime;
    if (given === 0) {
      return;
    }
    const last = this.pending[given - 1];
    const replaced = given < this.pending.length;
    const at = Number.isFinite(now) ? now : nowMicros();
    this.sheet.count("filter-coalesced", replaced ? given : given - 1, at);
    if (!replaced && last !== undefined && !last.first && !last.unobservable) {
      this.sheet.count("timeouts", 1, at);
      this.sheet.beyond(1, at);
    }
    this.giveUp(given);
  }

  finish(now: number): void {
    this.expire(now);
    this.closeStaleWindow(now);
    const unfinished = this.pending.filter((update) => !update.first && !update.unobservable).length;
    this.sheet.count("unfinished", unfinished, now);
    this.pending = [];
    this.latest = undefined;
  }

  unsettled(at: number, entry: Entry): void {
    const { latest } = this;
    if (latest === undefined) {
      this.sheet.count("early", 1, at);
      return;
    }
    const matchesLatest = latest.matches(entry);
    const byDoubtful = (): boolean => this.doubtful.some((filter) => filter.matches(entry));
    if (this.pending.length === 0) {
      if (!matchesLatest) {
        this.stale(byDoubtful() ? "stale-in-flight" : "stale-hard", at);
      } else if (!byDoubtful()) {
        this.doubtful = [];
        this.settled = true;
      }
      return;
    }
    if (this.current?.matches(entry) !== true) {
      const found = this.pending.findIndex((update) => update.filter.matches(entry));
      if (found === -1) {
        this.stale(byDoubtful() ? "stale-in-flight" : "stale-hard", at);
        return;
      }
      this.settle(found, at);
    }
    if (!matchesLatest) {
      this.stale("stale-in-flight", at);
    }
  }

  settle(index: number, at: number): void {
    const update = this.pending[index];
    if (update === undefined) {
      return;
    }
    this.sheet.count("filter-coalesced", index, at);
    if (update.first) {
      this.sheet.time("first-entry", at - update.intended, at);
    } else if (!update.unobservable) {
      this.sheet.time("filter-apply", at - update.intended, at);
      this.sheet.time("filter-apply-service", at - update.written, at);
    }
    this.pending.splice(0, index + 1);
    this.current = update.filter;
    this.doubtful = [];
    if (this.pending.length === 0) {
      this.settled = true;
      this.onSettled();
    }
  }

  giveUp(count: number): void {
    const given = this.pending.splice(0, count);
    const last = given[given.length - 1];
    if (last === undefined) {
      return;
    }
    const earlier = [...this.doubtful, this.current, ...given.slice(0, -1).map((update) => update.filter)];
    this.current = last.filter;
    // Nothing could show that such an update took effect, so after the bound it must hold.
    const certain = last.unobservable || last.first;
    this.doubtful = certain ? [] : [...new Set(earlier)].filter((filter): filter is BookFilter => filter !== undefined && filter !== last.filter);
    if (this.pending.length === 0) {
      this.settled = this.doubtful.length === 0;
      this.onSettled();
    }
  }

  order(sequence: number, at: number): void {
    if (Number.isNaN(sequence)) {
      return;
    }
    if (sequence > this.lastSequence) {
      if (this.gapless && sequence - this.lastSequence !== 1) {
        const gap = sequence - this.lastSequence - 1;
        this.missing += gap;
        this.sheet.count("lost", gap, at);
      }
      this.lastSequence = sequence;
      this.remember(sequence);
      return;
    }
    if (sequence === this.lastSequence && this.rules.order === "non-decreasing") {
      return;
    }
    const counted = this.gapless && sequence > this.countedFrom;
    if (this.remembered.includes(sequence) || (counted && this.missing === 0)) {
      this.sheet.count("duplicated", 1, at);
      return;
    }
    this.sheet.count("reordered", 1, at);
    if (counted) {
      // It was counted as lost when the one after it came first.
      this.missing--;
      this.sheet.count("lost", -1, at);
    }
    this.remember(sequence);
  }

  remember(sequence: number): void {
    this.remembered.push(sequence);
    if (this.remembered.length >= 2 * rememberedCount) {
      this.remembered.splice(0, rememberedCount);
    }
  }

  stale(name: "stale-in-flight" | "stale-hard", at: number): void {
    this.sheet.count(name, 1, at);
    if (name === "stale-hard" || (at >= beginMicros && at < endMicros)) {
      this.sheet.count("stale", 1, at);
    }
    this.lastStale = at;
  }

  closeStaleWindow(at: number): void {
    // Of an update that a later one overtakes nobody waits for the end.
    if (this.latest !== undefined && this.sentCount > 1 && this.pending.length === 0) {
      this.sheet.time("stale-window", this.lastStale === 0 ? 0 : this.lastStale - this.latestWritten, at);
    }
  }
}

/** A filter's tests as one function. */
export function compileFilter(filter: Pick<K6Filter, "everything" | "nothing" | "tests">): BookFilter {
  const tests = filter.tests.map(compileTest);
  return { everything: filter.everything, nothing: filter.nothing, matches: (entry) => tests.every((test) => test(entry)) };
}

function compileTest(test: K6Test): (entry: Entry) => boolean {
  const { field } = test;
  switch (test.kind) {
    case "one-of": {
      const values = new Set(test.values);
      return (entry) => values.has(String(entry[field]));
    }
    case "contains":
      return (entry) => String(entry[field] ?? "").includes(test.text);
    case "prefix":
      return (entry) => String(entry[field] ?? "").startsWith(test.text);
    case "at-least":
    case "at-most": {
      const sign = test.kind === "at-least" ? 1 : -1;
      const limit = BigInt(test.limit);
      return (entry) => {
        const text = String(entry[field]);
        return /^-?\d{1,20}$/.test(text) && (sign > 0 ? BigInt(text) >= limit : BigInt(text) <= limit);
      };
    }
  }
}

/** What a transport tells of a stream. */
interface Hearing {
  /** @param wallMs when it came, by the wall clock; undefined: just now. */
  entry(message: unknown, bytes: number, wallMs: number | undefined): void;
  /** `text` is undefined when the server ended it cleanly. */
  ended(text: string | undefined, kind: "rejected" | "disconnected"): void;
}

interface Wire {
  send(message: object): void;
  end(): void;
  close(): void;
}

interface Waiter {
  readonly test: () => boolean;
  readonly finish: () => void;
}

const compiled = plan.targets.map((target) => target.filters.map(compileFilter));

/** Performs a group's steps on one stream after the other. */
export class Performer {
  group: K6Group;
  targetIndex: number;
  target: K6Target;
  sheet: Sheet;
  book: Book;
  wire: Wire | undefined;
  over = true;
  planned = false;
  failed = false;
  endSent = 0;
  stopped = false;
  waiter: Waiter | undefined;
  turns = new Map<K6Step, number>();
  lastFilter = -1;
  sequenceBase: bigint | undefined;
  minute = "";
  minuteMs = 0;
  /** When it stops, and when it gives up what it still waits for. */
  untilMicros: number;
  deadlineMicros: number;
  deadlineTimer: number | undefined;

  constructor(group: K6Group, targetIndex: number, sheet: Sheet) {
    this.group = group;
    this.targetIndex = targetIndex;
    this.target = plan.targets[targetIndex] as K6Target;
    this.sheet = sheet;
    this.book = this.newBook();
    this.untilMicros = group.untilMs > 0 ? beginMicros + group.untilMs * 1000 : endMicros;
    this.deadlineMicros = this.untilMicros + plan.finishMs * 1000;
  }

  async run(number: number): Promise<void> {
    const { group, untilMicros: until } = this;
    const late = group.fromMs > 0;
    const from = startOf(group) + (group.rampUpMs * 1000 * number) / Math.max(1, group.streams);
    this.deadlineTimer = setTimeout(() => this.tooLate(this.deadlineMicros), Math.max(0, (this.deadlineMicros - nowMicros()) / 1000));
    if (late || group.rampUpMs > 0) {
      await sleepUntil(from);
    } else {
      await this.openAndBegin();
      await sleepUntil(from);
    }
    setTimeout(() => this.stop(), Math.max(0, (until - nowMicros()) / 1000));
    let due = Math.max(from, nowMicros());
    while (!this.stopped) {
      if (this.over) {
        if (this.failed) {
          break;
        }
        await this.openAndBegin();
        due = nowMicros();
        continue;
      }
      if (group.each.length === 0) {
        await this.until(() => false, 0);
        continue;
      }
      due = Math.max(due, nowMicros()) + group.thinkMs * 1000;
      await this.until(() => false, Math.max(0, (due - nowMicros()) / 1000));
      if (!this.stopped) {
        await this.perform(group.each, due);
      }
    }
    if (!this.over) {
      await this.perform(group.finish, nowMicros());
    }
    streamRate.add(this.sheet.received / Math.max(0.001, (Math.min(until, nowMicros()) - beginMicros) / 1_000_000));
  }

  /** An arrival: opens, performs all that the group does, and ends. */
  async runOnce(due: number): Promise<void> {
    const { group, sheet } = this;
    const now = nowMicros();
    if (now >= this.untilMicros) {
      // k6 begins one that is due with the end; the schedule has none there.
      return;
    }
    sheet.count("offered", 1, now);
    sheet.count("begun", 1, now);
    sheet.time("schedule-lag", now - due, now);
    this.deadlineTimer = setTimeout(() => this.tooLate(this.deadlineMicros), Math.max(0, (this.deadlineMicros - now) / 1000));
    const stopTimer = setTimeout(() => this.stop(), Math.max(0, (this.untilMicros - now) / 1000));
    try {
      await this.openAndBegin(due);
      if (!this.over) {
        await this.perform([...group.each, ...group.finish], nowMicros());
      }
    } finally {
      clearTimeout(stopTimer);
    }
  }

  /**
   * Asked on every message too: where they come faster than the script takes them, its timers wait behind all of them.
   * @returns whether the time is up for good.
   */
  tooLate(now: number): boolean {
    if (now >= this.untilMicros && !this.stopped) {
      this.stop();
    }
    if (now < this.deadlineMicros) {
      return false;
    }
    this.close();
    this.waiter?.finish();
    return true;
  }

  stop(): void {
    this.stopped = true;
    this.waiter?.finish();
  }

  /** Whatever is left open would hold the iteration until its greatest length. */
  close(): void {
    if (this.deadlineTimer !== undefined) {
      clearTimeout(this.deadlineTimer);
    }
    this.planned = true;
    this.over = true;
    this.wire?.close();
    this.book.finish(nowMicros());
    clients[this.targetIndex]?.close();
  }

  expire(now: number): void {
    this.book.expire(now);
  }

  newBook(): Book {
    const { target } = this;
    const book = new Book(this.sheet, {
      order: target.order,
      replay: target.replay,
      applyMicros: target.applyMs * 1000,
      stallMicros: plan.stallMs > 0 ? plan.stallMs * 1000 : Infinity,
    });
    book.onSettled = () => this.poke();
    return book;
  }

  async openAndBegin(due?: number): Promise<void> {
    this.book = this.newBook();
    this.over = false;
    this.planned = false;
    this.endSent = 0;
    this.lastFilter = -1;
    this.turns.clear();
    const hearing: Hearing = { entry: (message, bytes, wallMs) => this.hear(message, bytes, wallMs), ended: (text, kind) => this.ended(text, kind) };
    try {
      this.wire = await (this.target.transport === "grpc"
        ? openGrpc(this.target, this.targetIndex, this.sheet, hearing)
        : openWebSocket(this.target, this.sheet, hearing));
      this.sheet.count("opened", 1, nowMicros());
      for (const message of this.target.prelude) {
        this.wire.send(message);
      }
    } catch (thrown) {
      this.ended(`no connection: ${String(thrown)}`, "disconnected");
      return;
    }
    await this.perform(this.group.begin, due ?? nowMicros());
  }

  async perform(steps: readonly K6Step[], due: number): Promise<void> {
    let intended: number | undefined = due;
    for (const step of steps) {
      if (this.over && step.kind !== "expect-end") {
        return;
      }
      await this.step(step, intended ?? nowMicros());
      intended = undefined;
    }
  }

  async step(step: K6Step, intended: number): Promise<void> {
    const { target, book } = this;
    switch (step.kind) {
      case "send":
        for (let i = 0; i < step.times && !this.over; i++) {
          this.send(step, intended, i);
        }
        return;
      case "expect-applied":
        await this.until(() => book.pending.length === 0, step.withinMs || target.applyMs, true);
        if (book.pending.length > 0) {
          book.expire(Infinity);
        }
        return;
      case "expect-entries": {
        const wanted = book.received + step.count;
        await this.until(() => book.received >= wanted, step.withinMs || target.applyMs);
        return;
      }
      case "expect-end":
        await this.until(() => this.over, step.withinMs || target.endMs, true);
        return;
      case "wait":
        await this.until(() => false, step.ms);
        return;
      case "end":
        this.planned = true;
        book.ending = true;
        this.endSent = nowMicros();
        this.wire?.end();
        return;
    }
  }

  send(step: Extract<K6Step, { kind: "send" }>, intended: number, i: number): void {
    const { target } = this;
    const turn = this.turns.get(step) ?? 0;
    this.turns.set(step, turn + 1);
    const choices = step.filters[this.targetIndex] ?? [];
    const index = choices[turn % choices.length] ?? 0;
    const filter = target.filters[index];
    const prepared = compiled[this.targetIndex]?.[index];
    if (filter === undefined || prepared === undefined) {
      throw new Error("the plan has no such filter");
    }
    const written = nowMicros();
    this.sheet.time("schedule-lag", Math.max(0, written - intended), written);
    this.book.sent(prepared, i === 0 ? Math.min(intended, written) : written, written);
    const messages = this.lastFilter === -1 ? filter.opening : (filter.updating[this.lastFilter] ?? []);
    this.lastFilter = index;
    for (const message of messages) {
      this.wire?.send(message);
    }
  }

  hear(message: unknown, bytes: number, wallMs: number | undefined): void {
    if (this.over && this.failed) {
      return;
    }
    const { target, sheet } = this;
    const now = nowMicros();
    if (this.tooLate(now)) {
      return;
    }
    // A message that waited in k6's queue came when the socket says, not when its turn has come.
    const at = wallMs === undefined ? now : Math.min(now, now - (Date.now() - wallMs) * 1000);
    if (
      typeof message !== "object" ||
      message === null ||
      Array.isArray(message) ||
      target.required.some((field) => (message as Entry)[field] === undefined || (message as Entry)[field] === null)
    ) {
      sheet.count("violations", 1, at);
      return;
    }
    const entry = message as Entry;
    sheet.count("bytes", bytes, at);
    this.lag(entry, (wallMs ?? Date.now()) * 1000, at);
    this.book.observe(this.sequenceOf(entry), at, entry);
    this.poke();
  }

  sequenceOf(entry: Entry): number {
    const value = this.target.sequenceField === null ? undefined : entry[this.target.sequenceField];
    const text = String(value);
    const narrow = Number(text);
    if (this.sequenceBase === undefined && (Number.isSafeInteger(narrow) || Number.isNaN(narrow))) {
      return narrow;
    }
    // Beyond 2^53: exact less a base.
    this.sequenceBase ??= BigInt(text);
    return Number(BigInt(text) - this.sequenceBase);
  }

  lag(entry: Entry, wallMicros: number, at: number): void {
    const text = this.target.timeField === null ? undefined : entry[this.target.timeField];
    if (typeof text !== "string") {
      return;
    }
    let millis: number;
    if (text.length > 18 && text.endsWith("Z")) {
      const minute = text.slice(0, 17);
      if (minute !== this.minute) {
        this.minute = minute;
        this.minuteMs = Date.parse(`${minute}00Z`);
      }
      millis = this.minuteMs + Number(text.slice(17, -1)) * 1000;
    } else {
      millis = Date.parse(text);
    }
    const micros = wallMicros - millis * 1000;
    if (Number.isNaN(micros)) {
      this.sheet.count("violations", 1, at);
      return;
    }
    // The wall clock of k6 has whole milliseconds: less than one before is the same time.
    if (micros <= -1000) {
      this.sheet.count("negative-lag", 1, at);
    }
    this.sheet.pack("delivery-lag", micros, at);
  }

  ended(text: string | undefined, kind: "rejected" | "disconnected"): void {
    if (this.over) {
      return;
    }
    const now = nowMicros();
    this.over = true;
    if (this.planned && text === undefined) {
      this.sheet.time("half-close-to-end", now - this.endSent, now);
    } else {
      this.failed = !this.planned;
      if (text !== undefined) {
        this.sheet.count(kind, 1, now);
      }
      this.sheet.error(text ?? "ended by the server, though nothing asked for it");
    }
    this.book.finish(now);
    this.waiter?.finish();
  }

  poke(): void {
    if (this.waiter?.test() === true) {
      this.waiter.finish();
    }
  }

  /** Until the condition holds, the bound has passed, the stream is over, or the run stops; a bound of 0 is none. */
  until(test: () => boolean, boundMs: number, afterStop = false): Promise<void> {
    if (test() || this.over || (this.stopped && !afterStop)) {
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      let timer: number | undefined;
      const waiter: Waiter = {
        test,
        finish: () => {
          if (afterStop && !test() && !this.over && this.stopped && timer !== undefined && !expired) {
            return;
          }
          if (timer !== undefined) {
            clearTimeout(timer);
          }
          if (this.waiter === waiter) {
            this.waiter = undefined;
          }
          resolve();
        },
      };
      let expired = false;
      this.waiter = waiter;
      if (boundMs > 0) {
        timer = setTimeout(() => {
          expired = true;
          waiter.finish();
        }, boundMs);
      }
    });
  }
}

async function sleepUntil(due: number): Promise<void> {
  for (let left = due - nowMicros(); left > 0; left = due - nowMicros()) {
    await new Promise<void>((resolve) => setTimeout(() => resolve(), left / 1000));
  }
}

const connected = new Set<number>();

function tlsOf(target: K6Target): grpc.TLSParams {
  // k6's types ask for a client certificate, k6 itself does not.
  return { ...(target.ca === null ? {} : { cacerts: target.ca }), ...plan.clientCertificate } as grpc.TLSParams;
}

async function openGrpc(target: K6Target, index: number, sheet: Sheet, hearing: Hearing): Promise<Wire> {
  const client = clients[index];
  if (client === undefined) {
    throw new Error("the target has no client");
  }
  if (!connected.has(index)) {
    const from = nowMicros();
    client.connect(target.address, {
      plaintext: target.plaintext,
      timeout: "5s",
      ...(target.plaintext ? {} : { tls: tlsOf(target) }),
    });
    connected.add(index);
    sheet.time("connect", nowMicros() - from, nowMicros());
  }
  const stream = new grpc.Stream(client, target.method, { metadata: { ...target.headers } });
  let closed = false;
  let failure: string | undefined;
  let lost = false;
  stream.on("data", (message) => {
    if (!closed) {
      hearing.entry(message, 0, undefined);
    }
  });
  stream.on("error", (error) => {
    const { code, message } = (error ?? {}) as { code?: number; message?: string };
    failure ??= `gRPC ${code ?? "error"}: ${message ?? "no message"}`;
    lost = code === 14;
  });
  // Closing the client fires `error` and `end` on every stream, so what comes after that says nothing of the server.
  stream.on("end", () => {
    if (!closed) {
      hearing.ended(failure, lost ? "disconnected" : "rejected");
    }
  });
  return {
    send: (message) => stream.write(message),
    end: () => stream.end(),
    close() {
      if (!closed) {
        closed = true;
        connected.delete(index);
        client.close();
      }
    },
  };
}

function openWebSocket(target: K6Target, sheet: Sheet, hearing: Hearing): Promise<Wire> {
  const from = nowMicros();
  return new Promise((resolve, reject) => {
    const headers = { ...target.headers, ...(target.subprotocols.length === 0 ? {} : { "Sec-WebSocket-Protocol": target.subprotocols.join(", ") }) };
    const socket = new WebSocket(target.address, null, { headers });
    let opened = false;
    let closed = false;
    let failure: string | undefined;
    socket.onopen = () => {
      opened = true;
      sheet.time("open", nowMicros() - from, nowMicros());
      resolve({
        send: (message) => socket.send(JSON.stringify(message)),
        end() {
          if (target.endText === null) {
            socket.close(1000);
          } else {
            socket.send(target.endText);
          }
        },
        close() {
          closed = true;
          socket.close(1000);
        },
      });
    };
    socket.onmessage = (event) => {
      if (closed || event === undefined) {
        return;
      }
      const { data, timestamp } = event as unknown as { data: unknown; timestamp: number };
      let message: unknown;
      try {
        message = typeof data === "string" ? JSON.parse(data) : undefined;
      } catch {
        message = undefined;
      }
      hearing.entry(message, typeof data === "string" ? data.length : 0, timestamp);
    };
    socket.onerror = (event) => {
      failure ??= String((event as unknown as { error?: unknown } | undefined)?.error ?? "error");
      if (!opened) {
        reject(new Error(failure));
      }
    };
    socket.onclose = () => {
      if (opened && !closed) {
        closed = true;
        hearing.ended(failure, "disconnected");
      }
    };
  });
}
