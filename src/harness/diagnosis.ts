import { lookup } from "node:dns/promises";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { performance } from "node:perf_hooks";
import { connect as connectTls, rootCertificates, type TLSSocket } from "node:tls";
import { discoverMonitors } from "../contract/discover.js";
import { listServices, type ReflectionAddress } from "../contract/reflection.js";
import type { Contract } from "../core/contract.js";
import { messageOf } from "../core/errors.js";
import { didYouMean } from "../core/suggest.js";
import type { TlsOptions } from "../core/target.js";
import { callOn, openClient } from "../surroundings/grpc-unary.js";
import type { TargetUrl } from "./target-url.js";

/** One thing that was looked at. */
export interface Finding {
  readonly what: string;
  /** `bad`: a run cannot work like this; `info`: good to know. */
  readonly status: "good" | "info" | "bad";
  readonly says: string;
  /** What to do about it. */
  readonly hint?: string;
}

/** How a URL is to be looked at. */
export interface DiagnosisOptions {
  readonly url: TargetUrl;
  readonly contract: Contract;
  /** What a contract that was named says of the method, `/package.Service/Method` where that is known already; undefined: nobody named a contract. */
  readonly named: { readonly method: string | undefined } | undefined;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly tls: TlsOptions;
  /** Bound on each question. Default 3000. */
  readonly timeoutMs?: number;
}

/** Paths at which monitors are often found. */
const usualPaths = ["/logs/monitor", "/monitor", "/ws", "/websocket", "/stream", "/"];
const http2Preface = Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])]);

/** What is found at a URL, from the name to the monitor; stops at the first thing without which the rest cannot be asked. Never rejects. */
export async function diagnose(options: DiagnosisOptions): Promise<Finding[]> {
  const { url } = options;
  const findings: Finding[] = [];
  const name = await resolveName(url);
  findings.push(name);
  if (name.status === "bad") {
    return findings;
  }
  const first = await ask(options, undefined);
  findings.push(...connectionFindings(options, first));
  if (first.failure !== undefined) {
    return findings;
  }
  const path = url.transport === "ws" ? (url.path ?? options.contract.websocket?.path ?? "/") : "/";
  const [plain, http2] = await Promise.all([ask(options, plainGet(options, path)), ask(options, http2Preface)]);
  findings.push(...protocolFindings(options, plain, http2, path));
  findings.push(...(url.transport === "grpc" ? await grpcFindings(options, http2) : await webSocketFindings(options, path, looksLikeHttp2(http2))));
  return findings;
}

/** What came back, and how the connection was made. */
interface Answer {
  readonly failure: string | undefined;
  readonly connectMs: number;
  readonly text: string;
  readonly bytes: Buffer;
  readonly tls:
    | { readonly protocol: string | null; readonly alpn: string; readonly subject: string; readonly validTo: string; readonly problem: string | undefined }
    | undefined;
}

async function resolveName({ host }: TargetUrl): Promise<Finding> {
  if (isIP(host) !== 0) {
    return { what: "name", status: "good", says: `${host} is an address` };
  }
  try {
    const found = await lookup(host, { all: true });
    return { what: "name", status: "good", says: `${host} is ${found.map(({ address }) => address).join(", ")}` };
  } catch (thrown) {
    return { what: "name", status: "bad", says: `${host} is not known: ${messageOf(thrown)}`, hint: "check the host name" };
  }
}

/** Connects, sends the bytes if there are any, and gives the first that comes back within the bound. */
function ask({ url, tls, timeoutMs = 3000 }: DiagnosisOptions, request: Buffer | undefined): Promise<Answer> {
  return new Promise((resolve) => {
    const startMs = performance.now();
    let connectMs = 0;
    const chunks: Buffer[] = [];
    const secured = (): Answer["tls"] => (url.secure ? describeTls(socket as TLSSocket) : undefined);
    const settle = (failure: string | undefined): void => {
      clearTimeout(timer);
      const bytes = Buffer.concat(chunks);
      const answer = { failure, connectMs, text: bytes.toString("latin1"), bytes, tls: connectMs === 0 ? undefined : secured() };
      socket.destroy();
      resolve(answer);
    };
    const connected = (): void => {
      connectMs = performance.now() - startMs;
      if (request === undefined) {
        settle(undefined);
      } else {
        socket.write(request);
      }
    };
    const socket: Socket = url.secure
      ? connectTls(
          {
            host: url.host,
            port: url.port,
            // Looked at all the same; whether it is trusted is said.
            rejectUnauthorized: false,
            ALPNProtocols: url.transport === "grpc" ? ["h2"] : ["http/1.1"],
            ...(isIP(url.host) === 0 ? { servername: tls.servername ?? url.host } : {}),
            ...(tls.ca === undefined ? {} : { ca: [tls.ca, ...rootCertificates] }),
            ...(tls.cert === undefined ? {} : { cert: tls.cert, key: tls.key }),
          },
          connected,
        )
      : connectTcp({ host: url.host, port: url.port }, connected);
    const timer = setTimeout(() => settle(connectMs === 0 ? `no answer within ${timeoutMs} ms` : undefined), timeoutMs);
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      if (Buffer.concat(chunks).length >= 9) {
        settle(undefined);
      }
    });
    socket.on("error", (error: NodeJS.ErrnoException) => settle(connectMs === 0 ? error.message : undefined));
    socket.on("close", () => settle(connectMs === 0 ? "the connection was closed at once" : undefined));
  });
}

function describeTls(socket: TLSSocket): NonNullable<Answer["tls"]> {
  const certificate = socket.getPeerCertificate();
  return {
    protocol: socket.getProtocol(),
    alpn: socket.alpnProtocol === false || socket.alpnProtocol === null ? "none" : socket.alpnProtocol,
    subject: [certificate.subject?.CN, certificate.subjectaltname].filter((part) => part !== undefined).join("; "),
    validTo: certificate.valid_to ?? "?",
    problem: socket.authorized ? undefined : String(socket.authorizationError),
  };
}

function connectionFindings({ url, tls }: DiagnosisOptions, answer: Answer): Finding[] {
  const where = `${url.host}:${url.port}`;
  if (answer.failure !== undefined) {
    const refused = answer.failure.includes("ECONNREFUSED");
    const wrong = /wrong version number|packet length too long/i.test(answer.failure);
    return [
      {
        what: "connection",
        status: "bad",
        says: refused ? `nothing listens on ${where}` : wrong ? `${where} does not speak TLS` : `${where}: ${answer.failure}`,
        hint: wrong
          ? `write ${url.transport}:// instead of ${url.transport}s://`
          : refused
            ? "start the server, or check the port"
            : "check host, port and firewall",
      },
    ];
  }
  const findings: Finding[] = [{ what: "connection", status: "good", says: `${where} accepts in ${answer.connectMs.toFixed(1)} ms` }];
  if (answer.tls !== undefined) {
    const { protocol, alpn, subject, validTo, problem } = answer.tls;
    findings.push({
      what: "TLS",
      status: problem === undefined ? "good" : tls.insecure === true ? "info" : "bad",
      says: `${protocol ?? "?"}, ALPN ${alpn}, certificate for ${subject}, until ${validTo}${problem === undefined ? "" : `, not trusted: ${problem}`}`,
      ...(problem === undefined || tls.insecure === true ? {} : { hint: "trust its authority with --ca FILE, or accept any with --insecure" }),
    });
  }
  return findings;
}

function protocolFindings({ url }: DiagnosisOptions, plain: Answer, http2: Answer, path: string): Finding[] {
  const speaksHttp1 = /^HTTP\/1\.[01] (\d{3})/.exec(plain.text)?.[1];
  const speaksHttp2 = looksLikeHttp2(http2);
  const findings: Finding[] = [];
  findings.push({
    what: "HTTP/1.1",
    status: "info",
    says: speaksHttp1 === undefined ? "no HTTP/1.1 here" : `a plain GET of ${path} is answered ${speaksHttp1}`,
  });
  findings.push({
    what: "HTTP/2",
    status: url.transport === "grpc" && !speaksHttp2 ? "bad" : "info",
    says: speaksHttp2 ? "the HTTP/2 preface is answered with SETTINGS" : "the HTTP/2 preface is not understood",
    ...(url.transport === "grpc" && !speaksHttp2
      ? {
          hint:
            speaksHttp1 === undefined
              ? http2.text.startsWith("\u0015\u0003")
                ? "it speaks TLS: write grpcs://"
                : "check the port: it belongs to another protocol"
              : "this is an HTTP/1.1 port: is it the WebSocket's? write ws://",
        }
      : {}),
  });
  return findings;
}

function looksLikeHttp2({ bytes }: Answer): boolean {
  return bytes.length >= 9 && bytes[3] === 4 && bytes.readUInt32BE(5) === 0;
}

async function grpcFindings(options: DiagnosisOptions, http2: Answer): Promise<Finding[]> {
  if (!looksLikeHttp2(http2)) {
    return [];
  }
  const { url, tls, headers, timeoutMs = 3000 } = options;
  const address = { host: url.host, port: url.port, headers, ...(url.secure ? { tls } : {}) };
  const client = openClient(address);
  const findings: Finding[] = [];
  try {
    const health = await callOn(client, address, { path: "/grpc.health.v1.Health/Check", request: new Uint8Array(), timeoutMs });
    findings.push({
      what: "health",
      status: "info",
      says: health.kind === "answered" ? (health.bytes[1] === 1 ? "SERVING" : "it answers, but not SERVING") : `not served (${health.detail})`,
    });
  } finally {
    client.close();
  }
  findings.push(...(await reflectionFindings({ url: url.shown, ...address, timeoutMs }, options)));
  return findings;
}

/** Names that one line lists. */
const mostNames = 12;

/** What services the server says it has, and which of their methods may be a monitor. */
async function reflectionFindings(address: ReflectionAddress, { url, named }: DiagnosisOptions): Promise<Finding[]> {
  const findings: Finding[] = [];
  const method = url.path ?? named?.method;
  try {
    const services = await listServices(address);
    const service = method?.slice(1, method.lastIndexOf("/"));
    findings.push(
      service === undefined || services.includes(service)
        ? { what: "reflection", status: "good", says: `it serves ${listed(services)}` }
        : { what: "reflection", status: "info", says: `it does not name ${service}: it serves ${listed(services)}.${didYouMean(service, services)}` },
    );
    const monitors = (await discoverMonitors(address)).map((candidate) => candidate.method);
    findings.push(
      monitors.length === 0
        ? { what: "monitors", status: "info", says: "no method streams both ways", hint: "a monitor is: rpc Monitor (stream Filter) returns (stream Entry)" }
        : {
            what: "monitors",
            status: "info",
            says: `${listed(monitors)} ${monitors.length === 1 ? "streams" : "stream"} both ways`,
            ...(named === undefined ? { hint: `halfclose init ${address.url} writes a contract to start from` } : {}),
          },
    );
  } catch (thrown) {
    findings.push({ what: "reflection", status: "info", says: messageOf(thrown) });
  }
  return findings;
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? "nothing" : `${names.slice(0, mostNames).join(", ")}${names.length > mostNames ? ` and ${names.length - mostNames} more` : ""}`;
}

async function webSocketFindings(options: DiagnosisOptions, path: string, speaksHttp2: boolean): Promise<Finding[]> {
  const statusOf = async (candidate: string): Promise<string | undefined> =>
    /^HTTP\/1\.[01] (\d{3})/.exec((await ask(options, upgrade(options, candidate))).text)?.[1];
  const status = await statusOf(path);
  if (status === "101") {
    return [{ what: "upgrade", status: "good", says: `${path} is upgraded to WebSocket` }];
  }
  if (status === undefined && speaksHttp2) {
    return [
      { what: "upgrade", status: "bad", says: `the upgrade on ${path} gets no HTTP answer`, hint: "this is an HTTP/2 port: is it gRPC's? write grpc://" },
    ];
  }
  const others: string[] = [];
  for (const candidate of usualPaths.filter((other) => other !== path)) {
    if ((await statusOf(candidate)) === "101") {
      others.push(candidate);
    }
  }
  const { url } = options;
  const found = others.map((other) => `${url.secure ? "wss" : "ws"}://${url.host}:${url.port}${other}`);
  return [
    {
      what: "upgrade",
      status: "bad",
      says: status === undefined ? `the upgrade on ${path} gets no HTTP answer` : `the upgrade on ${path} is answered ${status}`,
      hint:
        found.length > 0
          ? `did you mean ${found.join(" or ")}?`
          : status === "401" || status === "403"
            ? "pass a credential with --token or --header"
            : "check the path",
    },
  ];
}

function plainGet(options: DiagnosisOptions, path: string): Buffer {
  return Buffer.from(`GET ${path} HTTP/1.1\r\nhost: ${hostOf(options)}\r\nconnection: close\r\n\r\n`, "latin1");
}

function upgrade(options: DiagnosisOptions, path: string): Buffer {
  const protocols = options.contract.websocket?.subprotocols ?? [];
  const lines = [
    `GET ${path} HTTP/1.1`,
    `host: ${hostOf(options)}`,
    "connection: Upgrade",
    "upgrade: websocket",
    "sec-websocket-version: 13",
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    ...(protocols.length === 0 ? [] : [`sec-websocket-protocol: ${protocols.join(", ")}`]),
    ...options.headers.map(([name, value]) => `${name}: ${value}`),
  ];
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
}

function hostOf({ url }: DiagnosisOptions): string {
  return `${url.host.includes(":") ? `[${url.host}]` : url.host}:${url.port}`;
}
