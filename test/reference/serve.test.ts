import t from "tap";

import { readyLine, serveReference } from "../../src/reference/serve.js";
import { RawClient } from "./clients.js";

t.test("the ready line names both ports, and an abort stops the server", async (t) => {
  const stop = new AbortController();
  const lines: string[] = [];
  let announced: (() => void) | undefined;
  const ready = new Promise<void>((resolve) => (announced = resolve));
  const served = serveReference({
    rate: 0,
    stop: stop.signal,
    graceMs: 1000,
    print: (line) => {
      lines.push(line);
      announced?.();
    },
  });
  await ready;
  const [, grpcPort, httpPort] = /^ready grpc=(\d+) http=(\d+)$/.exec(lines[0] ?? "") ?? [];
  t.equal(readyLine({ grpcPort: Number(grpcPort), httpPort: Number(httpPort) }), lines[0]);
  stop.abort();
  await served;
  const raw = new RawClient(Number(httpPort));
  await raw.until(() => raw.closed, "the refusal");
});

t.test("an abort before the start stops at once", async () => {
  await serveReference({ rate: 0, stop: AbortSignal.abort(), print: () => undefined });
});
