import t from "tap";
import { histogramOf } from "../../src/core/histogram.js";
import { EnginePointBook } from "../../src/harness/engine-points.js";
import { mergeRecords } from "../../src/load/measurement.js";

t.test("points add up by group, and those of the measured part by window", (t) => {
  const book = new EnginePointBook(["a", "b"], ["filter-apply"]);
  book.take({ kind: "count", group: "a", metric: "opened", times: 2, atMicros: -500_000 });
  book.take({ kind: "count", group: "a", metric: "received", times: 10, atMicros: 100 });
  book.take({ kind: "count", group: "b", metric: "received", times: 5, atMicros: 1_200_000 });
  book.take({ kind: "time", group: "a", metric: "filter-apply", micros: 700, times: 1, atMicros: 1_300_000 });
  book.take({ kind: "beyond", group: "a", metric: "filter-apply", times: 1, atMicros: 1_400_000 });
  book.take({ kind: "stream-rate", group: "b", perSecond: 5 });
  book.take({ kind: "error", text: "gone", times: 2 });
  const measured = mergeRecords(
    book.records(1_500_000).map(({ record }) => record),
    1.5,
  );
  t.equal(measured.counts.received, 15);
  t.equal(measured.counts.opened, 2, "what came before the measured part is counted, in no window");
  t.strictSame(
    measured.windows.map(({ index, widthMicros, counts }) => ({ index, widthMicros, received: counts.received })),
    [
      { index: 0, widthMicros: 1_000_000, received: 10 },
      { index: 1, widthMicros: 500_000, received: 5 },
    ],
  );
  const apply = measured.times.get("filter-apply");
  t.equal(apply?.quantile(0.5), 700);
  t.equal(apply?.quantile(1), Infinity);
  t.equal(histogramOf(measured.windows[1]!.times["filter-apply"]!).total, 2);
  t.strictSame([...book.errors], [["gone", 2]]);
  t.equal(book.latestMicros, 1_400_000);
  t.end();
});

t.test("a group that the workload does not have is a bug of the engine", (t) => {
  const book = new EnginePointBook(["a"], []);
  t.throws(() => book.take({ kind: "count", group: "z", metric: "received", times: 1, atMicros: 0 }), /names the group "z"/);
  t.end();
});
