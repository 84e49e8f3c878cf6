import type { Meter } from "./meter.js";

/** What streams with the same filter reported of one block of sequence numbers. */
interface Block {
  reports: number;
  sum: number;
  most: number;
}

/** Sequence numbers of a block. */
export const blockLength = 256;
/** Blocks that are kept open for streams that lag behind; an older one is closed when another begins. */
const openBlocks = 64;

/**
 * Compares how many entries of each block of sequence numbers the streams with the same filter received. One that received fewer than another
 * lost some, whatever the filter lets through; what all of them lost cannot be seen.
 */
export class FanOut {
  readonly #meter: Meter;
  readonly #filters = new Map<object, Map<number, Block>>();
  #compared = 0;

  constructor(meter: Meter) {
    this.#meter = meter;
  }

  /** A stream went through a block and received so many entries of it, and none of those after it until `next`. */
  report(filter: object, block: number, next: number, count: number): void {
    const blocks = this.#blocksOf(filter);
    add(blocks, block, count);
    for (let skipped = block + 1; skipped < Math.min(next, block + 1 + openBlocks); skipped++) {
      add(blocks, skipped, 0);
    }
    // The first to be opened is the oldest, but for those that a stream far behind opened again.
    for (const index of blocks.keys()) {
      if (blocks.size <= openBlocks) {
        break;
      }
      this.#close(blocks, index);
    }
  }

  /** An entry of a block that was reported already came late. */
  late(filter: object, block: number): void {
    const found = this.#filters.get(filter)?.get(block);
    if (found !== undefined) {
      found.sum++;
    }
  }

  /** No more reports come. @returns blocks that more than one stream went through. */
  finish(): number {
    for (const blocks of this.#filters.values()) {
      for (const block of [...blocks.keys()]) {
        this.#close(blocks, block);
      }
    }
    return this.#compared;
  }

  #blocksOf(filter: object): Map<number, Block> {
    let blocks = this.#filters.get(filter);
    if (blocks === undefined) {
      blocks = new Map();
      this.#filters.set(filter, blocks);
    }
    return blocks;
  }

  #close(blocks: Map<number, Block>, index: number): void {
    const block = blocks.get(index);
    blocks.delete(index);
    if (block !== undefined && block.reports > 1) {
      this.#compared++;
      this.#meter.counts["lost-relative"] += Math.max(0, block.most * block.reports - block.sum);
    }
  }
}

function add(blocks: Map<number, Block>, index: number, count: number): void {
  const block = blocks.get(index) ?? { reports: 0, sum: 0, most: 0 };
  block.reports++;
  block.sum += count;
  block.most = Math.max(block.most, count);
  blocks.set(index, block);
}
