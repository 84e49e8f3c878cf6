import type { Clock } from "../core/clock.js";
import type { StreamEnd } from "../core/stream.js";
import type { FilterReference, WorkloadStep } from "../core/workload.js";
import type { PreparedFilter } from "./filters.js";
import { type LedgerListener, type LedgerRules, StreamLedger } from "./ledger.js";
import type { Meter } from "./meter.js";
import type { LoadStream, StreamSource } from "./stream-source.js";

export interface ActorOptions {
  readonly source: StreamSource;
  readonly target: number;
  readonly streamsPerConnection: number;
  readonly meter: Meter;
  readonly clock: Clock;
  readonly rules: LedgerRules;
  /** Bound of waits that state none, in milliseconds. */
  readonly applyMs: number;
  readonly endMs: number;
  readonly resolve: (reference: FilterReference) => PreparedFilter;
  /** Aborted when the run stops: waits for time and for entries end, waits for filters and ends go on to their bound. */
  readonly stop: AbortSignal;
  /** Writes entries that the filter lets through. */
  readonly produce: ((reference: FilterReference, count: number) => Promise<void>) | undefined;
  /** An end that the workload did not ask for. */
  readonly onUnplannedEnd: (end: StreamEnd) => void;
}

/** A connection on which nothing came for so long is quiet. */
const quietMicros = 500_000;

/** A timer that fires so late after its time did not because of its own grain. */
const stoodStillMicros = 100_000;
/** Time for reading what a loop that stood still has not. */
const readingMs = 50;

interface Waiter {
  readonly test: () => boolean;
  readonly finish: (met: boolean) => void;
}

/** One stream that performs the steps of a group; it can be opened again after it has ended. */
export class StreamActor implements LedgerListener {
  ledger: StreamLedger<PreparedFilter>;
  readonly #options: ActorOptions;
  #stream: LoadStream | undefined;
  #end: StreamEnd | undefined;
  #planned = false;
  #endSentMicros = 0;
  #cancelledMicros = 0;
  #baselineLagMicros = 0;
  #resumedMicros = 0;
  #freeMicros: number | undefined;
  /** The server did not end in time after our end; we cancelled. */
  #gaveUp = false;
  #waiter: Waiter | undefined;
  /** How often each step that goes through filters was performed; undefined until the first. */
  #turns: Map<WorkloadStep, number> | undefined;
  /** Entries of streams that it had before. */
  #receivedBefore = 0;

  constructor(options: ActorOptions) {
    this.#options = options;
    this.ledger = this.#newLedger();
  }

  get target(): number {
    return this.#options.target;
  }

  get received(): number {
    return this.#receivedBefore + this.ledger.received;
  }

  /** Ended, or never opened. */
  get over(): boolean {
    return this.#stream === undefined || this.#end !== undefined;
  }

  /** Ended although no step asked for it. */
  get failed(): boolean {
    return this.#end !== undefined && !this.#planned;
  }

  /**
   * Opens a stream, fresh. Rejects with HarnessError when there is no connection.
   * @param dueMicros when a schedule wanted it; undefined: there is none.
   */
  async open(dueMicros?: number): Promise<void> {
    const { source, target, streamsPerConnection, meter, clock } = this.#options;
    if (dueMicros !== undefined) {
      meter.time("schedule-lag").record(clock.nowMicros() - dueMicros);
    }
    this.#receivedBefore += this.ledger.received;
    this.ledger = this.#newLedger();
    this.#end = undefined;
    this.#planned = false;
    this.#endSentMicros = 0;
    this.#cancelledMicros = 0;
    this.#gaveUp = false;
    this.#turns = undefined;
    const stream = await source.open({ target, streamsPerConnection, ledger: this.ledger, meter });
    meter.counts.opened++;
    this.#stream = stream;
    void stream.ended.then((end) => this.#ended(end, clock.nowMicros()));
  }

  /**
   * Performs steps in order; ends early when the stream has ended.
   * @param dueMicros when the first of them was due: the intended time of its filter.
   * @param freeMicros since when the stream was free to perform them: what it is late after that is the generator's doing.
   */
  async perform(steps: readonly WorkloadStep[], dueMicros: number, freeMicros?: number): Promise<void> {
    let intendedMicros: number | undefined = dueMicros;
    this.#freeMicros = freeMicros;
    for (const step of steps) {
      if (this.#end !== undefined && step.kind !== "expect-end" && step.kind !== "expect-quiet") {
        return;
      }
      await this.#step(step, intendedMicros ?? this.#options.clock.nowMicros());
      if (step.kind !== "pause" && step.kind !== "resume") {
        intendedMicros = undefined;
      }
    }
  }

  /** Closes whatever is left of it: cancels a stream that is still open, and closes its book. */
  finish(): void {
    if (!this.over) {
      this.#planned = true;
      this.#gaveUp = this.#endSentMicros > 0;
      this.#stream?.cancel();
    }
    this.ledger.finish(this.#options.clock.nowMicros());
  }

  /** Gives up updates that are past their bound. */
  expire(nowMicros: number): void {
    if (this.ledger.pendingCount > 0) {
      this.ledger.expire(nowMicros);
    }
  }

  async #step(step: WorkloadStep, intendedMicros: number): Promise<void> {
    const { applyMs, endMs } = this.#options;
    switch (step.kind) {
      case "send":
        return this.#send(step, intendedMicros);
      case "expect-applied": {
        const met = await this.#until(() => this.ledger.pendingCount === 0, step.withinMs ?? applyMs, { afterStop: true });
        if (!met) {
          this.ledger.expire(Infinity);
        }
        return;
      }
      case "expect-entries": {
        const wanted = this.ledger.received + step.count;
        await this.#until(() => this.ledger.received >= wanted, step.withinMs ?? applyMs, {});
        return;
      }
      case "expect-end":
        await this.#until(() => this.#end !== undefined, step.withinMs ?? endMs, { afterStop: true });
        return;
      case "expect-caught-up":
        return this.#catchUp(step.withinMs ?? applyMs);
      case "expect-quiet":
        return this.#awaitQuiet(step.withinMs ?? endMs);
      case "end":
        return this.#endSide();
      case "cancel":
        this.#planned = true;
        this.#cancelledMicros = this.#options.clock.nowMicros();
        this.#stream?.cancel();
        await this.#until(() => this.#end !== undefined, endMs, { afterStop: true });
        return;
      case "pause":
        this.#baselineLagMicros = this.#options.meter.deliveryLag.quantile(0.99);
        this.#stream?.pause();
        return;
      case "resume":
        this.#resumedMicros = this.#options.clock.nowMicros();
        this.#stream?.resume();
        return;
      case "wait":
        await this.#until(() => false, step.ms, {});
        return;
      case "produce":
        await this.#options.produce?.(step.filter, step.count);
        return;
    }
  }

  async #send(step: Extract<WorkloadStep, { kind: "send" }>, intendedMicros: number): Promise<void> {
    const { clock, resolve } = this.#options;
    for (let i = 0; i < step.times && this.#end === undefined; i++) {
      const reference = step.filters[this.#turn(step)];
      const stream = this.#stream;
      if (reference === undefined || stream === undefined) {
        return;
      }
      const filter = resolve(reference);
      const writtenMicros = clock.nowMicros();
      if (this.#freeMicros !== undefined) {
        this.#options.meter.time("schedule-lag").record(writtenMicros - Math.max(intendedMicros, this.#freeMicros));
        this.#freeMicros = undefined;
      }
      this.ledger.sent(filter, i === 0 ? Math.min(intendedMicros, writtenMicros) : writtenMicros, writtenMicros);
      try {
        await stream.send(filter);
      } catch {
        // The stream ended meanwhile; `ended` says how.
        return;
      }
    }
  }

  async #endSide(): Promise<void> {
    const { clock } = this.#options;
    this.#planned = true;
    this.ledger.ending = true;
    this.#endSentMicros = clock.nowMicros();
    try {
      await this.#stream?.end();
    } catch {
      // It ended first; `ended` says how.
    }
  }

  async #catchUp(withinMs: number): Promise<void> {
    const { clock, meter } = this.#options;
    if (Number.isNaN(this.#baselineLagMicros)) {
      // Nothing had come before the pause: there is no lag to come back to.
      return;
    }
    const caughtUp = await this.#until(() => this.ledger.lastLagMicros <= this.#baselineLagMicros, withinMs, {});
    if (caughtUp) {
      meter.time("catch-up").record(clock.nowMicros() - this.#resumedMicros);
    } else if (this.#end === undefined && !this.#options.stop.aborted) {
      meter.time("catch-up").recordBeyond();
    }
  }

  /** Records how long after the cancel something still came on the stream's own connection. */
  async #awaitQuiet(withinMs: number): Promise<void> {
    const { clock, meter, streamsPerConnection } = this.#options;
    const stream = this.#stream;
    if (stream?.lastInboundMicros() === undefined || streamsPerConnection !== 1 || this.#cancelledMicros === 0) {
      return;
    }
    const lastAfter = (): number => Math.max(this.#cancelledMicros, stream.lastInboundMicros() ?? 0);
    const deadlineMicros = this.#cancelledMicros + withinMs * 1000 + quietMicros;
    for (let waitMicros = quietMicros; waitMicros > 0; waitMicros = lastAfter() + quietMicros - clock.nowMicros()) {
      if (clock.nowMicros() >= deadlineMicros) {
        meter.time("cancel-quiet").recordBeyond();
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, Math.ceil(waitMicros / 1000)));
    }
    meter.time("cancel-quiet").record(lastAfter() - this.#cancelledMicros);
  }

  #ended(end: StreamEnd, atMicros: number): void {
    const { meter } = this.#options;
    this.#end = end;
    if (this.#gaveUp) {
      meter.time("half-close-to-end").recordBeyond();
      this.#options.onUnplannedEnd({
        kind: "lost",
        native: "no end",
        cause: `the server did not end the stream within ${this.#options.endMs} ms of the client's end`,
      });
    } else if (this.#cancelledMicros > 0) {
      meter.time("cancel-local").record(atMicros - this.#cancelledMicros);
    } else if (this.#endSentMicros > 0) {
      if (end.kind === "completed") {
        meter.time("half-close-to-end").record(atMicros - this.#endSentMicros);
      } else {
        this.#unplanned(end);
      }
    } else if (!this.#planned) {
      this.#unplanned(end);
    }
    this.ledger.finish(atMicros);
    this.#waiter?.finish(this.#waiter.test());
  }

  #unplanned(end: StreamEnd): void {
    const { counts } = this.#options.meter;
    if (end.kind === "rejected") {
      counts.rejected++;
    } else if (end.kind === "lost") {
      counts.disconnected++;
    } else {
      counts["ended-early"]++;
    }
    this.#options.onUnplannedEnd(end);
  }

  /** Waits until the condition holds, the bound has passed, the stream has ended, or the run stops; tells whether it holds. */
  #until(test: () => boolean, boundMs: number, { afterStop = false }: { readonly afterStop?: boolean }): Promise<boolean> {
    const { stop } = this.#options;
    if (test() || this.#end !== undefined || (stop.aborted && !afterStop)) {
      return Promise.resolve(test());
    }
    return new Promise((resolve) => {
      const onStop = (): void => this.#waiter?.finish(test());
      const { clock } = this.#options;
      const dueMicros = clock.nowMicros() + boundMs * 1000;
      const give = (): void => this.#waiter?.finish(test());
      // A loop that stood still reads first what had come by then.
      let timer = setTimeout(() => {
        if (clock.nowMicros() - dueMicros > stoodStillMicros) {
          timer = setTimeout(give, readingMs);
        } else {
          give();
        }
      }, boundMs);
      this.#waiter = {
        test,
        finish: (met) => {
          clearTimeout(timer);
          stop.removeEventListener("abort", onStop);
          this.#waiter = undefined;
          resolve(met);
        },
      };
      if (!afterStop) {
        stop.addEventListener("abort", onStop, { once: true });
      }
    });
  }

  /** Something that a step may wait for has happened. */
  settled(): void {
    const waiter = this.#waiter;
    if (waiter !== undefined && waiter.test()) {
      waiter.finish(true);
    }
  }

  arrived(): void {
    this.settled();
  }

  /** Which of a step's filters is next. */
  #turn(step: Extract<WorkloadStep, { kind: "send" }>): number {
    if (step.filters.length === 1) {
      return 0;
    }
    this.#turns ??= new Map();
    const turn = this.#turns.get(step) ?? 0;
    this.#turns.set(step, turn + 1);
    return turn % step.filters.length;
  }

  #newLedger(): StreamLedger<PreparedFilter> {
    const ledger = new StreamLedger<PreparedFilter>(this.#options.meter, this.#options.rules);
    ledger.listener = this;
    return ledger;
  }
}
