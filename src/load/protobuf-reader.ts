import type { ProtobufField } from "../core/contract.js";
import { ByteTime } from "./byte-time.js";
import type { ByteScan } from "./byte-scan.js";
import { ByteWindow } from "./byte-tests.js";
import { type ByteFilter, type EntryReader, passes, type ReaderPlan } from "./entry-reader.js";

/** Protobuf types of a sequence number that is read in place. */
export const sequenceTypes: readonly string[] = ["uint64", "uint32", "int64", "int32"];

/** What to do with a field, by its tag byte: nothing known, skip it, or keep it. */
const unknown = 0;
const skipLength = 1;
const skipVarint = 2;
const skip64 = 3;
const skip32 = 4;
const readSequence = 5;
/** And all above: keep the bytes in slot `action - keepFirst`. */
const keepFirst = 6;

const highWeight = 2 ** 28;

/** Tags of one and two bytes: field numbers up to 2047. */
const tagCount = 1 << 14;

/** Reads entries in protobuf's wire format; fields that nobody needs are stepped over, and reading stops when all that are needed were seen. */
export class ProtobufReader implements EntryReader {
  sequence = Number.NaN;
  readonly #window: ByteWindow;
  readonly #time = new ByteTime();
  readonly #actions = new Uint8Array(tagCount);
  readonly #starts: Int32Array;
  readonly #ends: Int32Array;
  readonly #timeSlot: number;
  /** A bit for each thing that an entry must have. */
  readonly #needed: number;
  readonly #sequenceBit: number;
  #baseHigh = Number.NaN;

  constructor(plan: ReaderPlan, fields: readonly ProtobufField[], scan?: ByteScan) {
    this.#window = new ByteWindow(scan);
    const slots = plan.time === undefined ? [...plan.kept] : [...plan.kept, plan.time];
    this.#starts = new Int32Array(slots.length);
    this.#ends = new Int32Array(slots.length);
    this.#timeSlot = plan.time === undefined ? -1 : slots.length - 1;
    this.#sequenceBit = plan.sequence === undefined ? 0 : 1 << slots.length;
    this.#needed = ((1 << slots.length) - 1) | this.#sequenceBit;
    const skips = [skipVarint, skip64, skipLength, unknown, unknown, skip32, unknown, unknown];
    for (let tag = 8; tag < tagCount; tag++) {
      this.#actions[tag] = skips[tag & 7] ?? unknown;
    }
    for (const field of fields.filter(({ number }) => number << 3 < tagCount)) {
      const slot = slots.lastIndexOf(field.name);
      // A field that comes in another wire type than declared is a surprise.
      if (slot >= 0 || field.name === plan.sequence) {
        this.#actions.fill(unknown, field.number << 3, (field.number << 3) + 8);
      }
      if (slot >= 0) {
        this.#actions[(field.number << 3) | 2] = keepFirst + slot;
      }
      if (field.name === plan.sequence) {
        this.#actions[field.number << 3] = readSequence;
      }
    }
  }

  read(buffer: Buffer, start: number, end: number): boolean {
    const actions = this.#actions;
    const needed = this.#needed;
    let at = start;
    let seen = 0;
    while (at < end && seen !== needed) {
      let tag = buffer[at++] as number;
      if (tag > 127) {
        const next = buffer[at++] as number;
        if (next > 127) {
          return false;
        }
        tag = (tag & 127) | (next << 7);
      }
      const action = actions[tag] as number;
      if (action >= keepFirst || action === skipLength) {
        let length = buffer[at++] as number;
        if (length > 127) {
          const next = buffer[at++] as number;
          if (next > 127) {
            return false;
          }
          length = (length & 127) | (next << 7);
        }
        if (action >= keepFirst) {
          const slot = action - keepFirst;
          this.#starts[slot] = at;
          this.#ends[slot] = at + length;
          seen |= 1 << slot;
        }
        at += length;
      } else if (action === readSequence) {
        at = this.#readSequence(buffer, at);
        seen |= this.#sequenceBit;
      } else if (action === skipVarint) {
        while ((buffer[at++] as number) > 127);
      } else if (action === skip64) {
        at += 8;
      } else if (action === skip32) {
        at += 4;
      } else {
        return false;
      }
    }
    // A field that runs beyond the message's end has left `at` beyond it too.
    if (at > end || seen !== needed) {
      return false;
    }
    this.#window.use(buffer);
    const timeSlot = this.#timeSlot;
    if (timeSlot >= 0) {
      return this.#time.read(this.#window, this.#starts[timeSlot] as number, this.#ends[timeSlot] as number);
    }
    return true;
  }

  get timeMicros(): number {
    return this.#time.micros;
  }

  matches(filter: ByteFilter): boolean {
    return passes(filter, this.#window, this.#starts, this.#ends);
  }

  relative(sequence: number | bigint | undefined): number {
    if (sequence === undefined) {
      return Number.NaN;
    }
    if (typeof sequence === "number" && sequence >= 0) {
      const high = Math.floor(sequence / highWeight);
      return this.#combine(high, sequence - high * highWeight);
    }
    const value = BigInt.asUintN(64, BigInt(sequence));
    return this.#combine(Number(value >> 28n), Number(value & 0xfff_ffffn));
  }

  /** A varint of up to ten bytes, as its low 28 bits and all above them: both are exact, whatever the size. @returns where it ends */
  #readSequence(buffer: Buffer, start: number): number {
    let at = start;
    let byte = buffer[at++] as number;
    let low = byte & 127;
    let high = 0;
    if (byte > 127) {
      byte = buffer[at++] as number;
      low |= (byte & 127) << 7;
      if (byte > 127) {
        byte = buffer[at++] as number;
        low |= (byte & 127) << 14;
        if (byte > 127) {
          byte = buffer[at++] as number;
          low |= (byte & 127) << 21;
          for (let weight = 1; byte > 127 && at - start < 10; weight *= 128) {
            byte = buffer[at++] as number;
            high += (byte & 127) * weight;
          }
        }
      }
    }
    this.sequence = this.#combine(high, low);
    return at;
  }

  #combine(high: number, low: number): number {
    if (this.#baseHigh !== this.#baseHigh) {
      this.#baseHigh = high;
    }
    return (high - this.#baseHigh) * highWeight + low;
  }
}
