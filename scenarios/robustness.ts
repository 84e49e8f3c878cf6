import { isIP } from "node:net";
import type { Check } from "../src/conformance/check.js";
import { describeEnd } from "../src/conformance/conversation.js";
import { awaitOk, connectGrpc, openGrpc } from "../src/conformance/grpc-exchange.js";
import { openWebSocket } from "../src/conformance/websocket-exchange.js";
import { fail, failOnSight } from "../src/core/verdict.js";
import { startRelay } from "../src/relay/relay.js";
import { requireAllMatch } from "./observations.js";

const both = ["grpc", "ws"] as const;
const grpc = ["grpc"] as const;

export const robustnessChecks: readonly Check[] = [
  {
    id: "robustness/reconnect-starts-fresh",
    on: both,
    level: "must",
    requirement: "A client that comes back after a drop starts with no filter: nothing is sent before it sends one.",
    clause: "monitor design: before the first filter there is none",
    why: "A server that remembers a filter by address or by token gives a new view the old one's entries.",
    exchange: ["C → S  filter A", "C       drops the connection", "C → S  open again", "S → C  (nothing)", "C → S  filter B", "S → C  only B"],
    causes: { any: "Filter state is kept by peer, by session cookie or by token, and survives the connection." },
    dependsOn: ["first-filter/silent-before"],
    async run(session) {
      const broad = session.role("broad");
      const [a, b] = session.role("disjoint");
      const first = await session.flowing(a);
      first.cancel();
      await session.settle(40);
      const again = await session.open();
      const other = await session.flowing(broad);
      await session.barrier(other);
      await session.supply.produce([a], [b], 2);
      await session.barrier(other);
      await session.settle(60);
      const [early] = again.arrivals;
      if (early !== undefined) {
        again.accuse(early, "came before any filter was sent on this connection");
        failOnSight("no entry before the first filter of a new connection", `${again.arrivals.length} came`);
      }
      if (again.end !== undefined) {
        fail("the new stream stays open", describeEnd(again.end));
      }
      await again.send(b);
      await session.effect(again, b, { since: 0 });
      requireAllMatch(again, b);
    },
  },
  {
    id: "robustness/one-byte-segments",
    on: both,
    level: "must",
    requirement: "A stream whose bytes arrive one at a time works as any other.",
    clause: "RFC 9293: TCP is a byte stream; RFC 6455 §5.4; gRPC over HTTP/2",
    why: "Networks cut where they like; a server that takes one read for one frame works only on a quiet LAN.",
    exchange: ["C → S  each byte in a TCP segment of its own", "S → C  entries, clean end"],
    causes: { any: "A hand-written reader takes what one read gives for a whole frame or message." },
    needs: ["wire"],
    dependsOn: ["first-filter/takes-effect", "filter-updates/grpc-split-and-coalesced", "eof/grpc-empty-end-stream", "eof/ws-null-line-ends"],
    async run(session) {
      const [a, b] = session.role("disjoint");
      const relay = await startRelay({ target: { host: session.target.host, port: session.target.port }, segmentBytes: { "to-target": 1 } });
      session.defer(() => relay.close());
      const { host, port, tls } = session.target;
      const named = `${host.includes(":") ? `[${host}]` : host}:${port}`;
      const address = { host: relay.host, port: relay.port };
      // Each byte takes a turn of our own loop, of which hundreds belong to a handshake: time enough that a busy machine is not the server's fault.
      const boundMs = session.bounds.applyMs * 5;
      if (session.transport === "grpc") {
        const exchange = await openGrpc(session, {
          connect: {
            ...address,
            authority: named,
            ...(tls === undefined ? {} : { tls: { ...(isIP(host) === 0 ? { servername: tls.servername ?? host } : {}) } }),
          },
        });
        await exchange.conversation.send(a);
        await session.effect(exchange.conversation, a, { since: 0, boundMs });
        await session.change(exchange.conversation, b, boundMs);
        await exchange.conversation.halfClose();
        await awaitOk(session, exchange, session.bounds.endMs + boundMs);
        return;
      }
      const exchange = await openWebSocket(session, { ...address, hostHeader: named, boundMs });
      await exchange.conversation.send(a);
      await session.effect(exchange.conversation, a, { since: 0, boundMs });
      await session.change(exchange.conversation, b, boundMs);
      await exchange.conversation.halfClose();
      await session.endsCleanly(exchange.conversation, session.bounds.endMs + boundMs);
    },
  },
  {
    id: "robustness/grpc-ping-and-unknown-frames",
    on: grpc,
    level: "must",
    requirement: "PING is acknowledged with its payload; frames of unknown types and unknown settings are ignored.",
    clause: "RFC 9113 §6.7, §5.5, §6.5.2",
    why: "Clients keep connections alive by PING, and extensions rely on being ignored.",
    exchange: ["C → S  PING", "S → C  PING ACK", "C → S  frame of type 0xbe", "S → C  entries go on"],
    causes: { any: "A hand-written HTTP/2 layer takes what it does not know for an error." },
    needs: ["wire"],
    dependsOn: ["first-filter/takes-effect"],
    async run(session) {
      const broad = session.role("broad");
      const connection = await connectGrpc(session);
      const exchange = await openGrpc(session, { connection });
      await exchange.conversation.send(broad);
      await session.effect(exchange.conversation, broad, { since: 0 });
      const rttMicros = await connection.ping({ withinMs: session.bounds.endMs, opaque: Buffer.from("halfclos") });
      if (rttMicros === undefined) {
        fail(
          `PING is acknowledged within ${session.bounds.endMs} ms`,
          connection.end === undefined ? "no acknowledgement" : `the connection ended: ${connection.end.detail}`,
        );
      }
      connection.sendFrame({ type: 0xbe, flags: 0xff, streamId: 0, payload: Buffer.from("unknown") });
      connection.sendFrame({ type: 0xbf, flags: 0, streamId: exchange.call.stream.id, payload: Buffer.alloc(0) });
      const settings = Buffer.alloc(6);
      settings.writeUInt16BE(0xfa5e, 0);
      settings.writeUInt32BE(1, 2);
      connection.sendFrame({ type: 4, flags: 0, streamId: 0, payload: settings });
      await session.settle(50);
      if (exchange.end !== undefined || connection.end !== undefined || connection.goaway !== undefined) {
        fail(
          "unknown frames and settings are ignored",
          connection.goaway === undefined ? (connection.end?.detail ?? "the stream ended") : `GOAWAY with code ${connection.goaway.code}`,
        );
      }
      await session.barrier(exchange.conversation);
    },
  },
];
