import { setFlagsFromString } from "node:v8";
import { Worker } from "node:worker_threads";
import type { FilterReference } from "../core/workload.js";
import { fromPortableError, toPortableError } from "./portable-error.js";
import type { ShareRecord, ShareWindow } from "./share.js";
import type { WorkerCommand, WorkerMessage, WorkerTask } from "./worker-protocol.js";

export interface ThreadSharesOptions {
  /** Script that calls `serveLoadWorker`. */
  readonly script: URL;
  readonly task: Omit<WorkerTask, "shard">;
  /** The part of the workload that all of them perform together. */
  readonly shard: { readonly index: number; readonly count: number };
  readonly count: number;
  readonly stop: AbortSignal;
  /** All streams of all workers stand. @returns when to begin, in microseconds of this thread's `performance.now()`. */
  readonly onReady: () => number;
  readonly onWindow: (window: ShareWindow) => void;
  readonly produce: ((reference: FilterReference, count: number) => Promise<void>) | undefined;
}

/** Grace for workers to begin at the same time, in microseconds. */
const startLeadMicros = 20_000;

/** Performs a workload in worker threads, each its own share. Rejects with the first error of any; none is left behind. */
export async function performInThreads(options: ThreadSharesOptions): Promise<ShareRecord[]> {
  const { script, task, shard, count, stop, onReady, onWindow, produce } = options;
  // A part of a part: numbers that leave the shard's remainder, dealt out once more.
  const shardOf = (worker: number): WorkerTask["shard"] => ({ index: shard.index + shard.count * worker, count: shard.count * count });
  // Some seconds after a heap has come to rest V8 compacts it, in pauses of 5 to 20 ms; a thread's heap, made from here on, is left as it is.
  setFlagsFromString("--no-memory-reducer");
  // What looks at an entry is compiled as one: by default the parts of so long a path are called, each with its numbers in objects.
  setFlagsFromString("--max-inlined-bytecode-size-cumulative=4000");
  const workers = Array.from({ length: count }, (_, worker) => new Worker(script, { workerData: { ...task, shard: shardOf(worker) } satisfies WorkerTask }));
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker thread has no origin
  const send = (worker: Worker, command: WorkerCommand): void => worker.postMessage(command);
  const stopAll = (): void => workers.forEach((worker) => send(worker, { kind: "stop" }));
  stop.addEventListener("abort", stopAll, { once: true });
  let ready = 0;
  const perform = (worker: Worker): Promise<ShareRecord> =>
    new Promise((resolve, reject) => {
      worker.on("message", (message: WorkerMessage) => {
        switch (message.kind) {
          case "ready":
            if (++ready === count) {
              const atEpochMicros = onReady() + startLeadMicros + performance.timeOrigin * 1000;
              workers.forEach((each) => send(each, { kind: "start", atEpochMicros }));
            }
            return;
          case "window":
            onWindow(message.window);
            return;
          case "produce": {
            const { id, reference, count: entries } = message;
            (produce?.(reference, entries) ?? Promise.resolve()).then(
              () => send(worker, { kind: "produced", id }),
              (thrown: unknown) => send(worker, { kind: "produced", id, error: toPortableError(thrown) }),
            );
            return;
          }
          case "done":
            resolve(message.record);
            return;
          case "failed":
            reject(fromPortableError(message.error));
            return;
        }
      });
      worker.on("error", reject);
      worker.on("exit", (code) => reject(new Error(`a load worker ended with code ${code} and without a result`)));
    });
  try {
    if (stop.aborted) {
      stopAll();
    }
    return await Promise.all(workers.map(perform));
  } finally {
    stop.removeEventListener("abort", stopAll);
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}
