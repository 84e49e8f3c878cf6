import type { Session } from "../src/conformance/session.js";
import type { Filter } from "../src/core/contract.js";

/**
 * A message that opens with a filter and is exactly `bytes` bytes long; undefined where a filter is not one message, or is longer itself.
 * What makes it longer means nothing: blanks in JSON, a field that no type has in protobuf. Values could be refused for reasons of their own.
 */
export function sizedFilter(session: Session, bytes: number): { readonly filter: Filter; readonly bytes: Uint8Array } | undefined {
  const { contract } = session;
  const binding = session.transport === "grpc" ? contract.grpc : contract.websocket;
  const [filter] = contract.roles.disjoint ?? [];
  const messages = filter === undefined ? [] : contract.opening(filter, 1);
  const [message] = messages;
  if (binding === undefined || filter === undefined || message === undefined || messages.length > 1 || contract.prelude.length > 0) {
    return undefined;
  }
  const encoded = Buffer.from(binding.codec.encode(message));
  const missing = bytes - encoded.length;
  if (missing < 0) {
    return undefined;
  }
  const isJson = encoded[0] === openingBrace && encoded.at(-1) === closingBrace;
  const sized = isJson ? [encoded.subarray(0, -1), Buffer.alloc(missing, " "), encoded.subarray(-1)] : unknownField(missing)?.toSpliced(0, 0, encoded);
  return sized === undefined ? undefined : { filter, bytes: Buffer.concat(sized) };
}

const openingBrace = 0x7b;
const closingBrace = 0x7d;

/** A field of type bytes that is `bytes` bytes long in all, under a number that hardly any message uses. */
function unknownField(bytes: number): Buffer[] | undefined {
  if (bytes === 0) {
    return [];
  }
  // A length that takes a byte more leaves out one sum: the tag that is a byte longer has it.
  for (const number of [1999, 199_999]) {
    const tag = varint(number * 8 + 2);
    for (let lengthBytes = 1; lengthBytes <= 5; lengthBytes++) {
      const length = bytes - tag.length - lengthBytes;
      if (length >= 0 && varint(length).length === lengthBytes) {
        return [tag, varint(length), Buffer.alloc(length, "x")];
      }
    }
  }
  return undefined;
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) {
    bytes.push((rest % 128) + 128);
  }
  return Buffer.from([...bytes, rest]);
}
