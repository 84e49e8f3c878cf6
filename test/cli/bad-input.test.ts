import { readFileSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import path from "node:path";
import t, { type Test } from "tap";
import { WebSocketServer } from "ws";
import { main } from "../../src/cli/main.js";
import type { Report } from "../../src/core/report.js";
import { startReferenceServer } from "../../src/reference/server.js";
import { recordingConsole } from "./recording-console.js";

/** Runs one command line in a folder of its own. */
async function halfclose(t: Test, args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const folder = t.testdir();
  const console = recordingConsole({ folder, environment });
  const code = await main(args, console);
  return { code, folder, said: console.errors(), printed: console.output() };
}

function results(folder: string): Report {
  return JSON.parse(readFileSync(path.join(folder, "reports", "results.json"), "utf8")) as Report;
}

async function listening(t: Test, server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    // The harness may reset it: that is its way to give up.
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    server.close();
    for (const socket of sockets) {
      socket.destroy();
    }
  });
  return (server.address() as AddressInfo).port;
}

async function freePort(t: Test): Promise<number> {
  const server = createServer();
  const port = await listening(t, server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

for (const scheme of ["grpc", "ws"]) {
  t.test(`${scheme}: a port where nothing listens is unreachable, and results.json says so`, async (t) => {
    const url = `${scheme}://127.0.0.1:${await freePort(t)}`;
    const { code, said, folder } = await halfclose(t, ["run", url]);
    t.equal(code, 4);
    t.match(said, new RegExp(`^halfclose: ${url}: nothing listens .*refused`));
    t.match(results(folder), { partial: true, exitCode: 4, problems: [/nothing listens/], checks: [] });
  });

  t.test(`${scheme}: a peer that resets every connection is unreachable`, async (t) => {
    const server = createServer((socket) => socket.resetAndDestroy());
    const { code, said } = await halfclose(t, ["run", `${scheme}://127.0.0.1:${await listening(t, server)}`]);
    t.equal(code, 4);
    t.match(said, /^halfclose: .*127\.0\.0\.1/);
  });

  t.test(`${scheme}: a peer that says nothing at all is given up within its bound`, async (t) => {
    const server = createServer();
    const { code, said } = await halfclose(t, ["run", `${scheme}://127.0.0.1:${await listening(t, server)}`]);
    t.equal(code, 4);
    t.match(said, /did not answer|no answer|within/);
  });
}

t.test("a WebSocket path that answers 404 is named, with what to check", async (t) => {
  const server = createHttpServer((_, response) => response.writeHead(404).end("no such page"));
  const { code, said } = await halfclose(t, ["run", `ws://127.0.0.1:${await listening(t, server)}/nowhere`]);
  t.equal(code, 4);
  t.match(said, /404/);
  t.match(said, /check the path/);
});

t.test("gRPC to a port that speaks HTTP/1.1 says what was found there", async (t) => {
  const server = createHttpServer((_, response) => response.end("hello"));
  const { code, said } = await halfclose(t, ["run", `grpc://127.0.0.1:${await listening(t, server)}`]);
  t.equal(code, 4);
  t.match(said, /HTTP\/1\.1, not in HTTP\/2/);
});

t.test("a TLS port without HTTP/2 is told from a bad certificate, and by a plain URL points to TLS", async (t) => {
  const { generate } = await import("selfsigned");
  const pem = await generate([{ name: "commonName", value: "localhost" }]);
  const server = createHttpsServer({ cert: pem.cert, key: pem.private }, (_, response) => response.end("hello"));
  const port = await listening(t, server);
  const secure = await halfclose(t, ["run", `grpcs://127.0.0.1:${port}`, "--insecure"]);
  t.equal(secure.code, 4);
  t.match(secure.said, /does not offer HTTP\/2/);
  const plain = await halfclose(t, ["run", `grpc://127.0.0.1:${port}`]);
  t.equal(plain.code, 4);
  t.match(plain.said, /grpcs:\/\//);
});

t.test("a WebSocket that only echoes does not conform, and breaks nothing here", async (t) => {
  const server = createHttpServer();
  const upgrades = new WebSocketServer({ server });
  upgrades.on("connection", (socket) => {
    socket.on("error", () => undefined);
    socket.on("message", (data: Buffer, isBinary) => socket.send(data, { binary: isBinary }));
  });
  const { code, said } = await halfclose(t, ["run", `ws://127.0.0.1:${await listening(t, server)}/logs/monitor`]);
  t.equal(code, 1, said);
});

t.test("WebSocket to a gRPC port says that it is another protocol", async (t) => {
  const server = await startReferenceServer();
  t.teardown(() => server.kill());
  const { code, said } = await halfclose(t, ["run", `ws://127.0.0.1:${server.grpcPort}`]);
  t.equal(code, 4);
  t.match(said, /HTTP\/2|gRPC/);
});

t.test("a certificate that nobody vouches for is refused with the option that would trust it", async (t) => {
  const { generate } = await import("selfsigned");
  const pem = await generate([{ name: "commonName", value: "localhost" }]);
  const server = await startReferenceServer({ tls: { cert: pem.cert, key: pem.private } });
  t.teardown(() => server.kill());
  const { code, said } = await halfclose(t, ["run", `grpcs://127.0.0.1:${server.grpcPort}`]);
  t.equal(code, 4);
  t.match(said, /certificate/);
  t.match(said, /--ca FILE/);
  t.match(said, /--insecure/);
});

t.test("a contract with an unknown key is refused at its line and column", async (t) => {
  const folder = t.testdir({ "monitor.yaml": "name: mine\nfilters: { all: {} }\nmatch: []\nproduser: none\n" });
  const console = recordingConsole({ folder });
  t.equal(await main(["run", "grpc://127.0.0.1:1", "--contract", "monitor.yaml"], console), 2);
  t.match(console.errors(), /monitor\.yaml:4:1: Unknown key "produser"\. Did you mean "producer"\?/);
});

t.test("an output folder that cannot be made is said before anything runs", async (t) => {
  const server = await startReferenceServer();
  t.teardown(() => server.kill());
  const folder = t.testdir({ taken: "a file" });
  const console = recordingConsole({ folder });
  t.equal(await main(["run", server.urls.grpc, "--grep", "first-filter/takes-effect", "--output", "taken/reports"], console), 2);
  t.match(console.errors(), /cannot be written to .*results\.json/);
  t.match(console.errors(), /--output/);
});

t.test("names that are not there get the nearest that is, and exit code 2", async (t) => {
  const cases: readonly (readonly [args: readonly string[], says: RegExp])[] = [
    [["run", "grpc://h", "--jbos", "2"], /Unknown option "--jbos"\. Did you mean "--jobs"\?/],
    [["rnu", "grpc://h"], /neither a command nor a URL\. Did you mean "run"\?/],
    [["run", "grpc://h", "--suite", "smok"], /There is no suite "smok"\. Did you mean "smoke"\?/],
    [["run", "grpc://h", "--reporter", "junti"], /There is no reporter "junti"\. Did you mean "junit"\?/],
    [["run", "grpc://h", "--driver", "wier"], /--driver does not know "wier"\. Did you mean "wire"\?/],
    [["run", "grpc://h", "--topic", "eov"], /--topic does not know "eov"\. Did you mean "eof"\?/],
    [["run", "grpc://h", "--bound", "aply=2s"], /does not know the bound "aply"\. Did you mean "apply"\?/],
    [["run", "grpc://h", "--grep", "eof/while-idel"], /No check fits "eof\/while-idel"\. Did you mean "eof\/while-idle"\?/],
    [["load", "troughput", "grpc://h"], /There is no workload "troughput"\. Did you mean "throughput"\?/],
    [["serve", "--bug", "no-such"], /There is no fault "no-such"/],
    [["explain", "eof/whil-idle"], /Did you mean "eof\/while-idle"\?/],
    [["list", "chekcs"], /There is no list of "chekcs"\. Did you mean "checks"\?/],
    [["schema", "contrakt"], /There is no schema "contrakt"\. Did you mean "contract"\?/],
  ];
  for (const [args, says] of cases) {
    const { code, said } = await halfclose(t, args);
    t.equal(code, 2, args.join(" "));
    t.match(said, says);
  }
});

t.test("values of the wrong kind name the option, or the variable, where they were written", async (t) => {
  const cases: readonly (readonly [args: readonly string[], environment: Readonly<Record<string, string>>, says: RegExp])[] = [
    [["run", "grpc://h", "--jobs", "many"], {}, /--jobs is "many", not a whole number from 1 to 64/],
    [["run", "grpc://h"], { HALFCLOSE_JOBS: "0" }, /HALFCLOSE_JOBS is "0"/],
    [["run", "grpc://h", "--shard", "3/2"], {}, /--shard is "3\/2"/],
    [["run", "grpc://h", "--bound", "apply=soon"], {}, /not a duration/],
    [["run", "grpc://h", "--suite"], {}, /--suite needs a value/],
    [["run", "grpc://h", "--seed", "1", "--seed", "2"], {}, /--seed is given 2 times/],
    [["run", "grpc://a", "grpc://b"], {}, /Two gRPC URLs/],
    [["run"], {}, /There is no target/],
    [["run", "localhost:8080"], {}, /has no scheme/],
    [["run", "ws://h", "--header", "nonsense"], {}, /is not a header/],
    [["run", "wss://h", "--ca", "missing.pem"], {}, /--ca missing\.pem cannot be read/],
  ];
  for (const [args, environment, says] of cases) {
    const { code, said } = await halfclose(t, args, environment);
    t.equal(code, 2, args.join(" "));
    t.match(said, says);
  }
});

t.test("Ctrl-C in the middle keeps what was judged, marked partial, with exit code 130", async (t) => {
  const server = await startReferenceServer();
  t.teardown(() => server.kill());
  const folder = t.testdir();
  let pressed = false;
  const console = recordingConsole({
    folder,
    heard(text) {
      if (!pressed && text.includes("passed")) {
        pressed = true;
        console.signal("SIGINT");
      }
    },
  });
  t.equal(await main(["run", server.urls.grpc, "--topic", "first-filter,filter-updates"], console), 130);
  const report = results(folder);
  t.match(report, { partial: true, exitCode: 130 });
  t.ok(
    report.checks.some(({ status }) => status === "passed"),
    "what was judged before is kept",
  );
  t.ok(
    report.checks.some(({ reason }) => reason?.includes("interrupted") === true),
    "what was not judged says why",
  );
});

t.test("a config file is strict, and says where it is wrong", async (t) => {
  const folder = t.testdir();
  writeFileSync(path.join(folder, "halfclose.config.yaml"), "suite: smoke\njbos: 3\n");
  const console = recordingConsole({ folder });
  t.equal(await main(["run", "grpc://h"], console), 2);
  t.match(console.errors(), /halfclose\.config\.yaml:2:1: Unknown key "jbos"\. Did you mean "jobs"\?/);
});
