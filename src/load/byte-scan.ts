import { byteScanModule } from "./byte-scan-module.js";

/** What is used of it: the library of types that is compiled against has none of it. */
declare const WebAssembly: {
  readonly Memory: new (size: { readonly initial: number; readonly maximum: number }) => { readonly buffer: ArrayBuffer };
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
};

interface ScanFunctions {
  find(at: number, end: number, needle: number, length: number): number;
  quote(at: number, end: number): number;
}

const pageBytes = 65_536;
/** Texts that are looked for have one page. */
const textBytes = pageBytes;

/**
 * The buffer that a thread's sockets are read into, within memory that WebAssembly sees: what lies there is searched sixteen bytes at a time,
 * about four times as fast as JavaScript does it. Places are addresses in that memory.
 */
export class ByteScan {
  readonly readBuffer: Buffer;
  /** Where the `length` bytes at address `needle` lie first in [at, end); -1: nowhere. At least one byte. */
  readonly find: ScanFunctions["find"];
  /** Where the first quote or backslash of [at, end) lies; -1: nowhere. */
  readonly quote: ScanFunctions["quote"];
  readonly #memory: ArrayBuffer;
  #textsEnd = 0;

  constructor(memory: ArrayBuffer, functions: ScanFunctions, readBufferBytes: number) {
    this.#memory = memory;
    this.readBuffer = Buffer.from(memory, textBytes, readBufferBytes);
    this.find = functions.find;
    this.quote = functions.quote;
  }

  /** The address of a buffer's first byte; -1 when it lies elsewhere. */
  addressOf(buffer: Buffer): number {
    return buffer.buffer === this.#memory ? buffer.byteOffset : -1;
  }

  /** Keeps a text to look for. @returns its address; -1 when there is no room for it, or it is empty */
  keep(text: Uint8Array): number {
    const texts = Buffer.from(this.#memory, 0, textBytes);
    const kept = texts.subarray(0, this.#textsEnd).indexOf(text);
    if (text.length === 0 || kept >= 0) {
      return text.length === 0 ? -1 : kept;
    }
    const address = this.#textsEnd;
    if (address + text.length > textBytes) {
      return -1;
    }
    texts.set(text, address);
    this.#textsEnd += text.length;
    return address;
  }
}

/** Undefined where there is no WebAssembly, no SIMD in it, or too little address space: what it does is then done in JavaScript. */
export function createByteScan(readBufferBytes: number): ByteScan | undefined {
  try {
    // A page behind the read buffer, as searches may read beyond an end.
    const pages = textBytes / pageBytes + Math.ceil(readBufferBytes / pageBytes) + 1;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(byteScanModule, "base64")), { scan: { memory } });
    return new ByteScan(memory.buffer, exports as ScanFunctions, readBufferBytes);
  } catch {
    return undefined;
  }
}
