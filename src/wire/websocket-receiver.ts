import { ControlBudget } from "./http2-control-budget.js";
import { MessageInflater } from "./websocket-deflate.js";
import type { Frame, FrameHeader } from "./websocket-frames.js";
import { FrameDecoder, opcodes } from "./websocket-frames.js";
import type { DeflateParameters } from "./websocket-handshake.js";
import type { Message } from "./websocket-messages.js";
import { MessageAssembler } from "./websocket-messages.js";
import { headerViolations } from "./websocket-violations.js";
import { nowMicros } from "./wire-clock.js";
import { WireError } from "./wire-error.js";

/** So much payload earns one frame that carries none. */
const payloadBytesPerFrame = 64;

/** What makes frames of a connection's bytes: {@link FrameReceiver} for checks, the scanner for load. */
export interface Receiver {
  /** Throws a {@link WireError} where it cannot go on; it ignores all bytes after that. */
  push(chunk: Uint8Array): void;
  /** No more bytes come: the error where they stop inside a frame or a message. */
  finish(): WireError | undefined;
  /** Ignores everything from here on. */
  stop(): void;
}

/** Hears what a {@link FrameReceiver} finds, in order, on the stack of `push`. */
export interface ReceiverSink {
  /** Every frame whose payload is whole, before what it means. */
  onFrame(frame: Frame): void;
  onControl(frame: Frame): void;
  onMessage(message: Message): void;
  /** False: the connection is failed, and nothing more is to be told. */
  onViolation(error: WireError): boolean;
}

export interface FrameReceiverOptions {
  readonly maxMessageBytes: number;
  /** Offset on the connection of the first byte pushed. */
  readonly firstByte: number;
  readonly deflate: DeflateParameters | undefined;
}

/** Every frame whole, every rule of RFC 6455 §5 looked at. Chunks are kept and unmasked in place: they must not be used again. */
export class FrameReceiver implements Receiver {
  private readonly sink: ReceiverSink;
  private readonly options: FrameReceiverOptions;
  private readonly decoder: FrameDecoder;
  private readonly messages: MessageAssembler;
  private position: number;
  private readonly budget = new ControlBudget();
  private payloadBytes = 0;
  private closeReceived = false;
  private stopped = false;

  constructor(sink: ReceiverSink, options: FrameReceiverOptions) {
    const { maxMessageBytes, firstByte, deflate } = options;
    this.sink = sink;
    this.options = options;
    this.position = firstByte;
    const inflater = deflate === undefined ? undefined : new MessageInflater({ serverNoContextTakeover: deflate.serverNoContextTakeover, maxMessageBytes });
    this.messages = new MessageAssembler({ maxMessageBytes, inflater });
    const frames = { onHeader: (header: FrameHeader) => this.receiveHeader(header), onFrame: (frame: Frame) => this.receiveFrame(frame) };
    this.decoder = new FrameDecoder(frames, { maxPayloadBytes: maxMessageBytes, firstByte });
  }

  push(chunk: Uint8Array): void {
    this.position += chunk.length;
    this.decoder.push(chunk);
  }

  finish(): WireError | undefined {
    if (this.stopped) return undefined;
    const truncated = this.decoder.finish();
    if (truncated !== undefined || !this.messages.open) return truncated;
    return new WireError("TRUNCATED_MESSAGE", { expected: "the last fragment before the end of the stream", actual: "FIN", atByte: this.position });
  }

  stop(): void {
    this.stopped = true;
    this.decoder.stop();
  }

  /** Pings, pongs, Closes and empty frames without end would keep us busy and show nothing. */
  private charge(header: FrameHeader): void {
    if (header.opcode < opcodes.close && header.payloadBytes > 0) {
      this.payloadBytes += header.payloadBytes;
    } else if (!this.budget.spend(nowMicros(), this.payloadBytes / payloadBytesPerFrame)) {
      this.stop();
      throw new WireError("CONTROL_FLOOD", { expected: "fewer frames without a message", actual: "a flood of them", atByte: header.atByte });
    }
  }

  private receiveHeader(header: FrameHeader): boolean {
    this.charge(header);
    const context = { messageOpen: this.messages.open, closeReceived: this.closeReceived, deflate: this.options.deflate !== undefined };
    for (const error of headerViolations(header, context)) if (!this.sink.onViolation(error)) return false;
    if (header.opcode === opcodes.continuation && this.messages.wouldOverflow(header.payloadBytes)) {
      this.stop();
      const expected = `a message of at most ${this.options.maxMessageBytes} bytes`;
      throw new WireError("MESSAGE_TOO_LONG", { expected, actual: "a fragment that makes it longer", atByte: header.atByte });
    }
    return true;
  }

  private receiveFrame(frame: Frame): void {
    this.sink.onFrame(frame);
    if (frame.opcode === opcodes.close) this.closeReceived = true;
    if (frame.opcode >= opcodes.close) this.sink.onControl(frame);
    else if (frame.opcode <= opcodes.binary) {
      const { message, error } = this.messages.add(frame);
      if (error !== undefined && !this.sink.onViolation(error)) return;
      if (message !== undefined) this.sink.onMessage(message);
    }
  }
}
