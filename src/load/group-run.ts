import { setMaxListeners } from "node:events";
import type { Clock } from "../core/clock.js";
import { HarnessError } from "../core/errors.js";
import { arrivals, fitTo } from "../core/schedule.js";
import type { StreamEnd } from "../core/stream.js";
import type { FilterReference, StreamGroup } from "../core/workload.js";
import type { PreparedFilter } from "./filters.js";
import type { LedgerRules } from "./ledger.js";
import type { Meter } from "./meter.js";
import type { Pace } from "./pace.js";
import { type ActorOptions, StreamActor } from "./stream-actor.js";
import type { StreamSource } from "./stream-source.js";

export interface GroupRunOptions {
  readonly group: StreamGroup;
  /** Indices of the targets that the group's streams take in turn. */
  readonly targets: readonly number[];
  /** This worker's part: streams and arrivals whose number leaves this remainder. */
  readonly shard: { readonly index: number; readonly count: number };
  readonly seed: number;
  readonly source: StreamSource;
  readonly meter: Meter;
  readonly clock: Clock;
  readonly pace: Pace;
  readonly stop: AbortSignal;
  /** Length of the part after the start, warm-up included, in milliseconds. */
  readonly totalMs: number;
  /** Added to `from` and `until`, which count from the measured part. */
  readonly warmUpMs: number;
  readonly rulesOf: (target: number) => LedgerRules;
  readonly boundsOf: (target: number) => { readonly applyMs: number; readonly endMs: number };
  readonly resolverOf: (target: number) => (reference: FilterReference) => PreparedFilter;
  readonly produce: ((reference: FilterReference, count: number) => Promise<void>) | undefined;
  readonly onUnplannedEnd: (end: StreamEnd, target: number) => void;
}

/** Streams that are opened at the same time while a group is prepared. */
const opensAtOnce = 64;
/** Arrivals that may wait behind the in-flight cap; more are dropped, which makes the run invalid. */
const deferredLimit = 100_000;

/** Performs one group's part of a workload in this worker. */
export class GroupRun {
  readonly #options: GroupRunOptions;
  readonly #actors: StreamActor[] = [];
  readonly #transient = new Set<StreamActor>();
  readonly #optionsOf = new Map<number, ActorOptions>();
  #deferredCount = 0;

  constructor(options: GroupRunOptions) {
    this.#options = options;
    if (!this.#opensStreams) {
      for (let number = options.shard.index; number < options.group.streams; number += options.shard.count) {
        this.#actors.push(this.#newActor(number));
      }
    }
  }

  get group(): StreamGroup {
    return this.#options.group;
  }

  get meter(): Meter {
    return this.#options.meter;
  }

  /** Entries that each lasting stream received so far. */
  get received(): readonly number[] {
    return this.#actors.map((actor) => actor.received);
  }

  /** Its lasting streams on one target. */
  streamsOn(target: number): StreamActor[] {
    return this.#actors.filter((actor) => actor.target === target);
  }

  /** Updates under way and arrivals that wait. */
  get backlog(): number {
    const pending = [...this.#actors, ...this.#transient].reduce((sum, actor) => sum + actor.ledger.pendingCount, 0);
    return pending + this.#deferredCount;
  }

  /** Every stream has ended though nothing asked for it: there is nothing left to measure. */
  get dead(): boolean {
    return this.#actors.length > 0 && this.#actors.every((actor) => actor.failed);
  }

  /** Opens the streams that are there from the start and performs their `begin`. Rejects when a connection cannot be made. */
  async prepare(): Promise<void> {
    const { group } = this.#options;
    if (group.fromMs > 0 || group.rampUpMs > 0 || this.#opensStreams) {
      return;
    }
    const waiting = [...this.#actors];
    const openNext = async (): Promise<void> => {
      for (let actor = waiting.shift(); actor !== undefined; actor = waiting.shift()) {
        await this.#openAndBegin(actor);
      }
    };
    await Promise.all(Array.from({ length: Math.min(opensAtOnce, waiting.length) }, openNext));
  }

  /** Performs the group's rounds from the start until the stop; resolves when the last one is done. */
  async perform(startMicros: number): Promise<void> {
    const { group, pace, stop, warmUpMs } = this.#options;
    const late = group.fromMs > 0;
    const fromMicros = startMicros + (late ? (warmUpMs + group.fromMs) * 1000 : 0);
    const until = new AbortController();
    setMaxListeners(0, until.signal);
    const stopGroup = (): void => until.abort();
    stop.addEventListener("abort", stopGroup, { once: true });
    if (stop.aborted) {
      stopGroup();
    }
    let timer: NodeJS.Timeout | undefined;
    if (group.untilMs !== undefined) {
      const untilMicros = startMicros + (warmUpMs + group.untilMs) * 1000;
      timer = setTimeout(stopGroup, Math.max(0, (untilMicros - this.#options.clock.nowMicros()) / 1000));
    }
    try {
      if (late) {
        await pace.until(fromMicros, until.signal);
      }
      if (until.signal.aborted) {
        return;
      }
      if (this.#opensStreams) {
        await this.#performStreamArrivals(fromMicros, until.signal);
      } else if (group.arrivals.model === "open") {
        await this.#performUpdateArrivals(fromMicros, until.signal);
      } else {
        await Promise.all(this.#actors.map((actor, i) => this.#performClosed(actor, i, fromMicros, until.signal)));
      }
      if (!until.signal.aborted && !this.dead) {
        await aborted(until.signal);
      }
      if (group.untilMs !== undefined) {
        await this.conclude();
      }
    } finally {
      clearTimeout(timer);
      stop.removeEventListener("abort", stopGroup);
    }
  }

  /** Performs `finish` on the streams that are left, and closes them. */
  async conclude(): Promise<void> {
    const { group, clock } = this.#options;
    await Promise.all(this.#actors.filter((actor) => !actor.over).map((actor) => actor.perform(group.finish, clock.nowMicros())));
    for (const actor of [...this.#actors, ...this.#transient]) {
      actor.finish();
    }
  }

  expire(nowMicros: number): void {
    for (const actor of this.#actors) {
      actor.expire(nowMicros);
    }
    for (const actor of this.#transient) {
      actor.expire(nowMicros);
    }
  }

  async #performClosed(actor: StreamActor, index: number, fromMicros: number, stop: AbortSignal): Promise<void> {
    const { group, clock, pace } = this.#options;
    const thinkMicros = group.arrivals.model === "closed" ? group.arrivals.thinkMs * 1000 : 0;
    let dueMicros = fromMicros + (group.rampUpMs * 1000 * index) / Math.max(1, this.#actors.length);
    if (group.rampUpMs > 0) {
      await pace.until(dueMicros, stop);
    }
    while (!stop.aborted) {
      if (actor.over) {
        if (actor.failed) {
          return;
        }
        await this.#openAndBegin(actor);
        dueMicros = clock.nowMicros();
      }
      if (group.each.length === 0) {
        return;
      }
      dueMicros = Math.max(dueMicros, clock.nowMicros()) + thinkMicros;
      if (thinkMicros > 0) {
        await pace.until(dueMicros, stop);
        if (stop.aborted) {
          return;
        }
      } else {
        // A round that never waits must not keep the loop from reading.
        await turn();
        dueMicros = clock.nowMicros();
      }
      await actor.perform(group.each, dueMicros, dueMicros);
    }
  }

  async #performUpdateArrivals(fromMicros: number, stop: AbortSignal): Promise<void> {
    const { group, meter } = this.#options;
    const { inFlight } = this.#open;
    await Promise.all(this.#actors.filter((actor) => actor.over).map((actor) => this.#openAndBegin(actor)));
    const idle = [...this.#actors];
    const deferred: number[] = [];
    const running = new Set<Promise<void>>();
    const cap = Math.max(1, Math.ceil(inFlight / this.#sharers));
    const run = async (actor: StreamActor, dueMicros: number): Promise<void> => {
      let next: number | undefined = dueMicros;
      while (next !== undefined && !actor.over) {
        meter.counts.begun++;
        await actor.perform(group.each, next, next === dueMicros ? dueMicros : this.#options.clock.nowMicros());
        next = this.#nextDeferred(deferred, stop);
      }
      if (!actor.over) {
        idle.push(actor);
      }
    };
    await this.#eachArrival(fromMicros, stop, (dueMicros) => {
      const actor = running.size < cap ? idle.shift() : undefined;
      if (actor === undefined) {
        this.#defer(deferred, dueMicros, meter);
        return;
      }
      const round = run(actor, dueMicros).finally(() => running.delete(round));
      running.add(round);
    });
    await Promise.all(running);
  }

  async #performStreamArrivals(fromMicros: number, stop: AbortSignal): Promise<void> {
    const { group, meter, shard } = this.#options;
    const cap = Math.max(1, Math.ceil(this.#open.inFlight / shard.count));
    const deferred: number[] = [];
    const running = new Set<Promise<void>>();
    let number = shard.index;
    const run = async (dueMicros: number): Promise<void> => {
      let next: number | undefined = dueMicros;
      let readyMicros = dueMicros;
      while (next !== undefined) {
        const actor = this.#newActor(number);
        number += shard.count;
        this.#transient.add(actor);
        meter.counts.begun++;
        await actor.open(Math.max(next, readyMicros));
        await actor.perform([...group.begin, ...group.each, ...group.finish], next);
        actor.finish();
        this.#transient.delete(actor);
        readyMicros = this.#options.clock.nowMicros();
        next = this.#nextDeferred(deferred, stop);
      }
    };
    let failure: unknown;
    await this.#eachArrival(fromMicros, stop, (dueMicros) => {
      if (running.size >= cap) {
        this.#defer(deferred, dueMicros, meter);
        return;
      }
      const life = run(dueMicros)
        .catch((thrown: unknown) => {
          failure ??= thrown;
          this.#refused(thrown);
        })
        .finally(() => running.delete(life));
      running.add(life);
    });
    await Promise.all(running);
    if (failure !== undefined && meter.counts.opened === 0) {
      throw failure;
    }
  }

  async #eachArrival(fromMicros: number, stop: AbortSignal, begin: (dueMicros: number) => void): Promise<void> {
    const { shard, seed, pace, totalMs, clock } = this.#options;
    const { stages, spacing } = this.#open;
    let number = 0;
    let sinceTurn = 0;
    for (const offsetMicros of arrivals(fitTo(stages, totalMs), spacing, seed)) {
      if (number++ % this.#sharers !== shard.index) {
        continue;
      }
      const dueMicros = fromMicros + Math.round(offsetMicros);
      if (dueMicros > clock.nowMicros()) {
        await pace.until(dueMicros, stop);
        sinceTurn = 0;
      } else if (++sinceTurn >= 64) {
        // Behind schedule: arrivals are made up for, but reading goes on between them.
        await turn();
        sinceTurn = 0;
      }
      if (stop.aborted) {
        return;
      }
      this.#options.meter.counts.offered++;
      begin(dueMicros);
    }
  }

  #defer(deferred: number[], dueMicros: number, meter: Meter): void {
    if (deferred.length >= deferredLimit) {
      meter.counts.dropped++;
      return;
    }
    meter.counts.deferred++;
    deferred.push(dueMicros);
    this.#deferredCount = deferred.length;
  }

  /** The arrival that has waited longest. After the stop those that wait are not begun: past their bound they are timeouts like any other. */
  #nextDeferred(deferred: number[], stop: AbortSignal): number | undefined {
    if (stop.aborted) {
      const { meter, clock } = this.#options;
      const boundMicros = this.#options.boundsOf(this.#options.targets[0] ?? 0).applyMs * 1000;
      const late = deferred.filter((dueMicros) => clock.nowMicros() - dueMicros >= boundMicros).length;
      meter.counts.unfinished += deferred.length - late;
      if (late > 0 && !this.#opensStreams) {
        meter.counts.timeouts += late;
        meter.time("filter-apply").recordBeyond(late);
      }
      deferred.length = 0;
    }
    const next = deferred.shift();
    this.#deferredCount = deferred.length;
    return next;
  }

  async #openAndBegin(actor: StreamActor): Promise<void> {
    try {
      await actor.open();
    } catch (thrown) {
      if (this.#options.meter.counts.opened === 0) {
        throw thrown;
      }
      this.#refused(thrown);
      return;
    }
    await actor.perform(this.#options.group.begin, this.#options.clock.nowMicros());
  }

  /** A connection that could not be made although others could is a finding, not the end of the run. */
  #refused(thrown: unknown): void {
    if (!(thrown instanceof HarnessError)) {
      throw thrown;
    }
    this.#options.meter.counts.disconnected++;
    this.#options.onUnplannedEnd({ kind: "lost", native: "no connection", cause: thrown.message }, this.#options.targets[0] ?? 0);
  }

  /** Workers that the arrivals are dealt out to: one without a stream could perform none. */
  get #sharers(): number {
    const { group, shard } = this.#options;
    return this.#opensStreams ? shard.count : Math.min(shard.count, group.streams);
  }

  get #opensStreams(): boolean {
    const { arrivals: model } = this.#options.group;
    return model.model === "open" && model.of === "streams";
  }

  get #open(): Extract<StreamGroup["arrivals"], { model: "open" }> {
    const { arrivals: model } = this.#options.group;
    if (model.model !== "open") {
      throw new Error("a closed model has no arrivals");
    }
    return model;
  }

  #newActor(number: number): StreamActor {
    const { targets } = this.#options;
    return new StreamActor(this.#actorOptions(targets[number % targets.length] ?? 0));
  }

  /** Streams on one target share them: there may be thousands. */
  #actorOptions(target: number): ActorOptions {
    let options = this.#optionsOf.get(target);
    if (options === undefined) {
      const { source, group, meter, clock, rulesOf, boundsOf, resolverOf, stop, produce, onUnplannedEnd } = this.#options;
      const { streamsPerConnection } = group;
      options = {
        source,
        target,
        streamsPerConnection,
        meter,
        clock,
        rules: rulesOf(target),
        ...boundsOf(target),
        resolve: resolverOf(target),
        stop,
        produce,
        onUnplannedEnd: (end) => onUnplannedEnd(end, target),
      };
      this.#optionsOf.set(target, options);
    }
    return options;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return signal.aborted ? Promise.resolve() : new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
