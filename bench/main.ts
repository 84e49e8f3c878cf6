// What receiving, verifying and waiting cost, beside what users have. Usage: npm run bench -- [wire|load|deopt|idle|latency|regression …] [--rounds N] [--seconds N] [--tries N] [text in a group's or a row's name …]
import { availableParallelism, cpus, loadavg } from "node:os";

import { compareGroup } from "./compare.js";
import type { SourcePorts } from "./contest.js";
import { type Topic, topics } from "./groups.js";
import { compareIdle, measureIdle, startSilent } from "./idle.js";
import { compareLatency, serveLatency } from "./latency.js";
import { compareRegressions, serveDelayed } from "./regression.js";

interface Arguments {
  readonly rounds: number;
  readonly seconds: number;
  /** Comparisons of two servers. */
  readonly tries: number;
  readonly words: readonly string[];
}

function readArguments(given: readonly string[]): Arguments {
  const words = [...given];
  const take = (name: string, fallback: number): number => {
    const at = words.indexOf(name);
    return at < 0 ? fallback : Number(words.splice(at, 2)[1]);
  };
  return { rounds: take("--rounds", 3), seconds: take("--seconds", 2), tries: take("--tries", 5), words };
}

function load(): string {
  return loadavg()
    .map((average) => average.toFixed(1))
    .join(" ");
}

async function bench(given: readonly string[]): Promise<void> {
  const { rounds, seconds, tries, words } = readArguments(given);
  const names = [...Object.keys(topics), "idle", "latency", "regression"];
  const chosen = words.filter((word) => names.includes(word));
  const texts = words.filter((word) => !names.includes(word));
  const wants = (topic: string): boolean => chosen.length === 0 || chosen.includes(topic);
  const wanted = (text: string): boolean => texts.length === 0 || texts.some((part) => text.includes(part));
  console.log(`Node ${process.version}, ${availableParallelism()} cores (${cpus()[0]?.model ?? "unknown"}), load average ${load()}`);
  console.log(`Entries or messages per CPU-second of the whole receiving process: median of ${rounds} runs in turns (least–greatest).`);
  const startedAt = performance.now();
  for (const topic of (Object.keys(topics) as Topic[]).filter(wants)) {
    console.log(`\n== ${topic}`);
    for (const [at, group] of topics[topic].entries()) {
      await compareGroup(group, [topic, at], { rounds, seconds, wanted });
    }
  }
  if (wants("idle")) {
    console.log("\n== idle");
    await compareIdle(rounds);
  }
  if (wants("latency")) {
    console.log("\n== latency");
    await compareLatency();
  }
  if (wants("regression")) {
    console.log("\n== regression");
    await compareRegressions(tries, wanted);
  }
  console.log(`\nload average ${load()} at the end, after ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
}

/** A role's work, told to the parent; it leaves when the parent has heard it, for an exit may overtake a message. */
async function tell(message: Promise<unknown>): Promise<void> {
  process.once("disconnect", () => process.exit());
  process.send?.(await message);
}

const [role = "", topic = "", at = "", ...rest] = process.argv.slice(2);
const group = topics[topic as Topic]?.[Number(at)];
if (role === "source" && group !== undefined) {
  await tell(group.startSource());
} else if (role === "contestant" && group !== undefined) {
  const [name, port, count, seconds] = rest;
  const contestant = group.contestants.find((each) => each.name === name);
  if (contestant === undefined) {
    throw new Error(`no contestant ${name}`);
  }
  await tell(contestant.run({ port: Number(port), count: Number(count) } satisfies SourcePorts, Number(seconds)));
} else if (role === "silent") {
  await tell(startSilent(topic));
} else if (role === "idle-client") {
  await tell(measureIdle(topic, Number(at)));
} else if (role === "latency-server") {
  await serveLatency(topic);
} else if (role === "delayed-server") {
  await serveDelayed(Number(topic));
} else {
  await bench(process.argv.slice(2));
}
