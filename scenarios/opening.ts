import type { Check } from "../src/conformance/check.js";
import { awaitStatus, describeGrpcEnd, filterMessage, openGrpc } from "../src/conformance/grpc-exchange.js";
import { openWebSocket, performUpgrade } from "../src/conformance/websocket-exchange.js";
import { fail, notApplicable } from "../src/core/verdict.js";
import { headerValue } from "../src/wire/grpc-call.js";
import type { UpgradeOutcome } from "../src/wire/websocket-upgrade.js";

const ws = ["ws"] as const;
const grpc = ["grpc"] as const;

export const openingChecks: readonly Check[] = [
  {
    id: "opening/ws-connection-header-tokens",
    on: ws,
    level: "must",
    requirement: "The upgrade is accepted when `Connection` is a list that holds `upgrade`, in any case.",
    clause: "RFC 6455 §4.2.1 item 4, RFC 9110 §7.6.1",
    why: "Browsers behind some proxies, and Firefox by itself, send `Connection: keep-alive, Upgrade`; a server that compares the whole value turns them away.",
    exchange: ["C → S  GET … Connection: keep-alive, Upgrade", "S → C  101"],
    causes: { any: "The header is compared as one string instead of as a list of tokens.", Node: '`req.headers.connection === "Upgrade"`.' },
    needs: ["wire"],
    async run(session) {
      for (const [connection, upgrade] of [
        ["keep-alive, Upgrade", "websocket"],
        ["Upgrade, keep-alive", "websocket"],
        ["upgrade", "websocket"],
        ["UPGRADE", "WebSocket"],
      ] as const) {
        const outcome = await performUpgrade(session, {
          headers: [
            ["Connection", connection],
            ["Upgrade", upgrade],
          ],
        });
        if (outcome.kind === "refused") {
          fail(`101 for "Connection: ${connection}" and "Upgrade: ${upgrade}"`, `HTTP ${outcome.response.status}`);
        }
        outcome.connection.destroy();
      }
    },
  },
  {
    id: "opening/ws-version-refused",
    on: ws,
    level: "must",
    requirement: "An upgrade with a version that nobody speaks is refused with 4xx and `Sec-WebSocket-Version: 13`; versions 8 and 7 may be served too.",
    clause: "RFC 6455 §4.2.2 item 4, §4.4 (the status 426 itself: should)",
    why: "A client that speaks another version must learn which one to use, and must not be given frames that it cannot read.",
    exchange: ["C → S  GET … Sec-WebSocket-Version: 99", "S → C  426, Sec-WebSocket-Version: 13"],
    causes: { any: "The version is not looked at.", Go: "gorilla answers 400 and names the version; that is accepted." },
    needs: ["wire"],
    async run(session) {
      const outcome = await performUpgrade(session, { version: "99" });
      requireRefused(outcome, "version 99");
      const named = outcome.response.headers.some(
        ([name, value]) => name.toLowerCase() === "sec-websocket-version" && value.split(",").some((token) => token.trim() === "13"),
      );
      if (!named) {
        fail("Sec-WebSocket-Version: 13 in the refusal", `HTTP ${outcome.response.status} without it`);
      }
    },
  },
  {
    id: "opening/ws-key-required",
    on: ws,
    level: "must",
    requirement: "An upgrade whose key is missing, or is not 16 bytes in base64, is refused with 4xx.",
    clause: "RFC 6455 §4.2.1 item 5",
    why: "The key proves that the peer speaks WebSocket; without it a plain HTTP request can be turned into a stream.",
    exchange: ["C → S  GET … without Sec-WebSocket-Key", "S → C  400"],
    causes: { any: "Only the presence of the key is looked at, or not even that." },
    needs: ["wire"],
    async run(session) {
      requireRefused(await performUpgrade(session, { headers: [["Sec-WebSocket-Key", null]] }), "no Sec-WebSocket-Key");
      requireRefused(await performUpgrade(session, { key: "c2hvcnQ=" }), "a key of 5 bytes");
    },
  },
  {
    id: "opening/ws-plain-get-refused",
    on: ws,
    level: "must",
    requirement: "A plain GET on the monitor's path is answered with 4xx, soon.",
    clause: "RFC 6455 §4.2.1, RFC 9110 §15.5.22",
    why: "Load balancers and people probe with a plain GET; one that is held open ties up a connection, and a 200 hides that nothing is served.",
    exchange: ["C → S  GET /logs/monitor", "S → C  426 (or another 4xx)"],
    causes: { any: "The handler waits for frames before it looks whether the request was an upgrade." },
    needs: ["wire"],
    async run(session) {
      const { target } = session;
      const host = `${target.host.includes(":") ? `[${target.host}]` : target.host}:${target.port}`;
      const credentials = target.headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
      const outcome = await performUpgrade(session, { rawRequest: `GET ${target.path} HTTP/1.1\r\nHost: ${host}\r\n${credentials}Connection: close\r\n\r\n` });
      requireRefused(outcome, "a plain GET");
    },
  },
  {
    id: "opening/ws-subprotocol-not-invented",
    on: ws,
    level: "must",
    requirement: "The server never selects a subprotocol that the client did not offer.",
    clause: "RFC 6455 §4.2.2 item 5 (/subprotocol/), §4.1",
    why: "Every client must fail a connection whose subprotocol it did not offer; the service is then unusable for whoever offers none.",
    exchange: ["C → S  GET … Sec-WebSocket-Protocol: halfclose-offered", "S → C  101 without a protocol, or with that one"],
    causes: { any: "A fixed protocol name is put into each answer." },
    needs: ["wire"],
    async run(session) {
      if ((session.contract.websocket?.subprotocols.length ?? 0) > 0) {
        notApplicable("the contract names a subprotocol");
      }
      for (const offered of [undefined, ["halfclose-offered"]] as const) {
        const outcome = await performUpgrade(session, { subprotocols: offered });
        const selected = outcome.response.headers.filter(([name]) => name.toLowerCase() === "sec-websocket-protocol").map(([, value]) => value);
        const invented = selected.find((value) => !offered?.some((name) => name === value));
        if (invented !== undefined) {
          fail(`no subprotocol but ${offered === undefined ? "none, as none was offered" : `"${offered.join(", ")}"`}`, `the server selected "${invented}"`);
        }
        if (outcome.kind === "accepted") {
          outcome.connection.destroy();
        }
      }
    },
  },
  {
    id: "opening/ws-upgrade-before-entries",
    on: ws,
    level: "must",
    requirement: "The upgrade is answered at once, before any filter and any entry.",
    clause: "monitor design: the client sends the first filter; it can do so only after the 101",
    why: "A server that upgrades with its first entry deadlocks with a client that waits for the 101 before it sends its filter.",
    exchange: ["C → S  GET … Upgrade", "S → C  101   (no filter yet)"],
    causes: { Go: "Goa upgrades lazily, in the first Send or Recv: a service that works before either keeps the client waiting." },
    needs: ["wire"],
    async run(session) {
      const exchange = await openWebSocket(session);
      exchange.connection.destroy();
    },
  },
  {
    id: "opening/ws-other-path-refused",
    on: ws,
    level: "must",
    requirement: "An upgrade on another path is refused.",
    clause: "RFC 6455 §4.2.2 item 4 (/resource name/)",
    why: "A catch-all upgrade turns a client's typing error into a stream that never says anything.",
    exchange: ["C → S  GET /no/such/path … Upgrade", "S → C  404"],
    causes: { Node: "`new WebSocketServer({ server })` without a path accepts them all." },
    needs: ["wire"],
    async run(session) {
      const outcome = await performUpgrade(session, { path: `/halfclose-no-such-path-${Math.floor(session.random() * 1e6)}` });
      if (outcome.kind === "accepted") {
        fail("a path that is not served is not upgraded", "101");
      }
    },
  },
  {
    id: "opening/grpc-trailers-only",
    on: grpc,
    level: "must",
    requirement: "A response that is an error alone has :status 200, a gRPC content-type and grpc-status in its headers.",
    clause: "gRPC over HTTP/2, Responses: Trailers-Only → HTTP-Status Content-Type Trailers",
    why: "Clients take a response without content-type for one that is not gRPC and report UNKNOWN in place of the status.",
    exchange: ["C → S  HEADERS of a method that is not served, END_STREAM", "S → C  HEADERS :status 200, content-type, grpc-status, END_STREAM"],
    causes: { any: "The error path of a hand-written server builds its headers by itself and leaves something out." },
    needs: ["wire"],
    async run(session) {
      const exchange = await openGrpc(session, { path: "/halfclose.NoSuchService/NoSuchMethod", endStream: true });
      const end = await awaitStatus(session, exchange);
      const { headers } = exchange;
      if (headers === undefined) {
        fail("response headers", describeGrpcEnd(end));
      }
      const status = headerValue(headers.list, ":status");
      const type = headerValue(headers.list, "content-type");
      if (status !== "200") {
        fail(":status 200", `:status ${status ?? "none"}`);
      }
      if (type === undefined || !type.startsWith("application/grpc")) {
        fail("content-type application/grpc in the headers", `content-type ${type ?? "none"}`);
      }
      if (end.rawStatus === undefined) {
        fail("grpc-status", "none");
      }
    },
  },
  {
    id: "opening/grpc-unknown-method",
    on: grpc,
    level: "must",
    requirement: "A method or service that is not served is answered with UNIMPLEMENTED.",
    clause: "gRPC status codes: UNIMPLEMENTED for an unknown method or service",
    why: "Clients fall back to an older method on UNIMPLEMENTED, and on nothing else.",
    exchange: ["C → S  HEADERS :path /pkg.Service/NoSuchMethod", "S → C  grpc-status 12"],
    causes: { any: "A router in front answers 404, or NOT_FOUND." },
    needs: ["wire"],
    async run(session) {
      const service = session.target.path.slice(0, session.target.path.lastIndexOf("/"));
      for (const path of [`${service}/HalfcloseNoSuchMethod`, "/halfclose.NoSuchService/Monitor"]) {
        const exchange = await openGrpc(session, { path });
        void exchange.call.halfClose();
        const end = await awaitStatus(session, exchange);
        if (end.status !== 12) {
          fail(`UNIMPLEMENTED (12) for ${path}`, describeGrpcEnd(end));
        }
      }
    },
  },
  {
    id: "opening/grpc-content-type",
    on: grpc,
    level: "should",
    requirement: "A request whose content-type is not gRPC is answered with HTTP 415.",
    clause: "gRPC over HTTP/2, Requests: servers should reject other content-types with 415",
    why: "A browser or proxy that posts something else must not have it taken for messages.",
    exchange: ["C → S  HEADERS content-type: application/json", "S → C  HEADERS :status 415"],
    causes: { Python: "grpc.aio serves it; the C core does not look at the content-type." },
    needs: ["wire"],
    async run(session) {
      const exchange = await openGrpc(session, { contentType: "application/json" });
      void exchange.call.sendRaw(filterMessage(session, session.role("broad")), { endStream: true });
      await session.until(() => exchange.headers ?? exchange.end, session.bounds.endMs);
      const status = exchange.headers === undefined ? undefined : headerValue(exchange.headers.list, ":status");
      if (status !== "415") {
        fail(
          ":status 415",
          exchange.end === undefined && status === undefined
            ? "no answer"
            : status === undefined
              ? describeGrpcEnd(exchange.end as NonNullable<typeof exchange.end>)
              : `:status ${status}${exchange.end === undefined ? "" : `, ${describeGrpcEnd(exchange.end)}`}`,
        );
      }
    },
  },
  {
    id: "opening/grpc-headers-early",
    on: grpc,
    level: "info",
    requirement: "Response headers are sent before the first entry.",
    clause: "gRPC over HTTP/2 leaves it open; some clients wait for the headers before they send",
    why: "A client that awaits the initial metadata before it sends its filter waits for ever where headers come with the first message only.",
    exchange: ["C → S  HEADERS", "S → C  HEADERS   (no filter yet)"],
    causes: { any: "Most servers send headers with the first message; an explicit call flushes them earlier." },
    needs: ["wire"],
    async run(session) {
      const exchange = await openGrpc(session);
      const early = await session.until(() => exchange.headers, 200, { quiet: true });
      if (early === undefined) {
        fail("headers before the first entry", "headers come with the first message only");
      }
    },
  },
];

/** Fails unless the request was refused with a 4xx. */
function requireRefused(outcome: UpgradeOutcome, what: string): void {
  if (outcome.kind === "accepted") {
    fail(`4xx for ${what}`, "101: the upgrade was accepted");
  }
  const { status } = outcome.response;
  if (status < 400 || status > 499) {
    fail(`4xx for ${what}`, `HTTP ${status}`);
  }
}
