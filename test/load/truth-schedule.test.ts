import t from "tap";
import type { Transport } from "../../src/core/contract.js";
import { drivers } from "../../src/drivers/index.js";
import { histogramFromRecord } from "../../src/load/histogram-record.js";
import { runLoad } from "../../src/load/run-load.js";
import { against, perform, quantile, slackMicros, targetOf, workload } from "./planted-server.js";
import { recordingSends } from "./recording-sends.js";

// What a schedule must show, and say when it was not kept.
const transports: readonly Transport[] = ["grpc", "ws"];
t.jobs = 2;
const backAndForth = "begin: [send: $disjoint.1, expect: applied]\neach: [send: { next-of: [$disjoint.2, $disjoint.1] }, expect: applied]\n";

await Promise.all(
  transports.map((transport) =>
    t.test(`${transport}: a stall of 500 ms every 5 s shows on the intended schedule, and a closed loop hides it`, async (t) => {
      await against({ rate: 300, planted: { stallEveryMs: 5000, stallForMs: 500 } }, async (server) => {
        const sends: number[][] = [];
        const [open, closed] = await Promise.all([
          runLoad({
            targets: [targetOf(server, transport)],
            drivers: [transport === "grpc" ? recordingSends(drivers["grpc-wire"], sends) : recordingSends(drivers["websocket-wire"], sends)],
            seed: 7,
            // One stall in eight seconds: it reaches six updates of a hundred.
            workload: workload(`streams: 60\nduration: 8s\napply-within: 5s\n${backAndForth}open: { of: updates, rate: 60/s, spacing: uniform }\n`),
            thresholds: ["filter-apply p99 < 2s"],
          }),
          perform(server, transport, { workload: workload(`streams: 2\nduration: 8s\n${backAndForth}closed: { think: 5ms }\n`) }),
        ]);
        if (open.generator.status === "invalid") {
          // On a machine that is too busy for this the record says so, which is the truth as well.
          t.match(open.generator.reasons.join(" "), /busy|late/);
          return;
        }
        const { streams } = server.planted();
        // The k-th filter of a stream was sent then, and put in force then; the streams of the closed loop have thousands.
        const truth = streams
          .filter(({ applied }) => applied.length <= 30)
          .flatMap((stream, i) => stream.applied.flatMap(({ appliedMicros }, k) => (k === 0 ? [] : [appliedMicros - (sends[i]?.[k] ?? Number.NaN)])));
        const apply = open.histograms["filter-apply"];
        t.ok(apply !== undefined && apply.overflow === 0);
        if (apply === undefined) {
          return;
        }
        const measured = histogramFromRecord(apply);
        const slack = slackMicros(open, "p99");
        for (const q of [0.97, 0.99]) {
          const real = quantile(truth, q);
          const figure = measured.quantile(q);
          t.ok(real > 100_000, `p${q * 100}: the stall reaches so far: ${real}`);
          t.ok(Math.abs(figure - real) <= real * 0.1 + slack, `p${q * 100}: ${figure} against ${real}, within 10 % and ${slack}`);
        }
        const hidden = closed.histograms["filter-apply"];
        t.ok(hidden !== undefined && hidden.count > 500, "the closed loop went on");
        t.ok((hidden?.p99 ?? Infinity) < measured.quantile(0.99) / 2, `of its many updates only one a stream met the stall: p99 ${hidden?.p99}`);
        t.ok((hidden?.max ?? 0) > 400_000, "which the greatest value shows");
      });
    }),
  ),
);

t.test("a generator whose loop is burned says that its numbers are invalid", async (t) => {
  await against({ rate: 1000 }, async (server) => {
    const burning = setInterval(() => {
      const until = performance.now() + 90;
      while (performance.now() < until);
    }, 100);
    const record = await runLoad({
      targets: [targetOf(server, "grpc")],
      drivers: [drivers["grpc-wire"]],
      seed: 7,
      workload: workload(`streams: 4\nduration: 1s\n${backAndForth}open: { of: updates, rate: 50/s }\n`),
    });
    clearInterval(burning);
    t.equal(record.generator.status, "invalid");
    t.match(record.generator.reasons.join(" "), /busy|late/);
  });
});
