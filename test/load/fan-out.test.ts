import fc from "fast-check";
import t from "tap";
import { blockLength, FanOut } from "../../src/load/fan-out.js";
import { StreamLedger } from "../../src/load/ledger.js";
import { Meter } from "../../src/load/meter.js";

const every3rd = { everything: false, nothing: false };
const entryOf = (sequence: number) => ({ sequence, matches: () => true });
const arrival = { atMicros: 1 };

t.test("what one stream lost and another received is counted, whatever the filter lets through", (t) => {
  fc.assert(
    fc.property(fc.array(fc.record({ stream: fc.nat(2), at: fc.integer({ min: 400, max: 900 }) }), { maxLength: 40 }), (losses) => {
      const meter = new Meter([]);
      const fanOut = new FanOut(meter);
      const planted = new Set(losses.map(({ stream, at }) => `${stream} ${at}`));
      for (let stream = 0; stream < 3; stream++) {
        const ledger = new StreamLedger(meter, { order: "increasing", replay: false, applyMicros: 1000, stallMicros: Infinity, fanOut });
        ledger.sent(every3rd, 0, 0);
        for (let number = 1; number <= 1024; number++) {
          if (!planted.has(`${stream} ${number}`)) {
            ledger.observe(entryOf(number * 3), arrival);
          }
        }
      }
      fanOut.finish();
      // The blocks at both ends are not whole; an entry that all three lost cannot be missed.
      const all = new Map<number, number>();
      for (const loss of planted) {
        const at = Number(loss.split(" ")[1]);
        all.set(at, (all.get(at) ?? 0) + 1);
      }
      const blockOf = (at: number) => Math.floor((at * 3) / blockLength);
      let expected = 0;
      for (const block of new Set([...all.keys()].map(blockOf))) {
        const lostBy = [0, 1, 2].map(
          (stream) => [...planted].filter((loss) => Number(loss.split(" ")[0]) === stream && blockOf(Number(loss.split(" ")[1])) === block).length,
        );
        const least = Math.min(...lostBy);
        expected += lostBy.reduce((sum, lost) => sum + lost - least, 0);
      }
      return meter.counts["lost-relative"] === expected && meter.counts.lost === 0;
    }),
  );
  t.end();
});

t.test("late and double entries are no losses, and streams with other filters are not compared", (t) => {
  const meter = new Meter([]);
  const fanOut = new FanOut(meter);
  const other = { everything: false, nothing: false };
  const run = (filter: typeof every3rd, numbers: readonly number[]) => {
    const ledger = new StreamLedger(meter, { order: "increasing", replay: false, applyMicros: 1000, stallMicros: Infinity, fanOut });
    ledger.sent(filter, 0, 0);
    numbers.forEach((number) => ledger.observe(entryOf(number), arrival));
  };
  const straight = Array.from({ length: 2000 }, (_, i) => i + 1);
  const swapped = straight.flatMap((number) => (number % 2 === 0 ? [] : [number + 1, number, ...(number % 10 === 1 ? [number] : [])]));
  run(every3rd, straight);
  run(every3rd, swapped);
  run(
    other,
    straight.filter((number) => number % 7 === 0),
  );
  fanOut.finish();
  t.equal(meter.counts["lost-relative"], 0);
  t.equal(meter.counts.reordered, 1000);
  t.equal(meter.counts.duplicated, 200);
  t.end();
});
