import type { GrpcBinding, MessageCodec } from "../core/contract.js";
import { HarnessError, messageOf } from "../core/errors.js";
import type { StreamEvent } from "../core/stream.js";
import type { Target } from "../core/target.js";

/** The gRPC side of a target's contract. @throws HarnessError `contract` when it describes none. */
export function grpcBindingOf(target: Target): GrpcBinding {
  const { grpc, source } = target.contract;
  if (grpc === undefined) {
    throw new HarnessError("contract", `The contract does not say how the monitor looks over gRPC, so ${target.url} cannot be called.`, {
      place: source,
      hint: 'Add a "grpc" section with proto and method, or reflection: true.',
    });
  }
  return grpc;
}

/** What a message's bytes are to those who listen. */
export function decodedEvent(codec: MessageCodec, bytes: Uint8Array, atMicros: number, text: boolean): StreamEvent {
  try {
    return { kind: "message", atMicros, message: codec.decode(bytes), bytes: bytes.length, text };
  } catch (thrown) {
    return { kind: "undecodable", atMicros, detail: messageOf(thrown), bytes: Uint8Array.from(bytes) };
  }
}
