import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import t from "tap";
import type { TimeMetric } from "../../src/core/metric.js";
import { type EntryMatcher, type LedgerFilter, StreamLedger } from "../../src/load/ledger.js";
import { Meter } from "../../src/load/meter.js";

// The script that k6 runs is one file, so it has a book of its own: the same traces must lead both books to the same counts.
const file = fileURLToPath(new URL("../../src/engines/k6/script.js", import.meta.url));
const skip = existsSync(file) ? false : "the k6 script is not built: npm run build";

interface ScriptBook {
  sent(filter: ScriptFilter, intended: number, written: number): void;
  observe(sequence: number, at: number, entry: object): void;
  expire(now: number): void;
  finish(now: number): void;
}
type ScriptFilter = LedgerFilter & { readonly matches: (entry: { readonly kind: number }) => boolean };
type Script = { readonly Book: new (sheet: object, rules: object) => ScriptBook };

/** Loads the script outside of k6: its imports and globals are replaced, and its plan is an empty one. */
async function loadScript(): Promise<Script> {
  const plan = { setupMs: 0, warmUpMs: 0, durationMs: 1e9, targets: [], groups: [], clientCertificate: null };
  const k6 = `
    const exec = { instance: { currentTestRunDuration: 0 } };
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
          const matcher: EntryMatcher<ScriptFilter> = { matches: (filter) => filter.matches(entry) };
          ledger.observe(sequence, now, matcher);
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
