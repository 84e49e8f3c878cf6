import { doubleZero } from "../core/double.js";
import type { Clock } from "../core/clock.js";
import { type Contract, type Message, type MessageCodec, sequenceOf } from "../core/contract.js";
import { messageOf } from "../core/errors.js";
import type { MessageBytes, MonitorStream } from "../core/stream.js";
import type { ByteFilter, EntryReader } from "./entry-reader.js";
import type { StreamLedger } from "./ledger.js";
import type { Meter } from "./meter.js";
import type { PreparedFilter } from "./filters.js";
import { createSequenceBase, type EntryBook, WholeEntries } from "./whole-entries.js";

/** So many entries a second are decoded whole and held against what was read in place, which is all of them on most streams … */
export const wholeChecksPerSecond = 3000;
/** … and one of so many of the others … */
export const crossCheckEvery = 64;
/** … but no more than so many a second together: each costs as much as twenty entries. */
const crossChecksPerSecond = 10_000;
const budgetMicros = 100_000;
const checksInBudget = (crossChecksPerSecond * budgetMicros) / 1_000_000;
const sampledInBudget = ((crossChecksPerSecond - wholeChecksPerSecond) * budgetMicros) / 1_000_000;

/** What the streams on one target share in a thread. */
export class ScannedTarget {
  readonly contract: Contract;
  readonly codec: MessageCodec;
  readonly clock: Clock;
  readonly whole: WholeEntries;
  readonly hasTime: boolean;
  /** Undefined: every entry is decoded whole. */
  reader: EntryReader | undefined;
  /** Entries until the next cross-check. */
  untilCheck = 1;
  #checksLeft = 0;
  #budgetUntilMicros = 0;
  /** Entries that were decoded whole because they held something unexpected. */
  surprises = 0;
  /** What a cross-check found to differ; from then on every entry is decoded whole. */
  distrust: string | undefined;
  #touched: ScannedStream[] = [];

  constructor(options: { readonly contract: Contract; readonly codec: MessageCodec; readonly reader: EntryReader | undefined; readonly clock: Clock }) {
    const { contract, reader } = options;
    this.contract = contract;
    this.codec = options.codec;
    this.clock = options.clock;
    this.reader = reader;
    this.hasTime = contract.entries.time !== undefined;
    this.whole = new WholeEntries(contract, reader === undefined ? createSequenceBase() : (sequence) => reader.relative(sequence));
  }

  /** A stream has the first message of a chunk; it is told when the chunk is through. */
  touch(stream: ScannedStream): void {
    // A microtask runs as soon as the socket's callback returns: once for each chunk, after its last message.
    if (this.#touched.push(stream) === 1) {
      queueMicrotask(() => this.#flush());
    }
  }

  /** Decodes whole what was read in place. @returns whether both say the same; the first difference ends reading in place. */
  check(buffer: Buffer, start: number, end: number, atMicros: number, { ledger, meter }: EntryBook): boolean {
    if (atMicros >= this.#budgetUntilMicros) {
      this.#budgetUntilMicros = atMicros + budgetMicros;
      this.#checksLeft = checksInBudget;
    }
    this.untilCheck = this.#checksLeft > sampledInBudget ? 1 : crossCheckEvery;
    const { reader } = this;
    if (this.#checksLeft === 0 || reader === undefined) {
      return true;
    }
    this.#checksLeft--;
    const difference = this.#difference(reader, () => this.codec.decode(buffer, start, end), ledger.latest, meter);
    if (difference !== undefined) {
      this.distrust = difference;
      this.reader = undefined;
    }
    return difference === undefined;
  }

  #difference(reader: EntryReader, decode: () => Message, filter: PreparedFilter | undefined, meter: Meter): string | undefined {
    const { contract } = this;
    let entry: Message;
    try {
      entry = decode();
    } catch (thrown) {
      return `decoding whole refuses an entry: ${messageOf(thrown)}`;
    }
    if (contract.violationOf(entry) !== undefined) {
      meter.counts.violations++;
    }
    if (!Object.is(reader.relative(sequenceOf(contract.entries, entry)), reader.sequence)) {
      return "the sequence differs";
    }
    if (this.hasTime && contract.timeOf(entry) !== reader.timeMicros) {
      return "the time differs";
    }
    if (filter !== undefined && reader.matches(filter as ByteFilter) !== filter.filter.matches(entry)) {
      return `they differ in whether "${filter.filter.name}" lets an entry through`;
    }
    return undefined;
  }

  #flush(): void {
    const touched = this.#touched;
    this.#touched = [];
    for (const stream of touched) {
      stream.flush();
    }
  }
}

/** Books the messages of one stream where they lie in the read buffer. */
export class ScannedStream implements EntryBook, MessageBytes {
  /** Knows when the chunk at hand came; absent until it stands. */
  stream: Pick<MonitorStream, "lastInboundAtMicros"> | undefined;
  readonly #answer: (messages: readonly Message[]) => void;
  readonly #target: ScannedTarget;
  readonly ledger: StreamLedger<PreparedFilter>;
  readonly meter: Meter;
  #touched = false;
  /** When the chunk at hand came, in microseconds on the monotonic scale. */
  atMicros = doubleZero;
  #wallMicros = doubleZero;
  #lagMicros = doubleZero;
  /** Of the chunk at hand. */
  #entries = 0;
  #bytes = 0;
  #early = 0;

  /** @param answering takes what the protocol requires in answer to a message; undefined: nothing does. */
  constructor(target: ScannedTarget, book: EntryBook, answering: { answer(messages: readonly Message[]): void } | undefined) {
    this.#answer = (messages) => answering?.answer(messages);
    this.#target = target;
    this.ledger = book.ledger;
    this.meter = book.meter;
  }

  /** Takes one message: `buffer[start, end)`. */
  take(buffer: Buffer, start: number, end: number): void {
    if (!this.#touched) {
      this.#begin();
    }
    this.#bytes += end - start;
    const target = this.#target;
    const { reader } = target;
    if (reader === undefined || !reader.read(buffer, start, end)) {
      this.#takeWhole(buffer, start, end);
      return;
    }
    if (--target.untilCheck === 0 && !target.check(buffer, start, end, this.atMicros, this)) {
      this.#takeWhole(buffer, start, end);
      return;
    }
    this.#entries++;
    this.ledger.observe(reader, this);
    if (target.hasTime) {
      const lagMicros = this.#wallMicros - reader.timeMicros;
      this.#lagMicros = lagMicros;
      if (lagMicros < 0) {
        this.#early++;
      }
      this.meter.deliveryLag.record(lagMicros);
    }
  }

  /** The chunk is through: what its messages share is booked once. */
  flush(): void {
    this.#touched = false;
    const { counts } = this.meter;
    const entries = this.#entries;
    counts.bytes += this.#bytes;
    this.#bytes = 0;
    if (entries > 0) {
      counts.received += entries;
      counts["negative-lag"] += this.#early;
      this.#entries = 0;
      this.#early = 0;
      this.ledger.lastLagMicros = this.#lagMicros;
      this.ledger.arrived(this.atMicros, entries);
    }
  }

  #begin(): void {
    const { clock } = this.#target;
    this.#touched = true;
    this.atMicros = this.stream?.lastInboundAtMicros?.() ?? clock.nowMicros();
    this.#wallMicros = this.atMicros + clock.wallMicros() - clock.nowMicros();
    this.#target.touch(this);
  }

  #takeWhole(buffer: Buffer, start: number, end: number): void {
    const target = this.#target;
    const meter = this.meter;
    target.surprises++;
    let message: Message;
    try {
      message = target.codec.decode(buffer, start, end);
    } catch {
      meter.counts.violations++;
      return;
    }
    const entries = target.whole.take(message, { atMicros: this.atMicros, wallMicros: this.#wallMicros }, this, this.#answer);
    // Booked with the others at the end of the chunk.
    meter.counts.received -= entries;
    this.#entries += entries;
    this.#lagMicros = this.ledger.lastLagMicros;
  }
}
