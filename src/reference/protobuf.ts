/** One field of a protobuf message as it stands on the wire: only what the two messages of the contract need. */
export type WireField = { readonly number: number; readonly kind: "bytes"; readonly bytes: Buffer } | { readonly number: number; readonly kind: "other" };

/** The bytes are not a protobuf message. */
export class ProtobufError extends Error {
  override readonly name = "ProtobufError";
}

/** The fields of a message in wire order; throws {@link ProtobufError} on a truncated or malformed one. */
export function readFields(message: Buffer): WireField[] {
  const fields: WireField[] = [];
  const openGroups: number[] = [];
  let offset = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = message[offset++];
      if (byte === undefined) throw new ProtobufError("truncated varint");
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new ProtobufError("varint longer than ten bytes");
  };
  const skip = (bytes: number): Buffer => {
    const end = offset + bytes;
    if (end > message.length) throw new ProtobufError("field reaches beyond the message");
    const value = message.subarray(offset, end);
    offset = end;
    return value;
  };
  while (offset < message.length) {
    const tag = varint();
    const number = Number(tag >> 3n);
    if (number < 1 || number > 0x1fffffff) throw new ProtobufError(`field number ${number} is out of range`);
    const wireType = Number(tag & 7n);
    const inGroup = openGroups.length > 0;
    let field: WireField = { number, kind: "other" };
    if (wireType === 0) varint();
    else if (wireType === 1) skip(8);
    else if (wireType === 2) field = { number, kind: "bytes", bytes: skip(lengthOf(varint())) };
    else if (wireType === 3) openGroups.push(number);
    else if (wireType === 5) skip(4);
    else if (wireType !== 4) throw new ProtobufError(`wire type ${wireType} does not exist`);
    else if (openGroups.pop() !== number) throw new ProtobufError("group end without its start");
    if (!inGroup) fields.push(field);
  }
  if (openGroups.length > 0) throw new ProtobufError("group without an end");
  return fields;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A proto3 string; throws {@link ProtobufError} where the bytes are not UTF-8. */
export function readString(bytes: Buffer): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new ProtobufError("string is not UTF-8");
  }
}

/** A varint field; left out when zero, as proto3 does. */
export function varintField(number: number, value: number): Buffer {
  return value === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([number << 3]), encodeVarint(value)]);
}

/** A string field; left out when empty, as proto3 does. */
export function stringField(number: number, value: string): Buffer {
  if (value === "") return Buffer.alloc(0);
  const bytes = Buffer.from(value, "utf8");
  return Buffer.concat([Buffer.from([(number << 3) | 2]), encodeVarint(bytes.length), bytes]);
}

function encodeVarint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}

function lengthOf(value: bigint): number {
  if (value > 0x7fffffffn) throw new ProtobufError("field longer than 2 GiB");
  return Number(value);
}
