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

t.test("the system clock is monotonic and its wall time is the system's", (t) => {
  const clock = createSystemClock();
  const first = clock.nowMicros();
  t.ok(clock.nowMicros() >= first);
  t.ok(Math.abs(clock.wallMicros() / 1000 - Date.now()) < 5000);
  const shifted = createSystemClock(performance.timeOrigin - 1000);
  t.ok(shifted.nowMicros() - clock.nowMicros() >= 1_000_000 - 1000, "counted from an earlier origin");
  t.end();
});
