// What receiving costs: messages per CPU-second of the receiving process, each contestant in a process of its own and the source in another.
// Usage: node dist/bench/wire.js [text in a contestant's or a group's name …]
import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";

import { http2Contestants, type Contestant } from "./http2-contestants.js";
import { startHttp2Source } from "./http2-source.js";

/** Contestants that receive the same bytes from the same source; the first is what the others are compared with. */
interface Group {
  readonly name: string;
  startSource(): Promise<number>;
  readonly contestants: readonly Contestant[];
}

const GROUPS: readonly Group[] = [
  { name: "gRPC, 150-byte messages, one per DATA frame", startSource: () => startHttp2Source("single"), contestants: http2Contestants("single") },
  { name: "gRPC, 150-byte messages, packed", startSource: () => startHttp2Source("packed"), contestants: http2Contestants("packed") },
];

/** Left out of the measurement, while code is compiled. */
const WARM_UP_SHARE = 0.25;
const ROUNDS = 3;
const BOUND_MS = 120_000;

interface Measured {
  readonly messages: number;
  readonly cpuMicros: number;
}

/** In a contestant's process: runs it until it has got its messages. */
async function measure(contestant: Contestant, port: number): Promise<Measured> {
  const controller = new AbortController();
  const warmUp = contestant.messages * WARM_UP_SHARE;
  let seen = 0;
  let startedAt = 0;
  let startCpu: NodeJS.CpuUsage | undefined;
  let measured: Measured | undefined;
  const count = (messages: number): void => {
    seen += messages;
    if (startCpu === undefined) {
      if (seen < warmUp) return;
      startedAt = seen;
      startCpu = process.cpuUsage();
    } else if (seen >= contestant.messages && measured === undefined) {
      const { user, system } = process.cpuUsage(startCpu);
      measured = { messages: seen - startedAt, cpuMicros: user + system };
      controller.abort();
    }
  };
  await contestant.run(port, count, controller.signal);
  if (measured === undefined) throw new Error(`${contestant.name} ended after ${seen} messages`);
  return measured;
}

function play(role: readonly string[]): ChildProcess {
  const child = fork(fileURLToPath(import.meta.url), role, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  setTimeout(() => child.kill("SIGKILL"), BOUND_MS).unref();
  return child;
}

function firstMessage(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    child.once("message", resolve);
    child.once("exit", (code) => reject(new Error(`a child left with ${code}`)));
  });
}

async function compare(group: Group, at: number, filters: readonly string[]): Promise<void> {
  const chosen = (name: string): boolean => filters.length === 0 || filters.some((filter) => name.includes(filter) || group.name.includes(filter));
  const contestants = group.contestants.filter((contestant, first) => first === 0 || chosen(contestant.name));
  if (!group.contestants.some((contestant) => chosen(contestant.name))) return;
  console.log(`\n${group.name}`);
  const source = play(["source", `${at}`]);
  const port = await firstMessage(source);
  const nanos = new Map<Contestant, number>();
  // Rounds in turn, and each one's best: what else the machine does only ever adds.
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const contestant of contestants) {
      const child = play(["contestant", `${at}`, contestant.name, String(port)]);
      const { messages, cpuMicros } = (await firstMessage(child)) as Measured;
      nanos.set(contestant, Math.min(nanos.get(contestant) ?? Infinity, (cpuMicros * 1000) / messages));
    }
  }
  source.kill();
  const base = nanos.get(contestants[0] as Contestant) ?? 1;
  for (const [{ name }, each] of nanos) {
    const millions = (1000 / each).toFixed(2).padStart(8);
    console.log(
      `  ${name.padEnd(24)} ${millions} M messages per CPU-second ${each.toFixed(0).padStart(7)} ns each ${(each / base).toFixed(2).padStart(7)} × the raw read`,
    );
  }
}

const [role, at, ...rest] = process.argv.slice(2);
if (role === "source") process.send?.(await GROUPS[Number(at)]?.startSource());
else if (role === "contestant") {
  const contestant = GROUPS[Number(at)]?.contestants.find(({ name }) => name === rest[0]);
  if (contestant === undefined) throw new Error(`no contestant ${rest[0]}`);
  process.send?.(await measure(contestant, Number(rest[1])), () => process.exit());
} else {
  const filters = process.argv.slice(2);
  for (const [index, group] of GROUPS.entries()) await compare(group, index, filters);
}
