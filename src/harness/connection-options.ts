import { readFile } from "node:fs/promises";
import path from "node:path";
import { type Contract, type Transport, transportName } from "../core/contract.js";
import { HarnessError, messageOf } from "../core/errors.js";
import type { Target, TlsOptions } from "../core/target.js";
import { redact, secretsInUrls, secretsOfHeader } from "./redact.js";
import { httpOriginOf, parseTargetUrl, type TargetUrl } from "./target-url.js";

/** How to reach a target: what the command line and the library say alike. */
export interface ConnectionOptions {
  /** At most one gRPC and one WebSocket URL, of the same server. */
  readonly urls: readonly string[];
  /** `name: value`, sent with every call and upgrade. */
  readonly headers?: readonly string[];
  /** Sent as `authorization: Bearer …`. */
  readonly token?: string | undefined;
  /** Files in PEM. */
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly servername?: string | undefined;
  /** Accept any certificate. */
  readonly insecure?: boolean | undefined;
  /** Origin of producer and probe; default: that of the WebSocket URL. */
  readonly httpUrl?: string | undefined;
}

/** The same, read and checked. */
export interface Reach {
  readonly urls: Readonly<Partial<Record<Transport, TargetUrl>>>;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly tls: TlsOptions;
  /** Undefined: there is no address at which producer and probe could be. */
  readonly httpOrigin: string | undefined;
  /** It was given, not derived from the WebSocket URL. */
  readonly httpOriginGiven: boolean;
  readonly secrets: readonly string[];
}

/**
 * Reads URLs, headers and TLS files.
 * @throws HarnessError `usage` that names what is wrong.
 */
export async function readReach(options: ConnectionOptions, folder: string): Promise<Reach> {
  const urls: Partial<Record<Transport, TargetUrl>> = {};
  for (const text of options.urls) {
    const url = parseTargetUrl(text);
    if (urls[url.transport] !== undefined) {
      throw new HarnessError("usage", `Two ${transportName(url.transport)} URLs were given: ${urls[url.transport]?.shown ?? ""} and ${url.shown}.`, {
        place: url.shown,
        hint: "a run judges one server: give one URL for each transport",
      });
    }
    urls[url.transport] = url;
  }
  const headers = (options.headers ?? []).map(parseHeader);
  if (options.token !== undefined) {
    headers.push(["authorization", `Bearer ${options.token}`]);
  }
  const [ca, cert, key] = await Promise.all([
    readPem(folder, "--ca", options.ca),
    readPem(folder, "--cert", options.cert),
    readPem(folder, "--key", options.key),
  ]);
  if ((cert === undefined) !== (key === undefined)) {
    throw new HarnessError("usage", "A client certificate needs both --cert and --key.", { place: cert === undefined ? "--cert" : "--key" });
  }
  const websocket = urls.ws;
  return {
    urls,
    headers,
    tls: {
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      ...(options.servername === undefined ? {} : { servername: options.servername }),
      ...(options.insecure === undefined ? {} : { insecure: options.insecure }),
    },
    httpOrigin: options.httpUrl === undefined ? (websocket === undefined ? undefined : httpOriginOf(websocket)) : parseHttpUrl(options.httpUrl),
    httpOriginGiven: options.httpUrl !== undefined,
    secrets: [
      ...headers.flatMap(([name, value]) => secretsOfHeader(name, value)),
      ...(options.token === undefined ? [] : [options.token]),
      ...Object.values(urls).flatMap((url) => (url.authorization === undefined ? [] : secretsOfHeader("authorization", url.authorization))),
      ...secretsInUrls(options.urls),
    ],
  };
}

/**
 * The targets that the URLs make with a contract.
 * @param options.onlyBound leave out the URLs whose transport the contract does not know, since nobody asked for them.
 * @throws HarnessError `contract` when the contract does not say how to talk over a transport that has a URL.
 */
export function targetsOf(reach: Reach, contract: Contract, { onlyBound }: { readonly onlyBound: boolean }): Partial<Record<Transport, Target>> {
  const targets: Partial<Record<Transport, Target>> = {};
  for (const url of Object.values(reach.urls)) {
    const binding = url.transport === "grpc" ? contract.grpc : contract.websocket;
    if (binding === undefined && onlyBound) {
      continue;
    }
    if (binding === undefined) {
      throw new HarnessError("contract", `The contract "${contract.name}" does not say how its monitor is served over ${transportName(url.transport)}.`, {
        place: contract.source,
        hint: `add a "${url.transport === "grpc" ? "grpc" : "websocket"}" section, or leave out ${url.shown}`,
      });
    }
    targets[url.transport] = {
      url: redact(url.shown, reach.secrets),
      transport: url.transport,
      host: url.host,
      port: url.port,
      tls: url.secure ? reach.tls : undefined,
      path: url.path ?? binding.path,
      headers: [...(url.authorization === undefined ? [] : ([["authorization", url.authorization]] as const)), ...reach.headers],
      contract,
    };
  }
  return targets;
}

function parseHeader(text: string): readonly [string, string] {
  const match = /^\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*:\s*(.*?)\s*$/.exec(text);
  if (match?.[1] === undefined || match[2] === undefined || /[\0\r\n]/.test(match[2])) {
    throw new HarnessError("usage", `--header ${JSON.stringify(text.replace(/:.*/s, ": …"))} is not a header.`, {
      place: "--header",
      hint: 'write "name: value"',
    });
  }
  return [match[1].toLowerCase(), match[2]];
}

function parseHttpUrl(text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new HarnessError("usage", `--http-url "${text}" is not a URL.`, { place: "--http-url", hint: "for example http://localhost:8080" });
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new HarnessError("usage", `--http-url "${text}" must begin with http:// or https://.`, { place: "--http-url" });
  }
  return url.href.replace(/\/$/, "");
}

async function readPem(folder: string, option: string, file: string | undefined): Promise<string | undefined> {
  if (file === undefined) {
    return undefined;
  }
  let text: string;
  try {
    text = await readFile(path.resolve(folder, file), "utf8");
  } catch (thrown) {
    throw new HarnessError("usage", `${option} ${file} cannot be read: ${messageOf(thrown)}.`, { place: option, cause: thrown });
  }
  if (!text.includes("-----BEGIN ")) {
    throw new HarnessError("usage", `${option} ${file} is not a PEM file.`, { place: option, hint: "PEM begins with -----BEGIN" });
  }
  return text;
}
