import { Trend } from "k6/metrics";
import { clearTimeout, setTimeout } from "k6/timers";
import { Book, compileFilter, type Entry } from "./book.js";
import type { K6Group, K6Step, K6Target } from "./plan.js";
import { beginMicros, endMicros, nowMicros, plan, startOf } from "./run.js";
import type { Sheet } from "./sheet.js";
import { closeClient, type Hearing, openGrpc, openWebSocket, type Wire } from "./wires.js";

const streamRate = new Trend("hc_stream_rate");

interface Waiter {
  readonly test: () => boolean;
  readonly finish: () => void;
}

const compiled = plan.targets.map((target) => target.filters.map(compileFilter));

/** Performs a group's steps on one stream after the other. */
export class Performer {
  group: K6Group;
  targetIndex: number;
  target: K6Target;
  sheet: Sheet;
  book: Book;
  wire: Wire | undefined;
  over = true;
  planned = false;
  failed = false;
  endSent = 0;
  stopped = false;
  waiter: Waiter | undefined;
  turns = new Map<K6Step, number>();
  lastFilter = -1;
  sequenceBase: bigint | undefined;
  minute = "";
  minuteMs = 0;
  /** When it stops, and when it gives up what it still waits for. */
  untilMicros: number;
  deadlineMicros: number;
  deadlineTimer: number | undefined;

  constructor(group: K6Group, targetIndex: number, sheet: Sheet) {
    this.group = group;
    this.targetIndex = targetIndex;
    this.target = plan.targets[targetIndex] as K6Target;
    this.sheet = sheet;
    this.book = this.newBook();
    this.untilMicros = group.untilMs > 0 ? beginMicros + group.untilMs * 1000 : endMicros;
    this.deadlineMicros = this.untilMicros + plan.finishMs * 1000;
  }

  async run(number: number): Promise<void> {
    const { group, untilMicros: until } = this;
    const late = group.fromMs > 0;
    const from = startOf(group) + (group.rampUpMs * 1000 * number) / Math.max(1, group.streams);
    this.deadlineTimer = setTimeout(() => this.tooLate(this.deadlineMicros), Math.max(0, (this.deadlineMicros - nowMicros()) / 1000));
    if (late || group.rampUpMs > 0) {
      await sleepUntil(from);
    } else {
      await this.openAndBegin();
      await sleepUntil(from);
    }
    setTimeout(() => this.stop(), Math.max(0, (until - nowMicros()) / 1000));
    let due = Math.max(from, nowMicros());
    while (!this.stopped) {
      if (this.over) {
        if (this.failed) {
          break;
        }
        await this.openAndBegin();
        due = nowMicros();
        continue;
      }
      if (group.each.length === 0) {
        await this.until(() => false, 0);
        continue;
      }
      due = Math.max(due, nowMicros()) + group.thinkMs * 1000;
      await this.until(() => false, Math.max(0, (due - nowMicros()) / 1000));
      if (!this.stopped) {
        await this.perform(group.each, due);
      }
    }
    if (!this.over) {
      await this.perform(group.finish, nowMicros());
    }
    streamRate.add(this.sheet.received / Math.max(0.001, (Math.min(until, nowMicros()) - beginMicros) / 1_000_000));
  }

  /** An arrival: opens, performs all that the group does, and ends. */
  async runOnce(due: number): Promise<void> {
    const { group, sheet } = this;
    const now = nowMicros();
    if (now >= this.untilMicros) {
      // k6 begins one that is due with the end; the schedule has none there.
      return;
    }
    sheet.count("offered", 1, now);
    sheet.count("begun", 1, now);
    sheet.time("schedule-lag", now - due, now);
    this.deadlineTimer = setTimeout(() => this.tooLate(this.deadlineMicros), Math.max(0, (this.deadlineMicros - now) / 1000));
    const stopTimer = setTimeout(() => this.stop(), Math.max(0, (this.untilMicros - now) / 1000));
    try {
      await this.openAndBegin(due);
      if (!this.over) {
        await this.perform([...group.each, ...group.finish], nowMicros());
      }
    } finally {
      clearTimeout(stopTimer);
    }
  }

  /**
   * Asked on every message too: where they come faster than the script takes them, its timers wait behind all of them.
   * @returns whether the time is up for good.
   */
  tooLate(now: number): boolean {
    if (now >= this.untilMicros && !this.stopped) {
      this.stop();
    }
    if (now < this.deadlineMicros) {
      return false;
    }
    this.close();
    this.waiter?.finish();
    return true;
  }

  stop(): void {
    this.stopped = true;
    this.waiter?.finish();
  }

  /** Whatever is left open would hold the iteration until its greatest length. */
  close(): void {
    if (this.deadlineTimer !== undefined) {
      clearTimeout(this.deadlineTimer);
    }
    this.planned = true;
    this.over = true;
    this.wire?.close();
    this.book.finish(nowMicros());
    closeClient(this.targetIndex);
  }

  expire(now: number): void {
    this.book.expire(now);
  }

  newBook(): Book {
    const { target } = this;
    const book = new Book(this.sheet, {
      order: target.order,
      replay: target.replay,
      applyMicros: target.applyMs * 1000,
      stallMicros: plan.stallMs > 0 ? plan.stallMs * 1000 : Infinity,
    });
    book.onSettled = () => this.poke();
    return book;
  }

  async openAndBegin(due?: number): Promise<void> {
    this.book = this.newBook();
    this.over = false;
    this.planned = false;
    this.endSent = 0;
    this.lastFilter = -1;
    this.turns.clear();
    const hearing: Hearing = { entry: (message, bytes, wallMs) => this.hear(message, bytes, wallMs), ended: (text, kind) => this.ended(text, kind) };
    try {
      this.wire = await (this.target.transport === "grpc"
        ? openGrpc(this.target, this.targetIndex, this.sheet, hearing)
        : openWebSocket(this.target, this.sheet, hearing));
      this.sheet.count("opened", 1, nowMicros());
      for (const message of this.target.prelude) {
        this.wire.send(message);
      }
    } catch (thrown) {
      this.ended(`no connection: ${String(thrown)}`, "disconnected");
      return;
    }
    await this.perform(this.group.begin, due ?? nowMicros());
  }

  async perform(steps: readonly K6Step[], due: number): Promise<void> {
    let intended: number | undefined = due;
    for (const step of steps) {
      if (this.over && step.kind !== "expect-end") {
        return;
      }
      await this.step(step, intended ?? nowMicros());
      intended = undefined;
    }
  }

  async step(step: K6Step, intended: number): Promise<void> {
    const { target, book } = this;
    switch (step.kind) {
      case "send":
        for (let i = 0; i < step.times && !this.over; i++) {
          this.send(step, intended, i);
        }
        return;
      case "expect-applied":
        await this.until(() => book.pending.length === 0, step.withinMs || target.applyMs, true);
        if (book.pending.length > 0) {
          book.expire(Infinity);
        }
        return;
      case "expect-entries": {
        const wanted = book.received + step.count;
        await this.until(() => book.received >= wanted, step.withinMs || target.applyMs);
        return;
      }
      case "expect-end":
        await this.until(() => this.over, step.withinMs || target.endMs, true);
        return;
      case "wait":
        await this.until(() => false, step.ms);
        return;
      case "end":
        this.planned = true;
        book.ending = true;
        this.endSent = nowMicros();
        this.wire?.end();
        return;
    }
  }

  send(step: Extract<K6Step, { kind: "send" }>, intended: number, i: number): void {
    const { target } = this;
    const turn = this.turns.get(step) ?? 0;
    this.turns.set(step, turn + 1);
    const choices = step.filters[this.targetIndex] ?? [];
    const index = choices[turn % choices.length] ?? 0;
    const filter = target.filters[index];
    const prepared = compiled[this.targetIndex]?.[index];
    if (filter === undefined || prepared === undefined) {
      throw new Error("the plan has no such filter");
    }
    const written = nowMicros();
    this.sheet.time("schedule-lag", Math.max(0, written - intended), written);
    this.book.sent(prepared, i === 0 ? Math.min(intended, written) : written, written);
    const messages = this.lastFilter === -1 ? filter.opening : (filter.updating[this.lastFilter] ?? []);
    this.lastFilter = index;
    for (const message of messages) {
      this.wire?.send(message);
    }
  }

  hear(message: unknown, bytes: number, wallMs: number | undefined): void {
    if (this.over && this.failed) {
      return;
    }
    const { target, sheet } = this;
    const now = nowMicros();
    if (this.tooLate(now)) {
      return;
    }
    // A message that waited in k6's queue came when the socket says, not when its turn has come.
    const at = wallMs === undefined ? now : Math.min(now, now - (Date.now() - wallMs) * 1000);
    if (
      typeof message !== "object" ||
      message === null ||
      Array.isArray(message) ||
      target.required.some((field) => (message as Entry)[field] === undefined || (message as Entry)[field] === null)
    ) {
      sheet.count("violations", 1, at);
      return;
    }
    const entry = message as Entry;
    sheet.count("bytes", bytes, at);
    this.lag(entry, (wallMs ?? Date.now()) * 1000, at);
    this.book.observe(this.sequenceOf(entry), at, entry);
    this.poke();
  }

  sequenceOf(entry: Entry): number {
    const value = this.target.sequenceField === null ? undefined : entry[this.target.sequenceField];
    const text = String(value);
    const narrow = Number(text);
    if (this.sequenceBase === undefined && (Number.isSafeInteger(narrow) || Number.isNaN(narrow))) {
      return narrow;
    }
    // Beyond 2^53: exact less a base.
    this.sequenceBase ??= BigInt(text);
    return Number(BigInt(text) - this.sequenceBase);
  }

  lag(entry: Entry, wallMicros: number, at: number): void {
    const text = this.target.timeField === null ? undefined : entry[this.target.timeField];
    if (typeof text !== "string") {
      return;
    }
    let millis: number;
    if (text.length > 18 && text.endsWith("Z")) {
      const minute = text.slice(0, 17);
      if (minute !== this.minute) {
        this.minute = minute;
        this.minuteMs = Date.parse(`${minute}00Z`);
      }
      millis = this.minuteMs + Number(text.slice(17, -1)) * 1000;
    } else {
      millis = Date.parse(text);
    }
    const micros = wallMicros - millis * 1000;
    if (Number.isNaN(micros)) {
      this.sheet.count("violations", 1, at);
      return;
    }
    // The wall clock of k6 has whole milliseconds: less than one before is the same time.
    if (micros <= -1000) {
      this.sheet.count("negative-lag", 1, at);
    }
    this.sheet.pack("delivery-lag", micros, at);
  }

  ended(text: string | undefined, kind: "rejected" | "disconnected"): void {
    if (this.over) {
      return;
    }
    const now = nowMicros();
    this.over = true;
    if (this.planned && text === undefined) {
      this.sheet.time("half-close-to-end", now - this.endSent, now);
    } else {
      this.failed = !this.planned;
      this.sheet.count(text === undefined ? "ended-early" : kind, 1, now);
      this.sheet.error(text ?? "ended by the server, though nothing asked for it");
    }
    this.book.finish(now);
    this.waiter?.finish();
  }

  poke(): void {
    if (this.waiter?.test() === true) {
      this.waiter.finish();
    }
  }

  /** Until the condition holds, the bound has passed, the stream is over, or the run stops; a bound of 0 is none. */
  until(test: () => boolean, boundMs: number, afterStop = false): Promise<void> {
    if (test() || this.over || (this.stopped && !afterStop)) {
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      let timer: number | undefined;
      const waiter: Waiter = {
        test,
        finish: () => {
          if (afterStop && !test() && !this.over && this.stopped && timer !== undefined && !expired) {
            return;
          }
          if (timer !== undefined) {
            clearTimeout(timer);
          }
          if (this.waiter === waiter) {
            this.waiter = undefined;
          }
          resolve();
        },
      };
      let expired = false;
      this.waiter = waiter;
      if (boundMs > 0) {
        timer = setTimeout(() => {
          expired = true;
          waiter.finish();
        }, boundMs);
      }
    });
  }
}

async function sleepUntil(due: number): Promise<void> {
  for (let left = due - nowMicros(); left > 0; left = due - nowMicros()) {
    await new Promise<void>((resolve) => setTimeout(() => resolve(), left / 1000));
  }
}
