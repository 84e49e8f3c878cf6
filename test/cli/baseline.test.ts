import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { main } from "../../src/cli/main.js";
import type { Report } from "../../src/core/report.js";
import { startReferenceServer } from "../../src/reference/server.js";
import { recordingConsole } from "./recording-console.js";

t.test("a run is shown beside its baseline, figure by figure, and what cannot be compared is refused before it is measured", async (t) => {
  const [quick, slow] = await Promise.all([startReferenceServer({ rate: 400 }), startReferenceServer({ rate: 40 })]);
  t.teardown(() => Promise.all([quick.kill(), slow.kill()]));
  const folder = t.testdir();
  const halfclose = async (...args: readonly string[]) => {
    const console = recordingConsole({ folder });
    return { code: await main(args, console), said: console.errors(), printed: console.output() };
  };
  const file = (name: string): string => path.join(folder, name, "results.json");
  const read = (name: string): Report => JSON.parse(readFileSync(file(name), "utf8")) as Report;
  const url = ({ httpPort }: { readonly httpPort: number }): string => `ws://127.0.0.1:${httpPort}/logs/monitor`;

  await halfclose("load", "throughput", url(quick), "-d", "2s", "-o", "before");
  const [measured] = read("before").workloads;
  // On a machine that is too busy just then the generator may be invalid, which is not what is asked here.
  const rewrite = (name: string, change: (report: Report) => Report): void => writeFileSync(file(name), JSON.stringify(change(read(name))));
  rewrite("before", (report) => ({ ...report, workloads: report.workloads.map((record) => ({ ...record, generator: { status: "valid", reasons: [] } })) }));

  const threshold = "received rate vs baseline >= 0.5x";
  const after = await halfclose("load", "throughput", url(slow), "-d", "2s", "-o", "after", "--baseline", "before/results.json", "-t", threshold);
  const [record] = read("after").workloads;
  t.equal(record?.thresholds[0]?.status, "failed");
  if (record?.generator.status === "valid") {
    t.equal(after.code, 99);
    t.match(after.printed, /beside before\/results\.json: received rate [\d,.]+\/s -> [\d,.]+\/s, 0\.\d+x \(.+\) worse/);
    t.match(record.baseline, { name: "before/results.json", ratios: [] });
    t.equal(record.baseline?.ratios.find(({ of }) => of === "received rate")?.before, measured?.rates["received"]?.mean);
  } else {
    t.equal(after.code, 6);
    t.equal(record?.baseline, undefined, "what the generator spoiled is compared with nothing");
  }

  const refusal = async (...options: readonly string[]): Promise<string> => {
    const { code, said } = await halfclose("load", "throughput", url(quick), "-o", "refused", "--baseline", "before/results.json", ...options);
    t.equal(code, 2);
    return said;
  };
  t.match(await refusal("-d", "1s"), /--baseline: The runs are of different workloads/);
  rewrite("before", (report) => ({ ...report, environment: { ...report.environment, cores: 999, fingerprint: "another" } }));
  t.match(await refusal("-d", "2s"), /--baseline: The runs are of different machines: 999 cores/);
  rewrite("before", (report) => ({
    ...report,
    environment: read("after").environment,
    workloads: report.workloads.map((each) => ({ ...each, generator: { status: "invalid", reasons: ["Its loop was busy."] } })),
  }));
  t.match(await refusal("-d", "2s"), /--baseline: The baseline cannot be compared, because the generator was invalid: Its loop was busy\./);
  rewrite("before", (report) => ({ ...report, partial: true }));
  t.match(await refusal("-d", "2s"), /--baseline: The baseline cannot be compared, because it was interrupted\./);
});
