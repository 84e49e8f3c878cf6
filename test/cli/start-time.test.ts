import t from "tap";
import { readStartTime } from "../../src/cli/start-time.js";

const now = Date.parse("2030-01-31T12:00:00Z");
const read = (text: string) => readStartTime(text, "--start-at", now);

t.test("a start is a time with its zone, or so long from now", (t) => {
  t.equal(read("2030-01-31T12:00:05Z"), now + 5000);
  t.equal(read("2030-01-31T14:00:05.250+02:00"), now + 5250);
  t.equal(read("+30s"), now + 30_000);
  t.end();
});

t.test("a start that cannot be met is refused", (t) => {
  for (const text of ["soon", "2030-01-31", "2030-01-31T12:00:05", "+", "30s", "2030-13-31T12:00:05Z"]) {
    t.throws(() => read(text), { code: "usage", message: /not a time such as/, place: "--start-at" }, text);
  }
  t.throws(() => read("2030-01-31T11:59:59Z"), { code: "usage", message: /has passed: it is 2030-01-31T12:00:00\.000Z/ });
  t.throws(() => read("+25h"), { code: "usage" });
  t.throws(() => read("+1500m"), { code: "usage", message: /more than a day ahead/ });
  t.end();
});
