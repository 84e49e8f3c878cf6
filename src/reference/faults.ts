import type { Fault } from "./fault.js";
import { floodFaults } from "./flood-faults.js";
import { filterFaults } from "./filter-faults.js";
import { grpcFaults } from "./grpc-faults.js";
import type { Http2FrameFault } from "./http2-tap.js";
import { inputFaults } from "./input-faults.js";
import { composeSeams, type SeamFactory } from "./seams.js";
import { streamFaults } from "./stream-faults.js";
import { updateFaults } from "./update-faults.js";
import { webSocketFaults } from "./websocket-faults.js";
import type { WebSocketFrameFault } from "./websocket-tap.js";

export type { Fault } from "./fault.js";

/** Every fault by its name. */
export const faults = {
  ...filterFaults,
  ...updateFaults,
  ...streamFaults,
  ...inputFaults,
  ...grpcFaults,
  ...webSocketFaults,
  ...floodFaults,
} as const satisfies Record<string, Fault>;

export type FaultName = keyof typeof faults;

/** The faults of one server. Asked by name where a fault is the absence of a step; the others come as detours and taps. */
export interface Faults {
  has(name: FaultName): boolean;
  /** The detours of all faults; undefined where none has any. */
  readonly seams: SeamFactory | undefined;
  /** Taps for one HTTP/2 connection, and for one WebSocket. */
  http2(): readonly Http2FrameFault[];
  webSocket(): readonly WebSocketFrameFault[];
}

export function chooseFaults(names: readonly FaultName[]): Faults {
  const chosen: readonly Fault[] = names.map((name) => faults[name]);
  const factories = chosen.flatMap((fault) => (fault.stream === undefined ? [] : [fault.stream()]));
  return {
    has: (name) => names.includes(name),
    seams: joinSeams(factories),
    http2: () => chosen.flatMap((fault) => (fault.http2 === undefined ? [] : [fault.http2()])),
    webSocket: () => chosen.flatMap((fault) => (fault.webSocket === undefined ? [] : [fault.webSocket()])),
  };
}

/** Several factories as one; undefined where there is none. */
export function joinSeams(factories: readonly SeamFactory[]): SeamFactory | undefined {
  if (factories.length === 0) return undefined;
  return factories.reduce(
    (outer, inner): SeamFactory =>
      (stream) =>
        composeSeams(outer(stream), inner(stream)),
  );
}
