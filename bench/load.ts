// What verifying every entry of a flood costs: entries per CPU-second of the whole client process, one worker.
// Each contestant runs in a process of its own, in turns; the source in another.
// Usage: node dist/bench/load.js [--rounds N] [--seconds N] [text in a group's or contestant's name …]
import { type ChildProcess, fork } from "node:child_process";
import { loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { generate } from "selfsigned";

import { type Contestant, grpcJs, harness, rawRead, type Tally, wsJson } from "./load-contestants.js";
import { type FloodOptions, startFlood } from "./source/flood-server.js";

interface Group {
  readonly name: string;
  readonly source: Omit<FloodOptions, "tls">;
  readonly tls?: boolean;
  /** The first is what the others are compared with. */
  readonly contestants: readonly Contestant[];
}

const contains = "{ message: { contains: needle } }";
const plain = { base: 1_000_000_000n, ageMicros: 0 };
const hour = 3_600_000_000;

const groups: readonly Group[] = [
  {
    name: "gRPC, one entry a DATA frame",
    source: { transport: "grpc", ...plain },
    contestants: [
      rawRead("grpc"),
      harness("halfclose", { transport: "grpc" }),
      harness("halfclose, contains filter", { transport: "grpc", filter: contains }),
      harness("halfclose, 50 streams", { transport: "grpc", streams: 50 }),
      harness("halfclose, decoded whole, CEL", { transport: "grpc", filter: "alpha", contract: "cel" }),
      grpcJs,
    ],
  },
  {
    name: "gRPC over TLS",
    source: { transport: "grpc", ...plain },
    tls: true,
    contestants: [harness("halfclose, TLS", { transport: "grpc", tls: { insecure: true } })],
  },
  {
    name: "WebSocket, one entry a text frame",
    source: { transport: "ws", ...plain },
    contestants: [
      rawRead("ws"),
      harness("halfclose", { transport: "ws" }),
      harness("halfclose, contains filter", { transport: "ws", filter: contains }),
      harness("halfclose, 50 streams", { transport: "ws", streams: 50 }),
      harness("halfclose, decoded whole, CEL", { transport: "ws", filter: "alpha", contract: "cel" }),
      wsJson,
    ],
  },
  // Deopt guard: V8 must not fall back for ever where numbers leave the small integers.
  {
    name: "gRPC, lags of two hours",
    source: { transport: "grpc", base: 1_000_000_000n, ageMicros: 2 * hour },
    contestants: [harness("halfclose", { transport: "grpc" })],
  },
  {
    name: "gRPC, sequences around 2^31",
    source: { transport: "grpc", base: 2n ** 31n - 5_000_000n, ageMicros: 0 },
    contestants: [harness("halfclose", { transport: "grpc" })],
  },
  {
    name: "gRPC, sequences over 2^53",
    source: { transport: "grpc", base: 2n ** 60n, ageMicros: 0 },
    contestants: [harness("halfclose", { transport: "grpc" })],
  },
  {
    name: "WebSocket, lags of two hours",
    source: { transport: "ws", base: 1_000_000_000n, ageMicros: 2 * hour },
    contestants: [harness("halfclose", { transport: "ws" })],
  },
  {
    name: "WebSocket, sequences over 2^53 as strings",
    source: { transport: "ws", base: 2n ** 60n, ageMicros: 0, quoted: true },
    contestants: [harness("halfclose", { transport: "ws" })],
  },
];

const boundMs = 60_000;

interface Arguments {
  readonly rounds: number;
  readonly seconds: number;
  readonly chosen: readonly string[];
}

async function compare(group: Group, at: number, { rounds, seconds, chosen }: Arguments): Promise<void> {
  const wanted = (contestant: Contestant): boolean => chosen.length === 0 || chosen.some((text) => group.name.includes(text) || contestant.name.includes(text));
  if (!group.contestants.some(wanted)) {
    return;
  }
  const contestants = group.contestants.filter((contestant, first) => first === 0 || wanted(contestant));
  const source = play(["source", String(at)]);
  const port = (await firstMessage(source)) as number;
  const nanos = new Map<Contestant, number[]>();
  let faults = 0;
  for (let round = 0; round < rounds; round++) {
    for (const contestant of contestants) {
      const child = play(["contestant", String(at), contestant.name, String(port), String(seconds)]);
      const tally = (await firstMessage(child)) as Tally;
      child.disconnect();
      faults += tally.faults;
      nanos.set(contestant, [...(nanos.get(contestant) ?? []), (tally.cpuMicros * 1000) / Math.max(1, tally.entries)]);
    }
  }
  source.kill();
  console.log(`\n${group.name}${faults > 0 ? `: ${faults} FAULTS FOUND, the source sends none` : ""}`);
  const base = medianOf(nanos.get(contestants[0] as Contestant) ?? []);
  for (const [{ name, verifies }, all] of nanos) {
    const middle = medianOf(all);
    const spread = `${millions(Math.max(...all))}–${millions(Math.min(...all))}`;
    console.log(
      `  ${name.padEnd(30)} ${millions(middle).padStart(6)} M/CPU-s (${spread}) ${middle.toFixed(0).padStart(6)} ns each ${(middle / base).toFixed(2).padStart(6)} × the first  ${verifies}`,
    );
  }
}

function play(role: readonly string[]): ChildProcess {
  const child = fork(fileURLToPath(import.meta.url), role, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const bound = setTimeout(() => child.kill("SIGKILL"), boundMs * 5);
  bound.unref();
  return child;
}

function firstMessage(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    child.once("message", resolve);
    child.once("exit", (code) => reject(new Error(`a child left with ${code}`)));
  });
}

async function startSource(group: Group): Promise<number> {
  const pem = group.tls === true ? await generate([{ name: "commonName", value: "127.0.0.1" }]) : undefined;
  return startFlood({ ...group.source, ...(pem === undefined ? {} : { tls: { key: pem.private, cert: pem.cert } }) });
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

function millions(nanos: number): string {
  return (1000 / nanos).toFixed(2);
}

function readArguments(given: readonly string[]): Arguments {
  const chosen = [...given];
  const take = (name: string, fallback: number): number => {
    const at = chosen.indexOf(name);
    return at < 0 ? fallback : Number(chosen.splice(at, 2)[1]);
  };
  return { rounds: take("--rounds", 3), seconds: take("--seconds", 2), chosen };
}

const [role, at, ...rest] = process.argv.slice(2);
const group = groups[Number(at)];
if (role === "source" && group !== undefined) {
  process.send?.(await startSource(group));
} else if (role === "contestant" && group !== undefined) {
  const contestant = group.contestants.find(({ name }) => name === rest[0]);
  if (contestant === undefined) {
    throw new Error(`no contestant ${rest[0]}`);
  }
  // It leaves when its parent has heard it: an exit may overtake the message.
  process.once("disconnect", () => process.exit());
  process.send?.(await contestant.run(Number(rest[1]), Number(rest[2])));
} else {
  const options = readArguments(process.argv.slice(2));
  console.log(
    `load average ${loadavg()
      .map((one) => one.toFixed(1))
      .join(" ")} before, ${options.rounds} rounds of ${options.seconds} s, median (least–greatest)`,
  );
  for (const [index, each] of groups.entries()) {
    await compare(each, index, options);
  }
  console.log(
    `\nload average ${loadavg()
      .map((one) => one.toFixed(1))
      .join(" ")} after`,
  );
}
