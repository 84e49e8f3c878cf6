import { readFileSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo } from "node:net";
import path from "node:path";
import t, { type Test } from "tap";
import { main } from "../../src/cli/main.js";
import { loadContract } from "../../src/contract/load-contract.js";
import { diagnose } from "../../src/harness/diagnosis.js";
import { parseTargetUrl } from "../../src/harness/target-url.js";
import { filesOf, startReflectionServer } from "../contract/reflection-server.js";
import { startReferenceServer } from "../../src/reference/server.js";
import { recordingConsole } from "../cli/recording-console.js";

async function look(url: string, method?: string) {
  return diagnose({
    url: parseTargetUrl(url),
    contract: await loadContract("logger"),
    named: method === undefined ? undefined : { method },
    headers: [],
    tls: {},
    timeoutMs: 1000,
  });
}

async function reference(t: Test) {
  const server = await startReferenceServer();
  t.teardown(() => server.kill());
  return server;
}

t.test("a monitor in the right place has nothing that is bad", async (t) => {
  const server = await reference(t);
  for (const url of [server.urls.grpc, `ws://127.0.0.1:${server.httpPort}/logs/monitor`]) {
    t.strictSame(
      (await look(url)).filter(({ status }) => status === "bad"),
      [],
      url,
    );
  }
});

t.test("the ports of the two transports, mixed up, are told apart", async (t) => {
  const server = await reference(t);
  t.match(
    (await look(`grpc://127.0.0.1:${server.httpPort}`)).find(({ status }) => status === "bad"),
    { what: "HTTP/2", hint: /write ws:\/\// },
  );
  t.match(
    (await look(`ws://127.0.0.1:${server.grpcPort}`)).find(({ status }) => status === "bad"),
    { what: "upgrade", hint: /write grpc:\/\// },
  );
});

t.test("a wrong path is answered with the one that is upgraded", async (t) => {
  const server = await reference(t);
  t.match(
    (await look(`ws://127.0.0.1:${server.httpPort}/nowhere`)).find(({ status }) => status === "bad"),
    { says: /answered 404/, hint: new RegExp(`did you mean ws://127.0.0.1:${server.httpPort}/logs/monitor`) },
  );
});

t.test("TLS where there is none, and a port where nobody listens, end the questions", async (t) => {
  const server = createHttpServer((_, response) => response.end());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  t.match((await look(`wss://127.0.0.1:${port}`)).at(-1), { status: "bad", says: /does not speak TLS/, hint: /write ws:\/\// });
  await new Promise((resolve) => server.close(resolve));
  t.match((await look(`ws://127.0.0.1:${port}`)).at(-1), { status: "bad", says: /nothing listens/ });
});

const fleet = `syntax = "proto3";
package fleet;
message Watch { string line = 1; Ids vehicles = 2; map<string, string> labels = 3; }
message Ids { repeated uint32 id = 1; }
message Position { string line = 1; }
service Fleet { rpc Follow (stream Watch) returns (stream Position); rpc Get (Watch) returns (Position); }
`;

t.test("without a method to look for, the services that a server has are listed, and those of their methods that may be monitors", async (t) => {
  const files = await filesOf(fleet);
  const { url } = await startReflectionServer(t, "v1", { files, service: "fleet.Fleet", file: Object.keys(files)[0] ?? "" });
  const findings = await look(url);
  t.match(
    findings.find(({ what }) => what === "reflection"),
    { status: "good", says: "it serves grpc.reflection.v1.ServerReflection, fleet.Fleet" },
  );
  t.match(
    findings.find(({ what }) => what === "monitors"),
    { says: "fleet.Fleet/Follow streams both ways", hint: `halfclose init ${url} writes a contract to start from` },
  );
  t.match(
    (await look(url, "/fleet.Fleeet/Follow")).find(({ what }) => what === "reflection"),
    { status: "info", says: /^it does not name fleet\.Fleeet: it serves .*Did you mean "fleet\.Fleet"\?$/ },
  );
  t.match(
    (await look(url, "/fleet.Fleet/Follow")).find(({ what }) => what === "reflection"),
    { status: "good" },
  );
});

t.test("a contract that has its types by reflection is checked against them by doctor, and init writes one that fits", async (t) => {
  const files = await filesOf(fleet);
  const { url } = await startReflectionServer(t, "v1", { files, service: "fleet.Fleet", file: Object.keys(files)[0] ?? "" });
  const folder = t.testdir();
  const file = path.join(folder, "monitor.yaml");
  const doctor = async (): Promise<string> => {
    const console = recordingConsole({ folder });
    await main(["doctor", url, "--contract", "monitor.yaml"], console);
    return console.output() + console.errors();
  };
  const console = recordingConsole({ folder });
  t.equal(await main(["init", url, "--yes"], console), 0, console.errors());
  t.match(readFileSync(file, "utf8"), /#.*\{ cel: "!has\(filter\.vehicles\)/);
  t.match(await doctor(), /✓ contract +monitor\.yaml fits the server's types: \/fleet\.Fleet\/Follow/);
  writeFileSync(file, readFileSync(file, "utf8").replace("match:", "match:\n  - { filter: vehicles, entry: line, rule: equals }"));
  t.match(await doctor(), /✗ contract +monitor\.yaml:\d+:\d+: The filter's field "vehicles" is a message \(fleet\.Ids\)/);
});
