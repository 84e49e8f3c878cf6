import { HarnessError } from "../core/errors.js";
import { startRelay } from "../relay/relay.js";
import { defineCommand } from "./command.js";
import type { OptionSpecs } from "./options.js";

const group = "Relay";
const options = {
  "segment-bytes": { kind: "whole", least: 1, most: 65536, group, value: "N", about: "Cut everything into TCP segments of at most so many bytes" },
  delay: { kind: "duration", group, value: "TIME", about: "Hold every byte for so long, each way" },
  "stall-after": { kind: "duration", group, value: "TIME", about: "Forward nothing more on a connection after so long" },
  "cut-after": { kind: "duration", group, value: "TIME", about: "End each connection after so long" },
  cut: { kind: "choice", of: ["fin", "rst"], group, about: "How it ends then", fallback: "rst" },
} as const satisfies OptionSpecs;

/** Relays TCP with the faults of a network. */
export const proxy = defineCommand({
  usage: "<host:port>",
  about:
    "Relays TCP from a free loopback port to a target, with the faults of a network: tiny segments, delay, stalls, cuts. Prints `ready port=PORT`, then a line a connection, until it is stopped.",
  examples: [
    ["halfclose proxy localhost:50051 --segment-bytes 1", "one byte at a time"],
    ["halfclose proxy localhost:8080 --cut-after 5s --cut fin", "connections that end after five seconds"],
  ],
  options,
  arity: [1, 1],
  async run({ options: given, arguments: [address = ""], console }) {
    const timers = new Set<NodeJS.Timeout>();
    const later = (ms: number | undefined, act: () => void): void => {
      if (ms !== undefined) {
        timers.add(setTimeout(act, ms));
      }
    };
    const relay = await startRelay({
      target: parseAddress(address),
      ...(given["segment-bytes"] === undefined ? {} : { segmentBytes: given["segment-bytes"] }),
      ...(given.delay === undefined ? {} : { delayMs: given.delay }),
      onConnection(connection) {
        console.out("connection opened\n");
        later(given["stall-after"], () => connection.stall());
        later(given["cut-after"], () => connection.cut(given.cut ?? "rst", "both"));
        void connection.ended.then(() =>
          console.out(`connection ended: ${connection.fromClient.bytes} bytes from the client, ${connection.fromTarget.bytes} from the target\n`),
        );
      },
    });
    await new Promise<void>((resolve) => {
      const stopListening = console.onSignal(() => {
        stopListening();
        resolve();
      });
      console.out(`ready port=${relay.port}\n`);
    });
    for (const timer of timers) {
      clearTimeout(timer);
    }
    await relay.close();
    return 0;
  },
});

function parseAddress(text: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\w+:\/\/)?(\[[0-9a-f:.]+\]|[\w.-]+):(\d+)(?:\/.*)?$/i.exec(text);
  const port = Number(match?.[2]);
  if (match?.[1] === undefined || port < 1 || port > 65535) {
    throw new HarnessError("usage", `"${text}" is not an address such as localhost:50051.`, { place: text });
  }
  return { host: match[1].replace(/^\[|\]$/g, ""), port };
}
