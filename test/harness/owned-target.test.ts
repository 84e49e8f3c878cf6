import t, { type Test } from "tap";
import { fileURLToPath } from "node:url";
import { ownTarget } from "../../src/harness/owned-target.js";
import { parseTargetUrl } from "../../src/harness/target-url.js";

/** A shell command for a server that names its ports, and serves nothing. */
const named = "echo ready grpc=50123 http=8123; exec sleep 60";

async function own(t: Test, command: string, urls: Parameters<typeof ownTarget>[1]["urls"] = {}) {
  const owned = await ownTarget({ command }, { urls, folder: fileURLToPath(new URL(".", import.meta.url)), signal: undefined });
  t.teardown(() => owned.stop());
  return owned;
}

t.test("without a URL the ports of the ready line are taken", async (t) => {
  const owned = await own(t, named);
  t.match(owned.urls(), { grpc: { shown: "grpc://127.0.0.1:50123", port: 50123 }, ws: { shown: "ws://127.0.0.1:8123" } });
  t.type(owned.pid(), "number");
  t.equal(owned.death(), undefined);
});

t.test("a URL with port 0 takes its port from there, and no other URL is invented", async (t) => {
  const owned = await own(t, named, { ws: parseTargetUrl("ws://localhost:0/logs/monitor") });
  t.match(owned.urls(), { ws: { shown: "ws://localhost:8123/logs/monitor", port: 8123, path: "/logs/monitor" } });
  t.notOk("grpc" in owned.urls());
});

t.test("a port that a URL leaves open and the ready line does not name is refused, and the server stopped", async (t) => {
  await t.rejects(own(t, "echo ready grpc=50123; exec sleep 60", { ws: parseTargetUrl("ws://localhost:0") }), { code: "usage", message: /names none/ });
});

t.test("after a stop there is no process, after a start there is one again", async (t) => {
  const owned = await own(t, named);
  const first = owned.pid();
  await owned.stop();
  t.equal(owned.pid(), undefined);
  await owned.start();
  t.not(owned.pid(), first);
});

t.test("a command that ends at once is said to have died, with what it printed", async (t) => {
  await t.rejects(own(t, "echo no such database; exit 3"), { code: "target-died", message: /exit code 3.*no such database/s });
});
