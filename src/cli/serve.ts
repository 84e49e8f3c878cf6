import { readFile } from "node:fs/promises";
import { HarnessError, messageOf } from "../core/errors.js";
import { didYouMean } from "../core/suggest.js";
import { type FaultName, faults } from "../reference/faults.js";
import { serveReference } from "../reference/serve.js";
import { defineCommand, type Invocation } from "./command.js";
import type { OptionSpecs } from "./options.js";

const group = "Server";
const options = {
  "grpc-port": { kind: "whole", least: 0, most: 65535, group, value: "PORT", about: "Port of the gRPC monitor; 0: any free one", fallback: "50051" },
  "http-port": {
    kind: "whole",
    least: 0,
    most: 65535,
    group,
    value: "PORT",
    about: "Port of the WebSocket monitor, producer and probe; 0: any free one",
    fallback: "8080",
  },
  host: { kind: "text", group, value: "ADDRESS", about: "Address to listen on", fallback: "127.0.0.1" },
  rate: {
    kind: "text",
    group,
    value: "N|max",
    about: "Background entries a second in all; 0: none; max: on each stream as many as its reader takes",
    fallback: "1000",
  },
  bug: { kind: "texts", group, value: "NAME", about: "A fault to have; halfclose list faults shows them" },
  tls: { kind: "flag", group, about: "Speak TLS, with a certificate of its own making unless --cert and --key are given" },
  cert: { kind: "text", group, value: "FILE", about: "Certificate in PEM" },
  key: { kind: "text", group, value: "FILE", about: "Its key in PEM" },
  token: { kind: "text", group, value: "TOKEN", about: "Bearer token that every stream must carry", secret: true },
} as const satisfies OptionSpecs;

/** Serves the reference monitor until a signal. */
export const serve = defineCommand({
  usage: "",
  about: "Serves the reference monitor over gRPC and WebSocket until it is stopped; SIGTERM and Ctrl-C end its streams gracefully.",
  examples: [
    ["halfclose serve --grpc-port 0 --http-port 0", "on free ports, which the ready line names"],
    ["halfclose serve --bug half-close-ignored", "with a fault, to see what catches it"],
  ],
  options,
  arity: [0, 0],
  async run({ options: given, console }) {
    const stop = new AbortController();
    const stopListening = console.onSignal(() => stop.abort());
    try {
      await serveReference({
        host: given.host ?? "127.0.0.1",
        grpcPort: given["grpc-port"] ?? 50051,
        httpPort: given["http-port"] ?? 8080,
        rate: parseRate(given.rate),
        faults: given.bug.map(requireFault),
        ...(given.token === undefined ? {} : { token: given.token }),
        ...(await tlsOf(given)),
        stop: stop.signal,
        print: (line) => console.out(`${line}\n`),
      });
    } catch (thrown) {
      throw listenFailure(thrown);
    } finally {
      stopListening();
    }
    return 0;
  },
});

/** A port that cannot be had is the user's matter; anything else is ours. */
function listenFailure(thrown: unknown): unknown {
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
  return typeof code === "string" && /^E[A-Z]+$/.test(code)
    ? new HarnessError("usage", `The server cannot listen: ${messageOf(thrown)}.`, {
        place: "serve",
        hint: "choose other ports with --grpc-port and --http-port; 0 takes any free one",
        cause: thrown,
      })
    : thrown;
}

function parseRate(text: string | undefined): number | "max" {
  if (text === undefined) {
    return 1000;
  }
  if (text === "max") {
    return "max";
  }
  const rate = Number(text);
  if (text.trim() === "" || !Number.isFinite(rate) || rate < 0) {
    throw new HarnessError("usage", `--rate is "${text}", not a number of entries a second, nor max.`, { place: "--rate" });
  }
  return rate;
}

function requireFault(name: string): FaultName {
  if (!Object.hasOwn(faults, name)) {
    throw new HarnessError("usage", `There is no fault "${name}".${didYouMean(name, Object.keys(faults))}`, {
      place: "--bug",
      hint: "halfclose list faults shows them all",
    });
  }
  return name as FaultName;
}

async function tlsOf(given: Invocation<typeof options>["options"]): Promise<{ readonly tls?: { readonly cert: string; readonly key: string } }> {
  if (given.cert !== undefined || given.key !== undefined) {
    if (given.cert === undefined || given.key === undefined) {
      throw new HarnessError("usage", "TLS with a certificate of yours needs both --cert and --key.", { place: given.cert === undefined ? "--cert" : "--key" });
    }
    return { tls: { cert: await readPem("--cert", given.cert), key: await readPem("--key", given.key) } };
  }
  if (given.tls !== true) {
    return {};
  }
  const { generate } = await import("selfsigned");
  const pem = await generate([{ name: "commonName", value: "localhost" }], {
    extensions: [
      {
        name: "subjectAltName",
        altNames: [
          { type: 2, value: "localhost" },
          { type: 7, ip: "127.0.0.1" },
        ],
      },
    ],
  });
  return { tls: { cert: pem.cert, key: pem.private } };
}

async function readPem(option: string, file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (thrown) {
    throw new HarnessError("usage", `${option} ${file} cannot be read: ${messageOf(thrown)}.`, { place: option, cause: thrown });
  }
}
