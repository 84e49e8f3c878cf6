import t from "tap";

import { ControlBudget } from "../../src/wire/http2-control-budget.js";

const spendAll = (budget: ControlBudget, atMicros: number, earned = 0): number => {
  let frames = 0;
  while (frames < 100_000 && budget.spend(atMicros, earned)) frames += 1;
  return frames;
};

t.test("ten thousand frames may come at once, then two thousand a second", (t) => {
  const budget = new ControlBudget();
  t.equal(spendAll(budget, 1_000_000), 10_000);
  t.equal(spendAll(budget, 1_500_000), 999, "what failed was charged too");
  t.equal(spendAll(budget, 61_500_000), 10_000);
  t.end();
});

t.test("traffic earns frames beyond the rate", (t) => {
  const budget = new ControlBudget();
  spendAll(budget, 0, 0);
  t.equal(spendAll(budget, 0, 501), 500);
  t.equal(spendAll(budget, 0, 501), 0);
  t.end();
});

t.test("a quiet stream is never over it: one PING a second for days", (t) => {
  const budget = new ControlBudget();
  let refused = 0;
  for (let second = 0; second < 400_000; second += 1) if (!budget.spend(second * 1e6, 0)) refused += 1;
  t.equal(refused, 0);
  t.end();
});
