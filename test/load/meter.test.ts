import t from "tap";
import { Meter } from "../../src/load/meter.js";

t.test("a window holds what changed since the last one, and the record holds all", (t) => {
  const meter = new Meter(["schedule-lag"]);
  meter.begin(0);
  meter.counts.received = 3;
  meter.counts.lost = 1;
  meter.time("schedule-lag").record(10);
  const first = meter.roll(1_000_000, 4, 0);
  t.match(first, { index: 0, widthMicros: 1_000_000, counts: { received: 3, lost: 1 }, backlog: 4 });
  t.equal(first?.times["schedule-lag"]?.counts.length, 1);
  meter.counts.received = 8;
  const second = meter.roll(2_000_000, 0, 1);
  t.same(second?.counts, { received: 5 });
  t.same(second?.times["schedule-lag"]?.counts, []);
  meter.end();
  meter.counts.received = 100;
  t.equal(meter.roll(3_000_000, 0, 2), undefined, "nothing is measured after the end");
  const record = meter.record([1, 2]);
  t.equal(record.windows.length, 2);
  t.equal(record.counts.received, 100);
  t.same(record.streamRates, [1, 2]);
  t.ok(structuredClone(record), "it crosses threads");
  t.end();
});
