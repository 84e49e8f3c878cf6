import fc from "fast-check";
import protobuf from "protobufjs";
import t from "tap";
import type { Message } from "../../src/core/contract.js";
import { createProtobufCodec, UnencodableError } from "../../src/contract/protobuf-codec.js";

const root = new protobuf.Root();
for (const file of ["timestamp", "duration", "wrappers"]) {
  root.addJSON(protobuf.common.get(`google/protobuf/${file}.proto`)?.nested ?? {});
}
protobuf.parse(
  `syntax = "proto3";
  package p;
  message All {
    google.protobuf.Timestamp at = 1; google.protobuf.Duration took = 2;
    google.protobuf.Int64Value count = 3; google.protobuf.StringValue name = 4; google.protobuf.BoolValue yes = 5; google.protobuf.BytesValue bytes = 6;
    repeated google.protobuf.Timestamp times = 7; map<string, google.protobuf.Duration> steps = 8;
    oneof either { google.protobuf.Timestamp since = 9; string cursor = 10; }
  }`,
  root,
  { keepCase: true },
);
root.resolveAll();
const All = root.lookupType("p.All");
const codec = createProtobufCodec(All, All, "base64");
const again = (message: Message): Message => codec.decode(codec.encode(message));
const empty = again({});

t.test("times, durations and wrapped values are what protobuf's JSON has for them, both ways", (t) => {
  for (const message of [
    { at: "1972-01-01T10:00:20.021Z" },
    { at: "1969-12-31T23:59:59.500Z" },
    { at: "0001-01-01T00:00:00Z" },
    { at: "9999-12-31T23:59:59.999999999Z" },
    { took: "1.000340012s" },
    { took: "-0.500s" },
    { took: "-3s" },
    { took: "0s" },
    { count: 7 },
    { count: "9223372036854775807" },
    { count: 0 },
    { name: "" },
    { name: "a" },
    { yes: false },
    { bytes: "AAEC" },
    { times: ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000001Z"] },
    { steps: { a: "1s", b: "2.500s" } },
    { since: "2026-01-01T00:00:00Z" },
  ]) {
    t.same(again(message), { ...empty, ...message }, JSON.stringify(message));
  }
  t.same(empty, { times: [], steps: {} }, "what is absent is left out, not given a default");
  t.end();
});

t.test("whatever the zone and the digits, the instant is the same", (t) => {
  t.equal(again({ at: "2026-01-01T01:30:00.5+01:30" })["at"], "2026-01-01T00:00:00.500Z");
  t.equal(again({ at: "2026-01-01T00:00:00.1234567891Z" })["at"], "2026-01-01T00:00:00.123456789Z");
  fc.assert(
    fc.property(fc.date({ min: new Date("0001-01-01T00:00:00Z"), max: new Date("9999-12-31T23:59:59Z"), noInvalidDate: true }), (date) => {
      const text = again({ at: date.toISOString() })["at"];
      return typeof text === "string" && new Date(text).getTime() === date.getTime();
    }),
  );
  t.end();
});

t.test("their fields may be given in their place", (t) => {
  t.equal(again({ at: { seconds: 1, nanos: 500 } })["at"], "1970-01-01T00:00:01.000000500Z");
  t.equal(again({ name: { value: "x" } })["name"], "x");
  t.end();
});

t.test("what no time or duration may be is shown as it came", (t) => {
  t.same(again({ at: { seconds: 253_402_300_800 } })["at"], { seconds: 253_402_300_800, nanos: 0 });
  t.same(again({ at: { seconds: 1, nanos: -1 } })["at"], { seconds: 1, nanos: -1 });
  t.same(again({ took: { seconds: 1, nanos: -1 } })["took"], { seconds: 1, nanos: -1 });
  t.end();
});

t.test("a value of another kind is refused with its place and an example", (t) => {
  for (const [message, wanted] of [
    [{ at: "yesterday" }, /"at" is of type google\.protobuf\.Timestamp \(a time by RFC 3339, as "2026-01-31T23:59:59.5Z"\), not "yesterday"/],
    [{ at: 7 }, /"at" is of type google\.protobuf\.Timestamp/],
    [{ took: "5 minutes" }, /"took" is of type google\.protobuf\.Duration \(a number of seconds, as "1.5s"\)/],
    [{ times: ["2026-01-01T00:00:00Z", "x"] }, /"times\.1"/],
    [{ count: "many" }, /"count\.value" is of type int64, not "many"/],
  ] as const) {
    try {
      codec.encode(message);
      t.fail("it was taken");
    } catch (thrown) {
      t.ok(thrown instanceof UnencodableError && wanted.test(thrown.message), String(thrown));
    }
  }
  t.end();
});
