import path from "node:path";
import t from "tap";
import { loadContract } from "../../src/contract/load-contract.js";
import { readReach, targetsOf } from "../../src/harness/connection-options.js";

t.test("URLs, headers and a token make targets with the contract's paths", async (t) => {
  const reach = await readReach({ urls: ["grpc://h:1", "ws://u:passw0rd@h:2"], headers: ["X-Trace:  7 "], token: "t0ken" }, ".");
  const targets = targetsOf(reach, await loadContract("logger"), { onlyBound: false });
  t.match(targets.grpc, { host: "h", port: 1, path: "/logger.Logger/Monitor", tls: undefined, url: "grpc://h:1" });
  t.strictSame(targets.grpc?.headers, [
    ["x-trace", "7"],
    ["authorization", "Bearer t0ken"],
  ]);
  t.equal(targets.ws?.path, "/logs/monitor");
  t.match(targets.ws?.headers[0], ["authorization", /^Basic /]);
  t.equal(reach.httpOrigin, "http://h:2", "producer and probe are beside the WebSocket");
  for (const secret of ["t0ken", "Bearer t0ken", "passw0rd"]) {
    t.ok(reach.secrets.includes(secret), secret);
  }
});

t.test("the origin of producer and probe may be said, and must be http", async (t) => {
  t.equal((await readReach({ urls: ["grpc://h"], httpUrl: "http://other:8080/" }, ".")).httpOrigin, "http://other:8080");
  t.equal((await readReach({ urls: ["grpc://h"] }, ".")).httpOrigin, undefined);
  await t.rejects(readReach({ urls: [], httpUrl: "ftp://x" }, "."), { code: "usage" });
});

t.test("two URLs of one transport are refused", async (t) => {
  await t.rejects(readReach({ urls: ["ws://a", "wss://b"] }, "."), { code: "usage", message: /Two WebSocket URLs/ });
});

t.test("TLS files are read, must be PEM, and a certificate needs its key", async (t) => {
  const pem = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n";
  const folder = t.testdir({ "ca.pem": pem, "ca.der": "0\u0082" });
  const reach = await readReach({ urls: ["grpcs://h"], ca: "ca.pem" }, folder);
  t.equal(targetsOf(reach, await loadContract("logger"), { onlyBound: false }).grpc?.tls?.ca, pem);
  await t.rejects(readReach({ urls: [], ca: "ca.der" }, folder), { message: /not a PEM file/ });
  await t.rejects(readReach({ urls: [], cert: path.join(folder, "ca.pem") }, folder), { message: /both --cert and --key/ });
});

t.test("a transport that the contract does not know is refused when it was asked for, else left out", async (t) => {
  const contract = { ...(await loadContract("logger")), websocket: undefined };
  const reach = await readReach({ urls: ["grpc://h", "ws://h"] }, ".");
  t.throws(() => targetsOf(reach, contract, { onlyBound: false }), { code: "contract" });
  t.strictSame(Object.keys(targetsOf(reach, contract, { onlyBound: true })), ["grpc"]);
});
