import autocannon from "autocannon";
import type { FloodOutcome, FloodRequest, FloodTask } from "../core/flood.js";

/** To the process of a flood. */
export type FloodCommand = { readonly kind: "begin"; readonly task: FloodTask } | { readonly kind: "stop" };
/** From it. */
export type FloodMessage = { readonly kind: "ready" } | { readonly kind: "ended"; readonly outcome: FloodOutcome };

/** How long a request may take before it counts as failed, in seconds. */
const answerWithinSeconds = 5;
/** How often autocannon looks whether it should stop. */
const sampleEveryMs = 100;

// The whole of a child process: it ends with its parent, whatever became of that one.
if (process.send !== undefined) {
  serve((message) => process.send?.(message));
}

function serve(send: (message: FloodMessage) => void): void {
  let flood: autocannon.Instance | undefined;
  process.once("disconnect", () => process.exit(0));
  // A signal from the terminal reaches the whole group; the parent decides what becomes of the flood.
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => undefined);
  }
  process.on("message", (command: FloodCommand) => {
    if (command.kind === "stop") {
      flood?.stop();
      return;
    }
    flood = autocannon(optionsOf(command.task), (error: unknown, result) => {
      const failed = error !== null && error !== undefined;
      send({ kind: "ended", outcome: failed ? { statuses: {}, failed: 0, problem: String(error) } : outcomeOf(result) });
    });
  });
  send({ kind: "ready" });
}

function outcomeOf(result: autocannon.Result): FloodOutcome {
  // The types lack what a status says.
  const { statusCodeStats = {} } = result as { statusCodeStats?: Readonly<Record<string, { readonly count: number }>> };
  return {
    statuses: Object.fromEntries(Object.entries(statusCodeStats).map(([status, { count }]) => [status, count])),
    failed: result.errors,
    problem: undefined,
  };
}

function optionsOf(task: FloodTask): autocannon.Options {
  const { ratePerSecond, clientCertificate } = task;
  return {
    url: task.url,
    connections: task.connections,
    duration: task.durationMs / 1000,
    timeout: answerWithinSeconds,
    // Shared out over the connections: each needs one.
    maxOverallRequests: Math.max(task.requests, task.connections),
    sampleInt: sampleEveryMs,
    requests: task.of.map((request) => requestOf(request, task)),
    ...(ratePerSecond === undefined ? {} : { overallRate: Math.max(1, Math.round(ratePerSecond)) }),
    ...(clientCertificate === undefined ? {} : { tlsOptions: clientCertificate }),
  };
}

/** autocannon always says `Connection: keep-alive`; a second field with the same name adds to the list (RFC 9110 §5.2). */
function requestOf(request: FloodRequest, { url, method, headers }: FloodTask): autocannon.Request {
  const { pathname, search } = new URL(url);
  const path = `${pathname}${search}`;
  return request === "plain"
    ? { method, path, headers: { ...headers } }
    : {
        method: "GET",
        path,
        headers: { ...headers, Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Version": "99", "Sec-WebSocket-Key": "aGFsZmNsb3NlLWZsb29kLg==" },
      };
}
