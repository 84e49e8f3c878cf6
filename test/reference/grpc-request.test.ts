import fc from "fast-check";
import t from "tap";

import { chooseFaults } from "../../src/reference/faults.js";
import { parseTimeoutMs, readCallRequest } from "../../src/reference/grpc-request.js";

const headers = { ":method": "POST", ":path": "/logger.Logger/Monitor", "content-type": "application/grpc" };
const options = { token: undefined, faults: chooseFaults([]) };

t.test("a timeout is one to eight digits and a unit", async (t) => {
  t.strictSame(["1H", "2M", "3S", "4m", "5000u", "6000000n", "0n"].map(parseTimeoutMs), [3_600_000, 120_000, 3000, 4, 5, 6, 0]);
  for (const text of ["", "1", "S", "1s", "1x", " 1S", "-1S", "1.5S", "123456789S", "1SS"]) t.equal(parseTimeoutMs(text), undefined, text);
  fc.assert(fc.property(fc.string(), (text) => parseTimeoutMs(text) === undefined || /^\d{1,8}[HMSmun]$/.test(text)));
});

t.test("what was asked for is read from the headers", async (t) => {
  t.strictSame(readCallRequest(headers, options), { kind: "accepted", gzip: false, timeoutMs: undefined });
  t.strictSame(readCallRequest({ ...headers, "grpc-encoding": "gzip", "grpc-timeout": "1S" }, options), { kind: "accepted", gzip: true, timeoutMs: 1000 });
  for (const type of ["application/grpc+proto", "application/grpc;charset=x", "Application/gRPC"])
    t.match(readCallRequest({ ...headers, "content-type": type }, options), { kind: "accepted" });
  for (const type of ["application/grpc-web", "application/json", undefined])
    t.match(readCallRequest({ ...headers, "content-type": type }, options), { kind: "not-grpc", httpStatus: 415 });
});

t.test("a token is asked for before gRPC's own headers are judged", async (t) => {
  const guarded = { ...options, token: "secret" };
  t.match(readCallRequest({ ...headers, "grpc-timeout": "1x" }, guarded), { kind: "refused", ending: { status: 16 } });
  t.match(readCallRequest({ ...headers, authorization: "Bearer secret" }, guarded), { kind: "accepted" });
});
