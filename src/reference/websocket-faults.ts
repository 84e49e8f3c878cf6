import type { Fault } from "./fault.js";
import { webSocketOpcode, type WebSocketFrame } from "./websocket-tap.js";

const CONTROL_LIMIT_BYTES = 125;
const NORMAL_CLOSE = codePayload(1000);

/** Faults of the opening handshake, the frames and the closing handshake. */
export const webSocketFaults = {
  "connection-header-exact": {
    sentence: 'The Connection header is compared with "Upgrade" as a whole instead of as a list.',
    seam: "upgrade-request.ts",
    caughtBy: ["opening/ws-connection-header-tokens"],
  },
  "any-version-upgraded": {
    sentence: "The WebSocket version is not looked at.",
    seam: "upgrade-request.ts",
    caughtBy: ["opening/ws-version-refused"],
  },
  "any-key-upgraded": {
    sentence: "The key may be missing, or of any length.",
    seam: "upgrade-request.ts",
    caughtBy: ["opening/ws-key-required"],
  },
  "plain-get-held": {
    sentence: "A plain GET of the monitor is held open without an answer.",
    seam: "http-side.ts",
    caughtBy: ["opening/ws-plain-get-refused"],
  },
  "subprotocol-invented": {
    sentence: "Whoever offers a subprotocol gets another one.",
    seam: "websocket-server.ts",
    caughtBy: ["opening/ws-subprotocol-not-invented"],
  },
  "upgrade-waits-for-entry": {
    sentence:
      "The upgrade is answered with the first thing to send, which without a filter is a heartbeat seconds later (Goa upgrades in the first Send or Recv).",
    seam: "websocket-server.ts",
    caughtBy: ["opening/ws-upgrade-before-entries"],
  },
  "any-path-upgraded": {
    sentence: "Every path is upgraded (`new WebSocketServer({ server })`).",
    seam: "upgrade-request.ts",
    caughtBy: ["opening/ws-other-path-refused"],
  },
  "fragment-is-message": {
    sentence: "Each fragment of a message is read as a message.",
    seam: "websocket",
    caughtBy: ["filter-updates/ws-fragmented", "bad-input/ws-bad-frames"],
    webSocket: () => ({
      inbound: (frame) => {
        if (frame.opcode === webSocketOpcode.continuation) return [{ ...frame, fin: true, opcode: webSocketOpcode.text }];
        return [frame.opcode === webSocketOpcode.text ? { ...frame, fin: true } : frame];
      },
    }),
  },
  "close-without-code": {
    sentence: "The Close frame after the client's end is empty: 1005 at the client.",
    seam: "websocket-stream.ts",
    caughtBy: ["eof/ws-close-code-1000"],
  },
  "never-closes": {
    sentence: "The upgraded socket is never closed after the service returns, not even with a Close frame (a Goa service that just returns).",
    seam: "websocket-stream.ts",
    caughtBy: ["eof/ws-null-line-ends", "eof/ws-bare-null-ends", "eof/ws-close-code-1000", "eof/ws-socket-closed", "eof/while-idle", "eof/before-any-filter"],
  },
  "socket-left-open": {
    sentence: "After the Close frame that follows the client's end the TCP connection stays open.",
    seam: "websocket",
    caughtBy: ["eof/ws-socket-closed"],
    webSocket: () => ({ keepsConnection: (firstClose) => firstClose === "server" }),
  },
  "lingers-after-close": {
    sentence: "After the closing handshake the server waits for the client to close TCP.",
    seam: "websocket",
    caughtBy: ["mid-stream-close/ws-server-closes-tcp-first"],
    webSocket: () => ({ keepsConnection: (firstClose) => firstClose === "client" }),
  },
  "entries-after-close": {
    sentence: "Entries follow the server's Close frame: a second task sends them and does not know of it.",
    seam: "websocket",
    caughtBy: ["eof/ws-nothing-after-close"],
    webSocket: () => {
      let last: WebSocketFrame | undefined;
      return {
        outbound: (frame) => {
          if (frame.opcode === webSocketOpcode.text) last = frame;
          return frame.opcode === webSocketOpcode.close && last !== undefined ? [frame, last] : [frame];
        },
      };
    },
  },
  "drops-on-close-under-flow": {
    sentence: "TCP is dropped in answer to a Close frame while entries flow.",
    seam: "websocket",
    caughtBy: ["mid-stream-close/ws-close-answered"],
    webSocket: () => {
      let sentMs = -Infinity;
      return {
        outbound: (frame) => {
          if (frame.opcode === webSocketOpcode.text) sentMs = performance.now();
          return [frame];
        },
        inbound: (frame, tap) => {
          const flowing = performance.now() - sentMs < 50;
          if (frame.opcode !== webSocketOpcode.close || !flowing) return [frame];
          tap.cut();
          return [];
        },
      };
    },
  },
  "broken-pipe-kills": {
    sentence: "A client that drops TCP right after null kills the process: the error of the write has no listener (EPIPE).",
    seam: "websocket-stream.ts",
    caughtBy: ["mid-stream-close/ws-null-then-fin-harmless"],
    reach: "server",
  },
  "any-close-code-echoed": {
    sentence: "The code of a Close frame is echoed unread, also one that must not be on the wire.",
    seam: "websocket",
    caughtBy: ["mid-stream-close/ws-close-codes", "mid-stream-close/ws-close-payload"],
    webSocket: () => {
      let received: Buffer | undefined;
      return {
        inbound: (frame) => {
          if (frame.opcode !== webSocketOpcode.close || frame.payload.length < 2) return [frame];
          received = frame.payload.subarray(0, 2);
          return [{ ...frame, payload: NORMAL_CLOSE }];
        },
        outbound: (frame) => [frame.opcode === webSocketOpcode.close && received !== undefined ? { ...frame, payload: received } : frame],
      };
    },
  },
  "close-payload-unchecked": {
    sentence: "A Close frame is a clean close whatever its payload is.",
    seam: "websocket",
    caughtBy: ["mid-stream-close/ws-close-payload"],
    webSocket: () => ({
      inbound: (frame) => [frame.opcode === webSocketOpcode.close && !isClosePayload(frame.payload) ? { ...frame, payload: NORMAL_CLOSE } : frame],
    }),
  },
  "binary-frame-ignored": {
    sentence: "A binary frame is ignored in silence.",
    seam: "websocket",
    caughtBy: ["bad-input/ws-binary-frame"],
    webSocket: () => ({ inbound: (frame) => (frame.opcode === webSocketOpcode.binary ? [] : [frame]) }),
  },
  "utf8-replaced": {
    sentence: "Bytes that are not UTF-8 become replacement characters (gorilla with encoding/json).",
    seam: "websocket-server.ts",
    caughtBy: ["bad-input/ws-invalid-utf8", "mid-stream-close/ws-close-payload"],
  },
  "unmasked-accepted": {
    sentence: "Frames that the client did not mask are accepted (aiohttp).",
    seam: "websocket",
    caughtBy: ["bad-input/ws-unmasked"],
    webSocket: () => ({ inbound: (frame) => [{ ...frame, masked: true }] }),
  },
  "reserved-bits-accepted": {
    sentence: "The reserved bits of a frame are not looked at.",
    seam: "websocket",
    caughtBy: ["bad-input/ws-bad-frames"],
    webSocket: () => ({ inbound: (frame) => [{ ...frame, rsv: 0 }] }),
  },
  "opcode-3-ignored": {
    sentence: "A frame with the reserved data opcode 3 is ignored.",
    seam: "websocket",
    caughtBy: ["bad-input/ws-bad-frames"],
    webSocket: () => ({ inbound: (frame) => (frame.opcode === 3 ? [] : [frame]) }),
  },
  "opcode-11-ignored": {
    sentence: "A frame with the reserved control opcode 11 is ignored.",
    seam: "websocket",
    caughtBy: ["bad-input/ws-bad-frames"],
    webSocket: () => ({ inbound: (frame) => (frame.opcode === 11 ? [] : [frame]) }),
  },
  "fragmented-ping-accepted": {
    sentence: "A ping without FIN is answered.",
    seam: "websocket",
    caughtBy: ["bad-input/ws-bad-frames"],
    webSocket: () => {
      let fragmented = false;
      return {
        inbound: (frame) => {
          const continues = fragmented && frame.opcode === webSocketOpcode.continuation;
          if (continues || frame.opcode === webSocketOpcode.ping) fragmented = !frame.fin;
          if (continues) return [];
          return [frame.opcode === webSocketOpcode.ping ? { ...frame, fin: true } : frame];
        },
      };
    },
  },
  "long-ping-accepted": {
    sentence: "A ping of more than 125 bytes is answered.",
    seam: "websocket",
    caughtBy: ["bad-input/ws-bad-frames"],
    webSocket: () => ({
      inbound: (frame) => [frame.opcode === webSocketOpcode.ping ? { ...frame, payload: frame.payload.subarray(0, CONTROL_LIMIT_BYTES) } : frame],
    }),
  },
  "orphan-continuation-ignored": {
    sentence: "A continuation without a beginning is ignored.",
    seam: "websocket",
    caughtBy: ["bad-input/ws-bad-frames"],
    webSocket: () => {
      let open = false;
      return {
        inbound: (frame) => {
          const data = frame.opcode < webSocketOpcode.close;
          if (frame.opcode === webSocketOpcode.continuation && !open) return [];
          if (data) open = !frame.fin;
          return [frame];
        },
      };
    },
  },
  "auth-after-upgrade": {
    sentence: "Credentials are looked at after the upgrade: 101, then Close 1008.",
    seam: "upgrade-request.ts, websocket-server.ts",
    caughtBy: ["security/ws-auth-before-upgrade"],
    needs: "token",
  },
  "origin-ignored": {
    sentence: "The Origin header is not looked at.",
    seam: "upgrade-request.ts",
    caughtBy: ["security/ws-origin"],
    needs: "origins",
  },
} as const satisfies Record<string, Fault>;

function codePayload(code: number): Buffer {
  return Buffer.from([code >> 8, code & 0xff]);
}

function isClosePayload(payload: Buffer): boolean {
  if (payload.length === 0) return true;
  if (payload.length === 1 || payload.length > CONTROL_LIMIT_BYTES) return false;
  const reason = payload.subarray(2);
  return Buffer.from(reason.toString("utf8")).equals(reason);
}
