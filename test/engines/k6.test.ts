import { existsSync } from "node:fs";
import t from "tap";
import { Histogram } from "../../src/core/histogram.js";
import { createK6Engine, type K6EngineOptions, spoiledByLoad } from "../../src/engines/k6.js";
import { groupIsAlive, killGroup, readGroupUsage } from "../../src/surroundings/process-group.js";
import { churn, taskOf, unservedTarget } from "./engine-task.js";
import { type Behaviour, writeFakeK6 } from "./fake-k6.js";

const noScript = existsSync(new URL("../../src/engines/k6/script.js", import.meta.url)) ? false : "the k6 script is not built: npm run build";

function engineAs(
  folder: string,
  behaviour: Behaviour,
  more: Partial<K6EngineOptions> = {},
): { readonly engine: ReturnType<typeof createK6Engine>; readonly leaders: Set<number> } {
  const leaders = new Set<number>();
  const engine = createK6Engine({
    binary: writeFakeK6(folder, behaviour),
    environment: { PATH: process.env["PATH"], K6_VUS: "7" },
    watch: {
      usage(leader) {
        leaders.add(leader);
        return readGroupUsage(leader);
      },
      kill(leader, signal) {
        leaders.add(leader);
        killGroup(leader, signal);
      },
    },
    ...more,
  });
  return { engine, leaders };
}

t.test("points of a k6 that behaves reach the task, and nothing is left behind", { skip: noScript }, async (t) => {
  const { engine, leaders } = engineAs(t.testdir(), "fine");
  const task = taskOf(churn, [await unservedTarget("grpc")]);
  const outcome = await engine.perform(task);
  t.strictSame(outcome.spoiled, []);
  t.ok(outcome.measuredMicros > 0);
  t.match(task.points, [
    { kind: "count", metric: "opened", times: 2, group: "churn" },
    { kind: "count", metric: "received", times: 40 },
    { kind: "time", metric: "filter-apply", micros: 12_345, times: 1 },
    { kind: "beyond", metric: "filter-apply", times: 1 },
    { kind: "time", metric: "delivery-lag", micros: 500, times: 39 },
    { kind: "stream-rate", perSecond: 20 },
  ]);
  t.equal([...leaders].some(groupIsAlive), false, "no process is left");
});

const endings: readonly (readonly [Behaviour, string, RegExp])[] = [
  ["crash", "a k6 that crashes spoils the numbers and keeps what came, with its last words", /exit code 2; its last words: the engine room is on fire/],
  ["exception", "an exception in the script is said as such", /script failed \(exit code 107\); its last words: ReferenceError: x is not defined/],
  ["stopped", "a k6 that somebody stopped is told from one that failed", /Somebody stopped k6 \(exit code 105\)/],
  ["killed", "a k6 that somebody kills is told from one that ended", /ended by SIGKILL/],
  ["garbage", "lines that cannot be read are counted, and overlong ones not kept", /^4 lines of k6's output could not be read/],
];
for (const [behaviour, title, expected] of endings) {
  t.test(title, { skip: noScript }, async (t) => {
    const { engine, leaders } = engineAs(t.testdir(), behaviour);
    const task = taskOf(churn, [await unservedTarget("grpc")]);
    const outcome = await engine.perform(task);
    t.equal(outcome.spoiled.length, 1);
    t.match(outcome.spoiled[0], expected);
    t.ok(task.points.some((point) => point.kind === "count" && point.metric === "received" && point.times === 40));
    t.equal([...leaders].some(groupIsAlive), false);
  });
}

t.test("k6's own exit code for thresholds means nothing, since thresholds are judged here", { skip: noScript }, async (t) => {
  const { engine } = engineAs(t.testdir(), "thresholds");
  const outcome = await engine.perform(taskOf(churn, [await unservedTarget("grpc")]));
  t.strictSame(outcome.spoiled, []);
});

// A slack below nothing makes the deadlines, which are seconds for such a plan, short ones.
t.test("a k6 that hangs and ignores signals is killed at its deadline, and what it measured is kept", { skip: noScript }, async (t) => {
  const { engine, leaders } = engineAs(t.testdir(), "hang", { slackMs: -2500 });
  const task = taskOf(churn, [await unservedTarget("grpc")]);
  const outcome = await engine.perform(task);
  t.match(outcome.spoiled, [/did not end within .* and was killed/]);
  t.ok(task.points.length > 0);
  t.equal([...leaders].some(groupIsAlive), false, "SIGKILL reached its whole group");
});

t.test("a k6 that says nothing is killed before its whole time is up", { skip: noScript }, async (t) => {
  const { engine, leaders } = engineAs(t.testdir(), "silent", { silentMs: -1400 });
  const outcome = await engine.perform(taskOf(churn, [await unservedTarget("grpc")]));
  t.match(outcome.spoiled, [/wrote nothing/]);
  t.equal([...leaders].some(groupIsAlive), false);
});

t.test("a k6 that takes too much memory is killed with that verdict", { skip: noScript }, async (t) => {
  const { engine, leaders } = engineAs(t.testdir(), "hang", { rssLimitBytes: 1024 });
  const outcome = await engine.perform(taskOf(churn, [await unservedTarget("grpc")]));
  t.match(outcome.spoiled, [/took more than 0 MiB of memory and was killed/]);
  t.equal([...leaders].some(groupIsAlive), false);
});

t.test("an abort ends even a k6 that ignores SIGINT, and spoils nothing", { skip: noScript }, async (t) => {
  const { engine, leaders } = engineAs(t.testdir(), "hang");
  const abort = new AbortController();
  const task = taskOf(churn, [await unservedTarget("grpc")], abort.signal);
  const outcome = await engine.perform({
    ...task,
    onPoint: () => abort.abort(),
  });
  t.strictSame(outcome.spoiled, []);
  t.equal([...leaders].some(groupIsAlive), false);
});

t.test("streams that all fail to open are an unreachable target, not an empty measurement", { skip: noScript }, async (t) => {
  const { engine } = engineAs(t.testdir(), "refused");
  await t.rejects(engine.perform(taskOf(churn, [await unservedTarget("grpc")])), {
    code: "unreachable",
    message: /connection refused/,
    place: "grpc://127.0.0.1:9",
  });
});

t.test("no k6, one too old, and something else of that name are said before anything starts", async (t) => {
  const task = taskOf(churn, [await unservedTarget("grpc")]);
  const folder = t.testdir();
  await t.rejects(engineAs(folder, "old").engine.perform(task), { code: "usage", message: /is k6 0\.54\.0, and the k6 engine needs 2\.2\.0/ });
  await t.rejects(engineAs(folder, "foreign").engine.perform(task), { code: "usage", message: /does not say its version: "this is another program/ });
  await t.rejects(engineAs(folder, "mute").engine.perform(task), { code: "usage", message: /does not say its version/ });
  await t.rejects(engineAs(folder, "fine", { binary: `${folder}/nowhere` }).engine.perform(task), {
    code: "usage",
    message: `There is no k6 at ${folder}/nowhere.`,
  });
});

t.test("a k6 whose script is late, or that takes all cores, measured itself: it says nothing of that, so it is said here", (t) => {
  const delayed = (micros: number) => {
    const histogram = new Histogram();
    histogram.recordMany(micros, 100);
    return histogram;
  };
  t.strictSame(spoiledByLoad(delayed(2000), 0, 0.5), []);
  t.strictSame(spoiledByLoad(delayed(40_000), 500_000, 0.5), [], "a tenth of the limit that is asked for is exact enough");
  t.match(spoiledByLoad(delayed(117_000), 0, 0.5), [/had its turn 117ms late at p99, more than 10ms/]);
  t.match(spoiledByLoad(delayed(2000), 0, 1000), [/k6 used 1,000 of \d+ cores: it was the bottleneck/]);
  t.end();
});
