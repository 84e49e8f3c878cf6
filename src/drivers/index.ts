import type { Driver, DriverName } from "../core/stream.js";
import { grpcDriver } from "./grpc.js";
import { grpcWireDriver } from "./grpc-wire.js";
import { withPrelude } from "./prelude.js";
import { websocketDriver } from "./websocket.js";
import { websocketWireDriver } from "./websocket-wire.js";

/** Every driver by its name. */
export const drivers = {
  grpc: withPrelude(grpcDriver),
  "grpc-wire": withPrelude(grpcWireDriver),
  websocket: withPrelude(websocketDriver),
  "websocket-wire": withPrelude(websocketWireDriver),
} as const satisfies Record<DriverName, Driver>;
