import type { Transport } from "../core/contract.js";
import { HarnessError } from "../core/errors.js";
import { didYouMean } from "../core/suggest.js";

/** What a target URL says. */
export interface TargetUrl {
  /** As written, without its credentials. */
  readonly shown: string;
  readonly transport: Transport;
  readonly secure: boolean;
  /** Without the brackets of an IPv6 address. */
  readonly host: string;
  readonly port: number;
  /** Path and query; undefined: the contract's. */
  readonly path: string | undefined;
  /** From `user:password@`. */
  readonly authorization: string | undefined;
}

const schemes = {
  grpc: { transport: "grpc", secure: false, port: 50051 },
  grpcs: { transport: "grpc", secure: true, port: 443 },
  ws: { transport: "ws", secure: false, port: 80 },
  wss: { transport: "ws", secure: true, port: 443 },
} as const satisfies Record<string, { readonly transport: Transport; readonly secure: boolean; readonly port: number }>;

const schemeNames = Object.keys(schemes);

/**
 * Reads a target URL: `grpc:// grpcs:// ws:// wss://`, path optional; default ports 50051, 443, 80, 443.
 * @throws HarnessError `usage` that says what is wrong with it and how it would be right.
 */
export function parseTargetUrl(text: string): TargetUrl {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) {
    const address = /^(\[[0-9a-f:.]+\]|[\w.-]+)(:\d+)?(\/.*)?$/i.test(text) ? text : "localhost:50051";
    throw new HarnessError("usage", `"${text}" has no scheme that says how to talk to it.`, {
      place: text,
      hint: `write grpc://${address} or ws://${address} (grpcs:// and wss:// for TLS)`,
    });
  }
  if (!isScheme(scheme)) {
    const hint =
      scheme === "http" || scheme === "https"
        ? `for the WebSocket write ${scheme === "http" ? "ws" : "wss"}://…, for gRPC ${scheme === "http" ? "grpc" : "grpcs"}://…; the address of producer and probe goes to --http-url`
        : `the schemes are ${schemeNames.map((name) => `${name}://`).join(", ")}`;
    throw new HarnessError("usage", `"${text}" has the scheme ${scheme}://.${didYouMean(scheme, schemeNames)}`, { place: text, hint });
  }
  let url: URL;
  try {
    // Only for schemes that it knows does URL read host and port by the rules.
    url = new URL(text.replace(/^[^:]+/, "http"));
  } catch {
    throw new HarnessError("usage", `"${text}" is not a URL that can be read.`, {
      place: text,
      hint: `for example ${scheme}://localhost:${schemes[scheme].port}`,
    });
  }
  if (text.includes("\\")) {
    throw new HarnessError("usage", `"${text}" has a backslash, which is no part of a URL.`, { place: text, hint: "write / between the parts of a path" });
  }
  if (url.hash !== "") {
    throw new HarnessError("usage", `"${text}" has a fragment, which is never sent.`, { place: text, hint: "leave out what follows the #" });
  }
  if (/^[^:]+:\/\/(?:[^/?#]*@)?(?:\[[^\]]*\]|[^:/?#]*):(?:[/?]|$)/.test(text)) {
    throw new HarnessError("usage", `"${text}" has a colon and no port after it.`, { place: text, hint: "write the port, or leave out the colon" });
  }
  const { transport, secure, port } = schemes[scheme];
  const path = `${url.pathname === "/" ? "" : url.pathname}${url.search}`;
  if (transport === "grpc" && path !== "" && !/^\/[\w.]+\/\w+$/.test(path)) {
    throw new HarnessError("usage", `"${path}" is not the path of a gRPC method.`, {
      place: text,
      hint: `leave it out, or write ${scheme}://${url.host}/package.Service/Method`,
    });
  }
  // URL drops a port that is the default of http.
  const written = /^[^:]+:\/\/(?:[^/?#]*@)?(?:\[[^\]]*\]|[^:/?#]*)(?::(\d+))?/.exec(text)?.[1];
  return {
    shown: `${scheme}://${url.hostname}${written === undefined ? "" : `:${written}`}${path === "" && !text.endsWith("/") ? "" : path || "/"}`,
    transport,
    secure,
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: written === undefined ? port : Number(written),
    path: path === "" ? undefined : path.startsWith("?") ? `/${path}` : path,
    authorization: url.username === "" ? undefined : `Basic ${Buffer.from(`${decoded(url.username)}:${decoded(url.password)}`).toString("base64")}`,
  };
}

function decoded(credential: string): string {
  try {
    return decodeURIComponent(credential);
  } catch {
    throw new HarnessError("usage", "The name or the password in a URL has a % that begins no byte.", { place: "the target's URL", hint: "write %25 for it" });
  }
}

/** `http://host:port` beside a WebSocket URL: where producer and probe are, unless said otherwise. */
export function httpOriginOf(url: TargetUrl): string {
  return `${url.secure ? "https" : "http"}://${url.host.includes(":") ? `[${url.host}]` : url.host}:${url.port}`;
}

function isScheme(scheme: string): scheme is keyof typeof schemes {
  return Object.hasOwn(schemes, scheme);
}
