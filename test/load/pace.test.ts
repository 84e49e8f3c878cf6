import t from "tap";
import { createPace } from "../../src/load/pace.js";
import { createSystemClock } from "../../src/load/system-clock.js";

t.test("a point in time is never passed too early, and a stop ends the wait", async (t) => {
  const clock = createSystemClock();
  const pace = createPace(clock);
  const stop = new AbortController();
  for (const ahead of [0, 300, 1700, 6000]) {
    const at = clock.nowMicros() + ahead;
    await pace.until(at, stop.signal);
    t.ok(clock.nowMicros() >= at, `${ahead} us`);
  }
  t.ok(pace.spunMicros >= 0);
  const waiting = pace.until(clock.nowMicros() + 3_600_000_000, stop.signal);
  stop.abort();
  await waiting;
  await pace.until(clock.nowMicros() + 3_600_000_000, stop.signal);
});

t.test("however many wait, the loop spins once", async (t) => {
  let nowMicros = 0;
  // Each look at the clock takes three microseconds.
  const pace = createPace({ nowMicros: () => (nowMicros += 3), wallMicros: () => 0 });
  const { signal } = new AbortController();
  await Promise.all(Array.from({ length: 50 }, (_, i) => pace.until(1000 + i, signal)));
  t.ok(pace.spunMicros > 0);
  t.ok(pace.spunMicros <= nowMicros, `${pace.spunMicros} of ${nowMicros}`);
});

t.test("work that is done while somebody waits is no waiting", async (t) => {
  let nowMicros = 0;
  let looks = 0;
  // Three turns that do nothing, then one of 200 microseconds, and so on.
  const pace = createPace({ nowMicros: () => (nowMicros += looks++ % 4 === 3 ? 200 : 3), wallMicros: () => 0 });
  await pace.until(1400, new AbortController().signal);
  t.ok(pace.spunMicros < 0.15 * nowMicros, `${pace.spunMicros} of ${nowMicros}`);
});

t.test("the system clock is monotonic and its wall time is the system's", (t) => {
  const clock = createSystemClock();
  const first = clock.nowMicros();
  t.ok(clock.nowMicros() >= first);
  t.ok(Math.abs(clock.wallMicros() / 1000 - Date.now()) < 5000);
  const shifted = createSystemClock(performance.timeOrigin - 1000);
  t.ok(shifted.nowMicros() - clock.nowMicros() >= 1_000_000 - 1000, "counted from an earlier origin");
  t.end();
});
