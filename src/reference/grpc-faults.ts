import type { Fault } from "./fault.js";
import { ACK, END_STREAM, http2Type, type Http2Frame } from "./http2-tap.js";

const INITIAL_WINDOW_SIZE = 4;
const MAX_CONCURRENT_STREAMS = 3;
const LARGEST_WINDOW = 0x7fffffff;
const DEFAULT_WINDOW = 65_535;

/** Faults of gRPC and of the HTTP/2 below it. */
export const grpcFaults = {
  "trailers-only-without-type": {
    sentence: "A response of headers alone has no content-type: the error path builds its headers by itself.",
    seam: "grpc-call.ts",
    caughtBy: ["opening/grpc-trailers-only"],
  },
  "unknown-method-not-found": {
    sentence: "An unknown method is answered with NOT_FOUND: the router's answer, translated.",
    seam: "grpc-request.ts",
    caughtBy: ["opening/grpc-unknown-method"],
  },
  "any-content-type": {
    sentence: "A request that is not gRPC gets HTTP 200 and a grpc-status.",
    seam: "grpc-request.ts",
    caughtBy: ["opening/grpc-content-type"],
  },
  "headers-late": {
    sentence: "Response headers come with the first entry only, as most servers send them.",
    seam: "grpc-call.ts",
    caughtBy: ["opening/grpc-headers-early"],
  },
  "frame-is-message": {
    sentence: "One DATA frame is taken for one message.",
    seam: "grpc-call.ts",
    caughtBy: ["filter-updates/grpc-split-and-coalesced"],
  },
  "empty-end-stream-ignored": {
    sentence: "END_STREAM on an empty DATA frame is not noticed: the server waits for a reset.",
    seam: "http2",
    caughtBy: ["eof/grpc-empty-end-stream"],
    http2: () => ({ inbound: (frame) => [isEndOfData(frame) && frame.payload.length === 0 ? without(frame, END_STREAM) : frame] }),
  },
  "end-stream-with-payload-ignored": {
    sentence: "END_STREAM is looked at on empty DATA frames only.",
    seam: "http2",
    caughtBy: ["eof/grpc-end-stream-with-filter"],
    http2: () => ({ inbound: (frame) => [isEndOfData(frame) && frame.payload.length > 0 ? without(frame, END_STREAM) : frame] }),
  },
  "ok-without-trailers": {
    sentence: "A clean end is END_STREAM on a DATA frame, without a status.",
    seam: "grpc-call.ts",
    caughtBy: ["eof/grpc-status-in-trailers"],
  },
  "early-end-without-reset": {
    sentence: "After the server has ended a call early, the client's half stays open: no RST_STREAM follows the trailers.",
    seam: "grpc-call.ts",
    caughtBy: ["mid-stream-close/grpc-early-end-resets"],
  },
  "goaway-on-cancel": {
    sentence: "A cancelled call ends the whole connection: the handler's error goes up too far.",
    seam: "grpc-call.ts",
    caughtBy: ["cancellation/grpc-sibling-unharmed"],
    reach: "connection",
  },
  "deadline-ignored": {
    sentence: "The deadline in grpc-timeout is not looked at.",
    seam: "grpc-call.ts",
    caughtBy: ["cancellation/grpc-deadline-enforced"],
  },
  "deadline-early": {
    sentence: "A call ends at half its deadline: seconds and a scale are mixed up.",
    seam: "grpc-call.ts",
    caughtBy: ["cancellation/grpc-deadline-not-early"],
    patient: true,
  },
  "deadline-by-default": {
    sentence: "A call without a deadline gets one of a second: a request timeout that applies to streams as well.",
    seam: "grpc-call.ts",
    caughtBy: ["cancellation/grpc-deadline-not-early"],
    patient: true,
  },
  "deadline-as-unknown": {
    sentence: "A deadline is reported as UNKNOWN: the raw error of the context is returned (Go: `return ctx.Err()`).",
    seam: "grpc-call.ts",
    caughtBy: ["cancellation/grpc-deadline-status"],
  },
  "bad-timeout-is-none": {
    sentence: "A grpc-timeout that can't be read counts as none (NaN).",
    seam: "grpc-request.ts",
    caughtBy: ["cancellation/grpc-bad-timeout"],
  },
  "limit-one-over": {
    sentence: "A filter message may be one byte longer than the limit.",
    seam: "server.ts",
    caughtBy: ["bad-input/message-limit"],
  },
  "limit-one-under": {
    sentence: "A filter message of exactly the limit is refused (`>=` for `>`).",
    seam: "server.ts",
    caughtBy: ["bad-input/message-limit"],
  },
  "unknown-encoding-read-as-plain": {
    sentence: "A message in an unknown encoding is read as it is.",
    seam: "grpc-request.ts, grpc-call.ts",
    caughtBy: ["bad-input/grpc-unknown-encoding"],
  },
  "compressed-flag-ignored": {
    sentence: "The compressed flag of a message is skipped.",
    seam: "grpc-call.ts",
    caughtBy: ["bad-input/grpc-unknown-encoding"],
  },
  "message-in-raw-utf8": {
    sentence: "A status message is sent as UTF-8, as it is.",
    seam: "grpc-call.ts",
    caughtBy: ["bad-input/grpc-message-percent-encoded"],
  },
  "window-ignored": {
    sentence: "DATA is sent whatever the client's windows: flow control is not implemented.",
    seam: "http2",
    caughtBy: ["flow-control/grpc-window-respected"],
    http2: () => ({
      opening: [windowUpdate(LARGEST_WINDOW - DEFAULT_WINDOW)],
      inbound: (frame) => {
        if (frame.type === http2Type.windowUpdate) return [];
        const settings = frame.type === http2Type.settings && (frame.flags & ACK) === 0;
        return [settings ? { ...frame, payload: withSetting(frame.payload, INITIAL_WINDOW_SIZE, LARGEST_WINDOW) } : frame];
      },
    }),
  },
  "calls-over-limit-swallowed": {
    sentence: "Calls above the advertised limit are neither refused nor served.",
    seam: "grpc-server.ts, http2",
    caughtBy: ["isolation/grpc-stream-limit"],
    http2: () => ({
      // The library refuses such calls by itself, so it must not know of the limit that the client is told.
      outbound: (frame) => {
        const settings = frame.type === http2Type.settings && (frame.flags & ACK) === 0;
        return [settings ? { ...frame, payload: withSetting(frame.payload, MAX_CONCURRENT_STREAMS, 100) } : frame];
      },
    }),
  },
  "short-read-lost": {
    sentence: "A read that is shorter than a frame's header is thrown away: each read is taken for whole frames.",
    seam: "http2, websocket",
    caughtBy: ["robustness/one-byte-segments"],
    sometimes: ["bad-input/ws-unmasked"],
    http2: () => ({ read: (chunk) => (chunk.length < 9 ? chunk.subarray(0, 0) : chunk) }),
    webSocket: () => ({ read: (chunk) => (chunk.length < 6 ? chunk.subarray(0, 0) : chunk) }),
  },
  "unknown-frame-closes": {
    sentence: "A frame of an unknown type ends the connection.",
    seam: "http2",
    caughtBy: ["robustness/grpc-ping-and-unknown-frames"],
    reach: "connection",
    http2: () => ({
      inbound: (frame, tap) => {
        if (frame.type <= http2Type.continuation) return [frame];
        tap.cut();
        return [];
      },
    }),
  },
  "ping-unanswered": {
    sentence: "HTTP/2 PINGs are not answered.",
    seam: "http2",
    caughtBy: ["robustness/grpc-ping-and-unknown-frames"],
    http2: () => ({ inbound: (frame) => (frame.type === http2Type.ping ? [] : [frame]) }),
  },
  "entry-before-auth": {
    sentence: "A call without credentials gets one entry before it is refused: an interceptor for streams runs too late.",
    seam: "grpc-call.ts",
    caughtBy: ["security/grpc-auth-refused"],
    needs: "token",
  },
  "tls-1.1-allowed": {
    sentence: "TLS 1.1 is spoken with those who ask for it.",
    seam: "listener.ts",
    caughtBy: ["security/tls-versions"],
    needs: "tls",
  },
  "alpn-missing": {
    sentence: "TLS without ALPN: h2 is not agreed on.",
    unreachable: true,
    seam: "listener.ts",
    caughtBy: ["security/tls-versions"],
    needs: "tls",
  },
  "padded-binary-metadata-refused": {
    sentence: "Binary metadata in padded base64 is refused.",
    seam: "grpc-request.ts",
    caughtBy: ["security/grpc-binary-metadata"],
  },
  "stop-without-goodbye": {
    sentence: "A stop drops every connection: the process exits on SIGTERM by itself.",
    seam: "server.ts",
    caughtBy: ["mid-stream-close/graceful-stop"],
    needs: "stop",
  },
  "silent-handshake-kept": {
    sentence: "A connection that never says anything is kept for ever.",
    seam: "listener.ts",
    caughtBy: ["resources/silent-handshake-dropped"],
  },
} as const satisfies Record<string, Fault>;

function isEndOfData(frame: Http2Frame): boolean {
  return frame.type === http2Type.data && (frame.flags & END_STREAM) !== 0;
}

function without(frame: Http2Frame, flag: number): Http2Frame {
  return { ...frame, flags: frame.flags & ~flag };
}

function windowUpdate(increment: number): Http2Frame {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(increment);
  return { type: http2Type.windowUpdate, flags: 0, streamId: 0, payload };
}

/** SETTINGS with one value set or replaced: of a repeated setting the last counts. */
function withSetting(payload: Buffer, setting: number, value: number): Buffer {
  const added = Buffer.alloc(6);
  added.writeUInt16BE(setting);
  added.writeUInt32BE(value, 2);
  return Buffer.concat([payload, added]);
}
