import type { WebSocketBinding } from "../core/contract.js";
import { HarnessError } from "../core/errors.js";
import type { MonitorStream, OpenOptions, StreamEnd } from "../core/stream.js";
import type { Target } from "../core/target.js";

/** The WebSocket side of a target's contract. @throws HarnessError `contract` when it describes none. */
export function websocketBindingOf(target: Target): WebSocketBinding {
  const { websocket, source } = target.contract;
  if (websocket === undefined) {
    throw new HarnessError("contract", `The contract does not say how the monitor looks over WebSocket, so ${target.url} cannot be opened.`, {
      place: source,
      hint: 'Add a "websocket" section with a path.',
    });
  }
  return websocket;
}

/** Headers of an upgrade: the contract's, the target's, the stream's; a later one takes the place of an earlier one of its name. */
export function upgradeHeaders(target: Target, binding: WebSocketBinding, options: OpenOptions): readonly (readonly [name: string, value: string])[] {
  const replace = (before: readonly (readonly [string, string])[], after: readonly (readonly [string, string])[]): readonly (readonly [string, string])[] => {
    const names = new Set(after.map(([name]) => name.toLowerCase()));
    return [...before.filter(([name]) => !names.has(name.toLowerCase())), ...after];
  };
  return replace(replace(binding.headers, target.headers), options.headers ?? []);
}

/** What a server's Close frame means; no code stands for 1005, a clean end. */
export function endOfClose(code: number | undefined, reason: string): StreamEnd {
  if (code === undefined || code === 1000 || code === 1005) {
    return { kind: "completed", native: String(code ?? 1005) };
  }
  return { kind: "rejected", native: String(code), code, detail: reason };
}

/** What a refused upgrade means; `body` may be long. */
export function endOfRefusal(status: number, body: string): StreamEnd {
  return { kind: "rejected", native: `HTTP ${status}`, code: status, detail: body.trim().slice(0, 500) };
}

/** The end of a stream that nobody said anything about. */
export function lostEnd(cause: string): StreamEnd {
  return { kind: "lost", native: "1006", cause };
}

/** A stream that was over before it began. */
export function endedStream(end: StreamEnd): MonitorStream {
  return {
    send: () => Promise.reject(new Error("the stream has ended")),
    end: () => Promise.resolve(),
    cancel: () => undefined,
    pause: () => undefined,
    resume: () => undefined,
    ended: Promise.resolve(end),
  };
}
