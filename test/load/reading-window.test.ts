import t from "tap";
import { createReadingWindow } from "../../src/load/reading-window.js";

const mebibyte = 1024 * 1024;

/** A thread that is at work for the share of the time that `work` is given. */
function thread() {
  let [idle, active] = [0, 0];
  return {
    work(forMs: number, share: number) {
      active += forMs * share;
      idle += forMs * (1 - share);
    },
    utilization: (since = { idle: 0, active: 0, utilization: 0 }) => ({ idle: idle - since.idle, active: active - since.active, utilization: 0 }),
  };
}

t.test("a thread that waits for servers lets them send further ahead, up to a limit", async (t) => {
  const { work, utilization } = thread();
  const wanted = createReadingWindow(utilization);
  t.equal(wanted(), mebibyte);
  for (const expected of [2, 4, 8, 16, 16]) {
    work(60, 0.5);
    t.equal(wanted(), expected * mebibyte);
    t.equal(wanted(), expected * mebibyte, "one look at a time");
  }
});

t.test("a thread that is at its limit lets them send no further ahead, and takes nothing back", async (t) => {
  const { work, utilization } = thread();
  const wanted = createReadingWindow(utilization);
  for (let n = 0; n < 20; n++) {
    work(60, 0.97);
    t.equal(wanted(), mebibyte);
  }
  work(200, 0.2);
  t.equal(wanted(), 2 * mebibyte);
  work(1000, 1);
  t.equal(wanted(), 2 * mebibyte);
});

t.test("moments tell nothing", async (t) => {
  const { work, utilization } = thread();
  const wanted = createReadingWindow(utilization);
  work(20, 0.1);
  t.equal(wanted(), mebibyte);
  work(400, 1);
  t.equal(wanted(), mebibyte, "the moment counts with what follows");
});
