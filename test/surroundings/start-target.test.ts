import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import t from "tap";
import { HarnessError } from "../../src/core/errors.js";
import { groupIsAlive, readGroupUsage } from "../../src/surroundings/process-group.js";
import { startTarget } from "../../src/surroundings/start-target.js";

const node = JSON.stringify(process.execPath);
const script = (body: string): string => `${node} -e ${JSON.stringify(body)}`;
/** A server that says where it listens, and ends when it is asked to. */
const polite = `const s=require("net").createServer(c=>c.on("error",()=>{})).listen(0,"127.0.0.1",()=>console.log("ready grpc="+s.address().port+" http=1"));process.on("SIGTERM",()=>process.exit(3))`;

t.test("the default ready line gives the ports, and a stop asks first", async (t) => {
  const target = await startTarget({ command: `echo starting; exec ${script(polite)}`, timeoutMs: 20_000 });
  t.ok((target.ports.grpc ?? 0) > 0);
  t.equal(target.ports.http, 1);
  t.match(target.log(), /^starting\nready grpc=/);
  t.ok((readGroupUsage(target.pid)?.rssBytes ?? 0) > 1_000_000);
  const exit = await target.stop();
  t.match(exit, { exitCode: 3, killed: false });
  t.notOk(groupIsAlive(target.pid));
  t.equal(target.death, undefined, "a stop is no death");
  t.equal(await target.stop(), exit, "a second stop is the first");
});

t.test("a target that ignores the signal is killed, with all of its children", async (t) => {
  const stubborn = `process.on("SIGTERM",()=>{});require("child_process").spawn(process.execPath,["-e","process.on('SIGTERM',()=>{});setInterval(()=>{},1000);console.log('ready http=2')"],{stdio:"inherit"});setInterval(()=>{},1000)`;
  const target = await startTarget({ command: script(stubborn), timeoutMs: 20_000, stopMs: 100 });
  t.same(target.ports, { http: 2 });
  t.ok((readGroupUsage(target.pid)?.processes ?? 0) >= 2);
  t.match(await target.stop(), { killed: true });
  t.notOk(groupIsAlive(target.pid));
});

t.test("a target that ends before it is ready is named with what it printed last", async (t) => {
  await t.rejects(startTarget({ command: "echo no such option >&2; exit 7" }), {
    name: "HarnessError",
    code: "target-died",
    message: /ended by itself with exit code 7\. It printed last:\nno such option/,
  });
});

t.test("a target that never gets ready is stopped and named", async (t) => {
  await t.rejects(startTarget({ command: "echo hello; sleep 60", timeoutMs: 200 }), { code: "not-ready", message: /was not ready after 200 ms.*\nhello/s });
});

t.test("a target that dies under test is reported, with its log", async (t) => {
  const target = await startTarget({
    command: script(`console.log("ready http=5");process.stdin.resume();setTimeout(()=>{console.error("out of cheese");process.exit(9)},50)`),
    timeoutMs: 20_000,
  });
  const death = await target.died;
  t.ok(death instanceof HarnessError);
  t.match(death, { code: "target-died", message: /exit code 9.*out of cheese/s });
  t.match(target.death, /exit code 9/);
  await target.stop();
});

t.test("a pattern of the user's own names the ports by its groups", async (t) => {
  const target = await startTarget({ command: "echo listening on 4711; sleep 60", readyLine: /listening on (?<http>\d+)/ });
  t.same(target.ports, { http: 4711 });
  await target.stop();
});

t.test("without a ready line the target is ready when its ports accept", async (t) => {
  const free = createServer();
  await new Promise<void>((resolve) => free.listen(0, "127.0.0.1", resolve));
  const { port } = free.address() as AddressInfo;
  await t.rejects(
    startTarget({ command: "sleep 60", accepts: [{ host: "127.0.0.1", port }] }),
    { code: "not-ready", message: /listens on .* already/ },
    "another's server is not taken for the target",
  );
  await new Promise((resolve) => free.close(resolve));
  const target = await startTarget({
    command: script(`require("net").createServer().listen(${port},"127.0.0.1")`),
    accepts: [{ host: "127.0.0.1", port }],
    timeoutMs: 20_000,
  });
  t.same(target.ports, {});
  await target.stop();
});

t.test("a start can be given up", async (t) => {
  await t.rejects(startTarget({ command: "sleep 60", signal: AbortSignal.abort() }), { code: "interrupted" });
});

t.test("only the end of a long log is kept", async (t) => {
  const target = await startTarget({
    command: script(`for(let i=0;i<5000;i++)console.log("line "+i);console.log("ready http=5");setInterval(()=>{},1000)`),
    logLimitBytes: 1000,
    timeoutMs: 20_000,
  });
  t.ok(target.log().length <= 1001);
  t.match(target.log(), /line 4999\nready http=5\n$/);
  await target.stop();
});
