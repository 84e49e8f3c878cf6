import { HarnessError, messageOf } from "../core/errors.js";
import { parseDuration } from "../core/duration.js";
import type { Bounds } from "../core/contract.js";
import { didYouMean } from "../core/suggest.js";
import type { SurroundingsOptions } from "../harness/surroundings.js";
import type { Invocation } from "./command.js";
import type { OptionSpecs } from "./options.js";

const group = "Target";

/** Options of every command that talks to a target. */
export const connectionOptions = {
  url: { kind: "texts", group, value: "URL", about: "The same as the arguments: grpc://, grpcs://, ws://, wss://" },
  start: {
    kind: "text",
    group,
    value: "COMMAND",
    about: "Start the server with this shell command, and stop it afterwards; it prints `ready grpc=PORT http=PORT`, or URLs are given",
  },
  ready: {
    kind: "text",
    group,
    value: "PATTERN",
    about: "With --start: expression for the line that says it is ready; groups (?<grpc>…) and (?<http>…) are ports",
  },
  "ready-within": { kind: "duration", group, value: "TIME", about: "With --start: longest time until it is ready", fallback: "30s" },
  pid: { kind: "whole", least: 2, group, value: "PID", about: "Process of a server that runs already: its memory and CPU are watched" },
  contract: { kind: "text", group, value: "FILE|NAME", about: "What the monitor looks like", fallback: "logger" },
  "http-url": { kind: "text", group, value: "URL", about: "Origin of producer and probe; default: that of the WebSocket URL" },
  driver: { kind: "choice", of: ["wire", "library"], group, about: "wire hides nothing; library: grpc-js and ws, as users have them", fallback: "wire" },
  bound: { kind: "texts", group, value: "NAME=TIME", about: "Bound of a wait: apply, end, release, stop; apply=5s" },
  header: { kind: "texts", group: "Credentials", value: "NAME: VALUE", about: "Sent with every call and upgrade", secret: false },
  token: { kind: "text", group: "Credentials", value: "TOKEN", about: "Sent as `authorization: Bearer TOKEN`", secret: true },
  ca: { kind: "text", group: "Credentials", value: "FILE", about: "Authorities to trust beside the system's, PEM" },
  insecure: { kind: "flag", group: "Credentials", about: "Accept any certificate" },
  cert: { kind: "text", group: "Credentials", value: "FILE", about: "Client certificate, PEM" },
  key: { kind: "text", group: "Credentials", value: "FILE", about: "Its key, PEM" },
  servername: { kind: "text", group: "Credentials", value: "NAME", about: "Name that the certificate is for; default: the URL's host" },
} as const satisfies OptionSpecs;

const boundNames = { apply: "applyMs", end: "endMs", release: "releaseMs", stop: "stopMs" } as const satisfies Record<string, keyof Bounds>;

/**
 * What the options say about the target.
 * @throws HarnessError `usage` when there is neither a URL nor a command to start.
 */
export function readConnection(invocation: Invocation<typeof connectionOptions>): SurroundingsOptions {
  const { options: given, console } = invocation;
  const urls = invocation.arguments.length > 0 ? invocation.arguments : given.url.flatMap((text) => text.split(/[\s,]+/)).filter((text) => text !== "");
  if (urls.length === 0 && given.start === undefined) {
    throw new HarnessError("usage", "There is no target: give a URL, or --start COMMAND.", {
      hint: "halfclose grpc://localhost:50051 ws://localhost:8080/logs/monitor; halfclose demo needs no server",
    });
  }
  return {
    folder: console.workingDirectory,
    urls,
    headers: given.header,
    token: given.token,
    ca: given.ca,
    cert: given.cert,
    key: given.key,
    servername: given.servername,
    insecure: given.insecure,
    httpUrl: given["http-url"],
    contract: given.contract,
    driver: given.driver,
    bounds: readBounds(given.bound, invocation.placeOf("bound")),
    pid: given.pid,
    start:
      given.start === undefined
        ? undefined
        : { command: given.start, ready: readPattern(given.ready, invocation.placeOf("ready")), readyWithinMs: given["ready-within"] },
  };
}

function readPattern(text: string | undefined, place: string): RegExp | undefined {
  try {
    return text === undefined ? undefined : new RegExp(text);
  } catch (thrown) {
    throw new HarnessError("usage", `${place} is not a regular expression: ${messageOf(thrown)}.`, { place, cause: thrown });
  }
}

function readBounds(texts: readonly string[], place: string): Partial<Bounds> {
  const bounds: { -readonly [K in keyof Bounds]?: number } = {};
  for (const text of texts.flatMap((one) => one.split(","))) {
    const [name = "", value = ""] = text.split("=", 2).map((part) => part.trim());
    const ms = parseDuration(value);
    if (!Object.hasOwn(boundNames, name)) {
      const names = Object.keys(boundNames);
      throw new HarnessError("usage", `${place} does not know the bound "${name}".${didYouMean(name, names) || ` Known: ${names.join(", ")}.`}`, { place });
    }
    if (ms === undefined || ms <= 0) {
      throw new HarnessError("usage", `${place} ${text}: "${value}" is not a duration such as 500ms or 5s.`, { place });
    }
    bounds[boundNames[name as keyof typeof boundNames]] = ms;
  }
  return bounds;
}
