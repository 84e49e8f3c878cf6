import t from "tap";
import { createRandom } from "../../src/core/random.js";

t.test("a seed gives the same numbers again, all in [0, 1), evenly spread", (t) => {
  const one = createRandom(42);
  const two = createRandom(42);
  const values = Array.from({ length: 10_000 }, one);
  t.same(values.slice(0, 10), Array.from({ length: 10 }, two));
  t.ok(values.every((value) => value >= 0 && value < 1));
  t.ok(Math.abs(values.reduce((sum, value) => sum + value, 0) / values.length - 0.5) < 0.02);
  t.not(createRandom(43)(), createRandom(42)());
  t.end();
});
