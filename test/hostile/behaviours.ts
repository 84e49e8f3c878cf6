import type { Behaviour } from "./behaviour.js";
import { grpcBehaviours } from "./grpc-behaviours.js";
import { tcpBehaviours } from "./tcp-behaviours.js";
import { websocketBehaviours } from "./websocket-behaviours.js";

/** Every hostile behaviour; names are stable and distinct. */
export const behaviours: readonly Behaviour[] = [...tcpBehaviours, ...grpcBehaviours, ...websocketBehaviours];
