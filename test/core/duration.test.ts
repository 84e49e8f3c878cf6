import t from "tap";
import { parseDuration } from "../../src/core/duration.js";

t.test("durations are read in milliseconds", async (t) => {
  for (const [text, ms] of [
    ["500us", 0.5],
    ["250ms", 250],
    ["1.5s", 1500],
    ["2m", 120_000],
    ["1h", 3_600_000],
    ["0s", 0],
  ] as const) {
    t.equal(parseDuration(text), ms, text);
  }
});

t.test("anything else is no duration", async (t) => {
  for (const text of ["", "2", "s", "-1s", "1 s", "1S", "1e3ms", ".5s", "1.s", "1sec"]) {
    t.equal(parseDuration(text), undefined, JSON.stringify(text));
  }
});
