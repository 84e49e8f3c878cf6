import t from "tap";

import { createEntryClock } from "../../src/reference/entry-clock.js";

t.test("time is RFC 3339 in UTC with nine digits, close to the system's, and does not go back", async (t) => {
  const clock = createEntryClock();
  const times = Array.from({ length: 2000 }, () => clock.now());
  for (const time of [times[0], times.at(-1)]) {
    t.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
    t.ok(Math.abs(Date.parse(time ?? "") - Date.now()) < 1000);
  }
  t.strictSame(times, [...times].sort());
});
