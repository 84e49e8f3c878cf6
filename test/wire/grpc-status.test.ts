import t from "tap";

import { grpcStatusName, statusOfHttp, statusOfReset } from "../../src/wire/grpc-status.js";

t.test("RST_STREAM codes map to the statuses that gRPC over HTTP/2 gives them", (t) => {
  const expected = [13, 13, 13, 13, 13, 2, 13, 14, 1, 13, 13, 8, 7, 2];
  t.same(
    expected.map((_, code) => statusOfReset(code)),
    expected,
  );
  t.equal(statusOfReset(14), 2);
  t.equal(statusOfReset(0xffffffff), 2);
  t.end();
});

t.test("HTTP statuses map to the statuses that gRPC gives them", (t) => {
  const expected: readonly (readonly [http: number, status: number])[] = [
    [200, 2],
    [400, 13],
    [401, 16],
    [403, 7],
    [404, 12],
    [429, 14],
    [502, 14],
    [503, 14],
    [504, 14],
    [418, 2],
    [500, 2],
  ];
  for (const [http, status] of expected) t.equal(statusOfHttp(http), status, `${http}`);
  t.end();
});

t.test("a status has its name, one that gRPC does not know its number", (t) => {
  t.equal(grpcStatusName(0), "OK");
  t.equal(grpcStatusName(16), "UNAUTHENTICATED");
  t.equal(grpcStatusName(17), "status 17");
  t.end();
});
