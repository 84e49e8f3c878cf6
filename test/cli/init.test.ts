import { readFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { main } from "../../src/cli/main.js";
import { startReferenceServer } from "../../src/reference/server.js";
import { recordingConsole } from "./recording-console.js";

t.test("a WebSocket alone gives a contract that is valid and a config that names it", async (t) => {
  const server = await startReferenceServer();
  t.teardown(() => server.kill());
  const folder = t.testdir();
  const url = `ws://127.0.0.1:${server.httpPort}/logs/monitor`;
  const console = recordingConsole({ folder });
  t.equal(await main(["init", url], console), 0, console.errors());
  const contract = readFileSync(path.join(folder, "monitor.yaml"), "utf8");
  t.match(contract, /websocket: \{ path: \/logs\/monitor \}/);
  t.match(contract, /^ {2}sequence: sequence$/m);
  t.match(contract, /^ {2}time: time$/m);
  t.match(readFileSync(path.join(folder, "halfclose.config.yaml"), "utf8"), new RegExp(url));
  const again = recordingConsole({ folder });
  t.equal(await main(["init", url], again), 2);
  t.match(again.errors(), /is there already/);
});

t.test("a gRPC server without reflection is told what to do instead", async (t) => {
  const server = await startReferenceServer();
  t.teardown(() => server.kill());
  const console = recordingConsole({ folder: t.testdir() });
  t.equal(await main(["init", server.urls.grpc], console), 2);
  t.match(console.errors(), /serves neither/);
});
