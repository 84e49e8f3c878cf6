import { fileURLToPath } from "node:url";
import t from "tap";
import type { Report } from "../../src/core/report.js";
import { runConformance } from "../../src/harness/conformance-run.js";
import type { FaultName } from "../../src/reference/faults.js";

t.setTimeout(3 * 60 * 1000);

const cli = fileURLToPath(new URL("../../src/cli.js", import.meta.url));

/** What needs the processor time of a server in a process of its own. */
async function idleProcessorTime(fault?: FaultName): Promise<Report> {
  const serve = `exec ${JSON.stringify(process.execPath)} ${JSON.stringify(cli)} serve --grpc-port 0 --http-port 0`;
  return runConformance({
    urls: [],
    headers: [],
    start: { command: fault === undefined ? serve : `${serve} --bug ${fault}` },
    seed: 1,
    select: { ids: ["resources/idle-cpu"] },
  });
}

t.test("a server that spins while nothing is to be sent is caught on both transports, and by nothing else that was asked", async (t) => {
  const { checks } = await idleProcessorTime("busy-loop");
  t.same(
    checks.map(({ id, transport, status }) => `${status} ${id} ${transport}`),
    ["warned resources/idle-cpu grpc", "warned resources/idle-cpu ws"],
    { checks },
  );
});

t.test("the correct server is idle while nothing is to be sent", async (t) => {
  const { checks } = await idleProcessorTime();
  t.same(
    checks.map(({ id, transport, status }) => `${status} ${id} ${transport}`),
    ["passed resources/idle-cpu grpc", "passed resources/idle-cpu ws"],
    { checks },
  );
});
