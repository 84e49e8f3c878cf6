import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import { WireError } from "./wire-error.js";

const windowBytes = 32768;
/** The empty stored block that both sides leave out (RFC 7692 §7.2.1). */
const blockEnd = Buffer.from([0x00, 0x00, 0xff, 0xff]);

/** Inflates the messages of one connection, in order: its window is the last 32 KiB of them unless the server resets its own. */
export class MessageInflater {
  private readonly maxMessageBytes: number;
  private readonly keepsWindow: boolean;
  private window: Buffer = Buffer.alloc(0);

  constructor(options: { readonly serverNoContextTakeover: boolean; readonly maxMessageBytes: number }) {
    this.maxMessageBytes = options.maxMessageBytes;
    this.keepsWindow = !options.serverNoContextTakeover;
  }

  /** Throws a {@link WireError} at `atByte`, the start of the message, for bytes that do not inflate or inflate past the bound. */
  inflate(payload: Uint8Array, atByte: number): Buffer {
    try {
      const message = inflateRawSync(Buffer.concat([payload, blockEnd]), {
        finishFlush: constants.Z_SYNC_FLUSH,
        maxOutputLength: Math.max(1, this.maxMessageBytes),
        ...(this.window.length > 0 ? { dictionary: this.window } : {}),
      });
      if (this.keepsWindow) this.window = Buffer.from(Buffer.concat([this.window, message.subarray(-windowBytes)]).subarray(-windowBytes));
      return message;
    } catch (cause) {
      if (errorCode(cause) === "ERR_BUFFER_TOO_LARGE") {
        throw new WireError("MESSAGE_TOO_LONG", {
          expected: `a message of at most ${this.maxMessageBytes} bytes`,
          actual: `${payload.length} bytes that inflate to more`,
          atByte,
          cause,
        });
      }
      throw new WireError("BAD_DEFLATE", { expected: "a payload that inflates (RFC 7692 §7.2.2)", actual: errorCode(cause), atByte, cause });
    }
  }
}

/** Deflates one message by itself, which every server must take; undefined where zlib lacks so small a window (8 bits): send it as it is. */
export function deflateMessage(payload: Uint8Array, windowBits: number): Buffer | undefined {
  if (windowBits < 9) return undefined;
  const deflated = deflateRawSync(payload, { windowBits, finishFlush: constants.Z_SYNC_FLUSH });
  return deflated.subarray(0, -blockEnd.length);
}

function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : String(error);
}
