import t from "tap";
import { beyondMicros } from "../../src/core/histogram.js";
import { formatMicros, formatNumber } from "../../src/core/quantity.js";

t.test("times are shown with three digits in the unit that fits", (t) => {
  t.same([0, 830, 999.6, 17_240, 1_500_000, 123_456_789].map(formatMicros), ["0us", "830us", "1ms", "17.2ms", "1.5s", "123s"]);
  t.equal(formatMicros(Infinity), "∞");
  t.equal(formatMicros(beyondMicros), "∞");
  t.equal(formatMicros(Number.NaN), "-");
  t.end();
});

t.test("numbers are separated by thousands, fractions keep three digits", (t) => {
  t.same([0, 7, 1234, 20_500.4, 0.98765, -12_345].map(formatNumber), ["0", "7", "1,234", "20,500", "0.988", "-12,345"]);
  t.same([Number.NaN, Infinity, -Infinity].map(formatNumber), ["-", "∞", "-∞"]);
  t.end();
});
