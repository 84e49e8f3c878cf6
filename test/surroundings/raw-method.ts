/** Bytes as they are. */
export const identity = (bytes: Buffer): Buffer => bytes;

/** A method of a gRPC server whose messages are handed on as bytes. */
export function rawMethod(path: string, streams: boolean) {
  return {
    path,
    requestStream: streams,
    responseStream: streams,
    requestSerialize: identity,
    requestDeserialize: identity,
    responseSerialize: identity,
    responseDeserialize: identity,
  };
}
