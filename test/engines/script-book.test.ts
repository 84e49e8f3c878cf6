import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import t from "tap";
import type { TimeMetric } from "../../src/core/metric.js";
import { type EntryMatcher, type LedgerFilter, StreamLedger } from "../../src/load/ledger.js";
import { Meter } from "../../src/load/meter.js";
import { arrivals, type RateStage } from "../../src/core/schedule.js";

// What k6 runs can import none of Node's modules, so it has a book of its own: the same traces must lead both books to the same counts.
const file = fileURLToPath(new URL("../../src/engines/k6/script.js", import.meta.url));
const skip = existsSync(file) ? false : "the k6 script is not built: npm run build";

interface ScriptBook {
  sent(filter: ScriptFilter, intended: number, written: number): void;
  observe(sequence: number, at: number, entry: object): void;
  expire(now: number): void;
  finish(now: number): void;
}
type ScriptFilter = LedgerFilter & { readonly matches: (entry: { readonly kind: number }) => boolean };
type Script = {
  readonly Book: new (sheet: object, rules: object) => ScriptBook;
  readonly Performer: new (
    group: object,
    target: number,
    sheet: object,
  ) => {
    wire: { close(): void } | undefined;
    over: boolean;
    until(test: () => boolean, boundMs: number): Promise<void>;
    hear(message: unknown, bytes: number, wallMs: number | undefined): void;
  };
  readonly Sheet: new () => { readonly counts: ReadonlyMap<string, number>; count(name: string, times: number, at: number): void };
  readonly dueOf: (stages: readonly RateStage[], number: number) => number;
  readonly options: { readonly scenarios: Readonly<Record<string, { readonly maxDuration: string; readonly executor: string }>> };
};

/** The script's clock, in milliseconds since k6 started. */
const clock = { nowMs: 0 };
(globalThis as { scriptClock?: typeof clock }).scriptClock = clock;

const group = { name: "g", streams: 2, targets: [0], rampUpMs: 0, fromMs: 0, untilMs: 0, thinkMs: 0, arrivals: null, begin: [], each: [], finish: [] };

/** Loads the script outside of k6: its imports and globals are replaced, and its plan is an empty one. */
async function loadScript(): Promise<Script> {
  const target = { transport: "ws", filters: [], required: [], sequenceField: null, timeField: null, order: "none", replay: false, applyMs: 1000 };
  const plan = { setupMs: 0, warmUpMs: 0, durationMs: 1e9, finishMs: 5000, stallMs: 0, targets: [target], groups: [group], clientCertificate: null };
  const k6 = `
    const exec = { instance: { get currentTestRunDuration() { return globalThis.scriptClock.nowMs; } } };
    const Counter = class { add() {} }, Trend = Counter, WebSocket = Counter, grpc = {}, __ENV = { HALFCLOSE_PLAN: ${JSON.stringify(JSON.stringify(plan))} };
  `;
  const source = readFileSync(file, "utf8").replaceAll(/^import .*$/gm, "");
  return (await import(`data:text/javascript,${encodeURIComponent(k6 + source)}`)) as Script;
}

type Move =
  | { readonly kind: "send"; readonly filter: number }
  | { readonly kind: "entry"; readonly type: number; readonly step: number }
  | { readonly kind: "time"; readonly micros: number };

const filterKinds: readonly ScriptFilter[] = [
  { everything: true, nothing: false, matches: () => true },
  { everything: false, nothing: false, matches: ({ kind }) => kind === 0 || kind === 2 },
  { everything: false, nothing: false, matches: ({ kind }) => kind === 1 || kind === 2 },
  { everything: false, nothing: true, matches: () => false },
];

const compared = [
  "received",
  "sent",
  "stale-in-flight",
  "stale-hard",
  "early",
  "filter-coalesced",
  "lost",
  "duplicated",
  "reordered",
  "timeouts",
  "unfinished",
  "stalls",
] as const;
const timed = ["first-entry", "filter-apply", "filter-apply-service", "stale-window"] as const satisfies readonly TimeMetric[];

t.test("the script's book and the native ledger agree on every trace", { skip }, async () => {
  const { Book } = await loadScript();
  const move: fc.Arbitrary<Move> = fc.oneof(
    fc.record({ kind: fc.constant("send" as const), filter: fc.nat({ max: filterKinds.length - 1 }) }),
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant("entry" as const),
        type: fc.nat({ max: 3 }),
        step: fc.oneof({ weight: 6, arbitrary: fc.constant(1) }, fc.integer({ min: -4, max: 4 })),
      }),
    },
    fc.record({ kind: fc.constant("time" as const), micros: fc.nat({ max: 800 }) }),
  );
  const rules = { order: fc.constantFrom("increasing" as const, "non-decreasing" as const), replay: fc.boolean() };
  fc.assert(
    fc.property(fc.array(move, { maxLength: 60 }), rules.order, rules.replay, (moves, order, replay) => {
      const meter = new Meter([]);
      const common = { order, replay, applyMicros: 1000, stallMicros: 500 };
      const ledger = new StreamLedger<ScriptFilter>(meter, common);
      const counts: Record<string, number> = {};
      const times: Record<string, number[]> = {};
      let beyond = 0;
      const book = new Book(
        {
          count: (name: string, by: number) => (counts[name] = (counts[name] ?? 0) + by),
          time: (name: string, micros: number) => (times[name] ??= []).push(micros),
          beyond: (by: number) => (beyond += by),
          pack: () => undefined,
        },
        common,
      );
      let now = 1;
      let sequence = 10;
      for (const step of moves) {
        if (step.kind === "time") {
          now += step.micros;
          ledger.expire(now);
          book.expire(now);
        } else if (step.kind === "send") {
          const filter = filterKinds[step.filter]!;
          ledger.sent(filter, now - 1, now);
          book.sent(filter, now - 1, now);
        } else {
          now += 7;
          sequence += step.step;
          const entry = { kind: step.type };
          const matcher: EntryMatcher<ScriptFilter> = { sequence, matches: (filter) => filter.matches(entry) };
          ledger.observe(matcher, { atMicros: now });
          ledger.arrived(now, 1);
          book.observe(sequence, now, entry);
        }
      }
      ledger.finish(now + 10);
      book.finish(now + 10);
      meter.counts.received = ledger.received;
      for (const name of compared) {
        if ((counts[name] ?? 0) !== meter.counts[name]) {
          throw new Error(`${name}: the script has ${counts[name] ?? 0}, the ledger ${meter.counts[name]}`);
        }
      }
      for (const name of timed) {
        const histogram = meter.time(name);
        const sum = (times[name] ?? []).reduce((total, micros) => total + micros, 0);
        if ((times[name] ?? []).length !== histogram.count || sum !== histogram.sum) {
          throw new Error(`${name}: the script has ${JSON.stringify(times[name] ?? [])}, the ledger ${histogram.count} of together ${histogram.sum}`);
        }
      }
      return beyond === meter.time("filter-apply").overflow;
    }),
    { numRuns: 500 },
  );
});

t.test("a stream whose messages outrun the script ends with its time: k6 hangs for ever on one that it must interrupt", { skip }, async (t) => {
  const { Performer, options } = await loadScript();
  t.match(options.scenarios, { g0: { executor: "per-vu-iterations" } });
  t.ok(Number.parseInt(options.scenarios["g0"]?.maxDuration ?? "", 10) >= 1e9 + 5000 + 60_000, "k6 itself interrupts long after the last bound");
  const counted: string[] = [];
  const sheet = { count: (name: string) => counted.push(name), time: () => undefined, beyond: () => undefined, pack: () => undefined };
  const performer = new Performer(group, 0, sheet);
  let closed = 0;
  performer.wire = { close: () => closed++ };
  performer.over = false;
  clock.nowMs = 1e9 - 1;
  performer.hear({}, 2, undefined);
  t.ok(counted.includes("received"));
  const waiting = performer.until(() => false, 0);
  // No timer of the script has had its turn: the message itself says that it is late.
  clock.nowMs = 1e9 + 1;
  performer.hear({}, 2, undefined);
  await waiting;
  t.equal(closed, 0, "what the workload does at its end still has its time");
  const before = counted.length;
  clock.nowMs = 1e9 + 5001;
  performer.hear({}, 2, undefined);
  t.equal(closed, 1);
  t.ok(performer.over);
  t.strictSame(
    counted.slice(before).filter((name) => name === "received"),
    [],
    "what comes after that is not counted",
  );
});

t.test("an arrival is due when the schedule of the native engine brings it", { skip }, async () => {
  const { dueOf } = await loadScript();
  const stage = fc.record({ durationMs: fc.integer({ min: 1, max: 3000 }), fromPerSecond: fc.nat({ max: 50 }), toPerSecond: fc.nat({ max: 50 }) });
  fc.assert(
    fc.property(fc.array(stage, { minLength: 1, maxLength: 4 }), (stages) => {
      // The native engine's first is due at once, k6's when the rate has made a whole one.
      const [, ...native] = [...arrivals(stages, "uniform", 1)];
      return native.every((due, number) => Math.abs(dueOf(stages, number) - due) < 5);
    }),
  );
});

t.test("what k6 still receives when the time is up is not counted, but what breaks the contract is", { skip }, async (t) => {
  const { Sheet } = await loadScript();
  const sheet = new Sheet();
  const endMicros = 1e12;
  for (const name of ["received", "lost"]) {
    sheet.count(name, 1, -1);
    sheet.count(name, 2, endMicros - 1);
    sheet.count(name, 4, endMicros);
  }
  t.equal(sheet.counts.get("received"), 2);
  t.equal(sheet.counts.get("lost"), 7);
});
