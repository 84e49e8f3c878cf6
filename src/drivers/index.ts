import type { Driver, DriverName } from "../core/stream.js";
import { grpcDriver } from "./grpc.js";
import { grpcWireDriver } from "./grpc-wire.js";

/** Every driver by its name. */
export const drivers = {
  grpc: grpcDriver,
  "grpc-wire": grpcWireDriver,
} as const satisfies Partial<Record<DriverName, Driver>>;
