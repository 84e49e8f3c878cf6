import t from "tap";

import { createEntryClock } from "../../src/reference/entry-clock.js";
import type { Ending } from "../../src/reference/ending.js";
import { Log } from "../../src/reference/log.js";
import { LogEntry, type EntryInput } from "../../src/reference/log-entry.js";
import { Subscription, type Outlet } from "../../src/reference/subscription.js";

class RecordingOutlet implements Outlet {
  readonly transport = "grpc";
  readonly connection = this;
  readonly streamId = 1;
  readonly sent: number[] = [];
  readonly endings: Ending[] = [];
  takes = Infinity;

  write(message: unknown): boolean {
    if (message instanceof LogEntry) this.sent.push(message.sequence);
    return --this.takes > 0;
  }

  pendingBytes(): number {
    return 0;
  }

  finish(ending: Ending): void {
    this.endings.push(ending);
  }
}

function open(sendBufferBytes = 10_000): { log: Log; outlet: RecordingOutlet; stream: Subscription; released: () => number } {
  const log = new Log({ rate: 0, clock: createEntryClock() });
  const outlet = new RecordingOutlet();
  let releases = 0;
  const stream = new Subscription({ log, outlet, sendBufferBytes, onReleased: () => releases++ });
  return { log, outlet, stream, released: () => releases };
}

const entries = (count: number, source = "alpha"): EntryInput[] => Array.from({ length: count }, () => ({ level: "info", source, message: "m" }));

t.test("entries wait while the transport is full, and leave in order, each once", async (t) => {
  const { log, outlet, stream } = open();
  stream.accept({});
  outlet.takes = 2;
  log.append(entries(10));
  t.strictSame(outlet.sent, [1, 2]);
  t.equal(stream.waiting, 8);
  outlet.takes = 3;
  stream.resume();
  t.strictSame(outlet.sent, [1, 2, 3, 4, 5]);
  outlet.takes = Infinity;
  stream.resume();
  t.strictSame(outlet.sent, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

t.test("a long queue keeps its order while it is taken and filled", async (t) => {
  const { log, outlet, stream } = open(10_000_000);
  stream.accept({});
  outlet.takes = 1;
  log.append(entries(5000));
  for (let round = 0; round < 50; round++) {
    outlet.takes = 137;
    log.append(entries(10));
    stream.resume();
  }
  t.strictSame(
    outlet.sent,
    outlet.sent.map((_, index) => index + 1),
  );
  t.equal(stream.waiting, 5500 - outlet.sent.length);
});

t.test("what waited for the old filter is sent before anything of the new one", async (t) => {
  const { log, outlet, stream } = open();
  stream.accept({ sources: ["alpha"] });
  outlet.takes = 1;
  log.append(entries(2));
  stream.accept({ sources: ["beta"] });
  log.append([...entries(1), ...entries(1, "beta")]);
  outlet.takes = Infinity;
  stream.resume();
  t.strictSame(outlet.sent, [1, 2, 4]);
});

t.test("an overflow ends the stream after a gapless prefix, and releases it once", async (t) => {
  const { log, outlet, stream, released } = open(500);
  stream.accept({});
  outlet.takes = 3;
  log.append(entries(20));
  t.strictSame(outlet.sent, [1, 2, 3]);
  t.match(outlet.endings, [{ status: 8, closeCode: 1013 }]);
  t.equal(outlet.endings.length, 1);
  stream.gone("lost");
  stream.resume();
  t.strictSame([outlet.sent.length, released(), stream.over], [3, 1, true]);
});

t.test("an end of the client is a clean one, and nothing is heard after it", async (t) => {
  const { log, outlet, stream, released } = open();
  stream.accept({});
  stream.end();
  stream.end();
  stream.accept({});
  log.append(entries(1));
  t.match(outlet.endings, [{ status: 0, closeCode: 1000 }]);
  t.strictSame([outlet.endings.length, outlet.sent.length, released()], [1, 0, 1]);
});

t.test("a client that is gone is told nothing", async (t) => {
  const { outlet, stream, released } = open();
  stream.gone("cancelled");
  stream.finish({ status: 14, closeCode: 1001, detail: "" });
  t.strictSame([outlet.endings.length, released()], [0, 1]);
});

t.test("a blocked stream sends what was held first", async (t) => {
  const { log, outlet, stream } = open();
  stream.accept({});
  stream.block();
  stream.block();
  log.append(entries(2));
  stream.resume();
  t.strictSame(outlet.sent, []);
  stream.unblock(() => undefined);
  t.strictSame(outlet.sent, []);
  stream.unblock(() => outlet.sent.push(0));
  t.strictSame(outlet.sent, [0, 1, 2]);
});
