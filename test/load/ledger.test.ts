import fc from "fast-check";
import t from "tap";
import { type EntryMatcher, type LedgerFilter, type LedgerRules, StreamLedger } from "../../src/load/ledger.js";
import { Meter } from "../../src/load/meter.js";

/** A filter is the set of kinds of entries that it lets through; an entry is its kind. */
interface KindFilter extends LedgerFilter {
  readonly kinds: string;
}
const filter = (kinds: string): KindFilter => ({ kinds, everything: kinds === "abc", nothing: kinds === "" });
const everything = filter("abc");
const alpha = filter("a");
const beta = filter("b");
const nothing = filter("");
const notGamma = filter("ab");
const rules: LedgerRules = { order: "increasing", replay: false, applyMicros: 1000, stallMicros: Infinity };

function book(change: Partial<LedgerRules> = {}) {
  const meter = new Meter([]);
  const ledger = new StreamLedger<KindFilter>(meter, { ...rules, ...change });
  let sequence = 0;
  const entry: EntryMatcher<KindFilter> & { kind: string; sequence: number } = {
    sequence: 0,
    kind: "",
    matches(given) {
      return given.kinds.includes(this.kind);
    },
  };
  const receive = (kind: string, atMicros: number, number = ++sequence): void => {
    entry.kind = kind;
    sequence = Math.max(sequence, number);
    entry.sequence = number;
    ledger.observe(entry, { atMicros });
    ledger.arrived(atMicros, 1);
  };
  return { meter, ledger, receive, counts: meter.counts };
}

t.test("filter-apply counts from when the update was due, service time from when it was written", (t) => {
  const { ledger, meter, receive, counts } = book();
  ledger.sent(alpha, 0, 10);
  receive("a", 50);
  t.equal(meter.time("first-entry").max, 50);
  t.equal(meter.time("filter-apply").total, 0, "the first filter has no filter before it");
  ledger.sent(beta, 100, 130);
  receive("a", 140);
  receive("a", 150);
  receive("b", 400);
  t.equal(meter.time("filter-apply").max, 300);
  t.equal(meter.time("filter-apply-service").max, 270);
  t.equal(counts["stale-in-flight"], 2);
  t.equal(counts["stale-hard"], 0);
  receive("a", 500);
  t.equal(counts["stale-hard"], 1);
  t.equal(counts.stale, 3);
  ledger.finish(600);
  t.equal(meter.time("stale-window").max, 370, "from the write to the last entry of the old filter");
  t.end();
});

t.test("an entry that both filters let through tells nothing about the update", (t) => {
  const { ledger, meter, receive } = book();
  ledger.sent(alpha, 0, 0);
  receive("a", 10);
  ledger.sent(notGamma, 20, 20);
  receive("a", 30);
  t.equal(ledger.pendingCount, 1);
  receive("b", 40);
  t.equal(ledger.pendingCount, 0);
  t.equal(meter.time("filter-apply").max, 20);
  t.end();
});

t.test("in a storm the updates that a later one overtook are coalesced, and the last is measured", (t) => {
  const { ledger, meter, receive, counts } = book();
  ledger.sent(alpha, 0, 0);
  receive("a", 5);
  for (let i = 0; i < 10; i++) {
    ledger.sent(i % 2 === 0 ? nothing : alpha, 10 + i, 10 + i);
  }
  ledger.sent(beta, 30, 30);
  receive("a", 40);
  receive("b", 50);
  t.equal(counts["filter-coalesced"], 10);
  t.equal(meter.time("filter-apply").total, 1);
  t.equal(meter.time("filter-apply").max, 20);
  receive("a", 60);
  t.equal(counts["stale-hard"], 1);
  t.end();
});

t.test("the same filter sent again changes nothing and is not waited for", (t) => {
  const { ledger, meter, receive, counts } = book();
  ledger.sent(alpha, 0, 0);
  receive("a", 5);
  ledger.sent(alpha, 10, 10);
  t.equal(ledger.pendingCount, 0);
  ledger.finish(10_000);
  t.equal(counts.timeouts, 0);
  t.equal(meter.time("filter-apply").total, 0);
  t.equal(counts.sent, 2);
  t.end();
});

t.test("an update that never shows is one timeout and +∞; old entries stay in flight, and the stream recovers", (t) => {
  const { ledger, meter, receive, counts } = book();
  let settled = 0;
  ledger.listener = { settled: () => settled++, arrived: () => undefined };
  ledger.sent(alpha, 0, 0);
  receive("a", 5);
  ledger.sent(beta, 10, 10);
  receive("a", 900);
  ledger.expire(1009);
  t.equal(counts.timeouts, 0);
  ledger.expire(1010);
  t.equal(counts.timeouts, 1);
  t.equal(settled, 2, "the first filter, and the update that was given up");
  t.equal(meter.time("filter-apply").quantile(0.5), Infinity);
  receive("a", 1100);
  t.equal(counts["stale-hard"], 0);
  t.equal(counts["stale-in-flight"], 2);
  receive("b", 1200);
  receive("a", 1300);
  t.equal(counts["stale-hard"], 1, "once the new filter has shown itself the old one may not come back");
  t.equal(meter.time("filter-apply").total, 1, "a late apply makes no second sample");
  t.end();
});

t.test("where no entry can tell that an update holds, it holds after the bound and is no timeout", (t) => {
  const { ledger, receive, counts, meter } = book();
  ledger.sent(everything, 0, 0);
  receive("c", 5);
  ledger.sent(alpha, 10, 10);
  receive("b", 20);
  receive("a", 30);
  t.equal(counts["stale-in-flight"], 1);
  ledger.expire(2000);
  t.equal(counts.timeouts, 0);
  t.equal(meter.time("filter-apply").total, 0);
  receive("b", 2100);
  t.equal(counts["stale-hard"], 1);
  ledger.sent(nothing, 3000, 3000);
  ledger.expire(5000);
  t.equal(counts.timeouts, 0);
  t.end();
});

t.test("an entry before the first filter is early", (t) => {
  const { receive, counts } = book();
  receive("a", 5);
  t.equal(counts.early, 1);
  t.end();
});

t.test("an acknowledgement settles an update where the contract has them", (t) => {
  const { ledger, receive, counts, meter } = book();
  ledger.sent(alpha, 0, 0);
  ledger.acknowledged(7);
  ledger.sent(beta, 10, 10);
  ledger.acknowledged(30);
  t.equal(meter.time("filter-apply").max, 20);
  receive("a", 40);
  t.equal(counts["stale-hard"], 1);
  ledger.acknowledged(50);
  t.end();
});

t.test("updates still within their bound at the end are unfinished, not timeouts", (t) => {
  const { ledger, receive, counts } = book();
  ledger.sent(alpha, 0, 0);
  receive("a", 5);
  ledger.sent(beta, 100, 100);
  ledger.finish(500);
  t.equal(counts.unfinished, 1);
  t.equal(counts.timeouts, 0);
  t.end();
});

t.test("gaps count as lost only while a filter that lets everything through holds for certain", (t) => {
  const { ledger, receive, counts } = book();
  ledger.sent(alpha, 0, 0);
  receive("a", 1, 1);
  receive("a", 2, 9);
  t.equal(counts.lost, 0);
  ledger.sent(everything, 3, 3);
  receive("a", 4, 12);
  receive("b", 5, 20);
  t.equal(counts.lost, 0, "the first that only it lets through begins the count");
  receive("c", 6, 23);
  t.equal(counts.lost, 2);
  ledger.sent(alpha, 7, 7);
  receive("a", 8, 40);
  t.equal(counts.lost, 2);
  t.end();
});

t.test("stalls and gaps are measured between arrivals, not across updates; entries that come at once have none", (t) => {
  const { ledger, meter, receive, counts } = book({ stallMicros: 100 });
  ledger.sent(alpha, 0, 0);
  receive("a", 10);
  receive("a", 150);
  ledger.sent(beta, 200, 200);
  receive("b", 900);
  ledger.arrived(950, 3);
  t.equal(counts.stalls, 1);
  t.equal(meter.entryGap.total, 4);
  t.equal(meter.entryGap.max, 140);
  ledger.ending = true;
  ledger.arrived(960, 2);
  t.equal(counts["entries-after-half-close"], 2);
  t.end();
});

t.test("equal numbers are fine where the order is non-decreasing, and nothing is lost there", (t) => {
  const { ledger, receive, counts } = book({ order: "non-decreasing" });
  ledger.sent(everything, 0, 0);
  for (const number of [1, 1, 5, 5, 4]) {
    receive("a", 1, number);
  }
  t.equal(counts.duplicated, 0);
  t.equal(counts.lost, 0);
  t.equal(counts.reordered, 1);
  t.end();
});

t.test("entries without a number are judged by the filter alone", (t) => {
  const { ledger, receive, counts } = book({ order: "none" });
  ledger.sent(alpha, 0, 0);
  receive("a", 1, Number.NaN);
  receive("b", 2, Number.NaN);
  t.equal(counts["stale-hard"], 1);
  t.equal(counts.lost + counts.duplicated + counts.reordered, 0);
  t.end();
});

t.test("where a contract replays, earlier numbers may come again after an update", (t) => {
  const { ledger, receive, counts } = book({ replay: true });
  ledger.sent(everything, 0, 0);
  receive("a", 1, 1);
  receive("b", 2, 2);
  ledger.sent(alpha, 3, 3);
  receive("a", 4, 1);
  t.equal(counts.duplicated + counts.reordered, 0);
  t.end();
});

t.test("planted losses, duplicates and swaps are counted exactly, near 2^53 too", (t) => {
  const act = fc.constantFrom("pass", "pass", "pass", "lose", "double", "swap");
  fc.assert(
    fc.property(fc.array(act, { maxLength: 300 }), fc.constantFrom(0, 2 ** 31 - 50, 2 ** 52), (acts, base) => {
      const { ledger, receive, counts } = book();
      ledger.sent(everything, 0, 0);
      const planted = { lost: 0, duplicated: 0, reordered: 0 };
      let number = base + 1;
      receive("a", 1, number);
      for (const what of acts) {
        number++;
        if (what === "pass") {
          receive("b", 1, number);
        } else if (what === "lose") {
          planted.lost++;
        } else if (what === "double") {
          receive("a", 1, number);
          receive("a", 1, number);
          planted.duplicated++;
        } else {
          receive("c", 1, number + 1);
          receive("c", 1, number);
          planted.reordered++;
          number++;
        }
      }
      receive("a", 1, number + 1);
      return counts.lost === planted.lost && counts.duplicated === planted.duplicated && counts.reordered === planted.reordered;
    }),
  );
  t.end();
});

t.test("a server that takes filters in order, skipping as it likes, is never found stale-hard", (t) => {
  const filters = [everything, alpha, beta, notGamma, nothing, filter("bc"), filter("ac")];
  const act = fc.oneof(
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("send" as const), filter: fc.integer({ min: 0, max: filters.length - 1 }) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("take" as const), count: fc.integer({ min: 1, max: 3 }) }) },
    { weight: 6, arbitrary: fc.record({ kind: fc.constant("write" as const), entry: fc.constantFrom("a", "b", "c") }) },
  );
  fc.assert(
    fc.property(fc.array(act, { maxLength: 120 }), (acts) => {
      const { ledger, receive, counts } = book({ applyMicros: Infinity });
      const queue: KindFilter[] = [];
      let holding: KindFilter | undefined;
      let now = 0;
      for (const step of acts) {
        now++;
        if (step.kind === "send") {
          const sent = filters[step.filter] ?? everything;
          ledger.sent(sent, now, now);
          queue.push(sent);
        } else if (step.kind === "take") {
          holding = queue.splice(0, step.count).at(-1) ?? holding;
        } else if (holding?.kinds.includes(step.entry) === true) {
          receive(step.entry, now);
        }
      }
      return counts["stale-hard"] === 0 && counts.early === 0;
    }),
    { numRuns: 1000 },
  );
  t.end();
});

t.test("of disjoint filters every planted entry of the old one after the new one showed is counted", (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ inFlight: fc.nat(4), fresh: fc.integer({ min: 1, max: 4 }), hard: fc.nat(3) }), { minLength: 1, maxLength: 20 }),
      (rounds) => {
        const { ledger, receive, counts, meter } = book();
        const pair = [alpha, beta] as const;
        ledger.sent(alpha, 0, 0);
        receive("a", 0);
        let now = 0;
        for (const [i, round] of rounds.entries()) {
          const next = pair[(i + 1) % 2] ?? alpha;
          const old = pair[i % 2] ?? alpha;
          ledger.sent(next, now, now);
          for (let n = 0; n < round.inFlight; n++) receive(old.kinds, ++now);
          for (let n = 0; n < round.fresh; n++) receive(next.kinds, ++now);
          for (let n = 0; n < round.hard; n++) receive(old.kinds, ++now);
        }
        const sum = (key: "inFlight" | "hard") => rounds.reduce((total, round) => total + round[key], 0);
        return counts["stale-in-flight"] === sum("inFlight") && counts["stale-hard"] === sum("hard") && meter.time("filter-apply").count === rounds.length;
      },
    ),
  );
  t.end();
});
