import t from "tap";

import { Throttle } from "../../src/reference/throttle.js";

t.test("acts pass in the order asked, no faster than the rate", async (t) => {
  const throttle = new Throttle(1000);
  const done: number[] = [];
  const startMs = performance.now();
  await new Promise<void>((resolve) => {
    // The timers of a throttle do not keep the process alive: this one does.
    const alive = setInterval(() => undefined, 1000);
    for (let n = 0; n < 110; n++) throttle.pass(() => done.push(n));
    throttle.pass(() => {
      clearInterval(alive);
      resolve();
    });
  });
  t.ok(performance.now() - startMs >= 98);
  t.strictSame(
    done,
    done.map((_, index) => index),
  );
});

t.test("what the rate allows passes at once", async (t) => {
  const throttle = new Throttle(1_000_000);
  let done = 0;
  for (let n = 0; n < 100; n++) throttle.pass(() => done++);
  t.equal(done, 100);
});
