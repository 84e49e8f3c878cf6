// The gRPC transport, on @grpc/grpc-js.

import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Server, ServerCredentials, ServerInterceptingCall, status } from "@grpc/grpc-js";
import protobuf from "protobufjs";
import { END, serveStream } from "./stream.js";

const MAX_FILTER_BYTES = 64 * 1024;

// What the library itself refuses. An answer that it gives by itself is lost when an entry is being
// written, so the filters that may still come are read and refused here.
const MAX_MESSAGE_BYTES = 1024 * 1024;
const CONTRACT = fileURLToPath(new URL("../../contracts/logger.proto", import.meta.url));

const STATUS_OF = {
  [END.refused]: status.INTERNAL,
  [END.tooLong]: status.RESOURCE_EXHAUSTED,
  [END.invalid]: status.INVALID_ARGUMENT,
  [END.tooSlow]: status.RESOURCE_EXHAUSTED,
  [END.stopping]: status.UNAVAILABLE,
};

/** A server that is not bound yet. */
export function createGrpcServer(context) {
  const server = new Server({ "grpc.max_receive_message_length": MAX_MESSAGE_BYTES, interceptors: [writeNothingAfterTheStatus] });
  server.addService(loggerService(), { Monitor: (call) => monitor(context, call) });
  return server;
}

/**
 * The library's own timer ends a call at its deadline, maybe before `endAt`'s has run. An entry that
 * is written then would destroy the stream, and the status that waits to be sent with it.
 */
function writeNothingAfterTheStatus(method, call) {
  const { sendStatus, sendMessage } = call;
  let ended = false;
  call.sendStatus = (answer) => {
    ended = true;
    sendStatus.call(call, answer);
  };
  call.sendMessage = (message, written) => {
    if (!ended) sendMessage.call(call, message, written);
  };
  return new ServerInterceptingCall(call);
}

export function bind(server, host, port) {
  return new Promise((resolve, reject) => {
    server.bindAsync(`${host}:${port}`, ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)));
  });
}

function loggerService() {
  const root = protobuf.loadSync(CONTRACT);
  const Filter = root.lookupType("logger.MonitorStreamingRequest");
  const Entry = root.lookupType("logger.MonitorResponse");
  return {
    Monitor: {
      path: "/logger.Logger/Monitor",
      requestStream: true,
      responseStream: true,
      requestSerialize: (filter) => Buffer.from(Filter.encode(filter).finish()),
      requestDeserialize: (bytes) => {
        if (bytes.length > MAX_FILTER_BYTES) return { end: END.tooLong, text: `a filter has at most ${MAX_FILTER_BYTES} bytes` };
        try {
          const { minLevel, sources, contains } = Filter.toObject(Filter.decode(bytes));
          return { filter: { min_level: minLevel, sources, contains } };
        } catch (error) {
          return { end: END.refused, text: `not a filter: ${error.message}` };
        }
      },
      responseSerialize: (entry) => Buffer.from(Entry.encode(entry).finish()),
      responseDeserialize: (bytes) => Entry.decode(bytes),
    },
  };
}

function monitor(context, call) {
  const over = new AbortController();
  const stream = serveStream(context, {
    send: async (entry) => {
      if (!call.write(entry) && !context.bugs.noBackPressure) await once(call, "drain", { signal: over.signal });
    },
    close: (end, text) => {
      over.abort();
      clearTimeout(deadline);
      if (end === END.client) call.end();
      else if (end === END.deadline) call.destroy(); // without its writes, which would hold up the library's own answer
      else if (end in STATUS_OF) call.emit("error", { code: STATUS_OF[end], details: text });
    },
  });
  const deadline = endAt(call.getDeadline(), () => stream.finish(END.deadline));
  call.on("data", ({ filter, end, text }) => (filter ? stream.take(filter) : stream.finish(end, text)));
  call.on("end", () => stream.finish(END.client));
  call.on("cancelled", () => stream.finish(END.gone));
  call.on("close", () => stream.finish(END.gone));
}

/**
 * The library answers at the deadline by itself, but where the client doesn't read, it waits for
 * what was written to leave first, and the handler hears nothing until then.
 */
function endAt(deadline, end) {
  const LONGEST_TIMER_MS = 2 ** 31 - 1;
  const waitMs = Number(deadline) - Date.now();
  return waitMs <= LONGEST_TIMER_MS ? setTimeout(end, Math.max(0, waitMs)) : undefined;
}
