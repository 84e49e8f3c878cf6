import t from "tap";
import { countMetrics, hasRate, isMetric, metricNames, metrics, timeMetrics } from "../../src/core/metric.js";

t.test("every metric has a kind and a sentence, and the kinds share no name", (t) => {
  t.ok(metricNames.every((name) => metrics[name].about.endsWith(".")));
  t.equal(timeMetrics.filter((name) => (countMetrics as readonly string[]).includes(name)).length, 0);
  t.ok(isMetric("filter-apply"));
  t.notOk(isMetric("toString"));
  t.ok(hasRate("received"));
  t.notOk(hasRate("lost"));
  t.end();
});
