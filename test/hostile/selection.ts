import { checks } from "../../scenarios/index.js";
import type { Transport } from "../../src/core/contract.js";
import { createRandom } from "../../src/core/random.js";
import type { Behaviour } from "./behaviour.js";

const smoke: readonly string[] = [
  "first-filter/takes-effect",
  "filter-updates/effective-while-idle",
  "eof/while-idle",
  "eof/ws-null-line-ends",
  "bad-input/invalid-filter",
  "cancellation/grpc-while-idle",
];

/** Ids of the checks to run against a behaviour: those of a smoke test, and `more` of the others as the seed has it. */
export function chooseChecks(behaviour: Behaviour, seed: number, more: number): string[] {
  const random = createRandom(seed ^ hashOf(behaviour.name));
  const available = checks.filter((check) => check.on.includes(behaviour.transport) && check.slow !== true && !check.id.startsWith("exploration/"));
  const fixed = available.filter(({ id }) => smoke.includes(id));
  const others = available.filter(({ id }) => !smoke.includes(id)).map(({ id }) => ({ id, at: random() }));
  return [
    ...fixed.map(({ id }) => id),
    ...others
      .toSorted((a, b) => a.at - b.at)
      .slice(0, more)
      .map(({ id }) => id),
  ];
}

/** Arguments of `halfclose run` against a hostile server. */
export function runArguments(
  server: { readonly url: string; readonly httpUrl: string | undefined },
  ids: readonly string[],
  seed: number,
  output: string,
): string[] {
  const transport: Transport = server.url.startsWith("grpc") ? "grpc" : "ws";
  return [
    "run",
    server.url,
    ...(server.httpUrl === undefined ? [] : ["--http-url", server.httpUrl]),
    "--transport",
    transport,
    ...ids.flatMap((id) => ["--grep", id]),
    "--bound",
    "apply=300ms,end=300ms,release=300ms,stop=500ms",
    "--jobs",
    "16",
    "--seed",
    String(seed),
    "--output",
    output,
    "--no-color",
  ];
}

/** FNV-1a. */
export function hashOf(text: string): number {
  let hash = 0x81_1c_9d_c5;
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01_00_01_93);
  }
  return hash >>> 0;
}
