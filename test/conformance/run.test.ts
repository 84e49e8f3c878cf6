import { performance } from "node:perf_hooks";
import t, { type Test } from "tap";
import type { Check } from "../../src/conformance/check.js";
import type { DraftProducer } from "../../src/conformance/supply.js";
import { runChecks, type RunOutcome } from "../../src/conformance/run.js";
import type { Contract, EntryDraft, Filter } from "../../src/core/contract.js";
import type { Driver, StreamEvent } from "../../src/core/stream.js";
import { fail, failOnSight } from "../../src/core/verdict.js";
import { memoryContract } from "../load/memory-server.js";

const applyMs = 400;

/** A monitor in memory whose entries, written through `produce`, come `behindMs()` after they were written. */
function slowServer(behindMs: () => number): { driver: Driver; producer: DraftProducer } {
  const readers = new Set<(entry: EntryDraft) => void>();
  let sequence = 0;
  const produce = async (drafts: readonly EntryDraft[]) => {
    setTimeout(() => {
      for (const draft of drafts) {
        sequence += 1;
        for (const read of readers) {
          read({ ...draft, sequence: String(sequence) });
        }
      }
    }, behindMs());
    return { kind: "produced" as const };
  };
  const open = (events: (event: StreamEvent) => void) => {
    const read = (message: EntryDraft): void => events({ kind: "message", atMicros: performance.now() * 1000, message, bytes: 1, text: true });
    readers.add(read);
    return {
      send: async () => undefined,
      end: async () => undefined,
      cancel: () => void readers.delete(read),
      pause() {},
      resume() {},
      ended: new Promise<never>(() => undefined),
    };
  };
  const driver: Driver = {
    name: "websocket-wire",
    transport: "ws",
    hides: [],
    connect: async () => ({ open: async ({ events }) => open(events), close: async () => undefined }),
  };
  return { driver, producer: { produce } };
}

/** The producer, whose answers come that much later. */
function answeringLate(producer: DraftProducer, lateMs: () => number): DraftProducer {
  return {
    async produce(drafts) {
      const outcome = await producer.produce(drafts);
      await new Promise((resolve) => setTimeout(resolve, lateMs()));
      return outcome;
    },
  };
}

function contractWithTokens(): Contract {
  const contract = memoryContract();
  const draft = ([filter]: readonly Filter[]): EntryDraft => ({
    source: filter?.name === "beta" ? "beta" : "alpha",
    level: "info",
    time: "2026-01-01T00:00:00Z",
  });
  return {
    ...contract,
    entries: { ...contract.entries, token: "message" },
    roles: { ...contract.roles, broad: contract.filters["everything"] as Filter },
    draft: (yes, no) => (yes.some((filter) => no.includes(filter)) ? undefined : draft(yes)),
  };
}

function checkOf(name: string, run: Check["run"], more: Partial<Check> = {}): Check {
  return { id: `script/${name}`, on: ["ws"], level: "must", requirement: name, clause: "test", why: "test", exchange: [], causes: {}, run, ...more };
}

async function perform(t: Test, server: ReturnType<typeof slowServer>, checks: readonly Check[]): Promise<RunOutcome> {
  const stop = new AbortController();
  t.teardown(() => stop.abort());
  return runChecks({
    contract: contractWithTokens(),
    targets: { ws: { transport: "ws", url: "ws://memory", host: "memory", port: 1 } as never },
    drivers: { ws: server.driver },
    tasks: checks.map((check) => ({ check, transport: "ws" })),
    producer: server.producer,
    probe: { state: { kind: "declared-none" }, read: async () => ({ kind: "unavailable", reason: "none" }) },
    bounds: { applyMs, endMs: 200, releaseMs: 200, stopMs: 200 },
    seed: 1,
    signal: stop.signal,
  });
}

/** Fails when its own entry does not come within the bound; entries written before it come meanwhile. */
const waits = checkOf("waits", async (session) => {
  const filter = session.role("broad");
  const conversation = await session.open({ filter });
  await session.supply.produce([filter], [], 5);
  await session.settle(200);
  await session.barrier(conversation);
});

t.test("what fails while the server is behind with entries of the run is asked again with nothing beside it", async (t) => {
  let beside = true;
  const neighbour = checkOf("beside", async (session) => {
    await session.until(() => undefined, 1500, { quiet: true });
    beside = false;
  });
  const { records } = await perform(
    t,
    slowServer(() => (beside ? 600 : 0)),
    [waits, neighbour],
  );
  t.match(records[0], { status: "passed", reason: /^asked again, with nothing beside it: at first "it did not come", while the server was \d+ ms behind/ });
});

t.test("also where the check's own stream tells nothing of it: another check's stream, or the producer, does", async (t) => {
  for (const told of ["stream", "producer"] as const) {
    let beside = true;
    const server = slowServer(() => (beside ? 600 : 0));
    const slow = told === "stream" ? server : { ...server, producer: answeringLate(server.producer, () => (beside ? 800 : 0)) };
    const neighbour = checkOf("beside", async (session) => {
      const conversation = await session.open({ filter: session.role("broad") });
      for (let round = 0; round < 30; round++) {
        if (told === "stream") {
          await session.supply.produce([session.role("broad")], []);
        }
        await session.settle(50);
      }
      conversation.cancel();
      beside = false;
    });
    const silent = checkOf("silent", async (session) => {
      const conversation = await session.open();
      await session.until(() => undefined, 500, { quiet: true });
      void session.supply.produce([session.role("broad")], []);
      const heard = await session.until(() => (beside ? undefined : true), applyMs);
      conversation.cancel();
      if (heard === undefined) {
        fail("something", "it did not come");
      }
    });
    const { records } = await perform(t, slow, [silent, neighbour]);
    t.match(records[0], { status: "passed", reason: /while the server was \d+ ms behind/ }, told);
  }
});

t.test("a reader that paused tells how far the server is behind once it reads again", async (t) => {
  let beside = true;
  const neighbour = checkOf("beside", async (session) => {
    await session.until(() => undefined, 2000, { quiet: true });
    beside = false;
  });
  const paused = checkOf("paused", async (session) => {
    const filter = session.role("broad");
    const conversation = await session.open({ filter });
    conversation.pause();
    conversation.resume();
    await session.supply.produce([filter], [], 5);
    await session.settle(200);
    await session.barrier(conversation);
  });
  const { records } = await perform(
    t,
    slowServer(() => (beside ? 600 : 0)),
    [paused, neighbour],
  );
  t.match(records[0], { status: "passed", reason: /while the server was \d+ ms behind/ });
});

t.test("a server that is behind with nothing beside the check fails it", async (t) => {
  const { records } = await perform(
    t,
    slowServer(() => 600),
    [waits],
  );
  t.match(records[0], { status: "failed", actual: "it did not come" });
});

t.test("what fails on a server that is not behind is not asked again", async (t) => {
  let asked = 0;
  const wrong = checkOf("wrong", async (session) => {
    asked += 1;
    await session.flowing(session.role("broad"));
    fail("nothing", "something");
  });
  const { records } = await perform(
    t,
    slowServer(() => 0),
    [wrong],
  );
  t.match(records[0], { status: "failed", actual: "something" });
  t.equal(asked, 1);
});

/** Holds this process's loop up, then states the verdict. */
function lateAndWrong(state: typeof fail): { readonly check: Check; readonly asked: () => number } {
  let asked = 0;
  const check = checkOf("late", async (session) => {
    asked += 1;
    if (asked === 1) {
      const untilMs = performance.now() + 600;
      while (performance.now() < untilMs);
      await session.settle(50);
      state("nothing", "something");
    }
  });
  return { check, asked: () => asked };
}

t.test("what fails while this process is late is asked again, unless it rests on what came alone", async (t) => {
  const timed = lateAndWrong(fail);
  const seen = lateAndWrong(failOnSight);
  const first = await perform(
    t,
    slowServer(() => 0),
    [timed.check],
  );
  t.match(first.records[0], {
    status: "passed",
    reason: /^asked again, with nothing beside it: at first "something", while the harness's own loop was late by \d+ ms/,
  });
  t.equal(timed.asked(), 2);
  const second = await perform(
    t,
    slowServer(() => 0),
    [seen.check],
  );
  t.match(second.records[0], { status: "failed", actual: "something" });
  t.equal(seen.asked(), 1);
});

/** Waits in vain, the first `times` times while this process's loop is held up. */
function lateFor(times: number): { readonly check: Check; readonly asked: () => number } {
  let asked = 0;
  const check = checkOf("busy", async (session) => {
    asked += 1;
    if (asked <= times) {
      setTimeout(() => {
        const untilMs = performance.now() + 900;
        while (performance.now() < untilMs);
      }, 20);
      await session.until(() => undefined, applyMs);
    }
  });
  return { check, asked: () => asked };
}

t.test("what this process was too late to tell is asked until it is on time", async (t) => {
  const late = lateFor(3);
  const { records } = await perform(
    t,
    slowServer(() => 0),
    [late.check],
  );
  t.match(records[0], { status: "passed", reason: /^asked again, with nothing beside it: the harness's own loop was late by \d+ ms/ });
  t.equal(late.asked(), 4);
});

t.test("a machine that stays too busy is said to be, after four more times", async (t) => {
  const late = lateFor(Infinity);
  const { records } = await perform(
    t,
    slowServer(() => 0),
    [late.check],
  );
  t.match(records[0], { status: "broken", reason: /the machine is too busy to tell/ });
  t.equal(late.asked(), 5);
});
