import type { Driver, DriverName } from "../core/stream.js";
import { grpcDriver } from "./grpc.js";
import { grpcWireDriver } from "./grpc-wire.js";
import { websocketDriver } from "./websocket.js";
import { websocketWireDriver } from "./websocket-wire.js";

/** Every driver by its name. */
export const drivers = {
  grpc: grpcDriver,
  "grpc-wire": grpcWireDriver,
  websocket: websocketDriver,
  "websocket-wire": websocketWireDriver,
} as const satisfies Record<DriverName, Driver>;
