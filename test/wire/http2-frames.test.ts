import t from "tap";

import {
  encodeFrame,
  encodeGoawayPayload,
  encodeSettingsPayload,
  errorCodeName,
  frameName,
  settingsEntries,
  unpad,
  type FrameView,
} from "../../src/wire/http2-frames.js";

const view = (payload: Buffer, flags = 0): FrameView => ({ type: 0, flags, streamId: 1, buffer: payload, start: 0, end: payload.length, atByte: 7 });

t.test("a frame is encoded as asked, legal or not", (t) => {
  t.equal(encodeFrame({ type: 0, flags: 1, streamId: 3, payload: Buffer.from("hi") }).toString("hex"), "0000020001000000036869");
  t.equal(encodeFrame({ type: 0xff }).toString("hex"), "000000ff0000000000");
  t.equal(encodeFrame({ type: 0, streamId: 0xffffffff, length: 0xffffff }).toString("hex"), "ffffff0000ffffffff");
  t.equal(encodeGoawayPayload(3, 11, Buffer.from("a")).toString("hex"), "000000030000000b61");
  t.end();
});

t.test("settings come back in order, unknown ones and doubles too", (t) => {
  const payload = Buffer.concat([
    encodeSettingsPayload(
      new Map([
        [4, 0xffffffff],
        [0xaaaa, 1],
      ]),
    ),
    encodeSettingsPayload(new Map([[4, 2]])),
  ]);
  t.same(
    [...settingsEntries(view(payload))],
    [
      [4, 0xffffffff],
      [0xaaaa, 1],
      [4, 2],
    ],
  );
  t.end();
});

t.test("padding is taken off, and refused where it is longer than the payload", (t) => {
  t.same(unpad(view(Buffer.from([1, 2, 3]))), { start: 0, end: 3 });
  t.same(unpad(view(Buffer.from([1, 2, 3]), 8)), { start: 1, end: 2 });
  t.same(unpad(view(Buffer.from([2, 2, 3]), 8)), { start: 1, end: 1 });
  t.throws(() => unpad(view(Buffer.from([3, 2, 3]), 8)), { code: "PROTOCOL_ERROR", atByte: 7 });
  t.throws(() => unpad(view(Buffer.alloc(0), 8)), { code: "FRAME_SIZE_ERROR" });
  t.end();
});

t.test("frames and errors have names, unknown ones their numbers", (t) => {
  t.same([frameName(0), frameName(9), frameName(10)], ["DATA", "CONTINUATION", "type 0xa"]);
  t.same([errorCodeName(8), errorCodeName(14)], ["CANCEL", "error code 14"]);
  t.end();
});
