import t from "tap";
import { SilenceWatch } from "../../src/load/silence-watch.js";

const second = 1_000_000;
const bound = 2 * second;

/** Streams with the same filter, all sent at 0, of which some stop receiving. */
function streams(...stopsAt: readonly number[]) {
  const all = stopsAt.map((stop) => ({ stop, over: false, ledger: { lastSequence: -Infinity, lastArrivalMicros: 0, latestWrittenMicros: 0 } }));
  return {
    all,
    /** An entry comes on all that still receive. */
    receive(sequence: number, atMicros: number): void {
      for (const { ledger } of all.filter(({ stop }) => atMicros < stop)) {
        ledger.lastSequence = sequence;
        ledger.lastArrivalMicros = atMicros;
      }
    },
  };
}

t.test("a stream on which nothing comes while others receive is silent, once it had time to receive as well", (t) => {
  const { all, receive } = streams(Infinity, 3 * second, Infinity);
  const watch = new SilenceWatch(all, bound);
  t.equal(watch.silent(0), undefined, "nothing was looked at");
  const found: (number | undefined)[] = [];
  for (let at = 0; at <= 10; at++) {
    receive(10 + at, at * second);
    watch.look(at * second);
    found.push(watch.silent(at * second));
  }
  t.same(found, [undefined, undefined, 0, 0, 0, 1, 1, 1, 1, 1, 1]);
  all[1]!.over = true;
  t.equal(watch.silent(10 * second), 0, "one that has ended is not silent");
  t.end();
});

t.test("one that never received anything is silent too, but not for what was written before its filter held", (t) => {
  const { all, receive } = streams(Infinity, 0, 0);
  const watch = new SilenceWatch(all, bound);
  // The third is opened when the log has come to rest.
  all[2]!.ledger.latestWrittenMicros = 6 * second;
  for (let at = 0; at <= 20; at++) {
    if (at < 5) {
      receive(1 + at, at * second);
    }
    watch.look(at * second);
  }
  t.equal(watch.silent(20 * second), 1);
  t.end();
});

t.test("neither a log that rests, nor a stream that lags, nor the last entry of all is silence", (t) => {
  const { all, receive } = streams(Infinity, Infinity);
  const watch = new SilenceWatch(all, bound);
  for (let at = 0; at <= 20; at++) {
    if (at < 10) {
      receive(1 + at, at * second);
      // Far behind, and still receiving.
      all[1]!.ledger.lastSequence = at / 10;
    } else if (at === 20) {
      all[0]!.ledger.lastSequence = 100;
    } else {
      all[1]!.ledger.lastSequence = 10;
    }
    watch.look(at * second);
    t.equal(watch.silent(at * second) ?? 0, 0, `${at} s`);
  }
  t.end();
});

t.test("what came while the loop stood still was not read yet", (t) => {
  const { all, receive } = streams(Infinity, Infinity);
  const watch = new SilenceWatch(all, bound);
  for (let at = 0; at <= 3; at++) {
    receive(1 + at, at * second);
    watch.look(at * second);
  }
  all[1]!.ledger.lastSequence = 3;
  watch.look(13 * second);
  t.equal(watch.silent(13 * second), undefined);
  watch.look(14 * second);
  t.equal(watch.silent(14 * second), 1, "a second later it would have been");
  t.end();
});

t.test("without sequence numbers, or another stream, nothing can be told", (t) => {
  const alone = streams(Infinity);
  const bare = streams(Infinity, 0);
  for (const [all, numbers] of [
    [alone, true],
    [bare, false],
  ] as const) {
    const watch = new SilenceWatch(all.all, bound);
    for (let at = 0; at <= 5; at++) {
      all.receive(numbers ? at : -Infinity, at * second);
      watch.look(at * second);
    }
    t.equal(watch.silent(5 * second), undefined);
  }
  t.end();
});
