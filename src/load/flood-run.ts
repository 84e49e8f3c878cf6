import type { Clock } from "../core/clock.js";
import { HarnessError } from "../core/errors.js";
import type { Flood, FloodOutcome, FloodTask, PrepareFlood } from "../core/flood.js";
import type { Target } from "../core/target.js";
import type { Workload } from "../core/workload.js";
import { createHandshakeProber, type Phase, type Probed } from "./handshake-prober.js";

/** What became of a flood; plain data. */
export interface FloodMeasured {
  readonly flood: Flood;
  /** Without its query, which may hold secrets. */
  readonly url: string;
  /** Since the measured part began; infinite when the run ended before it. */
  readonly fromMicros: number;
  readonly untilMicros: number;
  readonly outcome: FloodOutcome;
  /** Undefined: there is no WebSocket target to shake hands with. */
  readonly probed: Probed | undefined;
}

/** A workload's flood, and the handshakes that are measured beside it. */
export interface FloodRun {
  /** @param measuredFromMicros when the measured part begins. */
  begin(measuredFromMicros: number): void;
  /** Ends whatever still goes on; resolves when no process and no socket of it is left. */
  close(): Promise<FloodMeasured>;
}

/**
 * Makes of a workload's flood what its process is told.
 * @param elsewhere whether it may go to another host than the targets'.
 * @throws HarnessError `workload` when there is nothing to flood, `usage` for another host.
 */
export function floodTaskFor(flood: Flood, workload: Workload, targets: readonly Target[], elsewhere: boolean): FloodTask {
  const own = targets.find(({ transport }) => transport === "ws");
  const base = own ?? targets[0];
  const scheme = base?.tls === undefined ? "http" : "https";
  const authority = base === undefined ? "" : `${base.host.includes(":") ? `[${base.host}]` : base.host}:${base.port}`;
  if (own === undefined && (flood.url === undefined || flood.url.startsWith("/"))) {
    throw new HarnessError("workload", `The workload "${workload.name}" floods the WebSocket path, and no target was given for it.`, {
      place: workload.source,
      hint: "Add a ws:// URL.",
    });
  }
  const url = new URL((flood.url ?? own?.path ?? "/").replace(/^ws(s?):/, "http$1:"), `${scheme}://${authority}`);
  const atHome = targets.some(({ host }) => hostOf(host) === hostOf(url.hostname));
  if (!atHome && !elsewhere) {
    throw new HarnessError("usage", `The workload "${workload.name}" floods ${url.host}, which is no target of this run.`, {
      place: workload.source,
      hint: "--flood-elsewhere says that this is meant.",
    });
  }
  const { method, of, connections, ratePerSecond, durationMs, requests } = flood;
  const tls = own?.tls;
  return {
    url: url.href,
    method,
    of,
    connections,
    ratePerSecond,
    durationMs,
    requests,
    // Credentials are for the target alone.
    headers: atHome ? Object.fromEntries(own?.headers ?? []) : {},
    clientCertificate: atHome && tls?.cert !== undefined && tls.key !== undefined ? { cert: tls.cert, key: tls.key } : undefined,
  };
}

/** Brings the flood's process up; it waits for its time. */
export async function prepareFloodRun(
  task: FloodTask,
  flood: Flood,
  given: { readonly prepare: PrepareFlood; readonly targets: readonly Target[]; readonly clock: Clock; readonly stop: AbortSignal },
): Promise<FloodRun> {
  const { clock, stop } = given;
  const target = given.targets.find(({ transport }) => transport === "ws");
  const process = await given.prepare(task);
  let phase: Phase = "before";
  let startMicros = 0;
  let fromMicros = Infinity;
  let untilMicros = Infinity;
  const timers: NodeJS.Timeout[] = [];
  const prober = target === undefined ? undefined : createHandshakeProber(target, clock, () => phase);
  const at = (micros: number, act: () => void): void => {
    timers.push(setTimeout(act, Math.max(0, (micros - clock.nowMicros()) / 1000)));
  };
  const onStop = (): void => {
    timers.forEach((timer) => clearTimeout(timer));
    process.stop();
  };
  stop.addEventListener("abort", onStop, { once: true });
  void process.ended.then(() => {
    if (phase === "during") {
      phase = "after";
      untilMicros = clock.nowMicros() - startMicros;
    }
  });
  return {
    begin(measuredFromMicros) {
      if (stop.aborted) {
        process.stop();
        return;
      }
      startMicros = measuredFromMicros;
      at(measuredFromMicros, () => prober?.start());
      at(measuredFromMicros + flood.fromMs * 1000, () => {
        phase = "during";
        fromMicros = clock.nowMicros() - startMicros;
        process.begin();
      });
    },
    async close() {
      onStop();
      stop.removeEventListener("abort", onStop);
      const [outcome, probed] = await Promise.all([process.ended, prober?.close()]);
      const url = new URL(task.url);
      return { flood, url: `${url.origin}${url.pathname}`, fromMicros, untilMicros, outcome, probed };
    },
  };
}

function hostOf(host: string): string {
  return host.toLowerCase().replace(/^\[(.*)\]$/, "$1");
}
