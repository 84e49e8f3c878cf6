/** What the flood's entries look like. */
export interface FloodShape {
  /** First sequence number less one; entries count up from it on every stream. */
  readonly base: bigint;
  /** How far back the entries' own time lies, in microseconds: delivery lag grows by it. */
  readonly ageMicros: number;
}

/** With it entries are about 150 bytes in protobuf and 200 in JSON. */
const message = "GET /api/v1/orders/8f14e45f completed with needle in 12 ms for tenant 7";
const timeLength = 30;
const fractionAt = 20;

/** A run of entries ready to send, whose numbers and times are set anew for each sending. */
export interface EntryBlock {
  readonly bytes: Buffer;
  readonly entries: number;
  /** Bytes that count against flow control; 0 where there is none. */
  readonly payloadBytes: number;
  /** Numbers the entries from `first`, stamps them with the present time, and puts them on a stream. */
  stamp(first: bigint, streamId: number): void;
}

/** DATA frames with one entry each, as grpc-go sends them; sequences take `varintBytes` bytes, so they stay where they are. */
export function grpcBlock(count: number, shape: FloodShape): EntryBlock {
  const varintBytes = varint(shape.base + 1n).length;
  const one = Buffer.concat([
    Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 1]),
    Buffer.from([0, 0, 0, 0, 0]),
    Buffer.from([8]),
    Buffer.alloc(varintBytes, 0x80),
    text(2, "0".repeat(timeLength)),
    text(3, "info"),
    text(4, "alpha"),
    text(5, message),
  ]);
  one.writeUIntBE(one.length - 9, 0, 3);
  one.writeUInt32BE(one.length - 14, 10);
  const bytes = Buffer.concat(Array.from({ length: count }, () => one));
  const size = one.length;
  const timeAt = 15 + varintBytes + 2;
  return {
    bytes,
    entries: count,
    payloadBytes: count * (size - 9),
    stamp(first, streamId) {
      const stamp = timeText(shape.ageMicros);
      const changed = changedPart(stamp, bytes.subarray(timeAt, timeAt + timeLength));
      // The low 28 bits as a number, which moves within a block; all above seldom does.
      let low = Number(first & 0xfff_ffffn);
      let highBytes = varint(first >> 28n);
      for (let at = 0; at < bytes.length; at += size, low++) {
        if (low > 0xfff_ffff) {
          low = 0;
          highBytes = varint((first >> 28n) + 1n);
        }
        bytes[at + 5] = streamId >>> 24;
        bytes[at + 6] = streamId >>> 16;
        bytes[at + 7] = streamId >>> 8;
        bytes[at + 8] = streamId;
        const seq = at + 15;
        bytes[seq] = (low & 127) | 128;
        bytes[seq + 1] = ((low >>> 7) & 127) | 128;
        bytes[seq + 2] = ((low >>> 14) & 127) | 128;
        bytes[seq + 3] = ((low >>> 21) & 127) | 128;
        for (let i = 0; i < varintBytes - 4; i++) {
          bytes[seq + 4 + i] = highBytes[i] as number;
        }
        for (let i = changed.from; i < changed.to; i++) {
          bytes[at + timeAt + i] = stamp[i] as number;
        }
      }
    },
  };
}

/** Text frames with one entry each; `quoted`: sequences as JSON strings, as protobuf's JSON has them. */
export function jsonBlock(count: number, shape: FloodShape, quoted: boolean): EntryBlock {
  const digits = String(shape.base + 1n).length;
  const q = quoted ? '"' : "";
  const before = `{"sequence":${q}`;
  const json = `${before}${"0".repeat(digits)}${q},"time":"${"0".repeat(timeLength)}","level":"info","source":"alpha","message":"${message}"}`;
  const header = json.length < 126 ? Buffer.from([0x81, json.length]) : Buffer.from([0x81, 126, json.length >> 8, json.length & 0xff]);
  const one = Buffer.concat([header, Buffer.from(json)]);
  const bytes = Buffer.concat(Array.from({ length: count }, () => one));
  const sequenceAt = header.length + before.length;
  const timeAt = header.length + json.indexOf('"time":"') + 8;
  return {
    bytes,
    entries: count,
    payloadBytes: 0,
    stamp(first) {
      const stamp = timeText(shape.ageMicros);
      const changed = changedPart(stamp, bytes.subarray(timeAt, timeAt + timeLength));
      const start = Buffer.from(String(first).padStart(digits, "0"));
      const number = Uint8Array.from(start);
      for (let at = 0; at < bytes.length; at += one.length) {
        for (let i = 0; i < digits; i++) {
          bytes[at + sequenceAt + i] = number[i] as number;
        }
        for (let i = changed.from; i < changed.to; i++) {
          bytes[at + timeAt + i] = stamp[i] as number;
        }
        for (let i = digits - 1; i >= 0; i--) {
          if (number[i] === 0x39) {
            number[i] = 0x30;
          } else {
            number[i] = (number[i] as number) + 1;
            break;
          }
        }
      }
    },
  };
}

/** Where a block's time differs from the one that all its entries have: mostly some digits of its fraction. */
function changedPart(stamp: Buffer, before: Buffer): { readonly from: number; readonly to: number } {
  let from = 0;
  while (from < timeLength && stamp[from] === before[from]) {
    from++;
  }
  let to = timeLength;
  while (to > from && stamp[to - 1] === before[to - 1]) {
    to--;
  }
  return { from, to };
}

function timeText(ageMicros: number): Buffer {
  const wallMicros = Math.round((performance.timeOrigin + performance.now()) * 1000) - ageMicros;
  const seconds = Math.floor(wallMicros / 1_000_000);
  const fraction = String(wallMicros - seconds * 1_000_000).padStart(6, "0");
  return Buffer.from(`${new Date(seconds * 1000).toISOString().slice(0, fractionAt - 1)}.${fraction}000Z`);
}

function text(number: number, value: string): Buffer {
  return Buffer.concat([Buffer.from([(number << 3) | 2, value.length]), Buffer.from(value)]);
}

function varint(value: bigint): number[] {
  return value < 128n ? [Number(value)] : [Number(value & 127n) | 128, ...varint(value >> 7n)];
}
