import fc from "fast-check";
import t from "tap";
import { metricNames } from "../../src/core/metric.js";
import type { StreamGroup } from "../../src/core/workload.js";
import { holds, judgedBy, operators, parseThreshold, parseThresholds, statisticText } from "../../src/core/threshold.js";

function problemOf(text: string): string {
  const parsed = parseThreshold(text);
  return "problem" in parsed ? parsed.problem : "";
}

t.test("a latency quantile is read with its unit as microseconds", (t) => {
  t.match(parseThreshold("filter-apply p99 < 50ms"), {
    metric: "filter-apply",
    statistic: { kind: "quantile", q: 0.99 },
    operator: "<",
    limit: 50_000,
    against: "limit",
    minSamples: 100,
  });
  t.match(parseThreshold("delivery-lag p99.9<=1.5s"), { statistic: { kind: "quantile", q: 0.999 }, operator: "<=", limit: 1_500_000, minSamples: 1000 });
  t.match(parseThreshold("open max < 200us"), { statistic: { kind: "max" }, limit: 200 });
  t.end();
});

t.test("counters, rates and figures of the run are plain", (t) => {
  t.match(parseThreshold("stale-hard == 0"), { statistic: { kind: "value" }, operator: "==", limit: 0 });
  t.match(parseThreshold("received rate > 20000/s"), { statistic: { kind: "rate" }, limit: 20_000 });
  t.match(parseThreshold("fairness > 0.9"), { metric: "fairness", limit: 0.9 });
  t.match(parseThreshold("resolution < 5ms"), { limit: 5000 });
  t.match(parseThreshold("filter-apply count >= 100"), { statistic: { kind: "count" }, limit: 100 });
  t.end();
});

t.test("options may follow in any order", (t) => {
  t.match(parseThreshold("received rate > 1/s over 10s abort-on-fail"), { overSeconds: 10, abortOnFail: true, allowEmpty: false });
  t.match(parseThreshold("filter-apply p99 < 1s allow-empty min 1000 samples over 1m"), { overSeconds: 60, minSamples: 1000, allowEmpty: true });
  t.match(parseThreshold("filter-apply p99 vs baseline <= 1.10x"), { against: "baseline", limit: 1.1 });
  t.end();
});

t.test("what cannot be meant is refused with the reason and a suggestion", (t) => {
  t.match(problemOf("filter-aply p99 < 5ms"), /Unknown metric "filter-aply". Did you mean "filter-apply"\?/);
  t.match(problemOf(""), /begins with a metric/);
  t.match(problemOf("filter-apply < 5ms"), /say which figure/);
  t.match(problemOf("lost p99 < 5"), /it has no "p99"/);
  t.match(problemOf("lost rate < 5/s"), /has no rate/);
  t.match(problemOf("filter-apply p99 < 5"), /is no time/);
  t.match(problemOf("filter-apply p99 5ms"), /no comparison/);
  t.match(problemOf("filter-apply p99 = 5ms"), /no comparison/);
  t.match(problemOf("filter-apply p99 <"), /missing/);
  t.match(problemOf("filter-apply p99"), /comparison is missing/);
  t.match(problemOf("received rate > 5"), /per second/);
  t.match(problemOf("lost == five"), /no number/);
  t.match(problemOf("lost == 5ms"), /plain number/);
  t.match(problemOf("lost == 0 over 10s"), /not counted in windows/);
  t.match(problemOf("received rate > 1/s over 10"), /whole seconds/);
  t.match(problemOf("received rate > 1/s min 5 samples"), /no samples/);
  t.match(problemOf("filter-apply p99 < 1s min 5"), /"samples"/);
  t.match(problemOf("filter-apply p99 < 1s alow-empty"), /Did you mean "allow-empty"/);
  t.match(problemOf("filter-apply p99 vs basline < 1x"), /comes "baseline"/);
  t.match(problemOf("filter-apply p99 vs baseline < 1.1"), /ratio such as/);
  t.match(problemOf("filter-apply p9x < 1s"), /no figure/);
  t.throws(() => parseThresholds(["lost == 0", "nope == 0"], "--threshold"), {
    name: "HarnessError",
    code: "usage",
    place: "--threshold",
    message: /in "nope == 0", character 1/,
  });
  t.equal(parseThresholds(["lost == 0"], "x").length, 1);
  t.end();
});

t.test("no text makes the parser throw, and what it accepts keeps its meaning when read again", (t) => {
  const word = fc.constantFrom(
    ...metricNames,
    ...operators,
    "p99",
    "p50",
    "rate",
    "max",
    "0",
    "5ms",
    "10/s",
    "over",
    "10s",
    "min",
    "samples",
    "vs",
    "baseline",
    "1.1x",
    "allow-empty",
    "x",
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(word, { maxLength: 9 }).map((words) => words.join(" ")),
      ),
      (text) => {
        const parsed = parseThreshold(text);
        if ("problem" in parsed) {
          return parsed.at >= 0 && parsed.at <= text.length && parsed.problem.length > 0;
        }
        return JSON.stringify(parseThreshold(parsed.text)) === JSON.stringify(parsed);
      },
    ),
    { numRuns: 2000 },
  );
  t.end();
});

t.test("each operator compares as it reads", (t) => {
  t.same(
    operators.map((operator) => [1, 2, 3].map((measured) => holds(measured, operator, 2))),
    [
      [true, true, false],
      [false, true, true],
      [false, true, false],
      [true, false, true],
      [true, false, false],
      [false, false, true],
    ],
  );
  t.equal(statisticText({ kind: "quantile", q: 0.999 }), "p99.9");
  t.equal(statisticText({ kind: "value" }), "");
  t.equal(statisticText({ kind: "rate" }), "rate");
  t.end();
});

t.test("a workload is judged by what is given, by its own on other metrics, and by what the contract forbids", (t) => {
  const thresholds = ["filter-apply p99 < 500ms", "timeouts == 0", "stale-hard == 0 abort-on-fail"];
  const group = { begin: [{ kind: "send", filters: ["$broad"], times: 1 }], each: [], finish: [] } as unknown as StreamGroup;
  const facts = ["early", "duplicated", "reordered", "violations"].map((metric) => `${metric} == 0`);
  const lasting = ["lost == 0 allow-empty", "rejected == 0", "disconnected == 0", "ended-early == 0", "silent == 0 allow-empty"];
  t.same(judgedBy({ thresholds, groups: [group] }), [...thresholds, ...facts, ...lasting]);
  const given = ["filter-apply p50 < 5ms", "rejected >= 0"];
  t.same(judgedBy({ thresholds, groups: [group] }, given), [...given, ...thresholds.slice(1), ...facts, ...lasting.filter((text) => text !== "rejected == 0")]);
  const pausing = { ...group, each: [{ kind: "pause" }] } as unknown as StreamGroup;
  t.notOk(judgedBy({ thresholds, groups: [pausing] }).includes("rejected == 0"), "a reader that stops may be ended");
  t.notOk(
    judgedBy({ thresholds, groups: [group] }, [], ["silent"]).some((text) => text.startsWith("silent")),
    "and what nobody counts",
  );
  t.same(judgedBy({ thresholds, groups: [group] }, ["no-such-metric"])[0], "no-such-metric", "what cannot be read is left to be refused");
  for (const text of judgedBy({ thresholds: [], groups: [group] })) {
    t.notOk("problem" in parseThreshold(text));
  }
  t.end();
});
