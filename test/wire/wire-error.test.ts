import t from "tap";
import { WireError, excerpt } from "../../src/wire/wire-error.js";

t.test("an error says its code, what was expected, what came and at which byte", (t) => {
  const error = new WireError("RESERVED_BITS", { expected: "RSV1-3 clear", actual: "RSV2 set", atByte: 130 });
  t.equal(error.message, "RESERVED_BITS: expected RSV1-3 clear, got RSV2 set at byte 130");
  t.equal(error.name, "WireError");
  t.match(error, { code: "RESERVED_BITS", expected: "RSV1-3 clear", actual: "RSV2 set", atByte: 130 });
  t.ok(error instanceof Error);
  t.end();
});

t.test("an error without a guilty byte names none, and keeps its cause", (t) => {
  const cause = new Error("connect ECONNREFUSED");
  const error = new WireError("CONNECT_FAILED", { expected: "a TCP connection", actual: "ECONNREFUSED", atByte: -1, cause });
  t.equal(error.message, "CONNECT_FAILED: expected a TCP connection, got ECONNREFUSED");
  t.equal(error.cause, cause);
  t.end();
});

t.test("an excerpt is one printable line of bounded length", (t) => {
  t.equal(excerpt(Buffer.from("ok\r\n\\\u00ff\u0000")), '"ok\\x0d\\x0a\\x5c\\xc3\\xbf\\x00"');
  t.equal(excerpt(Buffer.alloc(100, 0x61), 4), '"aaaa" and 96 bytes more');
  t.equal(excerpt(Buffer.alloc(0)), '""');
  t.end();
});
