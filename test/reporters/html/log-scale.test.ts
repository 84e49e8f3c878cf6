import fc from "fast-check";
import t from "tap";
import { logScale } from "../../../src/reporters/html/log-scale.js";

t.test("an axis holds its values, its ticks rise within it, and places rise with values", (t) => {
  fc.assert(
    fc.property(fc.double({ min: 1, max: 3.6e9, noNaN: true }), fc.double({ min: 1, max: 3.6e9, noNaN: true }), (a, b) => {
      const [least, greatest] = [Math.min(a, b), Math.max(a, b)];
      const scale = logScale(least, greatest, 0, 100);
      return (
        scale.from <= least &&
        scale.to >= greatest &&
        scale.at(scale.from) === 0 &&
        Math.abs(scale.at(scale.to) - 100) < 1e-9 &&
        scale.at(least) <= scale.at(greatest) &&
        scale.ticks.length > 0 &&
        scale.ticks.every((tick, i) => tick >= scale.from && tick <= scale.to && (i === 0 || tick > (scale.ticks[i - 1] ?? 0)))
      );
    }),
  );
  t.same(logScale(700, 34_000, 0, 1).ticks, [500, 1000, 2000, 5000, 10_000, 20_000, 50_000]);
  t.end();
});
