import type { Http2FrameFault } from "./http2-tap.js";
import type { SeamFactory } from "./seams.js";
import type { WebSocketFrameFault } from "./websocket-tap.js";

/** One narrow way in which the reference server can be wrong. */
export interface Fault {
  /** What the server does wrong, and who tends to. */
  readonly sentence: string;
  /** Where it bites: a step of a stream (`filter`, `end`, …), frames below a library, or the file that asks for it by name. */
  readonly seam: string;
  /** Ids of the checks that catch it, each time. */
  readonly caughtBy: readonly string[];
  /** Ids of those that may catch it as well, as the race or the neighbours will have it; `topic/*` stands for all of a topic. */
  readonly sometimes?: readonly string[];
  /** Whether no client of the protocol gets as far as a stream; default false. */
  readonly unreachable?: boolean;
  /** Whom it harms beyond the stream that provokes it; default: nobody. */
  readonly reach?: "connection" | "server";
  /** Shows only to checks that take their time. */
  readonly patient?: boolean;
  /** What the server must be started with, or be asked for, before it can bite; `quiet`: without entries of its own. */
  readonly needs?: "token" | "tls" | "origins" | "stop" | "quiet";
  /** Its detours; called once for each server, and what that gives once for each stream. */
  readonly stream?: () => SeamFactory;
  /** Its frames below HTTP/2; called once for each connection. */
  readonly http2?: () => Http2FrameFault;
  /** Its frames below WebSocket; called once for each connection. */
  readonly webSocket?: () => WebSocketFrameFault;
}

/** A timer of a fault: it never keeps the process alive. */
export function later(delayMs: number, act: () => void): void {
  setTimeout(act, delayMs).unref();
}

/** Where streams may notice a fault that others beside them provoke, be it their filters or their traffic: in whatever ran side by side. */
export const neighbours = ["first-filter/*", "filter-updates/*", "isolation/*", "flow-control/*", "robustness/*", "eof/*", "cancellation/*"] as const;
