import { parentPort, workerData } from "node:worker_threads";
import type { Contract } from "../core/contract.js";
import type { Driver, DriverName } from "../core/stream.js";
import { createDriverSource } from "./driver-source.js";
import { fromPortableError, toPortableError } from "./portable-error.js";
import { performShare } from "./share.js";
import { createSystemClock } from "./system-clock.js";
import type { WorkerCommand, WorkerMessage, WorkerTask } from "./worker-protocol.js";

/** What a worker's script must bring along. */
export interface LoadWorkerOptions {
  readonly drivers: Readonly<Record<DriverName, Driver>>;
  readonly loadContract: (reference: string) => Promise<Contract>;
}

/** Performs the share that this worker thread was started with; the whole of a worker's script. */
export async function serveLoadWorker({ drivers, loadContract }: LoadWorkerOptions): Promise<void> {
  const port = parentPort;
  if (port === null) {
    throw new Error("a load worker runs in a thread of its own");
  }
  const task = workerData as WorkerTask;
  const stop = new AbortController();
  const post = (message: WorkerMessage): void => port.postMessage(message);
  const waiting = new Map<number, { readonly resolve: () => void; readonly reject: (error: Error) => void }>();
  let start: (atMicros: number) => void = () => undefined;
  const started = new Promise<number>((resolve) => (start = resolve));
  let asked = 0;
  port.on("message", (command: WorkerCommand) => {
    if (command.kind === "start") {
      start(command.atEpochMicros - performance.timeOrigin * 1000);
    } else if (command.kind === "stop") {
      stop.abort();
      // A worker that still waits for the start begins at once, to end at once.
      start(0);
    } else {
      const { error } = command;
      const { resolve, reject } = waiting.get(command.id) ?? {};
      waiting.delete(command.id);
      if (error === undefined) {
        resolve?.();
      } else {
        reject?.(fromPortableError(error));
      }
    }
  });
  try {
    const contracts = new Map<string, Contract>();
    for (const { contractReference } of task.targets) {
      if (!contracts.has(contractReference)) {
        contracts.set(contractReference, await loadContract(contractReference));
      }
    }
    const targets = task.targets.map(({ contractReference, bounds, driver: _driver, ...target }) => ({
      ...target,
      contract: { ...(contracts.get(contractReference) as Contract), bounds },
    }));
    const clock = createSystemClock();
    const record = await performShare({
      workload: task.workload,
      targets,
      shard: task.shard,
      seed: task.seed,
      source: createDriverSource({
        workload: task.workload,
        targets,
        drivers: task.targets.map(({ driver }) => drivers[driver]),
        clock,
        connectTimeoutMs: task.connectTimeoutMs,
      }),
      clock,
      windowed: task.windowed,
      stop: stop.signal,
      produce: (reference, count) =>
        new Promise((resolve, reject) => {
          const id = asked++;
          waiting.set(id, { resolve, reject });
          post({ kind: "produce", id, reference, count });
        }),
      ready: () => {
        post({ kind: "ready" });
        return started;
      },
      onWindow: (window) => post({ kind: "window", window }),
    });
    post({ kind: "done", record });
  } catch (thrown) {
    post({ kind: "failed", error: toPortableError(thrown) });
  } finally {
    port.close();
  }
}
