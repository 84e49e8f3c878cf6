import { byteScanModule } from "./byte-scan-module.js";

/** What is used of it: the library of types that is compiled against has none of it. */
declare const WebAssembly: {
  readonly Memory: new (size: { readonly initial: number; readonly maximum: number }) => { readonly buffer: ArrayBuffer };
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
};

interface ScanFunctions {
  find(at: number, end: number, needle: number, length: number): number;
  follow(at: number, end: number, steps: number, count: number): number;
}

/** Kinds of values that `follow` knows: strings without escapes, any strings, whole decimal digits bare and in quotes, and what is neither object nor list. */
export const scanned = { text: 0, anyString: 1, digits: 2, quotedDigits: 3, bare: 4 } as const;

/** One value of a layout: the bytes before it, with its opening quote where it has one, and its kind. */
export interface ScannedValue {
  readonly before: Uint8Array;
  readonly kind: (typeof scanned)[keyof typeof scanned];
}

/** A layout that is kept for `follow`. */
export interface ScannedLayout {
  readonly address: number;
  readonly count: number;
  /**
   * `wordsEach` for each value, of which the last three say what was found: of a string where it begins and where its closing quote lies; of digits
   * the value of the last nine, of the nine before them, and of the two before those.
   */
  readonly words: Int32Array;
}

export const wordsEach = 6;
/** Where of a value's words the findings begin. */
export const foundAt = 3;

const pageBytes = 65_536;
/** Texts and layouts have one page. */
const keptBytes = pageBytes;
const wordBytes = 4;

/**
 * The buffer that a thread's sockets are read into, within memory that WebAssembly sees: what lies there is searched sixteen bytes at a time,
 * about four times as fast as JavaScript does it. Places are addresses in that memory.
 */
export class ByteScan {
  readonly readBuffer: Buffer;
  /** Where the `length` bytes at address `needle` lie first in [at, end); -1: nowhere. At least one byte. */
  readonly find: ScanFunctions["find"];
  /** Follows a layout through [at, end). Where its last value ends; -1: something else is there. */
  readonly follow: ScanFunctions["follow"];
  readonly #memory: ArrayBuffer;
  /** Addresses of the texts that are kept. */
  readonly #texts = new Map<string, number>();
  #pageEnd = 0;

  constructor(memory: ArrayBuffer, functions: ScanFunctions, readBufferBytes: number) {
    this.#memory = memory;
    this.readBuffer = Buffer.from(memory, keptBytes, readBufferBytes);
    this.find = functions.find;
    this.follow = functions.follow;
  }

  /** The address of a buffer's first byte; -1 when it lies elsewhere. */
  addressOf(buffer: Buffer): number {
    return buffer.buffer === this.#memory ? buffer.byteOffset : -1;
  }

  /** Keeps a text to look for. @returns its address; -1 when there is no room for it, or it is empty */
  keep(text: Uint8Array): number {
    const name = Buffer.from(text).toString("latin1");
    const kept = this.#texts.get(name);
    if (kept !== undefined || text.length === 0) {
      return kept ?? -1;
    }
    const address = this.#reserve(text.length);
    if (address >= 0) {
      new Uint8Array(this.#memory, address, text.length).set(text);
      this.#texts.set(name, address);
    }
    return address;
  }

  /** Keeps a layout of one value or more; undefined when there is no room for it. */
  keepLayout(values: readonly ScannedValue[]): ScannedLayout | undefined {
    const befores = values.map(({ before }) => this.keep(before));
    const address = this.#reserve(values.length * wordsEach * wordBytes);
    if (address < 0 || befores.includes(-1)) {
      return undefined;
    }
    const words = new Int32Array(this.#memory, address, values.length * wordsEach);
    words.set(values.flatMap(({ before, kind }, i) => [befores[i] ?? 0, before.length, kind, 0, 0, 0]));
    return { address, count: values.length, words };
  }

  /** The address of so many bytes on the page, that of a whole word; -1 when there is no room. */
  #reserve(bytes: number): number {
    const address = Math.ceil(this.#pageEnd / wordBytes) * wordBytes;
    if (address + bytes > keptBytes) {
      return -1;
    }
    this.#pageEnd = address + bytes;
    return address;
  }
}

/** Undefined where there is no WebAssembly, no SIMD in it, or too little address space: what it does is then done in JavaScript. */
export function createByteScan(readBufferBytes: number): ByteScan | undefined {
  try {
    // A page behind the read buffer, as searches may read beyond an end.
    const pages = keptBytes / pageBytes + Math.ceil(readBufferBytes / pageBytes) + 1;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(byteScanModule, "base64")), { scan: { memory } });
    return new ByteScan(memory.buffer, exports as ScanFunctions, readBufferBytes);
  } catch {
    return undefined;
  }
}
