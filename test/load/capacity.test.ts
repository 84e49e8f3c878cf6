import fc from "fast-check";
import t from "tap";
import { createRandom } from "../../src/core/random.js";
import type { CapacityTrial } from "../../src/core/report.js";
import { capacitySentence, Inconclusive, searchCapacity } from "../../src/load/capacity.js";

const row = { seconds: 1, samples: 1000, quantileUs: 1, achieved: 1, loopUtilisation: 0.1 };
/** A target that bears up to a ceiling, and a generator that does up to its own. */
const target =
  (ceiling: number, generator = Infinity, noise: () => number = () => 0) =>
  (load: number): Promise<CapacityTrial> =>
    Promise.resolve(
      load > generator
        ? { ...row, load, status: "invalid", limitedBy: "the generator" }
        : load * (1 + noise()) > ceiling
          ? { ...row, load, status: "failed", limitedBy: "p99" }
          : { ...row, load, status: "passed" },
    );

t.test("the ceiling is found within 5 %, wherever the search begins", async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.double({ min: 1, max: 100_000, noNaN: true }), fc.double({ min: 0.5, max: 50_000, noNaN: true }), async (ceiling, start) => {
      const found = await searchCapacity({ start, attempt: target(ceiling) });
      const reachable = start / 2 ** 12 <= ceiling;
      return reachable
        ? found.sustainable <= ceiling && found.sustainable >= ceiling / 1.06 && (found.failsAt ?? 0) > ceiling && found.inconclusive === undefined
        : found.sustainable === 0;
    }),
  );
  t.end();
});

t.test("trials that now pass, now fail near the ceiling still give it within 10 %", async (t) => {
  for (let seed = 0; seed < 40; seed++) {
    const random = createRandom(seed);
    const found = await searchCapacity({ start: 10, attempt: target(1000, Infinity, () => (random() - 0.5) * 0.06) });
    t.ok(found.sustainable > 900 && found.sustainable < 1050, `${found.sustainable}`);
  }
});

t.test("a search that the generator ends says so", async (t) => {
  const found = await searchCapacity({ start: 10, attempt: target(Infinity, 500) });
  t.equal(found.generatorBound, true);
  t.ok(found.sustainable > 450 && found.sustainable <= 500);
});

t.test("a trial that the generator spoiled is made again: the machine was busy just then", async (t) => {
  let trials = 0;
  const found = await searchCapacity({
    start: 100,
    attempt: (load) => (++trials % 3 === 0 ? Promise.resolve({ ...row, load, status: "invalid", limitedBy: "the generator" }) : target(1000)(load)),
  });
  t.match(found, { generatorBound: false, inconclusive: undefined });
  t.ok(found.sustainable <= 1000 && found.sustainable > 950, `${found.sustainable}`);
});

t.test("what passes everything up to the greatest load has no limit", async (t) => {
  const found = await searchCapacity({ start: 10, most: 1000, attempt: target(Infinity) });
  t.match(found, { sustainable: 1000, failsAt: undefined, generatorBound: false });
});

t.test("the result is confirmed, and lowered until it holds", async (t) => {
  const kinds: string[] = [];
  const found = await searchCapacity({
    start: 100,
    attempt: (load, kind) => {
      kinds.push(kind);
      return target(kind === "confirm" ? 900 : 1000)(load);
    },
  });
  t.ok(found.sustainable <= 900 && found.sustainable > 800);
  t.ok(kinds.filter((kind) => kind === "confirm").length >= 2);
  const never = await searchCapacity({ start: 100, attempt: (load, kind) => target(kind === "confirm" ? 0 : 1000)(load) });
  t.match(never.inconclusive, /longer/);
});

t.test("too few samples twice end the search without a result, and too many trials do", async (t) => {
  const few = (load: number): Promise<CapacityTrial> => Promise.resolve({ ...row, load, status: "inconclusive", limitedBy: "3 samples" });
  const lacking = await searchCapacity({ start: 100, attempt: (load) => (load < 1000 ? few(load) : target(1200)(load)) });
  t.match(lacking.inconclusive, /too few samples, twice/);
  const enoughAbove = await searchCapacity({ start: 100, attempt: (load) => (load < 300 ? few(load) : target(1000)(load)) });
  t.ok(enoughAbove.sustainable > 950, "a greater load brings more samples");
  const endless = await searchCapacity({ start: 1, trials: 5, attempt: target(1e6) });
  t.match(endless.inconclusive, /5 trials/);
  const busy = await searchCapacity({ start: 1000, attempt: target(Infinity, 0) });
  t.match(busy.inconclusive, /too busy to measure/);
  let begun = 0;
  const ended = await searchCapacity({
    start: 100,
    attempt: (load) => (++begun > 6 ? Promise.reject(new Inconclusive("the search was to end within 1 s.")) : target(1000)(load)),
  });
  t.match(ended, { sustainable: 800, inconclusive: "the search was to end within 1 s." });
  t.equal(Math.round(ended.failsAt ?? 0), 1131);
  t.equal(ended.trials.length, 6, "what was found stands");
  await t.rejects(searchCapacity({ start: 1, attempt: () => Promise.reject(new Error("unreachable")) }), { message: "unreachable" });
});

t.test("the result is one sentence", (t) => {
  const record = {
    workload: "w",
    hash: "h",
    unit: "updates/s",
    objective: "o",
    sustainable: 1234.5,
    failsAt: 1296,
    limitedBy: "filter-apply p99 of 120ms",
    generatorBound: false,
    trials: [],
  };
  t.equal(capacitySentence(record), "max sustainable = 1,230 updates/s (fails at 1,300, limited by filter-apply p99 of 120ms).");
  t.match(capacitySentence({ ...record, generatorBound: true }), /^≥ 1,230 updates\/s \(generator-bound\)/);
  t.match(capacitySentence({ ...record, sustainable: 0 }), /^Nothing passed, down to 1,300/);
  t.equal(capacitySentence({ ...record, inconclusive: "why." }), "Inconclusive, at least 1,230 updates/s and less than 1,300: why.");
  t.end();
});
