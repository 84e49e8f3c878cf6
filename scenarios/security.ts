import { connect as connectTls, type TLSSocket } from "node:tls";
import type { Check } from "../src/conformance/check.js";
import { awaitStatus, describeGrpcEnd, openGrpc } from "../src/conformance/grpc-exchange.js";
import type { Session } from "../src/conformance/session.js";
import { performUpgrade } from "../src/conformance/websocket-exchange.js";
import { fail, notApplicable, unproven } from "../src/core/verdict.js";

const ws = ["ws"] as const;
const grpc = ["grpc"] as const;
const both = ["grpc", "ws"] as const;

export const securityChecks: readonly Check[] = [
  {
    id: "security/ws-auth-before-upgrade",
    on: ws,
    level: "must",
    requirement: "A wrong or missing credential is refused with 401 or 403 before the upgrade.",
    clause: "RFC 6455 §4.2.2 item 2, §10.5; Goa runs its security handlers before the upgrade",
    why: "After a 101 the stream is open: whatever refuses it later does so after something may have been sent.",
    exchange: ["C → S  GET … Upgrade, Authorization: wrong", "S → C  401"],
    causes: { any: "The credential is looked at in the stream's handler, which runs after the upgrade." },
    needs: ["wire"],
    async run(session) {
      const name = credentialOf(session);
      for (const value of ["Bearer halfclose-wrong", null] as const) {
        const outcome = await performUpgrade(session, { headers: [[name, value]] });
        if (outcome.kind === "accepted") {
          fail(`401 or 403 for ${value === null ? "no" : "a wrong"} ${name}`, "101: the upgrade was accepted");
        }
        if (outcome.response.status !== 401 && outcome.response.status !== 403) {
          fail(`401 or 403 for ${value === null ? "no" : "a wrong"} ${name}`, `HTTP ${outcome.response.status}`);
        }
      }
    },
  },
  {
    id: "security/grpc-auth-refused",
    on: grpc,
    level: "must",
    requirement: "A call with a wrong or missing credential ends with UNAUTHENTICATED or PERMISSION_DENIED, and without an entry.",
    clause: "gRPC status codes: UNAUTHENTICATED (16), PERMISSION_DENIED (7)",
    why: "One entry that slips out before the refusal is one too many.",
    exchange: ["C → S  HEADERS authorization: wrong; DATA filter", "S → C  grpc-status 16, no entry"],
    causes: { any: "An interceptor for unary calls does not cover streams." },
    needs: ["wire"],
    async run(session) {
      const name = credentialOf(session);
      const others = session.target.headers.filter(([header]) => header !== name);
      for (const value of ["Bearer halfclose-wrong", undefined]) {
        const exchange = await openGrpc(session, {
          rawHeaders: [
            [":method", "POST"],
            [":scheme", session.target.tls === undefined ? "http" : "https"],
            [":path", session.target.path],
            [":authority", `${session.target.host}:${session.target.port}`],
            ["te", "trailers"],
            ["content-type", "application/grpc"],
            ...others.map(([header, text]) => [header, text] as const),
            ...(value === undefined ? [] : [[name, value] as const]),
          ],
        });
        await exchange.conversation.send(session.role("broad")).catch(() => undefined);
        const end = await awaitStatus(session, exchange);
        if (end.status !== 16 && end.status !== 7) {
          fail(`UNAUTHENTICATED or PERMISSION_DENIED for ${value === undefined ? "no" : "a wrong"} ${name}`, describeGrpcEnd(end));
        }
        if (exchange.conversation.arrivals.length > 0) {
          fail("no entry without a credential", `${exchange.conversation.arrivals.length} came before the refusal`);
        }
      }
    },
  },
  {
    id: "security/tls-versions",
    on: both,
    level: "must",
    requirement: "Only TLS 1.2 and later are accepted; a gRPC port selects h2 by ALPN.",
    clause: "RFC 8996; RFC 9113 §3.2, §9.2",
    why: "TLS 1.0 and 1.1 are broken and forbidden; without ALPN a client must not speak HTTP/2.",
    exchange: ["C → S  ClientHello, TLS 1.1 at most", "S → C  alert protocol_version"],
    causes: { any: "Minimum versions are left at the library's oldest default." },
    async run(session) {
      if (session.target.tls === undefined) {
        notApplicable("the target is reached without TLS");
      }
      for (const version of ["TLSv1", "TLSv1.1"] as const) {
        const old = await handshake(session, { minVersion: version, maxVersion: version, ciphers: "DEFAULT@SECLEVEL=0" });
        if (old.protocol !== undefined) {
          fail(`${version} is refused`, `${old.protocol} was agreed on`);
        }
      }
      const current = await handshake(session, { minVersion: "TLSv1.2" });
      if (current.protocol === undefined) {
        fail("TLS 1.2 or later is accepted", current.error ?? "the handshake failed");
      }
      if (session.transport === "grpc" && current.alpn !== "h2") {
        fail("h2 by ALPN", current.alpn === undefined ? "no protocol was selected" : current.alpn);
      }
    },
  },
  {
    id: "security/ws-origin",
    on: ws,
    level: "should",
    requirement: "An upgrade from an origin that the server's policy does not allow is refused with 403.",
    clause: "RFC 6455 §10.2",
    why: "Browsers send cookies with an upgrade from any page: the origin is all that tells a foreign one.",
    exchange: ["C → S  GET … Upgrade, Origin: https://halfclose.invalid", "S → C  403"],
    causes: { Node: "`ws` does not look at Origin.", Go: "An upgrader whose CheckOrigin returns true." },
    needs: ["wire"],
    async run(session) {
      const { origins } = session.contract.websocket ?? {};
      if (origins === undefined) {
        notApplicable("the contract declares no Origin policy");
      }
      const allowed = await performUpgrade(session, { headers: origins[0] === undefined ? [] : [["Origin", origins[0]]] });
      if (allowed.kind === "refused") {
        fail(`101 for the origin ${origins[0] ?? "that is not given"}, which the contract allows`, `HTTP ${allowed.response.status}`);
      }
      allowed.connection.destroy();
      const outcome = await performUpgrade(session, { headers: [["Origin", "https://halfclose.invalid"]] });
      if (outcome.kind === "accepted" || outcome.response.status !== 403) {
        fail("403 for a foreign Origin", outcome.kind === "accepted" ? "101: the upgrade was accepted" : `HTTP ${outcome.response.status}`);
      }
    },
  },
  {
    id: "security/grpc-binary-metadata",
    on: grpc,
    level: "must",
    requirement: "Binary metadata is accepted with and without padding, and under a name that is given twice.",
    clause: "gRPC over HTTP/2, Custom-Metadata: implementations must accept padded and un-padded values",
    why: "Tracing and authentication travel in -bin headers, from clients of every language.",
    exchange: ["C → S  HEADERS halfclose-bin: aGFsZg==, halfclose-bin: aGFsZg", "S → C  entries"],
    causes: { any: "A strict base64 decoder refuses one of the two forms." },
    needs: ["wire"],
    dependsOn: ["first-filter/takes-effect"],
    async run(session) {
      const broad = session.role("broad");
      for (const values of [["aGFsZg=="], ["aGFsZg"], ["aGFsZg==", "Y2xvc2U"]]) {
        const exchange = await openGrpc(session, { metadata: values.map((value) => ["halfclose-bin", value] as const) });
        await exchange.conversation.send(broad);
        const first = await session.until(() => exchange.conversation.arrivals[0] ?? exchange.end, 100, { quiet: true });
        if (first === undefined || exchange.end === undefined) {
          await session.effect(exchange.conversation, broad, { since: 0 });
        }
        if (exchange.end !== undefined) {
          fail(`entries with halfclose-bin: ${values.join(" and ")}`, describeGrpcEnd(exchange.end));
        }
        exchange.connection.destroy();
      }
    },
  },
];

/** The name of the header that carries the run's credential; the check needs a right one to have a wrong one refused. */
function credentialOf(session: Session): string {
  const credential = session.target.headers.find(([name]) => /^(authorization|x-api-key|api-key|cookie)$/.test(name));
  if (credential === undefined) {
    unproven("a credential: the run has none (--token, --header), so there is nothing to refuse");
  }
  return credential[0];
}

interface Handshake {
  readonly protocol?: string;
  readonly alpn?: string;
  readonly error?: string;
}

function handshake(
  session: Session,
  versions: { readonly minVersion: "TLSv1" | "TLSv1.1" | "TLSv1.2"; readonly maxVersion?: "TLSv1" | "TLSv1.1"; readonly ciphers?: string },
): Promise<Handshake> {
  const { target } = session;
  return new Promise((resolve) => {
    const socket: TLSSocket = connectTls({
      host: target.host,
      port: target.port,
      rejectUnauthorized: false,
      ...(session.transport === "grpc" ? { ALPNProtocols: ["h2"] } : {}),
      ...versions,
    });
    const timer = setTimeout(() => {
      socket.destroy();
      resolve({ error: `no answer within ${session.bounds.applyMs} ms` });
    }, session.bounds.applyMs);
    const settle = (result: Handshake): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(result);
    };
    socket.once("secureConnect", () =>
      settle({ protocol: socket.getProtocol() ?? "unknown", ...(typeof socket.alpnProtocol === "string" ? { alpn: socket.alpnProtocol } : {}) }),
    );
    socket.once("error", (error) => settle({ error: error.message }));
    socket.once("close", () => settle({ error: "the server closed the connection" }));
  });
}
